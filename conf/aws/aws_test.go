// Package aws_test holds the template of this folder to cfn-lint, to an emulator
// that makes a stack of it, and to what the configurations beside it need.
package aws_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/fluent-siem/fluent-siem/sidecar/cluster"
	"github.com/fluent-siem/fluent-siem/sidecar/daemon"
	"github.com/fluent-siem/fluent-siem/sidecar/doctor"
	"github.com/fluent-siem/fluent-siem/sidecar/hostconfig"
	"github.com/fluent-siem/fluent-siem/test/services"
)

const (
	template = "fluent-siem.yaml"
	account  = "123456789012" // moto's
	region   = "eu-west-1"
	domain   = "siem"
)

// TestTemplateIsValid: cfn-lint has nothing to say, not even a warning.
func TestTemplateIsValid(t *testing.T) {
	lint := exec.Command(filepath.Join(services.Home(t, "cfn-lint"), "bin/cfn-lint"), "--regions", "eu-west-1,us-east-1,ap-northeast-1", "--", template)
	if out, err := lint.CombinedOutput(); err != nil || len(strings.TrimSpace(string(out))) > 0 {
		t.Errorf("cfn-lint: %v\n%s", err, out)
	}
}

// stack is what a moto of its own made of the template: it cannot delete one.
type stack struct {
	t       *testing.T
	url     string
	name    string
	outputs map[string]string
}

var output = regexp.MustCompile(`(?s)<OutputKey>([^<]+)</OutputKey>\s*<OutputValue>([^<]*)</OutputValue>`)

func newStack(t *testing.T, parameters ...string) *stack {
	t.Helper()
	text, err := os.ReadFile(template)
	if err != nil {
		t.Fatal(err)
	}
	s := &stack{t: t, url: services.MotoAlone(t).URL, name: services.Name("siem"), outputs: map[string]string{}}
	call := []string{"StackName", s.name, "TemplateBody", string(text), "Capabilities.member.1", "CAPABILITY_IAM"}
	parameters = append(parameters, "DomainName", domain, "DomainEndpoint", "https://search-siem-abc123."+region+".es.amazonaws.com")
	for i := 0; i < len(parameters); i += 2 {
		key := fmt.Sprintf("Parameters.member.%d.Parameter", i/2+1)
		call = append(call, key+"Key", parameters[i], key+"Value", parameters[i+1])
	}
	s.call("cloudformation", "CreateStack", call...)
	described := s.call("cloudformation", "DescribeStacks", "StackName", s.name)
	if !strings.Contains(described, "<StackStatus>CREATE_COMPLETE</StackStatus>") {
		t.Fatalf("the stack was not made: %s", described)
	}
	for _, m := range output.FindAllStringSubmatch(described, -1) {
		s.outputs[m[1]] = m[2]
	}
	return s
}

// call calls an action of moto and returns the answer. A client for each
// service would be three dependencies for a test.
func (s *stack) call(service, action string, parameters ...string) string {
	s.t.Helper()
	form := url.Values{"Action": {action}, "Version": {map[string]string{"cloudformation": "2010-05-15", "iam": "2010-05-08"}[service]}}
	for i := 0; i < len(parameters); i += 2 {
		form.Set(parameters[i], parameters[i+1])
	}
	req, err := http.NewRequest(http.MethodPost, s.url, strings.NewReader(form.Encode()))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260101/"+region+"/"+service+"/aws4_request, SignedHeaders=host, Signature=none")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		s.t.Fatalf("%s: %s, %v: %s", action, res.Status, err, text)
	}
	return string(text)
}

var document = regexp.MustCompile(`<Document>([^<]*)</Document>`)

// policy is the document of a managed policy.
func (s *stack) policy(arn string) doctor.Document {
	s.t.Helper()
	m := document.FindStringSubmatch(s.call("iam", "GetPolicyVersion", "PolicyArn", arn, "VersionId", "v1"))
	if m == nil {
		s.t.Fatalf("%s has no document", arn)
	}
	text, err := url.PathUnescape(m[1])
	if err != nil {
		s.t.Fatal(err)
	}
	text = strings.NewReplacer("&quot;", `"`, "&amp;", "&").Replace(text)
	var d doctor.Document
	if err := json.Unmarshal([]byte(text), &d); err != nil {
		s.t.Fatalf("%s: %v", text, err)
	}
	return d
}

// environment sets the variables of the configurations to the stack's outputs.
func (s *stack) environment() {
	queue := s.outputs["QueueUrl"]
	for name, value := range map[string]string{
		"QUEUE_URL": "https://sqs." + region + ".amazonaws.com/" + account + queue[strings.LastIndexByte(queue, '/'):], "AWS_REGION": region,
		"OPENSEARCH_URL": s.outputs["OpenSearchUrl"], "DEAD_LETTER_BUCKET": s.outputs["DeadLetterBucketName"], "KMS_KEY": s.outputs["KeyArn"],
		"ALERT_TOPIC": s.outputs["AlertTopicArn"], "LISTEN": "127.0.0.1:9598", "MAXMIND_ACCOUNT": "1", "MAXMIND_LICENCE_KEY": "key",
		"AWS_ENDPOINT_URL": s.url, "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_EC2_METADATA_DISABLED": "true",
	} {
		s.t.Setenv(name, value)
	}
}

func (s *stack) plan(pipeline, sidecar string) *doctor.Plan {
	s.t.Helper()
	p := &doctor.Plan{Buckets: []string{s.outputs["LogBucketName"]}, Keys: []string{s.outputs["KeyArn"]}}
	if pipeline != "" {
		file, err := hostconfig.Read(pipeline, os.LookupEnv)
		if err == nil && len(file.Warnings) > 0 {
			err = fmt.Errorf("%v", file.Warnings)
		}
		if err = cmp.Or(err, p.AddPipeline(file)); err != nil {
			s.t.Fatal(err)
		}
	}
	if sidecar != "" {
		cfg, err := daemon.Load(sidecar)
		if err != nil {
			s.t.Fatal(err)
		}
		p.AddSidecar(cfg)
	}
	return p
}

// TestPoliciesAreThoseOfTheConfigurations: the roles of the template may do what
// `fluent-siem policy` prints, and nothing else.
func TestPoliciesAreThoseOfTheConfigurations(t *testing.T) {
	s := newStack(t)
	s.environment()
	for arn, plan := range map[string]*doctor.Plan{
		s.outputs["AgentPolicyArn"]:   s.plan("fluent-bit.yaml", ""),
		s.outputs["SidecarPolicyArn"]: s.plan("", "sidecar.yaml"),
	} {
		want, _ := plan.Policy("")
		for i := range want.Statement { // a URL does not say the domain's account
			for j, r := range want.Statement[i].Resource {
				want.Statement[i].Resource[j] = strings.Replace(r, ":*:domain/", ":"+account+":domain/", 1)
			}
		}
		got, wanted := pretty(t, s.policy(arn)), pretty(t, want)
		if got != wanted {
			t.Errorf("%s:\n%s\nthe configuration needs:\n%s", arn, got, wanted)
		}
	}
}

func pretty(t *testing.T, d doctor.Document) string {
	t.Helper()
	for _, s := range d.Statement {
		slices.Sort(s.Action)
	}
	text, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// lacking is what moto leaves out of stacks, or gives back in another form.
var lacking = map[string]string{
	"encryption grant": "the policy of a key comes back as an object, not as text",
	"queue policy":     "AWS::SQS::QueuePolicy is not made",
	"notification":     "NotificationConfiguration of a bucket is not made",
}

// TestDoctorFindsNothingBadInTheStack but the domain, which the emulator does
// not have, and what is lacking.
func TestDoctorFindsNothingBadInTheStack(t *testing.T) {
	s := newStack(t)
	s.environment()
	plan := s.plan("fluent-bit.yaml", "sidecar.yaml")
	for i := range plan.Outputs {
		plan.Outputs[i].Endpoint = nil
	}
	for i := range plan.Watched {
		plan.Watched[i].Endpoint = nil
	}
	types, err := plan.LogTypes()
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	doctor.Examine(t.Context(), plan, doctor.Options{Setup: cluster.DefaultSettings(), LogTypes: types}, func(f doctor.Finding) {
		found++
		if f.Status != doctor.OK && lacking[f.Check] == "" {
			t.Errorf("%+v", f)
		}
	})
	if found < 15 {
		t.Errorf("only %d findings", found)
	}
}

// TestQueuesOfOtherAccounts: with them come their permissions.
func TestQueuesOfOtherAccounts(t *testing.T) {
	s := newStack(t,
		"ControlTowerQueueArn", "arn:aws:sqs:eu-west-1:210987654321:tower", "ControlTowerRoleArn", "arn:aws:iam::210987654321:role/tower",
		"SecurityLakeQueueArn", "arn:aws:sqs:eu-west-1:210987654321:lake", "SecurityLakeRoleArn", "arn:aws:iam::210987654321:role/lake")
	resources := s.call("cloudformation", "ListStackResources", "StackName", s.name)
	for _, name := range []string{"ControlTowerQueuePolicy", "ControlTowerRolePolicy", "SecurityLakeQueuePolicy", "SecurityLakeRolePolicy"} {
		if !strings.Contains(resources, "<LogicalResourceId>"+name+"</LogicalResourceId>") {
			t.Errorf("the stack has no %s", name)
		}
	}
}
