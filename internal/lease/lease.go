// Package lease keeps the books of a process: which notifications it holds,
// which records it read for them, and what became of each record.
//
//	notification → object → record → verdict
//	─────────────────────────────────────────
//
// A [Lease] is our hold on one notification. It has one [Object] for each S3
// object that the notification names. The input counts what it reads
// ([Object.Read], [Object.Seal]); filter and output say what became of it
// ([Object.Judge]). When nothing is open any more, [Lease.Settled] is closed
// and the notification may be deleted.
//
// # Promises
//
//   - A lease settles only when every record of every object in it has a
//     verdict: read = stored + duplicate + excluded + dead-lettered + unreadable.
//   - A record is judged once. A second verdict (the host repeated a chunk) is
//     ignored, and so is one for a lease that was given back.
//   - Bytes taken from a [Credit] return to it exactly once, with the verdict
//     or when the lease is given back.
//
// # Concurrency
//
// Everything here may be used by several goroutines.
package lease

import (
	"crypto/rand"
	"encoding/binary"
	"sync"
	"sync/atomic"
	"time"
)

// Outcome is a verdict: what became of a record in the end.
type Outcome uint8

// The verdicts.
const (
	Stored       Outcome = iota // the cluster has the document
	Duplicate                   // the cluster had it already
	Excluded                    // a rule of the operator says: not wanted
	DeadLettered                // refused by the cluster, kept as a dead letter
	Unreadable                  // could not be made into a document, kept as a dead letter
	outcomes
)

var outcomeNames = [outcomes]string{"stored", "duplicate", "excluded", "dead-lettered", "unreadable"}

func (o Outcome) String() string { return outcomeNames[o] }

// Outcomes lists the verdicts, for tables and metrics.
func Outcomes() []Outcome { return []Outcome{Stored, Duplicate, Excluded, DeadLettered, Unreadable} }

// Source says where the records of an object come from and how to read them.
// It does not change after [Lease.Add], except through [Object.SetHeader].
type Source struct {
	Bucket, Key string
	Version     string    // version id; "" where the bucket has none
	ETag        string    // without quotes; "" when unknown
	LogType     string    // name of the log type that claims the key
	Account     string    // account that the notification names; "" when it does not
	Region      string    // region that the notification names; "" when it does not
	Size        int64     // bytes in S3, -1 when unknown
	EventTime   time.Time // when S3 announced it
	First, Last uint64    // positions of a split message; 0 for a whole object
	Received    int       // how often its notification has been delivered; 0 when unknown
	// TablesOf is "event" when who announced it wants its events enriched with the
	// tables of their own day; "": as the filter's settings say.
	TablesOf string
	// Format overrules the log type's format when the bytes say otherwise:
	// "json" for rows of a Parquet file. "" otherwise.
	Format string
	// Header is the first line of an object that carries its column names.
	Header []byte
}

// Totals are the books of one object.
type Totals struct {
	Read  uint64           // records read so far
	Bytes int64            // their size
	By    [outcomes]uint64 // verdicts, indexed by Outcome
}

// Judged is the number of records that have a verdict.
func (t Totals) Judged() uint64 {
	var n uint64
	for _, v := range t.By {
		n += v
	}
	return n
}

// Outstanding is the number of records that were read and have no verdict yet.
func (t Totals) Outstanding() uint64 { return t.Read - min(t.Read, t.Judged()) }

// Balanced reports whether every record has a verdict, and nothing has that was
// not read.
func (t Totals) Balanced() bool { return t.Read == t.Judged() }

// Of returns how many records have the verdict o.
func (t Totals) Of(o Outcome) uint64 { return t.By[o] }

// Table holds the open leases of a process.
type Table struct {
	mu      sync.RWMutex
	objects map[uint64]*Object
	leases  map[*Lease]struct{}
	epoch   uint64 // upper half of every id
	next    uint64
	settled atomic.Uint64
}

// NewTable returns an empty table. Its object ids begin with a random number,
// so that an id that another process wrote to disk or wire names nothing here.
func NewTable() *Table {
	var epoch [4]byte
	_, _ = rand.Read(epoch[:])                             // crypto/rand.Read never fails (its documentation)
	e := uint64(binary.BigEndian.Uint32(epoch[:])) | 1<<31 // never 0
	return &Table{
		objects: map[uint64]*Object{},
		leases:  map[*Lease]struct{}{},
		epoch:   e,
		next:    e << 32,
	}
}

// Open returns a new lease whose records are paid for from c.
func (t *Table) Open(c *Credit) *Lease {
	l := &Lease{table: t, credit: c, opened: time.Now(), done: make(chan struct{})}
	l.sign.Store(l.opened.UnixNano())
	t.mu.Lock()
	t.leases[l] = struct{}{}
	t.mu.Unlock()
	return l
}

// Object finds an object of an open lease by its id. It returns nil for an id
// of another process and for an object that was settled or given back.
func (t *Table) Object(id uint64) *Object {
	t.mu.RLock()
	o := t.objects[id]
	t.mu.RUnlock()
	return o
}

// Ours reports whether an object id was given by this table, be the object
// open or not.
func (t *Table) Ours(id uint64) bool { return id>>32 == t.epoch }

// Leases returns the open leases, in no order.
func (t *Table) Leases() []*Lease {
	t.mu.RLock()
	defer t.mu.RUnlock()
	all := make([]*Lease, 0, len(t.leases))
	for l := range t.leases {
		all = append(all, l)
	}
	return all
}

// Settled counts the leases that have settled since the process started.
func (t *Table) Settled() uint64 { return t.settled.Load() }

// Lease is our hold on one notification. It has two ends: Settled, or GiveBack.
type Lease struct {
	table  *Table
	credit *Credit
	opened time.Time
	sign   atomic.Int64 // unix nanoseconds of the last sign of life
	done   chan struct{}

	mu      sync.Mutex
	objects []*Object
	open    int // objects not yet settled
	sealed  bool
	ended   bool
	reason  error
}

// Add opens the books of one object that the notification names.
// It must not be called after Seal.
func (l *Lease) Add(s Source) *Object {
	o := &Object{lease: l, Source: s}
	l.mu.Lock()
	l.objects = append(l.objects, o)
	l.open++
	ended := l.ended
	l.mu.Unlock()
	l.table.mu.Lock()
	l.table.next++
	o.ID = l.table.next
	if !ended {
		l.table.objects[o.ID] = o
	}
	l.table.mu.Unlock()
	return o
}

// Opened is when this process took its hold on the notification.
func (o *Object) Opened() time.Time { return o.lease.opened }

// Seal says that the notification names no further objects.
func (l *Lease) Seal() {
	l.mu.Lock()
	l.sealed = true
	l.mu.Unlock()
	l.settle(0)
}

// Settled is closed when every record of every object has a verdict. It stays
// open for ever when the lease is given back.
func (l *Lease) Settled() <-chan struct{} { return l.done }

// Opened is when the notification was received.
func (l *Lease) Opened() time.Time { return l.opened }

// LastSign is when something last moved: a record was read, a verdict came, an
// output said that it is still at it.
func (l *Lease) LastSign() time.Time { return time.Unix(0, l.sign.Load()) }

// Objects returns the objects added so far.
func (l *Lease) Objects() []*Object {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]*Object(nil), l.objects...)
}

// settle ends the lease when nothing is open; n objects have just settled.
func (l *Lease) settle(n int) {
	l.mu.Lock()
	l.open -= n
	if l.ended || !l.sealed || l.open > 0 {
		l.mu.Unlock()
		return
	}
	l.ended = true
	l.mu.Unlock()
	l.forget()
	l.table.settled.Add(1)
	close(l.done)
}

// GiveBack ends the lease without verdicts: outstanding credit returns, late
// verdicts are ignored, the notification may be delivered again. It reports
// false when the lease had ended before.
func (l *Lease) GiveBack(reason error) bool {
	l.mu.Lock()
	if l.ended {
		l.mu.Unlock()
		return false
	}
	l.ended, l.reason = true, reason
	objects := l.objects
	l.mu.Unlock()
	l.forget()
	for _, o := range objects {
		o.close()
	}
	return true
}

// GivenBack is the reason the lease was given back for, nil when it was not.
func (l *Lease) GivenBack() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.reason
}

func (l *Lease) forget() {
	l.table.mu.Lock()
	for _, o := range l.objects {
		delete(l.table.objects, o.ID)
	}
	delete(l.table.leases, l)
	l.table.mu.Unlock()
}

func (l *Lease) touch() { l.sign.Store(time.Now().UnixNano()) }
