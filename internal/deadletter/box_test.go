package deadletter

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fluent-siem/fluent-siem/test/services"
)

// open returns a Box in a folder of the test's.
func open(t testing.TB, change ...func(*Config)) (*Box, string) {
	t.Helper()
	cfg := Config{Place: filepath.Join(t.TempDir(), "a", "dead")}
	for _, f := range change {
		f(&cfg)
	}
	b, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b, cfg.Place
}

// all reads every letter of a box.
func all(t testing.TB, b *Box) (entries []Entry, damage Damage) {
	t.Helper()
	damage, err := b.Each(t.Context(), func(e *Entry) error { entries = append(entries, *e); return nil })
	if err != nil {
		t.Fatal(err)
	}
	return entries, damage
}

// Files are ours alone, begin anew by size and by age, and hold every letter.
func TestFilesRotate(t *testing.T) {
	b, dir := open(t, func(c *Config) { c.FileSize = 600 })
	now := time.Date(2026, 1, 1, 23, 59, 0, 0, time.UTC)
	b.place.(*folder).now = func() time.Time { return now }
	for i := range 10 {
		if err := b.Write([]Letter{{Reason: fmt.Sprint("reason ", i)}}); err != nil {
			t.Fatal(err)
		}
	}
	now = now.Add(25 * time.Hour)
	if err := b.Write([]Letter{{Reason: "next day"}, {Reason: "<&> stays"}}); err != nil {
		t.Fatal(err)
	}
	entries, damage := all(t, b)
	if len(entries) != 12 || damage.Files != nil || entries[11].Letter.Reason != "<&> stays" {
		t.Errorf("%d letters, want 12; damage %+v", len(entries), damage)
	}
	files, err := filepath.Glob(filepath.Join(dir, "dead-letters-*.ndjson.zst"))
	if err != nil || len(files) < 3 {
		t.Errorf("files: %v, %v", files, err)
	}
	for _, f := range files {
		info, err := os.Stat(f)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 || info.Size() > 900 {
			t.Errorf("%s: mode %v, %d bytes", f, info.Mode(), info.Size())
		}
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("folder: %v, %v", info.Mode(), err)
	}
}

// A write that fails leaves no half batch behind, and the next one works.
func TestAfterAFailure(t *testing.T) {
	b, _ := open(t)
	if err := b.Write([]Letter{{Reason: "one"}}); err != nil {
		t.Fatal(err)
	}
	f := b.place.(*folder)
	good := f.open[lettersKind].File
	readOnly, err := os.Open(good.Name()) // writing to it fails
	if err != nil {
		t.Fatal(err)
	}
	f.open[lettersKind].File = readOnly
	if err := b.Write([]Letter{{Reason: "two"}}); err == nil {
		t.Fatal("a letter that was not written counts")
	}
	if err := good.Close(); err != nil {
		t.Fatal(err)
	}
	if err := b.Write([]Letter{{Reason: "three"}}); err != nil {
		t.Fatal(err)
	}
	entries, damage := all(t, b)
	if len(entries) != 2 || entries[0].Letter.Reason != "one" || entries[1].Letter.Reason != "three" || damage.Files != nil {
		t.Errorf("letters: %+v, damage %+v", entries, damage)
	}
}

// A full folder takes nothing, says what to do, and takes again when there is room.
func TestFullFolder(t *testing.T) {
	b, dir := open(t, func(c *Config) { c.Limit = 4000; c.FileSize = 1000 })
	n := 0
	var full *FullError
	for ; n < 1000; n++ {
		err := b.Write([]Letter{{Reason: fmt.Sprint("reason ", n)}})
		if errors.As(err, &full) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if full == nil || !strings.Contains(full.Error(), "deadletter prune") || n == 0 {
		t.Fatalf("after %d letters: %v", n, full)
	}
	size := int64(0)
	files, _ := filepath.Glob(filepath.Join(dir, "*"))
	for _, f := range files {
		info, err := os.Stat(f)
		if err != nil {
			t.Fatal(err)
		}
		size += info.Size()
	}
	if size > 4000 {
		t.Errorf("the folder holds %d bytes", size)
	}
	if entries, _ := all(t, b); len(entries) != n {
		t.Errorf("%d letters are there, %d were taken", len(entries), n)
	}
	if err := os.Remove(files[0]); err != nil {
		t.Fatal(err)
	}
	if err := b.Write([]Letter{{Reason: "there is room"}}); err != nil {
		t.Error(err)
	}
}

// Several boxes may share a folder, and several goroutines a box.
func TestShared(t *testing.T) {
	dir := t.TempDir()
	var wg sync.WaitGroup
	for range 3 {
		b, err := Open(Config{Place: dir, FileSize: 2000})
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		for range 4 {
			wg.Go(func() {
				for range 25 {
					if err := b.Write([]Letter{{Reason: "x"}}); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	wg.Wait()
	b, err := Open(Config{Place: dir})
	if err != nil {
		t.Fatal(err)
	}
	if entries, _ := all(t, b); len(entries) != 300 {
		t.Errorf("%d letters, want 300", len(entries))
	}
}

// Files of before the batches are read, a half line at their end is not.
func TestOlderFiles(t *testing.T) {
	b, dir := open(t)
	text := `{"time":"2026-01-01T00:00:00Z","class":"mapping_conflict","outcome":"dead-lettered","reason":"r","tag":"siem","attempts":1,"message":"m"}` + "\n" + `{"time":"20`
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "dead-letters-20260101T000000Z-1-1.ndjson"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	entries, damage := all(t, b)
	if len(entries) != 1 || entries[0].Letter.Message != "m" || damage.Bytes != 11 {
		t.Errorf("%+v, %+v", entries, damage)
	}
}

// What was written before a kill -9 is read after it, and nothing but that
// counts: the child writes letters, and its output says which are durable.
func TestKilledWhileWriting(t *testing.T) {
	if dir := os.Getenv("DEADLETTER_CHILD"); dir != "" {
		b, err := Open(Config{Place: dir, FileSize: 20_000})
		if err != nil {
			t.Fatal(err)
		}
		for n := 0; ; n++ {
			if err := b.Write([]Letter{{Reason: fmt.Sprintf("letter %d %s", n, strings.Repeat("x", n%5000))}}); err != nil {
				t.Fatal(err)
			}
			fmt.Printf("durable %d\n", n)
		}
	}
	dir := t.TempDir()
	acknowledged := 0
	for round := range 5 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestKilledWhileWriting$")
		cmd.Env = append(os.Environ(), "DEADLETTER_CHILD="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		var said bytes.Buffer
		piece := make([]byte, 512)
		for bytes.Count(said.Bytes(), []byte("\n")) < 50+20*round {
			n, err := out.Read(piece)
			if err != nil {
				t.Fatal(err)
			}
			said.Write(piece[:n])
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		rest := new(bytes.Buffer)
		_, _ = rest.ReadFrom(out)
		said.Write(rest.Bytes())
		_ = cmd.Wait() // killed
		acknowledged += bytes.Count(said.Bytes(), []byte("durable "))
	}
	b, err := Open(Config{Place: dir})
	if err != nil {
		t.Fatal(err)
	}
	entries, damage := all(t, b)
	if len(entries) < acknowledged || len(entries) > acknowledged+5 || damage.Lines > 0 {
		t.Errorf("%d letters are read, %d were acknowledged by 5 processes; damage %+v", len(entries), acknowledged, damage)
	}
}

// A mark closes a letter; one that failed again stays, with its new reason;
// prune removes what is closed and nothing else.
func TestMarksAndPrune(t *testing.T) {
	b, dir := open(t, func(c *Config) { c.FileSize = 1 }) // a file for each
	for i := range 3 {
		if err := b.Write([]Letter{{Class: "mapping_conflict", Reason: fmt.Sprint("r", i), Index: "log-x-2026-01"}}); err != nil {
			t.Fatal(err)
		}
	}
	entries, _ := all(t, b)
	now := time.Now()
	if err := b.Mark([]Mark{
		{Letter: entries[0].ID, Time: now.Add(-time.Hour), Outcome: Refused, Class: "old"},
		{Letter: entries[0].ID, Time: now.Add(-time.Minute), Outcome: "stored"},
		{Letter: entries[1].ID, Time: now.Add(-time.Minute), Outcome: Refused, Class: "field_too_long", Reason: "new", Index: "log-x-2026-02"},
	}); err != nil {
		t.Fatal(err)
	}
	entries, _ = all(t, b)
	if !entries[0].Closed() || entries[1].Closed() || entries[2].Closed() {
		t.Fatalf("closed: %v %v %v", entries[0].Closed(), entries[1].Closed(), entries[2].Closed())
	}
	if s := entries[1].Signature(); s.Class != "field_too_long" || s.Reason != "new" || s.Index != "log-x-*" {
		t.Errorf("signature %+v", s)
	}
	if p, err := b.Prune(t.Context(), now.Add(-time.Hour)); err != nil || p.Files != 0 {
		t.Errorf("pruned %+v, %v: the letter was closed later", p, err)
	}
	p, err := b.Prune(t.Context(), now)
	if err != nil || p.Files != 1 || p.Letters != 1 || p.Kept != 2 {
		t.Errorf("pruned %+v, %v", p, err)
	}
	left, _ := all(t, b)
	if len(left) != 2 || left[0].ID != entries[1].ID || left[0].Last == nil {
		t.Errorf("left: %+v", left)
	}
	// A file that is being written stays, whatever is in it.
	if err := b.Mark([]Mark{{Letter: entries[1].ID, Time: now, Outcome: "stored"}, {Letter: entries[2].ID, Time: now, Outcome: "duplicate"}}); err != nil {
		t.Fatal(err)
	}
	if p, err := b.Prune(t.Context(), now.Add(time.Hour)); err != nil || p.Letters != 1 {
		t.Errorf("pruned %+v, %v; the last file is open", p, err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Prune(t.Context(), now.Add(time.Hour)); err != nil {
		t.Error(err)
	}
	if files, _ := filepath.Glob(filepath.Join(dir, "*")); len(files) != 0 {
		t.Errorf("left: %v", files)
	}
}

// In S3 a commit is an object; it is listed, read, marked and pruned as in a folder.
func TestInS3(t *testing.T) {
	aws := services.AWS(t)
	bucket := services.Name("dead")
	if err := aws.CreateBucket(bucket); err != nil {
		t.Fatal(err)
	}
	for k, v := range map[string]string{"AWS_ENDPOINT_URL_S3": aws.URL, "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_EC2_METADATA_DISABLED": "true"} {
		t.Setenv(k, v)
	}
	b, err := Open(Config{Place: "s3://" + bucket + "/siem/dead", KMSKey: "alias/dead"})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if err := b.Write([]Letter{{Reason: fmt.Sprint(i)}, {Reason: "and"}}); err != nil {
			t.Fatal(err)
		}
	}
	entries, damage := all(t, b)
	if len(entries) != 6 || damage.Files != nil || entries[2].Letter.Reason != "1" {
		t.Fatalf("%+v, %+v", entries, damage)
	}
	if err := b.Mark([]Mark{{Letter: entries[2].ID, Outcome: "stored"}, {Letter: entries[3].ID, Outcome: "stored"}}); err != nil {
		t.Fatal(err)
	}
	if p, err := b.Prune(t.Context(), time.Now()); err != nil || p.Letters != 2 || p.Kept != 2 {
		t.Errorf("pruned %+v, %v", p, err)
	}
	t.Setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1")
	gone, err := Open(Config{Place: "s3://" + bucket})
	if err != nil {
		t.Fatal(err)
	}
	if err := gone.Write([]Letter{{Reason: "x"}}); err == nil {
		t.Error("a letter that S3 did not take counts")
	}
}

// The key is in the request: the emulator does not encrypt, so what S3 is asked is looked at.
func TestKMSKey(t *testing.T) {
	asked := make(chan http.Header, 1)
	s3 := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked <- r.Header }))
	defer s3.Close()
	for k, v := range map[string]string{"AWS_ENDPOINT_URL_S3": s3.URL, "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret"} {
		t.Setenv(k, v)
	}
	b, err := Open(Config{Place: "s3://bucket/p", KMSKey: "alias/dead"})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Write([]Letter{{Reason: "x"}}); err != nil {
		t.Fatal(err)
	}
	h := <-asked
	if h.Get("X-Amz-Server-Side-Encryption") != "aws:kms" || h.Get("X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id") != "alias/dead" {
		t.Errorf("asked with %v", h)
	}
}

func TestParseS3(t *testing.T) {
	for text, want := range map[string]string{
		"s3://b": "b|", "s3://b/": "b|", "s3://b/p": "b|p/", "s3://b/p/q/": "b|p/q/",
		"/var/lib/x": "folder", "rel": "folder", "s3:///p": "error", "http://x": "error",
	} {
		bucket, prefix, ok, err := ParseS3(text)
		got := bucket + "|" + prefix
		if err != nil {
			got = "error"
		} else if !ok {
			got = "folder"
		}
		if got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

// What differs from record to record is no part of a signature.
func TestSignature(t *testing.T) {
	a := SignatureOf("mapping_conflict", "failed to parse field [source.ip] of type [ip] in document with id 'abc12'. Preview of field's value: 'x y': 'x y' is not an IP string literal.", "log-aws-cloudtrail-2026-01", "cloudtrail")
	b := SignatureOf("mapping_conflict", "failed to parse field [source.ip] of type [ip] in document with id 'zz9'. Preview of field's value: 'q': 'q' is not an IP string literal.", "log-aws-cloudtrail-2026-02-11", "cloudtrail")
	if a != b || a.Key() != b.Key() || len(a.Key()) != 8 {
		t.Errorf("%+v\n%+v", a, b)
	}
	if a.Reason != "failed to parse field [source.ip] of type [ip] in document with id …" || a.Index != "log-aws-cloudtrail-*" {
		t.Errorf("%+v", a)
	}
	other := SignatureOf("mapping_conflict", "failed to parse field [user.id] of type [long]", "log-aws-cloudtrail-2026-01", "cloudtrail")
	if other.Key() == a.Key() {
		t.Error("another field has the same signature")
	}
}

// A letter's fields keep their names: files of earlier versions, and what people
// read them with, rely on them.
func TestFieldsOfALetter(t *testing.T) {
	l := Letter{
		Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Class: "mapping_conflict", Outcome: Refused, Status: 400, Type: "mapper_parsing_exception", Reason: "why",
		Index: "log-x", ID: "i", Op: "create", Document: json.RawMessage(`{"a":1}`), Text: "t", Msgpack: []byte("m"), Message: "raw", Envelope: "e",
		Bucket: "b", Key: "k", Version: "v", Record: 7, LogType: "x", Account: "1", Region: "r", Announced: time.Date(2026, 1, 2, 3, 4, 0, 0, time.UTC),
		Header: "h", Format: "json", Tag: "siem.x", Attempts: 2, Software: "s", Object: 9,
	}
	const want = `{"time":"2026-01-02T03:04:05Z","class":"mapping_conflict","outcome":"dead-lettered","status":400,"type":"mapper_parsing_exception","reason":"why",` +
		`"index":"log-x","id":"i","op":"create","document":{"a":1},"text":"t","msgpack":"bQ==","message":"raw","envelope":"e",` +
		`"bucket":"b","key":"k","version":"v","record":7,"log_type":"x","account":"1","region":"r","announced":"2026-01-02T03:04:00Z",` +
		`"header":"h","format":"json","tag":"siem.x","attempts":2,"software":"s"}`
	got, err := json.Marshal(l)
	if err != nil || string(got) != want {
		t.Errorf("%v\n%s\n%s", err, got, want)
	}
	for v, i := reflect.ValueOf(l), 0; i < v.NumField(); i++ {
		if v.Field(i).IsZero() {
			t.Errorf("this test lacks the field %s", v.Type().Field(i).Name)
		}
	}
}

// Origin and raw record come from the document where no lease knows them.
func TestLetterTellsTheOrigin(t *testing.T) {
	var l Letter
	l.SetDocument([]byte(`{"@message":"raw","@log_s3bucket":"b","@log_s3key":"k","@log_type":"t"}`))
	if l.Message != "raw" || l.Bucket != "b" || l.Key != "k" || l.LogType != "t" || l.Document == nil {
		t.Errorf("%+v", l)
	}
	l = Letter{}
	l.SetDocument([]byte(`{"a":tru`))
	if l.Text != `{"a":tru` || l.Document != nil {
		t.Errorf("%+v", l)
	}
}

// Whatever surrounds them, whole batches are read, every line of them, in order.
func FuzzDamagedFiles(f *testing.F) {
	f.Add([]byte(`{"reason":"a"}`), []byte("garbage"), []byte{}, uint16(3))
	f.Add([]byte("{}\n{}"), batchMark, append(bytes.Clone(batchMark), 1, 0, 0, 0, 9, 9, 9, 9), uint16(0))
	f.Add([]byte("x"), appendBatches(nil, []byte("torn\n"))[:25], zstdMagic, uint16(40))
	f.Fuzz(func(t *testing.T, line, before, between []byte, cut uint16) {
		line = bytes.ReplaceAll(line, []byte("\n"), []byte(" "))
		if len(line) == 0 {
			line = []byte("x")
		}
		one := appendBatches(nil, append(bytes.Clone(line), '\n'))
		two := appendBatches(nil, []byte("second\nthird\n"))
		torn := two[:int(cut)%len(two)]
		file := bytes.Join([][]byte{before, one, between, two, torn}, nil)
		var got [][]byte
		damaged, err := eachLine(file, func(l []byte) error { got = append(got, bytes.Clone(l)); return nil })
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range [][]byte{line, []byte("second"), []byte("third")} {
			at := -1
			for i, l := range got {
				if bytes.Equal(l, want) {
					at = i
					break
				}
			}
			if at < 0 {
				t.Fatalf("%q is missing among %q", want, got)
			}
			got = got[at+1:]
		}
		if len(before)+len(between)+len(torn) == 0 && damaged != 0 {
			t.Errorf("%d bytes of a whole file count as damaged", damaged)
		}
	})
}

// A batch that is larger than one frame may be comes back whole.
func TestLargeLines(t *testing.T) {
	long := strings.Repeat("long ", batchLines/4)
	b, _ := open(t)
	if err := b.Write([]Letter{{Reason: "a"}, {Message: long}, {Reason: "b"}}); err != nil {
		t.Fatal(err)
	}
	entries, damage := all(t, b)
	if len(entries) != 3 || entries[1].Letter.Message != long || damage.Files != nil {
		t.Errorf("%d letters, damage %+v", len(entries), damage)
	}
	if _, err := json.Marshal(entries[0]); err != nil {
		t.Error(err)
	}
}
