package ioc

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/fluent-siem/fluent-siem/internal/indicator"
	"github.com/fluent-siem/fluent-siem/sidecar/config"
	"github.com/fluent-siem/fluent-siem/sidecar/feed"
	"github.com/fluent-siem/fluent-siem/test/services/awsemu"
)

const key = "tOpSeCrEtApIkEy0123456789abcdef0123456789abcdef0123456789abcdef0"

// internet plays the publishers. Paths that misbehave do so in place of theirs.
type internet struct {
	mu        sync.Mutex
	misbehave http.HandlerFunc
	asked     []string
	pulses    []map[string]any
	objects   []map[string]any
	events    map[string]string // id → timestamp
	lists     map[string]string // path → text
}

func (n *internet) do(f func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	f()
}

func (n *internet) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.asked = append(n.asked, r.URL.Path+"?"+r.URL.RawQuery)
	if n.misbehave != nil {
		n.misbehave(w, r)
		return
	}
	base := "http://" + r.Host
	answer := func(v any) { _ = json.NewEncoder(w).Encode(v) }
	switch {
	case n.lists[r.URL.Path] != "":
		text := n.lists[r.URL.Path]
		etag := fmt.Sprintf(`"%d"`, len(text))
		w.Header().Set("ETag", etag)
		if r.Header.Get("If-None-Match") == etag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		fmt.Fprint(w, text)
	case r.URL.Path == "/api/v1/pulses/subscribed": // pages of one pulse
		if r.Header.Get("X-OTX-API-KEY") != key {
			http.Error(w, "the key "+r.Header.Get("X-OTX-API-KEY")+" is wrong", http.StatusForbidden)
			return
		}
		var list []map[string]any
		for _, p := range n.pulses {
			if p["modified"].(string) > r.URL.Query().Get("modified_since") {
				list = append(list, p)
			}
		}
		page := 0
		fmt.Sscan(r.URL.Query().Get("page"), &page)
		result, next := []map[string]any{}, ""
		if page <= len(list) {
			result = list[page-1 : page]
		}
		if page < len(list) {
			next = fmt.Sprintf("%s/api/v1/pulses/subscribed?page=%d&modified_since=%s", base, page+1, r.URL.Query().Get("modified_since"))
		}
		answer(map[string]any{"results": result, "next": next})
	case r.URL.Path == "/taxii/collections/1/objects/": // pages of one object
		user, password, _ := r.BasicAuth()
		if user != "u" || password != key || r.Header.Get("Accept") != "application/taxii+json;version=2.1" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		at := 0
		if next := r.URL.Query().Get("next"); next != "" {
			fmt.Sscan(next, &at)
		} else if after := r.URL.Query().Get("added_after"); after != "" {
			for at < len(n.objects) && n.objects[at]["modified"].(string) <= after {
				at++
			}
		}
		if at >= len(n.objects) {
			answer(map[string]any{})
			return
		}
		w.Header().Set("X-TAXII-Date-Added-Last", n.objects[at]["modified"].(string))
		answer(map[string]any{"more": at+1 < len(n.objects), "next": fmt.Sprint(at + 1), "objects": n.objects[at : at+1]})
	case r.URL.Path == "/misp/manifest.json":
		manifest := map[string]any{}
		for id, at := range n.events {
			manifest[id] = map[string]any{"timestamp": at, "info": "x"}
		}
		answer(manifest)
	case strings.HasPrefix(r.URL.Path, "/misp/"):
		id := strings.TrimSuffix(strings.TrimPrefix(r.URL.Path, "/misp/"), ".json")
		answer(map[string]any{"Event": map[string]any{"uuid": id, "info": "event " + n.events[id], "Attribute": []any{map[string]any{"type": "domain", "value": id + ".misp.example", "to_ids": true}}}})
	default:
		http.NotFound(w, r)
	}
}

func pulse(id, modified, value string) map[string]any {
	return map[string]any{"id": id, "name": "pulse " + modified, "modified": modified, "indicators": []any{map[string]any{"indicator": value, "type": "domain", "is_active": 1}}}
}

func object(id, modified, pattern string) map[string]any {
	return map[string]any{"type": "indicator", "id": "indicator--" + id, "name": "object " + modified, "modified": modified, "pattern": pattern, "pattern_type": "stix"}
}

// rig is feeds against the internet, refreshed when a test says so.
type rig struct {
	t      *testing.T
	net    *internet
	url    string
	m      *maker
	errors []string // all that was said
}

func newRig(t *testing.T, feeds string) *rig {
	r := &rig{t: t, net: &internet{
		events:  map[string]string{"e1": "100", "e2": "100"},
		pulses:  []map[string]any{pulse("p1", "2026-01-01T00:00:00", "one.otx.example"), pulse("p2", "2026-01-02T00:00:00", "two.otx.example"), pulse("p3", "2026-01-03T00:00:00", "three.otx.example")},
		objects: []map[string]any{object("1", "2026-01-01T00:00:00Z", "[domain-name:value = 'one.taxii.example']"), object("2", "2026-01-02T00:00:00Z", "[ipv4-addr:value = '81.2.69.9']")},
		lists:   map[string]string{"/tor": "ExitNode AA\nExitAddress 81.2.69.142 2026-01-01 00:00:00\n", "/list": "81.2.69.0/24\nevil.example\n"},
	}}
	server := httptest.NewServer(r.net)
	t.Cleanup(server.Close)
	r.url = server.URL
	state := t.TempDir()
	s, err := config.Read(strings.NewReader(strings.ReplaceAll(feeds, "URL", server.URL)), func(string) (string, bool) { return key, true })
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := Load(s, state)
	if err != nil {
		t.Fatal(err)
	}
	r.m = newMaker(cfg, feed.Env{
		Log: slog.New(slog.NewTextHandler(&said{r}, &slog.HandlerOptions{Level: slog.LevelDebug})), Metrics: prometheus.NewRegistry(),
		Client: &feed.Client{Slow: 200 * time.Millisecond, Least: 1000}, StateDir: state, Health: func(c, p string) { r.errors = append(r.errors, c+": "+p) },
	})
	return r
}

type said struct{ r *rig }

func (s *said) Write(b []byte) (int, error) {
	s.r.errors = append(s.r.errors, string(b))
	return len(b), nil
}

// refresh refreshes every feed and makes the table. The errors are by feed.
func (r *rig) refresh() (changed map[string]bool, failed map[string]error) {
	r.t.Helper()
	changed, failed = map[string]bool{}, map[string]error{}
	for i, f := range r.m.cfg.Feeds {
		newer, err := r.m.sources[i].refresh(r.t.Context(), r.m.env.Client)
		if newer {
			changed[f.Name] = true
		}
		if err != nil {
			failed[f.Name] = err
			r.errors = append(r.errors, fmt.Sprintf("%v %+v", err, err))
		}
	}
	r.m.make(r.t.Context())
	return changed, failed
}

// knows fails unless the table knows of each value what is written: provider/name.
func (r *rig) knows(want map[string]string) {
	r.t.Helper()
	table, err := indicator.OpenFile(r.m.cfg.File)
	if err != nil {
		r.t.Fatal(err)
	}
	for value, list := range want {
		var got []string
		for _, row := range table.Lookup(value) {
			got = append(got, row.Provider+"/"+row.Name)
		}
		if strings.Join(got, " ") != list {
			r.t.Errorf("%s: %q, want %q", value, got, list)
		}
	}
}

const allFeeds = `
feeds:
  - {name: tor, url: URL/tor}
  - {name: list, format: text, url: URL/list}
  - {name: otx, url: URL, key: "${KEY}"}
  - {name: misp, format: misp-feed, url: URL/misp/}
  - {name: partner, format: taxii, url: URL/taxii/collections/1/, user: u, password: "${KEY}"}
`

var everyFeed = map[string]string{
	"81.2.69.142": "torproject.org/TOR custom/list", "81.2.69.9": "partner/object 2026-01-02T00:00:00Z custom/list", "www.evil.example": "custom/list",
	"one.otx.example": "AlienVault_OTX/pulse 2026-01-01T00:00:00", "three.otx.example": "AlienVault_OTX/pulse 2026-01-03T00:00:00",
	"e1.misp.example": "MISP/event 100", "e2.misp.example": "MISP/event 100", "one.taxii.example": "partner/object 2026-01-01T00:00:00Z",
}

func TestOnlyWhatChangedIsFetched(t *testing.T) {
	r := newRig(t, allFeeds)
	if changed, failed := r.refresh(); len(changed) != 5 || len(failed) != 0 {
		t.Fatalf("changed %v, failed %v", changed, failed)
	}
	r.knows(everyFeed)
	r.net.do(func() { r.net.asked = nil })
	if changed, failed := r.refresh(); len(changed) != 0 || len(failed) != 0 {
		t.Errorf("changed %v, failed %v", changed, failed)
	}
	if len(r.net.asked) != 5 { // one page each
		t.Errorf("asked %q", r.net.asked)
	}
	r.net.do(func() {
		r.net.asked = nil
		r.net.pulses[0] = pulse("p1", "2026-02-01T00:00:00", "other.otx.example")
		r.net.events = map[string]string{"e2": "200"}
		r.net.objects = append(r.net.objects, object("1", "2026-02-01T00:00:00Z", "[domain-name:value = 'other.taxii.example']"))
		r.net.lists["/list"] = "other.example\n"
	})
	if changed, failed := r.refresh(); len(changed) != 4 || len(failed) != 0 {
		t.Errorf("changed %v, failed %v", changed, failed)
	}
	if len(r.net.asked) != 6 { // the event beside its manifest
		t.Errorf("asked %q", r.net.asked)
	}
	r.knows(map[string]string{
		"81.2.69.142": "torproject.org/TOR", "evil.example": "", "other.example": "custom/list",
		"one.otx.example": "", "other.otx.example": "AlienVault_OTX/pulse 2026-02-01T00:00:00", "two.otx.example": "AlienVault_OTX/pulse 2026-01-02T00:00:00",
		"e1.misp.example": "", "e2.misp.example": "MISP/event 200", "one.taxii.example": "", "other.taxii.example": "partner/object 2026-02-01T00:00:00Z",
	})
}

// TestTheLastGoodTableStays shows it for each way in which all publishers fail
// at once, and that no key is in what is said or kept.
func TestTheLastGoodTableStays(t *testing.T) {
	r := newRig(t, allFeeds)
	if _, failed := r.refresh(); len(failed) != 0 {
		t.Fatal(failed)
	}
	for what, misbehave := range map[string]http.HandlerFunc{
		"401": func(w http.ResponseWriter, q *http.Request) { http.Error(w, key, http.StatusUnauthorized) },
		"429": func(w http.ResponseWriter, q *http.Request) {
			w.Header().Set("Retry-After", "60")
			w.WriteHeader(http.StatusTooManyRequests)
		},
		"503":  func(w http.ResponseWriter, q *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) },
		"HTML": func(w http.ResponseWriter, q *http.Request) { fmt.Fprint(w, "<!DOCTYPE html><html>"+key+"</html>") },
		"truncated": func(w http.ResponseWriter, q *http.Request) {
			w.Header().Set("Content-Length", "9999")
			fmt.Fprint(w, `{"`)
		},
		"empty": func(w http.ResponseWriter, q *http.Request) {},
		"other": func(w http.ResponseWriter, q *http.Request) { fmt.Fprint(w, `{"error":"`+key+`"}`) },
		"slow": func(w http.ResponseWriter, q *http.Request) {
			fmt.Fprint(w, " ")
			w.(http.Flusher).Flush()
			<-q.Context().Done()
		},
	} {
		if what == "slow" {
			r.m.env.Client.Longest = 500 * time.Millisecond
		}
		r.net.do(func() { r.net.misbehave = misbehave })
		changed, failed := r.refresh()
		if what == "other" { // no objects are an answer of TAXII
			delete(changed, "partner")
			failed["partner"] = nil
		}
		if what == "other" && len(failed) != 5 || len(changed) != 0 || len(failed) < 4 {
			t.Errorf("%s: changed %v, failed %v", what, changed, failed)
		}
		r.knows(everyFeed)
	}
	files := 0
	err := filepath.WalkDir(r.m.env.StateDir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		files++
		text, err := os.ReadFile(path)
		if strings.Contains(string(text), "tOpSeCrEt") {
			t.Errorf("the key is in %s", path)
		}
		if strings.HasPrefix(d.Name(), ".") {
			t.Errorf("%s is left behind", path)
		}
		return err
	})
	if err != nil || files < 8 {
		t.Error(files, err)
	}
	for _, text := range r.errors {
		if strings.Contains(text, "tOpSeCrEt") {
			t.Errorf("the key is in %s", text)
		}
	}
	if len(r.errors) < 30 {
		t.Errorf("only %d things were said", len(r.errors))
	}
}

func TestExpiry(t *testing.T) {
	r := newRig(t, `
feeds:
  - {name: tor, url: URL/tor, keep: 48h}
  - {name: list, format: ndjson, url: URL/rows, max_age: 240h}
`)
	ago := func(d time.Duration) string { return time.Now().Add(-d).UTC().Format(time.RFC3339) }
	r.net.do(func() {
		r.net.lists["/rows"] = fmt.Sprintf(`{"type":"domain-name","value":"new.example","modified":%q,"name":"n"}
{"type":"domain-name","value":"old.example","modified":%q,"name":"n"}
{"type":"domain-name","value":"seen.example","modified":%q,"last_seen":%q,"name":"n"}
{"type":"domain-name","value":"over.example","valid_until":%q,"name":"n"}`, ago(time.Hour), ago(480*time.Hour), ago(480*time.Hour), ago(time.Hour), ago(time.Minute))
	})
	if _, failed := r.refresh(); len(failed) != 0 {
		t.Fatal(failed)
	}
	r.knows(map[string]string{"new.example": "custom/n", "old.example": "", "seen.example": "custom/n", "over.example": "", "81.2.69.142": "torproject.org/TOR"})
	if _, err := r.m.build(t.Context(), time.Now().Add(50*time.Hour)); err != nil { // nobody confirmed Tor's list for two days
		t.Fatal(err)
	}
	r.knows(map[string]string{"new.example": "custom/n", "81.2.69.142": ""})
	if _, err := r.m.build(t.Context(), time.Now().Add(500*time.Hour)); err == nil || !strings.Contains(err.Error(), "the table before stays") {
		t.Errorf("an empty table replaces one that is not: %v", err)
	}
	r.knows(map[string]string{"new.example": "custom/n"})
}

func TestAFolderAsTheOriginalHasIt(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("IOC/TXT/mine.txt", "81.2.69.142\n2a00::1\n")
	write("IOC/TXT/isac/theirs.txt", "81.2.69.0/24\n")
	write("IOC/STIX2/isac/bundle.json", `{"type":"bundle","id":"bundle--1","objects":[{"type":"indicator","name":"N","pattern":"[domain-name:value = 'evil.example']"}]}`)
	r := newRig(t, "feeds:\n  - {name: txt, url: "+dir+"/IOC/TXT/}\n  - {name: stix, format: stix, url: "+dir+"/IOC/STIX2/}\n")
	if changed, failed := r.refresh(); len(changed) != 2 || len(failed) != 0 {
		t.Fatal(changed, failed)
	}
	r.knows(map[string]string{"81.2.69.142": "custom/mine.txt isac/theirs.txt", "2a00::1": "custom/mine.txt", "evil.example": "isac/N"})
	write("IOC/TXT/isac/theirs.txt", "<html>gone</html>")
	if changed, failed := r.refresh(); len(changed) != 0 || len(failed) != 1 {
		t.Error(changed, failed)
	}
	r.knows(map[string]string{"81.2.69.142": "custom/mine.txt isac/theirs.txt"})
	if err := os.Remove(filepath.Join(dir, "IOC/TXT/isac/theirs.txt")); err != nil {
		t.Fatal(err)
	}
	if changed, failed := r.refresh(); !changed["txt"] || len(failed) != 0 {
		t.Error(changed, failed)
	}
	r.knows(map[string]string{"81.2.69.142": "custom/mine.txt"})
}

// TestRun runs feeds as the sidecar does, to a table, and takes it elsewhere.
func TestRun(t *testing.T) {
	r := newRig(t, allFeeds)
	ctx, stop := context.WithCancel(t.Context())
	env := r.m.env
	env.Metrics = prometheus.NewRegistry()
	env.Health = func(string, string) {}
	env.Log = slog.New(slog.DiscardHandler)
	other := r.m.cfg
	other.Feeds, other.Take, other.File = nil, r.m.cfg.File, filepath.Join(t.TempDir(), "taken.ioc")
	ended := make(chan error, 2)
	go func() { ended <- Run(ctx, r.m.cfg, env, feed.NewMetrics(env.Metrics)) }()
	await := func(what string, file string) {
		t.Helper()
		for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
			if table, err := indicator.OpenFile(file); err == nil && table.Len() >= 9 {
				return
			}
			if time.Now().After(end) {
				t.Fatal(what, "does not come")
			}
		}
	}
	await("the table", r.m.cfg.File)
	r.knows(everyFeed)
	families, err := env.Metrics.(*prometheus.Registry).Gather()
	if err != nil || !strings.Contains(fmt.Sprint(families), "siem_indicators_built_timestamp_seconds") {
		t.Errorf("%v %v", families, err)
	}
	env.Metrics = prometheus.NewRegistry()
	go func() { ended <- Run(ctx, other, env, feed.NewMetrics(env.Metrics)) }()
	await("the taken table", other.File)
	stop()
	for range 2 {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	// After a restart nothing is asked for, and the table is made if it is gone.
	if err := os.Remove(r.m.cfg.File); err != nil {
		t.Fatal(err)
	}
	r.net.do(func() { r.net.asked = nil })
	ctx, stop = context.WithCancel(t.Context())
	env.Metrics = prometheus.NewRegistry()
	go func() { ended <- Run(ctx, r.m.cfg, env, feed.NewMetrics(env.Metrics)) }()
	await("the table after a restart", r.m.cfg.File)
	stop()
	if err := <-ended; err != nil || len(r.net.asked) > 0 {
		t.Errorf("%v; asked %q", err, r.net.asked)
	}
}

// TestFleet has one sidecar make a table of what lies in S3, in the original's
// layout, and publish it; another takes it.
func TestFleet(t *testing.T) {
	services, err := awsemu.Start(awsemu.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer services.Close()
	if err := services.CreateBucket("geo"); err != nil {
		t.Fatal(err)
	}
	put := func(key, text string) {
		t.Helper()
		if _, err := services.Put("geo", key, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	put("IOC/TXT/", "")
	put("IOC/TXT/mine.txt", "81.2.69.142\n")
	put("IOC/TXT/isac/theirs.txt", "evil.example\n")
	put("IOC/STIX2/x.json", `{"type":"bundle","id":"bundle--1","objects":[{"type":"indicator","name":"N","pattern":"[url:value = 'http://evil.example/x']"}]}`)
	r := newRig(t, "publish: s3://geo/IOC/indicators.ioc\nfeeds:\n  - {name: txt, url: s3://geo/IOC/TXT/}\n  - {name: stix, format: stix, url: s3://geo/IOC/STIX2/}\n")
	r.m.env.Client.S3 = s3.New(s3.Options{
		BaseEndpoint: &services.URL, UsePathStyle: true, Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "secret", ""),
	})
	if changed, failed := r.refresh(); len(changed) != 2 || len(failed) != 0 {
		t.Fatal(changed, failed)
	}
	want := map[string]string{"81.2.69.142": "custom/mine.txt", "www.evil.example": "isac/theirs.txt", "http://evil.example/x": "custom/N"}
	r.knows(want)
	if changed, failed := r.refresh(); len(changed) != 0 || len(failed) != 0 {
		t.Errorf("nothing changed, but %v, %v", changed, failed)
	}
	to := feed.Copy{Path: filepath.Join(t.TempDir(), "taken.ioc")}
	accept := func(path string, _ feed.Answer) (string, error) {
		_, err := indicator.OpenFile(path)
		return path, err
	}
	if changed, err := r.m.env.Client.Refresh(t.Context(), feed.Source{URL: "s3://geo/IOC/indicators.ioc"}, to, accept); err != nil || !changed {
		t.Fatal(changed, err)
	}
	r.m.cfg.File = to.Path
	r.knows(want)
	put("IOC/indicators.ioc", "half a table")
	if changed, err := r.m.env.Client.Refresh(t.Context(), feed.Source{URL: "s3://geo/IOC/indicators.ioc"}, to, accept); err == nil || changed {
		t.Error("half a table is taken")
	}
	r.knows(want)
}
