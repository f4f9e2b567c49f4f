package opensearch

import (
	"strings"
	"testing"

	"github.com/fluent-siem/fluent-siem/internal/settings"
	"github.com/fluent-siem/fluent-siem/internal/settings/settingstest"
)

func TestManual(t *testing.T) {
	settingstest.CheckManual(t, "../../conf/opensearch_bulk.md", "config.go", Defaults())
}

func TestDefaultsLackOnlyTheEndpoint(t *testing.T) {
	c := Defaults()
	if err := c.Validate(); err == nil || strings.Count(err.Error(), "\n") > 0 || !strings.Contains(err.Error(), "endpoint") {
		t.Errorf("without an endpoint: %v", err)
	}
	c.Endpoint = []string{"https://search.internal:9200"}
	if err := c.Validate(); err != nil {
		t.Errorf("with an endpoint: %v", err)
	}
}

// All problems are told at once, and no secret with them.
func TestValidateTellsAllProblems(t *testing.T) {
	c := Defaults()
	err := settings.Load(&c, func(key string) string {
		return map[string]string{
			"endpoint": "search.internal:9200, https://user:s3cret@search.internal:9200, https://user:s3cret%zz@search.internal:9200", "auth": "kerberos", "bulk_size": "1GB",
			"requests": "0", "password": "s3cret", "client_cert": "a.pem", "collection": "vector", "external_id": "x", "index": "",
			"dead_letter_size": "1k", "stop_patience": "2m",
		}[key]
	})
	if err != nil {
		t.Fatal(err)
	}
	text := c.Validate().Error()
	for _, want := range []string{"no URL of a cluster", "holds a user or password", "kerberos", "bulk_size", "requests", "client_key", "vector",
		"external_id", "dead_letter_size", "stop_patience"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not told:\n%s", want, text)
		}
	}
	if strings.Contains(text, "s3cret") {
		t.Errorf("a secret is told:\n%s", text)
	}
}

func TestAWSNames(t *testing.T) {
	for endpoint, want := range map[string][2]string{
		"https://search-logs-abc.ap-northeast-1.es.amazonaws.com":      {"es", "ap-northeast-1"},
		"https://vpc-logs-abc.cn-north-1.es.amazonaws.com.cn:443":      {"es", "cn-north-1"},
		"https://abc123.us-east-1.aoss.amazonaws.com":                  {"aoss", "us-east-1"},
		"https://search-logs-abc.aos.eu-west-1.on.aws":                 {"es", "eu-west-1"},
		"https://abc123.aoss.eu-west-1.on.aws":                         {"aoss", "eu-west-1"},
		"https://search.example.internal:9200":                         {"es", ""},
		"https://10.0.0.1:9200":                                        {"es", ""},
		"https://search-logs-abc.us-gov-west-1.es.amazonaws.com/path/": {"es", "us-gov-west-1"},
	} {
		service, region := Config{Endpoint: []string{endpoint}}.aws()
		if got := [2]string{service, region}; got != want {
			t.Errorf("%s: %v, want %v", endpoint, got, want)
		}
	}
	if s, r := (Config{Endpoint: []string{"https://x.us-east-1.es.amazonaws.com"}, AWSService: "aoss", AWSRegion: "eu-west-1"}).aws(); s != "aoss" || r != "eu-west-1" {
		t.Errorf("settings are overruled: %s %s", s, r)
	}
}

func TestALoginInClearTextIsTold(t *testing.T) {
	for _, c := range []struct {
		endpoint, auth string
		told           bool
	}{
		{"http://search.internal:9200", "basic", true},
		{"https://search.internal:9200", "basic", false},
		{"http://127.0.0.1:9200", "basic", false},
		{"http://localhost:9200", "basic", false},
		{"http://[::1]:9200", "basic", false},
		{"http://192.0.2.1:9200", "sigv4", true},
		{"http://192.0.2.1:9200", "none", false},
	} {
		r := newRig(t, &cluster{}, func(cfg *Config) {
			cfg.Endpoint, cfg.Auth = []string{c.endpoint}, c.auth
			if c.auth == "basic" {
				cfg.Username, cfg.Password = "loader", "tOpSeCrEt"
			}
		})
		if got := strings.Contains(r.log.String(), "FS4011"); got != c.told || strings.Contains(r.log.String(), "tOpSeCrEt") {
			t.Errorf("%s with %s: told %v, log %s", c.endpoint, c.auth, got, r.log)
		}
	}
}
