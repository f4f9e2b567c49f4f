package ecs

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fluent-siem/fluent-siem/filters/enrich"
	"github.com/fluent-siem/fluent-siem/filters/logtype"
	"github.com/fluent-siem/fluent-siem/internal/code"
	"github.com/fluent-siem/fluent-siem/internal/event"
	"github.com/fluent-siem/fluent-siem/internal/extend"
	"github.com/fluent-siem/fluent-siem/internal/follow"
	"github.com/fluent-siem/fluent-siem/internal/lease"
	"github.com/fluent-siem/fluent-siem/internal/process"
)

// perThread is how many events are worth a goroutine of their own.
const perThread = 64

// Filter converts the buffers of the host. It is safe for concurrent use.
type Filter struct {
	cfg     Config
	process *process.Process
	engine  *Engine
	log     *slog.Logger
	workers sync.Pool
	stop    context.CancelFunc
	watch   sync.WaitGroup
	records *prometheus.CounterVec
	stale   prometheus.Counter
	tables  tableMetrics
	failed  prometheus.Counter
	cuts    prometheus.Counter
	matches *prometheus.CounterVec
	samples samples
	// extensions are those of extensions_file; nil: there is none
	extensions *extend.Transformers

	run  [8]byte // random: ids of records that have no position
	next atomic.Uint64
}

// Option is for the program and for tests.
type Option func(*Filter)

// WithLogger makes the filter log to l.
func WithLogger(l *slog.Logger) Option { return func(f *Filter) { f.log = l } }

// New returns a Filter that is ready to use. What can be repaired while running
// (a missing GeoIP file) is no error; what cannot (a log type that does not
// parse at the first start) is.
func New(cfg Config, p *process.Process, opts ...Option) (*Filter, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("filter ecs:\n%w", err)
	}
	if cfg.Threads == 0 {
		cfg.Threads = runtime.GOMAXPROCS(0)
	}
	f := &Filter{cfg: cfg, process: p, log: slog.Default()}
	for _, opt := range opts {
		opt(f)
	}
	_, _ = rand.Read(f.run[:])
	f.records = process.Register(p, prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "siem_filter_records_total", Help: "Records by log type and what the filter made of them.",
	}, []string{"log_type", "outcome"}))
	f.stale = process.Register(p, prometheus.NewCounter(prometheus.CounterOpts{
		Name: "siem_filter_stale_records_total", Help: "Records whose notification was given back before the filter saw them; they come again with it.",
	}))
	f.failed = process.Register(p, prometheus.NewCounter(prometheus.CounterOpts{
		Name: "siem_filter_expression_failures_total", Help: "Fields that an expression of a log type could not compute; error.message of their documents says why.",
	}))
	f.cuts = process.Register(p, prometheus.NewCounter(prometheus.CounterOpts{
		Name: "siem_filter_cut_texts_total", Help: "Texts that were cut because a keyword field does not take them whole; @message has them.",
	}))
	f.matches = newMatches(p)
	f.tables = newTableMetrics(p)
	if err := p.LogTypes.AddCheck(Check); err != nil {
		return nil, fmt.Errorf("filter ecs: %w", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	f.stop = stop
	if cfg.LogtypesDir != "" {
		if err := p.LogTypes.Load(cfg.LogtypesDir); err != nil {
			stop()
			return nil, fmt.Errorf("filter ecs: logtypes_dir %s:\n%w", cfg.LogtypesDir, err)
		}
		f.watch.Go(func() { p.LogTypes.Watch(ctx, f.log) })
	}
	if cfg.LogType != "" && p.LogTypes.Set().Type(cfg.LogType) == nil {
		stop()
		return nil, fmt.Errorf("filter ecs: log_type: there is no log type %q", cfg.LogType)
	}
	var err error
	if f.engine, err = newEngine(cfg, p, f.log); err != nil {
		stop()
		return nil, fmt.Errorf("filter ecs: %w", err)
	}
	p.SetSettings("ecs", cfg)
	if len(f.engine.watched) > 0 {
		f.watch.Go(func() { f.watchTables(ctx) })
	}
	p.SetVersion("log_types", func() string { return p.LogTypes.Set().Version() })
	if cfg.ExtensionsFile != "" {
		f.extensions = openExtensions(cfg.ExtensionsFile, p, f.log)
	}
	f.workers.New = func() any {
		return &worker{f: f, c: f.engine.NewConverter(), objects: map[uint64]*Object{}, matches: map[match]int{}}
	}
	return f, nil
}

// newEngine opens the tables that a Config names.
func newEngine(cfg Config, p *process.Process, log *slog.Logger) (*Engine, error) {
	e := &Engine{IDs: cfg.DocumentID, Collection: cfg.Collection, Agents: enrich.NewAgents(), Trial: cfg.ExcludeTrial, AddFields: cfg.AddFields, TableVersions: cfg.TableVersions}
	if cfg.HistoryDir != "" {
		e.History, e.ByDay = enrich.OpenHistory(cfg.HistoryDir, log), cfg.TablesOf == "event"
	}
	if cfg.GeoipDir != "" {
		e.Geo = enrich.OpenGeo(cfg.GeoipDir, log)
		e.close = append(e.close, e.Geo.Close)
		p.SetVersion("geoip", func() string { return e.Geo.Now().Version() })
		e.watched = append(e.watched, watched{"geoip", e.Geo.Problem, func() (list []tableMade) {
			for _, v := range e.Geo.Versions() {
				list = append(list, tableMade{what: "the database " + v.Type, made: v.Built})
			}
			return list
		}})
	}
	rules, err := openRules(cfg, p, log)
	if err != nil {
		for _, close := range e.close {
			close()
		}
		return nil, err
	}
	if rules != nil {
		e.Rules = rules.Load
		p.SetVersion("exclusions", rules.Version)
		e.close = append(e.close, rules.Close)
	}
	if cfg.IndicatorsFile != "" {
		file := enrich.OpenIndicators(cfg.IndicatorsFile, log)
		e.Indicators = file.Load
		p.SetVersion("indicators", func() string { return file.Load().Version() })
		e.watched = append(e.watched, watched{"indicators", file.Problem, func() []tableMade {
			t := file.Load()
			if t == nil {
				return nil
			}
			return []tableMade{{"the table of indicators", t.Head.Built, t.Head.ValidUntil}}
		}})
		e.close = append(e.close, file.Close)
	}
	if cfg.AssetsDir != "" {
		assets := enrich.OpenAssets(cfg.AssetsDir, log)
		e.Assets = assets.Load
		p.SetVersion("assets", func() string { return assets.Load().Version })
		e.watched = append(e.watched, watched{"assets", assets.Problem, undated})
		e.close = append(e.close, assets.Close)
	}
	if cfg.ProxiesFile != "" {
		e.Proxies = followed(e, "proxies", cfg.ProxiesFile, log, "a proxy is not used; the others are", enrich.LoadProxies)
		p.SetVersion("proxies", func() string { return e.Proxies().Version() })
	}
	return e, nil
}

// followed opens a table that is read anew when its file is replaced. load
// returns the rows that it left out too; left says so in the log.
func followed[T any](e *Engine, name, path string, log *slog.Logger, left string, load func(io.Reader) (T, []error, error)) func() T {
	file := follow.Open(path, log, func(r io.Reader) (T, error) {
		table, problems, err := load(r)
		for _, problem := range problems {
			log.Warn(left, "file", path, "error", problem, code.Row.Attr())
		}
		return table, err
	})
	e.close = append(e.close, file.Close)
	e.watched = append(e.watched, watched{name, file.Problem, undated})
	return file.Load
}

// undated is of tables that do not say when they were made.
func undated() []tableMade { return nil }

// Close stops watching files. A Process that runs may finish.
func (f *Filter) Close() {
	f.stop()
	f.watch.Wait()
	if f.extensions != nil {
		f.extensions.Close()
	}
	for _, close := range f.engine.close {
		close()
	}
}

// Process appends to dst what becomes of the events in a buffer, and reports
// whether that differs from in. It spreads the work over the cores.
func (f *Filter) Process(dst []byte, tag string, in []byte) (out []byte, changed bool) {
	list := eventLists.Get().(*[]event.Event)
	events, rest := parse((*list)[:0], in)
	defer func() {
		clear(events) // they alias the host's memory
		*list = events
		eventLists.Put(list)
	}()
	if len(rest) > 0 {
		f.log.Error("a buffer holds bytes that are no event; what follows them is passed on as it is",
			"tag", tag, "bytes", len(rest), code.NoEvents.Attr())
	}
	n := min(f.cfg.Threads, (len(events)+perThread-1)/perThread)
	set := f.process.LogTypes.Set()
	byTag := f.typeOf(set, tag)
	if n <= 1 {
		w := f.workers.Get().(*worker)
		dst, changed = w.run(dst, events, set, byTag)
		f.workers.Put(w)
		return append(dst, rest...), changed
	}
	workers := make([]*worker, n)
	changes := make([]bool, n)
	var wg sync.WaitGroup
	for i := range n {
		w := f.workers.Get().(*worker)
		workers[i] = w
		wg.Go(func() {
			w.buf, changes[i] = w.run(w.buf[:0], events[len(events)*i/n:len(events)*(i+1)/n], set, byTag)
		})
	}
	wg.Wait()
	for i, w := range workers {
		dst = append(dst, w.buf...)
		changed = changed || changes[i]
		f.workers.Put(w)
	}
	return append(dst, rest...), changed
}

// eventLists are lists to be used again.
var eventLists = sync.Pool{New: func() any { return new([]event.Event) }}

// parse appends the events of a buffer; rest is what is none.
func parse(events []event.Event, in []byte) (all []event.Event, rest []byte) {
	for len(in) > 0 {
		ev, next, err := event.Next(in)
		if err != nil {
			return events, in
		}
		events = append(events, ev)
		in = next
	}
	return events, nil
}

// typeOf is the log type of records that bring none.
func (f *Filter) typeOf(set *logtype.Set, tag string) *logtype.Type {
	if f.cfg.LogType != "" {
		return set.Type(f.cfg.LogType)
	}
	return set.Type(tag[strings.LastIndexByte(tag, '.')+1:])
}

// worker is a converter with what it needs for one goroutine.
type worker struct {
	f        *Filter
	c        *Converter
	set      *logtype.Set
	plans    *[]enrich.AssetJoin // of the converter, when the objects were prepared
	objects  map[uint64]*Object
	types    map[*logtype.Type]*Object // for records without an origin
	buf      []byte
	text     []byte
	verdicts []lease.Verdict
	counts   []count
	matches  map[match]int
	ext      extending
}

// run is convert, but a panic, which is a bug of ours, costs only the record
// that it befell: that one is unreadable.
func (w *worker) run(dst []byte, events []event.Event, set *logtype.Set, byTag *logtype.Type) (out []byte, changed bool) {
	if out, changed, bug := w.try(dst, events, set, byTag); bug == nil {
		return out, changed
	}
	for i := range events {
		out, ch, bug := w.try(dst, events[i:i+1], set, byTag)
		if bug != nil {
			w.f.log.Error("a bug was met in the conversion of a record; the record goes to the dead letters, please report it", "record", events[i].Origin.Record, "error", bug, code.Bug.Attr())
			out, ch = w.unreadable(dst, &events[i], "", bug), true
		}
		dst, changed = out, changed || ch
	}
	return dst, changed
}

func (w *worker) try(dst []byte, events []event.Event, set *logtype.Set, byTag *logtype.Type) (out []byte, changed bool, bug error) {
	defer func() {
		if r := recover(); r != nil {
			bug = fmt.Errorf("panic: %v at %s", r, debug.Stack())
			w.c, w.set = w.f.engine.NewConverter(), nil // the old one may be in any state
			w.verdicts, w.counts = w.verdicts[:0], w.counts[:0]
			clear(w.matches)
			w.abandon()
		}
	}()
	out, changed = w.convert(dst, events, set, byTag)
	return out, changed, nil
}

// convert appends what becomes of the events.
func (w *worker) convert(dst []byte, events []event.Event, set *logtype.Set, byTag *logtype.Type) (out []byte, changed bool) {
	w.c.Begin(time.Now())
	if w.set != set || w.plans != w.c.Plans() || len(w.objects) > 512 {
		clear(w.objects)
		w.set, w.plans, w.types = set, w.c.Plans(), map[*logtype.Type]*Object{}
	}
	var account *lease.Object // of the record before
	for i := range events {
		ev := &events[i]
		if ev.Group || ev.HasTarget || ev.Target.Op.Refused() {
			dst = append(dst, ev.Raw...)
			continue
		}
		if !ev.HasOrigin || !w.f.process.Leases.Ours(ev.Origin.Object) {
			if byTag == nil {
				dst = append(dst, ev.Raw...)
				continue
			}
			dst = w.foreign(dst, ev, byTag)
			changed = true
			continue
		}
		changed = true
		if account == nil || account.ID != ev.Origin.Object {
			w.judge(account)
			account = w.f.process.Leases.Object(ev.Origin.Object)
		}
		if account == nil {
			w.f.stale.Inc()
			continue
		}
		dst = w.own(dst, ev, account)
	}
	w.judge(account)
	dst = w.release(dst)
	w.flushCounts()
	return dst, changed
}

// own converts a record of an open lease.
func (w *worker) own(dst []byte, ev *event.Event, account *lease.Object) []byte {
	o := w.objects[ev.Origin.Object]
	if o == nil {
		t := w.set.Type(account.Source.LogType)
		if t == nil {
			return w.unreadable(dst, ev, account.Source.LogType, fmt.Errorf("there is no log type %q any more", account.Source.LogType))
		}
		var err error
		if o, err = w.c.Object(t, account.Source); err != nil {
			return w.unreadable(dst, ev, t.Name, err)
		}
		w.objects[ev.Origin.Object] = o
	}
	raw, ok := ev.Message()
	if !ok {
		return w.unreadable(dst, ev, o.plan.t.Name, errors.New("another filter took the message away"))
	}
	err := w.c.Convert(o, ev.Origin.Record, ev.Envelope, raw)
	var excluded *Excluded
	switch {
	case err == nil:
		w.count(o.plan.t.Name).converted++
		w.kept(o.plan.t.Name)
		return w.emit(dst, ev, &ev.Origin, w.c.Target())
	case errors.As(err, &excluded):
		w.count(o.plan.t.Name).excluded++
		w.matches[match{o.plan.t.Name, excluded.Rule, "exclude"}]++
		w.verdicts = append(w.verdicts, lease.Verdict{Record: ev.Origin.Record, Size: ev.Origin.Size, Outcome: lease.Excluded})
		return dst
	}
	return w.unreadable(dst, ev, o.plan.t.Name, err)
}

// foreign converts a record that another input read. It has no position, so
// its id is random: the host's repetitions of a chunk carry the same one.
func (w *worker) foreign(dst []byte, ev *event.Event, t *logtype.Type) []byte {
	o := w.types[t]
	if o == nil {
		var err error
		if o, err = w.c.Object(t, lease.Source{LogType: t.Name, Size: -1}); err != nil {
			return w.unreadable(dst, ev, t.Name, err)
		}
		w.types[t] = o
	}
	raw, ok := ev.Message()
	if !ok {
		var err error
		if w.text, _, err = event.AppendJSON(w.text[:0], ev.Record); err != nil {
			return w.unreadable(dst, ev, t.Name, err)
		}
		raw = w.text
		o.json = true
	} else {
		o.json = t.Format == logtype.JSON
	}
	o.src.EventTime = ev.Time
	err := w.c.Convert(o, 0, nil, raw)
	var excluded *Excluded
	switch {
	case err == nil:
		target := w.c.Target()
		if w.f.engine.IDs == Natural && !w.c.ownID {
			target.ID = hex.AppendEncode(nil, append(w.f.run[:len(w.f.run):len(w.f.run)], seq(w.f.next.Add(1))...))
			w.c.setText(o.plan.std.id, target.ID)
		}
		w.count(t.Name).converted++
		w.kept(t.Name)
		return w.emit(dst, ev, nil, target)
	case errors.As(err, &excluded):
		w.count(t.Name).excluded++
		w.matches[match{t.Name, excluded.Rule, "exclude"}]++
		return dst
	}
	return w.unreadable(dst, ev, t.Name, err)
}

func seq(n uint64) []byte {
	return []byte{byte(n >> 56), byte(n >> 48), byte(n >> 40), byte(n >> 32), byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}
}

func (w *worker) emit(dst []byte, ev *event.Event, origin *event.Origin, target event.Target) []byte {
	if to := w.extension(w.c.p.t.Name); to != nil {
		w.hold(to, ev, origin, target)
		return dst
	}
	dst = event.AppendTarget(dst, w.c.Time(), origin, target, ev.Envelope, ev.Metadata)
	if w.f.cfg.Emit == "record" {
		return w.c.AppendMsgpack(dst)
	}
	w.text = w.c.AppendJSON(w.text[:0])
	return event.AppendDocument(dst, w.text)
}

// unreadable passes a record on to the output, which keeps it as a dead letter.
func (w *worker) unreadable(dst []byte, ev *event.Event, logType string, err error) []byte {
	c := w.count(logType)
	if c.bad++; c.bad == 1 { // one line a batch; the dead letters have the rest
		w.f.log.Warn("a record is unreadable; it goes to the dead letters with its text", "log_type", logType, "record", ev.Origin.Record, "error", err, code.UnreadableRecord.Attr())
	}
	raw, ok := ev.Message()
	if !ok {
		raw, _, _ = event.AppendJSON(nil, ev.Record)
	}
	return event.AppendRefusal(dst, ev.Time, ev.Origin,
		event.Refusal{Op: event.OpUnreadable, Class: "unreadable", Reason: err.Error(), Envelope: ev.Envelope}, raw)
}

func (w *worker) judge(account *lease.Object) {
	if account != nil && len(w.verdicts) > 0 {
		account.JudgeAll(w.verdicts)
	}
	w.verdicts = w.verdicts[:0]
}
