package e2e

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/fluent-siem/fluent-siem/test/corpus"
	"github.com/fluent-siem/fluent-siem/test/rig"
	"github.com/fluent-siem/fluent-siem/test/services/faultproxy"
)

// deadLetters are those of the output, as lines.
func (a *arena) deadLetters() (lines []string) {
	a.Helper()
	letters, err := a.setup.Letters(a.Context())
	a.must(err)
	for _, l := range letters {
		line, err := json.Marshal(l)
		a.must(err)
		lines = append(lines, string(line))
	}
	return lines
}

// unmappable makes an object of n records of which one cannot be stored: its
// requestParameters.size is no number, as the index demands.
func unmappable(cloudTrail corpus.Type, first, n, bad int) corpus.Object {
	o := cloudTrail.Object(first, n)
	lines := bytes.SplitAfter(cloudTrail.Text(first, n), []byte("\n"))
	for i, line := range lines {
		if k, ok := cloudTrail.Number(string(line)); ok && k == bad {
			lines[i] = bytes.Replace(line, []byte(`"bucketName":"invoices"`), []byte(`"size":"not a number"`), 1)
		}
	}
	o.Body = corpus.Gzip(bytes.Join(lines, nil))
	return o
}

// TestNothingIsLostToABadCluster: half the items are answered with 429, then
// the cluster refuses connections for 30 s, and one record in 10,000 cannot be
// mapped. That one becomes a dead letter; all others are stored once.
func TestNothingIsLostToABadCluster(t *testing.T) {
	inEach(t, func(t *testing.T, h rig.Host) {
		t.Parallel()
		a := arrange(t)
		proxy := a.proxied(faultproxy.Faults{Busy: 0.5})
		a.setup.Output = rig.Settings{"repair": "none"} // so that there is a dead letter
		const n, size, bad = 10_000, 500, 7_777
		for first := 0; first < n; first += size {
			o := a.types[0].Object(first, size)
			if first <= bad && bad < first+size {
				o = unmappable(a.types[0], first, size, bad)
			}
			a.put(o)
		}
		p := a.start(h)
		a.must(p.Await(t.Context(), func() error {
			if c := proxy.Counts(); c.Items > 0 && c.Refused > 0 {
				return nil
			}
			return errNothingYet
		}))
		proxy.Down()
		for down := time.Now(); time.Since(down) < 30*time.Second; time.Sleep(time.Second) { // the fault itself
			began := time.Now()
			if _, err := p.Metrics(t.Context()); err != nil || time.Since(began) > 2*time.Second {
				t.Errorf("metrics while the cluster is down: %v after %v", err, time.Since(began))
			}
		}
		a.must(proxy.Up())
		a.drained(p, 3*time.Minute)
		a.stop(p, 15*time.Second)
		a.once(a.stored(), corpus.CloudTrail, 0, n, bad)
		letters := a.deadLetters()
		if len(letters) != 1 || !strings.Contains(letters[0], "not a number") || !strings.Contains(letters[0], a.bucket) {
			t.Errorf("%d dead letters, want the one of record %d: %.2000s", len(letters), bad, strings.Join(letters, "\n"))
		}
		t.Logf("%+v", proxy.Counts())
	})
}

// TestStopsWithinGraceUnderLoad: while the pipeline has all it can do and the
// cluster is slow, metrics answer, SIGTERM ends the process within grace, and
// the next one loads what is left: nothing is lost or doubled.
func TestStopsWithinGraceUnderLoad(t *testing.T) {
	inEach(t, func(t *testing.T, h rig.Host) {
		a := arrange(t)
		// So slow that a good part cannot be done within grace, and more than memory_limit lets in at once.
		proxy := a.proxied(faultproxy.Faults{Delay: 3 * time.Second})
		a.setup.Input = rig.Settings{"memory_limit": "16MB"}
		const n, size, grace = 50_000, 1_000, 10
		for first := 0; first < n; first += size {
			a.put(corpus.VPCFlow.Object(first, size))
		}
		p := a.start(h)
		a.must(p.Await(t.Context(), func() error {
			if proxy.Counts().Items > 0 {
				return nil
			}
			return errNothingYet
		}))
		for range 10 {
			began := time.Now()
			if _, err := p.Metrics(t.Context()); err != nil || time.Since(began) > 2*time.Second {
				t.Errorf("metrics under load: %v after %v", err, time.Since(began))
			}
		}
		if a.aws.Queue(queue).Stats().Empty() {
			t.Error("it was done already: no load when it is stopped")
		}
		// Fluent Bit looks at its clock once a second, and ends a second after its tasks.
		// What does not make it within grace makes some hosts end with an error; it comes again.
		took, err := p.Stop((grace + 15) * time.Second)
		if took > (grace+3)*time.Second {
			t.Errorf("SIGTERM took %v with a grace of %d s (%v):\n%s", took, grace, err, p.Output())
		} else {
			t.Logf("stopped within %v", took)
		}
		if a.aws.Queue(queue).Stats().Empty() {
			t.Error("the queue is empty: nothing was left to show")
		}
		proxy.Set(faultproxy.Faults{})
		p = a.start(h)
		a.drained(p, 2*time.Minute)
		a.stop(p, 15*time.Second)
		a.once(a.stored(), corpus.VPCFlow, 0, n)
	})
}
