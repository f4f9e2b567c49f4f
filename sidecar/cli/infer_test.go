package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestProposalsForGoldenObjectsAreAccepted: whatever log it is, what infer
// proposes is a log type that check accepts, and nine of ten records become
// documents.
func TestProposalsForGoldenObjectsAreAccepted(t *testing.T) {
	types, err := filepath.Glob("../../test/golden/cases/*")
	if err != nil || len(types) < 40 {
		t.Fatalf("%d types: %v", len(types), err)
	}
	timed, tried := 0, 0
	for _, dir := range types {
		objects, err := filepath.Glob(filepath.Join(dir, "*", "object*"))
		if err != nil {
			t.Fatal(err)
		}
		if len(objects) == 0 || filepath.Base(dir) == "unknown" { // there are objects without records
			continue
		}
		t.Run(filepath.Base(dir), func(t *testing.T) {
			var text strings.Builder
			if err := readSample(Terminal{In: os.Stdin}, objects[0], &text); err != nil {
				t.Fatal(err)
			}
			if strings.TrimSpace(text.String()) == "" {
				return
			}
			best, found, err := bestProposal(t.Context(), "sample", text.String())
			if err != nil {
				t.Fatal(err)
			}
			if found.read == 0 || found.failed*10 > found.read {
				t.Errorf("%s: %d of %d records fail (%v):\n%s", objects[0], found.failed, found.read, found.err, best.YAML)
			}
			tried++
			if strings.Contains(best.YAML, "\ntime:") {
				timed++
			} else {
				t.Logf("%s: no time found as %s", objects[0], best.Format)
			}
		})
	}
	if timed*10 < tried*8 {
		t.Errorf("a time was found in %d of %d logs only", timed, tried)
	}
}
