package golden

import "strings"

var services = []permitted{
	{"elasticache-redis-slowlog", `elasticache\.Duration(_us| \(us\))`, "a duration of 0 is renamed like any other", nil},
	{"elasticache-redis-slowlog", `source\.(ip|address)`, "an IPv6 address in brackets is an address", bracketed},
	{"elasticache-redis-slowlog", `related\.ip`, "an IPv6 address in brackets is an address", bracketedList},
	{"elasticache-redis-slowlog", `source\.(geo|as).*`, "an IPv6 address in brackets is an address, and has a place", absent},
	{"workspaces-event", `event\.outcome`, "a failed login is a failure", func(_ goldenCase, want, got any) bool { return want == "success" && got == "failure" }},
	{"workspaces-event", `host\.id|host|related\.hosts`, "the workspace is the host", absent},
	{"opensearch-audit", `user(\.name)?`, "user.name is the effective user where no initiating one is told", absent},
	{"clientvpn", `clientvpn\.connection-(start|end|last-update)-time`, "times are rewritten, and NA is absent, whatever else is missing", clientVPNTime},
	{"clientvpn", `network(\..*)?`, "what flowed is counted, whatever else is missing", absent},
	{"clientvpn opensearch-audit", `error\.message`, "the reason of a parser is in its own words", parserWords},
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
