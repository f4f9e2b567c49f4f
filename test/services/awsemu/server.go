// Package awsemu is S3 and SQS in one process, for tests of volume and of
// faults and for the demo. Where faithful behaviour of the AWS API itself is
// the question, tests use moto, an independent emulator.
//
// # Promises
//
//   - One URL speaks both services as aws-sdk-go-v2 expects them: S3 in path
//     style (objects by gofakes3, versioned), SQS as AWS JSON 1.0.
//   - A put of an object is announced as S3 announces it: key URL-encoded,
//     version id, sequencer.
//   - A queue does what a standard queue does: long poll, visibility, receive
//     counts, receipt handles that go stale, dead-letter queue, the hold limit.
//   - Every fault asked for with [Server.Fault] happens to the requests it
//     names and to no others.
//   - An object made with [Server.PutRepeated] costs the memory of its block,
//     however large it is.
//
// It promises no durability: state ends with the process. It checks no
// signature and no policy; AccessDenied is a fault.
package awsemu

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
)

// Config is what a Server can be told at its start; the zero value is good.
type Config struct {
	// Listen is the address to listen on. Default 127.0.0.1:0, a free port.
	Listen string

	// Hold is how long a consumer may keep a message at most. Default [Hold].
	Hold time.Duration
}

// Server is the emulator. All methods may be called at any time from anywhere.
type Server struct {
	// URL is where both services answer, such as http://127.0.0.1:4567.
	URL string

	cfg    Config
	http   *http.Server
	closed chan struct{}
	store  *store
	s3     http.Handler
	faults faults
	ahead  atomic.Int64 // nanoseconds, of the services' clock

	mu       sync.Mutex
	queues   map[string]*Queue
	requests map[string]uint64

	announcements []bucketAnnouncement
}

// Start starts a Server. Close it.
func Start(cfg Config) (*Server, error) {
	if cfg.Listen == "" {
		cfg.Listen = "127.0.0.1:0"
	}
	if cfg.Hold == 0 {
		cfg.Hold = Hold
	}
	l, err := net.Listen("tcp", cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("the S3 and SQS emulator cannot listen: %w", err)
	}
	s := &Server{
		URL: "http://" + l.Addr().String(), cfg: cfg, closed: make(chan struct{}),
		queues: map[string]*Queue{}, requests: map[string]uint64{},
	}
	s.store = &store{Backend: s3mem.New(), repeated: map[[2]string]*repeated{}}
	s.store.created = s.announce
	s.s3 = gofakes3.New(s.store, gofakes3.WithTimeSkewLimit(0)).Server()
	s.http = &http.Server{Handler: http.HandlerFunc(s.serve), ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
	go func() {
		defer close(s.closed)
		s.http.Serve(l) // ends with ErrServerClosed
	}()
	return s, nil
}

// Close cuts every connection and ends the Server.
func (s *Server) Close() error {
	err := s.http.Close()
	<-s.closed
	return err
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	op, bucket, key := operation(r)
	s.mu.Lock()
	s.requests[op]++
	s.mu.Unlock()
	if w = s.faults.hit(w, r, op, bucket+"/"+key); w == nil || s.late(w, r, op) {
		return
	}
	switch {
	case strings.HasPrefix(op, sqsPrefix):
		s.serveSQS(w, r, strings.TrimPrefix(op, sqsPrefix))
	case op == "PutBucketNotificationConfiguration":
		s.serveNotification(w, r, bucket)
	case op == "GetObject" && s.replaced(r, bucket, key):
		writeS3Error(w, http.StatusPreconditionFailed, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold")
	default:
		s.s3.ServeHTTP(w, r)
	}
}

// replaced reports whether a request wants an object by an ETag that its current
// version does not have.
func (s *Server) replaced(r *http.Request, bucket, key string) bool {
	want := strings.Trim(r.Header.Get("If-Match"), `"`)
	if want == "" || r.URL.Query().Has("versionId") {
		return false
	}
	o, err := s.store.HeadObject(bucket, key)
	return err == nil && fmt.Sprintf("%x", o.Hash) != want
}

const sqsPrefix = "AmazonSQS."

// operation names the API call of a request: "AmazonSQS.ReceiveMessage",
// "GetObject", … and S3's bucket and key.
func operation(r *http.Request) (op, bucket, key string) {
	if target := r.Header.Get("X-Amz-Target"); target != "" {
		return target, "", ""
	}
	bucket, key, _ = strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	verb := map[string]string{"GET": "Get", "HEAD": "Head", "PUT": "Put", "DELETE": "Delete", "POST": "Post"}[r.Method]
	switch q := r.URL.Query(); {
	case q.Has("notification"):
		return verb + "BucketNotificationConfiguration", bucket, key
	case bucket == "":
		return verb + "Service", bucket, key
	case key == "":
		return verb + "Bucket", bucket, key
	}
	return verb + "Object", bucket, key
}

// Requests returns how many requests of an operation came, such as "GetObject"
// or "AmazonSQS.ReceiveMessage".
func (s *Server) Requests(op string) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests[op]
}

// CreateQueue makes a queue if there is none of that name. Attributes are
// SQS's: VisibilityTimeout, ReceiveMessageWaitTimeSeconds, RedrivePolicy.
func (s *Server) CreateQueue(name string, attributes map[string]string) error {
	s.mu.Lock()
	q := s.queues[name]
	if q == nil {
		q = newQueue(name, s.cfg.Hold)
		s.queues[name] = q
	}
	s.mu.Unlock()
	return s.setAttributes(q, attributes)
}

// Queue returns the queue of that name, nil when there is none.
func (s *Server) Queue(name string) *Queue {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.queues[name]
}

// QueueURL is the URL of the queue of that name.
func (s *Server) QueueURL(name string) string { return s.URL + "/123456789012/" + name }

// Pipe makes a versioned bucket and a queue that hears of each object put into
// the bucket: what most tests start with.
func (s *Server) Pipe(bucket, queue string) (queueURL string, err error) {
	if err := s.CreateBucket(bucket); err != nil {
		return "", err
	}
	if err := s.CreateQueue(queue, nil); err != nil {
		return "", err
	}
	s.Announce(bucket, Announcement{Queue: queue})
	return s.QueueURL(queue), nil
}
