package doctor

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/fluent-siem/fluent-siem/plugins/s3sqs"
	"github.com/fluent-siem/fluent-siem/test/services"
)

func contextWithout(t *testing.T) context.Context { return context.WithoutCancel(t.Context()) }

// TestEveryActionCanBeTried: no row of the table without a try, no try without a row.
func TestEveryActionCanBeTried(t *testing.T) {
	var named []string
	for _, n := range Needs {
		named = append(named, n.Actions...)
	}
	slices.Sort(named)
	if tried := slices.Sorted(maps.Keys(tries)); !slices.Equal(slices.Compact(named), tried) {
		t.Errorf("needed %v, tried %v", named, tried)
	}
}

// TestEachMissingPermissionIsNamed: a user has what the policy says, less one
// action; moto enforces it, and exactly that action is found. With the whole
// policy nothing is.
func TestEachMissingPermissionIsNamed(t *testing.T) {
	moto := services.MotoAlone(t)
	w := newWorld(t, moto.URL)
	w.sidecar = fmt.Sprintf("region: %s\nendpoint: %s\nindicators: {feeds: [{name: own, url: s3://%s/}], publish: s3://%[3]s/x.ioc}\nthrottle: {take: 'ssm:/siem/order', sns_topic: '%s'}\n",
		region, moto.URL, w.bucket, w.topic)
	plan := w.plan()
	plan.Throttle[0].Publish = "ssm:/siem/order"
	policy, _ := plan.Policy("")
	var actions []string
	for _, s := range policy.Statement {
		actions = append(actions, s.Action...)
	}
	slices.Sort(actions)
	actions = slices.Compact(actions)
	if len(actions) < 14 {
		t.Fatalf("the policy has %v only", actions)
	}
	for _, missing := range append([]string{""}, actions...) {
		t.Run(strings.ReplaceAll(missing, ":", " "), func(t *testing.T) {
			w.t = t
			moto.Enforce(false)
			w.loginWith(slices.DeleteFunc(slices.Clone(actions), func(a string) bool { return a == missing }))
			moto.Enforce(true)
			defer moto.Enforce(false)
			var bad []string
			Examine(t.Context(), plan, w.opts, func(f Finding) {
				if f.Status == Bad {
					bad = append(bad, f.Check)
				}
			})
			slices.Sort(bad)
			want := []string{"permission " + missing}
			if missing == "" {
				want = nil
			}
			if got := slices.Compact(bad); !slices.Equal(got, want) {
				t.Errorf("bad: %v, want %v", got, want)
			}
		})
	}
}

// TestNoAnswerIsNoPermission: of a service that is not there nothing is ok.
func TestNoAnswerIsNoPermission(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	const nobody = "http://127.0.0.1:1"
	in := s3sqs.Defaults()
	in.QueueURL, in.Endpoint, in.Region = []string{nobody + "/123456789012/siem"}, nobody, region
	bad := 0
	Examine(t.Context(), &Plan{Inputs: []s3sqs.Config{in}, Buckets: []string{"logs"}}, Options{}, func(f Finding) {
		if f.Status == OK {
			t.Errorf("ok: %+v", f)
		}
		if f.Status == Bad && strings.HasSuffix(f.Found, "connection refused") {
			bad++
		}
	})
	if bad != 2 {
		t.Errorf("%d are bad, want one for SQS and one for S3; the others are untried", bad)
	}
}

// loginWith makes a user who may do actions, and its keys ours. Resources are
// left out: moto has those of S3 only, and writes them in its own way.
func (w *world) loginWith(actions []string) {
	w.t.Helper()
	user := services.Name("user")
	policy, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": []any{map[string]any{"Effect": "Allow", "Action": actions, "Resource": "*"}}})
	w.must(err)
	w.iam("CreateUser", "UserName", user)
	w.iam("PutUserPolicy", "UserName", user, "PolicyName", "p", "PolicyDocument", string(policy))
	key := w.iam("CreateAccessKey", "UserName", user)
	w.t.Setenv("AWS_ACCESS_KEY_ID", between(key, "<AccessKeyId>", "<"))
	w.t.Setenv("AWS_SECRET_ACCESS_KEY", between(key, "<SecretAccessKey>", "<"))
}

func between(text, before, after string) string {
	_, text, _ = strings.Cut(text, before)
	text, _, _ = strings.Cut(text, after)
	return text
}
