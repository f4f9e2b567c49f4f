package opensearch

import (
	"bytes"
	"fmt"
	"net/http"

	"github.com/valyala/fastjson"
)

// result is what the answer says about one document that it did not store.
type result struct {
	at     int // place among the documents of the request
	status int
	kind   string // type of the error
	reason string
	ruling
}

var parsers fastjson.ParserPool

// results reads the answer to a request of n documents: the items in order,
// without those that are stored. create tells whether the action of the i-th
// was create. An error means that the answer cannot be understood.
func results(body []byte, n int, create func(i int) bool) ([]result, error) {
	// The common case is decided by two searches: no errors, and a status for
	// each. The answer is filtered, so the word status occurs nowhere else.
	if bytes.Contains(body, []byte(`"errors":false`)) &&
		bytes.Count(body, []byte(`"status":20`)) == n && bytes.Count(body, []byte(`"status"`)) == n {
		return nil, nil
	}
	p := parsers.Get()
	defer parsers.Put(p)
	v, err := p.ParseBytes(body)
	if err != nil {
		return nil, fmt.Errorf("the answer is no JSON: %w", err)
	}
	items := v.GetArray("items")
	if len(items) != n {
		return nil, fmt.Errorf("the answer tells of %d documents, %d were sent", len(items), n)
	}
	var list []result
	for i, item := range items {
		obj, err := item.Object()
		if err != nil || obj.Len() != 1 {
			return nil, fmt.Errorf("item %d of the answer is not understood", i)
		}
		obj.Visit(func(_ []byte, v *fastjson.Value) {
			r := result{at: i, status: v.GetInt("status")}
			r.kind, r.reason = errorText(v.Get("error"))
			if r.ruling = itemRuling(r.status, r.kind, r.reason, create(i)); r.Verdict != Stored {
				list = append(list, r)
			}
		})
	}
	return list, nil
}

// refused reads the answer to a request that was refused as a whole.
func refused(status int, body []byte) result {
	r := result{status: status}
	p := parsers.Get()
	defer parsers.Put(p)
	if v, err := p.ParseBytes(body); err == nil {
		r.kind, r.reason = errorText(v.Get("error"))
		if r.reason == "" {
			r.reason = string(v.GetStringBytes("message")) // AWS in front of the cluster
		}
	} else {
		r.reason = cut(string(bytes.TrimSpace(body)), 200) // a proxy's page, plain text
	}
	r.ruling = requestRuling(status, r.kind, r.reason)
	if r.Verdict == Split && status == http.StatusBadRequest && r.kind == "" { // not OpenSearch's words
		r.ruling = requestRuling(http.StatusNotAcceptable, "", "")
	}
	return r
}

// errorText joins the reasons of an error and its causes.
func errorText(e *fastjson.Value) (kind, reason string) {
	if e == nil {
		return "", ""
	}
	if e.Type() == fastjson.TypeString {
		return "", string(e.GetStringBytes())
	}
	kind, reason = string(e.GetStringBytes("type")), string(e.GetStringBytes("reason"))
	for c := e.Get("caused_by"); c != nil; c = c.Get("caused_by") {
		if more := string(c.GetStringBytes("reason")); more != "" {
			reason += ": " + more
		}
	}
	return kind, cut(reason, 4096)
}

// cut shortens s to about n bytes, on a character boundary.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && s[n]&0xc0 == 0x80 {
		n--
	}
	return s[:n] + "…"
}
