package main

import (
	"os"
	"strings"
	"testing"

	"github.com/fluent-siem/fluent-siem/test/services"
)

// TestDemo: the demo ends with a table in which every record became a document.
func TestDemo(t *testing.T) {
	services.OpenSearch(t)
	var out strings.Builder
	if err := run(t.Context(), &out, os.Stderr); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"cloudtrail       8      5294        5294", "city_name", "curl -s"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in:\n%s", want, out.String())
		}
	}
}
