package host_test

import (
	"flag"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// tooLong is how long the engine may be away on a busy machine; an input that
// starves it keeps it away for as long as there is something to read.
const tooLong = 5

func configPath(t *testing.T) string { return filepath.Join(t.TempDir(), "pipeline.conf") }

// Several instances of each plugin, filters in a chain, in the layouts of every version.
func TestEveryEra(t *testing.T) {
	for _, era := range eras {
		t.Run(era, func(t *testing.T) {
			a, b := newPipe(t, "era-a"), newPipe(t, "era-b")
			b.next = 300 // other records
			one, two := newCluster(t), newCluster(t)
			n := a.put(3, 500) + b.put(3, 500)
			conf := configPath(t)
			writeConfig(t, conf, ours, a.input(), b.input(), filterECS("siem.a*"), filterECS("siem.*l*"),
				one.output(t, "siem.cloudtrail"), two.output(t, "siem.alb"), two.output(t, "siem.vpc*"))
			h := start(t, "test-host", conf, "--era", era)
			h.waitEmpty(t.Context(), a, b)
			h.awaitDocuments(one, n/3)
			h.awaitDocuments(two, n-n/3)
			s := h.stop(20 * time.Second)
			if s.Era != era || s.LongestTurn > tooLong {
				t.Errorf("era %s, the engine was away for %.2f s", s.Era, s.LongestTurn)
			}
			for _, i := range s.Instances {
				if i.Errors+i.Dropped+i.Refused > 0 {
					t.Errorf("%s: %d errors, %d records dropped, %d appends refused", i.Name, i.Errors, i.Dropped, i.Refused)
				}
			}
		})
	}
}

// rounds is how often the two tests below do what they do; `make reload` says 200.
var rounds = flag.Int("rounds", 20, "how often to reload, and to stop")

func TestReloadsUnderLoad(t *testing.T) {
	p, c := newPipe(t, "reload"), newCluster(t)
	conf := configPath(t)
	writeConfig(t, conf, ours, p.input(), filterECS("siem*"), c.output(t, "siem*"))
	h := start(t, "test-host", conf)
	h.awaitLog("host: started", 1)
	n := 0
	for i := range *rounds {
		n += p.put(3, 300)
		h.signal(syscall.SIGHUP)
		h.awaitLog("host: reloaded", i+1)
	}
	h.waitEmpty(t.Context(), p)
	h.awaitDocuments(c, n)
	h.stop(20 * time.Second)
}

// Whatever is under way when the end comes: no crash, and what was on its way is
// loaded by the next, once.
func TestStopsAtAnyMoment(t *testing.T) {
	const seed = 5
	t.Log("seed", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	p, c := newPipe(t, "stop"), newCluster(t)
	conf := configPath(t)
	writeConfig(t, conf, ours, p.input("drain_timeout", "1s"), filterECS("siem*"), c.output(t, "siem*"))
	n := 0
	for range *rounds {
		n += p.put(3, 300)
		h := start(t, "test-host", conf)
		h.awaitLog("host: started", 1)
		time.Sleep(time.Duration(r.IntN(150)) * time.Millisecond) // the moment
		h.stop(20 * time.Second)
	}
	h := start(t, "test-host", conf)
	h.waitEmpty(t.Context(), p)
	h.awaitDocuments(c, n)
	h.stop(20 * time.Second)
}

// A reload must not end the agent, nor hang on chunks that cannot be stored.
func TestReloadWithABadConfiguration(t *testing.T) {
	p, c := newPipe(t, "bad"), newCluster(t)
	conf := configPath(t)
	writeConfig(t, conf, ours, p.input(), filterECS("siem*"), c.output(t, "siem*"))
	h := start(t, "test-host", conf)
	h.awaitLog("host: started", 1)

	writeConfig(t, conf, ours, section{"input", "name", "s3_sqs", "tag", "siem"}, filterECS("siem*", "document_id", "fanciful"),
		section{"output", "name", "opensearch_bulk", "match", "siem*", "workers", "1", "retry_limit", "no_limits", "endpoint", "nonsense"})
	h.signal(syscall.SIGHUP)
	h.awaitLog("host: reloaded", 1)
	for _, want := range []string{"queue_url", "document_id", "endpoint"} {
		if !strings.Contains(h.log.String(), want) {
			t.Errorf("the log does not name %s", want)
		}
	}
	n := p.put(3, 300)

	writeConfig(t, conf, ours, p.input(), filterECS("siem*"), c.output(t, "siem*"))
	h.signal(syscall.SIGHUP)
	h.awaitLog("host: reloaded", 2)
	h.waitEmpty(t.Context(), p)
	h.awaitDocuments(c, n)
	h.stop(20 * time.Second)
}

func TestReloadWhileTheClusterIsBusy(t *testing.T) {
	p, c := newPipe(t, "busy"), newCluster(t)
	c.set(0, true)
	conf := configPath(t)
	writeConfig(t, conf, ours, p.input("visibility_timeout", "10s"), filterECS("siem*"), c.output(t, "siem*"))
	n := p.put(3, 300)
	h := start(t, "test-host", conf)
	h.awaitLog("cannot take documents now", 1)
	h.signal(syscall.SIGHUP) // the host waits for chunks without a limit
	h.awaitLog("host: reloaded", 1)
	c.set(0, false)
	h.waitEmpty(t.Context(), p)
	h.awaitDocuments(c, n)
	h.stop(20 * time.Second)
}

// What cannot work is refused at the start, every problem named, without a crash.
func TestRefusedStart(t *testing.T) {
	p, c := newPipe(t, "refused"), newCluster(t)
	for name, test := range map[string]struct {
		sections []section
		want     []string
	}{
		"output":         {[]section{p.input(), filterECS("siem*"), c.output(t, "siem*"), {"output", "name", "opensearch_bulk", "match", "none", "auth", "magic"}}, []string{"endpoint", "auth"}},
		"filter":         {[]section{p.input(), filterECS("siem*"), {"filter", "name", "ecs", "match", "siem*", "document_id", "x"}, c.output(t, "siem*")}, []string{"document_id"}},
		"input":          {[]section{p.input(), {"input", "name", "s3_sqs", "memory_limit", "much"}, filterECS("siem*"), c.output(t, "siem*")}, []string{"queue_url", "memory_limit"}},
		"another plugin": {[]section{p.input(), filterECS("siem*"), c.output(t, "siem*"), {"output", "name", "fail", "match", "*"}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			conf := configPath(t)
			writeConfig(t, conf, ours, test.sections...)
			h := start(t, "test-host", conf)
			if s := h.status(20 * time.Second); s != 255 {
				t.Errorf("the host ended with %v, want status 255", h.cmd.ProcessState)
			}
			for _, want := range test.want {
				if !strings.Contains(h.log.String(), want+": ") {
					t.Errorf("the log does not name %s", want)
				}
			}
			if strings.Contains(h.log.String(), "VIOLATION") {
				t.Error("a violation")
			}
		})
	}
}

func TestDryRun(t *testing.T) {
	p, c := newPipe(t, "dry"), newCluster(t)
	for _, era := range eras {
		conf := configPath(t)
		writeConfig(t, conf, ours, p.input(), filterECS("siem*"), c.output(t, "siem*"), c.output(t, "siem*"))
		if s := start(t, "test-host", conf, "--era", era, "--dry-run").status(20 * time.Second); s != 0 {
			t.Errorf("era %s: status %d", era, s)
		}
	}
}

// A host that exports nothing: the input returns its buffers, the filter says what is missing.
func TestHostWithoutFunctions(t *testing.T) {
	p := newPipe(t, "bare")
	n := p.put(1, 300)
	dir := t.TempDir()
	conf := configPath(t)
	writeConfig(t, conf, ours, p.input("acknowledge", "queued"), section{"output", "name", "file", "match", "siem", "path", dir, "file", "records", "format", "plain"})
	h := start(t, "test-host-bare", conf)
	h.await("the records", 20*time.Second, func() bool {
		b, err := os.ReadFile(filepath.Join(dir, "records"))
		return err == nil && strings.Count(string(b), "\n") == n
	})
	h.waitEmpty(t.Context(), p)
	h.stop(20 * time.Second)

	writeConfig(t, conf, ours, p.input(), filterECS("siem*"))
	h = start(t, "test-host-bare", conf)
	if s := h.status(20 * time.Second); s != 255 || !strings.Contains(h.log.String(), "flb_filter_set_context") {
		t.Errorf("ended with %v", h.cmd.ProcessState)
	}
}

// A cluster that does not answer must not hold up the end, nor the engine.
func TestStopsWithinGrace(t *testing.T) {
	p, c := newPipe(t, "grace"), newCluster(t)
	c.set(time.Hour, false)
	conf := configPath(t)
	writeConfig(t, conf, ours, p.input(), filterECS("siem*"), c.output(t, "siem*"))
	p.put(6, 3000)
	h := start(t, "test-host", conf)
	h.await("a request", 20*time.Second, func() bool { return p.aws.Queue(p.bucket).Stats().InFlight > 0 })
	began := time.Now()
	s := h.stop(30 * time.Second)
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("the end took %v, with a grace of 5 s", took)
	}
	if s.LongestTurn > tooLong {
		t.Errorf("the engine was away for %.2f s", s.LongestTurn)
	}
}

// The host pauses an input whose buffer is full; of two instances the other goes on.
func TestPauseAndResume(t *testing.T) {
	a, b, c := newPipe(t, "pause-a"), newPipe(t, "pause-b"), newCluster(t)
	b.next = 300 // other records
	c.set(50*time.Millisecond, false)
	conf := configPath(t)
	writeConfig(t, conf, ours, a.input("mem_buf_limit", "1M"), b.input("mem_buf_limit", "1M"), filterECS("siem*"), c.output(t, "siem*"))
	n := a.put(9, 3000) + b.put(9, 3000)
	h := start(t, "test-host", conf)
	h.waitEmpty(t.Context(), a, b)
	h.awaitDocuments(c, n)
	s := h.stop(20 * time.Second)
	var pauses int64
	for _, i := range s.Instances {
		pauses += i.Pauses
		if i.Refused > 0 {
			t.Errorf("%s: %d appends were refused", i.Name, i.Refused)
		}
	}
	if pauses == 0 {
		t.Error("no input was paused: the limit was never reached")
	}
}

// The ring may be tiny: it counts buffers.
func TestTinyRing(t *testing.T) {
	p, c := newPipe(t, "tiny"), newCluster(t)
	n := p.put(9, 2000)
	conf := configPath(t)
	writeConfig(t, conf, ours, p.input("thread.ring_buffer.capacity", "2"), filterECS("siem*"), c.output(t, "siem*"))
	h := start(t, "test-host", conf)
	h.waitEmpty(t.Context(), p)
	h.awaitDocuments(c, n)
	h.stop(20 * time.Second)
}

// With the filter under its other name, beside the first.
func TestFilterByItsOtherName(t *testing.T) {
	p, c := newPipe(t, "namesake"), newCluster(t)
	n := p.put(3, 200)
	conf := configPath(t)
	writeConfig(t, conf, append([]string{"flb-filter_siem_ecs"}, ours...), p.input(), section{"filter", "name", "siem_ecs", "match", "siem*"}, c.output(t, "siem*"))
	h := start(t, "test-host", conf)
	h.waitEmpty(t.Context(), p)
	h.awaitDocuments(c, n)
	h.stop(20 * time.Second)
}
