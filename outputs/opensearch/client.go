package opensearch

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/opensearch-project/opensearch-go/v4/opensearchtransport"
	"github.com/opensearch-project/opensearch-go/v4/signer"
	"github.com/opensearch-project/opensearch-go/v4/signer/awsv2"
)

// bulkPath asks for no more of the answer than a verdict needs: 30 bytes for
// each stored document instead of 250.
var bulkPath = "/_bulk?" + url.Values{"filter_path": {"took,errors,status,error," +
	"items.create.status,items.create.error,items.index.status,items.index.error"}}.Encode()

// client sends bulk requests. It may be shared. What it needs from files
// (certificates, password) and from AWS is fetched at the first request and
// again when the files change, so a missing file is a problem of the moment.
type client struct {
	cfg  Config
	base http.RoundTripper // a test's transport; nil otherwise
	warn func(error)       // files have become unusable; what was made of them before stays in use

	mu        sync.Mutex
	closed    bool
	transport *opensearchtransport.Client
	files     stamp // of the files that transport was made from
	checked   time.Time
	password  string
}

// answer is what came back for a request.
type answer struct {
	status     int
	body       *buffer // to be released
	retryAfter time.Duration
}

var errAnswerTooLarge = errors.New("the answer is too large")

// bulk sends p, which holds n documents, and reads the answer. An error means
// that there is none; see errorRuling for what that tells.
func (c *client) bulk(ctx context.Context, p *payload, n int) (answer, error) {
	t, password, err := c.current(ctx)
	if err != nil {
		return answer{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, c.cfg.RequestTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, bulkPath, nil)
	if err != nil {
		return answer{}, err
	}
	// The body is ours: pooled, read again on a retry of the connection, given
	// back when the transport has closed its last reader.
	req.ContentLength = int64(p.Len())
	req.GetBody = func() (io.ReadCloser, error) { return p.reader(), nil }
	req.Body = p.reader()
	req.Header.Set("Content-Type", "application/x-ndjson")
	if p.gzip {
		req.Header.Set("Content-Encoding", "gzip")
	}
	if c.cfg.Auth == "basic" {
		req.SetBasicAuth(c.cfg.Username, password)
	}
	res, err := t.Stream(req)
	if res == nil {
		return answer{}, err
	}
	defer res.Body.Close()
	a := answer{status: res.StatusCode, body: getBuffer(), retryAfter: retryAfter(res.Header.Get("Retry-After"))}
	limit := int64(4<<20 + n*8<<10) // an error with its causes is some hundred bytes
	read, err := a.body.ReadFrom(io.LimitReader(res.Body, limit+1))
	if err == nil && read > limit {
		err = errAnswerTooLarge
	}
	if err != nil {
		a.body.release()
		return answer{}, fmt.Errorf("status %d, then: %w", res.StatusCode, err)
	}
	return a, nil
}

func retryAfter(header string) time.Duration {
	if s, err := strconv.Atoi(header); err == nil && s > 0 {
		return min(time.Duration(s)*time.Second, time.Minute)
	}
	if t, err := http.ParseTime(header); err == nil {
		return max(0, min(time.Until(t), time.Minute))
	}
	return 0
}

// setupError says why no request can be made at all.
type setupError struct{ err error }

func (e *setupError) Error() string { return e.err.Error() }
func (e *setupError) Unwrap() error { return e.err }

// current returns a transport made from the files as they are, looking at
// them at most once a second. When they have become unusable, the transport
// made before stays.
func (c *client) current(ctx context.Context) (*opensearchtransport.Client, string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, "", &setupError{errClosed}
	}
	now := time.Now()
	if c.transport != nil && now.Sub(c.checked) < time.Second {
		return c.transport, c.password, nil
	}
	c.checked = now
	files := stampOf(c.cfg.PasswordFile, c.cfg.CAFile, c.cfg.ClientCert, c.cfg.ClientKey)
	if c.transport != nil && files == c.files {
		return c.transport, c.password, nil
	}
	t, password, err := c.open(ctx)
	if err != nil {
		if c.transport != nil {
			c.warn(err)
			return c.transport, c.password, nil
		}
		return nil, "", &setupError{err}
	}
	if c.transport != nil {
		_ = c.transport.Close() // closes idle connections; never fails
	}
	c.transport, c.password, c.files = t, password, files
	return t, password, nil
}

func (c *client) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	if c.transport != nil {
		_ = c.transport.Close() // never fails
		c.transport = nil
	}
}

func (c *client) open(ctx context.Context) (*opensearchtransport.Client, string, error) {
	password := c.cfg.Password
	if c.cfg.PasswordFile != "" {
		text, err := os.ReadFile(c.cfg.PasswordFile)
		if err != nil {
			return nil, "", fmt.Errorf("password_file: %w", err)
		}
		password = strings.TrimRight(string(text), "\r\n")
	}
	base := c.base
	if base == nil {
		t, err := httpTransport(c.cfg)
		if err != nil {
			return nil, "", err
		}
		base = t
	}
	var sign signer.Signer
	if c.cfg.Auth == "sigv4" {
		s, err := awsSigner(ctx, c.cfg)
		if err != nil {
			return nil, "", err
		}
		sign = s
	}
	urls := make([]*url.URL, len(c.cfg.Endpoint))
	for i, e := range c.cfg.Endpoint {
		u, err := url.Parse(e)
		if err != nil {
			return nil, "", fmt.Errorf("endpoint: %w", err)
		}
		urls[i] = u
	}
	// opensearch-go chooses the endpoint, leaves dead ones out, and signs. What
	// it does besides is switched off: its retry knows no items and sends a
	// whole request again at once, its buffering and compression copy the body,
	// its probes (cluster health, node statistics) need permissions that a loader
	// should not have and that Serverless does not offer. A dead endpoint is
	// taken up again when it answers anything at all.
	t, err := opensearchtransport.New(opensearchtransport.Config{
		URLs:                    urls,
		Transport:               base,
		Signer:                  sign,
		DisableRetry:            true,
		HealthCheck:             answers(base),
		MaxRetryClusterHealth:   -1,
		NodeStatsInterval:       -1,
		StandbyRotationInterval: -1,
		ResurrectTimeoutInitial: time.Second,
		ResurrectTimeoutMax:     10 * time.Second,
	})
	return t, password, err
}

// answers finds out whether an endpoint is there, with a request that needs no
// permission: refused is an answer, too.
func answers(base http.RoundTripper) opensearchtransport.HealthCheckFunc {
	return func(ctx context.Context, _ *opensearchtransport.Connection, u *url.URL) (*http.Response, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodHead, u.String(), http.NoBody)
		if err != nil {
			return nil, err
		}
		res, err := base.RoundTrip(req)
		if err != nil {
			return nil, err
		}
		return nil, res.Body.Close()
	}
}

// httpTransport is HTTP/1.1: over one HTTP/2 connection large bodies would
// wait for each other.
func httpTransport(cfg Config) (*http.Transport, error) {
	tc := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: !cfg.Verify} // #nosec G402 -- the operator's explicit wish
	if cfg.CAFile != "" {
		pem, err := os.ReadFile(cfg.CAFile)
		if err != nil {
			return nil, fmt.Errorf("ca_file: %w", err)
		}
		tc.RootCAs = x509.NewCertPool()
		if !tc.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("ca_file: %s holds no certificate in PEM form", cfg.CAFile)
		}
	}
	if cfg.ClientCert != "" {
		cert, err := tls.LoadX509KeyPair(cfg.ClientCert, cfg.ClientKey)
		if err != nil {
			return nil, fmt.Errorf("client_cert, client_key: %w", err)
		}
		tc.Certificates = []tls.Certificate{cert}
	}
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 15 * time.Second}).DialContext,
		TLSClientConfig:       tc,
		TLSNextProto:          map[string]func(string, *tls.Conn) http.RoundTripper{},
		TLSHandshakeTimeout:   10 * time.Second,
		MaxIdleConnsPerHost:   cfg.Requests,
		IdleConnTimeout:       50 * time.Second, // load balancers close at 60
		ResponseHeaderTimeout: cfg.RequestTimeout,
		DisableCompression:    true,
		WriteBufferSize:       64 << 10,
		ReadBufferSize:        16 << 10,
	}, nil
}

func awsSigner(ctx context.Context, cfg Config) (signer.Signer, error) {
	service, region := cfg.aws()
	var opts []func(*config.LoadOptions) error
	if region != "" {
		opts = append(opts, config.WithRegion(region))
	}
	ac, err := config.LoadDefaultConfig(ctx, opts...)
	if err != nil {
		return nil, fmt.Errorf("AWS configuration: %w", err)
	}
	if ac.Region == "" {
		return nil, errors.New("aws_region is missing: neither the endpoint's name nor the environment says which region to sign for")
	}
	if cfg.AssumeRoleARN != "" {
		role := stscreds.NewAssumeRoleProvider(sts.NewFromConfig(ac), cfg.AssumeRoleARN, func(o *stscreds.AssumeRoleOptions) {
			o.RoleSessionName = "fluent-siem"
			if cfg.ExternalID != "" {
				o.ExternalID = aws.String(cfg.ExternalID)
			}
		})
		ac.Credentials = aws.NewCredentialsCache(role)
	}
	return awsv2.NewSignerWithService(ac, service)
}

// stamp tells whether files have changed.
type stamp [4]struct {
	size int64
	time time.Time
}

func stampOf(files ...string) (s stamp) {
	for i, f := range files {
		if f == "" {
			continue
		}
		if fi, err := os.Stat(f); err == nil {
			s[i].size, s[i].time = fi.Size(), fi.ModTime()
		}
	}
	return s
}

// errorRuling judges a request that got no answer. sent is false when surely
// no byte of it reached the cluster; otherwise the documents may be stored:
// only their ids, when they are sent again, will tell.
func errorRuling(err error) (r ruling, sent bool) {
	if errors.Is(err, errClosed) {
		return ruling{Busy, "closed", ""}, false
	}
	var (
		setup   *setupError
		op      *net.OpError
		unknown x509.UnknownAuthorityError
		host    x509.HostnameError
		invalid x509.CertificateInvalidError
		record  tls.RecordHeaderError
		alert   tls.AlertError
		dns     *net.DNSError
		timeout net.Error
	)
	switch {
	case errors.As(err, &setup):
		return ruling{Held, "setup", "make the named file or setting usable; it is looked at again"}, false
	case errors.As(err, &unknown), errors.As(err, &host), errors.As(err, &invalid):
		return ruling{Held, "tls", "the cluster's certificate is not trusted: correct ca_file, or the name in endpoint"}, false
	case errors.As(err, &record):
		return ruling{Held, "tls", "the endpoint does not speak TLS: write http:// in endpoint, or correct its port"}, false
	case errors.As(err, &alert):
		return ruling{Held, "tls", "the cluster refuses our certificate: correct client_cert and client_key"}, false
	case strings.Contains(err.Error(), "failed to sign request"):
		return ruling{Held, "no_credentials", "give this process AWS credentials, or correct assume_role_arn and external_id"}, false
	case errors.As(err, &dns):
		return ruling{Busy, "unreachable", "correct the name in endpoint, or wait for DNS"}, false
	case errors.As(err, &op) && op.Op == "dial":
		return ruling{Busy, "unreachable", "start the cluster, or correct endpoint and firewall"}, false
	case errors.Is(err, errAnswerTooLarge):
		return ruling{Split, "answer_too_large", ""}, true
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return ruling{Busy, "timeout", "see what slows the cluster down, or raise request_timeout"}, true
	default:
		return ruling{Busy, "connection_lost", "if this stays so: a cluster that demands TLS closes connections like this; write https:// in endpoint"}, true
	}
}
