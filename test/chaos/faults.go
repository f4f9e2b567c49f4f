package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/fluent-siem/fluent-siem/test/services/awsemu"
	"github.com/fluent-siem/fluent-siem/test/services/faultproxy"
)

// fault is one thing that goes wrong. do makes it happen and returns how to end
// it, nil when it has no length; or [errNotNow].
type fault struct {
	name   string
	weight int
	do     func(w *world, ctx context.Context) (end func() error, err error)
}

// errNotNow says that a fault cannot happen at the moment.
var errNotNow = errors.New("not now")

// faults are those that may happen. Weights say how often.
var faults = []fault{
	{"the agent is killed", 10, func(w *world, _ context.Context) (func() error, error) {
		w.kill()
		return nil, w.start()
	}},
	{"the agent is stopped and started", 2, func(w *world, _ context.Context) (func() error, error) {
		_ = syscall.Kill(w.agent.PID(), syscall.SIGCONT) // its clock may be about to jump
		w.stop(!w.aws.Queue(queue).Stats().Empty())
		return nil, w.start()
	}},
	// To a process that is suspended, the clock jumps when it goes on.
	{"the agent is suspended", 4, func(w *world, _ context.Context) (func() error, error) {
		if err := syscall.Kill(w.agent.PID(), syscall.SIGSTOP); err != nil {
			return nil, errNotNow // it has ended, which restart notices
		}
		agent := w.agent
		return func() error {
			_ = syscall.Kill(agent.PID(), syscall.SIGCONT) // killed by another fault, maybe
			return nil
		}, nil
	}},
	// And so it does to all that compare it with another: signatures have the wrong time.
	{"the clock jumps by hours", 4, func(w *world, _ context.Context) (func() error, error) {
		w.aws.SetClock(time.Duration(w.rand.Int64N(int64(48*time.Hour))) - 24*time.Hour)
		return func() error { w.aws.SetClock(0); return nil }, nil
	}},
	proxied("half of the items are refused with 429", 8, faultproxy.Faults{Busy: .5}),
	proxied("a storm of 429", 4, faultproxy.Faults{Fail: 1, Status: 429}),
	proxied("a storm of 503", 6, faultproxy.Faults{Fail: .8, Status: 503}),
	proxied("a server error for each second request", 4, faultproxy.Faults{Fail: .5, Status: 500}),
	proxied("answers are slow", 6, faultproxy.Faults{Delay: 2 * time.Second}),
	proxied("answers come too late", 2, faultproxy.Faults{Delay: 7 * time.Second}),
	proxied("answers are lost", 8, faultproxy.Faults{Lose: .5}),
	proxied("connections are reset", 6, faultproxy.Faults{Reset: .5}),
	{"connections are refused", 6, func(w *world, _ context.Context) (func() error, error) {
		p := w.proxies[w.rand.IntN(len(w.proxies))]
		p.Down()
		return p.Up, nil
	}},
	{"a node of the cluster is killed", 1, func(w *world, ctx context.Context) (func() error, error) {
		if !w.whole(ctx) || len(w.cluster.URLs()) < 3 {
			return nil, errNotNow
		}
		i := 1 + w.rand.IntN(len(w.cluster.URLs())-1) // the first is the one that is asked
		w.cluster.Kill(i)
		return func() error { return w.cluster.Start(i) }, nil
	}},
	aws("S3 asks to slow down", 4, awsemu.Fault{Operation: "GetObject", Status: 503, Code: "SlowDown", Rate: .5}),
	aws("S3 fails", 4, awsemu.Fault{Operation: "GetObject", Status: 500, Code: "InternalError", Rate: .5}),
	aws("S3 cuts connections", 4, awsemu.Fault{Operation: "GetObject", Cut: 500, Reset: true, Rate: .5}),
	aws("S3 denies", 2, awsemu.Fault{Operation: "GetObject", Status: 403, Code: "AccessDenied", Rate: .3}),
	aws("SQS fails to give", 3, awsemu.Fault{Operation: "AmazonSQS.ReceiveMessage", Status: 500, Code: "InternalError", Rate: .5}),
	aws("SQS fails to delete", 4, awsemu.Fault{Operation: "AmazonSQS.DeleteMessageBatch", Status: 500, Code: "InternalError", Rate: .7}),
	// So messages become visible while they are worked on; as they do by the next.
	aws("SQS fails to extend", 4, awsemu.Fault{Operation: "AmazonSQS.ChangeMessageVisibilityBatch", Status: 500, Code: "InternalError"}),
	{"visibility timeouts end", 4, func(w *world, _ context.Context) (func() error, error) {
		w.aws.Queue(queue).Expire()
		return nil, nil
	}},
	aws("SQS is slow", 2, awsemu.Fault{Operation: "AmazonSQS.", Delay: time.Second}),
	{"notifications come twice, in another order", 8, func(w *world, _ context.Context) (func() error, error) {
		q := w.aws.Queue(queue)
		for range min(5, len(w.objects)) {
			q.Send(w.objects[w.rand.IntN(len(w.objects))], time.Duration(w.rand.IntN(3000))*time.Millisecond)
		}
		return nil, nil
	}},
	{"the disk of dead letters is full", 4, func(w *world, _ context.Context) (func() error, error) {
		if w.disk {
			return fill(w.setup.DeadLetters())
		}
		return w.displace(w.setup.DeadLetters())
	}},
}

// fill writes to the disk of a folder until no byte more is taken.
func fill(folder string) (empty func() error, err error) {
	f, err := os.OpenFile(filepath.Join(folder, "ballast"), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return nil, errNotNow // it is full already
	}
	if err != nil {
		return nil, err
	}
	for err == nil {
		_, err = f.Write(make([]byte, 64<<10))
	}
	if !errors.Is(err, syscall.ENOSPC) {
		return nil, errors.Join(err, f.Close())
	}
	return func() error { return os.Remove(f.Name()) }, f.Close()
}

// displace puts a file where a folder is. The agent is started anew, for it may
// have a file open.
func (w *world) displace(folder string) (replace func() error, err error) {
	aside := folder + ".aside"
	if _, err := os.Lstat(aside); err == nil {
		return nil, errNotNow // it is away already
	}
	w.kill()
	if err := os.Rename(folder, aside); err != nil {
		return nil, err
	}
	if err := os.WriteFile(folder, nil, 0o600); err != nil {
		return nil, err
	}
	return func() error {
		if err := os.Remove(folder); err != nil {
			return err
		}
		return os.Rename(aside, folder)
	}, w.start()
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

// whole reports whether every node has joined the cluster.
func (w *world) whole(ctx context.Context) bool {
	path := fmt.Sprintf("/_cluster/health?wait_for_nodes=%d&timeout=1ms", len(w.cluster.URLs()))
	return w.search().Do(ctx, "GET", path, nil, nil) == nil // 408 when it is not
}

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
	counts := map[string]int{}
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for i := range n {
		if err := w.load(); err != nil {
			return err
		}
		kind, ticks := draw(w.plan)
		f, end, err := w.happen(ctx, kind)
		if err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
		counts[f.name]++
		if end != nil {
			under = append(under, lasting{end, ticks})
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
		w.measure()
		if err := w.restart(); err != nil {
			return err
		}
	}
	for _, l := range under {
		if err := l.end(); err != nil {
			return err
		}
	}
	if err := w.cluster.Await(len(w.cluster.URLs())); err != nil {
		return err
	}
	for _, f := range faults {
		say("%4d × %s", counts[f.name], f.name)
	}
	return w.restart()
}

// draw returns which fault comes next, and how many ticks it lasts.
func draw(plan *rand.Rand) (kind, ticks int) {
	total := 0
	for _, f := range faults {
		total += f.weight
	}
	for r := plan.IntN(total); r >= faults[kind].weight; kind++ {
		r -= faults[kind].weight
	}
	return kind, 1 + plan.IntN(longest)
}

// happen makes a fault happen, or the next in the table that can.
func (w *world) happen(ctx context.Context, kind int) (f fault, end func() error, err error) {
	for err = errNotNow; errors.Is(err, errNotNow); kind = (kind + 1) % len(faults) {
		f = faults[kind]
		end, err = f.do(w, ctx)
	}
	return f, end, err
}

func (w *world) backlog() string {
	s := w.aws.Queue(queue).Stats()
	return fmt.Sprintf("%d messages wait, %d are held", s.Visible+s.Delayed, s.InFlight)
}
