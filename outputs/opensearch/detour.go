package opensearch

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/fluent-siem/fluent-siem/internal/code"
	"github.com/fluent-siem/fluent-siem/internal/event"
)

// maxDetours is how many indexes are tried beside the one that takes no documents.
const maxDetours = 9

// detour sends documents whose index takes none any more, because a life cycle
// has made it read-only or closed it, to a neighbour: the same name with _01,
// _02, … behind, as SIEM on Amazon OpenSearch Service does; their verdict becomes
// Moved. What the index has already is a duplicate and goes nowhere; a closed one
// cannot be asked. Each document tries its own index first, so an index that is
// opened again has no further neighbours' documents.
func (j *job) detour(b *bulk, list []int32, bad []result) {
	if !j.w.cfg.Detour {
		return
	}
	byIndex := map[string][]*result{}
	for k := range bad {
		r := &bad[k]
		blocked := r.Class == "index_blocked" && strings.HasPrefix(r.reason, "index [")
		if r.Verdict == Held && (blocked || r.Class == "index_closed") {
			index := b.index(list[r.at])
			byIndex[index] = append(byIndex[index], r)
		}
	}
	for index, results := range byIndex {
		to, ok := Neighbour(index)
		if !ok {
			continue
		}
		has := map[string]bool{}
		if results[0].Class == "index_blocked" {
			var err error
			if has, err = j.w.present(j.ctx, index, b, list, results); err != nil {
				j.w.say("detour "+index, slog.LevelWarn, "an index takes no documents, and cannot be asked what it has: they wait; let our user read it (indices:data/read/mget)",
					"index", index, "class", results[0].Class, "error", err, code.NotAsked.Attr())
				continue
			}
		}
		for _, r := range results {
			i := list[r.at]
			if _, id := b.action(i); has[id] {
				r.Verdict = Duplicate
				continue
			}
			b.readdress(i, to)
			r.Verdict = Moved
		}
		j.w.say("detour "+index, slog.LevelInfo, "an index takes no documents any more; late ones go to its neighbour",
			"index", index, "class", results[0].Class, "to", to)
	}
}

// Neighbour returns where the documents of an index go that takes none: x, x_01,
// x_02, … ok is false behind the last.
func Neighbour(index string) (next string, ok bool) {
	base, n := index, 0
	if at := len(index) - 3; at > 0 && index[at] == '_' {
		if number, err := strconv.Atoi(index[at+1:]); err == nil {
			base, n = index[:at], number
		}
	}
	return fmt.Sprintf("%s_%02d", base, n+1), n < maxDetours
}

// present asks an index which of the documents it has.
func (w *Writer) present(ctx context.Context, index string, b *bulk, list []int32, results []*result) (map[string]bool, error) {
	var ask struct {
		IDs []string `json:"ids"`
	}
	for _, r := range results {
		if _, id := b.action(list[r.at]); id != "" {
			ask.IDs = append(ask.IDs, id)
		}
	}
	has := map[string]bool{}
	if ask.IDs == nil {
		return has, nil
	}
	body, err := json.Marshal(ask)
	if err != nil {
		return nil, err
	}
	q := &Client{w.client, maxAnswer}
	status, answer, err := q.Do(ctx, http.MethodPost, "/"+url.PathEscape(index)+"/_mget?_source=false", body)
	if err != nil {
		return nil, err
	}
	if status != http.StatusOK {
		return nil, fmt.Errorf("status %d: %s", status, cut(string(answer), 200))
	}
	var got struct {
		Docs []struct {
			ID    string `json:"_id"`
			Found bool   `json:"found"`
			Error any    `json:"error"`
		} `json:"docs"`
	}
	if err := json.Unmarshal(answer, &got); err != nil {
		return nil, err
	}
	for _, d := range got.Docs {
		if d.Error != nil {
			return nil, fmt.Errorf("%v", d.Error)
		}
		has[d.ID] = d.Found
	}
	return has, nil
}

// readdress gives an item another index. Its lines before stay where they are.
func (b *bulk) readdress(i int32, index string) {
	it := &b.items[i]
	_, id := b.action(i)
	line := int32(len(b.lines))
	op := "index"
	if it.create {
		op = "create"
	}
	b.lines = append(append(append(b.lines, `{"`...), op...), `":{"_index":`...)
	b.lines = event.AppendJSONString(b.lines, []byte(index))
	if id != "" {
		b.lines = append(b.lines, `,"_id":`...)
		b.lines = event.AppendJSONString(b.lines, []byte(id))
	}
	b.lines = append(b.lines, "}}\n"...)
	doc := int32(len(b.lines))
	b.lines = append(b.lines, b.lines[it.doc:it.end]...)
	it.line, it.doc, it.end = line, doc, int32(len(b.lines))
}
