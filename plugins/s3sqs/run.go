package s3sqs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/fluent-siem/fluent-siem/internal/code"
	"github.com/fluent-siem/fluent-siem/internal/ledger"
	"github.com/fluent-siem/fluent-siem/internal/throttle"
	"github.com/fluent-siem/fluent-siem/plugins/s3sqs/split"
)

// run is what one call of Run shares.
type run struct {
	in      *Input
	clients *clients
	gate    *gate
	buffers *buffers
	limits  split.Limits
	queues  []*queue
	ledger  *ledger.Ledger // nil: none is kept
	cutting chan struct{}  // a place for each object that is cut into records; the others wait for their first byte
	express chan struct{}  // more places, for urgent ones
	backlog *queue         // nil: there is none

	holding context.Context    // ends when everything was given back
	release context.CancelFunc // of appending: the host is not asked any more

	receiving sync.WaitGroup // receivers
	handling  sync.WaitGroup // messages
	returning sync.WaitGroup // messages on their way back
	closing   sync.WaitGroup // batches of deletes and returns
}

// cutMost is how many objects are cut into records at the same time: each needs
// buffers of some hundred kilobytes. Many more may wait for the answer of S3, which
// is what takes the time of small ones.
const cutMost = 32

// ErrNoVerdicts is the cause with which a host ends Run's context when its
// outputs have ended already: waiting for verdicts would be in vain.
var ErrNoVerdicts = errors.New("the outputs have ended")

// Run receives, reads and hands over until ctx is done. Then it waits
// drain_timeout for verdicts, gives everything else back, and returns nil. It
// returns an error only when it could not start before ctx was done.
func (in *Input) Run(ctx context.Context, sink Sink) error {
	stopServing, err := in.p.Serve(in.cfg.StateDir)
	if err != nil {
		in.log.Warn("no socket for metrics and health; loading goes on", "state_dir", in.cfg.StateDir, "error", err, code.Socket.Attr())
	} else {
		defer stopServing()
	}
	in.loadTypes()
	clients, err := in.start(ctx)
	if err != nil {
		return err
	}
	defer clients.close()
	holding, release := context.WithCancel(context.WithoutCancel(ctx))
	defer release()
	r := &run{in: in, clients: clients, gate: newGate(in), holding: holding, limits: in.limits, cutting: make(chan struct{}, cutMost), express: make(chan struct{}, gateUrgent)}
	if f, err := os.Stat(in.cfg.StateDir); err == nil && f.IsDir() {
		r.limits.TempDir = in.cfg.StateDir
	}
	if in.cfg.Ledger {
		var release func()
		r.ledger, release = in.p.Ledgers.Open(in.cfg.StateDir, ledger.Config{Age: in.cfg.LedgerAge, Size: int64(in.cfg.LedgerSize)},
			ledger.WithLogger(in.log), ledger.WithHealth(func(problem string) { in.p.SetHealth("ledger", problem) }),
			ledger.WithMetrics(in.p.Metrics), ledger.WithVersions(in.p.Versions))
		defer release()
	}
	appending, stopAppending := context.WithCancel(holding)
	defer stopAppending()
	r.release = stopAppending
	r.buffers = newBuffers(appending, in, sink)
	in.mu.Lock()
	in.gate = r.gate
	r.gate.pause(in.paused)
	in.mu.Unlock()

	var keeping sync.WaitGroup // goroutines that end with holding
	keeping.Go(func() { r.buffers.tick(holding) })
	keeping.Go(func() { r.gate.adapt(holding) })
	keeping.Go(func() { in.pace.tick(holding) })
	keeping.Go(func() { throttle.Follow(holding, in.cfg.StateDir, in.log, in.obey) })
	if in.cfg.LedgerIndex != "" {
		keeping.Go(r.copyLedger(appending, sink))
	}
	for _, url := range in.cfg.QueueURL {
		r.queues = append(r.queues, newQueue(r, url))
	}
	if url := in.cfg.BacklogQueueURL; url != "" {
		r.backlog = newQueue(r, url)
		r.queues = append(r.queues, r.backlog)
	}
	r.receiving.Go(func() { r.dispatch(ctx) })
	for _, q := range r.queues {
		q.receivers.Add(1)
		r.receiving.Go(func() {
			q.learn(ctx)
			q.receive(ctx, false)
		})
		keeping.Go(func() { q.beat(holding) })
		keeping.Go(func() { q.measure(holding) })
		keeping.Go(func() { q.bury(holding) })
		keeping.Go(func() { q.giveBack(holding) })
	}
	in.log.Info("s3_sqs runs", "queues", len(r.queues), "acknowledge", in.cfg.Acknowledge, "memory_limit", in.cfg.MemoryLimit.String())
	<-ctx.Done()
	r.drain(ctx)
	release()
	keeping.Wait()
	r.closing.Wait()
	in.mu.Lock()
	in.gate = nil
	in.mu.Unlock()
	return nil
}

// obey puts an order of the throttle into force.
func (in *Input) obey(o throttle.Order) {
	in.pace.set(o)
	problem, share := "", 1.
	switch {
	case o.Stop:
		problem, share = code.Throttled.In(o.String()), 0
	case o.Share > 0:
		problem, share = code.Throttled.In(o.String()), o.Share
	}
	in.metrics.throttle.Set(share)
	in.p.SetHealth("s3_sqs throttle", problem)
}

// loadTypes loads logtypes_dir unless an earlier stage did.
func (in *Input) loadTypes() {
	dir := in.cfg.LogtypesDir
	if dir == "" || in.p.LogTypes.Dir() == dir {
		return
	}
	if err := in.p.LogTypes.Load(dir); err != nil {
		text := fmt.Sprintf("the log types in %s are not used: %v; the last good set stays", dir, err)
		in.log.Error(text, code.LogTypes.Attr())
		in.p.SetHealth("s3_sqs log types", code.LogTypes.In(text))
		return
	}
	in.p.SetHealth("s3_sqs log types", "")
}

// start makes the clients, however long it takes.
func (in *Input) start(ctx context.Context) (*clients, error) {
	const component = "s3_sqs AWS configuration"
	for wait := in.timing.start; ; wait = min(2*wait, retryCap) {
		c, err := newClients(ctx, in.cfg)
		if err == nil {
			in.p.SetHealth(component, "")
			return c, nil
		}
		text := fmt.Sprintf("the AWS configuration cannot be read: %v; nothing is received; correct it, it is read again", err)
		in.log.Error(text, code.AWSConfig.Attr())
		in.p.SetHealth(component, code.AWSConfig.In(text))
		if !sleep(ctx, jitter(wait)) {
			return nil, fmt.Errorf("s3_sqs input: stopped before it started: %w", err)
		}
	}
}

// drain ends a run: what is still being read goes back at once, what only lacks
// verdicts gets drain_timeout, and the rest goes back then.
func (r *run) drain(ctx context.Context) {
	began := time.Now()
	r.receiving.Wait() // what a cancelled long poll was about to bring is visible again after its timeout
	read, waited := r.giveBackAll(reading), 0
	settled := make(chan struct{})
	go func() { r.handling.Wait(); close(settled) }()
	patience := r.in.cfg.DrainTimeout
	if errors.Is(context.Cause(ctx), ErrNoVerdicts) {
		patience = 0
	}
	end := time.NewTimer(patience)
	defer end.Stop()
	select {
	case <-settled:
	case <-end.C:
		r.release()
		waited = r.giveBackAll(waiting)
		<-settled
	}
	r.returning.Wait()
	// Deletes are given two seconds: what is not deleted comes back, and its ids are the same.
	for end := time.Now().Add(2 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		left := 0
		for _, q := range r.queues {
			left += len(q.list())
		}
		if left == 0 {
			break
		}
	}
	r.in.log.Info("s3_sqs has stopped; what was handed back is delivered again", "handed_back_unread", read, "handed_back_without_verdict", waited,
		"took", time.Since(began).Round(time.Millisecond).String())
}

// giveBackAll ends the holds in a phase and counts them.
func (r *run) giveBackAll(phase int32) int {
	n := 0
	for _, q := range r.queues {
		for _, h := range q.list() {
			if h.phase.Load() == phase {
				h.cancel(errStopping)
				n++
			}
		}
	}
	return n
}
