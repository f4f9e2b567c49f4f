// Package follow notices that files were replaced, and puts the new ones into
// use while the old ones are. [Dir] tells of any change in a folder; [File] is
// the whole of it for one file that is parsed into one value.
//
// # Promises
//
//   - A change is noticed by notification within a second, and where there are
//     none (network file systems, symbolic links swapped behind a folder, a
//     folder that did not exist) by polling within ten.
//   - A file that cannot be used changes nothing: the last good value stays.
//   - What is wrong is logged once, not with every look.
//
// A file is best replaced by renaming another over it; one that is written in
// place is tried again until it is complete.
package follow

import (
	"context"
	"log/slog"
	"os"
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	// Debounce is how long a folder must be quiet before it is looked at: a
	// writer may finish.
	Debounce = 200 * time.Millisecond
	// Poll is how often it is looked at without being told.
	Poll = 10 * time.Second
)

// Identity tells one state of a file from another without reading it.
type Identity struct {
	path     string
	size     int64
	modified time.Time
	inode    uint64
}

// Identify returns what a file is now. The zero Identity is no file's.
func Identify(path string, info os.FileInfo) Identity {
	return Identity{path: path, size: info.Size(), modified: info.ModTime(), inode: inode(info)}
}

// Dir calls check after dir changed, and every [Poll], until ctx is done, which
// it waits for. check is never called twice at once.
func Dir(ctx context.Context, dir string, log *slog.Logger, check func()) {
	watcher, err := fsnotify.NewWatcher()
	if err != nil { // inotify instances are used up: polling still finds everything
		log.Info("folder is polled instead of watched", "dir", dir, "every", Poll, "reason", err)
		loop(ctx, nil, nil, check)
		return
	}
	defer watcher.Close()
	loop(ctx, watcher.Events, func() bool { return watcher.Add(dir) == nil }, check)
}

// loop is Dir without the file system. watch (nil: none) starts the
// notifications; it is repeated with each poll, because a watch ends when its
// folder is removed, and says whether the folder is there.
func loop(ctx context.Context, events <-chan fsnotify.Event, watch func() bool, check func()) {
	if watch != nil && watch() {
		check() // for what changed before the watch began
	}
	ticker := time.NewTicker(Poll)
	defer ticker.Stop()
	quiet := time.NewTimer(Debounce)
	quiet.Stop()
	defer quiet.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-events:
			quiet.Reset(Debounce)
		case <-quiet.C:
			check()
		case <-ticker.C:
			if watch != nil {
				watch()
			}
			check()
		}
	}
}
