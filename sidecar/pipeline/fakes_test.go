package pipeline

import (
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fluent-siem/fluent-siem/internal/event"
	"github.com/fluent-siem/fluent-siem/sidecar/hostconfig"
)

// fakeInput does what its test says.
type fakeInput func(ctx context.Context, sink Sink) error

func (f fakeInput) Run(ctx context.Context, sink Sink) error { return f(ctx, sink) }

// fakeFilter maps the buffer of a tag.
type fakeFilter func(tag string, in []byte) ([]byte, bool)

func (f fakeFilter) Process(dst []byte, tag string, in []byte) ([]byte, bool) {
	out, changed := f(tag, in)
	return append(dst, out...), changed
}
func (f fakeFilter) Close() {}

// fakeOutput remembers what it took, after asking try.
type fakeOutput struct {
	try func(tag string, chunk []byte) error // nil: takes everything

	mu     sync.Mutex
	took   []string // tag and the records' messages
	calls  []time.Duration
	bytes  int
	began  time.Time
	closed bool
}

func (o *fakeOutput) Write(ctx context.Context, tag string, chunk []byte) error {
	o.mu.Lock()
	if o.began.IsZero() {
		o.began = time.Now()
	}
	o.calls = append(o.calls, time.Since(o.began))
	o.mu.Unlock()
	if o.try != nil {
		if err := o.try(tag, chunk); err != nil {
			return err
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.took = append(o.took, tag+":"+messages(chunk))
	o.bytes += len(chunk)
	return nil
}

func (o *fakeOutput) Close() error {
	o.closed = true
	return nil
}

func messages(chunk []byte) string {
	var list []string
	_ = each(chunk, func(e event.Event) error {
		m, _ := e.Message()
		list = append(list, string(m))
		return nil
	})
	return strings.Join(list, ",")
}

func record(text string) []byte {
	return event.AppendRecord(nil, time.Unix(1718409600, 5e8), event.Origin{Object: 1, Record: 1, Size: int64(len(text))}, []byte(text))
}

// say appends records one by one and waits for the end.
func say(tag string, texts ...string) fakeInput {
	return func(ctx context.Context, sink Sink) error {
		for _, text := range texts {
			if err := sink.Append(ctx, tag, 1, record(text)); err != nil {
				return err
			}
		}
		<-ctx.Done()
		return nil
	}
}

// kit of stages that exist already; section names choose among them.
func kit(inputs map[string]Input, filters map[string]Filter, outputs map[string]Output) Kit {
	k := Plain(io.Discard)
	for name, s := range inputs {
		k.Inputs[name] = Plugin[Input]{Acknowledges: true, Keys: []string{"acknowledge", "queue_url"}, Make: func(func(string) string, Host) (Input, error) { return s, nil }}
	}
	for name, s := range filters {
		k.Filters[name] = Plugin[Filter]{Make: func(func(string) string, Host) (Filter, error) { return s, nil }}
	}
	for name, s := range outputs {
		k.Outputs[name] = Plugin[Output]{Acknowledges: true, Make: func(func(string) string, Host) (Output, error) { return s, nil }}
	}
	return k
}

// read parses a YAML text.
func read(t *testing.T, text string) *hostconfig.File {
	t.Helper()
	path := filepath.Join(t.TempDir(), "p.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := hostconfig.Read(path, os.LookupEnv)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// start runs a pipeline in a synctest bubble; stop ends it.
func start(t *testing.T, text string, k Kit, opts ...Option) (stop func() error) {
	t.Helper()
	p, err := New(read(t, text), k, append([]Option{WithLog(slog.New(slog.NewTextHandler(t.Output(), nil)))}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- p.Run(ctx) }()
	return func() error {
		cancel()
		return <-done
	}
}
