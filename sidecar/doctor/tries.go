package doctor

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/fluent-siem/fluent-siem/outputs/opensearch"
)

// tries are how a permission is tried without changing anything: AWS looks at
// permissions before it looks at what it is asked to do, so a request that
// cannot be carried out tells the one from the other.
var tries = map[string]func(ctx context.Context, s *session, r Resource) error{
	"sqs:GetQueueAttributes": func(ctx context.Context, s *session, r Resource) error {
		_, err := s.sqs(r.Name).GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: &r.Name, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameQueueArn}})
		return err
	},
	"sqs:ReceiveMessage": func(ctx context.Context, s *session, r Resource) error { // more than it gives at once
		_, err := s.sqs(r.Name).ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &r.Name, MaxNumberOfMessages: 11})
		return err
	},
	"sqs:ChangeMessageVisibility": func(ctx context.Context, s *session, r Resource) error {
		_, err := s.sqs(r.Name).ChangeMessageVisibility(ctx, &sqs.ChangeMessageVisibilityInput{QueueUrl: &r.Name, ReceiptHandle: &nothing})
		return err
	},
	"sqs:DeleteMessage": func(ctx context.Context, s *session, r Resource) error {
		_, err := s.sqs(r.Name).DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: &r.Name, ReceiptHandle: &nothing})
		return err
	},
	"sqs:SendMessage": func(ctx context.Context, s *session, r Resource) error { // longer than any delay
		_, err := s.sqs(r.Name).SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &r.Name, MessageBody: &nothing, DelaySeconds: 901})
		return err
	},
	"s3:ListBucket": func(ctx context.Context, s *session, r Resource) error {
		bucket, _, err := place(r.Name)
		if err == nil {
			_, err = s.s3().ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &bucket, MaxKeys: aws.Int32(1)})
		}
		return err
	},
	"s3:GetObject": func(ctx context.Context, s *session, r Resource) error {
		bucket, key, err := s.sample(ctx, r.Name)
		if err != nil {
			return err
		}
		out, err := s.s3().GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: &key, Range: aws.String("bytes=0-0")})
		if err == nil {
			_ = out.Body.Close() // one byte
		}
		return err
	},
	"s3:GetObjectVersion": func(ctx context.Context, s *session, r Resource) error { // null is the version of objects without one
		bucket, key, err := s.sample(ctx, r.Name)
		if err != nil {
			return err
		}
		out, err := s.s3().GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: &key, VersionId: aws.String("null"), Range: aws.String("bytes=0-0")})
		if err == nil {
			_ = out.Body.Close()
		}
		return err
	},
	"s3:PutObject": func(ctx context.Context, s *session, r Resource) error { // a part that cannot be, of an upload that nobody began
		bucket, key, err := place(r.Name)
		if err == nil {
			key = strings.TrimSuffix(key, "*") + nothing
			_, err = s.s3().UploadPart(ctx, &s3.UploadPartInput{Bucket: &bucket, Key: &key, UploadId: &nothing, PartNumber: aws.Int32(10001), Body: strings.NewReader(nothing)})
		}
		return err
	},
	"kms:Decrypt": func(ctx context.Context, s *session, r Resource) error {
		_, err := s.kms().Decrypt(ctx, &kms.DecryptInput{KeyId: &r.Name, CiphertextBlob: []byte(nothing)})
		return err
	},
	"kms:GenerateDataKey": func(ctx context.Context, s *session, r Resource) error {
		_, err := s.kms().GenerateDataKey(ctx, &kms.GenerateDataKeyInput{KeyId: &r.Name, KeySpec: kmstypes.DataKeySpecAes256, DryRun: aws.Bool(true)})
		return err
	},
	"sts:AssumeRole": func(ctx context.Context, s *session, r Resource) error {
		in := &sts.AssumeRoleInput{RoleArn: &r.Name, RoleSessionName: aws.String("fluent-siem-doctor")}
		if s.as.ExternalID != "" {
			in.ExternalId = &s.as.ExternalID
		}
		_, err := s.sts(s.cfg).AssumeRole(ctx, in)
		return err
	},
	"ssm:GetParameter": func(ctx context.Context, s *session, r Resource) error {
		_, err := s.ssm().GetParameter(ctx, &ssm.GetParameterInput{Name: &r.Name})
		return err
	},
	"ssm:GetParametersByPath": func(ctx context.Context, s *session, r Resource) error {
		path, below := strings.CutSuffix(r.Name, "/*")
		if below {
			return nil // asked with the path
		}
		_, err := s.ssm().GetParametersByPath(ctx, &ssm.GetParametersByPathInput{Path: &path, MaxResults: aws.Int32(1)})
		return err
	},
	"ssm:PutParameter": func(ctx context.Context, s *session, r Resource) error { // longer than any parameter
		_, err := s.ssm().PutParameter(ctx, &ssm.PutParameterInput{Name: &r.Name, Type: ssmtypes.ParameterTypeString, Tier: ssmtypes.ParameterTierStandard,
			Value: aws.String(strings.Repeat("x", 9<<10))})
		return err
	},
	"sns:Publish": func(ctx context.Context, s *session, r Resource) error { // longer than any subject
		_, err := s.sns().Publish(ctx, &sns.PublishInput{TopicArn: &r.Name, Message: &nothing, Subject: aws.String(strings.Repeat("x", 101))})
		return err
	},
	"es:ESHttpGet":      request(http.MethodGet, "/"),
	"es:ESHttpPost":     request(http.MethodPost, "/_bulk"), // without a document
	"aoss:APIAccessAll": request(http.MethodGet, "/_cat/indices?format=json&h=index"),
}

// nothing stands for what does not exist.
var nothing = "fluent-siem-doctor"

// request tries a signed request to a cluster; any status but a refusal is fine.
func request(method, path string) func(context.Context, *session, Resource) error {
	return func(ctx context.Context, s *session, r Resource) error {
		client, err := opensearch.NewClient(s.connection(r.Name), func(error) {})
		if err != nil {
			return err
		}
		defer client.Close()
		status, answer, err := client.Do(ctx, method, path, nil)
		switch {
		case err != nil:
			return err
		case status == http.StatusUnauthorized || status == http.StatusForbidden:
			return errDenied(fmt.Sprintf("status %d: %.300s", status, bytes.TrimSpace(answer)))
		}
		return nil
	}
}

// place is the bucket and the key of a resource of S3.
func place(name string) (bucket, key string, err error) {
	bucket, key, _ = strings.Cut(name, "/")
	if strings.Contains(bucket, "*") {
		return "", "", errUnclear("which buckets there are is not known here: name one with --bucket")
	}
	return bucket, key, nil
}

// sample is an object that is there, of a resource that ends with *; else the
// one that is named.
func (s *session) sample(ctx context.Context, name string) (bucket, key string, err error) {
	bucket, key, err = place(name)
	prefix, many := strings.CutSuffix(key, "*")
	if err != nil || !many {
		return bucket, key, err
	}
	list, err := s.s3().ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &bucket, Prefix: named(prefix), MaxKeys: aws.Int32(1)})
	switch {
	case err != nil && verdictOf(err) == denied: // so it is with an object that is there; without one, 403 says nothing
		return "", "", errUnclear("an object is needed for a try, and the bucket may not be listed")
	case err != nil:
		return "", "", err
	case len(list.Contents) == 0:
		return bucket, prefix + nothing, nil
	}
	return bucket, aws.ToString(list.Contents[0].Key), nil
}

// named is a parameter, nil for none.
func named(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}
