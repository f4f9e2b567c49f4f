package golden

import (
	"encoding/json"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// permitted is a difference from the original that is meant.
type permitted struct {
	types  string // log types, separated by blanks; "*" is all, or ofUserINI
	field  string // regular expression for the whole path
	reason string
	// test decides whether a difference is of that kind; nil: the field says enough.
	test func(c goldenCase, want, got any) bool
}

// table lists every difference that is permitted, each with what is better.
var table = slices.Concat(common, findings, network, services, web, databases, hosts, custom)

var common = []permitted{
	{"*", `.*`, "an object, a list or a truth value that is stored as text is JSON text, not Python text", pythonText},
	{"*", `.*`, "every text that is indexed is cut to 32,766 bytes, in lists too", cutShort},
	{"*", `_id|@id|@message`, "a Parquet row is kept as JSON text, not Python text; its content id follows from that", isParquet},
	{"vpcflowlogs", `network\.transport`, "the protocol's name is known in Parquet rows too, where the number is no text", isParquet},
	{"vpcflowlogs", `cloud\.(region|account\.id)`, "a region or account that the record leaves out (-) is taken from the object's key", absent},
	{"*", `event\.(category|type)|related\.\w+`, "a field that ECS keeps as a list is a list, even of one text", listOfOne},
	{"*", `extra_columns`, "values beyond the known columns are kept", absent},
	{"alb", `conn_trace_id|transformed_host|transformed_uri|request_transform_status`, "columns that the service added later are kept", absent},
	{"alb", `(client|target)_ip|(source|destination)\.(address|ip)|related(\.ip)?`, "an IPv6 address in brackets is an address", bracketed},
	{"*", `threat(\..*)?`, "an indicator's domain stands for the names below it too, in capitals or not", moreDomains},
	{"cloudtrail", `event\.(action|module)|rule(\.name)?|error(\.code)?`, "an Insights event tells of the call that insightDetails names",
		func(_ goldenCase, want, got any) bool { return got != nil && (want == nil || want == "cloudtrail") }},
	{"cloudtrail", `related\.ip`, "the hosts of CloudHSM events do not displace the addresses", absent},
}

var compiled = map[string]*regexp.Regexp{}

// permission finds the row that permits a difference, nil when there is none.
func permission(c goldenCase, d difference) *permitted {
	for i := range table {
		row := &table[i]
		if row.types == ofUserINI {
			if !definesType(c) {
				continue
			}
		} else if row.types != "*" && !slices.Contains(strings.Fields(row.types), c.LogType) {
			continue
		}
		re := compiled[row.field]
		if re == nil {
			re = regexp.MustCompile(`^(?:` + row.field + `)$`)
			compiled[row.field] = re
		}
		if re.MatchString(d.path) && (row.test == nil || row.test(c, d.want, d.got)) {
			return row
		}
	}
	return nil
}

// moreDomains: beside what the original matched there are domains.
func moreDomains(_ goldenCase, want, got any) bool {
	if object, ok := got.(map[string]any); ok && want == nil { // nothing, the whole of threat
		return moreDomains(goldenCase{}, []any{}, object["enrichments"])
	}
	if want == nil {
		want = []any{}
	}
	w, wok := want.([]any)
	g, gok := got.([]any)
	if !wok || !gok {
		return false
	}
	has := func(list []any, item any) bool {
		return slices.ContainsFunc(list, func(other any) bool { return reflect.DeepEqual(item, other) })
	}
	for _, item := range w {
		if !has(g, item) {
			return false
		}
	}
	for _, item := range g {
		if enrichment, ok := item.(map[string]any); ok && !has(w, item) {
			if indicator, _ := enrichment["indicator"].(map[string]any); indicator["type"] != "domain-name" {
				return false
			}
		}
	}
	return true
}

// absent: the original has nothing there.
func absent(_ goldenCase, want, got any) bool { return want == nil && got != nil }

// listOfOne: ours is the list of the original's text.
func listOfOne(_ goldenCase, want, got any) bool {
	g, ok := got.([]any)
	return ok && len(g) == 1 && want != nil && g[0] == want
}

// only: the original has nothing there, and ours is a value, or an object with
// no other fields than these.
func only(fields string) func(goldenCase, any, any) bool {
	allowed := strings.Fields(fields)
	var within func(path string, v any) bool
	within = func(path string, v any) bool {
		object, ok := v.(map[string]any)
		if !ok {
			return path == "" || slices.Contains(allowed, path)
		}
		for k, item := range object {
			if !within(strings.TrimPrefix(path+"."+k, "."), item) {
				return false
			}
		}
		return true
	}
	return func(_ goldenCase, want, got any) bool { return want == nil && got != nil && within("", got) }
}

// gaveUp: the original's script for the type gave up half way on a record of
// this object (the case says so), and ours has what it did not come to.
func gaveUp(c goldenCase, _, got any) bool {
	return got != nil && strings.Contains(c.Defect, "was abandoned")
}

func isParquet(c goldenCase, _, _ any) bool { return strings.HasSuffix(c.Object, ".parquet") }

// bracketed: the original took an IPv6 address with its brackets.
func bracketed(_ goldenCase, want, got any) bool {
	g, _ := json.Marshal(got)
	if want == nil {
		return strings.Contains(string(g), ":")
	}
	w, ok := want.(string)
	return ok && w == "["+strings.Trim(string(g), `"`)+"]"
}

// cutShort: ours is the original's text cut and marked, alone or in a list; a
// member of a record leaves 512 bytes for its path.
func cutShort(_ goldenCase, want, got any) bool {
	if w, ok := want.(string); ok {
		g, _ := got.(string)
		head, marked := strings.CutSuffix(g, "<<TRUNCATED>>")
		return marked && len(w) >= 32766-512 && strings.HasPrefix(w, head) && len(g) <= 32766 && len(head) > 32740-512
	}
	w, wok := want.([]any)
	g, gok := got.([]any)
	if !wok || !gok || len(w) != len(g) {
		return false
	}
	for i := range w {
		if !reflect.DeepEqual(w[i], g[i]) && !cutShort(goldenCase{}, w[i], g[i]) {
			return false
		}
	}
	return true
}

// pythonText: the original has the Python form of the value whose JSON form is
// ours, alone or inside lists and objects.
func pythonText(_ goldenCase, want, got any) bool {
	switch w := want.(type) {
	case string:
		g, ok := got.(string)
		if !ok {
			return false
		}
		p := &python{text: w}
		value, ok := p.value()
		if !ok || strings.TrimSpace(p.text) != "" {
			return false
		}
		if s, isText := value.(string); isText { // repr of a text
			return s == g
		}
		var parsed any
		return json.Unmarshal([]byte(g), &parsed) == nil && reflect.DeepEqual(value, parsed)
	case []any:
		g, ok := got.([]any)
		return ok && len(g) == len(w) && !slices.ContainsFunc(index(len(w)), func(i int) bool {
			return !reflect.DeepEqual(w[i], g[i]) && !pythonText(goldenCase{}, w[i], g[i])
		})
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok || len(g) != len(w) {
			return false
		}
		for k := range w {
			if !reflect.DeepEqual(w[k], g[k]) && !pythonText(goldenCase{}, w[k], g[k]) {
				return false
			}
		}
		return true
	}
	return false
}

func index(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

// python reads the literals that repr writes.
type python struct{ text string }

func (p *python) value() (any, bool) {
	p.text = strings.TrimLeft(p.text, " ")
	for word, v := range map[string]any{"True": true, "False": false, "None": nil} {
		if rest, ok := strings.CutPrefix(p.text, word); ok {
			p.text = rest
			return v, true
		}
	}
	if p.text == "" {
		return nil, false
	}
	switch c := p.text[0]; c {
	case '\'', '"':
		return p.quoted(c)
	case '[', '(':
		p.text = p.text[1:]
		list, end := []any{}, map[byte]string{'[': "]", '(': ")"}[c]
		for !p.skip(end) {
			v, ok := p.value()
			if !ok {
				return nil, false
			}
			list = append(list, v)
			p.skip(",")
		}
		return list, true
	case '{':
		p.text = p.text[1:]
		object := map[string]any{}
		for !p.skip("}") {
			k, ok := p.value()
			name, isText := k.(string)
			if !ok || !isText || !p.skip(":") {
				return nil, false
			}
			v, ok := p.value()
			if !ok {
				return nil, false
			}
			object[name] = v
			p.skip(",")
		}
		return object, true
	}
	n := strings.IndexFunc(p.text, func(r rune) bool { return !strings.ContainsRune("0123456789+-.eE", r) })
	if n < 0 {
		n = len(p.text)
	}
	f, err := strconv.ParseFloat(p.text[:n], 64)
	p.text = p.text[n:]
	return f, err == nil
}

func (p *python) skip(word string) bool {
	p.text = strings.TrimLeft(p.text, " ")
	rest, ok := strings.CutPrefix(p.text, word)
	p.text = rest
	return ok || p.text == ""
}

func (p *python) quoted(quote byte) (any, bool) {
	var out strings.Builder
	for i := 1; i < len(p.text); i++ {
		switch c := p.text[i]; {
		case c == quote:
			p.text = p.text[i+1:]
			return out.String(), true
		case c == '\\' && i+1 < len(p.text):
			i++
			n := map[byte]int{'x': 2, 'u': 4, 'U': 8}[p.text[i]]
			switch e := p.text[i]; {
			case n > 0 && i+n < len(p.text):
				r, err := strconv.ParseUint(p.text[i+1:i+1+n], 16, 32)
				if err != nil {
					return nil, false
				}
				out.WriteRune(rune(r))
				i += n
			case e == 'n':
				out.WriteByte('\n')
			case e == 'r':
				out.WriteByte('\r')
			case e == 't':
				out.WriteByte('\t')
			default:
				out.WriteByte(e)
			}
		default:
			out.WriteByte(c)
		}
	}
	return nil, false
}
