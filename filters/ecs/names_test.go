package ecs

import (
	"testing"
	"time"

	"github.com/fluent-siem/fluent-siem/filters/enrich"
	"github.com/fluent-siem/fluent-siem/filters/logtype"
	"github.com/fluent-siem/fluent-siem/internal/lease"
)

func TestEndpointRegion(t *testing.T) {
	for host, want := range map[string]string{
		"bucket.s3.eu-central-1.amazonaws.com":                      "eu-central-1",
		"s3-us-west-2.amazonaws.com":                                "us-west-2",
		"b.s3-website-us-gov-west-1.amazonaws.com":                  "us-gov-west-1",
		"my-us-west-2-bucket.s3.dualstack.ap-south-1.amazonaws.com": "ap-south-1",
		"us-west-2.s3.amazonaws.com":                                "",
		"s3.cn-north-1.amazonaws.com.cn":                            "cn-north-1",
		"vpce-1.s3.us-east-1.vpce.amazonaws.com":                    "us-east-1",
		"bucket.s3.amazonaws.com":                                   "",
		"example.com":                                               "",
		"-":                                                         "",
	} {
		if got := string(endpointRegion([]byte(host))); got != want {
			t.Errorf("%s: %q, want %q", host, got, want)
		}
	}
}

func TestDistribution(t *testing.T) {
	for _, c := range []struct {
		key  string
		file bool
		want string
	}{
		{"cf/E1234567890ABC.2024-01-01-00.abcdefgh.gz", true, "E1234567890ABC"},
		{"E1234567890ABC.2024-01-01-00.abcdefgh.gz", true, "E1234567890ABC"},
		{"E1234567890ABC/x.gz", true, "unknown"},
		{"x/CloudFront/E1234567890ABC/realtime/x", false, "E1234567890ABC"},
		{"AWSLogs/123456789012/CloudFront/E1234567890ABC/x", false, "E1234567890ABC"},
		{"a/E1234567890ABCDEF/b", false, "unknown"},
		{"", false, "unknown"},
	} {
		if got := distribution(c.key, c.file); got != c.want {
			t.Errorf("%s: %s, want %s", c.key, got, c.want)
		}
	}
}

func TestKafkaBroker(t *testing.T) {
	for key, want := range map[string][2]string{
		"AWSLogs/1/KafkaBrokerLogs/us-east-1/demo-cluster-5806f779-869d-37a5-eebd-e9b94f8d53db-5/2024-01-15-14/Broker-3_14-05_x.log.gz": {"demo-cluster", "3"},
		"KafkaBrokerLogs/a-5806f779-869d-37a5-eebd-e9b94f8d53db-12/Broker-11_x":                                                         {"a", "11"},
		"KafkaBrokerLogs/x": {"", ""},
		"":                  {"", ""},
	} {
		if cluster, broker := kafkaBroker(key); cluster != want[0] || broker != want[1] {
			t.Errorf("%s: %q %q, want %q", key, cluster, broker, want)
		}
	}
}

func TestUnescaped(t *testing.T) {
	c := new(Converter)
	for text, want := range map[string]string{
		`a\'b`: "a'b", `a\nb`: "a\nb", `a\\n`: `a\n`, `日本\t`: "日本\t", `\x41\u00e9`: "Aé", `\x4`: `\x4`, `\q`: `\q`, `end\`: `end\`,
	} {
		if got := string(c.unescaped([]byte(text))); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

func TestSnake(t *testing.T) {
	c := new(Converter)
	for name, want := range map[string]string{"displayName": "display_name", "id": "id", "asOrg": "as_org", "New Geo-Location": "New Geo-Location", "": ""} {
		for range 2 {
			if got := c.snake([]byte(name)); got != want {
				t.Errorf("%s: %s, want %s", name, got, want)
			}
		}
	}
}

// TestZones: an abbreviation with one meaning is an offset, any other is no time.
func TestZones(t *testing.T) {
	r, err := newTimeRule(new(source), logtype.Time{Field: "x", Layout: "2006-01-02 15:04:05 MST"})
	if err != nil {
		t.Fatal(err)
	}
	at, ok := r.parse([]byte("2024-07-01 12:00:00.5 CEST"), time.UTC)
	if want := time.Date(2024, 7, 1, 10, 0, 0, 500e6, time.UTC); !ok || !at.Equal(want) {
		t.Errorf("CEST: %v, want %v", at, want)
	}
	if at, ok := r.parse([]byte("2024-07-01 12:00:00 CST"), time.UTC); ok {
		t.Errorf("CST may be six hours behind UTC or eight before it, but is taken for %v", at)
	}
}

// TestRealClient: the client that a trusted proxy forwarded for takes its
// place in every field; a client that is no trusted proxy stays.
func TestRealClient(t *testing.T) {
	proxies, left := enrich.NewProxies([]string{"10.0.0.0/8"})
	if left != nil {
		t.Fatal(left)
	}
	types, err := shippedTypes()
	if err != nil {
		t.Fatal(err)
	}
	lt, _ := types.Match("b", "Nginx/Access/x.log")
	c := (&Engine{Proxies: func() *enrich.Proxies { return proxies }}).NewConverter()
	o, err := c.Object(lt, lease.Source{Bucket: "b", Key: "Nginx/Access/x.log"})
	if err != nil {
		t.Fatal(err)
	}
	for _, try := range []struct{ peer, forwarded, want string }{
		{"10.0.0.1", "203.0.113.5, 192.0.2.7", "192.0.2.7"},
		{"10.0.0.1", "203.0.113.5, 10.0.0.2", "203.0.113.5"},
		{"10.0.0.1", "10.0.0.2", "10.0.0.1"},
		{"192.0.2.1", "203.0.113.5", "192.0.2.1"},
		{"10.0.0.1", "-", "10.0.0.1"},
	} {
		line := try.peer + ` - - [10/Jan/2024:01:02:03 +0000] "GET / HTTP/1.1" 200 5 "-" "x" "` + try.forwarded + `"`
		if err := c.Convert(o, 1, nil, []byte(line)); err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{"source.ip", "source.address"} {
			if got := string(c.text(c.p.slots[path])); got != try.want {
				t.Errorf("%s forwards %s: %s is %s, want %s", try.peer, try.forwarded, path, got, try.want)
			}
		}
	}
}
