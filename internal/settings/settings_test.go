package settings_test

import (
	"errors"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/fluent-siem/fluent-siem/internal/settings"
)

type shared struct {
	Region string `conf:"region"`
}

type config struct {
	shared
	Endpoint string         `conf:"endpoint"`
	On       bool           `conf:"on"`
	Count    int            `conf:"count"`
	Ratio    float64        `conf:"ratio"`
	Size     settings.Bytes `conf:"size"`
	Wait     time.Duration  `conf:"wait"`
	Queues   []string       `conf:"queues"`
	Network  netip.Prefix   `conf:"network"`
	Token    int            `conf:"api_token"`
	Internal string
}

func defaults() config {
	return config{Count: 3, Size: 64 << 20, Wait: 5 * time.Second, Queues: []string{"q"}}
}

func load(values map[string]string) (config, error) {
	cfg := defaults()
	err := settings.Load(&cfg, func(key string) string { return values[key] })
	return cfg, err
}

func TestLoadOverwritesOnlyWhatIsWritten(t *testing.T) {
	got, err := load(map[string]string{"endpoint": " https://x ", "on": "Yes", "region": "eu-west-1", "count": ""})
	if err != nil {
		t.Fatal(err)
	}
	want := defaults()
	want.Endpoint, want.On, want.Region = "https://x", true, "eu-west-1"
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestLoadKinds(t *testing.T) {
	got, err := load(map[string]string{"count": "-7", "ratio": "0.25", "size": "5MB", "wait": "1m30s",
		"queues": "a, b,, c ", "network": "10.0.0.0/8", "api_token": "5"})
	if err != nil {
		t.Fatal(err)
	}
	want := config{Count: -7, Ratio: 0.25, Size: 5 << 20, Wait: 90 * time.Second, Queues: []string{"a", "b", "c"},
		Network: netip.MustParsePrefix("10.0.0.0/8"), Token: 5}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestAllProblemsAtOnceAndDefaultsStay(t *testing.T) {
	got, err := load(map[string]string{"count": "many", "size": "64XB", "wait": "soon", "on": "perhaps", "ratio": "half", "network": "ten"})
	var e *settings.Error
	if !errors.As(err, &e) || len(e.Problems) != 6 {
		t.Fatalf("want six problems, got: %v", err)
	}
	for i, key := range []string{"on", "count", "ratio", "size", "wait", "network"} {
		if e.Problems[i].Key != key {
			t.Errorf("problem %d is about %s, want %s", i, e.Problems[i].Key, key)
		}
	}
	if !strings.Contains(err.Error(), `size: "64XB" is not an amount of bytes; write`) {
		t.Errorf("unhelpful: %v", err)
	}
	if !reflect.DeepEqual(got, defaults()) {
		t.Errorf("defaults were harmed: %+v", got)
	}
}

func TestSecretsAreNotQuoted(t *testing.T) {
	_, err := load(map[string]string{"api_token": "hunter2"})
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got %v, want an error that hides the value", err)
	}
}

func TestKeys(t *testing.T) {
	want := []string{"region", "endpoint", "on", "count", "ratio", "size", "wait", "queues", "network", "api_token"}
	if got := settings.Keys(config{}); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := settings.Keys(&config{}); !reflect.DeepEqual(got, want) {
		t.Errorf("by pointer: got %v, want %v", got, want)
	}
}

// Each setting takes part in the fingerprint, a secret does not.
func TestFingerprint(t *testing.T) {
	seen := map[string]string{settings.Fingerprint(defaults()): "the defaults"}
	for key, value := range map[string]string{"region": "eu-west-1", "endpoint": "https://x", "on": "yes", "count": "7", "ratio": "0.25", "size": "5MB", "wait": "1m", "queues": "a,b", "network": "10.0.0.0/8"} {
		cfg, err := load(map[string]string{key: value})
		if err != nil {
			t.Fatal(err)
		}
		f := settings.Fingerprint(&cfg)
		if other := seen[f]; other != "" || len(f) != 8 {
			t.Errorf("with %s it is %s, as with %s", key, f, other)
		}
		seen[f] = key
	}
	with, err := load(map[string]string{"api_token": "5"})
	if err != nil || settings.Fingerprint(with) != settings.Fingerprint(defaults()) {
		t.Errorf("a secret takes part (%v)", err)
	}
}

func TestUnsupportedTypeIsAnErrorNotAPanic(t *testing.T) {
	var cfg struct {
		M map[string]string `conf:"m"`
	}
	if err := settings.Load(&cfg, func(string) string { return "x" }); err == nil {
		t.Error("a map was accepted")
	}
	if err := settings.Load(5, func(string) string { return "x" }); err == nil {
		t.Error("a number was accepted as a struct")
	}
}

func TestBytes(t *testing.T) {
	for text, want := range map[string]settings.Bytes{
		"0": 0, "100": 100, "100k": 102400, "1KB": 1024, "64MB": 64 << 20, "64 MiB": 64 << 20, "5mib": 5 << 20, "1.5g": 3 << 29, "2TB": 2 << 40, "7B": 7,
	} {
		if got, err := settings.ParseBytes(text); err != nil || got != want {
			t.Errorf("ParseBytes(%q) = %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "MB", "-1", "64XB", "1MMB", "NaN", "1e300", "64bi", "6 4"} {
		if got, err := settings.ParseBytes(text); err == nil {
			t.Errorf("ParseBytes(%q) = %d, want an error", text, got)
		}
	}
	for b, want := range map[settings.Bytes]string{0: "0B", 1500: "1500B", 64 << 20: "64MiB", 1 << 30: "1GiB", 3 << 9: "1536B", 2048: "2KiB"} {
		if got := b.String(); got != want {
			t.Errorf("%d prints %s, want %s", int64(b), got, want)
		}
		if back, err := settings.ParseBytes(want); err != nil || back != b {
			t.Errorf("%s reads %d, %v", want, back, err)
		}
	}
}

func TestDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"30": 30 * time.Second, "0.2": 200 * time.Millisecond, "5m": 5 * time.Minute, "12h": 12 * time.Hour, "7d": 168 * time.Hour, "1d12h": 36 * time.Hour, "250ms": 250 * time.Millisecond,
	} {
		if got, err := settings.ParseDuration(text); err != nil || got != want {
			t.Errorf("ParseDuration(%q) = %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "-5", "soon", "5 minutes", "d", "-1h", "NaN", "Inf", "99999999d"} {
		if got, err := settings.ParseDuration(text); err == nil {
			t.Errorf("ParseDuration(%q) = %v, want an error", text, got)
		}
	}
	for d, want := range map[time.Duration]string{5 * time.Minute: "5m", 2 * time.Hour: "2h", 90 * time.Second: "1m30s", time.Second: "1s", 0: "0s", 90 * time.Minute: "1h30m", 10 * time.Second: "10s"} {
		if got := settings.FormatDuration(d); got != want {
			t.Errorf("%v prints %s, want %s", d, got, want)
		}
	}
}

func TestProblemsJoin(t *testing.T) {
	var a, b settings.Problems
	if a.Err() != nil {
		t.Error("no problems, but an error")
	}
	b.Add("x", "is %d", 5)
	a.Join(nil)
	a.Join(b.Err())
	a.Join(errors.New("plain"))
	if got := a.Err().Error(); got != "x: is 5\nplain" {
		t.Errorf("got %q", got)
	}
}
