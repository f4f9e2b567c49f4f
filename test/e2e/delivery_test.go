package e2e

import (
	"encoding/json"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fluent-siem/fluent-siem/test/corpus"
	"github.com/fluent-siem/fluent-siem/test/rig"
	"github.com/fluent-siem/fluent-siem/test/services"
	"github.com/fluent-siem/fluent-siem/test/services/awsemu"
)

// TestObjectsBecomeDocuments: objects of three types put into the bucket are in
// OpenSearch, each record once, the queue is empty and every lease settled.
func TestObjectsBecomeDocuments(t *testing.T) {
	inEach(t, func(t *testing.T, h rig.Host) {
		a := arrange(t)
		const n = 1000
		for i := range 4 {
			for _, typ := range a.types {
				a.put(typ.Object(i*n/4, n/4))
			}
		}
		p := a.start(h)
		a.drained(p, time.Minute)
		m, err := p.Metrics(t.Context())
		a.must(err)
		a.stop(p, 15*time.Second)
		counts := a.stored()
		for _, typ := range corpus.Types {
			a.once(counts, typ, 0, n)
		}
		if stored := m.Sum("siem_output_documents_total", `verdict="stored"`); stored != 3*n {
			t.Errorf("metrics count %v stored documents, want %d", stored, 3*n)
		}
	})
}

// TestSamplesBecomeDocuments loads real logs, and looks at a document's enrichment.
func TestSamplesBecomeDocuments(t *testing.T) {
	inEach(t, func(t *testing.T, h rig.Host) {
		a := arrange(t)
		root, err := services.Root()
		a.must(err)
		objects, err := corpus.Samples(filepath.Join(root, "test/samples"), rand.Uint32())
		a.must(err)
		records := 0
		for _, o := range objects {
			records += o.Records
		}
		a.put(objects...)
		a.put(corpus.VPCFlow.Object(0, 1))
		p := a.start(h)
		a.drained(p, time.Minute)
		m, err := p.Metrics(t.Context())
		a.must(err)
		a.stop(p, 15*time.Second)
		got, enriched := 0, 0
		a.must(a.cluster.Each(t.Context(), a.bucket, func(d rig.Document) {
			got++
			var doc struct {
				Source struct {
					IP  string
					Geo struct {
						City string `json:"city_name"`
					}
				}
			}
			a.must(json.Unmarshal(d.Source, &doc))
			if doc.Source.IP == "81.2.69.142" && doc.Source.Geo.City == "London" {
				enriched++
			}
		}))
		// Without an index template, the first document decides what a field is: real CloudTrail then
		// has a tag that is a truth value once and a text once.
		letters := a.deadLetters()
		for _, l := range letters {
			if !strings.Contains(l, "cannot be changed from type") {
				t.Errorf("a dead letter for another reason: %s", l)
			}
		}
		if got+len(letters) != records+1 || len(letters) > 2 || enriched != 1 {
			t.Errorf("%d documents and %d dead letters of %d records, %d enriched of 1; verdicts:", got, len(letters), records+1, enriched)
			for sample, v := range m {
				if strings.HasPrefix(sample, "siem_input_verdicts_total") {
					t.Log(sample, v)
				}
			}
		}
	})
}

// TestEveryAnnouncement: a key with blanks and accents arrives by every kind of announcement.
func TestEveryAnnouncement(t *testing.T) {
	a := arrange(t)
	a.must(a.aws.CreateBucket(a.bucket + "-other"))
	n := 0
	for _, shape := range []awsemu.Shape{awsemu.ShapeS3, awsemu.ShapeSNS, awsemu.ShapeEventBridge} {
		o := corpus.VPCFlow.Object(n, 10)
		o.Key = "à b+c/" + o.Key
		// Without the bucket's own announcement, which has the first shape.
		version, err := a.aws.Put(a.bucket, o.Key, o.Body)
		a.must(err)
		a.aws.Queue(queue).Purge()
		a.aws.Queue(queue).Send(awsemu.Body(shape, a.bucket, o.Key, version, int64(len(o.Body)), "etag"), 0)
		p := a.start(rig.Pipeline(root(t)))
		a.drained(p, 30*time.Second)
		a.stop(p, 15*time.Second)
		n += 10
	}
	a.once(a.stored(), corpus.VPCFlow, 0, n)
}

func root(t *testing.T) string {
	t.Helper()
	dir, err := services.Root()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}
