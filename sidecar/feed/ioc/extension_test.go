package ioc

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fluent-siem/fluent-siem/extension"
	"github.com/fluent-siem/fluent-siem/internal/extend/extendtest"
	"github.com/fluent-siem/fluent-siem/sidecar/config"
)

// TestMain makes this test an extension when a feed starts it as one.
func TestMain(m *testing.M) {
	if os.Getenv(extension.Handshake.MagicCookieKey) == "" {
		os.Exit(m.Run())
	}
	extension.Serve(extension.Extension{Fetch: fetch})
}

// fetch sends the domains in the file that its argument names; the file may also
// say how it misbehaves.
func fetch(_ context.Context, mark string, send func(*extension.Indicator) error) (string, error) {
	text, err := os.ReadFile(os.Args[1])
	if err != nil {
		return "", err
	}
	if string(text) == mark {
		return "", extension.ErrUnchanged
	}
	for i, line := range strings.Fields(string(text)) {
		switch line {
		case "fail":
			return "", errors.New("the publisher says no")
		case "die":
			os.Exit(1)
		}
		if err := send(&extension.Indicator{Type: "domain-name", Value: line, Name: fmt.Sprint(i), Provider: map[bool]string{true: "own"}[i == 0]}); err != nil {
			return "", err
		}
	}
	return string(text), nil
}

// TestAnExtensionIsAFeed: what it knows is in the table; when it fails, dies or is
// another file, what it knew stays, and the error says why.
func TestAnExtensionIsAFeed(t *testing.T) {
	path, sum := extendtest.Self(t)
	list := filepath.Join(t.TempDir(), "list")
	write := func(text string) {
		if err := os.WriteFile(list, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	section := fmt.Sprintf("feeds:\n  - {name: own-list, format: extension, command: %s, sha256: %s, args: [%s], timeout: 20s}\n", path, sum, list)
	r := newRig(t, section)
	write("one.evil.example two.evil.example")
	if changed, failed := r.refresh(); !changed["own-list"] || len(failed) > 0 {
		t.Fatalf("changed %v, failed %v", changed, failed)
	}
	knows := map[string]string{"one.evil.example": "own/0", "www.two.evil.example": "own-list/1", "other.example": ""}
	r.knows(knows)
	if changed, failed := r.refresh(); len(changed) > 0 || len(failed) > 0 {
		t.Errorf("nothing changed: changed %v, failed %v", changed, failed)
	}
	for text, want := range map[string]string{
		"three.evil.example fail": "extension own-list: the publisher says no",
		"three.evil.example die":  "extension own-list: error reading",
	} {
		write(text)
		if changed, failed := r.refresh(); len(changed) > 0 || failed["own-list"] == nil || !strings.Contains(failed["own-list"].Error(), want) {
			t.Errorf("%s: changed %v, failed %v", text, changed, failed)
		}
		r.knows(knows)
	}
	write("four.evil.example")
	r.m.cfg.Feeds[0].SHA256 = strings.Repeat("0", 64)
	r.m.sources[0] = r.m.cfg.Feeds[0].open(filepath.Join(r.m.env.StateDir, "feeds"), r.m.env.Log)
	if _, failed := r.refresh(); failed["own-list"] == nil || !strings.Contains(failed["own-list"].Error(), "another SHA-256") {
		t.Errorf("%v", failed)
	}
	r.knows(knows)
	r.m.sources[0] = newRig(t, section).m.cfg.Feeds[0].open(filepath.Join(r.m.env.StateDir, "feeds"), r.m.env.Log)
	if changed, failed := r.refresh(); !changed["own-list"] || len(failed) > 0 {
		t.Errorf("changed %v, failed %v", changed, failed)
	}
	r.knows(map[string]string{"four.evil.example": "own/0", "one.evil.example": ""})
}

// TestAnExtensionNeedsItsChecksum, and no URL.
func TestAnExtensionNeedsItsChecksum(t *testing.T) {
	s, err := config.Read(strings.NewReader("feeds:\n  - {name: x, format: extension, command: owners}\n"), os.LookupEnv)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Load(s, t.TempDir())
	if err == nil || !strings.Contains(err.Error(), "sha256") || !strings.Contains(err.Error(), "no absolute path") || strings.Contains(err.Error(), "url") {
		t.Errorf("%v", err)
	}
}
