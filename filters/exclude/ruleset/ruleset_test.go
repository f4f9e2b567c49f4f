package ruleset

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"go.uber.org/goleak"

	"github.com/fluent-siem/fluent-siem/internal/process"
	"github.com/fluent-siem/fluent-siem/test/services"
	"github.com/fluent-siem/fluent-siem/test/services/awsemu"
)

// heard keeps the texts of log records.
type heard struct {
	mu    sync.Mutex
	lines []string
}

func (h *heard) Enabled(context.Context, slog.Level) bool { return true }
func (h *heard) WithAttrs([]slog.Attr) slog.Handler       { return h }
func (h *heard) WithGroup(string) slog.Handler            { return h }
func (h *heard) Handle(_ context.Context, r slog.Record) error {
	line := r.Message
	r.Attrs(func(a slog.Attr) bool { line += " " + a.String(); return true })
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lines = append(h.lines, line)
	return nil
}

// count is how many lines hold every one of the words.
func (h *heard) count(words ...string) (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, l := range h.lines {
		if !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(l, w) }) {
			n++
		}
	}
	return n
}

func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(25 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never came: %s", what)
		}
	}
}

// judge is what the rules of now do with a document of CloudTrail.
func judge(s *Store, document string) string {
	_, action := s.Load().For("cloudtrail").Match([]byte(document))
	return action.String()
}

func open(t *testing.T, cfg Config) (*Store, *process.Process, *heard) {
	t.Helper()
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	t.Setenv("AWS_MAX_ATTEMPTS", "1")
	if cfg.Interval == 0 {
		cfg.Interval = 20 * time.Millisecond
	}
	p, log := process.New(), new(heard)
	s, err := Open(cfg, p, slog.New(log))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s, p, log
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

const header = "log_type,field,pattern,pattern_type,comment\n"

func TestPlaceThatCannotBeReadChangesNothing(t *testing.T) {
	cloud := services.AWS(t)
	if err := cloud.CreateBucket("rules"); err != nil {
		t.Fatal(err)
	}
	put := func(text string) {
		t.Helper()
		if _, err := cloud.Put("rules", "exclude_log_patterns.csv", []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	s, p, log := open(t, Config{S3: []string{"s3://rules/exclude_log_patterns.csv"}, AWS: AWS{S3Endpoint: cloud.URL}})
	if len(p.Health()) != 1 || !strings.Contains(p.Health()[0].Problem, "nothing is excluded by it yet") {
		t.Errorf("health without an object: %v", p.Health())
	}
	put(header + "cloudtrail,eventName,List.*,regex,\ncloudtrail,eventName,a(?!b),regex,\n")
	await(t, "rules of the object", func() bool { return judge(s, `{"eventName":"ListBuckets"}`) == "exclude" })
	await(t, "health", func() bool { return len(p.Health()) == 0 })
	if log.count("not used", "(?!") != 1 {
		t.Error("a rule that cannot be used is not told once")
	}

	end := cloud.Fault(awsemu.Fault{Operation: "GetObject", Status: 403, Code: "AccessDenied"})
	await(t, "an error in the health", func() bool { return len(p.Health()) == 1 })
	problem := p.Health()[0].Problem
	if !strings.Contains(problem, "AccessDenied") || !strings.Contains(problem, "last good rules stay") {
		t.Errorf("health: %s", problem)
	}
	if judge(s, `{"eventName":"ListBuckets"}`) != "exclude" {
		t.Error("an error took the rules away")
	}
	end()
	await(t, "an end of the problem", func() bool { return len(p.Health()) == 0 })

	put("no header\nat all\n")
	await(t, "a refusal", func() bool { return len(p.Health()) == 1 })
	if judge(s, `{"eventName":"ListBuckets"}`) != "exclude" {
		t.Error("an object without one good rule took the rules away")
	}
	put(header)
	await(t, "no rules", func() bool { return judge(s, `{"eventName":"ListBuckets"}`) == "keep" })
	if n := log.count("cannot be refreshed", "AccessDenied"); n != 1 {
		t.Errorf("the error was said %d times", n)
	}
}

// Patterns and conditions of several objects count together, and a place that
// is ill does not touch the others.
func TestPlacesCountTogether(t *testing.T) {
	cloud := services.AWS(t)
	if err := cloud.CreateBucket("rules"); err != nil {
		t.Fatal(err)
	}
	for key, text := range map[string]string{
		"a/patterns.csv":    header + "cloudtrail,eventName,Get.*,regex,\n",
		"a/conditions.yaml": "- {log_type: cloudtrail, expression: \"eventName == 'Put'\"}\n",
	} {
		if _, err := cloud.Put("rules", key, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	s, p, _ := open(t, Config{S3: []string{"s3://rules/a/patterns.csv", "s3://rules/none.csv", "s3://rules/a/conditions.yaml"}, AWS: AWS{S3Endpoint: cloud.URL}})
	if judge(s, `{"eventName":"GetX"}`) != "exclude" || judge(s, `{"eventName":"Put"}`) != "exclude" || s.Load().Len() != 2 {
		t.Errorf("%d rules", s.Load().Len())
	}
	if h := p.Health(); len(h) != 1 || !strings.Contains(h[0].Component, "s3://rules/none.csv") {
		t.Errorf("health: %v", h)
	}
	if n := cloud.Requests("GetObject"); n < 3 {
		t.Errorf("Open returned after %d requests", n)
	}
}

// parameterStore is SSM as far as GetParametersByPath goes.
type parameterStore struct {
	mu         sync.Mutex
	parameters [][2]string
	failPage   int // 1, 2, …; 0: none
	paths      []string
}

func (ps *parameterStore) set(failPage int, parameters ...[2]string) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	ps.parameters, ps.failPage = parameters, failPage
}

func (ps *parameterStore) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	var in struct {
		Path, NextToken string
		Recursive       bool
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil || r.Header.Get("X-Amz-Target") != "AmazonSSM.GetParametersByPath" || !in.Recursive {
		http.Error(w, `{"__type":"ValidationException"}`, http.StatusBadRequest)
		return
	}
	ps.paths = append(ps.paths, in.Path)
	at, _ := strconv.Atoi(in.NextToken)
	if ps.failPage == at/2+1 {
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"__type":"AccessDeniedException","message":"not allowed"}`)
		return
	}
	var out struct {
		Parameters []map[string]string
		NextToken  string `json:",omitempty"`
	}
	for _, p := range ps.parameters[at:min(at+2, len(ps.parameters))] {
		out.Parameters = append(out.Parameters, map[string]string{"Name": p[0], "Value": p[1]})
	}
	if at+2 < len(ps.parameters) {
		out.NextToken = strconv.Itoa(at + 2)
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	_ = json.NewEncoder(w).Encode(out)
}

func condition(name, action, expression string) [2]string {
	value, _ := json.Marshal(map[string]string{"action": action, "expression": expression})
	return [2]string{"/prod/exclude/cloudtrail/" + name, string(value)}
}

func TestParametersOfAllPagesOrNone(t *testing.T) {
	ps := new(parameterStore)
	server := httptest.NewServer(ps)
	defer server.Close()
	five := [][2]string{condition("a", "COUNT", "n==`1`"), condition("b", "exclude", "n==`2`"), condition("c", "DISABLE", "n==`3`"), condition("d", "EXCLUDE", "n==`4`"), condition("e", "EXCLUDE", "n==`5`")}
	ps.set(0, five...)
	s, p, _ := open(t, Config{Parameters: "/prod/exclude", AWS: AWS{SSMEndpoint: server.URL}})
	verdicts := func() (all string) {
		for n := range 6 {
			all += judge(s, fmt.Sprintf(`{"n":%d}`, n))[:1]
		}
		return all
	}
	if got := verdicts(); got != "kcekee" { // Open waited for all three pages
		t.Fatalf("verdicts %s", got)
	}
	ps.set(3, append(five, condition("f", "EXCLUDE", "n==`0`"))...)
	await(t, "an error of the last page", func() bool { return len(p.Health()) == 1 })
	if got := verdicts(); got != "kcekee" {
		t.Errorf("after an error on one page: %s", got)
	}
	ps.set(0, five[:2]...)
	await(t, "what is removed is no rule", func() bool { return verdicts() == "kcekkk" })
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if ps.paths[0] != "/prod/exclude" {
		t.Errorf("asked for %q", ps.paths[0])
	}
}

// The same against an independent emulator, with more than a page of ten.
func TestParameterStore(t *testing.T) {
	url := services.Moto(t)
	path := "/" + services.Name("siem") + "/exclude-logs"
	s, _, _ := open(t, Config{Parameters: path, AWS: AWS{SSMEndpoint: url}, Interval: 50 * time.Millisecond})
	cloud, err := newClients(AWS{SSMEndpoint: url})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 23 {
		value := condition("", "EXCLUDE", fmt.Sprintf("n==`%d`", i))[1]
		await(t, "a parameter that is put", func() bool { // the emulator closes a connection now and then
			_, err := cloud.ssm.PutParameter(t.Context(), &ssm.PutParameterInput{Name: aws.String(fmt.Sprintf("%s/cloudtrail/rule%02d", path, i)), Value: &value, Type: types.ParameterTypeString, Overwrite: aws.Bool(true)})
			return err == nil
		})
	}
	await(t, "23 rules", func() bool { return s.Load().Len() == 23 })
	if judge(s, `{"n":22}`) != "exclude" || judge(s, `{"n":23}`) != "keep" {
		t.Error("the rules are not those in the store")
	}
}

func TestLocalConditions(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "trail.yaml"), "- {log_type: cloudtrail, name: lists, action: count, expression: \"starts_with(eventName, 'List')\"}\n- {log_type: cloudtrail, expression: \"eventName == 'Gone'\"}\n")
	write(t, filepath.Join(dir, "printed.json"), `{"Parameters":[{"Name":"/siem/exclude-logs/cloudtrail/heads","Type":"String","Value":"{\"action\":\"EXCLUDE\",\"expression\":\"eventName=='Head'\"}"}]}`)
	csv := filepath.Join(t.TempDir(), "patterns.csv")
	write(t, csv, header+"cloudtrail,eventName,Get.*,regex,\n")
	s, p, log := open(t, Config{Patterns: csv, Conditions: dir})
	for event, want := range map[string]string{"ListX": "count", "Gone": "exclude", "Head": "exclude", "GetX": "exclude", "PutX": "keep"} {
		if got := judge(s, `{"eventName":"`+event+`"}`); got != want {
			t.Errorf("%s: %s, want %s", event, got, want)
		}
	}
	if rule, _ := s.Load().For("cloudtrail").Match([]byte(`{"eventName":"GetX"}`)); rule != "pattern in line 2 of patterns.csv: eventName" {
		t.Errorf("the rule is called %q", rule)
	}
	write(t, filepath.Join(dir, "trail.yaml"), "- {log_type: cloudtrail, expression: \"eventName == 'New'\"}\n")
	await(t, "the changed file", func() bool {
		return judge(s, `{"eventName":"New"}`) == "exclude" && judge(s, `{"eventName":"ListX"}`) == "keep"
	})
	if err := os.Remove(csv); err != nil {
		t.Fatal(err)
	}
	await(t, "a missing file", func() bool { return len(p.Health()) == 1 })
	if judge(s, `{"eventName":"GetX"}`) != "exclude" {
		t.Error("a removed file took its rules away")
	}
	s.Close()
	if len(p.Health()) != 0 {
		t.Error("a closed store is still ill")
	}
	if log.count("panic") != 0 {
		t.Error(log.lines)
	}
}

// TestNothingIsLeftBehind: a Store that is closed has no goroutine, and no
// connection.
func TestNothingIsLeftBehind(t *testing.T) {
	cloud := services.AWS(t)
	if err := cloud.CreateBucket("left"); err != nil {
		t.Fatal(err)
	}
	if _, err := cloud.Put("left", "rules.csv", []byte(header+"cloudtrail,eventName,Get.*,regex,\n")); err != nil {
		t.Fatal(err)
	}
	others := goleak.IgnoreCurrent()
	s, _, _ := open(t, Config{S3: []string{"s3://left/rules.csv"}, AWS: AWS{S3Endpoint: cloud.URL}})
	await(t, "the rules", func() bool { return judge(s, `{"eventName":"GetX"}`) == "exclude" })
	s.Close()
	if err := goleak.Find(others); err != nil {
		t.Error(err)
	}
}

func TestFailedConditionsAreCounted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.yaml")
	write(t, path, "- {log_type: cloudtrail, expression: \"contains(absent, 'x')\"}\n")
	s, p, _ := open(t, Config{Conditions: path})
	judge(s, `{}`)
	judge(s, `{}`)
	s.Close()
	families, err := p.Metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "siem_exclude_condition_errors_total" && f.GetMetric()[0].GetCounter().GetValue() == 2 {
			return
		}
	}
	t.Error("two failed evaluations are not counted")
}

func TestOpenRefusesWhatCannotBeRepaired(t *testing.T) {
	for _, name := range []string{"AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"} {
		t.Setenv(name, "")
	}
	t.Setenv("AWS_CONFIG_FILE", filepath.Join(t.TempDir(), "none"))
	for want, cfg := range map[string]Config{
		"need a region":     {S3: []string{"s3://b/k"}},
		"write it like s3:": {S3: []string{"b/k"}, AWS: AWS{Region: "eu-west-1"}},
	} {
		if _, err := Open(cfg, process.New(), nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v", cfg, err)
		}
	}
}

func TestReadTellsEveryRuleThatCannotBeUsed(t *testing.T) {
	dir := t.TempDir()
	csv, conditions := filepath.Join(dir, "p.csv"), filepath.Join(dir, "c.json")
	write(t, csv, header+"cloudtrail,a,x(?=y),regex,\ncloudtrail,a,b,text,\n")
	write(t, conditions, `[{"log_type":"cloudtrail","name":"n","expression":"("}]`)
	rules, err := Read(Config{Patterns: csv, Conditions: conditions, S3: []string{"s3://not/asked"}})
	if err == nil || !strings.Contains(err.Error(), "line 2 of p.csv") || !strings.Contains(err.Error(), "c.json: n") || rules.Len() != 1 {
		t.Errorf("%d rules: %v", rules.Len(), err)
	}
	if _, err := Read(Config{Patterns: filepath.Join(dir, "none")}); err == nil {
		t.Error("a missing file is no error")
	}
	if rules, err := Read(Config{}); err != nil || rules.Len() != 0 {
		t.Errorf("nothing named: %v", err)
	}
}

func TestPause(t *testing.T) {
	for _, c := range []struct {
		failures int
		random   float64
		want     time.Duration
	}{{0, 0, 270 * time.Second}, {0, 0.5, 300 * time.Second}, {1, 0.5, 10 * time.Second}, {3, 0.5, 40 * time.Second}, {9, 0.5, 300 * time.Second}, {1 << 20, 0, 270 * time.Second}} {
		if got := pause(5*time.Minute, c.failures, c.random); got != c.want {
			t.Errorf("after %d failures: %v, want %v", c.failures, got, c.want)
		}
	}
}

func TestFilesOfConditions(t *testing.T) {
	for input, want := range map[string]string{
		"x: 1":     "no list of conditions",
		"- {a: 1}": "no list of conditions",
		"- {log_type: t, action: DROP, expression: a}": "none of COUNT",
		"- {action: COUNT, expression: a}":             "names no log type",
	} {
		if _, problems := parseConditions(text{"c.yaml", []byte(input)}); len(problems) != 1 || !strings.Contains(problems[0].Error(), want) {
			t.Errorf("%s: %v", input, problems)
		}
	}
	if rules, problems := parseConditions(text{"c.yaml", nil}); rules.Len() != 0 || len(problems) != 0 {
		t.Errorf("an empty file: %v", problems)
	}
}
