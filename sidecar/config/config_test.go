package config

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/fluent-siem/fluent-siem/internal/settings"
)

type sample struct {
	Every    time.Duration `conf:"every"`
	Names    []string      `conf:"names"`
	Key      string        `conf:"licence_key"`
	Password string        `conf:"password"`
}

func (s sample) Validate() error {
	var bad settings.Problems
	if s.Every > 24*time.Hour {
		bad.Add("every", "%v is too long", s.Every)
	}
	return bad.Err()
}

func environment(name string) (string, bool) { return "from the environment", name == "KEY" }

func TestSectionsListsAndVariables(t *testing.T) {
	s, err := Read(strings.NewReader("every: 2h\nfeed:\n  names: [a, 'b']\n  licence_key: x-${KEY}\nlist:\n  - every: 5m\n  - names: c\nempty:\n"), environment)
	if err != nil {
		t.Fatal(err)
	}
	cfg := sample{Names: []string{"default"}}
	if err := s.Load(&cfg, "feed", "list", "empty"); err != nil || cfg.Every != 2*time.Hour || cfg.Names[0] != "default" {
		t.Errorf("%+v, %v", cfg, err)
	}
	if err := s.Section("feed").Load(&cfg); err != nil || strings.Join(cfg.Names, " ") != "a b" || cfg.Key != "x-from the environment" {
		t.Errorf("%+v, %v", cfg, err)
	}
	if l := s.List("list"); len(l) != 2 || l[0].Path != "list[1]" || l[0].Load(&cfg) != nil || cfg.Every != 5*time.Minute {
		t.Errorf("%+v", cfg)
	}
	if s.Section("none") != nil || s.List("none") != nil {
		t.Error("a section that is not there")
	}
}

func TestEveryProblemAtOnce(t *testing.T) {
	s, err := Read(strings.NewReader("a:\n  evry: 2h\n  every: 48h\n  licence_key: ${NONE}\n  names: {x: y}\n  feed: z\n  password: [a]\n"), environment)
	if err != nil {
		t.Fatal(err)
	}
	err = s.Section("a").Load(&sample{}, "feed")
	var all *settings.Error
	if !errors.As(err, &all) {
		t.Fatal(err)
	}
	for _, want := range []string{"a.evry: is no setting; did you mean every?", "a.every: 48h0m0s is too long", "a.licence_key: the variable NONE is not set", "a.names: is one value", "a.feed: is a section"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in\n%v", want, err)
		}
	}
	if len(all.Problems) != 5 {
		t.Errorf("%v", err)
	}
	for _, text := range []string{"a: [", "- a", "a: 1\na: 2", strings.Repeat("#", maxSize+1)} {
		if _, err := Read(strings.NewReader(text), environment); err == nil {
			t.Errorf("%.20q is taken", text)
		}
	}
	if s, err := Read(strings.NewReader(""), environment); err != nil || s.Load(&sample{}) != nil {
		t.Error(err)
	}
}
