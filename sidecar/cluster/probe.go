package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// API sends a request to the cluster; any status is an answer. *opensearch.Client
// is one.
type API interface {
	Do(ctx context.Context, method, path string, body []byte) (status int, answer []byte, err error)
}

// flatSince is the first version in which flat_object takes every value: before,
// an array of texts made the node loop (OpenSearch #15982), and null failed.
var flatSince = [2]int{2, 18}

// Probe finds out what the cluster is. An error means that it cannot be set up.
func Probe(ctx context.Context, api API, serverless bool) (Features, error) {
	if serverless {
		return Features{Serverless: true}, nil
	}
	number, err := version(ctx, api)
	if err != nil {
		return Features{}, err
	}
	major, minor := split(number)
	if major < 2 || major > 3 {
		return Features{}, fmt.Errorf("the cluster is OpenSearch %s; setup knows 2.x and 3.x. Nothing was changed", number)
	}
	f := Features{Version: number, Flat: major > flatSince[0] || major == flatSince[0] && minor >= flatSince[1]}
	for path, has := range map[string]*bool{
		"/_plugins/_ism/policies?size=1":           &f.ISM,
		"/_plugins/_security/api/roles/all_access": &f.Security,
		"/_plugins/_notifications/features":        &f.Channels,
		"/_plugins/_alerting/destinations?size=1":  &f.Alerting,
	} {
		status, answer, err := api.Do(ctx, http.MethodGet, path, nil)
		if err != nil {
			return Features{}, err
		}
		// A path that nobody serves is answered with 400 and this text.
		*has = status != http.StatusBadRequest || !strings.Contains(string(answer), "no handler found")
	}
	return f, nil
}

// version is the version of OpenSearch. A domain in compatibility mode says
// 7.10.2 for clients of Elasticsearch; its nodes say what they are.
func version(ctx context.Context, api API) (string, error) {
	var root struct {
		Version struct{ Distribution, Number string }
		Tagline string
	}
	if err := get(ctx, api, "/", &root); err != nil {
		return "", err
	}
	if root.Version.Distribution != "opensearch" && !strings.Contains(root.Tagline, "OpenSearch") {
		return "", fmt.Errorf("the cluster is not OpenSearch but says %q, version %q; setup knows OpenSearch 2.x and 3.x. Nothing was changed", root.Tagline, root.Version.Number)
	}
	if !strings.HasPrefix(root.Version.Number, "7.") {
		return root.Version.Number, nil
	}
	var nodes struct {
		Nodes map[string]struct{ Version string }
	}
	if err := get(ctx, api, "/_nodes/_all?filter_path=nodes.*.version", &nodes); err != nil {
		return "", err
	}
	lowest := ""
	for _, n := range nodes.Nodes {
		if lowest == "" || older(n.Version, lowest) {
			lowest = n.Version
		}
	}
	if lowest == "" {
		return "", errors.New("no node says its version; nothing was changed")
	}
	return lowest, nil
}

func older(a, b string) bool {
	a1, a2 := split(a)
	b1, b2 := split(b)
	return a1 < b1 || a1 == b1 && a2 < b2
}

func split(version string) (major, minor int) {
	parts := strings.SplitN(version, ".", 3)
	major, _ = strconv.Atoi(parts[0]) // 0 is no version that is known
	if len(parts) > 1 {
		minor, _ = strconv.Atoi(parts[1])
	}
	return major, minor
}

// get asks and reads the answer.
func get(ctx context.Context, api API, path string, into any) error {
	status, answer, err := api.Do(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	if status >= 300 {
		return refused(http.MethodGet, path, status, answer)
	}
	return json.Unmarshal(answer, into)
}

// refused is the error for a status that says no.
func refused(method, path string, status int, answer []byte) error {
	hint := ""
	switch status {
	case http.StatusUnauthorized:
		hint = "; correct username and password, or the signing of requests"
	case http.StatusForbidden:
		hint = "; setup needs a user with the role all_access, or the cluster's master user"
	}
	return fmt.Errorf("%s %s: status %d: %s%s", method, path, status, reason(answer), hint)
}

// reason is what the cluster says, at most some lines of it.
func reason(answer []byte) string {
	var body struct {
		Error   json.RawMessage
		Message string
		Reason  any
	}
	said := strings.TrimSpace(string(answer))
	if json.Unmarshal(answer, &body) == nil {
		var e struct {
			Reason   string
			CausedBy struct {
				Reason   string
				CausedBy struct{ Reason string } `json:"caused_by"`
			} `json:"caused_by"`
		}
		switch {
		case json.Unmarshal(body.Error, &e) == nil && e.Reason != "":
			said = e.Reason
			for _, cause := range []string{e.CausedBy.Reason, e.CausedBy.CausedBy.Reason} {
				if cause != "" {
					said += ": " + cause
				}
			}
		case body.Message != "":
			said = body.Message
		}
	}
	const most = 600
	if len(said) > most {
		said = said[:most] + "…"
	}
	return said
}
