package ecs

import (
	"fmt"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"

	"github.com/fluent-siem/fluent-siem/internal/event"
	"github.com/fluent-siem/fluent-siem/internal/lease"
)

// TestBoundsOfARecordAreCounted: a text that is too long is cut and counted, a
// record that is nested too deep is unreadable and counted, in either form.
func TestBoundsOfARecordAreCounted(t *testing.T) {
	for _, emit := range []string{"record", "document"} {
		b := newBench(t, func(cfg *Config) { cfg.Emit = emit })
		l := b.p.Leases.Open(b.credit)
		o := l.Add(lease.Source{Bucket: "b", Key: "trail.json.gz", LogType: "cloudtrail"})
		var in []byte
		for i, member := range []string{`"ok"`, fmt.Sprintf("%q", strings.Repeat("x", 40000)), strings.Repeat("[", 400) + strings.Repeat("]", 400), `"ok"`} {
			text := fmt.Sprintf(`{"eventID":"%d","eventTime":"2024-01-15T03:00:00Z","requestParameters":{"a":%s}}`, i, member)
			o.Read(1, int64(len(text)))
			in = event.AppendRecord(in, time.Unix(5, 0), event.Origin{Object: o.ID, Record: uint64(i + 1), Size: int64(len(text))}, []byte(text))
		}
		out, _ := b.Process(nil, "siem.cloudtrail", in)
		got := events(t, out)
		if len(got) != 4 || got[2].Target.Op != event.OpUnreadable || !strings.Contains(string(got[2].Target.Reason), "depth") {
			t.Errorf("%s: %d events, the third: %v %s", emit, len(got), got[2].Target.Op, got[2].Target.Reason)
		}
		var cuts, unreadable dto.Metric
		if err := b.cuts.Write(&cuts); err != nil {
			t.Fatal(err)
		}
		if err := b.records.WithLabelValues("cloudtrail", "unreadable").Write(&unreadable); err != nil {
			t.Fatal(err)
		}
		if cuts.Counter.GetValue() != 1 || unreadable.Counter.GetValue() != 1 {
			t.Errorf("%s: %v texts cut, %v records unreadable, want one each", emit, cuts.Counter.GetValue(), unreadable.Counter.GetValue())
		}
	}
}
