package follow

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fsnotify/fsnotify"
)

// said hands the texts of log records to a test.
type said chan string

func (h said) Enabled(context.Context, slog.Level) bool      { return true }
func (h said) Handle(_ context.Context, r slog.Record) error { h <- r.Message; return nil }
func (h said) WithAttrs([]slog.Attr) slog.Handler            { return h }
func (h said) WithGroup(string) slog.Handler                 { return h }

func (h said) await(t *testing.T, want string) {
	t.Helper()
	select {
	case got := <-h:
		if !strings.Contains(got, want) {
			t.Errorf("said %q, want %q", got, want)
		}
	case <-time.After(2 * Poll):
		t.Fatalf("not said: %q", want)
	}
}

func replace(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

func parse(r io.Reader) (string, error) {
	text, err := io.ReadAll(r)
	if strings.HasPrefix(string(text), "bad") {
		return "half a value", errors.New("it is bad")
	}
	return string(text), err
}

func TestAGoodFileReplacesABadOneNever(t *testing.T) {
	log := make(said, 100)
	path := filepath.Join(t.TempDir(), "rules")
	f := Open(path, slog.New(log), parse)
	defer f.Close()
	log.await(t, "no such file")
	if f.Load() != "" {
		t.Errorf("without a file: %q", f.Load())
	}
	replace(t, path, "one")
	log.await(t, "file in use")
	if f.Load() != "one" || f.Problem() != "" {
		t.Errorf("%q, problem %q", f.Load(), f.Problem())
	}
	replace(t, path, "bad")
	log.await(t, "refused: it is bad")
	if f.Load() != "one" || !strings.Contains(f.Problem(), "it is bad") {
		t.Errorf("%q, problem %q", f.Load(), f.Problem())
	}
	for range 5 {
		f.look()
	}
	if len(log) != 0 {
		t.Errorf("said again: %q", <-log)
	}
	replace(t, path, "two")
	log.await(t, "file in use")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	log.await(t, "no such file")
	if f.Load() != "two" {
		t.Errorf("after removal: %q", f.Load())
	}
	replace(t, path, "three")
	log.await(t, "file in use")
	if f.Load() != "three" {
		t.Errorf("after return: %q", f.Load())
	}
}

func TestAnUnchangedFileIsReadOnce(t *testing.T) {
	tries := 0
	path := filepath.Join(t.TempDir(), "rules")
	replace(t, path, "one")
	f := Open(path, slog.New(slog.DiscardHandler), func(r io.Reader) (string, error) { tries++; return parse(r) })
	f.Close()
	for range 3 {
		f.look()
	}
	if tries != 1 {
		t.Errorf("an unchanged file was parsed %d times", tries)
	}
}

func TestDirChecksOncePerBurstAndPolls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		events := make(chan fsnotify.Event)
		var checks, watches atomic.Int32
		var wg sync.WaitGroup
		wg.Go(func() {
			loop(ctx, events, func() bool { watches.Add(1); return false }, func() { checks.Add(1) })
		})
		for range 10 {
			events <- fsnotify.Event{}
			time.Sleep(Debounce / 2)
		}
		synctest.Wait()
		if checks.Load() != 0 {
			t.Errorf("%d checks while the folder still changes", checks.Load())
		}
		time.Sleep(Debounce)
		synctest.Wait()
		if checks.Load() != 1 {
			t.Errorf("%d checks after a burst, want 1", checks.Load())
		}
		time.Sleep(10 * Poll)
		stop()
		wg.Wait()
		if checks.Load() != 11 || watches.Load() != 11 {
			t.Errorf("%d checks and %d attempts to watch after ten polls, want 11", checks.Load(), watches.Load())
		}
	})
}
