//go:build !unix

package indicator

import (
	"io"
	"os"
)

// mapFile reads a file into memory where it cannot be mapped.
func mapFile(f *os.File, size int) ([]byte, error) {
	data := make([]byte, size)
	_, err := io.ReadFull(io.NewSectionReader(f, 0, int64(size)), data)
	return data, err
}

func unmap([]byte) {}
