package main

import (
	"bytes"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fluent-siem/fluent-siem/filters/ecs"
	"github.com/fluent-siem/fluent-siem/internal/settings"
	"github.com/fluent-siem/fluent-siem/outputs/opensearch"
	"github.com/fluent-siem/fluent-siem/plugins/s3sqs"
)

// captureLog returns what is logged until the test ends.
func captureLog(t *testing.T) *bytes.Buffer {
	var b bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(newHostLook(&b, slog.LevelDebug)))
	t.Cleanup(func() { slog.SetDefault(before) })
	return &b
}

func TestNoPanicCrossesTheBorder(t *testing.T) {
	log := captureLog(t)
	got := guard("flush", 2, func() int {
		var nobody *struct{ n int }
		return nobody.n
	})
	if got != 2 {
		t.Errorf("guard = %d, want 2", got)
	}
	if !strings.Contains(log.String(), "during=flush") || !strings.Contains(log.String(), "border_test.go") {
		t.Errorf("the log does not say where it happened: %s", log)
	}
	if got := guard("flush", 2, func() int { return 1 }); got != 1 {
		t.Errorf("guard without a panic = %d, want 1", got)
	}
}

func TestTable(t *testing.T) {
	var all table[string]
	a := all.add(func(uintptr) string { return "a" })
	b := all.add(func(uintptr) string { return "b" })
	if a == 0 || b == 0 || a == b {
		t.Fatalf("numbers %d and %d: want two that differ, and not 0", a, b)
	}
	if v, ok := all.get(b); v != "b" || !ok {
		t.Errorf("get(b) = %q, %v", v, ok)
	}
	if v, ok := all.remove(a); v != "a" || !ok {
		t.Errorf("remove(a) = %q, %v", v, ok)
	}
	for _, gone := range []uintptr{a, 0, 99} {
		if v, ok := all.remove(gone); ok {
			t.Errorf("remove(%d) gave %q: it was gone", gone, v)
		}
	}
}

// The host never shows these keys to a plugin: a setting of that name would be dead.
func TestReservedNames(t *testing.T) {
	reserved := strings.Fields("name match match_regex alias tag host port ipv6 listen log_level log_suppress_interval " +
		"retry_limit workers routable mem_buf_limit threaded tls processors")
	prefixes := strings.Fields("thread.ring_buffer. storage. rate_ net. tls. oauth2")
	for stage, cfg := range map[string]any{"s3_sqs": s3sqs.Defaults(), "ecs": ecs.Defaults(), "opensearch_bulk": opensearch.Defaults()} {
		keys := settings.Keys(cfg)
		if len(keys) == 0 {
			t.Errorf("%s has no settings: nothing was checked", stage)
		}
		for _, key := range keys {
			if slices.Contains(reserved, key) || slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(key, p) }) {
				t.Errorf("%s: Fluent Bit keeps the key %q for itself", stage, key)
			}
		}
	}
}

func TestRefuseOnlyAtTheStart(t *testing.T) {
	log := captureLog(t)
	defer reloaded.Store(false)
	reloaded.Store(false)
	if !refuse("s3_sqs", errors.New("queue_url: missing")) {
		t.Error("a configuration that cannot work was accepted at the start")
	}
	reloaded.Store(true)
	if refuse("s3_sqs", errors.New("queue_url: missing")) {
		t.Error("a reload was refused: that ends the agent")
	}
	if n := strings.Count(log.String(), "queue_url: missing"); n != 2 {
		t.Errorf("the problem was named %d times, want 2:\n%s", n, log)
	}
}

func TestLogLooksLikeTheHosts(t *testing.T) {
	var b bytes.Buffer
	h := newHostLook(&b, slog.LevelInfo)
	log := slog.New(h).With("queue", "siem-logs").WithGroup("object")
	r := slog.NewRecord(time.Date(2026, 11, 24, 13, 18, 5, 0, time.UTC), slog.LevelWarn, "two\nproblems\n", 0)
	r.AddAttrs(slog.String("key", "a b"), slog.Int("size", 7))
	if err := log.Handler().Handle(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	log.Debug("below the level")
	want := `[2026/11/24 13:18:05] [ warn] [fluent-siem] two; problems queue=siem-logs object.key="a b" object.size=7` + "\n"
	if b.String() != want {
		t.Errorf("got  %swant %s", b.String(), want)
	}
}
