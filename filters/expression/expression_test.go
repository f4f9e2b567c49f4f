package expression

import (
	"fmt"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// record gives names values, as filters/ecs does.
var record = map[string]any{
	"status": "404", "code": 200, "share": 0.5, "user": map[string]any{"name": "Bob"}, "ip": "10.1.2.3", "ipv4in6": "::ffff:10.1.2.3", "empty": "", "dash": "-",
	"list": []any{"a", "b", map[string]any{"x": 2}}, "path": "/a/B/c", "sent": "12", "ok": true, "a b": "blank",
	"ecs.event.action": "login", "envelope.log_group": "/g", "object.key": "k/x", "lower": "field",
}

func value(r Ref) any {
	if r.Space != Record {
		return record[string(r.Space)+"."+strings.Join(r.Path, ".")]
	}
	var v any = record
	for _, k := range r.Path {
		switch in := v.(type) {
		case map[string]any:
			v = in[k]
		case []any:
			v = in[int(k[0]-'0')]
		default:
			return nil
		}
	}
	return v
}

func run(t *testing.T, m *Machine, text string) (any, error) {
	t.Helper()
	p, err := Compile(text)
	if err != nil {
		return nil, fmt.Errorf("compile: %w", err)
	}
	var values []any
	for _, r := range p.Refs {
		values = append(values, value(r))
	}
	return m.Run(p, values)
}

func TestExpressions(t *testing.T) {
	var m Machine
	for text, want := range map[string]any{
		`status >= 400 ? "failure" : "success"`:             "failure",
		`code >= 400 ? "failure" : "success"`:               "success",
		`status == 404 && status == "404" && status != 200`: true,
		`status in 400..499`:                                true,
		`status in ["404", "403"]`:                          true,
		`status in [404, 403]`:                              true,
		`status not in [500]`:                               true,
		`lower(user.name)`:                                  "bob",
		`record.user["name"] + "@" + envelope.log_group`:    "Bob@/g",
		`record["a b"]`:                                     "blank",
		`record.lower`:                                      "field",
		`ecs.event.action == "login" ? "in" : "out"`:        "in",
		`ecs["event.action"]`:                               "login",
		`object.key`:                                        "k/x",
		`number(sent) + 1`:                                  13,
		`number("1.5") * 2`:                                 3.0,
		`number(path)`:                                      nil,
		`split(path, "/")[1]`:                               "a",
		`join(split(path, "/"), "-")`:                       "-a-B-c",
		`replace(path, "/", "")`:                            "aBc",
		`inNetwork(ip, "192.168.0.0/16", "10.0.0.0/8")`:     true,
		`inNetwork(ipv4in6, "10.0.0.0/8")`:                  true,
		`inNetwork(path, "10.0.0.0/8")`:                     false,
		`coalesce(missing, empty, dash, user.name, "none")`: "Bob",
		`missing`:                         nil,
		`missing.deep["er"]`:              nil,
		`lower(missing)`:                  nil,
		`missing + 1`:                     nil,
		`missing > 1`:                     false,
		`missing == nil`:                  true,
		`user?.name ?? "x"`:               "Bob",
		`missing?.name ?? "x"`:            "x",
		`path matches "^/[a-z]/" ? 1 : 0`: 1,
		`path contains "B" and path startsWith "/"`: true,
		`let n = upper(user.name); n + n`:           "BOBBOB",
		`any(list, # == "b")`:                       true,
		`list[2].x`:                                 2,
		`filter(list, # != "a")[0]`:                 "b",
		`len(list)`:                                 3,
		`md5("a")`:                                  "0cc175b9c0f1b6a831c399e269772661",
		`sha256(sent)[0:8]`:                         "6b51d431",
		`string(code) + "x"`:                        "200x",
		`code`:                                      200,
		`ok`:                                        true,
		`share < 1`:                                 true,
		`trim("  x ")`:                              "x",
		`[lower("A"), status]`:                      []any{"a", "404"},
	} {
		if got, err := run(t, &m, text); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %#v, %v; want %#v", text, got, err, want)
		}
	}
}

func TestWhatIsWrongIsSaidAtLoad(t *testing.T) {
	for text, want := range map[string]string{
		`status >=`:                      "column",
		`foo(status)`:                    "foo is no function; there are abs,",
		`now()`:                          "now is no function",
		`repeat("a", 10)`:                "repeat is no function",
		`split(path, 1)`:                 "column",
		`split(path)`:                    "column",
		`lower()`:                        "column",
		`"a" ? 1 : 2`:                    "column",
		`path matches status`:            "regular expression in quotes",
		`path matches "("`:               "column",
		`inNetwork(ip, status)`:          "networks in quotes",
		`inNetwork(ip, "10.0.0.0")`:      "no network",
		`$env`:                           "not there",
		`path.Len()`:                     "is no function",
		strings.Repeat("a+", 3000) + "a": "longer",
		strings.Repeat("(", 4000):        "column",
		"a" + strings.Repeat("+a", 1200): "nodes",
	} {
		if p, err := Compile(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s: %v, %v; want %s", text, p, err, want)
		}
	}
}

// TestExpressionsAreBounded: whatever is written, it ends, and soon.
func TestExpressionsAreBounded(t *testing.T) {
	var m Machine
	double := "let a0 = path"
	for i := range 60 {
		double += fmt.Sprintf("; let a%d = a%d + a%d", i+1, i, i)
	}
	for _, text := range []string{
		double + "; a60",
		`count(1..1000000000, true)`,
		`count(1..2000, count(1..2000, true) > 0)`,
		`let a = replace(path, "", path + path + path); let b = replace(a, "", a); let c = replace(b, "", b); replace(c, "", c)`,
		`join(map(1..900000, path), path)`,
	} {
		if got, err := run(t, &m, text); err == nil {
			t.Errorf("%.60s: %.60v, want an error", text, got)
		}
	}
}

// TestErrorsOfARecord: what does not fit is an error, unless a field is missing.
func TestErrorsOfARecord(t *testing.T) {
	var m Machine
	for text, want := range map[string]string{`path - 1`: "invalid operation", `len(code)`: "len", `user.name + list`: "does not fit", `lower(list)`: "text"} {
		if got, err := run(t, &m, text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
}

// FuzzCompile: whatever is written is refused, or runs to its end, twice with the
// same result.
func FuzzCompile(f *testing.F) {
	for _, s := range []string{`status >= 400 ? "failure" : "success"`, `let a = user.name; a + ecs.x["y.z"]`, `any(list, # in [1,"a"])`, `inNetwork(ip, "10.0.0.0/8") ?? list[0]`, `a?.b[1:2] | lower()`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var m Machine
		a, err1 := run(t, &m, text)
		b, err2 := run(t, &m, text)
		if fmt.Sprint(a) != fmt.Sprint(b) || fmt.Sprint(err1) != fmt.Sprint(err2) {
			t.Errorf("%q: %v, %v, then %v, %v", text, a, err1, b, err2)
		}
	})
}

// TestManualNamesEveryFunction: what an author may call is in the manual.
func TestManualNamesEveryFunction(t *testing.T) {
	manual, err := os.ReadFile("../../conf/own-log-types.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names() {
		if !regexp.MustCompile("`" + name + "[`(]").Match(manual) {
			t.Errorf("conf/own-log-types.md lacks %s", name)
		}
	}
}
