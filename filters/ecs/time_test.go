package ecs

import (
	"regexp"
	"testing"
	"time"

	"github.com/fluent-siem/fluent-siem/filters/logtype"
)

func TestTimes(t *testing.T) {
	tokyo := time.FixedZone("", 9*3600)
	for _, c := range []struct {
		layout, text, want string
		zone               *time.Location
	}{
		{"iso8601", "2022-07-13T20:07:38Z", "2022-07-13T20:07:38Z", time.UTC},
		{"iso8601", "2018-07-02T22:23:00.186641Z", "2018-07-02T22:23:00.186641Z", time.UTC},
		{"iso8601", "2024-01-15 03:00:00.5", "2024-01-14T18:00:00.5Z", tokyo},
		{"iso8601", "2024-01-15T03:00:00-03:30", "2024-01-15T06:30:00Z", tokyo},
		{"iso8601", "2024-01-15T03:00:00+0900", "2024-01-14T18:00:00Z", time.UTC},
		{"iso8601", "2024-01-15T03:00:00.123456789012Z", "2024-01-15T03:00:00.123456789Z", time.UTC},
		{"iso8601", "2024-01-15", "2024-01-15T00:00:00Z", time.UTC},
		{"iso8601", "20240115T030000Z", "2024-01-15T03:00:00Z", time.UTC},
		{"iso8601", "2024-02-30T03:00:00Z", "", time.UTC},
		{"iso8601", "2024-01-15T03:00:00.Z", "", time.UTC},
		{"iso8601", "yesterday, at a quarter", "", time.UTC},
		{"epoch", "1651646529", "2022-05-04T06:42:09Z", time.UTC},
		{"epoch", "1651646529123", "2022-05-04T06:42:09.123Z", time.UTC},
		{"epoch", "1651646529123456", "2022-05-04T06:42:09.123456Z", time.UTC},
		{"epoch", "1651646529123456789", "2022-05-04T06:42:09.123456789Z", time.UTC},
		{"epoch", "1651646529.25", "2022-05-04T06:42:09.25Z", time.UTC},
		{"epoch", "-", "", time.UTC},
		{"epoch", "", "", time.UTC},
		{"02/Jan/2006:15:04:05 -0700", "15/Jan/2024:03:00:00 +0900", "2024-01-14T18:00:00Z", time.UTC},
	} {
		r, err := newTimeRule(nil, logtype.Time{Layout: c.layout})
		if err != nil {
			t.Fatal(err)
		}
		got, ok := r.parse([]byte(c.text), c.zone)
		text := ""
		if ok {
			text = string(appendTime(nil, got))
		}
		if text != c.want {
			t.Errorf("%s %q is %q, want %q", c.layout, c.text, text, c.want)
		}
	}
	if _, err := newTimeRule(nil, logtype.Time{Layout: "no layout"}); err == nil {
		t.Error("a layout without a time in it is accepted")
	}
}

func TestTimeInKey(t *testing.T) {
	for key, want := range map[string]string{
		"AWSLogs/1/CloudTrail/a/1_CloudTrail_us-east-1_20240115T0905Z_x.json.gz": "2024-01-15T09:05:00Z",
		"a/20240115T090507Z.log": "2024-01-15T09:05:07Z",
		"a/120240115T0905Z":      "",
		"a/20241315T0905Z":       "",
	} {
		got := ""
		if at, ok := keyTime(key); ok {
			got = string(appendTime(nil, at))
		}
		if got != want {
			t.Errorf("%s: %q, want %q", key, got, want)
		}
	}
}

// strict is what RFC 3339 allows; package time reads more, such as T0:00:00.
var strict = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$`)

func FuzzISO(f *testing.F) {
	f.Add("2018-07-02T22:23:00.186641Z")
	f.Add("0000-01-01T0:00:00Z")
	f.Fuzz(func(t *testing.T, text string) {
		at, ok := parseISO([]byte(text), time.UTC)
		if want, err := time.Parse(time.RFC3339Nano, text); err == nil && strict.MatchString(text) && (!ok || !at.Equal(want)) {
			t.Errorf("%q is %v (%v), want %v", text, at, ok, want)
		}
	})
}
