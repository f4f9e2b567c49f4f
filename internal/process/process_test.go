package process

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func get(t *testing.T, dir, path string) (int, string) {
	t.Helper()
	c := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(dir, SocketName()))
	}}}
	defer c.CloseIdleConnections()
	r, err := c.Get("http://socket" + path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, _ := io.ReadAll(r.Body)
	return r.StatusCode, string(b)
}

func TestSocketShowsHealthAndMetricsToItsOwnerOnly(t *testing.T) {
	p, dir := New(), t.TempDir()
	stop, err := p.Serve(dir)
	if err != nil {
		t.Fatal(err)
	}
	again, err := p.Serve(dir)
	if err != nil {
		t.Fatal(err)
	}
	stop()
	stop()
	info, err := os.Stat(filepath.Join(dir, SocketName()))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("mode %v, %v", info.Mode(), err)
	}
	if code, _ := get(t, dir, "/health"); code != 200 {
		t.Errorf("healthy: %d", code)
	}
	p.SetHealth("output", "the cluster says 403; grant the role")
	if code, body := get(t, dir, "/health"); code != 503 || !strings.Contains(body, "grant the role") {
		t.Errorf("%d %s", code, body)
	}
	if _, body := get(t, dir, "/metrics"); !strings.Contains(body, "siem_leases_open 0") {
		t.Errorf("metrics: %s", body)
	}
	again()
	if _, err := p.Serve(dir); err != nil {
		t.Errorf("serving again after the last stop: %v", err)
	}
}

func TestVersions(t *testing.T) {
	p := New()
	p.SetVersion("program", nil) // of the test
	version := "1"
	p.SetVersion("rules", func() string { return version })
	p.SetVersion("geoip", func() string { return "2026-01-05" })
	p.SetVersion("none", func() string { return "" })
	version = "2"
	if got := p.Versions(); got != "geoip=2026-01-05 rules=2" {
		t.Errorf("%q", got)
	}
	p.SetVersion("geoip", nil)
	if got := p.Versions(); got != "rules=2" {
		t.Errorf("%q", got)
	}
}
