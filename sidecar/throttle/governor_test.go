package throttle

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// well is a cluster that lacks nothing.
func well() Sample {
	return Sample{High: .9, Nodes: []Node{{Name: "n1", DiskTotal: 100 << 30, DiskFree: 50 << 30, Heap: 40, QueueSize: 10000, PressureMax: 100 << 20}}}
}

// ill is well with a change.
func ill(change func(*Sample, *Node)) Sample {
	s := well()
	change(&s, &s.Nodes[0])
	return s
}

func with(change func(*Config)) Config {
	c := Defaults()
	change(&c)
	return c
}

// walk asks a governor for the orders of samples, five seconds apart.
func walk(g *Governor, from int, samples ...Sample) string {
	var steps []string
	for i, s := range samples {
		o := g.Next(s, time.Unix(int64(5*(from+i)), 0))
		switch {
		case o.Stop:
			steps = append(steps, "stop")
		case o.Share > 0:
			steps = append(steps, fmt.Sprintf("%.2f", o.Share))
		default:
			steps = append(steps, "free")
		}
	}
	return strings.Join(steps, " ")
}

func times(n int, s Sample) (all []Sample) {
	for range n {
		all = append(all, s)
	}
	return all
}

// TestStopsAtOnceAndResumesGently for each reason to take nothing.
func TestStopsAtOnceAndResumesGently(t *testing.T) {
	for name, s := range map[string]Sample{
		"watermark in percent": ill(func(s *Sample, n *Node) { n.DiskFree = 9 << 30 }),
		"watermark in bytes":   ill(func(s *Sample, n *Node) { s.High, s.HighFree, n.DiskFree = 0, 20<<30, 19<<30 }),
		"block":                ill(func(s *Sample, n *Node) { s.Blocks = []string{"the cluster: read-only"} }),
		"own floor":            ill(func(s *Sample, n *Node) { n.DiskFree = 11 << 30 }),
	} {
		g := NewGovernor(with(func(c *Config) { c.DiskFree = 12 << 30 }))
		got := walk(g, 0, append([]Sample{well(), s, s}, times(10, well())...)...)
		if want := "free stop stop stop stop 0.50 0.60 0.70 0.80 0.90 free free free"; got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", name, got, want)
		}
	}
}

// TestDoesNotFlutter: a disk that hovers about the watermark, and causes that
// come and go within the calm, keep the stop.
func TestDoesNotFlutter(t *testing.T) {
	free := func(gib float64) Sample {
		return ill(func(_ *Sample, n *Node) { n.DiskFree = int64(gib * (1 << 30)) })
	}
	got := walk(NewGovernor(Defaults()), 0, free(9.9), free(10.5), free(11.9), free(9.5), free(13), free(13), free(11), free(13), free(13), free(13), free(13))
	if want := "stop stop stop stop stop stop stop stop stop 0.50 0.60"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestSlowsStepByStep for each kind of pressure, when it lasts.
func TestSlowsStepByStep(t *testing.T) {
	rejections := int64(0)
	rejecting := func() Sample {
		rejections += 5
		return ill(func(_ *Sample, n *Node) { n.Rejected = rejections })
	}
	for name, s := range map[string]func() Sample{
		"rejections": rejecting,
		"queue":      func() Sample { return ill(func(_ *Sample, n *Node) { n.Queue = 6000 }) },
		"pressure":   func() Sample { return ill(func(_ *Sample, n *Node) { n.Pressure = 80 << 20 }) },
		"heap":       func() Sample { return ill(func(_ *Sample, n *Node) { n.Heap = 93 }) },
	} {
		g := NewGovernor(Defaults())
		walk(g, 0, well())
		got := walk(g, 1, s(), s(), s(), s(), s(), s())
		if want := "free free 0.70 0.70 0.70 0.49"; got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", name, got, want)
			continue
		}
		after := s()
		after.Nodes[0].Queue, after.Nodes[0].Pressure, after.Nodes[0].Heap = 0, 0, 0
		rejected := after.Nodes[0].Rejected
		g.rejected["n1"] = rejected // it has been told of
		got = walk(g, 7, times(9, after)...)
		if want := "0.49 0.49 0.59 0.69 0.79 0.89 free free free"; got != want {
			t.Errorf("%s, afterwards:\ngot  %s\nwant %s", name, got, want)
		}
	}
	g := NewGovernor(Defaults())
	if got := walk(g, 0, well(), rejecting(), rejecting(), well(), well()); strings.Trim(strings.ReplaceAll(got, "free", ""), " ") != "" {
		t.Errorf("a burst slows the inputs down: %s", got)
	}
}

// TestOrderSaysWhy and runs out when no other follows.
func TestOrderSaysWhy(t *testing.T) {
	g := NewGovernor(with(func(c *Config) { c.Interval = time.Second }))
	now := time.Unix(1000, 0)
	o := g.Next(ill(func(_ *Sample, n *Node) { n.DiskFree = 1 << 30 }), now)
	if want := "node n1 has 1.0 GiB of its disk free and needs 10.0 GiB"; !strings.HasPrefix(o.Reason, want) || !o.Since.Equal(now) {
		t.Errorf("%+v, want %s", o, want)
	}
	if o.Free(now.Add(5*time.Second)) || !o.Free(now.Add(7*time.Second)) {
		t.Errorf("it expires at %v", o.Expires)
	}
}

func TestWatermarks(t *testing.T) {
	for text, want := range map[string]string{
		"90%": "0.9 0", "0.95": "0.95 0", "": "0.9 0", "20gb": "0 21474836480", "500mb": "0 524288000", "1.5tb": "0 1649267441664", "100b": "0 100",
	} {
		part, free, err := watermark(text)
		if got := fmt.Sprint(part, free); got != want || err != nil {
			t.Errorf("%q is %s %v, want %s", text, got, err, want)
		}
	}
	for _, text := range []string{"much", "90%%", "gb"} {
		if part, free, err := watermark(text); err == nil {
			t.Errorf("%q is taken for %v %d", text, part, free)
		}
	}
}
