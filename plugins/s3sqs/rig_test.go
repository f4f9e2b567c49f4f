package s3sqs

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/fluent-siem/fluent-siem/internal/event"
	"github.com/fluent-siem/fluent-siem/internal/lease"
	"github.com/fluent-siem/fluent-siem/internal/process"
	"github.com/fluent-siem/fluent-siem/test/services/awsemu"
)

// rig is an Input between the emulator and a host of the test's.
type rig struct {
	t      *testing.T
	aws    *awsemu.Server
	queue  *awsemu.Queue
	p      *process.Process
	cfg    Config
	in     *Input
	log    *logBuffer
	host   *fakeHost
	cancel context.CancelFunc
	done   chan struct{}
}

// newRig makes bucket "logs" and queue "siem" with a visibility timeout of
// seconds. change may alter the configuration.
func newRig(t *testing.T, visibility int, change func(*Config)) *rig {
	t.Helper()
	t.Setenv("AWS_ACCESS_KEY_ID", "AKID")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	srv, err := awsemu.Start(awsemu.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { srv.Close() })
	url, err := srv.Pipe("logs", "siem")
	if err != nil {
		t.Fatal(err)
	}
	if err := srv.CreateQueue("siem", map[string]string{"VisibilityTimeout": fmt.Sprint(visibility)}); err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, aws: srv, queue: srv.Queue("siem"), p: process.New(), cfg: Defaults(), log: &logBuffer{}}
	r.cfg.QueueURL = []string{url}
	r.cfg.Region = "us-east-1"
	r.cfg.Endpoint = srv.URL
	r.cfg.StateDir = t.TempDir()
	r.cfg.DrainTimeout = time.Second
	if change != nil {
		change(&r.cfg)
	}
	r.host = &fakeHost{p: r.p, judge: true, lines: map[string]int{}}
	return r
}

// start runs the Input until the test ends or stop is called.
func (r *rig) start(change ...func(*timing)) {
	r.t.Helper()
	in, err := New(r.cfg, r.p, WithTag("siem"), WithLogger(slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug}))))
	if err != nil {
		r.t.Fatal(err)
	}
	in.timing.poll = 1
	in.timing.denied = time.Second
	in.timing.retry = 5 * time.Millisecond
	in.timing.start = 10 * time.Millisecond
	for _, c := range change {
		c(&in.timing)
	}
	r.in = in
	var ctx context.Context
	ctx, r.cancel = context.WithCancel(context.Background())
	r.done = make(chan struct{})
	go func() {
		defer close(r.done)
		if err := in.Run(ctx, r.host); err != nil && ctx.Err() == nil {
			r.t.Errorf("Run: %v", err)
		}
	}()
	r.t.Cleanup(r.stop)
}

func (r *rig) stop() {
	r.t.Helper()
	r.cancel()
	select {
	case <-r.done:
	case <-time.After(20 * time.Second):
		r.t.Error("Run does not return")
		return
	}
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(2 * time.Millisecond) {
		left := running()
		if left == "" {
			return
		}
		if time.Now().After(end) {
			r.t.Fatalf("a goroutine is left:\n%s\nlog:\n%s", left, r.log)
		}
	}
}

// running returns a goroutine of a run, "" when there is none.
func running() string {
	b := make([]byte, 1<<20)
	for g := range strings.SplitSeq(string(b[:runtime.Stack(b, true)]), "\n\n") {
		for _, of := range []string{"s3sqs.(*queue)", "s3sqs.(*run)", "s3sqs.(*gate)", "s3sqs.(*buffers)"} {
			if strings.Contains(g, of) {
				return g
			}
		}
	}
	return ""
}

func (r *rig) put(key string, body string) {
	r.t.Helper()
	if _, err := r.aws.Put("logs", key, []byte(body)); err != nil {
		r.t.Fatal(err)
	}
}

// until waits for a condition, longer than a message stays hidden whose receipt
// was lost on its way.
func (r *rig) until(what string, f func() bool) {
	r.t.Helper()
	for end := time.Now().Add(75 * time.Second); !f(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			r.t.Fatalf("no %s; log:\n%s", what, r.log)
		}
	}
}

func (r *rig) untilEmpty() {
	r.t.Helper()
	r.until("empty queue", func() bool { return r.queue.Stats().Empty() })
	r.until("start", func() bool { return r.queue.Stats().Received > 0 })
	r.until("returned credit", func() bool { return r.in.credit.Used() == 0 })
	r.until("end of all messages", func() bool {
		r.in.mu.Lock()
		g := r.in.gate
		r.in.mu.Unlock()
		if g == nil {
			return true // stopped
		}
		g.mu.Lock()
		defer g.mu.Unlock()
		return g.active == 0 && g.closing == 0
	})
	r.until("settled leases", func() bool { return len(r.p.Leases.Leases()) == 0 })
}

// counter is the value of a counter or gauge of the input, by its labels in alphabetic order.
func (r *rig) counter(name string, labels ...string) float64 {
	families, err := r.p.Metrics.Gather()
	if err != nil {
		r.t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != "siem_input_"+name {
			continue
		}
		for _, m := range f.GetMetric() {
			same := len(m.GetLabel()) == len(labels)
			for i, l := range m.GetLabel() {
				same = same && l.GetValue() == labels[i]
			}
			if same {
				return m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return 0
}

// object is how often an outcome was counted.
func (r *rig) object(logType, outcome string) float64 {
	return r.counter("objects_total", logType, outcome)
}

func (r *rig) message(result string) float64 { return r.counter("messages_total", "siem", result) }

func (r *rig) healthy() bool { return len(r.p.Health()) == 0 }

// fakeHost stands for Fluent Bit, filter and output: it keeps what it gets and
// gives each record its verdict at once, or when told.
type fakeHost struct {
	p *process.Process

	mu    sync.Mutex
	judge bool // give verdicts
	err   error
	held  []event.Origin // without a verdict
	lines map[string]int // "tag record": how often it came
	tags  map[string]int
	hook  func()
}

func (f *fakeHost) Append(ctx context.Context, tag string, records int, events []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.hook != nil {
		f.hook()
	}
	if f.err != nil {
		return f.err
	}
	if f.tags == nil {
		f.tags = map[string]int{}
	}
	f.tags[tag] += records
	n := 0
	for len(events) > 0 {
		ev, rest, err := event.Next(events)
		if err != nil {
			return err
		}
		text, _ := ev.Message()
		if ev.Target.Op.Refused() {
			text = append([]byte("BAD "+ev.Target.Op.String()+" "+string(ev.Target.Class)+": "+string(ev.Target.Reason)+": "), text[:min(len(text), 100)]...)
		}
		if len(text) > 200 {
			text = text[:200]
		}
		f.lines[string(text)]++
		if f.judge {
			f.verdict(ev.Origin)
		} else {
			f.held = append(f.held, ev.Origin)
		}
		events = rest
		n++
	}
	if n != records {
		return fmt.Errorf("%d records announced, %d came", records, n)
	}
	return nil
}

func (f *fakeHost) verdict(o event.Origin) {
	if obj := f.p.Leases.Object(o.Object); obj != nil {
		obj.Judge(o.Record, o.Size, lease.Stored)
	}
}

// release gives the verdicts that were held back.
func (f *fakeHost) release(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n = min(n, len(f.held))
	for _, o := range f.held[:n] {
		f.verdict(o)
	}
	f.held = f.held[n:]
}

func (f *fakeHost) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

// got returns how many different records came, and how many in all.
func (f *fakeHost) got() (different, all int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, n := range f.lines {
		all += n
	}
	return len(f.lines), all
}

func (f *fakeHost) waiting() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.held)
}

type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// line returns the first log line that has all parts.
func (l *logBuffer) line(parts ...string) string {
	for line := range strings.Lines(l.String()) {
		all := true
		for _, p := range parts {
			all = all && strings.Contains(line, p)
		}
		if all {
			return line
		}
	}
	return ""
}

const trailKey = "AWSLogs/123456789012/CloudTrail/us-east-1/2024/01/15/123456789012_CloudTrail_us-east-1_20240115T0005Z_%s.json.gz"

// trail is a CloudTrail object of n records.
func trail(name string, n int) string {
	var b strings.Builder
	b.WriteString(`{"Records":[`)
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"eventID":"%s-%d"}`, name, i)
	}
	b.WriteString("]}")
	return gz(b.String())
}

func key(name string) string { return fmt.Sprintf(trailKey, name) }

func gz(s string) string {
	var b bytes.Buffer
	w, _ := gzip.NewWriterLevel(&b, gzip.BestSpeed) // the level is one there is
	w.Write([]byte(s))
	w.Close()
	return b.String()
}
