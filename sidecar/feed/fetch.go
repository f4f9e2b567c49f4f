package feed

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// Source says where something is published, and how to ask for it.
type Source struct {
	// URL is https://…, http://…, s3://bucket/key, or the path of a file.
	URL string
	// Header goes with a request of HTTP.
	Header map[string]string
	// User and Password are for HTTP's basic authentication.
	User, Password string
	// Secrets are texts of URL and Header that nobody may see.
	Secrets []string
}

// Known is what is known of the copy that we have, to ask only for a newer one.
type Known struct {
	ETag     string `json:"etag,omitempty"`
	Modified string `json:"last_modified,omitempty"` // as HTTP writes it
}

// Answer is what a publisher sent.
type Answer struct {
	Known
	Unchanged bool
	SHA256    string // of the body, in hexadecimal
	Size      int64
	Header    http.Header // of HTTP; nil for other places
}

// Time is when what was sent was modified, the zero time when that is unknown.
func (a Answer) Time() time.Time {
	t, _ := http.ParseTime(a.Modified)
	return t
}

// Client fetches. Its zero value works, with the limits below; it may be shared.
type Client struct {
	HTTP *http.Client
	S3   *s3.Client // nil: s3:// cannot be fetched
	// UserAgent is what publishers see.
	UserAgent string
	// Largest is the limit of a body in bytes, 0: 2 GiB.
	Largest int64
	// Longest is the limit of a whole download, 0: 15 minutes.
	Longest time.Duration
	// Slow: a download that brings less than Least bytes in this time is given
	// up. 0: 30 seconds, and 4 KiB.
	Slow  time.Duration
	Least int64
}

func (c *Client) limits() (largest int64, longest, slow time.Duration, least int64) {
	largest, longest, slow, least = c.Largest, c.Longest, c.Slow, c.Least
	if largest <= 0 {
		largest = 2 << 30
	}
	if longest <= 0 {
		longest = 15 * time.Minute
	}
	if slow <= 0 {
		slow = 30 * time.Second
	}
	if least <= 0 {
		least = 4 << 10
	}
	return
}

// Fetch writes what is at src to w, unless it is what is known. An error is an
// [*Error]; what was written then is worth nothing.
func (c *Client) Fetch(ctx context.Context, src Source, known Known, w io.Writer) (a Answer, err error) {
	largest, longest, slow, least := c.limits()
	ctx, cancel := context.WithTimeoutCause(ctx, longest, fmt.Errorf("it took longer than %v", longest))
	defer cancel()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	body, a, err := c.open(ctx, &src, known)
	if err != nil {
		return a, src.explain(ctx, err)
	}
	if a.Unchanged {
		return a, nil
	}
	defer body.Close()
	watch := &watched{in: io.LimitReader(body, largest+1)}
	go watch.stopWhenSlow(ctx, slow, least, stop)
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(w, sum), watch)
	switch {
	case err != nil:
		return a, src.explain(ctx, fmt.Errorf("it broke off after %d bytes: %w", n, err))
	case n > largest:
		return a, src.failuref("it has more than the %d bytes that are allowed", largest)
	case a.Size >= 0 && n != a.Size:
		return a, src.failuref("%d bytes came of %d", n, a.Size)
	}
	a.Size, a.SHA256 = n, hex.EncodeToString(sum.Sum(nil))
	return a, nil
}

// explain prefers the cause for which ctx was ended.
func (s *Source) explain(ctx context.Context, err error) *Error {
	if ctx.Err() != nil {
		if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
			e := s.failuref("%v", cause)
			e.cause = ctx.Err()
			return e
		}
	}
	return s.failure(err)
}

// open begins to fetch. Size is -1 when it is not known beforehand.
func (c *Client) open(ctx context.Context, src *Source, known Known) (io.ReadCloser, Answer, error) {
	switch {
	case strings.HasPrefix(src.URL, "https://"), strings.HasPrefix(src.URL, "http://"):
		return c.openHTTP(ctx, src, known)
	case strings.HasPrefix(src.URL, "s3://"):
		return c.openS3(ctx, src, known)
	case strings.Contains(src.URL, "://") && !strings.HasPrefix(src.URL, "file://"):
		return nil, Answer{}, src.failuref("only https, http, s3 and files can be fetched")
	}
	return openFile(src, known)
}

func (c *Client) openHTTP(ctx context.Context, src *Source, known Known) (io.ReadCloser, Answer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, src.URL, nil)
	if err != nil {
		return nil, Answer{}, src.failuref("the URL cannot be read")
	}
	req.Header.Set("User-Agent", c.UserAgent)
	for k, v := range src.Header {
		req.Header.Set(k, v)
	}
	if src.User != "" || src.Password != "" {
		req.SetBasicAuth(src.User, src.Password)
	}
	if known.ETag != "" {
		req.Header.Set("If-None-Match", known.ETag)
	}
	if known.Modified != "" {
		req.Header.Set("If-Modified-Since", known.Modified)
	}
	client := c.HTTP
	if client == nil {
		client = http.DefaultClient
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, Answer{}, err
	}
	a := Answer{Known: Known{ETag: resp.Header.Get("ETag"), Modified: resp.Header.Get("Last-Modified")}, Size: resp.ContentLength, Header: resp.Header}
	switch {
	case resp.StatusCode == http.StatusNotModified:
		resp.Body.Close()
		return nil, Answer{Known: known, Unchanged: true, Header: resp.Header}, nil
	case resp.StatusCode == http.StatusOK:
		return resp.Body, a, nil
	}
	defer resp.Body.Close()
	return nil, a, src.refusal(resp)
}

// refusal says what a status other than 200 means.
func (s *Source) refusal(resp *http.Response) *Error {
	hint := ""
	switch resp.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden:
		hint = "; the key or password is not accepted: check it"
	case http.StatusNotFound, http.StatusGone:
		hint = "; there is nothing at this address: check it"
	case http.StatusTooManyRequests:
		hint = "; the publisher wants to be asked less often"
	}
	e := s.failuref("the answer is %s%s", resp.Status, hint)
	e.Status = resp.StatusCode
	if after := resp.Header.Get("Retry-After"); after != "" {
		if seconds, err := strconv.Atoi(after); err == nil {
			e.RetryAfter = time.Duration(seconds) * time.Second
		} else if t, err := http.ParseTime(after); err == nil {
			e.RetryAfter = time.Until(t)
		}
		e.RetryAfter = min(max(e.RetryAfter, 0), 24*time.Hour)
	}
	return e
}

func (c *Client) openS3(ctx context.Context, src *Source, known Known) (io.ReadCloser, Answer, error) {
	bucket, key, _ := strings.Cut(strings.TrimPrefix(src.URL, "s3://"), "/")
	if c.S3 == nil || bucket == "" || key == "" {
		return nil, Answer{}, src.failuref("it is no object of S3 that can be fetched; write s3://bucket/key")
	}
	in := &s3.GetObjectInput{Bucket: &bucket, Key: &key}
	if known.ETag != "" {
		in.IfNoneMatch = &known.ETag
	}
	out, err := c.S3.GetObject(ctx, in)
	if err != nil {
		var refused *awshttp.ResponseError
		if errors.As(err, &refused) {
			if refused.HTTPStatusCode() == http.StatusNotModified {
				return nil, Answer{Known: known, Unchanged: true}, nil
			}
			e := src.failure(err)
			e.Status = refused.HTTPStatusCode()
			return nil, Answer{}, e
		}
		return nil, Answer{}, err
	}
	a := Answer{Known: Known{ETag: aws.ToString(out.ETag)}, Size: -1}
	if out.ContentLength != nil {
		a.Size = *out.ContentLength
	}
	if out.LastModified != nil {
		a.Modified = out.LastModified.UTC().Format(http.TimeFormat)
	}
	return out.Body, a, nil
}

func openFile(src *Source, known Known) (io.ReadCloser, Answer, error) {
	path := strings.TrimPrefix(src.URL, "file://")
	f, err := os.Open(path)
	if err != nil {
		return nil, Answer{}, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("it is no regular file")
	}
	if err != nil {
		f.Close()
		return nil, Answer{}, err
	}
	now := Known{ETag: fmt.Sprintf("%d-%d", info.Size(), info.ModTime().UnixNano()), Modified: info.ModTime().UTC().Format(http.TimeFormat)}
	if known == now {
		f.Close()
		return nil, Answer{Known: known, Unchanged: true}, nil
	}
	return f, Answer{Known: now, Size: info.Size()}, nil
}
