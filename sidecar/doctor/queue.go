package doctor

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// What a queue should be like. The input extends the visibility timeout as long
// as it works; the timeout is what passes until another takes over after a crash.
const (
	minVisibility  = 10 * time.Second // less, and a slow answer of SQS is enough to lose a message
	lowVisibility  = 30 * time.Second
	highVisibility = 15 * time.Minute
	minReceives    = 3 // a crash or two are no reason to give a message up
	lowReceives    = 5
	lowRetention   = 4 * 24 * time.Hour // a long weekend
)

// senders are the services that announce objects.
var senders = []string{"s3.amazonaws.com", "sns.amazonaws.com", "events.amazonaws.com"}

// queues looks at the settings of each queue.
func (x *examination) queues(ctx context.Context) {
	for i, in := range x.plan.Inputs {
		s := x.session(ctx, x.plan.reader(i))
		if s == nil {
			continue
		}
		if x.silent["sqs"] {
			continue // that has been told
		}
		for _, url := range x.plan.queuesOf(i) {
			x.queue(ctx, s, url, url != in.BacklogQueueURL)
		}
	}
}

// queue looks at one; announced says that services send to it, not we.
func (x *examination) queue(ctx context.Context, s *session, url string, announced bool) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	out, err := s.sqs(url).GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameAll}})
	if err != nil { // the permission has been told
		x.say(Untried, "queue", url, "its settings cannot be read: "+said(err), "")
		return
	}
	if s.emulated() {
		x.clock("SQS", dateOf(awsmiddleware.GetRawResponse(out.ResultMetadata)))
	}
	a := attributes(out.Attributes)
	x.visibility(url, a)
	x.redrive(ctx, s, url, a)
	if announced {
		x.encryption(ctx, s, url, a)
		x.permit(url, a)
	}
}

// attributes are those of a queue.
type attributes map[string]string

func (a attributes) seconds(name string) time.Duration {
	n, err := strconv.Atoi(a[name])
	if err != nil {
		return 0
	}
	return time.Duration(n) * time.Second
}

func (x *examination) visibility(url string, a attributes) {
	const check = "visibility timeout"
	const todo = "set VisibilityTimeout of the queue to between 30 s and 2 min: the input extends it while it works"
	switch v := a.seconds("VisibilityTimeout"); {
	case v < minVisibility:
		x.say(Bad, check, url, fmt.Sprintf("%v: messages come again before the input can extend it", v), todo)
	case v < lowVisibility:
		x.say(Doubt, check, url, fmt.Sprintf("%v is little for a moment in which SQS is slow", v), todo)
	case v > highVisibility:
		x.say(Doubt, check, url, fmt.Sprintf("%v: so long nobody takes over what a crashed process had", v), todo)
	default:
		x.say(OK, check, url, v.String(), "")
	}
	const kept = "retention"
	if r := a.seconds("MessageRetentionPeriod"); r < lowRetention {
		x.say(Doubt, kept, url, fmt.Sprintf("%v: if loading stands still longer, messages are lost", r), "set MessageRetentionPeriod of the queue to 14 days")
	} else {
		x.say(OK, kept, url, r.String(), "")
	}
}

// redrive looks at where messages go that are no notifications.
func (x *examination) redrive(ctx context.Context, s *session, url string, a attributes) {
	const check = "redrive"
	var policy struct {
		Target string          `json:"deadLetterTargetArn"`
		Max    json.RawMessage `json:"maxReceiveCount"`
	}
	if err := json.Unmarshal([]byte(a["RedrivePolicy"]), &policy); err != nil || policy.Target == "" {
		x.say(Bad, check, url, "the queue has no dead-letter queue: a message that is no notification comes again for ever", "give the queue a RedrivePolicy with maxReceiveCount 10")
		return
	}
	receives, err := strconv.Atoi(strings.Trim(string(policy.Max), `"`))
	const todo = "set maxReceiveCount of its RedrivePolicy to 10"
	switch {
	case err != nil || receives < minReceives:
		x.say(Bad, check, url, fmt.Sprintf("after %d receives a message goes to the dead-letter queue: each crash and each restart is one", receives), todo)
		return
	case receives < lowReceives:
		x.say(Doubt, check, url, fmt.Sprintf("after %d receives a message goes to the dead-letter queue: each crash and each restart is one", receives), todo)
		return
	}
	name := policy.Target[strings.LastIndexByte(policy.Target, ':')+1:]
	dead, err := s.sqs(url).GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: &name})
	switch {
	case verdictOf(err) == absent:
		x.say(Bad, check, url, "its dead-letter queue "+policy.Target+" does not exist", "make it, or correct the RedrivePolicy")
	case err != nil: // the least policy does not allow this
		x.say(OK, check, url, fmt.Sprintf("after %d receives to %s", receives, name), "")
	default:
		x.say(OK, check, url, fmt.Sprintf("after %d receives to %s", receives, *dead.QueueUrl), "")
	}
}

// encryption finds out whether those who announce objects can encrypt for the queue.
func (x *examination) encryption(ctx context.Context, s *session, url string, a attributes) {
	const check = "encryption grant"
	key := a["KmsMasterKeyId"]
	switch {
	case key == "":
		x.say(OK, check, url, "no key of KMS", "")
		return
	case key == "alias/aws/sqs" || strings.HasSuffix(key, ":alias/aws/sqs"):
		x.say(Bad, check, url, "the queue is encrypted with alias/aws/sqs, which S3, SNS and EventBridge may not use: no object is announced",
			"encrypt the queue with SSE-SQS, or with a key of your own whose policy lets s3.amazonaws.com use it")
		return
	}
	if len(x.plan.Keys) > 0 { // that of the configuration, so its region and account are known
		for _, arn := range x.plan.Keys {
			if strings.HasSuffix(arn, "/"+key) {
				key = arn
			}
		}
	}
	name := "default"
	out, err := s.kms().GetKeyPolicy(ctx, &kms.GetKeyPolicyInput{KeyId: &key, PolicyName: &name})
	switch {
	case err != nil:
		x.say(Untried, check, url, "the policy of its key cannot be read: "+said(err), "see that it lets the service that announces objects use kms:GenerateDataKey and kms:Decrypt")
	case !allows(*out.Policy, "kms:GenerateDataKey"):
		x.say(Bad, check, url, "the policy of its key "+key+" lets none of "+strings.Join(senders, ", ")+" encrypt: no object is announced",
			"allow kms:GenerateDataKey and kms:Decrypt in the key's policy for the service that announces objects")
	default:
		x.say(OK, check, url, key, "")
	}
}

// permit finds out whether those who announce objects may send to the queue.
func (x *examination) permit(url string, a attributes) {
	const check = "queue policy"
	if !allows(a["Policy"], "sqs:SendMessage") {
		x.say(Bad, check, url, "none of "+strings.Join(senders, ", ")+" may send: no object is announced",
			"allow sqs:SendMessage in the queue's policy for the service that announces objects")
		return
	}
	x.say(OK, check, url, "", "")
}

// allows reports whether a policy lets one of the senders do action. Conditions
// are not looked at.
func allows(policy, action string) bool {
	var p struct {
		Statement []struct {
			Effect    string
			Principal json.RawMessage
			Action    texts
		}
	}
	if json.Unmarshal([]byte(policy), &p) != nil {
		return false
	}
	for _, s := range p.Statement {
		var who struct{ Service, AWS texts }
		anyone := string(s.Principal) == `"*"`
		if !anyone && json.Unmarshal(s.Principal, &who) != nil {
			continue
		}
		anyone = anyone || slices.Contains(who.AWS, "*")
		known := slices.ContainsFunc(who.Service, func(service string) bool { return slices.Contains(senders, service) })
		if s.Effect == "Allow" && (anyone || known) && slices.ContainsFunc(s.Action, func(pattern string) bool { return fits(pattern, action) }) {
			return true
		}
	}
	return false
}

// fits reports whether a pattern of a policy names action: case does not count,
// and * is at the end at most, as people write it.
func fits(pattern, action string) bool {
	pattern, action = strings.ToLower(pattern), strings.ToLower(action)
	beginning, many := strings.CutSuffix(pattern, "*")
	return pattern == action || many && strings.HasPrefix(action, beginning)
}

// texts is a list in JSON that may be a single text.
type texts []string

// UnmarshalJSON reads either.
func (t *texts) UnmarshalJSON(text []byte) error {
	var one string
	if json.Unmarshal(text, &one) == nil {
		*t = texts{one}
		return nil
	}
	return json.Unmarshal(text, (*[]string)(t))
}

// buckets finds out whether the named buckets announce their objects to one of
// the queues.
func (x *examination) buckets(ctx context.Context) {
	const check = "notification"
	for i, in := range x.plan.Inputs {
		s := x.session(ctx, x.plan.reader(i))
		if s == nil {
			continue
		}
		if x.silent["s3"] {
			continue
		}
		for _, bucket := range x.plan.Buckets {
			out, err := s.s3().GetBucketNotificationConfiguration(ctx, &s3.GetBucketNotificationConfigurationInput{Bucket: &bucket})
			switch {
			case err != nil:
				x.say(Untried, check, bucket, "whether its objects are announced cannot be read: "+said(err), "")
			case out.EventBridgeConfiguration != nil || len(out.TopicConfigurations) > 0:
				x.say(OK, check, bucket, "through EventBridge or SNS", "")
			case !slices.ContainsFunc(out.QueueConfigurations, func(q s3types.QueueConfiguration) bool { return announces(q, in.QueueURL) }):
				x.say(Bad, check, bucket, "no event s3:ObjectCreated:* of it goes to "+strings.Join(in.QueueURL, ", "), "give the bucket a notification of all object create events to the queue")
			default:
				x.say(OK, check, bucket, "", "")
			}
		}
	}
}

// announces reports whether a notification tells one of the queues of new objects.
func announces(q s3types.QueueConfiguration, queues []string) bool {
	arn := *q.QueueArn
	name := arn[strings.LastIndexByte(arn, ':')+1:]
	created := slices.ContainsFunc(q.Events, func(e s3types.Event) bool { return strings.HasPrefix(string(e), "s3:ObjectCreated") })
	return created && slices.ContainsFunc(queues, func(url string) bool { return strings.HasSuffix(url, "/"+name) })
}
