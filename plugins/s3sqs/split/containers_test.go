package split

import (
	"archive/tar"
	"bytes"
	"encoding/base64"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/s2"
	"github.com/pierrec/lz4/v4"
)

// twoXZ is made by: (printf 'a\nb' | xz; printf 'c\n' | xz --check=sha256).
var twoXZ = unbase64(`/Td6WFoAAATm1rRGAgAhARYAAAB0L+WjAQACYQpiAAALcu7s0mBNTgABGwMLL7kQH7bzfQEAAAAABFla` +
	`/Td6WFoAAArh+wyhAgAhARYAAAB0L+WjAQABYwoAAACjpecV8MxXSnPD+b67a8JPMv/Vtns4ckTCyQnad5oUeAABMgJ2gPgjGJtLmgEAAAAAClla`)

func unbase64(s string) string {
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func lz4ed(s string) string {
	return written(s, func(w io.Writer) io.WriteCloser { return lz4.NewWriter(w) })
}

func snapped(s string) string {
	return written(s, func(w io.Writer) io.WriteCloser { return s2.NewWriter(w, s2.WriterSnappyCompat()) })
}

func written(s string, open func(io.Writer) io.WriteCloser) string {
	var b bytes.Buffer
	w := open(&b)
	if _, err := io.WriteString(w, s); err != nil {
		panic(err)
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return b.String()
}

func tarred(files ...string) string {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for i, f := range append([]string{"\x00\x05\x16\x07 beside each file"}, files...) {
		h := tar.Header{Name: string(rune('a' + i)), Mode: 0o600, Size: int64(len(f)), Typeflag: tar.TypeReg, Format: tar.FormatUSTAR}
		if err := w.WriteHeader(&h); err != nil {
			panic(err)
		}
		if _, err := io.WriteString(w, f); err != nil {
			panic(err)
		}
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return b.String()
}

func TestContainers(t *testing.T) {
	for _, c := range []struct {
		name    string
		framing Framing
		in      string
		want    []string
		layers  string
	}{
		{"xz, two streams", Framing{}, twoXZ, []string{"1:a", "2:bc"}, "xz"},
		{"lz4", Framing{}, lz4ed("a\nb\n"), []string{"1:a", "2:b"}, "lz4"},
		{"lz4, two frames", Framing{}, lz4ed("a\nb") + lz4ed("c"), []string{"1:a", "2:bc"}, "lz4"},
		{"snappy", Framing{}, snapped("a\nb\n"), []string{"1:a", "2:b"}, "snappy"},
		{"snappy, two streams", Framing{}, snapped("a\nb") + snapped("c"), []string{"1:a", "2:bc"}, "snappy"},
		{"tar", Framing{Kind: CSV}, tarred("h1\na\n", "h2\nb"), []string{"2:a", "4:b"}, "tar"},
		{"tar in gzip", Framing{}, gz(tarred("a\n", gz("b"))), []string{"1:a", "2:b"}, "gzip tar gzip"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, res, err := collect(strings.NewReader(c.in), c.framing, Limits{})
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(texts(got), c.want) || strings.Join(res.Head.Layers, " ") != c.layers {
				t.Errorf("%q in %v, want %q in %s", texts(got), res.Head.Layers, c.want, c.layers)
			}
		})
	}
}

// TestAPieceIsNotTakenForTheWhole: no container that breaks off reads as if it
// were complete.
func TestAPieceIsNotTakenForTheWhole(t *testing.T) {
	text := strings.Repeat("a line of text\n", 20)
	for name, object := range map[string]string{
		"gzip": gz(text), "zstd": zst(text), "xz": twoXZ[:60], "lz4": lz4ed(text), "snappy": snapped(text), "zip": zipped(text), "tar": tarred(text)[:1536+len(text)],
	} {
		t.Run(name, func(t *testing.T) {
			for n := 17; n < len(object); n++ {
				if name == "tar" && (n < tarMagic+5 || n >= 533 && n <= 1024) {
					continue // not known yet, or between two files, where its reader believes that it ends
				}
				if _, _, err := collect(strings.NewReader(object[:n]), Framing{}, Limits{}); err == nil {
					t.Fatalf("%d of %d bytes read without an error", n, len(object))
				}
			}
		})
	}
}
