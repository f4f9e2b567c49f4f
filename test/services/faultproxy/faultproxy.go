// Package faultproxy stands between the pipeline and OpenSearch and makes
// things go wrong, or stands in OpenSearch's place.
//
// # Promises
//
//   - What a fault does not touch is passed on to the cluster unchanged, and its
//     answer too. An item that is refused here never reaches the cluster.
//   - [Proxy.Down] refuses connections, as a cluster does whose process is gone;
//     [Proxy.Up] listens on the same port again.
//   - Without an upstream the proxy is a sink: it accepts every document at once,
//     with one item in the answer for each.
package faultproxy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/gzip"
)

// Proxy is one such place. All methods may be called at any time.
type Proxy struct {
	// URL is what the pipeline takes for the cluster.
	URL string

	upstream *url.URL // nil: a sink
	pass     *httputil.ReverseProxy
	client   *http.Client
	addr     string

	mu     sync.Mutex
	faults Faults
	server *http.Server
	done   chan struct{}

	bulks, items, refused, failed atomic.Int64
}

// Faults is what goes wrong; the zero value lets everything pass.
type Faults struct {
	// Busy is the share of bulk items that are answered with 429.
	Busy float64
	// Fail is the share of bulk requests that are answered with Status as a whole.
	Fail   float64
	Status int
	// Lose is the share of bulk requests that are passed on, and whose answer is
	// lost with the connection.
	Lose float64
	// Reset is the share of bulk requests whose connection is reset (RST) instead
	// of an answer; they do not reach the cluster.
	Reset float64
	// Delay comes before each answer to a bulk request.
	Delay time.Duration
}

// Start starts a Proxy for the cluster at upstream; "" makes it a sink. Close it.
func Start(upstream string) (*Proxy, error) {
	p := &Proxy{client: &http.Client{}, addr: "127.0.0.1:0"}
	if upstream != "" {
		u, err := url.Parse(upstream)
		if err != nil {
			return nil, err
		}
		p.upstream = u
		p.pass = httputil.NewSingleHostReverseProxy(u)
		p.pass.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	}
	return p, p.Up()
}

// Close ends the Proxy.
func (p *Proxy) Close() error {
	p.Down()
	p.client.CloseIdleConnections()
	return nil
}

// Up accepts connections (again).
func (p *Proxy) Up() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.server != nil {
		return nil
	}
	l, err := net.Listen("tcp", p.addr)
	if err != nil {
		return fmt.Errorf("the fault proxy cannot listen: %w", err)
	}
	p.addr = l.Addr().String()
	p.URL = "http://" + p.addr
	server, done := &http.Server{Handler: p}, make(chan struct{})
	p.server, p.done = server, done
	go func() {
		defer close(done)
		server.Serve(l) // ends with ErrServerClosed
	}()
	return nil
}

// Down cuts every connection and refuses new ones until Up.
func (p *Proxy) Down() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.server == nil {
		return
	}
	p.server.Close()
	<-p.done
	p.server = nil
}

// Set replaces the faults.
func (p *Proxy) Set(f Faults) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = f
}

// Counts is what the Proxy has seen.
type Counts struct {
	Bulks   int64 // bulk requests
	Items   int64 // documents that were passed on (or swallowed by a sink)
	Refused int64 // documents answered with 429 here
	Failed  int64 // bulk requests refused as a whole here, or cut off
}

// Counts returns what was seen so far.
func (p *Proxy) Counts() Counts {
	return Counts{p.bulks.Load(), p.items.Load(), p.refused.Load(), p.failed.Load()}
}

// ServeHTTP answers one request of the pipeline.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !strings.HasSuffix(r.URL.Path, "/_bulk") {
		p.other(w, r)
		return
	}
	p.bulks.Add(1)
	p.mu.Lock()
	f := p.faults
	p.mu.Unlock()
	body, err := read(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if f.Delay > 0 {
		time.Sleep(f.Delay) // the fault itself
	}
	if f.Reset > 0 && rand.Float64() < f.Reset {
		p.failed.Add(1)
		reset(w)
		return
	}
	if f.Fail > 0 && rand.Float64() < f.Fail {
		p.failed.Add(1)
		http.Error(w, fmt.Sprintf(`{"error":{"type":"fault","reason":"a fault asked for"},"status":%d}`, f.Status), f.Status)
		return
	}
	items := split(body)
	if p.upstream == nil {
		p.items.Add(int64(len(items)))
		answer(w, sink(items))
		return
	}
	p.bulk(w, r, items, f)
}

func (p *Proxy) other(w http.ResponseWriter, r *http.Request) {
	if p.upstream != nil {
		p.pass.ServeHTTP(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	io.WriteString(w, `{"name":"sink","cluster_name":"sink","version":{"distribution":"opensearch","number":"2.19.4"},"tagline":"The OpenSearch Project: https://opensearch.org/"}`)
}

// bulk passes the items on that are not chosen to be busy, and puts the two
// kinds of results together in the order of the request.
func (p *Proxy) bulk(w http.ResponseWriter, r *http.Request, items []item, f Faults) {
	var pass bytes.Buffer
	chosen := make([]bool, len(items))
	n := 0
	for i, it := range items {
		if chosen[i] = rand.Float64() < f.Busy; !chosen[i] {
			pass.Write(it.text)
			n++
		}
	}
	var result struct {
		Took   int               `json:"took"`
		Errors bool              `json:"errors"`
		Items  []json.RawMessage `json:"items"`
	}
	if n > 0 {
		u := *p.upstream
		u.Path, u.RawQuery = strings.TrimSuffix(u.Path, "/")+r.URL.Path, r.URL.RawQuery
		req, err := http.NewRequestWithContext(r.Context(), r.Method, u.String(), &pass)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		req.Header.Set("Content-Type", "application/x-ndjson")
		resp, err := p.client.Do(req)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != http.StatusOK {
			w.WriteHeader(resp.StatusCode)
			w.Write(text)
			return
		}
		if err := json.Unmarshal(text, &result); err != nil || len(result.Items) != n {
			http.Error(w, fmt.Sprintf("%d items answered of %d: %v", len(result.Items), n, err), http.StatusBadGateway)
			return
		}
	}
	p.items.Add(int64(n))
	p.refused.Add(int64(len(items) - n))
	all := make([]json.RawMessage, len(items))
	for i, it := range items {
		if chosen[i] {
			result.Errors = true
			all[i] = fmt.Appendf(nil, `{%q:{"_index":%q,"_id":%q,"status":429,"error":{"type":"rejected_execution_exception","reason":"a fault asked for"}}}`, it.op, it.index, it.id)
			continue
		}
		all[i], result.Items = result.Items[0], result.Items[1:]
	}
	if f.Lose > 0 && rand.Float64() < f.Lose {
		p.failed.Add(1)
		panic(http.ErrAbortHandler) // net/http closes the connection
	}
	result.Items = all
	out, err := json.Marshal(result)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	answer(w, out)
}

// reset ends the connection as a router does that has forgotten it.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // net/http closes the connection
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // else it is closed in order
	}
	_ = conn.Close() // that is the fault
}

func answer(w http.ResponseWriter, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Write(body)
}

func sink(items []item) []byte {
	out := make([]byte, 0, 64*len(items)+64)
	out = append(out, `{"took":1,"errors":false,"items":[`...)
	for i, it := range items {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, `{"`...)
		out = append(out, it.op...)
		out = append(out, `":{"status":201,"result":"created"}}`...)
	}
	return append(out, `]}`...)
}

// item is one action of a bulk request with its document.
type item struct {
	op, index, id string
	text          []byte // both lines, with line ends
}

// split cuts a bulk body into its items. It knows the actions with a document:
// create, index, update.
func split(body []byte) (items []item) {
	for len(body) > 0 {
		first, rest, _ := bytes.Cut(body, []byte("\n"))
		second, after, _ := bytes.Cut(rest, []byte("\n"))
		if len(first) == 0 {
			break
		}
		it := item{text: body[:len(first)+1+min(len(second)+1, len(rest))]}
		var action map[string]struct {
			Index string `json:"_index"`
			ID    string `json:"_id"`
		}
		if err := json.Unmarshal(first, &action); err == nil {
			for op, a := range action {
				it.op, it.index, it.id = op, a.Index, a.ID
			}
		}
		items = append(items, it)
		body = after
	}
	return items
}

func read(r *http.Request) ([]byte, error) {
	if r.Header.Get("Content-Encoding") != "gzip" {
		return io.ReadAll(r.Body)
	}
	z, err := gzip.NewReader(r.Body)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}
