package ecs

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fluent-siem/fluent-siem/internal/lease"
)

// TestKeysOfARecord: of a key that comes twice the last counts, among few and
// among many; and a record of very many keys takes no time that grows with their
// square: it would hold up all others.
func TestKeysOfARecord(t *testing.T) {
	lt, err := parseType(t, ownType+"format: json\n")
	if err != nil {
		t.Fatal(err)
	}
	c := (&Engine{}).NewConverter()
	o, err := c.Object(lt, lease.Source{Key: "own/1"})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{3, manyKeys, manyKeys + 1, 200_000} {
		var b strings.Builder
		b.WriteString(`{"k0":"old"`)
		for i := range n {
			fmt.Fprintf(&b, `,"k%d":"v%d"`, i, i)
		}
		b.WriteString(`,"k1":"new"}`)
		began := time.Now()
		if err := c.Convert(o, 1, nil, []byte(b.String())); err != nil {
			t.Fatal(err)
		}
		doc := c.AppendJSON(nil)
		if took := time.Since(began); took > 20*time.Second { // 0.2 s; with the square it were minutes
			t.Errorf("%d keys took %v", n, took)
		}
		var got map[string]any
		if err := json.Unmarshal(doc, &got); err != nil || got["k0"] != "v0" || got["k1"] != "new" {
			t.Errorf("%d keys: k0 is %v, k1 is %v, %v", n, got["k0"], got["k1"], err)
		}
		if times := strings.Count(string(doc), `"k0":`); times != 1 { // in @message its quotes are escaped
			t.Errorf("%d keys: k0 is there %d times", n, times)
		}
	}
}
