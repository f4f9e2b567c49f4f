package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fluent-siem/fluent-siem/internal/code"
	"github.com/fluent-siem/fluent-siem/internal/process"
	"github.com/fluent-siem/fluent-siem/plugins/s3sqs"
)

const (
	// collectFor is how long a collect hands over: just under the host's timer,
	// because a pause is only delivered between two collects.
	collectFor = 900 * time.Millisecond
	// leaveWithin is how long an exit waits for the stage to give its leases
	// back. What is not back by then comes back by itself, later.
	leaveWithin = 10 * time.Second
	// returnBytes bounds the buffer that a collect returns to a host without an
	// append function.
	returnBytes = 4 << 20
)

var errClosed = errors.New("the host is stopping this input; the notification is given back to the queue")

// stage is what an input instance needs of [s3sqs.Input].
type stage interface {
	Run(ctx context.Context, sink s3sqs.Sink) error
	Pause()
	Resume()
}

// host is what an input instance needs of Fluent Bit.
type host interface {
	canAppend() bool
	append(tag string, records int, events []byte) error
}

// input is one instance. The stage's goroutines give buffers to Append; the
// host's thread takes them in collect.
type input struct {
	name string // for health: one per instance
	open func() (stage, error)
	host host
	pace *pace

	begin  sync.Once // the stage runs from the first collect on
	ctx    context.Context
	cancel context.CancelCauseFunc
	done   chan struct{} // the stage's Run is over

	mu     sync.Mutex
	stage  stage // nil until open succeeds
	paused atomic.Bool

	handovers chan handover
}

// handover is one buffer on its way to the host; it belongs to the collect that
// took it until the result is sent.
type handover struct {
	tag     string
	records int
	events  []byte
	result  chan<- error
}

func newInput(name string, open func() (stage, error), h host) *input {
	i := &input{name: name, open: open, host: h, pace: newPace(), done: make(chan struct{}), handovers: make(chan handover)}
	i.ctx, i.cancel = context.WithCancelCause(context.Background())
	return i
}

// Append implements [s3sqs.Sink].
func (i *input) Append(ctx context.Context, tag string, records int, events []byte) error {
	result := make(chan error, 1)
	select {
	case i.handovers <- handover{tag, records, events, result}:
		return <-result // collect answers within about a second
	case <-ctx.Done():
		return ctx.Err()
	case <-i.ctx.Done():
		return errClosed
	}
}

// collect hands over what the stage has, for at most d. On a host that cannot
// append it returns the events, all under the instance's own tag.
func (i *input) collect(d time.Duration) (events []byte) {
	i.begin.Do(func() { go i.run() })
	if i.paused.Load() { // the host's timer may go on after a pause
		return nil
	}
	end := time.NewTimer(d)
	defer end.Stop()
	for i.pace.ready(end.C, i.ctx.Done()) {
		select {
		case h := <-i.handovers:
			if i.host.canAppend() {
				i.pace.append(len(h.events))
				err := i.host.append(h.tag, h.records, h.events)
				if err != nil {
					i.pace.undo()
				}
				h.result <- err
				continue
			}
			events = append(events, h.events...)
			h.result <- nil
			if len(events) >= returnBytes {
				return events
			}
		case <-end.C:
			return events
		case <-i.ctx.Done():
			return events
		}
	}
	return events
}

// run opens the stage and runs it until exit, again after a failure.
func (i *input) run() {
	defer close(i.done)
	for wait := time.Second; ; wait = min(2*wait, time.Minute) {
		began := time.Now()
		err := guard("run of "+i.name, errors.New("a bug stopped it"), i.runOnce)
		if i.ctx.Err() != nil {
			return
		}
		if time.Since(began) > time.Minute {
			wait = time.Second
		}
		problem := fmt.Sprintf("%s stopped: %v", i.name, err)
		process.Shared().SetHealth(i.name, code.Restarted.In(problem))
		slog.Error(problem+"; nothing is lost, the notifications stay in the queue; it is tried again", "in", wait.String(), code.Restarted.Attr())
		select {
		case <-time.After(wait):
		case <-i.ctx.Done():
			return
		}
	}
}

func (i *input) runOnce() error {
	s, err := i.open()
	if err != nil {
		return err
	}
	i.mu.Lock()
	i.stage = s
	if i.paused.Load() {
		s.Pause()
	}
	i.mu.Unlock()
	process.Shared().SetHealth(i.name, "")
	err = s.Run(i.ctx, i)
	i.mu.Lock()
	i.stage = nil
	i.mu.Unlock()
	return err
}

// pause and resume are the host's wish. Each may come twice.
func (i *input) pause() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.paused.Store(true)
	if i.stage != nil {
		i.stage.Pause()
	}
}

func (i *input) resume() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.paused.Store(false)
	i.pace.touch()
	if i.stage != nil {
		i.stage.Resume()
	}
}

// exit stops the stage and waits a bounded time for it.
func (i *input) exit() {
	i.cancel(s3sqs.ErrNoVerdicts)        // the host ends its outputs before its inputs
	i.begin.Do(func() { close(i.done) }) // it never ran
	select {
	case <-i.done:
	case <-time.After(leaveWithin):
		slog.Warn("the input did not stop in time; its notifications return to the queue by themselves", "input", i.name, code.SlowStop.Attr())
	}
	process.Shared().SetHealth(i.name, "")
}

// running are the inputs of this process, by the host's instance. Between a
// reload's old and new pipeline there is none.
type running struct {
	mu  sync.Mutex
	all map[uintptr]*input
}

func (r *running) add(instance uintptr, i *input) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.all == nil {
		r.all = make(map[uintptr]*input)
	}
	r.all[instance] = i
}

func (r *running) remove(i *input) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for instance, other := range r.all {
		if other == i {
			delete(r.all, instance)
		}
	}
}

// of returns the input of a host's instance; nil for any other plugin's.
func (r *running) of(instance uintptr) *input {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.all[instance]
}

// stopping tells whether the host seems to be stopping: all inputs are paused.
// It is a hint, a full buffer looks the same.
func (r *running) stopping() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, i := range r.all {
		if !i.paused.Load() {
			return false
		}
	}
	return len(r.all) > 0
}
