package main

// #include "park.h"
import "C"

import (
	"bytes"
	"cmp"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/fluent-siem/fluent-siem/internal/code"
)

// Every version of Fluent Bit starts the workers of an output that came through
// its proxy twice, forgets the first set, and frees the instance at the end of
// the pipeline. The forgotten workers wake up every 1.5 s and look into it: a
// fault in the host's own code some seconds after a hot reload, or while it
// stops. They do nothing else, so when their instance ends we stop them for
// good, while they wait in the kernel.
//
// They are told by the order in which threads appear. Between the init of an
// instance and the pre-run of all, the host starts
//
//	the forgotten set · the set in use · those of outputs that follow
//
// and joins the set in use before the exit. What has gone by then tells how
// many there were, and that many before them are the forgotten.

// workers are the host's worker threads, as one instance of the output sees them.
type workers struct {
	mu      sync.Mutex
	before  []thread // at its init
	started []thread // at the pre-run; nil: it did not come
}

// thread is one of this process. A number may be used again, with another start.
type thread struct {
	started, tid int
	name         string
}

// workerName is what the workers of our output call themselves. The kernel
// keeps 15 bytes, so those of Fluent Bit's own output opensearch do the same.
const workerName = "flb-out-opensea"

// threads lists the threads of this process in the order of their start. dir
// is /proc/self/task, which other systems than Linux do not have: then nothing
// is known, and nothing is done.
func threads(dir string) (all []thread) {
	tasks, _ := os.ReadDir(dir)
	for _, t := range tasks {
		stat, err := os.ReadFile(filepath.Join(dir, t.Name(), "stat"))
		if err != nil {
			continue // it has ended
		}
		begin, end := bytes.IndexByte(stat, '('), bytes.LastIndexByte(stat, ')')
		if begin < 0 || end < begin {
			continue
		}
		fields := bytes.Fields(stat[end+1:])
		tid, err := strconv.Atoi(t.Name())
		if err != nil || len(fields) < 20 {
			continue
		}
		if started, err := strconv.Atoi(string(fields[19])); err == nil { // in ticks, so often equal: then the number tells
			all = append(all, thread{started, tid, string(stat[begin+1 : end])})
		}
	}
	slices.SortFunc(all, func(a, b thread) int { return cmp.Or(a.started-b.started, a.tid-b.tid) })
	return all
}

// find returns what became of t.
func find(all []thread, t thread) (now thread, alive bool) {
	i := slices.IndexFunc(all, func(o thread) bool { return o.tid == t.tid && o.started == t.started })
	if i < 0 {
		return thread{}, false
	}
	return all[i], true
}

// forgotten returns the workers that the host has forgotten, and how many there
// should be, when these threads were there before an instance's init, when all
// workers had been started, and at its exit. A thread that has just been started
// may lack its name in the second list, hardly in the third.
func forgotten(before, started, now []thread) (tids []int, want int) {
	first, n := -1, 0
	var workers []thread
	for _, t := range started {
		if _, old := find(before, t); old {
			continue
		}
		t, alive := find(now, t)
		if alive && t.name != workerName {
			continue
		}
		if !alive {
			want++
			if first < 0 {
				first = n
			}
		}
		workers = append(workers, t)
		n++
	}
	if first < want { // not the shape: leave them alone
		return nil, want
	}
	for _, t := range workers[first-want : first] {
		tids = append(tids, t.tid)
	}
	return tids, want
}

const taskDir = "/proc/self/task"

func (w *workers) init() { w.before = threads(taskDir) }

// preRun is called on the thread that has started the workers of all outputs.
func (w *workers) preRun() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.started != nil {
		return
	}
	self, err := os.ReadFile("/proc/thread-self/comm")
	if err != nil {
		return
	}
	unnamed := string(bytes.TrimSuffix(self, []byte("\n"))) // a new thread has its parent's name at first
	w.started = slices.DeleteFunc(threads(taskDir), func(t thread) bool { return t.name != workerName && t.name != unnamed })
}

// exit stops the forgotten ones. The host has joined the others.
func (w *workers) exit() {
	w.mu.Lock()
	defer w.mu.Unlock()
	tids, want := forgotten(w.before, w.started, threads(taskDir))
	for tries := 0; len(tids) < want && tries < 20; tries++ {
		time.Sleep(5 * time.Millisecond)
		tids, want = forgotten(w.before, w.started, threads(taskDir))
	}
	w.started = nil
	for _, tid := range tids {
		if !park(tid) {
			slog.Warn("a worker that Fluent Bit has forgotten could not be stopped: it may fault now that its pipeline has ended. Restart instead of reloading", "thread", tid, code.Forgotten.Attr())
		}
	}
}

var parking sync.Mutex

// park stops a thread of this process for ever.
func park(tid int) bool {
	parking.Lock()
	defer parking.Unlock()
	return C.siem_park(C.int(tid)) == 1
}
