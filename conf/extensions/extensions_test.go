// Package extensions_test runs the examples as the manual says, in a pipeline.
package extensions_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fluent-siem/fluent-siem/internal/extend/extendtest"
	"github.com/fluent-siem/fluent-siem/sidecar/cli"
	"github.com/fluent-siem/fluent-siem/test/corpus"
	"github.com/fluent-siem/fluent-siem/test/services"
)

// goExample builds the example in Go.
func goExample(t *testing.T, dir string) string {
	t.Helper()
	path := filepath.Join(dir, "owners")
	if out, err := exec.Command("go", "build", "-o", path, "./go").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return path
}

// pythonExample puts the example in Python together, with an interpreter that has
// grpcio-tools.
func pythonExample(t *testing.T, dir string) string {
	t.Helper()
	python := filepath.Join(services.Home(t, "grpcio-tools"), "bin/python")
	for from, to := range map[string]string{"python/owners.py": "owners.py", "../../extension/fluentsiem_transformer.proto": "fluentsiem_transformer.proto"} {
		text, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		text = bytes.Replace(text, []byte("#!/usr/bin/env python3"), []byte("#!"+python), 1)
		if err := os.WriteFile(filepath.Join(dir, to), text, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "owners.py")
}

// said is what the program logs.
type said struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *said) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(b)
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// TestTheExamplesChangeRecordsInAPipeline: objects in a bucket become documents
// with their owner, but for what the example drops and what it does not know.
func TestTheExamplesChangeRecordsInAPipeline(t *testing.T) {
	for name, example := range map[string]func(*testing.T, string) string{"go": goExample, "python": pythonExample} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			command := example(t, dir)
			sum := extendtest.Allow(t, command)
			aws := services.AWS(t)
			queueURL, err := aws.Pipe("logs", "queue")
			if err != nil {
				t.Fatal(err)
			}
			const n = 200
			trail := corpus.CloudTrail.Object(1, n)
			if _, err := aws.Put("logs", trail.Key, trail.Body); err != nil {
				t.Fatal(err)
			}
			other := `{"Records":[{"eventTime":"2024-06-14T12:00:00Z","eventSource":"health.amazonaws.com","eventID":"1","recipientAccountId":"123456789012"},
				{"eventTime":"2024-06-14T12:00:00Z","eventSource":"ec2.amazonaws.com","eventID":"2","recipientAccountId":"999999999999"}]}`
			if _, err := aws.Put("logs", "AWSLogs/123456789012/CloudTrail/us-east-1/2024/06/15/b.json", []byte(other)); err != nil {
				t.Fatal(err)
			}
			write := func(name, text string) string {
				path := filepath.Join(dir, name)
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
				return path
			}
			extensions := write("extensions.yaml", fmt.Sprintf("extensions:\n  - name: owners\n    command: %s\n    sha256: %s\n    log_types: [cloudtrail]\n    timeout: 30s\n", command, sum))
			t.Setenv("AWS_ACCESS_KEY_ID", "test")
			t.Setenv("AWS_SECRET_ACCESS_KEY", "test")
			out := filepath.Join(dir, "got.ndjson")
			pipeline := write("pipeline.yaml", fmt.Sprintf(`
service: {flush: 0.1, grace: 10}
pipeline:
  inputs:
    - {name: s3_sqs, tag: siem, queue_url: %q, region: us-east-1, endpoint: %q, state_dir: %q, acknowledge: queued}
  filters:
    - {name: ecs, match: "siem*", extensions_file: %q}
  outputs:
    - {name: file, match: "siem.cloudtrail", file: %q, format: plain}
`, queueURL, aws.URL, filepath.Join(dir, "state"), extensions, out))
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			var log said
			ended := make(chan int, 1)
			go func() {
				ended <- cli.Run(ctx, []string{"pipeline", "-c", pipeline}, cli.Terminal{In: strings.NewReader(""), Out: &log, Err: &log})
			}()
			var text []byte
			for end := time.Now().Add(60 * time.Second); bytes.Count(text, []byte("\n")) < n+1; time.Sleep(50 * time.Millisecond) {
				if text, _ = os.ReadFile(out); time.Now().After(end) {
					t.Fatalf("%d documents\n%s", bytes.Count(text, []byte("\n")), log.String())
				}
			}
			stop()
			if code := <-ended; code != 0 {
				t.Fatalf("it ends with %d\n%s", code, log.String())
			}
			owned, failed := 0, 0
			for line := range bytes.Lines(text) {
				var document struct {
					Organization struct{ Name string }
					Tags         []string
					Siem         struct{ Extension string }
				}
				if err := json.Unmarshal(line, &document); err != nil {
					t.Fatal(err)
				}
				switch {
				case document.Organization.Name == "Payments":
					owned++
				case fmt.Sprint(document.Tags) == "[extension_failed]" && strings.Contains(document.Siem.Extension, "account 999999999999 has no owner"):
					failed++
				default:
					t.Errorf("%s", line)
				}
			}
			if owned != n || failed != 1 {
				t.Errorf("%d have their owner, %d failed\n%s", owned, failed, log.String())
			}
		})
	}
}
