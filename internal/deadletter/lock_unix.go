//go:build unix

package deadletter

import (
	"os"
	"syscall"
)

// lock marks a file as being written, until it is closed or its process ends.
func lock(f *os.File) error { return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) }
