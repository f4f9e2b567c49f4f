// Package view serves the dashboards of [dashboards] as web pages, for those who
// have no OpenSearch Dashboards at hand.
//
// # Promises
//
//   - It only reads: what it sends is _search, with a body made of a shipped
//     description. A browser names a dashboard, a panel, a time range, values of
//     fields and buckets; it never sends a query.
//   - The login to the cluster stays in this process, and no answer of the cluster
//     but its documents, counts and reasons reaches the browser.
//   - Its pages have nothing from elsewhere and run no script but their own; what
//     comes from a document is put in as text. Their content security policy keeps
//     it so.
//   - At a name that is not the host's own, such as one that a stranger's page has
//     led to the loopback, it does not answer.
//   - It asks for at most [atOnce] panels at a time.
//
// It has no login of its own: whoever reaches it sees what its user of the
// cluster may read. Hence the loopback by default.
package view

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fluent-siem/fluent-siem/internal/settings"
	"github.com/fluent-siem/fluent-siem/sidecar/dashboards"
)

// atOnce is how many searches run in the cluster at a time for all browsers.
const atOnce = 4

// patience is how long the cluster may work on a search.
const patience = 20 * time.Second

// API sends a request to the cluster; any status is an answer.
type API interface {
	Do(ctx context.Context, method, path string, body []byte) (status int, answer []byte, err error)
}

// Config is what an operator says.
type Config struct {
	// Listen is the address of the pages.
	Listen string `conf:"listen"`

	// IndexPrefix stands before the names of the indexes.
	IndexPrefix string `conf:"index_prefix"`
}

// Defaults returns what is used where the operator says nothing.
func Defaults() Config { return Config{Listen: "127.0.0.1:5602"} }

// Validate reports every problem at once.
func (c Config) Validate() error {
	var bad settings.Problems
	if _, port, err := net.SplitHostPort(c.Listen); err != nil || port == "" {
		bad.Add("listen", "%q is no address; write one like 127.0.0.1:5602", c.Listen)
	}
	if strings.ContainsAny(c.IndexPrefix, "*,/?#\\ \"<>|") || c.IndexPrefix != strings.ToLower(c.IndexPrefix) || strings.HasPrefix(c.IndexPrefix, "-") {
		bad.Add("index_prefix", "%q cannot be the beginning of the name of an index", c.IndexPrefix)
	}
	return bad.Err()
}

//go:embed assets
var assets embed.FS

//go:embed pages.html
var pages string

// Server answers browsers. It may be shared.
type Server struct {
	cfg   Config
	api   API
	set   *dashboards.Set
	saved dashboards.Saved
	pages *template.Template
	slots chan struct{}
	mux   *http.ServeMux
}

// New returns a Server for the dashboards of set.
func New(cfg Config, api API, set *dashboards.Set) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg, api: api, set: set, saved: set.ByID(), slots: make(chan struct{}, atOnce), mux: http.NewServeMux()}
	var err error
	if s.pages, err = template.New("").Funcs(template.FuncMap{"markdown": markdown}).Parse(pages); err != nil {
		return nil, err
	}
	s.mux.Handle("GET /assets/", cached(http.FileServerFS(assets)))
	s.mux.HandleFunc("GET /{$}", s.list)
	s.mux.HandleFunc("GET /d/{dashboard}", s.dashboard)
	s.mux.HandleFunc("GET /d/{dashboard}/{panel}", s.panel)
	s.mux.HandleFunc("GET /d/{dashboard}/{panel}/documents", s.documents)
	return s, nil
}

// Run answers at l until ctx is done, and then returns nil.
func (s *Server) Run(ctx context.Context, l net.Listener) error {
	server := http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		BaseContext: func(net.Listener) context.Context { return ctx }}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() }) // its error is of the listener, which closes anyway
	defer stop()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// policy lets a page use the assets and ask for panels, and nothing else.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// ServeHTTP answers a browser.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
	if !s.ours(r.Host) {
		http.Error(w, "This is not a name of this host; write its address.", http.StatusMisdirectedRequest)
		return
	}
	s.mux.ServeHTTP(w, r)
}

// ours reports whether a browser that asks for host means us. A name that leads
// here by DNS may be a stranger's, so behind the loopback only its own names
// count, elsewhere addresses, too, and the name that listen has.
func (s *Server) ours(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	listens, _, _ := net.SplitHostPort(s.cfg.Listen) // valid
	return name == "localhost" || name == listens || net.ParseIP(strings.Trim(name, "[]")) != nil
}

// cached lets a browser keep what changes with the program only.
func cached(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=3600")
		next.ServeHTTP(w, r)
	})
}

// place is what a request names: a dashboard and one of its panels.
type place struct {
	dashboard dashboards.Dashboard
	n         int
	panel     dashboards.Panel
	object    dashboards.Object
}

// find returns the place; ok is false, and the answer given, if there is none.
func (s *Server) find(w http.ResponseWriter, r *http.Request) (p place, ok bool) {
	at := slices.IndexFunc(s.set.Dashboards, func(d dashboards.Dashboard) bool { return d.ID == r.PathValue("dashboard") })
	if at < 0 {
		http.Error(w, "There is no such dashboard.", http.StatusNotFound)
		return p, false
	}
	p.dashboard = s.set.Dashboards[at]
	if r.PathValue("panel") == "" {
		return p, true
	}
	n, err := strconv.Atoi(r.PathValue("panel"))
	objects, problem := s.saved.Panels(p.dashboard.ID)
	if err != nil || problem != nil || n < 0 || n >= len(objects) {
		http.Error(w, "There is no such panel.", http.StatusNotFound)
		return p, false
	}
	p.n, p.panel, p.object = n, p.dashboard.Panels[n], objects[n]
	return p, true
}

// search asks the cluster. An error is for the user to read.
func (s *Server) search(ctx context.Context, search dashboards.Search) ([]byte, error) {
	search.Body["timeout"] = fmt.Sprint(patience)
	body, err := json.Marshal(search.Body)
	if err != nil {
		return nil, err
	}
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	path := "/" + url.PathEscape(s.cfg.IndexPrefix+search.Index) + "/_search?ignore_unavailable=true"
	status, answer, err := s.api.Do(ctx, http.MethodPost, path, body)
	if err != nil {
		return nil, err
	}
	var said struct {
		TimedOut bool `json:"timed_out"`
		Shards   struct {
			Failed   int
			Failures []struct{ Reason struct{ Reason string } }
		} `json:"_shards"`
		Error struct {
			Reason    string
			RootCause []struct{ Reason string } `json:"root_cause"`
		}
	}
	// An error that is no object leaves the status to speak.
	_ = json.Unmarshal(answer, &said)
	switch {
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return nil, fmt.Errorf("the cluster answers with status %d: the user of fluent-siem view may not search %s", status, search.Index)
	case status != http.StatusOK:
		reason := said.Error.Reason
		for _, cause := range said.Error.RootCause {
			reason = cause.Reason
		}
		return nil, fmt.Errorf("the cluster answers with status %d: %.300s", status, reason)
	case said.TimedOut:
		return nil, fmt.Errorf("the cluster has not searched all within %s; choose a shorter time", patience)
	case said.Shards.Failed > 0 && len(said.Shards.Failures) > 0:
		return nil, fmt.Errorf("a part of the index cannot answer: %.300s", said.Shards.Failures[0].Reason.Reason)
	}
	return answer, nil
}
