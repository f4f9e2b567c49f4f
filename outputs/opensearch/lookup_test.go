package opensearch

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/fluent-siem/fluent-siem/internal/event"
	"github.com/fluent-siem/fluent-siem/internal/lease"
	"github.com/fluent-siem/fluent-siem/test/services"
	"github.com/fluent-siem/fluent-siem/test/services/faultproxy"
)

// timeSeriesNode is a real node behind what makes it like a time-series
// collection of OpenSearch Serverless: ids and create are refused, as are the APIs
// that it lacks. lose is the share of bulk requests whose answer is lost.
func timeSeriesNode(t *testing.T, lose float64, change ...func(*Config)) (n node, r *rig, proxy *faultproxy.Proxy) {
	t.Helper()
	n = plainNode(t)
	upstream, err := url.Parse(n.url)
	if err != nil {
		t.Fatal(err)
	}
	pass := httputil.NewSingleHostReverseProxy(upstream)
	collection := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		text := body
		if err == nil && req.Header.Get("Content-Encoding") == "gzip" {
			var z *gzip.Reader
			if z, err = gzip.NewReader(bytes.NewReader(body)); err == nil {
				text, err = io.ReadAll(z)
			}
		}
		switch bulk := strings.HasSuffix(req.URL.Path, "/_bulk"); {
		case err != nil:
			http.Error(w, err.Error(), http.StatusBadRequest)
		case bulk && (bytes.Contains(text, []byte(`"_id":`)) || bytes.Contains(text, []byte(`{"create":`))):
			http.Error(w, `{"error":{"type":"illegal_argument_exception","reason":"Document ID is not supported in create/index operation request"},"status":400}`, http.StatusBadRequest)
		case !bulk && !strings.HasSuffix(req.URL.Path, "/_search"):
			http.Error(w, "not offered", http.StatusNotFound)
		default:
			req.Body, req.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
			pass.ServeHTTP(w, req)
		}
	}))
	t.Cleanup(collection.Close)
	proxy, err = faultproxy.Start(collection.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { proxy.Close() })
	proxy.Set(faultproxy.Faults{Lose: lose})
	r = newRig(t, nil, append([]func(*Config){func(c *Config) {
		c.Endpoint, c.Collection, c.BulkSize, c.LookupDelay = []string{proxy.URL}, timeSeries, 64<<10, 2*time.Second
	}}, change...)...)
	return n, r, proxy
}

// series is events of one lease as the filter ecs makes them for a time-series
// collection: the id is in the document only.
func (r *rig) series(n, received int, index string, op event.Op, version string) (chunk []byte, o *lease.Object) {
	l := r.p.Leases.Open(lease.NewCredit(1 << 30))
	o = l.Add(lease.Source{Bucket: "trail", Key: "a/b.json.gz", Version: "v1", LogType: "cloudtrail", Received: received})
	l.Seal()
	o.Read(n, int64(n)*100)
	o.Seal(nil)
	for i := range n {
		chunk = appendEvent(chunk, &event.Origin{Object: o.ID, Record: uint64(i + 1), Size: 100}, event.Target{Index: []byte(index), Op: op},
			map[string]string{"@id": fmt.Sprintf("d%d", i), "version": version, "@message": strings.Repeat("x", 200)})
	}
	return chunk, o
}

// offer does as the host: it offers a chunk until it is done.
func (r *rig) offer(t *testing.T, chunk []byte) {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		err := r.Write(t.Context(), "siem", chunk)
		if err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%v; log:\n%.3000s", err, r.log)
		}
	}
}

const byID = `{"settings":{"refresh_interval":"300ms"},"mappings":{"properties":{"@id":{"type":"keyword"}}}}`

// TestLostAnswersDoubleNothing: half of the answers are lost after the
// collection has stored the documents. Each is there once, and counted as stored.
func TestLostAnswersDoubleNothing(t *testing.T) {
	const docs = 3000
	for name, test := range map[string]struct {
		delay   time.Duration
		mapping string
		doubled bool
	}{
		"looked for":             {2 * time.Second, byID, false},
		"looked for, no mapping": {2 * time.Second, `{"settings":{"refresh_interval":"300ms"}}`, false},
		"sent again at once":     {0, byID, true},
	} {
		t.Run(name, func(t *testing.T) {
			n, r, proxy := timeSeriesNode(t, 0.5, func(c *Config) { c.LookupDelay = test.delay })
			index := n.drop(services.Name("out-series"))
			n.must("PUT", "/"+index, test.mapping)
			chunk, o := r.series(docs, 1, index, event.OpCreate, "1")
			r.offer(t, chunk)
			if got := n.count(index); (got > docs) != test.doubled || got < docs {
				t.Errorf("%d documents of %d", got, docs)
			}
			if b := o.Totals(); b.Of(lease.Stored) != docs {
				t.Errorf("books %+v", b)
			}
			if h := r.p.Health(); len(h) != 0 {
				t.Errorf("health %v", h)
			}
			t.Logf("%+v", proxy.Counts())
		})
	}
}

// TestADeliveryThatComesAgainDoublesNothing: another process has loaded the
// object before, or a part of it.
func TestADeliveryThatComesAgainDoublesNothing(t *testing.T) {
	n, r, _ := timeSeriesNode(t, 0)
	index := n.drop(services.Name("out-series"))
	n.must("PUT", "/"+index, byID)
	chunk, _ := r.series(600, 1, index, event.OpCreate, "1")
	r.offer(t, chunk)
	chunk, o := r.series(1000, 2, index, event.OpCreate, "1")
	r.offer(t, chunk)
	if b := o.Totals(); n.count(index) != 1000 || b.Of(lease.Duplicate) != 600 || b.Of(lease.Stored) != 400 {
		t.Errorf("%d documents, books %+v", n.count(index), b)
	}
}

// TestANewAnnouncementIsNotLookedFor: a look-up for each object would cost what
// loading costs, so what is announced twice is there twice.
func TestANewAnnouncementIsNotLookedFor(t *testing.T) {
	n, r, _ := timeSeriesNode(t, 0)
	index := n.drop(services.Name("out-series"))
	n.must("PUT", "/"+index, byID)
	for range 2 {
		chunk, _ := r.series(10, 1, index, event.OpCreate, "1")
		r.offer(t, chunk)
	}
	if got := n.count(index); got != 20 {
		t.Errorf("%d documents, want 20", got)
	}
}

// TestANewerVersionIsNotTakenForTheOlder: a finding with the same @id is there,
// and another version of it is to be stored, once.
func TestANewerVersionIsNotTakenForTheOlder(t *testing.T) {
	n, r, proxy := timeSeriesNode(t, 0)
	index := n.drop(services.Name("out-series"))
	n.must("PUT", "/"+index, byID)
	for i, version := range []string{"1", "2"} {
		proxy.Set(faultproxy.Faults{Lose: 1})
		lost := proxy.Counts().Failed
		chunk, _ := r.series(3, 1, index, event.OpIndex, version)
		done := make(chan struct{})
		go func() { defer close(done); r.offer(t, chunk) }()
		for proxy.Counts().Failed == lost {
			time.Sleep(time.Millisecond) // a poll, bounded by offer
		}
		proxy.Set(faultproxy.Faults{})
		<-done
		if got := n.count(index); got != 3*(i+1) {
			t.Errorf("%d documents after version %s", got, version)
		}
	}
}

// TestEventsOfOtherInputsAreLookedFor: they get an @id, and keep one they have.
func TestEventsOfOtherInputsAreLookedFor(t *testing.T) {
	n, r, _ := timeSeriesNode(t, 0.7)
	index := n.drop(services.Name("out-series"))
	r.cfg.Index = index
	var chunk []byte
	for i := range 400 {
		chunk = plain(chunk, time.Now(), map[string]any{"n": i})
	}
	chunk = plain(chunk, time.Now(), map[string]any{"@id": "mine"})
	r.offer(t, chunk)
	if got := n.count(index); got != 401 {
		t.Errorf("%d documents, want 401", got)
	}
	if answer := n.must("GET", "/"+index+"/_search?q=@id:mine&filter_path=hits.total.value", ""); !strings.Contains(answer, `"value":1}`) {
		t.Errorf("the record's own @id: %s", answer)
	}
}

// TestWhatCannotBeLookedForWaits, and says so.
func TestWhatCannotBeLookedForWaits(t *testing.T) {
	var bulks, searches int
	collection := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if strings.HasSuffix(req.URL.Path, "/_bulk") {
			bulks++
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		searches++
		http.Error(w, `{"status":403,"error":{"reason":"no permission"}}`, http.StatusForbidden)
	}))
	defer collection.Close()
	r := newRig(t, nil, func(c *Config) {
		c.Endpoint, c.Collection, c.LookupDelay, c.Patience = []string{collection.URL}, timeSeries, time.Millisecond, 2*time.Second
	})
	chunk, o := r.series(3, 1, "log-x", event.OpCreate, "1")
	if err := r.Write(t.Context(), "siem", chunk); err == nil || !strings.Contains(err.Error(), "cannot be looked for") {
		t.Errorf("error %v", err)
	}
	if bulks != 1 || searches == 0 || o.Totals().Judged() != 0 {
		t.Errorf("%d bulk requests, want 1; %d searches; books %+v", bulks, searches, o.Totals())
	}
	health := fmt.Sprint(r.p.Health())
	if !strings.Contains(health, "aoss:ReadDocument") || !strings.Contains(health, "FS4010") {
		t.Errorf("health: %s", health)
	}
}
