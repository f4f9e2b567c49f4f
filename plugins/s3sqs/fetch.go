package s3sqs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// body is an object's content. A broken connection is resumed where it broke,
// with the ETag as condition; an error is a [*fault] or the context's.
type body struct {
	ctx     context.Context
	client  *s3.Client
	in      s3.GetObjectInput
	size    int64 // -1 until the first answer
	off     int64 // read so far
	etag    string
	version string // id; "" where the bucket has none
	written time.Time
	rc      io.ReadCloser
	stop    context.CancelFunc // ends the current answer
	stall   *time.Timer        // calls stop when nothing comes for long
	tries   int                // in a row without a byte
	t       *timing
	resume  func() // counts
	slower  func() // S3 asks for fewer requests
}

// unknownSize is the size of an object whose service does not tell it.
const unknownSize = 1 << 62

// open asks for the object, so that what is wrong with it shows before the
// first read.
func (r *run) open(ctx context.Context, o announced) (*body, error) {
	in := r.in
	b := &body{ctx: ctx, client: r.clients.bucket(o.bucket, o.region), size: -1, t: &in.timing, resume: in.metrics.resumed.Inc, slower: r.gate.slower}
	b.in = s3.GetObjectInput{Bucket: aws.String(o.bucket), Key: aws.String(o.key)}
	if o.version != "" {
		b.in.VersionId = aws.String(o.version)
	}
	if owner := in.cfg.ExpectedBucketOwner; owner != "" {
		b.in.ExpectedBucketOwner = aws.String(owner)
	}
	for {
		err := b.get()
		if err == nil {
			return b, nil
		}
		if err := b.again(err); err != nil {
			return nil, err
		}
	}
}

// get starts an answer at off.
func (b *body) get() error {
	ctx, stop := context.WithCancel(b.ctx)
	stall := time.AfterFunc(b.t.stall, stop)
	in := b.in
	if b.off > 0 {
		in.Range = aws.String(fmt.Sprintf("bytes=%d-", b.off))
		if b.etag != "" {
			in.IfMatch = aws.String(b.etag)
		}
	}
	out, err := b.client.GetObject(ctx, &in)
	stall.Stop()
	if err != nil {
		stop()
		return err
	}
	if b.size < 0 {
		b.size = unknownSize
		if out.ContentLength != nil {
			b.size = *out.ContentLength
		}
		b.etag, b.written = aws.ToString(out.ETag), aws.ToTime(out.LastModified)
		if b.version = aws.ToString(out.VersionId); b.version == "null" {
			b.version = ""
		}
	} else if want := fmt.Sprintf("bytes %d-", b.off); b.off > 0 && !strings.HasPrefix(aws.ToString(out.ContentRange), want) {
		// A service that takes no ranges starts again from the beginning.
		if _, err := io.CopyN(io.Discard, out.Body, b.off); err != nil {
			out.Body.Close()
			stop()
			return err
		}
	}
	b.rc, b.stop, b.stall = out.Body, stop, stall
	return nil
}

// again waits before the next try, or returns why there is none.
func (b *body) again(err error) error {
	b.drop()
	if b.ctx.Err() != nil {
		return context.Cause(b.ctx)
	}
	f := classify(err)
	if throttled(err) {
		b.slower()
	}
	if f.class != transient || b.tries >= b.t.tries {
		return f
	}
	wait := b.t.retry << b.tries
	wait = wait/2 + rand.N(wait)
	b.tries++
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-b.ctx.Done():
		return context.Cause(b.ctx)
	}
}

func (b *body) drop() {
	if b.rc != nil {
		b.stop()
		b.rc.Close()
		b.rc = nil
	}
}

// Read resumes as often as it takes, while bytes come.
func (b *body) Read(p []byte) (int, error) {
	for {
		if b.size >= 0 && b.off >= b.size {
			return 0, io.EOF
		}
		if b.rc == nil {
			b.resume()
			if err := b.get(); err != nil {
				if err := b.again(err); err != nil {
					return 0, err
				}
				continue
			}
		}
		b.stall.Reset(b.t.stall)
		n, err := b.rc.Read(p)
		b.stall.Stop()
		b.off += int64(n)
		if n > 0 {
			b.tries = 0
			return n, nil
		}
		if err == nil {
			continue
		}
		if errors.Is(err, io.EOF) {
			if b.size == unknownSize {
				return 0, io.EOF
			}
			err = io.ErrUnexpectedEOF
		}
		if err := b.again(fmt.Errorf("the connection broke at byte %d of %d: %w", b.off, b.size, err)); err != nil {
			return 0, err
		}
	}
}

// Close ends the answer.
func (b *body) Close() error {
	b.drop()
	return nil
}

// throttled reports whether S3 asks for fewer requests.
func throttled(err error) bool {
	f := classify(err)
	var response *awshttp.ResponseError
	return f.code == "SlowDown" || errors.As(err, &response) && response.HTTPStatusCode() == http.StatusServiceUnavailable
}
