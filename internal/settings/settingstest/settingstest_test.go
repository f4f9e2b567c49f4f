package settingstest_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fluent-siem/fluent-siem/internal/settings"
	"github.com/fluent-siem/fluent-siem/internal/settings/settingstest"
)

// Shared is embedded.
type Shared struct {
	// Region is where the queue lives.
	Region string `conf:"region"`
}

// Config is what the test documents.
type Config struct {
	Shared

	// Size is how much fits | at most. See [Wait].
	//
	// A larger one costs memory.
	Size settings.Bytes `conf:"size"`

	// Wait is how long.
	Wait time.Duration `conf:"wait"`

	Queues []string `conf:"queues"` // Queues are URLs.
	On     bool     `conf:"on"`     // On switches it on.
}

var defaults = Config{Size: 5 << 20, Wait: time.Minute, Queues: []string{"a", "b"}}

const want = "| setting | default | meaning |\n|---|---|---|\n" +
	"| `region` |  | `region` is where the queue lives. |\n" +
	"| `size` | `5MiB` | `size` is how much fits \\| at most. See `wait`.<br>A larger one costs memory. |\n" +
	"| `wait` | `1m` | `wait` is how long. |\n" +
	"| `queues` | `a, b` | `queues` are URLs. |\n" +
	"| `on` | `off` | `on` switches it on. |\n"

func TestTable(t *testing.T) {
	got, err := settingstest.Table("settingstest_test.go", defaults)
	if err != nil {
		t.Fatal(err)
	}
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestAFieldWithoutCommentIsRefused(t *testing.T) {
	type bare struct {
		Name string `conf:"name_of_it"`
	}
	if _, err := settingstest.Table("settingstest_test.go", bare{}); err == nil || !strings.Contains(err.Error(), "name_of_it") {
		t.Errorf("got %v", err)
	}
}

// recorder is a testing.TB that remembers failures instead of having them.
type recorder struct {
	testing.TB
	failures []string
}

func (r *recorder) Helper() {}
func (r *recorder) Errorf(format string, args ...any) {
	r.failures = append(r.failures, format)
}

func TestCheckManualKeepsTheProseAndNoticesAChange(t *testing.T) {
	manual := filepath.Join(t.TempDir(), "input.md")
	check := func(update string, cfg Config) int {
		t.Setenv("UPDATE", update)
		r := &recorder{TB: t}
		settingstest.CheckManual(r, manual, "settingstest_test.go", cfg)
		return len(r.failures)
	}
	if check("", defaults) == 0 {
		t.Error("a missing manual passed")
	}
	check("1", defaults)
	text, err := os.ReadFile(manual)
	if err != nil || !strings.HasPrefix(string(text), "# input\n") {
		t.Fatalf("%v\n%s", err, text)
	}
	if err := os.WriteFile(manual, append([]byte("Prose before.\n"), append(text, "Prose after.\n"...)...), 0o644); err != nil {
		t.Fatal(err)
	}
	if check("", defaults) != 0 {
		t.Error("a fresh manual failed")
	}
	other := defaults
	other.Size = 1
	if check("", other) == 0 {
		t.Error("a changed default went unnoticed")
	}
	check("1", other)
	if text, _ = os.ReadFile(manual); !strings.HasPrefix(string(text), "Prose before.\n") || !strings.HasSuffix(string(text), "Prose after.\n") || !strings.Contains(string(text), "`1B`") {
		t.Errorf("got\n%s", text)
	}
}
