package ecs

import (
	"errors"
	"fmt"

	"github.com/valyala/fastjson"

	"github.com/fluent-siem/fluent-siem/filters/lines"
	"github.com/fluent-siem/fluent-siem/filters/logtype"
)

// parseLine makes the record of a line that names its fields itself (package
// lines): an object with these fields, and with those that stand beside the line
// where an agent wrapped it in JSON.
//
// A line of a syslog message or of a wrapping that is not written as the type
// says is kept as it came, with the reason; so is CEF and LEEF, as the original
// did with CEF.
func (c *Converter) parseLine() error {
	t := c.p.t
	line := c.raw
	c.rec = c.arena.NewObject()
	if t.Wrapped != "" && len(line) > 0 && line[0] == '{' {
		var err error
		if line, err = c.unwrap(t.Wrapped); err != nil {
			return err
		}
		if line == nil {
			return nil
		}
	}
	c.row.Reset()
	if t.Format == logtype.Sys {
		if err := c.parseSyslog(line); err != nil {
			return err
		}
	} else if err := c.takeApart(t.Format, line); err != nil {
		switch {
		case t.Wrapped != "":
			c.rec.Set("message", c.newText(line))
			c.failure = err.Error()
		case t.Format == logtype.Pairs:
			return err
		default:
			c.keep(err.Error())
		}
	}
	if c.row.Cut && c.failure == "" {
		c.failure = fmt.Sprintf("the line has more than %d fields; the others are in @message only", lines.MaxFields)
	}
	c.rename(c.p.renames)
	return nil
}

// unwrap makes the record the JSON object that the line is, and returns the line
// in it; nil when it has none, which is said.
func (c *Converter) unwrap(field string) ([]byte, error) {
	v, err := c.parser.ParseBytes(c.raw)
	if err != nil {
		return nil, fmt.Errorf("begins like JSON that wraps a line, but is none: %w", err)
	}
	if v.GetObject().Len() > lines.MaxFields {
		return nil, fmt.Errorf("more than %d fields around the line", lines.MaxFields)
	}
	c.rec = v
	line := stringAt(v, field)
	if line == nil {
		c.failure = "no line in field " + field
	} else {
		v.Del(field)
	}
	return line, nil
}

// parseSyslog reads the head of a syslog message, and its message as the type
// says.
func (c *Converter) parseSyslog(line []byte) error {
	inside := c.p.t.Syslog.Message
	message, err := c.row.Syslog(line)
	switch {
	case err != nil && inside == "":
		return err
	case err != nil:
		message = line
	}
	switch inside {
	case "":
		c.takeRow()
		if len(message) > 0 {
			c.rec.Set("message", c.newText(message))
		}
		return nil
	case logtype.JSON:
		err = c.takeJSON(message)
		c.takeRow()
	default:
		head := len(c.row.Fields)
		if err = c.takeApart(inside, message); err != nil {
			c.row.Fields = c.row.Fields[:head]
			c.takeRow()
		}
	}
	if err != nil { // programs that write otherwise share the log
		c.rec.Set("message", c.newText(message))
		c.failure = err.Error()
	}
	return nil
}

// takeApart adds the fields of a line to the record.
func (c *Converter) takeApart(f logtype.Format, line []byte) (err error) {
	t := c.p.t
	switch f {
	case logtype.CEF:
		err = c.row.CEF(line)
	case logtype.LEEF:
		err = c.row.LEEF(line, t.LEEF.Separator)
	case logtype.Pairs:
		err = c.row.Pairs(line, lines.Pairs{Separator: t.KV.Separator, Assign: t.KV.Assign, Quotes: t.KV.Quotes})
	}
	if err == nil {
		c.takeRow()
	}
	return err
}

// takeRow adds what was found to the record.
func (c *Converter) takeRow() {
	for i := range c.row.Fields {
		f := &c.row.Fields[i]
		c.rec.Set(unsafeString(f.Name), c.newText(f.Value))
	}
	if len(c.row.Data) == 0 {
		return
	}
	data := c.arena.NewObject()
	for i := range c.row.Data {
		d := &c.row.Data[i]
		element := data.Get(unsafeString(d.Element))
		if element == nil {
			element = c.arena.NewObject()
			data.Set(unsafeString(d.Element), element)
		}
		element.Set(unsafeString(d.Name), c.newText(d.Value))
	}
	c.rec.Set("syslog_data", data)
}

var (
	errNotObject = errors.New("the message is not a JSON object")
	errLarge     = fmt.Errorf("the message has more than %d fields", lines.MaxFields)
)

// takeJSON makes the record the JSON object that a message is, with the fields
// that the record has already.
func (c *Converter) takeJSON(message []byte) error {
	v, err := c.inner.ParseBytes(message)
	if err != nil || v.Type() != fastjson.TypeObject {
		return errNotObject
	}
	if v.GetObject().Len() > lines.MaxFields {
		return errLarge
	}
	c.rec.GetObject().Visit(func(k []byte, item *fastjson.Value) { v.Set(unsafeString(k), item) })
	c.rec = v
	return nil
}
