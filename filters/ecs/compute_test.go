package ecs

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/fluent-siem/fluent-siem/internal/lease"
)

// TestExpressionsComputeFields: of the record, of what is set before, and of what
// stands around it; what they set is enriched and indexed like all else.
func TestExpressionsComputeFields(t *testing.T) {
	docs, failed := convertAll(t, ownType+`format: json
ecs: {user.name: who}
expressions:
  event.outcome: 'status >= 400 ? "failure" : "success"'
  event.risk_score: number(status) / 8
  event.reason: 'ecs.event.outcome + " of " + lower(ecs.user.name)'
  event.category: '["web", url matches "/login" ? "authentication" : nil]'
  network.internal: inNetwork(peer["the.ip"], "10.0.0.0/8")
  source.ip: 'coalesce(forwarded, peer["the.ip"])'
  related.ip: ecs.source.ip
  service.name: 'split(object.key, "/")[1]'
  labels.group: envelope.log_group
  labels.none: missing + 1
  host.ip: items[0].ip
  event.sequence: big
`, "own/app/1", `{"status":"404","who":"BOB","url":"/login","peer":{"the.ip":"10.0.0.7"},"items":[{"ip":"192.0.2.1"}],"big":9007199254740993}`+"\n")
	if len(docs) != 1 || len(failed) > 0 {
		t.Fatalf("%d documents, %v", len(docs), failed)
	}
	for path, want := range map[string]any{
		"event.outcome": "failure", "event.risk_score": 50.5, "event.reason": "failure of bob", "event.category": []any{"web", "authentication"},
		"network.internal": true, "source.ip": "10.0.0.7", "related.ip": []any{"10.0.0.7"}, "service.name": "app", "labels": nil, "host.ip": []any{"192.0.2.1"}, "error": nil,
	} {
		var got any = docs[0]
		for _, name := range strings.Split(path, ".") {
			object, _ := got.(map[string]any)
			got = object[name]
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s is %#v, want %#v", path, got, want)
		}
	}
}

// TestExpressionsOfTexts: columns are texts, and compare as numbers all the same.
func TestExpressionsOfTexts(t *testing.T) {
	docs, failed := convertAll(t, ownType+"format: columns\ncolumns: {names: [method, status, ip]}\nexpressions:\n  event.outcome: 'status in 400..599 ? \"failure\" : \"success\"'\n  source.ip: ip\n",
		"own/1", "GET 404 192.0.2.1\nGET 99 nowhere\n")
	if len(docs) != 2 || len(failed) > 0 {
		t.Fatalf("%d documents, %v", len(docs), failed)
	}
	wantAt(t, docs[0], map[string]string{"event.outcome": "failure", "source.ip": "192.0.2.1", "error.message": ""})
	wantAt(t, docs[1], map[string]string{"event.outcome": "success", "source.ip": "", "error.message": "expression source.ip: what it makes is no IP address"})
}

// TestAnExpressionThatFailsCostsItsField: not the record, and not the others.
func TestAnExpressionThatFailsCostsItsField(t *testing.T) {
	lt, err := parseType(t, ownType+"format: json\nexpressions:\n  a.b: who - 1\n  a.c: '{\"x\": 1}'\n  a.d: who\n")
	if err != nil {
		t.Fatal(err)
	}
	c := (&Engine{}).NewConverter()
	o, err := c.Object(lt, lease.Source{Key: "own/1"})
	if err == nil {
		err = c.Convert(o, 1, nil, []byte(`{"who":"bob"}`))
	}
	if doc := string(c.AppendJSON(nil)); err != nil || c.uncomputed != 2 || !strings.Contains(doc, `"a":{"d":"bob"}`) || !strings.Contains(doc, `"message":"expression a.b: `) {
		t.Errorf("%v, %d failed: %s", err, c.uncomputed, doc)
	}
}

// TestExpressionsAreCheckedAtLoad: the error says where in the file.
func TestExpressionsAreCheckedAtLoad(t *testing.T) {
	for file, want := range map[string]string{
		"format: json\nexpressions:\n  a.b: x\n  event.outcome: 'status >= '\n":    "expressions.event.outcome: line 8: ",
		"format: json\nexpressions: {a.b: nope(x)}\n":                              "line 6: nope is no function",
		"format: json\nexpressions: {a.b: ecs.c.d}\n":                              "nothing sets ecs.c.d before",
		"format: json\nexpressions: {a.b: envelope.x}\n":                           "envelope has no x; there are account,",
		"format: json\nexpressions: {a.b: record}\n":                               "need a name behind them",
		"format: json\nexpressions: {'@timestamp': x}\n":                           "cannot be computed",
		"format: json\nexpressions: {a.b: [x]}\n":                                  "want an expression in quotes",
		"format: json\nexpressions: x\n":                                           "want fields with an expression each",
		"format: columns\ncolumns: {names: [a, b]}\nexpressions: {x.y: stattus}\n": "line 7: the record has no field stattus; there are a, b",
	} {
		if _, err := parseType(t, ownType+file); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", file, err, want)
		}
	}
}

// TestExpressionsOfAnExtendedType: those of the file replace, add and take away.
func TestExpressionsOfAnExtendedType(t *testing.T) {
	lt, err := parseType(t, "name: own\nkey: own/\nextends: okta\nexpressions: {event.reason: severity}\n")
	if err != nil || len(lt.Expressions) != 1 || lt.Expressions[0].Line != 4 {
		t.Errorf("%v, %v", lt, err)
	}
}

// BenchmarkExpressions measures what expressions add to a type.
func BenchmarkExpressions(b *testing.B) {
	for name, expressions := range map[string]string{
		"without": "", "three": "expressions:\n  event.outcome: 'status >= 400 ? \"failure\" : \"success\"'\n  user.name: lower(who)\n  network.internal: inNetwork(ip, \"10.0.0.0/8\")\n",
	} {
		b.Run(name, func(b *testing.B) {
			lt, err := parseType(b, ownType+"format: json\necs: {source.ip: ip}\n"+expressions)
			if err != nil {
				b.Fatal(err)
			}
			c := (&Engine{}).NewConverter()
			o, err := c.Object(lt, lease.Source{Key: "own/1"})
			if err != nil {
				b.Fatal(err)
			}
			record := fmt.Appendf(nil, `{"status":404,"who":"BOB","ip":"10.0.0.7","path":"/a/b/c","agent":"curl/8.0"}`)
			b.SetBytes(int64(len(record)))
			b.ReportAllocs()
			for n := uint64(0); b.Loop(); n++ {
				if err := c.Convert(o, n, nil, record); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}
