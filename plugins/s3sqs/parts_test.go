package s3sqs

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/fluent-siem/fluent-siem/test/services/awsemu"
)

// large is a gzip object of n CloudTrail records that hardly compresses.
func large(n int) string {
	random := rand.NewChaCha8([32]byte{1})
	var b strings.Builder
	b.WriteString(`{"Records":[`)
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"eventID":"%d","noise":"%x%x%x%x"}`, i, random.Uint64(), random.Uint64(), random.Uint64(), random.Uint64())
	}
	b.WriteString("]}")
	return gz(b.String())
}

// TestLargeObjectIsReadInParts: the rest of a large object is announced in
// parts, which other workers read, each record once.
func TestLargeObjectIsReadInParts(t *testing.T) {
	const records = 40_500
	r := newRig(t, 30, func(c *Config) { c.SplitRecords = 4000 })
	r.put(key("large"), large(records))
	r.start()
	r.untilEmpty()
	if n, all := r.host.got(); n != records || all != n {
		t.Errorf("%d records, %d different; want %d", all, n, records)
	}
	parts := r.counter("parts_announced_total")
	if sent := r.queue.Stats().Sent; parts < 8 || parts > 12 || sent != 1+uint64(parts) {
		t.Errorf("%v parts of %d records for %d, %d messages", parts, r.cfg.SplitRecords, records, sent)
	}
}

// TestPartComesAgain: a part that cannot be fetched is given back, not lost.
func TestPartComesAgain(t *testing.T) {
	const records = 20_000
	r := newRig(t, 30, func(c *Config) { c.SplitRecords = 4000 })
	var once sync.Once
	var end func() int
	r.host.hook = func() { // the first part is on its way: what is fetched now are the others
		once.Do(func() {
			end = r.aws.Fault(awsemu.Fault{Operation: "GetObject", Status: http.StatusForbidden, Code: "AccessDenied", Times: 3})
		})
	}
	r.put(key("large"), large(records))
	r.start()
	r.untilEmpty()
	if n, all := r.host.got(); n != records || all != n {
		t.Errorf("%d records, %d different; want %d", all, n, records)
	}
	if hits := end(); hits != 3 || r.object("cloudtrail", "denied") != 3 {
		t.Errorf("%d fetches failed; log:\n%s", hits, r.log)
	}
}

// TestPartsThatCannotBeAnnounced: the object is read to its end.
func TestPartsThatCannotBeAnnounced(t *testing.T) {
	const records = 20_000
	r := newRig(t, 30, func(c *Config) { c.SplitRecords = 4000 })
	end := r.aws.Fault(awsemu.Fault{Operation: "AmazonSQS.SendMessageBatch", Status: http.StatusForbidden, Code: "AccessDenied"})
	r.put(key("large"), large(records))
	r.start()
	r.untilEmpty()
	if n, all := r.host.got(); n != records || all != n {
		t.Errorf("%d records, %d different; want %d", all, n, records)
	}
	if end() == 0 || r.log.line("it is read here to its end") == "" || r.queue.Stats().Sent != 1 {
		t.Errorf("nothing failed; log:\n%s", r.log)
	}
}

func TestParts(t *testing.T) {
	for _, test := range []struct {
		done, n    uint64
		read, size int64
		want       string
	}{
		{1000, 1000, 100, 400, "[{1001 2000} {2001 3000} {3001 0}]"},
		{3000, 1000, 300, 400, "[{3001 0}]"},             // a part of an object, whose end was a guess
		{1000, 1000, 100, 150, "[]"},                     // the rest is less than a part
		{1000, 1000, 400, 400, "[]"},                     // all of it is here already
		{1000, 1000, 100, unknownSize, "[]"},             // no telling
		{1001, 1000, 100, 390, "[{1002 2001} {2002 0}]"}, // with a header
	} {
		if got := fmt.Sprint(parts(test.done, test.n, test.read, test.size)); got != test.want {
			t.Errorf("parts(%d, %d, %d, %d) = %s, want %s", test.done, test.n, test.read, test.size, got, test.want)
		}
	}
	if n := len(parts(1000, 1000, 1, 1<<40)); n != maxParts {
		t.Errorf("%d messages at once", n)
	}
}
