package replay

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/fluent-siem/fluent-siem/internal/deadletter"
	"github.com/fluent-siem/fluent-siem/internal/event"
	"github.com/fluent-siem/fluent-siem/internal/lease"
	"github.com/fluent-siem/fluent-siem/internal/process"
	"github.com/fluent-siem/fluent-siem/plugins/s3sqs"
	"github.com/fluent-siem/fluent-siem/sidecar/pipeline"
)

const (
	batchLetters = 500     // that are under way together
	batchBytes   = 4 << 20 // or as many as hold this much
	// silence is how long no stage may show a sign before a replay ends.
	silence = 2 * time.Minute
)

// input makes records of letters. It is run once.
type input struct {
	p       *process.Process
	box     *deadletter.Box
	s3      *s3sqs.Input // nil: the configuration has none
	reader  *s3sqs.Reader
	options Options
	ended   chan error // gets the result, once
	began   time.Time

	mu      sync.Mutex
	waiting map[uint64]*pending // by lease.Object.ID
	books   Books
}

// The classes of letters that a replay itself leaves open.
const (
	noInput     = "no_input"     // nothing says how to read its object from S3
	unread      = "unread"       // its object could not be read, for no reason of its own
	nothingLeft = "nothing_left" // neither letter nor object have its record
)

// pending is a letter under way.
type pending struct {
	entry   deadletter.Entry
	whole   bool // an object: refused records of it become letters of their own
	objects []*lease.Object
	again   *deadletter.Letter  // the new refusal
	fresh   []deadletter.Letter // of the records of an object
	failed  string              // class of what ended the reading, with why
	why     string
}

// Run replays, tells ended, and waits for the end of the pipeline.
func (in *input) Run(ctx context.Context, sink pipeline.Sink) error {
	in.began = time.Now()
	in.ended <- in.all(ctx, sink)
	<-ctx.Done()
	return nil
}

func (in *input) all(ctx context.Context, sink pipeline.Sink) error {
	var batch []*pending
	size := 0
	send := func() error {
		if len(batch) == 0 {
			return nil
		}
		err := in.replay(ctx, sink, batch)
		batch, size = nil, 0
		return err
	}
	damage, err := in.box.Each(ctx, func(e *deadletter.Entry) error {
		if e.Closed() || in.options.Choose != nil && !in.options.Choose(e) {
			return nil
		}
		p := &pending{entry: *e}
		if in.fromS3(p) { // an object takes all the room there is
			if err := send(); err != nil {
				return err
			}
			batch = append(batch, p)
			return send()
		}
		batch = append(batch, p)
		if size += len(e.Letter.Message) + len(e.Letter.Document); len(batch) >= in.batch() || size >= batchBytes {
			return send()
		}
		return nil
	})
	if err == nil {
		err = send()
	}
	if err == nil && damage.Files != nil {
		err = fmt.Errorf("%d bytes and %d lines in %v are damaged and were left out; all other letters were replayed", damage.Bytes, damage.Lines, damage.Files)
	}
	return err
}

// batch is how many letters go together, so that a low rate is even.
func (in *input) batch() int {
	if r := in.options.Rate; r > 0 {
		return max(1, min(batchLetters, int(r)))
	}
	return batchLetters
}

// replay gives each letter of a batch its mark.
func (in *input) replay(ctx context.Context, sink pipeline.Sink, batch []*pending) error {
	if err := in.pace(ctx, len(batch)); err != nil {
		return err
	}
	l := in.p.Leases.Open(lease.NewCredit(1)) // records take nothing from it: the pipeline's memory is the bound
	err := in.hand(ctx, sink, l, batch)
	l.Seal()
	if err == nil {
		err = await(ctx, l)
	}
	if err != nil {
		l.GiveBack(err)
		return err
	}
	marks, err := in.settle(batch)
	if err != nil {
		return fmt.Errorf("dead letters of records of an object cannot be written; the object's own letter stays: %w", err)
	}
	if !in.options.DryRun {
		if err := in.box.Mark(marks); err != nil {
			return fmt.Errorf("what became of %d letters cannot be noted, so they would be replayed again, which changes nothing in the cluster: %w", len(marks), err)
		}
	}
	if in.options.Progress != nil {
		in.options.Progress(in.booksNow())
	}
	return nil
}

// settle closes the books of a batch, and returns its marks.
func (in *input) settle(batch []*pending) (marks []deadletter.Mark, err error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, p := range batch {
		if p.failed == "" {
			if err := in.keep(p); err != nil {
				return nil, err
			}
		}
		m := p.mark()
		marks = append(marks, m)
		in.books.Letters++
		in.books.Records += m.Records
		if m.Closes() {
			in.books.Closed[m.Outcome]++
		} else {
			in.books.Stay[m.Class]++
		}
		for _, o := range p.objects {
			delete(in.waiting, o.ID)
		}
	}
	return marks, nil
}

// pace waits until n more letters are within the rate.
func (in *input) pace(ctx context.Context, n int) error {
	if in.options.Rate <= 0 {
		return ctx.Err()
	}
	due := in.began.Add(time.Duration(float64(in.booksNow().Letters) / in.options.Rate * float64(time.Second)))
	timer := time.NewTimer(time.Until(due))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// await waits for the verdicts.
func await(ctx context.Context, l *lease.Lease) error {
	for {
		timer := time.NewTimer(time.Until(l.LastSign().Add(silence)))
		select {
		case <-l.Settled():
			timer.Stop()
			return nil
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
			if time.Since(l.LastSign()) >= silence {
				return fmt.Errorf("no output has given a verdict for %v; let the match of filter ecs and output opensearch_bulk fit the tags of the letters", silence)
			}
		}
	}
}

// hand appends the records of a batch.
func (in *input) hand(ctx context.Context, sink pipeline.Sink, l *lease.Lease, batch []*pending) error {
	byTag := map[string][]byte{}
	counts := map[string]int{}
	for _, p := range batch {
		tag := cmp.Or(p.entry.Letter.Tag, "siem")
		if in.fromS3(p) {
			if err := in.object(ctx, sink, tag, l, p); err != nil {
				return err
			}
			continue
		}
		before := len(byTag[tag])
		byTag[tag] = in.record(byTag[tag], l, p)
		if len(byTag[tag]) > before {
			counts[tag]++
		}
	}
	for tag, events := range byTag {
		if counts[tag] == 0 {
			continue
		}
		if err := sink.Append(ctx, tag, counts[tag], events); err != nil {
			return err
		}
	}
	return nil
}

// fromS3 reports whether a letter is to be read from S3: it stands for an
// object, or holds only the beginning of its record.
func (in *input) fromS3(p *pending) bool {
	l := &p.entry.Letter
	if l.Bucket == "" || l.Key == "" {
		return false
	}
	return l.Outcome == deadletter.Quarantined ||
		l.Outcome == deadletter.Unreadable && l.Class != "unreadable" && l.Record > 0
}

// source is where the record of a letter came from; its log type is what
// claims the key now.
func (in *input) source(p *pending) lease.Source {
	l := &p.entry.Letter
	s := lease.Source{Bucket: l.Bucket, Key: l.Key, Version: l.Version, LogType: l.LogType, Account: l.Account, Region: l.Region,
		Size: -1, EventTime: l.Announced, Format: l.Format}
	if l.Header != "" {
		s.Header = []byte(l.Header)
	}
	if l.Bucket != "" {
		if t, _ := in.p.LogTypes.Match(l.Bucket, l.Key); t != nil {
			s.LogType = t.Name
		}
	} else {
		// Of another input: an id is made of what it has, and must be its own.
		s.Version = p.entry.ID
	}
	return s
}

// record appends the event of one letter, or notes why there is none.
func (in *input) record(dst []byte, l *lease.Lease, p *pending) []byte {
	letter := &p.entry.Letter
	number := max(letter.Record, 1)
	s := in.source(p)
	doc := letter.Document
	if letter.Message != "" && in.p.LogTypes.Set().Type(s.LogType) != nil {
		doc = nil
	} else if len(doc) == 0 {
		p.failed, p.why = nothingLeft, "the letter holds neither a record with a log type nor a document"
		return dst
	}
	s.First = number
	o := in.watch(l, p, s)
	o.Read(1, 0)
	o.Seal(nil)
	origin := event.Origin{Object: o.ID, Record: number}
	switch {
	case doc != nil:
		target := event.Target{Index: []byte(letter.Index), Op: event.OpCreate}
		if letter.ID != "" {
			target.ID = []byte(letter.ID)
		}
		if letter.Op == "index" {
			target.Op = event.OpIndex
		}
		dst = event.AppendTarget(dst, letter.Time, &origin, target, nil, nil)
		return event.AppendDocument(dst, doc)
	case letter.Envelope != "":
		return event.AppendEnveloped(dst, letter.Time, origin, []byte(letter.Envelope), []byte(letter.Message))
	}
	return event.AppendRecord(dst, letter.Time, origin, []byte(letter.Message))
}

// watch opens the books of an object of p's.
func (in *input) watch(l *lease.Lease, p *pending, s lease.Source) *lease.Object {
	o := l.Add(s)
	in.mu.Lock()
	defer in.mu.Unlock()
	p.objects = append(p.objects, o)
	in.waiting[o.ID] = p
	return o
}

// held is how many letters of an object's records wait for its end.
const held = 10_000

// refused takes what the output refuses in place of its folder. Letters of an
// object's records wait until it was read to its end: when it was not, its own
// letter stays and stands for them, and each replay would add them anew.
func (in *input) refused(letters []deadletter.Letter) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, l := range letters {
		p := in.waiting[l.Object]
		switch {
		case p == nil: // of a batch that was given back: its letters are open
		case p.whole:
			p.fresh = append(p.fresh, l)
			if len(p.fresh) >= held {
				if err := in.keep(p); err != nil {
					return err
				}
			}
		default:
			p.again = &l
		}
	}
	return nil
}

// keep writes the letters of an object's records. in.mu is held.
func (in *input) keep(p *pending) error {
	if len(p.fresh) > 0 && !in.options.DryRun {
		if err := in.box.Write(p.fresh); err != nil {
			return err
		}
	}
	in.books.New += uint64(len(p.fresh))
	p.fresh = nil
	return nil
}

// mark says what became of p.
func (p *pending) mark() deadletter.Mark {
	m := deadletter.Mark{Letter: p.entry.ID, Time: time.Now().UTC()}
	var by [5]uint64
	for _, o := range p.objects {
		t := o.Totals()
		m.Records += t.Read
		for _, outcome := range lease.Outcomes() {
			by[outcome] += t.Of(outcome)
		}
	}
	letter := &p.entry.Letter
	switch {
	case p.failed != "":
		m.Outcome, m.Class, m.Reason, m.Index = cmp.Or(letter.Outcome, deadletter.Unreadable), p.failed, p.why, letter.Index
	case p.again != nil:
		m.Outcome, m.Class, m.Reason, m.Index = p.again.Outcome, p.again.Class, p.again.Reason, p.again.Index
	case by[lease.Stored] > 0:
		m.Outcome = lease.Stored.String()
	case by[lease.Duplicate] > 0:
		m.Outcome = lease.Duplicate.String()
	case by[lease.Excluded] > 0:
		m.Outcome = lease.Excluded.String()
	case p.whole && m.Records > 0:
		m.Outcome = "new-letters" // every record of it is a letter of its own now
	case p.whole:
		m.Outcome = "empty" // the object has no records now
	default:
		m.Outcome, m.Class, m.Reason = letter.Outcome, nothingLeft, "the object has no record at that position any more"
	}
	return m
}

func (in *input) booksNow() Books {
	in.mu.Lock()
	defer in.mu.Unlock()
	b := in.books
	b.Closed, b.Stay = map[string]uint64{}, map[string]uint64{}
	for k, v := range in.books.Closed {
		b.Closed[k] = v
	}
	for k, v := range in.books.Stay {
		b.Stay[k] = v
	}
	return b
}
