package rig

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// Cluster is an OpenSearch that a test asks what arrived. Its errors hold the answer.
type Cluster struct {
	URL string
}

// Document is one that arrived.
type Document struct {
	Index  string          `json:"_index"`
	ID     string          `json:"_id"`
	Source json.RawMessage `json:"_source"`
}

// Field returns the text of a root field of the document, "" when it has none.
func (d Document) Field(name string) string {
	var fields map[string]any
	if err := json.Unmarshal(d.Source, &fields); err != nil || fields[name] == nil {
		return ""
	}
	return fmt.Sprint(fields[name])
}

// Do sends a request; body and answer are JSON and may be nil.
func (c Cluster) Do(ctx context.Context, method, path string, body, answer any) error {
	var in io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return err
		}
		in = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.URL+path, in)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, bytes.TrimSpace(text))
	}
	if answer == nil {
		return nil
	}
	return json.Unmarshal(text, answer)
}

type object = map[string]any

// of selects the documents of a bucket, whatever mapping the field has.
func of(bucket string) object {
	return object{"bool": object{"minimum_should_match": 1, "should": []object{
		{"term": object{"@log_s3bucket": bucket}}, {"term": object{"@log_s3bucket.keyword": bucket}},
	}}}
}

const indexes = "/log-*,-log-*-dead*"

// Count counts the documents of a bucket, after a refresh.
func (c Cluster) Count(ctx context.Context, bucket string) (int, error) {
	if err := c.Do(ctx, "POST", indexes+"/_refresh?ignore_unavailable=true", nil, nil); err != nil {
		return 0, err
	}
	var got struct{ Count int }
	err := c.Do(ctx, "POST", indexes+"/_count?ignore_unavailable=true", object{"query": of(bucket)}, &got)
	return got.Count, err
}

// Each calls f for each document of a bucket, after a refresh, with the source
// fields named (all when none is).
func (c Cluster) Each(ctx context.Context, bucket string, f func(Document), fields ...string) error {
	if err := c.Do(ctx, "POST", indexes+"/_refresh?ignore_unavailable=true", nil, nil); err != nil {
		return err
	}
	query := object{"query": of(bucket), "size": 5000, "sort": []string{"_doc"}}
	if len(fields) > 0 {
		query["_source"] = fields
	}
	var page struct {
		ScrollID string `json:"_scroll_id"`
		Hits     struct{ Hits []Document }
	}
	err := c.Do(ctx, "POST", indexes+"/_search?scroll=1m&ignore_unavailable=true", query, &page)
	for err == nil && len(page.Hits.Hits) > 0 {
		for _, d := range page.Hits.Hits {
			f(d)
		}
		page.Hits.Hits = nil
		err = c.Do(ctx, "POST", "/_search/scroll", object{"scroll": "1m", "scroll_id": page.ScrollID}, &page)
	}
	if page.ScrollID != "" {
		if e := c.Do(ctx, "DELETE", "/_search/scroll", object{"scroll_id": page.ScrollID}, nil); err == nil {
			err = e
		}
	}
	return err
}

// Forget deletes the documents of a bucket.
func (c Cluster) Forget(ctx context.Context, bucket string) error {
	return c.Do(ctx, "POST", indexes+"/_delete_by_query?refresh=true&conflicts=proceed&ignore_unavailable=true", object{"query": of(bucket)}, nil)
}

// DropEmpty deletes the indexes of a name pattern that hold no document.
func (c Cluster) DropEmpty(ctx context.Context, pattern string) error {
	var all []struct {
		Index string
		Docs  string `json:"docs.count"`
	}
	if err := c.Do(ctx, "GET", "/_cat/indices/"+pattern+"?format=json&h=index,docs.count", nil, &all); err != nil {
		return err
	}
	for _, x := range all {
		if x.Docs != "0" {
			continue
		}
		if err := c.Do(ctx, "DELETE", "/"+x.Index, nil, nil); err != nil {
			return err
		}
	}
	return nil
}

// Template makes new indexes of a name pattern map the fields so; it returns a
// function that removes it.
func (c Cluster) Template(ctx context.Context, name, pattern string, properties object) (remove func() error, err error) {
	path := "/_index_template/" + strings.ToLower(name)
	err = c.Do(ctx, "PUT", path, object{
		"index_patterns": []string{pattern}, "priority": 500,
		"template": object{"settings": object{"number_of_shards": 1, "number_of_replicas": 0, "refresh_interval": "30s"}, "mappings": object{"properties": properties}},
	}, nil)
	return func() error { return c.Do(context.WithoutCancel(ctx), "DELETE", path, nil, nil) }, err
}
