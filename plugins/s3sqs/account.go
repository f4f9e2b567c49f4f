package s3sqs

import (
	"errors"
	"fmt"
	"sync"

	"github.com/fluent-siem/fluent-siem/internal/lease"
	"github.com/fluent-siem/fluent-siem/internal/ledger"
	"github.com/fluent-siem/fluent-siem/plugins/s3sqs/split"
)

// account is what the ledger hears of one object of a message. The books
// themselves are the lease's; the account adds what only the reader knows.
type account struct {
	h     *hold
	entry *ledger.Entry

	mu      sync.Mutex
	src     lease.Source // as far as it is known
	outcome string       // as in the metric objects_total; "" while it is read
	from    int          // which objects of the lease are this one's: from …
	to      int          // … up to before; 0 while it is read
	records uint64       // handed to the host, as the reader counts them
	text    int64        // bytes after decompression
}

// account opens the account of an object.
func (q *queue) account(h *hold, o announced) *account {
	a := &account{h: h, src: lease.Source{Bucket: o.bucket, Key: o.key, Size: o.size, ETag: o.etag}, from: len(h.lease.Objects())}
	a.entry = q.run.ledger.Begin(o.ledgerKey(), h.id)
	a.entry.Follow(a.reading)
	h.accounts = append(h.accounts, a)
	return a
}

func (o announced) ledgerKey() ledger.Key {
	return ledger.Key{Bucket: o.bucket, Key: o.key, Version: o.version, First: o.first}
}

// outcome counts what became of the object that is read now.
func (h *hold) outcome(src lease.Source, outcome string) {
	h.q.run.in.metrics.objects.WithLabelValues(src.LogType, outcome).Inc()
	a := h.accounts[len(h.accounts)-1]
	a.mu.Lock()
	a.src, a.outcome = src, outcome
	a.mu.Unlock()
}

// reads says what is known of the object that is read now.
func (h *hold) reads(src lease.Source) {
	a := h.accounts[len(h.accounts)-1]
	a.mu.Lock()
	a.src = src
	a.mu.Unlock()
}

// handed says how many records of the object were handed on, as the reader
// counts them, and how much text it read.
func (h *hold) handed(records uint64, text int64) {
	a := h.accounts[len(h.accounts)-1]
	a.mu.Lock()
	a.records, a.text = records, text
	a.mu.Unlock()
}

// through is the position up to which an earlier delivery of the same message
// has brought the object, if it still is the same one.
func (h *hold) through(a announced, etag string) uint64 {
	if h.attempt < 2 || h.q.run.in.cfg.Acknowledge == acknowledgeQueued {
		return 0
	}
	n, was := h.q.run.ledger.Through(a.ledgerKey(), h.id)
	if was != etag {
		return 0
	}
	return n
}

// sealed says that no further records of the object follow.
func (a *account) sealed() {
	n := len(a.h.lease.Objects())
	a.mu.Lock()
	a.to = n
	a.mu.Unlock()
}

// reading is how far the object is.
func (a *account) reading() ledger.Reading {
	r, _ := a.sum()
	return r
}

// sum adds up the books of the object. whole says that between any two marks as
// many records have a verdict as were read.
func (a *account) sum() (r ledger.Reading, whole bool) {
	objects := a.h.lease.Objects()
	a.mu.Lock()
	r = ledger.Reading{LogType: a.src.LogType, ETag: a.src.ETag, Size: a.src.Size}
	r.Totals.Bytes = a.text
	if a.to > 0 {
		objects = objects[:a.to]
	}
	objects = objects[a.from:]
	a.mu.Unlock()
	whole = true
	for _, o := range objects {
		t := o.Totals()
		r.Totals.Read += t.Read
		for i, n := range t.By {
			r.Totals.By[i] += n
		}
		if whole {
			var position uint64
			if position, whole = o.Through(); position > 0 {
				r.Through = position
			}
		}
	}
	if a.h.q.run.in.cfg.Acknowledge == acknowledgeQueued {
		r.Through = 0 // nobody has said that the host kept what it took
	}
	return r, whole
}

// unbalancedError says that the books of an object do not balance.
type unbalancedError struct {
	bucket, key           string
	handed, read, verdict uint64
}

func (e *unbalancedError) Error() string {
	return fmt.Sprintf("the books of s3://%s/%s do not balance, which is a bug, please report it: %d records were handed on, %d counted as read, %d verdicts came, not one for each record",
		e.bucket, e.key, e.handed, e.read, e.verdict)
}

// balance checks, for a lease that has settled, that each record which was
// handed on has exactly one verdict.
func (h *hold) balance() error {
	var bad []error
	for _, a := range h.accounts {
		r, whole := a.sum()
		a.mu.Lock()
		handed := a.records
		a.mu.Unlock()
		if !r.Totals.Balanced() || handed != r.Totals.Read || !whole {
			h.q.run.in.metrics.unbalanced.WithLabelValues(r.LogType).Inc()
			bad = append(bad, &unbalancedError{a.src.Bucket, a.src.Key, handed, r.Totals.Read, r.Totals.Judged()})
		}
	}
	return errors.Join(bad...)
}

// outcomeStates says what an outcome means for the ledger; read, parted and
// no_records are done.
var outcomeStates = map[string]ledger.State{
	"empty": ledger.Skipped, "folder": ledger.Skipped, "ignored": ledger.Skipped, "unclaimed": ledger.Skipped,
	string(gone): ledger.Unreadable, string(split.Truncated): ledger.Unreadable, string(split.Corrupt): ledger.Unreadable,
	string(split.Bomb): ledger.Unreadable, string(split.Binary): ledger.Unreadable, string(split.Unsupported): ledger.Unreadable,
	string(split.NoRecord): ledger.Unreadable,
}

// done ends the accounts of a message that may be deleted.
func (h *hold) done() {
	for _, a := range h.accounts {
		a.mu.Lock()
		class := a.outcome
		a.mu.Unlock()
		state, ok := outcomeStates[class]
		if !ok {
			state = ledger.Done
			if class == "read" {
				class = ""
			}
		}
		a.entry.End(state, class, a.reading())
	}
}

// returned ends the accounts of a message that goes back to its queue.
func (h *hold) returned(class string) {
	state := ledger.GivenBack
	if class == unbalanced {
		state = ledger.Unbalanced
	}
	for _, a := range h.accounts {
		r := a.reading()
		of := class
		a.mu.Lock()
		if a.outcome != "" && a.outcome != "read" && class == "given_back" {
			of = a.outcome // denied, changed, …
		}
		a.mu.Unlock()
		a.entry.End(state, of, r)
	}
}

// unbalanced is the result of a message whose books do not balance.
const unbalanced = "unbalanced"
