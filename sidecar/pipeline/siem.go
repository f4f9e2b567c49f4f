package pipeline

import (
	"context"
	"io"

	"github.com/fluent-siem/fluent-siem/filters/ecs"
	"github.com/fluent-siem/fluent-siem/internal/process"
	"github.com/fluent-siem/fluent-siem/internal/settings"
	"github.com/fluent-siem/fluent-siem/outputs/opensearch"
	"github.com/fluent-siem/fluent-siem/plugins/s3sqs"
)

// SIEM is the kit of our own plugins, which share p, and of [Plain]; options
// are the program's for each output opensearch_bulk.
func SIEM(p *process.Process, out io.Writer, options ...opensearch.Option) Kit {
	k := Plain(out)
	k.Inputs["s3_sqs"] = Plugin[Input]{
		Keys: settings.Keys(s3sqs.Config{}), Acknowledges: true,
		Make: func(get func(string) string, host Host) (Input, error) {
			cfg := s3sqs.Defaults()
			if err := load(&cfg, get); err != nil {
				return nil, err
			}
			if get("drain_timeout") == "" { // leave time to give leases back
				cfg.DrainTimeout = min(cfg.DrainTimeout, host.Grace/4)
			}
			in, err := s3sqs.New(cfg, p, s3sqs.WithTag(get("tag")))
			return input{in}, err
		},
	}
	k.Filters["ecs"] = Plugin[Filter]{
		Keys: settings.Keys(ecs.Config{}),
		Make: func(get func(string) string, _ Host) (Filter, error) {
			cfg := ecs.Defaults()
			if err := load(&cfg, get); err != nil {
				return nil, err
			}
			return ecs.New(cfg, p)
		},
	}
	// Fluent Bit has a filter ecs of its own (metadata of Amazon ECS); in files
	// for it ours goes by this name.
	k.Filters["siem_ecs"] = k.Filters["ecs"]
	k.Outputs["opensearch_bulk"] = Plugin[Output]{
		Keys: settings.Keys(opensearch.Config{}), Acknowledges: true,
		Make: func(get func(string) string, _ Host) (Output, error) {
			cfg := opensearch.Defaults()
			if err := load(&cfg, get); err != nil {
				return nil, err
			}
			return opensearch.New(cfg, p, options...)
		},
	}
	return k
}

// load fills cfg and reports what cannot be read together with what cannot work.
func load[C interface{ Validate() error }](cfg *C, get func(string) string) error {
	var bad settings.Problems
	bad.Join(settings.Load(cfg, get))
	bad.Join((*cfg).Validate())
	return bad.Err()
}

// input makes an [Input] of the stage: its Sink has another name.
type input struct{ *s3sqs.Input }

func (i input) Run(ctx context.Context, sink Sink) error { return i.Input.Run(ctx, sink) }
