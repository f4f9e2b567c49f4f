package cluster

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/fluent-siem/fluent-siem/filters/logtype"
	"github.com/fluent-siem/fluent-siem/outputs/opensearch"
	"github.com/fluent-siem/fluent-siem/test/services"
)

// trial is a setup of its own name on a real node, which is shared: its
// templates match indexes of its own prefix only.
type trial struct {
	t   *testing.T
	api *opensearch.Client
	set Settings
	has Features
}

func newTrial(t *testing.T) *trial {
	t.Helper()
	cfg := opensearch.Defaults()
	cfg.Endpoint = []string{services.OpenSearch(t)}
	return trialOn(t, cfg)
}

func trialOn(t *testing.T, cfg opensearch.Config) *trial {
	t.Helper()
	api, err := opensearch.NewClient(cfg, func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(api.Close)
	none := 0
	x := &trial{t: t, api: api, set: DefaultSettings()}
	x.set.Name = services.Name("setup")
	x.set.IndexPrefix, x.set.Replicas, x.set.ClusterSettings = x.set.Name+"-", &none, nil
	if x.has, err = Probe(t.Context(), api, false); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // what a failed test leaves
		ctx := context.WithoutCancel(t.Context())
		_, _, _ = api.Do(ctx, "DELETE", "/"+x.set.Name+"-*", nil)
		if c, err := Open(ctx, api, x.has, x.set.Name); err == nil {
			if steps, err := c.Plan(ctx, nil, true); err == nil {
				_ = c.Apply(ctx, steps, "", func(Step, error) {})
			}
		}
	})
	return x
}

// open opens the cluster anew, as each run of the program does.
func (x *trial) open() *Cluster {
	x.t.Helper()
	c, err := Open(x.t.Context(), x.api, x.has, x.set.Name)
	if err != nil {
		x.t.Fatal(err)
	}
	return c
}

func (x *trial) wanted() []Resource {
	x.t.Helper()
	all, err := Resources(x.set, shipped(x.t), x.has)
	if err != nil {
		x.t.Fatal(err)
	}
	return all
}

// shipped are the shipped log types.
func shipped(t *testing.T) *logtype.Set {
	t.Helper()
	registry, err := logtype.NewRegistry()
	if err != nil {
		t.Fatal(err)
	}
	return registry.Set()
}

func (x *trial) plan(wanted []Resource, force bool) []Step {
	x.t.Helper()
	steps, err := x.open().Plan(x.t.Context(), wanted, force)
	if err != nil {
		x.t.Fatal(err)
	}
	return steps
}

// apply applies and returns what was done.
func (x *trial) apply(wanted []Resource, force bool, backup string) (done []string) {
	x.t.Helper()
	c := x.open()
	steps, err := c.Plan(x.t.Context(), wanted, force)
	if err != nil {
		x.t.Fatal(err)
	}
	if err := c.Apply(x.t.Context(), steps, backup, func(s Step, _ error) { done = append(done, string(s.Action)+" "+s.ID()) }); err != nil {
		x.t.Fatal(err)
	}
	return done
}

func (x *trial) do(method, path, body string, want int) string {
	x.t.Helper()
	var b []byte
	if body != "" {
		b = []byte(body)
	}
	status, answer, err := x.api.Do(x.t.Context(), method, path, b)
	if err != nil || status != want {
		x.t.Fatalf("%s %s: %d %s %v; want %d", method, path, status, answer, err, want)
	}
	return string(answer)
}

// changing are the steps that would change something.
func changing(steps []Step) (ids []string) {
	for _, s := range steps {
		if s.Changes() {
			ids = append(ids, string(s.Action)+" "+s.ID()+" "+strings.Join(s.Diff, " "))
		}
	}
	return ids
}

// TestApplyTwice: the second plan is empty, the second apply does nothing.
func TestApplyTwice(t *testing.T) {
	x := newTrial(t)
	x.set.Rollover = []string{"log-aws-cloudtrail"}
	wanted := x.wanted()
	if n := len(changing(x.plan(wanted, false))); n < 50 {
		t.Errorf("on an empty cluster %d resources are to be made", n)
	}
	if n := len(changing(x.plan(wanted, false))); n < 50 {
		t.Errorf("a plan changed something: now %d resources are to be made", n)
	}
	x.apply(wanted, false, "")
	if more := changing(x.plan(wanted, false)); len(more) > 0 {
		t.Errorf("after apply there is still to do: %v", more)
	}
	if done := x.apply(wanted, false, ""); len(done) > 0 {
		t.Errorf("the second apply did %v", done)
	}
	// Also without the record, as when somebody made the same by other means.
	x.do("DELETE", "/_component_template/"+x.set.Name, "", 200)
	if more := changing(x.plan(wanted, true)); len(more) > 0 {
		t.Errorf("what is as wanted would be replaced: %v", more)
	}
	// The record is gone: the trial removes what it made by name.
	for _, r := range slices.Backward(wanted) {
		if r.Kind == "index template" || r.Kind == "component template" {
			x.do("DELETE", kinds[r.Kind].pathOf(r.Name), "", 200)
		}
	}
}

// TestRemoveLeavesNothingBehind: but an index that holds documents.
func TestRemoveLeavesNothingBehind(t *testing.T) {
	x := newTrial(t)
	x.set.Rollover = []string{"log-aws-cloudtrail", "log-full"}
	x.apply(x.wanted(), false, "")
	alias := x.set.IndexPrefix + "log-full"
	x.do("POST", "/"+alias+"/_doc", `{"@message":"kept"}`, 201)
	backup := t.TempDir()
	x.apply(nil, false, backup)
	x.do("GET", "/_component_template/"+x.set.Name+"-*", "", 404)
	x.do("GET", "/_index_template/"+x.set.Name+"-*", "", 404)
	if indexes := strings.TrimSpace(x.do("GET", "/_cat/indices/"+x.set.Name+"-*?h=index", "", 200)); indexes != alias+"-000001" {
		t.Errorf("indexes left: %q; want the one with a document", indexes)
	}
	left := x.open().made
	if len(left) != 1 || left[0].Name != alias {
		t.Errorf("the record still has %v", left)
	}
	x.do("DELETE", "/"+alias+"-000001", "", 200)
	x.apply(nil, false, "")
	x.do("GET", "/_component_template/"+x.set.Name, "", 404)
	saved, err := filepath.Glob(filepath.Join(backup, "*", "*.json"))
	if err != nil || len(saved) < 50 {
		t.Errorf("%d resources were saved before they were deleted, %v", len(saved), err)
	}
}

// TestOwnChangesStay: what somebody changed or made is kept; with force it is
// replaced, and saved before.
func TestOwnChangesStay(t *testing.T) {
	x := newTrial(t)
	theirs := "/_index_template/" + x.set.Name + "-log-aws-waf"
	x.do("PUT", theirs, `{"index_patterns":["`+x.set.Name+`-theirs-*"],"priority":7}`, 200)
	wanted := x.wanted()
	x.apply(wanted, false, "")
	changed := "/_component_template/" + x.set.Name + "-log-linux"
	x.do("PUT", changed, `{"template":{"settings":{"index":{"refresh_interval":"7s"}}}}`, 200)

	steps := x.plan(wanted, false)
	for path, why := range map[string]string{theirs: "made by somebody else", changed: "changed by somebody"} {
		i := slices.IndexFunc(steps, func(s Step) bool { return path == kinds[s.Kind].pathOf(s.Name) })
		if i < 0 || steps[i].Action != Keep || !strings.Contains(steps[i].Why, why) || len(steps[i].Diff) == 0 {
			t.Errorf("%s: %+v", path, steps[max(i, 0)])
		}
	}
	if done := x.apply(wanted, false, ""); len(done) > 0 {
		t.Errorf("not forced, and did %v", done)
	}
	backup := t.TempDir()
	if done := x.apply(wanted, true, backup); len(done) != 2 {
		t.Errorf("forced, and did %v", done)
	}
	saved, err := os.ReadFile(filepath.Join(backup, "component-template", x.set.Name+"-log-linux.json"))
	if err != nil || !strings.Contains(string(saved), "7s") {
		t.Errorf("what was replaced is not saved: %s %v", saved, err)
	}
	if fi, err := os.Stat(filepath.Join(backup, "component-template", x.set.Name+"-log-linux.json")); err == nil && fi.Mode().Perm() != 0o600 {
		t.Errorf("the backup's mode is %v", fi.Mode())
	}
	if more := changing(x.plan(wanted, false)); len(more) > 0 {
		t.Errorf("after force there is still to do: %v", more)
	}
	// Our own change of mind is no conflict.
	x.set.Shards = map[string]int{"log-linux": 5}
	if done := x.apply(x.wanted(), false, ""); len(done) != 1 {
		t.Errorf("one more shard did %v", done)
	}
	// What is no longer wanted goes, unless somebody changed it.
	fewer := slices.DeleteFunc(x.wanted(), func(r Resource) bool { return strings.HasSuffix(r.Name, "-log-web") && r.Kind == "index template" })
	if done := x.apply(fewer, false, ""); len(done) != 1 || !strings.HasPrefix(done[0], "delete index template") {
		t.Errorf("one resource less did %v", done)
	}
}

// TestAFailedStepIsToldAndTheOthersDone: and the next apply does the rest.
func TestAFailedStepIsToldAndTheOthersDone(t *testing.T) {
	x := newTrial(t)
	wanted := append([]Resource{{"component template", x.set.Name + "-broken", object{"template": object{"mappings": object{"properties": object{"a": object{"type": "no such"}}}}}}}, x.wanted()...)
	c := x.open()
	steps, err := c.Plan(t.Context(), wanted, false)
	if err != nil {
		t.Fatal(err)
	}
	var failed, done int
	err = c.Apply(t.Context(), steps, "", func(_ Step, err error) {
		if err != nil {
			failed++
		} else {
			done++
		}
	})
	if err == nil || !strings.Contains(err.Error(), "-broken") || !strings.Contains(err.Error(), "no such") || failed != 1 || done < 50 {
		t.Errorf("%d failed, %d done: %v", failed, done, err)
	}
}

// TestRollover: the alias that setup makes rolls over, and the next index has
// the same fields.
func TestRollover(t *testing.T) {
	x := newTrial(t)
	x.set.Rollover = []string{"log-aws-cloudtrail"}
	x.apply(x.wanted(), false, "")
	alias := x.set.IndexPrefix + "log-aws-cloudtrail"
	x.do("POST", "/"+alias+"/_doc?refresh=true", `{"eventName":"one","requestParameters":{"bucketName":"b","policy":{"a":[1,{"b":null}]}}}`, 201)
	var rolled struct {
		RolledOver bool   `json:"rolled_over"`
		NewIndex   string `json:"new_index"`
	}
	if err := json.Unmarshal([]byte(x.do("POST", "/"+alias+"/_rollover", `{"conditions":{"max_docs":1}}`, 200)), &rolled); err != nil || !rolled.RolledOver || rolled.NewIndex != alias+"-000002" {
		t.Fatalf("%+v %v", rolled, err)
	}
	x.do("POST", "/"+alias+"/_doc?refresh=true", `{"eventName":"two","requestParameters":{"bucketName":"b"}}`, 201)
	answer := x.do("POST", "/"+alias+"/_search", `{"size":0,"aggs":{"b":{"terms":{"field":"requestParameters.bucketName"}}}}`, 200)
	if !strings.Contains(answer, `"doc_count":2`) {
		t.Errorf("both indexes should count the bucket: %s", answer)
	}
	if more := changing(x.plan(x.wanted(), false)); len(more) > 0 {
		t.Errorf("after a rollover there is to do: %v", more)
	}
}

// TestRolesAreEnough: with the roles that setup makes, each duty can be done,
// and no other (test/services has the security plugin).
func TestRolesAreEnough(t *testing.T) {
	s := services.OpenSearchSecure(t)
	cfg := opensearch.Defaults()
	cfg.Endpoint, cfg.Auth, cfg.Username, cfg.Password, cfg.CAFile = []string{s.URL}, "basic", s.User, s.Password, s.CAFile
	x := trialOn(t, cfg)
	if !x.has.Security {
		t.Fatal("the node has no security plugin")
	}
	users := map[string]string{}
	x.set.Access = map[string]Grant{}
	const password = "Long-and-Str0ng-enough"
	for _, role := range roleNames {
		user := services.Name("setup-" + role)
		users[role] = user
		x.do("PUT", "/_plugins/_security/api/internalusers/"+user, `{"password":"`+password+`"}`, 201)
		t.Cleanup(func() {
			_, _, _ = x.api.Do(context.WithoutCancel(t.Context()), "DELETE", "/_plugins/_security/api/internalusers/"+user, nil)
		})
		x.set.Access[role] = Grant{Users: []string{user}}
	}
	x.apply(x.wanted(), false, "")
	if more := changing(x.plan(x.wanted(), false)); len(more) > 0 {
		t.Errorf("after apply there is still to do: %v", more)
	}
	index := "/" + x.set.IndexPrefix + "log-aws-waf-2024"
	bulk := `{"create":{"_index":"` + index[1:] + `"}}` + "\n" + `{"@message":"m","action":"BLOCK"}` + "\n"
	metric := strings.ReplaceAll(bulk, "log-aws-waf", "metrics-opensearch-index")
	for _, try := range []struct {
		role, method, path, body string
		want                     int
		text                     string
	}{
		{"loader", "POST", "/_bulk?refresh=wait_for", bulk, 200, `"errors":false`},
		{"loader", "POST", "/_bulk", strings.ReplaceAll(bulk, "log-aws-waf", "other"), 200, `"status":403`},
		{"loader", "GET", index + "/_search", "", 403, ""},
		{"loader", "POST", index + "/_mget?_source=false", `{"ids":["none"]}`, 200, `"found":false`},
		{"loader", "GET", index + "/_mapping", "", 200, `"mappings"`},
		{"loader", "DELETE", index, "", 403, ""},
		{"reader", "GET", index + "/_search", "", 200, "BLOCK"},
		{"reader", "POST", "/_bulk", bulk, 200, `"status":403`},
		{"reader", "GET", "/_cat/indices", "", 403, ""},
		{"exporter", "GET", "/_cat/indices?format=json&bytes=b", "", 200, "log-aws-waf"},
		{"exporter", "GET", "/_cat/shards?format=json&bytes=b", "", 200, "log-aws-waf"},
		{"exporter", "GET", "/_stats/docs,store,indexing,search,merge,refresh,segments,fielddata", "", 200, "log-aws-waf"},
		{"exporter", "GET", "/_nodes/stats/fs,jvm,thread_pool,indexing_pressure", "", 200, "thread_pool"},
		{"exporter", "GET", "/_cluster/health", "", 200, "status"},
		{"exporter", "POST", "/_bulk", metric, 200, `"errors":false`},
		{"exporter", "GET", index + "/_search", "", 403, ""},
	} {
		own := cfg
		own.Username, own.Password = users[try.role], password
		api, err := opensearch.NewClient(own, func(err error) { t.Error(err) })
		if err != nil {
			t.Fatal(err)
		}
		var body []byte
		if try.body != "" {
			body = []byte(try.body)
		}
		status, answer, err := api.Do(t.Context(), try.method, try.path, body)
		api.Close()
		if err != nil || status != try.want || !strings.Contains(string(answer), try.text) {
			t.Errorf("%s: %s %s: %d, want %d: %.400s %v", try.role, try.method, try.path, status, try.want, answer, err)
		}
	}
	x.do("DELETE", "/"+x.set.IndexPrefix+"*", "", http.StatusOK)
	x.apply(nil, false, "")
	x.do("GET", "/_plugins/_security/api/roles/"+x.set.Name+"-loader", "", 404)
	x.do("GET", "/_plugins/_security/api/rolesmapping/"+x.set.Name+"-loader", "", 404)
}
