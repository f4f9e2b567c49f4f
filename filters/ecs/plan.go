package ecs

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/fluent-siem/fluent-siem/filters/logtype"
	"github.com/fluent-siem/fluent-siem/internal/event"
	"github.com/fluent-siem/fluent-siem/internal/settings"
)

// ecsVersion is the version of ECS that field names follow, as in the
// original's documents and dashboards.
const ecsVersion = "1.10.0"

// listFields are the ECS fields that hold a list even of one value.
var listFields = func() map[string]bool {
	m := map[string]bool{}
	for _, field := range strings.Fields(`base.tags container.image.tag dns.answers dns.header_flags dns.resolved_ip dns.type event.category event.type
		file.attributes host.ip host.mac observer.ip observer.mac process.args registry.data.strings related.hash related.hosts related.ip related.user
		rule.author threat.tactic.id threat.tactic.name threat.tactic.reference threat.technique.id threat.technique.name threat.technique.reference
		threat.technique.subtechnique.id threat.technique.subtechnique.name threat.technique.subtechnique.reference
		tls.client.certificate_chain tls.client.supported_ciphers tls.server.certificate_chain user.roles vulnerability.category x509.alternative_names
		x509.issuer.country x509.issuer.locality x509.issuer.organization x509.issuer.organizational_unit x509.issuer.state_or_province x509.issuer.common_name
		x509.subject.country x509.subject.locality x509.subject.organization x509.subject.organizational_unit x509.subject.state_or_province x509.subject.common_name`) {
		m[field] = true
	}
	return m
}()

// plan is a log type compiled for conversion. It does not change.
type plan struct {
	t        *logtype.Type
	root     *node
	slots    map[string]int // path → slot
	nslots   int
	sources  []*source
	rules    []rule
	times    []timeRule
	id       *source
	suffix   *source
	pattern  *regexp.Regexp
	renames  []renaming
	prefix   event.Key
	control  *regexp.Regexp
	statics  []static
	steps    []boundStep
	computed []computed
	text     *textTree
	geo      []geoRule
	agent    *agentRule
	iocIP    []iocField
	iocName  []iocField
	iocURL   []iocField
	iocHash  []iocField
	indices  []indexRule // the type's, then those that a step may choose
	fixed    *layout     // columns without a header, groups of a pattern
	forms    []form      // other ways in which records are written
	guesses  []*layout   // columns whose header is missing, by their number
	client   *clientRule
	assets   []assetRule
	own      func(*Converter) bool // the record tells of this loader's own activity
	std      standard
}

// standard are the slots that every document has.
type standard struct {
	message, timestamp, logType, bucket, key, id int
	group, stream, errorMessage                  int
	module, ingested, version                    int
	provider, account, region                    int
	containerID, containerName, instance         int
	threat, tables                               int // tables: -1 where nobody wants to know
}

// source is one field of a record: a path into JSON, or a column. Where the
// record has none, it is what stands around the record: a standard field such as
// @log_group, or a field that FireLens says of the container.
type source struct {
	id   int
	name string
	path []string
	std  int // slot of the standard field of that name, -1: there is none
}

// around are the standard fields that a mapping may read.
var around = []string{"@log_group", "@log_stream", "@log_s3bucket", "@log_s3key", "@message"}

// rule fills one slot from the first (or, for a list, from each) source.
type rule struct {
	slot int
	from []*source
	or   []bool // of a list: only if the source before has nothing
	list bool
	ip   bool
}

type static struct {
	slot int
	text []byte
	list [][]byte
}

type renaming struct{ from, to string }

type clientRule struct{ ip, address, forwarded, related int }

type geoRule struct{ ip, geo, as int }

type agentRule struct{ original, name, version, osName, osFull, osVersion, device int }

type iocField struct {
	slot int
	name string
}

// node is a place in the tree of ECS keys.
type node struct {
	name     string
	key      event.Key
	slot     int // -1: none
	children []*node
}

func (n *node) child(name string) *node {
	for _, c := range n.children {
		if c.name == name {
			return c
		}
	}
	return nil
}

// compile makes a plan of a type; the error names every problem.
func compile(t *logtype.Type, more additions) (*plan, error) {
	p := &plan{t: t, root: &node{slot: -1}, slots: map[string]int{}}
	var bad settings.Problems
	std := &p.std
	for _, s := range []struct {
		path string
		slot *int
	}{
		{"@message", &std.message}, {"@timestamp", &std.timestamp}, {"@log_type", &std.logType},
		{"@log_s3bucket", &std.bucket}, {"@log_s3key", &std.key}, {"@id", &std.id},
		{"@log_group", &std.group}, {"@log_stream", &std.stream}, {"error.message", &std.errorMessage},
		{"event.module", &std.module}, {"event.ingested", &std.ingested}, {"ecs.version", &std.version},
		{"cloud.provider", &std.provider}, {"cloud.account.id", &std.account}, {"cloud.region", &std.region},
		{"container.id", &std.containerID}, {"container.name", &std.containerName}, {"cloud.instance.id", &std.instance},
	} {
		*s.slot = p.slot(s.path)
	}
	for _, field := range sortedKeys(t.ECS) {
		if len(t.ECS[field]) == 0 {
			bad.Add("ecs."+field, "has no source")
			continue
		}
		r := rule{slot: p.slot(field), list: listFields[field], ip: strings.Contains(field, ".ip")}
		for _, candidate := range t.ECS[field] {
			for i, name := range strings.Split(candidate, logtype.Or) {
				r.from = append(r.from, p.source(name))
				r.or = append(r.or, i > 0)
			}
		}
		p.rules = append(p.rules, r)
	}
	for _, field := range sortedKeys(t.Static) {
		s, err := newStatic(p.slot(field), t.Static[field], listFields[field])
		if err != nil {
			bad.Add("static."+field, "%v", err)
		}
		p.statics = append(p.statics, s)
	}
	for i, at := range t.Time {
		var from *source
		if !strings.HasPrefix(at.Field, "@envelope") && at.Field != "@key" {
			from = p.source(at.Field)
		}
		r, err := newTimeRule(from, at)
		if err != nil {
			bad.Add(fmt.Sprintf("time[%d]", i), "%v", err)
		}
		if at.Keep != "" {
			r.keep = p.slot(at.Keep)
		}
		p.times = append(p.times, r)
	}
	if t.ID.Field != "" {
		p.id = p.source(t.ID.Field)
	}
	if t.ID.Suffix != "" {
		p.suffix = p.source(t.ID.Suffix)
	}
	p.renames = renamings(t.Rename)
	if t.Prefix != "" {
		p.prefix = event.NewKey(t.Prefix)
	}
	if t.ControlLines != "" {
		p.control = regexp.MustCompile(t.ControlLines) // logtype compiled it before
	}
	for _, name := range t.Steps {
		def, ok := steps[name]
		if !ok {
			bad.Add("steps", "%q is no step; there are %s", name, strings.Join(sortedKeys(steps), ", "))
			continue
		}
		p.steps = append(p.steps, p.bind(def))
	}
	p.addSteps(more.steps)
	p.text = newTextTree(t.Text)
	p.compileExpressions(&bad)
	p.enrichment(&bad)
	p.addAssets(more.assets)
	if more.tables {
		p.std.tables = p.slot(tablesField)
	}
	for _, name := range append([]string{t.Index.Name}, t.Index.Also...) {
		rule, err := newIndexRule(name, t.Index)
		if err != nil {
			bad.Add("index", "%v", err)
		}
		p.indices = append(p.indices, rule)
	}
	if t.OwnLogs != "" {
		rule, ok := ownLogs[t.OwnLogs]
		if !ok {
			bad.Add("own_logs", "%q; there are %s", t.OwnLogs, strings.Join(sortedKeys(ownLogs), ", "))
		} else {
			from := p.bind(stepDef{from: rule.from}).from
			p.own = func(c *Converter) bool { return rule.own(c, from) }
		}
	}
	for i := range t.Otherwise {
		f, err := p.form(&t.Otherwise[i])
		if err != nil {
			bad.Add(fmt.Sprintf("otherwise[%d].columns.parts", i), "%v", err)
		}
		p.forms = append(p.forms, f)
	}
	if t.Format == logtype.ColumnF {
		if _, err := splitters(t.Columns.Parts); err != nil {
			bad.Add("columns.parts", "%v", err)
		} else if !t.Columns.Header {
			p.fixed = p.layout(t.Columns.Names, &t.Columns)
		}
		for _, names := range t.Columns.Default {
			names = slices.Clone(names) // as a header would have them
			for i := range names {
				names[i] = headerName(names[i])
			}
			p.guesses = append(p.guesses, p.layout(names, &t.Columns))
		}
	}
	if t.Format == logtype.AccessF {
		p.fixed = p.layout(slices.Concat(accessFields, t.Access.Tail), &t.Columns)
	}
	if t.Format == logtype.Pattern {
		p.pattern = regexp.MustCompile("^(?:" + t.Pattern + ")") // logtype compiled it before
		p.fixed = p.layout(p.pattern.SubexpNames()[1:], &t.Columns)
	}
	p.checkNames(&bad)
	p.nslots = len(p.slots)
	return p, bad.Err()
}

func (p *plan) enrichment(bad *settings.Problems) {
	t := p.t
	for _, name := range t.Geo {
		if _, ok := p.slots[name+".ip"]; !ok {
			bad.Add("geo", "%s.ip is not mapped", name)
		}
		p.geo = append(p.geo, geoRule{p.slot(name + ".ip"), p.slot(name + ".geo"), p.slot(name + ".as")})
	}
	if u := t.UserAgent; u != "" {
		p.agent = &agentRule{p.slot(u + ".original"), p.slot(u + ".name"), p.slot(u + ".version"),
			p.slot(u + ".os.name"), p.slot(u + ".os.full"), p.slot(u + ".os.version"), p.slot(u + ".device.name")}
	}
	if t.ClientIP.IP != "" {
		object, _ := strings.CutSuffix(t.ClientIP.IP, ".ip")
		p.client = &clientRule{p.slot(t.ClientIP.IP), p.slot(object + ".address"), p.slot(t.ClientIP.Forwarded), p.slot("related.ip")}
	}
	for _, name := range t.IOC.IP {
		p.iocIP = append(p.iocIP, iocField{p.slot(name), name})
	}
	for _, name := range t.IOC.Domain {
		p.iocName = append(p.iocName, iocField{p.slot(name), name})
	}
	for _, name := range t.IOC.URL {
		p.iocURL = append(p.iocURL, iocField{p.slot(name), name})
	}
	for _, name := range t.IOC.Hash {
		p.iocHash = append(p.iocHash, iocField{p.slot(name), name})
	}
	p.std.threat = p.slot("threat")
	p.std.tables = -1
}

// slot returns the slot of an ECS path, and makes one.
func (p *plan) slot(path string) int {
	if s, ok := p.slots[path]; ok {
		return s
	}
	n := p.root
	names := strings.Split(path, ".")
	if strings.HasPrefix(path, "@") {
		names = []string{path}
	}
	for _, name := range names {
		c := n.child(name)
		if c == nil {
			c = &node{name: name, key: event.NewKey(name), slot: -1}
			n.children = append(n.children, c)
		}
		n = c
	}
	n.slot = len(p.slots)
	p.slots[path] = n.slot
	return n.slot
}

// source returns the source of a name, and makes one.
func (p *plan) source(name string) *source {
	for _, s := range p.sources {
		if s.name == name {
			return s
		}
	}
	s := &source{id: len(p.sources), name: name, path: splitPath(name), std: -1}
	if slices.Contains(around, name) {
		s.std = p.slot(name)
	}
	p.sources = append(p.sources, s)
	return s
}

// splitPath splits a path at its dots; one with a backslash before it is part of
// a key.
func splitPath(name string) []string {
	path := strings.Split(name, ".")
	for i := 0; i < len(path)-1; {
		if key, ok := strings.CutSuffix(path[i], `\`); ok {
			path[i] = key + "." + path[i+1]
			path = slices.Delete(path, i+1, i+2)
			continue
		}
		i++
	}
	return path
}

func newStatic(slot int, v any, list bool) (static, error) {
	s := static{slot: slot}
	switch v := v.(type) {
	case string:
		if list {
			s.list = [][]byte{[]byte(v)}
		} else {
			s.text = []byte(v)
		}
	case []any:
		for _, item := range v {
			text, ok := item.(string)
			if !ok {
				return s, fmt.Errorf("%v is no text", item)
			}
			s.list = append(s.list, []byte(text))
		}
	default:
		return s, fmt.Errorf("%v is neither a text nor a list of texts", v)
	}
	return s, nil
}

// indexRule makes index names.
type indexRule struct {
	name, suffix string
	rotation     logtype.Rotation
	zone         *time.Location
	ingested     bool
}

func newIndexRule(name string, x logtype.Index) (indexRule, error) {
	zone, err := logtype.ParseZone(x.Zone)
	return indexRule{name, x.Suffix, x.Rotation, zone, x.Time == "ingested"}, err
}

// of returns the index of a time. Weeks are those of ISO 8601.
func (x *indexRule) of(t time.Time, collection Collection) string {
	if collection != Cluster {
		if x.suffix == "" {
			return x.name + "-001"
		}
		return x.name + "-" + x.suffix
	}
	if x.rotation == logtype.Auto {
		return x.name
	}
	name := x.name
	if x.suffix != "" {
		name += "-" + x.suffix
	}
	t = t.In(x.zone)
	switch x.rotation {
	case logtype.Daily:
		return name + t.Format("-2006-01-02")
	case logtype.Weekly:
		year, week := t.ISOWeek()
		return fmt.Sprintf("%s-%04d-w%02d", name, year, week)
	case logtype.Yearly:
		return name + t.Format("-2006")
	}
	return name + t.Format("-2006-01")
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// ListField reports whether an ECS field holds a list even of one value.
func ListField(name string) bool { return listFields[name] }
