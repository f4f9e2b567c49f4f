package s3sqs

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fluent-siem/fluent-siem/internal/lease"
	"github.com/fluent-siem/fluent-siem/internal/ledger"
	"github.com/fluent-siem/fluent-siem/test/services/awsemu"
)

// records returns what the ledger of a stopped rig says, by key.
func (r *rig) records() map[string]ledger.Record {
	r.t.Helper()
	sources, done, err := ledger.Sources(r.t.Context(), r.cfg.StateDir, ledger.Filter{})
	if err != nil {
		r.t.Fatal(err)
	}
	defer done()
	all := map[string]ledger.Record{}
	for record, err := range ledger.Merge(ledger.Filter{}, sources...) {
		if err != nil {
			r.t.Fatal(err)
		}
		all[record.Key.Key] = record
	}
	return all
}

// TestLedgerHasEveryObject: each announced object has a record that says how it ended.
func TestLedgerHasEveryObject(t *testing.T) {
	r := newRig(t, 30, func(c *Config) { c.IgnoreKeys = []string{"^ignored/"} })
	end := r.aws.Fault(awsemu.Fault{Operation: "GetObject", Object: "denied", Status: http.StatusForbidden, Code: "AccessDenied", Times: 1})
	defer end()
	whole := trail("cut", 20_000)
	for _, o := range []struct{ key, body string }{
		{key("good"), trail("good", 7)}, {key("denied"), trail("denied", 3)}, {key("cut"), whole[:len(whole)/2]},
		{"ignored/x", "x"}, {"unclaimed/x", "x"}, {key("none"), gz(`{"Records":[]}`)},
	} {
		r.put(o.key, o.body)
	}
	r.queue.Send(awsemu.Body(awsemu.ShapeS3, "logs", key("gone"), "", 10, "e"), 0)
	r.start()
	r.untilEmpty()
	r.queue.Send(awsemu.Body(awsemu.ShapeS3, "logs", key("gone"), "", 10, "e"), 0) // another notification of it
	r.until("second notification", func() bool { return r.object("cloudtrail", "gone") == 2 })
	r.untilEmpty()
	r.stop()
	all := r.records()
	for _, c := range []struct {
		key       string
		state     ledger.State
		class     string
		announced uint64
		stored    uint64
	}{
		{key("good"), ledger.Done, "", 1, 7},
		{key("denied"), ledger.Done, "", 2, 3},
		{key("none"), ledger.Done, "no_records", 1, 0},
		{key("gone"), ledger.Unreadable, "gone", 2, 2}, // what stands for it in the dead letters
		{"ignored/x", ledger.Skipped, "ignored", 1, 0},
		{"unclaimed/x", ledger.Skipped, "unclaimed", 1, 0},
	} {
		got := all[c.key]
		if got.State != c.state || got.Class != c.class || got.Announced != c.announced || got.Totals.Of(lease.Stored) != c.stored || !got.Totals.Balanced() {
			t.Errorf("%s: %+v, want %+v", c.key, got, c)
		}
	}
	if got := all[key("cut")]; got.State != ledger.Unreadable || got.Class != "truncated" || got.Totals.Read < 1000 || got.LogType != "cloudtrail" || got.ETag == "" || got.Size < 1000 || got.Totals.Bytes < 10_000 {
		t.Errorf("%+v", got)
	}
	if len(all) != 7 {
		t.Errorf("%d records", len(all))
	}
}

// TestReadingGoesOn: an object that was interrupted is read from behind the
// records that have their verdict, by the delivery of the same message only.
func TestReadingGoesOn(t *testing.T) {
	const records = 20_000
	r := newRig(t, 10, func(c *Config) { c.DrainTimeout = 0 })
	r.host.judge = false
	r.put(key("large"), large(records))
	r.start()
	r.until("records", func() bool { return r.host.waiting() == records })
	r.host.release(records/2 + 50) // verdicts of the first half and of some of a chunk
	r.stop()
	if got := r.records()[key("large")]; got.State != ledger.GivenBack || got.Class != "stopped" || got.Totals.Read != records/2+50 || got.Returned != records/2-50 {
		t.Errorf("after the stop: %+v", got)
	}
	r.host.set(func() { r.host.judge, r.host.held = true, nil })
	r.start()
	r.untilEmpty()
	r.stop()
	different, sent := r.host.got()
	again := sent - records // sent twice
	if different != records || again < records/2-50 || again > records/2+2000 || r.counter("objects_continued_total") != 1 {
		t.Errorf("%d records, %d of them again, continued %v; log:\n%s", different, again, r.counter("objects_continued_total"), r.log)
	}
	got := r.records()[key("large")]
	if got.State != ledger.Done || got.Announced != 2 || got.Totals.Read != uint64(records/2+50+again) || !got.Totals.Balanced() {
		t.Errorf("at the end: %+v, read %d", got, got.Totals.Read)
	}
	// Announced anew, it is read anew.
	r.queue.Send(awsemu.Body(awsemu.ShapeS3, "logs", key("large"), got.Version, got.Size, got.ETag), 0)
	r.start()
	r.until("the third reading", func() bool { _, now := r.host.got(); return now == sent+records })
	r.untilEmpty()
}

// TestUnbalancedBooks: a message whose records do not have a verdict each is
// given back, counted and told, not deleted.
func TestUnbalancedBooks(t *testing.T) {
	r := newRig(t, 30, nil)
	r.host.judge = false
	r.put(key("a"), trail("a", 3))
	r.start()
	r.until("records", func() bool { return r.host.waiting() == 3 })
	r.host.set(func() {
		r.host.held[2].Record = 77 // a record that was never read
		r.host.judge = true
	})
	r.host.release(3)
	r.until("a message given back", func() bool { return r.message(unbalanced) == 1 })
	r.untilEmpty()
	if r.counter("unbalanced_objects_total", "cloudtrail") != 1 || r.message("deleted") != 1 {
		t.Errorf("unbalanced %v, deleted %v", r.counter("unbalanced_objects_total", "cloudtrail"), r.message("deleted"))
	}
	if line := r.log.line("do not balance"); !strings.Contains(line, key("a")) || !strings.Contains(line, "nothing is lost") {
		t.Errorf("log:\n%s", r.log)
	}
}

// TestVersionIsLearned: ids are made of the object's version, and indexes of its
// time where records have none, so who announces an object without them must
// not give its records others.
func TestVersionIsLearned(t *testing.T) {
	r := newRig(t, 30, nil)
	r.host.judge = false
	r.put(key("a"), trail("a", 1))
	body, err := Notification(lease.Source{Bucket: "logs", Key: key("a"), Size: -1})
	if err != nil {
		t.Fatal(err)
	}
	r.queue.Send(body, 0)
	r.start()
	r.until("both readings", func() bool { return r.host.waiting() == 2 })
	versions := map[string]int{}
	for _, l := range r.p.Leases.Leases() {
		for _, o := range l.Objects() {
			versions[o.Source.Version]++
			if age := time.Since(o.Source.EventTime); age < 0 || age > time.Hour {
				t.Errorf("written at %v", o.Source.EventTime)
			}
		}
	}
	if len(versions) != 1 || versions[""] != 0 {
		t.Errorf("versions %v", versions)
	}
	r.host.release(2)
	r.untilEmpty()
}
