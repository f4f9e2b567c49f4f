package ioc

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/fluent-siem/fluent-siem/sidecar/feed"
)

// store keeps the documents of a publisher that tells only what changed (pulses
// of OTX, events of MISP, objects of TAXII): a line of JSON each, in a file
// that is written anew and renamed. The first line is what is known of it.
type store struct{ path string }

// mark is how far the publisher was read.
type mark struct {
	Source  string    `json:"source"` // without secrets
	Since   string    `json:"since"`  // in the publisher's words
	Checked time.Time `json:"checked"`
}

// document is one document; version tells one state of it from another.
type document struct {
	ID      string          `json:"id"`
	Version string          `json:"version"`
	Body    json.RawMessage `json:"body,omitempty"`
}

// each reads the store: its mark, and f for each document. A store that is not
// there is empty.
func (s store) each(f func(d *document) error) (m mark, err error) {
	file, err := os.Open(s.path)
	if errors.Is(err, os.ErrNotExist) {
		return m, nil
	}
	if err != nil {
		return m, err
	}
	defer file.Close()
	d := json.NewDecoder(bufio.NewReaderSize(file, 1<<20))
	if err := d.Decode(&m); err != nil {
		return m, fmt.Errorf("%s: %w", s.path, err)
	}
	for {
		var doc document
		err := d.Decode(&doc)
		if err == io.EOF {
			return m, nil
		}
		if err == nil {
			err = f(&doc)
		}
		if err != nil {
			return m, err
		}
	}
}

// versions returns the mark and the version of each document.
func (s store) versions() (mark, map[string]string, error) {
	versions := map[string]string{}
	m, err := s.each(func(d *document) error { versions[d.ID] = d.Version; return nil })
	return m, versions, err
}

// checked is when the publisher was read to the end last.
func (s store) checked() time.Time {
	file, err := os.Open(s.path)
	if err != nil {
		return time.Time{}
	}
	defer file.Close()
	var m mark
	if json.NewDecoder(file).Decode(&m) != nil {
		return time.Time{}
	}
	return m.Checked
}

// update puts documents in place of those with the same id, and drops those for
// which keep is false.
func (s store) update(m mark, changed map[string]document, keep func(id string) bool) error {
	if err := os.MkdirAll(filepath.Dir(s.path), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(s.path), ".store-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	w := bufio.NewWriterSize(f, 1<<20)
	out := json.NewEncoder(w)
	err = out.Encode(m)
	if err == nil {
		_, err = s.each(func(d *document) error {
			if _, newer := changed[d.ID]; newer || !keep(d.ID) {
				return nil
			}
			return out.Encode(d)
		})
	}
	for _, id := range slices.Sorted(maps.Keys(changed)) {
		if err == nil {
			err = out.Encode(changed[id])
		}
	}
	if err := errors.Join(err, w.Flush(), f.Close()); err != nil {
		return err
	}
	return feed.Copy{Path: s.path}.Replace(f.Name())
}
