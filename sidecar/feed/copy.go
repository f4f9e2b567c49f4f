package feed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// Copy is the file that we have of a source. What is known of it stands beside
// it, in a file of the same name with .json added.
type Copy struct {
	// Path is where the file is.
	Path string
	// Previous keeps the file that was there before, with .previous added, for
	// going back by hand.
	Previous bool
}

// Meta is what is known of a copy.
type Meta struct {
	Known
	Source  string    `json:"source"`  // without secrets
	SHA256  string    `json:"sha256"`  // of what was fetched
	Fetched time.Time `json:"fetched"` // when it changed last
	Checked time.Time `json:"checked"` // when the publisher last said that it is the newest
}

// Time is when the publisher says it was modified, else when it was fetched.
func (m Meta) Time() time.Time {
	if t := (Answer{Known: m.Known}).Time(); !t.IsZero() {
		return t
	}
	return m.Fetched
}

// Meta returns what is known of the copy; the zero Meta when there is none.
func (c Copy) Meta() (m Meta) {
	if _, err := os.Stat(c.Path); err != nil {
		return m
	}
	text, err := os.ReadFile(c.Path + ".json")
	if err != nil || json.Unmarshal(text, &m) != nil {
		return Meta{} // it is fetched anew
	}
	return m
}

// Accept tries what was fetched, in the file at path, and returns the file that
// is to be put in place: path itself, or one that it made in the same folder.
// An error means that the copy stays what it is.
type Accept func(path string, a Answer) (file string, err error)

// Refresh fetches src if it is newer than the copy, and puts it in place. An
// error is an [*Error] or what accept said.
func (c *Client) Refresh(ctx context.Context, src Source, to Copy, accept Accept) (changed bool, err error) {
	meta := to.Meta()
	known := meta.Known
	if meta.Source != src.Shown() {
		known = Known{} // it is the copy of something else
	}
	dir := filepath.Dir(to.Path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return false, err
	}
	f, err := os.CreateTemp(dir, ".fetch-*")
	if err != nil {
		return false, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	a, err := c.Fetch(ctx, src, known, f)
	if err != nil {
		return false, err
	}
	now := time.Now().UTC().Truncate(time.Second)
	if a.Unchanged {
		meta.Checked = now
		return false, to.keep(meta)
	}
	if err := f.Close(); err != nil {
		return false, err
	}
	file, err := accept(f.Name(), a)
	if err != nil {
		return false, src.failuref("what was fetched is refused: %v", err)
	}
	if file != f.Name() {
		defer os.Remove(file)
	}
	if err := to.Replace(file); err != nil {
		return false, err
	}
	return true, to.keep(Meta{Known: a.Known, Source: src.Shown(), SHA256: a.SHA256, Fetched: now, Checked: now})
}

// Replace puts a file of the same folder in place, synced.
func (c Copy) Replace(file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	if c.Previous {
		_ = os.Remove(c.Path + ".previous")
		if err := os.Link(c.Path, c.Path+".previous"); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("the file before cannot be kept: %w", err)
		}
	}
	return os.Rename(file, c.Path)
}

// keep writes what is known of the copy.
func (c Copy) keep(m Meta) error {
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	temp := c.Path + ".json.new"
	if err := os.WriteFile(temp, text, 0o600); err != nil {
		return err
	}
	return os.Rename(temp, c.Path+".json")
}
