package golden

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

var beatsDifferences = []beatsDifference{
	{"apache-access nginx-access nginx-ingress windows-iis", `user_agent\.version`, "a version is major, minor and patch, as in the original's documents; Filebeat adds a part, or a dot", beatsPrefix},
	{"apache-error nginx-error rds-mysql-error linux-secure linux-os-syslog", `@timestamp`, "a time without a zone is UTC, unless the log type says otherwise; Filebeat's tests ran at -02:00", beatsHours(2)},
	{"rds-postgresql", `@timestamp`, "EST is five hours behind UTC; Filebeat takes it for the time of New York, in summer four", beatsHours(-1)},

	{"apache-error", `message`, "the message's code (AH…), the module and the client are fields of their own", beatsSuffix},

	{"windows-iis windows-httperr", `event\.category`, "the log of a web server is of the category web; that there was a connection goes without saying", beatsPart},
	{"windows-iis windows-httperr", `event\.type`, "a request is access, and what HTTP.sys refused an error", func(theirs, _ any) bool { return theirs == "connection" }},
	{"windows-iis", `url\.original`, "the query belongs to the original URL", func(theirs, ours any) bool { return strings.HasPrefix(fmt.Sprint(ours), fmt.Sprint(theirs)+"?") }},
	{"windows-iis", `url\.query`, "a + in a query stays, as in the logs of other servers", func(theirs, ours any) bool { return strings.ReplaceAll(fmt.Sprint(ours), "+", " ") == theirs }},
	{"windows-iis", `(source|destination)\.address`, "a link that a chat program made of an address is not undone", func(theirs, ours any) bool { return strings.HasPrefix(fmt.Sprint(ours), "["+fmt.Sprint(theirs)+"](") }},
	{"windows-iis windows-httperr", `related\.ip`, "all addresses are related, those that proxies forwarded too, each once", func(theirs, ours any) bool { return beatsPart(ours, theirs) }},

	{"nginx-ingress", `event\.type`, "a request is access, as in the logs of other servers", func(theirs, ours any) bool { return theirs == "info" && ours == "access" }},
	{"nginx-access", `source\.(address|ip)`, "the client is who the server heard, the last address; those before it count where a proxy is trusted (proxies_file), as they may be invented", nil},
	{"nginx-access", `nginx\.access\.remote_ip_list`, "the client is not among the addresses that were forwarded to the server", beatsPart},
	{"nginx-access nginx-ingress", `related\.ip`, "all addresses are related, not only the client's", func(theirs, ours any) bool { return beatsPart(ours, theirs) }},

	{"rds-mysql-slowquery rds-postgresql", `(mysql\.slowlog|postgresql\.log)\.query`, "a statement is kept without blanks and the semicolon at its end", func(theirs, ours any) bool {
		return strings.TrimRight(fmt.Sprint(theirs), "; \t\n") == strings.TrimRight(fmt.Sprint(ours), "; \t\n")
	}},
	{"rds-mysql-error", `message`, "the level and the thread of MySQL 5.5 stay in the message, as in the original's documents", beatsSuffix},

	{"rds-postgresql", `event\.(category|type)`, "a login is an event of authentication", func(_, ours any) bool { return ours == "authentication" || ours == "start" }},
	{"rds-postgresql", `message`, "the line's prefix and the statement are taken apart in every form of log_line_prefix, and the message keeps all that follows the level", beatsMessage},
	{"rds-postgresql", `postgresql\.log\.query_step`, "what is neither parsed nor bound is executed", func(theirs, ours any) bool { return theirs == "statement" && ours == "execute" }},
	{"rds-postgresql", `postgresql\.log\.database|user\.name`, "[unknown] is what the server says", func(theirs, ours any) bool { return ours == "["+fmt.Sprint(theirs)+"]" }},

	{"linux-secure", `event\.action`, "the action is what sshd says, as the original's dashboards count it", func(theirs, _ any) bool { return theirs == "ssh_login" }},
	{"linux-secure", `event\.category`, "a login is an event of authentication", func(_, ours any) bool { return ours == "authentication" }},
	{"linux-secure", `related\.user`, "the user is who acts; whose rights were taken stands in the message", func(theirs, ours any) bool { return beatsPart(theirs, ours) }},
	{"linux-secure linux-os-syslog", `message|system\.auth\.sudo\.command`, "blanks at the ends do not belong to it", func(theirs, ours any) bool {
		return strings.TrimSpace(fmt.Sprint(theirs)) == strings.TrimSpace(fmt.Sprint(ours))
	}},
	{"linux-os-syslog", `process\.name`, "a program's name ends at the first character that is none of a path, as in the original's documents", beatsPrefix},
	{"linux-os-syslog", `message`, "the message begins behind the first colon; the hyphens before \"last message repeated\" take the place of the host", beatsSuffix},

	{"linux-auditd", `event\.outcome`, "res=1 is a success", func(theirs, ours any) bool { return theirs == "1" && ours == "success" }},
	{"linux-auditd", `event\.type`, "a boot or an execution is a start and what stops ends, as ECS has no stop; a virtual machine that is told of is not created by that", func(theirs, ours any) bool {
		return theirs == "info" || theirs == "stop" && ours == "end" || theirs == "creation" && ours == "info"
	}},
	{"linux-auditd", `event\.action`, "a denial of SELinux is a violation of its policy, however its fields are written", func(theirs, ours any) bool { return theirs == "avc" && ours == "violated-selinux-policy" }},
	{"linux-auditd", `user\.(effective\.)?id`, "an id is that of the process, as the record says; who logged in is user.audit.id", func(_, ours any) bool { return ours == "0" }},
	{"linux-auditd", `auditd\.log\.data`, "the keys that were typed are kept as they are, not rewritten with carets", nil},
}

// beatsPrefix: ours is how theirs begins.
func beatsPrefix(theirs, ours any) bool {
	return strings.HasPrefix(fmt.Sprint(theirs), fmt.Sprint(ours))
}

// beatsSuffix: one is how the other ends.
func beatsSuffix(theirs, ours any) bool {
	t, o := strings.TrimSpace(fmt.Sprint(theirs)), strings.TrimSpace(fmt.Sprint(ours))
	return strings.HasSuffix(t, o) || strings.HasSuffix(o, t)
}

// beatsPart: each item of ours is among theirs.
func beatsPart(theirs, ours any) bool {
	all, ok := theirs.([]string)
	if !ok {
		all = []string{fmt.Sprint(theirs)}
	}
	items, ok := ours.([]string)
	if !ok {
		items = []string{fmt.Sprint(ours)}
	}
	return !slices.ContainsFunc(items, func(item string) bool { return !slices.Contains(all, item) })
}

// beatsHours: theirs is so many hours later.
func beatsHours(n int) func(theirs, ours any) bool {
	return func(theirs, ours any) bool {
		t, isTime := theirs.(time.Time)
		o, ok := ours.(time.Time)
		return isTime && ok && t.Equal(o.Add(time.Duration(n)*time.Hour))
	}
}

// beatsMessage: one contains what the other says, whatever blanks and
// semicolons are between.
func beatsMessage(theirs, ours any) bool {
	squeeze := func(v any) string { return strings.Join(strings.Fields(strings.TrimRight(fmt.Sprint(v), "; \n")), " ") }
	t, o := squeeze(theirs), squeeze(ours)
	return strings.Contains(t, o) || strings.Contains(o, t)
}
