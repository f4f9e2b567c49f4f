package ledger

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/fluent-siem/fluent-siem/test/services"
)

// The disk fills up while the ledger writes, and has room again later: nothing
// is held up, what could not be written follows, and what was written stays.
func TestAFullDisk(t *testing.T) {
	dir := services.SmallDisk(t, 1<<20)
	var ill atomic.Bool
	l := start(t, dir, keepLong, WithHealth(func(p string) { ill.Store(p != "") }))
	n := 0
	write := func() {
		for range 100 {
			l.Begin(object(n), "m").End(Done, "", Reading{Size: -1, Totals: totals(3, 2, 1)})
			n++
		}
		l.sync()
	}
	until := func(want bool) {
		t.Helper()
		for end := time.Now().Add(20 * time.Second); ill.Load() != want; write() {
			if time.Now().After(end) {
				t.Fatalf("the ledger is ill: %v, after %d objects", !want, n)
			}
		}
	}
	write()
	empty := services.FillDisk(t, dir)
	until(true)
	write()
	empty()
	until(false)
	l.Close()
	found := all(t, dir, Filter{})
	for i := range n {
		if r := found[object(i)]; r.State != Done || r.Totals.Read != 3 || r.Announced != 1 {
			t.Fatalf("object %d of %d: %+v", i, n, r)
		}
	}
}
