package lease

import (
	"math/bits"
	"sync"
)

// Object is the account of one S3 object. Record numbers are positions in the
// object, from 1; they may have gaps (blank lines).
type Object struct {
	ID     uint64 // names the object on the wire, in this process only
	Source Source

	lease *Lease

	mu     sync.Mutex
	totals Totals
	credit int64    // bytes taken for records that have no verdict yet
	judged []uint64 // a bit for each record number, from Source.First
	marks  []mark   // not passed by through yet
	next   uint64   // place of the first record behind through
	past   uint64   // records read up to through
	last   uint64   // position, see Through
	sealed bool
	closed bool // settled or given back
	err    error
}

// mark says how many records were read when the last one stood at a position.
type mark struct{ position, read uint64 }

// Lease is the lease the object belongs to.
func (o *Object) Lease() *Lease { return o.lease }

// SetHeader tells how the columns are called, before the first record is read.
func (o *Object) SetHeader(h []byte) { o.Source.Header = append([]byte(nil), h...) }

// Read counts n records of together size bytes, for which credit was taken.
// It comes before the records are handed to the host: a verdict may follow at once.
func (o *Object) Read(n int, size int64) {
	o.mu.Lock()
	if o.closed {
		o.mu.Unlock()
		o.lease.credit.Give(size)
		return
	}
	o.totals.Read += uint64(n)
	o.totals.Bytes += size
	o.credit += size
	o.mu.Unlock()
	o.lease.touch()
}

// Mark says that the records counted so far end at position. Between marks
// there may be positions without records.
func (o *Object) Mark(position uint64) {
	o.mu.Lock()
	o.marks = append(o.marks, mark{position, o.totals.Read})
	o.mu.Unlock()
}

// Through returns the last mark up to which every record has its verdict: from
// behind it reading may begin again. all says that these are all records of the
// object, which is sealed. It may be called after the lease has ended.
func (o *Object) Through() (position uint64, all bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for len(o.marks) > 0 {
		m := o.marks[0]
		end := o.index(m.position) + 1
		if o.count(o.next, end) < m.read-o.past {
			break
		}
		o.next, o.past, o.last = end, m.read, m.position
		o.marks = o.marks[1:]
	}
	return o.last, len(o.marks) == 0 && o.past == o.totals.Read && o.sealed
}

// count counts the records judged from one place up to before another.
func (o *Object) count(from, to uint64) (n uint64) {
	to = min(to, 64*uint64(len(o.judged)))
	for from < to {
		word := o.judged[from/64] >> (from % 64)
		width := min(64-from%64, to-from)
		if width < 64 {
			word &= 1<<width - 1
		}
		n += uint64(bits.OnesCount64(word))
		from += width
	}
	return n
}

// Seal says that the object was read to its end, or, with an error, that it
// cannot be: then the records before the error still get their verdicts, and
// the error says what became of the rest.
func (o *Object) Seal(err error) {
	o.mu.Lock()
	o.sealed, o.err = true, err
	o.finish()
}

// Err is the error that the object was sealed with.
func (o *Object) Err() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.err
}

// Judge gives a record its verdict and returns size bytes of credit. It
// reports false, and does nothing, when the record had a verdict before or the
// lease has ended.
func (o *Object) Judge(record uint64, size int64, v Outcome) bool {
	o.mu.Lock()
	if o.closed || !o.judge(record) {
		o.mu.Unlock()
		return false
	}
	o.totals.By[v]++
	o.pay(size)
	return true
}

// Verdict is one record's outcome in a batch.
type Verdict struct {
	Record  uint64
	Size    int64
	Outcome Outcome
}

// JudgeAll is Judge for many records under one lock. It returns how many were
// judged for the first time.
func (o *Object) JudgeAll(verdicts []Verdict) int {
	var size int64
	n := 0
	o.mu.Lock()
	if o.closed {
		o.mu.Unlock()
		return 0
	}
	for _, v := range verdicts {
		if o.judge(v.Record) {
			o.totals.By[v.Outcome]++
			size += v.Size
			n++
		}
	}
	o.pay(size)
	return n
}

// JudgeRange gives the records first to last (inclusive) one verdict; size is
// what they hold together.
func (o *Object) JudgeRange(first, last uint64, size int64, v Outcome) int {
	o.mu.Lock()
	if o.closed {
		o.mu.Unlock()
		return 0
	}
	n := 0
	for r := first; r <= last; r++ {
		if o.judge(r) {
			n++
		}
	}
	o.totals.By[v] += uint64(n)
	o.pay(size)
	return n
}

// Touch says that an output still works on records of the object.
func (o *Object) Touch() { o.lease.touch() }

// Totals returns the books as they stand.
func (o *Object) Totals() Totals {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.totals
}

// pay unlocks o and returns credit for verdicts that were counted.
func (o *Object) pay(size int64) {
	size = min(size, o.credit)
	o.credit -= size
	o.finish()
	o.lease.credit.Give(size)
	o.lease.touch()
}

// index is the place of a record among the bits.
func (o *Object) index(record uint64) uint64 { return record - min(record, o.Source.First) }

// judge notes that a record is judged; false when it was.
func (o *Object) judge(record uint64) bool {
	place := o.index(record)
	i, bit := place/64, uint64(1)<<(place%64)
	for uint64(len(o.judged)) <= i {
		o.judged = append(o.judged, 0)
	}
	if o.judged[i]&bit != 0 {
		return false
	}
	o.judged[i] |= bit
	return true
}

// finish unlocks o, and settles it when nothing is outstanding.
func (o *Object) finish() {
	if o.closed || !o.sealed || o.totals.Outstanding() > 0 {
		o.mu.Unlock()
		return
	}
	rest := o.credit
	o.closed, o.credit = true, 0
	o.mu.Unlock()
	o.lease.credit.Give(rest)
	o.lease.settle(1)
}

// close ends the account without settling it.
func (o *Object) close() {
	o.mu.Lock()
	rest := o.credit
	o.closed, o.credit = true, 0
	o.mu.Unlock()
	o.lease.credit.Give(rest)
}
