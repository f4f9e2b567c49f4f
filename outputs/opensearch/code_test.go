package opensearch

import (
	"slices"
	"testing"

	"github.com/fluent-siem/fluent-siem/internal/code"
)

// Every class that the tables give has a code; so has each that can be repaired.
func TestEveryClassHasACode(t *testing.T) {
	for _, r := range slices.Concat(itemRules, requestRules) {
		if r.Verdict != Stored && code.Output(r.Class) == "" {
			t.Errorf("class %s has no code", r.Class)
		}
	}
	for _, class := range slices.Concat(repairable, []string{"setup", "tls", "no_credentials", "unreachable", "answer_too_large", "timeout", "connection_lost", "closed",
		"version_conflict", "id_too_long", "no_document", "nested_too_deep", "too_wide", "index_not_allowed", "bad_id"}) {
		if code.Output(class) == "" {
			t.Errorf("class %s has no code", class)
		}
	}
	if code.Letter("broken_chunk") == "" || code.Letter("unreadable") == "" {
		t.Error("a class of dead letters has no code")
	}
}
