package throttle

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestStricterOrderCounts(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	free, stop := Order{}, Order{Stop: true, Reason: "disk"}
	half, third := Order{Share: .5}, Order{Share: .3}
	late := Order{Stop: true, Expires: now}
	held := Order{Stop: true, Expires: now.Add(1)}
	for _, test := range []struct{ a, b, want Order }{
		{free, free, free}, {free, half, half}, {stop, half, stop}, {half, stop, stop}, {half, third, third},
		{late, half, half}, {late, free, free}, {held, half, held},
	} {
		for _, got := range []Order{Stricter(test.a, test.b, now), Stricter(test.b, test.a, now)} {
			if got != test.want {
				t.Errorf("of %+v and %+v counts %+v, want %+v", test.a, test.b, got, test.want)
			}
		}
	}
}

// TestFollow: both files, their expiry, their end, and one that is damaged.
func TestFollow(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	orders, ended := make(chan Order), make(chan struct{})
	var log strings.Builder
	go func() {
		defer close(ended)
		Follow(ctx, dir, slog.New(slog.NewTextHandler(&log, nil)), func(o Order) {
			select {
			case orders <- o:
			case <-ctx.Done():
			}
		})
	}()
	next := func(want string) {
		t.Helper()
		select {
		case o := <-orders:
			if o.String() != want {
				t.Fatalf("%v, want %s", o, want)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("no order came; want %s", want)
		}
	}
	write := func(name string, o Order) {
		t.Helper()
		if err := Write(dir, name, o); err != nil {
			t.Fatal(err)
		}
	}
	next("free to take what they can")
	write(Automatic, Order{Stop: true, Reason: "the disk is full", Expires: time.Now().Add(3 * time.Second)})
	next("stopped: the disk is full")
	next("free to take what they can") // the sidecar fell silent
	write(Manual, Order{Share: .25, Reason: "maintenance"})
	next("held to 25 % of the usual rate: maintenance")
	if err := os.WriteFile(filepath.Join(dir, Manual), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	write(Automatic, Order{Stop: true, Reason: "again"})
	next("stopped: again")
	write(Automatic, Order{})
	next("held to 25 % of the usual rate: maintenance") // as it was before it was damaged
	if err := os.Remove(filepath.Join(dir, Manual)); err != nil {
		t.Fatal(err)
	}
	next("free to take what they can")
	cancel()
	<-ended
	if n := strings.Count(log.String(), "cannot be read"); n != 1 {
		t.Errorf("the damaged file was mentioned %d times:\n%s", n, log.String())
	}
}

func TestOrdersThatAreNone(t *testing.T) {
	for _, text := range []string{"", "[]", `{"share":1}`, `{"share":-0.1}`, `{"stop":"yes"}`} {
		if o, err := Parse(strings.NewReader(text)); err == nil {
			t.Errorf("%q is taken for %+v", text, o)
		}
	}
	if err := Write(t.TempDir(), Manual, Order{Share: 2}); err == nil {
		t.Error("twice the usual rate was written")
	}
}

func TestFilesAreForTheirOwnerOnly(t *testing.T) {
	dir := t.TempDir()
	if err := Write(dir, Manual, Order{Stop: true}); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(dir, Manual))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if o, err := Read(dir, Automatic); err != nil || o != (Order{}) {
		t.Errorf("a file that is missing orders %v, %v", o, err)
	}
}
