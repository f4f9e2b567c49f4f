package opensearch

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/fluent-siem/fluent-siem/internal/code"
	"github.com/fluent-siem/fluent-siem/internal/deadletter"
)

// fixes is what a Writer remembers of repairs.
type fixes struct {
	mu     sync.Mutex
	said   map[deadletter.Signature]bool // a log line for each
	fields map[string]known              // by index
}

// known are the fields of an index, as they were a while ago.
type known struct {
	fields map[string]bool
	at     time.Time
}

const (
	maxSignatures = 1000 // that are told apart in log and metric
	knownFor      = time.Minute
)

// repair changes the documents among bad that can be made to fit; their
// verdict becomes Repaired.
func (j *job) repair(b *bulk, list []int32, bad []result) {
	w := j.w
	for k := range bad {
		r := &bad[k]
		if r.Verdict != Rejected || !slices.Contains(w.cfg.Repair, r.Class) {
			continue
		}
		i := list[r.at]
		it := &b.items[i]
		var done []string
		if it.first != nil {
			done = it.first.repairs
		}
		if len(done) >= maxRepairs {
			continue
		}
		index := b.index(i)
		doc, tag, ok := repair(b.lines[it.doc:it.end-1], r.Class, r.reason, done, func() map[string]bool { return w.fieldsOf(j.ctx, index) })
		if !ok {
			continue
		}
		if it.first == nil {
			it.first = &original{line: it.line, doc: it.doc, end: it.end}
		}
		it.first.repairs = append(it.first.repairs, tag)
		line := int32(len(b.lines))
		b.lines = append(b.lines, b.lines[it.line:it.doc]...)
		it.doc, it.line = int32(len(b.lines)), line
		b.lines = append(append(b.lines, doc...), '\n')
		it.end = int32(len(b.lines))
		r.Verdict = Repaired
		w.repaired(r, index)
	}
}

// repaired counts a repair, and says once per signature what would make it
// unnecessary.
func (w *Writer) repaired(r *result, index string) {
	s := deadletter.SignatureOf(r.Class, r.reason, index, "")
	w.fixes.mu.Lock()
	known := w.fixes.said[s]
	if w.fixes.said == nil {
		w.fixes.said = map[deadletter.Signature]bool{}
	}
	room := known || len(w.fixes.said) < maxSignatures
	if room {
		w.fixes.said[s] = true
	}
	w.fixes.mu.Unlock()
	field := understand(r.reason).field
	if !room {
		field = "other"
	}
	w.metrics.repairs.WithLabelValues(r.Class, s.Index, field).Inc()
	if known || !room {
		return
	}
	w.log.Warn("documents are changed so that they fit the mapping, and stored; siem.repaired says which, @message has the record as it came",
		"index", index, "class", r.Class, "reason", cut(r.reason, 200), "mapping", MappingAdvice(r.Class, r.reason, s.Index), "output", w.name, code.Repairs.Attr())
}

// fieldsOf returns the fields that the mapping of an index has, nil when the
// cluster does not say.
func (w *Writer) fieldsOf(ctx context.Context, index string) map[string]bool {
	w.fixes.mu.Lock()
	k, ok := w.fixes.fields[index]
	w.fixes.mu.Unlock()
	if ok && time.Since(k.at) < knownFor {
		return k.fields
	}
	k = known{w.askFields(ctx, index), time.Now()}
	w.fixes.mu.Lock()
	defer w.fixes.mu.Unlock()
	if w.fixes.fields == nil || len(w.fixes.fields) >= maxSignatures {
		w.fixes.fields = map[string]known{}
	}
	w.fixes.fields[index] = k
	return k.fields
}

func (w *Writer) askFields(ctx context.Context, index string) map[string]bool {
	q := &Client{w.client, maxAnswer}
	status, answer, err := q.Do(ctx, http.MethodGet, "/"+url.PathEscape(index)+"/_mapping", nil)
	var indices map[string]struct {
		Mappings mappingNode `json:"mappings"`
	}
	if err == nil && status == http.StatusOK {
		err = json.Unmarshal(answer, &indices)
	}
	if err != nil || status != http.StatusOK {
		w.say("mapping of "+index, slog.LevelWarn, "the mapping cannot be read, so documents with too many fields cannot be repaired: they become dead letters; let our user read it (indices:admin/mappings/get)",
			"index", index, "status", status, "error", err, code.Mapping.Attr())
		return nil
	}
	fields := map[string]bool{}
	for _, i := range indices {
		i.Mappings.collect("", fields)
	}
	return fields
}

// mappingNode is a part of a mapping.
type mappingNode struct {
	Type       string                 `json:"type"`
	Properties map[string]mappingNode `json:"properties"`
}

// collect notes the paths of fields, those below a flat_object by their root.
func (n mappingNode) collect(path string, into map[string]bool) {
	for name, child := range n.Properties {
		at := name
		if path != "" {
			at = path + "." + name
		}
		into[at] = true
		child.collect(at, into)
	}
}
