package ecs

import (
	"regexp"

	"github.com/valyala/fastjson"

	"github.com/fluent-siem/fluent-siem/filters/logtype"
)

// form is another way in which records are written ([logtype.Form]), compiled.
type form struct {
	*logtype.Form
	pattern *regexp.Regexp
	layout  *layout // nil for JSON
	object  int     // the group that holds the JSON
	renames []renaming
}

func (p *plan) form(f *logtype.Form) (form, error) {
	r := form{Form: f, renames: renamings(f.Rename)}
	switch f.Format {
	case logtype.Pattern:
		r.pattern = regexp.MustCompile("^(?:" + f.Pattern + ")") // logtype compiled it before
		if f.Object != "" {
			r.object = r.pattern.SubexpIndex(f.Object) - 1
			return r, nil
		}
		r.layout = p.layout(r.pattern.SubexpNames()[1:], &f.Columns)
	case logtype.ColumnF:
		if _, err := splitters(f.Columns.Parts); err != nil {
			return r, err
		}
		r.layout = p.layout(f.Columns.Names, &f.Columns)
	}
	return r, nil
}

func renamings(names map[string]string) (all []renaming) {
	for _, to := range sortedKeys(names) {
		all = append(all, renaming{names[to], to})
	}
	return all
}

// parseOtherwise takes a record apart that is not written as the type's format
// says; false when it is in none of the other forms.
func (c *Converter) parseOtherwise() bool {
	for i := range c.p.forms {
		if c.p.forms[i].parse(c) {
			return true
		}
	}
	return false
}

func (f *form) parse(c *Converter) bool {
	switch f.Format {
	case logtype.JSON:
		return f.parseObject(c, c.raw)
	case logtype.Pattern:
		if !c.matchGroups(f.pattern) {
			return false
		}
		if f.layout == nil {
			return f.parseObject(c, c.cols[f.object])
		}
	default:
		c.cols = splitColumns(c.cols[:0], c.raw, &f.Columns)
		if len(c.cols) < f.Columns.Required {
			return false
		}
		if f.Columns.Quote != "" {
			c.undouble(f.Columns.Quote[0])
		}
		if n := f.layout.n; len(c.cols) > n {
			c.extra = append(c.extra, c.cols[n:]...)
			c.cols = c.cols[:n]
		}
	}
	c.rec = nil
	c.useLayout(f.layout)
	return true
}

func (f *form) parseObject(c *Converter, text []byte) bool {
	if len(text) == 0 || text[0] != '{' {
		return false
	}
	v, err := c.inner.ParseBytes(text)
	if err != nil || v.Type() != fastjson.TypeObject {
		return false
	}
	c.rec, c.layout = v, nil
	c.rename(f.renames)
	return true
}
