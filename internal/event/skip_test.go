package event

import (
	"bytes"
	"errors"
	"testing"

	"github.com/tinylib/msgp/msgp"
)

// skip does what msgp.Skip does, but for the limit of depth.
func FuzzSkip(f *testing.F) {
	for c := range 256 {
		f.Add(append([]byte{byte(c)}, bytes.Repeat([]byte{1}, 40)...))
		f.Add(append([]byte{byte(c), 0, 0, 0}, bytes.Repeat([]byte{2}, 40)...))
		f.Add([]byte{byte(c)})
		f.Add([]byte{0x92, byte(c), 0x81, 0xa1, 'a', 0xc0, 0xc0})
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		got, gotErr := Skip(b)
		want, wantErr := msgp.Skip(b)
		if errors.Is(wantErr, msgp.ErrRecursion) {
			return
		}
		if (gotErr == nil) != (wantErr == nil) {
			t.Fatalf("%x: %v, msgp says %v", b, gotErr, wantErr)
		}
		if gotErr == nil && len(got) != len(want) {
			t.Errorf("%x: %d bytes left, msgp says %d", b, len(got), len(want))
		}
	})
}

// readString reads what msgp.ReadStringZC reads.
func FuzzReadString(f *testing.F) {
	for _, s := range []string{"", "a", string(bytes.Repeat([]byte("b"), 31)), string(bytes.Repeat([]byte("c"), 300)), string(bytes.Repeat([]byte("d"), 70000))} {
		f.Add(append(msgp.AppendString(nil, s), 1, 2, 3))
	}
	f.Add([]byte{0xd9})
	f.Add([]byte{0xdb, 0xff, 0xff, 0xff, 0xff, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		got, rest, ok := readString(b)
		want, wantRest, err := msgp.ReadStringZC(b)
		if ok != (err == nil) || ok && (!bytes.Equal(got, want) || len(rest) != len(wantRest)) {
			t.Errorf("%x: %q, %v; msgp reads %q, %v", b, got, ok, want, err)
		}
	})
}
