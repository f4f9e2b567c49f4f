package assets

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fluent-siem/fluent-siem/filters/enrich"
	"github.com/fluent-siem/fluent-siem/sidecar/config"
	"github.com/fluent-siem/fluent-siem/sidecar/feed"
)

const token = "tOpSeCrEtToken"

// TestTheLastGoodTableStays: files come in any order, are tried with each other,
// and what the filter could not use replaces nothing.
func TestTheLastGoodTableStays(t *testing.T) {
	texts := map[string]string{
		"/a.yaml": "file: a.csv\nkey: id\njoin: [user.id]\nfill: {user.name: name}\n",
		"/a.csv":  "id,name\n1,one\n",
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if text, ok := texts[r.URL.Path]; ok && r.Header.Get("Authorization") == "Bearer "+token {
			_, _ = w.Write([]byte(text))
			return
		}
		http.Error(w, "your token "+token+" is wrong", http.StatusUnauthorized)
	}))
	defer server.Close()
	cfg := Config{Dir: filepath.Join(t.TempDir(), "assets")}
	refresh := func(name string) (bool, error) {
		return cfg.refresh(t.Context(), &feed.Client{Largest: largest}, FileConfig{Name: name, URL: server.URL + "/" + name, Token: token}, feed.Copy{Path: filepath.Join(cfg.Dir, name), Previous: true})
	}
	if changed, err := refresh("a.yaml"); err == nil || changed || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("a description without rows: changed %v, %v", changed, err)
	}
	for _, name := range []string{"a.csv", "a.yaml"} {
		if changed, err := refresh(name); err != nil || !changed {
			t.Errorf("%s: changed %v, %v", name, changed, err)
		}
	}
	for name, bad := range map[string]string{"/a.csv": "<html>\n<body>\n</html>\n", "/a.yaml": "file: a.csv\nkey: no\njoin: [user.id]\nfill: {user.name: name}\n"} {
		good := texts[name]
		texts[name] = bad
		if changed, err := refresh(name[1:]); err == nil || changed || !strings.Contains(err.Error(), "refused") || !strings.Contains(err.Error(), "there is no column") {
			t.Errorf("%s: changed %v, %v", name, changed, err)
		}
		texts[name] = good
	}
	delete(texts, "/a.csv")
	if _, err := refresh("a.csv"); err == nil || !strings.Contains(err.Error(), "401") || strings.Contains(err.Error(), token) {
		t.Error(err)
	}
	tables, err := enrich.LoadAssets(cfg.Dir)
	if err != nil || tables.Table("a").Len() != 1 {
		t.Errorf("%+v, %v", tables, err)
	}
	if left, _ := filepath.Glob(filepath.Join(cfg.Dir, ".*")); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

// TestRun keeps files fresh by a section of the sidecar's file.
func TestRun(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "export"), []byte("id,name\n1,one\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	load := func(text string) (Config, error) {
		s, err := config.Read(strings.NewReader(text), os.LookupEnv)
		if err != nil {
			t.Fatal(err)
		}
		return Load(s, dir)
	}
	cfg, err := load("files:\n  - {name: a.csv, url: " + filepath.Join(dir, "export") + "}\n  - {name: b.csv, url: /missing}\n")
	if err != nil || cfg.Dir != filepath.Join(dir, "assets") {
		t.Fatal(cfg, err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var mu sync.Mutex
	health, done := map[string]string{}, make(chan bool, 2)
	ended := make(chan error)
	registry := prometheus.NewRegistry()
	go func() {
		ended <- Run(ctx, cfg, feed.Env{Log: slog.New(slog.DiscardHandler), Metrics: registry, Client: &feed.Client{}, StateDir: dir, Health: func(name, problem string) {
			mu.Lock()
			defer mu.Unlock()
			health[name] = problem
			done <- true
		}}, feed.NewMetrics(registry))
	}()
	<-done
	<-done
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if health["assets/a.csv"] != "" || !strings.Contains(health["assets/b.csv"], "degraded: ") {
		t.Errorf("%q", health)
	}
	if text, err := os.ReadFile(filepath.Join(cfg.Dir, "a.csv")); err != nil || string(text) != "id,name\n1,one\n" {
		t.Errorf("%q, %v", text, err)
	}
	_, err = load("interval: 1s\njitter: 2\nfiles:\n  - {name: ../a.csv}\n  - {name: x.csv, url: y}\n  - {name: x.csv, url: y}\n")
	for _, want := range []string{"interval: ", "jitter: ", "files[1].name: ", "files[1].url: ", `there are two files "x.csv"`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in %v", want, err)
		}
	}
}
