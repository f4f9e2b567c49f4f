package lease

import "sync"

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
	sealed bool
	closed bool // settled or given back
	err    error
}

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
	if o.closed || !o.mark(record) {
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
		if o.mark(v.Record) {
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
		if o.mark(r) {
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

func (o *Object) place(record uint64) (word, bit uint64) {
	record -= min(record, o.Source.First)
	return record / 64, 1 << (record % 64)
}

// mark notes that a record is judged; false when it was.
func (o *Object) mark(record uint64) bool {
	i, bit := o.place(record)
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
