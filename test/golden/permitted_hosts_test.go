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
	{windowsTypes, `@timestamp`, "a time keeps its nanoseconds", toMicroseconds},
	{windowsTypes, `event\.(action|outcome)`, "event ids that the original's table lacks or has wrong, and those of Sysmon, PowerShell and Defender", windowsIDs},
}

const windowsTypes = "windows-event directory-service fsx-win"

// toMicroseconds: the original cut what is beyond microseconds.
func toMicroseconds(_ goldenCase, want, got any) bool {
	w, wok := want.(int64)
	g, gok := got.(int64)
	return wok && gok && w == g-g%1000
}

// windowsIDs: the original has nothing, or what it says of these ids is wrong:
// 4728 and 4732 are each other's, 4800 and 4803 are no failures, 5060 is one.
func windowsIDs(_ goldenCase, want, got any) bool {
	if want == nil {
		return got != nil
	}
	switch [2]any{want, got} {
	case [2]any{"added-member-to-local-security-group", "added-member-to-global-security-group"},
		[2]any{"added-member-to-global-security-group", "added-member-to-local-security-group"},
		[2]any{"failure", "success"}, [2]any{"success", "failure"}:
		return true
	}
	return false
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
