package golden

import "strings"

var hosts = []permitted{
	{"linux-secure linux-os-syslog", `event\.(action|category|outcome)`, "sshd and PAM lines that the original's patterns miss: failures that PAM tells, disconnects of older versions", absent},
	{"linux-secure linux-os-syslog", `user(\..*)?|related(\.(user|ip))?|source(\..*)?`, "users, addresses and ports that the original's patterns miss: at the end of a line, IPv6, the user of a session that nobody else opened", absent},
	{"linux-secure linux-os-syslog", `event\.outcome`, "a command that sudo refused is a failure", func(_ goldenCase, want, got any) bool { return want == "success" && got == "failure" }},
	{"linux-os-syslog", `event\.module`, "lines of sudo belong to the module secure too", func(_ goldenCase, want, got any) bool { return want == "system" && got == "secure" }},
	{"linux-secure linux-os-syslog", `syslog_message`, "a message of several lines is kept whole", func(_ goldenCase, want, got any) bool {
		w, _ := want.(string)
		g, _ := got.(string)
		return strings.HasPrefix(g, w) && strings.Contains(g, "\n")
	}},
	{"linux-secure linux-os-syslog", `related\.hosts`, "a host without a name is none", withoutEmpty},
}

// withoutEmpty: ours is the original's list without its empty texts.
func withoutEmpty(_ goldenCase, want, got any) bool {
	w, wok := want.([]any)
	g, _ := got.([]any)
	if !wok {
		return false
	}
	for _, item := range w {
		if text, ok := item.(string); ok && strings.TrimSpace(text) == "" {
			continue
		}
		if len(g) == 0 || g[0] != item {
			return false
		}
		g = g[1:]
	}
	return len(g) == 0
}
