package cli

import (
	"context"
	"fmt"
	"log/slog"
	"net"

	"github.com/fluent-siem/fluent-siem/sidecar/daemon"
)

type sidecarCommand struct {
	Config    string `short:"c" required:"" placeholder:"FILE" help:"The sidecar's configuration; conf/sidecar.md says what it can have."`
	Check     bool   `help:"Read and check the configuration, say what is wrong with it, and end."`
	LogFormat string `placeholder:"FORMAT" enum:"text,json" default:"text" help:"text or json."`
}

func (sidecarCommand) Help() string {
	return `Keeps the tables that the plugins follow fresh: GeoIP databases and indicators of compromise. Shows how it and
every plugin process of the host is, at /healthz and /metrics of the address that the configuration names, and to
people on the page at /.

A changed configuration is taken when it can be used; SIGHUP has it read again. SIGTERM stops.

Examples:

  $ printf 'state_dir: state\ngeoip:\n  editions: [GeoLite2-City, GeoLite2-ASN]\n  account: "123456"\n  licence_key_file: key.txt\n' > sidecar.yaml && fluent-siem sidecar --check -c sidecar.yaml`
}

// Run runs the sidecar until ctx is done.
func (c sidecarCommand) Run(ctx context.Context, t Terminal) error {
	if c.Check {
		if _, err := daemon.Load(c.Config); err != nil {
			return usageError{fmt.Errorf("the configuration cannot be used:\n%w", err)}
		}
		_, err := fmt.Fprintf(t.Out, "%s: the configuration can be used\n", c.Config)
		return err
	}
	level := new(slog.LevelVar)
	slog.SetDefault(slog.New(pipelineCommand{LogFormat: c.LogFormat}.handler(t.Err, level)))
	began := false
	err := daemon.Run(ctx, c.Config, daemon.Options{
		Log: slog.Default(), Level: level, Version: Version, Reload: t.Reload, Ready: func(net.Addr) { began = true },
	})
	if err != nil && !began {
		return usageError{fmt.Errorf("the sidecar did not begin:\n%w", err)}
	}
	return err
}
