package s3sqs

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
)

// class is what an error of S3 or SQS means for the message.
type class string

const (
	gone      class = "gone"      // the object does not exist: a verdict
	denied    class = "denied"    // heals when a permission is granted
	archived  class = "archived"  // heals when the object is restored
	misplaced class = "misplaced" // bucket, region or queue is another: a setting
	changed   class = "changed"   // replaced while it was read
	transient class = "transient" // network, throttling, and what nobody recognises
)

// fault is an error of the service, with its class.
type fault struct {
	class class
	code  string // the service's
	err   error
}

func (f *fault) Error() string { return f.err.Error() }
func (f *fault) Unwrap() error { return f.err }

// advice is what to do about a class of faults with an object.
func (f *fault) advice() string {
	switch f.class {
	case denied:
		if strings.HasPrefix(f.code, "KMS") || strings.Contains(f.err.Error(), "kms:") {
			return "allow kms:Decrypt with the bucket's key"
		}
		return "allow s3:GetObject (and s3:GetObjectVersion), or name a role in bucket_roles"
	case archived:
		return "restore the object from its archive"
	case misplaced:
		return "correct region, endpoint or expected_bucket_owner"
	case changed:
		return "nothing: the newer version is read next"
	}
	return "nothing, unless it lasts"
}

// classify is the one place that knows what an error of the service means.
func classify(err error) *fault {
	var f *fault
	if errors.As(err, &f) {
		return f
	}
	f = &fault{class: transient, err: err}
	var api smithy.APIError
	if errors.As(err, &api) {
		f.code = api.ErrorCode()
	}
	status := 0
	var response *awshttp.ResponseError
	if errors.As(err, &response) {
		status = response.HTTPStatusCode()
	}
	switch f.code {
	case "NoSuchKey", "NoSuchVersion":
		f.class = gone
		return f
	case "NoSuchBucket", "PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException",
		"QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue", "InvalidAddress":
		f.class = misplaced
		return f
	case "InvalidObjectState":
		f.class = archived
		return f
	case "PreconditionFailed", "InvalidRange":
		f.class = changed
		return f
	case "SlowDown", "RequestTimeTooSkewed", "RequestThrottled", "Throttling", "ThrottlingException":
		return f
	}
	var identity *smithy.OperationError
	switch text := err.Error(); {
	case strings.HasPrefix(f.code, "KMS."), strings.Contains(f.code, "AccessDenied"):
		f.class = denied
	case status == http.StatusNotFound && f.code == "NotFound": // the answer has no body
		f.class = gone
	case status == http.StatusMethodNotAllowed: // the version is a delete marker
		f.class = gone
	case status == http.StatusMovedPermanently, status == http.StatusTemporaryRedirect:
		f.class = misplaced
	case status == http.StatusPreconditionFailed, status == http.StatusRequestedRangeNotSatisfiable:
		f.class = changed
	case status == http.StatusForbidden, status == http.StatusUnauthorized:
		f.class = denied
	case errors.As(err, &identity) && (strings.Contains(text, "get identity") || strings.Contains(text, "get credentials") || strings.Contains(text, "refresh cached credentials")):
		f.class = denied
	}
	return f
}

// interrupted reports whether err only says that we stopped.
func interrupted(ctx context.Context, err error) bool {
	return ctx.Err() != nil || errors.Is(err, context.Canceled)
}

// cause returns why ctx ended, err when it did not.
func cause(ctx context.Context, err error) error {
	if c := context.Cause(ctx); c != nil {
		return c
	}
	return err
}

// Reasons to end a hold that are not faults of the service.
var (
	errStopping = errors.New("the input stops")
	errLost     = errors.New("the message became visible to others before it was extended")
	errCeiling  = errors.New("SQS lets nobody hold a message for longer than twelve hours")
)

// unsent is why records did not reach the host.
type unsent struct{ err error }

func (e *unsent) Error() string { return fmt.Sprintf("the host did not take records: %v", e.err) }
func (e *unsent) Unwrap() error { return e.err }
