package pipeline

import (
	"context"
	"time"
)

// Sink takes events from an input.
type Sink interface {
	// Append hands over whole events of `records` records; buf may be reused
	// afterwards. It blocks until there is room. After an error the pipeline
	// does not have them.
	Append(ctx context.Context, tag string, records int, buf []byte) error
}

// Input is a source of events.
type Input interface {
	// Run appends to sink until ctx is done.
	Run(ctx context.Context, sink Sink) error
}

// Pauser is an Input that can be told to begin nothing new.
type Pauser interface{ Pause() }

// Filter changes events on their way. It is used by several goroutines.
type Filter interface {
	// Process appends what becomes of in to dst. It returns false when
	// nothing changed, and dst is not looked at then.
	Process(dst []byte, tag string, in []byte) (out []byte, changed bool)
	Close()
}

// Output is where events go. Write is called by several goroutines when the
// configuration says workers.
type Output interface {
	// Write returns nil when it is done with the chunk, else it gets it again.
	Write(ctx context.Context, tag string, chunk []byte) error
	Close() error
}

// Kit is the plugins that a configuration may name.
type Kit struct {
	Inputs  map[string]Plugin[Input]
	Filters map[string]Plugin[Filter]
	Outputs map[string]Plugin[Output]
}

// Plugin makes stages of one kind.
type Plugin[Stage any] struct {
	// Keys are the settings it understands; the host's own are not among them.
	Keys []string
	// Make makes a stage; get returns what its section says. Problems with
	// settings are a [settings.Error], to be found at their line.
	Make func(get func(key string) string, host Host) (Stage, error)
	// Acknowledges tells of an output that it gives verdicts on leases, of an
	// input that it waits for them unless its setting acknowledge says queued.
	Acknowledges bool
}

// Host is what a plugin should know about the pipeline it runs in.
type Host struct {
	Grace time.Duration // how long a stop may take, for all stages together
}
