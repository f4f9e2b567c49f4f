package deadletter

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// folder keeps files named for their beginning: KIND-20060102T150405Z-PID-N.ndjson.zst.
type folder struct {
	dir   string
	size  int64
	age   time.Duration
	limit int64
	now   func() time.Time

	mu     sync.Mutex
	open   map[string]*file // by kind
	serial int
	used   int64 // bytes in dir when it was last counted, and what we have added; -1: not counted
	known  bool
}

// file is one that we write.
type file struct {
	*os.File
	size  int64
	since time.Time
}

// FullError says that a folder has reached its limit.
type FullError struct {
	Dir         string
	Used, Limit int64
}

func (e *FullError) Error() string {
	return fmt.Sprintf("%s holds %d bytes of dead letters, and dead_letter_limit is %d: replay them and run `fluent-siem deadletter prune`, move files away, or raise the limit", e.Dir, e.Used, e.Limit)
}

func (f *folder) put(kind string, batch []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if kind == lettersKind { // marks are small, and what empties the folder must not fail for its being full
		if err := f.room(int64(len(batch))); err != nil {
			return err
		}
	}
	cur, err := f.current(kind)
	if err != nil {
		return err
	}
	if _, err = cur.Write(batch); err == nil {
		err = cur.Sync()
	}
	if err != nil {
		// Later letters go to a new file: a torn batch must be the last one.
		err = errors.Join(err, cur.Truncate(cur.size), cur.Close())
		delete(f.open, kind)
		return err
	}
	cur.size += int64(len(batch))
	f.used += int64(len(batch))
	return nil
}

// room counts the folder anew before it says that there is none: a replay or a
// person may have made some.
func (f *folder) room(n int64) error {
	if f.limit <= 0 || f.known && f.used+n <= f.limit {
		return nil
	}
	entries, err := os.ReadDir(f.dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	f.used, f.known = 0, true
	for _, e := range entries {
		if info, err := e.Info(); err == nil && ours(e.Name()) {
			f.used += info.Size()
		}
	}
	if f.used+n > f.limit {
		return &FullError{f.dir, f.used, f.limit}
	}
	return nil
}

// current opens a new file when there is none, or it is full or old.
func (f *folder) current(kind string) (*file, error) {
	now := f.now().UTC()
	if cur := f.open[kind]; cur != nil {
		if cur.size < f.size && now.Sub(cur.since) < f.age {
			return cur, nil
		}
		delete(f.open, kind)
		if err := cur.Close(); err != nil {
			return nil, err
		}
	}
	if err := os.MkdirAll(f.dir, 0o700); err != nil {
		return nil, err
	}
	for {
		f.serial++
		name := fmt.Sprintf("%s-%s-%d-%d.ndjson.zst", kind, now.Format("20060102T150405Z"), os.Getpid(), f.serial)
		h, err := os.OpenFile(filepath.Join(f.dir, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o600)
		if errors.Is(err, os.ErrExist) { // another Box of this process
			continue
		}
		if err == nil {
			err = lock(h)
		}
		if err != nil {
			return nil, err
		}
		cur := &file{File: h, since: now}
		f.open[kind] = cur
		return cur, syncDir(f.dir)
	}
}

// syncDir makes the name of a new file survive a crash.
func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

func (f *folder) close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	var err error
	for kind, cur := range f.open {
		err = errors.Join(err, cur.Close())
		delete(f.open, kind)
	}
	return err
}

// ours reports whether a file's name is one of a Box.
func ours(name string) bool {
	return (strings.HasPrefix(name, lettersKind+"-") || strings.HasPrefix(name, marksKind+"-")) &&
		(strings.HasSuffix(name, ".ndjson") || strings.HasSuffix(name, ".ndjson.zst"))
}

func (f *folder) list(context.Context) ([]string, error) {
	entries, err := os.ReadDir(f.dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if ours(e.Name()) && e.Type().IsRegular() {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	return names, nil
}

func (f *folder) read(_ context.Context, name string) ([]byte, error) {
	return os.ReadFile(filepath.Join(f.dir, name))
}

func (f *folder) remove(_ context.Context, name string, size int) (gone bool, err error) {
	path := filepath.Join(f.dir, name)
	h, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return false, err
	}
	defer h.Close()
	if err := lock(h); err != nil {
		return false, nil // its writer has it
	}
	if info, err := h.Stat(); err != nil || info.Size() != int64(size) {
		return false, err // its writer had it until now
	}
	if err := os.Remove(path); err != nil {
		return false, err
	}
	return true, syncDir(f.dir)
}
