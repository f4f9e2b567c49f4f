package opensearch

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fluent-siem/fluent-siem/internal/event"
	"github.com/fluent-siem/fluent-siem/internal/lease"
	"github.com/fluent-siem/fluent-siem/test/services"
)

// node is a real OpenSearch, asked with the rights of its administrator.
type node struct {
	t              testing.TB
	url            string
	client         *http.Client
	user, password string
}

func (n node) do(method, path, body string) (status int, answer string) {
	n.t.Helper()
	req, err := http.NewRequest(method, n.url+path, strings.NewReader(body))
	if err != nil {
		n.t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if n.user != "" {
		req.SetBasicAuth(n.user, n.password)
	}
	res, err := n.client.Do(req)
	if err != nil {
		n.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		n.t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

func (n node) must(method, path, body string) string {
	n.t.Helper()
	status, answer := n.do(method, path, body)
	if status > 299 {
		n.t.Fatalf("%s %s: %d %s", method, path, status, answer)
	}
	return answer
}

// count is how many documents an index pattern holds.
func (n node) count(index string) int {
	n.t.Helper()
	n.must("POST", "/"+index+"/_refresh", "")
	var answer struct{ Count int }
	if err := json.Unmarshal([]byte(n.must("GET", "/"+index+"/_count", "")), &answer); err != nil {
		n.t.Fatal(err)
	}
	return answer.Count
}

func plainNode(t testing.TB) node {
	n := node{t: t, url: services.OpenSearch(t), client: &http.Client{Transport: &http.Transport{}}}
	t.Cleanup(n.client.CloseIdleConnections)
	return n
}

// drop deletes an index with the test.
func (n node) drop(index string) string {
	n.t.Cleanup(func() { n.do("DELETE", "/"+index, "") })
	return index
}

// What a real cluster says of each kind of trouble is what the table takes it
// for. The healthy neighbour in the same request is stored every time.
func TestVerdictsOfARealCluster(t *testing.T) {
	n := plainNode(t)
	mapped := func(settings string) func(string) {
		return func(index string) { n.must("PUT", "/"+index, settings) }
	}
	twoWithoutWriteIndex := func(alias string) {
		for _, i := range []string{"-1", "-2"} {
			n.must("PUT", "/"+n.drop(alias+i), fmt.Sprintf(`{"settings":{"number_of_replicas":0},"aliases":{"%s":{}}}`, alias))
		}
	}
	for _, c := range []struct {
		name, class string
		want        Verdict
		prepare     func(index string)
		target      func(index string) event.Target
		record      map[string]string
	}{
		{name: "address", class: "mapping_conflict", want: Rejected, record: map[string]string{"ip": "no address"},
			prepare: mapped(`{"mappings":{"properties":{"ip":{"type":"ip"}}}}`)},
		{name: "object", class: "mapping_conflict", want: Rejected, record: map[string]string{"o": "a text"},
			prepare: mapped(`{"mappings":{"properties":{"o":{"properties":{"x":{"type":"keyword"}}}}}}`)},
		{name: "strict", class: "unmapped_field", want: Rejected, record: map[string]string{"new": "1"},
			prepare: mapped(`{"mappings":{"dynamic":"strict","properties":{}}}`)},
		{name: "long", class: "field_too_long", want: Rejected, record: map[string]string{"k": strings.Repeat("x", 40000)},
			prepare: mapped(`{"mappings":{"properties":{"k":{"type":"keyword"}}}}`)},
		{name: "fields", class: "too_many_fields", want: Rejected, record: map[string]string{"a": "1", "b": "2", "c": "3"},
			prepare: mapped(`{"settings":{"index.mapping.total_fields.limit":2}}`)},
		{name: "name", class: "invalid_index_name", want: Rejected, record: map[string]string{"a": "1"},
			target: func(index string) event.Target { return event.Target{Index: []byte("No-" + index), ID: []byte("x")} }},
		{name: "closed", class: "index_closed", want: Held, record: map[string]string{"a": "1"},
			prepare: func(index string) { n.must("PUT", "/"+index, "{}"); n.must("POST", "/"+index+"/_close", "") }},
		{name: "blocked", class: "index_blocked", want: Held, record: map[string]string{"a": "1"},
			prepare: mapped(`{"settings":{"index.blocks.write":true}}`)},
		{name: "readonly", class: "index_blocked", want: Held, record: map[string]string{"a": "1"},
			prepare: mapped(`{"settings":{"index.blocks.read_only":true}}`)},
		{name: "full", class: "disk_full", want: Held, record: map[string]string{"a": "1"},
			prepare: mapped(`{"settings":{"index.blocks.read_only_allow_delete":true}}`)},
		{name: "alias", class: "alias_without_write_index", want: Held, record: map[string]string{"a": "1"},
			prepare: twoWithoutWriteIndex},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := n
			n.t = t
			index, neighbour := n.drop(services.Name("out-"+c.name)), n.drop(services.Name("out-neighbour"))
			if c.prepare != nil {
				c.prepare(index)
			}
			t.Cleanup(func() {
				n.do("PUT", "/"+index+"/_settings", `{"index.blocks.read_only":null,"index.blocks.write":null}`)
			})
			r := newRig(t, nil, func(cfg *Config) {
				cfg.Endpoint, cfg.Patience, cfg.Repair, cfg.Detour = []string{n.url}, 2*time.Second, []string{"none"}, false
			})
			target := event.Target{Index: []byte(index), ID: []byte("x")}
			if c.target != nil {
				target = c.target(index)
			}
			l, o := open(r, 2)
			chunk := appendEvent(nil, &event.Origin{Object: o.ID, Record: 1, Size: 1}, target, c.record)
			chunk = appendEvent(chunk, &event.Origin{Object: o.ID, Record: 2, Size: 1},
				event.Target{Index: []byte(neighbour), ID: []byte("y")}, map[string]string{"a": "b"})
			err := r.Write(t.Context(), "siem", chunk)
			if n.count(neighbour) != 1 {
				t.Error("the neighbour is not stored")
			}
			letters := lettersIn(t, r.dir)
			switch c.want {
			case Rejected:
				if err != nil || !settled(l) || len(letters) != 1 || letters[0].Class != c.class {
					t.Errorf("err %v, settled %v, dead letters %+v", err, settled(l), letters)
				}
			case Held:
				var retry *RetryError
				if !errors.As(err, &retry) || retry.Waiting != 1 || settled(l) || len(letters) != 0 {
					t.Errorf("err %v, settled %v, dead letters %+v", err, settled(l), letters)
				}
				if !strings.Contains(r.log.String(), "class="+c.class) {
					t.Errorf("want class %s in the log:\n%s", c.class, r.log)
				}
			}
		})
	}
}

// open is a lease with one object of n records.
func open(r *rig, n int) (*lease.Lease, *lease.Object) {
	l := r.p.Leases.Open(lease.NewCredit(1 << 30))
	o := l.Add(lease.Source{Bucket: "b", Key: "k"})
	l.Seal()
	o.Read(n, int64(n))
	o.Seal(nil)
	return l, o
}

// A block that is lifted while the chunk waits lets it through.
func TestRealBlockIsLifted(t *testing.T) {
	n := plainNode(t)
	index := n.drop(services.Name("out-lifted"))
	n.must("PUT", "/"+index, `{"settings":{"index.blocks.write":true}}`)
	r := newRig(t, nil, func(c *Config) { c.Endpoint, c.Detour = []string{n.url}, false })
	chunk, l, _ := r.chunkOf(10, one(index))
	done := make(chan error)
	go func() { done <- r.Write(t.Context(), "siem", chunk) }()
	for r.trouble.count.Load() == 0 { // it has met the block
		select {
		case err := <-done:
			t.Fatalf("a blocked index took documents: %v", err)
		case <-time.After(10 * time.Millisecond):
		}
	}
	n.must("PUT", "/"+index+"/_settings", `{"index.blocks.write":null}`)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if n.count(index) != 10 || !settled(l) || r.trouble.count.Load() != 0 {
		t.Errorf("%d documents, settled %v", n.count(index), settled(l))
	}
}

// A real cluster that is loaded twice says duplicate; one that is asked in
// vain for an index says so; ids may hold anything.
func TestRealClusterStoresOnce(t *testing.T) {
	n := plainNode(t)
	index := n.drop(services.Name("out-once"))
	r := newRig(t, nil, func(c *Config) { c.Endpoint, c.BulkSize = []string{n.url}, 64<<10 })
	for round, want := range []lease.Outcome{lease.Stored, lease.Duplicate} {
		chunk, l, o := r.chunkOf(3000, one(index))
		odd := appendEvent(chunk, nil, event.Target{Index: []byte(index), ID: []byte(`<&>"\ü`)}, map[string]string{"<": "\u2028"})
		if err := r.Write(t.Context(), "siem", odd); err != nil {
			t.Fatal(err)
		}
		if b := o.Totals(); b.Of(want) != 3000 || !settled(l) {
			t.Errorf("round %d: books %+v", round, b)
		}
	}
	if got := n.count(index); got != 3001 {
		t.Errorf("%d documents, want 3001", got)
	}
	// Documents without id, sent twice because the first answer is taken for lost.
	var chunk []byte
	for i := range 50 {
		chunk = plain(chunk, time.Unix(1700000000, 0), map[string]any{"n": i})
	}
	other := n.drop(services.Name("out-other"))
	r = newRig(t, nil, func(c *Config) { c.Endpoint, c.Index = []string{n.url}, other })
	j := r.begin(t.Context(), "x", chunk)
	b := j.newBulk()
	for rest, i := chunk, int32(0); len(rest) > 0; i++ {
		ev, next, err := event.Next(rest)
		if err != nil {
			t.Fatal(err)
		}
		rest = next
		j.docs.add(b, &ev, i, nil)
	}
	for range 2 {
		if o := j.attempt(b, b.all(), false); len(o.busy)+len(o.held) > 0 || o.stop != nil {
			t.Fatalf("%+v", o)
		}
	}
	b.release()
	j.end()
	if got := n.count(other); got != 50 {
		t.Errorf("%d documents of 50", got)
	}
	var hits struct {
		Hits struct {
			Hits []struct {
				Source map[string]any `json:"_source"`
			}
		}
	}
	if err := json.Unmarshal([]byte(n.must("GET", "/"+other+"/_search?size=1", "")), &hits); err != nil {
		t.Fatal(err)
	}
	if got := hits.Hits.Hits[0].Source["@timestamp"]; got != "2023-11-14T22:13:20Z" {
		t.Errorf("@timestamp is %v", got)
	}
}

// One id that is too long makes OpenSearch refuse all documents of a request.
// Ours never sends one; that the halving would find it is shown here.
func TestRealClusterRefusesTheRequestForOneDocument(t *testing.T) {
	n := plainNode(t)
	index := n.drop(services.Name("out-poison"))
	r := newRig(t, nil, func(c *Config) { c.Endpoint = []string{n.url} })
	chunk, l, o := r.chunkOf(200, one(index))
	chunk = appendEvent(chunk, nil, event.Target{Index: []byte(index), ID: []byte("marked")}, map[string]string{"a": "b"})
	long := []byte(strings.Repeat("m", 600))
	j := r.begin(t.Context(), "x", chunk)
	b := j.newBulk()
	for rest, i := chunk, int32(0); len(rest) > 0; i++ {
		ev, next, err := event.Next(rest)
		if err != nil {
			t.Fatal(err)
		}
		rest = next
		j.docs.add(b, &ev, i, r.p.Leases.Object(ev.Origin.Object))
	}
	last := &b.items[200]
	text := strings.Replace(string(b.lines[last.line:]), "marked", string(long), 1)
	last.doc += int32(len(text) - len(b.lines[last.line:]))
	b.lines = append(b.lines[:last.line], text...)
	last.end = int32(len(b.lines))
	j.deliver(b)
	j.end()
	letters := lettersIn(t, r.dir)
	if n.count(index) != 200 || !settled(l) || o.Totals().Of(lease.Stored) != 200 || len(letters) != 1 || letters[0].Type != "action_request_validation_exception" {
		t.Errorf("%d documents, settled %v, dead letters %+v", n.count(index), settled(l), letters)
	}
}

// An index that may not be made by itself: held until it is there.
func TestRealIndexMissing(t *testing.T) {
	n := plainNode(t)
	index := n.drop(services.Name("out-noauto"))
	n.must("PUT", "/_cluster/settings", `{"transient":{"action.auto_create_index":"-out-noauto-*,+*"}}`)
	t.Cleanup(func() { n.must("PUT", "/_cluster/settings", `{"transient":{"action.auto_create_index":null}}`) })
	r := newRig(t, nil, func(c *Config) { c.Endpoint, c.Patience = []string{n.url}, 2*time.Second })
	chunk, l, _ := r.chunkOf(10, one(index))
	if err := r.Write(t.Context(), "siem", chunk); err == nil || !strings.Contains(r.log.String(), "class=index_missing") {
		t.Fatalf("err %v, log:\n%s", err, r.log)
	}
	n.must("PUT", "/"+index, "{}")
	if err := r.Write(t.Context(), "siem", chunk); err != nil || !settled(l) {
		t.Errorf("err %v, settled %v", err, settled(l))
	}
}

// secure is the node with TLS and logins.
func secureNode(t testing.TB) (node, services.Secure) {
	s := services.OpenSearchSecure(t)
	client, err := s.Client()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.CloseIdleConnections)
	return node{t, s.URL, client, s.User, s.Password}, s
}

// Basic auth over TLS with an own CA; a wrong password holds, and the file
// with the right one is noticed.
func TestRealLogin(t *testing.T) {
	n, s := secureNode(t)
	index := n.drop(services.Name("out-login"))
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte("wrong-but-secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := newRig(t, nil, func(c *Config) {
		c.Endpoint, c.CAFile = []string{s.URL}, s.CAFile
		c.Auth, c.Username, c.PasswordFile = "basic", s.User, file
		c.Patience = 20 * time.Second
	})
	chunk, l, _ := r.chunkOf(10, one(index))
	done := make(chan error)
	go func() { done <- r.Write(t.Context(), "siem", chunk) }()
	for r.trouble.count.Load() == 0 {
		select {
		case err := <-done:
			t.Fatalf("a wrong password let documents in: %v", err)
		case <-time.After(10 * time.Millisecond):
		}
	}
	if !strings.Contains(r.log.String(), "class=unauthorized") {
		t.Errorf("log:\n%s", r.log)
	}
	if err := os.WriteFile(file, []byte(s.Password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if n.count(index) != 10 || !settled(l) {
		t.Errorf("%d documents, settled %v", n.count(index), settled(l))
	}
	if log := r.log.String(); strings.Contains(log, "wrong-but-secret") {
		t.Errorf("the password is in the log:\n%s", log)
	}
}

// A client certificate is a login, too.
func TestRealClientCertificate(t *testing.T) {
	n, s := secureNode(t)
	index := n.drop(services.Name("out-mtls"))
	r := newRig(t, nil, func(c *Config) {
		c.Endpoint, c.CAFile = []string{s.URL}, s.CAFile
		c.Auth, c.ClientCert, c.ClientKey = "mtls", s.CertFile, s.KeyFile
	})
	chunk, l, _ := r.chunkOf(10, one(index))
	if err := r.Write(t.Context(), "siem", chunk); err != nil {
		t.Fatal(err)
	}
	if n.count(index) != 10 || !settled(l) {
		t.Errorf("%d documents, settled %v", n.count(index), settled(l))
	}
}

// An untrusted certificate and a URL without TLS hold, and say what to do.
func TestRealTLSTroubles(t *testing.T) {
	_, s := secureNode(t)
	for name, c := range map[string]struct{ url, ca, want string }{
		"untrusted":    {s.URL, "", "correct ca_file"},
		"missing file": {s.URL, "nowhere.pem", "ca_file: open nowhere.pem"},
		"no TLS":       {strings.Replace(s.URL, "https:", "http:", 1), "", "write https:// in endpoint"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, nil, func(cfg *Config) {
				cfg.Endpoint, cfg.CAFile, cfg.Patience = []string{c.url}, c.ca, 2*time.Second
			})
			chunk, l, _ := r.chunkOf(1, one("x"))
			if err := r.Write(t.Context(), "siem", chunk); err == nil || settled(l) {
				t.Fatalf("err %v, settled %v", err, settled(l))
			}
			health := fmt.Sprint(r.p.Health())
			if !strings.Contains(health, c.want) {
				t.Errorf("health says %s, want %q", health, c.want)
			}
		})
	}
}

// A user who may write to one index only: 403 on the other's items, inside an
// answer with status 200.
func TestRealForbiddenIndex(t *testing.T) {
	n, s := secureNode(t)
	user := services.Name("loader")
	mine, other := n.drop(services.Name("out-mine")), n.drop(services.Name("out-theirs"))
	const password = "Loader-Xk29-quite-long!"
	n.must("PUT", "/_plugins/_security/api/roles/"+user, fmt.Sprintf(
		`{"cluster_permissions":["indices:data/write/bulk"],"index_permissions":[{"index_patterns":["%s"],"allowed_actions":["indices:data/write/*","indices:admin/create","indices:admin/mapping/put"]}]}`, mine))
	n.must("PUT", "/_plugins/_security/api/internalusers/"+user, fmt.Sprintf(`{"password":"%s"}`, password))
	n.must("PUT", "/_plugins/_security/api/rolesmapping/"+user, fmt.Sprintf(`{"users":["%s"]}`, user))
	t.Cleanup(func() {
		for _, kind := range []string{"rolesmapping", "internalusers", "roles"} {
			n.do("DELETE", "/_plugins/_security/api/"+kind+"/"+user, "")
		}
	})
	r := newRig(t, nil, func(c *Config) {
		c.Endpoint, c.CAFile = []string{s.URL}, s.CAFile
		c.Auth, c.Username, c.Password = "basic", user, password
		c.Patience = 2 * time.Second
	})
	chunk, l, o := r.chunkOf(20, func(i int) string {
		if i%2 == 0 {
			return mine
		}
		return other
	})
	err := r.Write(t.Context(), "siem", chunk)
	var retry *RetryError
	if !errors.As(err, &retry) || retry.Waiting != 10 || o.Totals().Of(lease.Stored) != 10 || n.count(mine) != 10 || settled(l) {
		t.Fatalf("err %v, books %+v", err, o.Totals())
	}
	if log := r.log.String(); !strings.Contains(log, "class=forbidden") || strings.Contains(log, password) {
		t.Errorf("log:\n%s", log)
	}
	n.must("PUT", "/_plugins/_security/api/roles/"+user,
		`{"cluster_permissions":["indices:data/write/bulk"],"index_permissions":[{"index_patterns":["out-*"],"allowed_actions":["indices:data/write/*","indices:admin/create","indices:admin/mapping/put"]}]}`)
	if err := r.Write(t.Context(), "siem", chunk); err != nil || !settled(l) || n.count(other) != 10 {
		t.Errorf("after the repair: %v, settled %v", err, settled(l))
	}
}
