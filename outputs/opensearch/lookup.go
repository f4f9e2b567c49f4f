package opensearch

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"time"

	"github.com/fluent-siem/fluent-siem/internal/code"
	"github.com/fluent-siem/fluent-siem/internal/event"
)

// A collection that refuses ids would store a document again that is sent again.
// So one that may be there already is looked for before that, by its field @id,
// which the filter ecs sets for every document, and documents.add for others.
const (
	idField     = "@id"
	lookUpIDs   = 200  // in one search
	lookUpHits  = 1000 // of one search: an id may have several versions
	lookUpsText = "documents that may be stored cannot be looked for"
	lookUpsKey  = "look ups" // no index has a blank in its name
)

// doubt is since when an item may be there without our knowing; zero: it is not.
func (it *item) doubt() time.Time {
	if it.unsure.After(it.before) {
		return it.unsure
	}
	return it.before
}

// lookUp gives those items in list their verdicts that may be in a collection
// already, and are. It returns the others, which may be sent, or what stands
// against sending any.
func (j *job) lookUp(b *bulk, list []int32) (rest []int32, against *outcome) {
	w := j.w
	var ask []int32
	var last time.Time
	for _, i := range list {
		if at := b.items[i].doubt(); !at.IsZero() {
			ask = append(ask, i)
			if at.After(last) {
				last = at
			}
		}
	}
	if ask == nil {
		return list, nil
	}
	if d := time.Until(last.Add(w.cfg.LookupDelay)); d > 0 && !j.wait(len(ask), true, d, w.cfg.Patience) {
		return nil, &outcome{stop: fmt.Errorf("they may be stored: it takes %v until a search can tell", w.cfg.LookupDelay)}
	}
	there, err := w.find(j.ctx, b, ask)
	if err != nil {
		if j.ctx.Err() != nil {
			return nil, &outcome{stop: context.Cause(j.ctx)}
		}
		const todo = "let our user search (indices:data/read/search; aoss:ReadDocument)"
		w.trouble.set(lookUpsKey, code.NotLookedUp.In(fmt.Sprintf("%s: %v; they wait; %s", lookUpsText, err, todo)))
		w.say(lookUpsKey, slog.LevelError, lookUpsText+": they wait, so that none is stored twice", "count", len(ask), "error", err, "todo", todo, code.NotLookedUp.Attr())
		return nil, &outcome{busy: list, whole: true, slow: true, why: lookUpsText + ": " + err.Error()}
	}
	w.trouble.clear(lookUpsKey)
	w.trouble.clear("") // it answers
	var found []int32
	var bad []result
	for _, i := range list {
		if there[i] {
			bad = append(bad, result{at: len(found), ruling: ruling{Duplicate, "found", ""}})
			found = append(found, i)
		} else {
			rest = append(rest, i)
			b.items[i].unsure, b.items[i].before = time.Time{}, time.Time{}
		}
	}
	if found != nil {
		j.judge(b, found, bad)
	}
	w.metrics.lookedUp.WithLabelValues("found").Add(float64(len(found)))
	w.metrics.lookedUp.WithLabelValues("missing").Add(float64(len(ask) - len(found)))
	w.say("looked up", slog.LevelInfo, "documents that might have been stored were looked for", "found", len(found), "sent", len(ask)-len(found))
	return rest, nil
}

// find returns which of the items in list are there. One whose document replaces
// an older version of itself is there when the same version is; one that has no
// @id cannot be found.
func (w *Writer) find(ctx context.Context, b *bulk, list []int32) (there map[int32]bool, err error) {
	byIndex := map[string]map[string][]int32{} // index, id: items
	for _, i := range list {
		var doc struct {
			ID string `json:"@id"`
		}
		if err := json.Unmarshal(b.document(i), &doc); err != nil || doc.ID == "" {
			continue // a document that is no JSON is refused when it is sent
		}
		index := b.index(i)
		if byIndex[index] == nil {
			byIndex[index] = map[string][]int32{}
		}
		byIndex[index][doc.ID] = append(byIndex[index][doc.ID], i)
	}
	there = map[int32]bool{}
	for index, items := range byIndex {
		ids := make([]string, 0, len(items))
		for id := range items {
			ids = append(ids, id)
		}
		for len(ids) > 0 {
			n := min(len(ids), lookUpIDs)
			err := w.search(ctx, index, ids[:n], func(id string, source json.RawMessage) {
				for _, i := range items[id] {
					there[i] = there[i] || !b.items[i].newer || sameJSON(source, b.document(i))
				}
			})
			if err != nil {
				return nil, err
			}
			ids = ids[n:]
		}
	}
	return there, nil
}

// search calls hit for each document of an index with one of ids, at most
// lookUpHits of them when there is one id.
func (w *Writer) search(ctx context.Context, index string, ids []string, hit func(id string, source json.RawMessage)) error {
	type object = map[string]any
	body, err := json.Marshal(object{"size": lookUpHits, "track_total_hits": true, "query": object{"bool": object{
		"minimum_should_match": 1,
		"should": []object{ // keyword by our templates; text with a keyword inside by none
			{"terms": object{idField: ids}}, {"terms": object{idField + ".keyword": ids}},
		},
	}}})
	if err != nil {
		return err
	}
	q := &Client{w.client, maxAnswer}
	status, answer, err := q.Do(ctx, http.MethodPost, "/"+url.PathEscape(index)+"/_search", body)
	switch {
	case err != nil:
		return err
	case status == http.StatusNotFound && strings.Contains(string(answer), "index_not_found_exception"):
		return nil
	case status != http.StatusOK:
		return fmt.Errorf("status %d: %s", status, cut(string(answer), 200))
	}
	var got struct {
		TimedOut bool `json:"timed_out"`
		Shards   struct {
			Failed int `json:"failed"`
		} `json:"_shards"`
		Hits struct {
			Total struct {
				Value int `json:"value"`
			} `json:"total"`
			Hits []struct {
				Source json.RawMessage `json:"_source"`
			} `json:"hits"`
		} `json:"hits"`
	}
	if err := json.Unmarshal(answer, &got); err != nil {
		return fmt.Errorf("the answer to a search is not understood: %w", err)
	}
	if got.TimedOut || got.Shards.Failed > 0 {
		return fmt.Errorf("a search of %s was not complete: %d shards failed, timed out: %v", index, got.Shards.Failed, got.TimedOut)
	}
	if half := len(ids) / 2; got.Hits.Total.Value > len(got.Hits.Hits) && half > 0 {
		if err := w.search(ctx, index, ids[:half], hit); err != nil {
			return err
		}
		return w.search(ctx, index, ids[half:], hit)
	}
	for _, h := range got.Hits.Hits {
		var doc struct {
			ID string `json:"@id"`
		}
		if json.Unmarshal(h.Source, &doc) == nil {
			hit(doc.ID, h.Source)
		}
	}
	return nil
}

// document is an item's, as it is sent.
func (b *bulk) document(i int32) []byte { return b.lines[b.items[i].doc:b.items[i].end] }

// sameJSON reports whether two documents say the same.
func sameJSON(a, b []byte) bool {
	decode := func(text []byte) (v any, err error) {
		d := json.NewDecoder(strings.NewReader(string(text)))
		d.UseNumber()
		err = d.Decode(&v)
		return v, err
	}
	x, err := decode(a)
	if err != nil {
		return false
	}
	y, err := decode(b)
	return err == nil && reflect.DeepEqual(x, y)
}

// withID appends the document of an event that has no @id of its own to dst,
// with id as its @id.
func withID(dst, doc, id []byte) []byte {
	dst = append(dst, `{"`+idField+`":`...)
	dst = event.AppendJSONString(dst, id)
	if len(doc) > len("{}") {
		dst = append(dst, ',')
	}
	return append(dst, doc[1:]...)
}
