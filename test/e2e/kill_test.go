package e2e

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/fluent-siem/fluent-siem/test/corpus"
)

var (
	kills    = flag.Int("kills", 50, "how often TestKilledAtAnyMoment kills the process")
	killSeed = flag.Uint64("kill-seed", uint64(time.Now().UnixNano()), "seed of TestKilledAtAnyMoment's random moments")
)

// TestKilledAtAnyMoment kills the process 50 times at a random moment while
// objects keep coming. After the last restart every record is stored once, and
// the queue is empty. The hosts take turns: what one leaves, the next takes up.
func TestKilledAtAnyMoment(t *testing.T) {
	t.Logf("go test ./test/e2e -run %s -kill-seed=%d", t.Name(), *killSeed)
	random := rand.New(rand.NewPCG(*killSeed, 0))
	a := arrange(t)
	a.must(a.aws.CreateQueue(queue, map[string]string{"VisibilityTimeout": "5"}))

	// The queue never runs dry while the process is being killed.
	const size = 200
	fed := map[string]int{} // type → records put
	ctx, stopFeeding := context.WithCancel(t.Context())
	var feeder sync.WaitGroup
	feeder.Go(func() {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for i := 0; ; i++ {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
			if a.aws.Queue(queue).Stats().Visible >= 30 {
				continue
			}
			typ := a.types[i%len(a.types)]
			o := typ.Object(fed[typ.Name], size)
			if _, err := a.aws.Put(a.bucket, o.Key, o.Body); err != nil {
				t.Error(err)
				return
			}
			fed[typ.Name] += size
		}
	})
	all := hosts(t)
	killedAtWork := 0
	for i := range *kills {
		p := a.start(all[i%len(all)])
		// Most moments are while it works; a few while it still starts.
		moment := time.Duration(random.Int64N(int64(2500 * time.Millisecond)))
		select {
		case <-time.After(moment):
		case <-p.Done():
			t.Fatalf("%s ended by itself:\n%s", all[i%len(all)].Name, p.Output())
		}
		if m, err := p.Metrics(t.Context()); err == nil && m.Sum("siem_leases_open") > 0 {
			killedAtWork++
		}
		p.Kill()
	}
	stopFeeding()
	feeder.Wait()
	if killedAtWork < *kills/3 {
		t.Errorf("only %d of %d kills met a process at work: the test shows too little", killedAtWork, *kills)
	}
	p := a.start(all[len(all)-1])
	a.drained(p, 3*time.Minute)
	a.stop(p, 15*time.Second)
	counts := a.stored()
	summary := fmt.Sprintf("%d kills, %d at work", *kills, killedAtWork)
	for _, typ := range corpus.Types {
		a.once(counts, typ, 0, fed[typ.Name])
		summary += fmt.Sprintf(", %s %d records", typ.Name, fed[typ.Name])
	}
	t.Log(summary)
}
