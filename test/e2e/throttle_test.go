package e2e

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/fluent-siem/fluent-siem/sidecar/throttle"
	"github.com/fluent-siem/fluent-siem/test/corpus"
	"github.com/fluent-siem/fluent-siem/test/rig"
	"github.com/fluent-siem/fluent-siem/test/services"
)

// TestThrottleStopsAndResumes: a disk beyond its watermark, and a write block,
// stop the input within ten seconds; it resumes by itself, and nothing is lost.
func TestThrottleStopsAndResumes(t *testing.T) {
	node := services.OpenSearchNodes(t, 1).URLs()[0]
	a := arrangeAt(t, node)
	a.cluster = rig.Cluster{URL: node}
	p := a.start(hosts(t)[0])
	w := &throttle.Watcher{
		Config: throttle.Config{StateDir: a.setup.StateDir(), Interval: time.Second, Calm: 3 * time.Second},
		Get: func(ctx context.Context, path string, answer any) error {
			return a.cluster.Do(ctx, "GET", path, nil, answer)
		},
		Log: slog.New(slog.NewTextHandler(os.Stderr, nil)),
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	t.Cleanup(func() { cancel(); a.must(<-ended) })

	const each, size = 20, 100
	put := 0
	load := func() {
		for range each {
			a.put(a.types[0].Object(put, size))
			put += size
		}
	}
	settings := func(values map[string]any) {
		a.must(a.cluster.Do(t.Context(), "PUT", "/_cluster/settings", map[string]any{"transient": values}, nil))
	}
	share := func(want float64) func() error {
		return func() error {
			m, err := p.Metrics(t.Context())
			if err != nil {
				return err
			}
			if got := m.Sum("siem_input_throttle_share"); got != want {
				return fmt.Errorf("the input's share is %v, want %v", got, want)
			}
			return nil
		}
	}
	load()
	a.drained(p, time.Minute)
	for name, fault := range map[string]map[string]any{
		"disk":  {"cluster.routing.allocation.disk.watermark.low": "0.1%", "cluster.routing.allocation.disk.watermark.high": "0.2%"},
		"block": {"cluster.blocks.read_only_allow_delete": true},
	} {
		settings(fault)
		within, cancel := context.WithTimeoutCause(t.Context(), 10*time.Second, fmt.Errorf("%s: not stopped within ten seconds", name))
		a.must(p.Await(within, share(0)))
		cancel()
		load()
		before := a.aws.Queue(queue).Stats()
		for end := time.Now().Add(3 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) { // time in which nothing may happen
			if now := a.aws.Queue(queue).Stats(); now.Deleted > before.Deleted {
				t.Fatalf("%s: %d messages were done while the input was stopped:\n%s", name, now.Deleted-before.Deleted, p.Output())
			}
		}
		for key := range fault {
			fault[key] = nil
		}
		settings(fault)
		a.must(p.Await(t.Context(), share(1)))
		a.drained(p, time.Minute)
	}
	a.stop(p, 15*time.Second)
	a.once(a.stored(), corpus.CloudTrail, 0, put)
}
