package status

import (
	"context"
	"log/slog"
	"os"
	"time"

	"github.com/fluent-siem/fluent-siem/internal/code"
	"github.com/fluent-siem/fluent-siem/internal/settings"
	"github.com/fluent-siem/fluent-siem/outputs/opensearch"
)

// IndexConfig is the section status_index: a copy of the numbers of the page in
// the cluster, for the dashboard fluent-siem and for fleets.
type IndexConfig struct {
	// Index is the first part of the index's name; the month follows.
	Index string `conf:"index"`

	// Interval is the time between two copies; rates are of that time.
	Interval time.Duration `conf:"interval"`
}

// IndexDefaults returns what is used where the section says nothing.
func IndexDefaults() IndexConfig { return IndexConfig{Index: "siem-status", Interval: time.Minute} }

// Validate reports every problem at once.
func (c IndexConfig) Validate() error {
	var bad settings.Problems
	if c.Index == "" {
		bad.Add("index", "is empty; leave it out for siem-status")
	}
	if c.Interval < 10*time.Second {
		bad.Add("interval", "%s is more often than anybody looks; try 1m", c.Interval)
	}
	return bad.Err()
}

// IndexEnv is what the duty gets from the program around it.
type IndexEnv struct {
	Log    *slog.Logger
	Health func(component, problem string)
	Source Source
	// Do sends a request to the cluster.
	Do func(ctx context.Context, method, path string, body []byte) (status int, answer []byte, err error)
}

// RunIndex is the duty of the sidecar. It writes until ctx is done, and then
// returns nil. What a cluster does not take is left out: the next copy is newer.
func RunIndex(ctx context.Context, cfg IndexConfig, env IndexEnv) error {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown host"
	}
	m := NewMonitor(env.Source)
	tick := time.NewTicker(cfg.Interval)
	defer tick.Stop()
	for {
		m.sample(ctx, time.Now())
		st := m.Status(ctx)
		err := opensearch.Create(ctx, env.Do, cfg.Index+st.At.Format("-2006-01"), instants(host, st))
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			env.Log.Error("the status is not copied into the cluster; the next copy is newer", "error", err, code.StatusIndex.Attr())
			env.Health("status_index", code.StatusIndex.In(err.Error()))
		default:
			env.Health("status_index", "")
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// instant is what the index has of a host, kind flow, or of one of its tables or
// feeds.
type instant struct {
	At   time.Time `json:"@timestamp"`
	Host struct {
		Name string `json:"name"`
	} `json:"host"`
	Kind string `json:"kind"` // flow, table or feed
	Name string `json:"name,omitempty"`
	*flow
	Age *float64 `json:"age,omitempty"` // seconds since a table was made or a feed was fresh
}

// flow has rates per second and times in seconds.
type flow struct {
	Records      float64  `json:"records"`
	Stored       float64  `json:"stored"`
	DeadLetters  float64  `json:"dead_letters"`
	Retries      float64  `json:"retries"`
	Waiting      float64  `json:"waiting"`
	OldestObject float64  `json:"oldest_object"`
	P50          *float64 `json:"lag_p50,omitempty"`
	P99          *float64 `json:"lag_p99,omitempty"`
	Throttle     float64  `json:"throttle_share"`
	Degraded     float64  `json:"degraded"` // parts of the sidecar
}

// instants are the documents of a status.
func instants(host string, st Status) []instant {
	last := st.History[len(st.History)-1]
	dead := st.Output.Verdicts["dead-lettered"] + st.Output.Verdicts["unreadable"]
	list := []instant{{Kind: "flow", flow: &flow{Records: st.Input.Records, Stored: last.Stored, DeadLetters: dead, Retries: st.Output.Retries, Waiting: st.Input.Waiting,
		OldestObject: st.Input.OldestObject, P50: last.P50, P99: last.P99, Throttle: st.Input.ThrottleShare, Degraded: st.Degraded}}}
	age := func(kind, name string, since time.Time) {
		if seconds := st.At.Sub(since).Seconds(); !since.IsZero() {
			list = append(list, instant{Kind: kind, Name: name, Age: &seconds})
		}
	}
	for _, t := range st.Tables {
		age("table", t.Name, t.Built)
	}
	for _, f := range st.Feeds {
		age("feed", f.Name, f.Fresh)
	}
	for i := range list {
		list[i].At, list[i].Host.Name = st.At, host
	}
	return list
}
