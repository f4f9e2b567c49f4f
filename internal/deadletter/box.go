package deadletter

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"
)

// Config says where letters are kept.
type Config struct {
	// Place is a folder, or s3://bucket/prefix/.
	Place string
	// FileSize is how large a file in a folder grows before the next one is
	// begun, in bytes. Default 64 MiB.
	FileSize int64
	// FileAge is how old a file in a folder grows before the next one is begun.
	// Default 24 hours.
	FileAge time.Duration
	// Limit is how many bytes a folder may hold; 0: no limit. Objects in S3 are
	// not counted.
	Limit int64
	// KMSKey is the id or ARN of the key that S3 encrypts letters with; "": as
	// the bucket says.
	KMSKey string
	// Region is the bucket's; "": as the SDK finds it.
	Region string
}

// place is where the files of a Box are.
type place interface {
	// put makes a batch durable, in a file whose name begins with kind.
	put(kind string, batch []byte) error
	// list returns the names of all files, sorted.
	list(ctx context.Context) ([]string, error)
	read(ctx context.Context, name string) ([]byte, error)
	// remove deletes a file of that size unless a process is writing to it.
	remove(ctx context.Context, name string, size int) (gone bool, err error)
	close() error
}

// The kinds of files: names begin with them.
const (
	lettersKind = "dead-letters"
	marksKind   = "replayed"
)

// Box keeps dead letters.
type Box struct {
	place   place
	letters stream
	marks   stream
}

// Open returns the Box that cfg names. It does not touch disk or network: what
// is wrong with them shows in Write, and may be repaired while it runs.
func Open(cfg Config) (*Box, error) {
	cfg.FileSize = cmp.Or(cfg.FileSize, 64<<20)
	cfg.FileAge = cmp.Or(cfg.FileAge, 24*time.Hour)
	var p place
	switch bucket, prefix, ok, err := ParseS3(cfg.Place); {
	case err != nil:
		return nil, err
	case ok:
		p = newBucket(cfg, bucket, prefix)
	default:
		p = &folder{dir: cfg.Place, size: cfg.FileSize, age: cfg.FileAge, limit: cfg.Limit, now: time.Now, open: map[string]*file{}}
	}
	return &Box{place: p, letters: stream{kind: lettersKind, place: p}, marks: stream{kind: marksKind, place: p}}, nil
}

// ParseS3 reads s3://bucket/prefix/. ok is false for a folder.
func ParseS3(text string) (bucket, prefix string, ok bool, err error) {
	rest, ok := strings.CutPrefix(text, "s3://")
	if !ok {
		if strings.Contains(text, "://") {
			return "", "", false, fmt.Errorf("%q is neither a folder nor s3://bucket/prefix/", text)
		}
		return "", "", false, nil
	}
	bucket, prefix, _ = strings.Cut(rest, "/")
	if bucket == "" {
		return "", "", true, fmt.Errorf("%q names no bucket; write s3://bucket/prefix/", text)
	}
	if prefix != "" && !strings.HasSuffix(prefix, "/") {
		prefix += "/"
	}
	return bucket, prefix, true, nil
}

// Write returns when every letter is durable, or with an error: then none of
// them counts.
func (b *Box) Write(letters []Letter) error {
	var lines bytes.Buffer
	enc := json.NewEncoder(&lines)
	enc.SetEscapeHTML(false)
	for i := range letters {
		if letters[i].Software == "" {
			letters[i].Software = Software()
		}
		if err := enc.Encode(&letters[i]); err != nil {
			return fmt.Errorf("dead letter: %w", err)
		}
	}
	return b.letters.write(lines.Bytes())
}

// Mark notes what became of letters, as durably as Write.
func (b *Box) Mark(marks []Mark) error {
	var lines bytes.Buffer
	enc := json.NewEncoder(&lines)
	for i := range marks {
		if marks[i].Software == "" {
			marks[i].Software = Software()
		}
		if err := enc.Encode(&marks[i]); err != nil {
			return fmt.Errorf("mark of a dead letter: %w", err)
		}
	}
	return b.marks.write(lines.Bytes())
}

// Close ends the current files. It may be called twice.
func (b *Box) Close() error { return b.place.close() }

// stream gathers what callers write while the place is busy, so that many wait
// for one sync.
type stream struct {
	kind  string
	place place

	mu   sync.Mutex
	next *commit // that is being gathered

	turn sync.Mutex // of the commit at work
}

// commit is one trip to the place. Its fields belong to who holds turn.
type commit struct {
	lines []byte
	done  bool
	err   error
}

func (s *stream) write(lines []byte) error {
	if len(lines) == 0 {
		return nil
	}
	s.mu.Lock()
	if s.next == nil {
		s.next = &commit{}
	}
	c := s.next
	c.lines = append(c.lines, lines...)
	s.mu.Unlock()

	s.turn.Lock()
	defer s.turn.Unlock()
	if c.done { // somebody who waited with us has taken ours along
		return c.err
	}
	s.mu.Lock()
	s.next = nil
	s.mu.Unlock()
	c.err = s.place.put(s.kind, appendBatches(nil, c.lines))
	c.done, c.lines = true, nil
	return c.err
}
