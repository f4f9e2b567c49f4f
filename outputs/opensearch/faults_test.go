package opensearch

import (
	"testing"
	"time"

	"github.com/fluent-siem/fluent-siem/internal/lease"
	"github.com/fluent-siem/fluent-siem/test/services"
	"github.com/fluent-siem/fluent-siem/test/services/faultproxy"
)

// A real cluster behind a proxy that answers 429 for half of the items, and
// whose connections are cut and refused in between: of 10,000 documents, one
// of which the cluster cannot map, nothing is lost, that one is a dead letter,
// and its neighbours are stored.
func TestRealFaults(t *testing.T) {
	n := plainNode(t)
	index := n.drop(services.Name("out-faults"))
	n.must("PUT", "/"+index, `{"mappings":{"properties":{"n":{"type":"integer"},"@message":{"type":"keyword"}}}}`)
	proxy, err := faultproxy.Start(n.url)
	if err != nil {
		t.Fatal(err)
	}
	defer proxy.Close()
	proxy.Set(faultproxy.Faults{Busy: 0.5})
	r := newRig(t, nil, func(c *Config) { c.Endpoint, c.BulkSize = []string{proxy.URL}, 128<<10; c.Repair = []string{"none"} })
	const docs = 10000
	chunk, l, o := r.chunkOf(docs, one(index))
	chunk = replaceText(t, chunk, "\xa1n\xa41234", "\xa1n\xa4bad!")
	done := make(chan error)
	go func() { done <- r.Write(t.Context(), "siem", chunk) }()
	for proxy.Counts().Bulks < 3 {
		time.Sleep(time.Millisecond) // a poll, bounded by the test's own limit
	}
	proxy.Down()
	outage := time.AfterFunc(3*time.Second, func() {
		if err := proxy.Up(); err != nil {
			t.Error(err)
		}
	})
	defer outage.Stop()
	for err = <-done; err != nil; { // as the host does
		t.Log(err)
		err = r.Write(t.Context(), "siem", chunk)
	}
	b := o.Totals()
	if got := b.Of(lease.Stored) + b.Of(lease.Duplicate); got != docs-1 || b.Of(lease.DeadLettered) != 1 || !settled(l) {
		t.Errorf("books: %+v", b)
	}
	if got := n.count(index); got != docs-1 {
		t.Errorf("%d documents, want %d", got, docs-1)
	}
	if letters := lettersIn(t, r.dir); len(letters) != 1 || letters[0].ID != "d1234" || letters[0].Record != 1235 {
		t.Errorf("dead letters: %+v", letters)
	}
	if h := r.p.Health(); len(h) != 0 {
		t.Errorf("when all is over, health still says %v", h)
	}
	t.Logf("%+v", proxy.Counts())
}
