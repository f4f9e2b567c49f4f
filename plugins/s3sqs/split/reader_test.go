package split

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/gzip"
)

// TestAConnectionThatBreaksMakesNoRecordBad: wherever it breaks, the error is the
// reader's, and what was cut off is no bad record, for it comes again.
func TestAConnectionThatBreaksMakesNoRecordBad(t *testing.T) {
	reset := errors.New("connection reset")
	for name, test := range map[string]struct {
		framing Framing
		text    string
	}{
		"lines":      {Framing{Kind: Lines}, strings.Repeat("a line of a log\n", 20)},
		"csv":        {Framing{Kind: CSV}, "a,b\n" + strings.Repeat("1,2\n", 20)},
		"quoted csv": {Framing{Kind: CSV, Quote: '"', Separator: ','}, "a,b\n" + strings.Repeat("1,\"2\n3\"\n", 20)},
		"json":       {Framing{Kind: JSON, Records: "Records"}, `{"Records":[` + strings.Repeat(`{"a":{"b":"c"}},`, 20) + `{}]}`},
		"json lines": {Framing{Kind: JSON}, strings.Repeat(`{"a":{"b":"c"}}`+"\n", 20)},
		"xml":        {Framing{Kind: XML, Element: "e"}, strings.Repeat("<e><f>text</f></e>\n", 20)},
	} {
		var packed bytes.Buffer
		z := gzip.NewWriter(&packed)
		z.Write([]byte(test.text)) // a buffer: cannot fail
		z.Close()
		for layer, content := range map[string][]byte{"plain": []byte(test.text), "gzip": packed.Bytes()} {
			for n := 1; n < len(content); n++ {
				r := io.MultiReader(bytes.NewReader(content[:n]), iotest.ErrReader(reset))
				_, err := Records(r, test.framing, Limits{}, func(r Record) error {
					if r.Bad != nil {
						t.Errorf("%s, %s, broken at byte %d: record %d is bad: %v: %q", name, layer, n, r.Number, r.Bad, r.Raw)
					}
					return nil
				})
				if !errors.Is(err, reset) {
					t.Errorf("%s, %s, broken at byte %d: %v", name, layer, n, err)
				}
				if t.Failed() {
					return
				}
			}
		}
	}
}
