package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/fluent-siem/fluent-siem/test/corpus"
	"github.com/fluent-siem/fluent-siem/test/rig"
)

// verdict is what the run ends with.
type verdict struct{ lost, duplicated, unexplained int }

// calm is how long everything may take to settle after the last fault: messages
// that were held by a dead agent come back, and back-offs run out. The longest is
// 16 minutes, after a sixth delivery that failed.
const calm = 20 * time.Minute

// count waits until the queue is empty and compares what is stored with what was put.
func (w *world) count(ctx context.Context) (v verdict, err error) {
	within, cancel := context.WithTimeoutCause(ctx, calm, fmt.Errorf("%v after the last fault", calm))
	defer cancel()
	said := time.Now()
	err = w.agent.Await(within, func() error {
		if time.Since(said) > 5*time.Second {
			said = time.Now()
			say("settling: %s", w.backlog())
		}
		if s := w.aws.Queue(queue).Stats(); !s.Empty() {
			return fmt.Errorf("%w: %s", errNotYet, w.backlog())
		}
		return nil
	})
	if err != nil {
		w.note("the queue does not become empty: %v", err)
	}
	w.stop(err != nil)
	if _, race, found := strings.Cut(w.agent.Output(), "WARNING: DATA RACE"); found {
		w.note("a data race: %.4000s", race)
	}
	stored := map[string]map[int]int{}
	for _, t := range w.types {
		stored[t.Name] = map[int]int{}
	}
	err = w.search().Each(ctx, bucket, func(d rig.Document) {
		message := d.Field("@message")
		for _, t := range w.types {
			if n, ok := t.Number(message); ok {
				stored[t.Name][n]++
				return
			}
		}
		w.note("document %s/%s is of no record that was put", d.Index, d.ID)
	}, "@message")
	if err != nil {
		return v, err
	}
	letters, err := w.setup.Letters(ctx)
	if err != nil {
		return v, err
	}
	dead := map[int]bool{}
	for _, l := range letters {
		n, ok := w.types[0].Number(l.Message)
		if !ok || n%poison != 0 {
			w.note("a dead letter is of no record that should have become one: %s: %.200s", l.Reason, l.Message)
		}
		dead[n] = true
	}
	for _, t := range w.types {
		for n := range w.put {
			lost, more := judge(stored[t.Name][n], t.Name == corpus.CloudTrail.Name && n%poison == 0 && dead[n])
			if lost {
				v.lost++
				say("record %d of %s is lost", n, t.Name)
			}
			if more > 0 {
				v.duplicated += more
				say("record %d of %s is stored %d times more", n, t.Name, more)
			}
		}
	}
	v.unexplained = len(w.fatal)
	fmt.Printf("%d records of %d objects; %d dead letters\n", w.put*len(w.types), len(w.objects), len(letters))
	fmt.Printf("%d agents, at most %d MB resident of %d allowed; %d of them were asked to end, and %d left goroutines behind\n",
		w.starts, w.peak>>20, w.memory>>20, w.stops, w.leaks)
	return v, nil
}

// judge says what is wrong with a record that is stored some times and may have
// become a dead letter.
func judge(stored int, dead bool) (lost bool, more int) {
	return stored == 0 && !dead, max(0, stored-1)
}
