package importer

import (
	"slices"
	"strings"
	"testing"

	"github.com/fluent-siem/fluent-siem/filters/ecs"
	"github.com/fluent-siem/fluent-siem/filters/logtype"
)

// own is the least that makes a log type.
const own = "[app]\ns3_key = app/\nindex_name = log-app\nfile_format = json\n"

func imported(t *testing.T, text string) *Result {
	t.Helper()
	r, err := Import(text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	for _, f := range r.Files {
		if f.Incomplete != "" {
			continue
		}
		lt, err := logtype.Parse(f.Name, []byte(f.YAML))
		if err == nil {
			err = ecs.Check(lt)
		}
		if err != nil {
			t.Errorf("%s is said to be complete: %v\n%s", f.Name, err, f.YAML)
		}
	}
	return r
}

// TestSettings says for each setting what it becomes.
func TestSettings(t *testing.T) {
	for settings, want := range map[string]string{
		"s3_key_ignored = /x/":                          "ignore_key: /x/",
		"json_delimiter = Records\ntimestamp_key = a.b": "records: Records\ntime:\n  - {field: a.b, layout: iso8601}",
		"":                           "time:\n  - {field: '@timestamp', layout: iso8601}",
		"timestamp_format = epochal": "  - {field: '@timestamp', layout: epoch}",
		"timestamp_key = t\ntimestamp_format = %Y/%m/%d\ntimestamp_tz = -03:30": "  - {field: t, layout: '2006/1/2', zone: '-03:30'}",
		"timestamp_key = t\ntimestamp_format = \"epoch\"":                       "  - {field: t, layout: epoch}",
		"timestamp_key_list = a b\ntimestamp_format_list = [\"epoch\",\"%Y %z\"]": "  - {field: a, layout: epoch}\n  - {field: a, layout: '2006 -0700'}\n  - {field: a, layout: '2006 -07:00'}\n" +
			"  - {field: b, layout: epoch}\n  - {field: b, layout: '2006 -0700'}\n  - {field: b, layout: '2006 -07:00'}",
		"timestamp_key = cwl_timestamp":           "  - {field: '@envelope', layout: epoch, keep: cwl_timestamp}",
		"timestamp_key = cwe_timestamp":           "  - {field: '@envelope', layout: iso8601, keep: cwe_timestamp}",
		"timestamp_key = file_timestamp":          "  - {field: '@key', layout: iso8601}",
		`file_timestamp_format = (?P<year>\d{4})`: "  - {field: '@timestamp', layout: iso8601}\n  - {field: '@key', pattern: '(?P<year>\\d{4})'}",
		"doc_id = id":                                       "id: {field: id, replace: true}",
		"doc_id = a.b\ndoc_id_suffix = c.d":                 `id: {field: 'a\.b', suffix: c.d, replace: true}`,
		"field_prefix = p\ndoc_id_suffix = p.c":             "id: {suffix: c}",
		"index_rotation = auto\nindex_suffix = s":           "index: {name: log-app, suffix: s, rotation: auto}",
		"index_tz = +09:00\nindex_time = event_ingested":    "index: {name: log-app, zone: '+09:00', time: ingested}",
		"index_rotation = never":                            "rotation: yearly",
		"cloud_provider = azure\necs_version = 8.0":         "provider: azure",
		"cloud_provider =":                                  "provider: none",
		"ecs_version = 8.0":                                 "static:\n  ecs.version: '8.0'",
		"renamed_newfields = a\na = b c":                    "rename:\n  a: 'b c'",
		"via_firelens = True\nignore_container_stderr = no": "container_stderr: true",
		"ecs = source.ip related.ip user.name\nsource.ip = a b\nrelated.ip = [a, b c]\nuser.name = u": "ecs:\n  related.ip: [a, 'b | c']\n  source.ip: [a, b]\n  user.name: u",
		"ecs = related.ip\nrelated.ip = a b":                                               "  related.ip: [a, b]",
		"static_ecs = event.kind event.category\nevent.kind = alert\nevent.category = web": "static:\n  event.category: [web]\n  event.kind: alert",
		"geoip = source": "ecs:\n  source.ip: source.ip\ngeo: [source]",
		"ioc_ip = source.ip\nioc_domain = url.domain\nuser_agent_enrichment_field = ua": "ioc: {ip: [source.ip], domain: [url.domain]}\nuser_agent: ua",
		"clientip_xff = source.ip xff":                    "client_ip: {ip: source.ip, forwarded: xff}",
		"json_to_text = a b.c":                            "text:\n  - a\n  - b.c",
		"file_format = csv":                               "format: columns\ncolumns: {header: true, required: 1}",
		"file_format = csv\ncsv_delimiter = ,":            "columns: {header: true, separator: ',', quote: '\"', required: 1}",
		`file_format = csv` + "\n" + `csv_delimiter = \t`: `columns: {header: true, separator: "\t", quote: '"', required: 1}`,
		"file_format = text\ntext_header_line_number = 2\nlog_pattern = (?P<a>.*)$$":            "format: pattern\npattern: '(?P<a>.*)$'\nheader_lines: 2",
		"file_format = multiline\nlog_pattern = (?P<a>x)\n (?P<b>.)\nmultiline_firstline = a|b": "format: pattern\npattern: '(?P<a>x)\\n(?P<b>.)'\nfirst_line: '^(?:a|b)'",
		"file_format = parquet":                           "format: json",
		"file_format = xml\nxml_firstline = <record":      "format: xml\nelement: record",
		"file_format = winevtxml":                         "format: winevt",
		"file_format = cef":                               "format: cef",
		"max_log_count = 5\nvia_cwl = True\nloggroup = x": "format: json",
		"script_ecs =":                                    "format: json",
	} {
		text := own
		for line := range strings.Lines(settings) {
			if key, _, ok := strings.Cut(line, " ="); ok && strings.Contains(text, "\n"+key+" =") {
				text = strings.Replace(text, "\n"+key+" = json", "\n#", 1)
			}
		}
		r := imported(t, text+settings+"\n")
		if len(r.Files) != 1 || len(r.Left) > 0 || r.Files[0].Incomplete != "" || !strings.Contains(r.Files[0].YAML, want) {
			t.Errorf("%s\nbecame %+v\nleft out %v, want\n%s", settings, r.Files, r.Left, want)
		}
	}
}

// TestWhatIsLeftOut: each setting that has no counterpart is named, by section,
// key and line.
func TestWhatIsLeftOut(t *testing.T) {
	for text, want := range map[string]string{
		own + "script_ecs = user.name event.outcome":             "[app] script_ecs (line 5): a module in Python, sf_app.py, is not run here; by its own account it sets user.name, event.outcome",
		own + "ecs = user.name":                                  "[app] user.name: names no field of the record",
		own + "static_ecs = event.kind":                          "[app] event.kind: has no value",
		own + "ecs = a..b\na..b = c":                             `[app] ecs (line 5): "a..b" is no name of a field`,
		own + "timestamp_format = %V":                            "[app] timestamp_format (line 5): %V: weeks",
		own + "timestamp_format_list = [x":                       "[app] timestamp_format_list (line 5): is no list in JSON",
		own + "index_tz = Asia/Tokyo":                            `[app] index_tz (line 5): "Asia/Tokyo" is no zone`,
		own + "index_time = x":                                   `[app] index_time (line 5): "x" is neither`,
		own + "s3_key_ignored = (?!a)":                           "[app] s3_key_ignored (line 5): RE2 has no negative lookahead",
		own + "clientip_xff = a":                                 "[app] clientip_xff (line 5): wants two names",
		own + "ignore_container_stderr = maybe":                  `[app] ignore_container_stderr (line 5): "maybe" is neither true nor false`,
		own + "renamed_newfields = a":                            "[app] renamed_newfields (line 5): a has no setting",
		own + "file_timestamp_format = (?P<jahr>.)":              `[app] file_timestamp_format (line 5): has a group "jahr"`,
		own + "ecs = ${no:where}":                                "[app] ecs (line 5): it refers to ${no:where}, which is nowhere",
		own + "ecs = ${ecs}":                                     "[app] ecs (line 5): its references stand in one another without end",
		strings.Replace(own, "json", "yaml", 1):                  `[app] file_format (line 4): "yaml" is no format`,
		strings.Replace(own, "json", "text\nlog_pattern = a", 1): "[app] (line 1): is no valid log type as it is: app.yaml: pattern: has no named groups",
		strings.Replace(own, "json", "text", 1):                  "[app] log_pattern: is missing",
		strings.Replace(own, "json", "text\nlog_pattern = (?P<a>.)\ntext_header_line_number = x", 1): `text_header_line_number (line 6): "x" is no number`,
		strings.Replace(own, "json", "csv\ncsv_delimiter = ab", 1):                                   `[app] csv_delimiter (line 5): "ab" is not one character`,
		strings.Replace(own, "json", "xml", 1):                                                       "[app] xml_firstline: does not begin with the name of an element",
		strings.Replace(own, "s3_key", "key", 1):                                                     "[app] s3_key (line 1): is missing",
		strings.Replace(own, "index_name", "name", 1):                                                "[app] index_name (line 1): is missing",
		strings.Replace(own, "log-app", "Log App", 1):                                                "is no index name",
		own + strings.Replace(own, "app]", "App]", 1):                                                "[App] (line 5): would be called app like [app]",
		"[DEFAULT]\nexclude_log_patterns_filename = my.csv":                                          "[DEFAULT] exclude_log_patterns_filename (line 2): rules of exclusion",
		"[DEFAULT]\nindex_tz = +9":                                                                   `[DEFAULT] index_tz (line 2): "+9" is no zone`,
		"[alb]\necs = ${alb:static_ecs} user.name\nuser.name = user":                                 "[alb] user.name (line 3): the shipped type has no field user; it has ",
		"[cloudtrail]\ns3_key = (?<!a)b":                                                             "[cloudtrail] s3_key (line 2): RE2 has no lookbehind",
	} {
		r := imported(t, text)
		if !slices.ContainsFunc(r.Left, func(r Remark) bool { return strings.Contains(r.String(), want) }) {
			t.Errorf("%s\nleft out %q, want one with %q", text, r.Left, want)
		}
		for _, left := range r.Left {
			if left.Do == "" {
				t.Errorf("%v does not say what to do", left)
			}
		}
	}
}

// TestChangesOfShippedTypes: only what the user's settings change is written.
func TestChangesOfShippedTypes(t *testing.T) {
	for text, want := range map[string]string{
		"index_rotation = daily":                             "index: {rotation: daily}",
		"index_tz = +00:00":                                  "",
		"s3_key = CloudTrail/|CloudTrail-Insight/":           "",
		"s3_key = mytrail/":                                  "key: mytrail/",
		"json_delimiter = Events":                            "records: Events",
		"static_ecs = event.kind x.y\nx.y = ${x.z}\nx.z = 1": "static:\n  event.category: []\n  x.y: '1'",
		"event.kind = alert":                                 "static:\n  event.kind: alert",
		"user.id = userIdentity.arn":                         "ecs:\n  user.id: userIdentity.arn",
		"geoip =":                                            "geo: []",
		"ioc_ip = source.ip related.ip":                      "ioc: {ip: [source.ip, related.ip], domain: []}",
		"script_ecs =":                                       "steps: []",
		"ignore_own_logs = False":                            "",
		"timestamp_key = eventTime\ntimestamp_tz = +09:00":   "time:\n  - {field: eventTime, layout: iso8601, zone: '+09:00'}",
		"doc_id =":                                           "id: {field: '', suffix: '', replace: false}",
		"file_format = text\nlog_pattern = (?P<a>.*)":        "format: pattern\nrecords: ''\npattern: '(?P<a>.*)'",
	} {
		r := imported(t, "[cloudtrail]\n"+text+"\n")
		got := ""
		if len(r.Files) > 0 {
			got = strings.TrimPrefix(r.Files[0].YAML, "# What [cloudtrail] of a user.ini changes of the shipped type.\nname: cloudtrail\nextends: cloudtrail\n")
		}
		if strings.TrimSuffix(got, "\n") != want || len(r.Left) > 0 || len(r.Files) > 1 {
			t.Errorf("%s\nbecame\n%s\nleft out %v, want\n%s", text, got, r.Left, want)
		}
	}
}

// TestDefaultsCountForEveryType: those that are shipped, and the user's.
func TestDefaultsCountForEveryType(t *testing.T) {
	r := imported(t, "[DEFAULT]\nindex_tz = +09:00\nignore_own_logs = False\n\n"+own+"\n[waf]\nindex_tz = +00:00\n")
	files := map[string]string{}
	for _, f := range r.Files {
		files[f.Name] = f.YAML
	}
	registry, err := logtype.NewRegistry()
	if err != nil {
		t.Fatal(err)
	}
	for _, lt := range registry.Set().Types() {
		// Okta's sample is in that zone already; the user has another for WAF.
		if zone := strings.Contains(files[lt.Name], "zone: '+09:00'"); zone == (lt.Name == "okta" || lt.Name == "waf") {
			t.Errorf("%s: %q", lt.Name, files[lt.Name])
		}
		if own := strings.Contains(files[lt.Name], "own_logs: ''"); own != (lt.OwnLogs != "") {
			t.Errorf("%s: own logs: %q", lt.Name, files[lt.Name])
		}
	}
	if !strings.Contains(files["app"], "zone: '+09:00'") {
		t.Errorf("app: %q", files["app"])
	}
}

// TestTheOriginalItselfNeedsNoFile: a section copied from the original, whole,
// changes nothing.
func TestTheOriginalItselfNeedsNoFile(t *testing.T) {
	r := imported(t, originalText)
	for _, f := range r.Files {
		t.Errorf("%s:\n%s", f.Name, f.YAML)
	}
	for _, left := range r.Left {
		t.Errorf("left out: %v", left)
	}
}

// TestCommentsAreKept: above what they were above, but not settings in comments.
func TestCommentsAreKept(t *testing.T) {
	r := imported(t, "; the shop\n"+own+"# in UTC\n\n# doc_id = old\ntimestamp_key = t\n;; who\necs = source.ip\n# the client\nsource.ip = ip\n")
	const want = `# From [app] of a user.ini of SIEM on Amazon OpenSearch Service.
# the shop
name: app
about: 'Imported from a user.ini; say here what it is'
key: app/
format: json
# in UTC
time:
  - {field: t, layout: iso8601}
index: {name: log-app}
# who
ecs:
  # the client
  source.ip: ip
`
	if len(r.Files) != 1 || r.Files[0].YAML != want {
		t.Errorf("became\n%+v, want\n%s", r.Files, want)
	}
}

// TestWhatAModuleSetCanBeCompleted: its lines are valid once they are no comments.
func TestWhatAModuleSetCanBeCompleted(t *testing.T) {
	r := imported(t, own+"ecs = user.name\nuser.name = u\nscript_ecs = event.outcome user.name source.ip\n")
	before, lines, ok := strings.Cut(r.Files[0].YAML, "# expressions:\n")
	if !ok || strings.Contains(lines, "user.name") {
		t.Fatal(r.Files[0].YAML)
	}
	text := before + "expressions:\n" + strings.ReplaceAll(lines, "#  ", " ")
	lt, err := logtype.Parse("app.yaml", []byte(text))
	if err == nil {
		err = ecs.Check(lt)
	}
	if err != nil || len(lt.Expressions) != 2 {
		t.Errorf("%v\n%s", err, text)
	}
}

func TestNames(t *testing.T) {
	for section, want := range map[string]string{"app": "app", "My_App 2": "my-app-2", "--x--": "x", "日本": "imported", strings.Repeat("a", 70): strings.Repeat("a", 63)} {
		if got := Name(section); got != want {
			t.Errorf("%q is called %q, want %q", section, got, want)
		}
	}
}

// TestNoTypeIsReplacedByAccident: a section whose name becomes that of a shipped
// type is none of its changes; one that has the name is told to replace it.
func TestNoTypeIsReplacedByAccident(t *testing.T) {
	r := imported(t, strings.Replace(own, "[app]", "[WAF]", 1))
	if len(r.Files) != 1 || r.Files[0].Name != "own-waf" || !strings.Contains(r.Files[0].YAML, "event.module: WAF") {
		t.Errorf("%+v", r.Files)
	}
	r = imported(t, strings.Replace(own, "[app]", "[windows-iis]", 1))
	if len(r.Files) != 1 || r.Files[0].Name != "windows-iis" || len(r.Notes) != 1 || !strings.Contains(r.Notes[0].String(), "takes the place of a type") {
		t.Errorf("%+v", r)
	}
}

// FuzzImport: whatever the file holds, what is said to be complete is a valid log
// type, files have different names, and every section of a type is a file or told.
func FuzzImport(f *testing.F) {
	f.Add(own + "log_pattern = (?P<a>[\\w-]+)\\Z$$\ntimestamp_format = %d/%b/%Y:%H:%M:%S %z\n")
	f.Add("[cloudtrail]\nstatic_ecs = a.b\na.b: '#\\x00\n  \"y\n[x]\ns3_key=${cloudtrail:s3_key}\nfile_format=csv\nindex_name=a\necs=related.ip\nrelated.ip=[a, b c]")
	f.Add("[okta]\necs = ${client.ip}\n# c\n;\n[okta]\nfile_format = text\nlog_pattern = (?P<x>\n .*)(?=y)\n")
	f.Fuzz(func(t *testing.T, text string) {
		r, err := Import(text)
		if err != nil {
			return
		}
		seen := map[string]bool{}
		for _, file := range r.Files {
			if seen[file.Name] {
				t.Errorf("%s twice", file.Name)
			}
			seen[file.Name] = true
			lt, err := logtype.Parse(file.Name, []byte(file.YAML))
			if err == nil {
				err = ecs.Check(lt)
			}
			if (err == nil) != (file.Incomplete == "") && !strings.HasPrefix(file.Incomplete, "lacks ") {
				t.Errorf("%s: incomplete %q, but %v\n%s", file.Name, file.Incomplete, err, file.YAML)
			}
		}
		for _, s := range parse(t, text).sections {
			told := func(all []Remark) bool {
				return slices.ContainsFunc(all, func(r Remark) bool { return r.Section == s.name })
			}
			written := slices.ContainsFunc(r.Files, func(f File) bool { return f.Section == s.name })
			if !written && !told(r.Left) && !told(r.Notes) && !parse(t, text).refers(s.name) {
				t.Errorf("[%s] vanished", s.name)
			}
		}
	})
}

func parse(t *testing.T, text string) *ini {
	t.Helper()
	f, err := parseINI(text)
	if err != nil {
		t.Fatal(err)
	}
	return f
}
