package status

import (
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"

	"github.com/fluent-siem/fluent-siem/sidecar/series/seriestest"
)

// TestACopyThatIsRefused is told with its reason; the next one is newer, and heals.
func TestACopyThatIsRefused(t *testing.T) {
	ctx, end := context.WithCancel(t.Context())
	defer end()
	var bodies []string
	var heard []string
	n := 0
	err := RunIndex(ctx, IndexConfig{Index: "x-siem-status", Interval: 5 * time.Millisecond}, IndexEnv{
		Log:    slog.New(slog.DiscardHandler),
		Source: Source{StateDir: t.TempDir, Metrics: func(context.Context) []*dto.MetricFamily { n++; return seriestest.Families(t, busy(n)) }},
		Health: func(component, problem string) {
			if heard = append(heard, component+": "+problem); len(heard) == 2 {
				end()
			}
		},
		Do: func(_ context.Context, method, path string, body []byte) (int, []byte, error) {
			if bodies = append(bodies, string(body)); len(bodies) == 1 {
				return 200, []byte(`{"errors":true,"items":[{"create":{"error":{"reason":"no permission"}}}]}`), nil
			}
			return 200, []byte(`{"errors":false}`), nil
		},
	})
	if err != nil || len(heard) != 2 || !strings.Contains(heard[0], "FS6015") || !strings.Contains(heard[0], "no permission") || heard[1] != "status_index: " {
		t.Fatalf("%v; heard %q", err, heard)
	}
	lines := strings.Split(strings.TrimSpace(bodies[1]), "\n")
	if len(lines) != 2*3 { // the host, a database, a feed
		t.Fatalf("%q", lines)
	}
	var doc struct {
		At               time.Time `json:"@timestamp"`
		Host             struct{ Name string }
		Kind             string
		Records, Waiting float64
		Share            float64 `json:"throttle_share"`
	}
	if err := json.Unmarshal([]byte(lines[1]), &doc); err != nil || doc.At.IsZero() || doc.Host.Name == "" || doc.Kind != "flow" || doc.Records <= 0 || doc.Waiting < 40 || doc.Share != 1 {
		t.Errorf("%s: %v", lines[1], err)
	}
	if !strings.Contains(lines[0], `"_index":"x-siem-status-`) || !strings.Contains(lines[3], `"kind":"table","name":"GeoLite2-City","age":`) {
		t.Errorf("%q", lines)
	}
}

func TestBadIndexSettings(t *testing.T) {
	if err := (IndexConfig{}).Validate(); err == nil || !strings.Contains(err.Error(), "index: ") || !strings.Contains(err.Error(), "interval: ") {
		t.Error(err)
	}
}
