package enrich

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/zeebo/xxh3"

	"github.com/fluent-siem/fluent-siem/internal/follow"
)

// toldAssets is how many rows of a table that are not used are told one by one.
const toldAssets = 3

// readAssets reads a table. A row with a key that an earlier one has is left
// out and told; anything else that is wrong refuses the file, for half a table
// is none.
func readAssets(j *AssetJoin, id follow.Identity, left func(error)) (*AssetTable, error) {
	f, err := os.Open(j.File)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, largestAssets+1))
	if err != nil {
		return nil, err
	}
	if len(text) > largestAssets {
		return nil, fmt.Errorf("%s has more than the %d bytes that a table may have", j.File, largestAssets)
	}
	if info, err := os.Stat(j.File); err != nil || follow.Identify(j.File, info) != id {
		return nil, fmt.Errorf("%s changed while it was read", j.File)
	}
	t := &AssetTable{AssetJoin: *j, columns: map[string]int{}, Version: fmt.Sprintf("%08x", (xxh3.Hash(text)^xxh3.HashString(j.Key+"\n"+j.By))>>32)}
	switch j.By {
	case "text":
		t.texts = map[string]Asset{}
	case "pattern":
		t.known = new(slots[assetMatch])
	}
	reading, named := rowsOfCSV, true // the first line names all columns
	if strings.HasSuffix(j.File, ".json") {
		reading, named = rowsOfJSON, false
	}
	twice := 0
	err = reading(text, t.columns, func(row Asset) error {
		t.n++
		if t.n > mostAssets {
			return fmt.Errorf("it has more than %d rows", mostAssets)
		}
		if t.n == 1 && named {
			if err := t.lacks(); err != nil {
				return err
			}
		}
		added, err := t.add(row)
		if err != nil || added {
			return err
		}
		if twice++; twice <= toldAssets {
			left(fmt.Errorf("%s, row %d: an earlier row has the key %.60q too, and counts", j.File, t.n, t.key(row)))
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("%s, row %d: %w", j.File, t.n, err)
	}
	if t.n == 0 {
		return nil, fmt.Errorf("%s has no rows", j.File)
	}
	if err := t.lacks(); err != nil {
		return nil, fmt.Errorf("%s: %w", j.File, err)
	}
	t.n -= twice
	return t, nil
}

// lacks says which column is wanted that there is not.
func (t *AssetTable) lacks() error {
	for _, column := range append(slices.AppendSeq(slices.Collect(maps.Values(t.Fill)), maps.Values(t.Overwrite)), t.Key) {
		if _, ok := t.columns[column]; !ok {
			return fmt.Errorf("there is no column %q; there are %s", column, strings.Join(slices.Sorted(maps.Keys(t.columns)), ", "))
		}
	}
	return nil
}

func (t *AssetTable) key(row Asset) string {
	if i, ok := t.columns[t.Key]; ok && i < len(row) {
		return strings.TrimSpace(row[i].Text)
	}
	return ""
}

// add adds a row; false if there is one with its key.
func (t *AssetTable) add(row Asset) (bool, error) {
	key := t.key(row)
	if key == "" {
		return false, fmt.Errorf("its key %q is empty", t.Key)
	}
	switch t.By {
	case "network":
		p, err := netip.ParsePrefix(key)
		if err != nil {
			a, e := netip.ParseAddr(key)
			if e != nil {
				return false, fmt.Errorf("%.60q is neither a network nor an address", key)
			}
			a = a.Unmap().WithZone("")
			p = netip.PrefixFrom(a, a.BitLen())
		}
		p = p.Masked()
		if _, there := t.networks.Get(p); there {
			return false, nil
		}
		t.networks.Insert(p, row)
	case "pattern":
		if len(t.patterns) == mostPatterns {
			return false, fmt.Errorf("there are more than %d patterns", mostPatterns)
		}
		if len(key) > longestPattern {
			return false, fmt.Errorf("a pattern of %d bytes; at most %d are compiled", len(key), longestPattern)
		}
		re, err := regexp.Compile("^(?:" + key + ")$")
		if err != nil {
			return false, err
		}
		t.patterns = append(t.patterns, assetPattern{re, row})
	default:
		if _, there := t.texts[key]; there {
			return false, nil
		}
		t.texts[key] = row
	}
	return true, nil
}

// rowsOfCSV reads CSV whose first line names the columns; between them stand
// commas, or semicolons if the first line has no comma.
func rowsOfCSV(text []byte, columns map[string]int, add func(Asset) error) error {
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	r := csv.NewReader(bytes.NewReader(text))
	r.ReuseRecord = true
	if first, _, _ := bytes.Cut(text, []byte("\n")); !bytes.ContainsRune(first, ',') && bytes.ContainsRune(first, ';') {
		r.Comma = ';'
	}
	header, err := r.Read()
	if err != nil {
		return fmt.Errorf("its first line, which names the columns, cannot be read: %w", err)
	}
	for i, name := range header {
		columns[strings.Clone(strings.TrimSpace(name))] = i
	}
	if len(columns) != len(header) || len(header) > mostAssetColumns {
		return fmt.Errorf("its first line must name at most %d columns, each once", mostAssetColumns)
	}
	seen := map[string]string{} // texts of small tables of much the same are kept once
	for {
		record, err := r.Read()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		row := make(Asset, len(record))
		for i, cell := range record {
			one, ok := seen[cell]
			if !ok {
				one = strings.Clone(cell)
				if len(seen) < 1<<16 {
					seen[one] = one
				}
			}
			row[i].Text = one
		}
		if err := add(row); err != nil {
			return err
		}
	}
}

// rowsOfJSON reads objects: in a list, or one behind the other. Their values are
// texts, numbers, truth values, null, or lists of these.
func rowsOfJSON(text []byte, columns map[string]int, add func(Asset) error) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	list := bytes.HasPrefix(bytes.TrimSpace(text), []byte("["))
	if list {
		_, _ = d.Token()
	}
	for {
		if list && !d.More() {
			if _, err := d.Token(); err != nil {
				return errors.New("the list has no end")
			}
			if _, err := d.Token(); err != io.EOF {
				return errors.New("something follows the list")
			}
			return nil
		}
		var object map[string]any
		if err := d.Decode(&object); err == io.EOF && !list {
			return nil
		} else if err != nil {
			return err
		}
		var row Asset
		for _, name := range slices.Sorted(maps.Keys(object)) {
			v, err := assetValue(object[name])
			if err != nil {
				return fmt.Errorf("%q: %w", name, err)
			}
			i, ok := columns[name]
			if !ok {
				if i = len(columns); i == mostAssetColumns {
					return fmt.Errorf("there are more than %d columns", mostAssetColumns)
				}
				columns[name] = i
			}
			for len(row) <= i {
				row = append(row, AssetValue{})
			}
			row[i] = v
		}
		if err := add(row); err != nil {
			return err
		}
	}
}

func assetValue(v any) (AssetValue, error) {
	switch v := v.(type) {
	case nil:
		return AssetValue{}, nil
	case string:
		return AssetValue{Text: v}, nil
	case json.Number, bool:
		return AssetValue{Text: fmt.Sprint(v)}, nil
	case []any:
		var list []string
		for _, item := range v {
			one, err := assetValue(item)
			if err != nil || one.List != nil {
				return AssetValue{}, errors.New("a list holds texts, numbers and truth values only")
			}
			list = append(list, one.Text)
		}
		if len(list) == 0 {
			return AssetValue{}, nil
		}
		return AssetValue{Text: list[0], List: list}, nil
	}
	return AssetValue{}, errors.New("an object is no value; name the columns side by side")
}
