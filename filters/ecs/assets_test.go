package ecs

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fluent-siem/fluent-siem/filters/enrich"
	"github.com/fluent-siem/fluent-siem/filters/logtype"
	"github.com/fluent-siem/fluent-siem/internal/lease"
)

// TestAssets: what a table fills, what it overwrites, what it leaves alone, and
// what becomes of records when tables are joined in another way.
func TestAssets(t *testing.T) {
	dir := t.TempDir()
	put := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var assets *enrich.Assets
	load := func() {
		t.Helper()
		var err error
		if assets, err = enrich.LoadAssets(dir); err != nil {
			t.Fatal(err)
		}
	}
	put("net.yaml", "file: net.csv\nkey: net\nby: network\njoin: [source.ip, destination.ip]\nfill: {.network.name: name, observer.name: name, source: name}\noverwrite: {.domain: name}\n")
	put("net.csv", "net,name\n10.0.0.0/8,inside\n192.0.2.0/24,outside\n")
	put("user.yaml", "file: user.json\nkey: id\njoin: [user.id, login.id]\nfill: {user.email: mail, tags: tags, host.ip: ip, own.note: note}\noverwrite: {user.name: name}\n")
	put("user.json", `[{"id":"7","mail":"a@example.org","tags":["x","y"],"ip":["10.0.0.9","bad"],"name":"Ann","note":"of the table"}]`)
	load()
	lt, err := logtype.Parse("t.yaml", []byte("name: t\nkey: t\nformat: json\nprovider: none\nindex: {name: log-t}\necs: {source.ip: src, destination.ip: dst, user.id: uid, user.name: uname, user.email: mail}\n"))
	if err != nil {
		t.Fatal(err)
	}
	c := (&Engine{Assets: func() *enrich.Assets { return assets }}).NewConverter()
	convert := func(record string) map[string]any {
		t.Helper()
		o, err := c.Object(lt, lease.Source{Key: "t"})
		if err == nil {
			err = c.Convert(o, 1, nil, []byte(record))
		}
		if err != nil {
			t.Fatal(err)
		}
		var doc map[string]any
		if err := json.Unmarshal(c.AppendJSON(nil), &doc); err != nil {
			t.Fatal(err)
		}
		return doc
	}
	check := func(record string, want map[string]any) {
		t.Helper()
		doc := convert(record)
		for path, v := range want {
			got := any(doc)
			for _, name := range strings.Split(path, ".") {
				m, _ := got.(map[string]any)
				got = m[name]
			}
			g, _ := json.Marshal(got)
			if w, _ := json.Marshal(v); string(g) != string(w) {
				t.Errorf("%s: %s is %s, want %s", record, path, g, w)
			}
		}
	}
	check(`{"src":"10.1.1.1","dst":"192.0.2.9","uid":"7","uname":"ann","mail":"own@example.org"}`, map[string]any{
		"source.network.name": "inside", "destination.network.name": "outside", "source.domain": "inside", "destination.domain": "outside",
		"observer.name": "inside", "source.ip": "10.1.1.1", // the first that has a row; an object stays one
		"user.email": "own@example.org", "user.name": "Ann", "tags": []any{"x", "y"}, "host.ip": []any{"10.0.0.9"},
	})
	check(`{"dst":"192.0.2.9","login":{"id":7},"own":{"note":"of the record"},"tags":"own"}`, map[string]any{
		"source.network": nil, "observer.name": "outside", "user.email": "a@example.org", "own.note": "of the record", "tags": "own",
	})
	check(`{"src":"203.0.113.1","uid":"8"}`, map[string]any{"source.network": nil, "user.name": nil, "observer": nil})

	put("net.yaml", "file: net.csv\nkey: net\nby: network\njoin: [destination.ip]\nfill: {.zone: name}\n")
	load()
	plans := c.Plans()
	c.Begin(c.now)
	if c.Plans() == plans {
		t.Error("another way of joining needs no new plans")
	}
	check(`{"dst":"192.0.2.9"}`, map[string]any{"destination.zone": "outside", "destination.domain": nil})
}
