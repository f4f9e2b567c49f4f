package awsemu

import (
	"bytes"
	"crypto/md5"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
)

// store is gofakes3's memory with announcements and repeated objects.
type store struct {
	*s3mem.Backend
	created func(bucket, key, version string, size int64, etag string)

	mu       sync.RWMutex
	repeated map[[2]string]*repeated
}

// CreateBucket makes a bucket with versioning if there is none of that name.
func (s *Server) CreateBucket(name string) error {
	if ok, _ := s.store.BucketExists(name); ok {
		return nil
	}
	if err := s.store.CreateBucket(name); err != nil {
		return fmt.Errorf("bucket %s: %w", name, err)
	}
	return s.store.SetVersioningConfiguration(name, gofakes3.VersioningConfiguration{Status: gofakes3.VersioningEnabled})
}

// Put stores an object and announces it. It returns the version id.
func (s *Server) Put(bucket, key string, body []byte) (version string, err error) {
	result, err := s.store.PutObject(bucket, key, written(), bytes.NewReader(body), int64(len(body)), nil)
	if err != nil {
		return "", fmt.Errorf("put s3://%s/%s: %w", bucket, key, err)
	}
	return string(result.VersionID), nil
}

// PutQuietly stores an object that nobody hears of: one that was there before
// anybody announced anything.
func (s *Server) PutQuietly(bucket, key string, body []byte) error {
	_, err := s.store.Backend.PutObject(bucket, key, written(), bytes.NewReader(body), int64(len(body)), nil)
	return err
}

// written is what an object says of when it was written.
func written() map[string]string {
	return map[string]string{"Last-Modified": time.Now().UTC().Format(http.TimeFormat)}
}

// Delete removes the current version of an object.
func (s *Server) Delete(bucket, key string) error {
	_, err := s.store.DeleteObject(bucket, key)
	return err
}

// PutRepeated stores an object that is head, then block count times, then
// tail, and announces it. The three may be gzip members: then the object is
// one gzip stream of any size that costs the memory of a block. It has no
// version id.
func (s *Server) PutRepeated(bucket, key string, head, block []byte, count int64, tail []byte) error {
	if ok, _ := s.store.BucketExists(bucket); !ok {
		return fmt.Errorf("put s3://%s/%s: no such bucket", bucket, key)
	}
	sum := md5.Sum(fmt.Append(nil, len(head), len(block), count, len(tail), key))
	r := &repeated{head: head, block: block, tail: tail, count: count, hash: sum[:]}
	s.store.mu.Lock()
	s.store.repeated[[2]string{bucket, key}] = r
	s.store.mu.Unlock()
	s.announce(bucket, key, "", r.size(), fmt.Sprintf("%x", sum))
	return nil
}

func (s *store) PutObject(bucket, key string, meta map[string]string, in io.Reader, size int64, cond *gofakes3.PutConditions) (gofakes3.PutObjectResult, error) {
	hash := md5.New()
	result, err := s.Backend.PutObject(bucket, key, meta, io.TeeReader(in, hash), size, cond)
	if err == nil {
		s.created(bucket, key, string(result.VersionID), size, fmt.Sprintf("%x", hash.Sum(nil)))
	}
	return result, err
}

func (s *store) CopyObject(srcBucket, srcKey, dstBucket, dstKey string, meta map[string]string) (gofakes3.CopyObjectResult, error) {
	return gofakes3.CopyObject(s, srcBucket, srcKey, dstBucket, dstKey, meta)
}

func (s *store) GetObject(bucket, key string, rng *gofakes3.ObjectRangeRequest) (*gofakes3.Object, error) {
	if r := s.find(bucket, key); r != nil {
		return r.object(key, rng)
	}
	return s.Backend.GetObject(bucket, key, rng)
}

func (s *store) HeadObject(bucket, key string) (*gofakes3.Object, error) {
	if r := s.find(bucket, key); r != nil {
		o, err := r.object(key, nil)
		if err == nil {
			o.Contents = io.NopCloser(strings.NewReader(""))
		}
		return o, err
	}
	return s.Backend.HeadObject(bucket, key)
}

func (s *store) find(bucket, key string) *repeated {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.repeated[[2]string{bucket, key}]
}

// repeated is an object made while it is read.
type repeated struct {
	head, block, tail []byte
	count             int64
	hash              []byte
}

func (r *repeated) size() int64 {
	return int64(len(r.head)) + r.count*int64(len(r.block)) + int64(len(r.tail))
}

func (r *repeated) object(key string, rng *gofakes3.ObjectRangeRequest) (*gofakes3.Object, error) {
	span, err := rng.Range(r.size())
	if err != nil {
		return nil, err
	}
	body := io.NewSectionReader(r, 0, r.size())
	if span != nil {
		body = io.NewSectionReader(r, span.Start, span.Length)
	}
	return &gofakes3.Object{
		Name: key, Size: r.size(), Hash: r.hash, Range: span, Contents: io.NopCloser(body),
		Metadata: map[string]string{"Content-Type": "application/octet-stream", "X-Emulator-Blocks": strconv.FormatInt(r.count, 10)},
	}, nil
}

// ReadAt makes the bytes at off.
func (r *repeated) ReadAt(p []byte, off int64) (n int, err error) {
	blocks := int64(len(r.head)) + r.count*int64(len(r.block))
	for n < len(p) {
		var from []byte
		switch {
		case off < int64(len(r.head)):
			from = r.head[off:]
		case off < blocks:
			from = r.block[(off-int64(len(r.head)))%int64(len(r.block)):]
		case off < r.size():
			from = r.tail[off-blocks:]
		default:
			return n, io.EOF
		}
		c := copy(p[n:], from)
		n += c
		off += int64(c)
	}
	return n, nil
}
