package feed

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/fluent-siem/fluent-siem/internal/code"
	"github.com/fluent-siem/fluent-siem/internal/settings"
)

// Env is what a duty gets from the program around it.
type Env struct {
	Log *slog.Logger
	// Health says what is wrong with a component; "" when it is fine again.
	Health func(component, problem string)
	// Metrics is where a duty registers what it counts.
	Metrics prometheus.Registerer
	// Gather returns the metrics of the sidecar and of the processes beside it.
	Gather func(context.Context) []*dto.MetricFamily
	Client *Client
	// AWS is how services besides those of Client are reached.
	AWS aws.Config
	// StateDir is where copies are kept.
	StateDir string
}

// Task does something again and again.
type Task struct {
	// Name is what health and metrics call it, such as geoip/GeoLite2-City.
	Name string
	// Every is the time from one success to the next.
	Every time.Duration
	// Jitter is the part of Every by which the time may differ, so that a fleet
	// does not ask at once: 0.1 is up to a tenth later.
	Jitter float64
	// Last is when it succeeded last, before this program began.
	Last time.Time
	// Do does it. An error is told, and what was there before is still good.
	Do func(ctx context.Context) (changed bool, err error)
	// Changed, unless nil, is called after Do changed something.
	Changed func()
}

// CheckTimes notes what is wrong with the settings interval and jitter of a Task;
// usual is what to write instead of an interval below a minute.
func CheckTimes(bad *settings.Problems, interval time.Duration, jitter float64, usual string) {
	if interval < time.Minute {
		bad.Add("interval", "%v is too short; use %s or more", interval, usual)
	}
	if jitter < 0 || jitter > 1 {
		bad.Add("jitter", "%v; use a number from 0 to 1", jitter)
	}
}

// Pauses after an error: the first, and the longest.
const (
	firstPause   = time.Minute
	longestPause = 4 * time.Hour
)

// Run does the task until ctx is done, and then returns nil.
func (t Task) Run(ctx context.Context, env Env, m *Metrics) error {
	wait := time.Until(t.next(t.Last))
	m.begin(t.Name, t.Last)
	failures := 0
	for {
		timer := time.NewTimer(max(wait, 0))
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		}
		changed, err := t.Do(ctx)
		now := time.Now()
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			failures++
			wait = t.pause(err, failures)
			m.failed(t.Name)
			env.Health(t.Name, code.Feed.In(fmt.Sprintf("degraded: %v; %s; it is tried again in %s", err, since(t.Last, now), round(wait))))
			env.Log.Warn("feed not refreshed; what was there before stays in use", "feed", t.Name, "error", err, "last_good", t.Last, "again_in", round(wait).String(), code.Feed.Attr())
		default:
			if failures > 0 || changed {
				env.Log.Info("feed refreshed", "feed", t.Name, "changed", changed)
			}
			failures, t.Last = 0, now
			wait = time.Until(t.next(now))
			m.succeeded(t.Name, now, changed)
			env.Health(t.Name, "")
			if changed && t.Changed != nil {
				t.Changed()
			}
		}
	}
}

// next is when it is time after a success.
func (t Task) next(last time.Time) time.Time {
	if last.IsZero() {
		return last // now
	}
	return last.Add(t.Every + time.Duration(rand.Float64()*t.Jitter*float64(t.Every)))
}

// pause is how long to wait after an error.
func (t Task) pause(err error, failures int) time.Duration {
	pause := min(firstPause<<min(failures-1, 20), longestPause, max(t.Every, firstPause))
	var e *Error
	if errors.As(err, &e) {
		if e.Denied() {
			pause = max(pause, min(t.Every, time.Hour)) // who asks often with a wrong key is locked out
		}
		pause = max(pause, e.RetryAfter)
	}
	return pause + time.Duration(rand.Float64()*t.Jitter*float64(pause))
}

func since(last, now time.Time) string {
	if last.IsZero() {
		return "there is no good copy yet"
	}
	return fmt.Sprintf("the last good copy was checked %s ago", round(now.Sub(last)))
}

func round(d time.Duration) time.Duration {
	if d > 10*time.Second {
		return d.Round(time.Second)
	}
	return d.Round(time.Millisecond)
}

// Metrics count what tasks do.
type Metrics struct {
	last    *prometheus.GaugeVec
	results *prometheus.CounterVec
}

// NewMetrics registers the metrics of tasks.
func NewMetrics(r prometheus.Registerer) *Metrics {
	m := &Metrics{
		last:    prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "siem_feed_last_success_timestamp_seconds", Help: "When a feed was last known to be fresh."}, []string{"feed"}),
		results: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "siem_feed_refreshes_total", Help: "Refreshes of a feed by what came of them: changed, unchanged or failed."}, []string{"feed", "result"}),
	}
	r.MustRegister(m.last, m.results)
	return m
}

func (m *Metrics) begin(name string, last time.Time) {
	for _, result := range []string{"changed", "unchanged", "failed"} {
		m.results.WithLabelValues(name, result)
	}
	if !last.IsZero() {
		m.last.WithLabelValues(name).Set(float64(last.Unix()))
	}
}

func (m *Metrics) failed(name string) { m.results.WithLabelValues(name, "failed").Inc() }

func (m *Metrics) succeeded(name string, at time.Time, changed bool) {
	m.last.WithLabelValues(name).Set(float64(at.Unix()))
	result := "unchanged"
	if changed {
		result = "changed"
	}
	m.results.WithLabelValues(name, result).Inc()
}
