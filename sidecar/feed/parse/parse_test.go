package parse

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fluent-siem/fluent-siem/internal/indicator"
)

var modified = time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC)

// rows reads a text and returns its rows, and what was left out.
func rows(t testing.TB, format, text string) (list []indicator.Row, left []string, err error) {
	t.Helper()
	err = Formats[format](strings.NewReader(text), Origin{Modified: modified}, Sink{
		Add:  func(r *indicator.Row) error { list = append(list, *r); return nil },
		Left: func(err error) { left = append(left, err.Error()) },
	})
	return list, left, err
}

// said is a row on one line: type value | provider | name | first | last | modified | until | reference | description.
func said(r indicator.Row) string {
	return strings.Join([]string{r.Type + " " + r.Value, r.Provider, r.Name, r.FirstSeen, r.LastSeen, r.Modified, r.ValidUntil, r.Reference, r.Description}, " | ")
}

func TestFormats(t *testing.T) {
	for _, c := range []struct {
		format, text string
		want         []string
		left         int
	}{
		{"text", "# a list\n81.2.69.142\n81.2.69.255/24 , a net\n2a00::1\n2a00:1::/32\nevil.example\n*.bad.example # wild\n\"quoted.example\"\nhxxp://bad[.]example/x\n0.0.0.0 ads.example\n127.0.0.1 more.example # c\n" +
			"81.2.69.143:8080\n[2a00::2]:443\n" + strings.Repeat("AB", 16) + "\n\nlocalhost\n0.0.0.0/0\n2000::/3\n81.2.69.300\n", []string{
			"ipv4-addr 81.2.69.142 |  |  |  |  | 2026-02-03T04:05:06Z |  |  | ",
			"ipv4-addr 81.2.69.0/24 |  |  |  |  | 2026-02-03T04:05:06Z |  |  | a net",
			"ipv6-addr 2a00::1 |  |  |  |  | 2026-02-03T04:05:06Z |  |  | ",
			"ipv6-addr 2a00:1::/32 |  |  |  |  | 2026-02-03T04:05:06Z |  |  | ",
			"domain-name evil.example |  |  |  |  | 2026-02-03T04:05:06Z |  |  | ",
			"domain-name bad.example |  |  |  |  | 2026-02-03T04:05:06Z |  |  | wild",
			"domain-name quoted.example |  |  |  |  | 2026-02-03T04:05:06Z |  |  | ",
			"url http://bad.example/x |  |  |  |  | 2026-02-03T04:05:06Z |  |  | ",
			"domain-name ads.example |  |  |  |  | 2026-02-03T04:05:06Z |  |  | ",
			"domain-name more.example |  |  |  |  | 2026-02-03T04:05:06Z |  |  | ",
			"ipv4-addr 81.2.69.143 |  |  |  |  | 2026-02-03T04:05:06Z |  |  | ",
			"ipv6-addr 2a00::2 |  |  |  |  | 2026-02-03T04:05:06Z |  |  | ",
			"file " + strings.Repeat("AB", 16) + " |  |  |  |  | 2026-02-03T04:05:06Z |  |  | ",
		}, 4},
		{"tor", "ExitNode 0011BD\nPublished 2023-01-17 04:50:15\nLastStatus 2023-01-17 15:00:00\nExitAddress 162.247.74.201 2023-01-17 15:06:20\n\nExitNode 22\nLastStatus 2023-01-18 15:00:00\nExitAddress 81.2.69.142 2023-01-18 15:06:20\nExitAddress nothing 2023-01-18 15:06:20\n", []string{
			"ipv4-addr 162.247.74.201 | torproject.org | TOR |  | 2023-01-17T15:00:00Z | 2023-01-17T15:06:20Z |  | https://metrics.torproject.org/rs.html#details/0011BD | ",
			"ipv4-addr 81.2.69.142 | torproject.org | TOR |  | 2023-01-18T15:00:00Z | 2023-01-18T15:06:20Z |  | https://metrics.torproject.org/rs.html#details/22 | ",
		}, 1},
		{"feodo-json", `[{"ip_address":"162.243.103.246","port":8080,"status":"offline","hostname":null,"first_seen":"2022-06-04 21:24:53","last_online":"2024-05-01","malware":"Emotet"},{"ip_address":"81.2.69.1","status":"online","first_seen":"2022-06-04 21:24:53","last_online":null,"malware":"QakBot"},{"ip_address":""}]`, []string{
			"ipv4-addr 162.243.103.246 | abuse.ch | Emotet | 2022-06-04T21:24:53Z | 2024-05-01T00:00:00Z | 2026-02-03T04:05:06Z |  | https://feodotracker.abuse.ch/browse/host/162.243.103.246/ | status is offline",
			"ipv4-addr 81.2.69.1 | abuse.ch | QakBot | 2022-06-04T21:24:53Z |  | 2026-02-03T04:05:06Z |  | https://feodotracker.abuse.ch/browse/host/81.2.69.1/ | status is online",
		}, 1},
		{"feodo-csv", "################\n# Feodo Tracker\n################\n\"first_seen_utc\",\"dst_ip\",\"dst_port\",\"c2_status\",\"last_online\",\"malware\"\n\"2022-06-04 21:24:53\",\"162.243.103.246\",\"8080\",\"offline\",\"2024-05-01\",\"Emotet\"\n# END\n", []string{
			"ipv4-addr 162.243.103.246 | abuse.ch | Emotet | 2022-06-04T21:24:53Z | 2024-05-01T00:00:00Z | 2026-02-03T04:05:06Z |  | https://feodotracker.abuse.ch/browse/host/162.243.103.246/ | status is offline",
		}, 0},
		{"urlhaus-csv", "# id,dateadded,url,url_status,last_online,threat,tags,urlhaus_link,reporter\n\"3401\",\"2026-01-02 03:04:05\",\"http://81.2.69.142:4000/x.sh\",\"online\",\"2026-01-03 00:00:00\",\"malware_download\",\"elf,Mozi\",\"https://urlhaus.abuse.ch/url/3401/\",\"x\"\n", []string{
			"url http://81.2.69.142:4000/x.sh | abuse.ch | malware_download | 2026-01-02T03:04:05Z | 2026-01-03T00:00:00Z | 2026-02-03T04:05:06Z |  | https://urlhaus.abuse.ch/url/3401/ | status is online, tags elf,Mozi",
		}, 0},
		{"urlhaus-json", `{"3401":[{"dateadded":"2026-01-02 03:04:05 UTC","url":"http://bad.example/x","url_status":"offline","last_online":null,"threat":"malware_download","tags":["elf"],"urlhaus_link":"https://urlhaus.abuse.ch/url/3401/","reporter":"x"}]}`, []string{
			"url http://bad.example/x | abuse.ch | malware_download | 2026-01-02T03:04:05Z |  | 2026-02-03T04:05:06Z |  | https://urlhaus.abuse.ch/url/3401/ | status is offline, tags elf",
		}, 0},
		{"threatfox-csv", "# ThreatFox\n\"2026-01-02 03:04:05\", \"17\", \"81.2.69.142:443\", \"ip:port\", \"botnet_cc\", \"win.remcos\", \"None\", \"Remcos\", \"\", \"75\", \"False\", \"https://ref\", \"remcos\", \"0\", \"x\"\n", []string{
			"ipv4-addr 81.2.69.142 | abuse.ch | Remcos | 2026-01-02T03:04:05Z |  | 2026-02-03T04:05:06Z |  | https://ref | botnet_cc, confidence 75, tags remcos",
		}, 0},
		{"otx", `{"id":"5f","name":"Pulse","description":"What","modified":"2026-01-02T03:04:05.678000","indicators":[
			{"indicator":"81.2.69.142","type":"IPv4","title":"","description":"","created":"2026-01-01T00:00:00","is_active":1,"expiration":null},
			{"indicator":"81.2.69.143","type":"IPv4","is_active":0},
			{"indicator":"81.2.69.144","type":"IPv4","is_active":1,"expiration":"2020-01-01T00:00:00"},
			{"indicator":"evil.example","type":"hostname","title":"C2","created":"2026-01-01T00:00:00","is_active":true,"expiration":"2226-01-01T00:00:00"},
			{"indicator":"http://evil.example/x","type":"URL"},{"indicator":"x@y.example","type":"email"},{"indicator":"nothing","type":"domain"}]}`, []string{
			"ipv4-addr 81.2.69.142 | AlienVault_OTX | Pulse | 2026-01-01T00:00:00Z |  | 2026-01-02T03:04:05Z |  | https://otx.alienvault.com/pulse/5f | What",
			"domain-name evil.example | AlienVault_OTX | Pulse | 2026-01-01T00:00:00Z |  | 2026-01-02T03:04:05Z | 2226-01-01T00:00:00Z | https://otx.alienvault.com/pulse/5f | What | C2",
			"url http://evil.example/x | AlienVault_OTX | Pulse |  |  | 2026-01-02T03:04:05Z |  | https://otx.alienvault.com/pulse/5f | What",
		}, 1},
		{"misp", `{"Event":{"uuid":"u","info":"An event","date":"2026-01-02","timestamp":"1767323045","Orgc":{"name":"CIRCL"},"Attribute":[
			{"type":"ip-dst|port","value":"81.2.69.142|443","to_ids":true,"timestamp":"1767323046","comment":"c2"},
			{"type":"domain|ip","value":"evil.example|81.2.69.143","to_ids":true},
			{"type":"md5","value":"` + strings.Repeat("ab", 16) + `","to_ids":false},{"type":"text","value":"x","to_ids":true},{"type":"url","value":"http://x.example/","to_ids":true,"deleted":true}],
			"Object":[{"Attribute":[{"type":"filename|sha256","value":"a.exe|` + strings.Repeat("cd", 32) + `","to_ids":true,"first_seen":"2026-01-01T00:00:00.000000+00:00"},{"type":"filename|md5","value":"a.exe","to_ids":true}]}]}}`, []string{
			"ipv4-addr 81.2.69.142 | CIRCL | An event |  |  | 2026-01-02T03:04:06Z |  |  | c2",
			"domain-name evil.example | CIRCL | An event |  |  | 2026-01-02T03:04:05Z |  |  | ",
			"ipv4-addr 81.2.69.143 | CIRCL | An event |  |  | 2026-01-02T03:04:05Z |  |  | ",
			"file " + strings.Repeat("cd", 32) + " | CIRCL | An event | 2026-01-01T00:00:00Z |  | 2026-01-02T03:04:05Z |  |  | ",
		}, 1},
		{"ndjson", `{"type":"domain-name","value":"evil.example","provider":"p","name":"n"}` + "\n\n{\n", []string{"domain-name evil.example | p | n |  |  | 2026-02-03T04:05:06Z |  |  | "}, 1},
		{"stix", `{"type":"bundle","id":"bundle--1","objects":[{"type":"indicator","id":"indicator--1","name":"N","description":"D","modified":"2026-01-02T03:04:05.678Z","valid_from":"2026-01-01T00:00:00Z","valid_until":"2227-01-01T00:00:00Z","pattern":"[ipv4-addr:value = '81.2.69.0/24' AND network-traffic:dst_port = 443]","external_references":[{"source_name":"x"},{"url":"https://ref"}]},
			{"type":"indicator","id":"indicator--2","pattern":"[ipv4-addr:value = 'evil.example']"},{"type":"indicator","id":"indicator--3","pattern_type":"yara","pattern":"rule x"},{"type":"indicator","id":"i","revoked":true,"pattern":"["},{"type":"malware"},{"type":"indicator","id":"indicator--4","pattern":"["},7]}`, []string{
			"ipv4-addr 81.2.69.0/24 |  | N | 2026-01-01T00:00:00Z |  | 2026-01-02T03:04:05Z | 2227-01-01T00:00:00Z | https://ref | D (one condition of: [ipv4-addr:value = '81.2.69.0/24' AND network-traffic:dst_port = 443])",
		}, 4},
	} {
		got, left, err := rows(t, c.format, c.text)
		if err != nil || len(left) != c.left {
			t.Errorf("%s: %v, left out %q", c.format, err, left)
		}
		var lines []string
		for _, r := range got {
			lines = append(lines, said(r))
		}
		if !slices.Equal(lines, c.want) {
			t.Errorf("%s:\n%s\nwant\n%s", c.format, strings.Join(lines, "\n"), strings.Join(c.want, "\n"))
		}
	}
}

// TestPublicSamples reads what others published.
func TestPublicSamples(t *testing.T) {
	for _, c := range []struct {
		file, format string
		rows         int
		types        string
	}{
		{"threatfox.json", "threatfox-json", 312, "domain-name 72, file 13, ipv4-addr 123, url 104"},
		{"list.csv", "text", 2, "ipv4-addr 2"},
		{"list-with-header.csv", "text", 1, "ipv4-addr 1"},
		{"stix-apt1.json", "stix", 10, "domain-name 3, file 3, ipv4-addr 4"},
		{"stix-poisonivy.json", "stix", 64, "domain-name 24, ipv4-addr 40"},
		{"stix-file-hash.json", "stix", 1, "file 1"},
		{"stix-url.json", "stix", 1, "url 1"},
		{"stix-visualization.json", "stix", 13, "domain-name 13"},
	} {
		text, err := os.ReadFile("testdata/" + c.file)
		if err != nil {
			t.Fatal(err)
		}
		got, left, err := rows(t, c.format, string(text))
		if err != nil {
			t.Errorf("%s: %v", c.file, err)
		}
		count := map[string]int{}
		for _, r := range got {
			count[r.Type]++
		}
		var types []string
		for typ, n := range count {
			types = append(types, fmt.Sprintf("%s %d", typ, n))
		}
		slices.Sort(types)
		if all := strings.Join(types, ", "); len(got) != c.rows || all != c.types {
			t.Errorf("%s: %d rows (%s), want %d (%s); left out %q", c.file, len(got), all, c.rows, c.types, left)
		}
	}
}

// TestAnotherFormatIsAnError shows that a page of HTML, half a text or nothing
// makes no table of a feed.
func TestAnotherFormatIsAnError(t *testing.T) {
	texts := map[string]string{
		"HTML":  "<!DOCTYPE html>\n<html><head><title>Sign in</title></head>\n<body>evil.example</body></html>\n",
		"empty": "",
	}
	for format := range Formats {
		for what, text := range texts {
			if what == "empty" && slices.Contains([]string{"text", "ndjson", "feodo-csv", "urlhaus-csv", "threatfox-csv"}, format) {
				continue // a list without entries is one
			}
			got, left, err := rows(t, format, text)
			if format == "ndjson" && what == "HTML" && len(left) > 0 {
				continue // told for each line, and there are no rows
			}
			if err == nil || len(got) > 0 {
				t.Errorf("%s of %s: %d rows, %v", format, what, len(got), err)
			}
		}
	}
	half := map[string]string{"feodo-json": `[{"ip_address":"81.2.69.142"},{"ip_addr`, "urlhaus-json": `{"1":[{"url":"http://x.example/"}],"2":[`, "threatfox-json": `{"1":[`, "otx": `{"id":"x","indicators":[`, "misp": `{"Event":{"info"`,
		"stix": `{"type":"bundle","objects":[{}`, "text": `{"type":"bundle"}`, "feodo-csv": "<html>", "tor": "81.2.69.142\n"}
	for format, text := range half {
		if _, _, err := rows(t, format, text); err == nil {
			t.Errorf("%s: %q is taken", format, text)
		}
	}
	for format, text := range map[string]string{"stix": `{"objects":[]}`, "misp": `{"Attribute":[]}`, "otx": `{"error":"x"}`, "threatfox-json": `{"query_status":"no_result"}`, "feodo-json": `7`} {
		if _, _, err := rows(t, format, text); err == nil {
			t.Errorf("%s: %s is taken", format, text)
		}
	}
}

func TestPatterns(t *testing.T) {
	for pattern, want := range map[string]string{
		`[ipv4-addr:value = '1.2.3.4']`:                                                          "1.2.3.4",
		`[ ipv4-addr:value='1.2.3.4' OR domain-name:value = 'a.example' ]`:                       "1.2.3.4 a.example",
		`[domain-name:value IN ('a.example','b.example')] OR [url:value = 'http://x/\'\\y']`:     `a.example b.example http://x/'\y`,
		`[ipv4-addr:value = '1.2.3.4' AND network-traffic:dst_port = 443]`:                       "1.2.3.4*",
		`[ipv4-addr:value = '1.2.3.4' AND (domain-name:value = 'a' OR domain-name:value = 'b')]`: "1.2.3.4* a* b*",
		`[ipv4-addr:value = '1.2.3.4'] AND [domain-name:value = 'a.example']`:                    "1.2.3.4* a.example*",
		`([ipv4-addr:value = '1.2.3.4'] FOLLOWEDBY [url:value = 'u']) WITHIN 600 SECONDS`:        "1.2.3.4* u*",
		`[ipv4-addr:value = '1.2.3.4'] REPEATS 5 TIMES WITHIN 1800 SECONDS`:                      "1.2.3.4*",
		`[ipv4-addr:value = '1'] START t'2016-06-01T00:00:00Z' STOP t'2016-07-01T00:00:00Z'`:     "1",
		`[file:hashes.'SHA-256' = 'x' AND file:hashes.MD5 = 'y' AND file:name = 'z']`:            "x y",
		`[file:hashes.md5 = 'x' AND file:size > 25 AND ipv4-addr:value = 'z']`:                   "x* z*",
		`[network-traffic:dst_ref.type = 'domain-name' AND network-traffic:dst_ref.value = 'a']`: "a",
		`[ipv4-addr:value != '1.2.3.4' OR ipv4-addr:value NOT = '1' OR NOT url:value = 'u']`:     "",
		`[domain-name:value LIKE 'a.example' OR domain-name:value LIKE '%.example']`:             "a.example",
		`[url:value MATCHES '^x$' OR ipv4-addr:value ISSUBSET '10.0.0.0/8']`:                     "10.0.0.0/8",
		`[file:extensions.'windows-pebinary-ext'.sections[*].entropy > 7.0]`:                     "",
		`[EXISTS file:name AND file:hashes.MD5 = 'x']`:                                           "x",
		`[x509-certificate:issuer = 'CN=a' AND x509-certificate:serial_number = '4c']`:           "",
	} {
		values, err := patternValues(pattern)
		var got []string
		for _, v := range values {
			text := v.text
			if v.partly {
				text += "*"
			}
			got = append(got, text)
		}
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("%s: %q, %v; want %q", pattern, got, err, want)
		}
	}
	for _, pattern := range []string{"", "[", "[]", "x", "[a]", "[a:b]", "[a:b =]", "[a:b = 'x]", "[a:b = 'x'", "[a:b = 'x'] x", "[a:b IN 'x']", "[a:b IN ('x' 'y')]", "([a:b = 'x']", "[(a:b = 'x']",
		"[a:b = 'x'] REPEATS 5", strings.Repeat("(", 100), "[" + strings.Repeat("(", 100), strings.Repeat("[", longestPattern+1), "[a:b[ = 'x']", "[a:b['x = 'y']"} {
		if values, err := patternValues(pattern); err == nil {
			t.Errorf("%.40q is taken: %v", pattern, values)
		}
	}
}

// FuzzFormats states: whatever a feed holds, it is read or refused, and each
// row can be found by its value.
func FuzzFormats(f *testing.F) {
	for i := range Names() {
		f.Add(i, []byte("evil.example"))
	}
	f.Add(slices.Index(Names(), "stix"), []byte(`{"type":"bundle","objects":[{"type":"indicator","pattern":"[ipv4-addr:value = '1.2.3.4' OR (file:hashes.MD5 = 'x')]"}]}`))
	f.Add(slices.Index(Names(), "otx"), []byte(`{"id":"x","indicators":[{"type":"IPv4","indicator":"1.2.3.4","is_active":1}]}`))
	f.Add(slices.Index(Names(), "text"), []byte("1.2.3.4/8\nhxxp://a.example\n"))
	path := f.TempDir() + "/t"
	f.Fuzz(func(t *testing.T, format int, text []byte) {
		b := indicator.NewBuilder(path, modified)
		defer b.Close()
		name := Names()[uint(format)%uint(len(Formats))]
		_ = Formats[name](bytes.NewReader(text), Origin{}, Sink{Add: func(r *indicator.Row) error {
			if err := b.Add(r); err != nil && name != "ndjson" && r.Type != indicator.URL { // those two are checked by the table
				t.Errorf("%s made a row that no table takes: %v", name, err)
			}
			return nil
		}, Left: func(error) {}})
	})
}
