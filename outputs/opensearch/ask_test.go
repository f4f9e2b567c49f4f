package opensearch

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/fluent-siem/fluent-siem/test/services"
)

// TestClientAsks: a Client logs in as the output does, any status is an answer,
// and a bad certificate is an error that says what to do.
func TestClientAsks(t *testing.T) {
	s := services.OpenSearchSecure(t)
	cfg := Defaults()
	cfg.Endpoint, cfg.Auth, cfg.Username, cfg.Password, cfg.CAFile = []string{s.URL}, "basic", s.User, s.Password, s.CAFile
	ask := func(cfg Config) (int, string, error) {
		c, err := NewClient(cfg, func(err error) { t.Error(err) })
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		status, answer, err := c.Do(t.Context(), "GET", "/_cluster/health?filter_path=status", nil)
		return status, string(answer), err
	}
	if status, answer, err := ask(cfg); status != http.StatusOK || !strings.Contains(answer, "status") || err != nil {
		t.Errorf("%d %s %v", status, answer, err)
	}
	wrong := cfg
	wrong.Password = "wrong"
	if status, _, err := ask(wrong); status != http.StatusUnauthorized || err != nil {
		t.Errorf("with a wrong password: %d %v", status, err)
	}
	untrusted := cfg
	untrusted.CAFile = ""
	if _, _, err := ask(untrusted); err == nil || !strings.Contains(err.Error(), "correct ca_file") {
		t.Errorf("an unknown authority: %v", err)
	}
}

// TestClientBoundsAnAnswer: what a cluster sends cannot fill our memory.
func TestClientBoundsAnAnswer(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write(make([]byte, 100)) // the reader may have enough before
	}))
	defer server.Close()
	cfg := Defaults()
	cfg.Endpoint = []string{server.URL}
	c, err := NewClient(cfg, func(error) {})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.limit = 99
	if _, _, err := c.Do(t.Context(), "GET", "/", nil); err == nil || !strings.Contains(err.Error(), "too large") {
		t.Errorf("100 bytes where 99 are allowed: %v", err)
	}
	c.limit = 100
	if _, answer, err := c.Do(t.Context(), "GET", "/", nil); len(answer) != 100 || err != nil {
		t.Errorf("100 bytes where 100 are allowed: %d, %v", len(answer), err)
	}
}
