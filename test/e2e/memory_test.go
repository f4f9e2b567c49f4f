package e2e

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/fluent-siem/fluent-siem/test/corpus"
	"github.com/fluent-siem/fluent-siem/test/rig"
	"github.com/fluent-siem/fluent-siem/test/services/faultproxy"
)

var errNothingYet = errors.New("nothing has arrived yet")

// TestMemoryIsBounded loads one object of 1 GB (uncompressed) with
// memory_limit 64MB: the whole process never needs more than 256 MB.
func TestMemoryIsBounded(t *testing.T) {
	inEach(t, func(t *testing.T, h rig.Host) {
		sink, err := faultproxy.Start("")
		if err != nil {
			t.Fatal(err)
		}
		defer sink.Close()
		a := arrangeAt(t, sink.URL)
		const lines = 5000
		block := corpus.ALB.Lines(0, lines)
		count := int64(1<<30/len(block) + 1)
		a.must(a.aws.PutRepeated(a.bucket, corpus.ALB.Object(0, 1).Key, nil, corpus.Gzip(block), count, nil))
		began := time.Now()
		p := a.start(h)
		a.drained(p, 5*time.Minute)
		took := time.Since(began)
		peak, err := p.PeakRSS()
		a.must(err)
		a.stop(p, 15*time.Second)
		if got, want := sink.Counts().Items, count*lines; got != want {
			t.Errorf("%d documents arrived of %d", got, want)
		}
		summary := fmt.Sprintf("peak %d MB, %v, %.0f MB/s", peak>>20, took.Round(time.Second), float64(count)*float64(len(block))/1e6/took.Seconds())
		if peak > 256<<20 {
			t.Errorf("more than 256 MB: %s", summary)
		} else {
			t.Log(summary)
		}
	})
}
