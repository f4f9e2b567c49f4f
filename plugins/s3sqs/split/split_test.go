package split

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf16"

	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go"
)

// got is a record that outlives emit.
type got struct {
	n      uint64
	raw    string
	bad    Reason
	header string
}

// String writes "number:text", and "!reason" behind a bad one.
func (g got) String() string {
	s := fmt.Sprintf("%d:%s", g.n, g.raw)
	if g.bad != "" {
		s += "!" + string(g.bad)
	}
	return s
}

func collect(r io.Reader, f Framing, lim Limits) (records []got, res Result, err error) {
	res, err = Records(r, f, lim, func(rec Record) error {
		g := got{n: rec.Number, raw: string(rec.Raw), header: string(rec.Head.Header)}
		if rec.Bad != nil {
			g.bad = rec.Bad.Reason
		}
		records = append(records, g)
		return nil
	})
	return records, res, err
}

func texts(records []got) (s []string) {
	for _, r := range records {
		s = append(s, r.String())
	}
	return s
}

var trail = Framing{Kind: JSON, Records: "Records"}

func TestRecords(t *testing.T) {
	for _, c := range []struct {
		name    string
		framing Framing
		lim     Limits
		in      string
		want    []string
		err     Reason
	}{
		{"lines", Framing{}, Limits{}, "a\nb\r\n\n \t\nc", []string{"1:a", "2:b", "5:c"}, ""},
		{"lines with header", Framing{HeaderLines: 2}, Limits{}, "#v\n#f\na\n", []string{"3:a"}, ""},
		{"positions of lines", Framing{First: 2, Last: 3}, Limits{}, "a\nb\nc\nd\n", []string{"2:b", "3:c"}, ""},
		{"positions of csv", Framing{Kind: CSV, First: 2, Last: 3}, Limits{}, "h\nb\nc\nd\n", []string{"2:b", "3:c"}, ""},
		{"csv, header only", Framing{Kind: CSV}, Limits{}, "version account-id\n", nil, ""},
		{"long line", Framing{}, Limits{Record: 4}, "1234\n12345\n123456789\nx", []string{"1:1234", "2:1234!too_long", "3:1234!too_long", "4:x"}, ""},
		{"long line at the end", Framing{}, Limits{Record: 4}, "123456789", []string{"1:1234!too_long"}, ""},
		{"empty", trail, Limits{}, "", nil, ""},
		{"white space only", trail, Limits{}, " \n\r\n", nil, ""},
		{"trail", trail, Limits{}, `{"Records":[{"a":1},{"b":"]}\"\\"}]}`, []string{`1:{"a":1}`, `2:{"b":"]}\"\\"}`}, ""},
		{"trail, other members", trail, Limits{}, `{"x":{"Records":[9]},"y":"z","Records":[{"a":1}],"n":12}`, []string{`1:{"a":1}`}, ""},
		{"trail, several values", trail, Limits{}, `{"Records":[{"a":1}]}{"o":1} {"Records":[]}` + "\n" + `{"Records":[{"b":1}]}`, []string{`1:{"a":1}`, `2:{"b":1}`}, ""},
		{"trail, no list", trail, Limits{}, `{"Records":null}{"Records":{"a":1}}`, []string{`1:{"a":1}`}, ""},
		{"trail, pretty", trail, Limits{}, "{\n  \"Records\": [\n    {\n      \"a\": [\n {\n}\n,\n{\n}\n]\n    }\n  ]\n}\n", []string{"1:{\n      \"a\": [\n {\n}\n,\n{\n}\n]\n    }"}, ""},
		{"root array", trail, Limits{}, `[{"a":1}, {"b":2} ]`, []string{`1:{"a":1}`, `2:{"b":2}`}, ""},
		{"root array of scalars", Framing{Kind: JSON}, Limits{}, `["a,b",12,null]`, []string{`1:"a,b"`, `2:12`, `3:null`}, ""},
		{"values", Framing{Kind: JSON}, Limits{}, `{"a":1}{"b":2}` + "\n" + `{"c":3}`, []string{`1:{"a":1}`, `2:{"b":2}`, `3:{"c":3}`}, ""},
		{"positions of values", Framing{Kind: JSON, First: 2, Last: 2}, Limits{}, `{"a":1}{"b":2}{"c":3}`, []string{`2:{"b":2}`}, ""},
		{"not JSON", trail, Limits{}, "hello\nworld\n", []string{"1:hello\nworld!not_json"}, ""},
		{"garbage between values", Framing{Kind: JSON}, Limits{}, `{"a":1} oops` + "\n oops\n" + ` {"b":2}`, []string{`1:{"a":1}`, "2:oops\n oops!not_json", `3:{"b":2}`}, ""},
		{"garbage after the trail", trail, Limits{}, `{"Records":[]}a`, []string{"1:a!not_json"}, ""},
		{"garbage in the trail", trail, Limits{}, `{"Records":[{"a":1}:]}` + "\n" + `{"Records":[{"b":1}]}`, []string{`1:{"a":1}`, "2::]}!not_json", `3:{"b":1}`}, ""},
		{"value cut in a string", Framing{Kind: JSON}, Limits{}, `{"a":"x` + "\n" + `{"b":2}`, []string{`1:{"a":"x!not_json`, `2:{"b":2}`}, ""},
		{"value cut behind a number", Framing{Kind: JSON}, Limits{}, `{"a":1` + "\n" + `{"b":2}`, []string{`1:{"a":1!not_json`, `2:{"b":2}`}, ""},
		{"value cut behind a comma", Framing{Kind: JSON}, Limits{}, `{"a":1,` + "\n" + `{"b":2}`, []string{`1:{"a":1,!not_json`, `2:{"b":2}`}, ""},
		{"value cut in the trail", trail, Limits{}, `{"Records":[{"a":1},{"b":"` + "\n" + `{"Records":[{"c":1}]}`, []string{`1:{"a":1}`, `2:{"b":"!not_json`, `3:{"c":1}`}, ""},
		{"value cut at the end", trail, Limits{}, `{"Records":[{"a":1},{"b":`, []string{`1:{"a":1}`, `2:{"b":!truncated`}, ""},
		{"list cut at the end", trail, Limits{}, `{"Records":[{"a":1},`, []string{`1:{"a":1}`}, Truncated},
		{"object cut at the end", trail, Limits{}, `{"Records"`, nil, Truncated},
		{"long value", Framing{Kind: JSON}, Limits{Record: 8}, `{"a":12}{"a":123}{"a":"123456789"}{"b":1}`, []string{`1:{"a":12}`, `2:{"a":123}!too_long`, `3:{"a":"123456789"}!too_long`, `4:{"b":1}`}, ""},
		{"long value that does not end", Framing{Kind: JSON}, Limits{Record: 8}, `{"a":"123456789` + "\n" + `{"b":1}`, []string{`1:{"a":"123456789!too_long`, `2:{"b":1}`}, ""},
		{"long member is no record", trail, Limits{Record: 12}, `{"digest":"123456789012345678901234567890","Records":[1]}`, []string{"1:1"}, ""},
		{"utf-8 mark", trail, Limits{}, "\xef\xbb\xbf" + `{"Records":[{"a":1}]}`, []string{`1:{"a":1}`}, ""},
		{"utf-16 little", Framing{}, Limits{}, wide(binary.LittleEndian, "aé😀\nb"), []string{"1:aé😀", "2:b"}, ""},
		{"utf-16 big", Framing{}, Limits{}, wide(binary.BigEndian, "aé😀\nb"), []string{"1:aé😀", "2:b"}, ""},
		{"utf-16, half a character", Framing{}, Limits{}, wide(binary.LittleEndian, "ab") + "c", []string{"1:ab\uFFFD"}, ""},
		{"gzip", trail, Limits{}, gz(`{"Records":[{"a":1}]}`), []string{`1:{"a":1}`}, ""},
		{"gzip, two members", Framing{}, Limits{}, gz("a\nb") + gz("c\nd"), []string{"1:a", "2:bc", "3:d"}, ""},
		{"gzip in gzip", Framing{}, Limits{}, gz(gz("a")), []string{"1:a"}, ""},
		{"gzip, too deep", Framing{}, Limits{}, gz(gz(gz(gz("a")))), nil, Bomb},
		{"gzip of nothing", Framing{}, Limits{}, gz(""), nil, ""},
		{"zstd", Framing{}, Limits{}, zst("a\nb"), []string{"1:a", "2:b"}, ""},
		{"zip", Framing{Kind: CSV}, Limits{}, zipped("h1\na\n", "h2\nb"), []string{"2:a", "4:b"}, ""},
		{"gzip in zip", Framing{}, Limits{}, zipped(gz("a")), []string{"1:a"}, ""},
		{"7z", Framing{}, Limits{}, "7z\xbc\xaf\x27\x1cabc", nil, Unsupported},
		{"binary", trail, Limits{}, "\x00\x01\x02", nil, Binary},
		{"text that begins like bzip2", Framing{}, Limits{}, "BZh9 is a text", []string{"1:BZh9 is a text"}, ""},
		{"damaged zip", Framing{}, Limits{}, zipped("abc")[:40], nil, Corrupt},
		{"damaged parquet", Framing{}, Limits{}, "PAR1 is what it says", nil, Corrupt},
		{"object too large", Framing{}, Limits{Object: 5}, "a\nb\nc\nd\n", []string{"1:a", "2:b", "3:c!truncated"}, Bomb},
	} {
		t.Run(c.name, func(t *testing.T) {
			for way, r := range map[string]io.Reader{
				"from a file":  strings.NewReader(c.in),
				"as a stream":  io.MultiReader(strings.NewReader(c.in)),
				"in bytes":     iotest.OneByteReader(strings.NewReader(c.in)),
				"in halves":    iotest.HalfReader(strings.NewReader(c.in)),
				"end and data": iotest.DataErrReader(strings.NewReader(c.in)),
			} {
				records, res, err := collect(r, c.framing, c.lim)
				if !slices.Equal(texts(records), c.want) {
					t.Errorf("%s: records %q, want %q", way, texts(records), c.want)
				}
				var e *Error
				if errors.As(err, &e); (e == nil) != (c.err == "") || e != nil && e.Reason != c.err {
					t.Errorf("%s: error %v, want reason %q", way, err, c.err)
				}
				if int(res.Read) != len(records) {
					t.Errorf("%s: Result.Read is %d of %d", way, res.Read, len(records))
				}
			}
		})
	}
}

// TestValuesWithoutRecordsAreCounted: what the framing leaves out on purpose is told.
func TestValuesWithoutRecordsAreCounted(t *testing.T) {
	_, res, err := collect(strings.NewReader(`{"Records":[1]}{"detail":{}}{}`), trail, Limits{})
	if err != nil || res.Skipped != 2 || res.Read != 1 {
		t.Errorf("result %+v, error %v", res, err)
	}
}

// TestHeaderComesBeforeTheFirstRecord, and changes with the file of a zip.
func TestHeaderComesBeforeTheFirstRecord(t *testing.T) {
	records, res, err := collect(strings.NewReader(zipped("h1\na\n", "h2\nb")), Framing{Kind: CSV}, Limits{})
	if err != nil || len(records) != 2 || records[0].header != "h1" || records[1].header != "h2" {
		t.Errorf("records %q, error %v", records, err)
	}
	if string(res.Head.Header) != "h2" || res.Head.Layers[0] != "zip" {
		t.Errorf("head %+v", res.Head)
	}
}

func TestBzip2(t *testing.T) {
	b, err := os.ReadFile("testdata/two-streams.json.bz2")
	if err != nil {
		t.Fatal(err)
	}
	records, _, err := collect(bytes.NewReader(b), trail, Limits{})
	if want := []string{`1:{"eventID":"a"}`, `2:{"eventID":"b"}`, `3:{"eventID":"c"}`}; err != nil || !slices.Equal(texts(records), want) {
		t.Errorf("records %q, error %v", texts(records), err)
	}
}

// TestTruncatedGzip: the records before the break are good, the one at the break
// is bad, and the object has an error.
func TestTruncatedGzip(t *testing.T) {
	var b strings.Builder
	for i := range 50000 {
		fmt.Fprintf(&b, `{"Records":[{"a":%d,"b":"%x"}]}`+"\n", i, i*i*7919)
	}
	whole := gz(b.String())
	for _, f := range []Framing{trail, {Kind: JSON}, {}} {
		records, res, err := collect(strings.NewReader(whole[:len(whole)/2]), f, Limits{})
		var e *Error
		if !errors.As(err, &e) || e.Reason != Truncated || e.Offset == 0 {
			t.Errorf("%+v: error %v", f, err)
		}
		if len(records) < 20000 || res.Bad > 1 {
			t.Errorf("%+v: %d records, %d bad", f, len(records), res.Bad)
		}
	}
}

// TestBombs: what grows without end is given up, by ratio and by size.
func TestBombs(t *testing.T) {
	zeros := strings.Repeat("0", 1<<20)
	var text strings.Builder
	for range 64 {
		text.WriteString(zeros)
	}
	for name, in := range map[string]string{"gzip": gz(text.String()), "zstd": zst(text.String()), "gzip in gzip": gz(gz(text.String())), "zip": zipped(text.String())} {
		for limit, lim := range map[string]Limits{"ratio": {}, "object": {Object: 20 << 20, Ratio: 1 << 30}} {
			_, res, err := collect(strings.NewReader(in), Framing{}, lim)
			var e *Error
			if !errors.As(err, &e) || e.Reason != Bomb {
				t.Errorf("%s, %s: %v", name, limit, err)
			}
			if res.Bytes > 40<<20 {
				t.Errorf("%s, %s: %d bytes were unpacked", name, limit, res.Bytes)
			}
		}
	}
}

// TestErrorsOfTheReaderPassThrough: they are the network's, not the object's.
func TestErrorsOfTheReaderPassThrough(t *testing.T) {
	broken := errors.New("connection reset")
	for name, in := range map[string]string{"plain": "a\nb", "gzip": gz("a\nb")[:15], "zip": zipped("a")[:20], "parquet": "PAR1"} {
		_, _, err := collect(io.MultiReader(strings.NewReader(in), iotest.ErrReader(broken)), Framing{}, Limits{})
		if !errors.Is(err, broken) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestErrorsOfEmitEndReading, whatever the object is packed in.
func TestErrorsOfEmitEndReading(t *testing.T) {
	stop := errors.New("stop")
	parquet, err := os.ReadFile("testdata/vpcflow.parquet")
	if err != nil {
		t.Fatal(err)
	}
	for name, in := range map[string]string{"lines": "a\nb", "gzip": gz("a\nb"), "zip": zipped("a", "b"), "parquet": string(parquet)} {
		calls := 0
		_, err := Records(strings.NewReader(in), Framing{}, Limits{}, func(Record) error { calls++; return stop })
		if err != stop || calls != 1 {
			t.Errorf("%s: %v after %d calls", name, err, calls)
		}
	}
}

// TestParquet: rows become JSON with the columns in order.
func TestParquet(t *testing.T) {
	for file, first := range map[string]string{
		"vpcflow": `{"version":5,"account_id":"123456789012","interface_id":"eni-0c05b7c5d995cd98f","srcaddr":"2a02:d500::5","dstaddr":"2001:db8::1","srcport":12569,`,
		"ocsf":    `{"metadata":{"product":{"feature":{"name":"Management"},"name":"CloudTrail","vendor_name":"AWS","version":"1.08"},"profiles":["cloud","datetime"],`,
	} {
		b, err := os.ReadFile(filepath.Join("testdata", file+".parquet"))
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range []io.Reader{bytes.NewReader(b), io.MultiReader(bytes.NewReader(b))} {
			records, res, err := collect(r, Framing{Kind: CSV}, Limits{})
			if err != nil || len(records) == 0 || res.Head.Kind != Parquet {
				t.Fatalf("%s: %d records, %+v, %v", file, len(records), res, err)
			}
			if !strings.HasPrefix(records[0].raw, first) {
				t.Errorf("%s: first row is %s", file, records[0].raw)
			}
			for _, rec := range records {
				if !json.Valid([]byte(rec.raw)) {
					t.Errorf("%s: not JSON: %s", file, rec.raw)
				}
			}
		}
	}
}

// TestParquetNested: what the columns of a nested row become.
func TestParquetNested(t *testing.T) {
	b, err := os.ReadFile("testdata/ocsf.parquet")
	if err != nil {
		t.Fatal(err)
	}
	records, _, _ := collect(bytes.NewReader(b), Framing{}, Limits{})
	for _, part := range []string{
		`"unmapped":{"a":"0","b.c":"x"}`,
		`"observables":[{"name":"src_endpoint.ip","type":"IP Address","type_id":2,"value":"1.2.3.4"}]`,
		`"time_dt":"2024-02-12T01:18:09`,
		`"time":1707700689000`,
	} {
		if !strings.Contains(records[0].raw, part) {
			t.Errorf("no %s in %s", part, records[0].raw)
		}
	}
}

// TestDamagedParquet: whatever the bytes say, there is an error of the object or
// none, no panic, and no allocation out of proportion.
func TestDamagedParquet(t *testing.T) {
	const seed = 20240615
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	for _, file := range []string{"vpcflow", "ocsf"} {
		whole, err := os.ReadFile(filepath.Join("testdata", file+".parquet"))
		if err != nil {
			t.Fatal(err)
		}
		for i := range 500 {
			b := bytes.Clone(whole)
			for range 1 + i%5 {
				b[rnd.IntN(len(b))] = byte(rnd.IntN(256))
			}
			if i%7 == 0 {
				b = b[:4+rnd.IntN(len(b)-4)]
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, _, err := collect(bytes.NewReader(b), Framing{}, Limits{})
			runtime.ReadMemStats(&after)
			var e *Error
			if err != nil && !errors.As(err, &e) {
				t.Errorf("seed %d, file %d: %v", seed, i, err)
			}
			if n := after.TotalAlloc - before.TotalAlloc; n > 256<<20 {
				t.Errorf("seed %d, file %d: %d MB for %d bytes", seed, i, n>>20, len(b))
			}
		}
	}
}

func TestParquetPackedWithLZ4IsRefused(t *testing.T) {
	var b bytes.Buffer
	w := parquet.NewGenericWriter[struct{ A string }](&b, parquet.Compression(&parquet.Lz4Raw))
	if _, err := w.Write([]struct{ A string }{{"x"}}); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	_, _, err := collect(bytes.NewReader(b.Bytes()), Framing{}, Limits{})
	var e *Error
	if !errors.As(err, &e) || e.Reason != Unsupported {
		t.Errorf("%v, want Unsupported", err)
	}
}

// TestSpoolLeavesNoFile: the temporary file has no name while it is read.
func TestSpoolLeavesNoFile(t *testing.T) {
	dir := t.TempDir()
	_, err := Records(io.MultiReader(strings.NewReader(zipped("a"))), Framing{}, Limits{TempDir: dir}, func(Record) error {
		if files, _ := os.ReadDir(dir); len(files) != 0 {
			t.Errorf("%v can be seen", files)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	_, _, err = collect(io.MultiReader(strings.NewReader(zipped("abcdefgh"))), Framing{}, Limits{TempDir: dir, Spool: 20})
	var e *Error
	if !errors.As(err, &e) || e.Reason != Bomb {
		t.Errorf("a spool of more than its bound: %v", err)
	}
}

func gz(s string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	io.WriteString(w, s)
	w.Close()
	return b.String()
}

func zst(s string) string {
	w, _ := zstd.NewWriter(nil)
	return string(w.EncodeAll([]byte(s), nil))
}

func zipped(files ...string) string {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for i, s := range files {
		f, _ := w.Create(fmt.Sprintf("dir/%d.json", i))
		io.WriteString(f, s)
	}
	w.Close()
	return b.String()
}

func wide(order binary.AppendByteOrder, s string) string {
	b := order.AppendUint16(nil, 0xfeff)
	for _, u := range utf16.Encode([]rune(s)) {
		b = order.AppendUint16(b, u)
	}
	return string(b)
}
