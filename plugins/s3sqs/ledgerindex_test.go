package s3sqs

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/fluent-siem/fluent-siem/internal/event"
	"github.com/fluent-siem/fluent-siem/internal/ledger"
)

// TestLedgerIndex: each object's record goes to the host as a document, too,
// which replaces the older one of the same object.
func TestLedgerIndex(t *testing.T) {
	r := newRig(t, 30, func(c *Config) { c.LedgerIndex = "siem-ledger" })
	r.put(key("a"), trail("a", 3))
	r.put("unclaimed/x", "x")
	r.start()
	r.untilEmpty()
	r.until("documents", func() bool {
		n := 0
		r.host.set(func() { n = r.host.tags["siem.ledger"] })
		return n == 2
	})
	began := time.Date(2026, 1, 31, 23, 0, 0, 0, time.UTC)
	record := ledger.Record{Key: ledger.Key{Bucket: "logs", Key: `a"b`}, LogType: "alb", State: ledger.Done, Size: 7, Began: began, Last: began.Add(2 * time.Hour)}
	record.Totals.Read = 5
	ids := map[string]bool{}
	for _, host := range []string{"one", "one", "other"} {
		ev, rest, err := event.Next(appendLedgerDocument(nil, "siem-ledger", host, record))
		if err != nil || len(rest) > 0 {
			t.Fatal(err)
		}
		text, ok := ev.Document()
		var d struct {
			At   time.Time `json:"@timestamp"`
			Host struct{ Name string }
			Key  string
			Read int
		}
		if err := json.Unmarshal(text, &d); err != nil || !ok {
			t.Fatalf("%s: %v", text, err)
		}
		if string(ev.Target.Index) != "siem-ledger-2026-01" || ev.Target.Op != event.OpIndex || d.Host.Name != host || d.Key != `a"b` || d.Read != 5 || !d.At.Equal(record.Last) {
			t.Errorf("%s into %s", text, ev.Target.Index)
		}
		ids[string(ev.Target.ID)] = true
	}
	if len(ids) != 2 {
		t.Errorf("%d ids for two hosts", len(ids))
	}
}
