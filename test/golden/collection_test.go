package golden

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/fluent-siem/fluent-siem/filters/enrich"
	"github.com/fluent-siem/fluent-siem/filters/logtype"
)

var collectionDir = flag.String("samples", "", "the folder of samples as they were collected, of which TestCollection settles each file")

// settled says what the files of the collection are that a pattern names: logs
// of a type, or why they are none.
type settled struct {
	files   string // a pattern as of package path, from the collection's folder
	logType string // empty: left out, and reason says why
	within  string // the keys down to where the log stands, where a test's own JSON is around it
	reason  string
}

// TestCollection settles every file of the collection that samples were taken
// from: it converts with no failed record, except those of madeToFail, or the
// table collected says why it is no log. A file that the table does not name
// fails, and so does a row that names no file. Without the folder, which is not
// part of the repository, only the table is checked.
//
//	go test ./test/golden -run TestCollection -v -args -samples DIR
func TestCollection(t *testing.T) {
	types, err := logtype.NewRegistry()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range collected {
		if _, err := path.Match(row.files, ""); err != nil {
			t.Errorf("%s: %v", row.files, err)
		}
		if (row.logType == "") == (row.reason == "") || row.logType != "" && types.Set().Type(row.logType) == nil {
			t.Errorf("%s: wants a log type (%q is none), or the reason why it has none", row.files, row.logType)
		}
	}
	if *collectionDir == "" || t.Failed() {
		return
	}
	geo := enrich.OpenGeo("../../filters/enrich/testdata/mmdb", discard)
	defer geo.Close()
	used := make([]int, len(collected))
	files, converted := 0, 0
	err = filepath.WalkDir(*collectionDir, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == "SOURCES.md" {
			return err
		}
		rel, _ := filepath.Rel(*collectionDir, file)
		name := filepath.ToSlash(rel)
		files++
		i := slices.IndexFunc(collected, func(row settled) bool { ok, _ := path.Match(row.files, name); return ok })
		if i < 0 {
			t.Errorf("%s: the table collected does not say what it is", name)
			return nil
		}
		used[i]++
		row := collected[i]
		if row.logType == "" {
			return nil
		}
		object, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if row.within != "" {
			if object, err = within(object, strings.Split(row.within, ".")); err != nil {
				t.Errorf("%s: %v", name, err)
				return nil
			}
		}
		converted++
		records, failures := convertSample(t, d.Name(), object, types.Set().Type(row.logType), geo, nil)
		checkSample(t, name, madeFor(row.logType+"/"+d.Name()), records, failures)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	left := map[string]int{}
	for i, row := range collected {
		if used[i] == 0 {
			t.Errorf("%s: the folder has no such file, or a row before this one names it", row.files)
		}
		if row.logType == "" {
			left[row.reason] += used[i]
		}
	}
	t.Logf("%d of %d files convert", converted, files)
	for _, row := range collected {
		if n := left[row.reason]; n > 0 {
			t.Logf("%4d left out: %s", n, row.reason)
			delete(left, row.reason)
		}
	}
}

// checkSample: a sample has records, and none that cannot be read, but for what
// it was made to fail with.
func checkSample(t *testing.T, name string, want made, records int, failures []string) {
	t.Helper()
	if len(failures) != want.failed {
		t.Errorf("%s: %d of %d records cannot be read, want %d (%s):\n%s", name, len(failures), records, want.failed, want.reason, strings.Join(failures[:min(len(failures), 5)], "\n"))
	}
	if records == 0 && want.reason == "" {
		t.Errorf("%s: it has no records", name)
	}
}

func madeFor(file string) made {
	if i := slices.IndexFunc(madeToFail, func(m made) bool { ok, _ := path.Match(m.file, file); return ok }); i >= 0 {
		return madeToFail[i]
	}
	return made{}
}

// within takes the values out that stand under the keys, of each JSON value of
// the file; elements of lists are values, and so is what a text holds.
func within(object []byte, keys []string) ([]byte, error) {
	var out []byte
	values := json.NewDecoder(bytes.NewReader(object))
	for {
		var v json.RawMessage
		switch err := values.Decode(&v); {
		case err == io.EOF && len(out) == 0:
			return nil, fmt.Errorf("has nothing under %s", strings.Join(keys, "."))
		case err == io.EOF:
			return out, nil
		case err != nil:
			return nil, err
		}
		out = appendWithin(out, v, keys)
	}
}

func appendWithin(out []byte, v json.RawMessage, keys []string) []byte {
	var list []json.RawMessage
	if json.Unmarshal(v, &list) == nil {
		for _, item := range list {
			out = appendWithin(out, item, keys)
		}
		return out
	}
	if len(keys) > 0 {
		var object map[string]json.RawMessage
		if json.Unmarshal(v, &object) == nil && object[keys[0]] != nil {
			out = appendWithin(out, object[keys[0]], keys[1:])
		}
		return out
	}
	var text string
	if json.Unmarshal(v, &text) == nil {
		v = json.RawMessage(text)
	}
	return append(append(out, v...), '\n')
}
