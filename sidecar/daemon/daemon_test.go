package daemon

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fluent-siem/fluent-siem/internal/process"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// await waits until ok, or fails with what it said last.
func await(t testing.TB, what string, ok func() (bool, string)) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		done, said := ok()
		if done {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s does not come: %s", what, said)
		}
	}
}

func get(t testing.TB, url string) string {
	resp, err := http.Get(url)
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err.Error()
	}
	return string(body)
}

// TestLife runs a sidecar: feeds, health and metrics of its own and of a process
// beside it, a changed file, a bad one, and the end.
func TestLife(t *testing.T) {
	defer http.DefaultClient.CloseIdleConnections()
	dir := t.TempDir()
	state := filepath.Join(dir, "s")
	beside := process.New()
	stop, err := beside.Serve(state)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	if err := os.Symlink(process.SocketName(), filepath.Join(state, "fluent-siem-99999999.sock")); err != nil {
		t.Fatal(err)
	}
	database, err := filepath.Abs("../../filters/enrich/testdata/mmdb/GeoLite2-City-Test.mmdb")
	if err != nil {
		t.Fatal(err)
	}
	notified, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "n"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer notified.Close()
	t.Setenv("NOTIFY_SOCKET", filepath.Join(dir, "n"))
	hear := func(want string) {
		t.Helper()
		b := make([]byte, 1000)
		_ = notified.SetReadDeadline(time.Now().Add(20 * time.Second))
		n, err := notified.Read(b)
		if err != nil || !strings.HasPrefix(string(b[:n]), want) {
			t.Errorf("systemd hears %q, %v; want %s", b[:n], err, want)
		}
	}
	file := filepath.Join(dir, "sidecar.yaml")
	write := func(extra string) {
		t.Helper()
		text := fmt.Sprintf("state_dir: %s\nlisten: 127.0.0.1:0\ngeoip:\n  sources:\n    - name: GeoLite2-City\n      url: %s\n%s", state, database, extra)
		if err := os.WriteFile(file+".new", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(file+".new", file); err != nil {
			t.Fatal(err)
		}
	}
	write("")
	ctx, end := context.WithCancel(t.Context())
	addresses := make(chan net.Addr, 10)
	ended := make(chan error, 1)
	go func() {
		ended <- Run(ctx, file, Options{Log: slog.New(slog.DiscardHandler), Ready: func(a net.Addr) { addresses <- a }})
	}()
	base := "http://" + (<-addresses).String()
	hear("READY=1")
	await(t, "the database", func() (bool, string) {
		text := get(t, base+"/metrics")
		return strings.Contains(text, `siem_geoip_build_timestamp_seconds{database="GeoLite2-City",type="GeoLite2-City"}`) && strings.Contains(text, `siem_feed_refreshes_total{feed="geoip/GeoLite2-City",result="changed"} 1`), text
	})
	for _, want := range []string{`siem_process_up{process="99999999"} 1`, `siem_leases_open{process="99999999"} 0`} {
		if text := get(t, base+"/metrics"); !strings.Contains(text, want+"\n") {
			t.Errorf("%s is missing in\n%s", want, text)
		}
	}
	if text := get(t, base+"/"); !strings.Contains(text, "<title>fluent-siem</title>") {
		t.Error(text)
	}
	await(t, "the first sample", func() (bool, string) {
		text := get(t, base+"/status")
		return strings.Contains(text, `"processes":[{"pid":"99999999","up":true}]`), text
	})
	health := func() (h Health) {
		t.Helper()
		if err := json.Unmarshal([]byte(get(t, base+"/healthz")), &h); err != nil {
			t.Error(err)
		}
		return h
	}
	if h := health(); h.Status != "ok" || len(h.Problems) != 0 {
		t.Errorf("%+v", h)
	}
	beside.SetHealth("s3_sqs", "no queue")
	if h := health(); h.Status != "degraded" || len(h.Problems) != 1 || h.Problems[0].Component != "process 99999999: s3_sqs" || h.Problems[0].Problem != "no queue" {
		t.Errorf("%+v", h)
	}
	beside.SetHealth("s3_sqs", "")

	// A file with an error is refused; the old one goes on, and health says so.
	write("    - name: x\n      ulr: y\n")
	await(t, "the refusal", func() (bool, string) {
		h := health()
		return len(h.Problems) == 1 && strings.Contains(h.Problems[0].Problem, "geoip.sources[2].ulr: is no setting; did you mean url?"), fmt.Sprint(h)
	})
	// A source that is not there is degraded, with its reason.
	write("    - name: missing\n      url: " + filepath.Join(dir, "missing.mmdb") + "\n")
	hear("RELOADING=1")
	<-addresses
	hear("READY=1")
	await(t, "the degraded source", func() (bool, string) {
		h := health()
		return len(h.Problems) == 1 && h.Problems[0].Component == "geoip/missing" && strings.Contains(h.Problems[0].Problem, "no such file") && strings.Contains(h.Problems[0].Problem, "there is no good copy yet"), fmt.Sprint(h)
	})
	if text := get(t, base+"/metrics"); !strings.Contains(text, `siem_sidecar_degraded{component="geoip/missing"} 1`) {
		t.Error(text)
	}
	end()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	hear("STOPPING=1")
	if left, _ := filepath.Glob(filepath.Join(state, "geoip", ".*")); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

func TestWhatCannotBegin(t *testing.T) {
	file := filepath.Join(t.TempDir(), "sidecar.yaml")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for text, want := range map[string]string{
		"listen: here\nlog_level: loud\nsate_dir: x\n": "listen: \"here\" is no address",
		"listen: " + l.Addr().String() + "\n":          "listen: ",
		"geoip:\n  editions: [GeoLite2-City]\n":        "geoip.licence_key: editions need a key",
		"a: [":                                         "",
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := Run(t.Context(), file, Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
	if err := Run(t.Context(), file+".missing", Options{}); err == nil {
		t.Error("a missing file")
	}
}
