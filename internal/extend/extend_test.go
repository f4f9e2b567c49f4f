package extend

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fluent-siem/fluent-siem/extension"
	"github.com/fluent-siem/fluent-siem/internal/extend/extendtest"
	"github.com/fluent-siem/fluent-siem/internal/settings/settingstest"
)

// TestMain makes this test the extension that it tests: the first argument says
// how it behaves.
func TestMain(m *testing.M) {
	if os.Getenv(extension.Handshake.MagicCookieKey) == "" {
		os.Exit(m.Run())
	}
	behave(os.Args[1])
}

func behave(how string) {
	switch how {
	case "version":
		fmt.Println("1|7|unix|" + filepath.Join(os.Getenv("PLUGIN_UNIX_SOCKET_DIR"), "s") + "|grpc")
		time.Sleep(time.Hour)
	case "tcp":
		fmt.Println("1|1|tcp|127.0.0.1:1|grpc")
		time.Sleep(time.Hour)
	case "elsewhere":
		fmt.Println("1|1|unix|/var/run/other.sock|grpc")
		time.Sleep(time.Hour)
	case "netrpc":
		fmt.Println("1|1|unix|" + filepath.Join(os.Getenv("PLUGIN_UNIX_SOCKET_DIR"), "s") + "|netrpc")
		time.Sleep(time.Hour)
	case "silent":
		time.Sleep(time.Hour)
	case "chatter":
		fmt.Println(strings.Repeat("chatter ", 1<<14))
		time.Sleep(time.Hour)
	case "broken":
		fmt.Fprintln(os.Stderr, "no module named owners")
		os.Exit(3)
	}
	e := extension.Extension{Transform: transform, Transformer: answers[how], Fetch: indicators(how)}
	if name, ok := strings.CutPrefix(how, "stream-"); ok {
		e.Feed = stream{how: name}
	}
	extension.Serve(e)
}

// transform does what a document says.
func transform(_ context.Context, logType string, document []byte) ([]byte, error) {
	switch what := string(document); what {
	case "same":
		return nil, nil
	case "drop":
		return nil, fmt.Errorf("%w: not wanted", extension.ErrDrop)
	case "fail":
		return nil, errors.New("no owner")
	case "die":
		_, _ = syscall.Write(2, []byte("last words\n")) // os.Stderr is go-plugin's by now, and goes the way of answers
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	case "hang":
		time.Sleep(time.Hour)
	case "pid":
		return fmt.Appendf(nil, "%d", os.Getpid()), nil
	case "environment":
		return []byte(strings.Join(os.Environ(), "\n")), nil
	case "files":
		return files(), nil
	case "child":
		cmd := exec.Command("sleep", "1000")
		_ = cmd.Start()
		return fmt.Appendf(nil, "%d", cmd.Process.Pid), nil
	case "noise":
		for i := range 1000 {
			fmt.Fprintln(os.Stderr, "line", i, strings.Repeat("x", 5000))
		}
		fmt.Println("on stdout, after the handshake")
	}
	return append([]byte(logType+":"), document...), nil
}

func files() []byte {
	list, _ := filepath.Glob("/proc/self/fd/*")
	var b bytes.Buffer
	for _, name := range list {
		to, _ := os.Readlink(name)
		fmt.Fprintln(&b, name, to)
	}
	return b.Bytes()
}

// answers are transformers that do not keep to the protocol.
var answers = map[string]extension.TransformerServer{
	"short": answer(func(in *extension.TransformRequest) []*extension.Result {
		return make([]*extension.Result, len(in.Documents)-1)
	}),
	"long": answer(func(in *extension.TransformRequest) []*extension.Result {
		return make([]*extension.Result, len(in.Documents)+1)
	}),
	"nothing": answer(func(in *extension.TransformRequest) []*extension.Result {
		return make([]*extension.Result, len(in.Documents))
	}),
	"huge": answer(func(in *extension.TransformRequest) []*extension.Result {
		return []*extension.Result{{Outcome: &extension.Result_Document{Document: make([]byte, 20<<20)}}}
	}),
	"large": answer(func(in *extension.TransformRequest) []*extension.Result {
		return []*extension.Result{{Outcome: &extension.Result_Document{Document: make([]byte, 9<<20)}}}
	}),
}

type answering struct {
	extension.UnimplementedTransformerServer
	do func(*extension.TransformRequest) []*extension.Result
}

func answer(do func(*extension.TransformRequest) []*extension.Result) extension.TransformerServer {
	return answering{do: do}
}

func (a answering) Transform(_ context.Context, in *extension.TransformRequest) (*extension.TransformResponse, error) {
	return &extension.TransformResponse{Results: a.do(in)}, nil
}

// rig is an extension under test, and what was said of it.
type rig struct {
	*Transformer
	t   *testing.T
	log *record

	mu     sync.Mutex
	health map[string]string
}

// record keeps what is logged.
type record struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (r *record) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(b)
}

func (r *record) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}

// self is the configuration of this test as an extension.
func self(t *testing.T, how string) TransformerConfig {
	t.Helper()
	cfg := Defaults()
	cfg.Name, cfg.Args = "self", []string{how}
	cfg.Command, cfg.SHA256 = extendtest.Self(t)
	cfg.LogTypes, cfg.Timeout = []string{"cloudtrail"}, 20*time.Second
	return cfg
}

func newRig(t *testing.T, cfg TransformerConfig) *rig {
	r := &rig{t: t, log: &record{}, health: map[string]string{}}
	r.Transformer = NewTransformer(cfg, r.env())
	t.Cleanup(r.Close)
	return r
}

func (r *rig) env() Env {
	return Env{
		Log: slog.New(slog.NewTextHandler(r.log, nil)),
		Health: func(component, problem string) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.health[component] = problem
		},
		Metrics: func(c prometheus.Collector) prometheus.Collector { return c },
	}
}

func (r *rig) problem() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.health["extension/self"]
}

// transform is Transform of texts, as texts.
func (r *rig) transform(documents ...string) []string {
	r.t.Helper()
	var in [][]byte
	for _, d := range documents {
		in = append(in, []byte(d))
	}
	results := r.Transform(context.Background(), "cloudtrail", in)
	if len(results) != len(in) {
		r.t.Fatalf("%d results for %d documents", len(results), len(in))
	}
	var out []string
	for _, one := range results {
		switch one.Outcome {
		case Changed:
			out = append(out, string(one.Document))
		default:
			out = append(out, one.Outcome.String()+" "+one.Reason)
		}
	}
	return out
}

// until waits for a condition.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("in vain: %s", what)
		}
	}
}

// gone reports whether a process has ended, whether or not it was waited for.
func gone(pid string) bool {
	text, err := os.ReadFile("/proc/" + pid + "/stat")
	return err != nil || strings.Contains(string(text), ") Z ")
}

func TestManual(t *testing.T) {
	settingstest.CheckManual(t, "../../conf/extensions.md", "config.go", Defaults())
}

func TestEachDocumentGetsItsResult(t *testing.T) {
	r := newRig(t, self(t, "ok"))
	got := r.transform("one", "same", "drop", "fail", "two")
	want := []string{"cloudtrail:one", "unchanged ", "dropped dropped: not wanted", "failed it says: no owner", "cloudtrail:two"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if r.problem() != "" {
		t.Errorf("health says %q", r.problem())
	}
}

// Whatever it answers, there is a result for each document.
func TestGarbageIsAnError(t *testing.T) {
	for how, want := range map[string]string{
		"short":   "failed it returned 1 results for 2 documents",
		"long":    "failed it returned 3 results for 2 documents",
		"nothing": "failed its result says nothing",
		"huge":    "larger than max",
	} {
		r := newRig(t, self(t, how))
		for _, got := range r.transform("a", "b") {
			if !strings.Contains(got, want) {
				t.Errorf("%s: %q, want %q", how, got, want)
			}
		}
	}
	r := newRig(t, self(t, "large"))
	if got := r.transform("a"); !strings.Contains(got[0], "its document has 9437184 bytes") {
		t.Errorf("%q", got)
	}
	if got := r.transform(strings.Repeat("x", LargestDocument+1)); !strings.Contains(got[0], "too large for an extension") {
		t.Errorf("%q", got)
	}
}

// What may not run does not run, and health says why.
func TestWhatIsRefused(t *testing.T) {
	wrong := self(t, "ok")
	wrong.SHA256 = strings.Repeat("0", 64)
	writable := self(t, "ok")
	writable.Command = filepath.Join(t.TempDir(), "extension")
	if err := os.WriteFile(writable.Command, []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(writable.Command, 0o722); err != nil {
		t.Fatal(err)
	}
	writable.SHA256 = extendtest.Sum(t, writable.Command)
	missing := self(t, "ok")
	missing.Command += "-missing"
	for name, c := range map[string]struct {
		cfg  TransformerConfig
		want string
	}{
		"checksum":  {wrong, "has another SHA-256 than the configuration says"},
		"writable":  {writable, "may be written by others"},
		"missing":   {missing, "no such file"},
		"version":   {self(t, "version"), "another version of the protocol than 1"},
		"tcp":       {self(t, "tcp"), "it listens at tcp"},
		"elsewhere": {self(t, "elsewhere"), "must listen at a Unix socket in the folder"},
		"netrpc":    {self(t, "netrpc"), "unsupported plugin protocol"},
		"broken":    {self(t, "broken"), "no module named owners"},
		"chatter":   {self(t, "chatter"), "Unrecognized remote plugin message"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.cfg.Timeout = 10 * time.Millisecond // no second try
			r := newRig(t, c.cfg)
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			r.Await(ctx)
			if got := r.problem(); !strings.Contains(got, c.want) || !strings.Contains(got, "[FS3101]") || !strings.Contains(got, "started again in") {
				t.Errorf("health says %q, want %q", got, c.want)
			}
			r.Config.Timeout = time.Second
			if got := r.transform("a"); !strings.Contains(got[0], "failed it is down") && !strings.Contains(got[0], "not ready") {
				t.Errorf("%q", got)
			}
		})
	}
}

func TestWhatIsNotReadyInTimeIsKilled(t *testing.T) {
	cfg := self(t, "silent")
	cfg.StartTimeout = time.Second
	r := newRig(t, cfg)
	until(t, "health", func() bool { return strings.Contains(r.problem(), "start") })
}

// A process that is killed is another soon, and the call in its hands is done
// again.
func TestKilledUnderACall(t *testing.T) {
	r := newRig(t, self(t, "ok"))
	first := r.transform("pid")[0]
	n, err := strconv.Atoi(first)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := syscall.Kill(n, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		second := r.transform("pid")[0]
		if n, err = strconv.Atoi(second); err != nil || second == first {
			t.Fatalf("after its end: %q", second)
		}
		first = second
	}
	if got := r.transform("die"); !strings.HasPrefix(got[0], "failed ") {
		t.Errorf("a document that kills it twice: %q", got)
	}
	until(t, "health says what it wrote last", func() bool { return strings.Contains(r.log.String(), "last words") })
	if got := r.transform("one"); got[0] != "cloudtrail:one" {
		t.Errorf("later: %q", got)
	}
}

// Batches go to each process in turn, and to those that run when one does not.
func TestProcessesShareTheWork(t *testing.T) {
	cfg := self(t, "ok")
	cfg.Processes, cfg.Timeout = 2, 700*time.Millisecond
	r := newRig(t, cfg)
	r.Await(t.Context())
	pids := map[string]bool{}
	for range 6 {
		pids[r.transform("pid")[0]] = true
	}
	if len(pids) != 2 {
		t.Fatalf("%v", pids)
	}
	if got := r.transform("hang"); !strings.Contains(got[0], "did not answer") { // that one waits a while then
		t.Errorf("%q", got)
	}
	until(t, "one of them is down", func() bool { return r.processes[0].up() != r.processes[1].up() })
	for range 6 {
		if got := r.transform("pid")[0]; !pids[got] {
			t.Errorf("%q", got)
		}
	}
}

func TestTheTimeLimitHolds(t *testing.T) {
	cfg := self(t, "ok")
	cfg.Timeout = 700 * time.Millisecond
	r := newRig(t, cfg)
	r.Await(t.Context())
	pid := r.transform("pid")[0]
	began := time.Now()
	got := r.transform("hang", "one")
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("it took %v", took)
	}
	if !strings.Contains(got[0], "did not answer within timeout") || got[0] != got[1] {
		t.Errorf("%q", got)
	}
	until(t, "the process is killed", func() bool { return gone(pid) })
	until(t, "health", func() bool { return r.problem() != "" })
	began = time.Now()
	if got := r.transform("one"); !strings.HasPrefix(got[0], "failed") || time.Since(began) > 300*time.Millisecond { // the pause after a hang is longer than the limit
		t.Errorf("after %v: %q", time.Since(began), got)
	}
	until(t, "it is back", func() bool { return r.transform("one")[0] == "cloudtrail:one" })
}

// It has nothing of ours: environment, files, standard input. What is named it has.
func TestNothingLeaks(t *testing.T) {
	t.Setenv("AWS_SECRET_ACCESS_KEY", "tOpSeCrEt")
	t.Setenv("OWNERS_URL", "https://owners.example")
	open, err := syscall.Open("/etc/passwd", syscall.O_RDONLY, 0) // as C opens files
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Close(open) }()
	cfg := self(t, "ok")
	cfg.Environment = []string{"OWNERS_URL", "NOT_SET"}
	r := newRig(t, cfg)
	environment := r.transform("environment")[0]
	if strings.Contains(environment, "tOpSeCrEt") || !strings.Contains(environment, "OWNERS_URL=https://owners.example") || strings.Contains(environment, "NOT_SET") || strings.Contains(environment, "HOME=") {
		t.Errorf("its environment:\n%s", environment)
	}
	if files := r.transform("files")[0]; strings.Contains(files, "/etc/passwd") || !strings.Contains(files, "fd/0 /dev/null") {
		t.Errorf("its files:\n%s", files)
	}
}

// It ends with Close, and so does what it started.
func TestNothingIsLeftBehind(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	r := newRig(t, self(t, "ok"))
	pids := append(r.transform("pid"), r.transform("child")...)
	r.Close()
	for _, pid := range pids {
		until(t, "process "+pid+" ends", func() bool { return gone(pid) })
	}
	if left, err := os.ReadDir(os.TempDir()); err != nil || len(left) > 0 {
		t.Errorf("folders of sockets stay: %v %v", left, err)
	}
	if got := r.transform("one"); !strings.HasPrefix(got[0], "failed") {
		t.Errorf("after Close: %q", got)
	}
}

func TestWhatItWritesIsBounded(t *testing.T) {
	r := newRig(t, self(t, "ok"))
	if got := r.transform("noise"); got[0] != "cloudtrail:noise" {
		t.Errorf("%q", got)
	}
	r.Close()
	text := r.log.String()
	if n := strings.Count(text, "an extension writes"); n < linesAtOnce || n > linesAtOnce+10 || len(text) > 60<<10 {
		t.Errorf("%d lines of 1000 are logged, %d bytes", n, len(text))
	}
}

// A changed file is put into use without a failed call; what stays named goes on.
func TestAChangedFileIsTakenIntoUse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "extensions.yaml")
	cfg := self(t, "ok")
	write := func(args string) {
		text := fmt.Sprintf("extensions:\n  - name: self\n    command: %s\n    sha256: %s\n    args: [%s]\n    log_types: [cloudtrail]\n    timeout: 20s\n", cfg.Command, cfg.SHA256, args)
		if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
	}
	write("ok")
	r := &rig{t: t, log: &record{}, health: map[string]string{}}
	all := Open(path, r.env())
	defer all.Close()
	pid := func() string {
		results, _ := all.Transform(t.Context(), "cloudtrail", [][]byte{[]byte("pid")})
		if results[0].Outcome != Changed {
			t.Fatalf("%+v\n%s", results, r.log)
		}
		return string(results[0].Document)
	}
	first := pid()
	if all.For("vpcflowlogs") != nil {
		t.Error("another type has it")
	}
	write("ok, again")
	until(t, "another process", func() bool { return pid() != first })
	until(t, "the first is gone", func() bool { return gone(first) })
	second := pid()
	if err := os.WriteFile(path, []byte("extensions:\n  - name: self\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	until(t, "the file is refused", func() bool { return strings.Contains(r.log.String(), "is refused") })
	if pid() != second {
		t.Error("a refused file changed something")
	}
}
