package main

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fluent-siem/fluent-siem/internal/event"
	"github.com/fluent-siem/fluent-siem/plugins/s3sqs"
)

// fakeHost takes what is appended, or refuses.
type fakeHost struct {
	appends bool
	refuse  error
	got     []byte
	tags    []string
}

func (h *fakeHost) canAppend() bool { return h.appends }

func (h *fakeHost) append(tag string, records int, events []byte) error {
	if h.refuse != nil {
		return h.refuse
	}
	h.tags = append(h.tags, tag)
	h.got = append(h.got, events...)
	return nil
}

// fakeStage appends a list of buffers, then waits for its end.
type fakeStage struct {
	buffers []string
	errs    chan error
	paused  atomic.Bool
}

func (s *fakeStage) Run(ctx context.Context, sink s3sqs.Sink) error {
	for _, b := range s.buffers {
		s.errs <- sink.Append(ctx, "siem.x", 1, []byte(b))
	}
	<-ctx.Done()
	return nil
}
func (s *fakeStage) Pause()  { s.paused.Store(true) }
func (s *fakeStage) Resume() { s.paused.Store(false) }

func testInput(h host, buffers ...string) (*input, *fakeStage) {
	s := &fakeStage{buffers: buffers, errs: make(chan error, len(buffers))}
	return newInput("test", func() (stage, error) { return s, nil }, h), s
}

func TestCollectHandsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &fakeHost{appends: true}
		i, s := testInput(h, "one", "two")
		began := time.Now()
		if events := i.collect(collectFor); events != nil {
			t.Errorf("collect returned %q though the host can append", events)
		}
		if took := time.Since(began); took != collectFor {
			t.Errorf("collect took %v, want %v: a pause waits for it", took, collectFor)
		}
		if string(h.got) != "onetwo" || h.tags[0] != "siem.x" {
			t.Errorf("the host got %q under %v", h.got, h.tags)
		}
		if err := errors.Join(<-s.errs, <-s.errs); err != nil {
			t.Error(err)
		}
		i.exit()
	})
}

func TestRefusedAppendIsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i, s := testInput(&fakeHost{appends: true, refuse: errRefused}, "one")
		i.collect(collectFor)
		if err := <-s.errs; !errors.Is(err, errRefused) {
			t.Errorf("Append = %v, want %v", err, errRefused)
		}
		i.exit()
	})
}

func TestHostWithoutAppendGetsTheBuffer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i, s := testInput(&fakeHost{}, "one", "two")
		if events := i.collect(collectFor); string(events) != "onetwo" {
			t.Errorf("collect returned %q", events)
		}
		if err := errors.Join(<-s.errs, <-s.errs); err != nil {
			t.Error(err)
		}
		i.exit()
	})
}

// The host's timer may go on after a pause: with two instances it stops the other's.
func TestPausedInstanceCollectsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &fakeHost{appends: true}
		i, s := testInput(h, "one")
		i.pause()
		i.pause()
		began := time.Now()
		i.collect(collectFor)
		synctest.Wait()
		if len(h.got) > 0 || time.Since(began) > 0 || !s.paused.Load() {
			t.Errorf("a paused instance gave %q after %v; stage paused: %v", h.got, time.Since(began), s.paused.Load())
		}
		i.resume()
		i.collect(collectFor)
		if string(h.got) != "one" || s.paused.Load() {
			t.Errorf("after resume the host got %q; stage paused: %v", h.got, s.paused.Load())
		}
		i.exit()
	})
}

func TestExitWithoutCollect(t *testing.T) {
	i, _ := testInput(&fakeHost{appends: true}, "one")
	i.exit()
	i.exit()
}

func TestExitEndsAnAppend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &fakeHost{appends: true}
		i, s := testInput(h, "one")
		i.begin.Do(func() { go i.run() })
		synctest.Wait() // Append waits for a collect that never comes
		i.exit()
		if err := <-s.errs; err == nil {
			t.Error("Append succeeded, but the host has nothing")
		}
	})
}

func TestStageThatFailsIsStartedAgain(t *testing.T) {
	captureLog(t)
	synctest.Test(t, func(t *testing.T) {
		var tries int
		i := newInput("test", func() (stage, error) {
			if tries++; tries < 3 {
				return nil, errors.New("not yet")
			}
			return &fakeStage{}, nil
		}, &fakeHost{})
		for range 6 {
			i.collect(time.Second)
		}
		synctest.Wait() // the third try may just have been made
		if tries != 3 {
			t.Errorf("%d tries, want 3", tries)
		}
		i.exit()
	})
}

// fragile fails on events that contain "bad".
type fragile struct{}

func (fragile) Process(dst []byte, _ string, in []byte) ([]byte, bool) {
	if bytes.Contains(in, []byte("bad")) {
		panic("bad")
	}
	return append(dst, bytes.ReplaceAll(in, []byte("good"), []byte("fine"))...), true
}
func (fragile) Close() {}

func TestPanicCostsOneEvent(t *testing.T) {
	captureLog(t)
	var in []byte
	for _, text := range []string{"good", "bad!", "good"} {
		in = event.AppendRecord(in, time.Unix(1, 0), event.Origin{Object: 1, Record: 1}, []byte(text))
	}
	want := bytes.ReplaceAll(in, []byte("good"), []byte("fine"))
	for range 2 { // the second time with a used buffer
		changed := newFilter(fragile{}).process("siem.x", in, func(out []byte) {
			if !bytes.Equal(out, want) {
				t.Errorf("got  %q\nwant %q", out, want)
			}
		})
		if !changed {
			t.Error("the good events were not converted")
		}
	}
}

// fakeWriter answers with err, or panics.
type fakeWriter struct {
	err    error
	panics bool
}

func (w *fakeWriter) Write(context.Context, string, []byte) error {
	if w.panics {
		panic("oh")
	}
	return w.err
}
func (w *fakeWriter) Close() error { return nil }

func TestFlushAnswers(t *testing.T) {
	captureLog(t)
	leasedChunk := event.AppendRecord(nil, time.Unix(1, 0), event.Origin{Object: 1, Record: 1}, []byte("x"))
	foreign := []byte("\x92\x01\x81\xa1a\x01")
	for name, c := range map[string]struct {
		writer    fakeWriter
		chunk     []byte
		reloading bool
		want      int
	}{
		"all have their verdict":       {chunk: leasedChunk, want: flushDone},
		"not final":                    {writer: fakeWriter{err: errors.New("busy")}, chunk: leasedChunk, want: flushRetry},
		"a bug":                        {writer: fakeWriter{panics: true}, chunk: leasedChunk, want: flushRetry},
		"not final during a reload":    {writer: fakeWriter{err: errors.New("busy")}, chunk: leasedChunk, reloading: true, want: flushFailed},
		"another input's, same moment": {writer: fakeWriter{err: errors.New("busy")}, chunk: foreign, reloading: true, want: flushRetry},
	} {
		t.Run(name, func(t *testing.T) {
			reloading.Store(c.reloading)
			defer reloading.Store(false)
			o := newOutput("test", func() (writer, error) { return &c.writer, nil })
			defer o.exit()
			if got := o.flush("siem.x", c.chunk); got != c.want {
				t.Errorf("flush = %d, want %d", got, c.want)
			}
		})
	}
}

func TestOutputStartsDegraded(t *testing.T) {
	log := captureLog(t)
	synctest.Test(t, func(t *testing.T) {
		var tries int
		o := newOutput("test", func() (writer, error) {
			if tries++; tries < 3 {
				return nil, errors.New("no such file")
			}
			return &fakeWriter{}, nil
		})
		if got := o.flush("siem.x", nil); got != flushRetry {
			t.Errorf("flush before the start = %d, want retry", got)
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if got := o.flush("siem.x", nil); got != flushDone {
			t.Errorf("flush after the start = %d, want done", got)
		}
		o.exit()
	})
	if !strings.Contains(log.String(), "no such file") {
		t.Errorf("the log does not say why: %s", log)
	}
}

func TestComplainsOnceInAWhile(t *testing.T) {
	log := captureLog(t)
	synctest.Test(t, func(t *testing.T) {
		o := newOutput("test", func() (writer, error) { return &fakeWriter{err: errors.New("busy")}, nil })
		for range 100 {
			o.flush("siem.x", nil)
		}
		time.Sleep(complainEvery)
		o.flush("siem.x", nil)
		o.exit()
	})
	if n := strings.Count(log.String(), "busy"); n != 2 || !strings.Contains(log.String(), "also=99") {
		t.Errorf("%d lines, want 2, the second with the 99 between:\n%s", n, log)
	}
}

func TestStoppingWhenAllArePaused(t *testing.T) {
	var r running
	if r.stopping() {
		t.Error("no inputs: that is no sign of a stop")
	}
	a, _ := testInput(&fakeHost{})
	b, _ := testInput(&fakeHost{})
	r.add(1, a)
	r.add(2, b)
	a.pause()
	if r.stopping() {
		t.Error("one of two inputs is paused: its buffer is full, the host does not stop")
	}
	b.pause()
	if !r.stopping() {
		t.Error("all inputs are paused: the host may be stopping")
	}
	r.remove(a)
	r.remove(b)
	if r.of(1) != nil || r.stopping() {
		t.Error("removed inputs are still known")
	}
}
