package host_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tinylib/msgp/msgp"

	"github.com/fluent-siem/fluent-siem/internal/event"
)

// times append a time in each form that Fluent Bit may bring.
var times = map[string]func([]byte) []byte{
	"fixext 8": func(b []byte) []byte { return binary.BigEndian.AppendUint64(append(b, 0xd7, 0), 1_700_000_000<<32|5) },
	"ext 8": func(b []byte) []byte {
		return binary.BigEndian.AppendUint64(append(b, 0xc7, 8, 0), 1_700_000_000<<32|5)
	},
	"integer": func(b []byte) []byte { return msgp.AppendUint32(b, 1_700_000_000) },
	"float":   func(b []byte) []byte { return msgp.AppendFloat64(b, 1_700_000_000.5) },
}

// record appends {key: text}, as a map of any width.
func record(b []byte, wide bool, key, text string) []byte {
	if wide {
		b = append(b, 0xdf, 0, 0, 0, 1) // as the host's encoder
	} else {
		b = append(b, 0x81)
	}
	return msgp.AppendString(msgp.AppendString(b, key), text)
}

// forms are events that no log type claims: they must come out as they went in.
func forms() (all []byte, records int) {
	for _, name := range []string{"fixext 8", "ext 8", "integer", "float"} {
		for _, wide := range []bool{false, true} {
			all = record(times[name](append(all, 0x92)), wide, "log", "legacy, "+name) // [time, record]
			all = append(times[name](append(all, 0x92, 0x92)), 0x80)                   // [[time, {}], record]
			all = record(all, wide, "log", "with metadata, "+name)
			all = record(times[name](append(all, 0x92, 0x92)), wide, "other", "kept")
			all = record(all, wide, "log", "with other metadata, "+name)
			records += 3
		}
	}
	return all, records
}

// group wraps events as OTLP does.
func group(inside []byte) []byte {
	marker := func(seconds int32) []byte {
		return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32([]byte{0x92, 0x92, 0xd7, 0}, uint32(seconds)), 0)
	}
	open := record(record(marker(-1), true, "schema", "otlp"), true, "scope", "app")
	return append(append(open, inside...), append(marker(-2), 0x80, 0x80)...)
}

// inject lets data go through the filter, and returns what comes out.
func inject(t *testing.T, tag string, data []byte, want func(out []byte) bool, sections ...section) []byte {
	t.Helper()
	dir := t.TempDir()
	in := filepath.Join(dir, "in")
	if err := os.WriteFile(in, data, 0o644); err != nil {
		t.Fatal(err)
	}
	conf := configPath(t)
	writeConfig(t, conf, []string{"flb-filter_ecs"}, append([]section{
		{"input", "name", "inject", "tag", tag, "path", in},
		{"output", "name", "file", "match", "*", "path", dir, "file", "out", "format", "msgpack"},
	}, sections...)...)
	h := start(t, "test-host", conf)
	var out []byte
	h.await("what was injected", 10*time.Second, func() bool {
		var err error
		out, err = os.ReadFile(filepath.Join(dir, "out"))
		return err == nil && want(out)
	})
	h.stop(10 * time.Second)
	return out
}

func TestEveryFormOfEventPasses(t *testing.T) {
	data, n := forms()
	data = append(data, group(data)...)
	out := inject(t, "app.log", data, func(out []byte) bool { return len(out) >= len(data) }, filterECS("*"))
	if !bytes.Equal(out, data) {
		t.Errorf("%d events of foreign logs were changed:\n%s", 2*n, hex.Dump(out))
	}
}

// An event that breaks off must not take those before it along, nor the host.
func TestCutEvents(t *testing.T) {
	data, _ := forms()
	for _, cut := range []int{1, 2, 7, 13, 40} {
		t.Run(strconv.Itoa(cut), func(t *testing.T) {
			short := data[:len(data)-cut]
			whole := 0
			for rest := short; ; {
				_, after, err := event.Next(rest)
				if err != nil || len(rest) == 0 {
					break
				}
				rest = after
				whole = len(short) - len(rest)
			}
			out := inject(t, "app.log", short, func(out []byte) bool { return len(out) >= whole }, filterECS("*"))
			if !bytes.HasPrefix(out, short[:whole]) {
				t.Errorf("the whole events before the cut are damaged")
			}
		})
	}
}

// Records of another input become documents when their log type is known, in
// every form, inside groups and outside, and the markers stay in place.
func TestOtherInputsBecomeDocuments(t *testing.T) {
	const line = "2 123456789012 eni-0badcafe 81.2.69.142 10.0.0.1 1024 443 6 10 840 1717156800 1717156860 ACCEPT OK"
	var data []byte
	for _, at := range times {
		data = record(at(append(data, 0x92)), true, "log", line)
		data = record(append(at(append(data, 0x92, 0x92)), 0x80), false, "message", line)
	}
	data = append(data, group(data)...)
	n := 4 * len(times)
	read := func(out []byte) (documents, markers int) {
		for len(out) > 0 {
			ev, rest, err := event.Next(out)
			if err != nil {
				return 0, 0
			}
			switch {
			case ev.Group:
				markers++
			case ev.HasTarget && strings.HasPrefix(string(ev.Target.Index), "log-aws-vpcflowlogs"):
				documents++
			}
			out = rest
		}
		return documents, markers
	}
	out := inject(t, "logs.vpcflowlogs", data, func(out []byte) bool { d, m := read(out); return d+m >= n+2 }, filterECS("logs.*"))
	if d, m := read(out); d != n || m != 2 {
		t.Errorf("%d documents and %d group markers, want %d and 2", d, m, n)
	}
}
