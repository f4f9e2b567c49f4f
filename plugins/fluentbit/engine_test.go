package main

import (
	"context"
	"testing"
	"time"
)

// slowWriter answers when its context ends.
type slowWriter struct{}

func (slowWriter) Write(ctx context.Context, _ string, _ []byte) error {
	<-ctx.Done()
	return ctx.Err()
}

func (slowWriter) Close() error { return nil }

// TestNoFlushOutlivesTheEngine: flushes under way and those that wait for a
// worker answer at once when the engine has ended, and after a reload not.
func TestNoFlushOutlivesTheEngine(t *testing.T) {
	defer engine.begin()
	o := newOutput("opensearch_bulk.0", func() (writer, error) { return slowWriter{}, nil })
	defer o.exit()
	answer := make(chan int, 1)
	flush := func() { go func() { answer <- o.flush("siem", nil) }() }
	flush()
	select {
	case got := <-answer:
		t.Fatalf("a flush answered %d while the engine runs", got)
	case <-time.After(50 * time.Millisecond):
	}
	engine.end()
	for range 2 { // the one under way, and a new one
		select {
		case got := <-answer:
			if got != flushRetry {
				t.Errorf("answered %d", got)
			}
		case <-time.After(5 * time.Second):
			t.Fatal("a flush goes on after the engine has ended")
		}
		flush()
	}
	<-answer
	engine.begin()
	flush()
	select {
	case got := <-answer:
		t.Errorf("a flush answered %d although a new engine runs", got)
	case <-time.After(50 * time.Millisecond):
	}
}
