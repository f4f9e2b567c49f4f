// Package main is libfluent_siem.so: the Go side of the three plugins that
// Fluent Bit loads. It is the only cgo in the tree, and it only translates:
//
//	Fluent Bit ── doors/*.c ── //export functions ── s3sqs.Input, ecs.Filter, opensearch.Writer
//
// Fluent Bit takes one registration per library, and several Go runtimes in one
// process harm each other, so each plugin is a small C library (its door) that
// exports the symbols Fluent Bit looks up and calls this one. The doors know
// the host's structures, this package knows what the calls mean.
//
// # Promises
//
//   - No panic crosses the border. What a panic was working on is kept: an
//     output answers retry, a filter goes on event by event.
//   - The host holds numbers, never Go pointers. An exit for an instance that
//     is gone, or never was, does nothing.
//   - A configuration that cannot work is refused when Fluent Bit starts, with
//     every problem named; during a hot reload, when a refusal would end the
//     agent, the instance starts degraded and says so. What can be repaired
//     while running (a cluster that is down, a missing file) never refuses.
//   - Appends come in bounded batches, each seen by the filter before the next,
//     so that Fluent Bit's engine gets its turn (see [pace]).
//   - From an output, OK means that every document of the chunk has its verdict.
//   - The host's memory is read during the call only and never written.
//
// # What it does not promise
//
// A nil dereference is a signal before it is a panic, and Fluent Bit installs
// its own handlers again at every SIGHUP and SIGCONT. We put them right at the
// next init or collect ([keepSignals]); until then such a fault ends the
// process, and another signal may harm it. A panic in a goroutine that a stage
// started without a recover of its own ends it too.
//
// fluent-bit-go registers inputs and outputs and reads their properties. Its
// contexts are not used: the input's is not safe on hosts before 4.1, and both
// keep what they store for ever.
package main

import (
	"fmt"
	"log/slog"
	"maps"
	"runtime/debug"
	"slices"
	"sync"

	"github.com/fluent-siem/fluent-siem/internal/code"
)

func main() {} // never runs: the build mode c-shared wants it

// guard runs f at the border. A panic becomes an error in the log, and result.
func guard[T any](during string, result T, f func() T) (got T) {
	defer func() {
		if p := recover(); p != nil {
			slog.Error("a bug in this plugin was caught; please report it", "during", during, "panic", fmt.Sprint(p), "stack", string(debug.Stack()), code.Bug.Attr())
			got = result
		}
	}()
	return f()
}

// table holds the instances of one plugin by number. The zero number is none.
type table[T any] struct {
	mu   sync.RWMutex
	last uintptr
	all  map[uintptr]T
}

// add makes an instance, which may want to know its number, and puts it in.
func (t *table[T]) add(create func(n uintptr) T) uintptr {
	t.mu.Lock()
	t.last++
	n := t.last
	t.mu.Unlock()
	v := create(n)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.all == nil {
		t.all = make(map[uintptr]T)
	}
	t.all[n] = v
	return n
}

func (t *table[T]) get(n uintptr) (v T, ok bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	v, ok = t.all[n]
	return v, ok
}

// each calls do for every instance.
func (t *table[T]) each(do func(T)) {
	t.mu.RLock()
	all := slices.Collect(maps.Values(t.all))
	t.mu.RUnlock()
	for _, v := range all {
		do(v)
	}
}

// remove takes an instance out; the second time there is nothing to take.
func (t *table[T]) remove(n uintptr) (v T, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	v, ok = t.all[n]
	delete(t.all, n)
	return v, ok
}
