package ecs

import (
	"bytes"
	"net/netip"
	"time"
	"unsafe"

	"github.com/valyala/fastjson"

	"github.com/fluent-siem/fluent-siem/filters/enrich"
	"github.com/fluent-siem/fluent-siem/filters/exclude"
	"github.com/fluent-siem/fluent-siem/filters/expression"
	"github.com/fluent-siem/fluent-siem/filters/lines"
	"github.com/fluent-siem/fluent-siem/filters/logtype"
	"github.com/fluent-siem/fluent-siem/internal/event"
)

// Excluded is the error of a record that a rule says is not wanted.
type Excluded struct{ Rule string }

func (e *Excluded) Error() string { return "excluded by " + e.Rule }

var (
	errOwnLogs = &Excluded{Rule: "own_logs: activity of this loader"}
	errControl = &Excluded{Rule: "control_lines: not a record"}
)

// Converter makes documents of records, one at a time, for one goroutine.
//
//	err := c.Convert(object, number, envelope, raw) // then, if err is nil:
//	target, at := c.Target(), c.Time()
//	out = c.AppendJSON(out)               // or c.AppendMsgpack
//
// What these return is valid until the next Convert; raw must not change before.
type Converter struct {
	engine *Engine
	plans  map[*logtype.Type]*plan
	geo    *enrich.GeoReader
	agents *enrich.AgentReader

	parser     fastjson.Parser
	rowParser  fastjson.Parser // of columns as an object, for the rules
	inner      fastjson.Parser // of JSON in a message
	machine    expression.Machine
	values     []any // of the names in an expression
	uncomputed int   // fields whose expression failed, since it was last counted
	cuts       int   // texts that were cut, since it was last counted
	row        lines.Row
	xml        xmlTree
	arena      fastjson.Arena
	w          event.Writer

	now      time.Time
	ingested []byte
	tables   enrich.Tables // of now, without Geo
	use      enrich.Tables // those that this record is enriched with
	version  tablesVersion
	past     pastTables
	joins    *[]enrich.AssetJoin // of the assets that the plans were made with
	more     additions           // that the plans were made with
	rules    *exclude.Rules

	// The record in hand.
	o        *Object
	env      envelope
	p        *plan
	raw      []byte          // its text, trimmed
	rec      *fastjson.Value // nil for columns
	layout   *layout         // nil for JSON
	cols     [][]byte
	extra    [][]byte // columns beyond the layout
	failure  string   // why the record is kept as it came, without its fields
	slots    []value
	scratch  []byte            // texts made for this record
	names    map[string]string // names in camelCase, in snake_case
	agentBuf []byte            // its user agent without percent-encoding
	time     time.Time
	target   event.Target
	choice   int // which of the plan's indices it names
	idBuf    []byte
	ownID    bool // the record brought its id
	matches  enrich.Matches
	json     []byte // the document as JSON, when the rules needed it
	whole    bool   // what is written was cut before
	matched  string // the rule that matches it
	action   exclude.Action
}

// kind says what a slot holds.
type kind uint8

const (
	none kind = iota
	text
	list
	jsonValue
	fragment
)

type value struct {
	kind kind
	ip   netip.Addr // of a text that is an address, when it was parsed
	text []byte
	list [][]byte
	json *fastjson.Value
	frag event.Fragment
}

// NewConverter returns a converter for one goroutine.
func (e *Engine) NewConverter() *Converter {
	c := &Converter{engine: e, plans: map[*logtype.Type]*plan{}, more: additions{steps: e.AddFields, tables: e.TableVersions == OfMatches || e.TableVersions == OfAll || e.History != nil}}
	if e.Geo != nil || e.History != nil {
		c.geo = e.Geo.Reader()
	}
	if e.Agents != nil {
		c.agents = e.Agents.Reader()
	}
	c.Begin(time.Now())
	return c
}

// Begin begins a batch: t is the time of loading (event.ingested, and the time of
// records that have no other), and the tables that are in use now count. An
// [Object] of before stays valid for as long as [Converter.Plans] is the same.
func (c *Converter) Begin(t time.Time) {
	e := c.engine
	if e.Now != nil {
		t = e.Now()
	}
	c.now = t
	c.ingested = appendTime(c.ingested[:0], t)
	if e.Indicators != nil {
		c.tables.Indicators = e.Indicators()
	}
	if e.Proxies != nil {
		c.tables.Proxies = e.Proxies()
	}
	if e.Assets != nil {
		a := e.Assets()
		if c.tables.Assets = a; a.Joins != c.joins {
			clear(c.plans)
			c.joins, c.more.assets = a.Joins, *a.Joins
		}
	}
	c.past = pastTables{}
	if e.Rules != nil {
		c.rules = e.Rules()
	}
}

// Plans changes when objects must be prepared anew: assets are joined in
// another way.
func (c *Converter) Plans() *[]enrich.AssetJoin { return c.joins }

func (c *Converter) plan(t *logtype.Type) (*plan, error) {
	if p := c.plans[t]; p != nil {
		return p, nil
	}
	p, err := compile(t, c.more)
	if err != nil {
		return nil, err
	}
	if len(c.plans) > 1000 { // many reloads: the old types are gone
		clear(c.plans)
	}
	c.plans[t] = p
	return p, nil
}

// Convert makes the document of one record. envelope says what it was wrapped
// in ([split.Record].Envelope), nil for nothing. The error is an [*Excluded], or
// says why the record is unreadable.
func (c *Converter) Convert(o *Object, number uint64, envelope, raw []byte) error {
	p := o.plan
	c.o, c.p, c.raw, c.rec, c.layout = o, p, bytes.TrimSpace(raw), nil, nil
	if len(c.slots) < p.nslots {
		c.slots = make([]value, p.nslots)
	}
	for i := range c.slots {
		c.slots[i].kind = none
	}
	c.scratch, c.extra, c.failure = c.scratch[:0], c.extra[:0], ""
	c.arena.Reset()
	if err := c.env.read(envelope); err != nil {
		return err
	}
	if p.t.FirstLine != "" && !p.t.Trim && len(c.env.group) > 0 {
		c.raw = raw // a message of several lines is one record, blanks at its ends and all
	}
	if p.t.Format == logtype.WinEvt && len(envelope) == 0 {
		c.raw = raw // ids are those of the original, for which the line break is part of the record
	}
	if err := c.parse(); err != nil {
		return err
	}
	if p.own != nil && p.own(c) {
		return errOwnLogs
	}
	if err := c.excludeRecord(); err != nil {
		return err
	}
	c.findTime()
	if c.rec != nil && p.text != nil {
		p.text.apply(c, c.rec)
	}
	c.setStandard()
	for i := range p.rules {
		c.apply(&p.rules[i])
	}
	if c.failure != "" {
		c.setString(p.std.errorMessage, c.failure)
	}
	c.setCloud()
	c.setContainer()
	for i := range p.statics {
		s := &p.statics[i]
		if s.list != nil {
			c.setList(s.slot, s.list)
		} else {
			c.setText(s.slot, s.text)
		}
	}
	c.setTarget(number)
	for i := range p.steps {
		p.steps[i].run(c, p.steps[i].from, p.steps[i].slots)
	}
	c.compute()
	c.enrich()
	return c.exclude()
}

// read returns what a source has in this record: a text, or a JSON value that
// is none. Numbers and booleans are texts. Both nil: nothing.
func (c *Converter) read(s *source) ([]byte, *fastjson.Value) {
	if c.layout != nil {
		if i := c.layout.cols[s.id]; i >= 0 {
			return c.cols[i], nil
		}
	} else if v := c.rec.Get(s.path...); v != nil {
		return c.asText(v)
	}
	switch {
	case s.std >= 0:
		return c.text(s.std), nil
	case c.env.container != nil:
		return c.asText(c.env.container.Get(s.name))
	}
	return nil, nil
}

// asText returns the text of a scalar, or the value when it is none.
func (c *Converter) asText(v *fastjson.Value) ([]byte, *fastjson.Value) {
	if v == nil {
		return nil, nil
	}
	switch v.Type() {
	case fastjson.TypeNull:
		return nil, nil
	case fastjson.TypeString:
		b, _ := v.StringBytes()
		return b, nil
	case fastjson.TypeObject, fastjson.TypeArray:
		return nil, v
	}
	start := len(c.scratch)
	c.scratch = v.MarshalTo(c.scratch)
	return c.scratch[start:len(c.scratch):len(c.scratch)], nil
}

// readText is read for steps that want a text only.
func (c *Converter) readText(s *source) []byte {
	b, _ := c.read(s)
	return b
}

// apply fills the slot of a rule.
func (c *Converter) apply(r *rule) {
	if r.list {
		c.applyList(r)
		return
	}
	for _, s := range r.from {
		b, v := c.read(s)
		switch {
		case v != nil:
			if !r.ip {
				c.slots[r.slot] = value{kind: jsonValue, json: v}
			}
			return
		case len(b) == 0:
			continue
		case r.ip:
			if a, ok := parseAddr(b); ok {
				b, a = withoutZone(b, a)
				c.setText(r.slot, b)
				c.slots[r.slot].ip = a
			}
			return
		default:
			c.setText(r.slot, b)
			return
		}
	}
}

// applyList collects the texts of all sources, sorted and unique.
func (c *Converter) applyList(r *rule) {
	items := c.slots[r.slot].list[:0]
	add := func(b []byte) {
		if len(b) == 0 {
			return
		}
		if r.ip {
			a, ok := parseAddr(b)
			if !ok {
				return
			}
			b, _ = withoutZone(b, a)
		}
		items = insert(items, b)
	}
	found := false
	for i, s := range r.from {
		if r.or[i] && found {
			continue
		}
		b, v := c.read(s)
		found = len(b) > 0 || v != nil
		if v == nil {
			add(b)
			continue
		}
		for _, item := range v.GetArray() {
			if item.Type() == fastjson.TypeString {
				text, _ := item.StringBytes()
				add(text)
			}
		}
	}
	c.slots[r.slot].list = items
	if len(items) > 0 {
		c.slots[r.slot].kind = list
	}
}

// insert adds b to a sorted list unless it is there.
func insert(items [][]byte, b []byte) [][]byte {
	i := len(items)
	for i > 0 {
		order := bytes.Compare(items[i-1], b)
		if order == 0 {
			return items
		}
		if order < 0 {
			break
		}
		i--
	}
	items = append(items, nil)
	copy(items[i+1:], items[i:])
	items[i] = b
	return items
}

func (c *Converter) setText(slot int, b []byte) {
	s := &c.slots[slot]
	s.kind, s.text, s.ip = text, b, netip.Addr{}
}

func (c *Converter) setString(slot int, s string) {
	c.setText(slot, unsafe.Slice(unsafe.StringData(s), len(s)))
}

func (c *Converter) setList(slot int, items [][]byte) {
	s := &c.slots[slot]
	s.kind, s.list = list, append(s.list[:0], items...)
}

// addToList adds a text to a list slot.
func (c *Converter) addToList(slot int, b []byte) {
	s := &c.slots[slot]
	if s.kind != list {
		s.kind, s.list = list, s.list[:0]
	}
	s.list = insert(s.list, b)
}

// text returns what a slot holds as text, nil when it holds none.
func (c *Converter) text(slot int) []byte {
	if s := &c.slots[slot]; s.kind == text {
		return s.text
	}
	return nil
}

// setStandard fills what every document has.
func (c *Converter) setStandard() {
	std, o := &c.p.std, c.o
	c.setText(std.message, c.raw)
	c.setString(std.logType, c.p.t.Name)
	c.setString(std.bucket, o.src.Bucket)
	c.setString(std.key, o.src.Key)
	c.setText(std.group, c.env.group)
	c.setText(std.stream, c.env.stream)
	c.setString(std.module, c.p.t.Name)
	c.setText(std.ingested, c.ingested)
	c.setString(std.version, ecsVersion)
	c.setString(std.provider, c.p.t.Provider)
	start := len(c.scratch)
	c.scratch = appendTime(c.scratch, c.time)
	c.setText(std.timestamp, c.scratch[start:len(c.scratch):len(c.scratch)])
}

// setCloud completes account and region: the record's own, else the
// envelope's, else the object's.
func (c *Converter) setCloud() {
	std := &c.p.std
	if c.p.t.Provider == "" {
		return
	}
	if !known(c.text(std.account)) {
		if c.setString(std.account, c.o.account); len(c.env.account) > 0 {
			c.setText(std.account, c.env.account)
		}
	}
	if !known(c.text(std.region)) {
		if c.setString(std.region, c.o.region); len(c.env.region) > 0 {
			c.setText(std.region, c.env.region)
		}
	}
}

func known(b []byte) bool { return !empty(b) && string(b) != "unknown" }

// Target is where the document goes.
func (c *Converter) Target() event.Target { return c.target }

// Time is the document's @timestamp.
func (c *Converter) Time() time.Time { return c.time }

// unsafeString views b as a string for a call that does not keep it.
func unsafeString(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// parseAddr reads an IP address without allocating.
func parseAddr(b []byte) (netip.Addr, bool) {
	if len(b) < 2 || len(b) > 64 {
		return netip.Addr{}, false
	}
	if b[0] >= '0' && b[0] <= '9' {
		if a, ok := parseIPv4(b); ok {
			return a, true
		}
	}
	if bytes.IndexByte(b, ':') < 0 {
		return netip.Addr{}, false
	}
	a, err := netip.ParseAddr(unsafeString(b))
	return a, err == nil
}

// withoutZone takes the zone off an IPv6 address (fe80::1%eth0), which means
// something on its own host only, and which no index takes.
func withoutZone(b []byte, a netip.Addr) ([]byte, netip.Addr) {
	if a.Zone() == "" {
		return b, a
	}
	return b[:bytes.IndexByte(b, '%')], a.WithZone("")
}

func parseIPv4(b []byte) (netip.Addr, bool) {
	var ip [4]byte
	part, n, digits := 0, 0, 0
	for _, ch := range b {
		switch {
		case ch == '.':
			if digits == 0 || part == 3 {
				return netip.Addr{}, false
			}
			ip[part] = byte(n)
			part, n, digits = part+1, 0, 0
		case ch >= '0' && ch <= '9':
			if digits > 0 && n == 0 || digits == 3 {
				return netip.Addr{}, false // leading zeros, as in netip
			}
			n, digits = n*10+int(ch-'0'), digits+1
			if n > 255 {
				return netip.Addr{}, false
			}
		default:
			return netip.Addr{}, false
		}
	}
	if part != 3 || digits == 0 {
		return netip.Addr{}, false
	}
	ip[3] = byte(n)
	return netip.AddrFrom4(ip), true
}
