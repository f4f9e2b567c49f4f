package main

import (
	"testing"
	"testing/synctest"
	"time"
)

// fill appends until the pace says to wait.
func fill(p *pace, size int) (n int) {
	for p.delay(time.Now()) == 0 {
		p.append(size)
		n++
	}
	return n
}

func TestBatchesAreBounded(t *testing.T) {
	if n := fill(newPace(), 1); n != batchBuffers {
		t.Errorf("%d small buffers in a batch, want %d", n, batchBuffers)
	}
	if n := fill(newPace(), 1<<20); n != batchBytes>>20 {
		t.Errorf("%d buffers of 1 MiB in a batch, want %d", n, batchBytes>>20)
	}
}

func TestNextBatchWaitsForTheFilter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPace()
		n := fill(p, 1)
		for range n - 1 {
			p.saw("siem.a", 7)
		}
		time.Sleep(settle)
		if p.delay(time.Now()) == 0 {
			t.Fatal("the next batch began before the filter had seen the last buffer")
		}
		p.saw("siem.a", 7)
		if d := p.delay(time.Now()); d != settle {
			t.Errorf("delay after the last buffer is %v: the engine needs %v to find its ring empty", d, settle)
		}
		time.Sleep(settle)
		if fill(p, 1) != batchBuffers {
			t.Error("the next batch is not a whole one")
		}
	})
}

// Two filters in a chain see each buffer twice; filters of different tags do not.
func TestChainOfFiltersCountsOnce(t *testing.T) {
	p := newPace()
	for range 3 {
		p.append(1)
	}
	for range 2 {
		p.saw("siem.a", 1)
		p.saw("siem.a", 2)
	}
	if p.seen != 2 {
		t.Errorf("a chain of two saw 2 buffers, counted %d", p.seen)
	}
	p.saw("siem.b", 2)
	if p.seen != 3 {
		t.Errorf("the other tag's buffer was not counted: %d", p.seen)
	}
}

func TestWithoutFilterTimePaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPace()
		fill(p, 1)
		if d := p.delay(time.Now()); d != patienceWithout {
			t.Errorf("delay without a filter is %v, want %v", d, patienceWithout)
		}
		end := time.After(10 * time.Second)
		began := time.Now()
		if !p.ready(end, nil) || time.Since(began) != patienceWithout {
			t.Errorf("ready after %v, want %v", time.Since(began), patienceWithout)
		}
		p.append(1)
		p.saw("siem.a", 1)
		fill(p, 1)
		if d := p.delay(time.Now()); d != patienceWithFilter {
			t.Errorf("delay with a filter that signs is %v, want %v", d, patienceWithFilter)
		}
	})
}

func TestUndoneBufferIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPace()
		n := fill(p, 1)
		p.undo()
		for range n - 1 {
			p.saw("siem.a", 1)
		}
		time.Sleep(settle)
		if d := p.delay(time.Now()); d != 0 {
			t.Errorf("delay is %v: it waits for a buffer that the host never took", d)
		}
	})
}
