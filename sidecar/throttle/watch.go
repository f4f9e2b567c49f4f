package throttle

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/fluent-siem/fluent-siem/internal/code"
	"github.com/fluent-siem/fluent-siem/internal/throttle"
)

// Watcher is the duty of the sidecar: look, decide, order, tell.
type Watcher struct {
	Config Config
	// Get asks the cluster; nil: the order is taken from Board.
	Get Get
	// Cluster and Host name both in alerts.
	Cluster, Host string
	// Board is where the order of a fleet hangs; nil: this host is alone.
	Board Board
	// Tellers hear of what is done.
	Tellers []Teller
	Log     *slog.Logger
	// Observe, when not nil, hears of each look: the order in force, and what kept
	// the look from being one. For metrics and health.
	Observe func(o throttle.Order, problem error)
}

const (
	// boardEvery and boardLife: what hangs for a fleet is renewed and expires more
	// slowly than the order of one host, for each renewal is a request.
	boardEvery = time.Minute
	boardLife  = 5 * time.Minute
	tellWithin = 30 * time.Second
)

// Run watches until ctx is done. When it ends, its order runs out.
func (w *Watcher) Run(ctx context.Context) error {
	cfg := w.Config
	next := w.look(cfg)
	var last throttle.Order
	var hung time.Time // when the board was written last
	problem := ""
	ticker := time.NewTicker(cfg.Interval)
	defer ticker.Stop()
	for {
		o, err := next(ctx)
		if ctx.Err() != nil {
			return nil
		}
		switch {
		case err == nil:
			problem = ""
			if err = throttle.Write(cfg.StateDir, throttle.Automatic, o); err != nil {
				w.Log.Error(fmt.Sprintf("throttle: the order cannot be written: %v; inputs take what they can; make state_dir writable", err), code.OrderWrite.Attr())
			}
			now, changed := time.Now(), o.Stop != last.Stop || o.Share != last.Share
			if w.Board != nil && w.Get != nil && (changed || now.Sub(hung) >= boardEvery) {
				fleet := o
				fleet.Expires = now.Add(boardLife).UTC()
				if e := w.Board.Put(ctx, fleet); e != nil {
					w.Log.Warn(fmt.Sprintf("throttle: the fleet's order cannot be published: %v; other hosts go on as before, and freely in %v; it is tried again", e, boardLife), code.Board.Attr())
				} else {
					hung = now
				}
			}
			w.tell(ctx, o, last)
			last = o
		case err.Error() != problem:
			problem = err.Error()
			w.Log.Warn("throttle: the order cannot be renewed: "+problem+"; the last one runs out, then inputs take what they can; it is tried again", code.OrderSource.Attr())
		}
		if w.Observe != nil {
			w.Observe(last, err)
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// look returns how the next order is found.
func (w *Watcher) look(cfg Config) func(context.Context) (throttle.Order, error) {
	if w.Get == nil {
		return w.Board.Get
	}
	governor := NewGovernor(cfg)
	return func(ctx context.Context) (throttle.Order, error) {
		ctx, cancel := context.WithTimeout(ctx, max(cfg.Interval, 5*time.Second))
		defer cancel()
		s, err := Look(ctx, w.Get)
		if err != nil {
			return throttle.Order{}, fmt.Errorf("the cluster cannot be asked: %w", err)
		}
		return governor.Next(s, time.Now()), nil
	}
}

// tell spreads the news when inputs begin to be held back or stopped, and when
// that has ended. Steps in between are only logged.
func (w *Watcher) tell(ctx context.Context, o, last throttle.Order) {
	held, was := o.Stop || o.Share > 0, last.Stop || last.Share > 0
	if held == was && (o.Stop == last.Stop || last.Stop) {
		if o.Share != last.Share {
			w.Log.Info("throttle: the inputs are " + o.String())
		}
		return
	}
	w.Log.Warn("throttle: the inputs are "+o.String(), code.Throttled.Attr())
	a := Alert{Throttled: held, Cluster: w.Cluster, Host: w.Host, Time: time.Now().UTC(), Order: o}
	for _, t := range w.Tellers {
		ctx, cancel := context.WithTimeout(ctx, tellWithin)
		if err := t.Tell(ctx, a); err != nil {
			w.Log.Error(fmt.Sprintf("throttle: an alert was not delivered: %v; what it says is in this log; correct the topic or webhook", err), "alert", a.Subject(), code.Alert.Attr())
		}
		cancel()
	}
}
