package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// workersOf makes worker threads, in this order.
func workersOf(tids ...int) (all []thread) {
	for _, tid := range tids {
		all = append(all, thread{100, tid, workerName})
	}
	return all
}

func TestForgottenWorkers(t *testing.T) {
	unnamed := []thread{{100, 1, "flb-pipeline"}, {100, 2, "flb-pipeline"}, {100, 3, "flb-pipeline"}, {100, 4, workerName}}
	for name, c := range map[string]struct {
		before, started, now []thread
		want                 []int
	}{
		"two workers":                     {nil, workersOf(1, 2, 3, 4), workersOf(1, 2), []int{1, 2}},
		"one worker":                      {nil, workersOf(1, 2), workersOf(1), []int{1}},
		"the first of two instances":      {nil, workersOf(1, 2, 3, 4, 5, 6), workersOf(1, 2, 5, 6), []int{1, 2}},
		"the second of two instances":     {workersOf(1, 2, 3, 4), workersOf(1, 2, 3, 4, 5, 6), workersOf(1, 2, 5), []int{5}},
		"a namesake's workers follow":     {nil, workersOf(1, 2, 7, 8, 9), workersOf(1, 7, 8, 9), []int{1}},
		"the last pipeline's are left":    {workersOf(1, 2), workersOf(1, 2, 5, 6), workersOf(1, 2, 5), []int{5}},
		"without names when they started": {nil, unnamed, workersOf(1, 2), []int{1, 2}},
		"a thread of ours between them":   {nil, unnamed, append([]thread{{100, 1, "flb-pipeline"}}, workersOf(2, 3)...), []int{3}},
		"a number was used again":         {nil, workersOf(1, 2, 3, 4), append(workersOf(1, 2), thread{900, 3, workerName}), []int{1, 2}},
		"no workers":                      {nil, nil, nil, nil},
		"none has gone":                   {nil, workersOf(1, 2), workersOf(1, 2), nil},
		"a host that starts them once":    {nil, workersOf(1, 2), nil, nil},
		"no pre-run came":                 {nil, nil, workersOf(1, 2), nil},
		"one has no name yet at the exit": {nil, workersOf(1, 2), []thread{{100, 1, "flb-pipeline"}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			if got, _ := forgotten(c.before, c.started, c.now); !slices.Equal(got, c.want) {
				t.Errorf("forgotten = %v, want %v", got, c.want)
			}
		})
	}
}

func TestThreads(t *testing.T) {
	dir := t.TempDir()
	for _, thread := range []thread{{900, 5, "b"}, {800, 6, "a) (b"}, {900, 4, "c"}} {
		path := filepath.Join(dir, fmt.Sprint(thread.tid))
		if err := os.Mkdir(path, 0o755); err != nil {
			t.Fatal(err)
		}
		stat := fmt.Sprintf("%d (%s) S 1 1 1 0 -1 4194368 0 0 0 0 0 0 0 0 20 0 9 0 %d 0 0\n", thread.tid, thread.name, thread.started)
		if err := os.WriteFile(filepath.Join(path, "stat"), []byte(stat), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want := []thread{{800, 6, "a) (b"}, {900, 4, "c"}, {900, 5, "b"}}
	if got := threads(dir); !slices.Equal(got, want) {
		t.Errorf("threads = %v, want %v: in the order of their start", got, want)
	}
	if got := threads(filepath.Join(dir, "none")); got != nil {
		t.Errorf("without /proc there are %v", got)
	}
}
