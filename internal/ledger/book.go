package ledger

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	bolt "go.etcd.io/bbolt"

	"github.com/fluent-siem/fluent-siem/internal/code"
	"github.com/fluent-siem/fluent-siem/internal/lease"
)

// Config is what an operator may say about a ledger.
type Config struct {
	Age  time.Duration // how long a record is kept after something last became of its object
	Size int64         // bytes that the file may hold, about
}

// Ledger writes the records of one process. A nil Ledger keeps none, and is as
// good as any to everyone who uses it.
type Ledger struct {
	dir      string
	cfg      Config
	log      *slog.Logger
	report   func(problem string)
	versions func() string
	listen   func([]Record)
	timing   timing
	metrics  *metrics

	mu     sync.Mutex
	db     *bolt.DB // nil until a file could be opened
	open   map[*Entry]struct{}
	ended  []*Entry // that wait to be written
	after  []func()
	fresh  bool // open entries are to be looked at with the next write
	wake   chan struct{}
	cancel context.CancelFunc
	opened chan struct{} // closed when a file was opened, or could not be the first time
	gone   chan struct{} // closed when the writer has ended

	known map[uint64]bool // texts of Versions that the file has; the writer's
	tried time.Time       // when opening last failed; the writer's
	swept time.Time       // the writer's
	ill   bool            // writing failed last; the writer's
}

// timing are the durations that tests shorten.
type timing struct {
	gather time.Duration // how long a write waits for others
	look   time.Duration // between two looks at what is open
	retry  time.Duration // between two tries to open a file
	sweep  time.Duration // between two searches for what is old
}

// waitingMost bounds what waits for a disk that takes nothing: beyond, the
// oldest is dropped.
const waitingMost = 50_000

// Option is the program's wish, or a test's.
type Option func(*Ledger)

// WithLogger makes the Ledger log to log instead of the default logger.
func WithLogger(log *slog.Logger) Option { return func(l *Ledger) { l.log = log } }

// WithHealth makes the Ledger say what is wrong with it; "" when it is well again.
func WithHealth(report func(problem string)) Option { return func(l *Ledger) { l.report = report } }

// WithVersions sets what [Record.Versions] says at the moment.
func WithVersions(now func() string) Option { return func(l *Ledger) { l.versions = now } }

// WithMetrics registers the Ledger's metrics.
func WithMetrics(r prometheus.Registerer) Option {
	return func(l *Ledger) { l.metrics = newMetrics(r) }
}

// Start returns a Ledger that writes to a file in dir until it is closed. When
// no file can be opened it says so and goes on trying.
func Start(dir string, cfg Config, opts ...Option) *Ledger {
	l := &Ledger{
		dir: dir, cfg: cfg, log: slog.Default(), report: func(string) {}, versions: func() string { return "" },
		timing: timing{gather: 50 * time.Millisecond, look: 5 * time.Second, retry: 30 * time.Second, sweep: time.Hour},
		open:   map[*Entry]struct{}{}, wake: make(chan struct{}, 1), opened: make(chan struct{}), gone: make(chan struct{}),
	}
	for _, o := range opts {
		o(l)
	}
	if l.metrics == nil {
		l.metrics = newMetrics(prometheus.NewRegistry())
	}
	var ctx context.Context
	ctx, l.cancel = context.WithCancel(context.Background())
	go l.run(ctx)
	return l
}

// Listen makes the Ledger hand over the records that it has just written, those
// of ended objects only; nil ends that. It is called by the writer, which waits.
func (l *Ledger) Listen(to func([]Record)) {
	if l == nil {
		return
	}
	l.mu.Lock()
	l.listen = to
	l.mu.Unlock()
}

// Close writes what has ended, and what is open as it stands, and closes the file.
func (l *Ledger) Close() {
	if l == nil {
		return
	}
	l.cancel()
	<-l.gone
}

// Entry is one reading of an object: from its announcement to the end of its
// notification.
type Entry struct {
	l       *Ledger
	key     Key
	message string // the notification's id
	began   time.Time
	look    func() Reading // how far it is; nil before Follow

	// Set once, by End.
	state State
	class string
	last  Reading

	// The writer's: what the file has of it.
	written  lease.Totals
	returned uint64
	counted  bool
}

// Reading is how far the reading of an object is.
type Reading struct {
	LogType, ETag string
	Size          int64 // bytes in S3; -1 when unknown
	Totals        lease.Totals
	// Through is the position up to which every record has its verdict, when
	// reading may go on from there after an interruption; else 0.
	Through uint64
}

// Begin notes that a notification named an object.
func (l *Ledger) Begin(k Key, message string) *Entry {
	e := &Entry{l: l, key: k, message: message, began: time.Now()}
	if l == nil {
		return e
	}
	l.mu.Lock()
	l.open[e] = struct{}{}
	l.mu.Unlock()
	return e
}

// Follow says how to ask how far the reading is. look is called by another goroutine.
func (e *Entry) Follow(look func() Reading) {
	if e.l == nil {
		return
	}
	e.l.mu.Lock()
	e.look = look
	e.l.mu.Unlock()
}

// End notes how a reading has ended. Only its first call counts.
func (e *Entry) End(s State, class string, r Reading) {
	l := e.l
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, open := l.open[e]; !open {
		return
	}
	delete(l.open, e)
	e.state, e.class, e.last, e.look = s, class, r, nil
	l.ended = append(l.ended, e)
	l.signal()
}

// After calls f when everything that has ended by now is on disk. When the disk
// takes nothing, f is called all the same: the ledger holds up nothing.
func (l *Ledger) After(f func()) {
	if l == nil {
		f()
		return
	}
	l.mu.Lock()
	select {
	case <-l.gone:
		l.mu.Unlock()
		f()
		return
	default:
	}
	l.after = append(l.after, f)
	l.signal()
	l.mu.Unlock()
}

// refresh waits until the file shows how everything stands now.
func (l *Ledger) refresh(ctx context.Context) {
	if l == nil {
		return
	}
	l.mu.Lock()
	l.fresh = true
	l.mu.Unlock()
	done := make(chan struct{})
	l.After(func() { close(done) })
	select {
	case <-done:
	case <-ctx.Done():
	}
}

func (l *Ledger) signal() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// Through is the position up to which every record of an object has its
// verdict, when a reading for the same notification was interrupted; 0 when
// there is no such thing. It counts for the object of the same ETag only.
func (l *Ledger) Through(k Key, message string) (position uint64, etag string) {
	if l == nil {
		return 0, ""
	}
	<-l.opened
	l.mu.Lock()
	defer l.mu.Unlock() // the file is not exchanged meanwhile
	if l.db == nil {
		return 0, ""
	}
	err := guard(func() error {
		return l.db.View(func(tx *bolt.Tx) error {
			if p, ok := decodeProgress(tx.Bucket(bucketProgress).Get(k.append(nil))); ok && p.message == message {
				position, etag = p.through, p.etag
			}
			return nil
		})
	})
	if err != nil {
		return 0, ""
	}
	return position, etag
}

// run is the writer.
func (l *Ledger) run(ctx context.Context) {
	if err := l.openFile(); err != nil {
		l.tell(err, 0)
	}
	close(l.opened)
	tick := time.NewTicker(l.timing.look)
	defer tick.Stop()
	for ctx.Err() == nil {
		look := false
		select {
		case <-l.wake:
			timer := time.NewTimer(l.timing.gather)
			select {
			case <-timer.C:
			case <-ctx.Done():
				timer.Stop()
			}
		case <-tick.C:
			look = true
		case <-ctx.Done():
		}
		l.write(look)
		if time.Since(l.swept) > l.timing.sweep {
			l.swept = time.Now()
			if err := l.sweep(ctx); err != nil && ctx.Err() == nil {
				l.log.Warn("the ledger could not be searched for old records; it is tried again in an hour", "error", err, code.LedgerUpkeep.Attr())
			}
		}
	}
	l.write(true)
	l.mu.Lock()
	defer l.mu.Unlock()
	defer close(l.gone) // the file is free then
	for _, f := range l.after {
		f()
	}
	l.after = nil
	if l.db != nil {
		if err := l.db.Close(); err != nil {
			l.log.Warn("the ledger did not close cleanly", "error", err, code.LedgerUpkeep.Attr())
		}
		l.db = nil
	}
	l.report("")
}

// write puts what has ended into the file, and with look what is open as well.
func (l *Ledger) write(look bool) {
	l.mu.Lock()
	ended, after, listen := l.ended, l.after, l.listen
	look = look || l.fresh
	l.ended, l.after, l.fresh = nil, nil, false
	batch := make([]step, 0, len(ended))
	for _, e := range ended {
		batch = append(batch, step{e, e.state, e.class, e.last})
	}
	type watched struct {
		e    *Entry
		look func() Reading
	}
	var open []watched
	if look {
		for e := range l.open {
			open = append(open, watched{e, e.look})
		}
	}
	l.mu.Unlock()
	for _, w := range open {
		s := step{e: w.e, state: Open, now: Reading{Size: -1}}
		if w.look != nil {
			s.now = w.look()
		}
		batch = append(batch, s)
	}
	var records []Record
	var err error
	if len(batch) > 0 {
		records, err = l.commit(batch)
		l.tell(err, len(batch))
	}
	if err != nil {
		l.mu.Lock()
		l.ended = append(ended, l.ended...)
		if n := len(l.ended) - waitingMost; n > 0 {
			l.ended = l.ended[n:]
			l.metrics.dropped.Add(float64(n))
		}
		l.mu.Unlock()
	}
	l.mu.Lock()
	l.metrics.waiting.Set(float64(len(l.ended)))
	l.mu.Unlock()
	for _, f := range after {
		f()
	}
	if listen != nil && len(ended) > 0 && err == nil {
		listen(records[:len(ended)])
	}
}

// tell says once that writing fails, and once that it works again.
func (l *Ledger) tell(err error, n int) {
	switch {
	case err != nil:
		l.metrics.failed.Inc()
		text := fmt.Sprintf("the ledger cannot be written: %v; records are loaded all the same, and the last %d objects are noted when it can be written again; free disk space, or correct state_dir", err, waitingMost)
		if !l.ill {
			l.log.Error(text, code.Ledger.Attr())
		}
		l.report(code.Ledger.In(text))
		l.ill = true
	case l.ill:
		l.log.Info("the ledger can be written again")
		l.report("")
		l.ill = false
	default:
		l.metrics.written.Add(float64(n))
	}
}

// guard turns a panic into an error: bbolt panics over a damaged file, and its
// pages are mapped memory, which faults when the disk does.
func guard(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the file is damaged: %v", p)
		}
	}()
	return f()
}
