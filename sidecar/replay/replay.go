// Package replay loads dead letters after all: it runs their records through
// the filters and outputs of a configuration as it is now.
//
//	letter ─▶ record ─▶ filter ecs ─▶ output opensearch_bulk ─▶ verdict ─▶ mark
//	  └──────▶ object, fetched again ──┘
//
// A letter with its record is a record; one of a document without a record is
// sent as that document; one of an object, or of a record that is not in the letter
// whole, is read from S3 again.
//
// # Promises
//
//   - A letter is closed only when each record of it is stored, was there
//     already, or is excluded, and then its mark is durable.
//   - What is refused again stays, with its new reason. What a replayed object
//     has in refused records becomes letters of their own first.
//   - A letter keeps its place in its object, so its document has the id that it
//     would have had, and a replay that is interrupted may be repeated.
//   - A dry run sends nothing to the cluster, deletes nothing, marks nothing.
package replay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/fluent-siem/fluent-siem/internal/deadletter"
	"github.com/fluent-siem/fluent-siem/internal/process"
	"github.com/fluent-siem/fluent-siem/internal/settings"
	"github.com/fluent-siem/fluent-siem/outputs/opensearch"
	"github.com/fluent-siem/fluent-siem/plugins/s3sqs"
	"github.com/fluent-siem/fluent-siem/sidecar/hostconfig"
	"github.com/fluent-siem/fluent-siem/sidecar/pipeline"
)

// Options are the operator's wishes.
type Options struct {
	// Choose says which open letters are replayed; nil: all.
	Choose func(*deadletter.Entry) bool
	// Rate is how many letters are replayed in a second, at most; 0: no bound.
	Rate float64
	// DryRun converts, and sends nothing.
	DryRun bool
	// Progress is told the books after each batch; may be nil.
	Progress func(Books)
	// Log is where the stages write. Default: slog.Default().
	Log *slog.Logger
}

// Books are what became of the letters.
type Books struct {
	Letters uint64            `json:"letters"` // replayed
	Records uint64            `json:"records"` // read for them
	Closed  map[string]uint64 `json:"closed"`  // letters, by outcome
	Stay    map[string]uint64 `json:"stay"`    // letters that are refused again, by class
	New     uint64            `json:"new"`     // letters of records of replayed objects
}

// Settled is the number of letters that are closed.
func (b Books) Settled() (n uint64) {
	for _, c := range b.Closed {
		n += c
	}
	return n
}

// Staying is the number of letters that stay open.
func (b Books) Staying() (n uint64) {
	for _, c := range b.Stay {
		n += c
	}
	return n
}

// BoxOf is where the outputs of a configuration keep dead letters. Several
// that keep them in different places are an error: name one.
func BoxOf(file *hostconfig.File) (deadletter.Config, error) {
	places := map[string]deadletter.Config{}
	for _, s := range file.Outputs {
		if s.Name() != "opensearch_bulk" {
			continue
		}
		cfg := opensearch.Defaults()
		if err := settings.Load(&cfg, s.Get); err != nil {
			return deadletter.Config{}, err
		}
		places[cfg.DeadLetters] = cfg.Box()
	}
	switch len(places) {
	case 0:
		return deadletter.Config{}, errors.New("the configuration has no output opensearch_bulk, so nothing says where dead letters are; name the place")
	case 1:
		for _, c := range places {
			return c, nil
		}
	}
	return deadletter.Config{}, fmt.Errorf("the outputs keep dead letters in %d places (%v); name one", len(places), slices.Sorted(maps.Keys(places)))
}

// ours keeps the stages of a configuration that a replay needs, and reads
// what they wait for often.
func ours(file *hostconfig.File) *hostconfig.File {
	some := *file
	some.Filters = slices.DeleteFunc(slices.Clone(file.Filters), func(s hostconfig.Section) bool {
		return s.Name() != "ecs" && s.Name() != "siem_ecs"
	})
	some.Outputs = slices.DeleteFunc(slices.Clone(file.Outputs), func(s hostconfig.Section) bool { return s.Name() != "opensearch_bulk" })
	some.Service.Properties = append([]hostconfig.Property{{Key: "flush", Value: "0.05", At: file.Service.At}}, file.Service.Properties...)
	return &some
}

// WithTables returns a configuration whose filters enrich with tables of: newest
// or event, as the filter's setting tables_of says.
func WithTables(file *hostconfig.File, of string) *hostconfig.File {
	some := *file
	some.Filters = slices.Clone(file.Filters)
	for i, s := range some.Filters {
		if s.Name() == "ecs" || s.Name() == "siem_ecs" {
			some.Filters[i].Properties = append([]hostconfig.Property{{Key: "tables_of", Value: of, At: s.At}}, s.Properties...)
		}
	}
	return &some
}

// Run replays the open letters of box that o chooses, and returns when each
// has its mark, with an error when ctx or the pipeline ended before.
func Run(ctx context.Context, file *hostconfig.File, box *deadletter.Box, o Options) (Books, error) {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	p := process.New()
	in := &input{p: p, box: box, options: o, waiting: map[uint64]*pending{}, ended: make(chan error, 1)}
	in.books = Books{Closed: map[string]uint64{}, Stay: map[string]uint64{}}
	for _, s := range file.Inputs {
		if s.Name() == "s3_sqs" {
			cfg := s3sqs.Defaults()
			if err := settings.Load(&cfg, s.Get); err != nil {
				return in.books, fmt.Errorf("input s3_sqs:\n%w", err)
			}
			reading, err := s3sqs.New(cfg, p, s3sqs.WithLogger(o.Log))
			if err != nil {
				return in.books, err
			}
			in.s3 = reading
			if cfg.LogtypesDir != "" {
				if err := p.LogTypes.Load(cfg.LogtypesDir); err != nil {
					return in.books, fmt.Errorf("input s3_sqs: logtypes_dir %s:\n%w", cfg.LogtypesDir, err)
				}
			}
			break
		}
	}
	some := ours(file)
	some.Inputs = []hostconfig.Section{{Kind: "input", At: file.Service.At, Properties: []hostconfig.Property{{Key: "name", Value: "deadletter"}, {Key: "tag", Value: "siem"}}}}
	kit := pipeline.SIEM(p, io.Discard, opensearch.WithDeadLetters(in.refused), opensearch.WithLogger(o.Log))
	kit.Inputs["deadletter"] = pipeline.Plugin[pipeline.Input]{
		Acknowledges: true,
		Make:         func(func(string) string, pipeline.Host) (pipeline.Input, error) { return in, nil },
	}
	if o.DryRun {
		kit.Outputs["opensearch_bulk"] = pipeline.Plugin[pipeline.Output]{
			Keys: settings.Keys(opensearch.Config{}), Acknowledges: true,
			Make: func(func(string) string, pipeline.Host) (pipeline.Output, error) { return dry{in}, nil },
		}
	}
	pl, err := pipeline.New(some, kit, pipeline.WithLog(o.Log), pipeline.WithStopping(p.Stopping.Store),
		pipeline.WithRetryWait(func(n int) time.Duration { return min(time.Duration(n)*time.Second, 10*time.Second) }))
	if err != nil {
		return in.books, err
	}
	inner, stop := context.WithCancel(ctx)
	defer stop()
	ran := make(chan error, 1)
	go func() { ran <- pl.Run(inner) }()
	select {
	case err = <-in.ended:
	case <-ctx.Done():
		err = ctx.Err()
	}
	stop()
	if e := <-ran; err == nil {
		err = e
	}
	return in.booksNow(), err
}
