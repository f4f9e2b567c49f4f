package view

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/fluent-siem/fluent-siem/sidecar/dashboards"
)

// recorded notes what is asked and answers as told.
type recorded struct {
	asked  []string
	status int
	answer string
}

func (r *recorded) Do(_ context.Context, method, path string, body []byte) (int, []byte, error) {
	r.asked = append(r.asked, method+" "+path+" "+string(body))
	return r.status, []byte(r.answer), nil
}

const cloudTrail = "/d/02ca2d20-8245-11ea-8450-d1d13849d130"

// get asks a server over a cluster that answers with status and text.
func get(t *testing.T, address, host string, cluster *recorded) (int, string, http.Header) {
	t.Helper()
	set, err := dashboards.Shipped()
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(Defaults(), cluster, set)
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest("GET", address, nil)
	r.Host = host
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	text, err := io.ReadAll(w.Result().Body)
	if err != nil {
		t.Fatal(err)
	}
	return w.Code, string(text), w.Result().Header
}

// TestItOnlyReads: whatever an address says, what goes to the cluster is a search
// in the panel's index, with values as values.
func TestItOnlyReads(t *testing.T) {
	cluster := &recorded{status: 200, answer: `{"hits":{"total":{"value":0},"hits":[]},"aggregations":{}}`}
	evil := url.QueryEscape(`x"}},{"script":{"source":"1"}`)
	for _, path := range []string{"/2", "/2/documents", "/28"} {
		before := len(cluster.asked)
		if code, text, _ := get(t, cloudTrail+path+"?is=a="+evil+"&not=b="+evil+"&from=now-1h", "localhost", cluster); code != 200 {
			t.Errorf("%s: %d %s", path, code, text)
		}
		for _, asked := range cluster.asked[before:] {
			if !strings.HasPrefix(asked, "POST /log-aws-cloudtrail-%2A/_search?ignore_unavailable=true {") || strings.Contains(asked, `"script"`) {
				t.Errorf("%s asks %s", path, asked)
			}
		}
		if len(cluster.asked) == before {
			t.Errorf("%s asks nothing", path)
		}
	}
}

// TestAStrangersName: a name that leads here by DNS gets no answer.
func TestAStrangersName(t *testing.T) {
	for host, want := range map[string]int{"localhost:5602": 200, "127.0.0.1:5602": 200, "[::1]:5602": 200, "siem.example:5602": 421, "": 421} {
		if code, _, _ := get(t, "/", host, &recorded{}); code != want {
			t.Errorf("host %q: %d, want %d", host, code, want)
		}
	}
}

// TestADocumentIsText: markup in a document stays text, and no script is allowed
// but the page's files.
func TestADocumentIsText(t *testing.T) {
	cluster := &recorded{status: 200, answer: `{"hits":{"total":{"value":1},"hits":[{"_index":"i","_id":"<b>","_source":{"eventName":"<script>alert(1)</script>"}}]}}`}
	code, page, header := get(t, cloudTrail+"/28/documents", "localhost", cluster)
	if code != 200 || strings.Contains(page, "<script>") || !strings.Contains(page, "&lt;script&gt;") {
		t.Errorf("%d %s", code, page)
	}
	if csp := header.Get("Content-Security-Policy"); !strings.Contains(csp, "script-src 'self';") || strings.Contains(csp, "unsafe") {
		t.Errorf("policy %q", csp)
	}
}

// TestWhatIsWrongIsSaid: to the user, without what the cluster said beside its reason.
func TestWhatIsWrongIsSaid(t *testing.T) {
	ok := `{"hits":{"total":{"value":0},"hits":[]}}`
	for _, c := range []struct {
		path    string
		cluster recorded
		code    int
		want    string
	}{
		{"/2", recorded{status: 403, answer: `{"secret":1}`}, 502, "may not search log-aws-cloudtrail-*"},
		{"/2", recorded{status: 400, answer: `{"error":{"root_cause":[{"reason":"too deep"}]}}`}, 502, "too deep"},
		{"/2", recorded{status: 200, answer: `{"timed_out":true}`}, 502, "shorter time"},
		{"/2", recorded{status: 200, answer: `{"_shards":{"failed":1,"failures":[{"reason":{"reason":"no field"}}]}}`}, 502, "no field"},
		{"/2?from=yesterday", recorded{status: 200, answer: ok}, 502, "is no moment"},
		{"/2/documents?at=a&at=b", recorded{status: 200, answer: ok}, 200, "2 keys for 1 levels"},
		{"/99", recorded{}, 404, "no such panel"},
		{"?from=now&to=now-1h", recorded{}, 200, "is no range of time"},
	} {
		code, text, _ := get(t, cloudTrail+c.path, "localhost", &c.cluster)
		if code != c.code || !strings.Contains(text, c.want) || strings.Contains(text, "secret") {
			t.Errorf("%s: %d %.200s, want %d %q", c.path, code, text, c.code, c.want)
		}
	}
}

func TestMoments(t *testing.T) {
	now := time.Date(2026, 3, 31, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]string{"now": "2026-03-31T12:00:00Z", "now-90m": "2026-03-31T10:30:00Z", "now-2w": "2026-03-17T12:00:00Z",
		"now-1y": "2025-03-31T12:00:00Z", "2026-01-31": "2026-01-31T00:00:00Z", "2026-01-31T08:00+01:00": "", "2026-01-31T08:00:00+01:00": "2026-01-31T07:00:00Z", "now-1x": "", "": ""} {
		got, err := moment(text, now)
		if (err != nil) != (want == "") || err == nil && got.UTC().Format(time.RFC3339) != want {
			t.Errorf("%q: %s %v, want %q", text, got, err, want)
		}
	}
}
