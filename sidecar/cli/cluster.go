package cli

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/fluent-siem/fluent-siem/filters/logtype"
	codes "github.com/fluent-siem/fluent-siem/internal/code"
	"github.com/fluent-siem/fluent-siem/internal/settings"
	"github.com/fluent-siem/fluent-siem/outputs/opensearch"
	"github.com/fluent-siem/fluent-siem/sidecar/hostconfig"
)

// clusterFlags say which cluster is meant: the settings of an output
// opensearch_bulk, from a pipeline's file, from the command line, or both.
type clusterFlags struct {
	Config   string            `short:"c" placeholder:"FILE" help:"A pipeline's configuration; its first output opensearch_bulk says how to connect, its filter ecs where log types of your own are."`
	Endpoint []string          `placeholder:"URL" help:"The cluster's base URL, instead of the file's."`
	Set      map[string]string `short:"s" mapsep:"none" placeholder:"KEY=VALUE" help:"Any other setting of the output, such as auth=basic, username=admin, password_file=FILE, ca_file=FILE; may be repeated."`
}

// read returns the settings of the connection and the folder with log types of
// the user's own, "" for none.
func (c clusterFlags) read() (cfg opensearch.Config, logTypes string, err error) {
	values := map[string]string{}
	if c.Config != "" {
		if logTypes, err = c.file(values); err != nil {
			return cfg, "", err
		}
	}
	if len(c.Endpoint) > 0 {
		values["endpoint"] = strings.Join(c.Endpoint, ",")
	}
	known := settings.Keys(opensearch.Config{})
	var bad settings.Problems
	for _, key := range slices.Sorted(maps.Keys(c.Set)) {
		if !slices.Contains(known, key) {
			bad.Add(key, "is no setting of the output opensearch_bulk; there are %s", strings.Join(known, ", "))
		}
		values[key] = c.Set[key]
	}
	cfg = opensearch.Defaults()
	bad.Join(settings.Load(&cfg, func(key string) string { return values[key] }))
	bad.Join(cfg.Validate())
	return cfg, logTypes, bad.Err()
}

// file takes the settings out of a pipeline's configuration.
func (c clusterFlags) file(values map[string]string) (logTypes string, err error) {
	file, err := hostconfig.Read(c.Config, os.LookupEnv)
	if err != nil {
		return "", err
	}
	for _, filter := range file.Filters {
		if name := filter.Get("name"); name == "ecs" || name == "siem_ecs" {
			logTypes = filter.Get("logtypes_dir")
		}
	}
	for _, out := range file.Outputs {
		if out.Get("name") != "opensearch_bulk" {
			continue
		}
		for _, p := range out.Properties {
			if _, there := values[p.Key]; !there {
				values[p.Key] = p.Value
			}
		}
		return logTypes, nil
	}
	return "", fmt.Errorf("%s has no output opensearch_bulk; name the cluster with --endpoint", c.Config)
}

// connect opens what read found.
func (c clusterFlags) connect(t Terminal) (*opensearch.Client, opensearch.Config, *logtype.Set, error) {
	cfg, dir, err := c.read()
	if err != nil {
		return nil, cfg, nil, usageError{fmt.Errorf("the connection to the cluster cannot be used, and nothing was done:\n%w", err)}
	}
	registry, err := logtype.NewRegistry()
	if err == nil && dir != "" {
		err = registry.Load(dir)
	}
	if err != nil {
		return nil, cfg, nil, usageError{err}
	}
	api, err := opensearch.NewClient(cfg, func(err error) { fmt.Fprintln(t.Err, "fluent-siem:", codes.File.In(err.Error())) })
	return api, cfg, registry.Set(), err
}
