// Package indexmetrics writes down, once an hour, how large and how busy every
// index and shard of a cluster is, in the lines of the original's metrics
// exporter, so that its dashboard "OpenSearch Metrics" goes on.
//
// # Promises
//
//   - One line for each index of every tier (hot, warm, cold), closed and hidden
//     ones too, and one for each shard.
//   - Where a tier or the shards cannot be had, the rest is written, and the
//     error says what is missing.
//   - The number of Prometheus series does not grow with the number of indexes:
//     the largest [Config.Series] have their own, the others one together.
//
// Unlike the original's, a count of zero is written: that an index is empty is
// known, not missing.
package indexmetrics

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// API sends a request to the cluster; any status is an answer. *opensearch.Client
// is one.
type API interface {
	Do(ctx context.Context, method, path string, body []byte) (status int, answer []byte, err error)
}

type object = map[string]any

// Line is one line, as it is written.
type Line = map[string]any

// The statistics that are taken from _stats, by their path there and in a line.
var (
	always = strings.Fields(`docs.count docs.deleted indexing.index_time_in_millis indexing.index_total
		indexing.throttle_time_in_millis merges.total_size_in_bytes refresh.total_time_in_millis segments.count store.size_in_bytes`)
	ofTotal = strings.Fields(`fielddata.memory_size_in_bytes search.query_time_in_millis search.query_total
		segments.memory_in_bytes segments.doc_values_memory_in_bytes segments.fixed_bit_set_memory_in_bytes
		segments.index_writer_memory_in_bytes segments.norms_memory_in_bytes segments.points_memory_in_bytes
		segments.stored_fields_memory_in_bytes segments.term_vectors_memory_in_bytes segments.terms_memory_in_bytes
		segments.version_map_memory_in_bytes`)
)

// maxCold bounds how many pages of cold indexes are read, 2,000 each.
const maxCold = 500

// Collect asks the cluster and returns the lines of one moment. With an error
// there may be lines, too: what could be had.
func Collect(ctx context.Context, api API, serverless bool, now time.Time) ([]Line, error) {
	c := collector{ctx: ctx, api: api, now: now.UTC().Format("2006-01-02T15:04:05.000Z")}
	if serverless {
		return c.collection()
	}
	var root struct {
		Name string `json:"cluster_name"`
		ID   string `json:"cluster_uuid"`
	}
	if err := c.get("/", &root); err != nil {
		return nil, err
	}
	c.cluster = object{"id": root.ID, "name": root.Name}
	indexes, err := c.indexes()
	bad := []error{err}
	bad = append(bad, c.statistics(indexes))
	lines := make([]Line, 0, 2*len(indexes))
	for _, x := range indexes {
		lines = append(lines, c.indexLine(x))
	}
	cold, err := c.cold()
	lines, bad = append(lines, cold...), append(bad, err)
	shards, err := c.shards(indexes)
	lines, bad = append(lines, shards...), append(bad, err)
	return lines, errors.Join(bad...)
}

type collector struct {
	ctx     context.Context
	api     API
	now     string
	cluster object
}

// errAbsent says that the cluster has no such thing, which is no fault.
var errAbsent = errors.New("the cluster has none")

func (c *collector) get(path string, into any) error {
	status, answer, err := c.api.Do(c.ctx, http.MethodGet, path, nil)
	switch {
	case err != nil:
		return err
	case status == http.StatusNotFound, status == http.StatusBadRequest &&
		(strings.Contains(string(answer), "no handler found") || strings.Contains(string(answer), "invalid_index_name_exception")):
		return errAbsent
	case status >= 300:
		return fmt.Errorf("GET %s: status %d: %.300s; the role of the exporter (fluent-siem setup) has what it takes", path, status, answer)
	}
	if err := json.Unmarshal(answer, into); err != nil {
		return fmt.Errorf("GET %s: %w", path, err)
	}
	return nil
}

// index is a line of _cat/indices, and what _stats adds.
type index struct {
	Health, Status, Index, UUID string
	Created                     string `json:"creation.date"`
	Primaries                   string `json:"pri"`
	Replicas                    string `json:"rep"`
	tier                        string
	primaries, total            object
}

const catIndices = "?format=json&bytes=b&expand_wildcards=all&h=health,status,index,uuid,creation.date,pri,rep"

// indexes are those of the hot and the warm tier. A cluster without tiers has
// hot ones only.
func (c *collector) indexes() (map[string]*index, error) {
	found := map[string]*index{}
	var bad []error
	for tier, path := range map[string]string{"hot": "/_cat/indices/_hot", "warm": "/_cat/indices/_warm"} {
		var all []*index
		err := c.get(path+catIndices, &all)
		if errors.Is(err, errAbsent) && tier == "hot" {
			err = c.get("/_cat/indices"+catIndices, &all)
		}
		if err != nil && !errors.Is(err, errAbsent) {
			bad = append(bad, err)
		}
		for _, x := range all {
			if x.tier = tier; found[x.Index] == nil || tier == "warm" {
				found[x.Index] = x
			}
		}
	}
	return found, errors.Join(bad...)
}

func (c *collector) statistics(indexes map[string]*index) error {
	var stats struct {
		Indices map[string]struct{ Primaries, Total object }
	}
	err := c.get("/_stats/docs,indexing,merge,refresh,segments,store,fielddata,search?expand_wildcards=all&forbid_closed_indices=false", &stats)
	for name, s := range stats.Indices {
		if x := indexes[name]; x != nil {
			x.primaries, x.total = s.Primaries, s.Total
		}
	}
	return err
}

// line begins a line.
func (c *collector) line(dataset string) (line, os object) {
	os = object{"cluster": c.cluster}
	return object{"@timestamp": c.now, "opensearch": os, "event": object{"dataset": "opensearch." + dataset},
		"metricset": object{"name": dataset, "period": time.Hour.Milliseconds()}}, os
}

func (c *collector) indexLine(x *index) Line {
	line, os := c.line("index")
	pri, _ := strconv.Atoi(x.Primaries) // 0 when it is not said, as for a closed index
	rep, _ := strconv.Atoi(x.Replicas)
	i := object{"name": x.Index, "uuid": x.UUID, "status": x.Health, "index_status": x.Status, "storage_tier": x.tier,
		"shards": object{"primaries": pri, "total": pri * (1 + rep)}}
	if ms, err := strconv.ParseInt(x.Created, 10, 64); err == nil {
		i["creation"] = object{"date": ms}
	}
	total := x.total
	pick(i, "primaries", x.primaries, always)
	pick(i, "total", total, always)
	pick(i, "total", total, ofTotal)
	if x.tier == "warm" { // its replicas are in S3 and count nothing
		pick(i, "total", x.primaries, []string{"docs.count", "docs.deleted", "store.size_in_bytes"})
	}
	os["index"] = i
	return line
}

// pick copies the statistics at some paths.
func pick(to object, name string, from object, paths []string) {
	for _, path := range paths {
		if v := at(from, path); v != nil {
			put(to, strings.Split(name+"."+path, "."), v)
		}
	}
}

func put(o object, path []string, v any) {
	for _, key := range path[:len(path)-1] {
		next, _ := o[key].(object)
		if next == nil {
			next = object{}
			o[key] = next
		}
		o = next
	}
	o[path[len(path)-1]] = v
}

// cold are the indexes of cold storage, which the cluster itself does not know
// by _cat (OpenSearch Service).
func (c *collector) cold() ([]Line, error) {
	var lines []Line
	page := ""
	for range maxCold {
		query := url.Values{"page_size": {"2000"}}
		if page != "" {
			query.Set("pagination_id", page)
		}
		var got struct {
			Page    string `json:"pagination_id"`
			Indices []struct {
				Index   string `json:"index"`
				UUID    string `json:"index_cold_uuid"`
				Size    int64  `json:"size"`
				Created string `json:"creation_date"`
				Start   string `json:"start_time"`
				End     string `json:"end_time"`
			}
		}
		if err := c.get("/_cold/indices/_search?"+query.Encode(), &got); errors.Is(err, errAbsent) {
			return lines, nil
		} else if err != nil {
			return lines, err
		}
		for _, x := range got.Indices {
			line, os := c.line("index")
			i := object{"name": x.Index, "uuid": x.UUID, "index_status": "cold", "storage_tier": "cold",
				"primaries": object{"store": object{"size_in_bytes": x.Size}}, "total": object{"store": object{"size_in_bytes": x.Size}}}
			for key, value := range map[string]string{"start_time": x.Start, "end_time": x.End} {
				if value != "" {
					i[key] = value
				}
			}
			if x.Created != "" {
				i["creation"] = object{"date": x.Created}
			}
			os["index"] = i
			lines = append(lines, line)
		}
		if page = got.Page; page == "" || len(got.Indices) == 0 {
			return lines, nil
		}
	}
	return lines, fmt.Errorf("more than %d cold indexes; those beyond have no line", maxCold*2000)
}

func (c *collector) shards(indexes map[string]*index) ([]Line, error) {
	var all []struct {
		Index, Shard, PriRep, State string
		Docs, Store, ID, Node       *string
	}
	if err := c.get("/_cat/shards?format=json&bytes=b&h=index,shard,prirep,state,docs,store,id,node", &all); err != nil {
		return nil, err
	}
	lines := make([]Line, 0, len(all))
	for _, s := range all {
		line, os := c.line("shard")
		number, err := strconv.Atoi(s.Shard)
		if err != nil {
			return lines, fmt.Errorf("_cat/shards: shard %q of %s is no number", s.Shard, s.Index)
		}
		shard := object{"number": number, "primary": s.PriRep == "p", "state": s.State}
		for path, text := range map[string]*string{"docs.count": s.Docs, "store.size_in_bytes": s.Store} {
			if text == nil {
				continue
			}
			if n, err := strconv.ParseInt(*text, 10, 64); err == nil {
				put(shard, strings.Split(path, "."), n)
			}
		}
		if s.ID != nil && s.Node != nil {
			shard["source_node"] = object{"name": *s.Node, "uuid": *s.ID}
			os["node"] = object{"id": *s.ID}
		}
		os["shard"] = shard
		os["index"] = object{"name": s.Index}
		if x := indexes[s.Index]; x != nil {
			os["index"] = object{"name": s.Index, "status": x.Health, "index_status": x.Status, "storage_tier": x.tier}
		}
		lines = append(lines, line)
	}
	return lines, nil
}

// collection are the lines of a collection of OpenSearch Serverless, which says
// no more of its indexes than this.
func (c *collector) collection() ([]Line, error) {
	var all []struct {
		Index, UUID string
		Docs        string `json:"docs.count"`
		Deleted     string `json:"docs.deleted"`
	}
	if err := c.get("/_cat/indices?format=json&h=index,uuid,docs.count,docs.deleted", &all); err != nil {
		return nil, err
	}
	c.cluster = object{}
	var lines []Line
	for _, x := range all {
		line, os := c.line("index")
		docs := object{}
		for key, text := range map[string]string{"count": x.Docs, "deleted": x.Deleted} {
			if n, err := strconv.ParseInt(text, 10, 64); err == nil {
				docs[key] = n
			}
		}
		os["index"] = object{"name": x.Index, "uuid": x.UUID, "primaries": object{"docs": docs}, "total": object{"docs": docs}}
		lines = append(lines, line)
	}
	return lines, nil
}
