package ecs

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	"github.com/valyala/fastjson"

	"github.com/fluent-siem/fluent-siem/filters/expression"
	"github.com/fluent-siem/fluent-siem/internal/settings"
)

// computed is a field that an expression of the type's author computes.
type computed struct {
	field    string
	line     int // of the type's file
	slot     int
	list, ip bool
	program  *expression.Program
	from     []operand // for each of the program's names
}

// operand is where a name in an expression has its value.
type operand struct {
	source *source // a field of the record
	slot   int     // of an ECS field, where there is no source
	around func(*Converter) []byte
	bare   bool
}

// surroundings are what stands around a record, as expressions name it.
var surroundings = map[expression.Space]map[string]func(*Converter) []byte{
	expression.Envelope: {
		"account":    func(c *Converter) []byte { return c.env.account },
		"region":     func(c *Converter) []byte { return c.env.region },
		"log_group":  func(c *Converter) []byte { return c.env.group },
		"log_stream": func(c *Converter) []byte { return c.env.stream },
		"id":         func(c *Converter) []byte { return c.env.id },
		"time":       func(c *Converter) []byte { return c.env.time },
	},
	expression.Object: {
		"bucket": func(c *Converter) []byte { return []byte(c.o.src.Bucket) },
		"key":    func(c *Converter) []byte { return []byte(c.o.src.Key) },
	},
}

// compileExpressions compiles the type's expressions. What they set are slots
// like all others.
func (p *plan) compileExpressions(bad *settings.Problems) {
	for _, x := range p.t.Expressions {
		problem := func(format string, args ...any) {
			bad.Add("expressions."+x.Field, "line %d: %s", x.Line, fmt.Sprintf(format, args...))
		}
		if strings.HasPrefix(x.Field, "@") {
			problem("%s cannot be computed; name an ECS field", x.Field)
			continue
		}
		program, err := expression.Compile(x.Text)
		if err != nil {
			problem("%v", err)
			continue
		}
		e := computed{field: x.Field, line: x.Line, list: listFields[x.Field], ip: strings.Contains(x.Field, ".ip"), program: program}
		for _, r := range program.Refs {
			o, err := p.operand(r)
			if err != nil {
				problem("%v", err)
			}
			e.from = append(e.from, o)
		}
		e.slot = p.slot(x.Field)
		p.computed = append(p.computed, e)
	}
}

func (p *plan) operand(r expression.Ref) (operand, error) {
	path := strings.Join(r.Path, ".")
	switch {
	case len(r.Path) == 0:
		return operand{}, errors.New("record, ecs, envelope and object need a name behind them")
	case r.Space == expression.Record:
		return operand{source: p.source(r.String()), bare: r.Bare}, nil
	case r.Space == expression.Fields:
		slot, ok := p.slots[path]
		if !ok {
			return operand{}, fmt.Errorf("nothing sets ecs.%s before", path)
		}
		return operand{slot: slot}, nil
	}
	f := surroundings[r.Space][path]
	if f == nil {
		return operand{}, fmt.Errorf("%s has no %s; there are %s", r.Space, path, strings.Join(sortedKeys(surroundings[r.Space]), ", "))
	}
	return operand{around: f}, nil
}

// checkNames reports names that no record of the type can have.
func (p *plan) checkNames(bad *settings.Problems) {
	if p.fixed == nil || len(p.guesses) > 0 {
		return
	}
	names := maps.Clone(p.fixed.names)
	for i := range p.forms {
		if p.forms[i].layout == nil {
			return // JSON may have any
		}
		maps.Copy(names, p.forms[i].layout.names)
	}
	for _, e := range p.computed {
		for _, o := range e.from {
			if o.source == nil || !o.bare {
				continue
			}
			if _, ok := names[o.source.name]; !ok && o.source.std < 0 {
				known := slices.DeleteFunc(sortedKeys(names), func(n string) bool { return n == "" })
				bad.Add("expressions."+e.field, "line %d: the record has no field %s; there are %s", e.line, o.source.name, strings.Join(known, ", "))
			}
		}
	}
}

// compute sets what the expressions compute. One that fails leaves its field as
// it is; the document says so in error.message, and it is counted.
func (c *Converter) compute() {
	for i := range c.p.computed {
		e := &c.p.computed[i]
		c.values = c.values[:0]
		for j := range e.from {
			c.values = append(c.values, c.operand(&e.from[j]))
		}
		v, err := c.machine.Run(e.program, c.values)
		if err == nil {
			err = c.setComputed(e, v)
		}
		if err != nil {
			c.uncomputed++
			if len(c.text(c.p.std.errorMessage)) == 0 {
				c.setString(c.p.std.errorMessage, "expression "+e.field+": "+err.Error())
			}
		}
	}
	clear(c.values)
}

func (c *Converter) operand(o *operand) any {
	switch {
	case o.around != nil:
		return textOrNil(o.around(c))
	case o.source == nil:
		return c.slotValue(&c.slots[o.slot])
	}
	if c.layout == nil {
		if v := c.rec.Get(o.source.path...); v != nil {
			return goValue(v)
		}
	}
	b, v := c.read(o.source)
	if v != nil {
		return goValue(v)
	}
	return textOrNil(b)
}

func textOrNil(b []byte) any {
	if len(b) == 0 {
		return nil
	}
	return unsafeString(b)
}

func (c *Converter) slotValue(s *value) any {
	switch s.kind {
	case text:
		return textOrNil(s.text)
	case list:
		items := make([]any, len(s.list))
		for i, b := range s.list {
			items[i] = unsafeString(b)
		}
		return items
	case jsonValue:
		return goValue(s.json)
	}
	return nil
}

// goValue is a JSON value for an expression.
func goValue(v *fastjson.Value) any {
	switch v.Type() {
	case fastjson.TypeString:
		return unsafeString(v.GetStringBytes())
	case fastjson.TypeNumber:
		if n, err := v.Int(); err == nil {
			return n
		}
		return v.GetFloat64()
	case fastjson.TypeTrue:
		return true
	case fastjson.TypeFalse:
		return false
	case fastjson.TypeArray:
		items := make([]any, 0, len(v.GetArray()))
		for _, item := range v.GetArray() {
			items = append(items, goValue(item))
		}
		return items
	case fastjson.TypeObject:
		object := map[string]any{}
		v.GetObject().Visit(func(k []byte, item *fastjson.Value) { object[string(k)] = goValue(item) })
		return object
	}
	return nil
}

// setComputed sets a field to what its expression made; nil leaves it.
func (c *Converter) setComputed(e *computed, v any) error {
	if v == nil || v == "" {
		return nil
	}
	items, isList := v.([]any)
	switch {
	case isList:
		texts := make([][]byte, 0, len(items))
		for _, item := range items {
			b, err := scalarText(item)
			if err != nil {
				return err
			}
			if len(b) > 0 {
				texts = append(texts, b)
			}
		}
		if e.ip {
			texts = slices.DeleteFunc(texts, func(b []byte) bool { _, ok := parseAddr(b); return !ok })
		}
		if len(texts) > 0 {
			c.setList(e.slot, texts)
		}
		return nil
	case e.list:
		b, err := scalarText(v)
		if err == nil {
			c.setList(e.slot, [][]byte{b})
		}
		return err
	case e.ip:
		b, err := scalarText(v)
		if err != nil {
			return err
		}
		a, ok := parseAddr(b)
		if !ok {
			return errors.New("what it makes is no IP address")
		}
		c.setText(e.slot, b)
		c.slots[e.slot].ip = a
		return nil
	}
	switch v := v.(type) {
	case string:
		c.setString(e.slot, v)
	case bool:
		c.setBool(e.slot, v)
	case int, float64:
		b, err := scalarText(v)
		if err != nil {
			return err
		}
		c.setNumberText(e.slot, b)
	default:
		return fmt.Errorf("it makes %T; a field takes a text, a number, a truth value, or a list of these", v)
	}
	return nil
}

// scalarText is a scalar as text.
func scalarText(v any) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return nil, nil
	case string:
		return unsafe.Slice(unsafe.StringData(v), len(v)), nil
	case bool:
		return strconv.AppendBool(nil, v), nil
	case int:
		return strconv.AppendInt(nil, int64(v), 10), nil
	case float64:
		if v != v || v > 1e308 || v < -1e308 {
			return nil, errors.New("what it makes is no finite number")
		}
		return strconv.AppendFloat(nil, v, 'f', -1, 64), nil
	}
	return nil, fmt.Errorf("a list of %T; a field takes texts, numbers and truth values", v)
}
