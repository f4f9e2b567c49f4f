package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fluent-siem/fluent-siem/internal/process"
)

func upper(tag string, in []byte) ([]byte, bool) {
	return record(strings.ToUpper(messages(in))), true
}

func TestEveryMatchingOutputGetsTheFilteredChunkOfATag(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, all := &fakeOutput{}, &fakeOutput{}, &fakeOutput{}
		stop := start(t, `
pipeline:
  inputs: [{name: in1, tag: x.a}, {name: in2, tag: x.b}]
  filters:
    - {name: upper, match: x.a}
    - {name: excite, match: "x.*"}
  outputs:
    - {name: a, match: x.a}
    - {name: b, match_regex: "b$"}
    - {name: all, match: "*"}
`, kit(
			map[string]Input{"in1": say("", "one", "two"), "in2": say("x.b", "three")},
			map[string]Filter{"upper": fakeFilter(upper), "excite": fakeFilter(func(_ string, in []byte) ([]byte, bool) { return record(messages(in) + "!"), true })},
			map[string]Output{"a": a, "b": b, "all": all}))
		time.Sleep(1100 * time.Millisecond) // one flush
		if err := stop(); err != nil {
			t.Error(err)
		}
		if !slices.Equal(a.took, []string{"x.a:ONE!,TWO!"}) || !slices.Equal(b.took, []string{"x.b:three!"}) {
			t.Errorf("a took %q, b %q", a.took, b.took)
		}
		slices.Sort(all.took)
		if !slices.Equal(all.took, []string{"x.a:ONE!,TWO!", "x.b:three!"}) {
			t.Errorf("all took %q", all.took)
		}
		if !a.closed || !all.closed {
			t.Error("outputs were not closed")
		}
	})
}

func TestAFilterMayDropEverythingOrChangeNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &fakeOutput{}
		stop := start(t, `
pipeline:
  inputs: [{name: a}, {name: b}]
  filters: [{name: drop, match: a.0}, {name: same, match: "*"}]
  outputs: [{name: out, match: "*"}]
`, kit(map[string]Input{"a": say("", "one"), "b": say("", "two")},
			map[string]Filter{"drop": fakeFilter(func(string, []byte) ([]byte, bool) { return nil, true }), "same": fakeFilter(func(string, []byte) ([]byte, bool) { return nil, false })},
			map[string]Output{"out": out}))
		synctest.Wait()
		if err := stop(); err != nil {
			t.Error(err)
		}
		if !slices.Equal(out.took, []string{"b.1:two"}) {
			t.Errorf("took %q", out.took)
		}
	})
}

// prefix puts a record before what it gets, writing while it reads.
type prefix string

func (p prefix) Process(dst []byte, tag string, in []byte) ([]byte, bool) {
	return append(append(dst, record(string(p))...), in...), true
}
func (prefix) Close() {}

func TestFiltersNeverWriteWhereTheyRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &fakeOutput{}
		same := fakeFilter(func(string, []byte) ([]byte, bool) { return nil, false })
		stop := start(t, "pipeline: {inputs: [{name: in, tag: t}], filters: [{name: a, match: t}, {name: same, match: t}, {name: b, match: t}, {name: c, match: t}], outputs: [{name: out}]}",
			kit(map[string]Input{"in": say("", "one")}, map[string]Filter{"a": prefix("a"), "b": prefix("longer b"), "c": prefix("c"), "same": same}, map[string]Output{"out": out}))
		synctest.Wait()
		if err := stop(); err != nil {
			t.Error(err)
		}
		if !slices.Equal(out.took, []string{"t:c,longer b,a,one"}) {
			t.Errorf("took %q", out.took)
		}
	})
}

func TestChunksAreAtMostTwoMegabytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		largest, total := 0, 0
		out := &fakeOutput{try: func(_ string, chunk []byte) error {
			largest, total = max(largest, len(chunk)), total+strings.Count(messages(chunk), "x")
			return nil
		}}
		var big []byte
		for range 70 {
			big = append(big, record(strings.Repeat("x", 100_000))...)
		}
		in := fakeInput(func(ctx context.Context, sink Sink) error {
			err := sink.Append(ctx, "t", 70, big)
			<-ctx.Done()
			return err
		})
		stop := start(t, "pipeline: {inputs: [{name: in}], outputs: [{name: out}]}", kit(map[string]Input{"in": in}, nil, map[string]Output{"out": out}))
		synctest.Wait()
		if err := stop(); err != nil {
			t.Error(err)
		}
		if largest > chunkSize || total != 7_000_000 || len(out.calls) != 4 {
			t.Errorf("largest chunk %d, %d bytes of text in %d chunks", largest, total, len(out.calls))
		}
	})
}

var errBusy = errors.New("the cluster is busy")

func TestBuffersAreNotUsedAgainTooEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow, fast := &fakeOutput{try: func(string, []byte) error { time.Sleep(3 * time.Second); return nil }}, &fakeOutput{}
		const rounds = 20
		in := fakeInput(func(ctx context.Context, sink Sink) error {
			for i := range rounds {
				for range 5 {
					_ = sink.Append(ctx, "t", 1, record(strings.Repeat(string(rune('a'+i)), 300<<10)))
				}
			}
			<-ctx.Done()
			return nil
		})
		stop := start(t, "service: {flush: 0.01, grace: 600}\npipeline: {inputs: [{name: in, mem_buf_limit: 8MB}], outputs: [{name: slow, match: t}, {name: fast, match: t}]}",
			kit(map[string]Input{"in": in}, nil, map[string]Output{"slow": slow, "fast": fast}))
		time.Sleep(5 * time.Minute)
		if err := stop(); err != nil {
			t.Error(err)
		}
		if a, b := strings.Join(slow.took, ","), strings.Join(fast.took, ","); a != b {
			t.Error("the slow output got something else than the fast one")
		}
		all := strings.Join(slow.took, "")
		for i := range rounds {
			if got := strings.Count(all, string(rune('a'+i))); got < 5*300<<10 {
				t.Errorf("round %d: %d of %d bytes", i, got, 5*300<<10)
			}
		}
	})
}

func TestRetriesBackOffAndEnd(t *testing.T) {
	for _, c := range []struct {
		limit string
		calls int
	}{{"", 2}, {"retry_limit: 3,", 4}, {"retry_limit: no_retries,", 1}} {
		t.Run(c.limit, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				out := &fakeOutput{try: func(string, []byte) error { return errBusy }}
				pr := process.New()
				stop := start(t, "pipeline: {inputs: [{name: in}], outputs: [{name: out, "+c.limit+" match: '*'}]}",
					kit(map[string]Input{"in": say("", "one")}, nil, map[string]Output{"out": out}), WithMetrics(pr))
				time.Sleep(5 * time.Minute)
				if err := stop(); err != nil {
					t.Error(err)
				}
				families, err := pr.Metrics.Gather()
				if got := fmt.Sprint(families); err != nil || !strings.Contains(got, `value:"dropped"`) || strings.Contains(got, `value:"retried"`) != (c.calls > 1) || strings.Contains(got, `value:"delivered"`) {
					t.Errorf("metrics: %v, %s", err, got)
				}
				if len(out.calls) != c.calls {
					t.Fatalf("%d calls, want %d", len(out.calls), c.calls)
				}
				for i, least := 1, 6*time.Second; i < len(out.calls); i++ {
					most := time.Duration(5<<i)*time.Second + time.Second
					if wait := out.calls[i] - out.calls[i-1]; wait < least || wait > most {
						t.Errorf("retry %d after %v, want %v to %v", i, wait, least, most)
					}
				}
			})
		})
	}
}

func TestARetryDoesNotHoldUpOtherChunksNorOtherOutputs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		failed := false
		flaky := &fakeOutput{try: func(tag string, _ []byte) error {
			if tag == "a" && !failed {
				failed = true
				return errBusy
			}
			return nil
		}}
		other := &fakeOutput{}
		in := fakeInput(func(ctx context.Context, sink Sink) error {
			_ = sink.Append(ctx, "a", 1, record("one"))
			time.Sleep(1500 * time.Millisecond)
			_ = sink.Append(ctx, "b", 1, record("two"))
			<-ctx.Done()
			return nil
		})
		stop := start(t, "pipeline: {inputs: [{name: in}], outputs: [{name: flaky, retry_limit: no_limits, match: '*'}, {name: other, match: '*'}]}",
			kit(map[string]Input{"in": in}, nil, map[string]Output{"flaky": flaky, "other": other}))
		time.Sleep(time.Minute)
		if err := stop(); err != nil {
			t.Error(err)
		}
		if !slices.Equal(flaky.took, []string{"b:two", "a:one"}) || !slices.Equal(other.took, []string{"a:one", "b:two"}) {
			t.Errorf("flaky took %q, other %q", flaky.took, other.took)
		}
	})
}

func TestAppendBlocksWhileMemBufLimitIsExceeded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		open := make(chan struct{})
		out := &fakeOutput{try: func(string, []byte) error { <-open; return nil }}
		appended := 0
		in := fakeInput(func(ctx context.Context, sink Sink) error {
			for range 50 {
				if err := sink.Append(ctx, "", 1, record(strings.Repeat("x", 100<<10))); err != nil {
					return err
				}
				appended++
			}
			<-ctx.Done()
			return nil
		})
		stop := start(t, "pipeline: {inputs: [{name: in, mem_buf_limit: 1MB}], outputs: [{name: out}]}", kit(map[string]Input{"in": in}, nil, map[string]Output{"out": out}))
		time.Sleep(time.Hour)
		synctest.Wait()
		if appended != 10 {
			t.Errorf("%d times 100 KiB were taken, want 10 with a limit of 1 MB", appended)
		}
		close(open)
		time.Sleep(time.Minute)
		synctest.Wait()
		if appended != 50 {
			t.Errorf("%d of 50 were taken after the output had opened", appended)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestAppendAnswersWhenThePipelineStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &fakeOutput{try: func(string, []byte) error { return errBusy }}
		var answer error
		in := fakeInput(func(ctx context.Context, sink Sink) error {
			for answer == nil {
				answer = sink.Append(context.Background(), "", 1, record(strings.Repeat("x", 1<<20)))
			}
			return nil
		})
		stop := start(t, "pipeline: {inputs: [{name: in, acknowledge: queued}], outputs: [{name: out, retry_limit: no_limits}]}", kit(map[string]Input{"in": in}, nil, map[string]Output{"out": out}))
		time.Sleep(time.Minute)
		if err := stop(); err == nil {
			t.Error("undelivered bytes are no error")
		}
		if answer == nil || !strings.Contains(answer.Error(), "no room") {
			t.Errorf("Append answered %v", answer)
		}
	})
}

func TestWorkersWriteAtTheSameTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		now, most := 0, 0
		out := &fakeOutput{try: func(string, []byte) error {
			mu.Lock()
			now++
			most = max(most, now)
			mu.Unlock()
			time.Sleep(10 * time.Second)
			mu.Lock()
			now--
			mu.Unlock()
			return nil
		}}
		in := fakeInput(func(ctx context.Context, sink Sink) error {
			for i := range 9 {
				_ = sink.Append(ctx, fmt.Sprint(i), 1, record("x"))
			}
			<-ctx.Done()
			return nil
		})
		stop := start(t, "pipeline: {inputs: [{name: in}], outputs: [{name: out, workers: 3}]}", kit(map[string]Input{"in": in}, nil, map[string]Output{"out": out}))
		time.Sleep(time.Minute)
		if err := stop(); err != nil || most != 3 || len(out.took) != 9 {
			t.Errorf("%v; %d at the same time, want 3; %d chunks", err, most, len(out.took))
		}
	})
}

func TestStopDeliversWhatIsOnItsWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tries := 0
		out := &fakeOutput{try: func(string, []byte) error {
			if tries++; tries < 3 {
				return errBusy
			}
			return nil
		}}
		var stopped time.Time
		in := fakeInput(func(ctx context.Context, sink Sink) error {
			err := say("", "one")(ctx, sink)
			stopped = time.Now()
			return err
		})
		stopping := []bool{}
		stop := start(t, "service: {flush: 60, grace: 30}\npipeline: {inputs: [{name: in}], outputs: [{name: out, retry_limit: no_limits}]}",
			kit(map[string]Input{"in": in}, nil, map[string]Output{"out": out}), WithStopping(func(b bool) { stopping = append(stopping, b) }))
		synctest.Wait()
		began := time.Now()
		if err := stop(); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); len(out.took) != 1 || took > 5*time.Second {
			t.Errorf("took %q within %v", out.took, took)
		}
		if stopped.IsZero() || !slices.Equal(stopping, []bool{false, true}) {
			t.Errorf("input stopped at %v; stopping was told %v", stopped, stopping)
		}
	})
}

func TestGraceEndsWhateverTheOutputDoes(t *testing.T) {
	for _, c := range []struct {
		acknowledge string
		least, most time.Duration
		lost        bool
	}{
		{"queued", 12 * time.Second, 12100 * time.Millisecond, true},
		// The input gives its leases back after the first half: nothing to wait for then.
		{"indexed", 6 * time.Second, 6100 * time.Millisecond, false},
	} {
		t.Run(c.acknowledge, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				out := &fakeOutput{try: func(string, []byte) error { return errBusy }}
				gaveBack := time.Time{}
				in := fakeInput(func(ctx context.Context, sink Sink) error {
					err := say("", "one")(ctx, sink)
					gaveBack = time.Now()
					return err
				})
				stop := start(t, "service: {grace: 12}\npipeline: {inputs: [{name: in, acknowledge: "+c.acknowledge+"}], outputs: [{name: out, retry_limit: no_limits}]}",
					kit(map[string]Input{"in": in}, nil, map[string]Output{"out": out}))
				time.Sleep(3 * time.Second)
				began := time.Now()
				err := stop()
				if (err != nil) != c.lost || err != nil && !strings.Contains(err.Error(), "grace of 12s is over") {
					t.Errorf("got %v", err)
				}
				if took := time.Since(began); took < c.least || took > c.most {
					t.Errorf("stopped after %v, want %v", took, c.least)
				}
				if at := gaveBack.Sub(began); at < 5*time.Second || at > 7*time.Second {
					t.Errorf("the input was stopped after %v, want 6 s: it needs time to give its leases back", at)
				}
			})
		})
	}
}

func TestAPanicIsAnErrorOfThatCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tries := 0
		out := &fakeOutput{try: func(string, []byte) error {
			if tries++; tries == 1 {
				panic("output")
			}
			return nil
		}}
		runs := 0
		in := fakeInput(func(ctx context.Context, sink Sink) error {
			if runs++; runs == 1 {
				panic("input")
			}
			for _, text := range []string{"bad", "good"} {
				if err := sink.Append(ctx, "", 1, record(text)); (err == nil) != (text == "good") {
					t.Errorf("%s: %v", text, err)
				}
			}
			<-ctx.Done()
			return nil
		})
		filter := fakeFilter(func(_ string, in []byte) ([]byte, bool) {
			if messages(in) == "bad" {
				panic("filter")
			}
			return nil, false
		})
		stop := start(t, "pipeline: {inputs: [{name: in}], filters: [{name: f, match: '*'}], outputs: [{name: out}]}",
			kit(map[string]Input{"in": in}, map[string]Filter{"f": filter}, map[string]Output{"out": out}))
		time.Sleep(time.Minute)
		if err := stop(); err != nil {
			t.Error(err)
		}
		if !slices.Equal(out.took, []string{"in.0:good"}) {
			t.Errorf("took %q", out.took)
		}
	})
}
