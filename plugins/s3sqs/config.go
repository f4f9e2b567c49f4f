package s3sqs

import (
	"fmt"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/fluent-siem/fluent-siem/internal/settings"
)

// Config is what an operator writes for the input.
type Config struct {
	// QueueURL names the SQS queues that announce the objects, separated by
	// commas. A queue's region is taken from its URL.
	QueueURL []string `conf:"queue_url"`

	// Priority names the log types that are important, as patterns separated by
	// commas, the most important first: guardduty, rds-*. Of the messages that are
	// held and not begun, fresh ones are read before others, and of these the ones of
	// important types, the newest first; but each fourth is the one that waits for
	// the longest time.
	Priority []string `conf:"priority"`

	// FreshFor is how old an object may be that counts as fresh.
	FreshFor time.Duration `conf:"fresh_for"`

	// LookAhead is how many messages of a queue are held beside those that are being
	// read, to choose the next one from. Each takes some 2 KB, and is extended twice in
	// a visibility timeout, ten in a request. Other processes do not see it meanwhile,
	// and one that is held when the process is killed counts as received once more: a
	// fleet, or a redrive policy with few receipts, wants few. 0: messages are read as
	// they come.
	LookAhead int `conf:"look_ahead"`

	// BacklogQueueURL is a queue for messages whose objects are not fresh. The input
	// moves them there, so that fresh ones are seen at once however long the backlog
	// is, and reads that queue too. That needs sqs:SendMessage on it. Empty: they
	// stay where they are.
	BacklogQueueURL string `conf:"backlog_queue_url"`

	// Region is the AWS region, where a queue's URL or a notification does not
	// say another. Empty: as the environment or the instance says.
	Region string `conf:"region"`

	// Endpoint is the URL of a service compatible with S3 and SQS, in place of AWS.
	Endpoint string `conf:"endpoint"`

	// S3Endpoint is the URL for S3 alone, when it differs from endpoint.
	S3Endpoint string `conf:"aws_s3_endpoint"`

	// SQSEndpoint is the URL for SQS alone, when it differs from endpoint.
	SQSEndpoint string `conf:"aws_sqs_endpoint"`

	// STSEndpoint is the URL for STS, which gives out the credentials of a role.
	STSEndpoint string `conf:"aws_sts_endpoint"`

	// PathStyle says whether the bucket stands in the path of a URL (true) or in
	// the host name (false); auto means true with an endpoint of one's own.
	PathStyle string `conf:"path_style"`

	// StateDir is where the process has its socket and its temporary files, and
	// where orders to take less come from (fluent-siem throttle).
	StateDir string `conf:"state_dir"`

	// Ledger says whether a record of each object is kept in state_dir: what was
	// read, what became of it, how it ended. `fluent-siem ledger` shows it, and an
	// object whose reading was interrupted goes on where it was.
	Ledger bool `conf:"ledger"`

	// LedgerAge is how long the ledger keeps a record. Inputs with the same
	// state_dir share the ledger; the first one's settings count.
	LedgerAge time.Duration `conf:"ledger_age"`

	// LedgerSize is how much the ledger's file may hold, about; the oldest records
	// go first. A record takes some 300 bytes.
	LedgerSize settings.Bytes `conf:"ledger_size"`

	// LedgerIndex is the beginning of an index that gets a document for each object
	// that has ended, such as siem-ledger; the month follows. It is a copy, through
	// the pipeline's output and without acknowledgement: what is lost on the way is
	// in the ledger. Empty: none.
	LedgerIndex string `conf:"ledger_index"`

	// MemoryLimit bounds the bytes of records that have no verdict yet. A record
	// counts as what its document will occupy: three times its length and 1 KB.
	MemoryLimit settings.Bytes `conf:"memory_limit"`

	// Acknowledge says when a message is deleted: indexed, when filter and
	// output have given every record a verdict; queued, when Fluent Bit has the
	// records, for pipelines that end elsewhere (what is dropped later is lost).
	Acknowledge string `conf:"acknowledge"`

	// AssumeRoleARN is a role to assume for SQS and S3.
	AssumeRoleARN string `conf:"assume_role_arn"`

	// ExternalID goes with every role that is assumed, unless bucket_roles names another.
	ExternalID string `conf:"external_id"`

	// BucketRoles are roles for the buckets of other accounts, separated by
	// commas: bucket=arn, or prefix*=arn for all buckets whose name begins so,
	// either with ;external-id behind it. The first that fits counts.
	BucketRoles []string `conf:"bucket_roles"`

	// ExpectedBucketOwner is an account id. S3 refuses a bucket that is another's.
	ExpectedBucketOwner string `conf:"expected_bucket_owner"`

	// LogtypesDir is a directory with log types that add to or replace the built-in ones.
	LogtypesDir string `conf:"logtypes_dir"`

	// IgnoreKeys are regular expressions, separated by commas. Objects whose key
	// one of them matches are acknowledged and not read.
	IgnoreKeys []string `conf:"ignore_keys"`

	// RecordLimit is the longest record. A longer one becomes a dead letter that
	// holds its beginning.
	RecordLimit settings.Bytes `conf:"record_limit"`

	// ObjectLimit is the largest an object may be after decompression.
	ObjectLimit settings.Bytes `conf:"object_limit"`

	// RatioLimit is how many times its size an object may become by decompression,
	// beyond the first 16 MB.
	RatioLimit int64 `conf:"ratio_limit"`

	// SpoolLimit is the largest zip or Parquet object: these are read from their
	// end and need a temporary file.
	SpoolLimit settings.Bytes `conf:"spool_limit"`

	// SplitRecords is how many records of an object one reader takes: when there
	// are more, the rest is announced in parts of as many to the queue that the
	// object came from, for other workers and hosts. That needs sqs:SendMessage, and
	// each part decompresses the object from its beginning. 0: an object is never split.
	SplitRecords int `conf:"split_records"`

	// MaxFetches is the ceiling of objects that are fetched at the same time: most
	// of the time of a small one is the wait for its first byte. How many there are
	// adapts to what S3 gives and the pipeline takes.
	MaxFetches int `conf:"max_fetches"`

	// LeaseTimeout is how long a message may wait without any sign from filter or
	// output before it is given back. It should be longer than Fluent Bit's
	// longest pause between two retries.
	LeaseTimeout time.Duration `conf:"lease_timeout"`

	// DrainTimeout is how long a stop waits for verdicts that are under way.
	DrainTimeout time.Duration `conf:"drain_timeout"`
}

// The values of Acknowledge.
const (
	acknowledgeIndexed = "indexed"
	acknowledgeQueued  = "queued"
)

// Defaults returns a Config that lacks only the queue.
func Defaults() Config {
	return Config{
		Priority:     []string{"guardduty", "securityhub", "cloudtrail"},
		FreshFor:     15 * time.Minute,
		LookAhead:    100,
		PathStyle:    "auto",
		StateDir:     "/var/lib/fluent-siem",
		Ledger:       true,
		LedgerAge:    90 * 24 * time.Hour,
		LedgerSize:   512 << 20,
		MemoryLimit:  64 << 20,
		Acknowledge:  acknowledgeIndexed,
		RecordLimit:  8 << 20,
		ObjectLimit:  16 << 30,
		RatioLimit:   500,
		SpoolLimit:   2 << 30,
		MaxFetches:   256,
		LeaseTimeout: 10 * time.Minute,
		DrainTimeout: 5 * time.Second,
	}
}

// fifo ends the name of a queue that keeps an order. S3 does not notify such
// queues, EventBridge may. They are read like others, but take no messages from us.
const fifo = ".fifo"

// Validate reports every problem at once.
func (c Config) Validate() error {
	var bad settings.Problems
	if len(c.QueueURL) == 0 {
		bad.Add("queue_url", "is missing; write the URL of the SQS queue, like https://sqs.eu-west-1.amazonaws.com/123456789012/siem-logs")
	}
	for _, q := range c.QueueURL {
		checkURL(&bad, "queue_url", q)
		if strings.HasSuffix(q, fifo) && c.SplitRecords > 0 {
			bad.Add("split_records", "needs a standard queue to announce parts to, and %s is a FIFO queue; name a standard queue, or write 0", q)
		}
	}
	if q := c.BacklogQueueURL; q != "" {
		checkURL(&bad, "backlog_queue_url", q)
		if strings.HasSuffix(q, fifo) {
			bad.Add("backlog_queue_url", "is a FIFO queue, to which messages cannot be moved; name a standard queue")
		}
		if slices.Contains(c.QueueURL, q) {
			bad.Add("backlog_queue_url", "is one of queue_url too; name another queue, which is read without being named there")
		}
	}
	for _, p := range c.Priority {
		if _, err := path.Match(p, ""); err != nil {
			bad.Add("priority", "%q is no pattern; write names of log types, with * for any text", p)
		}
	}
	if c.LookAhead < 0 || c.LookAhead > lookAheadMost {
		bad.Add("look_ahead", "%d is not between 0 and %d", c.LookAhead, lookAheadMost)
	}
	for key, value := range map[string]string{"endpoint": c.Endpoint, "aws_s3_endpoint": c.S3Endpoint, "aws_sqs_endpoint": c.SQSEndpoint, "aws_sts_endpoint": c.STSEndpoint} {
		if value != "" {
			checkURL(&bad, key, value)
		}
	}
	if _, err := c.pathStyle(); err != nil {
		bad.Add("path_style", "%v", err)
	}
	if c.MemoryLimit < 1<<20 {
		bad.Add("memory_limit", "%v is less than the 1MB that one buffer takes; 64MB is a good value", c.MemoryLimit)
	}
	if c.Acknowledge != acknowledgeIndexed && c.Acknowledge != acknowledgeQueued {
		bad.Add("acknowledge", "%q is neither indexed nor queued", c.Acknowledge)
	}
	if _, err := parseRoles(c.BucketRoles, c.ExternalID); err != nil {
		bad.Add("bucket_roles", "%v", err)
	}
	if c.AssumeRoleARN != "" && !strings.HasPrefix(c.AssumeRoleARN, "arn:") {
		bad.Add("assume_role_arn", "%q is no ARN; write one like arn:aws:iam::123456789012:role/siem", c.AssumeRoleARN)
	}
	if o := c.ExpectedBucketOwner; o != "" && !accountID.MatchString(o) {
		bad.Add("expected_bucket_owner", "%q is no account id; write its 12 digits", o)
	}
	for _, k := range c.IgnoreKeys {
		if _, err := regexp.Compile(k); err != nil {
			bad.Add("ignore_keys", "%v", err)
		}
	}
	for key, value := range map[string]int64{"record_limit": int64(c.RecordLimit), "object_limit": int64(c.ObjectLimit), "ratio_limit": c.RatioLimit,
		"spool_limit": int64(c.SpoolLimit), "max_fetches": int64(c.MaxFetches), "fresh_for": int64(c.FreshFor), "lease_timeout": int64(c.LeaseTimeout), "ledger_age": int64(c.LedgerAge)} {
		if value <= 0 {
			bad.Add(key, "must be more than zero; leave it out for the default")
		}
	}
	if c.SplitRecords < 0 || c.SplitRecords > 0 && c.SplitRecords < 1000 {
		bad.Add("split_records", "%d records are too few for a part; write at least 1000, or 0 for no parts", c.SplitRecords)
	}
	if c.LedgerIndex != "" && !indexName.MatchString(c.LedgerIndex) {
		bad.Add("ledger_index", "%q cannot be the name of an index; write lower-case letters, digits, - and _, like siem-ledger", c.LedgerIndex)
	}
	if c.LedgerIndex != "" && !c.Ledger {
		bad.Add("ledger_index", "needs ledger on")
	}
	if c.LedgerSize < 1<<20 {
		bad.Add("ledger_size", "%v is less than 1MB; write ledger off to keep none", c.LedgerSize)
	}
	if c.DrainTimeout < 0 {
		bad.Add("drain_timeout", "cannot be negative; 0 gives everything back at once")
	}
	return bad.Err()
}

// lookAheadMost is how many messages a heartbeat extends well within half of the
// usual visibility timeout of 30 s.
const lookAheadMost = 10000

var indexName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,199}$`)

var accountID = regexp.MustCompile(`^[0-9]{12}$`)

func checkURL(bad *settings.Problems, key, value string) {
	if u, err := url.Parse(value); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		bad.Add(key, "%q has no scheme or host; write a URL like https://sqs.eu-west-1.amazonaws.com/123456789012/siem-logs", value)
	}
}

// pathStyle reports whether buckets stand in the path.
func (c Config) pathStyle() (bool, error) {
	switch c.PathStyle {
	case "auto", "":
		return c.Endpoint != "" || c.S3Endpoint != "", nil
	case "true", "on", "yes":
		return true, nil
	case "false", "off", "no":
		return false, nil
	}
	return false, fmt.Errorf("%q is none of auto, true, false", c.PathStyle)
}

// role is what is assumed for the buckets that pattern fits.
type role struct {
	bucket     string // a name, or the beginning of names
	prefix     bool
	arn        string
	externalID string
}

// parseRoles reads bucket_roles.
func parseRoles(texts []string, externalID string) ([]role, error) {
	var roles []role
	for _, text := range texts {
		bucket, arn, ok := strings.Cut(text, "=")
		r := role{bucket: strings.TrimSpace(bucket), arn: strings.TrimSpace(arn), externalID: externalID}
		if arn, id, ok := strings.Cut(r.arn, ";"); ok {
			r.arn, r.externalID = strings.TrimSpace(arn), strings.TrimSpace(id)
		}
		if !ok || r.bucket == "" || !strings.HasPrefix(r.arn, "arn:") {
			return nil, fmt.Errorf("%q is not bucket=arn or prefix*=arn, like aws-security-data-lake-*=arn:aws:iam::123456789012:role/reader", text)
		}
		r.bucket, r.prefix = strings.CutSuffix(r.bucket, "*")
		roles = append(roles, r)
	}
	return roles, nil
}

// roleFor returns the role for a bucket; ok is false when there is none of its own.
func roleFor(roles []role, bucket string) (r role, ok bool) {
	for _, r := range roles {
		if r.bucket == bucket || r.prefix && strings.HasPrefix(bucket, r.bucket) {
			return r, true
		}
	}
	return role{}, false
}
