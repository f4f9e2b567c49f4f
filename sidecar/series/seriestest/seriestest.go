// Package seriestest is what tests of metrics share.
package seriestest

import (
	"maps"
	"slices"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// Families reads metrics in Prometheus' text form. It may be called from any
// goroutine.
func Families(t testing.TB, text string) []*dto.MetricFamily {
	t.Helper()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	all, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		t.Errorf("the metrics cannot be read: %v", err)
	}
	return slices.Collect(maps.Values(all))
}
