package daemon

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// locked is a buffer that a log and a test may use.
type locked struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *locked) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// TestHealthTellsEachFault lets a publisher fail in each way while the sidecar
// runs: the last good database stays, /healthz says what is wrong and how old it
// is, and the licence key is in nothing that anybody sees.
func TestHealthTellsEachFault(t *testing.T) {
	defer http.DefaultClient.CloseIdleConnections()
	const key = "tOpSeCrEtLicenceKey"
	database, err := os.ReadFile("../../filters/enrich/testdata/mmdb/GeoLite2-City-Test.mmdb")
	if err != nil {
		t.Fatal(err)
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	archive := tar.NewWriter(z)
	if err := archive.WriteHeader(&tar.Header{Name: "x/GeoLite2-City.mmdb", Size: int64(len(database)), Mode: 0o600}); err != nil {
		t.Fatal(err)
	}
	_, _ = archive.Write(database)
	_, _ = archive.Close(), z.Close()
	good := packed.Bytes()
	sum := sha256.Sum256(good)
	var misbehave atomic.Pointer[http.HandlerFunc]
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch f := misbehave.Load(); {
		case f != nil:
			(*f)(w, r)
		case r.URL.Query().Get("suffix") == "tar.gz.sha256":
			fmt.Fprintf(w, "%x  GeoLite2-City.tar.gz", sum)
		default:
			_, _ = w.Write(good)
		}
	}))
	defer server.Close()
	dir := t.TempDir()
	state, file := filepath.Join(dir, "s"), filepath.Join(dir, "sidecar.yaml")
	text := fmt.Sprintf("state_dir: %s\nlisten: 127.0.0.1:0\ngeoip: {endpoint: %s, account: \"123456\", licence_key: %s, editions: [GeoLite2-City]}\n", state, server.URL, key)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(t.Context())
	log, reload, addresses, ended := new(locked), make(chan os.Signal), make(chan net.Addr, 10), make(chan error, 1)
	go func() {
		ended <- Run(ctx, file, Options{Log: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})), Reload: reload, Ready: func(a net.Addr) { addresses <- a }})
	}()
	base := "http://" + (<-addresses).String()
	path := filepath.Join(state, "geoip", "GeoLite2-City.mmdb")
	await(t, "the database", func() (bool, string) {
		text := get(t, base+"/metrics")
		return strings.Contains(text, `siem_feed_refreshes_total{feed="geoip/GeoLite2-City",result="changed"} 1`), text
	})
	meta, err := os.ReadFile(path + ".json")
	if err != nil {
		t.Fatal(err)
	}
	checked := regexp.MustCompile(`"checked":"[^"]*"`)
	leftAlone := regexp.MustCompile(`tried again in 2[456]h`) // with up to a tenth of jitter
	html := "<html>sign in with " + key + "</html>"
	var seen strings.Builder
	for name, fault := range map[string]struct {
		answer http.HandlerFunc
		want   string
	}{
		"401": {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, html, http.StatusUnauthorized) }, "401 Unauthorized; the key or password is not accepted: check it"},
		"429": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "86400")
			http.Error(w, html, http.StatusTooManyRequests)
		}, "429 Too Many Requests"},
		"503":  {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, html, http.StatusServiceUnavailable) }, "503"},
		"HTML": {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, html) }, "refused"},
		"truncated": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(len(good)))
			_, _ = w.Write(good[:len(good)/2])
		}, "it broke off after"},
		"another checksum": {func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Query().Get("suffix") == "tar.gz.sha256" {
				fmt.Fprint(w, hex.EncodeToString(make([]byte, sha256.Size)))
				return
			}
			_, _ = w.Write(good)
		}, "its SHA-256 is"},
	} {
		misbehave.Store(&fault.answer)
		// Thirteen hours pass.
		old := checked.ReplaceAllString(string(meta), `"checked":"`+time.Now().Add(-13*time.Hour-20*time.Minute).UTC().Format(time.RFC3339)+`"`)
		if err := os.WriteFile(path+".json", []byte(old), 0o600); err != nil {
			t.Fatal(err)
		}
		reload <- os.Interrupt
		<-addresses
		await(t, name, func() (bool, string) {
			text := get(t, base+"/healthz")
			return strings.Contains(text, `"status":"degraded"`) && strings.Contains(text, fault.want) && strings.Contains(text, "the last good copy was checked 13h20m"), text
		})
		seen.WriteString(get(t, base+"/healthz") + get(t, base+"/metrics"))
		if name == "429" && !leftAlone.MatchString(get(t, base+"/healthz")) {
			t.Errorf("the publisher asked to be left alone: %s", get(t, base+"/healthz"))
		}
		if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, database) {
			t.Errorf("%s: the database is another, %v", name, err)
		}
	}
	misbehave.Store(nil)
	reload <- os.Interrupt
	<-addresses
	await(t, "recovery", func() (bool, string) {
		text := get(t, base+"/healthz")
		return strings.Contains(text, `"status":"ok"`) && strings.Contains(get(t, base+"/metrics"), `result="changed"} 1`), text
	})
	end()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	said := log.String()
	if strings.Contains(seen.String()+said, "tOpSeCrEt") || !strings.Contains(said, "feed not refreshed") {
		t.Errorf("the key is in what is said, or nothing is: %s", said)
	}
}
