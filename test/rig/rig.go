// Package rig runs the pipeline as an operator does: as a process of its own
// with a configuration file, inside Fluent Bit, inside the test host, or by
// `fluent-siem pipeline`; and it asks OpenSearch what arrived.
//
// # Promises
//
//   - All hosts get the same configuration, so the same test runs in each.
//   - A process started here does not outlive [Process.Kill] or [Process.Stop].
//   - What a process wrote is kept in its folder, and is part of every error.
package rig

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/fluent-siem/fluent-siem/internal/deadletter"
	"github.com/fluent-siem/fluent-siem/sidecar/hostconfig"
)

// Host is a program that runs the pipeline.
type Host struct {
	Name    string // fluent-siem, test-host or fluent-bit
	Program string // path
	Version string // of Fluent Bit, else ""
	plugins []string
	filter  string // the name of our filter there
	args    func(config string) []string
	flat    bool // its configuration is that of the test host
}

// Pipeline is `fluent-siem pipeline`.
func Pipeline(root string) Host {
	return Program(filepath.Join(root, "build/fluent-siem"))
}

// Program is `fluent-siem pipeline` inside another program, which is told so by
// arguments that stand before.
func Program(path string, before ...string) Host {
	return Host{
		Name: "fluent-siem", Program: path, filter: "ecs",
		args: func(config string) []string { return append(slices.Clone(before), "pipeline", "-c", config) },
	}
}

// TestHost is the C program of test/host, which loads our libraries as Fluent Bit does.
func TestHost(root string) Host {
	return Host{
		Name: "test-host", Program: filepath.Join(root, "build/test-host"), filter: "ecs", plugins: libraries(root, "ecs"), flat: true,
		args: func(config string) []string { return []string{"-c", config} },
	}
}

// ErrNoFluentBit is why [FluentBit] has none.
var ErrNoFluentBit = errors.New("no fluent-bit on PATH, and FLUENT_BIT names none")

// FluentBit is a real Fluent Bit: the one named by FLUENT_BIT, or on PATH.
func FluentBit(root string) (Host, error) {
	program := os.Getenv("FLUENT_BIT")
	if program == "" {
		var err error
		if program, err = exec.LookPath("fluent-bit"); err != nil {
			return Host{}, ErrNoFluentBit
		}
	}
	version, err := exec.Command(program, "--version").Output()
	if err != nil {
		return Host{}, fmt.Errorf("%s --version: %w", program, err)
	}
	first, _, _ := strings.Cut(string(version), "\n")
	// It has a filter ecs of its own since 3.0, which wins; siem_ecs is ours by another name.
	return Host{
		Name: "fluent-bit", Program: program, Version: first, filter: "siem_ecs", plugins: libraries(root, "siem_ecs"),
		args: func(config string) []string { return []string{"-c", config} },
	}, nil
}

func libraries(root, filter string) []string {
	var all []string
	for _, name := range []string{"in_s3_sqs", "flb-filter_" + filter, "out_opensearch_bulk"} {
		all = append(all, filepath.Join(root, "build", name+".so"))
	}
	return all
}

// Settings are keys and values of a section of the configuration.
type Settings map[string]string

// Setup is a pipeline from one queue to one cluster.
type Setup struct {
	Dir        string // holds everything: configuration, state, dead letters, what the process wrote
	Endpoint   string // of S3 and SQS
	QueueURL   string
	OpenSearch string

	Service, Input, Filter, Output Settings // more settings, or other values
}

// DeadLetters is the folder of the output's dead letters.
func (s Setup) DeadLetters() string { return filepath.Join(s.Dir, "dead-letters") }

// Letters reads them, none when there is no folder.
func (s Setup) Letters(ctx context.Context) (all []deadletter.Letter, err error) {
	box, err := deadletter.Open(deadletter.Config{Place: s.DeadLetters()})
	if err != nil {
		return nil, err
	}
	damage, err := box.Each(ctx, func(e *deadletter.Entry) error { all = append(all, e.Letter); return nil })
	if damage.Files != nil {
		return all, fmt.Errorf("dead letters are damaged: %+v", damage)
	}
	if errors.Is(err, os.ErrNotExist) {
		err = nil
	}
	return all, err
}

// StateDir is the folder of the sockets.
func (s Setup) StateDir() string { return filepath.Join(s.Dir, "state") }

// Config writes the configuration for h and returns its path.
func (s Setup) Config(h Host) (string, error) {
	service := Settings{"flush": "0.2", "grace": "10", "log_level": "info"}
	if len(h.plugins) > 0 { // in a file of their own: Fluent Bit 2 knows no section plugins
		file := filepath.Join(s.Dir, h.Name+".plugins")
		text := "[PLUGINS]\n"
		for _, p := range h.plugins {
			text += "    Path " + p + "\n"
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			return "", err
		}
		service["plugins_file"] = file
	}
	var b strings.Builder
	b.WriteString("service:\n")
	section(&b, "  ", service, s.Service)
	b.WriteString("pipeline:\n  inputs:\n    - name: s3_sqs\n")
	section(&b, "      ", Settings{
		"tag": "siem", "queue_url": s.QueueURL, "region": "us-east-1", "endpoint": s.Endpoint, "state_dir": s.StateDir(), "memory_limit": "64MB",
	}, s.Input)
	fmt.Fprintf(&b, "  filters:\n    - name: %s\n", h.filter)
	section(&b, "      ", Settings{"match": "siem*"}, s.Filter)
	b.WriteString("  outputs:\n    - name: opensearch_bulk\n")
	section(&b, "      ", Settings{
		"match": "siem*", "workers": "2", "retry_limit": "no_limits", "endpoint": s.OpenSearch, "auth": "none", "dead_letters": s.DeadLetters(),
	}, s.Output)
	path := filepath.Join(s.Dir, h.Name+".yaml")
	return path, os.WriteFile(path, []byte(b.String()), 0o644)
}

func section(b *strings.Builder, indent string, base, more Settings) {
	all := maps.Clone(base)
	maps.Copy(all, more)
	for _, key := range slices.Sorted(maps.Keys(all)) {
		fmt.Fprintf(b, "%s%s: %s\n", indent, key, all[key])
	}
}

// flatten writes what the test host reads of Fluent Bit's configuration, and
// returns its path.
func flatten(config string, env []string) (string, error) {
	lookup := func(name string) (string, bool) {
		for _, e := range slices.Backward(env) {
			if value, ok := strings.CutPrefix(e, name+"="); ok {
				return value, true
			}
		}
		return "", false
	}
	file, err := hostconfig.Read(config, lookup)
	if err != nil {
		return "", err
	}
	if p, ok := file.Service.Lookup("plugins_file"); ok {
		more, err := hostconfig.Read(p.Value, lookup)
		if err != nil {
			return "", err
		}
		file.Plugins = append(file.Plugins, more.Plugins...)
	}
	sections := []hostconfig.Section{file.Service}
	for _, p := range file.Plugins {
		sections = append(sections, hostconfig.Section{Kind: "plugin", Properties: []hostconfig.Property{{Key: "path", Value: p.Value}}})
	}
	var b strings.Builder
	for _, s := range slices.Concat(sections, file.Inputs, file.Filters, file.Outputs) {
		fmt.Fprintf(&b, "section %s\n", s.Kind)
		for _, p := range s.Properties {
			fmt.Fprintf(&b, "%s %s\n", p.Key, p.Value)
		}
	}
	path := config + ".flat"
	return path, os.WriteFile(path, []byte(b.String()), 0o644)
}
