package ecs

import (
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/valyala/fastjson"

	"github.com/fluent-siem/fluent-siem/filters/enrich"
)

// additions are what the operator wants in documents beside what their types say.
type additions struct {
	assets []enrich.AssetJoin
	steps  []string // those of optional that a type has the fields for
	tables bool     // the versions of tables, too
}

// assetRule is how one table of assets is joined in documents of a type.
type assetRule struct {
	table string
	joins []assetJoin
	all   []assetTarget // of whichever field has a row
}

// assetJoin is one field that is compared, and what its own row sets.
type assetJoin struct {
	slot   int     // of an ECS field; -1: it is one of the record
	source *source // where slot is -1
	beside []assetTarget
}

type assetTarget struct {
	slot      int
	path      []string
	column    string
	list, ip  bool
	overwrite bool
}

// addAssets compiles the joins. Fields of a join that documents of the type
// cannot have are read from the record.
func (p *plan) addAssets(joins []enrich.AssetJoin) {
	for _, j := range joins {
		r := assetRule{table: j.Name}
		for _, field := range j.Join {
			at := assetJoin{slot: -1}
			if slot, ok := p.slots[field]; ok {
				at.slot = slot
			} else {
				at.source = p.source(field)
			}
			beside := ""
			if i := strings.LastIndexByte(field, '.'); i >= 0 {
				beside = field[:i]
			}
			for _, t := range p.assetTargets(&j, beside) {
				if t.relative {
					at.beside = append(at.beside, t.assetTarget)
				} else if len(r.joins) == 0 {
					r.all = append(r.all, t.assetTarget)
				}
			}
			r.joins = append(r.joins, at)
		}
		p.assets = append(p.assets, r)
	}
	// A field that is an object in documents of this type stays one.
	object := func(t assetTarget) bool { return p.at(t.path) == nil || len(p.at(t.path).children) > 0 }
	for i := range p.assets {
		r := &p.assets[i]
		r.all = slices.DeleteFunc(r.all, object)
		for j := range r.joins {
			r.joins[j].beside = slices.DeleteFunc(r.joins[j].beside, object)
		}
	}
}

type relativeTarget struct {
	assetTarget
	relative bool
}

func (p *plan) assetTargets(j *enrich.AssetJoin, beside string) (list []relativeTarget) {
	for _, fields := range []map[string]string{j.Fill, j.Overwrite} {
		for _, field := range slices.Sorted(maps.Keys(fields)) {
			name, relative := strings.CutPrefix(field, ".")
			if relative && beside != "" {
				name = beside + "." + name
			}
			list = append(list, relativeTarget{assetTarget{
				slot: p.slot(name), path: strings.Split(name, "."), column: fields[field], list: listFields[name], ip: strings.Contains(name, ".ip"),
				overwrite: j.Overwrite[field] != "",
			}, relative})
		}
	}
	return list
}

// at is the node of a path, nil when there is none.
func (p *plan) at(path []string) *node {
	n := p.root
	for _, name := range path {
		if n = n.child(name); n == nil {
			return nil
		}
	}
	return n
}

// addAssetFields sets what the tables of assets know of the record's fields.
func (c *Converter) addAssetFields() {
	for i := range c.p.assets {
		r := &c.p.assets[i]
		t := c.use.Assets.Table(r.table)
		if t == nil {
			continue
		}
		found := false
		for k := range r.joins {
			j := &r.joins[k]
			if found && len(j.beside) == 0 {
				break
			}
			row := c.asset(t, j)
			if row == nil {
				continue
			}
			if !found {
				c.setAsset(t, row, r.all)
			}
			c.setAsset(t, row, j.beside)
			found = true
		}
	}
}

// asset finds the row of a field, of a list that of its first item with one.
func (c *Converter) asset(t *enrich.AssetTable, j *assetJoin) enrich.Asset {
	if j.slot < 0 {
		b, _ := c.read(j.source)
		return findAsset(t, b, netip.Addr{})
	}
	switch s := &c.slots[j.slot]; s.kind {
	case text:
		return findAsset(t, s.text, s.ip)
	case list:
		for _, item := range s.list {
			if row := findAsset(t, item, netip.Addr{}); row != nil {
				return row
			}
		}
	}
	return nil
}

func findAsset(t *enrich.AssetTable, b []byte, a netip.Addr) enrich.Asset {
	if empty(b) {
		return nil
	}
	if t.By == "network" && !a.IsValid() {
		a, _ = parseAddr(b)
	}
	return t.Find(unsafeString(b), a)
}

func (c *Converter) setAsset(t *enrich.AssetTable, row enrich.Asset, targets []assetTarget) {
	for i := range targets {
		to := &targets[i]
		at := t.Column(to.column)
		if at < 0 || at >= len(row) || row[at].Text == "" || !to.overwrite && c.has(to) {
			continue
		}
		v := row[at]
		switch {
		case to.list || len(v.List) > 1:
			items := v.List
			if items == nil {
				items = []string{v.Text}
			}
			s := &c.slots[to.slot]
			s.kind, s.list = list, s.list[:0]
			for _, item := range items {
				if _, ok := parseAddr([]byte(item)); ok || !to.ip {
					s.list = append(s.list, []byte(item))
				}
			}
			if len(s.list) == 0 {
				s.kind = none
			}
		case to.ip:
			if a, ok := parseAddr([]byte(v.Text)); ok {
				c.setString(to.slot, v.Text)
				c.slots[to.slot].ip = a
			}
		default:
			c.setString(to.slot, v.Text)
		}
	}
}

// has says whether the document has a field already, of ours or of the record.
func (c *Converter) has(to *assetTarget) bool {
	if s := &c.slots[to.slot]; s.kind != none && !(s.kind == text && empty(s.text)) {
		return true
	}
	if c.rec == nil || c.p.t.Raw == "drop" || c.p.t.Prefix != "" {
		return false
	}
	v := c.rec.Get(to.path...)
	return v != nil && v.Type() != fastjson.TypeNull && !(v.Type() == fastjson.TypeString && empty(v.GetStringBytes()))
}
