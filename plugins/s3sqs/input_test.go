package s3sqs

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fluent-siem/fluent-siem/test/services/awsemu"
)

// TestRecordsReachTheHost: objects of several shapes, in one message or many.
func TestRecordsReachTheHost(t *testing.T) {
	r := newRig(t, 30, nil)
	r.start()
	for i := range 20 {
		r.put(key(fmt.Sprint(i)), trail(fmt.Sprint(i), 10))
	}
	r.put("AWSLogs/1/vpcflowlogs/us-east-1/2024/01/02/123456789012_vpcflowlogs_us-east-1_fl-06ea9ab1baa0efb9e_20240102T0505Z_76dc611d.log.gz",
		gz("version account-id\n2 123456789012\n2 210987654321\n"))
	r.queue.Send(awsemu.TestEvent("logs"), 0)
	r.untilEmpty()
	if different, all := r.host.got(); different != 202 || all != 202 {
		t.Errorf("%d records, %d different, want 202; log:\n%s", all, different, r.log)
	}
	if r.host.tags["siem.cloudtrail"] != 200 || r.host.tags["siem.vpcflowlogs"] != 2 {
		t.Errorf("tags %v", r.host.tags)
	}
	if r.object("cloudtrail", "read") != 20 || r.message("deleted") != 22 || !r.healthy() {
		t.Errorf("counters: read %v, deleted %v, health %v", r.object("cloudtrail", "read"), r.message("deleted"), r.p.Health())
	}
}

// TestDeletedOnlyWhenEveryRecordHasAVerdict, and held until then.
func TestDeletedOnlyWhenEveryRecordHasAVerdict(t *testing.T) {
	r := newRig(t, 2, nil) // the hold outlives the visibility timeout several times
	r.host.judge = false
	r.start()
	r.put(key("a"), trail("a", 3))
	r.until("records", func() bool { return r.host.waiting() == 3 })
	r.until("four extensions", func() bool { return r.queue.Stats().Extended >= 4 })
	r.host.release(2)
	time.Sleep(100 * time.Millisecond) // what must not happen has no sign to wait for
	if s := r.queue.Stats(); s.InFlight != 1 || s.Received != 1 {
		t.Fatalf("the message is not held: %+v", s)
	}
	r.host.release(1)
	r.untilEmpty()
	if _, all := r.host.got(); all != 3 {
		t.Errorf("%d records, want 3: read twice", all)
	}
}

// TestBadObjects: each gets a verdict, a counter and a log line; nothing else suffers.
func TestBadObjects(t *testing.T) {
	whole := trail("cut", 20000)
	for _, c := range []struct {
		name    string
		object  string
		key     string // default: a CloudTrail key
		outcome string
		logType string
		records int // that still reach the host, dead letters included
		bad     string
		line    []string
	}{
		{name: "truncated gzip", object: whole[:len(whole)/2], outcome: "truncated", records: -1, line: []string{"read no further (truncated)", "acknowledged", "to do:"}},
		{name: "not JSON", object: gz("this is no JSON\nnor this\n"), outcome: "read", records: 1, bad: "not_json", line: []string{"dead letters", "bad=1"}},
		{name: "100 MB line", object: gz("{\"Records\":[{\"a\":\"" + noise(100<<20) + "\"},{\"b\":1}]}"), outcome: "read", records: 2, bad: "too_long", line: []string{"dead letters", "bad=1"}},
		{name: "bomb by ratio", object: gz(strings.Repeat("0", 40<<20)), outcome: "bomb", records: -1, line: []string{"read no further (bomb)", "ratio_limit"}},
		{name: "bomb by size", object: gz(trailText(300000)), outcome: "bomb", records: -1, line: []string{"read no further (bomb)", "object_limit"}},
		{name: "gzip in gzip in gzip in gzip", object: gz(gz(gz(gz("{}")))), outcome: "bomb", records: 1, line: []string{"more than 3 layers", "quarantined"}},
		{name: "binary", object: "\x00\x01\x02\x03", outcome: "binary", records: 1, line: []string{"read no further (binary)"}},
		{name: "nobody claims it", object: "x", key: "other/object.bin", outcome: "unclaimed", logType: "none", line: []string{"not read (unclaimed)", "acknowledged", "to do:"}},
		{name: "folder", object: "", key: "AWSLogs/1/CloudTrail/", outcome: "folder", logType: "none", line: []string{"not read (folder)"}},
		{name: "ignored", object: "x", key: "ignored/x", outcome: "ignored", logType: "none", line: []string{"not read (ignored)"}},
		{name: "a digest", object: "x", key: "AWSLogs/1/CloudTrail-Digest/us-east-1/2024/01/01/1_CloudTrail-Digest_us-east-1_a.json.gz", outcome: "ignored", logType: "cloudtrail",
			line: []string{"not read (ignored)", "a digest holds no events"}},
		{name: "zero bytes", object: "", outcome: "empty", line: []string{"not read (empty)", "acknowledged"}},
		{name: "no records", object: gz(`{"Records":[]}`), outcome: "no_records", line: []string{"the object is read", "records=0"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, 30, func(cfg *Config) {
				cfg.ObjectLimit = 120 << 20
				cfg.IgnoreKeys = []string{"^ignored/"}
				if c.name == "bomb by size" {
					cfg.ObjectLimit = 4 << 20
				}
			})
			k, logType := c.key, c.logType
			if k == "" {
				k, logType = key("bad"), "cloudtrail"
			}
			if logType == "none" {
				logType = ""
			}
			r.put(key("before"), trail("before", 5))
			r.put(k, c.object)
			r.put(key("after"), trail("after", 5))
			r.start()
			r.untilEmpty()
			if n := r.object(logType, c.outcome); n < 1 {
				t.Errorf("outcome %s was not counted; log:\n%.3000s", c.outcome, r.log)
			}
			if line := r.log.line(append(c.line, k)...); line == "" {
				t.Errorf("no log line with %q in:\n%.3000s", c.line, r.log)
			}
			_, all := r.host.got()
			for _, name := range []string{"before", "after"} {
				for i := range 5 {
					if r.host.lines[fmt.Sprintf(`{"eventID":"%s-%d"}`, name, i)] != 1 {
						t.Errorf("record %d of %s did not arrive once", i, name)
					}
				}
			}
			if c.records >= 0 && all != 10+c.records {
				t.Errorf("%d records of the bad object, want %d", all-10, c.records)
			}
			quarantined := 0
			for line := range r.host.lines {
				if strings.HasPrefix(line, "BAD quarantined "+c.outcome+": ") {
					quarantined++
				}
			}
			if want := strings.Contains(c.line[0], "read no further") || c.outcome == "bomb"; want != (quarantined == 1) {
				t.Errorf("quarantined %d times, want %v", quarantined, want)
			}
			if c.bad != "" && r.counter("bad_records_total", "cloudtrail", c.bad) != 1 {
				t.Errorf("reason %s was not counted", c.bad)
			}
			if r.message("deleted") != 3 {
				t.Errorf("%v messages deleted, want 3", r.message("deleted"))
			}
		})
	}
}

// noise is text that gzip cannot make much of.
func noise(n int) string {
	b := make([]byte, 64<<10)
	x := uint32(1)
	for i := range b {
		x = x*1664525 + 1013904223
		b[i] = "0123456789abcdef"[x>>28]
	}
	return strings.Repeat(string(b), n/len(b)+1)[:n]
}

func trailText(n int) string {
	var b strings.Builder
	b.WriteString(`{"Records":[`)
	for i := range n {
		fmt.Fprintf(&b, `{"eventID":"%x"},`, i*2654435761)
	}
	b.WriteString("{}]}")
	return b.String()
}

// TestGone: an object that does not exist any more is a verdict.
func TestGone(t *testing.T) {
	r := newRig(t, 30, nil)
	r.queue.Send(awsemu.Body(awsemu.ShapeS3, "logs", key("gone"), "", 10, "e"), 0)
	r.start()
	r.untilEmpty()
	if r.object("cloudtrail", "gone") != 1 || r.log.line("the object is gone", "quarantined", "acknowledged", "to do:") == "" {
		t.Errorf("not counted or not said:\n%s", r.log)
	}
}

// TestDeniedHealsWhenGranted: given back with a back-off, health degraded,
// nothing lost.
func TestDeniedHealsWhenGranted(t *testing.T) {
	r := newRig(t, 30, nil)
	end := r.aws.Fault(awsemu.Fault{Operation: "GetObject", Object: "denied", Status: 403, Code: "AccessDenied"})
	r.put(key("denied"), trail("denied", 5))
	r.put(key("fine"), trail("fine", 5))
	r.start()
	r.until("denial", func() bool { return r.object("cloudtrail", "denied") >= 1 && !r.healthy() })
	r.until("other object", func() bool { n, _ := r.host.got(); return n == 5 })
	if r.log.line("cannot be read (denied)", "nothing is lost", "s3:GetObject") == "" {
		t.Errorf("not said:\n%s", r.log)
	}
	end()
	r.untilEmpty()
	if n, _ := r.host.got(); n != 10 || !r.healthy() {
		t.Errorf("%d records, health %v", n, r.p.Health())
	}
}

// TestQueueDeniedShowsInHealth at the first poll, and heals.
func TestQueueDeniedShowsInHealth(t *testing.T) {
	r := newRig(t, 30, nil)
	end := r.aws.Fault(awsemu.Fault{Operation: "AmazonSQS.ReceiveMessage", Status: 403, Code: "AccessDenied"})
	r.start()
	r.until("problem", func() bool { return !r.healthy() })
	if p := r.p.Health()[0].Problem; !strings.Contains(p, "sqs:ReceiveMessage") {
		t.Errorf("health says %q", p)
	}
	end()
	r.put(key("a"), trail("a", 1))
	r.untilEmpty()
	if !r.healthy() {
		t.Errorf("health says %v", r.p.Health())
	}
}

// TestBrokenConnectionsAreResumed where they broke.
func TestBrokenConnectionsAreResumed(t *testing.T) {
	r := newRig(t, 30, nil)
	object := trail("cut", 100000)
	r.put(key("cut"), object)
	end := r.aws.Fault(awsemu.Fault{Operation: "GetObject", Cut: int64(len(object) / 5), Reset: true, Times: 3})
	r.start()
	r.untilEmpty()
	if hits := end(); hits != 3 {
		t.Errorf("%d connections were cut", hits)
	}
	if n, all := r.host.got(); n != 100000 || all != 100000 {
		t.Errorf("%d records, %d different; log:\n%.2000s", all, n, r.log)
	}
}

// TestReplacedWhileItIsRead: in a bucket without versioning an object may change
// under its reader, who then begins anew with what is there.
func TestReplacedWhileItIsRead(t *testing.T) {
	r := newRig(t, 30, nil)
	put := func(object string) {
		t.Helper()
		if err := r.aws.PutRepeated("logs", key("a"), []byte(object), nil, 0, nil); err != nil {
			t.Fatal(err)
		}
	}
	before := trail("before", 100000)
	put(before)
	r.aws.Fault(awsemu.Fault{Operation: "GetObject", Cut: int64(len(before) / 5), Reset: true, Times: 1})
	r.start(func(t *timing) { t.retry = 2 * time.Second }) // the connection breaks, the object is replaced, the reading goes on
	r.until("the first records", func() bool { n, _ := r.host.got(); return n > 0 })
	put(trail("after", 1000))
	r.untilEmpty()
	after := 0
	for line := range r.host.lines {
		if strings.Contains(line, "after") {
			after++
		}
	}
	if n := r.object("cloudtrail", string(changed)); n != 1 || after != 1000 {
		t.Errorf("it was seen %v times that the object is another, and %d of the 1000 records that it has now came; log:\n%.3000s", n, after, r.log)
	}
}

// TestServiceErrorsAreRetried: throttling and failures of both services.
func TestServiceErrorsAreRetried(t *testing.T) {
	r := newRig(t, 30, nil)
	for _, f := range []awsemu.Fault{
		{Operation: "GetObject", Status: 503, Code: "SlowDown", Rate: .3, Times: 30},
		{Operation: "AmazonSQS.DeleteMessageBatch", Status: 500, Code: "InternalError", Rate: .3, Times: 20},
		{Operation: "AmazonSQS.ReceiveMessage", Status: 500, Code: "InternalError", Rate: .2, Times: 5},
		{Operation: "GetObject", Cut: -1, Rate: .1, Times: 10},
	} {
		r.aws.Fault(f)
	}
	for i := range 100 {
		r.put(key(fmt.Sprint(i)), trail(fmt.Sprint(i), 3))
	}
	r.start()
	r.untilEmpty()
	if n, _ := r.host.got(); n != 300 {
		t.Errorf("%d records, want 300; log:\n%.3000s", n, r.log)
	}
}

// TestUnknownMessageIsNotDeleted: the queue's redrive policy decides.
func TestUnknownMessageIsNotDeleted(t *testing.T) {
	r := newRig(t, 30, nil)
	if err := r.aws.CreateQueue("dead", nil); err != nil {
		t.Fatal(err)
	}
	if err := r.aws.CreateQueue("siem", map[string]string{"RedrivePolicy": `{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:123456789012:dead","maxReceiveCount":2}`}); err != nil {
		t.Fatal(err)
	}
	r.queue.Send("hello", 0)
	r.start(func(t *timing) { t.denied = 10 * time.Millisecond })
	r.until("redrive", func() bool { return r.aws.Queue("dead").Stats().Visible == 1 })
	if r.message("unknown") != 2 || r.log.line("not understood", "not deleted", "hello") == "" {
		t.Errorf("counted %v; log:\n%s", r.message("unknown"), r.log)
	}
}

// TestSplitMessage keeps the positions it names.
func TestSplitMessage(t *testing.T) {
	r := newRig(t, 30, nil)
	r.put("plain/"+key("a"), "") // announced, empty
	if _, err := r.aws.Put("logs", key("a"), []byte(trail("a", 10))); err != nil {
		t.Fatal(err)
	}
	r.queue.Purge()
	r.queue.Send(`{"siem":{"start_number":4,"end_number":6},"s3":{"bucket":{"name":"logs"},"object":{"key":"`+key("a")+`"}}}`, 0)
	r.start()
	r.untilEmpty()
	for i, want := range []int{3, 4, 5} {
		if r.host.lines[fmt.Sprintf(`{"eventID":"a-%d"}`, want)] != 1 {
			t.Errorf("position %d is missing", i+4)
		}
	}
	if n, _ := r.host.got(); n != 3 {
		t.Errorf("%d records, want 3", n)
	}
}

// TestAnnouncedVersionIsRead, not what has replaced it.
func TestAnnouncedVersionIsRead(t *testing.T) {
	r := newRig(t, 30, nil)
	r.put(key("a"), trail("old", 1))
	r.put(key("a"), trail("new", 1))
	r.start()
	r.untilEmpty()
	if r.host.lines[`{"eventID":"old-0"}`] != 1 || r.host.lines[`{"eventID":"new-0"}`] != 1 {
		t.Errorf("records %v", r.host.lines)
	}
}

// TestQueuedDeletesWithoutVerdicts, once the host has the records.
func TestQueuedDeletesWithoutVerdicts(t *testing.T) {
	r := newRig(t, 30, func(c *Config) { c.Acknowledge = "queued" })
	r.host.judge = false
	refused := errors.New("ring full")
	r.host.err = refused
	r.start()
	r.put(key("a"), trail("a", 1000))
	r.until("records that wait", func() bool { return r.log.line("the object is read") != "" })
	if r.queue.Stats().Deleted != 0 {
		t.Fatal("deleted before the host had the records")
	}
	r.host.set(func() { r.host.err = nil })
	r.until("empty queue", func() bool { return r.queue.Stats().Empty() })
	if n, _ := r.host.got(); n != 1000 || r.in.credit.Used() != 0 {
		t.Errorf("%d records, %d bytes of credit", n, r.in.credit.Used())
	}
	if len(r.p.Leases.Leases()) != 1 {
		t.Error("the books are closed: a filter could not look up where the records are from")
	}
	r.host.release(1000)
	r.until("closed books", func() bool { return len(r.p.Leases.Leases()) == 0 })
}

// TestOverdueLeaseSaysWhoseVerdictIsMissing, and its message comes again.
func TestOverdueLeaseSaysWhoseVerdictIsMissing(t *testing.T) {
	for _, c := range []struct {
		verdicts int
		line     string
	}{{0, "neither filter ecs nor output opensearch_bulk"}, {2, "no verdict for 3 of 5 records"}} {
		r := newRig(t, 30, func(c *Config) { c.LeaseTimeout = 300 * time.Millisecond })
		r.host.judge = false
		r.put(key("a"), trail("a", 5))
		r.start()
		r.until("records", func() bool { return r.host.waiting() == 5 })
		r.host.release(c.verdicts)
		r.until("line", func() bool { return r.log.line("given back", c.line) != "" })
		r.until("second delivery", func() bool { _, all := r.host.got(); return all >= 10 })
		r.host.set(func() { r.host.judge = true })
		r.host.release(100)
		r.untilEmpty()
		r.stop()
	}
}

// TestHandOverBeforeTheCeiling: SQS would take the message away soon.
func TestHandOverBeforeTheCeiling(t *testing.T) {
	r := newRig(t, 30, nil)
	r.host.judge = false
	r.put(key("a"), trail("a", 5))
	r.start(func(t *timing) { t.ceiling = 1500 * time.Millisecond })
	r.until("records", func() bool { return r.host.waiting() == 5 })
	r.until("second delivery", func() bool { return r.queue.Stats().Received >= 2 })
	if r.message("handed_over") < 1 || r.log.line("handed over") == "" {
		t.Errorf("not counted or said:\n%s", r.log)
	}
	r.host.set(func() { r.host.judge = true })
	r.host.release(100)
	r.untilEmpty()
}

// TestStopHandsBack: at once what is not read, after the drain what has no
// verdict; what settles during the drain is deleted.
func TestStopHandsBack(t *testing.T) {
	r := newRig(t, 300, nil)
	r.host.judge = false
	for _, name := range []string{"a", "b"} {
		r.put(key(name), trail(name, 5))
	}
	r.start()
	r.until("records", func() bool { return r.host.waiting() == 10 })
	r.cancel()
	r.host.release(5)
	<-r.done
	s := r.queue.Stats()
	if s.InFlight != 0 || s.Visible != 1 || s.Deleted != 1 {
		t.Errorf("after the stop: %+v", s)
	}
	if r.in.credit.Used() != 0 || len(r.p.Leases.Leases()) != 0 {
		t.Errorf("%d bytes of credit, %d leases", r.in.credit.Used(), len(r.p.Leases.Leases()))
	}
	if r.log.line("has stopped", "handed_back_without_verdict=1") == "" {
		t.Errorf("not said:\n%s", r.log)
	}
}

// TestHostRefuses: a host that does not take records gets them again.
func TestHostRefuses(t *testing.T) {
	r := newRig(t, 30, nil)
	r.host.err = errors.New("ring full")
	r.put(key("a"), trail("a", 5))
	r.start()
	r.until("refusals", func() bool { return r.log.line("host did not take records", "nothing is lost") != "" })
	r.host.set(func() { r.host.err = nil })
	r.untilEmpty()
	if n, _ := r.host.got(); n != 5 {
		t.Errorf("%d records", n)
	}
}

// TestPause: nothing new is received meanwhile.
func TestPause(t *testing.T) {
	r := newRig(t, 30, nil)
	r.start()
	r.put(key("a"), trail("a", 1))
	r.untilEmpty()
	r.in.Pause()
	time.Sleep(1100 * time.Millisecond) // a long poll under way still answers
	r.put(key("b"), trail("b", 1))
	time.Sleep(200 * time.Millisecond)
	if s := r.queue.Stats(); s.Visible != 1 {
		t.Errorf("received during a pause: %+v", s)
	}
	r.in.Resume()
	r.untilEmpty()
}

// TestMemoryStaysBelowTheLimit: bytes without a verdict never exceed memory_limit.
func TestMemoryStaysBelowTheLimit(t *testing.T) {
	r := newRig(t, 30, func(c *Config) { c.MemoryLimit = 1 << 20 })
	r.host.judge = false
	over := int64(0)
	r.host.hook = func() { over = max(over, r.in.credit.Used()) }
	for i := range 10 {
		r.put(key(fmt.Sprint(i)), trail(fmt.Sprint(i), 2000))
	}
	r.start()
	r.until("all records", func() bool { r.host.release(100); _, all := r.host.got(); return all == 20000 })
	r.host.release(20000)
	r.untilEmpty()
	if limit := int64(r.cfg.MemoryLimit); over > limit {
		t.Errorf("%d bytes without a verdict, limit %d", over, limit)
	}
}
