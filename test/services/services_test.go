package services

import (
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func get(t *testing.T, client *http.Client, url, user, password string) string {
	t.Helper()
	req, err := http.NewRequest("GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if user != "" {
		req.SetBasicAuth(user, password)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s %v", url, resp.Status, err)
	}
	return string(body)
}

func TestOpenSearchAnswers(t *testing.T) {
	url := OpenSearch(t)
	if body := get(t, http.DefaultClient, url, "", ""); !strings.Contains(body, "cluster_name") {
		t.Errorf("%s answers %s", url, body)
	}
	if again := OpenSearch(t); again != url {
		t.Errorf("asked twice: %s, then %s", url, again)
	}
}

func TestSecureOpenSearchWantsALogin(t *testing.T) {
	s := OpenSearchSecure(t)
	client, err := s.Client()
	if err != nil {
		t.Fatal(err)
	}
	if body := get(t, client, s.URL, s.User, s.Password); !strings.Contains(body, "cluster_name") {
		t.Errorf("%s answers %s", s.URL, body)
	}
	resp, err := client.Get(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("without a login: %s", resp.Status)
	}
}

func TestMotoAnswers(t *testing.T) {
	get(t, http.DefaultClient, Moto(t)+"/moto-api/", "", "")
}

// TestStopLeavesWhatIsInUse: whoever stops the services does not break a test that runs.
func TestStopLeavesWhatIsInUse(t *testing.T) {
	url := Moto(t)
	root, err := Root()
	if err != nil {
		t.Fatal(err)
	}
	said, err := exec.Command(filepath.Join(root, "test/services/services"), "stop", "moto").CombinedOutput()
	if err != nil || !strings.Contains(string(said), "is using moto") {
		t.Errorf("stop: %v, %s", err, said)
	}
	get(t, http.DefaultClient, url+"/moto-api/", "", "")
}

// TestNotRunIsRecorded: what cannot run is never skipped silently.
func TestNotRunIsRecorded(t *testing.T) {
	list := filepath.Join(t.TempDir(), "not-run")
	t.Setenv("NOT_RUN", list)
	if err := record("TestOfMine", "no such\nmachine"); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(list)
	if want := "TestOfMine: no such machine\n"; string(got) != want || err != nil {
		t.Errorf("recorded %q, %v; want %q", got, err, want)
	}
}

// TestNodesAreKilledAndComeBack: a cluster of a test's own.
func TestNodesAreKilledAndComeBack(t *testing.T) {
	c := OpenSearchNodes(t, 2)
	if n := len(c.URLs()); n != 2 {
		t.Fatalf("%d nodes", n)
	}
	c.Kill(1)
	if res, err := http.Get(c.URLs()[1]); err == nil {
		res.Body.Close()
		t.Error("a node that was killed answers")
	}
	if err := errors.Join(c.Start(1), c.Await(2)); err != nil {
		t.Error(err)
	}
}
