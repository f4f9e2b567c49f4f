package view

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fluent-siem/fluent-siem/filters/logtype"
	"github.com/fluent-siem/fluent-siem/outputs/opensearch"
	"github.com/fluent-siem/fluent-siem/sidecar/cluster"
	"github.com/fluent-siem/fluent-siem/sidecar/dashboards"
	"github.com/fluent-siem/fluent-siem/test/services"
)

// TestTheReaderSuffices: a user with the role reader of setup, and nothing else,
// sees a panel and its documents; the password stays here.
func TestTheReaderSuffices(t *testing.T) {
	secure := services.OpenSearchSecure(t)
	name := services.Name("view")
	const password = "Reads-0nly-all-day"
	admin, err := secure.Client()
	if err != nil {
		t.Fatal(err)
	}
	do := func(method, path, body string) {
		t.Helper()
		r, err := http.NewRequest(method, secure.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.SetBasicAuth(secure.User, secure.Password)
		r.Header.Set("Content-Type", "application/json")
		res, err := admin.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if res.StatusCode >= 300 {
			t.Fatalf("%s %s: %s", method, path, res.Status)
		}
	}
	wanted := cluster.DefaultSettings()
	wanted.Name, wanted.IndexPrefix = name, name+"-"
	registry, err := logtype.NewRegistry()
	if err != nil {
		t.Fatal(err)
	}
	all, err := cluster.Resources(wanted, registry.Set(), cluster.Features{Version: "3.0.0", Flat: true, Security: true})
	if err != nil {
		t.Fatal(err)
	}
	var role cluster.Resource
	for _, r := range all {
		if r.Kind == "role" && strings.HasSuffix(r.Name, "reader") {
			role = r
		}
	}
	for _, made := range []struct{ path, body string }{
		{"/_plugins/_security/api/roles/" + name, jsonOf(t, role.Body)},
		{"/_plugins/_security/api/internalusers/" + name, jsonOf(t, map[string]string{"password": password})},
		{"/_plugins/_security/api/rolesmapping/" + name, jsonOf(t, map[string][]string{"users": {name}})},
		{"/" + name + "-log-aws-cloudtrail-2026", `{"mappings":{"properties":{"@timestamp":{"type":"date"},"cloud":{"properties":{"account":{"properties":{"id":{"type":"keyword"}}}}}}}}`},
	} {
		do("PUT", made.path, made.body)
		t.Cleanup(func() { do("DELETE", made.path, "") })
	}
	do("POST", "/"+name+"-log-aws-cloudtrail-2026/_doc?refresh=true", `{"@timestamp":"`+time.Now().UTC().Format(time.RFC3339)+`","cloud":{"account":{"id":"111122223333"}}}`)

	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte(password), 0o600); err != nil {
		t.Fatal(err)
	}
	connection := opensearch.Defaults()
	connection.Endpoint, connection.Auth, connection.Username, connection.PasswordFile, connection.CAFile = []string{secure.URL}, "basic", name, file, secure.CAFile
	api, err := opensearch.NewClient(connection, func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	defer api.Close()
	set, err := dashboards.Shipped()
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(Config{Listen: "127.0.0.1:0", IndexPrefix: name + "-"}, api, set)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{"/0": `"rows":[["111122223333","111122223333",1]]`, "/0/documents?at=111122223333": "1 of 1 documents"} {
		r := httptest.NewRequest("GET", cloudTrail+path, nil)
		r.Host = "127.0.0.1"
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if text := w.Body.String(); w.Code != 200 || !strings.Contains(text, want) || strings.Contains(text, password) {
			t.Errorf("%s: %d %s, want %s", path, w.Code, text, want)
		}
	}
}

func jsonOf(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
