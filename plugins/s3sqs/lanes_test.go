package s3sqs

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/fluent-siem/fluent-siem/internal/lease"
)

// drawn takes messages from lanes as a gate with room does.
func drawn(l *lanes, now time.Time, n int) (names []string) {
	for range n {
		h := l.next(now)
		l.take(h)
		l.began()
		names = append(names, h.id)
	}
	return names
}

func TestOrderOfLanes(t *testing.T) {
	now := time.Now()
	l := newLanes(2, 15*time.Minute)
	for _, m := range []struct {
		id   string
		rank int
		age  time.Duration
	}{
		{"flow of the day before", 2, 24 * time.Hour},
		{"flow of last week", 2, 170 * time.Hour},
		{"trail of last week", 1, 170 * time.Hour},
		{"finding of the day before", 0, 24 * time.Hour},
		{"trail of the day before", 1, 24 * time.Hour},
		{"flow of a minute", 2, time.Minute},
		{"trail of ten minutes", 1, 10 * time.Minute},
		{"trail of a minute", 1, time.Minute},
		{"finding of ten minutes", 0, 10 * time.Minute},
	} {
		l.put(&hold{id: m.id, rank: m.rank, time: now.Add(-m.age)})
	}
	want := []string{
		"finding of ten minutes", "trail of a minute", "trail of ten minutes",
		"flow of the day before", // what waits for the longest time
		"flow of a minute", "finding of the day before", "trail of the day before",
		"flow of last week", // again
		"trail of last week",
	}
	if got := drawn(&l, now, len(want)); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("order\n%q, want\n%q", got, want)
	}
	if h := l.next(now); h != nil {
		t.Errorf("%s is left", h.id)
	}
}

// TestNothingWaitsForEver: whatever else comes, a message is taken after at most
// four times as many as were there before it.
func TestNothingWaitsForEver(t *testing.T) {
	seed := uint64(1)
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	now := time.Now()
	l := newLanes(3, time.Minute)
	came := map[string]int{} // by id: how many were there
	for i := range 20000 {
		for range rnd.IntN(3) { // one a turn, on average: never fewer wait
			h := &hold{id: fmt.Sprint(i, rnd.Uint32()), rank: rnd.IntN(4), time: now.Add(-time.Duration(rnd.IntN(120)) * time.Second)}
			came[h.id] = i + shareOfOld*(l.arrival.Len()+1)
			l.put(h)
		}
		if l.arrival.Len() == 0 {
			continue
		}
		if id := drawn(&l, now, 1)[0]; i > came[id] {
			t.Fatalf("turn %d: a message was to be taken by turn %d", i, came[id])
		}
	}
}

// TestAMessageLeavesItsLane when its claim ends before its turn, and only then.
func TestAMessageLeavesItsLane(t *testing.T) {
	l := newLanes(0, time.Minute)
	a, b := &hold{id: "a"}, &hold{id: "b"}
	l.put(a)
	l.put(b)
	if !l.take(a) || l.take(a) {
		t.Error("a is not taken once")
	}
	if h := l.next(time.Now()); h != b {
		t.Errorf("next is %v, want b", h)
	}
}

const (
	flowKey    = "AWSLogs/123456789012/vpcflowlogs/us-east-1/2024/01/02/123456789012_vpcflowlogs_us-east-1_fl-06ea9ab1baa0efb9e_20240102T0505Z_%08x.log.gz"
	flowObject = "version account-id\n2 %d\n"
)

// backlog puts n old objects of flow logs into the bucket and the queue.
func (r *rig) backlog(n int, age time.Duration) {
	r.t.Helper()
	for i := range n {
		k, body := fmt.Sprintf(flowKey, i), gz(fmt.Sprintf(flowObject, i))
		if err := r.aws.PutQuietly("logs", k, []byte(body)); err != nil {
			r.t.Fatal(err)
		}
		text, err := Notification(lease.Source{Bucket: "logs", Key: k, Size: int64(len(body)), EventTime: time.Now().Add(-age)})
		if err != nil {
			r.t.Fatal(err)
		}
		r.queue.Send(text, 0)
	}
}

// slowly gives verdicts at the pace of a slow cluster, in the order of arrival,
// and returns how many were given when each of the trail's records had its own.
func (r *rig) slowly(each time.Duration, trails int) (before int) {
	r.t.Helper()
	given := 0
	for end := time.Now().Add(time.Minute); trails > 0; time.Sleep(each) {
		if time.Now().After(end) {
			r.t.Fatalf("%d fresh records are not stored after %d verdicts; log:\n%.3000s", trails, given, r.log)
		}
		r.host.set(func() {
			if len(r.host.held) == 0 {
				return
			}
			o := r.host.held[0]
			if obj := r.p.Leases.Object(o.Object); obj != nil && obj.Source.LogType == "cloudtrail" {
				trails--
			}
			r.host.verdict(o)
			r.host.held = r.host.held[1:]
			given++
		})
	}
	return given
}

// TestFreshOnesDoNotWait: with thousands of old messages held and a cluster that
// takes few, fresh objects of an important type are stored long before the backlog
// ends, which moves on; no claim is lost, and memory stays in its bounds.
func TestFreshOnesDoNotWait(t *testing.T) {
	const old, fresh = 3000, 20
	r := newRig(t, 12, func(c *Config) {
		c.LookAhead = old
		c.MaxFetches = 8
		c.MemoryLimit = 1 << 20
	})
	r.host.judge = false
	r.backlog(old, 24*time.Hour)
	r.start()
	r.until("backlog held", func() bool { return r.queue.Stats().Visible == 0 })
	r.until("full pipeline", func() bool { return r.host.waiting() >= 8 })
	for i := range fresh {
		r.put(key(fmt.Sprint(i)), trail(fmt.Sprint(i), 1))
	}
	before := r.slowly(3*time.Millisecond, fresh)
	if before > old/2 {
		t.Errorf("the fresh records were stored after %d of %d others", before-fresh, old)
	}
	if n := r.counter("waiting_messages", "siem", "other"); n > old {
		t.Errorf("%v messages wait, look_ahead is %d", n, old)
	}
	t.Logf("%d fresh records were stored after %d of %d old ones", fresh, before-fresh, old)
	r.host.set(func() { r.host.judge = true })
	r.host.release(old)
	r.untilEmpty()
	if n, all := r.host.got(); n != old+fresh || all != n {
		t.Errorf("%d records came, %d different, want %d", all, n, old+fresh)
	}
	if s := r.queue.Stats(); s.Received != old+fresh {
		t.Errorf("messages were received %d times, want %d: claims were lost", s.Received, old+fresh)
	}
}
