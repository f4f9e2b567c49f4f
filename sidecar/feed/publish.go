package feed

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// Publish puts a file into S3, at s3://bucket/key, for others to fetch. Who takes
// it checks that it is whole.
func (c *Client) Publish(ctx context.Context, file, to string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	return c.publish(ctx, f, to)
}

// PublishText is [Client.Publish] of a text.
func (c *Client) PublishText(ctx context.Context, text, to string) error {
	return c.publish(ctx, strings.NewReader(text), to)
}

func (c *Client) publish(ctx context.Context, body io.ReadSeeker, to string) error {
	bucket, key, _ := strings.Cut(strings.TrimPrefix(to, "s3://"), "/")
	if c.S3 == nil || bucket == "" || key == "" {
		return fmt.Errorf("%s is no place in S3", to)
	}
	if _, err := c.S3.PutObject(ctx, &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: body}); err != nil {
		return fmt.Errorf("%s: it was not published: %w", to, err)
	}
	return nil
}
