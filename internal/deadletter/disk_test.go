package deadletter

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/fluent-siem/fluent-siem/test/services"
)

// A full disk takes no letter, and says so; those that counted are whole, and
// when there is room again it goes on.
func TestLettersOnAFullDisk(t *testing.T) {
	disk := services.SmallDisk(t, 1<<20)
	b, _ := open(t, func(c *Config) { c.Place = filepath.Join(disk, "dead") })
	count := 0
	write := func() error {
		err := b.Write([]Letter{{Reason: fmt.Sprint("letter ", count), Message: "as it came"}})
		if err == nil {
			count++
		}
		return err
	}
	if err := write(); err != nil {
		t.Fatal(err)
	}
	empty := services.FillDisk(t, disk)
	for count < 10_000 { // what is left of a page takes some
		if write() != nil {
			break
		}
	}
	if write() == nil {
		t.Fatal("a full disk takes letters")
	}
	empty()
	if err := write(); err != nil {
		t.Fatal(err)
	}
	entries, damage := all(t, b)
	for i, e := range entries {
		if e.Letter.Reason != fmt.Sprint("letter ", i) {
			t.Fatalf("letter %d is %q", i, e.Letter.Reason)
		}
	}
	if len(entries) != count || damage.Files != nil {
		t.Errorf("%d letters, %d counted; damage %+v", len(entries), count, damage)
	}
}
