package s3sqs

import (
	"testing"

	"github.com/fluent-siem/fluent-siem/internal/code"
	"github.com/fluent-siem/fluent-siem/plugins/s3sqs/split"
)

// Every class of objects and records has a code.
func TestEveryClassHasACode(t *testing.T) {
	for _, c := range []class{gone, denied, archived, misplaced, changed, transient, "unclaimed", "empty"} {
		if code.Input(string(c)) == "" {
			t.Errorf("class %s has no code", c)
		}
	}
	for _, r := range []split.Reason{split.TooLong, split.NotXML, split.NoRecord, split.NotJSON, split.Truncated, split.Corrupt, split.Bomb, split.Binary, split.Unsupported} {
		if code.Input(string(r)) == "" {
			t.Errorf("reason %s has no code", r)
		}
	}
}
