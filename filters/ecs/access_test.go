package ecs

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

func accessMap(line, forwarded string) (map[string]string, bool) {
	var cols [accN][]byte
	if _, ok := splitAccess([]byte(line), &cols, forwarded); !ok {
		return nil, false
	}
	m := map[string]string{}
	for i, b := range cols {
		if b != nil {
			m[accessFields[i]] = string(b)
		}
	}
	return m, true
}

func TestAccess(t *testing.T) {
	const tail = ` [10/Jan/2024:01:02:03 +0000] "GET /a b HTTP/1.1" 200 5`
	for _, c := range []struct{ line, forwarded, want string }{
		{"192.0.2.1 - -" + tail, "", "remotehost=192.0.2.1 request_method=GET request_path=/a b request_version=1.1 response_status=200 response_body_bytes=5"},
		{"192.0.2.1 - alice" + tail, "", "authuser=alice"},
		{"192.0.2.1 id alice smith" + tail, "", "ident=id alice authuser=smith"},
		{"192.0.2.1 - alice smith" + tail, "", "authuser=alice smith"},
		{"- 192.0.2.1 - -" + tail, "first", "remotehost=192.0.2.1"},
		{"203.0.113.5, 10.0.0.1 192.0.2.1 - -" + tail, "first", "remotehost=192.0.2.1 xff=203.0.113.5, 10.0.0.1"},
		{"203.0.113.5 192.0.2.1 - -" + tail, "first", "remotehost=192.0.2.1 xff=203.0.113.5"},
		{"203.0.113.5, 10.0.0.1, 192.0.2.1 - -" + tail, "last", "remotehost=192.0.2.1 xff=203.0.113.5, 10.0.0.1,"},
		{`"203.0.113.5, 10.0.0.1" 192.0.2.1 - -` + tail, "last", "remotehost=192.0.2.1 xff=203.0.113.5, 10.0.0.1"},
		{"www.example.com:80 192.0.2.1 - -" + tail, "", "vhost=www.example.com:80 remotehost=192.0.2.1"},
		{"localhost - -" + tail, "", "remotehost=localhost"},
		{"192.0.2.1 - -" + tail + ` "-" "say \"hi\" twice"`, "", `useragent=say \"hi\" twice`},
		{"192.0.2.1 - -" + tail + ` "http://r/" ""`, "", "referer=http://r/"},
		{"192.0.2.1 - -" + tail + ` "-" "cut off`, "", "useragent=cut off"},
		{"192.0.2.1 - -" + tail + ` "-" "ua" 100 2000`, "first", "useragent=ua request_bytes=100 response_bytes=2000"},
		{"192.0.2.1 - -" + tail + ` "-" "ua" "203.0.113.5, unknown"`, "last", "useragent=ua xff=203.0.113.5, unknown"},
		{`192.0.2.1 - - [x] "-" 408 -`, "", "response_status=408"},
		{`192.0.2.1 - - [x] "\x16\x03" 400 0`, "", `request_raw=\x16\x03 response_status=400 response_body_bytes=0`},
		{`192.0.2.1 - - [x] "GET /"quoted" HTTP/1.0" 400 0`, "", `request_path=/"quoted"`},
		{`[10/Jan/2024:01:02:03 +0000] 192.0.2.1 TLSv1.2 AES "GET / HTTP/1.1" -`, "", "remotehost=192.0.2.1 ssl_protocol=TLSv1.2 ssl_cipher=AES request_path=/"},
	} {
		got, ok := accessMap(c.line, c.forwarded)
		if !ok {
			t.Errorf("%s: no access line", c.line)
			continue
		}
		for field, value := range wanted(c.want) {
			if got[field] != value {
				t.Errorf("%s:\n%s is %q, want %q", c.line, field, got[field], value)
			}
		}
	}
	for _, line := range []string{"", "x", "[", `192.0.2.1 - - "GET / HTTP/1.1" 200 5`, `192.0.2.1 - - [x] "GET /`, ` [x] "GET / HTTP/1.1" 200 5`} {
		if got, ok := accessMap(line, "first"); ok {
			t.Errorf("%q is taken for an access line: %v", line, got)
		}
	}
}

// wanted reads "field=value field=value", whose values may have blanks.
func wanted(s string) map[string]string {
	m := map[string]string{}
	last := ""
	for _, word := range strings.Split(s, " ") {
		field, value, ok := strings.Cut(word, "=")
		known := false
		for _, name := range accessFields {
			known = known || name == field
		}
		if ok && known {
			last = field
			m[field] = value
		} else {
			m[last] += " " + word
		}
	}
	return m
}

// TestAccessTakesLinearTime: brackets in a name are each looked at once.
func TestAccessTakesLinearTime(t *testing.T) {
	name := strings.Repeat(" [", 1<<20)
	var cols [accN][]byte
	start := time.Now()
	_, ok := splitAccess([]byte(`192.0.2.1 -`+name+`] [t] "GET / HTTP/1.1" 200 5`), &cols, "")
	if took := time.Since(start); took > 5*time.Second || !ok || string(cols[accTime]) != "t" {
		t.Errorf("%v: %v, time %q", took, ok, cols[accTime])
	}
}

// FuzzAccess: whatever a line holds, its fields are parts of it.
func FuzzAccess(f *testing.F) {
	f.Add([]byte(`203.0.113.5, 10.0.0.1 192.0.2.1 - a [x] "GET / HTTP/1.1" 200 5 "-" "ua" "203.0.113.5"`), "last")
	f.Add([]byte(`192.0.2.1 - - [x] "GET / HTTP/1.1" 200 5 "-" "ua" 1 0.2 [a] [] 10.0.0.1:80, 10.0.0.2:80 : - "q" x`), "")
	f.Add([]byte(`[x] 192.0.2.1 TLSv1.2 AES "GET / HTTP/1.1" -`), "first")
	f.Fuzz(func(t *testing.T, line []byte, forwarded string) {
		var cols [accN][]byte
		rest, ok := splitAccess(line, &cols, forwarded)
		if !ok {
			return
		}
		for len(rest) > 0 {
			item, after := tailItem(rest)
			if len(after) >= len(rest) || !bytes.Contains(rest, item) {
				t.Fatalf("%q: the tail %q came apart as %q and %q", line, rest, item, after)
			}
			rest = after
		}
		if len(cols[accHost]) == 0 || len(cols[accTime]) == 0 {
			t.Errorf("%q has neither address nor time", line)
		}
		for i, b := range cols {
			if !bytes.Contains(line, b) {
				t.Errorf("%q: %s is %q, which is not in it", line, accessFields[i], b)
			}
		}
	})
}

func TestURL(t *testing.T) {
	for _, c := range []struct{ method, path, want string }{
		{"GET", "/a/b.php?x=1#f", "path=/a/b.php query=x=1 fragment=f extension=php"},
		{"GET", "/x#a@b", "path=/x#a@b"},
		{"GET", "/two#x#y", "path=/two#x#y"},
		{"GET", "/%252e%252e/passwd", "path=/../passwd"},
		{"GET", "/%ff.x", "path=/%ff.x extension=x"},
		{"GET", `/a\b.c\d`, `path=/a\b.c\d`},
		{"GET", "http://h.example:8080/x.y", "domain=h.example port=8080 path=/x.y extension=y"},
		{"GET", "https://[2001:db8::1]:80/x", "domain=2001:db8::1 port=80 path=/x"},
		{"GET", "http://noslash.example.com", "domain=noslash.example.com"},
		{"GET", "http://q.example?x", "domain=q.example query=x"},
		{"CONNECT", "h.example:443", "domain=h.example port=443"},
	} {
		line := `192.0.2.1 - - [10/Jan/2024:01:02:03 +0000] "` + c.method + " " + c.path + ` HTTP/1.1" 200 5`
		m := document(t, "nginx-access", "", line)
		url, _ := m.at("url").(map[string]any)
		if url["original"] != c.path {
			t.Errorf("%s: url.original is %v", c.path, url["original"])
		}
		delete(url, "original")
		delete(url, "scheme")
		want := strings.Split(c.want, " ")
		for _, w := range want {
			field, value, _ := strings.Cut(w, "=")
			if url[field] != value {
				t.Errorf("%s: url.%s is %v, want %s", c.path, field, url[field], value)
			}
		}
		if len(url) != len(want) {
			t.Errorf("%s: %v, want %s", c.path, url, c.want)
		}
	}
}
