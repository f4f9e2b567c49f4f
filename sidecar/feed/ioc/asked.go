package ioc

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/fluent-siem/fluent-siem/internal/indicator"
	"github.com/fluent-siem/fluent-siem/sidecar/feed"
	"github.com/fluent-siem/fluent-siem/sidecar/feed/parse"
)

// The limits of publishers that are asked what changed.
const (
	largestPage   = 64 << 20
	mostPages     = 5000
	mostDocuments = 200_000
)

// ask fetches JSON.
func ask(ctx context.Context, client *feed.Client, src feed.Source, answer any) (http.Header, error) {
	small := *client
	small.Largest, small.Least = largestPage, 1
	var body bytes.Buffer
	a, err := small.Fetch(ctx, src, feed.Known{}, &body)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(body.Bytes(), answer); err != nil {
		return nil, fmt.Errorf("%s: the answer is no JSON that was asked for (%d bytes): %w", src.Shown(), body.Len(), err)
	}
	return a.Header, nil
}

// read gives what the documents hold to s. One that cannot be read is left out.
func (t store) read(format, provider string, s parse.Sink) error {
	_, err := t.each(func(d *document) error {
		err := parse.Formats[format](bytes.NewReader(d.Body), parse.Origin{Provider: provider}, s)
		var fatal *indicator.BuildError
		if err == nil || errors.As(err, &fatal) {
			return err
		}
		s.Left(fmt.Errorf("%s: %w", d.ID, err))
		return nil
	})
	return err
}

// everything keeps all documents.
func everything(string) bool { return true }

// otx reads the pulses that the key's owner subscribed to:
// /api/v1/pulses/subscribed, pages, only those modified since.
type otx struct {
	cfg FeedConfig
	store
}

func (o *otx) refresh(ctx context.Context, client *feed.Client) (bool, error) {
	base, err := o.cfg.at(strings.TrimSuffix(o.cfg.URL, "/"))
	if err != nil {
		return false, err
	}
	m, versions, err := o.versions()
	if err != nil || m.Source != base.Shown() {
		m, versions = mark{Source: base.Shown()}, map[string]string{}
	}
	query := url.Values{"limit": {"50"}, "page": {"1"}}
	if m.Since != "" {
		query.Set("modified_since", m.Since)
	}
	next := base.URL + "/api/v1/pulses/subscribed?" + query.Encode()
	changed := map[string]document{}
	newest := m.Since
	for page := 0; next != ""; page++ {
		if page == mostPages || !strings.HasPrefix(next, base.URL+"/") { // the key goes nowhere else
			return false, fmt.Errorf("%s: page %d leads elsewhere, or there is no end of pages", base.Shown(), page)
		}
		src := base
		src.URL = next
		var answer struct {
			Results []json.RawMessage `json:"results"`
			Next    string            `json:"next"`
		}
		_, err := ask(ctx, client, src, &answer)
		if err == nil && answer.Results == nil {
			err = fmt.Errorf("%s: the answer has no results", base.Shown())
		}
		if err != nil {
			if len(changed) > 0 { // what came counts; the mark stays, so the rest is asked for again
				_ = o.update(m, changed, everything)
			}
			return false, err
		}
		for _, raw := range answer.Results {
			var p struct{ ID, Modified string }
			if json.Unmarshal(raw, &p) == nil && p.ID != "" && versions[p.ID] != p.Modified {
				changed[p.ID] = document{p.ID, p.Modified, raw}
				newest = max(newest, p.Modified)
			}
		}
		next = answer.Next
	}
	m.Since, m.Checked = newest, time.Now().UTC()
	return len(changed) > 0, o.update(m, changed, everything)
}

func (o *otx) rows(s parse.Sink) error {
	return o.read("otx", o.cfg.Provider, s)
}

// misp reads a feed of MISP: manifest.json, and the events in it that changed.
type misp struct {
	cfg FeedConfig
	store
}

func (f *misp) refresh(ctx context.Context, client *feed.Client) (bool, error) {
	base, err := f.cfg.at(strings.TrimSuffix(f.cfg.URL, "/"))
	if err != nil {
		return false, err
	}
	m, versions, err := f.versions()
	if err != nil || m.Source != base.Shown() {
		m, versions = mark{Source: base.Shown()}, map[string]string{}
	}
	manifest := base
	manifest.URL += "/manifest.json"
	var list map[string]struct {
		Timestamp any `json:"timestamp"` // a number or a text
	}
	if _, err := ask(ctx, client, manifest, &list); err != nil {
		return false, err
	}
	if len(list) > mostDocuments {
		return false, fmt.Errorf("%s: the manifest names %d events, more than %d", base.Shown(), len(list), mostDocuments)
	}
	changed := map[string]document{}
	var failed error
	for id, event := range list {
		version := fmt.Sprint(event.Timestamp)
		if versions[id] == version || !names.MatchString(id) {
			continue
		}
		src := base
		src.URL += "/" + id + ".json"
		var raw json.RawMessage
		if _, err := ask(ctx, client, src, &raw); err != nil {
			failed = err // the event before stays; the others count
			if ctx.Err() != nil {
				break
			}
			continue
		}
		changed[id] = document{id, version, raw}
	}
	gone := false
	for id := range versions {
		if _, ok := list[id]; !ok {
			gone = true
		}
	}
	if failed == nil {
		m.Checked = time.Now().UTC()
	}
	if err := f.update(m, changed, func(id string) bool { _, ok := list[id]; return ok }); err != nil {
		return false, err
	}
	return gone || len(changed) > 0, failed
}

func (f *misp) rows(s parse.Sink) error {
	return f.read("misp", f.cfg.Provider, s)
}

// collection reads a collection of TAXII 2.1: the indicators in it that were
// added since.
type collection struct {
	cfg FeedConfig
	store
}

func (c *collection) refresh(ctx context.Context, client *feed.Client) (bool, error) {
	base, err := c.cfg.at(strings.TrimSuffix(c.cfg.URL, "/") + "/objects/")
	if err != nil {
		return false, err
	}
	header := map[string]string{"Accept": "application/taxii+json;version=2.1"}
	for k, v := range base.Header {
		header[k] = v
	}
	base.Header = header
	m, versions, err := c.versions()
	if err != nil || m.Source != base.Shown() {
		m, versions = mark{Source: base.Shown()}, map[string]string{}
	}
	query := url.Values{"match[type]": {"indicator"}, "limit": {"1000"}}
	if m.Since != "" {
		query.Set("added_after", m.Since)
	}
	changed := map[string]document{}
	since := m.Since
	for page := 0; ; page++ {
		src := base
		src.URL += "?" + query.Encode()
		var envelope struct {
			More    bool              `json:"more"`
			Next    string            `json:"next"`
			Objects []json.RawMessage `json:"objects"`
		}
		answered, err := ask(ctx, client, src, &envelope)
		if err == nil && envelope.More && (page == mostPages || envelope.Next == "" && answered.Get("X-TAXII-Date-Added-Last") == "") {
			err = fmt.Errorf("%s: there is more, but not how to ask for it", base.Shown())
		}
		if err != nil {
			if len(changed) > 0 {
				_ = c.update(m, changed, everything)
			}
			return false, err
		}
		for _, raw := range envelope.Objects {
			var o struct{ ID, Modified string }
			if json.Unmarshal(raw, &o) == nil && o.ID != "" && versions[o.ID] != o.Modified {
				changed[o.ID] = document{o.ID, o.Modified, raw}
			}
		}
		since = max(since, answered.Get("X-TAXII-Date-Added-Last"))
		if !envelope.More {
			break
		}
		if envelope.Next != "" {
			query.Set("next", envelope.Next)
		} else {
			query.Set("added_after", since)
		}
	}
	m.Since, m.Checked = since, time.Now().UTC()
	return len(changed) > 0, c.update(m, changed, everything)
}

func (c *collection) rows(s parse.Sink) error {
	o := parse.Origin{Provider: c.cfg.Provider, Name: c.cfg.Name}
	if o.Provider == "" {
		o.Provider = c.cfg.Name
	}
	_, err := c.each(func(d *document) error { return parse.STIXObjects([]json.RawMessage{d.Body}, o, s) })
	return err
}
