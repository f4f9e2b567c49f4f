// Package ledger keeps one small record for each object that a notification
// named: what was read of it, what became of every record, and how it ended.
//
//	notification → object → record → verdict
//	────────────────────────────────────────
//
// The books of what is open are in internal/lease, in memory. A [Ledger] is a
// file in state_dir to which they are added: while an object is open, every few
// seconds ([Entry]), and at its end. `fluent-siem ledger` reads it ([Sources]):
// through the socket of the process that has it open, else from the file.
//
// # Promises
//
//   - What is done is on disk (fsync) before its notification is deleted, so a
//     crash loses no record of a finished object. Of what was open, a crash loses
//     the last five seconds; its notification comes again.
//   - In every record read = stored + duplicate + excluded + dead-lettered +
//     unreadable: of a reading that was given back, only what has a verdict
//     counts as read, the rest as Returned.
//   - A ledger that cannot be written holds up nothing: it says so, keeps what
//     is to be written for later within a bound, and counts what it had to drop.
//   - It is bounded: records older than Config.Age go, and the oldest when the
//     file holds more than Config.Size.
//   - Files have mode 0600.
//
// # Several processes
//
// A file is written by one process, which holds its lock: that is what bbolt
// offers, and what makes a crash harmless. Processes with the same state_dir
// take the files ledger-1.db, ledger-2.db, … in turn: who starts takes the first
// that nobody holds, so there are as many files as processes at the same time,
// not as many as there ever were. An object may have a record in each; readers
// add them up.
//
// # Concurrency
//
// Everything here may be used by several goroutines.
package ledger

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/fluent-siem/fluent-siem/internal/lease"
)

// Key names a record: an object, or the part of one that a split message is about.
type Key struct {
	Bucket, Key string
	Version     string // version id; "" where the bucket has none, or the notification did not say
	First       uint64 // first position of a part; 0 for a whole object
}

// append appends the key as the file has it. Its order is that of S3's listings.
func (k Key) append(b []byte) []byte {
	b = append(append(b, k.Bucket...), 0)
	b = append(append(b, k.Key...), 0)
	b = append(append(b, k.Version...), 0)
	return binary.BigEndian.AppendUint64(b, k.First)
}

func parseKey(b []byte) (k Key, ok bool) {
	parts := bytes.SplitN(b, []byte{0}, 4)
	if len(parts) != 4 || len(parts[3]) != 8 {
		return k, false
	}
	return Key{string(parts[0]), string(parts[1]), string(parts[2]), binary.BigEndian.Uint64(parts[3])}, true
}

// State is how far an object has come.
type State uint8

// The states.
const (
	Open       State = iota // it is being read, or waits for verdicts; after a crash also: it was
	Done                    // every record has its verdict
	Skipped                 // it was not read: Class says why
	Unreadable              // it could not be read to its end: Class says why
	GivenBack               // its notification went back to the queue: Class says why
	Unbalanced              // its books did not balance, which is a bug of ours; its notification went back
)

var stateNames = [...]string{"open", "done", "skipped", "unreadable", "given_back", "unbalanced"}

func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return fmt.Sprintf("state(%d)", uint8(s))
}

// MarshalText writes the state's name.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads a state's name.
func (s *State) UnmarshalText(text []byte) error {
	i := slices.Index(stateNames[:], string(text))
	if i < 0 {
		return fmt.Errorf("there is no state %q; write one of %v", text, stateNames)
	}
	*s = State(i)
	return nil
}

// Record is what is known of one object.
type Record struct {
	Key
	ETag      string // without quotes; "" when unknown
	LogType   string // "" when no log type claims the key
	State     State
	Class     string // a word that says more about the state: truncated, denied, unclaimed, …
	Announced uint64 // how often a notification of it was received
	Totals    lease.Totals
	Returned  uint64    // records that were read and went back before they had a verdict: they came again, or will
	Size      int64     // bytes in S3; -1 when unknown
	Began     time.Time // when it was first received
	Last      time.Time // when something last became of it
	Versions  string    // what it was last read with, as name=version, separated by blanks
}

// merge adds what another record of the same key says.
func (r *Record) merge(o Record) {
	newer, older := r, &o
	if o.Last.After(r.Last) {
		newer, older = &o, r
	}
	sum := *newer
	sum.ETag, sum.LogType = cmp.Or(newer.ETag, older.ETag), cmp.Or(newer.LogType, older.LogType)
	sum.Announced += older.Announced
	sum.Returned += older.Returned
	add(&sum.Totals, older.Totals)
	if older.Began.Before(sum.Began) {
		sum.Began = older.Began
	}
	*r = sum
}

// add adds the books of another reading.
func add(t *lease.Totals, o lease.Totals) {
	t.Read += o.Read
	t.Bytes += o.Bytes
	for i := range t.By {
		t.By[i] += o.By[i]
	}
}

// row is a record as JSON; its order is that of the columns of `fluent-siem ledger`.
type row struct {
	Bucket       string    `json:"bucket"`
	Key          string    `json:"key"`
	Version      string    `json:"version,omitempty"`
	Part         uint64    `json:"part,omitempty"`
	ETag         string    `json:"etag,omitempty"`
	LogType      string    `json:"log_type"`
	State        State     `json:"state"`
	Class        string    `json:"class,omitempty"`
	Announced    uint64    `json:"announced"`
	Read         uint64    `json:"read"`
	Stored       uint64    `json:"stored"`
	Duplicate    uint64    `json:"duplicate"`
	Excluded     uint64    `json:"excluded"`
	DeadLettered uint64    `json:"dead_lettered"`
	Unreadable   uint64    `json:"unreadable"`
	Returned     uint64    `json:"returned,omitempty"`
	Bytes        int64     `json:"bytes"`
	Size         int64     `json:"size"`
	Began        time.Time `json:"began"`
	Last         time.Time `json:"last"`
	Versions     string    `json:"versions,omitempty"`
}

// MarshalJSON writes the record in one flat object.
func (r Record) MarshalJSON() ([]byte, error) {
	by := r.Totals.By
	return json.Marshal(row{r.Bucket, r.Key.Key, r.Version, r.First, r.ETag, r.LogType, r.State, r.Class, r.Announced, r.Totals.Read,
		by[lease.Stored], by[lease.Duplicate], by[lease.Excluded], by[lease.DeadLettered], by[lease.Unreadable],
		r.Returned, r.Totals.Bytes, r.Size, r.Began, r.Last, r.Versions})
}

// UnmarshalJSON reads what MarshalJSON has written.
func (r *Record) UnmarshalJSON(text []byte) error {
	var w row
	if err := json.Unmarshal(text, &w); err != nil {
		return err
	}
	*r = Record{Key: Key{w.Bucket, w.Key, w.Version, w.Part}, ETag: w.ETag, LogType: w.LogType, State: w.State, Class: w.Class, Announced: w.Announced,
		Totals: lease.Totals{Read: w.Read, Bytes: w.Bytes}, Returned: w.Returned, Size: w.Size, Began: w.Began, Last: w.Last, Versions: w.Versions}
	by := &r.Totals.By
	by[lease.Stored], by[lease.Duplicate], by[lease.Excluded], by[lease.DeadLettered], by[lease.Unreadable] =
		w.Stored, w.Duplicate, w.Excluded, w.DeadLettered, w.Unreadable
	return nil
}
