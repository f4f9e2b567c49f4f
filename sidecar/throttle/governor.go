package throttle

import (
	"fmt"
	"strings"
	"time"

	"github.com/fluent-siem/fluent-siem/internal/throttle"
)

// Governor turns samples into orders. It is not for concurrent use.
type Governor struct {
	cfg      Config
	stopped  bool
	share    float64   // 0: free
	since    time.Time // when inputs began to be held back
	trouble  time.Time // the last look at which something was wrong
	strained int       // looks in a row with pressure
	reason   string
	rejected map[string]int64 // by node
}

const (
	// confirm is how many looks in a row must show pressure before it counts: a
	// burst is what queues are for.
	confirm = 3
	// slower and faster are how a share moves at each look that asks for it.
	slower, faster = .7, .1
	least          = .05
	restart        = .5  // the share after a stop
	diskMargin     = .02 // of the disk that must be free below the watermark before a stop ends
	queueFull      = .5  // of the write queue
	pressureFull   = .7  // of the indexing pressure that a node bears
	heapFull       = 90  // percent; collectors work at 75, breakers at 95
)

// NewGovernor returns one that holds nothing back.
func NewGovernor(cfg Config) *Governor {
	return &Governor{cfg: cfg, rejected: map[string]int64{}}
}

// Next returns the order that follows from a sample. It expires when no other
// follows for some intervals.
func (g *Governor) Next(s Sample, now time.Time) throttle.Order {
	stops, strains := g.stops(s), g.strains(s)
	if len(stops)+len(strains) > 0 {
		g.trouble = now
	}
	calm := now.Sub(g.trouble) >= g.cfg.Calm
	if len(strains) > 0 {
		g.strained++
	} else {
		g.strained = 0
	}
	was := g.stopped || g.share > 0
	switch {
	case len(stops) > 0:
		g.stopped, g.reason = true, strings.Join(stops, "; ")+"; it ends by itself when that is over"
	case g.stopped && !calm:
		// The reason stays: it is over, but not for long enough.
	case g.stopped:
		g.stopped, g.share, g.reason = false, restart, "starting again gently"
	case g.strained >= confirm:
		g.strained = 0
		if g.share == 0 {
			g.share = 1
		}
		g.share, g.reason = max(g.share*slower, least), strings.Join(strains, "; ")
	case calm && g.share > 0:
		if g.share += faster; g.share > 1-faster/2 {
			g.share = 0
		}
	}
	switch held := g.stopped || g.share > 0; {
	case !held:
		g.since, g.reason = time.Time{}, ""
		return throttle.Order{Expires: g.expiry(now)}
	case !was:
		g.since = now.UTC()
	}
	o := throttle.Order{Stop: g.stopped, Reason: g.reason, Since: g.since, Expires: g.expiry(now)}
	if !g.stopped {
		o.Share = g.share
	}
	return o
}

// expiry lets an order outlive some looks that fail.
func (g *Governor) expiry(now time.Time) time.Time { return now.Add(6 * g.cfg.Interval).UTC() }

// stops are the reasons to take nothing.
func (g *Governor) stops(s Sample) (reasons []string) {
	reasons = append(reasons, s.Blocks...)
	margin := 0.
	if g.stopped {
		margin = diskMargin
	}
	for _, n := range s.Nodes {
		if n.DiskTotal <= 0 {
			continue
		}
		need := max(s.HighFree, int64(g.cfg.DiskFree), int64((1-s.High)*float64(n.DiskTotal)))
		if s.High == 0 {
			need = max(s.HighFree, int64(g.cfg.DiskFree))
		}
		need += int64(margin * float64(n.DiskTotal))
		if n.DiskFree < need {
			reasons = append(reasons, fmt.Sprintf("node %s has %s of its disk free and needs %s", n.Name, size(n.DiskFree), size(need)))
		}
	}
	return reasons
}

// strains are the reasons to take less.
func (g *Governor) strains(s Sample) (reasons []string) {
	for _, n := range s.Nodes {
		before, known := g.rejected[n.Name]
		g.rejected[n.Name] = n.Rejected
		if known && n.Rejected > before {
			reasons = append(reasons, fmt.Sprintf("node %s has rejected %d requests since the last look", n.Name, n.Rejected-before))
		}
		if n.QueueSize > 0 && float64(n.Queue) > queueFull*float64(n.QueueSize) {
			reasons = append(reasons, fmt.Sprintf("node %s has %d of %d requests in its write queue", n.Name, n.Queue, n.QueueSize))
		}
		if n.PressureMax > 0 && float64(n.Pressure) > pressureFull*float64(n.PressureMax) {
			reasons = append(reasons, fmt.Sprintf("node %s is indexing %s of the %s it bears", n.Name, size(n.Pressure), size(n.PressureMax)))
		}
		if n.Heap > heapFull {
			reasons = append(reasons, fmt.Sprintf("node %s uses %d %% of its heap", n.Name, n.Heap))
		}
	}
	return reasons
}

// size writes bytes for people.
func size(n int64) string {
	if n < 1<<30 {
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
}
