package ledger

import (
	"bytes"
	"errors"
	"iter"
	"net/url"
	"slices"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"
)

// Filter says which records are wanted; a zero field lets all pass.
type Filter struct {
	Bucket  string
	Prefix  string // of the key; needs Bucket to be fast
	LogType string
	States  []State
	// Since and Until bound the time in which something became of the object: its
	// record ends after Since and begins before Until.
	Since, Until time.Time
}

// values and parseFilter are how a filter travels to another process: only what
// saves transport, for who merges records has to look at them again.
func (f Filter) values() url.Values { return url.Values{"bucket": {f.Bucket}, "prefix": {f.Prefix}} }

func parseFilter(v url.Values) Filter {
	return Filter{Bucket: v.Get("bucket"), Prefix: v.Get("prefix")}
}

// prefix is what the keys of a filter begin with in a file.
func (f Filter) prefix() []byte {
	if f.Bucket == "" {
		return nil
	}
	return append(append([]byte(f.Bucket), 0), f.Prefix...)
}

// Match reports whether a record is wanted.
func (f Filter) Match(r Record) bool {
	return f.names(r.Key) &&
		(f.LogType == "" || r.LogType == f.LogType) &&
		(len(f.States) == 0 || slices.Contains(f.States, r.State)) &&
		(f.Since.IsZero() || !r.Last.Before(f.Since)) && (f.Until.IsZero() || r.Began.Before(f.Until))
}

func (f Filter) names(k Key) bool {
	return (f.Bucket == "" || k.Bucket == f.Bucket) && strings.HasPrefix(k.Key, f.Prefix)
}

// Records are what one ledger has of the keys that a filter names, in the order
// of keys. The rest of the filter is for [Merge], which sees all that there is of
// an object.
type Records = iter.Seq2[Record, error]

// readChunk is how many records are read in one transaction: a longer one
// would keep pages from being used again.
const readChunk = 1000

// scan reads records of a file.
func scan(db *bolt.DB, f Filter) Records {
	return func(yield func(Record, error) bool) {
		prefix := f.prefix()
		from := prefix
		chunk := make([]Record, 0, readChunk)
		for more := true; more; {
			chunk = chunk[:0]
			err := guard(func() error {
				return db.View(func(tx *bolt.Tx) error {
					objects := tx.Bucket(bucketObjects)
					if objects == nil {
						more = false
						return nil
					}
					text := textOf(tx)
					c := objects.Cursor()
					k, v := c.Seek(from)
					for ; bytes.HasPrefix(k, prefix) && k != nil && len(chunk) < readChunk; k, v = c.Next() {
						key, ok := parseKey(k)
						if !ok || !f.names(key) {
							continue
						}
						r, err := decode(key, v, text)
						if err != nil {
							return err
						}
						chunk = append(chunk, r)
					}
					from, more = bytes.Clone(k), k != nil && bytes.HasPrefix(k, prefix)
					return nil
				})
			})
			for _, r := range chunk {
				if !yield(r, nil) {
					return
				}
			}
			if err != nil {
				yield(Record{}, err)
				return
			}
		}
	}
}

// Records returns what the ledger's file has; see [Records].
func (l *Ledger) Records(f Filter) Records {
	if l == nil {
		return func(func(Record, error) bool) {}
	}
	l.mu.Lock()
	db := l.db
	l.mu.Unlock()
	if db == nil {
		return func(func(Record, error) bool) {}
	}
	return scan(db, f)
}

// Merge adds up the records of the same object in several ledgers, and returns
// those that f wants, in the order of keys. An error ends it.
func Merge(f Filter, all ...Records) Records {
	return func(yield func(Record, error) bool) {
		var heads []*head
		defer func() {
			for _, h := range heads {
				h.stop()
			}
		}()
		for _, records := range all {
			h := new(head)
			h.next, h.stop = iter.Pull2(records)
			heads = append(heads, h)
			h.advance()
		}
		for {
			var sum Record
			var at []byte
			for _, h := range heads {
				if h.err != nil {
					yield(Record{}, h.err)
					return
				}
				if h.ok && (at == nil || bytes.Compare(h.key, at) < 0) {
					at = h.key
				}
			}
			if at == nil {
				return
			}
			first := true
			for _, h := range heads {
				if !h.ok || !bytes.Equal(h.key, at) {
					continue
				}
				if first {
					sum, first = h.record, false
				} else {
					sum.merge(h.record)
				}
				h.advance()
			}
			if f.Match(sum) && !yield(sum, nil) {
				return
			}
		}
	}
}

// head is the next record of one ledger.
type head struct {
	next   func() (Record, error, bool)
	stop   func()
	record Record
	key    []byte
	ok     bool
	err    error
}

var errOrder = errors.New("a ledger gave its records out of order, which is a bug")

func (h *head) advance() {
	last := h.key
	h.record, h.err, h.ok = h.next()
	if !h.ok || h.err != nil {
		return
	}
	h.key = h.record.Key.append(nil)
	if bytes.Compare(h.key, last) <= 0 && last != nil {
		h.err = errOrder
	}
}
