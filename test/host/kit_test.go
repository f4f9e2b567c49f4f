// Package host_test loads the plugins into the test host, as Fluent Bit does,
// and into sequences that Fluent Bit plays only when something goes wrong. The
// host itself is C (src/); it ends with status 3 when a plugin did what Fluent
// Bit would forgive or not notice, and by a fault when a plugin touched memory
// that is not its own.
package host_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/fluent-siem/fluent-siem/test/corpus"
	"github.com/fluent-siem/fluent-siem/test/services"
	"github.com/fluent-siem/fluent-siem/test/services/awsemu"
)

var eras = []string{"2.2", "3.2", "4.0", "4.1", "5.0", "5.1"}

var root string

func TestMain(m *testing.M) {
	var err error
	if root, err = services.Root(); err == nil {
		build := exec.Command("make", "-s", "plugins", "test-host")
		build.Dir, build.Stdout, build.Stderr = root, os.Stderr, os.Stderr
		err = build.Run()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "the plugins and the host cannot be built:", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// section is one of a configuration: its kind, then keys and values.
type section []string

// ours are the three libraries.
var ours = []string{"in_s3_sqs", "flb-filter_ecs", "out_opensearch_bulk"}

func writeConfig(t *testing.T, path string, libraries []string, sections ...section) {
	t.Helper()
	var b strings.Builder
	for _, l := range libraries {
		fmt.Fprintf(&b, "section plugin\npath %s\n", filepath.Join(root, "build", l+".so"))
	}
	for _, s := range append([]section{{"service", "flush", "0.1", "grace", "5", "scheduler.base", "0.1", "scheduler.cap", "1"}}, sections...) {
		fmt.Fprintf(&b, "section %s\n", s[0])
		for i := 1; i+1 < len(s); i += 2 {
			fmt.Fprintf(&b, "%s %s\n", s[i], s[i+1])
		}
	}
	if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

// host is a running test host.
type host struct {
	t     *testing.T
	cmd   *exec.Cmd
	log   *logFile
	stats string
	done  chan struct{}
}

// logFile collects what the host writes.
type logFile struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logFile) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logFile) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// start runs a program of build/ until the test ends, at the latest.
func start(t *testing.T, program, config string, args ...string) *host {
	t.Helper()
	h := &host{t: t, log: new(logFile), stats: filepath.Join(t.TempDir(), "stats.json"), done: make(chan struct{})}
	h.cmd = exec.Command(filepath.Join(root, "build", program), append(args, "--stats", h.stats, "-c", config)...)
	h.cmd.Env = append(os.Environ(), "AWS_ACCESS_KEY_ID=AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY=secret", "AWS_EC2_METADATA_DISABLED=true")
	h.cmd.Stdout, h.cmd.Stderr = h.log, h.log
	if err := h.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		h.cmd.Wait() // its status is in ProcessState
		close(h.done)
	}()
	t.Cleanup(func() {
		h.cmd.Process.Kill() // an error says that it has ended
		<-h.done
		if t.Failed() {
			t.Logf("the host wrote:\n%s", h.log)
		}
	})
	return h
}

// await polls until ok says so.
func (h *host) await(what string, limit time.Duration, ok func() bool) {
	h.t.Helper()
	for end := time.Now().Add(limit); !ok(); time.Sleep(5 * time.Millisecond) {
		select {
		case <-h.done:
			h.t.Fatalf("the host ended (%v) before %s", h.cmd.ProcessState, what)
		default:
		}
		if time.Now().After(end) {
			h.t.Fatalf("%s did not come within %v", what, limit)
		}
	}
}

func (h *host) awaitLog(text string, times int) {
	h.t.Helper()
	h.await(fmt.Sprintf("%q", text), 30*time.Second, func() bool { return strings.Count(h.log.String(), text) >= times })
}

func (h *host) signal(s syscall.Signal) {
	h.t.Helper()
	if err := h.cmd.Process.Signal(s); err != nil {
		h.t.Fatalf("the host had ended: %v", err)
	}
}

// status waits for the end and returns the exit status; -1: a signal.
func (h *host) status(limit time.Duration) int {
	h.t.Helper()
	select {
	case <-h.done:
	case <-time.After(limit):
		h.t.Fatalf("the host did not end within %v", limit)
	}
	return h.cmd.ProcessState.ExitCode()
}

// figures are those of one instance.
type figures struct {
	Kind, Name                                                         string
	Records, Bytes, Appends, Refused, Pauses, Retries, Errors, Dropped int64
	LongestCall                                                        float64 `json:"longest_call"`
}

type stats struct {
	Era         string
	Violations  int
	LongestTurn float64 `json:"longest_turn"`
	Instances   []figures
}

// stop ends the host with SIGTERM; it must take no longer than limit, and have nothing to complain about.
func (h *host) stop(limit time.Duration) stats {
	h.t.Helper()
	h.signal(syscall.SIGTERM)
	if s := h.status(limit); s != 0 {
		h.t.Fatalf("the host ended with %v", h.cmd.ProcessState)
	}
	var s stats
	b, err := os.ReadFile(h.stats)
	if err == nil {
		err = json.Unmarshal(b, &s)
	}
	if err != nil {
		h.t.Fatal(err)
	}
	return s
}

// cluster takes documents as OpenSearch does: once each.
type cluster struct {
	*httptest.Server
	mu   sync.Mutex
	docs map[string]int // by index and id: how often it was sent
	hold time.Duration  // before an answer
	busy bool           // every item is refused with 429
}

func newCluster(t *testing.T) *cluster {
	c := &cluster{docs: map[string]int{}}
	c.Server = httptest.NewServer(c)
	t.Cleanup(c.Close)
	return c
}

func (c *cluster) set(hold time.Duration, busy bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hold, c.busy = hold, busy
}

func (c *cluster) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.docs)
}

func (c *cluster) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		body = z
	}
	text, err := io.ReadAll(body)
	if err != nil || !strings.HasSuffix(r.URL.Path, "_bulk") {
		io.WriteString(w, `{"version":{"number":"2.19.0","distribution":"opensearch"}}`)
		return
	}
	c.mu.Lock()
	hold, busy := c.hold, c.busy
	c.mu.Unlock()
	select {
	case <-time.After(hold):
	case <-r.Context().Done():
		return
	}
	io.WriteString(w, c.bulk(bytes.Split(text, []byte("\n")), busy))
}

func (c *cluster) bulk(lines [][]byte, busy bool) string {
	var items []string
	errors := busy
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := 0; i+1 < len(lines); i += 2 {
		var action map[string]struct {
			Index string `json:"_index"`
			ID    string `json:"_id"`
		}
		if err := json.Unmarshal(lines[i], &action); err != nil || !json.Valid(lines[i+1]) {
			return fmt.Sprintf(`{"error":"line %d is not a document"}`, i)
		}
		for op, a := range action {
			status := 201
			switch key := a.Index + "/" + a.ID; {
			case busy:
				status = 429
			default:
				c.docs[key]++
				if c.docs[key] > 1 && op == "create" {
					status, errors = 409, true
				}
			}
			item, problem := fmt.Sprintf(`{"%s":{"_index":%q,"_id":%q,"status":%d`, op, a.Index, a.ID, status), ""
			switch status {
			case 409:
				problem = `,"error":{"type":"version_conflict_engine_exception","reason":"exists"}`
			case 429:
				problem = `,"error":{"type":"es_rejected_execution_exception","reason":"busy"}`
			}
			items = append(items, item+problem+"}}")
		}
	}
	return fmt.Sprintf(`{"took":1,"errors":%v,"items":[%s]}`, errors, strings.Join(items, ","))
}

// pipe is a bucket and its queue, at an emulator of the test's.
type pipe struct {
	t      *testing.T
	aws    *awsemu.Server
	bucket string
	url    string
	next   int
}

func newPipe(t *testing.T, bucket string) *pipe {
	t.Helper()
	p := &pipe{t: t, aws: services.AWS(t), bucket: bucket}
	var err error
	if p.url, err = p.aws.Pipe(bucket, bucket); err != nil {
		t.Fatal(err)
	}
	return p
}

// put adds objects of n records each, of each log type in turn.
func (p *pipe) put(objects, n int) (records int) {
	p.t.Helper()
	for range objects {
		o := corpus.Types[p.next%len(corpus.Types)].Object(p.next*n, n)
		p.next++
		if _, err := p.aws.Put(p.bucket, o.Key, o.Body); err != nil {
			p.t.Fatal(err)
		}
		records += o.Records
	}
	return records
}

func (p *pipe) drained() bool { return p.aws.Queue(p.bucket).Stats().Empty() }

func (p *pipe) input(more ...string) section {
	return append(section{"input", "name", "s3_sqs", "tag", "siem", "queue_url", p.url, "region", "us-east-1", "endpoint", p.aws.URL}, more...)
}

func filterECS(match string, more ...string) section {
	return append(section{"filter", "name", "ecs", "match", match}, more...)
}

func (c *cluster) output(t *testing.T, match string, more ...string) section {
	return append(section{"output", "name", "opensearch_bulk", "match", match, "workers", "2", "retry_limit", "no_limits",
		"endpoint", c.URL, "auth", "none", "dead_letters", filepath.Join(t.TempDir(), "dead-letters")}, more...)
}

// awaitDocuments waits until c has n documents.
func (h *host) awaitDocuments(c *cluster, n int) {
	h.t.Helper()
	defer func() {
		if got := c.count(); got != n {
			h.t.Errorf("%d documents, want %d", got, n)
		}
	}()
	h.await("every document", 15*time.Second, func() bool { return c.count() == n })
}

// waitEmpty waits until the pipes are drained.
func (h *host) waitEmpty(ctx context.Context, pipes ...*pipe) {
	h.t.Helper()
	for _, p := range pipes {
		h.await("the queue "+p.bucket+" was empty", time.Minute, func() bool { return ctx.Err() != nil || p.drained() })
	}
}
