//go:build unix

package enrich

import "syscall"

// allocateTable returns n bytes that the Go heap does not know of.
func allocateTable(n int) ([]byte, error) {
	return syscall.Mmap(-1, 0, n, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
}

// freeTable gives the memory back. Nothing may read it any more.
func freeTable(data []byte) {
	if data != nil {
		_ = syscall.Munmap(data) // fails only for memory that is not ours
	}
}

// sealTable makes the memory read-only: from here on nothing can change it.
func sealTable(data []byte) { _ = syscall.Mprotect(data, syscall.PROT_READ) }
