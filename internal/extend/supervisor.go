package extend

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/fluent-siem/fluent-siem/internal/code"
)

// The pauses before an extension that ended is started again double from the
// first to the longest. They begin anew when it has run for a time that shows
// that it can.
const (
	firstPause   = 100 * time.Millisecond
	longestPause = 5 * time.Minute
	goodRun      = time.Minute
	// hangs is how many ends a call counts as that was not answered in time: the
	// pipeline stood still for it.
	hangs = 4
	// checkUp is the time between two questions whether it is well.
	checkUp = 10 * time.Second
)

// supervisor keeps one process of an extension running.
type supervisor struct {
	cfg      Config
	log      *slog.Logger
	health   func(problem string) // "" when it is well
	restarts func()               // counts
	stop     context.CancelFunc
	ended    chan struct{}

	mu      sync.Mutex
	current *process      // nil while there is none
	problem error         // why there is none, nil while one is starting
	next    time.Time     // when one is started again, while problem is set
	changed chan struct{} // closed when one of the above changes
	hung    bool          // the current one did not answer in time
}

// supervise starts an extension and keeps it running until close.
func supervise(cfg Config, log *slog.Logger, health func(string), restarts func()) *supervisor {
	ctx, stop := context.WithCancel(context.Background())
	s := &supervisor{cfg: cfg, log: log, health: health, restarts: restarts, stop: stop, ended: make(chan struct{}), changed: make(chan struct{})}
	go s.run(ctx)
	return s
}

// close ends the extension. Calls that are under way fail.
func (s *supervisor) close() {
	s.stop()
	<-s.ended
	s.health("")
}

func (s *supervisor) set(p *process, problem error, next time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current, s.problem, s.next, s.hung = p, problem, next, false
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *supervisor) run(ctx context.Context) {
	defer close(s.ended)
	for failures := 0; ctx.Err() == nil; {
		p, err := launch(ctx, s.cfg, s.log)
		weight := 1
		if err == nil {
			began := time.Now()
			s.log.Info("an extension is ready", "pid", p.child.ID())
			s.set(p, nil, time.Time{})
			s.health("")
			err = s.attend(ctx, p)
			s.mu.Lock()
			if s.hung {
				weight = hangs
			}
			s.mu.Unlock()
			if time.Since(began) >= goodRun {
				failures = 0
			}
		}
		if ctx.Err() != nil {
			break
		}
		failures += weight
		wait := pause(failures)
		s.health(code.Extension.In(fmt.Sprintf("degraded: %v; it is started again in %v", err, wait.Round(time.Millisecond))))
		s.log.Error("an extension is down; its documents go the way of on_failure", "error", err, "again_in", wait.Round(time.Millisecond).String(), code.Extension.Attr())
		s.set(nil, err, time.Now().Add(wait))
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-timer.C:
			s.restarts()
			s.set(nil, nil, time.Time{})
		}
		timer.Stop()
	}
	s.set(nil, errClosed, time.Now().Add(longestPause))
}

var errClosed = errors.New("it was taken out of use")

// pause is how long to wait after so many failures, with up to a tenth more.
func pause(failures int) time.Duration {
	wait := min(firstPause<<min(failures-1, 20), longestPause)
	return wait + time.Duration(rand.Int64N(int64(wait)/10))
}

// attend waits until a process ends, or does not say any more that it is well.
func (s *supervisor) attend(ctx context.Context, p *process) error {
	ticker := time.NewTicker(checkUp)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			p.stop()
			return ctx.Err()
		case <-p.child.ended:
			p.discard(nil)
			return p.child.cause()
		case <-ticker.C:
			asked, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
			err := p.ping(asked)
			cancel()
			if err != nil && ctx.Err() == nil {
				p.child.kill(err)
			}
		}
	}
}

// ready returns the process, if it is not the one that is known to be gone,
// waiting for one that is starting or about to, as long as ctx allows.
func (s *supervisor) ready(ctx context.Context, gone *process) (*process, error) {
	for {
		s.mu.Lock()
		p, problem, next, changed := s.current, s.problem, s.next, s.changed
		s.mu.Unlock()
		deadline, limited := ctx.Deadline()
		switch {
		case p != nil && p != gone:
			return p, nil
		case problem != nil && limited && next.After(deadline):
			return nil, fmt.Errorf("it is down: %w", problem)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			if problem != nil {
				return nil, fmt.Errorf("it is down: %w", problem)
			}
			return nil, fmt.Errorf("it was not ready within timeout, %v", s.cfg.Timeout)
		}
	}
}

// up reports whether the process runs.
func (s *supervisor) up() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current != nil
}

// await waits until the extension is ready, or could not be started.
func (s *supervisor) await(ctx context.Context) {
	for {
		s.mu.Lock()
		done, changed := s.current != nil || s.problem != nil, s.changed
		s.mu.Unlock()
		if done {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

// call does something with the extension, within its time limit. If the process
// ends meanwhile and another is there in time, it is done once more.
func (s *supervisor) call(ctx context.Context, do func(context.Context, grpc.ClientConnInterface) error) error {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	var before *process
	for {
		p, err := s.ready(ctx, before)
		if err != nil {
			return err
		}
		err = do(ctx, p.conn)
		switch status.Code(err) {
		case codes.OK:
			return nil
		case codes.DeadlineExceeded, codes.Canceled, codes.Unavailable:
			if expired(ctx) {
				err = fmt.Errorf("it did not answer within timeout, %v", s.cfg.Timeout)
				s.condemn(p, err)
			} else if before == nil && ctx.Err() == nil {
				p.child.kill(nil) // a broken connection is not mended
				before = p
				continue
			}
		}
		return err
	}
}

// expired reports whether the time limit of ctx is over, or so nearly that the
// other side, which has the same, may have given up first.
func expired(ctx context.Context) bool {
	deadline, limited := ctx.Deadline()
	return limited && time.Until(deadline) < 100*time.Millisecond
}

// condemn kills a process that does not answer.
func (s *supervisor) condemn(p *process, reason error) {
	s.mu.Lock()
	if s.current == p {
		s.hung = true
	}
	s.mu.Unlock()
	p.child.kill(reason)
}
