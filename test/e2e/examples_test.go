package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fluent-siem/fluent-siem/test/corpus"
	"github.com/fluent-siem/fluent-siem/test/rig"
)

// TestExamplesRun: the configurations that are shipped load objects as they
// are, but for folders, login and the emulator's address.
func TestExamplesRun(t *testing.T) {
	run := func(t *testing.T, h rig.Host, name string) {
		a := arrange(t)
		a.put(corpus.ALB.Object(0, 100))
		p, err := a.setup.StartWith(h, a.example(name),
			"QUEUE_URL="+a.setup.QueueURL, "AWS_REGION=us-east-1", "AWS_ENDPOINT_URL="+a.setup.Endpoint, "OPENSEARCH_URL="+a.setup.OpenSearch, "OPENSEARCH_USER=loader")
		a.must(err)
		t.Cleanup(p.Kill)
		a.drained(p, 30*time.Second)
		a.stop(p, 35*time.Second)
		a.once(a.stored(), corpus.ALB, 0, 100)
	}
	t.Run("pipeline-demo.yaml", func(t *testing.T) { run(t, rig.Pipeline(root(t)), "pipeline-demo.yaml") })
	for _, name := range []string{"fluent-bit.yaml", "fluent-bit.conf"} {
		t.Run(name, func(t *testing.T) {
			inEach(t, func(t *testing.T, h rig.Host) { run(t, h, name) })
		})
	}
}

// example writes a shipped configuration with this test's folders and no
// login, and returns its path.
func (a *arena) example(name string) string {
	a.Helper()
	change := strings.NewReplacer(
		"/opt/fluent-siem/plugins.conf", filepath.Join(a.setup.Dir, "plugins.conf"),
		"/opt/fluent-siem", filepath.Join(root(a.T), "build"),
		"/var/lib/fluent-siem", a.setup.StateDir(), "build/demo/state", a.setup.StateDir(), "build/demo", a.setup.Dir,
		"filters/enrich", filepath.Join(root(a.T), "filters/enrich"),
		"region: ${AWS_REGION}", "region: ${AWS_REGION}\n      endpoint: ${AWS_ENDPOINT_URL}",
		"region       ${AWS_REGION}", "region ${AWS_REGION}\n    endpoint ${AWS_ENDPOINT_URL}",
		"auth: basic", "auth: none", "auth          basic", "auth none",
		"      username: ${OPENSEARCH_USER}\n", "", "    username      ${OPENSEARCH_USER}\n", "",
		"      password_file: /var/lib/fluent-siem/password\n", "", "    password_file /var/lib/fluent-siem/password\n", "",
	)
	for _, file := range []string{name, "plugins.conf"} {
		text, err := os.ReadFile(filepath.Join(root(a.T), "conf", file))
		a.must(err)
		a.must(os.WriteFile(filepath.Join(a.setup.Dir, file), []byte(change.Replace(string(text))), 0o644))
	}
	return filepath.Join(a.setup.Dir, name)
}
