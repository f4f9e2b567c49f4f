package s3sqs

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/fluent-siem/fluent-siem/internal/event"
	"github.com/fluent-siem/fluent-siem/internal/lease"
	"github.com/fluent-siem/fluent-siem/internal/process"
	"github.com/fluent-siem/fluent-siem/test/services/awsemu"
)

// TestManySmallObjects: a message each, deleted in tens, nothing lost or doubled.
func TestManySmallObjects(t *testing.T) {
	const objects = 2000
	r := newRig(t, 30, nil)
	for i := range objects {
		r.put(key(fmt.Sprint(i)), trail(fmt.Sprint(i), 2))
	}
	r.start()
	began := time.Now()
	r.untilEmpty()
	t.Logf("%d objects in %v", objects, time.Since(began).Round(time.Millisecond))
	if n, all := r.host.got(); n != 2*objects || all != n {
		t.Errorf("%d records, %d different", all, n)
	}
	if n := r.aws.Requests("AmazonSQS.DeleteMessageBatch"); n > objects/4 {
		t.Errorf("%d batches to delete %d messages", n, objects)
	}
}

// memoryTestURL, when set, makes this test binary the process that is measured.
const memoryTestURL = "S3SQS_MEMORY_TEST_QUEUE"

// TestMemoryOfALargeObject: 1 GB of text with memory_limit 64MB stays below
// 256 MB for the process. The input runs in a process of its own, so that the
// emulator is not measured.
func TestMemoryOfALargeObject(t *testing.T) {
	if queue := os.Getenv(memoryTestURL); queue != "" {
		loadLarge(t, queue)
		return
	}
	r := newRig(t, 30, nil)
	const blocks = 1000
	var text strings.Builder
	for i := 0; text.Len() < 1<<20; i++ {
		fmt.Fprintf(&text, `{"Records":[{"eventID":"%x","requestParameters":{"a":"%x"}}]}`+"\n", i*2654435761, i*40503)
	}
	member := func(s string) []byte {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		io.WriteString(w, s)
		w.Close()
		return b.Bytes()
	}
	if err := r.aws.PutRepeated("logs", key("large"), nil, member(text.String()), blocks, member(`{"Records":[]}`)); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestMemoryOfALargeObject$", "-test.v")
	cmd.Env = append(os.Environ(), memoryTestURL+"="+r.cfg.QueueURL[0])
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	_, rest, _ := strings.Cut(string(out), "peak RSS ")
	peak, err := strconv.Atoi(strings.Fields(rest + " none")[0])
	if err != nil {
		t.Fatalf("no peak in:\n%s", out)
	}
	t.Logf("peak of the process: %d MB for %d MB of text in %d MB of object", peak>>10, blocks*text.Len()>>20, blocks*len(member(text.String()))>>20)
	if peak > 256<<10 {
		t.Errorf("peak memory %d KB, want 256 MB at most", peak)
	}
	if !r.queue.Stats().Empty() {
		t.Errorf("the queue is not empty: %+v", r.queue.Stats())
	}
}

// lateHost gives verdicts some time after it has copied a buffer, as a pipeline does.
type lateHost struct {
	p       *process.Process
	verdict chan []byte
	records int
}

func (h *lateHost) Append(_ context.Context, _ string, n int, events []byte) error {
	h.records += n
	h.verdict <- bytes.Clone(events)
	return nil
}

func (h *lateHost) judge() {
	for events := range h.verdict {
		for len(events) > 0 {
			ev, rest, err := event.Next(events)
			if err != nil {
				return
			}
			if o := h.p.Leases.Object(ev.Origin.Object); o != nil {
				o.Judge(ev.Origin.Record, ev.Origin.Size, lease.Stored)
			}
			events = rest
		}
	}
}

func loadLarge(t *testing.T, queue string) {
	cfg := Defaults()
	cfg.QueueURL, cfg.Region, cfg.StateDir = []string{queue}, "us-east-1", t.TempDir()
	cfg.Endpoint = queue[:strings.Index(queue, "/1234")]
	p := process.New()
	in, err := New(cfg, p)
	if err != nil {
		t.Fatal(err)
	}
	host := &lateHost{p: p, verdict: make(chan []byte, 64)}
	go host.judge()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	done := make(chan error)
	began := time.Now()
	go func() { done <- in.Run(ctx, host) }()
	for p.Leases.Settled() == 0 && ctx.Err() == nil {
		time.Sleep(10 * time.Millisecond)
	}
	took := time.Since(began)
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	fmt.Printf("peak RSS %s kB, %d records in %v\n", strings.Fields(rest)[0], host.records, took)
}

// BenchmarkInput: objects of 1 MB of CloudTrail text through emulator and input
// into a host that judges at once; MB/s are of text.
func BenchmarkInput(b *testing.B) {
	b.Setenv("AWS_ACCESS_KEY_ID", "AKID")
	b.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	srv, err := awsemu.Start(awsemu.Config{})
	if err != nil {
		b.Fatal(err)
	}
	defer srv.Close()
	url, err := srv.Pipe("logs", "siem")
	if err != nil {
		b.Fatal(err)
	}
	var lines strings.Builder // records of 1.4 KB, as CloudTrail's are
	lines.WriteString(`{"Records":[`)
	for i := range 800 {
		fmt.Fprintf(&lines, `{"eventID":"%d","requestParameters":{"text":"%s"}},`, i, noise(1350))
	}
	lines.WriteString("{}]}")
	text := lines.String()
	object := []byte(gz(text))
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, err := srv.Put("logs", key("bench"), object); err != nil {
			b.Fatal(err)
		}
	}
	n := b.N
	cfg := Defaults()
	cfg.QueueURL, cfg.Region, cfg.StateDir, cfg.Endpoint = []string{url}, "us-east-1", b.TempDir(), srv.URL
	p := process.New()
	in, err := New(cfg, p)
	if err != nil {
		b.Fatal(err)
	}
	host := &lateHost{p: p, verdict: make(chan []byte, 64)}
	go host.judge()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	began := time.Now()
	go func() { done <- in.Run(ctx, host) }()
	for p.Leases.Settled() < uint64(n) {
		time.Sleep(time.Millisecond)
	}
	b.ReportMetric(float64(n*len(text))/1e6/time.Since(began).Seconds(), "loaded-MB/s")
	cancel()
	<-done
	http.DefaultClient.CloseIdleConnections()
}
