package deadletter

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// bucket keeps each commit as an object of its own:
// PREFIX2006/01/02/KIND-20060102T150405.000Z-RUN-N.ndjson.zst.
type bucket struct {
	name, prefix, kmsKey, region string
	run                          string // random: names no other process uses
	serial                       atomic.Uint64
	client                       func() (*s3.Client, error)
}

// putTimeout is how long S3 may take for one commit, retries included.
const putTimeout = time.Minute

func newBucket(cfg Config, name, prefix string) *bucket {
	b := &bucket{name: name, prefix: prefix, kmsKey: cfg.KMSKey, region: cfg.Region, run: strings.ToLower(rand.Text()[:8])}
	b.client = sync.OnceValues(b.connect)
	return b
}

// connect reads the environment and the shared files, as the SDK does. An
// endpoint of one's own is AWS_ENDPOINT_URL_S3.
func (b *bucket) connect() (*s3.Client, error) {
	cfg, err := config.LoadDefaultConfig(context.Background(), config.WithRegion(b.region), config.WithAppID("fluent-siem"))
	if err != nil {
		return nil, fmt.Errorf("AWS configuration: %w", err)
	}
	return s3.NewFromConfig(cfg, func(o *s3.Options) {
		o.UsePathStyle = o.BaseEndpoint != nil
		if o.Region == "" && o.BaseEndpoint != nil {
			o.Region = "us-east-1" // a name is needed for signing; such services take any
		}
	}), nil
}

func (b *bucket) put(kind string, batch []byte) error {
	client, err := b.client()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), putTimeout)
	defer cancel()
	now := time.Now().UTC()
	key := fmt.Sprintf("%s%s/%s-%s-%s-%d.ndjson.zst", b.prefix, now.Format("2006/01/02"), kind, now.Format("20060102T150405.000Z"), b.run, b.serial.Add(1))
	in := &s3.PutObjectInput{Bucket: &b.name, Key: &key, Body: bytes.NewReader(batch), ContentType: aws.String("application/zstd")}
	if b.kmsKey != "" {
		in.ServerSideEncryption, in.SSEKMSKeyId = types.ServerSideEncryptionAwsKms, &b.kmsKey
	}
	if _, err = client.PutObject(ctx, in); err != nil {
		return fmt.Errorf("s3://%s/%s: %w", b.name, key, err)
	}
	return nil
}

func (b *bucket) list(ctx context.Context) ([]string, error) {
	client, err := b.client()
	if err != nil {
		return nil, err
	}
	var names []string
	pages := s3.NewListObjectsV2Paginator(client, &s3.ListObjectsV2Input{Bucket: &b.name, Prefix: &b.prefix})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("s3://%s/%s: %w", b.name, b.prefix, err)
		}
		for _, o := range page.Contents {
			if name := strings.TrimPrefix(aws.ToString(o.Key), b.prefix); ours(path.Base(name)) {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return names, nil
}

func (b *bucket) read(ctx context.Context, name string) ([]byte, error) {
	client, err := b.client()
	if err != nil {
		return nil, err
	}
	out, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: &b.name, Key: aws.String(b.prefix + name)})
	if err != nil {
		return nil, fmt.Errorf("s3://%s/%s%s: %w", b.name, b.prefix, name, err)
	}
	defer out.Body.Close()
	return io.ReadAll(out.Body)
}

// remove may delete what is there: an object is never written to again.
func (b *bucket) remove(ctx context.Context, name string, _ int) (gone bool, err error) {
	client, err := b.client()
	if err != nil {
		return false, err
	}
	_, err = client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &b.name, Key: aws.String(b.prefix + name)})
	return err == nil, err
}

func (b *bucket) close() error { return nil }
