package opensearch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/valyala/fastjson"

	"github.com/fluent-siem/fluent-siem/internal/code"
	"github.com/fluent-siem/fluent-siem/internal/deadletter"
	"github.com/fluent-siem/fluent-siem/internal/lease"
)

// heldPatience is how long a bulk waits for the repair of one index before its
// chunk goes back to the host: the worker is needed for other indices.
const heldPatience = 5 * time.Second

// maxAlone is how many documents in a row may be refused with a whole request
// each before that is taken for the cluster's fault, not theirs.
const maxAlone = 20

// minBulk is how small bulks get when the cluster finds them too large.
const minBulk = 64 << 10

// outcome is what one request has left to do.
type outcome struct {
	busy  []int32 // to be sent again soon
	held  []int32 // to be sent again after somebody has repaired something
	fixed []int32 // to be sent again at once: changed so that they fit, or sent elsewhere
	split bool    // to be sent in halves
	whole bool    // no document got through: the cluster is the problem, not an index
	slow  bool    // whole, and somebody has to repair something
	after time.Duration
	why   string
	sick  bool  // an index of held was so before this call
	stop  error // not to be sent again by this call
}

// send delivers the items in list: those that can be delivered first, then
// those that wait for a repair.
func (j *job) send(b *bulk, list []int32) {
	var held []int32
	busyTries, heldTries, sick := 0, 0, false
	for again := false; ; again = true {
		o := j.attempt(b, list, again)
		switch {
		case o.stop != nil:
			j.giveUp(b, append(held, list...), o.stop.Error())
			return
		case o.split:
			left, right := b.halves(list)
			j.send(b, left)
			j.send(b, right)
			list = nil
		default:
			if len(o.fixed) > 0 {
				j.send(b, o.fixed) // not deeper than maxRepairs and maxDetours
			}
			if len(o.busy) < len(list) { // a cluster that takes some is not pressed by the rest
				busyTries = 0
			}
			list, held, sick = o.busy, append(held, o.held...), sick || o.sick
		}
		if len(list) > 0 {
			wait := max(backoff(busyTries, 100*time.Millisecond, 5*time.Second), o.after)
			if o.slow {
				wait = max(backoff(busyTries, time.Second, 10*time.Second), o.after)
			}
			busyTries++
			if !j.wait(len(list)+len(held), o.slow, wait, j.w.cfg.Patience) {
				j.giveUp(b, append(held, list...), o.why)
				return
			}
			continue
		}
		if len(held) == 0 {
			return
		}
		// An index that was sick before this bulk came gets one attempt for each
		// time that the host offers the chunk.
		if sick || !j.wait(len(held), true, backoff(heldTries, time.Second, 3*time.Second), min(heldPatience, j.w.cfg.Patience)) {
			j.giveUp(b, held, o.why)
			return
		}
		heldTries++
		list, held = held, nil
	}
}

// wait is pause, seen in the metrics.
func (j *job) wait(n int, held bool, d, patience time.Duration) bool {
	if held {
		j.w.metrics.held.Add(float64(n))
		defer j.w.metrics.held.Sub(float64(n))
	}
	return j.pause(d, patience)
}

func (j *job) giveUp(b *bulk, list []int32, why string) {
	for _, i := range list {
		j.leaveOpen(b.items[i].ordinal, b.items[i].unsure, why)
	}
}

// attempt sends the items in list once, and gives those their verdicts that
// have one now.
func (j *job) attempt(b *bulk, list []int32, again bool) outcome {
	w := j.w
	if w.cfg.asks() {
		rest, against := j.lookUp(b, list)
		if against != nil {
			return *against
		}
		if list = rest; len(list) == 0 {
			return outcome{}
		}
	}
	ctx, cancel := context.WithDeadlineCause(j.ctx, j.start.Add(w.cfg.Patience), errPatience)
	err := w.limit.acquire(ctx)
	cancel()
	if err != nil {
		return outcome{stop: err}
	}
	if again {
		w.metrics.retries.Add(float64(len(list)))
	}
	p := b.payload(list, w.cfg.Compress)
	w.metrics.raw.Add(float64(b.bytesOf(list)))
	w.metrics.sent.Add(float64(p.Len()))
	begun := time.Now()
	a, err := w.client.bulk(j.ctx, p, len(list))
	took := time.Since(begun)
	p.done()
	w.metrics.seconds.Observe(took.Seconds())
	for _, i := range list {
		b.items[i].attempts++
	}
	if err != nil {
		return j.noAnswer(b, list, err, took)
	}
	defer a.body.release()
	w.metrics.requests.WithLabelValues(strconv.Itoa(a.status)).Inc()
	if a.status < 200 || a.status > 299 {
		return j.refusedWhole(b, list, a, took)
	}
	bad, err := results(a.body.Bytes(), len(list), func(i int) bool { return b.items[list[i]].create })
	if err != nil { // stored or not: the ids will tell
		w.limit.release(took, 0)
		b.markUnsure(list)
		w.say("unreadable answer", slog.LevelWarn, "the cluster's answer cannot be understood; its documents are sent again", code.Answer.Attr(), "error", err)
		return outcome{busy: list, whole: true, why: err.Error()}
	}
	w.limit.release(took, busyPart(bad, len(list)))
	w.trouble.clear("")
	o := j.judge(b, list, bad)
	o.after = a.retryAfter
	return o
}

// busyPart is the part of n documents that the cluster had too much to do for.
func busyPart(bad []result, n int) float64 {
	busy := 0
	for _, r := range bad {
		if r.status == http.StatusTooManyRequests {
			busy++
		}
	}
	return float64(busy) / float64(n)
}

// wholly is the part when all were refused, or none.
func wholly(busy bool) float64 {
	if busy {
		return 1
	}
	return 0
}

// noAnswer handles a request that failed without an answer.
func (j *job) noAnswer(b *bulk, list []int32, err error, took time.Duration) outcome {
	w := j.w
	if j.ctx.Err() != nil { // the host stops; the request may be carried out
		w.limit.release(took, 0)
		b.markUnsure(list)
		return outcome{stop: context.Cause(j.ctx)}
	}
	r, sent := errorRuling(err)
	w.limit.release(took, wholly(sent && r.Verdict == Busy))
	w.metrics.requests.WithLabelValues(r.Class).Inc()
	if sent {
		b.markUnsure(list)
	}
	if r.Verdict == Split && len(list) > 1 {
		return outcome{split: true}
	}
	w.metrics.documents.WithLabelValues(r.Verdict.String(), r.Class).Add(float64(len(list)))
	w.trouble.set("", code.Output(r.Class).In(fmt.Sprintf("no answer from the cluster (%s): %v; documents wait; %s", r.Class, err, r.Advice)))
	w.say(r.Class, slog.LevelError, "no answer from the cluster; documents are kept and sent again",
		"class", r.Class, "count", len(list), "error", err, "todo", r.Advice, code.Output(r.Class).Attr())
	return outcome{busy: list, whole: true, slow: r.Verdict == Held, why: err.Error()}
}

// refusedWhole handles a request whose status is not 2xx.
func (j *job) refusedWhole(b *bulk, list []int32, a answer, took time.Duration) outcome {
	w := j.w
	r := refused(a.status, a.body.Bytes())
	w.limit.release(took, wholly(r.Verdict == Busy))
	if a.status >= 500 {
		b.markUnsure(list)
	}
	if r.Verdict == Split {
		if a.status == http.StatusRequestEntityTooLarge {
			w.shrink(b.bytesOf(list))
		}
		if len(list) > 1 {
			return outcome{split: true}
		}
		if w.alone.Add(1) <= maxAlone {
			r.Verdict = Rejected
			return j.judge(b, list, []result{r})
		}
		r.Verdict, r.Advice = Held, "find out why the cluster, or what stands before it, refuses every request for what it is"
	}
	why := fmt.Sprintf("%d %s: %s", r.status, r.kind, cut(r.reason, 200))
	w.metrics.documents.WithLabelValues(r.Verdict.String(), r.Class).Add(float64(len(list)))
	if r.Verdict == Held {
		w.trouble.set("", code.Output(r.Class).In(fmt.Sprintf("the cluster refuses every request (%s, %s); documents wait; %s", r.Class, why, r.Advice)))
		w.say(r.Class, slog.LevelError, "the cluster refuses every request; documents are kept and tried again",
			"status", r.status, "type", r.kind, "class", r.Class, "reason", cut(r.reason, 200), "count", len(list), "todo", r.Advice, code.Output(r.Class).Attr())
	} else {
		w.say(r.Class, slog.LevelWarn, "the cluster cannot take a request now; its documents are sent again",
			"status", r.status, "type", r.kind, "class", r.Class, "reason", cut(r.reason, 200), "count", len(list), code.Output(r.Class).Attr())
		if a.status >= 500 {
			w.trouble.set("", code.Output(r.Class).In(fmt.Sprintf("the cluster fails (%s); documents wait", why)))
		}
	}
	return outcome{busy: list, whole: true, slow: r.Verdict == Held, after: a.retryAfter, why: why}
}

// shrink makes later bulks smaller than one that was too large.
func (w *Writer) shrink(tooLarge int) {
	size := max(min(int64(tooLarge/2), w.size.Load()), minBulk)
	if old := w.size.Swap(size); size < old {
		w.log.Warn("the cluster finds a request too large: it is sent in halves, and later ones are made smaller",
			"request_bytes", tooLarge, "bulk_size", size, "todo", "lower bulk_size, or raise http.max_content_length or the limit of the proxy in between", code.RequestTooLarge.Attr())
	}
}

// judge gives verdicts to the items in list; bad tells of those that were not
// stored.
func (j *job) judge(b *bulk, list []int32, bad []result) (o outcome) {
	j.repair(b, list, bad)
	j.detour(b, list, bad)
	kept := j.keep(b, list, bad)
	n, now := 0, time.Now() // stored
	var object *lease.Object
	var lag prometheus.Observer
	size := 0 // of what is stored, of object
	flush := func() {
		if size > 0 {
			j.w.metrics.stored.WithLabelValues(logType(object)).Add(float64(size))
			size = 0
		}
		if object != nil {
			object.JudgeAll(b.verdicts)
		}
		b.verdicts = b.verdicts[:0]
	}
	for at, k := 0, 0; at < len(list); at++ {
		it := &b.items[list[at]]
		outcome := lease.Stored
		if k < len(bad) && bad[k].at == at {
			r := bad[k]
			k++
			switch {
			case r.Verdict == Duplicate && !it.unsure.IsZero(): // most likely our own attempt
				bad[k-1].Verdict = Stored
			case r.Verdict == Duplicate:
				outcome = lease.Duplicate
			case r.Verdict == Repaired || r.Verdict == Moved:
				o.fixed = append(o.fixed, list[at])
				continue
			case r.Verdict == Rejected && kept == nil:
				outcome = lease.DeadLettered
			case r.Verdict == Rejected:
				o.held = append(o.held, list[at])
				o.why = "dead letters cannot be written: " + kept.Error()
				continue
			default:
				if r.status >= 500 {
					it.unsure = now
				}
				if r.Verdict == Held {
					o.held = append(o.held, list[at])
				} else {
					o.busy = append(o.busy, list[at])
				}
				o.why = fmt.Sprintf("%d %s: %s", r.status, r.kind, cut(r.reason, 200))
				continue
			}
		}
		if it.object != object || lag == nil {
			flush()
			object = it.object
			lag = j.w.metrics.lag.WithLabelValues(logType(object))
		}
		if outcome == lease.Stored {
			n++
			size += int(it.end - it.doc)
			lag.Observe(max(0, now.Sub(it.time).Seconds())) // some nanoseconds of a document's microseconds
		}
		if object != nil {
			b.verdicts = append(b.verdicts, lease.Verdict{Record: it.record, Size: it.size, Outcome: outcome})
		}
	}
	flush()
	if n > 0 && j.w.alone.Load() > 0 {
		j.w.alone.Store(0)
	}
	j.w.metrics.documents.WithLabelValues(Stored.String(), "stored").Add(float64(n))
	if len(bad) > 0 {
		o.sick = j.tell(b, list, bad, kept)
	}
	if j.w.trouble.count.Load() > 0 {
		j.recovered(b, list, bad)
	}
	return o
}

// logType names the log type of an object's records, "" where there is none.
func logType(o *lease.Object) string {
	if o == nil {
		return ""
	}
	return o.Source.LogType
}

// keep writes the dead letters among bad. An error means that none of them is
// kept.
func (j *job) keep(b *bulk, list []int32, bad []result) error {
	var letters []deadletter.Letter
	for _, r := range bad {
		if r.Verdict != Rejected {
			continue
		}
		b.items[list[r.at]].restore() // the letter has the document as it was
		it := b.items[list[r.at]]
		l := deadletter.Letter{Class: r.Class, Outcome: deadletter.Refused, Status: r.status, Type: r.kind, Reason: r.reason, Op: "index"}
		if it.create {
			l.Op = "create"
		}
		l.Index, l.ID = b.action(list[r.at])
		l.SetDocument(bytes.TrimSuffix(b.lines[it.doc:it.end], []byte("\n")))
		j.address(&l, it)
		letters = append(letters, l)
	}
	if letters == nil {
		return nil
	}
	err := j.w.keep(letters)
	if err != nil {
		j.w.lettersFail(err)
	} else {
		j.w.trouble.clear(lettersKey)
	}
	return err
}

// address fills in where the record of a letter came from.
func (j *job) address(l *deadletter.Letter, it item) {
	l.Time, l.Tag, l.Attempts, l.Record, l.Envelope = time.Now().UTC(), j.tag, it.attempts, it.record, string(it.envelope)
	if it.object != nil {
		s := &it.object.Source
		l.Bucket, l.Key, l.Version, l.LogType, l.Account, l.Region = s.Bucket, s.Key, s.Version, s.LogType, s.Account, s.Region
		l.Announced, l.Header, l.Format, l.Object = s.EventTime, string(s.Header), s.Format, it.object.ID
	}
}

// bury writes the dead letters of events that became no document.
func (j *job) bury(b *bulk) {
	letters := make([]deadletter.Letter, len(b.refused))
	for i, r := range b.refused {
		letters[i] = r.letter
		j.address(&letters[i], r.item)
	}
	for try := 0; ; try++ {
		err := j.w.keep(letters)
		if err == nil {
			break
		}
		j.w.lettersFail(err)
		if !j.wait(len(letters), true, backoff(try, time.Second, 3*time.Second), min(heldPatience, j.w.cfg.Patience)) {
			for _, r := range b.refused {
				j.leaveOpen(r.ordinal, time.Time{}, "dead letters cannot be written: "+err.Error())
			}
			return
		}
	}
	j.w.trouble.clear(lettersKey)
	for i, r := range b.refused {
		if r.object != nil {
			r.object.Judge(r.record, r.size, r.final)
		}
		j.w.metrics.documents.WithLabelValues(r.final.String(), letters[i].Class).Inc()
	}
	j.w.say("bury", slog.LevelWarn, "records became no document: each is kept as a dead letter",
		"count", len(letters), "class", letters[0].Class, "reason", cut(letters[0].Reason, 200),
		"bucket", letters[0].Bucket, "key", letters[0].Key, "record", letters[0].Record, "dead_letters", j.w.cfg.DeadLetters,
		code.Letter(letters[0].Class).Attr())
}

const lettersKey = "dead letters" // no index has a blank in its name

func (w *Writer) lettersFail(err error) {
	w.metrics.unwritten.Inc()
	todo, c := "make the place writable or free space", code.LettersFail
	var full *deadletter.FullError
	if errors.As(err, &full) {
		todo, c = "replay and prune dead letters, or raise dead_letter_limit", code.LettersFull
	}
	w.trouble.set(lettersKey, c.In(fmt.Sprintf("dead letters cannot be written: %v; their documents wait; %s", err, todo)))
	w.say(lettersKey, slog.LevelError, "dead letters cannot be written; their documents are kept and tried again",
		"dead_letters", w.cfg.DeadLetters, "error", err, "todo", todo, c.Attr())
}

func (w *Writer) say(kind string, level slog.Level, msg string, attrs ...any) {
	w.voice.say(kind, level, msg, append(coded(attrs), "output", w.name)...)
}

// coded adds the code of a class, unless attrs has a code.
func coded(attrs []any) []any {
	class := ""
	for i, a := range attrs {
		if a, ok := a.(slog.Attr); ok && a.Key == "code" {
			return attrs
		}
		if a == "class" && i+1 < len(attrs) {
			class, _ = attrs[i+1].(string)
		}
	}
	if c := code.Letter(class); c != "" {
		return append(attrs, c.Attr())
	}
	return attrs
}

func (b *bulk) markUnsure(list []int32) {
	now := time.Now()
	for _, i := range list {
		b.items[i].unsure = now
	}
}

// action reads index and id back from an item's action line.
func (b *bulk) action(i int32) (index, id string) {
	it := b.items[i]
	v, err := fastjson.ParseBytes(b.lines[it.line : it.doc-1])
	if err != nil {
		return "", ""
	}
	for _, op := range []string{"create", "index"} {
		if v.Exists(op) {
			return string(v.GetStringBytes(op, "_index")), string(v.GetStringBytes(op, "_id"))
		}
	}
	return "", ""
}

func (b *bulk) index(i int32) string {
	index, _ := b.action(i)
	return index
}
