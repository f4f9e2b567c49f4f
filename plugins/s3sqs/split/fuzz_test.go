package split

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

func seeds(f *testing.F) {
	for _, s := range []string{
		"first\nsecond\r\n\n", `{"Records":[{"a":"\"]}"},{"b":[1,{}]}],"x":1}`, "{\"a\":1}{\"b\":2\n{\"c\":\"3\n{\"d\":4}", "[1,\"a\",{}] x\n {}",
		gz("a\nb") + gz("c"), gz(`{"Records":[{}]}`)[:20], zst("a\nb"), zipped("a\n", "b"), "\xff\xfea\x00\n\x00\x00\xd8", "\xef\xbb\xbf{}",
	} {
		f.Add([]byte(s), uint8(0))
		f.Add([]byte(s), uint8(1))
		f.Add([]byte(s), uint8(2))
		f.Add([]byte(s), uint8(3))
	}
}

var framings = []Framing{{Kind: Lines}, {Kind: CSV}, {Kind: JSON}, {Kind: JSON, Records: "Records"}}

// FuzzArrival: records do not depend on how the bytes arrive.
func FuzzArrival(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, object []byte, framing uint8) {
		if bytes.Contains(object, []byte("PAR1")) {
			return // the reader of Parquet has its own fuzz tests
		}
		fr, lim := framings[framing%4], Limits{Record: 24, Object: 1 << 16, Spool: 1 << 16, TempDir: t.TempDir()}
		whole, _, err1 := collect(bytes.NewReader(object), fr, lim)
		trickled, _, err2 := collect(iotest.OneByteReader(bytes.NewReader(object)), fr, lim)
		if !slices.Equal(whole, trickled) {
			t.Errorf("records depend on how the bytes arrive:\n%q\n%q", texts(whole), texts(trickled))
		}
		var e1, e2 *Error
		if errors.As(err1, &e1) != errors.As(err2, &e2) || e1 != nil && e1.Reason != e2.Reason {
			t.Errorf("errors depend on how the bytes arrive: %v, %v", err1, err2)
		}
	})
}

// FuzzNothingIsLost: records, good and bad, together are the input.
func FuzzNothingIsLost(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, object []byte, framing uint8) {
		fr := framings[framing%3] // with a key of records, the rest is left out on purpose
		records, res, err := collect(bytes.NewReader(object), fr, Limits{})
		var e *Error
		if errors.As(err, &e) && e.Reason != Truncated || len(res.Head.Layers) > 0 || len(object) > 0 && object[0] >= 0x80 || err != nil && e == nil {
			return // packed, encoded, or not read to its end
		}
		frame := " \t\r\n\v\f"
		if fr.Kind == JSON {
			frame += "[],"
		}
		drop := func(b []byte) string {
			return string(slices.DeleteFunc(bytes.Clone(b), func(c byte) bool { return strings.IndexByte(frame, c) >= 0 }))
		}
		joined := slices.Clone(res.Head.Header)
		for _, r := range records {
			joined = append(joined, r.raw...)
		}
		if got, want := drop(joined), drop(object); got != want {
			t.Errorf("of %q only %q is in records", want, got)
		}
	})
}
