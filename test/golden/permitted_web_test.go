package golden

import "strings"

var web = []permitted{
	{"apache-access nginx-access nginx-error", `url(\.(domain|port))?`, "an IPv6 host in brackets is a host, and a host with a port is one too", absent},
	{"nginx-error", `domain|port`, "the host of a request and its port are url.domain and url.port, not fields at the root", gone},
	{"apache-access nginx-access", `url\.(path|extension)`, "an absolute URL without a path has none", gone},
	{"apache-access nginx-access", `source\.address`, "where a trusted proxy forwarded a client, the client stands in every field of the source", func(c goldenCase, want, _ any) bool { return len(c.Proxies) > 0 && want != nil }},
	{"apache-access", `user_agent`, "a user agent whose end was cut off is kept", absent},
	{"apache-access nginx-access", `source\.address|user(\..*)?`, "a virtual host before the address is no address, and the address no user", beforeAddress},
	{"apache-access nginx-access", `source\.ip|cloud\.instance|related|service|event\.outcome`, "what does not depend on the address is set where there is none", absent},
	{"apache-access nginx-access", `request_\w+|response_\w+|remotehost|ident|authuser|datetime|referer|useragent|xff`, "the raw fields are dropped from every document, not only where the script did not give up", gone},
}

// gone: the original has something where ours has nothing.
func gone(_ goldenCase, want, got any) bool { return want != nil && got == nil }

// beforeAddress: the original took host:port for the address, and the address
// and what follows for the user.
func beforeAddress(_ goldenCase, want, got any) bool {
	switch w := want.(type) {
	case string:
		return strings.Contains(w, ":") && got != nil || strings.Contains(w, " ") && got == nil
	case map[string]any:
		id, _ := w["id"].(string)
		return strings.Contains(id, " ") && got == nil
	}
	return false
}
