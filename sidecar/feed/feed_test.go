package feed

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("internal/poll.runtime_pollWait"), goleak.IgnoreTopFunction("net/http.(*persistConn).writeLoop"))
}

const key = "tOpSeCrEt+KeY/0123456789"

// publisher serves a text as a good publisher does; misbehave, when set, takes its place.
type publisher struct {
	mu        sync.Mutex
	text      string
	misbehave http.HandlerFunc
	asked     int
	unchanged int
}

func (p *publisher) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	text, misbehave := p.text, p.misbehave
	p.asked++
	p.mu.Unlock()
	if misbehave != nil {
		misbehave(w, r)
		return
	}
	etag := fmt.Sprintf("%q", text[:min(len(text), 8)])
	w.Header().Set("ETag", etag)
	if r.Header.Get("If-None-Match") == etag {
		p.mu.Lock()
		p.unchanged++
		p.mu.Unlock()
		w.WriteHeader(http.StatusNotModified)
		return
	}
	w.Header().Set("Last-Modified", "Tue, 03 Feb 2026 04:05:06 GMT")
	fmt.Fprint(w, text)
}

func (p *publisher) set(text string, misbehave http.HandlerFunc) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.text, p.misbehave = text, misbehave
}

// accept refuses what does not begin with good.
func accept(path string, _ Answer) (string, error) {
	text, err := os.ReadFile(path)
	if err == nil && !bytes.HasPrefix(text, []byte("good")) {
		err = fmt.Errorf("it begins with %.20q", text)
	}
	return path, err
}

func TestOnlyWhatIsNewerIsFetched(t *testing.T) {
	p := &publisher{text: "good one"}
	server := httptest.NewServer(p)
	defer server.Close()
	c := &Client{}
	to := Copy{Path: filepath.Join(t.TempDir(), "feeds", "x"), Previous: true}
	for i, want := range []bool{true, false, false} {
		changed, err := c.Refresh(t.Context(), Source{URL: server.URL + "/x"}, to, accept)
		if err != nil || changed != want {
			t.Errorf("time %d: changed %v, %v", i, changed, err)
		}
	}
	if p.unchanged != 2 {
		t.Errorf("%d answers were 304, want 2", p.unchanged)
	}
	p.set("good two", nil)
	if changed, err := c.Refresh(t.Context(), Source{URL: server.URL + "/x"}, to, accept); err != nil || !changed {
		t.Errorf("changed %v, %v", changed, err)
	}
	for file, want := range map[string]string{to.Path: "good two", to.Path + ".previous": "good one"} {
		if text, err := os.ReadFile(file); err != nil || string(text) != want {
			t.Errorf("%s: %q, %v", file, text, err)
		}
	}
	meta := to.Meta()
	if meta.Time() != time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC) || time.Since(meta.Checked) > time.Hour || len(meta.SHA256) != 64 {
		t.Errorf("%+v", meta)
	}
	if changed, err := c.Refresh(t.Context(), Source{URL: server.URL + "/other"}, to, accept); err != nil || !changed {
		t.Errorf("another source: changed %v, %v", changed, err) // what is known of one says nothing of the other
	}
	left, _ := filepath.Glob(filepath.Join(filepath.Dir(to.Path), ".fetch-*"))
	if len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

// TestTheLastGoodCopyStays shows it for each way in which a publisher can fail,
// and that no key occurs in what is said of it.
func TestTheLastGoodCopyStays(t *testing.T) {
	p := &publisher{text: "good one"}
	server := httptest.NewServer(p)
	defer server.Close()
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	c := &Client{Largest: 1000, Longest: time.Minute, Slow: 50 * time.Millisecond, Least: 1000}
	to := Copy{Path: filepath.Join(t.TempDir(), "x")}
	src := Source{URL: server.URL + "/download?suffix=tar.gz&license_key=" + key, Secrets: []string{key}, User: "123456", Password: key}
	if _, err := c.Refresh(t.Context(), src, to, accept); err != nil {
		t.Fatal(err)
	}
	release := make(chan struct{})
	defer close(release)
	status := func(code int, header ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			for i := 0; i+1 < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			w.WriteHeader(code)
			fmt.Fprint(w, "<html>your key is "+key+"</html>")
		}
	}
	for _, c2 := range []struct {
		name      string
		misbehave http.HandlerFunc
		url       string
		want      string
		check     func(*Error) bool
	}{
		{"wrong key", status(401), "", "401 Unauthorized; the key or password is not accepted", (*Error).Denied},
		{"forbidden", status(403), "", "403", (*Error).Denied},
		{"gone", status(404), "", "nothing at this address", (*Error).Denied},
		{"busy", status(429, "Retry-After", "7200"), "", "asked less often", func(e *Error) bool { return e.RetryAfter == 2*time.Hour && !e.Denied() }},
		{"busy until", status(503, "Retry-After", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)), "", "503", func(e *Error) bool { return e.RetryAfter > 50*time.Minute }},
		{"nonsense", status(429, "Retry-After", "-5"), "", "429", func(e *Error) bool { return e.RetryAfter == 0 }},
		{"HTML", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "<html>") }, "", `refused: it begins with "<html>"`, nil},
		{"truncated", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "500")
			fmt.Fprint(w, "good but short")
		}, "", "unexpected EOF", nil},
		{"hung up", func(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) }, "", "EOF", nil},
		{"too large", func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, "good", strings.Repeat("x", 2000))
		}, "", "more than the 1000 bytes", nil},
		{"slow", func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, "good")
			w.(http.Flusher).Flush()
			select {
			case <-release:
			case <-r.Context().Done():
			}
		}, "", "too slow: ", nil},
		{"redirected to somewhere with the key", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, closed.URL+"/?license_key="+key, http.StatusFound)
		}, "", "refused", nil},
		{"nobody there", nil, closed.URL + "/?license_key=" + key, "refused", nil},
		{"no URL", nil, "http://a b/?license_key=" + key, "", nil},
		{"no scheme", nil, "ftp://x/?license_key=" + key, "only https", nil},
		{"no host", nil, "https://no.such.host.invalid/?license_key=" + key, "", nil},
	} {
		p.set("good one", c2.misbehave)
		from := src
		if c2.url != "" {
			from.URL = c2.url
		}
		changed, err := c.Refresh(t.Context(), from, to, accept)
		var e *Error
		if !errors.As(err, &e) || changed || !strings.Contains(err.Error(), c2.want) {
			t.Errorf("%s: changed %v, %v, want %q", c2.name, changed, err, c2.want)
			continue
		}
		if c2.check != nil && !c2.check(e) {
			t.Errorf("%s: %+v", c2.name, e)
		}
		for err := error(e); err != nil; err = errors.Unwrap(err) {
			if text := fmt.Sprintf("%v %+v %#v", err, err, err); strings.Contains(text, "tOpSeCrEt") {
				t.Errorf("%s: the key is in %s", c2.name, text)
			}
		}
		if text, err := os.ReadFile(to.Path); err != nil || string(text) != "good one" {
			t.Errorf("%s: the copy is %q, %v", c2.name, text, err)
		}
	}
	p.set("good one", nil)
	if changed, err := c.Refresh(t.Context(), src, to, accept); err != nil || changed {
		t.Errorf("afterwards: changed %v, %v", changed, err)
	}
	meta, err := os.ReadFile(to.Path + ".json")
	if err != nil || bytes.Contains(meta, []byte("tOpSeCrEt")) {
		t.Errorf("%s %v", meta, err)
	}
}

func TestFilesAreSourcesToo(t *testing.T) {
	dir := t.TempDir()
	from := filepath.Join(dir, "from")
	if err := os.WriteFile(from, []byte("good"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, to := &Client{}, Copy{Path: filepath.Join(dir, "to")}
	for i, want := range []bool{true, false} {
		if changed, err := c.Refresh(t.Context(), Source{URL: from}, to, accept); err != nil || changed != want {
			t.Errorf("time %d: changed %v, %v", i, changed, err)
		}
	}
	if _, err := c.Refresh(t.Context(), Source{URL: "file://" + from + ".missing"}, to, accept); err == nil {
		t.Error("a missing file is taken")
	}
	if _, err := c.Refresh(t.Context(), Source{URL: dir}, to, accept); err == nil {
		t.Error("a folder is taken")
	}
	if _, err := c.Refresh(t.Context(), Source{URL: "s3://bucket/key"}, to, accept); err == nil {
		t.Error("S3 without a client")
	}
}

// TestATaskIsPatient moves time: three days of refreshing.
func TestATaskIsPatient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		registry := prometheus.NewRegistry()
		m := NewMetrics(registry)
		var mu sync.Mutex // guards what the task and this test both use
		health := ""
		var log bytes.Buffer
		env := Env{Log: slog.New(slog.NewTextHandler(&log, nil)), Health: func(_, problem string) {
			mu.Lock()
			defer mu.Unlock()
			health = problem
		}}
		start := time.Now()
		var at []time.Duration
		var fail error
		changes := 0
		task := Task{Name: "x", Every: 12 * time.Hour, Do: func(context.Context) (bool, error) {
			mu.Lock()
			defer mu.Unlock()
			at = append(at, time.Since(start))
			return len(at) == 1, fail
		}, Changed: func() { mu.Lock(); defer mu.Unlock(); changes++ }, Last: start.Add(-11 * time.Hour)}
		ended := make(chan error)
		go func() { ended <- task.Run(ctx, env, m) }()
		advance := func(d time.Duration) {
			mu.Unlock()
			time.Sleep(d)
			synctest.Wait()
			mu.Lock()
		}
		mu.Lock()
		advance(30 * time.Minute)
		if len(at) != 0 {
			t.Error("what is fresh is fetched after a restart")
		}
		advance(24 * time.Hour)
		if len(at) != 2 || at[0] != time.Hour || at[1] != 13*time.Hour || changes != 1 || health != "" {
			t.Errorf("asked at %v, %d changes, health %q", at, changes, health)
		}
		fail, at = &Error{Source: "https://x", Reason: "503", Status: 503}, nil
		advance(24 * time.Hour)
		// at 25 h, then after 1, 2, 4, … minutes, at last 4 hours.
		if len(at) < 9 || at[1]-at[0] != time.Minute || at[2]-at[1] != 2*time.Minute || at[len(at)-1]-at[len(at)-2] > longestPause {
			t.Errorf("asked at %v", at)
		}
		if !strings.HasPrefix(health, "degraded: https://x: 503; the last good copy was checked ") || !strings.Contains(health, "tried again in") {
			t.Errorf("health %q", health)
		}
		fail, at = &Error{Source: "https://x", Reason: "429", Status: 429, RetryAfter: 20 * time.Hour}, nil
		advance(24 * time.Hour)
		if len(at) != 2 || at[1]-at[0] != 20*time.Hour {
			t.Errorf("asked at %v", at)
		}
		fail = nil
		advance(24 * time.Hour)
		if health != "" {
			t.Errorf("health %q", health)
		}
		var counted dto.Metric
		if err := m.results.WithLabelValues("x", "failed").Write(&counted); err != nil || counted.Counter.GetValue() < 10 {
			t.Errorf("%v failures are counted, %v", counted.Counter.GetValue(), err)
		}
		mu.Unlock()
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestACutKeyIsHiddenToo(t *testing.T) {
	src := Source{Secrets: []string{key}}
	if got, want := src.scrub("it says "+key[:20]+"… and "+key), "it says [key]… and [key]"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
