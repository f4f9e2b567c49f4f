package opensearch

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// Requests to AWS are signed for the service and region that the endpoint's
// name says, over the body as it is sent; the secret stays here.
func TestSigV4(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/very/secret")
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	for endpoint, scope := range map[string]string{
		"https://search-x.ap-northeast-1.es.amazonaws.com": "/ap-northeast-1/es/aws4_request",
		"https://x.us-east-1.aoss.amazonaws.com":           "/us-east-1/aoss/aws4_request",
	} {
		c := &cluster{}
		var header http.Header
		var sum string
		r := newRig(t, nil, func(cfg *Config) { cfg.Endpoint, cfg.Auth = []string{endpoint}, "sigv4" })
		r.client.base = roundTrip(func(q *http.Request) (*http.Response, error) {
			header = q.Header
			body, err := io.ReadAll(q.Body)
			if err != nil {
				return nil, err
			}
			s := sha256.Sum256(body)
			sum = hex.EncodeToString(s[:])
			q.Body = io.NopCloser(strings.NewReader(string(body)))
			return c.RoundTrip(q)
		})
		chunk, l, _ := r.chunkOf(100, one("log"))
		if err := r.Write(t.Context(), "siem", chunk); err != nil || !settled(l) {
			t.Fatal(err)
		}
		auth := header.Get("Authorization")
		if !strings.HasPrefix(auth, "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/") || !strings.Contains(auth, scope) {
			t.Errorf("%s: signed as %q", endpoint, auth)
		}
		if got := header.Get("X-Amz-Content-Sha256"); got != sum {
			t.Errorf("%s: signed the body %s, sent %s", endpoint, got, sum)
		}
		if strings.Contains(r.log.String(), "very/secret") || strings.Contains(r.log.String(), auth) {
			t.Errorf("secrets in the log:\n%s", r.log)
		}
	}
}

// Without credentials everything waits and health tells.
func TestNoCredentialsHold(t *testing.T) {
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	t.Setenv("AWS_CONFIG_FILE", "/nonexistent")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
	for _, v := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN"} {
		t.Setenv(v, "")
	}
	c := &cluster{}
	r := newRig(t, c, func(cfg *Config) {
		cfg.Endpoint, cfg.Auth, cfg.Patience = []string{"https://x.us-east-1.es.amazonaws.com"}, "sigv4", 2*time.Second
	})
	chunk, l, _ := r.chunkOf(1, one("log"))
	if err := r.Write(t.Context(), "siem", chunk); err == nil || settled(l) || c.requests != 0 {
		t.Errorf("err %v, %d requests", err, c.requests)
	}
	if !strings.Contains(r.log.String(), "class=no_credentials") {
		t.Errorf("log:\n%s", r.log)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// Over real connections: a dead endpoint of two is left out, bodies are whole
// although their memory is used again, and a base path is kept.
func TestRealConnections(t *testing.T) {
	c := &cluster{}
	server := httptest.NewServer(http.StripPrefix("/base", c))
	defer server.Close()
	dead, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dead.Close()
	r := newRig(t, nil, func(cfg *Config) {
		cfg.Endpoint = []string{server.URL + "/base", "http://" + dead.Addr().String()}
		cfg.BulkSize = 64 << 10
	})
	var wg sync.WaitGroup
	for i := range 4 {
		chunk, l, _ := r.chunkOf(5000, one("log"+string(rune('a'+i))))
		wg.Go(func() {
			if err := r.Write(context.Background(), "siem", chunk); err != nil || !settled(l) {
				t.Errorf("err %v, settled %v", err, settled(l))
			}
		})
	}
	wg.Wait()
	for i := range 4 {
		index := "log" + string(rune('a'+i))
		for id, doc := range c.docs[index] {
			if !strings.Contains(doc, `"n":"`+id[1:]+`"`) {
				t.Fatalf("document %s of %s is %s", id, index, doc)
			}
		}
		if c.count(index) != 5000 {
			t.Errorf("%s has %d documents", index, c.count(index))
		}
	}
}

// An answer before the request was read, as a proxy gives it, leaves the body
// with the transport for a while; it must not be given to somebody else.
func TestEarlyAnswer(t *testing.T) {
	first := true
	c := &cluster{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if first {
			first = false
			w.Header().Set("Retry-After", "1")
			http.Error(w, "busy", http.StatusTooManyRequests)
			return
		}
		c.ServeHTTP(w, r)
	}))
	defer server.Close()
	r := newRig(t, nil, func(cfg *Config) { cfg.Endpoint, cfg.Compress = []string{server.URL}, false })
	chunk, l, _ := r.chunkOf(20000, one("log"))
	begun := time.Now()
	if err := r.Write(t.Context(), "siem", chunk); err != nil || !settled(l) || c.count("log") != 20000 {
		t.Errorf("err %v, %d documents", err, c.count("log"))
	}
	if time.Since(begun) < time.Second {
		t.Errorf("Retry-After was not waited for: %v", time.Since(begun))
	}
}

// An answer of any size is read only so far.
func TestAnswerIsBounded(t *testing.T) {
	c := &cluster{}
	r := newRig(t, nil, func(cfg *Config) { cfg.Patience = 2 * time.Second })
	r.client.base = roundTrip(func(q *http.Request) (*http.Response, error) {
		res, err := c.RoundTrip(q)
		if len(c.order) > 1 { // too much said about more than one document
			res.Body = io.NopCloser(io.MultiReader(strings.NewReader(`{"a":"`), endless{}))
		}
		c.order = nil
		return res, err
	})
	chunk, l, _ := r.chunkOf(2, one("log"))
	if err := r.Write(t.Context(), "siem", chunk); err != nil || !settled(l) || c.count("log") != 2 {
		t.Errorf("err %v, %d documents", err, c.count("log"))
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

func TestRetryAfter(t *testing.T) {
	for header, want := range map[string]time.Duration{"": 0, "7": 7 * time.Second, "-1": 0, "x": 0, "86400": time.Minute,
		time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat): 0, time.Now().Add(time.Hour).UTC().Format(http.TimeFormat): time.Minute} {
		if got := retryAfter(header); got != want {
			t.Errorf("%q: %v, want %v", header, got, want)
		}
	}
}

// Surely not sent is only what failed before or while connecting.
func TestErrorRuling(t *testing.T) {
	dial := &net.OpError{Op: "dial", Err: errors.New("refused")}
	for _, c := range []struct {
		err  error
		want Verdict
		sent bool
	}{
		{dial, Busy, false},
		{&net.OpError{Op: "read", Err: errors.New("reset")}, Busy, true},
		{context.DeadlineExceeded, Busy, true},
		{io.EOF, Busy, true},
		{&setupError{errors.New("no file")}, Held, false},
		{errAnswerTooLarge, Split, true},
		{errors.New("never heard of"), Busy, true},
	} {
		if r, sent := errorRuling(c.err); r.Verdict != c.want || sent != c.sent {
			t.Errorf("%v: %v, sent %v", c.err, r.Verdict, sent)
		}
	}
}
