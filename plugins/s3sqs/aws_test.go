package s3sqs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fluent-siem/fluent-siem/test/services/awsemu"
)

// front stands before the emulator, sees each request, and may answer it.
func (r *rig) front(answer func(w http.ResponseWriter, req *http.Request, body []byte) bool) string {
	target, err := url.Parse(r.aws.URL)
	if err != nil {
		r.t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) }
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return
		}
		req.Body = io.NopCloser(bytes.NewReader(body))
		if !answer(w, req, body) {
			proxy.ServeHTTP(w, req)
		}
	}))
	r.t.Cleanup(srv.Close)
	return srv.URL
}

// TestRolesAreAssumed: one for the queue, another, with its own external id, for a bucket.
func TestRolesAreAssumed(t *testing.T) {
	r := newRig(t, 30, nil)
	var mu sync.Mutex
	seen := map[string]string{} // what was called with which key
	note := func(what string, req *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		_, rest, _ := strings.Cut(req.Header.Get("Authorization"), "Credential=")
		id, _, _ := strings.Cut(rest, "/")
		seen[what] = id
		if what == "S3" {
			seen["owner"] = req.Header.Get("X-Amz-Expected-Bucket-Owner")
		}
	}
	sts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		role := req.FormValue("RoleArn")
		note("STS "+role+" "+req.FormValue("ExternalId"), req)
		fmt.Fprintf(w, `<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials><AccessKeyId>KEY-OF-%s</AccessKeyId>`+
			`<SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken><Expiration>%s</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`,
			role[strings.LastIndexByte(role, '/')+1:], time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
	}))
	defer sts.Close()
	r.cfg.S3Endpoint = r.front(func(_ http.ResponseWriter, req *http.Request, _ []byte) bool { note("S3", req); return false })
	r.cfg.SQSEndpoint = r.front(func(_ http.ResponseWriter, req *http.Request, _ []byte) bool { note("SQS", req); return false })
	r.cfg.STSEndpoint = sts.URL
	r.cfg.AssumeRoleARN, r.cfg.ExternalID = "arn:aws:iam::123456789012:role/main", "x1"
	r.cfg.BucketRoles = []string{"log*=arn:aws:iam::210987654321:role/bucket;x2"}
	r.cfg.ExpectedBucketOwner = "210987654321"
	r.start()
	r.put(key("a"), trail("a", 1))
	r.untilEmpty()
	mu.Lock()
	defer mu.Unlock()
	for what, want := range map[string]string{"SQS": "KEY-OF-main", "S3": "KEY-OF-bucket", "owner": "210987654321",
		"STS arn:aws:iam::123456789012:role/main x1": "AKID", "STS arn:aws:iam::210987654321:role/bucket x2": "AKID"} {
		if seen[what] != want {
			t.Errorf("%s: %q, want %q; all: %v", what, seen[what], want, seen)
		}
	}
}

// TestDeletesThatFailInPartAreRepeated, and only those.
func TestDeletesThatFailInPartAreRepeated(t *testing.T) {
	r := newRig(t, 30, nil)
	var mu sync.Mutex
	tries := map[string]int{} // by receipt handle
	r.cfg.SQSEndpoint = r.front(func(w http.ResponseWriter, req *http.Request, body []byte) bool {
		if !strings.HasSuffix(req.Header.Get("X-Amz-Target"), ".DeleteMessageBatch") {
			return false
		}
		var in struct {
			QueueURL string `json:"QueueUrl"`
			Entries  []struct{ Id, ReceiptHandle string }
		}
		if err := json.Unmarshal(body, &in); err != nil {
			t.Error(err)
		}
		type done struct{ Id string }
		type failed struct {
			Id, Code    string
			SenderFault bool
		}
		var out struct {
			Successful []done
			Failed     []failed
		}
		mu.Lock()
		defer mu.Unlock()
		for i, e := range in.Entries {
			if tries[e.ReceiptHandle]++; i%2 == 1 && tries[e.ReceiptHandle] == 1 {
				out.Failed = append(out.Failed, failed{e.Id, "InternalError", false})
				continue
			}
			if err := r.queue.Delete(e.ReceiptHandle); err != nil {
				t.Error(err)
			}
			out.Successful = append(out.Successful, done{e.Id})
		}
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		json.NewEncoder(w).Encode(out)
		return true
	})
	for i := range 40 {
		r.put(key(fmt.Sprint(i)), trail(fmt.Sprint(i), 1))
	}
	r.start()
	r.untilEmpty()
	mu.Lock()
	defer mu.Unlock()
	again := 0
	for _, n := range tries {
		again += n - 1
	}
	if again == 0 || again > 20 || r.message("deleted") != 40 {
		t.Errorf("%d repeated, %v deleted", again, r.message("deleted"))
	}
}

// TestRedeliveredToUs: the hold takes the newer receipt handle and reads nothing twice.
func TestRedeliveredToUs(t *testing.T) {
	r := newRig(t, 1, nil)
	r.host.judge = false
	end := r.aws.Fault(awsemu.Fault{Operation: "AmazonSQS.ChangeMessageVisibilityBatch", Status: 500, Code: "InternalError"})
	r.put(key("a"), trail("a", 5))
	r.start()
	r.until("second delivery", func() bool { return r.queue.Stats().Received >= 2 })
	end()
	r.until("extension", func() bool { return r.queue.Stats().Extended >= 1 })
	r.host.release(5)
	r.untilEmpty()
	if _, all := r.host.got(); all != 5 || r.message("deleted") != 1 {
		t.Errorf("%d records, %v deleted; log:\n%s", all, r.message("deleted"), r.log)
	}
}

// TestLostToOthers: a hold whose message somebody else has received ends.
func TestLostToOthers(t *testing.T) {
	r := newRig(t, 3, nil)
	r.host.judge = false
	end := r.aws.Fault(awsemu.Fault{Operation: "AmazonSQS.ChangeMessageVisibilityBatch", Status: 500, Code: "InternalError"})
	r.put(key("a"), trail("a", 5))
	r.start()
	r.until("records", func() bool { return r.host.waiting() == 5 })
	r.in.Pause() // and we receive nothing
	// A long poll of ours that is under way ends before the message is visible again.
	r.until("other receiver", func() bool { return len(r.queue.Receive(t.Context(), 1, time.Minute, 0)) == 1 })
	end()
	r.until("end of the hold", func() bool { return r.message("lost") == 1 })
	if r.in.credit.Used() != 0 || r.log.line("hold on a message is lost") == "" {
		t.Errorf("%d bytes of credit; log:\n%s", r.in.credit.Used(), r.log)
	}
}

// TestHeartbeatIsBatched: one call extends ten messages.
func TestHeartbeatIsBatched(t *testing.T) {
	r := newRig(t, 2, nil)
	r.host.judge = false
	for i := range 40 {
		r.put(key(fmt.Sprint(i)), trail(fmt.Sprint(i), 1))
	}
	r.start()
	r.until("records", func() bool { return r.host.waiting() == 40 })
	r.until("three rounds", func() bool { return r.queue.Stats().Extended >= 120 })
	calls := r.aws.Requests("AmazonSQS.ChangeMessageVisibilityBatch")
	if extended := r.queue.Stats().Extended; calls > extended/3 {
		t.Errorf("%d calls for %d extensions", calls, extended)
	}
	if s := r.queue.Stats(); s.Received != 40 {
		t.Errorf("%d receipts of 40 messages", s.Received)
	}
	r.host.release(40)
	r.untilEmpty()
}
