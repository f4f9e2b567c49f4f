package ecs

import (
	"bytes"
	"errors"
)

// accessFields are the fields of a line of an access log, in the order of their
// columns below.
var accessFields = []string{
	"xff", "vhost", "remotehost", "ident", "authuser", "datetime",
	"request_method", "request_path", "request_version", "request_raw",
	"response_status", "response_body_bytes", "referer", "useragent", "request_bytes", "response_bytes", "ssl_protocol", "ssl_cipher",
}

const (
	accXFF = iota
	accVHost
	accHost
	accIdent
	accUser
	accTime
	accMethod
	accPath
	accVersion
	accRequest
	accStatus
	accBody
	accReferrer
	accAgent
	accIn
	accOut
	accProtocol
	accCipher
	accN
)

var errAccess = errors.New("no line of an access log: want address identity user [time] \"request\" status bytes")

// parseAccess takes a line of the common or combined log format apart
// ([logtype.Access]). "-" is nothing.
func (c *Converter) parseAccess() error {
	var cols [accN][]byte
	rest, ok := splitAccess(c.raw, &cols, c.p.t.Access.Forwarded)
	if !ok {
		return errAccess
	}
	c.cols = append(c.cols[:0], cols[:]...)
	for range c.p.t.Access.Tail {
		var item []byte
		item, rest = tailItem(rest)
		c.cols = append(c.cols, item)
	}
	c.useLayout(c.p.fixed)
	return nil
}

// splitAccess fills the columns, and returns what follows the last quoted text.
func splitAccess(line []byte, cols *[accN][]byte, forwarded string) (tail []byte, ok bool) {
	if len(line) > 0 && line[0] == '[' {
		return nil, splitSSLRequest(line, cols)
	}
	head, rest, ok := cutTime(line, cols)
	if !ok || !splitHead(head, cols, forwarded) {
		return nil, false
	}
	end := requestEnd(rest)
	if end < 0 {
		return nil, false
	}
	splitRequestLine(rest[:end], cols)
	rest = rest[end+2:]
	cols[accStatus] = rest[:3]
	rest = bytes.TrimPrefix(rest[3:], []byte(" "))
	cols[accBody], rest = dashed(rest)
	if len(rest) > 0 && rest[0] == '"' {
		cols[accReferrer], rest = quoted(rest)
		cols[accAgent], rest = quoted(rest)
	}
	if len(rest) > 0 && rest[0] == '"' && forwarded == "last" {
		cols[accXFF], rest = quoted(rest)
	}
	in, after := dashed(rest)
	out, _ := dashed(after)
	if _, ok := digits(in); ok && len(in) > 0 {
		if _, ok := digits(out); ok && len(out) > 0 {
			cols[accIn], cols[accOut] = in, out
		}
	}
	return rest, true
}

// tailItem cuts off a field behind those of the combined format: a text in
// quotes or brackets, or up to the next blank that no comma or colon is before,
// for NGINX lists what several upstreams did with ", " and " : " between. "-" is
// nothing.
func tailItem(b []byte) (item, rest []byte) {
	if len(b) == 0 {
		return nil, nil
	}
	switch b[0] {
	case '"':
		return quoted(b)
	case '[':
		if i := bytes.IndexByte(b, ']'); i > 0 {
			return dash(b[1:i]), bytes.TrimPrefix(b[i+1:], []byte(" "))
		}
	}
	end := 0
	for {
		i := bytes.IndexByte(b[end:], ' ')
		if i < 0 {
			return dash(b), nil
		}
		end += i
		switch after := b[end+1:]; {
		case end > 0 && b[end-1] == ',':
			end++
		case bytes.HasPrefix(after, []byte(": ")):
			end += len(" : ")
		default:
			return dash(b[:end]), after
		}
	}
}

// splitSSLRequest splits a line of Apache's ssl_request_log:
// [time] address protocol cipher "request" bytes.
func splitSSLRequest(line []byte, cols *[accN][]byte) bool {
	at, rest, ok := bytes.Cut(line[1:], []byte("] "))
	if !ok {
		return false
	}
	cols[accTime] = at
	for _, i := range [...]int{accHost, accProtocol, accCipher} {
		cols[i], rest = dashed(rest)
	}
	if len(at) == 0 || len(cols[accHost]) == 0 || len(rest) == 0 || rest[0] != '"' {
		return false
	}
	end := bytes.LastIndexByte(rest, '"')
	if end < 1 {
		return false
	}
	splitRequestLine(rest[1:end], cols)
	cols[accBody] = dash(bytes.TrimSpace(rest[end+1:]))
	return true
}

// cutTime finds the time: the first text in brackets that a quote follows.
func cutTime(line []byte, cols *[accN][]byte) (head, rest []byte, ok bool) {
	for from := 0; ; {
		i := bytes.Index(line[from:], []byte(" ["))
		if i < 0 {
			return nil, nil, false
		}
		i += from
		n := bytes.IndexByte(line[i:], ']')
		if n < 0 {
			return nil, nil, false
		}
		if after, ok := bytes.CutPrefix(line[i+n+1:], []byte(` "`)); ok && n > 2 {
			cols[accTime] = line[i+2 : i+n]
			return line[:i], after, true
		}
		from = i + n // brackets that open before the same ] fare no better
	}
}

// splitHead splits what stands before the time. A virtual host may come first,
// then addresses that were forwarded. The identity is what does not belong to
// the others: it may have blanks, as may the user after an identity that is "-".
func splitHead(head []byte, cols *[accN][]byte, forwarded string) bool {
	host, rest, ok := bytes.Cut(head, []byte(" "))
	if !ok || len(host) == 0 {
		return false
	}
	if word, after, ok := bytes.Cut(rest, []byte(" ")); ok && !isHop(host) && dash(host) != nil && host[0] != '"' && bytes.IndexByte(after, ' ') > 0 {
		cols[accVHost], head, host, rest = host, rest, word, after
	}
	if head[0] == '"' {
		cols[accXFF], head = quoted(head)
		if host, rest, ok = bytes.Cut(head, []byte(" ")); !ok {
			return false
		}
	}
	if forwarded == "first" && (dash(host) == nil || isHop(host)) || bytes.HasSuffix(host, []byte(",")) && isHop(host) {
		// The last of the addresses at the start is the client, if identity and
		// user are left; those before it were forwarded.
		at := 0
		for end := len(host); ; {
			word, after, more := bytes.Cut(head[end+1:], []byte(" "))
			if !more || !isHop(word) || bytes.IndexByte(after, ' ') < 0 {
				break
			}
			at, end = end+1, end+1+len(word)
		}
		if at > 0 {
			cols[accXFF] = dash(bytes.TrimSpace(head[:at]))
			host, rest, _ = bytes.Cut(head[at:], []byte(" "))
			host = bytes.TrimSuffix(host, []byte(","))
		}
	}
	if len(host) == 0 {
		return false
	}
	cols[accHost] = host
	ident, user := rest, []byte(nil)
	if after, ok := bytes.CutPrefix(rest, []byte("- ")); ok {
		ident, user = nil, after
	} else if i := bytes.LastIndexByte(rest, ' '); i >= 0 {
		ident, user = rest[:i], rest[i+1:]
	} else {
		return false
	}
	cols[accIdent], cols[accUser] = dash(ident), dash(user)
	return true
}

// isHop reports whether b is an address, perhaps with a comma behind.
func isHop(b []byte) bool {
	_, ok := parseAddr(bytes.TrimSuffix(b, []byte(",")))
	return ok
}

// requestEnd finds the quote that ends the request: blank and status follow.
func requestEnd(b []byte) int {
	for from := 0; ; {
		i := bytes.IndexByte(b[from:], '"')
		if i < 0 {
			return -1
		}
		i += from
		if len(b) >= i+5 && b[i+1] == ' ' && (len(b) == i+5 || b[i+5] == ' ') {
			if _, ok := digits(b[i+2 : i+5]); ok {
				return i
			}
		}
		from = i + 1
	}
}

// splitRequestLine splits METHOD path HTTP/version; what is none is kept whole.
func splitRequestLine(b []byte, cols *[accN][]byte) {
	if len(b) == 0 || len(b) == 1 && b[0] == '-' {
		return
	}
	if i, j := bytes.IndexByte(b, ' '), bytes.LastIndex(b, []byte(" HTTP/")); i > 0 && j >= i {
		if version := b[j+len(" HTTP/"):]; bytes.IndexByte(version, ' ') < 0 {
			cols[accMethod], cols[accVersion] = b[:i], version
			if j > i {
				cols[accPath] = b[i+1 : j]
			}
			return
		}
	}
	cols[accRequest] = b
}

// dashed cuts off a word; "-" is nothing.
func dashed(b []byte) (word, rest []byte) {
	word, rest, _ = bytes.Cut(b, []byte(" "))
	return dash(word), rest
}

func dash(b []byte) []byte {
	if len(b) == 1 && b[0] == '-' {
		return nil
	}
	return b
}

// quoted cuts off a text in quotes, which may have quotes in it that are
// escaped or that no blank follows; "-" is nothing.
func quoted(b []byte) (text, rest []byte) {
	if len(b) == 0 || b[0] != '"' {
		return nil, b
	}
	for i := 1; i < len(b); i++ {
		switch {
		case b[i] == '\\':
			i++
		case b[i] == '"' && i+1 == len(b):
			return dash(b[1:i]), nil
		case b[i] == '"' && b[i+1] == ' ':
			return dash(b[1:i]), b[i+2:]
		}
	}
	return dash(b[1:]), nil // cut off
}
