package opensearch

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fluent-siem/fluent-siem/internal/event"
	"github.com/fluent-siem/fluent-siem/internal/process"
	"github.com/fluent-siem/fluent-siem/test/services"
)

const (
	goodputDocuments = 120 // a request
	goodputSenders   = 16
)

// goodputLeast is the part of the best rate that must be reached. A test among
// others on a busy machine asks for less than what is promised.
var goodputLeast = flag.Float64("goodput", 0.6, "the least goodput under rejections, as a part of the best fixed number of requests; 0.9 is promised on a machine that has nothing else to do")

// TestGoodputUnderRejections: a node whose write queue is tiny refuses what comes
// beyond. What the output finds out by itself stores at least nine tenths of what
// the best fixed number of requests stores, measured in turns on the same node:
//
//	go test ./outputs/opensearch -run TestGoodput -v -args -goodput 0.9
func TestGoodputUnderRejections(t *testing.T) {
	nodes := services.OpenSearchNodes(t, 1, "thread_pool.write.queue_size: 2")
	n := node{t: t, url: nodes.URLs()[0], client: &http.Client{}}
	for _, shards := range []int{1, 3} {
		t.Run(fmt.Sprintf("%d shards", shards), func(t *testing.T) { goodput(t, n, shards) })
	}
}

// goodput measures until the ratio is what it should be, and at most so many
// rounds: the machine has other things to do, and their share changes.
func goodput(t *testing.T, n node, shards int) {
	const turn, least, most = 600 * time.Millisecond, 3, 20
	modes := []int{0, 2, 4, 8} // requests in flight; 0 finds out
	runs, rates := map[int]*goodputRun{}, map[int][]float64{}
	for _, requests := range modes {
		runs[requests] = newGoodputRun(t, n, shards, requests)
		runs[requests].turn(turn) // to warm up, and to find out
	}
	median := func(requests int) float64 {
		all := slices.Sorted(slices.Values(rates[requests]))
		return all[len(all)/2]
	}
	ratio := 0.0
	for round := 1; round <= most && (round <= least || ratio < *goodputLeast); round++ {
		best := 0.0
		for _, requests := range modes {
			rates[requests] = append(rates[requests], runs[requests].turn(turn))
			if requests > 0 {
				best = max(best, median(requests))
			}
		}
		ratio = median(0) / best
	}
	for _, requests := range modes {
		r := runs[requests]
		t.Logf("requests %d (0: finds out): %5.0f documents/s, %d refused, limit %.1f; %.0f", requests, median(requests), r.refused.Load(), r.w.limit.limit, rates[requests])
	}
	if runs[8].refused.Load() == 0 {
		t.Fatal("nothing was refused: the queue is not small enough for the test")
	}
	t.Logf("%.0f %% of the best", 100*ratio)
	if ratio < *goodputLeast {
		t.Errorf("it stores %.0f %% of what the best fixed number of requests stores", 100*ratio)
	}
}

// goodputRun is an output that sends as fast as it can during its turns.
type goodputRun struct {
	t       *testing.T
	w       *Writer
	index   string
	stored  atomic.Int64
	refused atomic.Int64
	serial  atomic.Int64
}

// newGoodputRun makes one; requests is how many are in flight, 0 lets it find out.
func newGoodputRun(t *testing.T, n node, shards, requests int) *goodputRun {
	t.Helper()
	r := &goodputRun{t: t, index: services.Name("goodput")}
	n.must("PUT", "/"+r.index, fmt.Sprintf(`{"settings":{"number_of_shards":%d,"number_of_replicas":0,"refresh_interval":"-1"}}`, shards))
	cfg := Defaults()
	cfg.Endpoint, cfg.DeadLetters, cfg.Requests = []string{n.url}, t.TempDir(), max(requests, Defaults().Requests)
	w, err := New(cfg, process.New(), WithLogger(slog.New(slog.DiscardHandler)), WithTransport(r))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() })
	if requests > 0 {
		w.limit = fixedLimiter(requests)
	}
	r.w = w
	return r
}

// RoundTrip counts the refused among the answers.
func (r *goodputRun) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := http.DefaultTransport.RoundTrip(req)
	if err == nil {
		res.Body = &counting{res.Body, r}
	}
	return res, err
}

// turn sends for a while, and returns how many documents a second were stored.
func (r *goodputRun) turn(d time.Duration) float64 {
	end := time.Now().Add(d)
	before := r.stored.Load()
	var senders sync.WaitGroup
	for range goodputSenders {
		senders.Go(func() {
			for time.Now().Before(end) {
				r.send()
				if time.Now().Before(end) { // what is stored later is not of this turn
					r.stored.Add(goodputDocuments)
				}
			}
		})
	}
	senders.Wait()
	return float64(r.stored.Load()-before) / d.Seconds()
}

func (r *goodputRun) send() {
	var chunk []byte
	text := bytes.Repeat([]byte("some text of a log that is to be found again "), 4)
	for range goodputDocuments {
		id := fmt.Appendf(nil, "%032x", r.serial.Add(1))
		chunk = event.AppendTarget(chunk, time.Unix(1700000000, 0), nil, event.Target{Index: []byte(r.index), ID: id}, nil, nil)
		chunk = event.AppendDocument(chunk, fmt.Appendf(nil, `{"n":%q,"message":%q}`, id, text))
	}
	for {
		err := r.w.Write(r.t.Context(), "siem", chunk)
		if err == nil {
			return
		}
		var again *RetryError
		if !errors.As(err, &again) {
			r.t.Error(err)
			return
		}
	}
}

// counting counts refusals in what is read.
type counting struct {
	body interface {
		Read([]byte) (int, error)
		Close() error
	}
	run *goodputRun
}

func (c *counting) Read(b []byte) (int, error) {
	n, err := c.body.Read(b)
	c.run.refused.Add(int64(bytes.Count(b[:n], []byte(`"status":429`))))
	return n, err
}

func (c *counting) Close() error { return c.body.Close() }
