package ecs

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/valyala/fastjson"

	"github.com/fluent-siem/fluent-siem/filters/logtype"
)

// envelope is what a record was wrapped in: an event of CloudWatch Logs,
// EventBridge, SNS or FireLens, as [split.Record].Envelope says it. Its texts
// are valid until the next record.
type envelope struct {
	raw    []byte // of the envelope in hand, to see that the next one is the same
	parser fastjson.Parser

	account, region, group, stream []byte
	id                             []byte // of the event; part of content ids
	time                           []byte // ISO 8601, or milliseconds since 1970
	record                         *fastjson.Value
	container                      *fastjson.Value // fields about the container that wrote the record
}

func (e *envelope) read(raw []byte) error {
	if bytes.Equal(raw, e.raw) {
		return nil
	}
	e.raw = append(e.raw[:0], raw...)
	e.account, e.region, e.group, e.stream, e.id, e.time, e.record, e.container = nil, nil, nil, nil, nil, nil, nil, nil
	if len(raw) == 0 {
		return nil
	}
	v, err := e.parser.ParseBytes(e.raw)
	if err != nil {
		e.raw = e.raw[:0]
		return fmt.Errorf("its envelope is not JSON: %w", err)
	}
	e.record = v
	e.account, e.region = v.GetStringBytes("account"), v.GetStringBytes("region")
	e.group, e.stream = v.GetStringBytes("log_group"), v.GetStringBytes("log_stream")
	e.id, e.time = v.GetStringBytes("id"), v.GetStringBytes("time")
	e.readContainer()
	return nil
}

// parse makes the record of the text.
func (c *Converter) parse() error {
	if c.o.json {
		return c.parseJSON()
	}
	if c.p.control != nil && c.p.control.Match(c.raw) {
		return errControl
	}
	parser := parsers[c.p.t.Format]
	if parser == nil {
		return fmt.Errorf("there is no parser for format %s", c.p.t.Format)
	}
	err := parser(c)
	if err != nil && c.parseOtherwise() {
		return nil
	}
	if err != nil && c.env.container != nil { // whatever a container says, some of it is no log of the type
		c.keep(err.Error())
		return nil
	}
	return err
}

// keep keeps a record as it came, without fields, and says why.
func (c *Converter) keep(failure string) {
	c.rec, c.layout, c.failure = c.arena.NewObject(), nil, failure
}

// parsers take a record apart that is no JSON object. They leave a row of
// columns with its layout, or a JSON value made in the converter's arena.
var parsers = map[logtype.Format]func(*Converter) error{
	logtype.ColumnF: (*Converter).parseColumns,
	logtype.Pattern: (*Converter).parsePattern,
	logtype.AccessF: (*Converter).parseAccess,
	logtype.CEF:     (*Converter).parseLine,
	logtype.LEEF:    (*Converter).parseLine,
	logtype.Pairs:   (*Converter).parseLine,
	logtype.Sys:     (*Converter).parseLine,
	logtype.XML:     (*Converter).parseXML,
	logtype.WinEvt:  (*Converter).parseWindows,
}

func (c *Converter) parseJSON() error {
	v, err := c.parser.ParseBytes(c.raw)
	switch {
	case err != nil && c.parseOtherwise():
		return nil
	case err != nil && c.env.record != nil:
		// What an agent sent through a log group is kept as it came, with the
		// reason: it may have been cut there.
		c.keep(fmt.Sprintf("invalid json file: %v", err))
		return nil
	case err != nil:
		return fmt.Errorf("not JSON: %w", err)
	case v.Type() != fastjson.TypeObject:
		return fmt.Errorf("a JSON %s, want an object", v.Type())
	}
	c.rec = v
	c.rename(c.p.renames)
	return nil
}

// rename gives root fields of the record the names that the type wants.
func (c *Converter) rename(all []renaming) {
	for _, r := range all {
		if item := c.rec.Get(r.from); item != nil && item.Type() != fastjson.TypeNull {
			c.rec.Set(r.to, item)
			c.rec.Del(r.from)
		}
	}
}

func (c *Converter) parseColumns() error {
	c.cols = splitColumns(c.cols[:0], c.raw, &c.p.t.Columns)
	if d := &c.p.t.Columns; d.Header && d.Quote != "" {
		c.undouble(d.Quote[0])
	}
	l := c.o.layout
	if l == nil || len(c.cols) != l.n && c.p.t.Columns.HeaderPrefix != "" {
		if i := slices.IndexFunc(c.p.guesses, func(l *layout) bool { return l.n == len(c.cols) }); i >= 0 {
			l = c.p.guesses[i]
		}
	}
	if l == nil {
		return c.p.noHeader(len(c.cols))
	}
	if n, want := len(c.cols), min(c.p.t.Columns.Required, l.n); n < want {
		return fmt.Errorf("%d columns, want at least %d", n, want)
	}
	if len(c.cols) > l.n {
		c.extra = append(c.extra, c.cols[l.n:]...)
		c.cols = c.cols[:l.n]
	}
	c.useLayout(l)
	return nil
}

// noHeader is the error of a line of n columns that nothing names.
func (p *plan) noHeader(n int) error {
	if len(p.guesses) == 0 {
		return errors.New("the object has no header line that names its columns")
	}
	var known []string
	for _, l := range p.guesses {
		known = append(known, strconv.Itoa(l.n))
	}
	return fmt.Errorf("%d columns and no header line that names them; without one there should be %s (columns.default of the log type)", n, strings.Join(known, " or "))
}

func (c *Converter) parsePattern() error {
	if !c.matchGroups(c.p.pattern) {
		return errors.New("the pattern does not match")
	}
	c.useLayout(c.p.fixed)
	return nil
}

// matchGroups makes the groups of a pattern the columns.
func (c *Converter) matchGroups(re *regexp.Regexp) bool {
	m := re.FindSubmatchIndex(c.raw)
	if m == nil {
		return false
	}
	c.cols = c.cols[:0]
	for i := 2; i < len(m); i += 2 {
		if m[i] < 0 {
			c.cols = append(c.cols, nil)
		} else {
			c.cols = append(c.cols, c.raw[m[i]:m[i+1]])
		}
	}
	return true
}

// useLayout completes the row of columns to its layout.
func (c *Converter) useLayout(l *layout) {
	c.layout = l
	for len(c.cols) < len(l.keys) {
		c.cols = append(c.cols, nil)
	}
	for _, m := range l.merge {
		start := len(c.scratch)
		for i, col := range c.cols[m.from : m.from+m.n] {
			if i > 0 && len(col) > 0 {
				c.scratch = append(c.scratch, ' ')
			}
			c.scratch = append(c.scratch, col...)
		}
		c.cols[m.into] = c.scratch[start:len(c.scratch):len(c.scratch)]
	}
	for i := range l.parts {
		q := &l.parts[i]
		if q.split(c.cols[q.from], c.cols[q.into:q.into+q.n]) && q.replaces {
			c.cols[q.from] = nil
		}
	}
}
