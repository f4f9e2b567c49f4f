package main

import (
	"context"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/fluent-siem/fluent-siem/test/services/awsemu"
	"github.com/fluent-siem/fluent-siem/test/services/faultproxy"
)

// fault is one thing that goes wrong. do makes it happen and returns how to end
// it; nil: it has no length.
type fault struct {
	name   string
	weight int
	do     func(w *world, ctx context.Context) (end func() error, err error)
}

// faults are those that may happen. Weights say how often.
var faults = []fault{
	{"the agent is killed", 10, func(w *world, _ context.Context) (func() error, error) {
		w.measure()
		w.agent.Kill()
		return nil, w.start()
	}},
	{"the agent is stopped and started", 2, func(w *world, _ context.Context) (func() error, error) {
		w.measure()
		if _, err := w.agent.Stop(30 * time.Second); err != nil && w.undelivered() {
			w.note("the agent did not stop: %v", err)
		}
		return nil, w.start()
	}},
	// To a process that is suspended, the clock jumps when it goes on.
	{"the clock jumps", 4, func(w *world, _ context.Context) (func() error, error) {
		if err := syscall.Kill(w.agent.PID(), syscall.SIGSTOP); err != nil {
			return nil, nil // it has ended, which restart notices
		}
		agent := w.agent
		return func() error {
			_ = syscall.Kill(agent.PID(), syscall.SIGCONT) // killed by another fault, maybe
			return nil
		}, nil
	}},
	proxied("half of the items are refused with 429", 8, faultproxy.Faults{Busy: .5}),
	proxied("a storm of 429", 4, faultproxy.Faults{Fail: 1, Status: 429}),
	proxied("a storm of 503", 6, faultproxy.Faults{Fail: .8, Status: 503}),
	proxied("a server error for each second request", 4, faultproxy.Faults{Fail: .5, Status: 500}),
	proxied("answers are slow", 6, faultproxy.Faults{Delay: 2 * time.Second}),
	proxied("answers come too late", 2, faultproxy.Faults{Delay: 7 * time.Second}),
	proxied("answers are lost", 8, faultproxy.Faults{Lose: .5}),
	{"connections are refused", 6, func(w *world, _ context.Context) (func() error, error) {
		p := w.proxies[w.rand.IntN(len(w.proxies))]
		p.Down()
		return p.Up, nil
	}},
	{"a node of the cluster is killed", 1, func(w *world, ctx context.Context) (func() error, error) {
		if len(w.cluster.URLs()) < 3 {
			return nil, nil
		}
		i := 1 + w.rand.IntN(len(w.cluster.URLs())-1) // the first is the one that is asked
		w.cluster.Kill(i)
		return func() error {
			if err := w.cluster.Start(i); err != nil {
				return err
			}
			return w.cluster.Await(len(w.cluster.URLs()))
		}, nil
	}},
	aws("S3 asks to slow down", 4, awsemu.Fault{Operation: "GetObject", Status: 503, Code: "SlowDown", Rate: .5}),
	aws("S3 fails", 4, awsemu.Fault{Operation: "GetObject", Status: 500, Code: "InternalError", Rate: .5}),
	aws("S3 cuts connections", 4, awsemu.Fault{Operation: "GetObject", Cut: 500, Reset: true, Rate: .5}),
	aws("S3 denies", 2, awsemu.Fault{Operation: "GetObject", Status: 403, Code: "AccessDenied", Rate: .3}),
	aws("SQS fails to give", 3, awsemu.Fault{Operation: "AmazonSQS.ReceiveMessage", Status: 500, Code: "InternalError", Rate: .5}),
	aws("SQS fails to delete", 4, awsemu.Fault{Operation: "AmazonSQS.DeleteMessageBatch", Status: 500, Code: "InternalError", Rate: .7}),
	// So messages become visible while they are worked on.
	aws("SQS fails to extend", 4, awsemu.Fault{Operation: "AmazonSQS.ChangeMessageVisibilityBatch", Status: 500, Code: "InternalError"}),
	aws("SQS is slow", 2, awsemu.Fault{Operation: "AmazonSQS.", Delay: time.Second}),
	{"notifications come twice, in another order", 8, func(w *world, _ context.Context) (func() error, error) {
		q := w.aws.Queue(queue)
		for range min(5, len(w.objects)) {
			q.Send(w.objects[w.rand.IntN(len(w.objects))], time.Duration(w.rand.IntN(3000))*time.Millisecond)
		}
		return nil, nil
	}},
	{"dead letters have no place", 3, func(w *world, _ context.Context) (func() error, error) {
		// A file where the folder should be: what a full disk is, to a writer. The
		// agent is started anew, for it may have a file open.
		place, aside := w.setup.DeadLetters(), w.setup.DeadLetters()+".aside"
		if _, err := os.Lstat(aside); err == nil {
			return nil, nil // it has none already
		}
		w.measure()
		w.agent.Kill()
		if err := os.MkdirAll(place, 0o700); err != nil {
			return nil, err
		}
		if err := os.Rename(place, aside); err != nil {
			return nil, err
		}
		if err := os.WriteFile(place, nil, 0o600); err != nil {
			return nil, err
		}
		return func() error {
			if err := os.Remove(place); err != nil {
				return err
			}
			return os.Rename(aside, place)
		}, w.start()
	}},
}

// proxied is a fault of one of the proxies.
func proxied(name string, weight int, f faultproxy.Faults) fault {
	return fault{name, weight, func(w *world, _ context.Context) (func() error, error) {
		p := w.proxies[w.rand.IntN(len(w.proxies))]
		p.Set(f)
		return func() error { p.Set(faultproxy.Faults{}); return nil }, nil
	}}
}

// aws is a fault of S3 or SQS.
func aws(name string, weight int, f awsemu.Fault) fault {
	return fault{name, weight, func(w *world, _ context.Context) (func() error, error) {
		end := w.aws.Fault(f)
		return func() error { end(); return nil }, nil
	}}
}

// undelivered reports whether the agent had nothing to be late with: it may end
// with an error when its grace runs out.
func (w *world) undelivered() bool { return w.aws.Queue(queue).Stats().Empty() }

const (
	tick    = 400 * time.Millisecond // between two faults
	longest = 12                     // ticks that a fault lasts at most
)

// storm makes n faults happen, several at a time, while objects are put. When it
// returns they have all ended.
func (w *world) storm(ctx context.Context, n int) error {
	type lasting struct {
		end  func() error
		left int
	}
	var under []lasting
	total := 0
	for _, f := range faults {
		total += f.weight
	}
	counts := map[string]int{}
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for i := range n {
		if err := w.load(); err != nil {
			return err
		}
		r := w.rand.IntN(total)
		k := 0
		for r >= faults[k].weight {
			r -= faults[k].weight
			k++
		}
		end, err := faults[k].do(w, ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", faults[k].name, err)
		}
		counts[faults[k].name]++
		if end != nil {
			under = append(under, lasting{end, 1 + w.rand.IntN(longest)})
		}
		if (i+1)%25 == 0 {
			say("%d of %d faults, %d records put, %s", i+1, n, w.put*len(w.types), w.backlog())
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		still := under[:0]
		for _, l := range under {
			if l.left--; l.left > 0 {
				still = append(still, l)
			} else if err := l.end(); err != nil {
				return err
			}
		}
		under = still
		if err := w.restart(); err != nil {
			return err
		}
	}
	for _, l := range under {
		if err := l.end(); err != nil {
			return err
		}
	}
	for _, f := range faults {
		say("%4d × %s", counts[f.name], f.name)
	}
	return w.restart()
}

func (w *world) backlog() string {
	s := w.aws.Queue(queue).Stats()
	return fmt.Sprintf("%d messages wait, %d are held", s.Visible+s.Delayed, s.InFlight)
}
