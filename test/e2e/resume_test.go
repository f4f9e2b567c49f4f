package e2e

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/fluent-siem/fluent-siem/internal/ledger"
	"github.com/fluent-siem/fluent-siem/test/corpus"
	"github.com/fluent-siem/fluent-siem/test/rig"
)

// TestALargeObjectGoesOn kills the process in the middle of an object. The next
// one goes on behind the records that have their verdict, and each is stored once.
func TestALargeObjectGoesOn(t *testing.T) {
	const records = 100_000
	a := arrange(t)
	a.must(a.aws.CreateQueue(queue, map[string]string{"VisibilityTimeout": "5"}))
	a.setup.Input = rig.Settings{"memory_limit": "8MB"} // little of the object is under way
	a.put(corpus.VPCFlow.Object(0, records))
	host := hosts(t)[0]
	p := a.start(host)
	judged := uint64(0)
	a.must(p.Await(t.Context(), func() error {
		r, err := a.record(t)
		if err != nil {
			return err
		}
		if judged = r.Totals.Read; judged < records/4 {
			return fmt.Errorf("%d of %d records have a verdict", judged, records)
		}
		return nil
	}))
	p.Kill()
	p = a.start(host)
	a.drained(p, 2*time.Minute)
	m, err := p.Metrics(t.Context())
	a.must(err)
	again := m.Sum("siem_input_records_total")
	if continued := m.Sum("siem_input_objects_continued_total"); continued < 1 || again > records-float64(judged)*2/3 {
		t.Errorf("continued %v; %v of %d records were read again, although %d had their verdict", continued, again, records, judged)
	}
	a.stop(p, 15*time.Second)
	a.once(a.stored(), corpus.VPCFlow, 0, records)
	r, err := a.record(t)
	a.must(err)
	if r.State != ledger.Done || !r.Totals.Balanced() || r.Totals.Read < records || r.Announced < 2 {
		t.Errorf("the ledger says %+v", r)
	}
	t.Logf("killed at %d records, %v read again, %d in the books", judged, again, r.Totals.Read)
}

// record is the only one in the ledger.
func (a *arena) record(t *testing.T) (found ledger.Record, err error) {
	sources, done, err := ledger.Sources(t.Context(), a.setup.StateDir(), ledger.Filter{})
	if err != nil {
		return found, err
	}
	defer done()
	for r, err := range ledger.Merge(ledger.Filter{}, sources...) {
		return r, err
	}
	return found, errors.New("the ledger is empty")
}
