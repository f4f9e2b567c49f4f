package ecs

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tinylib/msgp/msgp"

	"github.com/fluent-siem/fluent-siem/extension"
	"github.com/fluent-siem/fluent-siem/internal/event"
	"github.com/fluent-siem/fluent-siem/internal/extend/extendtest"
	"github.com/fluent-siem/fluent-siem/internal/lease"
)

// TestMain makes this test an extension when the filter starts it as one.
func TestMain(m *testing.M) {
	if os.Getenv(extension.Handshake.MagicCookieKey) == "" {
		os.Exit(m.Run())
	}
	extension.Serve(extension.Extension{Transform: transform})
}

// transform does what the last octet of the source address says.
func transform(_ context.Context, _ string, document []byte) ([]byte, error) {
	if bytes.Contains(document, []byte(`"192.0.2.13"`)) { // for the benchmark
		return nil, nil
	}
	fields := map[string]any{}
	if err := json.Unmarshal(document, &fields); err != nil {
		return nil, err
	}
	address, _ := fields["srcaddr"].(string)
	switch address {
	case "192.0.2.1":
		return nil, extension.ErrDrop
	case "192.0.2.2":
		return nil, errors.New("no owner")
	case "192.0.2.3":
		return []byte("<html>"), nil
	case "192.0.2.4":
		delete(fields, "@timestamp")
	case "192.0.2.5":
		return nil, nil
	case "192.0.2.6":
		os.Exit(1)
	case "192.0.2.7":
		fields["long"], fields["@message"] = strings.Repeat("é", 40_000), strings.Repeat("m", 40_000)
	case "192.0.2.8":
		return []byte(`[1]`), nil
	}
	fields["labels"] = map[string]any{"owner": "blue", "empty": "", "number": json.Number("12345678901234567890")}
	return json.Marshal(fields)
}

// extended is a filter whose VPC flow logs have the extension of this test.
func extended(t testing.TB, more string, change func(*Config)) *bench {
	t.Helper()
	path, sum := extendtest.Self(t)
	file := filepath.Join(t.TempDir(), "extensions.yaml")
	text := fmt.Sprintf("extensions:\n  - name: owners\n    command: %s\n    sha256: %s\n    log_types: [vpcflowlogs]\n    timeout: 20s\n%s", path, sum, more)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return newBench(t, func(c *Config) {
		c.ExtensionsFile = file
		if change != nil {
			change(c)
		}
	})
}

// fieldsOf is the document of an event.
func fieldsOf(t *testing.T, ev event.Event) map[string]any {
	t.Helper()
	text, ok := ev.Document()
	if !ok {
		var b bytes.Buffer
		if _, err := msgp.UnmarshalAsJSON(&b, ev.Record); err != nil {
			t.Fatal(err)
		}
		text = b.Bytes()
	}
	fields := map[string]any{}
	if err := json.Unmarshal(text, &fields); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return fields
}

// Each record becomes one thing, whatever the extension makes of it, in order,
// and with the index and id that it has without the extension.
func TestEachDocumentOfAnExtension(t *testing.T) {
	for _, emit := range []string{"record", "document"} {
		for _, onFailure := range []string{"pass", "dead_letter"} {
			b := extended(t, "    on_failure: "+onFailure+"\n    batch: 7\n", func(c *Config) { c.Emit = emit })
			plain := newBench(t, nil)
			var in, same []byte
			const n = 300
			for i := range n {
				octet := i % 12
				if octet == 6 {
					octet = 9 // it would end the extension
				}
				in = b.record(in, i, fmt.Sprintf(flow, octet))
				same = plain.record(same, i, fmt.Sprintf(flow, octet))
			}
			out, changed := b.Process(nil, "siem.vpcflowlogs", in)
			without, _ := plain.Process(nil, "siem.vpcflowlogs", same)
			got, want := events(t, out), map[uint64]event.Event{}
			for _, ev := range events(t, without) {
				want[ev.Origin.Record] = ev
			}
			if !changed || len(got) != n-n/12 {
				t.Fatalf("%d events", len(got))
			}
			last := -1
			for _, ev := range got {
				record := int(ev.Origin.Record)
				if record <= last {
					t.Errorf("record %d after %d", record, last)
				}
				last = record
				failed := slices.Contains([]int{2, 3, 4, 8}, record%12)
				if failed && onFailure == "dead_letter" {
					if m, _ := ev.Message(); ev.Target.Op != event.OpUnreadable || !strings.HasPrefix(string(ev.Target.Reason), "extension owners: ") || string(m) != fmt.Sprintf(flow, record%12) {
						t.Errorf("record %d: %v %s %q", record, ev.Target.Op, ev.Target.Reason, m)
					}
					continue
				}
				w := want[ev.Origin.Record]
				if !bytes.Equal(ev.Target.ID, w.Target.ID) || !bytes.Equal(ev.Target.Index, w.Target.Index) {
					t.Errorf("record %d goes to %s/%s, want %s/%s", record, ev.Target.Index, ev.Target.ID, w.Target.Index, w.Target.ID)
				}
				fields, before := fieldsOf(t, ev), fieldsOf(t, w)
				tags, labels := fmt.Sprint(fields["tags"]), fmt.Sprint(fields["labels"])
				switch {
				case failed:
					if tags != "[extension_failed]" || !strings.Contains(fmt.Sprint(fields["siem"]), "extension owners: ") || fields["labels"] != nil {
						t.Errorf("record %d failed: %v %v", record, tags, fields["siem"])
					}
				case record%12 == 5:
					if fields["labels"] != nil || fields["tags"] != nil || len(fields) != len(before) {
						t.Errorf("record %d is not what it was", record)
					}
				case record%12 == 7:
					if m := fields["@message"].(string); len(m) != 40_000 || len(fields["long"].(string)) > maxText || !strings.HasSuffix(fields["long"].(string), "<<TRUNCATED>>") {
						t.Errorf("record %d: %d %d", record, len(m), len(fields["long"].(string)))
					}
				default:
					if !strings.HasPrefix(labels, "map[number:1.23456789") || !strings.HasSuffix(labels, "owner:blue]") || fields["@message"] != before["@message"] {
						t.Errorf("record %d: %v", record, labels)
					}
				}
			}
			if got := b.object.Totals(); got.Of(lease.Excluded) != n/12 || got.Judged() != n/12 {
				t.Errorf("%+v", got)
			}
		}
	}
}

// It dies with documents in its hands: none is lost, and the next ones are
// changed again.
func TestAnExtensionDies(t *testing.T) {
	b := extended(t, "    batch: 10\n", func(c *Config) { c.Threads = 1 })
	number := 0
	send := func(octets ...int) (changed, failed int) {
		var in []byte
		for _, octet := range octets {
			number++
			in = b.record(in, number, fmt.Sprintf(flow, octet))
		}
		out, _ := b.Process(nil, "siem.vpcflowlogs", in)
		all := events(t, out)
		if len(all) != len(octets) {
			t.Fatalf("%d events of %d records", len(all), len(octets))
		}
		for _, ev := range all {
			fields := fieldsOf(t, ev)
			if fields["labels"] != nil {
				changed++
			}
			if strings.Contains(fmt.Sprint(fields["tags"]), extensionFailed) {
				failed++
			}
		}
		return changed, failed
	}
	if changed, failed := send(10, 11, 12); changed != 3 || failed != 0 {
		t.Fatalf("%d changed, %d failed", changed, failed)
	}
	if changed, failed := send(10, 6, 12); changed != 0 || failed != 3 {
		t.Errorf("with one that kills it: %d changed, %d failed", changed, failed)
	}
	if changed, failed := send(10, 11, 12); changed != 3 || failed != 0 {
		t.Errorf("later: %d changed, %d failed", changed, failed)
	}
}

// Records of another input are given to it too, and those of other types not.
func TestAnExtensionIsOfItsLogTypes(t *testing.T) {
	b := extended(t, "", nil)
	out, _ := b.Process(nil, "vpcflowlogs", event.AppendRecord(nil, time.Now(), event.Origin{Object: 1}, fmt.Appendf(nil, flow, 9)))
	if fields := fieldsOf(t, events(t, out)[0]); fields["labels"] == nil || fields["@id"] == nil {
		t.Errorf("%v", fields)
	}
	out, _ = b.Process(nil, "cloudtrail", event.AppendRecord(nil, time.Now(), event.Origin{Object: 1}, []byte(`{"eventTime":"2024-06-14T12:00:00Z","srcaddr":"192.0.2.9"}`)))
	if fields := fieldsOf(t, events(t, out)[0]); fields["labels"] != nil || fields["@id"] == nil {
		t.Errorf("%v", fields)
	}
}

// BenchmarkExtension is what an extension costs, one that only looks, per
// document; nothing is the same without one.
func BenchmarkExtension(b *testing.B) {
	for _, with := range []bool{false, true} {
		b.Run(map[bool]string{false: "without", true: "with"}[with], func(b *testing.B) {
			f := newBench(b, nil)
			if with {
				f = extended(b, "", nil)
			}
			var in []byte
			const n = 2000
			for i := range n {
				in = f.record(in, i, fmt.Sprintf(flow, 13))
			}
			b.SetBytes(int64(len(in) / n))
			b.ReportAllocs()
			var out []byte
			for b.Loop() {
				out, _ = f.Process(out[:0], "siem.vpcflowlogs", in)
			}
			b.ReportMetric(float64(b.N)*n/b.Elapsed().Seconds(), "docs/s")
		})
	}
}
