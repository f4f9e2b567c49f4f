// Package services gives tests the real services that the pipeline works with:
// an OpenSearch node, moto as an independent emulator of AWS, and awsemu, our
// own emulator of S3 and SQS in the test's process.
//
// # Promises
//
//   - A node is started once per machine, by whoever needs it first, and shared
//     by all packages and runs; a test finds it empty of its own data only, so it
//     uses names of its own ([Name]).
//   - A test that cannot run where it is says so ([NotRun]): `make test` prints
//     the list at its end. With REQUIRE_SERVICES=1, as in CI, a service that
//     cannot be started fails the test instead.
//   - OPENSEARCH_URL, when set, is the cluster that is used.
package services

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/fluent-siem/fluent-siem/test/services/awsemu"
)

// OpenSearch returns the base URL of a real OpenSearch without security, such
// as http://127.0.0.1:19200.
func OpenSearch(t testing.TB) string {
	t.Helper()
	if url := os.Getenv("OPENSEARCH_URL"); url != "" {
		return strings.TrimSuffix(url, "/")
	}
	return start(t, "opensearch")["OPENSEARCH_URL"]
}

// Secure is an OpenSearch that demands TLS and a login.
type Secure struct {
	URL            string // https://localhost:…
	User, Password string // may do everything
	CAFile         string // PEM, the CA of the server's certificate
	CertFile       string // PEM, a client certificate that may do everything
	KeyFile        string // PEM, its key
}

// Client returns a client that trusts the node's CA. The caller adds the login.
func (s Secure) Client() (*http.Client, error) {
	pem, err := os.ReadFile(s.CAFile)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}, nil
}

// OpenSearchSecure returns a real OpenSearch with the security plugin.
func OpenSearchSecure(t testing.TB) Secure {
	t.Helper()
	env := start(t, "secure")
	in := func(name string) string { return filepath.Join(env["OPENSEARCH_SECURE_CONFIG"], name) }
	return Secure{
		URL: env["OPENSEARCH_SECURE_URL"], User: "admin", Password: "admin",
		CAFile: in("ca.pem"), CertFile: in("admin.pem"), KeyFile: in("admin.key"),
	}
}

// Moto returns the URL at which moto answers for every AWS service. It accepts
// any credentials.
func Moto(t testing.TB) string {
	t.Helper()
	return start(t, "moto")["MOTO_URL"]
}

// AWS starts an emulator of S3 and SQS that ends with the test.
func AWS(t testing.TB) *awsemu.Server {
	t.Helper()
	s, err := awsemu.Start(awsemu.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// Name returns prefix with a random ending: a name for a bucket, a queue or an
// index that no other test uses.
func Name(prefix string) string {
	return prefix + "-" + strings.ToLower(rand.Text()[:10])
}

var (
	mu      sync.Mutex
	started = map[string]map[string]string{} // service → what `services start` printed
	reasons = map[string]error{}             // service → why it cannot be had
)

// start returns the variables that `services start NAME` prints.
func start(t testing.TB, name string) map[string]string {
	t.Helper()
	mu.Lock()
	defer mu.Unlock()
	if started[name] == nil && reasons[name] == nil {
		if reasons[name] = use(name); reasons[name] == nil {
			started[name], reasons[name] = run(name, "start", name)
		}
	}
	Require(t, reasons[name])
	return started[name]
}

// Require ends a test whose service cannot be had, if err says so.
func Require(t testing.TB, err error) {
	t.Helper()
	if err != nil && os.Getenv("REQUIRE_SERVICES") == "1" {
		t.Fatal(err)
	} else if err != nil {
		NotRun(t, err.Error())
	}
}

// run calls the program services and returns the variables that it prints.
func run(name string, args ...string) (map[string]string, error) {
	root, err := Root()
	if err != nil {
		return nil, err
	}
	var out, diagnosis bytes.Buffer
	cmd := exec.Command(filepath.Join(root, "test/services/services"), args...)
	cmd.Stdout, cmd.Stderr = &out, &diagnosis
	if err := cmd.Run(); err != nil {
		lines := strings.Split(strings.TrimSpace(diagnosis.String()), "\n")
		return nil, fmt.Errorf("%s could not be started: %s", name, strings.TrimPrefix(lines[len(lines)-1], "services: "))
	}
	env := map[string]string{}
	for line := range strings.Lines(out.String()) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
			env[key] = value
		}
	}
	return env, nil
}

// use marks a service as in use until this process ends, so that `services
// stop` of another run leaves it alone. The file stays open on purpose.
func use(name string) error {
	cache := os.Getenv("FLUENT_SIEM_CACHE")
	if cache == "" {
		dir, err := os.UserCacheDir()
		if err != nil {
			return err
		}
		cache = filepath.Join(dir, "fluent-siem")
	}
	if err := os.MkdirAll(filepath.Join(cache, "run"), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(cache, "run", name+".users"), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	inUse = append(inUse, f)
	return syscall.Flock(int(f.Fd()), syscall.LOCK_SH)
}

var inUse []*os.File

// NotRun ends a test that cannot run on this machine and puts it, with the
// reason, on the list that `make test` prints at its end.
func NotRun(t testing.TB, reason string) {
	t.Helper()
	if err := record(t.Name(), reason); err != nil {
		t.Fatalf("did not run: %s; and this could not be recorded: %v", reason, err)
	}
	t.Skipf("did not run: %s", reason) // the only skip there is: it has been recorded
}

// record appends to the file named by NOT_RUN, one line a test.
func record(name, reason string) error {
	file := os.Getenv("NOT_RUN")
	if file == "" {
		return nil
	}
	f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "%s: %s\n", name, strings.ReplaceAll(reason, "\n", " "))
	return errors.Join(err, f.Close())
}

// Root returns the folder of the repository.
func Root() (string, error) {
	_, file, _, ok := runtime.Caller(0)
	if ok && filepath.IsAbs(file) {
		return filepath.Join(filepath.Dir(file), "../.."), nil
	}
	dir, err := os.Getwd() // built with -trimpath
	for err == nil {
		if _, statErr := os.Stat(filepath.Join(dir, "go.mod")); statErr == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("no go.mod in any parent folder: run tests from within the repository")
		}
		dir = filepath.Dir(dir)
	}
	return "", err
}
