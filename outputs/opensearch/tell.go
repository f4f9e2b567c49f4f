package opensearch

import (
	"fmt"
	"log/slog"

	"github.com/fluent-siem/fluent-siem/internal/code"
)

// group is documents of one answer that fared alike.
type group struct {
	index  string
	first  result
	sample int32 // its item
	count  int
}

// groups gathers results by index and class.
func groups(b *bulk, list []int32, bad []result) []group {
	type key struct {
		index, class string
	}
	at := map[key]int{}
	var all []group
	for _, r := range bad {
		if r.Verdict == Stored { // by an earlier attempt
			continue
		}
		k := key{b.index(list[r.at]), r.Class}
		g, ok := at[k]
		if !ok {
			g = len(all)
			at[k] = g
			all = append(all, group{index: k.index, first: r, sample: list[r.at]})
		}
		all[g].count++
	}
	return all
}

// tell counts and logs what was not stored, one line for each index and class.
// sick says that an index was known before this call to take no documents.
func (j *job) tell(b *bulk, list []int32, bad []result, kept error) (sick bool) {
	w := j.w
	for _, g := range groups(b, list, bad) {
		r := g.first
		verdict := r.Verdict
		if verdict == Rejected && kept != nil {
			verdict = Held
		}
		w.metrics.documents.WithLabelValues(verdict.String(), r.Class).Add(float64(g.count))
		_, id := b.action(g.sample)
		attrs := []any{"index", g.index, "status", r.status, "type", r.kind, "class", r.Class,
			"reason", cut(r.reason, 200), "count", g.count, "sample_id", id, code.Output(r.Class).Attr()}
		if r.Advice != "" {
			attrs = append(attrs, "todo", r.Advice)
		}
		kind := r.Class + " " + g.index
		switch verdict {
		case Repaired, Moved: // said by repair and detour
		case Duplicate:
			w.say(kind, slog.LevelDebug, "documents are there already: loaded before", "index", g.index, "count", g.count, "sample_id", id)
		case Rejected:
			if advice := MappingAdvice(r.Class, r.reason, g.index); advice != "" {
				attrs = append(attrs, "mapping", advice)
			}
			w.say(kind, slog.LevelWarn, "documents were refused: each is kept as a dead letter", append(attrs, "dead_letters", w.cfg.DeadLetters)...)
		case Busy:
			w.say(kind, slog.LevelWarn, "the cluster cannot take documents now: they are sent again", attrs...)
		case Held:
			if r.Verdict == Rejected { // said by lettersFail
				continue
			}
			w.say(kind, slog.LevelError, "documents wait until something is repaired: they are kept and tried again, other indices go on", attrs...)
			sick = sick || w.trouble.knownBefore(g.index, j.start)
			w.trouble.set(g.index, code.Output(r.Class).In(fmt.Sprintf("index %s takes no documents (%s, %d %s): they wait; %s", g.index, r.Class, r.status, r.kind, r.Advice)))
		}
	}
	return sick
}

// recovered ends the troubles of indices that have just stored something.
func (j *job) recovered(b *bulk, list []int32, bad []result) {
	last, k := "", 0
	for at, i := range list {
		if k < len(bad) && bad[k].at == at {
			k++
			continue
		}
		if index := b.index(i); index != last {
			j.w.trouble.clear(index)
			last = index
		}
	}
}
