package ruleset

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// AWS says how the services are reached. Credentials are the SDK's: environment,
// shared files, web identity, container, instance.
type AWS struct {
	Region        string // "": as the environment says
	S3Endpoint    string // in place of AWS's; with one, buckets stand in the path
	SSMEndpoint   string
	STSEndpoint   string
	AssumeRoleARN string
	ExternalID    string // goes with the role
}

// clients are those of one Store.
type clients struct {
	s3  *s3.Client
	ssm *ssm.Client
}

// newClients makes the clients; nothing is asked yet.
func newClients(cfg AWS) (*clients, error) {
	base, err := config.LoadDefaultConfig(context.Background(), func(o *config.LoadOptions) error {
		o.Region = cfg.Region
		o.AppID = "fluent-siem" // by which own_logs knows what we do
		o.HTTPClient = awshttp.NewBuildableClient().WithDialerOptions(func(d *net.Dialer) { d.Timeout = 5 * time.Second }).
			WithTransportOptions(func(t *http.Transport) { t.DisableKeepAlives = true }) // asked seldom, and none outlives the Store
		return nil
	})
	if err != nil {
		return nil, err
	}
	if base.Region == "" && (cfg.S3Endpoint != "" || cfg.SSMEndpoint != "") {
		base.Region = "us-east-1" // a name is needed for signing; such services take any
	}
	if base.Region == "" {
		return nil, errors.New("exclude_s3 and exclude_parameters need a region; set region, or AWS_REGION in the environment")
	}
	if cfg.AssumeRoleARN != "" {
		client := sts.NewFromConfig(base, func(o *sts.Options) { o.BaseEndpoint = endpoint(cfg.STSEndpoint, o.BaseEndpoint) })
		base = base.Copy()
		base.Credentials = aws.NewCredentialsCache(stscreds.NewAssumeRoleProvider(client, cfg.AssumeRoleARN, func(o *stscreds.AssumeRoleOptions) {
			o.RoleSessionName = "fluent-siem"
			if cfg.ExternalID != "" {
				o.ExternalID = &cfg.ExternalID
			}
		}))
	}
	return &clients{
		s3: s3.NewFromConfig(base, func(o *s3.Options) {
			o.BaseEndpoint = endpoint(cfg.S3Endpoint, o.BaseEndpoint)
			o.UsePathStyle = cfg.S3Endpoint != ""
			o.DisableLogOutputChecksumValidationSkipped = true
		}),
		ssm: ssm.NewFromConfig(base, func(o *ssm.Options) { o.BaseEndpoint = endpoint(cfg.SSMEndpoint, o.BaseEndpoint) }),
	}, nil
}

// endpoint is the operator's, else what the environment named.
func endpoint(own string, other *string) *string {
	if own != "" {
		return &own
	}
	return other
}

// object reads an object of S3.
func (s *clients) object(ctx context.Context, bucket, key string) ([]text, error) {
	answer, err := s.s3.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	data, err := readAll(answer.Body)
	if err != nil {
		return nil, err
	}
	return []text{{path.Base(key), data}}, nil
}

// parameters reads every parameter below a path; an error on any page is one of
// all, for half of the rules are not the rules.
func (s *clients) parameters(ctx context.Context, path string) ([]text, error) {
	var list []text
	root := cmp.Or(strings.TrimSuffix(path, "/"), "/")
	pages := ssm.NewGetParametersByPathPaginator(s.ssm, &ssm.GetParametersByPathInput{
		Path: &root, Recursive: aws.Bool(true), WithDecryption: aws.Bool(true),
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, p := range page.Parameters {
			list = append(list, text{aws.ToString(p.Name), []byte(aws.ToString(p.Value))})
		}
	}
	return list, nil
}
