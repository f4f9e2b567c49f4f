package e2e

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fluent-siem/fluent-siem/test/corpus"
	"github.com/fluent-siem/fluent-siem/test/rig"
	"github.com/fluent-siem/fluent-siem/test/services/awsemu"
)

// TestBadInput: each thing that can be wrong with an object costs that object
// at most, is logged with its key, and the good ones beside it are stored once.
func TestBadInput(t *testing.T) {
	inEach(t, func(t *testing.T, h rig.Host) {
		t.Parallel()
		a := arrange(t)
		a.must(a.aws.CreateQueue(queue, map[string]string{"VisibilityTimeout": "5"}))
		good := 0
		next := func() {
			a.put(corpus.VPCFlow.Object(good, 100))
			good += 100
		}
		next()

		cut := corpus.VPCFlow.Object(10_000, 1000)
		cut.Body = cut.Body[:len(cut.Body)/2]
		a.put(cut)

		text := corpus.CloudTrail.Object(1, 1)
		text.Body = corpus.Gzip([]byte("this is not JSON\n"))
		a.put(text)

		next()
		long := corpus.ALB.Object(20_000, 0)
		mb := bytes.Repeat([]byte("x"), 1<<20)
		a.must(a.aws.PutRepeated(a.bucket, long.Key, corpus.ALB.Text(20_000, 1), mb, 100, append([]byte("\n"), corpus.ALB.Text(20_001, 1)...)))

		bomb := corpus.ALB.Object(30_000, 0)
		a.must(a.aws.PutRepeated(a.bucket, bomb.Key, nil, corpus.Gzip(make([]byte, 16<<20)), 64, nil)) // 1 GiB of 1 MiB

		next()
		stray := corpus.Object{Key: "notes/read-me.txt", Body: []byte("nobody's\n")}
		empty := corpus.VPCFlow.Object(40_000, 0)
		empty.Body = nil
		a.put(stray, empty)

		gone := corpus.VPCFlow.Object(50_000, 0)
		a.aws.Queue(queue).Send(awsemu.Body(awsemu.ShapeS3, a.bucket, gone.Key, "", 10, "etag"), 0)

		denied := corpus.VPCFlow.Object(60_000, 100)
		allow := a.aws.Fault(awsemu.Fault{Operation: "GetObject", Object: denied.Key, Status: 403, Code: "AccessDenied"})
		a.put(denied)
		next()

		p := a.start(h)
		a.must(p.Await(t.Context(), func() error {
			s := a.aws.Queue(queue).Stats()
			if left := s.Visible + s.InFlight; left != 1 || s.Received <= s.Sent {
				return fmt.Errorf("%+v; want the one message left whose object is denied, received again", s)
			}
			return nil
		}))
		for _, o := range []corpus.Object{cut, text, long, bomb, stray, gone, denied} {
			if !logged(p.Output(), o.Key) {
				t.Errorf("no warning or error names %s", o.Key)
			}
		}
		if hits := allow(); hits < 1 {
			t.Errorf("the denied object was asked for %d times", hits)
		}
		a.drained(p, 4*time.Minute) // the second pause of a denied object is up to two minutes
		a.stop(p, 15*time.Second)

		counts := a.stored()
		a.once(counts, corpus.VPCFlow, 0, good)
		a.once(counts, corpus.VPCFlow, 60_000, 100)
		a.once(counts, corpus.ALB, 20_000, 2)
		whole := 0
		for n, c := range counts[corpus.VPCFlow.Name] {
			if n >= 10_000 && n < 11_000 {
				whole++
				if c != 1 {
					t.Errorf("record %d of the object that was cut off is stored %d times", n, c)
				}
			}
		}
		if whole == 0 || whole == 1000 {
			t.Errorf("%d records of the object that was cut off are stored, want those before the cut", whole)
		}
	})
}

// logged tells whether a warning or error names a key.
func logged(output, key string) bool {
	for line := range strings.Lines(output) {
		lower := strings.ToLower(line)
		if strings.Contains(line, key) && (strings.Contains(lower, "warn") || strings.Contains(lower, "error")) {
			return true
		}
	}
	return false
}
