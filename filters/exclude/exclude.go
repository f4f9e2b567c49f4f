// Package exclude decides which events never become documents: those an
// operator's rules name, and those that the loader itself causes.
//
//	object → record → event → document
//	                  ─────
//
// Rules have the two formats of the original: a CSV file
// (exclude_log_patterns.csv), one field and one pattern a row, and JMESPath
// conditions (Parameter Store) with an action. [Load] reads both, and package
// exclude/ruleset keeps those of files, S3 and Parameter Store fresh; [Rules.For]
// gives what concerns one log type; [TypeRules.MatchRecord] judges a record and
// [TypeRules.Match] a finished document. [CloudTrail], [S3AccessLog] and [SecurityLake] recognise what the
// loader and the services it runs on write about themselves.
//
// # Promises
//
//   - A rule that cannot be used excludes nothing, and is told, with its line
//     or name and the reason; the other rules work.
//   - A log type without rules costs nothing: its TypeRules is nil.
//   - A document that a rule cannot be applied to is kept.
//   - Rules never change; newer ones are another Rules. Everything may be
//     used by several goroutines at once.
//
// # What differs from the original
//
// Rows of the CSV name fields of the record as it came or of the finished
// document, whichever has them, as they do in the original. Patterns are RE2:
// look-ahead, look-behind and back-references are refused.
package exclude

import (
	"maps"
	"slices"
	"sync/atomic"

	"github.com/valyala/fastjson"
)

// Action is what a rule does with an event.
type Action uint8

const (
	// Keep: no rule matches.
	Keep Action = iota
	// Exclude: the event is dropped, with the verdict excluded.
	Exclude
	// Count: the event is kept; the rule is being tried out.
	Count
)

func (a Action) String() string { return [...]string{"keep", "exclude", "count"}[a] }

// Parameter is one condition as Parameter Store holds it: the name
// /siem/exclude-logs/<log type>/<name>, and as value
// {"action": "COUNT"|"EXCLUDE"|"DISABLE", "expression": "<JMESPath>"}.
type Parameter struct{ Name, Value string }

// Rules are all rules, by log type.
type Rules struct{ types map[string]*TypeRules }

// TypeRules are the rules of one log type, in their order.
type TypeRules struct {
	patterns   []pattern
	conditions []condition
	failed     atomic.Uint64
}

// Load reads rules in both formats of the original. Either may be empty. The
// errors name what is not used and why, for an operator; the Rules are what the
// rest makes and never nil.
func Load(csv []byte, parameters []Parameter) (*Rules, []error) {
	patterns, problems := LoadPatterns("", csv)
	var list []Condition
	for _, p := range parameters {
		c, err := ParseParameter(ParameterPath, p.Name, p.Value)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		list = append(list, c)
	}
	conditions, more := LoadConditions(list)
	return Join(patterns, conditions), append(problems, more...)
}

// LoadPatterns reads exclude_log_patterns.csv. name is what the file is called
// in the names of its rules, "" for nothing.
func LoadPatterns(name string, csv []byte) (*Rules, []error) {
	r := &Rules{types: make(map[string]*TypeRules)}
	problems := r.loadCSV(name, csv)
	return r, problems
}

// Join makes one of several sets of rules, in their order; patterns are tried
// before conditions. A nil set is empty.
func Join(sets ...*Rules) *Rules {
	r := &Rules{types: make(map[string]*TypeRules)}
	for _, set := range sets {
		if set == nil {
			continue
		}
		for logType, from := range set.types {
			t := r.of(logType)
			t.patterns = append(t.patterns, from.patterns...)
			t.conditions = append(t.conditions, from.conditions...)
		}
	}
	return r
}

// Len is how many rules there are.
func (r *Rules) Len() (n int) {
	if r == nil {
		return 0
	}
	for _, t := range r.types {
		n += len(t.patterns) + len(t.conditions)
	}
	return n
}

// LogTypes are the log types that have rules, sorted.
func (r *Rules) LogTypes() []string {
	if r == nil {
		return nil
	}
	return slices.Sorted(maps.Keys(r.types))
}

// For returns the rules of a log type, nil when it has none.
func (r *Rules) For(logType string) *TypeRules {
	if r == nil {
		return nil
	}
	return r.types[logType]
}

func (r *Rules) of(logType string) *TypeRules {
	t := r.types[logType]
	if t == nil {
		t = new(TypeRules)
		r.types[logType] = t
	}
	return t
}

var parsers fastjson.ParserPool

// Match judges a finished document, and says which rule decided: the first
// that excludes, else the first that counts. A nil TypeRules keeps everything.
func (t *TypeRules) Match(document []byte) (rule string, action Action) {
	if t == nil {
		return "", Keep
	}
	parser := parsers.Get()
	defer parsers.Put(parser)
	v, err := parser.ParseBytes(document)
	if err != nil {
		return "", Keep
	}
	return t.MatchValue(v)
}

// MatchValue is Match for a document, or a record, that is parsed already.
func (t *TypeRules) MatchValue(v *fastjson.Value) (rule string, action Action) {
	if t == nil {
		return "", Keep
	}
	if rule, action = t.MatchRecord(v); action == Exclude || len(t.conditions) == 0 {
		return rule, action
	}
	document := tree(v)
	for i := range t.conditions {
		c := &t.conditions[i]
		if action == Count && c.action == Count {
			continue // counted once, whatever else would count it
		}
		match, err := c.match(document)
		if err != nil {
			t.failed.Add(1)
			continue
		}
		if !match {
			continue
		}
		if rule, action = c.rule, c.action; action == Exclude {
			break
		}
	}
	return rule, action
}

// HasPatterns reports whether rules may name fields of the record as it came.
func (t *TypeRules) HasPatterns() bool { return t != nil && len(t.patterns) > 0 }

// MatchRecord judges a record as it came, before its fields are renamed, moved or
// left out: by the patterns only, as conditions are about finished documents.
func (t *TypeRules) MatchRecord(v *fastjson.Value) (rule string, action Action) {
	if t == nil {
		return "", Keep
	}
	var scratch []byte
	for i := range t.patterns {
		var match bool
		if match, scratch = t.patterns[i].match(v, scratch[:0]); match {
			return t.patterns[i].rule, Exclude
		}
	}
	return "", Keep
}

// Failed counts how often a condition could not be evaluated on a document,
// as contains() of a field that is absent; such a document does not match it.
func (t *TypeRules) Failed() uint64 {
	if t == nil {
		return 0
	}
	return t.failed.Load()
}
