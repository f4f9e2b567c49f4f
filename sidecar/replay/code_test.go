package replay

import (
	"testing"

	"github.com/fluent-siem/fluent-siem/internal/code"
)

// What a replay leaves open has a code, as what the stages refuse.
func TestEveryClassHasACode(t *testing.T) {
	for _, class := range []string{noInput, unread, nothingLeft} {
		if code.Letter(class) == "" {
			t.Errorf("%s has no code in internal/code", class)
		}
	}
}
