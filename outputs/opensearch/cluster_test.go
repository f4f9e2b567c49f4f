package opensearch

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tinylib/msgp/msgp"

	"github.com/fluent-siem/fluent-siem/internal/deadletter"
	"github.com/fluent-siem/fluent-siem/internal/event"
	"github.com/fluent-siem/fluent-siem/internal/lease"
	"github.com/fluent-siem/fluent-siem/internal/process"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// cluster plays OpenSearch's bulk API, and its failures. Its hooks, when set,
// decide first.
type cluster struct {
	// request answers a whole request; status 0 lets it through.
	request func(r *http.Request, body []byte, docs []sent) (status int, answer string)
	// item decides on one document; status 0 stores it.
	item func(d sent) (status int, kind, reason string)
	// broken fails the connection of the n-th request (from 1) with an error;
	// after says whether the documents are stored all the same.
	broken func(n int) (err error, after bool)

	mu       sync.Mutex
	docs     map[string]map[string]string // index → id → document
	requests int
	largest  int
	order    []sent // documents as they came, also those refused
}

type sent struct{ op, index, id, doc string }

func (c *cluster) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var in io.Reader = r.Body
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		in = z
	}
	body, err := io.ReadAll(in)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	docs, err := split(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	c.requests++
	c.largest = max(c.largest, len(body))
	c.mu.Unlock()
	if c.request != nil {
		if status, answer := c.request(r, body, docs); status != 0 {
			w.WriteHeader(status)
			io.WriteString(w, answer)
			return
		}
	}
	io.WriteString(w, c.store(docs))
}

func (c *cluster) store(docs []sent) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var items []string
	bad := false
	for _, d := range docs {
		c.order = append(c.order, d)
		status, kind, reason := 0, "", ""
		if c.item != nil {
			status, kind, reason = c.item(d)
		}
		if status == 0 {
			status, kind, reason = c.put(d)
		}
		text := fmt.Sprintf(`{"%s":{"status":%d}}`, d.op, status)
		if status > 299 {
			bad = true
			why, _ := json.Marshal(map[string]string{"type": kind, "reason": reason})
			text = fmt.Sprintf(`{"%s":{"status":%d,"error":%s}}`, d.op, status, why)
		}
		items = append(items, text)
	}
	return fmt.Sprintf(`{"took":3,"errors":%v,"items":[%s]}`, bad, strings.Join(items, ","))
}

func (c *cluster) put(d sent) (status int, kind, reason string) {
	if c.docs == nil {
		c.docs = map[string]map[string]string{}
	}
	index := c.docs[d.index]
	if index == nil {
		index = map[string]string{}
		c.docs[d.index] = index
	}
	id := d.id
	if id == "" {
		id = fmt.Sprintf("auto-%d", len(index))
	}
	if _, there := index[id]; there && d.op == "create" {
		return 409, "version_conflict_engine_exception", "[" + id + "]: version conflict, document already exists (current version [1])"
	}
	index[id] = d.doc
	return 201, "", ""
}

// RoundTrip lets a test run without a network, in a bubble of its own time.
func (c *cluster) RoundTrip(r *http.Request) (*http.Response, error) {
	defer r.Body.Close()
	var fail error
	if c.broken != nil {
		c.mu.Lock()
		n := c.requests + 1
		c.mu.Unlock()
		err, after := c.broken(n)
		if err != nil && !after {
			c.mu.Lock()
			c.requests++
			c.mu.Unlock()
			return nil, err
		}
		fail = err
	}
	rec := httptest.NewRecorder()
	c.ServeHTTP(rec, r)
	if fail != nil {
		return nil, fail
	}
	return rec.Result(), nil
}

func (c *cluster) count(index string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.docs[index])
}

func split(body []byte) (docs []sent, err error) {
	if !bytes.HasSuffix(body, []byte("\n")) {
		return nil, fmt.Errorf("the bulk request must be terminated by a newline")
	}
	lines := strings.Split(strings.TrimSuffix(string(body), "\n"), "\n")
	for i := 0; i+1 < len(lines); i += 2 {
		var action map[string]struct {
			Index string `json:"_index"`
			ID    string `json:"_id"`
		}
		if err := json.Unmarshal([]byte(lines[i]), &action); err != nil {
			return nil, err
		}
		for op, a := range action {
			docs = append(docs, sent{op, a.Index, a.ID, lines[i+1]})
		}
	}
	return docs, nil
}

// rig is a Writer with all around it.
type rig struct {
	*Writer
	cluster *cluster
	p       *process.Process
	log     *logBuffer
	dir     string // of dead letters
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

func newRig(t testing.TB, c *cluster, change ...func(*Config)) *rig {
	t.Helper()
	cfg := Defaults()
	cfg.Endpoint = []string{"http://cluster.test:9200"}
	cfg.DeadLetters = filepath.Join(t.TempDir(), "dead")
	for _, f := range change {
		f(&cfg)
	}
	r := &rig{cluster: c, p: process.New(), log: &logBuffer{}, dir: cfg.DeadLetters}
	opts := []Option{WithLogger(slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug})))}
	if c != nil {
		opts = append(opts, WithTransport(c))
	}
	w, err := New(cfg, r.p, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	r.Writer = w
	return r
}

// lettersIn reads all dead letters.
func lettersIn(t testing.TB, dir string) (all []deadletter.Letter) {
	t.Helper()
	box, err := deadletter.Open(deadletter.Config{Place: dir})
	if err != nil {
		t.Fatal(err)
	}
	damage, err := box.Each(t.Context(), func(e *deadletter.Entry) error { all = append(all, e.Letter); return nil })
	if err != nil && !errors.Is(err, os.ErrNotExist) || damage.Files != nil {
		t.Fatalf("%v, damage %+v", err, damage)
	}
	return all
}

// chunkOf is events of one open lease: document i of index(i), with id "d<i>".
func (r *rig) chunkOf(n int, index func(i int) string) (chunk []byte, l *lease.Lease, o *lease.Object) {
	credit := lease.NewCredit(1 << 30)
	l = r.p.Leases.Open(credit)
	o = l.Add(lease.Source{Bucket: "trail", Key: "a/b.json.gz", Version: "v1", LogType: "cloudtrail"})
	l.Seal()
	o.Read(n, int64(n)*100)
	o.Seal(nil)
	for i := range n {
		chunk = appendEvent(chunk, &event.Origin{Object: o.ID, Record: uint64(i + 1), Size: 100},
			event.Target{Index: []byte(index(i)), ID: fmt.Appendf(nil, "d%d", i)},
			map[string]string{"@message": fmt.Sprintf("line %d", i), "n": fmt.Sprint(i)})
	}
	return chunk, l, o
}

func appendEvent(dst []byte, origin *event.Origin, target event.Target, record map[string]string) []byte {
	dst = event.AppendTarget(dst, time.Unix(1700000000, 5), origin, target, nil, nil)
	return msgp.AppendMapStrStr(dst, record)
}

// plain is an event of another input: no metadata of ours.
func plain(dst []byte, at time.Time, record map[string]any) []byte {
	dst = append(dst, 0x92)
	dst = msgp.AppendInt64(dst, at.Unix())
	dst, err := msgp.AppendMapStrIntf(dst, record)
	if err != nil {
		panic(err)
	}
	return dst
}

func settled(l *lease.Lease) bool {
	select {
	case <-l.Settled():
		return true
	default:
		return false
	}
}

func one(index string) func(int) string { return func(int) string { return index } }

// replaceText changes the only occurrence of a text to another of its length.
func replaceText(t testing.TB, chunk []byte, old, new string) []byte {
	t.Helper()
	if bytes.Count(chunk, []byte(old)) != 1 || len(old) != len(new) {
		t.Fatalf("%q occurs %d times", old, bytes.Count(chunk, []byte(old)))
	}
	return bytes.Replace(chunk, []byte(old), []byte(new), 1)
}
