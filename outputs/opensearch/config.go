package opensearch

import (
	"cmp"
	"net"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/fluent-siem/fluent-siem/internal/deadletter"
	"github.com/fluent-siem/fluent-siem/internal/event"
	"github.com/fluent-siem/fluent-siem/internal/settings"
)

// Config is what an operator writes for the output opensearch_bulk.
type Config struct {
	// Endpoint is the cluster's base URL, such as
	// https://search.example.internal:9200. Several, separated by commas, share
	// the requests, and one that does not answer is left out for a while.
	Endpoint []string `conf:"endpoint"`

	// Auth is how the cluster knows us: none, basic ([Username] and a password),
	// sigv4 (AWS credentials from the SDK's default chain) or mtls
	// ([ClientCert]).
	Auth string `conf:"auth"`

	// Username is the user for basic.
	Username string `conf:"username"`

	// Password is the user's password. [PasswordFile] keeps it out of the
	// configuration.
	Password string `conf:"password"`

	// PasswordFile holds the password, without a trailing line break; the file
	// is read again when it changes.
	PasswordFile string `conf:"password_file"`

	// AWSRegion is the region to sign for. Default: the one in the endpoint's
	// name, else the SDK's.
	AWSRegion string `conf:"aws_region"`

	// AWSService is es for a domain of OpenSearch Service, aoss for a collection
	// of OpenSearch Serverless. Default: what the endpoint's name says, else es.
	AWSService string `conf:"aws_service"`

	// AssumeRoleARN is a role to sign as, instead of our own identity.
	AssumeRoleARN string `conf:"assume_role_arn"`

	// ExternalID is the external id that the role asks for.
	ExternalID string `conf:"external_id"`

	// CAFile holds the certificate authorities (PEM) that may vouch for the
	// cluster, instead of the system's. Read again when it changes.
	CAFile string `conf:"ca_file"`

	// ClientCert is our certificate (PEM) for mutual TLS. Read again when it
	// changes.
	ClientCert string `conf:"client_cert"`

	// ClientKey is the key (PEM) of [ClientCert].
	ClientKey string `conf:"client_key"`

	// Verify turns the check of the cluster's certificate off when it is off:
	// whoever is in between can then read and change everything. For trials.
	Verify bool `conf:"verify"`

	// Index is where events go that name no index themselves: those of other
	// inputs that did not pass the filter ecs.
	Index string `conf:"index"`

	// AllowIndex lists the indices that documents may go to, as patterns separated
	// by commas: log-*, metrics-*. A name that begins with a dot, as the cluster's own
	// do, needs a pattern that does. What would go elsewhere is a dead letter.
	AllowIndex []string `conf:"allow_index"`

	// DepthLimit is how deep objects and lists may be in each other in a document;
	// at most 200. A deeper one is a dead letter.
	DepthLimit int `conf:"depth_limit"`

	// WidthLimit is how many fields and items of lists a document may have, in all. A
	// wider one is a dead letter.
	WidthLimit int `conf:"width_limit"`

	// GenerateIDs gives documents without an id one, so that a request whose
	// answer was lost can be sent again without storing anything twice.
	GenerateIDs bool `conf:"generate_ids"`

	// Collection is the type of an OpenSearch Serverless collection: search or
	// timeseries. A timeseries collection refuses ids, so documents are sent
	// without, and looked for where a request got no answer (lookup_delay).
	Collection string `conf:"collection"`

	// LookupDelay is how long after a request without an answer its documents are
	// looked for in a timeseries collection, by their field @id, before those that
	// are not there are sent again. So are the documents of objects whose message was
	// delivered before. It must be longer than the collection takes until a search
	// finds what was stored. 0: documents are sent again at once, and may be stored twice.
	LookupDelay time.Duration `conf:"lookup_delay"`

	// BulkSize is how large a request grows before it is sent, uncompressed. A
	// larger one costs memory, a smaller one round trips. It shrinks by itself
	// when the cluster says that a request is too large.
	BulkSize settings.Bytes `conf:"bulk_size"`

	// Requests is how many requests may be in flight, over all workers. How
	// many are is found out: fewer when the cluster is busy or slow.
	Requests int `conf:"requests"`

	// Compress sends bodies compressed (gzip, level 1).
	Compress bool `conf:"compress"`

	// RequestTimeout is how long to wait for the answer to one request.
	RequestTimeout time.Duration `conf:"request_timeout"`

	// Patience is how long one chunk is worked on before it is handed back to
	// Fluent Bit, to be tried again later. What is stored by then stays stored.
	// Keep it below Fluent Bit's grace.
	Patience time.Duration `conf:"patience"`

	// StopPatience takes the place of [Patience] once Fluent Bit has paused the
	// inputs, as it does when it stops. Keep it well below Fluent Bit's grace.
	StopPatience time.Duration `conf:"stop_patience"`

	// Detour sends late documents whose index takes none any more, because it was
	// made read-only or closed, to the same name with _01, _02, … behind. What a
	// read-only index has already is not stored again; a closed one cannot be
	// asked, so what is loaded a second time then may be there twice. Off: they wait.
	Detour bool `conf:"detour"`

	// Repair lists the classes of refusals for which a document is changed so
	// that it fits, and sent again: mapping_conflict, field_too_long,
	// too_many_fields, unmapped_field, too_deep, field_name; none for no repair. A value
	// is coerced or cut, else moved to overflow as text; siem.repaired says what
	// was done, @message stays as it is, and a log line says what mapping would make it
	// unnecessary. too_many_fields needs overflow in the mapping.
	Repair []string `conf:"repair"`

	// DeadLetters is where documents go that the cluster refuses for what they
	// are, records that became no document, and objects that cannot be read: a
	// folder, or s3://bucket/prefix/. `fluent-siem deadletter` lists and replays them.
	DeadLetters string `conf:"dead_letters"`

	// DeadLetterSize is how large a file of dead letters grows before the next
	// one is begun. In S3 each write is an object.
	DeadLetterSize settings.Bytes `conf:"dead_letter_size"`

	// DeadLetterAge is how old a file of dead letters grows before the next one
	// is begun.
	DeadLetterAge time.Duration `conf:"dead_letter_age"`

	// DeadLetterLimit is how much the folder may hold. When it is full, what
	// would be a dead letter waits, its notification stays in the queue, and
	// health says so. 0: no limit. It does not apply to S3.
	DeadLetterLimit settings.Bytes `conf:"dead_letter_limit"`

	// DeadLetterKMSKey is the id or ARN of the KMS key that dead letters in S3
	// are encrypted with. Default: as the bucket says.
	DeadLetterKMSKey string `conf:"dead_letter_kms_key"`

	// DeadLetterRegion is the region of that bucket. Default: the SDK's.
	DeadLetterRegion string `conf:"dead_letter_region"`
}

// Box is where dead letters are kept.
func (c Config) Box() deadletter.Config {
	return deadletter.Config{Place: c.DeadLetters, FileSize: int64(c.DeadLetterSize), FileAge: c.DeadLetterAge,
		Limit: int64(c.DeadLetterLimit), KMSKey: c.DeadLetterKMSKey, Region: c.DeadLetterRegion}
}

// Defaults returns a Config that lacks only the endpoint.
func Defaults() Config {
	return Config{
		Auth:            "none",
		Verify:          true,
		Index:           "log-other",
		AllowIndex:      []string{"*"},
		DepthLimit:      100,
		WidthLimit:      50000,
		GenerateIDs:     true,
		LookupDelay:     time.Minute,
		BulkSize:        5 << 20,
		Requests:        8,
		Compress:        true,
		RequestTimeout:  time.Minute,
		Patience:        20 * time.Second,
		StopPatience:    2 * time.Second,
		Detour:          true,
		Repair:          slices.Clone(repairable),
		DeadLetters:     "/var/lib/fluent-siem/dead-letters",
		DeadLetterSize:  64 << 20,
		DeadLetterAge:   24 * time.Hour,
		DeadLetterLimit: 4 << 30,
	}
}

// Validate reports every problem at once: one restart should fix them all.
// Files that are named but missing are no problem here: they may come.
func (c Config) Validate() error {
	var bad settings.Problems
	if len(c.Endpoint) == 0 {
		bad.Add("endpoint", "is missing; write a URL like https://search.internal:9200")
	}
	for _, e := range c.Endpoint {
		u, err := url.Parse(e)
		switch {
		case err == nil && u.User != nil || err != nil && strings.Contains(e, "@"):
			bad.Add("endpoint", "holds a user or password, which would end up in logs; write them as username and password_file")
		case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
			bad.Add("endpoint", "%q is no URL of a cluster; write one like https://search.internal:9200", e)
		case u.RawQuery != "" || u.Fragment != "":
			bad.Add("endpoint", "%q has more than a base URL; leave out what follows the path", e)
		}
	}
	c.validateAuth(&bad)
	if c.Index == "" {
		bad.Add("index", "is empty; write the index for events that name none, like log-other")
	}
	if len(c.AllowIndex) == 0 {
		bad.Add("allow_index", "is empty, so every document would be a dead letter; write patterns like log-*, or leave it out")
	}
	for _, p := range c.AllowIndex {
		if _, err := path.Match(p, ""); err != nil {
			bad.Add("allow_index", "%q is no pattern; write a name with * for any text, like log-*", p)
		}
	}
	if p := (bounds{allow: c.AllowIndex}).index([]byte(c.Index)); c.Index != "" && p != nil {
		bad.Add("index", "%s", p.reason)
	}
	if c.DepthLimit < 1 || c.DepthLimit > event.MaxDepth {
		bad.Add("depth_limit", "%d is not between 1 and %d; try 100", c.DepthLimit, event.MaxDepth)
	}
	if c.WidthLimit < 1 {
		bad.Add("width_limit", "%d is less than one field; try 50000", c.WidthLimit)
	}
	oneOf(&bad, "collection", c.Collection, "", "search", timeSeries)
	if c.LookupDelay < 0 {
		bad.Add("lookup_delay", "cannot be negative; try 1m, or 0 to look for nothing")
	}
	if c.BulkSize < 64<<10 || c.BulkSize > 100<<20 {
		bad.Add("bulk_size", "%v is not between 64KiB and 100MiB, what OpenSearch accepts in one request; try 5MiB", c.BulkSize)
	}
	if c.Requests < 1 || c.Requests > 256 {
		bad.Add("requests", "%d is not between 1 and 256; try 8", c.Requests)
	}
	if c.RequestTimeout < time.Second {
		bad.Add("request_timeout", "%v is too short for any cluster; try 60s", c.RequestTimeout)
	}
	if c.Patience < time.Second {
		bad.Add("patience", "%v is too short to try even twice; try 20s", c.Patience)
	}
	if c.StopPatience > c.Patience {
		bad.Add("stop_patience", "%v is longer than patience (%v); try 2s", c.StopPatience, c.Patience)
	}
	for _, class := range c.Repair {
		oneOf(&bad, "repair", class, append([]string{"none"}, repairable...)...)
	}
	c.validateDeadLetters(&bad)
	return bad.Err()
}

// clearText returns an endpoint on another host to which a login goes without TLS;
// "": there is none.
func (c Config) clearText() string {
	for _, e := range c.Endpoint {
		u, err := url.Parse(e)
		if err != nil || u.Scheme != "http" || c.Auth == "none" {
			continue
		}
		if ip := net.ParseIP(u.Hostname()); u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) {
			return e
		}
	}
	return ""
}

// timeSeries is the type of collection that refuses ids.
const timeSeries = "timeseries"

// asks reports whether documents that may be stored are looked for before they
// are sent again, since no id keeps them from being stored twice.
func (c Config) asks() bool { return c.Collection == timeSeries && c.LookupDelay > 0 }

func (c Config) validateDeadLetters(bad *settings.Problems) {
	_, _, inS3, err := deadletter.ParseS3(c.DeadLetters)
	switch {
	case c.DeadLetters == "":
		bad.Add("dead_letters", "is empty; name a folder on a disk that survives a restart, or s3://bucket/prefix/")
	case err != nil:
		bad.Add("dead_letters", "%v", err)
	case !inS3 && c.DeadLetterKMSKey != "":
		bad.Add("dead_letter_kms_key", "is of no use for a folder; write dead_letters: s3://bucket/prefix/ or leave it out")
	}
	if c.DeadLetterSize < 1<<20 || c.DeadLetterSize > 1<<30 {
		bad.Add("dead_letter_size", "%v is not between 1MiB and 1GiB; try 64MiB", c.DeadLetterSize)
	}
	if c.DeadLetterAge < time.Minute {
		bad.Add("dead_letter_age", "%v makes too many files; try 24h", c.DeadLetterAge)
	}
	if c.DeadLetterLimit != 0 && c.DeadLetterLimit < c.DeadLetterSize {
		bad.Add("dead_letter_limit", "%v is less than one file (dead_letter_size, %v); try 4GiB, or 0 for no limit", c.DeadLetterLimit, c.DeadLetterSize)
	}
}

func (c Config) validateAuth(bad *settings.Problems) {
	oneOf(bad, "auth", c.Auth, "none", "basic", "sigv4", "mtls")
	if c.Auth == "basic" {
		if c.Username == "" {
			bad.Add("username", "is missing; auth: basic needs one")
		}
		if (c.Password == "") == (c.PasswordFile == "") {
			bad.Add("password_file", "and password: write exactly one of them for auth: basic")
		}
	} else if c.Username != "" || c.Password != "" || c.PasswordFile != "" {
		bad.Add("auth", "is %q, so username and password would be ignored; write auth: basic or leave them out", c.Auth)
	}
	if (c.ClientCert == "") != (c.ClientKey == "") {
		bad.Add("client_key", "and client_cert go together; write both or none")
	}
	if c.Auth == "mtls" && c.ClientCert == "" {
		bad.Add("client_cert", "is missing; auth: mtls needs client_cert and client_key")
	}
	oneOf(bad, "aws_service", c.AWSService, "", "es", "aoss")
	if c.ExternalID != "" && c.AssumeRoleARN == "" {
		bad.Add("external_id", "is of no use without assume_role_arn")
	}
	if c.AssumeRoleARN != "" && c.Auth != "sigv4" {
		bad.Add("assume_role_arn", "is of no use with auth: %s; write auth: sigv4", c.Auth)
	}
}

func oneOf(bad *settings.Problems, key, got string, allowed ...string) {
	for _, a := range allowed {
		if got == a {
			return
		}
	}
	bad.Add(key, "%q is none of %s", got, strings.TrimPrefix(strings.Join(allowed, ", "), ", "))
}

// aws is the service and the region to sign for: what the settings say, else
// what the endpoint's name says. The region is "" when neither does.
func (c Config) aws() (service, region string) {
	if len(c.Endpoint) > 0 {
		if u, err := url.Parse(c.Endpoint[0]); err == nil {
			service, region = awsName(u.Hostname())
		}
	}
	return cmp.Or(c.AWSService, service, "es"), cmp.Or(c.AWSRegion, region)
}

// awsName reads a host name that AWS made:
//
//	search-x.ap-northeast-1.es.amazonaws.com   id.ap-northeast-1.aoss.amazonaws.com
//	search-x.aos.ap-northeast-1.on.aws         id.aoss.ap-northeast-1.on.aws
func awsName(host string) (service, region string) {
	l := strings.Split(host, ".")
	for i := 1; i+1 < len(l); i++ {
		switch {
		case (l[i] == "es" || l[i] == "aoss") && l[i+1] == "amazonaws":
			return l[i], l[i-1]
		case (l[i] == "aos" || l[i] == "aoss") && strings.HasSuffix(host, ".on.aws"):
			if l[i] == "aos" {
				return "es", l[i+1]
			}
			return "aoss", l[i+1]
		}
	}
	return "", ""
}
