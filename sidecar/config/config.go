// Package config reads the sidecar's file: YAML, of settings in sections, one
// for each duty.
//
//	state_dir: /var/lib/fluent-siem
//	geoip:
//	  editions: [GeoLite2-City, GeoLite2-ASN]
//	  licence_key: ${MAXMIND_KEY}
//	indicators:
//	  feeds:
//	    - name: tor
//
// # Promises
//
//   - All problems of a section are reported at once, each with the path of its
//     key; a key that nobody knows is one.
//   - ${NAME} in a value is that variable of the environment; one that is not
//     set is a problem.
//   - No value is shown whose key names a secret.
package config

import (
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/fluent-siem/fluent-siem/internal/settings"
	"github.com/fluent-siem/fluent-siem/sidecar/hostconfig"
)

// maxSize of a file, in bytes; a larger one is no configuration.
const maxSize = 1 << 20

// Section is settings, and sections and lists of sections within.
type Section struct {
	// Path names it in problems: indicators.feeds[2].
	Path     string
	values   map[string]string
	sections map[string]*Section
	lists    map[string][]*Section
	problems settings.Problems
}

// Read reads a file. lookup finds variables of the environment.
func Read(r io.Reader, lookup func(string) (string, bool)) (*Section, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxSize+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxSize {
		return nil, fmt.Errorf("it has more than the %d bytes that a configuration may have", maxSize)
	}
	var root map[string]any
	if err := yaml.Unmarshal(text, &root); err != nil {
		return nil, err
	}
	return newSection("", root, lookup), nil
}

var variable = regexp.MustCompile(`\$\{[A-Za-z_][A-Za-z0-9_]*\}`)

func newSection(path string, entries map[string]any, lookup func(string) (string, bool)) *Section {
	s := &Section{Path: path, values: map[string]string{}, sections: map[string]*Section{}, lists: map[string][]*Section{}}
	for key, v := range entries {
		switch v := v.(type) {
		case nil:
		case map[string]any:
			s.sections[key] = newSection(s.at(key), v, lookup)
		case []any:
			var words []string
			for i, item := range v {
				if m, ok := item.(map[string]any); ok {
					s.lists[key] = append(s.lists[key], newSection(fmt.Sprintf("%s[%d]", s.at(key), i+1), m, lookup))
				} else {
					words = append(words, s.expand(key, fmt.Sprint(item), lookup))
				}
			}
			if words != nil {
				s.values[key] = strings.Join(words, ",")
			}
		default:
			s.values[key] = s.expand(key, fmt.Sprint(v), lookup)
		}
	}
	return s
}

func (s *Section) at(key string) string { return strings.TrimPrefix(s.Path+"."+key, ".") }

func (s *Section) expand(key, text string, lookup func(string) (string, bool)) string {
	return variable.ReplaceAllStringFunc(text, func(name string) string {
		name = name[2 : len(name)-1]
		value, ok := lookup(name)
		if !ok {
			s.problems.Add(s.at(key), "the variable %s is not set in the environment", name)
		}
		return value
	})
}

// Section returns the section of a key, nil when the file has none.
func (s *Section) Section(key string) *Section { return s.sections[key] }

// List returns the sections in the list of a key.
func (s *Section) List(key string) []*Section { return s.lists[key] }

// Load fills cfg, a pointer to a struct with conf tags whose values are the
// defaults, and validates it, if it has a method Validate. within are the keys
// of sections and lists that are read elsewhere; any other key is a problem.
func (s *Section) Load(cfg any, within ...string) error {
	problems := s.problems
	known := settings.Keys(cfg)
	var keys []string
	for _, has := range [][]string{sortedKeys(s.values), sortedKeys(s.sections), sortedKeys(s.lists)} {
		keys = append(keys, has...)
	}
	for _, key := range keys {
		_, isValue := s.values[key]
		switch {
		case !isValue && slices.Contains(known, key):
			problems.Add(s.at(key), "is one value, or a list of them")
		case isValue && slices.Contains(within, key):
			problems.Add(s.at(key), "is a section, or a list of sections")
		case !slices.Contains(known, key) && !slices.Contains(within, key):
			problems.Add(s.at(key), "is no setting%s", hostconfig.Suggest(key, slices.Concat(known, within)))
		}
	}
	problems.Join(s.located(settings.Load(cfg, func(key string) string { return s.values[key] })))
	if v, ok := cfg.(interface{ Validate() error }); ok {
		problems.Join(s.located(v.Validate()))
	}
	return problems.Err()
}

// located puts the path of the section before the keys of problems.
func (s *Section) located(err error) error {
	e, ok := err.(*settings.Error)
	if !ok || s.Path == "" {
		return err
	}
	located := &settings.Error{}
	for _, p := range e.Problems {
		p.Key = s.at(p.Key)
		located.Problems = append(located.Problems, p)
	}
	return located
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
