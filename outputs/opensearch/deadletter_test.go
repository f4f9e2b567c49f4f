package opensearch

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// Files are ours alone, begin anew by size and by day, and hold every letter.
func TestDeadLettersRotate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "dead")
	now := time.Date(2026, 1, 1, 23, 59, 0, 0, time.UTC)
	d := &deadLetters{dir: dir, limit: 1000, now: func() time.Time { return now }}
	defer d.Close()
	for range 10 {
		if err := d.write([]letter{{Reason: strings.Repeat("r", 300)}}); err != nil {
			t.Fatal(err)
		}
	}
	now = now.Add(2 * time.Minute)
	if err := d.write([]letter{{Reason: "next day"}, {Reason: "<&> stays"}}); err != nil {
		t.Fatal(err)
	}
	if n := len(lettersIn(t, dir)); n != 12 {
		t.Errorf("%d letters, want 12", n)
	}
	files, _ := filepath.Glob(filepath.Join(dir, "dead-letters-*.ndjson"))
	if len(files) < 4 {
		t.Errorf("files: %v", files)
	}
	for _, f := range files {
		fi, err := os.Stat(f)
		if err != nil {
			t.Fatal(err)
		}
		if fi.Mode().Perm() != 0o600 || fi.Size() > 1500 {
			t.Errorf("%s: mode %v, %d bytes", f, fi.Mode(), fi.Size())
		}
	}
	text, err := os.ReadFile(files[len(files)-1])
	if err != nil || !strings.Contains(string(text), "<&> stays") {
		t.Errorf("the last file holds %q, %v", text, err)
	}
}

// A write that fails leaves no half line behind, and the next one works.
func TestDeadLettersAfterAFailure(t *testing.T) {
	dir := t.TempDir()
	d := &deadLetters{dir: dir, limit: 1 << 20, now: time.Now}
	defer d.Close()
	if err := d.write([]letter{{Reason: "one"}}); err != nil {
		t.Fatal(err)
	}
	good := d.file
	readOnly, err := os.Open(good.Name()) // writing to it fails
	if err != nil {
		t.Fatal(err)
	}
	d.file = readOnly
	if err := d.write([]letter{{Reason: "two"}}); err == nil {
		t.Fatal("a letter that was not written counts")
	}
	good.Close()
	if err := d.write([]letter{{Reason: "three"}}); err != nil {
		t.Fatal(err)
	}
	if l := lettersIn(t, dir); len(l) != 2 || l[0].Reason == "two" || l[1].Reason == "two" {
		t.Errorf("letters: %+v", l)
	}
}

// Two outputs may share the folder.
func TestDeadLettersShareAFolder(t *testing.T) {
	dir := t.TempDir()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			d := &deadLetters{dir: dir, limit: 5000, now: time.Now}
			defer d.Close()
			for range 100 {
				if err := d.write([]letter{{Reason: "x"}}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n := len(lettersIn(t, dir)); n != 400 {
		t.Errorf("%d letters, want 400", n)
	}
}

// Origin and raw record come from the document where no lease knows them.
func TestDeadLetterTellsTheOrigin(t *testing.T) {
	var l letter
	l.setDocument([]byte(`{"@message":"raw","@log_s3bucket":"b","@log_s3key":"k","@log_type":"t"}`))
	if l.Message != "raw" || l.Bucket != "b" || l.Key != "k" || l.LogType != "t" || l.Document == nil {
		t.Errorf("%+v", l)
	}
	l = letter{}
	l.setDocument([]byte(`{"a":tru`))
	if l.Text != `{"a":tru` || l.Document != nil {
		t.Errorf("%+v", l)
	}
}
