package enrich

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

func TestAgentsSayWhatTheOriginalSaid(t *testing.T) {
	r := NewAgents().Reader()
	n := 0
	for line := range lines(t, "testdata/golden/agents.ndjson") {
		var want map[string]any
		if err := json.Unmarshal(line, &want); err != nil {
			t.Fatal(err)
		}
		text := want["original"].(string)
		a := r.Parse([]byte(text))
		got := map[string]string{"name": a.Name, "version": a.Version, "os.name": a.OSName, "os.full": a.OSFull, "os.version": a.OSVersion, "device.name": a.DeviceName}
		for field, value := range got {
			if w, _ := want[field].(string); w != value {
				t.Errorf("%q: %s %q, want %q", text, field, value, w)
			}
		}
		n++
	}
	if n < 100 {
		t.Errorf("only %d user agents were compared", n)
	}
}

type uapCase struct {
	Text       string `yaml:"user_agent_string"`
	Family     string `yaml:"family"`
	Major      string `yaml:"major"`
	Minor      string `yaml:"minor"`
	Patch      string `yaml:"patch"`
	PatchMinor string `yaml:"patch_minor"`
}

func uapCases(t testing.TB, pattern string) map[string][]uapCase {
	t.Helper()
	all := make(map[string][]uapCase)
	for _, path := range glob(t, pattern) {
		var file struct {
			Cases []uapCase `yaml:"test_cases"`
		}
		if err := yaml.Unmarshal(read(t, path), &file); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		all[filepath.Base(path)] = file.Cases
	}
	return all
}

// The prefilter must change nothing but the time.
func TestPrefilterChangesNoResult(t *testing.T) {
	r := NewAgents().Reader()
	plain := newAgentRules().parser
	n := 0
	for name, cases := range uapCases(t, "testdata/agents/*.yaml") {
		for i, c := range cases {
			texts := []string{c.Text}
			if i%8 == 0 {
				texts = append(texts, strings.ToUpper(c.Text))
			}
			for _, text := range texts {
				if len(text) > longestAgent {
					continue
				}
				ua, system, device := plain.ParseUserAgent(text), plain.ParseOs(text), plain.ParseDevice(text)
				want := Agent{ua.Family, dotted(ua.Major, ua.Minor, ua.Patch), system.Family, "", dotted(system.Major, system.Minor, system.Patch, system.PatchMinor), device.Family}
				want.OSFull = strings.TrimSpace(want.OSName + " " + want.OSVersion)
				if got := *r.parse([]byte(text)); got != want {
					t.Errorf("%s: %q: %+v, want %+v", name, text, got, want)
				}
				n++
			}
		}
	}
	if n < 2500 {
		t.Errorf("only %d texts were compared", n)
	}
}

func TestUAPCoreCases(t *testing.T) {
	r := NewAgents().Reader()
	n := 0
	for name, cases := range uapCases(t, "testdata/agents/*.yaml") {
		system := strings.HasSuffix(name, "_os.yaml") || strings.HasSuffix(name, "_os_tests.yaml")
		for _, c := range cases {
			a := r.Parse([]byte(c.Text))
			got, want := a.Name+" "+a.Version, c.Family+" "+dotted(c.Major, c.Minor, c.Patch)
			if system {
				got, want = a.OSName+" "+a.OSVersion, c.Family+" "+dotted(c.Major, c.Minor, c.Patch, c.PatchMinor)
			}
			if got != want {
				t.Errorf("%s: %q: %q, want %q", name, c.Text, got, want)
			}
			n++
		}
	}
	if n < 2500 {
		t.Errorf("only %d cases", n)
	}
}

func TestAWSNamesItself(t *testing.T) {
	r := NewAgents().Reader()
	for text, want := range map[string]string{
		"AWS Internal": "AWS Internal", "signin.amazonaws.com": "signin.amazonaws.com", "a_1.amazonaws.com": "a_1.amazonaws.com",
		"xsignin.eu.amazonaws.com": "Other", "AWS Internal 2": "Other", "signin.amazonaws.com.evil": "Other", "": "Other",
	} {
		if got := r.Parse([]byte(text)).Name; got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestSameTextSamePointer(t *testing.T) {
	agents := NewAgents()
	a, b := agents.Reader(), agents.Reader()
	text := []byte("curl/8.4.0")
	first := a.Parse(text)
	if a.Parse([]byte("curl/8.4.0")) != first || b.Parse(text) != first {
		t.Error("the same text gave another pointer")
	}
	long := []byte("curl/8.4.0 " + strings.Repeat("x", 1<<20))
	if got := a.Parse(long); got.Name != "curl" || len(a.cache) != 1<<agentBits {
		t.Errorf("a long text: %+v", got)
	}
	if text[0] = 'x'; *first != *b.Parse([]byte("curl/8.4.0")) {
		t.Error("the cache holds the caller's buffer")
	}
}

func TestUnescapeAgent(t *testing.T) {
	for in, want := range map[string]string{
		"Mozilla/5.0%20(X11)": "Mozilla/5.0 (X11)", "100%": "100%", "a%2Fb": "a%2Fb", "a%20%2fb%2": "a /b%2", "%20%zz": " %zz",
	} {
		got, changed := UnescapeAgent(nil, []byte(in))
		if string(got) != want || changed != (in != want) {
			t.Errorf("%q: %q, %v; want %q", in, got, changed, want)
		}
	}
}

// Whatever a client sends: no panic, and what the prefilter leaves out would
// not have matched.
func FuzzAgents(f *testing.F) {
	plain, r := newAgentRules().parser, NewAgents().Reader()
	for _, seed := range []string{"", "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:121.0) Gecko/20100101 Firefox/121.0", "\u212aindle\u017f", "Safari\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got := r.parse([]byte(text))
		if want := plain.ParseUserAgent(text); got.Name != want.Family && !ownName.MatchString(text) {
			t.Errorf("%q: %q, want %q", text, got.Name, want.Family)
		}
		if want := plain.ParseOs(text); got.OSName != want.Family {
			t.Errorf("%q: system %q, want %q", text, got.OSName, want.Family)
		}
		if want := plain.ParseDevice(text); got.DeviceName != want.Family {
			t.Errorf("%q: device %q, want %q", text, got.DeviceName, want.Family)
		}
	})
}

func BenchmarkAgents(b *testing.B) {
	cases := uapCases(b, "testdata/agents/uap-core-test_os.yaml")["uap-core-test_os.yaml"]
	agents := NewAgents()
	b.Run("hit", func(b *testing.B) {
		r, text := agents.Reader(), []byte(cases[10].Text)
		b.ReportAllocs()
		for b.Loop() {
			r.Parse(text)
		}
	})
	b.Run("new", func(b *testing.B) {
		r := agents.Reader()
		i := 0
		for b.Loop() {
			r.parse([]byte(cases[i%len(cases)].Text))
			i++
		}
	})
	b.Run("new without prefilter", func(b *testing.B) {
		p := newAgentRules().parser
		i := 0
		for b.Loop() {
			text := cases[i%len(cases)].Text
			p.ParseUserAgent(text)
			p.ParseOs(text)
			p.ParseDevice(text)
			i++
		}
	})
}
