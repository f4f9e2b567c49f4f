package throttle

import (
	"net/url"
	"strings"
	"time"

	"github.com/fluent-siem/fluent-siem/internal/settings"
)

// Config is the section throttle of the sidecar's file.
type Config struct {
	// Interval is the time between two looks at the cluster.
	Interval time.Duration `conf:"interval"`

	// Calm is how long all causes must be gone before inputs are let go.
	Calm time.Duration `conf:"calm"`

	// DiskFree is what each data node must have free, beside what the cluster's
	// watermarks demand. 0: the watermarks alone.
	DiskFree settings.Bytes `conf:"disk_free"`

	// Publish is where the order is put too, for other hosts: s3://bucket/key or
	// ssm:/parameter.
	Publish string `conf:"publish"`

	// Take is where the order is taken from instead of looking at the cluster:
	// s3://bucket/key or ssm:/parameter.
	Take string `conf:"take"`

	// SNSTopic is the ARN of a topic that hears when inputs are held back and when
	// they are free again; e-mail is a subscription of it.
	SNSTopic string `conf:"sns_topic"`

	// Webhook is a URL that gets the same as JSON, with a text that chat services
	// show. It may be a secret: no log and no error names it.
	Webhook string `conf:"webhook"`

	// StateDir is the state_dir of the inputs on this host, which get the orders.
	StateDir string
}

// Defaults returns what is used where the file says nothing.
func Defaults() Config { return Config{Interval: 5 * time.Second, Calm: 15 * time.Second} }

// Validate reports every problem at once.
func (c Config) Validate() error {
	var bad settings.Problems
	if c.Interval < time.Second {
		bad.Add("interval", "%v is too often; write at least 1s", c.Interval)
	}
	if c.Calm < 0 {
		bad.Add("calm", "cannot be negative")
	}
	if c.Publish != "" && c.Take != "" {
		bad.Add("take", "a host publishes the order or takes it, not both; leave one out")
	}
	for key, place := range map[string]string{"publish": c.Publish, "take": c.Take} {
		if place != "" {
			if _, _, err := parsePlace(place); err != nil {
				bad.Add(key, "%v", err)
			}
		}
	}
	if c.SNSTopic != "" && !strings.HasPrefix(c.SNSTopic, "arn:") {
		bad.Add("sns_topic", "%q is no ARN; write one like arn:aws:sns:eu-west-1:123456789012:siem-alert", c.SNSTopic)
	}
	if u, err := url.Parse(c.Webhook); c.Webhook != "" && (err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "") {
		bad.Add("webhook", "is no URL; write one like https://hooks.example.com/…")
	}
	return bad.Err()
}
