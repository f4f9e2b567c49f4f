package split

import (
	"bytes"
	"testing"

	"github.com/parquet-go/parquet-go"
)

// TestElementsOfOldLists: a list whose repeated group is named array, or like
// the list with _tuple behind, has that group as its element.
func TestElementsOfOldLists(t *testing.T) {
	for name, want := range map[string]string{
		"array":        `{"groups":[{"name":"a"},{"name":"b"}]}`,
		"groups_tuple": `{"groups":[{"name":"a"},{"name":"b"}]}`,
		"list":         `{"groups":["a","b"]}`,
	} {
		element := parquet.Repeated(parquet.Group{"name": parquet.Optional(parquet.String())})
		schema := parquet.NewSchema("row", parquet.Group{"groups": parquet.Optional(listOf{parquet.Group{name: element}})})
		var file bytes.Buffer
		w := parquet.NewWriter(&file, schema)
		leaf := func(s string, repetition int) parquet.Value { return parquet.ValueOf(s).Level(repetition, 3, 0) }
		if _, err := w.WriteRows([]parquet.Row{{leaf("a", 0), leaf("b", 1)}}); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		var got string
		if _, err := Records(bytes.NewReader(file.Bytes()), Framing{}, Limits{}, func(r Record) error {
			got = string(r.Raw)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Errorf("repeated group %s: %s, want %s", name, got, want)
		}
	}
}

// listOf is a group that is annotated as a list, whatever its parts are called.
type listOf struct{ parquet.Group }

func (listOf) Type() parquet.Type { return parquet.List(parquet.String()).Type() }
