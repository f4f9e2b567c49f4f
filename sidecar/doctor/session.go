package doctor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/fluent-siem/fluent-siem/outputs/opensearch"
)

// session asks AWS as one identity.
type session struct {
	as   Identity
	plan *Plan
	cfg  aws.Config
}

// connect reads the environment and the shared files, as the SDK does; nothing
// is asked yet. A question is asked twice at most.
func connect(ctx context.Context, p *Plan, as Identity) (*session, error) {
	cfg, err := config.LoadDefaultConfig(ctx, config.WithRegion(as.Region), config.WithAppID("fluent-siem"), config.WithRetryMaxAttempts(2))
	if err != nil {
		return nil, fmt.Errorf("the environment for AWS cannot be read: %w", err)
	}
	if cfg.Region == "" {
		cfg.Region = "us-east-1" // S3 says where a bucket is; compatible services take any
	}
	s := &session{as, p, cfg}
	if as.Role != "" {
		s.cfg = cfg.Copy()
		s.cfg.Credentials = aws.NewCredentialsCache(stscreds.NewAssumeRoleProvider(s.sts(cfg), as.Role, func(o *stscreds.AssumeRoleOptions) {
			o.RoleSessionName = "fluent-siem-doctor"
			if as.ExternalID != "" {
				o.ExternalID = &as.ExternalID
			}
		}))
	}
	return s, nil
}

// emulated says whether AWS is somebody else, who need not have STS.
func (s *session) emulated() bool {
	return s.as.STS == "" && (s.as.S3 != "" || s.as.SQS != "" || s.as.SSM != "")
}

func (s *session) s3() *s3.Client {
	return s3.NewFromConfig(s.cfg, func(o *s3.Options) {
		o.BaseEndpoint = endpoint(o.BaseEndpoint, s.as.S3)
		o.UsePathStyle = s.as.OwnS3 || o.BaseEndpoint != nil
		o.DisableLogOutputChecksumValidationSkipped = true
	})
}

func (s *session) sqs(queueURL string) *sqs.Client {
	return sqs.NewFromConfig(s.cfg, func(o *sqs.Options) {
		o.BaseEndpoint = endpoint(o.BaseEndpoint, s.as.SQS)
		if part := strings.SplitN(queueARN(queueURL, o.Region), ":", 5); len(part) == 5 && part[3] != "*" {
			o.Region = part[3]
		}
	})
}

func (s *session) ssm() *ssm.Client {
	return ssm.NewFromConfig(s.cfg, func(o *ssm.Options) { o.BaseEndpoint = endpoint(o.BaseEndpoint, s.as.SSM) })
}

func (s *session) sns() *sns.Client {
	return sns.NewFromConfig(s.cfg, func(o *sns.Options) { o.BaseEndpoint = endpoint(o.BaseEndpoint, s.as.Any) })
}

func (s *session) kms() *kms.Client {
	return kms.NewFromConfig(s.cfg, func(o *kms.Options) { o.BaseEndpoint = endpoint(o.BaseEndpoint, s.as.Any) })
}

func (s *session) sts(cfg aws.Config) *sts.Client {
	return sts.NewFromConfig(cfg, func(o *sts.Options) { o.BaseEndpoint = endpoint(o.BaseEndpoint, s.as.STS) })
}

// endpoint is the configuration's, else the environment's.
func endpoint(environment *string, own string) *string {
	if own != "" {
		return &own
	}
	return environment
}

// whoAmI returns our ARN and AWS's time.
func (s *session) whoAmI(ctx context.Context) (string, time.Time, error) {
	out, err := s.sts(s.cfg).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return "", time.Time{}, err
	}
	return aws.ToString(out.Arn), dateOf(awsmiddleware.GetRawResponse(out.ResultMetadata)), nil
}

// dateOf is what the header Date says, zero when there is none.
func dateOf(raw any) time.Time {
	if res, ok := raw.(*smithyhttp.Response); ok {
		if t, err := http.ParseTime(res.Header.Get("Date")); err == nil {
			return t
		}
	}
	return time.Time{}
}

// connection returns the settings of the cluster with that endpoint.
func (s *session) connection(endpoint string) opensearch.Config {
	for _, c := range s.plan.connections() {
		if slices.Contains(c.Endpoint, endpoint) {
			c.Endpoint = []string{endpoint}
			return c
		}
	}
	return opensearch.Config{}
}

// verdict is what an error says about a permission.
type verdict int

const (
	answered verdict = iota // it was refused for another reason: the permission is there
	denied
	absent  // what it is about does not exist
	unclear // nothing was learnt
	failed  // nobody answered, or does not know us
)

// errUnclear is why something could not be tried.
type errUnclear string

func (e errUnclear) Error() string { return string(e) }

// errDenied is what a cluster says that refuses us.
type errDenied string

func (e errDenied) Error() string { return string(e) }

// notMine are the codes that speak of the one who asks, not of what may be done.
var notMine = []string{"InvalidAccessKeyId", "InvalidClientTokenId", "SignatureDoesNotMatch", "ExpiredToken", "ExpiredTokenException", "RequestTimeTooSkewed",
	"InvalidToken", "UnrecognizedClientException", "PermanentRedirect", "IllegalLocationConstraintException"}

// gone are the codes for what does not exist.
var gone = []string{"NoSuchBucket", "AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist", "NotFoundException", "NotFound"}

func verdictOf(err error) verdict {
	var unknown errUnclear
	var refused errDenied
	var api smithy.APIError
	var response *awshttp.ResponseError
	switch {
	case err == nil:
		return answered
	case errors.As(err, &unknown):
		return unclear
	case errors.As(err, &refused):
		return denied
	case errors.As(err, &api) && slices.Contains(notMine, api.ErrorCode()):
		return failed
	case errors.As(err, &api) && slices.Contains(gone, api.ErrorCode()):
		return absent
	case errors.As(err, &response) && (response.HTTPStatusCode() == http.StatusForbidden || response.HTTPStatusCode() == http.StatusUnauthorized),
		errors.As(err, &api) && (strings.Contains(api.ErrorCode(), "AccessDenied") || api.ErrorCode() == "AuthorizationError"):
		return denied
	case errors.As(err, &response) && response.HTTPStatusCode()/100 == 4:
		return answered
	}
	return failed
}

// unanswered reports whether nobody was there at all.
func unanswered(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) || errors.Is(err, context.DeadlineExceeded)
}

// said is the part of an error of the SDK that is for people.
func said(err error) string {
	var api smithy.APIError
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Error()
	}
	if errors.As(err, &api) {
		return strings.TrimSuffix(api.ErrorCode()+": "+api.ErrorMessage(), ": ")
	}
	return err.Error()
}
