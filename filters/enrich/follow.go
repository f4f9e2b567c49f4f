package enrich

import (
	"context"
	"log/slog"
	"time"

	"github.com/fsnotify/fsnotify"
)

// How soon a changed file is looked at: the notification's debounce lets a
// writer finish; the poll finds what notifications miss (network file systems,
// a folder that did not exist, symbolic links swapped behind it).
const (
	debounce = 200 * time.Millisecond
	poll     = 10 * time.Second
)

// follow calls check after dir changed, and every poll interval, until ctx is
// done. check is never called twice at once.
func follow(ctx context.Context, dir string, log *slog.Logger, check func()) {
	watcher, err := fsnotify.NewWatcher()
	if err != nil { // inotify instances are used up: polling still finds everything
		log.Info("table folder is polled instead of watched", "dir", dir, "every", poll, "reason", err)
		followPolling(ctx, nil, nil, check)
		return
	}
	defer watcher.Close()
	watch := func() bool { return watcher.Add(dir) == nil }
	followPolling(ctx, watcher.Events, watch, check)
}

// followPolling is follow without the file system. watch (nil: none) starts
// the notifications; it is repeated with each poll, because a watch ends when
// its folder is removed, and says whether the folder is there.
func followPolling(ctx context.Context, events <-chan fsnotify.Event, watch func() bool, check func()) {
	if watch != nil && watch() {
		check() // for what changed before the watch began
	}
	ticker := time.NewTicker(poll)
	defer ticker.Stop()
	quiet := time.NewTimer(debounce)
	quiet.Stop()
	defer quiet.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-events:
			quiet.Reset(debounce)
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
