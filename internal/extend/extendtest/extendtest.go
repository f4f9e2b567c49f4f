// Package extendtest is what tests of extensions share.
package extendtest

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"
)

// Self makes the test's own program one that may be named as an extension. It
// returns its path and what [Allow] does.
func Self(t testing.TB) (path, sum string) {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path, Allow(t, path)
}

// Allow takes the rights to write to a program and its folder from everybody
// else, whatever the umask is, and returns the program's SHA-256 in hexadecimal.
func Allow(t testing.TB, path string) (sum string) {
	t.Helper()
	for _, name := range []string{path, filepath.Dir(path)} {
		if err := os.Chmod(name, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return Sum(t, path)
}

// Sum is the SHA-256 of a file in hexadecimal.
func Sum(t testing.TB, path string) string {
	t.Helper()
	program, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(program)
	return hex.EncodeToString(sum[:])
}
