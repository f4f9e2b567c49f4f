package ecs

import (
	"github.com/fluent-siem/fluent-siem/filters/enrich"
)

// tablesField says which tables a document was made with, in the words of the
// ledger. Beside it may be what the output repaired.
const tablesField = "siem.tables"

// tablesVersion remembers how some tables are called: most records are enriched
// with those of the record before.
type tablesVersion struct {
	geo  uint64 // generation of of.Geo, which is not kept: it would stay in memory
	of   enrich.Tables
	text string
}

// pastTables remembers those of the day that the last record is of.
type pastTables struct {
	day    int64 // since 1970, 0: none yet
	tables *enrich.Tables
}

// chooseTables decides which tables a record is enriched with: all look-ups of
// one record see the same. Those of the record's day, if there is a history,
// else the newest.
func (c *Converter) chooseTables() {
	c.use = c.tables
	if c.engine.Geo != nil {
		c.use.Geo = c.engine.Geo.Now()
	}
	if h := c.engine.History; h != nil && c.byDay() {
		if day := c.time.Unix() / (24 * 60 * 60); day != c.past.day {
			c.past = pastTables{day, h.Of(c.time)}
		}
		if c.past.tables != nil {
			c.use = c.past.tables.Or(&c.use)
		}
	}
}

// byDay says whether the record is to meet the tables of its own day.
func (c *Converter) byDay() bool { return c.engine.ByDay || c.o.src.TablesOf == "event" }

// nameTables writes which tables the record was enriched with, where that is
// wanted.
func (c *Converter) nameTables() {
	e := c.engine
	if c.p.std.tables >= 0 && (e.History != nil && c.byDay() || e.TableVersions == OfAll || e.TableVersions == OfMatches && c.slots[c.p.std.threat].kind == fragment) {
		key := tablesVersion{geo: c.use.Geo.Generation(), of: c.use}
		key.of.Geo = nil
		if c.version.geo != key.geo || c.version.of != key.of || c.version.text == "" {
			c.version = key
			c.version.text = c.use.Version()
		}
		if c.version.text != "" {
			c.setString(c.p.std.tables, c.version.text)
		}
	}
}
