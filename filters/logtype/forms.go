package logtype

import (
	"fmt"
	"regexp"

	"github.com/fluent-siem/fluent-siem/internal/settings"
)

// Form is another way in which the records of a type are written, such as the
// CSV or the JSON that a server can be told to write instead of text. Its fields
// bear the names of the type's, so that mapping and steps hold for all forms.
type Form struct {
	// Format is json, columns (without a header) or pattern.
	Format Format `yaml:"format"`
	// Columns and Pattern are those of the form, as a type's.
	Columns Columns `yaml:"columns"`
	Pattern string  `yaml:"pattern"`
	// Object names the group of the pattern that holds a JSON object, which is the
	// record; what stands around it is not kept.
	Object string `yaml:"object"`
	// Rename gives root fields of JSON the type's names, new: old.
	Rename map[string]string `yaml:"rename"`
}

func (t *Type) checkForms(bad *settings.Problems) {
	if len(t.Otherwise) > 0 && (t.Element != "" || t.Columns.Header) {
		bad.Add("otherwise", "is for types whose objects are lines or JSON, without a header")
	}
	for i := range t.Otherwise {
		f, key := &t.Otherwise[i], fmt.Sprintf("otherwise[%d]", i)
		switch f.Format {
		case JSON:
		case ColumnF:
			if f.Columns.check(key+".columns", bad); f.Columns.Header {
				bad.Add(key+".columns.header", "cannot be: what names the columns of one form is a line of another")
			}
		case Pattern:
			re, err := regexp.Compile("^(?:" + f.Pattern + ")")
			if err != nil {
				bad.Add(key+".pattern", "%v", err)
			} else if re.NumSubexp() == 0 {
				bad.Add(key+".pattern", "has no named groups: (?P<name>…) makes a field")
			} else if f.Object != "" && re.SubexpIndex(f.Object) < 0 {
				bad.Add(key+".object", "the pattern has no group %s", f.Object)
			}
		default:
			bad.Add(key+".format", "%q is none of json, columns and pattern", f.Format)
		}
		if f.Object != "" && f.Format != Pattern {
			bad.Add(key+".object", "is a group of a pattern")
		}
		if len(f.Rename) > 0 && f.Format != JSON && f.Object == "" {
			bad.Add(key+".rename", "is for json; columns and patterns name their fields")
		}
	}
}
