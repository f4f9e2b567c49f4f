package doctor

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/fluent-siem/fluent-siem/test/services"
)

// TestEachPlantedMisconfigurationIsFound: from a world in which everything is
// right, one thing is made wrong, and that and nothing else is bad.
func TestEachPlantedMisconfigurationIsFound(t *testing.T) {
	secure := services.OpenSearchSecure(t)
	moto := services.Moto(t)
	base := newWorld(t, moto)
	base.useCluster(secure)
	plain := services.OpenSearch(t)
	for name, c := range map[string]struct {
		plant func(w *world)
		want  []string // beginnings of what is bad, sorted
	}{
		"nothing": {func(*world) {}, nil},
		"the queue does not exist": {func(w *world) { w.queue += "x" },
			[]string{"permission sqs:ChangeMessageVisibility:", "permission sqs:DeleteMessage:", "permission sqs:GetQueueAttributes:", "permission sqs:ReceiveMessage:", "permission sqs:SendMessage:",
				"notification:"}},
		"messages are visible at once": {func(w *world) { w.set(map[string]string{"VisibilityTimeout": "5"}) }, []string{"visibility timeout: 5s"}},
		"no dead-letter queue":         {func(w *world) { w.set(map[string]string{"RedrivePolicy": ""}) }, []string{"redrive: the queue has no dead-letter queue"}},
		"messages are given up early":  {func(w *world) { w.set(map[string]string{"RedrivePolicy": w.redriveTo(w.dead, 1)}) }, []string{"redrive: after 1 receives"}},
		"the queue has AWS's key":      {func(w *world) { w.set(map[string]string{"KmsMasterKeyId": "alias/aws/sqs"}) }, []string{"encryption grant: the queue is encrypted with alias/aws/sqs"}},
		"the key is not for S3": {func(w *world) {
			_, err := w.kms().PutKeyPolicy(w.t.Context(), &kms.PutKeyPolicyInput{KeyId: &w.key, PolicyName: aws.String("default"), Policy: aws.String(grant("logs.amazonaws.com", "kms:*"))})
			w.must(err)
		}, []string{"encryption grant: the policy of its key"}},
		"S3 may not send":         {func(w *world) { w.set(map[string]string{"Policy": grant("lambda.amazonaws.com", "sqs:*")}) }, []string{"queue policy: none of"}},
		"the bucket is silent":    {func(w *world) { w.announce("") }, []string{"notification: no event"}},
		"only deletions are told": {func(w *world) { w.announce(types.EventS3ObjectRemoved) }, []string{"notification: no event"}},
		"the bucket does not exist": {func(w *world) { w.bucket += "x" },
			[]string{"permission s3:GetObject: NoSuchBucket", "permission s3:GetObjectVersion: NoSuchBucket", "permission s3:ListBucket: NoSuchBucket"}},
		"nobody listens":                 {func(w *world) { w.output["endpoint"] = "https://localhost:1" }, []string{`endpoint: "GET" "https://localhost:1/": dial tcp`}},
		"the certificate is not trusted": {func(w *world) { delete(w.output, "ca_file") }, []string{`endpoint: "GET" "` + secure.URL + `/": tls: failed to verify certificate`}},
		"the certificate has another's name": {func(w *world) {
			w.output["endpoint"] = strings.Replace(w.output["endpoint"], "localhost", "127.0.0.2", 1)
		}, []string{"endpoint: "}},
		"no TLS is spoken there": {func(w *world) { w.output["endpoint"] = strings.Replace(plain, "http://", "https://", 1) }, []string{"endpoint: "}},
		"the password is wrong":  {func(w *world) { w.output["password"] = "wrong" }, []string{"endpoint: the cluster does not know us (401)"}},
		"the user may not write": {func(w *world) { w.output["username"], w.output["password"] = w.reader(secure) }, []string{"permission to write: the cluster refuses to store (403)"}},
		"there are no templates": {func(w *world) { w.opts.Setup.IndexPrefix, w.opts.Setup.Name = "other-", services.Name("other") }, []string{"templates: "}},
		"the clock is ahead":     {func(w *world) { w.opts.Now = func() time.Time { return time.Now().Add(7 * time.Minute) } }, []string{"clock: this machine is 7m", "clock: this machine is 7m"}},
		"the certificate has ended": {func(w *world) { w.opts.Now = func() time.Time { return time.Now().Add(2 * 365 * 24 * time.Hour) } },
			[]string{"certificate: it has ended", "clock: ", "clock: "}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, moto)
			w.output, w.opts = maps.Clone(base.output), base.opts
			c.plant(w)
			got := w.bad()
			want := slices.Sorted(slices.Values(c.want))
			if !slices.EqualFunc(got, want, strings.HasPrefix) {
				t.Errorf("bad:\n  %s\nwant:\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
			}
		})
	}
}

// TestAnExaminationMakesNoIndex: what tries to write leaves nothing.
func TestAnExaminationMakesNoIndex(t *testing.T) {
	w := newWorld(t, services.Moto(t))
	w.useCluster(services.OpenSearchSecure(t))
	if bad := w.bad(); len(bad) > 0 {
		t.Errorf("bad: %v", bad)
	}
	status, answer, err := w.api.Do(t.Context(), http.MethodGet, "/_cat/indices/"+w.opts.Setup.IndexPrefix+"*?h=index", nil)
	if err != nil || status != http.StatusOK || len(answer) > 0 {
		t.Errorf("%d, %v: there are indexes: %s", status, err, answer)
	}
}

// reader makes a user of the secure node who may read only.
func (w *world) reader(s services.Secure) (user, password string) {
	w.t.Helper()
	client, err := s.Client()
	w.must(err)
	user, password = services.Name("reader"), "Reader-of-logs-1!"
	put := func(method, path, body string) {
		req, err := http.NewRequestWithContext(contextWithout(w.t), method, s.URL+path, strings.NewReader(body))
		w.must(err)
		req.SetBasicAuth(s.User, s.Password)
		req.Header.Set("Content-Type", "application/json")
		res, err := client.Do(req)
		w.must(err)
		defer res.Body.Close()
		if res.StatusCode >= 300 {
			w.t.Errorf("%s %s: %s", method, path, res.Status)
		}
	}
	role := map[string]any{"cluster_permissions": []string{"cluster:monitor/*", "indices:admin/index_template/get", "cluster:admin/component_template/get", "indices:admin/template/get", "cluster_monitor"},
		"index_permissions": []any{map[string]any{"index_patterns": []string{"*"}, "allowed_actions": []string{"read", "indices:monitor/*", "indices:admin/aliases/get", "indices:admin/get"}}}}
	text, err := json.Marshal(role)
	w.must(err)
	put("PUT", "/_plugins/_security/api/roles/"+user, string(text))
	put("PUT", "/_plugins/_security/api/internalusers/"+user, `{"password":"`+password+`","opendistro_security_roles":["`+user+`"]}`)
	w.t.Cleanup(func() {
		put("DELETE", "/_plugins/_security/api/internalusers/"+user, "")
		put("DELETE", "/_plugins/_security/api/roles/"+user, "")
	})
	return user, password
}

// TestAnExaminationChangesNothing: neither a message's receive count, nor
// objects, uploads, messages or documents.
func TestAnExaminationChangesNothing(t *testing.T) {
	w := newWorld(t, services.Moto(t))
	_, err := w.sqs().PurgeQueue(t.Context(), &sqs.PurgeQueueInput{QueueUrl: &w.queue}) // what the bucket announced
	w.must(err)
	_, err = w.sqs().SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &w.queue, MessageBody: aws.String("hello")})
	w.must(err)
	w.sidecar = "region: " + region + "\nendpoint: " + w.url + "\nindicators: {publish: s3://" + w.bucket + "/x.ioc}\nthrottle: {take: 'ssm:/doctor/" + w.bucket + "'}\n"
	if bad := w.bad(); len(bad) > 1 { // the parameter to take is not there
		t.Errorf("bad: %v", bad)
	}
	got, err := w.sqs().ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &w.queue, MaxNumberOfMessages: 10,
		MessageSystemAttributeNames: []sqstypes.MessageSystemAttributeName{sqstypes.MessageSystemAttributeNameApproximateReceiveCount}})
	w.must(err)
	if len(got.Messages) != 1 || got.Messages[0].Attributes["ApproximateReceiveCount"] != "1" {
		t.Errorf("the queue has %+v, want the one message, never received", got.Messages)
	}
	objects, err := w.s3().ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: &w.bucket})
	w.must(err)
	uploads, err := w.s3().ListMultipartUploads(t.Context(), &s3.ListMultipartUploadsInput{Bucket: &w.bucket})
	w.must(err)
	if len(objects.Contents) != 1 || len(uploads.Uploads) != 0 {
		t.Errorf("the bucket has %d objects and %d uploads, want 1 and 0", len(objects.Contents), len(uploads.Uploads))
	}
}

// TestARefusingDomainIsNamed: a domain that allows GET only, as OpenSearch
// Service says it.
func TestARefusingDomainIsNamed(t *testing.T) {
	domain := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			rw.WriteHeader(http.StatusForbidden)
			_, _ = rw.Write([]byte(`{"Message":"User: arn:aws:sts::123456789012:assumed-role/siem/x is not authorized to perform: es:ESHttpPost"}`)) // the test looks at what arrived
		}
	}))
	defer domain.Close()
	w := newWorld(t, services.Moto(t))
	w.output = map[string]string{"endpoint": domain.URL, "auth": "sigv4", "aws_region": region, "dead_letters": t.TempDir()}
	var found []string
	Examine(t.Context(), w.plan(), w.opts, func(f Finding) {
		if f.Status == Bad && f.Of == domain.URL {
			found = append(found, f.Check+": "+f.Found)
		}
	})
	if len(found) != 1 || !strings.HasPrefix(found[0], "permission es:ESHttpPost: this identity may not: status 403") {
		t.Errorf("found %q", found)
	}
}
