package deadletter

import (
	"context"
	"encoding/json"
	"fmt"
	"path"
	"strings"
	"time"
)

// Entry is a letter and what became of it.
type Entry struct {
	ID     string `json:"letter"` // names the letter for ever: a hash of its line
	File   string `json:"file"`
	Letter Letter `json:"content"`
	Last   *Mark  `json:"replayed,omitempty"` // by the newest replay; nil: none
}

// Closed reports whether a replay has settled the letter.
func (e *Entry) Closed() bool { return e.Last != nil && e.Last.Closes() }

// Signature is that of the newest refusal.
func (e *Entry) Signature() Signature {
	l := &e.Letter
	class, reason, index := l.Class, l.Reason, l.Index
	if m := e.Last; m != nil && !m.Closes() {
		class, reason, index = m.Class, m.Reason, m.Index
	}
	return SignatureOf(class, reason, index, l.LogType)
}

// Damage is what could not be read.
type Damage struct {
	Bytes int64    // in no whole batch or line
	Lines int      // that are no letters
	Files []string // where
}

func (d *Damage) add(file string, bytes int64, lines int) {
	if bytes > 0 || lines > 0 {
		d.Bytes, d.Lines, d.Files = d.Bytes+bytes, d.Lines+lines, append(d.Files, file)
	}
}

// Each calls visit with every letter, oldest file first. What is damaged is
// left out and told. An error of visit ends it.
func (b *Box) Each(ctx context.Context, visit func(*Entry) error) (Damage, error) {
	var damage Damage
	names, err := b.place.list(ctx)
	if err != nil {
		return damage, err
	}
	marks, err := b.readMarks(ctx, names, &damage)
	if err != nil {
		return damage, err
	}
	for _, name := range names {
		if !strings.HasPrefix(path.Base(name), lettersKind) {
			continue
		}
		if _, err := b.file(ctx, name, marks, &damage, visit); err != nil {
			return damage, err
		}
	}
	return damage, nil
}

// file reads one file of letters and returns its size.
func (b *Box) file(ctx context.Context, name string, marks map[string]*Mark, damage *Damage, visit func(*Entry) error) (size int, err error) {
	text, err := b.place.read(ctx, name)
	if err != nil {
		return 0, err
	}
	bad := 0
	bytes, err := eachLine(text, func(line []byte) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		e := Entry{ID: idOf(line), File: name}
		if json.Unmarshal(line, &e.Letter) != nil {
			bad++
			return nil
		}
		e.Last = marks[e.ID]
		return visit(&e)
	})
	damage.add(name, bytes, bad)
	return len(text), err
}

// readMarks returns the newest mark of each letter.
func (b *Box) readMarks(ctx context.Context, names []string, damage *Damage) (map[string]*Mark, error) {
	marks := map[string]*Mark{}
	for _, name := range names {
		if !strings.HasPrefix(path.Base(name), marksKind) {
			continue
		}
		text, err := b.place.read(ctx, name)
		if err != nil {
			return nil, err
		}
		bad := 0
		bytes, _ := eachLine(text, func(line []byte) error {
			var m Mark
			if json.Unmarshal(line, &m) != nil {
				bad++
				return nil
			}
			if old := marks[m.Letter]; old == nil || !old.Time.After(m.Time) {
				marks[m.Letter] = &m
			}
			return nil
		})
		damage.add(name, bytes, bad)
	}
	return marks, nil
}

// Pruned is what a Prune removed.
type Pruned struct {
	Files, Letters int
	Kept           int // files that hold open or damaged letters, or are being written
}

// Prune removes the files of letters that are all closed, the last one before
// a time, and files of marks whose letters are gone. Letters that are open, and
// files with damage, stay.
func (b *Box) Prune(ctx context.Context, before time.Time) (p Pruned, err error) {
	names, err := b.place.list(ctx)
	if err != nil {
		return p, err
	}
	var none Damage
	marks, err := b.readMarks(ctx, names, &none)
	if err != nil {
		return p, err
	}
	left := map[string]bool{} // letters that stay
	for _, name := range names {
		if !strings.HasPrefix(path.Base(name), lettersKind) {
			continue
		}
		var damage Damage
		var ids []string
		stays := false
		size, err := b.file(ctx, name, marks, &damage, func(e *Entry) error {
			ids = append(ids, e.ID)
			stays = stays || !e.Closed() || !e.Last.Time.Before(before)
			return nil
		})
		if err != nil {
			return p, err
		}
		gone := false
		if !stays && damage.Files == nil && len(ids) > 0 {
			if gone, err = b.place.remove(ctx, name, size); err != nil {
				return p, fmt.Errorf("remove %s: %w", name, err)
			}
		}
		if gone {
			p.Files++
			p.Letters += len(ids)
			continue
		}
		p.Kept++
		for _, id := range ids {
			left[id] = true
		}
	}
	err = b.pruneMarks(ctx, names, left, before, &p)
	return p, err
}

func (b *Box) pruneMarks(ctx context.Context, names []string, left map[string]bool, before time.Time, p *Pruned) error {
	for _, name := range names {
		if !strings.HasPrefix(path.Base(name), marksKind) {
			continue
		}
		text, err := b.place.read(ctx, name)
		if err != nil {
			return err
		}
		stays := false
		if _, err := eachLine(text, func(line []byte) error {
			var m Mark
			stays = stays || json.Unmarshal(line, &m) != nil || left[m.Letter] || !m.Time.Before(before)
			return nil
		}); err != nil {
			return err
		}
		if stays {
			continue
		}
		gone, err := b.place.remove(ctx, name, len(text))
		if err != nil {
			return fmt.Errorf("remove %s: %w", name, err)
		}
		if gone {
			p.Files++
		}
	}
	return nil
}
