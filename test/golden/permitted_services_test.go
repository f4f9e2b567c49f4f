package golden

import (
	"encoding/json"
	"reflect"
	"strings"
)

var services = []permitted{
	{"elasticache-redis-slowlog", `elasticache\.Duration(_us| \(us\))`, "a duration of 0 is renamed like any other", nil},
	{"elasticache-redis-slowlog", `source\.(ip|address)`, "an IPv6 address in brackets is an address", bracketed},
	{"elasticache-redis-slowlog", `related\.ip`, "an IPv6 address in brackets is an address", bracketedList},
	{"workspaces-event", `event\.outcome`, "a failed login is a failure", func(_ goldenCase, want, got any) bool { return want == "success" && got == "failure" }},
	{"workspaces-event", `host\.id|host|related\.hosts`, "the workspace is the host", absent},
	{"opensearch-audit", `user(\.name)?`, "user.name is the effective user where no initiating one is told", absent},
	{"clientvpn", `clientvpn\.connection-(start|end|last-update)-time`, "times are rewritten, and NA is absent, whatever else is missing", clientVPNTime},
	{"clientvpn", `network(\..*)?`, "what flowed is counted, whatever else is missing", absent},
	{"clientvpn opensearch-audit", `error\.message`, "the reason of a parser is in its own words", parserWords},
	{"ocsf-json securitylake", `related(\.hosts)?`, "the hosts of an OCSF event", only("hosts")},
	{"ocsf-json securitylake", `@timestamp`, "the time of a finding is written like all times", sameInstant},
	{"securitylake", `.*`, "a map of Parquet is a JSON object, not a list of Python pairs", pythonPairs},
	{"securitylake", `.*_dt`, "a time of Parquet is written with Z", sameTime},
	{"securitylake", `.*`, "a number of 32 bits is written as it is, not as the nearest of 64", sameFloat32},
	{"ocsf-json securitylake", `_index|@log_type|user\.name`, "an event without a category's number is told by its name or class", gaveUp},
	{"okta", `okta\.\w+`, "names are written in snake case, values stay as they are", func(_ goldenCase, want, got any) bool {
		w, _ := want.(string)
		g, _ := got.(string)
		return g != "" && strings.EqualFold(strings.ReplaceAll(w, "_", ""), strings.ReplaceAll(g, "_", ""))
	}},
	{"okta", `okta\.target`, "targets are a list, not a list in a list, with names like the others", func(_ goldenCase, want, got any) bool {
		w, _ := want.([]any)
		g, ok := got.([]any)
		inner, isList := any(nil), false
		if len(w) == 1 {
			inner = w[0]
			_, isList = inner.([]any)
		}
		return ok && isList && len(inner.([]any)) == len(g)
	}},
	{"okta", `okta\.(client|target)`, "an event without an id of its client is moved under okta too", absent},
	{"okta", `client\.\w+|target`, "an event without an id of its client is moved under okta too", gone},
}

// clientVPNTime: ours is the original's time with T and zone, or NA left out.
func clientVPNTime(_ goldenCase, want, got any) bool {
	w, _ := want.(string)
	g, _ := got.(string)
	return w == "NA" && got == nil || strings.Replace(w, " ", "T", 1)+"+00:00" == g
}

// parserWords: both say that the record is not JSON.
func parserWords(_ goldenCase, want, got any) bool {
	w, _ := want.(string)
	g, _ := got.(string)
	return strings.HasPrefix(w, "invalid json file: ") && strings.HasPrefix(g, "invalid json file: ")
}

// bracketedList is bracketed for each item of a list.
func bracketedList(c goldenCase, want, got any) bool {
	w, wok := want.([]any)
	g, gok := got.([]any)
	if !wok || !gok || len(w) != len(g) {
		return false
	}
	for i := range w {
		text, ok := w[i].(string)
		if !ok || strings.Trim(text, "[]") != g[i] {
			return false
		}
	}
	return true
}

// sameInstant: the original wrote milliseconds since 1970 as a number.
func sameInstant(_ goldenCase, want, got any) bool {
	w, wok := want.(float64)
	g, gok := got.(int64)
	return wok && gok && int64(w)*1e6 == g
}

// sameTime: two texts for one instant.
func sameTime(_ goldenCase, want, got any) bool {
	_, wok := want.(string)
	w, g := instant(want), instant(got)
	_, ok := w.(int64)
	return wok && ok && w == g
}

// sameFloat32: numbers differ in what 32 bits do not hold, and nothing else.
func sameFloat32(c goldenCase, want, got any) bool {
	switch w := want.(type) {
	case float64:
		g, ok := got.(float64)
		return ok && float32(w) == float32(g)
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok || len(w) != len(g) {
			return false
		}
		for k := range w {
			if !sameFloat32(c, w[k], g[k]) {
				return false
			}
		}
		return true
	case []any:
		g, ok := got.([]any)
		if !ok || len(w) != len(g) {
			return false
		}
		for i := range w {
			if !sameFloat32(c, w[i], g[i]) {
				return false
			}
		}
		return true
	}
	return want == got
}

// pythonPairs: the original has the Python form of a list of pairs, ours the
// object of them.
func pythonPairs(_ goldenCase, want, got any) bool {
	w, _ := want.(string)
	g, _ := got.(string)
	p := &python{text: w}
	v, ok := p.value()
	pairs, isList := v.([]any)
	if !ok || !isList || !strings.HasPrefix(w, "[(") {
		return false
	}
	object := map[string]any{}
	for _, pair := range pairs {
		kv, _ := pair.([]any)
		if len(kv) != 2 {
			return false
		}
		k, _ := kv[0].(string)
		object[k] = kv[1]
	}
	var parsed any
	return json.Unmarshal([]byte(g), &parsed) == nil && reflect.DeepEqual(any(object), parsed)
}
