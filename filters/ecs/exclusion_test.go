package ecs

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	dto "github.com/prometheus/client_model/go"

	"github.com/fluent-siem/fluent-siem/filters/exclude"
	"github.com/fluent-siem/fluent-siem/internal/lease"
	"github.com/fluent-siem/fluent-siem/internal/process"
	"github.com/fluent-siem/fluent-siem/internal/settings"
)

// ruled is a filter for records of other inputs, with rules.
func ruled(t *testing.T, trial bool) (*Filter, *bytes.Buffer) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "conditions.yaml")
	rules := "- {log_type: okta, name: noise, expression: \"event.action == 'noise'\"}\n- {log_type: okta, name: odd, action: COUNT, expression: \"event.action == 'odd'\"}\n"
	if err := os.WriteFile(path, []byte(rules), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := Defaults()
	cfg.ExcludeConditions, cfg.ExcludeTrial, cfg.LogType = path, trial, "okta"
	log := new(bytes.Buffer)
	f, err := New(cfg, process.New(), WithLogger(slog.New(slog.NewTextHandler(log, nil))))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	return f, log
}

// records are events as tail makes them.
func plainRecords(n int, eventType string) (in []byte) {
	for range n {
		text := fmt.Sprintf(`{"eventType":%q,"published":"2024-06-15T12:00:00Z"}`, eventType)
		in = append(in, 0x92, 0xce, 0x66, 0x6d, 0x81, 0x80, 0x81, 0xa7) // [time, {"message": …}]
		in = append(in, "message"...)
		in = append(in, 0xd9, byte(len(text)))
		in = append(in, text...)
	}
	return in
}

// counted is how often a rule matched, as the metrics say.
func counted(t *testing.T, f *Filter, labels ...string) float64 {
	t.Helper()
	var m dto.Metric
	if err := f.matches.WithLabelValues(labels...).Write(&m); err != nil {
		t.Fatal(err)
	}
	return m.GetCounter().GetValue()
}

func TestEachRuleIsCounted(t *testing.T) {
	f, log := ruled(t, false)
	in := append(append(plainRecords(7, "noise"), plainRecords(5, "odd")...), plainRecords(2, "kept")...)
	out, _ := f.Process(nil, "x", in)
	if n := len(events(t, out)); n != 7 {
		t.Errorf("%d records are left, want 5 that are counted and 2", n)
	}
	for labels, want := range map[[2]string]float64{{"conditions.yaml: noise", "exclude"}: 7, {"conditions.yaml: odd", "count"}: 5} {
		if got := counted(t, f, "okta", labels[0], labels[1]); got != want {
			t.Errorf("%v: %v, want %v", labels, got, want)
		}
	}
	if n := strings.Count(log.String(), "counts a record"); n != samplesPerHour {
		t.Errorf("%d samples of 5 counted records", n)
	}
	if strings.Contains(log.String(), "noise") {
		t.Error("an excluded record was shown")
	}
}

func TestATrialDropsNothingAndShowsWhatWouldGo(t *testing.T) {
	f, log := ruled(t, true)
	out, _ := f.Process(nil, "x", plainRecords(9, "noise"))
	if n := len(events(t, out)); n != 9 {
		t.Errorf("%d of 9 records are left", n)
	}
	if got := counted(t, f, "okta", "conditions.yaml: noise", "trial"); got != 9 {
		t.Errorf("counted %v", got)
	}
	if n := strings.Count(log.String(), "would drop a record"); n != samplesPerHour || !strings.Contains(log.String(), `event_type`) {
		t.Errorf("%d samples: %s", n, log.String())
	}
}

func TestSamplesAreBounded(t *testing.T) {
	var s samples
	now, n := time.Unix(0, 0), 0
	for range 3 {
		for rule := range sampledRules * 2 {
			for range samplesPerHour + 1 {
				if s.take(fmt.Sprint(rule), now) {
					n++
				}
			}
		}
		now = now.Add(time.Hour)
	}
	if n != 3*sampledRules*samplesPerHour || len(s.shown) > sampledRules {
		t.Errorf("%d samples, %d rules remembered", n, len(s.shown))
	}
	long := bytes.Repeat([]byte("é"), sampleSize)
	if cut := cutSample(append([]byte("x"), long...)); len(cut) > sampleSize+3 || !utf8.ValidString(cut) {
		t.Errorf("a sample of %d bytes", len(cut))
	}
}

func TestExclusionSettingsAreChecked(t *testing.T) {
	cfg := Defaults()
	written := map[string]string{"exclude_s3": "rules.csv", "exclude_parameters": "siem", "exclude_refresh": "1ms", "assume_role_arn": "x", "endpoint": "host", "exclude_conditions": "/does/not/exist"}
	if err := settings.Load(&cfg, func(key string) string { return written[key] }); err != nil {
		t.Fatal(err)
	}
	err := cfg.Validate()
	for key := range written {
		if err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("nothing is said about %s: %v", key, err)
		}
	}
}

// TestPatternsNameFieldsOfTheRecord: also where the document has them under
// another name, under a prefix, or not at all.
func TestPatternsNameFieldsOfTheRecord(t *testing.T) {
	const rules = "log_type,field,pattern,pattern_type,comment\n" +
		"nginx-access,useragent,ELB-HealthChecker.*,regex,health\nclientvpn,connection-id,cvpn-1,text,test\nvpcflowlogs,srcaddr,10.0.0.1,text,scanner\nokta,eventType,noise,text,noise\n"
	loaded, problems := exclude.LoadPatterns("", []byte(rules))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	types, err := shippedTypes()
	if err != nil {
		t.Fatal(err)
	}
	for _, trial := range []bool{false, true} {
		e := &Engine{IDs: Natural, Trial: trial, Rules: func() *exclude.Rules { return loaded }}
		c := e.NewConverter()
		for _, try := range []struct {
			name, header, record string
			excluded             bool
		}{
			{"nginx-access", "", `192.0.2.1 - - [15/Jun/2024:12:00:00 +0000] "GET / HTTP/1.1" 200 12 "-" "ELB-HealthChecker/2.0"`, true},
			{"nginx-access", "", `192.0.2.1 - - [15/Jun/2024:12:00:00 +0000] "GET / HTTP/1.1" 200 12 "-" "curl/8"`, false},
			{"clientvpn", "", `{"connection-id":"cvpn-1","connection-last-update-time":"2024-06-15 12:00:00"}`, true},
			{"clientvpn", "", `{"connection-id":"cvpn-2","connection-last-update-time":"2024-06-15 12:00:00"}`, false},
			{"vpcflowlogs", "srcaddr dstaddr end", "10.0.0.1 10.0.0.2 1718452860", true},
			{"vpcflowlogs", "srcaddr dstaddr end", "10.0.0.3 10.0.0.2 1718452860", false},
			{"okta", "", `{"eventType":"noise","published":"2024-06-15T12:00:00Z"}`, true},
		} {
			o, err := c.Object(types.Set().Type(try.name), lease.Source{Bucket: "b", Key: "k", LogType: try.name, Header: []byte(try.header)})
			if err != nil {
				t.Fatal(err)
			}
			err = c.Convert(o, 1, nil, []byte(try.record))
			_, action := c.Matched()
			if _, ok := err.(*Excluded); ok != (try.excluded && !trial) || err != nil && !ok {
				t.Errorf("%s, trial %v: %v", try.record, trial, err)
			}
			if (action == exclude.Exclude) != try.excluded {
				t.Errorf("%s, trial %v: %v", try.record, trial, action)
			}
		}
	}
}
