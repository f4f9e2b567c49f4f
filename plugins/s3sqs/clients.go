package s3sqs

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// clients are the AWS clients of one input, one S3 client for each role and region.
type clients struct {
	cfg   Config
	base  aws.Config // credentials of the default chain
	main  aws.Config // those of assume_role_arn, if any
	roles []role
	open  *conns

	mu sync.Mutex
	s3 map[clientKey]*s3.Client
}

type clientKey struct{ arn, externalID, region string }

// close ends the connections of all clients.
func (c *clients) close() { c.open.close() }

// newClients reads the environment, the shared files and so on, as the SDK
// does. Credentials are only fetched when they are needed. Close them.
func newClients(ctx context.Context, cfg Config) (*clients, error) {
	open := &conns{}
	base, err := config.LoadDefaultConfig(ctx, func(o *config.LoadOptions) error {
		o.Region = cfg.Region
		o.AppID = "fluent-siem" // by which exclusion knows our own requests
		o.HTTPClient = awshttp.NewBuildableClient().WithDialerOptions(func(d *net.Dialer) { d.Timeout = 10 * time.Second }).WithTransportOptions(func(t *http.Transport) {
			t.MaxIdleConnsPerHost = cfg.MaxFetches + 16
			t.ResponseHeaderTimeout = time.Minute
			t.DialContext = open.through(t.DialContext)
		})
		o.Retryer = func() aws.Retryer {
			return retry.NewStandard(func(o *retry.StandardOptions) {
				o.MaxAttempts = 3
				o.MaxBackoff = 5 * time.Second
				o.RateLimiter = ratelimit.None // what is given up here is tried again by us
			})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if base.Region == "" {
		base.Region = regionOf(cfg.QueueURL[0])
	}
	if base.Region == "" && (cfg.Endpoint != "" || cfg.S3Endpoint != "") {
		base.Region = "us-east-1" // a name is needed for signing; such services take any
	}
	base.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired // streams resume in the middle
	roles, err := parseRoles(cfg.BucketRoles, cfg.ExternalID)
	if err != nil {
		return nil, err
	}
	c := &clients{cfg: cfg, open: open, base: base, main: base, roles: roles, s3: map[clientKey]*s3.Client{}}
	if cfg.AssumeRoleARN != "" {
		c.main = c.assume(base, cfg.AssumeRoleARN, cfg.ExternalID)
	}
	return c, nil
}

// assume returns from with the credentials of a role. They are fetched at first
// use, and again before they expire.
func (c *clients) assume(from aws.Config, arn, externalID string) aws.Config {
	client := sts.NewFromConfig(from, func(o *sts.Options) {
		if c.cfg.STSEndpoint != "" {
			o.BaseEndpoint = &c.cfg.STSEndpoint
		}
	})
	to := from.Copy()
	to.Credentials = aws.NewCredentialsCache(stscreds.NewAssumeRoleProvider(client, arn, func(o *stscreds.AssumeRoleOptions) {
		o.RoleSessionName = "fluent-siem"
		if externalID != "" {
			o.ExternalID = &externalID
		}
	}), func(o *aws.CredentialsCacheOptions) {
		o.ExpiryWindow = 2 * time.Minute
		o.ExpiryWindowJitterFrac = 0.5
	})
	return to
}

// bucket returns the client for a bucket; region is the notification's, or "".
func (c *clients) bucket(name, region string) *s3.Client {
	custom := c.cfg.S3Endpoint
	if custom == "" {
		custom = c.cfg.Endpoint
	}
	if region == "" || custom != "" {
		region = c.base.Region
	}
	key := clientKey{region: region}
	r, own := roleFor(c.roles, name)
	if own {
		key.arn, key.externalID = r.arn, r.externalID
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if client := c.s3[key]; client != nil {
		return client
	}
	cfg := c.main
	if own {
		cfg = c.assume(c.base, r.arn, r.externalID)
	}
	client := s3.NewFromConfig(cfg, func(o *s3.Options) {
		o.Region = region
		o.UsePathStyle, _ = c.cfg.pathStyle() // Validate has seen it
		o.DisableLogOutputChecksumValidationSkipped = true
		if custom != "" {
			o.BaseEndpoint = &custom
		}
	})
	c.s3[key] = client
	return client
}

// queue returns the client for a queue.
func (c *clients) queue(queueURL string) *sqs.Client {
	return sqs.NewFromConfig(c.main, func(o *sqs.Options) {
		if region := regionOf(queueURL); region != "" {
			o.Region = region
		}
		switch u, err := url.Parse(queueURL); {
		case c.cfg.SQSEndpoint != "":
			o.BaseEndpoint = &c.cfg.SQSEndpoint
		case c.cfg.Endpoint != "":
			o.BaseEndpoint = &c.cfg.Endpoint
		case err == nil && regionOf(queueURL) == "": // not AWS, or a VPC endpoint of it
			o.BaseEndpoint = aws.String(u.Scheme + "://" + u.Host)
		}
	})
}

// regionOf returns the region in a queue's URL, "" when it is not one of AWS.
func regionOf(queueURL string) string {
	u, err := url.Parse(queueURL)
	if err != nil {
		return ""
	}
	host := u.Hostname()
	if !strings.HasSuffix(host, ".amazonaws.com") && !strings.HasSuffix(host, ".amazonaws.com.cn") {
		return ""
	}
	parts := strings.Split(host, ".")
	switch {
	case len(parts) >= 4 && (parts[0] == "sqs" || parts[0] == "sqs-fips"): // sqs.REGION.amazonaws.com
		return parts[1]
	case len(parts) >= 4 && parts[1] == "queue": // REGION.queue.amazonaws.com
		return parts[0]
	}
	return ""
}
