package opensearch

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"sync"
	"time"

	"github.com/fluent-siem/fluent-siem/internal/code"
	"github.com/fluent-siem/fluent-siem/internal/deadletter"
	"github.com/fluent-siem/fluent-siem/internal/event"
	"github.com/fluent-siem/fluent-siem/internal/lease"
)

var (
	errStopping = errors.New("the host is stopping")
	errPatience = errors.New("patience is over")
)

// job is one call of Write.
type job struct {
	w      *Writer
	tag    string
	ctx    context.Context // of all requests; ends when the host stops
	cancel context.CancelCauseFunc
	start  time.Time
	memory memory // of an earlier call with the same chunk
	docs   documents
	timer  *time.Timer
	unhook func() bool // from the Writer's Close

	mu       sync.Mutex
	ended    bool
	touched  time.Time
	objects  []*lease.Object // those that wait for documents of the chunk
	open     marks           // events that have no verdict at the end
	unsure   marks           // those of them that may be stored
	since    time.Time       // the last of the requests that may have stored them
	waiting  int
	total    int
	lastWord string // why
}

const (
	tickEvery  = 250 * time.Millisecond
	touchEvery = 5 * time.Second
)

func (w *Writer) begin(ctx context.Context, tag string, chunk []byte) *job {
	j := &job{w: w, tag: tag, start: time.Now()}
	j.touched = j.start
	j.ctx, j.cancel = context.WithCancelCause(ctx)
	j.unhook = context.AfterFunc(w.life, func() { j.cancel(errClosed) })
	j.memory = w.memo.take(chunk)
	if !j.memory.known { // first time
		j.memory.series = newSeries(rand.Uint64(), rand.Uint32())
	}
	j.docs = documents{
		index:    []byte(w.cfg.Index),
		ids:      w.cfg.Collection != timeSeries,
		generate: w.cfg.GenerateIDs,
		series:   j.memory.series,
		bounds:   bounds{allow: w.cfg.AllowIndex, depth: w.cfg.DepthLimit, width: w.cfg.WidthLimit},
	}
	j.mu.Lock()
	j.timer = time.AfterFunc(tickEvery, j.tick)
	j.mu.Unlock()
	return j
}

func (j *job) end() {
	j.mu.Lock()
	j.ended = true
	j.timer.Stop()
	j.mu.Unlock()
	j.unhook()
	j.cancel(nil)
}

// tick tells the leases that somebody is at it, and ends requests when the
// host stops.
func (j *job) tick() {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.ended {
		return
	}
	now := time.Now()
	if since, ok := j.w.stopping(); ok {
		if j.start.After(since) {
			since = j.start
		}
		if now.Sub(since) >= j.w.cfg.StopPatience {
			j.cancel(errStopping)
		}
	}
	if now.Sub(j.touched) >= touchEvery {
		j.touched = now
		for _, o := range j.objects {
			o.Touch()
		}
	}
	j.timer.Reset(tickEvery)
}

// pause waits for d. It reports false, at once, when patience does not reach
// that far.
func (j *job) pause(d time.Duration, patience time.Duration) bool {
	left := time.Until(j.start.Add(patience))
	if since, ok := j.w.stopping(); ok {
		left = min(left, time.Until(since.Add(j.w.cfg.StopPatience)))
	}
	if d > left {
		return false
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-j.ctx.Done():
		return false
	}
}

// run decodes the chunk and delivers it, in one bulk or several.
func (j *job) run(chunk []byte) error {
	var (
		wg     sync.WaitGroup
		b      *bulk
		obj    *lease.Object
		last   uint64
		n      int32
		gaveUp bool // patience ended before there was room for another bulk
	)
	for rest := chunk; len(rest) > 0; n++ {
		ev, err := event.Peek(rest)
		if err != nil {
			j.loseTail(rest, n, err)
			break
		}
		// pass goes on to the next event where the record is not read.
		pass := func() bool {
			next, err := event.Skip(ev.Record)
			if err != nil {
				j.loseTail(rest, n, fmt.Errorf("record: %w", err))
				return false
			}
			rest = next
			return true
		}
		if ev.Group || !j.memory.wants(n) {
			if !pass() {
				break
			}
			continue
		}
		if !ev.HasOrigin {
			obj, last = nil, 0
		} else if ev.Origin.Object != last {
			last = ev.Origin.Object
			if obj = j.w.p.Leases.Object(last); obj != nil {
				j.watch(obj)
			}
		}
		if !gaveUp && b == nil {
			b = j.newBulk()
			gaveUp = b == nil
		}
		if gaveUp {
			if !pass() {
				break
			}
			j.total++
			j.leaveOpen(n, time.Time{}, errPatience.Error())
			continue
		}
		next, problem := j.docs.add(b, &ev, n, obj)
		if problem == nil {
			rest = next
		} else if pass() {
			j.docs.refuse(b, &ev, newItem(b, &ev, n, obj), problem)
		} else {
			break
		}
		j.total++
		if k := len(b.items); k > 0 && b.items[k-1].ordinal == n {
			it := &b.items[k-1]
			if j.memory.unsure.has(n) {
				it.unsure = j.memory.since
			}
			if obj != nil && obj.Source.Received > 1 {
				it.before = obj.Opened()
			}
		}
		if int64(len(b.lines)) < j.w.size.Load() {
			continue
		}
		full, tooMuch := b, b.cutLast(j.w.size.Load())
		wg.Go(func() { j.deliver(full) })
		if b = nil; tooMuch != nil {
			if b = j.newBulk(); b == nil {
				gaveUp = true
				j.leaveOpen(n, tooMuch.items[0].unsure, errPatience.Error())
				continue
			}
			b.take(tooMuch)
		}
	}
	if b != nil {
		j.deliver(b) // on this goroutine: most chunks are one request
	}
	wg.Wait()
	if j.waiting == 0 {
		return nil
	}
	j.memory.open, j.memory.unsure, j.memory.since, j.memory.known = j.open, j.unsure, j.since, true
	j.w.memo.put(chunk, j.memory)
	return &RetryError{Waiting: j.waiting, Total: j.total, Reason: j.lastWord}
}

// newBulk waits for room; nil when patience or the host's ends first.
func (j *job) newBulk() *bulk {
	ctx, cancel := context.WithDeadline(j.ctx, j.start.Add(j.w.cfg.Patience))
	defer cancel()
	select {
	case j.w.slots <- struct{}{}:
		return getBulk()
	case <-ctx.Done():
		return nil
	}
}

// deliver sees to it that every item of b has a verdict or is left open, and
// gives b back.
func (j *job) deliver(b *bulk) {
	defer func() {
		if p := recover(); p != nil { // a bug of ours: nothing is lost by trying again, and the host lives on
			j.w.log.Error("a bug was met while documents were sent; they are sent again, please report it", "error", p, "stack", string(debug.Stack()), code.Bug.Attr())
			for _, it := range b.items {
				j.leaveOpen(it.ordinal, time.Now(), "a bug was met")
			}
			for _, r := range b.refused {
				j.leaveOpen(r.item.ordinal, time.Time{}, "a bug was met")
			}
		} else {
			b.release()
		}
		<-j.w.slots
	}()
	if len(b.items) > 0 {
		j.send(b, b.all())
	}
	if len(b.refused) > 0 {
		j.bury(b)
	}
}

// watch makes tick touch o.
func (j *job) watch(o *lease.Object) {
	o.Touch()
	j.mu.Lock()
	j.objects = append(j.objects, o)
	j.mu.Unlock()
}

// leaveOpen notes that the n-th event has no verdict. unsure is when it may have
// been stored; zero: it was not.
func (j *job) leaveOpen(n int32, unsure time.Time, why string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.open.add(n)
	if !unsure.IsZero() {
		j.unsure.add(n)
		if unsure.After(j.since) {
			j.since = unsure
		}
	}
	j.waiting++
	j.lastWord = why
}

// loseTail keeps what cannot be decoded any more as one dead letter. Its
// records get no verdict: their notification will come back.
func (j *job) loseTail(rest []byte, n int32, err error) {
	if !j.memory.wants(n) {
		return
	}
	j.total++
	l := deadletter.Letter{Class: "broken_chunk", Outcome: deadletter.Refused, Reason: "the rest of the chunk cannot be read: " + err.Error(), Msgpack: rest}
	j.address(&l, item{})
	if err := j.w.keep([]deadletter.Letter{l}); err != nil {
		j.w.lettersFail(err)
		j.leaveOpen(n, time.Time{}, "dead letters cannot be written: "+err.Error())
		return
	}
	j.w.metrics.documents.WithLabelValues(Rejected.String(), l.Class).Inc()
	j.w.log.Error("a chunk is damaged: its rest is kept as a dead letter; records that came from S3 will be loaded again when their notification comes back",
		"tag", j.tag, "bytes", len(rest), "after_events", n, "error", err, code.BrokenChunk.Attr())
}
