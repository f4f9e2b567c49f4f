package doctor

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/fluent-siem/fluent-siem/filters/ecs"
	"github.com/fluent-siem/fluent-siem/internal/settings"
	"github.com/fluent-siem/fluent-siem/outputs/opensearch"
	"github.com/fluent-siem/fluent-siem/plugins/s3sqs"
	"github.com/fluent-siem/fluent-siem/sidecar/daemon"
	"github.com/fluent-siem/fluent-siem/sidecar/feed/geoip"
	"github.com/fluent-siem/fluent-siem/sidecar/feed/ioc"
	"github.com/fluent-siem/fluent-siem/sidecar/hostconfig"
	"github.com/fluent-siem/fluent-siem/sidecar/indexmetrics"
	"github.com/fluent-siem/fluent-siem/sidecar/throttle"
)

const queue = "[INPUT]\n name s3_sqs\n queue_url https://sqs.eu-west-1.amazonaws.com/123456789012/siem\n"

// TestAPolicyHoldsWhatTheConfigurationNeeds, and nothing else: each row adds one
// setting to a bare input.
func TestAPolicyHoldsWhatTheConfigurationNeeds(t *testing.T) {
	bare := []string{"ReadQueue arn:aws:sqs:eu-west-1:123456789012:siem", "ReadLogs arn:aws:s3:::logs/*", "TellGoneFromDenied arn:aws:s3:::logs"}
	const role = "arn:aws:iam::123456789012:role/reader"
	for name, c := range map[string]struct {
		config, sidecar, role string
		keys                  []string
		want                  []string // what comes on top of bare; with a role: all
	}{
		"bare":  {config: queue},
		"split": {config: queue + " split_records 5000\n", want: []string{"SplitObjects arn:aws:sqs:eu-west-1:123456789012:siem"}},
		"backlog": {config: queue + " backlog_queue_url https://sqs.eu-west-1.amazonaws.com/123456789012/old\n",
			want: []string{"ReadQueue arn:aws:sqs:eu-west-1:123456789012:old", "MoveBacklog arn:aws:sqs:eu-west-1:123456789012:old"}},
		"key":                 {config: queue, keys: []string{"arn:aws:kms:eu-west-1:123456789012:key/k"}, want: []string{"Decrypt arn:aws:kms:eu-west-1:123456789012:key/k"}},
		"role by":             {config: queue + " bucket_roles other=" + role + ";id\n", want: []string{"AssumeRole " + role}},
		"role of":             {config: queue + " bucket_roles other=" + role + ";id\n", role: role, want: []string{"ReadLogs arn:aws:s3:::other/*", "TellGoneFromDenied arn:aws:s3:::other"}},
		"domain":              {config: queue + "[OUTPUT]\n name opensearch_bulk\n auth sigv4\n endpoint https://search-my-siem-abc123.eu-west-1.es.amazonaws.com\n", want: []string{"UseDomain arn:aws:es:eu-west-1:*:domain/my-siem/*"}},
		"collection":          {config: queue + "[OUTPUT]\n name opensearch_bulk\n auth sigv4\n endpoint https://abc.eu-west-1.aoss.amazonaws.com\n", want: []string{"UseCollection arn:aws:aoss:eu-west-1:*:collection/abc"}},
		"own domain":          {config: queue + "[OUTPUT]\n name opensearch_bulk\n auth sigv4\n endpoint https://siem.example.com\n aws_region eu-west-1\n", want: []string{"UseDomain arn:aws:es:eu-west-1:*:domain/*/*"}},
		"basic":               {config: queue + "[OUTPUT]\n name opensearch_bulk\n auth basic\n endpoint https://siem.example.com\n"},
		"dead letters":        {config: queue + "[OUTPUT]\n name opensearch_bulk\n endpoint https://x.example.com\n dead_letters s3://dead/siem/\n dead_letter_region eu-west-1\n dead_letter_kms_key k\n", want: []string{"WriteDeadLetters arn:aws:s3:::dead/siem/*", "EncryptDeadLetters arn:aws:kms:eu-west-1:*:key/k"}},
		"exclusions":          {config: queue + "[FILTER]\n name siem_ecs\n region eu-west-1\n exclude_s3 s3://geo/exclude.csv\n exclude_parameters /siem/exclude-logs/\n", want: []string{"ReadExclusions arn:aws:s3:::geo/exclude.csv", "ReadExclusionParameters arn:aws:ssm:eu-west-1:*:parameter/siem/exclude-logs", "ReadExclusionParameters arn:aws:ssm:eu-west-1:*:parameter/siem/exclude-logs/*"}},
		"sidecar without AWS": {config: queue, sidecar: "geoip: {editions: [GeoLite2-City], account: '1', licence_key: key}\n"},
		"feeds": {config: queue, sidecar: "region: eu-west-1\ngeoip: {sources: [{name: x, url: s3://geo/x.mmdb}]}\nindicators: {feeds: [{name: own, url: s3://geo/IOC/TXT/}], publish: s3://geo/indicators.ioc}\n",
			want: []string{"ReadFeeds arn:aws:s3:::geo/x.mmdb", "ReadFeeds arn:aws:s3:::geo/IOC/TXT/*", "ListFeeds arn:aws:s3:::geo", "Publish arn:aws:s3:::geo/indicators.ioc"}},
		"orders": {config: queue, sidecar: "region: eu-west-1\nthrottle: {take: ssm:/siem/order}\n", want: []string{"ReadOrders arn:aws:ssm:eu-west-1:*:parameter/siem/order"}},
		"watch": {config: queue, sidecar: "region: eu-west-1\nopensearch: {endpoint: 'https://search-my-siem-abc123.eu-west-1.es.amazonaws.com', auth: sigv4}\n" +
			"throttle: {publish: 'ssm:/siem/order', sns_topic: 'arn:aws:sns:eu-west-1:123456789012:siem'}\nindex_metrics: {to: s3, bucket: logs, account: '123456789012', region: eu-west-1}\n",
			keys: []string{"arn:aws:kms:eu-west-1:123456789012:key/k"},
			want: []string{"PublishOrders arn:aws:ssm:eu-west-1:*:parameter/siem/order", "TellPeople arn:aws:sns:eu-west-1:123456789012:siem", "Publish arn:aws:s3:::logs/AWSLogs/*",
				"UseDomain arn:aws:es:eu-west-1:*:domain/my-siem/*", "Decrypt arn:aws:kms:eu-west-1:123456789012:key/k", "EncryptPublished arn:aws:kms:eu-west-1:123456789012:key/k"}},
		"other plugins": {config: queue + "[OUTPUT]\n name stdout\n match *\n"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "siem.conf")
			if err := os.WriteFile(path, []byte(c.config), 0o600); err != nil {
				t.Fatal(err)
			}
			file, err := hostconfig.Read(path, os.LookupEnv)
			if err != nil {
				t.Fatal(err)
			}
			p := &Plan{}
			if err := p.AddPipeline(file); err != nil {
				t.Fatal(err)
			}
			if c.sidecar != "" {
				if err := os.WriteFile(path, []byte(c.sidecar), 0o600); err != nil {
					t.Fatal(err)
				}
				cfg, err := daemon.Load(path)
				if err != nil {
					t.Fatal(err)
				}
				p.AddSidecar(cfg)
			}
			p.Buckets, p.Keys = []string{"logs"}, c.keys
			want := slices.Clone(c.want)
			if c.role == "" {
				want = append(want, bare...)
			}
			var got []string
			d, _ := p.Policy(c.role)
			for _, s := range d.Statement {
				for _, r := range s.Resource {
					got = append(got, fmt.Sprint(s.Sid, " ", r))
				}
			}
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		})
	}
}

// speaksOfAWS are names of settings that may need a permission.
var speaksOfAWS = regexp.MustCompile(`queue|bucket|s3|sqs|sns|ssm|parameter|kms|role|publish|take|dead_letters|topic|_url$|^url$|^to$|auth`)

// needNothing are those of them that do not, each for its reason.
var needNothing = map[string]string{
	"aws_s3_endpoint":       "where, not what",
	"aws_sqs_endpoint":      "where, not what",
	"aws_ssm_endpoint":      "where, not what",
	"aws_sts_endpoint":      "where, not what",
	"expected_bucket_owner": "a condition of other requests",
	"to":                    "index_metrics.bucket is the place",
	"sha256_url":            "beside url, and read as it is",
}

// TestNoSettingOfAWSIsForgotten: each setting that speaks of something in AWS
// stands in the table, or needs nothing.
func TestNoSettingOfAWSIsForgotten(t *testing.T) {
	said := ""
	for _, n := range Needs {
		said += " " + n.Setting
	}
	looked := 0
	for _, cfg := range []any{s3sqs.Config{}, ecs.Config{}, opensearch.Config{}, geoip.SourceConfig{}, ioc.Config{}, ioc.FeedConfig{}, throttle.Config{}, indexmetrics.Config{}} {
		for _, key := range settings.Keys(cfg) {
			if !speaksOfAWS.MatchString(key) {
				continue
			}
			looked++
			if !regexp.MustCompile(`(^|[ .])`+key+`($|[ ,])`).MatchString(said) && needNothing[key] == "" {
				t.Errorf("%T: %s stands in no row of Needs", cfg, key)
			}
		}
	}
	if looked < 20 {
		t.Errorf("only %d settings were looked at", looked)
	}
}

// TestAnEmptyQueueIsNoPolicy: a variable that is not set leaves a setting empty.
func TestAnEmptyQueueIsNoPolicy(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fluent-bit.conf")
	if err := os.WriteFile(path, []byte("[INPUT]\n name s3_sqs\n queue_url ${NOT_SET}\n[OUTPUT]\n name opensearch_bulk\n match *\n endpoint ${NOT_SET}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := hostconfig.Read(path, func(string) (string, bool) { return "", false })
	if err != nil {
		t.Fatal(err)
	}
	err = new(Plan).AddPipeline(file)
	for _, want := range []string{"s3_sqs (line 1): queue_url is empty", "opensearch_bulk (line 4): endpoint is empty"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
