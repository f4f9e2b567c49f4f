package doctor

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/fluent-siem/fluent-siem/internal/deadletter"
)

// Identity is who asks AWS, where.
type Identity struct {
	Role       string // the ARN of the role that is acted as; "" is our own identity
	ExternalID string
	Region     string
	// Endpoints in place of AWS's; Any is for services that have none of their own.
	S3, SQS, SSM, STS, Any string
	OwnS3                  bool // S3 is asked with buckets in the path
}

// Resource is what a permission is for.
type Resource struct {
	ARN  string
	Name string // what the API takes: a queue's URL, bucket/key, a parameter, an ARN
}

// Grant is who needs a permission, and on what.
type Grant struct {
	As        Identity
	Resources []Resource
}

// Need is a row of the table: actions that a setting makes necessary.
type Need struct {
	ID      string // of the statement in a policy
	Setting string // as the operator writes it
	Actions []string
	Why     string
	Of      func(*Plan) []Grant
}

// Needs are all permissions there are.
var Needs = []Need{
	{"ReadQueue", "queue_url, backlog_queue_url", []string{"sqs:ReceiveMessage", "sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes"},
		"notifications are received, held while their records are loaded, and deleted when each has a verdict", queues(false)},
	{"MoveBacklog", "backlog_queue_url", []string{"sqs:SendMessage"},
		"messages of objects that are not fresh are moved to that queue", backlog},
	{"SplitObjects", "split_records", []string{"sqs:SendMessage"},
		"the rest of a large object is announced to the queue again", queues(true)},
	{"ReadLogs", "queue_url", []string{"s3:GetObject", "s3:GetObjectVersion"},
		"the announced objects are read, in the version that was announced", logs("/*")},
	{"TellGoneFromDenied", "queue_url", []string{"s3:ListBucket"},
		"without it S3 answers 403 for an object that was deleted, and its notification would wait for a permission for ever", logs("")},
	{"Decrypt", "queue_url, url, take, sns_topic", []string{"kms:Decrypt"},
		"the objects, the queue or the topic are encrypted with a key of KMS", decrypt},
	{"AssumeRole", "assume_role_arn, bucket_roles", []string{"sts:AssumeRole"},
		"the configuration names a role to act as", roles},
	{"UseDomain", "auth sigv4", []string{"es:ESHttpPost", "es:ESHttpGet"},
		"documents are written to the domain of OpenSearch Service, mappings read to repair refused ones, and its state watched", clusters("es")},
	{"UseCollection", "auth sigv4", []string{"aoss:APIAccessAll"},
		"documents are written to the collection, whose data access policy must name the same identity", clusters("aoss")},
	{"WriteDeadLetters", "dead_letters", []string{"s3:PutObject"},
		"what cannot be stored is kept in the bucket", deadLetters},
	{"EncryptDeadLetters", "dead_letter_kms_key", []string{"kms:GenerateDataKey"},
		"dead letters are encrypted with that key", deadLetterKeys},
	{"ReadExclusions", "exclude_s3", []string{"s3:GetObject"},
		"rules for records that are not wanted are read", exclusions},
	{"ReadExclusionParameters", "exclude_parameters", []string{"ssm:GetParametersByPath"},
		"conditions for records that are not wanted are read", exclusionParameters},
	{"ReadFeeds", "url, take", []string{"s3:GetObject"},
		"the sidecar takes databases, indicators or orders from buckets", feedObjects},
	{"ListFeeds", "url", []string{"s3:ListBucket"},
		"the sidecar reads every file of a folder of indicators", feedFolders},
	{"ReadOrders", "throttle.take", []string{"ssm:GetParameter"},
		"the sidecar takes the fleet's order to load less from a parameter", orderParameters},
	{"Publish", "publish, index_metrics.bucket", []string{"s3:PutObject"},
		"the sidecar puts tables, orders or metrics into buckets", publishedObjects},
	{"PublishOrders", "throttle.publish", []string{"ssm:PutParameter"},
		"the sidecar gives a fleet its order through a parameter", publishedParameters},
	{"EncryptPublished", "publish, index_metrics.bucket, sns_topic", []string{"kms:GenerateDataKey"},
		"what the sidecar writes or tells is encrypted with a key of KMS", publishedKeys},
	{"TellPeople", "throttle.sns_topic", []string{"sns:Publish"},
		"people hear when inputs are held back", topics},
}

// reader is who an input is.
func (p *Plan) reader(i int) Identity {
	in := p.Inputs[i]
	return Identity{in.AssumeRoleARN, in.ExternalID, in.Region, cmp.Or(in.S3Endpoint, in.Endpoint), cmp.Or(in.SQSEndpoint, in.Endpoint), "", in.STSEndpoint, in.Endpoint,
		in.Endpoint != "" || in.S3Endpoint != ""}
}

// ruler is who a filter is when it reads exclusion rules.
func (p *Plan) ruler(i int) Identity {
	f := p.Filters[i]
	return Identity{f.AssumeRoleARN, f.ExternalID, f.Region, cmp.Or(f.S3Endpoint, f.Endpoint), "", cmp.Or(f.SSMEndpoint, f.Endpoint), f.STSEndpoint, f.Endpoint,
		f.Endpoint != "" || f.S3Endpoint != ""}
}

// sidecar is who the sidecar is.
func (p *Plan) sidecar() Identity {
	e := p.Sidecar.Endpoint
	return Identity{"", "", p.Sidecar.Region, e, e, e, e, e, e != ""}
}

// queuesOf are those that an input reads.
func (p *Plan) queuesOf(i int) []string {
	in := p.Inputs[i]
	if in.BacklogQueueURL == "" {
		return in.QueueURL
	}
	return append(slices.Clone(in.QueueURL), in.BacklogQueueURL)
}

func queues(split bool) func(*Plan) []Grant {
	return func(p *Plan) (list []Grant) {
		for i, in := range p.Inputs {
			if split && in.SplitRecords == 0 {
				continue
			}
			g := Grant{As: p.reader(i)}
			for _, q := range p.queuesOf(i) {
				g.Resources = append(g.Resources, Resource{queueARN(q, in.Region), q})
			}
			list = append(list, g)
		}
		return list
	}
}

func backlog(p *Plan) (list []Grant) {
	for i, in := range p.Inputs {
		if q := in.BacklogQueueURL; q != "" {
			list = append(list, Grant{p.reader(i), []Resource{{queueARN(q, in.Region), q}}})
		}
	}
	return list
}

// logs are the buckets whose objects are announced; those of bucket_roles are
// the roles' to read.
func logs(objects string) func(*Plan) []Grant {
	return func(p *Plan) (list []Grant) {
		for i, in := range p.Inputs {
			bucket := func(name string) Resource { return Resource{s3ARN(in.Region, name+objects), name + objects} }
			for _, r := range bucketRoles(in.BucketRoles) {
				as := p.reader(i)
				as.Role, as.ExternalID = r.role, cmp.Or(r.externalID, in.ExternalID)
				list = append(list, Grant{as, []Resource{bucket(r.bucket)}})
			}
			g := Grant{As: p.reader(i)}
			for _, b := range p.Buckets {
				g.Resources = append(g.Resources, bucket(b))
			}
			if len(p.Buckets) == 0 {
				g.Resources = []Resource{bucket("*")}
			}
			list = append(list, g)
		}
		return list
	}
}

// bucketRole is an item of bucket_roles: bucket=role, bucket=role;external-id.
type bucketRole struct{ bucket, role, externalID string }

func bucketRoles(items []string) (list []bucketRole) {
	for _, text := range items {
		bucket, role, _ := strings.Cut(text, "=")
		role, id, _ := strings.Cut(role, ";")
		list = append(list, bucketRole{strings.TrimSpace(bucket), strings.TrimSpace(role), strings.TrimSpace(id)})
	}
	return list
}

func (p *Plan) keys() (list []Resource) {
	for _, k := range p.Keys {
		list = append(list, Resource{k, k})
	}
	return list
}

func decrypt(p *Plan) (list []Grant) {
	if len(p.Keys) == 0 {
		return nil
	}
	for i := range p.Inputs {
		list = append(list, Grant{p.reader(i), p.keys()})
	}
	if len(feedObjects(p)) > 0 || len(topics(p)) > 0 {
		list = append(list, Grant{p.sidecar(), p.keys()})
	}
	return list
}

func roles(p *Plan) (list []Grant) {
	add := func(role string, as Identity) {
		if role != "" {
			as.Role = ""
			list = append(list, Grant{as, []Resource{{role, role}}})
		}
	}
	for i, in := range p.Inputs {
		as := p.reader(i)
		add(in.AssumeRoleARN, as)
		for _, r := range bucketRoles(in.BucketRoles) {
			as.ExternalID = cmp.Or(r.externalID, in.ExternalID)
			add(r.role, as)
		}
	}
	for i, f := range p.Filters {
		add(f.AssumeRoleARN, p.ruler(i))
	}
	for _, out := range p.connections() {
		if out.Auth == "sigv4" {
			add(out.AssumeRoleARN, Identity{ExternalID: out.ExternalID, Region: out.AWSRegion})
		}
	}
	return list
}

// clusters are the domains or collections that requests are signed for.
func clusters(service string) func(*Plan) []Grant {
	return func(p *Plan) (list []Grant) {
		for _, out := range p.connections() {
			if out.Auth != "sigv4" || out.Serverless() != (service == "aoss") {
				continue
			}
			g := Grant{As: Identity{Role: out.AssumeRoleARN, ExternalID: out.ExternalID, Region: out.AWSRegion}}
			for _, e := range out.Endpoint {
				g.Resources = append(g.Resources, Resource{clusterARN(service, e, out.AWSRegion), e})
			}
			list = append(list, g)
		}
		return list
	}
}

func deadLetters(p *Plan) (list []Grant) {
	for _, out := range p.Outputs {
		if bucket, prefix, ok, err := deadletter.ParseS3(out.DeadLetters); ok && err == nil {
			name := bucket + "/" + prefix + "*"
			list = append(list, Grant{Identity{Region: out.DeadLetterRegion}, []Resource{{s3ARN(out.DeadLetterRegion, name), name}}})
		}
	}
	return list
}

func deadLetterKeys(p *Plan) (list []Grant) {
	for _, out := range p.Outputs {
		if k := out.DeadLetterKMSKey; k != "" {
			key := Resource{k, k}
			if !strings.HasPrefix(k, "arn:") {
				key.ARN = arn("kms", out.DeadLetterRegion, "*", "key/"+k)
			}
			list = append(list, Grant{Identity{Region: out.DeadLetterRegion}, []Resource{key}})
		}
	}
	return list
}

func exclusions(p *Plan) (list []Grant) {
	for i, f := range p.Filters {
		for _, u := range f.ExcludeS3 {
			name := strings.TrimPrefix(u, "s3://")
			list = append(list, Grant{p.ruler(i), []Resource{{s3ARN(f.Region, name), name}}})
		}
	}
	return list
}

func exclusionParameters(p *Plan) (list []Grant) {
	for i, f := range p.Filters {
		if path := strings.Trim(f.ExcludeParameters, "/"); path != "" {
			here := func(name string) Resource { return Resource{arn("ssm", f.Region, "*", "parameter/"+name), "/" + name} }
			list = append(list, Grant{p.ruler(i), []Resource{here(path), here(path + "/*")}})
		}
	}
	return list
}

// places are those of a list that begin with scheme, as the resources that
// resource makes of what is behind it.
func (p *Plan) places(list []string, scheme string, resource func(string) Resource) []Grant {
	g := Grant{}
	for _, place := range list {
		if name, ok := strings.CutPrefix(place, scheme); ok {
			g.Resources = append(g.Resources, resource(name))
		}
	}
	if len(g.Resources) == 0 {
		return nil
	}
	g.As = p.sidecar()
	return []Grant{g}
}

// stored is an object, or all of a folder.
func (p *Plan) stored(name string) Resource {
	if strings.HasSuffix(name, "/") {
		name += "*"
	}
	return Resource{s3ARN(p.Sidecar.Region, name), name}
}

func (p *Plan) parameter(name string) Resource {
	return Resource{arn("ssm", p.Sidecar.Region, "*", "parameter"+name), name}
}

func feedObjects(p *Plan) []Grant {
	return p.places(append(p.feeds(), p.orders()...), "s3://", p.stored)
}

func feedFolders(p *Plan) []Grant {
	folders := slices.DeleteFunc(p.feeds(), func(u string) bool { return !strings.HasSuffix(u, "/") })
	return p.places(folders, "s3://", func(name string) Resource {
		bucket, _, _ := strings.Cut(name, "/")
		return Resource{s3ARN(p.Sidecar.Region, bucket), bucket}
	})
}

func orderParameters(p *Plan) []Grant     { return p.places(p.orders(), "ssm:", p.parameter) }
func publishedObjects(p *Plan) []Grant    { return p.places(p.published(), "s3://", p.stored) }
func publishedParameters(p *Plan) []Grant { return p.places(p.published(), "ssm:", p.parameter) }

func publishedKeys(p *Plan) []Grant {
	if len(p.Keys) == 0 || len(publishedObjects(p)) == 0 && len(topics(p)) == 0 {
		return nil
	}
	return []Grant{{p.sidecar(), p.keys()}}
}

func topics(p *Plan) (list []Grant) {
	for _, c := range p.Throttle {
		if c.SNSTopic != "" {
			list = append(list, Grant{p.sidecar(), []Resource{{c.SNSTopic, c.SNSTopic}}})
		}
	}
	return list
}

// String is how people call the identity.
func (i Identity) String() string {
	if i.Role == "" {
		return "this identity"
	}
	return fmt.Sprintf("the role %s", i.Role)
}
