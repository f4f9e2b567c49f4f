package cli

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	codes "github.com/fluent-siem/fluent-siem/internal/code"
	"github.com/fluent-siem/fluent-siem/internal/process"
	"github.com/fluent-siem/fluent-siem/sidecar/hostconfig"
	"github.com/fluent-siem/fluent-siem/sidecar/pipeline"
)

type pipelineCommand struct {
	Config    string `short:"c" required:"" placeholder:"FILE" help:"Fluent Bit's configuration, YAML or classic; - is standard input."`
	Check     bool   `help:"Read and check the configuration, say what is wrong with it, and end."`
	LogLevel  string `placeholder:"LEVEL" enum:"debug,info,warn,error," default:"" help:"debug, info, warn or error. Default: log_level of the service section, else info."`
	LogFormat string `placeholder:"FORMAT" enum:"text,json" default:"text" help:"text or json."`
}

func (pipelineCommand) Help() string {
	return `Runs the inputs s3_sqs, the filters ecs and the outputs opensearch_bulk, stdout, file and null of
a Fluent Bit configuration in one process. Settings that Fluent Bit keeps for itself (match, workers,
retry_limit, mem_buf_limit …) mean what they mean there.

SIGTERM stops: inputs first, then what is on its way is delivered within the service's grace, then
leases that are still open are given back to their queue. A second SIGTERM ends at once. SIGHUP
reads the configuration again; one with an error is refused, and the old one goes on.

Examples:

  $ printf 'pipeline:\n  inputs:\n    - name: s3_sqs\n      queue_url: https://sqs.eu-west-1.amazonaws.com/123456789012/siem\n      region: eu-west-1\n      acknowledge: queued\n  outputs:\n    - name: stdout\n      match: "*"\n' | fluent-siem pipeline --check -c -`
}

// Run runs the pipeline until ctx is done.
func (c pipelineCommand) Run(ctx context.Context, t Terminal) error {
	p := process.Shared()
	slog.SetDefault(slog.New(c.handler(t.Err, p.Level())))
	current, err := c.open(p, t)
	if err != nil {
		return usageError{fmt.Errorf("the configuration cannot be used, and nothing was started:\n%w", err)}
	}
	if c.Check {
		current.Close()
		_, err := fmt.Fprintf(t.Out, "%s: the configuration can be used\n", c.Config)
		return err
	}
	for current != nil {
		if current, err = c.runUntilReload(ctx, current, p, t); err != nil {
			return err
		}
	}
	return nil
}

// open reads the configuration and makes its stages.
func (c pipelineCommand) open(p *process.Process, t Terminal) (*pipeline.Pipeline, error) {
	file, err := hostconfig.Read(c.Config, os.LookupEnv)
	if err != nil {
		return nil, err
	}
	level, err := c.level(file)
	if err != nil {
		return nil, err
	}
	p.Level().Set(level)
	return pipeline.New(file, pipeline.SIEM(p, t.Out),
		pipeline.WithStopping(p.Stopping.Store), pipeline.WithMetrics(p))
}

// runUntilReload runs a pipeline until ctx is done, and then returns nil, or
// until a reload finds a configuration that can be used: that one is returned.
func (c pipelineCommand) runUntilReload(ctx context.Context, current *pipeline.Pipeline, p *process.Process, t Terminal) (*pipeline.Pipeline, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- current.Run(ctx) }()
	for {
		select {
		case err := <-ended:
			return nil, err
		case <-t.Reload:
		}
		next, err := c.open(p, t)
		if err != nil {
			slog.Error("the changed configuration is refused; the old one goes on", "file", c.Config, "error", err, codes.Config.Attr())
			continue
		}
		slog.Info("the changed configuration takes over", "file", c.Config)
		stop()
		if err := <-ended; err != nil {
			slog.Error("the old pipeline did not end well", "error", err, codes.NotOver.Attr())
		}
		return next, nil
	}
}

// level is what the command line says, else the service section.
func (c pipelineCommand) level(file *hostconfig.File) (slog.Level, error) {
	name := c.LogLevel
	set, ok := file.Service.Lookup("log_level")
	if name == "" && ok {
		name = strings.ToLower(set.Value)
	}
	switch name {
	case "off":
		return slog.LevelError + 1000, nil
	case "error":
		return slog.LevelError, nil
	case "warn", "warning":
		return slog.LevelWarn, nil
	case "", "info":
		return slog.LevelInfo, nil
	case "debug", "trace":
		return slog.LevelDebug, nil
	}
	return 0, file.Errorf(set.At, "log_level is %q; write error, warn, info or debug", set.Value)
}

func (c pipelineCommand) handler(out io.Writer, level slog.Leveler) slog.Handler {
	options := &slog.HandlerOptions{Level: level}
	if c.LogFormat == "json" {
		return slog.NewJSONHandler(out, options)
	}
	return slog.NewTextHandler(out, options)
}
