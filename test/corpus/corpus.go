// Package corpus makes objects to load: the samples of test/samples, and
// generated objects of the three log types in any size.
//
// # Promises
//
//   - Each generated record carries a number, which [Type.Number] finds in the
//     document that it becomes: a test can say which record is missing, or there
//     twice.
//   - The same numbers and salt give the same bytes.
//   - Events with another salt have other event ids, which are document ids: tests
//     that share a cluster do not take each other's events for their own.
//   - Addresses are from MaxMind's test databases, so that a document shows where
//     they are.
package corpus

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Object is an object to put into a bucket.
type Object struct {
	Type    string // log type: cloudtrail, vpcflowlogs, alb
	Key     string
	Body    []byte // gzip
	Records int
}

// Type makes objects of one log type.
type Type struct {
	Name   string
	Index  string // what the names of its indexes begin with
	header string
	footer string
	key    func(first int) string
	record func(salt uint32, n int) string // with its separator
	salt   uint32
	number *regexp.Regexp // finds n in the record's text
	base   int            // of the number in the text
}

// Types are the log types, in the order in which tables list them.
var Types = []Type{
	{
		Name: "cloudtrail", Index: "log-aws-cloudtrail", header: `{"Records":[`, footer: "\n]}\n",
		key: func(first int) string {
			return fmt.Sprintf("AWSLogs/123456789012/CloudTrail/us-east-1/2024/05/31/123456789012_CloudTrail_us-east-1_20240531T1200Z_%016d.json.gz", first)
		},
		record: cloudTrail, number: regexp.MustCompile(`"eventID": ?"[0-9a-f]{8}-0000-4000-8000-([0-9a-f]{12})"`), base: 16,
	},
	{
		Name: "vpcflowlogs", Index: "log-aws-vpcflowlogs",
		header: "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status\n",
		key: func(first int) string {
			return fmt.Sprintf("AWSLogs/123456789012/vpcflowlogs/us-east-1/2024/05/31/123456789012_vpcflowlogs_us-east-1_fl-0badcafe_20240531T1200Z_%08d.log.gz", first)
		},
		record: vpcFlow, number: regexp.MustCompile(` eni-([0-9a-f]{17}) `), base: 16,
	},
	{
		Name: "alb", Index: "log-aws-elb",
		key: func(first int) string {
			return fmt.Sprintf("AWSLogs/123456789012/elasticloadbalancing/us-east-1/2024/05/31/123456789012_elasticloadbalancing_us-east-1_app.shop.0badcafe_20240531T1200Z_10.0.0.1_%08d.log.gz", first)
		},
		record: alb, number: regexp.MustCompile(`/item/([0-9]+)\?`), base: 10,
	},
}

// The types by name.
var CloudTrail, VPCFlow, ALB = Types[0], Types[1], Types[2]

// Salted returns the types with event ids of their own.
func Salted(salt uint32) []Type {
	types := slices.Clone(Types)
	for i := range types {
		types[i].salt = salt
	}
	return types
}

// Object makes an object of the records first … first+n-1.
func (t Type) Object(first, n int) Object {
	return Object{Type: t.Name, Key: t.key(first), Body: Gzip(t.Text(first, n)), Records: n}
}

// Text is what Object compresses.
func (t Type) Text(first, n int) []byte {
	var b strings.Builder
	b.WriteString(t.header)
	for i := range n {
		if i > 0 && t.footer != "" {
			b.WriteString(",")
		}
		b.WriteString(t.record(t.salt, first+i))
	}
	b.WriteString(t.footer)
	return []byte(b.String())
}

// Lines is the records first … first+n-1 without header, of a type of lines.
func (t Type) Lines(first, n int) []byte {
	return bytes.TrimPrefix(t.Text(first, n), []byte(t.header))
}

// Header is the first line of an object of a type of lines, "" when it has none.
func (t Type) Header() string {
	if t.footer != "" {
		return ""
	}
	return t.header
}

// Number finds the number of the record whose text (a document's @message) it is given.
func (t Type) Number(message string) (n int, ok bool) {
	m := t.number.FindStringSubmatch(message)
	if m == nil {
		return 0, false
	}
	v, err := strconv.ParseInt(m[1], t.base, 0)
	return int(v), err == nil
}

// addresses are in GeoLite2-City-Test.mmdb or GeoLite2-ASN-Test.mmdb.
var addresses = []string{"81.2.69.142", "89.160.20.112", "2.125.160.216", "175.16.199.17", "216.160.83.56", "67.43.156.1", "1.128.0.1", "12.81.92.1"}

var agents = []string{
	"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 Safari/537.36",
	"Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Mobile/15E148 Safari/604.1",
	"curl/8.5.0", "python-requests/2.31.0",
}

func cloudTrail(salt uint32, n int) string {
	action := [...]string{"GetObject", "PutObject", "ListBuckets", "AssumeRole", "DescribeInstances"}[n%5]
	return fmt.Sprintf("\n"+`{"eventVersion":"1.08","userIdentity":{"type":"IAMUser","principalId":"AIDA%010d","arn":"arn:aws:iam::123456789012:user/user%d","accountId":"123456789012","userName":"user%d"},`+
		`"eventTime":"2024-05-31T12:%02d:%02dZ","eventSource":"s3.amazonaws.com","eventName":"%s","awsRegion":"us-east-1","sourceIPAddress":"%s","userAgent":"%s",`+
		`"requestParameters":{"bucketName":"invoices","key":"2024/%d.pdf"},"responseElements":null,"requestID":"%016X","eventID":"%08x-0000-4000-8000-%012x",`+
		`"readOnly":true,"eventType":"AwsApiCall","managementEvent":false,"recipientAccountId":"123456789012"}`,
		n%1000, n%50, n%50, n/60%60, n%60, action, addresses[n%len(addresses)], agents[n/7%len(agents)], n, n, salt, n)
}

func vpcFlow(_ uint32, n int) string {
	action := "ACCEPT"
	if n%9 == 0 {
		action = "REJECT"
	}
	return fmt.Sprintf("2 123456789012 eni-%017x %s 10.0.%d.%d %d 443 6 %d %d %d %d %s OK\n",
		n, addresses[n%len(addresses)], n/250%250, n%250, 1024+n%60000, 1+n%40, 40+n%1400, 1717156800+n%3600, 1717156860+n%3600, action)
}

func alb(_ uint32, n int) string {
	status := [...]int{200, 200, 200, 301, 404, 502}[n%6]
	return fmt.Sprintf(`https 2024-05-31T12:%02d:%02d.%06dZ app/shop/0badcafe %s:%d 10.0.0.%d:8080 0.001 0.0%02d 0.000 %d %d %d %d `+
		`"GET https://shop.example.com:443/item/%d?lang=en HTTP/2.0" "%s" ECDHE-RSA-AES128-GCM-SHA256 TLSv1.2 arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/shop/0badcafe `+
		`"Root=1-6659c3a0-%024x" "shop.example.com" "arn:aws:acm:us-east-1:123456789012:certificate/0badcafe" 1 2024-05-31T12:00:00.000000Z "forward" "-" "-" "10.0.0.%d:8080" "%d" "-" "-"`+"\n",
		n/60%60, n%60, n%1000000, addresses[n%len(addresses)], 1024+n%60000, 1+n%200, n%100, status, status, 100+n%900, 500+n%5000,
		n, agents[n/3%len(agents)], n, 1+n%200, status)
}

// Samples reads the sample objects of a folder such as test/samples. With a
// salt, event ids begin with it; 0 leaves them as they are.
func Samples(dir string, salt uint32) (objects []Object, err error) {
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(path, ".md") {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		if salt != 0 {
			text = eventID.ReplaceAll(text, fmt.Appendf(nil, "${1}%08x", salt))
		}
		o := Object{Key: filepath.ToSlash(rel) + ".gz", Body: Gzip(text)}
		switch {
		case strings.Contains(rel, "_CloudTrail_"):
			o.Type, o.Records = "cloudtrail", bytes.Count(text, []byte(`"eventID":`))
		case strings.Contains(rel, "_vpcflowlogs_"):
			o.Type, o.Records = "vpcflowlogs", lines(text)-1
		default:
			o.Type, o.Records = "alb", lines(text)
		}
		objects = append(objects, o)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("sample objects: %w", err)
	}
	return objects, nil
}

var eventID = regexp.MustCompile(`("eventID": ?")[0-9a-f]{8}`)

func lines(text []byte) (n int) {
	for line := range bytes.Lines(text) {
		if len(bytes.TrimSpace(line)) > 0 {
			n++
		}
	}
	return n
}

// Gzip compresses b into one member.
func Gzip(b []byte) []byte {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	z.Write(b) // a Buffer takes everything
	z.Close()
	return out.Bytes()
}
