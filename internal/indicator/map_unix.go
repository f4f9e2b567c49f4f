//go:build unix

package indicator

import (
	"os"

	"golang.org/x/sys/unix"
)

// mapFile maps a file for reading. Its memory is the page cache's: shared by
// all who map it.
func mapFile(f *os.File, size int) ([]byte, error) {
	return unix.Mmap(int(f.Fd()), 0, size, unix.PROT_READ, unix.MAP_SHARED)
}

// unmap gives a mapping back. Nothing may read it any more.
func unmap(data []byte) { _ = unix.Munmap(data) } // fails only for memory that is not ours
