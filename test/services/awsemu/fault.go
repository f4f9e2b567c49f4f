package awsemu

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Fault is something that goes wrong with some requests.
type Fault struct {
	// Operation names the requests: "GetObject", "AmazonSQS.DeleteMessageBatch", … "" = all.
	Operation string
	// Object is a part of "bucket/key"; "" = all.
	Object string
	// Rate is the share of these requests that are hit; 0 = each.
	Rate float64
	// Times is how many are hit at most; 0 = no limit.
	Times int

	// Delay comes before everything else.
	Delay time.Duration
	// Status and Code answer instead of the service: 403 AccessDenied, 404
	// NoSuchKey, 500 InternalError, 503 SlowDown.
	Status int
	Code   string
	// Cut ends the connection after that many bytes of the body (-1: before
	// any, with no answer at all); the Content-Length promises all of them.
	Cut int64
	// Reset makes Cut a connection reset (RST) rather than an early end (FIN).
	Reset bool
}

type faults struct {
	mu   sync.Mutex
	list []*activeFault
}

type activeFault struct {
	Fault
	hits int
}

// Fault makes f happen from now on. The function returned ends it and says how
// many requests it has hit.
func (s *Server) Fault(f Fault) (end func() (hits int)) {
	a := &activeFault{Fault: f}
	s.faults.mu.Lock()
	s.faults.list = append(s.faults.list, a)
	s.faults.mu.Unlock()
	return func() int {
		s.faults.mu.Lock()
		defer s.faults.mu.Unlock()
		for i, other := range s.faults.list {
			if other == a {
				s.faults.list = append(s.faults.list[:i:i], s.faults.list[i+1:]...)
				break
			}
		}
		return a.hits
	}
}

// hit lets the faults happen to a request. nil: it has been answered; else the
// writer to answer to.
func (f *faults) hit(w http.ResponseWriter, r *http.Request, op, name string) http.ResponseWriter {
	f.mu.Lock()
	var hit []Fault
	for _, a := range f.list {
		if a.Operation != "" && a.Operation != op || a.Object != "" && !strings.Contains(name, a.Object) ||
			a.Rate > 0 && rand.Float64() >= a.Rate || a.Times > 0 && a.hits >= a.Times {
			continue
		}
		a.hits++
		hit = append(hit, a.Fault)
	}
	f.mu.Unlock()
	for _, a := range hit {
		if a.Delay > 0 {
			timer := time.NewTimer(a.Delay)
			select {
			case <-timer.C:
			case <-r.Context().Done():
				timer.Stop()
				return nil
			}
		}
		switch {
		case a.Status > 0 && strings.HasPrefix(op, sqsPrefix):
			w.Header().Set("Content-Type", "application/x-amz-json-1.0")
			w.Header().Set("x-amzn-query-error", a.Code+";Sender")
			w.WriteHeader(a.Status)
			fmt.Fprintf(w, `{"__type":"com.amazonaws.sqs#%s","message":"a fault asked for"}`, a.Code)
			return nil
		case a.Status > 0:
			writeS3Error(w, a.Status, a.Code, "a fault asked for")
			return nil
		case a.Cut < 0:
			hangUp(w, a.Reset)
			return nil
		case a.Cut > 0:
			w = &cutter{ResponseWriter: w, left: a.Cut, reset: a.Reset}
		}
	}
	return w
}

var errCut = errors.New("connection cut on purpose")

// cutter passes left bytes on and then cuts the connection.
type cutter struct {
	http.ResponseWriter
	left  int64
	reset bool
}

func (c *cutter) Write(p []byte) (int, error) {
	if c.left < 0 {
		return 0, errCut
	}
	if int64(len(p)) < c.left {
		n, err := c.ResponseWriter.Write(p)
		c.left -= int64(n)
		return n, err
	}
	n, _ := c.ResponseWriter.Write(p[:c.left])
	c.left = -1
	http.NewResponseController(c.ResponseWriter).Flush()
	hangUp(c.ResponseWriter, c.reset)
	return n, errCut
}

// hangUp ends the connection without a further byte.
func hangUp(w http.ResponseWriter, reset bool) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // net/http's own way to cut a connection
	}
	if tcp, ok := conn.(*net.TCPConn); ok && reset {
		tcp.SetLinger(0)
	}
	conn.Close()
}

func writeS3Error(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	fmt.Fprintf(w, `<?xml version="1.0" encoding="UTF-8"?><Error><Code>%s</Code><Message>%s</Message><RequestId>0000000000000000</RequestId></Error>`, code, message)
}
