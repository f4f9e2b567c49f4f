package golden

var network = []permitted{
	{"s3accesslog", `ACLRequired|SourceRegion`, "columns that the service added later are kept", absent},
	{"networkfirewall", `network(\.transport)?`, "the transport does not depend on other fields of network", only("transport")},
	{"networkfirewall", `tls(\..*)?`, "TLS logs: server name, certificate, version, fingerprints", only("client.server_name client.ja3 server.subject server.issuer server.ja3s version version_protocol resumed")},
	{"networkfirewall", `url(\.domain)?`, "TLS logs: the server name that stands beside tls", only("domain")},
	{"networkfirewall", `error(\.message)?|event\.action`, "TLS logs: what inspection found and did", only("message")},
	{"waf", `(@message\.)?httpRequest\.headers|httpRequest\.header\.\w+`, "credentials and cookies are redacted", redactedHeaders},
	{"waf", `tags`, "labels of rules can be searched", absent},
	{"waf", `rule\.ruleset|http\.version|cloud\.(account\.id|region)|http\.request\.referrer|url\.domain|user_agent(\..*)?|httpRequest\.header(\..*)?`, "a header without a value does not stop the other steps", gaveUp},
	{"route53resolver", `cloud\.instance(\.id)?`, "the instance that asked is read from srcids too", only("id")},
	{"route53resolver", `event\.action|rule(\.ruleset)?`, "DNS Firewall: what it did, and by which group of rules", only("ruleset")},
}

// redactedHeaders: the values that differ are redacted in ours.
func redactedHeaders(_ goldenCase, want, got any) bool {
	const mark = "<<REDACTED>>"
	if g, ok := got.(string); ok {
		return g == mark
	}
	w, wok := want.([]any)
	g, gok := got.([]any)
	if !wok || !gok || len(w) != len(g) {
		return false
	}
	for i := range w {
		a, aok := w[i].(map[string]any)
		b, bok := g[i].(map[string]any)
		if !aok || !bok || a["name"] != b["name"] || a["value"] != b["value"] && b["value"] != mark {
			return false
		}
	}
	return true
}
