package s3sqs

import (
	"strings"
	"testing"

	"github.com/fluent-siem/fluent-siem/internal/settings"
	"github.com/fluent-siem/fluent-siem/internal/settings/settingstest"
)

// TestManual keeps the manual true; with UPDATE=1 it writes it.
func TestManual(t *testing.T) {
	settingstest.CheckManual(t, "../../conf/s3_sqs.md", "config.go", Defaults())
}

// TestEveryProblemIsReported: one restart should fix them all.
func TestEveryProblemIsReported(t *testing.T) {
	written := map[string]string{
		"queue_url": "siem-logs", "endpoint": "localhost:4566", "path_style": "maybe", "memory_limit": "1k", "acknowledge": "read",
		"bucket_roles": "bucket", "assume_role_arn": "siem", "expected_bucket_owner": "12", "ignore_keys": "(", "max_fetches": "-1", "drain_timeout": "-1s",
		"priority": "[", "look_ahead": "-1", "backlog_queue_url": "old",
	}
	cfg := Defaults()
	if err := settings.Load(&cfg, func(key string) string { return written[key] }); err != nil && !strings.Contains(err.Error(), "drain_timeout") {
		t.Fatal(err)
	}
	err := cfg.Validate()
	if err == nil {
		t.Fatal("no problem found")
	}
	delete(written, "drain_timeout") // refused by settings already
	for key := range written {
		if !strings.Contains(err.Error(), key+":") {
			t.Errorf("nothing is said about %s in:\n%v", key, err)
		}
	}
}

// TestFIFOQueues may be read, and not be written to.
func TestFIFOQueues(t *testing.T) {
	const standard, ordered = "https://sqs.eu-west-1.amazonaws.com/123456789012/siem", "https://sqs.eu-west-1.amazonaws.com/123456789012/siem.fifo"
	for _, c := range []struct {
		queue, backlog string
		split          int
		want           string
	}{
		{ordered, "", 0, ""}, {ordered, standard, 0, ""}, {standard, "", 100_000, ""},
		{ordered, "", 100_000, "split_records: needs a standard queue"}, {standard, ordered, 0, "backlog_queue_url: is a FIFO queue"},
	} {
		cfg := Defaults()
		cfg.QueueURL, cfg.BacklogQueueURL, cfg.SplitRecords = []string{c.queue}, c.backlog, c.split
		if err := cfg.Validate(); (err != nil) != (c.want != "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s, %s, %d: %v, want %q", c.queue, c.backlog, c.split, err, c.want)
		}
	}
}

func TestDefaultsNeedOnlyAQueue(t *testing.T) {
	cfg := Defaults()
	cfg.QueueURL = []string{"https://sqs.eu-west-1.amazonaws.com/123456789012/siem-logs"}
	if err := cfg.Validate(); err != nil {
		t.Error(err)
	}
}

func TestKeysAreNotFluentBits(t *testing.T) {
	reserved := "name match match_regex alias tag host port ipv6 listen log_level log_suppress_interval retry_limit workers routable mem_buf_limit threaded tls processors"
	for _, key := range settings.Keys(Config{}) {
		for _, r := range strings.Fields(reserved) {
			if key == r {
				t.Errorf("Fluent Bit keeps %s for itself", key)
			}
		}
	}
}

func TestRoles(t *testing.T) {
	roles, err := parseRoles([]string{"one=arn:aws:iam::1:role/a;x", "aws-security-data-lake-*=arn:aws:iam::2:role/b"}, "common")
	if err != nil {
		t.Fatal(err)
	}
	for bucket, want := range map[string]role{
		"one":                             {arn: "arn:aws:iam::1:role/a", externalID: "x"},
		"aws-security-data-lake-eu-west1": {arn: "arn:aws:iam::2:role/b", externalID: "common"},
		"one-more":                        {},
	} {
		got, ok := roleFor(roles, bucket)
		if got.arn != want.arn || got.externalID != want.externalID || ok != (want.arn != "") {
			t.Errorf("%s: %+v", bucket, got)
		}
	}
}

func TestRegionOfQueue(t *testing.T) {
	for url, want := range map[string]string{
		"https://sqs.eu-west-1.amazonaws.com/123456789012/q":      "eu-west-1",
		"https://sqs.cn-north-1.amazonaws.com.cn/123456789012/q":  "cn-north-1",
		"https://sqs-fips.us-east-1.amazonaws.com/123456789012/q": "us-east-1",
		"https://us-west-2.queue.amazonaws.com/123456789012/q":    "us-west-2",
		"http://localhost:4566/000000000000/q":                    "",
	} {
		if got := regionOf(url); got != want {
			t.Errorf("%s: %q", url, got)
		}
	}
}
