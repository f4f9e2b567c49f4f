package ledger

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"
	"go.uber.org/goleak"

	"github.com/fluent-siem/fluent-siem/internal/lease"
)

// childEnv names the folder that this binary, run by TestKilledAtAnyMoment,
// writes a ledger in.
const childEnv = "LEDGER_TEST_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childEnv); dir != "" {
		writeUntilKilled(dir)
		return
	}
	goleak.VerifyTestMain(m)
}

var keepLong = Config{Age: 24 * time.Hour, Size: 1 << 30}

func start(t *testing.T, dir string, cfg Config, opts ...Option) *Ledger {
	t.Helper()
	l := Start(dir, cfg, append([]Option{WithLogger(slog.New(slog.DiscardHandler)), func(l *Ledger) {
		l.timing.gather, l.timing.retry = time.Millisecond, time.Millisecond
	}}, opts...)...)
	t.Cleanup(l.Close)
	return l
}

// sync waits for everything that has ended so far.
func (l *Ledger) sync() {
	done := make(chan struct{})
	l.After(func() { close(done) })
	<-done
}

// all returns the records of a folder by key.
func all(t *testing.T, dir string, f Filter) map[Key]Record {
	t.Helper()
	sources, done, err := Sources(t.Context(), dir, f)
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	found := map[Key]Record{}
	for r, err := range Merge(f, sources...) {
		if err != nil {
			t.Fatal(err)
		}
		found[r.Key] = r
	}
	return found
}

func object(n int) Key { return Key{Bucket: "logs", Key: fmt.Sprintf("trail/%04d", n), Version: "v1"} }

func totals(read, stored, duplicate uint64) (t lease.Totals) {
	t.Read = read
	t.By[lease.Stored], t.By[lease.Duplicate] = stored, duplicate
	return t
}

// Whatever the order of looks, ends and announcements, a record has each
// reading's verdicts exactly once.
func TestBooksAddUp(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	dir := t.TempDir()
	type want struct {
		announced, stored, duplicate, returned uint64
		state                                  State
	}
	wants := map[Key]want{}
	var l *Ledger
	for round := range 3 { // a restart each
		l = start(t, dir, keepLong, func(l *Ledger) { l.timing.look = time.Millisecond })
		var wg sync.WaitGroup
		for range 200 {
			k := object(random.IntN(50))
			w := wants[k]
			w.announced++
			e := l.Begin(k, fmt.Sprint(round))
			stored, duplicate, waiting := uint64(random.IntN(100)), uint64(random.IntN(100)), uint64(random.IntN(2)*random.IntN(100))
			var mu sync.Mutex
			now := totals(stored+duplicate+waiting, 0, 0)
			e.Follow(func() Reading {
				mu.Lock()
				defer mu.Unlock()
				return Reading{LogType: "cloudtrail", Size: 10, Totals: now}
			})
			steps := random.IntN(5)
			w.stored += stored
			w.duplicate += duplicate
			w.state = Done
			if waiting > 0 {
				w.state = GivenBack
				w.returned += waiting
			}
			state := w.state
			wants[k] = w
			wg.Go(func() {
				for i := range steps {
					mu.Lock()
					now.By[lease.Stored] = stored * uint64(i) / uint64(steps)
					mu.Unlock()
					l.refresh(context.Background())
				}
				e.End(state, "", Reading{Size: -1, Totals: totals(stored+duplicate+waiting, stored, duplicate)})
				e.End(Unreadable, "a second end", Reading{})
			})
			if random.IntN(4) == 0 {
				wg.Wait()
			}
		}
		wg.Wait()
		l.Close()
	}
	found := all(t, dir, Filter{})
	for k, w := range wants {
		r := found[k]
		got := want{r.Announced, r.Totals.Of(lease.Stored), r.Totals.Of(lease.Duplicate), r.Returned, w.state}
		if got != w || r.Totals.Outstanding() != 0 || r.LogType != "cloudtrail" && w.announced > 1 && r.LogType != "" {
			t.Errorf("%v: %+v, want %+v; read %d", k, got, w, r.Totals.Read)
		}
	}
	if len(found) != len(wants) {
		t.Errorf("%d records, want %d", len(found), len(wants))
	}
}

func TestFilters(t *testing.T) {
	dir := t.TempDir()
	l := start(t, dir, keepLong, WithVersions(func() string { return "program=1 rules=abc" }))
	for i := range 10 {
		k := object(i)
		if i == 9 {
			k.Bucket = "logs2"
		}
		e := l.Begin(k, "m")
		r := Reading{LogType: []string{"cloudtrail", "alb"}[i%2], ETag: "e", Size: int64(i), Totals: totals(1, 1, 0)}
		switch {
		case i == 0:
			e.End(Unreadable, "truncated", r)
		case i < 8 || i == 9:
			e.End(Done, "", r)
		default:
			e.Follow(func() Reading { return r })
		}
	}
	l.refresh(t.Context())
	for _, c := range []struct {
		name string
		f    Filter
		want int
	}{
		{"all", Filter{}, 10},
		{"bucket", Filter{Bucket: "logs"}, 9},
		{"prefix", Filter{Bucket: "logs", Prefix: "trail/0003"}, 1},
		{"type", Filter{LogType: "alb"}, 5},
		{"state", Filter{States: []State{Open, Unreadable}}, 2},
		{"since", Filter{Since: time.Now().Add(-time.Hour)}, 10},
		{"since later", Filter{Since: time.Now().Add(time.Hour)}, 0},
		{"until", Filter{Until: time.Now().Add(-time.Hour)}, 0},
	} {
		n := 0
		for _, err := range Merge(c.f, l.Records(c.f)) {
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
		if n != c.want {
			t.Errorf("%s: %d records, want %d", c.name, n, c.want)
		}
	}
	l.Close()
	r := all(t, dir, Filter{Bucket: "logs", Prefix: "trail/0000"})[object(0)]
	if r.Versions != "program=1 rules=abc" || r.Class != "truncated" || r.ETag != "e" || r.State != Unreadable || r.Announced != 1 {
		t.Errorf("%+v", r)
	}
	text, err := r.MarshalJSON()
	var back Record
	if err != nil || back.UnmarshalJSON(text) != nil || back != r {
		t.Errorf("%s is read as %+v, %v", text, back, err)
	}
}

// Two processes write a file each; while they live, their sockets are asked.
func TestSeveralProcesses(t *testing.T) {
	dir := t.TempDir()
	a, b := start(t, dir, keepLong), start(t, dir, keepLong)
	for i, l := range []*Ledger{a, b} {
		l.Begin(object(0), "m").End(Done, "", Reading{Size: -1, Totals: totals(10, uint64(10-i), uint64(i))})
		l.Begin(object(1+i), "m").End(Done, "", Reading{Size: -1})
		l.sync()
	}
	if _, _, err := Sources(t.Context(), dir, Filter{}); err == nil {
		t.Error("a ledger that nobody gives access to is left out silently")
	}
	for i, l := range []*Ledger{a, b} {
		mux := http.NewServeMux()
		mux.Handle(Path, l)
		listener, err := net.Listen("unix", filepath.Join(dir, fmt.Sprintf("fluent-siem-%d.sock", i)))
		if err != nil {
			t.Fatal(err)
		}
		server := &http.Server{Handler: mux}
		var wg sync.WaitGroup
		wg.Go(func() { _ = server.Serve(listener) }) // ends with Close
		t.Cleanup(func() { server.Close(); wg.Wait() })
	}
	check := func(how string) {
		t.Helper()
		found := all(t, dir, Filter{})
		if r := found[object(0)]; len(found) != 3 || r.Announced != 2 || r.Totals.Read != 20 || r.Totals.Of(lease.Duplicate) != 1 {
			t.Errorf("%s: %d records, %+v", how, len(found), r)
		}
	}
	check("both live")
	a.Close()
	check("one lives")
	b.Close()
	check("none lives")
	for n := 1; n <= 2; n++ {
		if info, err := os.Stat(fileName(dir, n)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("file %d: %v, %v", n, info, err)
		}
	}
	c := start(t, dir, keepLong)
	c.Begin(object(7), "m").End(Done, "", Reading{Size: -1})
	c.sync()
	if _, err := os.Stat(fileName(dir, 3)); err == nil {
		t.Error("a third file although the first was free")
	}
}

func TestProgressIsOfOneNotification(t *testing.T) {
	dir := t.TempDir()
	l := start(t, dir, keepLong)
	k := object(1)
	e := l.Begin(k, "message")
	e.Follow(func() Reading { return Reading{Size: -1, ETag: "tag", Through: 77} })
	l.refresh(t.Context())
	if n, etag := l.Through(k, "message"); n != 77 || etag != "tag" {
		t.Errorf("%d, %q", n, etag)
	}
	if n, _ := l.Through(k, "another"); n != 0 {
		t.Error("a new announcement goes on where an old one was interrupted")
	}
	e.End(GivenBack, "stopped", Reading{Size: -1, ETag: "tag", Through: 99})
	l.sync()
	l.Close()
	l = start(t, dir, keepLong)
	if n, _ := l.Through(k, "message"); n != 99 {
		t.Errorf("%d after a restart", n)
	}
	l.Begin(k, "message").End(Done, "", Reading{Size: -1})
	l.sync()
	if n, _ := l.Through(k, "message"); n != 0 {
		t.Errorf("%d of an object that is done", n)
	}
}

// What is old goes, and the oldest when there is too much.
func TestItIsBounded(t *testing.T) {
	dir := t.TempDir()
	l := start(t, dir, Config{Age: 24 * time.Hour, Size: 1 << 30})
	const n = 20_000
	for i := range n {
		l.Begin(object(i), "m").End(Done, "", Reading{LogType: "cloudtrail", Size: 1, ETag: strings.Repeat("e", 32)})
	}
	l.sync()
	// Half of them have been there for two days, the others for hours.
	err := l.db.Update(func(tx *bolt.Tx) error {
		b := tx.Bucket(bucketObjects)
		for i := range n {
			k := object(i)
			r, err := decode(k, b.Get(k.append(nil)), textOf(tx))
			if err != nil {
				return err
			}
			r.Last = time.Now().Add(-time.Duration(i%20) * time.Hour)
			if i%2 == 0 {
				r.Last = r.Last.Add(-48 * time.Hour)
			}
			if err := b.Put(k.append(nil), encode(nil, r)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	l = start(t, dir, Config{Age: 24 * time.Hour, Size: 1 << 30}, func(l *Ledger) { l.timing.sweep = 0 })
	l.refresh(t.Context())
	l.Begin(object(n), "m").End(Done, "", Reading{Size: -1})
	l.sync()
	l.sync()
	l.Close()
	left := all(t, dir, Filter{})
	if len(left) != n/2+1 {
		t.Fatalf("%d records left, want the %d of a day", len(left), n/2+1)
	}
	db, err := lock(fileName(dir, 1))
	if err != nil {
		t.Fatal(err)
	}
	size, used, err := sizes(db)
	t.Logf("%d records: file %d bytes, used %d: %d each", len(left), size, used, used/int64(len(left)))
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	l = start(t, dir, Config{Age: 24 * time.Hour, Size: used / 2}, func(l *Ledger) { l.timing.sweep = 0 })
	for range 3 {
		l.Begin(object(n), "m").End(Done, "", Reading{Size: -1})
		l.sync()
	}
	l.Close()
	oldest := time.Now()
	fewer := all(t, dir, Filter{})
	for _, r := range fewer {
		if r.Last.Before(oldest) {
			oldest = r.Last
		}
	}
	if len(fewer) < n/8 || len(fewer) > n/4+1 || time.Since(oldest) > 12*time.Hour {
		t.Errorf("%d records left of %d, the oldest of %v", len(fewer), len(left), oldest)
	}
}

// A ledger that cannot be written holds up nothing, and catches up.
func TestADiskThatTakesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	if err := os.WriteFile(dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	problem := ""
	l := start(t, dir, keepLong, WithHealth(func(p string) { mu.Lock(); problem = p; mu.Unlock() }))
	l.Begin(object(1), "m").End(Done, "", Reading{Size: -1, Totals: totals(3, 3, 0)})
	l.sync()
	mu.Lock()
	if !strings.Contains(problem, "cannot be written") {
		t.Errorf("health says %q", problem)
	}
	mu.Unlock()
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		l.Begin(object(2), "m").End(Done, "", Reading{Size: -1})
		l.sync()
		mu.Lock()
		well := problem == ""
		mu.Unlock()
		if well {
			break
		}
		if time.Now().After(end) {
			t.Fatal("it does not recover")
		}
	}
	l.Close()
	if r := all(t, dir, Filter{})[object(1)]; r.State != Done || r.Totals.Read != 3 || r.Announced != 1 {
		t.Errorf("what happened meanwhile: %+v", r)
	}
}

func TestADamagedFileIsPutAside(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(fileName(dir, 1), bytes.Repeat([]byte("damaged "), 4096), 0o600); err != nil {
		t.Fatal(err)
	}
	l := start(t, dir, keepLong)
	l.Begin(object(1), "m").End(Done, "", Reading{Size: -1})
	l.sync()
	l.Close()
	aside, err := filepath.Glob(filepath.Join(dir, "*.damaged-*"))
	if found := all(t, dir, Filter{}); len(found) != 1 || len(aside) != 1 || err != nil {
		t.Errorf("%d records, put aside: %v, %v", len(found), aside, err)
	}
}

// writeUntilKilled is the child of TestKilledAtAnyMoment: it prints a number
// when that object is promised to be on disk.
func writeUntilKilled(dir string) {
	l := Start(dir, keepLong)
	var mu sync.Mutex
	for i := 0; ; i++ {
		e := l.Begin(object(i), "m")
		e.End(Done, "", Reading{LogType: "cloudtrail", Size: -1, Totals: totals(5, 5, 0)})
		l.After(func() {
			mu.Lock()
			fmt.Println(i)
			mu.Unlock()
		})
		time.Sleep(50 * time.Microsecond) // some thousand a second
	}
}

// What is done is on disk before its notification is deleted, and the file
// survives kill -9.
func TestKilledAtAnyMoment(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for range 5 {
		dir := t.TempDir()
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childEnv+"="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for range 1 + random.IntN(1000) {
			if !lines.Scan() {
				t.Fatal("it ended by itself")
			}
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		var promised []int
		for i, ok := 0, true; ok; ok = lines.Scan() {
			if _, err := fmt.Sscan(lines.Text(), &i); err == nil {
				promised = append(promised, i)
			}
		}
		_ = cmd.Wait() // killed
		found := all(t, dir, Filter{})
		for _, i := range promised {
			if r := found[object(i)]; r.State != Done || r.Totals.Read != 5 {
				t.Fatalf("object %d was promised and is %+v; %d records, last promised %v", i, r, len(found), promised[len(promised)-1])
			}
		}
	}
}

func FuzzDecode(f *testing.F) {
	r := Record{Key: object(1), ETag: "e", LogType: "alb", Class: "c", Announced: 3, Totals: totals(9, 8, 1), Size: -1, Began: time.UnixMilli(1).UTC(), Last: time.UnixMilli(2).UTC()}
	f.Add(encode(nil, r))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := decode(r.Key, b, func(uint64) string { return "" })
		if err != nil {
			return
		}
		again, err := decode(r.Key, encode(nil, got), func(uint64) string { return "" })
		if err != nil || again != got {
			t.Errorf("%+v is read as %+v, %v", got, again, err)
		}
	})
}

func BenchmarkCommit(b *testing.B) {
	l := Start(b.TempDir(), keepLong)
	defer l.Close()
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		l.Begin(object(i), "m").End(Done, "", Reading{LogType: "cloudtrail", ETag: "0123456789abcdef0123456789abcdef", Size: 1, Totals: totals(5, 5, 0)})
		if i++; i%100 == 0 {
			l.sync()
		}
	}
}
