package golden

import "strings"

var databases = []permitted{
	{"rds-mysql-audit", `event\.outcome`, "the return code 0 is success", func(_ goldenCase, want, got any) bool { return want == "failure" && got == "success" }},
	{"rds-mysql-audit", `mysql\.(object|retcode|connection_type)|rds\.query`, "the return code is not part of the statement, whatever columns follow it", auditTail},
	{"rds-mysql-audit", `rds\.query`, "a statement is what its quotes enclose, and its text survives the undoing of escapes where it is not ASCII; a name without quotes is kept whole", auditQuery},
	{"rds-postgresql", `postgresql\.session_time_seconds`, "an hour has 3,600 seconds", nil},
	{"rds-postgresql", `rds\.query`, "a statement is kept whole, also that of a slow query", func(_ goldenCase, want, got any) bool {
		w, _ := want.(string)
		g, _ := got.(string)
		return strings.HasPrefix(g, strings.TrimSuffix(w, ";"))
	}},
	{"cloudhsm cloudhsm-cwl", `user\.roles|event\.outcome`, "roles are a list, as ECS says, and only the return SUCCESS is success", func(c goldenCase, want, got any) bool {
		return listOfOne(c, want, got) || want == "success" && got == "failure"
	}},
}

// auditTail: the original's object goes on with the return code and its commas.
func auditTail(_ goldenCase, want, got any) bool {
	w, isText := want.(string)
	g, _ := got.(string)
	if g == "" { // there is no object
		return got == nil && isText && strings.Trim(w, "0123456789,") == ""
	}
	return want == nil || isText && strings.HasPrefix(w, strings.TrimSuffix(g, ";")) && strings.Contains(w[len(g):], ",")
}

// auditQuery: both are the same text, but for what the original could not read,
// and the first and last character, which it cut off of what had no quotes.
func auditQuery(_ goldenCase, want, got any) bool {
	ascii := func(v any) string {
		s, _ := v.(string)
		return strings.Map(func(r rune) rune {
			if r > 0x7e {
				return -1
			}
			return r
		}, strings.TrimSuffix(s, ";"))
	}
	w, g := ascii(want), ascii(got)
	if g == "" {
		return strings.Trim(w, "0123456789,") == ""
	}
	return strings.HasPrefix(w, g) || strings.HasPrefix(w, g[1:]) || strings.HasPrefix(g[1:], w)
}
