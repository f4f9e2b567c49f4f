package opensearch

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
)

// Client asks a cluster questions, with the connection settings of the output:
// endpoints, login, certificates, signing. It may be shared.
type Client struct {
	c     *client
	limit int64
}

// maxAnswer bounds what a question may bring back: the statistics of some ten
// thousand shards.
const maxAnswer = 256 << 20

// NewClient returns a Client; nothing is connected yet. warn is told when files
// (certificates, password) have become unusable; what was made of them before
// stays in use.
func NewClient(cfg Config, warn func(error)) (*Client, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return &Client{&client{cfg: cfg, warn: warn}, maxAnswer}, nil
}

// Do sends a request to path, which begins with a slash and may have a query.
// body is JSON, or nil. Any status is an answer, not an error. An error says
// what to do about it.
func (q *Client) Do(ctx context.Context, method, path string, body []byte) (status int, answer []byte, err error) {
	t, password, err := q.c.current(ctx)
	if err != nil {
		return 0, nil, told(err)
	}
	ctx, cancel := context.WithTimeout(ctx, q.c.cfg.RequestTimeout)
	defer cancel()
	var in io.Reader
	if body != nil {
		in = bytes.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, method, path, in)
	if err != nil {
		return 0, nil, err
	}
	if body != nil {
		kind := "application/json"
		if name, _, _ := strings.Cut(path, "?"); strings.HasSuffix(name, "/_bulk") {
			kind = "application/x-ndjson"
		}
		req.Header.Set("Content-Type", kind)
	}
	if q.c.cfg.Auth == "basic" {
		req.SetBasicAuth(q.c.cfg.Username, password)
	}
	res, err := t.Stream(req)
	if res == nil {
		return 0, nil, told(err)
	}
	defer res.Body.Close()
	answer, err = io.ReadAll(io.LimitReader(res.Body, q.limit+1))
	if err == nil && int64(len(answer)) > q.limit {
		err = errAnswerTooLarge
	}
	if err != nil {
		return res.StatusCode, nil, fmt.Errorf("%s %s: status %d, then: %w", method, path, res.StatusCode, err)
	}
	return res.StatusCode, answer, nil
}

// Close closes idle connections. The Client cannot be used afterwards.
func (q *Client) Close() { q.c.close() }

// told adds what to do to an error for which there was no answer.
func told(err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	if r, _ := errorRuling(err); r.Advice != "" {
		return fmt.Errorf("%w; %s", err, r.Advice)
	}
	return err
}

// Serverless reports whether the settings name an OpenSearch Serverless
// collection instead of a cluster.
func (c Config) Serverless() bool {
	service, _ := c.aws()
	return c.Collection != "" || c.Auth == "sigv4" && service == "aoss"
}

// createMost is how many documents one request creates: about a megabyte.
const createMost = 1000

// Create stores documents in an index, under ids that the cluster makes. do sends
// a request, as [Client.Do]. After an error some may be stored.
func Create[D any](ctx context.Context, do func(ctx context.Context, method, path string, body []byte) (status int, answer []byte, err error), index string, documents []D) error {
	action := map[string]any{"create": map[string]any{"_index": index}}
	for some := range slices.Chunk(documents, createMost) {
		var body bytes.Buffer
		out := json.NewEncoder(&body)
		for _, document := range some {
			if err := errors.Join(out.Encode(action), out.Encode(document)); err != nil {
				return err
			}
		}
		status, answer, err := do(ctx, http.MethodPost, "/_bulk?filter_path=errors,items.create.error", body.Bytes())
		if err != nil {
			return err
		}
		var got struct{ Errors bool }
		if err := json.Unmarshal(answer, &got); status >= 300 || err != nil || got.Errors {
			return fmt.Errorf("documents were refused by %s: status %d: %.500s; fluent-siem setup makes its template and role", index, status, answer)
		}
	}
	return nil
}
