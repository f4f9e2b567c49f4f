package enrich

import (
	"fmt"
	"io"
	"os"

	"github.com/fluent-siem/fluent-siem/internal/follow"
)

// largestTable is where a table file is refused unread. The largest published
// databases are about 300 MiB.
const largestTable = 1 << 30

// readTable returns a private copy of a file and what it was when it was read.
// The copy lies outside the Go heap where the system allows: tens of megabytes
// that never change should not count twice in the garbage collector's target.
// It is not a mapping of the file, because one that is truncated in place
// kills the process that reads it. The caller gives it to [freeTable] once.
func readTable(path string) (data []byte, id follow.Identity, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, follow.Identity{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, follow.Identity{}, err
	}
	id = follow.Identify(path, info)
	switch {
	case !info.Mode().IsRegular():
		return nil, id, fmt.Errorf("%s is not a regular file", path)
	case info.Size() == 0:
		return nil, id, fmt.Errorf("%s is empty", path)
	case info.Size() > largestTable:
		return nil, id, fmt.Errorf("%s has %d bytes, more than the %d a table may have", path, info.Size(), int64(largestTable))
	}
	if data, err = allocateTable(int(info.Size())); err != nil {
		return nil, id, fmt.Errorf("no memory for %s: %w", path, err)
	}
	if _, err = io.ReadFull(f, data); err != nil {
		freeTable(data)
		return nil, id, fmt.Errorf("%s became shorter while it was read: %w", path, err)
	}
	after, err := f.Stat()
	if err == nil && follow.Identify(path, after) != id {
		err = fmt.Errorf("%s changed while it was read", path)
	}
	if err != nil {
		freeTable(data)
		return nil, id, err
	}
	return data, id, nil
}
