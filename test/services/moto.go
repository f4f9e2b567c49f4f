package services

import (
	"bufio"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// OwnMoto is a moto of one's own, for what would disturb others: permissions
// that count.
type OwnMoto struct {
	t   testing.TB
	URL string
}

var listens = regexp.MustCompile(`Running on (http://127\.0\.0\.1:\d+)`)

// Home returns the folder that a tool runs from, after it was installed if need
// be: moto, cfn-lint, hadolint, kubernetes-validate or grpcio-tools, each a virtual
// environment of Python.
func Home(t testing.TB, tool string) string {
	t.Helper()
	env, err := run(tool, "home", tool)
	Require(t, err)
	return env[strings.ToUpper(strings.ReplaceAll(tool, "-", "_"))+"_HOME"]
}

// MotoAlone starts a moto that ends with the test. It accepts any credentials
// until [OwnMoto.Enforce].
func MotoAlone(t testing.TB) *OwnMoto {
	t.Helper()
	cmd := exec.Command(filepath.Join(Home(t, "moto"), "bin/moto_server"), "-H", "127.0.0.1", "-p", "0")
	cmd.Env = append(os.Environ(), "PYTHONUNBUFFERED=1")
	log, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it ends no other way
		_ = cmd.Wait()
	})
	url := make(chan string, 1)
	go func() {
		defer close(url)
		for lines := bufio.NewScanner(log); lines.Scan(); {
			if m := listens.FindStringSubmatch(lines.Text()); m != nil {
				url <- m[1]
				break
			}
		}
		_, _ = io.Copy(io.Discard, log) // until it is killed
	}()
	at, ok := <-url
	if !ok {
		t.Fatal("moto has ended while it started")
	}
	return &OwnMoto{t, at}
}

// Enforce says whether policies count from now on. moto looks at actions, at
// the resources of S3 only.
func (m *OwnMoto) Enforce(on bool) {
	m.t.Helper()
	free := "1000000000" // requests that need no permission
	if on {
		free = "0"
	}
	res, err := http.Post(m.URL+"/moto-api/reset-auth", "text/plain", strings.NewReader(free))
	if err != nil {
		m.t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		m.t.Fatalf("moto does not set up permissions: %s", res.Status)
	}
}
