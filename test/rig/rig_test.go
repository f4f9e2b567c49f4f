package rig

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestSumOfSamples(t *testing.T) {
	m := Metrics{`a_total{type="x",verdict="stored"}`: 2, `a_total{type="y",verdict="stored"}`: 3, `a_total{type="x",verdict="dead"}`: 5, "a": 7, "a_total_more": 11}
	for _, c := range []struct {
		want   float64
		labels []string
	}{{10, nil}, {5, []string{`verdict="stored"`}}, {2, []string{`type="x"`, `verdict="stored"`}}, {0, []string{`type="z"`}}} {
		if got := m.Sum("a_total", c.labels...); got != c.want {
			t.Errorf("%v: %v, want %v", c.labels, got, c.want)
		}
	}
}

// TestTheSameConfigurationForEachHost: what the test host reads says what the file says.
func TestTheSameConfigurationForEachHost(t *testing.T) {
	s := Setup{Dir: t.TempDir(), QueueURL: "http://q/1/siem", Output: Settings{"auth": "${HOW}"}}
	config, err := s.Config(TestHost("/r"))
	if err != nil {
		t.Fatal(err)
	}
	flat, err := flatten(config, []string{"HOW=none", "HOW=basic"})
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(flat)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"section service\n", "section plugin\npath /r/build/in_s3_sqs.so\n", "section input\nname s3_sqs\n", "queue_url http://q/1/siem\n", "section output\nname opensearch_bulk\nauth basic\n"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

// TestProcessesEnd: one that ignores SIGTERM is killed, and what it wrote is in the error.
func TestProcessesEnd(t *testing.T) {
	script := filepath.Join(t.TempDir(), "host")
	if err := os.WriteFile(script, []byte("#!/bin/sh\ntrap '' TERM\necho ready\nwhile :; do sleep 1; done\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	h := Host{Name: "stubborn", Program: script, args: func(string) []string { return nil }}
	p, err := Setup{Dir: t.TempDir()}.Start(h)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Await(t.Context(), func() error {
		if strings.Contains(p.Output(), "ready") {
			return nil
		}
		return errors.New("it is not ready")
	}); err != nil {
		t.Fatal(err)
	}
	if n, err := p.PeakRSS(); n <= 0 || err != nil {
		t.Errorf("peak RSS %d, %v", n, err)
	}
	if _, err := p.Stop(100 * time.Millisecond); err == nil || !strings.Contains(err.Error(), "ready") {
		t.Errorf("stopping: %v", err)
	}
	select {
	case <-p.Done():
	default:
		t.Error("it lives on")
	}
}
