package exclude

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/valyala/fastjson"
)

func read(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func parameters(t testing.TB) []Parameter {
	t.Helper()
	var pairs [][2]string
	if err := json.Unmarshal(read(t, "parameters.json"), &pairs); err != nil {
		t.Fatal(err)
	}
	var list []Parameter
	for _, p := range pairs {
		list = append(list, Parameter{p[0], p[1]})
	}
	return list
}

type document struct {
	Type     string          `json:"type"`
	Document json.RawMessage `json:"document"`
}

func documents(t testing.TB) (list []document) {
	t.Helper()
	s := bufio.NewScanner(bytes.NewReader(read(t, "documents.ndjson")))
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		var d document
		if err := json.Unmarshal(s.Bytes(), &d); err != nil {
			t.Fatal(err)
		}
		list = append(list, d)
	}
	return list
}

// judged says for each log type what became of its documents, a letter each:
// keep, Exclude, count.
func judged(t testing.TB, r *Rules) map[string]string {
	t.Helper()
	verdicts := make(map[string]string)
	for _, d := range documents(t) {
		rule, action := r.For(d.Type).Match(d.Document)
		if (rule == "") != (action == Keep) {
			t.Errorf("%v by rule %q", action, rule)
		}
		verdicts[d.Type] += string("kEc"[action])
	}
	return verdicts
}

// Section 11 of the original's description, on its own rules and documents.
func TestPatterns(t *testing.T) {
	r, problems := Load(read(t, "exclude_log_patterns.csv"), nil)
	if len(problems) != 0 {
		t.Error(problems)
	}
	want := map[string]string{
		"cloudtrail":  "EkkEEkEkk", // Describe.*; AWSService; first of a list of objects; iam|kms anchors kms only
		"vpcflowlogs": "EkEkEkkkk", // 10.0.0.1 is not 10.0.0.12; 443 is not 4430; an ECS field
		"waf":         "Ekkkkkkk",  // only the first header is looked at
	}
	got := judged(t, r)
	for logType, w := range want {
		if got[logType] != w {
			t.Errorf("%s: %s, want %s", logType, got[logType], w)
		}
	}
	for i, d := range documents(t) {
		if d.Type == "linux-secure" {
			_, action := r.For(d.Type).Match(d.Document)
			if crond := strings.Contains(string(d.Document), `"proc":"crond"`) || strings.Contains(string(d.Document), `"proc": "crond"`); crond != (action == Exclude) {
				t.Errorf("document %d: %v", i, action)
			}
		}
	}
}

func TestConditions(t *testing.T) {
	r, problems := Load(nil, parameters(t))
	if len(problems) != 4 { // bad-json, bad-expr, bad-action, nolevel
		t.Errorf("problems: %v", problems)
	}
	for _, p := range problems {
		if !strings.Contains(p.Error(), "/siem/exclude-logs/") || !strings.Contains(p.Error(), "is kept") {
			t.Errorf("an operator learns too little: %v", p)
		}
	}
	got := judged(t, r)
	want := map[string]string{ // as the golden cases exclpar-1: excluded 1, 4, 1; counted 2, 0, 1
		"cloudtrail": "kEkkkkckc", "vpcflowlogs": "kkkkkEEEE", "waf": "kkkkkcEk", "linux-secure": strings.Repeat("k", len(got["linux-secure"])),
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestPatternsAndConditions(t *testing.T) {
	r, _ := Load(read(t, "exclude_log_patterns.csv"), parameters(t))
	got := judged(t, r)
	if want := "EEkEEkEkc"; got["cloudtrail"] != want {
		t.Errorf("cloudtrail: %s, want %s", got["cloudtrail"], want)
	}
	if r.For("alb") != nil || (*Rules)(nil).For("alb") != nil {
		t.Error("a type without rules has rules")
	}
	if rule, action := (*TypeRules)(nil).Match([]byte("{}")); rule != "" || action != Keep {
		t.Errorf("no rules: %v by %q", action, rule)
	}
	if _, action := r.For("cloudtrail").Match([]byte("{")); action != Keep {
		t.Errorf("what is no document: %v", action)
	}
}

func TestPatternSemantics(t *testing.T) {
	for _, c := range []struct {
		pattern, kind, value string
		match                bool
	}{
		{"a|b", "regex", `"ax"`, true}, {"a|b", "regex", `"bx"`, false}, {"a|b", "regex", `"xb"`, false}, {"(a|b)", "regex", `"ax"`, false},
		{"10.0.0.1", "text", `"10x0x0x1"`, false}, {"10.0.0.1", "regex", `"10x0x0x1"`, true}, {"10.0.0.1", "", `"10x0x0x1"`, true},
		{"a", "text", `"a\n"`, true}, {"a", "regex", `"a\n"`, true}, {"a", "text", `"a\n\n"`, false}, {"a", "text", `"A"`, false},
		{"443", "text", `443`, true}, {"1.50", "text", `1.50`, true}, {"True", "text", `true`, true}, {"None", "text", `null`, true},
		{`\['a', "b'c"\]`, "regex", `["a","b'c"]`, true}, {`.*'x': 1.*`, "regex", `{"x":1,"y":[]}`, true},
		{`(?i)abc`, "regex", `"ABC"`, true}, {`\w+`, "regex", `"José"`, true}, {`[\w.]+`, "regex", `"é.1"`, true}, {`\d{,3}`, "regex", `"12"`, true},
		{`\W`, "regex", `"é"`, false}, {`a\Z`, "regex", `"a"`, true}, {`\u00e9`, "regex", `"é"`, true}, {`[]a]+`, "regex", `"]a"`, true}, {`[[:alpha:]]`, "regex", `"b]"`, false},
		{`\S+\s\S+`, "regex", `"a\u00a0b"`, true}, {"", "text", `""`, true}, {"(?P<x>a)", "regex", `"a"`, true}, {`\\d`, "regex", `"\\d"`, true},
	} {
		r, problems := Load([]byte("log_type,field,pattern,pattern_type,comment\nt,f.g,"+`"`+strings.ReplaceAll(c.pattern, `"`, `""`)+`",`+c.kind+",\n"), nil)
		if len(problems) != 0 {
			t.Errorf("%s: %v", c.pattern, problems)
			continue
		}
		_, action := r.For("t").Match([]byte(`{"f":{"g":` + c.value + `}}`))
		if (action == Exclude) != c.match {
			t.Errorf("%s %s on %s: %v", c.kind, c.pattern, c.value, action)
		}
	}
}

func TestWhatCannotBeUsedIsTold(t *testing.T) {
	r, problems := Load([]byte("\ufefflog_type,field,pattern,pattern_type,comment\n"+
		"t,f,a(?!b),regex,look-ahead\n"+
		"\n"+
		"t,f,a)|(?:b,regex,unbalanced\n"+
		",f,x,text,\n"+
		"t,,x,text,\n"+
		"t,f,good,text\n"), nil)
	if len(problems) != 4 {
		t.Fatalf("%d problems: %v", len(problems), problems)
	}
	for i, want := range []string{"line 2", "line 4", "line 5", "line 6"} {
		if text := problems[i].Error(); !strings.Contains(text, want) || !strings.Contains(text, "is not used") {
			t.Errorf("%q does not say %q", text, want)
		}
	}
	if !strings.Contains(problems[0].Error(), "(?!") {
		t.Errorf("%v does not name the construct", problems[0])
	}
	if rule, action := r.For("t").Match([]byte(`{"f":"good"}`)); action != Exclude || rule != "pattern in line 7: f" {
		t.Errorf("the good row: %v by %q", action, rule)
	}
	if _, problems := Load([]byte("log_type,field,pattern\nt,f,x\n"), nil); len(problems) != 1 || !strings.Contains(problems[0].Error(), "pattern_type") {
		t.Errorf("a missing column: %v", problems)
	}
}

func TestConditionSemantics(t *testing.T) {
	for _, c := range []struct {
		expression string
		match      bool
	}{
		{"a", true}, {"zero", false}, {"empty", false}, {"list", false}, {"object", false}, {"absent", false}, {"no", false},
		{"a==`x`", true}, {"a==`\"x\"`", true}, {"a=='x'", true}, {"n==`5`", true}, {"q=='`'", true}, {`q=="` + "`" + `"`, false},
		{"to_number(a) > `1`", false}, {"contains(absent, 'x')", false}, {"length(@) > `0`", true},
		{"b.c[?d==`y`] | [0]", true},
	} {
		value, _ := json.Marshal(map[string]string{"action": "exclude", "expression": c.expression})
		r, problems := Load(nil, []Parameter{{"/siem/exclude-logs/t/x", string(value)}})
		if len(problems) != 0 {
			t.Errorf("%s: %v", c.expression, problems)
			continue
		}
		_, action := r.For("t").Match([]byte("{\"a\":\"x\",\"zero\":0,\"empty\":\"\",\"list\":[],\"object\":{},\"no\":false,\"n\":5,\"q\":\"`\",\"b\":{\"c\":[{\"d\":\"y\"}]}}"))
		if (action == Exclude) != c.match {
			t.Errorf("%s: %v", c.expression, action)
		}
		if c.expression == "contains(absent, 'x')" && r.For("t").Failed() != 1 {
			t.Errorf("a condition that fails is not counted")
		}
	}
}

func TestCountingGoesOnToExclude(t *testing.T) {
	r, _ := Load(nil, []Parameter{
		{"/siem/exclude-logs/t/a", `{"action":"COUNT","expression":"x"}`},
		{"/siem/exclude-logs/t/b", `{"action":"Count","expression":"y"}`},
		{"/siem/exclude-logs/t/c", `{"action":"EXCLUDE","expression":"z"}`},
	})
	for document, want := range map[string]string{
		`{"x":1,"y":1}`: "count /siem/exclude-logs/t/a", `{"y":1}`: "count /siem/exclude-logs/t/b",
		`{"x":1,"z":1}`: "exclude /siem/exclude-logs/t/c", `{}`: "keep ",
	} {
		if rule, action := r.For("t").Match([]byte(document)); action.String()+" "+rule != want {
			t.Errorf("%s: %v %s, want %s", document, action, rule, want)
		}
	}
}

func TestOwnDoing(t *testing.T) {
	var fields []string
	for _, line := range bytes.Split(bytes.TrimSpace(read(t, "own-cloudtrail.ndjson")), []byte("\n")) {
		field, own := CloudTrail(fastjson.MustParseBytes(line))
		if own == strings.Contains(string(line), `"Kept"`) {
			t.Errorf("own: %v: %s", own, line)
		}
		fields = append(fields, field)
	}
	if want := []string{"userAgent", "sourceIPAddress", "userIdentity.principalId", "requestParameters.functionName", "", "userIdentity.arn"}; !reflect.DeepEqual(fields, want) {
		t.Errorf("by %q, want %q", fields, want)
	}
	for _, c := range []struct {
		requester, agent string
		own              bool
	}{
		{"svc:securitylake.amazonaws.com", "x", true}, {"arn:aws:sts::123456789012:assumed-role/aes-siem-LambdaEsLoaderServiceRole-X/aes-siem-es-loader", "x", true},
		{"arn:aws:iam::1:user/u", "siem-es-loader/2.10.4", true}, {"arn:aws:iam::1:user/u", "aws-sdk-go-v2/1.48.0 app/fluent-siem", true},
		{"arn:aws:iam::1:user/kept", "curl/8.0", false}, {"", "", false}, {"svc:cloudtrail.amazonaws.com", "", false},
	} {
		if _, own := S3AccessLog([]byte(c.requester), []byte(c.agent)); own != c.own {
			t.Errorf("%+v: %v", c, own)
		}
	}
	for record, want := range map[string]string{
		`{"src_endpoint":{"domain":"securitylake.amazonaws.com"}}`:                                                         "src_endpoint.domain",
		`{"resources":[{"uid":"x"},{"uid":"arn:aws:lambda:us-east-1:1:function:aes-siem-ioc-plan"}]}`:                      "resources.uid",
		`{"actor":{"user":{"uid":"AROAX:SecurityLake_Glue_Partition_Updater_Lambda_x"}}}`:                                  "actor.user.uid",
		`{"actor":{"session":{"issuer":"arn:aws:iam::1:role/service-role/AmazonSecurityLakeS3ReplicationRole"}}}`:          "actor.session.issuer",
		`{"actor":{"session":{"issuer":"arn:aws:iam::1:role/dev","uid":"x"},"user":{"uid":"AROAX:dev"}},"resources":null}`: "",
	} {
		if field, own := SecurityLake(fastjson.MustParse(record)); field != want || own != (want != "") {
			t.Errorf("%s: %q, want %q", record, field, want)
		}
	}
}

// Whatever rules and documents say: no panic, and a row with a literal
// excludes exactly the value it names.
func FuzzRules(f *testing.F) {
	f.Add("a|b", "a==`x`", `{"f":"a"}`, "a")
	f.Add(`[^\w]{,3}\u0041`, "sort_by(f, &g)[0]", `{"f":[{"g":1},{"g":"x"}]}`, "")
	f.Fuzz(func(t *testing.T, pattern, expression, document, literal string) {
		quoted := func(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }
		value, _ := json.Marshal(map[string]string{"action": "COUNT", "expression": expression})
		r, _ := Load([]byte("log_type,field,pattern,pattern_type,comment\nt,f,"+quoted(pattern)+",regex,\nl,f,"+quoted(literal)+",text,\n"), []Parameter{{"/siem/exclude-logs/t/x", string(value)}})
		r.For("t").Match([]byte(document))
		if t2 := r.For("l"); t2 != nil && utf8.ValidString(literal) && json.Valid([]byte(`"`+literal+`"`)) && !strings.ContainsAny(literal, "\\\r") {
			text, _ := json.Marshal(map[string]string{"f": literal})
			if _, action := t2.Match(text); action != Exclude {
				t.Errorf("%q does not exclude itself", literal)
			}
		}
	})
}

func BenchmarkMatch(b *testing.B) {
	for name, rules := range map[string]struct {
		csv        []byte
		parameters []Parameter
	}{"patterns": {read(b, "exclude_log_patterns.csv"), nil}, "conditions": {nil, parameters(b)}} {
		b.Run(name, func(b *testing.B) {
			r, _ := Load(rules.csv, rules.parameters)
			document := documents(b)[2].Document
			t := r.For("cloudtrail")
			b.SetBytes(int64(len(document)))
			b.ReportAllocs()
			for b.Loop() {
				t.Match(document)
			}
		})
	}
	b.Run("own", func(b *testing.B) {
		lines := bytes.Split(bytes.TrimSpace(read(b, "own-cloudtrail.ndjson")), []byte("\n"))
		v := fastjson.MustParseBytes(lines[4])
		b.ReportAllocs()
		for b.Loop() {
			CloudTrail(v)
		}
	})
}
