package pipeline

import (
	"testing"

	"github.com/fluent-siem/fluent-siem/internal/settings/settingstest"
)

// TestManual keeps the manual of our two plain outputs true; with UPDATE=1 it writes it.
func TestManual(t *testing.T) {
	settingstest.CheckManual(t, "../../conf/stdout.md", "plain.go", StdoutDefaults())
	settingstest.CheckManual(t, "../../conf/file.md", "plain.go", FileDefaults())
}
