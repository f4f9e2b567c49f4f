package proxies

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fluent-siem/fluent-siem/filters/enrich"
	"github.com/fluent-siem/fluent-siem/sidecar/config"
	"github.com/fluent-siem/fluent-siem/sidecar/feed"
)

const ranges = `{"syncToken":"1","prefixes":[{"ip_prefix":"120.52.22.96/27","region":"GLOBAL","service":"AMAZON"},{"ip_prefix":"120.52.22.96/27","service":"CLOUDFRONT"},{"ip_prefix":"15.197.0.0/23","service":"GLOBALACCELERATOR"},{"ip_prefix":"3.5.140.0/22","service":"S3"}],
"ipv6_prefixes":[{"ipv6_prefix":"2600:9000:3000::/36","service":"CLOUDFRONT"},{"ipv6_prefix":"2600:1f14::/35","service":"EC2"}]}`

func TestListOfProxies(t *testing.T) {
	var down atomic.Bool
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		texts := map[string]string{"/ranges": ranges, "/v4": "173.245.48.0/20\n103.21.244.0/22\n", "/v6": "2400:cb00::/32"}
		if down.Load() {
			fmt.Fprint(w, "<html>173.245.48.0/20</html>")
			return
		}
		fmt.Fprint(w, texts[r.URL.Path])
	}))
	defer server.Close()
	state := t.TempDir()
	s, err := config.Read(strings.NewReader(strings.ReplaceAll("providers: [cloudfront, cloudflare]\nnetworks: [10.1.2.3/8, 2a00::1]\naws_url: URL/ranges\ncloudflare_urls: [URL/v4, URL/v6]\n", "URL", server.URL)), os.LookupEnv)
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := Load(s, state)
	if err != nil {
		t.Fatal(err)
	}
	env := feed.Env{Log: slog.New(slog.DiscardHandler), Health: func(string, string) {}, Metrics: prometheus.NewRegistry(), Client: &feed.Client{}, StateDir: state}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- Run(ctx, cfg, env, feed.NewMetrics(env.Metrics)) }()
	read := func() *enrich.Proxies {
		f, err := os.Open(cfg.File)
		if err != nil {
			return nil
		}
		defer f.Close()
		p, left, err := enrich.LoadProxies(f)
		if err != nil || len(left) > 0 {
			t.Error(left, err)
		}
		return p
	}
	for end := time.Now().Add(20 * time.Second); read().Len() < 7; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d networks", read().Len())
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	for a, want := range map[string]bool{"10.9.9.9": true, "2a00::1": true, "2a00::2": false, "120.52.22.97": true, "2600:9000:3000::1": true, "15.197.0.1": false, "3.5.140.1": false, "173.245.48.1": true, "2400:cb00::1": true, "8.8.8.8": false} {
		if got := read().Trusts(netip.MustParseAddr(a)); got != want {
			t.Errorf("%s: trusted %v, want %v", a, got, want)
		}
	}
	down.Store(true)
	before, err := os.ReadFile(cfg.File)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range cfg.lists(state) {
		if changed, err := l.refresh(t.Context(), env.Client); err == nil || changed {
			t.Errorf("%s: a page of HTML is taken", l.name)
		}
	}
	if err := cfg.write(cfg.lists(state)); err != nil {
		t.Error(err)
	}
	if after, err := os.ReadFile(cfg.File); err != nil || string(after) != string(before) {
		t.Errorf("%v\n%s", err, after)
	}
	if left, _ := filepath.Glob(filepath.Join(state, "feeds", ".*")); len(left) > 0 {
		t.Error(left)
	}
}

func TestSection(t *testing.T) {
	s, err := config.Read(strings.NewReader("networks: [here]\nproviders: [akamai]\ninterval: 1s\njitter: -1\n"), os.LookupEnv)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Load(s, "state")
	for _, want := range []string{`networks: "here" is neither`, `providers: "akamai"; use`, "interval: 1s is too short", "jitter: -1;"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in %v", want, err)
		}
	}
}
