package opensearch

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/valyala/fastjson"
)

// letter is one line in a file of dead letters: a document that the cluster
// refused, or a record that became none, with all that is needed to
// understand, repair and replay it.
type letter struct {
	Time     time.Time       `json:"time"`
	Class    string          `json:"class"`            // one of few words, as in the metric
	Outcome  string          `json:"outcome"`          // dead-lettered or unreadable
	Status   int             `json:"status,omitempty"` // of the bulk item or request
	Type     string          `json:"type,omitempty"`   // of OpenSearch's error
	Reason   string          `json:"reason"`
	Index    string          `json:"index,omitempty"`
	ID       string          `json:"id,omitempty"`
	Op       string          `json:"op,omitempty"`       // create or index
	Document json.RawMessage `json:"document,omitempty"` // as sent
	Text     string          `json:"text,omitempty"`     // in place of Document when that is no valid JSON
	Msgpack  []byte          `json:"msgpack,omitempty"`  // base64 of the record, when there is nothing better
	Message  string          `json:"message,omitempty"`  // the record as it came
	Bucket   string          `json:"bucket,omitempty"`
	Key      string          `json:"key,omitempty"`
	Version  string          `json:"version,omitempty"`
	Record   uint64          `json:"record,omitempty"` // position in the object, from 1
	LogType  string          `json:"log_type,omitempty"`
	Tag      string          `json:"tag"`
	Attempts int32           `json:"attempts"` // requests it was in
}

// setDocument stores the document, and takes from it what the lease may not
// know any more.
func (l *letter) setDocument(doc []byte) {
	v, err := fastjson.ParseBytes(doc)
	if err != nil || !json.Valid(doc) {
		l.Text = string(doc)
		return
	}
	l.Document = append(json.RawMessage(nil), doc...)
	text := func(into *string, key string) {
		if *into == "" {
			*into = string(v.GetStringBytes(key))
		}
	}
	text(&l.Message, "@message")
	text(&l.Bucket, "@log_s3bucket")
	text(&l.Key, "@log_s3key")
	text(&l.LogType, "@log_type")
}

// deadLetters appends letters to files in a folder. A file is written by one
// process only and named for its beginning: dead-letters-20060102T150405Z-PID-N.ndjson.
// It may be shared.
type deadLetters struct {
	dir   string
	limit int64
	now   func() time.Time

	mu     sync.Mutex
	file   *os.File
	size   int64
	day    string
	serial int
}

// write returns when every letter is on disk (fsync), or with an error: then
// none of them counts, and what was written of them is taken back.
func (d *deadLetters) write(letters []letter) error {
	var lines bytes.Buffer
	enc := json.NewEncoder(&lines)
	enc.SetEscapeHTML(false)
	for i := range letters {
		if err := enc.Encode(&letters[i]); err != nil {
			return fmt.Errorf("dead letter: %w", err)
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.rotate(); err != nil {
		return err
	}
	_, err := d.file.Write(lines.Bytes())
	if err == nil {
		err = d.file.Sync()
	}
	if err != nil {
		// Later letters go to a new file: a torn line must be the last one.
		err = errors.Join(err, d.file.Truncate(d.size), d.close())
		return err
	}
	d.size += int64(lines.Len())
	return nil
}

// rotate opens a new file when there is none, it is full, or a day is over.
func (d *deadLetters) rotate() error {
	now := d.now().UTC()
	day := now.Format(time.DateOnly)
	if d.file != nil && d.size < d.limit && d.day == day {
		return nil
	}
	if err := d.close(); err != nil {
		return err
	}
	if err := os.MkdirAll(d.dir, 0o700); err != nil {
		return err
	}
	for {
		d.serial++
		name := fmt.Sprintf("dead-letters-%s-%d-%d.ndjson", now.Format("20060102T150405Z"), os.Getpid(), d.serial)
		f, err := os.OpenFile(filepath.Join(d.dir, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o600)
		if errors.Is(err, os.ErrExist) { // another output of this process
			continue
		}
		if err != nil {
			return err
		}
		d.file, d.size, d.day = f, 0, day
		return syncDir(d.dir)
	}
}

// syncDir makes the name of a new file survive a crash.
func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

func (d *deadLetters) close() error {
	if d.file == nil {
		return nil
	}
	err := d.file.Close()
	d.file = nil
	return err
}

// Close ends the current file.
func (d *deadLetters) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.close()
}
