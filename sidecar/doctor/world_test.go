package doctor

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/fluent-siem/fluent-siem/outputs/opensearch"
	"github.com/fluent-siem/fluent-siem/sidecar/cluster"
	"github.com/fluent-siem/fluent-siem/sidecar/daemon"
	"github.com/fluent-siem/fluent-siem/sidecar/hostconfig"
	"github.com/fluent-siem/fluent-siem/test/services"
)

const region = "eu-west-1"

// world is an account of AWS and a cluster in which everything is right, until
// a test changes it.
type world struct {
	t                     *testing.T
	aws                   aws.Config
	url                   string // of the emulator
	bucket, key, topic    string
	queue, queueARN, dead string // URL, ARN, name
	attributes            map[string]string
	output                map[string]string // settings
	sidecar               string
	opts                  Options
	api                   *opensearch.Client
}

func newWorld(t *testing.T, url string) *world {
	t.Helper()
	for name, value := range map[string]string{"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": region, "AWS_EC2_METADATA_DISABLED": "true", "AWS_ENDPOINT_URL": url} {
		t.Setenv(name, value)
	}
	cfg, err := config.LoadDefaultConfig(t.Context(), config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "secret", "")))
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, aws: cfg, url: url, bucket: services.Name("logs"), dead: services.Name("dead"), output: map[string]string{}, attributes: map[string]string{}, opts: Options{Setup: cluster.DefaultSettings()}}
	key, err := w.kms().CreateKey(t.Context(), &kms.CreateKeyInput{Policy: aws.String(grant("s3.amazonaws.com", "kms:GenerateDataKey*", "kms:Decrypt"))})
	w.must(err)
	w.key = *key.KeyMetadata.Arn
	topic, err := sns.NewFromConfig(cfg).CreateTopic(t.Context(), &sns.CreateTopicInput{Name: aws.String(services.Name("alert"))})
	w.must(err)
	w.topic = *topic.TopicArn
	_, err = w.sqs().CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: &w.dead})
	w.must(err)
	name := services.Name("siem")
	w.queueARN = fmt.Sprintf("arn:aws:sqs:%s:123456789012:%s", region, name)
	made, err := w.sqs().CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: &name})
	w.must(err)
	w.queue = *made.QueueUrl
	w.set(map[string]string{"VisibilityTimeout": "60", "MessageRetentionPeriod": "1209600", "KmsMasterKeyId": w.key,
		"RedrivePolicy": w.redriveTo(w.dead, 10), "Policy": grant("s3.amazonaws.com", "sqs:SendMessage")})
	_, err = w.s3().CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &w.bucket, CreateBucketConfiguration: &types.CreateBucketConfiguration{LocationConstraint: region}})
	w.must(err)
	w.announce(types.EventS3ObjectCreated)
	_, err = w.s3().PutObject(t.Context(), &s3.PutObjectInput{Bucket: &w.bucket, Key: aws.String("AWSLogs/a.log"), Body: strings.NewReader("one line\n")})
	w.must(err)
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) s3() *s3.Client {
	return s3.NewFromConfig(w.aws, func(o *s3.Options) { o.UsePathStyle = true })
}
func (w *world) sqs() *sqs.Client { return sqs.NewFromConfig(w.aws) }
func (w *world) kms() *kms.Client { return kms.NewFromConfig(w.aws) }

// set changes attributes of the queue. All are sent: moto forgets the policy otherwise.
func (w *world) set(attributes map[string]string) {
	w.t.Helper()
	maps.Copy(w.attributes, attributes)
	_, err := w.sqs().SetQueueAttributes(w.t.Context(), &sqs.SetQueueAttributesInput{QueueUrl: &w.queue, Attributes: w.attributes})
	w.must(err)
}

func (w *world) redriveTo(queue string, receives int) string {
	return fmt.Sprintf(`{"deadLetterTargetArn":"arn:aws:sqs:%s:123456789012:%s","maxReceiveCount":%d}`, region, queue, receives)
}

// announce gives the bucket a notification of an event, none for "".
func (w *world) announce(event types.Event) {
	w.t.Helper()
	var to types.NotificationConfiguration
	if event != "" {
		to.QueueConfigurations = []types.QueueConfiguration{{QueueArn: &w.queueARN, Events: []types.Event{event}}}
	}
	_, err := w.s3().PutBucketNotificationConfiguration(w.t.Context(), &s3.PutBucketNotificationConfigurationInput{Bucket: &w.bucket, NotificationConfiguration: &to})
	w.must(err)
}

// grant is a policy that lets a service do actions.
func grant(service string, actions ...string) string {
	type object = map[string]any
	text, err := json.Marshal(object{"Version": "2012-10-17", "Statement": []object{
		{"Effect": "Allow", "Principal": object{"Service": service}, "Action": actions, "Resource": "*"}}})
	if err != nil {
		panic(err) // it has nothing that JSON has not
	}
	return string(text)
}

// useCluster sets a cluster up, under a name of its own, and connects the output.
func (w *world) useCluster(s services.Secure) {
	w.t.Helper()
	w.output = map[string]string{"endpoint": s.URL, "auth": "basic", "username": s.User, "password": s.Password, "ca_file": s.CAFile, "dead_letters": w.t.TempDir()}
	none := 0
	w.opts.Setup.Name = services.Name("doctor")
	w.opts.Setup.IndexPrefix, w.opts.Setup.Replicas, w.opts.Setup.ClusterSettings = w.opts.Setup.Name+"-", &none, nil
	cfg := w.plan().Outputs[0]
	api, err := opensearch.NewClient(cfg, func(err error) { w.t.Error(err) })
	w.must(err)
	w.t.Cleanup(api.Close)
	w.api = api
	has, err := cluster.Probe(w.t.Context(), api, false)
	w.must(err)
	wanted, err := cluster.Resources(w.opts.Setup, w.opts.LogTypes, has)
	w.must(err)
	wanted = slices.DeleteFunc(wanted, func(r cluster.Resource) bool { return !strings.HasSuffix(r.Kind, "template") })
	open := func() *cluster.Cluster {
		c, err := cluster.Open(w.t.Context(), api, has, w.opts.Setup.Name)
		w.must(err)
		return c
	}
	do := func(c *cluster.Cluster, wanted []cluster.Resource) {
		steps, err := c.Plan(w.t.Context(), wanted, true)
		w.must(err)
		w.must(c.Apply(w.t.Context(), steps, w.t.TempDir(), func(s cluster.Step, err error) {
			if err != nil {
				w.t.Errorf("%s: %v", s.ID(), err)
			}
		}))
	}
	do(open(), wanted)
	cleanup := w.opts.Setup.Name
	w.t.Cleanup(func() {
		ctx := contextWithout(w.t)
		if c, err := cluster.Open(ctx, api, has, cleanup); err == nil {
			if steps, err := c.Plan(ctx, nil, true); err == nil {
				_ = c.Apply(ctx, steps, "", func(cluster.Step, error) {})
			}
		}
	})
}

// plan reads the configuration as an operator writes it.
func (w *world) plan() *Plan {
	w.t.Helper()
	text := fmt.Sprintf("[INPUT]\n name s3_sqs\n queue_url %s\n region %s\n endpoint %s\n aws_sts_endpoint %[3]s\n split_records 5000\n", w.queue, region, w.url)
	text += fmt.Sprintf("[FILTER]\n name siem_ecs\n region %s\n endpoint %s\n exclude_parameters /siem/exclude\n", region, w.url)
	if len(w.output) > 0 {
		text += "[OUTPUT]\n name opensearch_bulk\n"
		for key, value := range w.output {
			text += " " + key + " " + value + "\n"
		}
	}
	p := &Plan{Buckets: []string{w.bucket}, Keys: []string{w.key}}
	dir := w.t.TempDir()
	path := filepath.Join(dir, "pipeline.conf")
	w.must(os.WriteFile(path, []byte(text), 0o600))
	file, err := hostconfig.Read(path, os.LookupEnv)
	w.must(err)
	w.must(p.AddPipeline(file))
	if w.sidecar != "" {
		path := filepath.Join(dir, "sidecar.yaml")
		w.must(os.WriteFile(path, []byte(w.sidecar), 0o600))
		cfg, err := daemon.Load(path)
		w.must(err)
		p.AddSidecar(cfg)
	}
	if w.opts.LogTypes == nil {
		w.opts.LogTypes, err = p.LogTypes()
		w.must(err)
	}
	return p
}

// bad examines, and returns what is bad, as "check: found", sorted.
func (w *world) bad() (list []string) {
	w.t.Helper()
	n := 0
	Examine(w.t.Context(), w.plan(), w.opts, func(f Finding) {
		n++
		if f.Status == Bad {
			list = append(list, f.Check+": "+f.Found)
			if f.Todo == "" {
				w.t.Errorf("%s: nobody says what to do", f.Check)
			}
		}
	})
	if n < 10 {
		w.t.Errorf("only %d findings", n)
	}
	slices.Sort(list)
	return list
}

// iam calls an action of IAM, whose client would be a dependency for a test
// alone, and returns the answer.
func (w *world) iam(action string, parameters ...string) string {
	w.t.Helper()
	form := url.Values{"Action": {action}, "Version": {"2010-05-08"}}
	for i := 0; i < len(parameters); i += 2 {
		form.Set(parameters[i], parameters[i+1])
	}
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.url, strings.NewReader(form.Encode()))
	w.must(err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260101/us-east-1/iam/aws4_request, SignedHeaders=host, Signature=none")
	res, err := http.DefaultClient.Do(req)
	w.must(err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	w.must(err)
	if res.StatusCode != http.StatusOK {
		w.t.Fatalf("%s: %s: %s", action, res.Status, text)
	}
	return string(text)
}
