package follow

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/fluent-siem/fluent-siem/internal/code"
)

// File is a value that is read from a file, and read anew when the file is
// replaced.
type File[T any] struct {
	path  string
	log   *slog.Logger
	parse func(io.Reader) (T, error)
	value atomic.Pointer[T]

	mu      sync.Mutex // one look at a time; guards what follows
	last    Identity   // the file tried last, good or not
	problem string
	stop    context.CancelFunc
	ended   chan struct{}
}

// Open reads a file and follows it until [File.Close]. parse makes the value; an
// error refuses the file. When the file is missing or refused the value is T's
// zero value until there is a good one; that is logged, and [File.Problem] says it.
func Open[T any](path string, log *slog.Logger, parse func(io.Reader) (T, error)) *File[T] {
	if log == nil {
		log = slog.Default()
	}
	f := &File[T]{path: path, log: log, parse: parse}
	f.value.Store(new(T))
	f.look()
	ctx, stop := context.WithCancel(context.Background())
	f.stop, f.ended = stop, make(chan struct{})
	go func() {
		defer close(f.ended)
		Dir(ctx, filepath.Dir(path), log, f.look)
	}()
	return f
}

// Load returns the value of now. It costs one atomic load.
func (f *File[T]) Load() T { return *f.value.Load() }

// Problem says why the value is not the newest file's, "" when it is.
func (f *File[T]) Problem() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.problem
}

// Close stops following. The value stays.
func (f *File[T]) Close() {
	f.stop()
	<-f.ended
}

// look takes the file into use when it is another than last time.
func (f *File[T]) look() {
	f.mu.Lock()
	defer f.mu.Unlock()
	info, err := os.Stat(f.path)
	if err != nil {
		f.last = Identity{}
		f.say(fmt.Sprintf("%v; what was read before stays in use", err))
		return
	}
	id := Identify(f.path, info)
	if id == f.last {
		return
	}
	value, err := f.read()
	if err != nil {
		f.last, f.problem = id, "" // another file: worth another line
		f.say(fmt.Sprintf("%s is refused: %v; what was read before stays in use; correct the file", f.path, err))
		return
	}
	if info, err := os.Stat(f.path); err != nil || Identify(f.path, info) != id {
		return // it changed while it was read: the next look tells
	}
	f.last, f.problem = id, ""
	f.value.Store(&value)
	f.log.Info("file in use", "file", f.path, "bytes", info.Size(), "changed", info.ModTime())
}

func (f *File[T]) read() (value T, err error) {
	file, err := os.Open(f.path)
	if err != nil {
		return value, err
	}
	defer file.Close()
	return f.parse(file)
}

func (f *File[T]) say(problem string) {
	if f.problem != problem {
		f.problem = problem
		f.log.Warn("file not in use: "+problem, "file", f.path, code.File.Attr())
	}
}
