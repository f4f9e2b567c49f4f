package enrich

import (
	"net/netip"

	"github.com/fluent-siem/fluent-siem/internal/event"
)

// Matches collects what the indicators say of one event, field by field, and
// writes it as the original does:
//
//	threat.enrichments: [{indicator: {…}, matched: {field: […], atomic}}]
//	threat.matched:     {providers, types, indicators, names}
//
// A value that occurs in several fields is looked up once. Its zero value is
// ready; it is for one goroutine and used again after [Matches.Reset].
type Matches struct {
	table  *Indicators
	values []value
	n      int // values in use; the rest keep their memory
	hits   int
}

// value is one address, name, URL or hash, where it stands, and who warns of it.
type value struct {
	addr   netip.Addr // invalid: a text
	text   string
	fields []string
	rows   []*Indicator
}

// Reset forgets everything and looks up in t from now on. A nil table is
// empty.
func (m *Matches) Reset(t *Indicators) { m.table, m.n, m.hits = t, 0, 0 }

// Empty says that no indicator matched, which is what nearly every event ends with.
func (m *Matches) Empty() bool { return m.hits == 0 }

// Addr looks up an address that stands in field, such as source.ip.
func (m *Matches) Addr(field string, a netip.Addr) {
	if m.table == nil {
		return
	}
	for i := range m.values[:m.n] {
		if v := &m.values[i]; v.addr == a {
			v.in(field)
			return
		}
	}
	v := m.next(field)
	v.addr, v.text = a, ""
	v.rows = indicatorsOf(m.table, a, v.rows[:0])
	m.hits += len(v.rows)
}

// Domain looks up a name that stands in field, such as dns.question.name.
func (m *Matches) Domain(field, name string) { m.look(field, name, m.table.Domain) }

// URL looks up a URL that stands in field, such as url.full.
func (m *Matches) URL(field, u string) { m.look(field, u, m.table.URL) }

// Hash looks up a hash that stands in field, such as file.hash.sha256.
func (m *Matches) Hash(field, hash string) { m.look(field, hash, m.table.Hash) }

func (m *Matches) look(field, text string, in func(string, []*Indicator) []*Indicator) {
	if m.table == nil {
		return
	}
	for i := range m.values[:m.n] {
		if v := &m.values[i]; !v.addr.IsValid() && v.text == text {
			v.in(field)
			return
		}
	}
	v := m.next(field)
	v.addr, v.text = netip.Addr{}, text
	v.rows = in(text, v.rows[:0])
	m.hits += len(v.rows)
}

func (m *Matches) next(field string) *value {
	if m.n == len(m.values) {
		m.values = append(m.values, value{})
	}
	v := &m.values[m.n]
	m.n++
	v.fields = append(v.fields[:0], field)
	return v
}

func (v *value) in(field string) {
	for _, f := range v.fields {
		if f == field {
			return
		}
	}
	v.fields = append(v.fields, field)
}

func (v *value) appendText(dst []byte) []byte {
	if v.addr.IsValid() {
		return v.addr.AppendTo(dst)
	}
	return append(dst, v.text...)
}

var (
	keyEnrichments = event.NewKey("enrichments")
	keyIndicator   = event.NewKey("indicator")
	keyProvider    = event.NewKey("provider")
	keyName        = event.NewKey("name")
	keyFirstSeen   = event.NewKey("first_seen")
	keyLastSeen    = event.NewKey("last_seen")
	keyModifiedAt  = event.NewKey("modified_at")
	keyReference   = event.NewKey("reference")
	keyType        = event.NewKey("type")
	keyDescription = event.NewKey("description")
	keyMatched     = event.NewKey("matched")
	keyField       = event.NewKey("field")
	keyAtomic      = event.NewKey("atomic")
	keyIP          = event.NewKey("ip")
	keyProviders   = event.NewKey("providers")
	keyTypes       = event.NewKey("types")
	keyIndicators  = event.NewKey("indicators")
	keyNames       = event.NewKey("names")
)

// Write writes the whole value of threat: {enrichments, matched}. Where the
// document keeps the original's names with a dot, [Matches.WriteEnrichments]
// and [Matches.WriteMatched] write the two values.
func (m *Matches) Write(w *event.Writer) {
	o := w.Object()
	w.Key(keyEnrichments)
	m.WriteEnrichments(w)
	w.Key(keyMatched)
	m.WriteMatched(w)
	w.EndObject(o)
}

// WriteEnrichments writes the value of threat.enrichments, an array with one
// entry for each indicator of each value.
func (m *Matches) WriteEnrichments(w *event.Writer) {
	var text [64]byte
	list := w.Array()
	for i := range m.values[:m.n] {
		v := &m.values[i]
		for _, row := range v.rows {
			w.Item()
			entry := w.Object()
			w.Key(keyIndicator)
			writeIndicator(w, row, v.addr)
			w.Key(keyMatched)
			matched := w.Object()
			w.Key(keyField)
			fields := w.Array()
			for _, f := range v.fields {
				w.Item()
				w.String([]byte(f))
			}
			w.EndArray(fields)
			if !v.addr.IsValid() {
				w.Key(keyAtomic)
				w.String(v.appendText(text[:0]))
			}
			w.EndObject(matched)
			w.EndObject(entry)
		}
	}
	w.EndArray(list)
}

// WriteMatched writes the value of threat.matched, an object of lists, each
// text once; a list without texts is absent.
func (m *Matches) WriteMatched(w *event.Writer) {
	o := w.Object()
	m.list(w, keyProviders, func(i *Indicator) string { return i.Provider })
	m.list(w, keyTypes, func(i *Indicator) string { return i.Type })
	w.Key(keyIndicators)
	list := w.Array()
	var text [64]byte
	for i := range m.values[:m.n] {
		if v := &m.values[i]; len(v.rows) > 0 {
			w.Item()
			w.String(v.appendText(text[:0]))
		}
	}
	w.EndArray(list)
	m.list(w, keyNames, func(i *Indicator) string { return i.Name })
	w.EndObject(o)
}

func (m *Matches) list(w *event.Writer, key event.Key, of func(*Indicator) string) {
	before := w.Save()
	w.Key(key)
	list := w.Array()
	for i := range m.values[:m.n] {
		for j, row := range m.values[i].rows {
			if text := of(row); text != "" && !m.earlier(i, j, text, of) {
				w.Item()
				w.String([]byte(text))
			}
		}
	}
	if w.Len() == 0 {
		w.Restore(before)
		return
	}
	w.EndArray(list)
}

// earlier says whether a row before this one has the same text. Rows are few.
func (m *Matches) earlier(i, j int, text string, of func(*Indicator) string) bool {
	for k := 0; k <= i; k++ {
		for l, row := range m.values[k].rows {
			if k == i && l == j {
				return false
			}
			if of(row) == text {
				return true
			}
		}
	}
	return false
}

// writeIndicator writes an indicator as it matched addr (invalid: a text).
// What it does not say is absent.
func writeIndicator(w *event.Writer, i *Indicator, addr netip.Addr) {
	o := w.Object()
	writeText(w, keyProvider, i.Provider)
	writeText(w, keyName, i.Name)
	if addr.IsValid() {
		writeText(w, keyIP, addr.String())
	}
	writeText(w, keyFirstSeen, i.FirstSeen)
	writeText(w, keyLastSeen, i.LastSeen)
	writeText(w, keyModifiedAt, i.Modified)
	writeText(w, keyReference, i.Reference)
	writeText(w, keyType, i.Type)
	writeText(w, keyDescription, i.Description)
	w.EndObject(o)
}
