package corpus

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"time"
)

// start is the time of the first record of traffic.
var start = time.Date(2024, 1, 15, 3, 0, 0, 0, time.UTC)

// Traffic returns an object of n records, not compressed, whose values are
// distributed as in real logs: few clients make most requests, addresses are
// public and private, user agents repeat. It is for measuring; the records are
// not numbered. The same seed gives the same bytes.
func (t Type) Traffic(n int, seed uint64) []byte {
	r := random{rand.New(rand.NewPCG(seed, 20240115))}
	switch t.Name {
	case "cloudtrail":
		return cloudTrailTraffic(r, n)
	case "vpcflowlogs":
		return vpcFlowTraffic(r, n)
	}
	return albTraffic(r, n)
}

func vpcFlowTraffic(r random, n int) []byte {
	var b bytes.Buffer
	b.WriteString("version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status\n")
	for i := range n {
		from, to := r.address(), fmt.Sprintf("10.0.%d.%d", r.IntN(4), 1+r.IntN(250))
		if r.IntN(2) == 0 {
			from, to = to, from
		}
		action, protocol := "ACCEPT", 6
		if r.IntN(5) == 0 {
			action = "REJECT"
		}
		if r.IntN(4) == 0 {
			protocol = 17
		}
		packets := 1 + r.IntN(40)
		at := start.Unix() + int64(i/100)
		fmt.Fprintf(&b, "2 123456789012 eni-%017x %s %s %d %d %d %d %d %d %d %s OK\n", uint64(r.IntN(200))*0x9e3779b97f4a7c15>>4, from, to,
			1024+r.IntN(60000), pick(r, 443, 80, 22, 53, 3306, 8080), protocol, packets, packets*(40+r.IntN(1400)), at, at+60, action)
	}
	return b.Bytes()
}

func albTraffic(r random, n int) []byte {
	var b bytes.Buffer
	for i := range n {
		at := start.Add(time.Duration(i) * 13 * time.Millisecond).Format("2006-01-02T15:04:05.000000Z")
		target := fmt.Sprintf("10.0.%d.%d:80", r.IntN(4), 1+r.IntN(250))
		status := pick(r, 200, 200, 200, 200, 301, 404, 500)
		fmt.Fprintf(&b, "https %s app/my-alb/50dc6c495c0c9188 %s:%d %s 0.000 0.0%02d 0.000 %d %d %d %d \"%s https://www.example.com:443%s HTTP/2.0\" \"%s\" ECDHE-RSA-AES128-GCM-SHA256 TLSv1.2 "+
			"arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/my-targets/73e2d6bc24d8a067 \"Root=1-%08x-%024x\" \"www.example.com\" "+
			"\"arn:aws:acm:us-east-1:123456789012:certificate/12345678-1234-1234-1234-123456789012\" %d %s \"forward\" \"-\" \"-\" \"%s\" \"%d\" \"-\" \"-\" TID_%032x\n",
			at, r.address(), 1024+r.IntN(60000), target, r.IntN(100), status, status, 100+r.IntN(900), 200+r.IntN(50000),
			pick(r, "GET", "GET", "GET", "POST"), pick(r, paths...), pick(r, trafficAgents...), i, r.Uint64(), r.IntN(10), at, target, status, r.Uint64())
	}
	return b.Bytes()
}

// cloudTrailTraffic makes events of 1.2 KB on average.
func cloudTrailTraffic(r random, n int) []byte {
	var b bytes.Buffer
	b.WriteString(`{"Records":[`)
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		call := pick(r, calls...)
		at := start.Add(time.Duration(i) * 40 * time.Millisecond).Format("2006-01-02T15:04:05Z")
		user := fmt.Sprintf("session-%d", r.IntN(50))
		fmt.Fprintf(&b, `{"eventVersion":"1.09","userIdentity":{"type":"AssumedRole","principalId":"AROAEXAMPLE123456789:%s","arn":"arn:aws:sts::123456789012:assumed-role/Operations/%s","accountId":"123456789012","accessKeyId":"ASIAEXAMPLE%08X",`+
			`"sessionContext":{"sessionIssuer":{"type":"Role","principalId":"AROAEXAMPLE123456789","arn":"arn:aws:iam::123456789012:role/Operations","accountId":"123456789012","userName":"Operations"},"attributes":{"creationDate":"%s","mfaAuthenticated":"false"}}},`+
			`"eventTime":"%s","eventSource":"%s","eventName":"%s","awsRegion":"us-east-1","sourceIPAddress":"%s","userAgent":"%s","requestParameters":%s,"responseElements":null,"requestID":"%08x-0000-4000-8000-%012x","eventID":"%08x-%04x-4000-8000-%012x",`+
			`"readOnly":true,"eventType":"AwsApiCall","managementEvent":true,"recipientAccountId":"123456789012","eventCategory":"Management","tlsDetails":{"tlsVersion":"TLSv1.3","cipherSuite":"TLS_AES_128_GCM_SHA256","clientProvidedHostHeader":"%s"}}`,
			user, user, r.Uint32(), at, at, call.source, call.name, r.address(), pick(r, trafficAgents...), call.request, r.Uint32(), i, r.Uint32(), r.IntN(1<<16), i, call.source)
	}
	b.WriteString("]}")
	return b.Bytes()
}

type call struct{ source, name, request string }

var calls = []call{
	{"ec2.amazonaws.com", "DescribeInstances", `{"instancesSet":{"items":[{"instanceId":"i-0123456789abcdef0"}]},"filterSet":{}}`},
	{"s3.amazonaws.com", "GetBucketAcl", `{"bucketName":"example-bucket","Host":"example-bucket.s3.us-east-1.amazonaws.com","acl":""}`},
	{"sts.amazonaws.com", "AssumeRole", `{"roleArn":"arn:aws:iam::123456789012:role/Operations","roleSessionName":"session-1","durationSeconds":3600}`},
	{"iam.amazonaws.com", "GetRole", `{"roleName":"Operations"}`},
	{"kms.amazonaws.com", "Decrypt", `{"encryptionContext":{"aws:cloudtrail:arn":"arn:aws:cloudtrail:us-east-1:123456789012:trail/example"},"encryptionAlgorithm":"SYMMETRIC_DEFAULT"}`},
}

var paths = []string{"/", "/index.html", "/api/v1/items?page=2&size=50", "/assets/app.js", "/login", "/images/logo.png", "/search?q=fluent+bit"}

var trafficAgents = []string{
	"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36",
	"Mozilla/5.0 (iPhone; CPU iPhone OS 17_2 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.2 Mobile/15E148 Safari/604.1",
	"Boto3/1.34.0 md/Botocore#1.34.0 ua/2.0 os/linux#5.10 md/arch#x86_64 lang/python#3.11.6",
	"curl/8.4.0", "aws-cli/2.15.10 Python/3.11.6 Linux/5.10 exe/x86_64", "python-requests/2.31.0",
}

// random draws from a few often and from many seldom.
type random struct{ *rand.Rand }

// address is a public address: one of a thousand in nine of ten cases, some of
// which the GeoIP test tables know, and any other in the tenth.
func (r random) address() string {
	if r.IntN(10) == 0 {
		return fmt.Sprintf("%d.%d.%d.%d", 11+r.IntN(110), r.IntN(256), r.IntN(256), 1+r.IntN(254))
	}
	known := []string{"81.2.69.142", "89.160.20.112", "175.16.199.1", "2.125.160.216", "216.160.83.56", "1.128.0.1", "12.81.92.5"}
	if n := r.IntN(20); n < len(known) {
		return known[n]
	}
	n := uint32(r.IntN(1000)) * 2654435761
	return fmt.Sprintf("%d.%d.%d.%d", 11+n%110, n>>8&255, n>>16&255, 1+n>>24%254)
}

func pick[T any](r random, of ...T) T { return of[r.IntN(len(of))] }
