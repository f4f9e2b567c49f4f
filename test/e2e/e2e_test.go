// Package e2e tests the pipeline as a whole: objects in a bucket, announced by
// a queue, become documents in a real OpenSearch, whatever happens on the way.
//
// The same tests run in each host there is: `fluent-siem pipeline`, the test
// host that loads the libraries as Fluent Bit does, and a real Fluent Bit where
// one is on PATH or named by FLUENT_BIT. `make build` comes first.
package e2e

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fluent-siem/fluent-siem/test/corpus"
	"github.com/fluent-siem/fluent-siem/test/rig"
	"github.com/fluent-siem/fluent-siem/test/services"
	"github.com/fluent-siem/fluent-siem/test/services/awsemu"
	"github.com/fluent-siem/fluent-siem/test/services/faultproxy"
)

// arena is what one test works in: a bucket, its queue, and the cluster.
type arena struct {
	*testing.T
	aws     *awsemu.Server
	bucket  string
	types   []corpus.Type // with event ids of this test
	cluster rig.Cluster
	setup   rig.Setup
}

const queue = "siem-logs"

// node is the cluster of this package's tests: one of its own, for they say how
// its indexes map fields. Its first error is that of all tests.
var node = sync.OnceValues(func() (*services.Nodes, error) {
	dir, err := os.MkdirTemp("", "fluent-siem-e2e-")
	if err != nil {
		return nil, err
	}
	ended = append(ended, func() { os.RemoveAll(dir) })
	n, err := services.StartNodes(dir, 1, "cluster.routing.allocation.disk.threshold_enabled: false")
	if err != nil {
		return nil, err
	}
	ended = append(ended, n.Close)
	_, err = rig.Cluster{URL: n.URLs()[0]}.Template(context.Background(), "fluent-siem-e2e", "log-*", map[string]any{
		"@log_s3bucket": map[string]any{"type": "keyword"},
		"@message":      map[string]any{"type": "keyword", "index": false, "doc_values": false},
		// A text there cannot be stored; see unmappable.
		"requestParameters": map[string]any{"properties": map[string]any{"size": map[string]any{"type": "long"}}},
	})
	return n, err
})

var ended []func() // what is to be done after the last test, in reverse

func TestMain(m *testing.M) {
	code := m.Run()
	for _, end := range slices.Backward(ended) {
		end()
	}
	os.Exit(code)
}

// arrange makes an arena with a bucket of its own. The cluster is real.
func arrange(t *testing.T) *arena {
	t.Helper()
	n, err := node()
	services.Require(t, err)
	a := arrangeAt(t, n.URLs()[0])
	a.cluster = rig.Cluster{URL: a.setup.OpenSearch}
	return a
}

// arrangeAt makes an arena whose cluster answers at url.
func arrangeAt(t *testing.T, url string) *arena {
	t.Helper()
	a := &arena{T: t, aws: services.AWS(t), bucket: services.Name("logs"), types: corpus.Salted(rand.Uint32())}
	queueURL, err := a.aws.Pipe(a.bucket, queue)
	a.must(err)
	root, err := services.Root()
	a.must(err)
	a.setup = rig.Setup{
		Dir: t.TempDir(), Endpoint: a.aws.URL, QueueURL: queueURL, OpenSearch: url,
		Filter: rig.Settings{"geoip_dir": filepath.Join(root, "filters/enrich/testdata/mmdb")},
	}
	return a
}

func (a *arena) must(err error) {
	a.Helper()
	if err != nil {
		a.Fatal(err)
	}
}

func (a *arena) put(objects ...corpus.Object) {
	a.Helper()
	for _, o := range objects {
		_, err := a.aws.Put(a.bucket, o.Key, o.Body)
		a.must(err)
	}
}

// start starts a host; it is killed when the test ends, at the latest.
func (a *arena) start(h rig.Host) *rig.Process {
	a.Helper()
	p, err := a.setup.Start(h)
	a.must(err)
	a.Cleanup(p.Kill)
	return p
}

// drained waits until the queue is empty and every lease settled.
func (a *arena) drained(p *rig.Process, limit time.Duration) {
	a.Helper()
	ctx, cancel := context.WithTimeoutCause(a.Context(), limit, fmt.Errorf("%v are over", limit))
	defer cancel()
	a.must(p.Await(ctx, func() error {
		if s := a.aws.Queue(queue).Stats(); !s.Empty() {
			return fmt.Errorf("the queue is not empty: %+v", s)
		}
		return nil
	}))
	a.must(p.Settled(ctx))
}

func (a *arena) stop(p *rig.Process, limit time.Duration) time.Duration {
	a.Helper()
	took, err := p.Stop(limit)
	a.must(err)
	return took
}

// stored counts how often each numbered record of each type is in the cluster.
func (a *arena) stored() map[string]map[int]int {
	a.Helper()
	counts := map[string]map[int]int{}
	for _, t := range corpus.Types {
		counts[t.Name] = map[int]int{}
	}
	a.must(a.cluster.Each(a.Context(), a.bucket, func(d rig.Document) {
		message := d.Field("@message")
		for _, t := range corpus.Types {
			if n, ok := t.Number(message); ok {
				counts[t.Name][n]++
				if !strings.HasPrefix(d.Index, t.Index) {
					a.Errorf("record %d of %s is in index %s", n, t.Name, d.Index)
				}
				return
			}
		}
		a.Errorf("document %s/%s is of no record that was put: %.200s", d.Index, d.ID, d.Source)
	}, "@message"))
	return counts
}

// once checks that the records first … first+n-1 of a type are stored once
// each, but for those in except, which are not stored.
func (a *arena) once(counts map[string]map[int]int, t corpus.Type, first, n int, except ...int) {
	a.Helper()
	var missing, several []int
	for i := first; i < first+n; i++ {
		switch c := counts[t.Name][i]; {
		case slices.Contains(except, i):
			if c != 0 {
				a.Errorf("%s: record %d is stored, and should not be", t.Name, i)
			}
		case c == 0:
			missing = append(missing, i)
		case c > 1:
			several = append(several, i)
		}
	}
	if len(missing) > 0 {
		a.Errorf("%s: %d of %d records are not stored: %v …", t.Name, len(missing), n, missing[:min(10, len(missing))])
	}
	if len(several) > 0 {
		a.Errorf("%s: %d of %d records are stored more than once: %v …", t.Name, len(several), n, several[:min(10, len(several))])
	}
}

// hosts are those that this machine has.
func hosts(t *testing.T) []rig.Host {
	t.Helper()
	root, err := services.Root()
	if err != nil {
		t.Fatal(err)
	}
	all := []rig.Host{rig.Pipeline(root), rig.TestHost(root)}
	real, err := rig.FluentBit(root)
	if err != nil && !errors.Is(err, rig.ErrNoFluentBit) {
		t.Fatal(err)
	}
	if err == nil {
		t.Log(real.Version)
		all = append(all, real)
	}
	return all
}

// inEach runs a test in each host, and notes when there is no real Fluent Bit.
func inEach(t *testing.T, test func(*testing.T, rig.Host)) {
	t.Helper()
	all := hosts(t)
	for _, h := range all {
		t.Run(h.Name, func(t *testing.T) { test(t, h) })
	}
	if all[len(all)-1].Name != "fluent-bit" {
		t.Run("fluent-bit", func(t *testing.T) { services.NotRun(t, rig.ErrNoFluentBit.Error()) })
	}
}

// proxied puts a fault proxy between the pipeline and the cluster.
func (a *arena) proxied(f faultproxy.Faults) *faultproxy.Proxy {
	a.Helper()
	p, err := faultproxy.Start(a.setup.OpenSearch)
	a.must(err)
	p.Set(f)
	a.Cleanup(func() { p.Close() })
	a.setup.OpenSearch = p.URL
	return p
}
