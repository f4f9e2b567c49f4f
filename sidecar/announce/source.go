package announce

import (
	"bufio"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/klauspost/compress/gzip"

	"github.com/fluent-siem/fluent-siem/plugins/s3sqs/split"
)

// List lists a bucket page by page, in the order of keys, from behind a key
// ("": from the beginning). Folders (keys that end with a slash) are left out.
func List(ctx context.Context, client *s3.Client, bucket, prefix, after string) Source {
	return func(yield func(Object, error) bool) {
		in := &s3.ListObjectsV2Input{Bucket: &bucket, Prefix: &prefix}
		if after != "" {
			in.StartAfter = &after
		}
		pages := s3.NewListObjectsV2Paginator(client, in)
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				yield(Object{}, fmt.Errorf("bucket %s cannot be listed (it needs s3:ListBucket): %w", bucket, err))
				return
			}
			for _, o := range page.Contents {
				key := aws.ToString(o.Key)
				if strings.HasSuffix(key, "/") {
					continue
				}
				if !yield(Object{bucket, key, "", strings.Trim(aws.ToString(o.ETag), `"`), aws.ToInt64(o.Size), aws.ToTime(o.LastModified)}, nil) {
					return
				}
			}
		}
	}
}

// ParseURL reads s3://bucket/key.
func ParseURL(text string) (bucket, key string, err error) {
	rest, ok := strings.CutPrefix(strings.TrimSpace(text), "s3://")
	bucket, key, _ = strings.Cut(rest, "/")
	if !ok || bucket == "" {
		return "", "", fmt.Errorf("%q is not s3://bucket/key", text)
	}
	return bucket, key, nil
}

// lineMost is the longest line of a list: S3's keys have 1,024 bytes.
const lineMost = 64 << 10

// Lines reads a list: a line for each object, s3://bucket/key or the JSON that
// `fluent-siem ledger --json` prints. Blank lines do not count.
func Lines(r io.Reader) Source {
	return func(yield func(Object, error) bool) {
		in := bufio.NewScanner(r)
		in.Buffer(nil, lineMost)
		for n := 1; in.Scan(); n++ {
			line := strings.TrimSpace(in.Text())
			if line == "" {
				continue
			}
			o, err := parseLine(line)
			if err != nil {
				yield(o, fmt.Errorf("line %d of the list: %w", n, err))
				return
			}
			if !yield(o, nil) {
				return
			}
		}
		if err := in.Err(); err != nil {
			yield(Object{}, fmt.Errorf("the list cannot be read: %w", err))
		}
	}
}

func parseLine(line string) (o Object, err error) {
	o.Size = -1
	if strings.HasPrefix(line, "{") {
		var row struct {
			Bucket, Key, Version, ETag string
			Size                       *int64
		}
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			return o, err
		}
		if row.Bucket == "" || row.Key == "" {
			return o, errors.New("it has no bucket or no key")
		}
		o.Bucket, o.Key, o.Version, o.ETag = row.Bucket, row.Key, row.Version, row.ETag
		if row.Size != nil {
			o.Size = *row.Size
		}
		return o, nil
	}
	o.Bucket, o.Key, err = ParseURL(line)
	if err == nil && o.Key == "" {
		err = fmt.Errorf("%q names a bucket and no object", line)
	}
	return o, err
}

// Open returns what is in a file of an inventory: of a bucket, or of a folder.
type Open func(ctx context.Context, bucket, key string) (io.ReadCloser, error)

// FromBucket opens objects.
func FromBucket(client func(bucket string) *s3.Client) Open {
	return func(ctx context.Context, bucket, key string) (io.ReadCloser, error) {
		out, err := client(bucket).GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: &key})
		if err != nil {
			return nil, fmt.Errorf("s3://%s/%s cannot be read: %w", bucket, key, err)
		}
		return out.Body, nil
	}
}

// manifest is the manifest.json of an S3 Inventory.
type manifest struct {
	SourceBucket      string `json:"sourceBucket"`
	DestinationBucket string `json:"destinationBucket"` // an ARN, or a name
	FileFormat        string `json:"fileFormat"`
	FileSchema        string `json:"fileSchema"`
	Files             []struct {
		Key string `json:"key"`
	} `json:"files"`
}

const manifestMost = 64 << 20 // bytes

// Inventory lists the objects of an S3 Inventory, CSV or Parquet, whose
// manifest.json is at bucket and key. Of objects with several versions the
// current one counts. The order is the inventory's, which is none.
func Inventory(ctx context.Context, open Open, bucket, key string) Source {
	return func(yield func(Object, error) bool) {
		m, err := readManifest(ctx, open, bucket, key)
		if err != nil {
			yield(Object{}, err)
			return
		}
		for _, f := range m.Files {
			stopped := false
			err := m.file(ctx, open, f.Key, func(o Object) bool {
				stopped = !yield(o, nil)
				return !stopped
			})
			if stopped {
				return
			}
			if err != nil {
				yield(Object{}, fmt.Errorf("inventory file %s: %w", f.Key, err))
				return
			}
		}
	}
}

func readManifest(ctx context.Context, open Open, bucket, key string) (m manifest, err error) {
	body, err := open(ctx, bucket, key)
	if err != nil {
		return m, err
	}
	defer body.Close()
	text, err := io.ReadAll(io.LimitReader(body, manifestMost))
	if err == nil {
		err = json.Unmarshal(text, &m)
	}
	if err != nil {
		return m, fmt.Errorf("the manifest %s cannot be read: %w", key, err)
	}
	m.DestinationBucket = m.DestinationBucket[strings.LastIndexByte(m.DestinationBucket, ':')+1:]
	if m.FileFormat != "CSV" && m.FileFormat != "Parquet" {
		return m, fmt.Errorf("the inventory's format is %q; CSV and Parquet are read: choose one of them for the next inventory", m.FileFormat)
	}
	if m.DestinationBucket == "" || m.FileFormat == "CSV" && m.FileSchema == "" {
		return m, fmt.Errorf("%s is not the manifest.json of an S3 Inventory: it has no destinationBucket or no fileSchema", key)
	}
	return m, nil
}

// file reads one file of the inventory until f says that it is enough.
func (m manifest) file(ctx context.Context, open Open, key string, f func(Object) bool) error {
	body, err := open(ctx, m.DestinationBucket, key)
	if err != nil {
		return err
	}
	defer body.Close()
	if m.FileFormat == "Parquet" {
		return m.parquet(body, f)
	}
	z, err := gzip.NewReader(body)
	if err != nil {
		return err
	}
	columns := map[string]int{}
	for i, name := range strings.Split(m.FileSchema, ",") {
		columns[strings.ToLower(strings.TrimSpace(name))] = i
	}
	rows := csv.NewReader(z)
	rows.ReuseRecord = true
	for {
		row, err := rows.Read()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		o, ok, err := m.object(func(name string) string {
			if i, ok := columns[name]; ok && i < len(row) {
				return row[i]
			}
			return ""
		}, true)
		if err != nil {
			return err
		}
		if ok && !f(o) {
			return nil
		}
	}
}

var errEnough = errors.New("enough")

// parquet reads rows as the pipeline does; names are written with underscores.
func (m manifest) parquet(body io.Reader, f func(Object) bool) error {
	_, err := split.Records(body, split.Framing{Kind: split.JSON}, split.Limits{}, func(r split.Record) error {
		if r.Bad != nil {
			return r.Bad
		}
		var row map[string]any
		if err := json.Unmarshal(r.Raw, &row); err != nil {
			return err
		}
		plain := map[string]string{}
		for name, v := range row {
			if v == nil {
				continue
			}
			text := fmt.Sprint(v)
			if n, ok := v.(float64); ok {
				text = strconv.FormatFloat(n, 'f', -1, 64)
			}
			plain[strings.ReplaceAll(name, "_", "")] = text
		}
		o, ok, err := m.object(func(name string) string { return plain[name] }, false)
		if err != nil {
			return err
		}
		if ok && !f(o) {
			return errEnough
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

// object makes an object of a row; ok is false for versions that are not the
// current one, delete markers and folders. CSV has its keys encoded as in a URL.
func (m manifest) object(column func(string) string, encoded bool) (o Object, ok bool, err error) {
	o = Object{Bucket: column("bucket"), Key: column("key"), Version: column("versionid"), ETag: strings.Trim(column("etag"), `"`), Size: -1}
	if o.Bucket == "" {
		o.Bucket = m.SourceBucket
	}
	if encoded {
		if o.Key, err = url.QueryUnescape(o.Key); err != nil {
			return o, false, fmt.Errorf("key %q is not encoded as in a URL", column("key"))
		}
	}
	if o.Version == "null" {
		o.Version = ""
	}
	if n, err := strconv.ParseInt(column("size"), 10, 64); err == nil {
		o.Size = n
	}
	if text := column("lastmodifieddate"); text != "" {
		if o.Modified, err = parseModified(text); err != nil {
			return o, false, err
		}
	}
	latest := column("islatest")
	return o, o.Key != "" && !strings.HasSuffix(o.Key, "/") && latest != "false" && column("isdeletemarker") != "true", nil
}

func parseModified(text string) (time.Time, error) {
	if ms, err := strconv.ParseInt(text, 10, 64); err == nil {
		return time.UnixMilli(ms).UTC(), nil
	}
	return time.Parse(time.RFC3339, text)
}
