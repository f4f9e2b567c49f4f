package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// answers is a cluster that knows some answers: "METHOD path" → status, body.
// What nobody serves is answered as OpenSearch does.
type answers map[string]struct {
	status int
	body   string
}

func (a answers) Do(_ context.Context, method, path string, _ []byte) (int, []byte, error) {
	if is, ok := a[method+" "+path]; ok {
		return is.status, []byte(is.body), nil
	}
	return 400, []byte(fmt.Sprintf(`{"error":"no handler found for uri [%s] and method [%s]"}`, path, method)), nil
}

// TestProbe: which versions are known, and what a cluster without plugins lacks.
func TestProbe(t *testing.T) {
	root := func(distribution, number, tagline string) answers {
		return answers{"GET /": {200, fmt.Sprintf(`{"version":{"distribution":%q,"number":%q},"tagline":%q}`, distribution, number, tagline)}}
	}
	compatible := root("opensearch", "7.10.2", "The OpenSearch Project: https://opensearch.org/")
	compatible["GET /_nodes/_all?filter_path=nodes.*.version"] = struct {
		status int
		body   string
	}{200, `{"nodes":{"a":{"version":"2.19.4"},"b":{"version":"2.17.0"}}}`}
	for _, try := range []struct {
		api     answers
		version string
		flat    bool
		problem string
	}{
		{root("opensearch", "2.19.4", ""), "2.19.4", true, ""},
		{root("opensearch", "3.6.0", ""), "3.6.0", true, ""},
		{root("opensearch", "2.17.1", ""), "2.17.1", false, ""},
		{compatible, "2.17.0", false, ""},
		{root("opensearch", "1.3.20", ""), "", false, "OpenSearch 1.3.20; setup knows 2.x and 3.x"},
		{root("opensearch", "4.0.0", ""), "", false, "OpenSearch 4.0.0"},
		{root("", "8.15.0", "You Know, for Search"), "", false, `not OpenSearch but says "You Know, for Search"`},
		{answers{"GET /": {401, "Unauthorized"}}, "", false, "correct username and password"},
	} {
		got, err := Probe(t.Context(), try.api, false)
		switch {
		case try.problem != "":
			if err == nil || !strings.Contains(err.Error(), try.problem) {
				t.Errorf("%v: %v, want %q", try.api, err, try.problem)
			}
		case err != nil || got != Features{Version: try.version, Flat: try.flat}:
			t.Errorf("%v: %+v %v", try.api, got, err)
		}
	}
	if got, err := Probe(t.Context(), answers{}, true); err != nil || !got.Serverless {
		t.Errorf("a collection: %+v %v", got, err)
	}
}

// everything are settings that ask for each kind of resource there is.
const everything = `
rollover: [log-aws-cloudtrail]
tiers: ultrawarm
lifecycle:
  default: {warm: 30d, cold: 90d, delete: 400d}
  log-aws-vpcflowlogs: {delete: 90d}
access: {loader: {backend_roles: [r]}, reader: {users: [u]}, exporter: {hosts: [h]}}
snapshots: {repository: {type: s3, settings: {bucket: b}}}
notifications: {sns_topic_arn: "arn:aws:sns:eu-west-1:123456789012:siem-alert"}
`

func resources(t *testing.T, settings string, has Features) []Resource {
	t.Helper()
	set, err := ReadSettings([]byte(settings))
	if err != nil {
		t.Fatal(err)
	}
	all, err := Resources(set, shipped(t), has)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestServerlessSkipsAllButTemplates, with a reason each, and without flat objects.
func TestServerlessSkipsAllButTemplates(t *testing.T) {
	has := Features{Serverless: true}
	for _, r := range resources(t, everything, has) {
		why := ""
		if k := kinds[r.Kind]; k.lacks != nil {
			why = k.lacks(r, has)
		}
		if template := strings.HasSuffix(r.Kind, " template"); template != (why == "") {
			t.Errorf("%s: skipped because %q", r.ID(), why)
		}
		if b, err := json.Marshal(r.Body); err != nil || strings.Contains(string(b), "flat_object") || strings.Contains(string(b), "index_state_management") {
			t.Errorf("%s has what Serverless refuses: %v", r.ID(), err)
		}
	}
}

// TestShippedSettings: conf/setup.yaml can be used as it is.
func TestShippedSettings(t *testing.T) {
	text, err := os.ReadFile("../../conf/setup.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if all := resources(t, string(text), Features{ISM: true}); len(all) < 60 {
		t.Errorf("%d resources", len(all))
	}
}

// The documented actions of a policy, each with its parameters, and the documented
// conditions (docs.opensearch.org, "Index State Management", policies; those of
// storage tiers from the developer guide of OpenSearch Service).
var (
	actions = map[string][]string{
		"rollover":       {"min_size", "min_primary_shard_size", "min_doc_count", "min_index_age", "copy_alias"},
		"force_merge":    {"max_num_segments", "wait_for_completion", "task_execution_timeout"},
		"allocation":     {"require", "include", "exclude", "wait_for"},
		"warm_migration": {},
		"cold_migration": {"timestamp_field", "start_time", "end_time", "ignore"},
		"cold_delete":    {},
		"delete":         {},
		"replica_count":  {"number_of_replicas"},
		"read_only":      {},
		"index_priority": {"priority"},
		"snapshot":       {"repository", "snapshot"},
		"notification":   {"destination", "channel", "message_template"},
	}
	conditions = []string{"min_index_age", "min_rollover_age", "min_doc_count", "min_size", "cron"}
)

// TestPoliciesAreValid by the documented schema: known actions with known
// parameters, states that exist and can be reached, one condition a transition,
// and an end for what is to be deleted.
func TestPoliciesAreValid(t *testing.T) {
	checked := 0
	for _, tiers := range []string{"tiers: ultrawarm", "tiers: attribute:temp"} {
		for _, r := range resources(t, strings.Replace(everything, "tiers: ultrawarm", tiers, 1), Features{ISM: true, Flat: true}) {
			if r.Kind == "ISM policy" {
				checked++
				checkPolicy(t, r)
			}
		}
	}
	if checked != 6 {
		t.Errorf("%d policies were made, want 6", checked)
	}
}

func checkPolicy(t *testing.T, r Resource) {
	t.Helper()
	b, err := json.Marshal(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	var body struct {
		Policy struct {
			Description  string `json:"description"`
			DefaultState string `json:"default_state"`
			States       []struct {
				Name        string                      `json:"name"`
				Actions     []map[string]map[string]any `json:"actions"`
				Transitions []struct {
					State      string            `json:"state_name"`
					Conditions map[string]string `json:"conditions"`
				} `json:"transitions"`
			} `json:"states"`
			Template []struct {
				Patterns []string `json:"index_patterns"`
				Priority int      `json:"priority"`
			} `json:"ism_template"`
		} `json:"policy"`
	}
	d := json.NewDecoder(strings.NewReader(string(b)))
	d.DisallowUnknownFields()
	if err := d.Decode(&body); err != nil {
		t.Fatalf("%s: %v in %s", r.Name, err, b)
	}
	p := body.Policy
	reached := []string{p.DefaultState}
	for _, s := range p.States {
		if !slices.Contains(reached, s.Name) {
			t.Errorf("%s: state %s is never reached", r.Name, s.Name)
		}
		if s.Actions == nil || s.Transitions == nil {
			t.Errorf("%s: state %s lacks its lists", r.Name, s.Name)
		}
		for _, a := range s.Actions {
			for name, parameters := range a {
				known, ok := actions[name]
				if !ok {
					t.Errorf("%s: %s is no action", r.Name, name)
				}
				for key := range parameters {
					if !slices.Contains(known, key) {
						t.Errorf("%s: %s has no parameter %s", r.Name, name, key)
					}
				}
			}
			if len(a) != 1 {
				t.Errorf("%s: %v is not one action", r.Name, a)
			}
		}
		for _, next := range s.Transitions {
			reached = append(reached, next.State)
			if len(next.Conditions) != 1 {
				t.Errorf("%s: to %s: %v is not one condition", r.Name, next.State, next.Conditions)
			}
			for name, age := range next.Conditions {
				if !slices.Contains(conditions, name) || minutesOf(age) == 0 {
					t.Errorf("%s: to %s: %s %s", r.Name, next.State, name, age)
				}
			}
		}
	}
	if len(p.States) != len(reached) || len(p.Template) != 1 || len(p.Template[0].Patterns) != 1 || p.Description == "" {
		t.Errorf("%s: %d states for %v; %+v", r.Name, len(p.States), reached, p.Template)
	}
}

// TestPluginsAreAskedAsTheyWant: a policy is replaced only as it was looked at,
// and what the cluster adds is no change.
func TestPluginsAreAskedAsTheyWant(t *testing.T) {
	for _, r := range resources(t, everything, Features{ISM: true, Flat: true}) {
		k := kinds[r.Kind]
		path := k.pathOf(r.Name)
		switch r.Kind {
		case "ISM policy":
			shown := canon(r.Body)
			policy := shown["policy"].(object)
			policy["policy_id"], policy["last_updated_time"], policy["schema_version"], policy["error_notification"] = r.Name, 1.0, 21.0, nil
			policy["ism_template"].([]any)[0].(object)["last_updated_time"] = 1.0
			there := object{"_seq_no": 7.0, "_primary_term": 2.0, "policy": policy}
			if !covers(k.current(r.Name, there), canon(r.Body)) {
				t.Errorf("%s: what the cluster adds is taken for a change: %v", r.ID(), diff(k.current(r.Name, there), canon(r.Body)))
			}
			if method, to, _ := k.put(r, path, there); method != "PUT" || to != path+"?if_primary_term=2&if_seq_no=7" {
				t.Errorf("%s is replaced by %s %s", r.ID(), method, to)
			}
		case "snapshot policy":
			if method, to, _ := k.put(r, path, nil); method != "POST" || to != path {
				t.Errorf("%s is made by %s %s", r.ID(), method, to)
			}
		case "notification channel":
			method, to, body := k.put(r, path, nil)
			if method != "POST" || to != "/_plugins/_notifications/configs/" || body.(object)["config_id"] != r.Name {
				t.Errorf("%s is made by %s %s %v", r.ID(), method, to, body)
			}
			if method, to, _ = k.put(r, path, object{}); method != "PUT" || to != path {
				t.Errorf("%s is replaced by %s %s", r.ID(), method, to)
			}
		}
	}
}

// TestSettingsReportEveryProblem at once.
func TestSettingsReportEveryProblem(t *testing.T) {
	_, err := ReadSettings([]byte("name: A B\nlifecycle: {x: {warm: 3w, cold: 1d, delete: 1h}}\naccess: {writer: {}}\ntiers: ssd\nreplicas: -1\nnotifications: {}\nsnapshots: {keep: never}\n"))
	if err == nil {
		t.Fatal("all wrong, and accepted")
	}
	for _, part := range []string{"name:", "lifecycle.x.warm:", "lifecycle.x.delete:", "access.writer:", "tiers:", "replicas:", "notifications:", "snapshots.repository.type:", "snapshots.keep:"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q is not told in\n%v", part, err)
		}
	}
	if _, err := ReadSettings([]byte("nmae: x")); err == nil {
		t.Error("an unknown key is accepted")
	}
}
