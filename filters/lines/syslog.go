package lines

import (
	"bytes"
	"errors"
	"net/netip"
	"unsafe"
)

// ErrSyslog is the error of a line without the head of a syslog message.
var ErrSyslog = errors.New("no syslog message: it begins with neither a priority nor a time")

// The fields of a syslog message. Facility and severity are names and numbers
// (RFC 5424, section 6.2.1), known where the message has its priority.
var (
	sysPriority     = []byte("syslog_priority")
	sysFacility     = []byte("syslog_facility")
	sysFacilityCode = []byte("syslog_facility_code")
	sysSeverity     = []byte("syslog_severity")
	sysSeverityCode = []byte("syslog_severity_code")
	sysTimestamp    = []byte("syslog_timestamp")
	sysHostname     = []byte("syslog_hostname")
	sysProgram      = []byte("syslog_program")
	sysPID          = []byte("syslog_pid")
	sysMsgID        = []byte("syslog_msgid")
)

var (
	facilities = words("kern user mail daemon auth syslog lpr news uucp cron authpriv ftp ntp audit alert clock local0 local1 local2 local3 local4 local5 local6 local7")
	severities = words("emerg alert crit err warning notice info debug")
	numbers    = words("0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23")
)

func words(s string) [][]byte { return bytes.Split([]byte(s), []byte(" ")) }

// Syslog takes the head of a syslog message apart and returns the message. Which
// of the two forms it has, each line says itself:
//
//	<34>1 2003-10-11T22:14:15.003Z host program pid msgid [id@1 name="value"] message   (RFC 5424)
//	<34>Oct 11 22:14:15 host program[pid]: message                                      (RFC 3164)
//
// Of RFC 3164, which describes what was found in the wild, more is understood:
// no priority, as in files; times with a year, fractions or of ISO 8601; no
// host; no program, as before CEF and LEEF; sequence numbers and marks before
// the time, and a zone behind it (Cisco IOS). Octet counts (RFC 6587) are left
// aside. On an error, no field was added.
func (r *Row) Syslog(line []byte) (message []byte, err error) {
	b := skipCount(line)
	priority, after, ok := cutPriority(b)
	if ok {
		b = after
		if len(b) > 2 && b[0] >= '1' && b[0] <= '9' && b[1] == ' ' {
			if message, ok := r.newer(priority, b[2:]); ok {
				return message, nil
			}
		}
	}
	stamp, rest := cutStamp(b)
	if stamp == nil && !ok {
		return nil, ErrSyslog
	}
	r.priority(priority)
	if stamp == nil { // section 4.3.3: all of it is the message
		return r.program(trimLeft(rest)), nil
	}
	r.add(sysTimestamp, stamp)
	return r.older(rest), nil
}

// skipCount skips the length that a message has before it in a stream.
func skipCount(b []byte) []byte {
	for i, c := range b {
		switch {
		case c >= '0' && c <= '9' && i < 8:
		case c == ' ' && i > 0 && i+1 < len(b) && b[i+1] == '<':
			return b[i+1:]
		default:
			return b
		}
	}
	return b
}

// cutPriority cuts <PRI> off: facility × 8 + severity, at most 191.
func cutPriority(b []byte) (priority, after []byte, ok bool) {
	if len(b) == 0 || b[0] != '<' {
		return nil, b, false
	}
	n := 0
	for i := 1; i < len(b) && i < 5; i++ {
		switch c := b[i]; {
		case c >= '0' && c <= '9':
			n = n*10 + int(c-'0')
		case c == '>' && i > 1 && n < 192:
			return b[1:i], b[i+1:], true
		default:
			return nil, b, false
		}
	}
	return nil, b, false
}

func (r *Row) priority(digits []byte) {
	if len(digits) == 0 {
		return
	}
	n := 0
	for _, c := range digits {
		n = n*10 + int(c-'0')
	}
	r.add(sysPriority, digits)
	r.add(sysFacility, facilities[n>>3])
	r.add(sysFacilityCode, numbers[n>>3])
	r.add(sysSeverity, severities[n&7])
	r.add(sysSeverityCode, numbers[n&7])
}

// newer reads what follows the version of RFC 5424; "-" is nothing.
func (r *Row) newer(priority, b []byte) (message []byte, ok bool) {
	var head [5][]byte // time, host, program, process, kind of message
	for i := range head {
		if head[i], b, ok = bytes.Cut(b, []byte(" ")); !ok && i < len(head)-1 {
			return nil, false
		}
	}
	if len(head[0]) == 0 || head[0][0] != '-' && (head[0][0] < '0' || head[0][0] > '9') {
		return nil, false
	}
	r.priority(priority)
	for i, name := range [...][]byte{sysTimestamp, sysHostname, sysProgram, sysPID, sysMsgID} {
		if len(head[i]) != 1 || head[i][0] != '-' {
			r.add(name, unbracket(head[i]))
		}
	}
	b = r.structured(b)
	return bytes.TrimPrefix(bytes.TrimPrefix(b, []byte(" ")), []byte("\xef\xbb\xbf")), true
}

const datumEscapes = "\"\"\\\\]]"

// structured reads structured data, and returns what follows: elements in
// brackets without a blank between them, or "-". What is no element begins the
// message.
func (r *Row) structured(b []byte) []byte {
	if len(b) > 0 && b[0] == '-' && (len(b) == 1 || b[1] == ' ') {
		return b[1:]
	}
	for len(b) > 1 && b[0] == '[' {
		n := len(r.Data)
		after, ok := r.element(b[1:])
		if !ok {
			r.Data = r.Data[:n]
			break
		}
		b = after
	}
	return b
}

// element reads an element from its id to its closing bracket.
func (r *Row) element(b []byte) (after []byte, ok bool) {
	id := b
	for i, c := range b {
		if c == ' ' || c == ']' {
			id = b[:i]
			break
		}
		if c == '=' || c == '"' || c < ' ' {
			return nil, false
		}
	}
	if len(id) == 0 {
		return nil, false
	}
	for b = b[len(id):]; len(b) > 0; {
		if b[0] == ']' {
			return b[1:], true
		}
		if b[0] == ' ' {
			b = b[1:]
			continue
		}
		name, rest, found := bytes.Cut(b, []byte(`="`))
		if !found || len(name) == 0 || bytes.ContainsAny(name, ` "]=`) {
			return nil, false
		}
		end := 0
		for end < len(rest) && rest[end] != '"' {
			if rest[end] == '\\' {
				end++
			}
			end++
		}
		if end >= len(rest) {
			return nil, false
		}
		switch {
		case len(r.Fields)+len(r.Data) >= MaxFields:
			r.Cut = true
		case end > 0 && isLabel(id) && isLabel(name):
			r.Data = append(r.Data, Datum{id, name, r.unescape(rest[:end], datumEscapes)})
		}
		b = rest[end+1:]
	}
	return nil, false
}

// cutStamp cuts the time off; nil: there is none.
func cutStamp(b []byte) (stamp, rest []byte) {
	at := 0
	for at < len(b) && at < 12 && b[at] >= '0' && b[at] <= '9' { // "123: " of Cisco IOS
		at++
	}
	if at > 0 && at+1 < len(b) && b[at] == ':' && b[at+1] == ' ' {
		b = b[at+2:]
	}
	if len(b) > 0 && (b[0] == '*' || b[0] == '.') { // the clock is not set, or not synchronised
		b = b[1:]
	}
	n := stampLen(b)
	if n == 0 {
		return nil, b
	}
	return b[:n], b[n:]
}

// stampLen is how long a time at the start of b is: Jan  2 15:04:05, perhaps with
// a year before the clock and a fraction behind it, or one of ISO 8601.
func stampLen(b []byte) int {
	if len(b) >= 19 && b[4] == '-' && b[7] == '-' && b[10]|0x20 == 't' && b[13] == ':' && b[0] >= '0' && b[0] <= '9' {
		if i := bytes.IndexByte(b, ' '); i > 0 {
			return len(bytes.TrimSuffix(b[:i], []byte(":")))
		}
		return len(b)
	}
	if len(b) < 14 || !isLetter(b[0]) || b[3] != ' ' || bytes.Index([]byte("JanFebMarAprMayJunJulAugSepOctNovDec"), b[:3])%3 != 0 {
		return 0
	}
	i := 4
	if b[i] == ' ' {
		i++
	}
	digits := func() int {
		from := i
		for i < len(b) && b[i] >= '0' && b[i] <= '9' {
			i++
		}
		return i - from
	}
	if n := digits(); n < 1 || n > 2 || i >= len(b) || b[i] != ' ' {
		return 0
	}
	i++
	n := digits()
	if n == 4 && i < len(b) && b[i] == ' ' {
		i++
		n = digits()
	}
	for range 2 {
		if n != 2 || i >= len(b) || b[i] != ':' {
			return 0
		}
		i++
		n = digits()
	}
	if n != 2 {
		return 0
	}
	if i+1 < len(b) && (b[i] == '.' || b[i] == ',') && b[i+1] >= '0' && b[i+1] <= '9' {
		i++
		digits()
	}
	return i
}

// older reads what follows the time of RFC 3164: host, program[pid]: message.
func (r *Row) older(b []byte) []byte {
	if zone := b; len(zone) > 5 && zone[0] == ' ' { // " UTC:" of Cisco IOS: no host
		i := 1
		for i < len(zone) && zone[i] >= 'A' && zone[i] <= 'Z' {
			i++
		}
		if i >= 4 && i < 7 && i < len(zone) && zone[i] == ':' && zone[i-1] != ' ' {
			b = zone[i:]
		}
	}
	if len(b) > 0 && b[0] == ':' {
		return r.program(trimLeft(b[1:]))
	}
	b = trimLeft(b)
	word, rest, more := bytes.Cut(b, []byte(" "))
	if !more || len(word) == 0 || !isHost(word) {
		return r.program(b)
	}
	r.add(sysHostname, unbracket(word))
	return r.program(trimLeft(rest))
}

// isHost tells a host from a program with a colon or [pid] behind it, and from a
// message without either.
func isHost(word []byte) bool {
	for i, c := range word {
		switch {
		case c == '[' && i > 0, c == '=' || c == '{' || c == '"' || c == '|' || c == '(' || c < ' ':
			return false
		}
	}
	if word[len(word)-1] == ':' {
		return isAddress(word)
	}
	return !bytes.HasPrefix(word, []byte("CEF:")) && !bytes.HasPrefix(word, []byte("LEEF:"))
}

func isAddress(b []byte) bool {
	_, err := netip.ParseAddr(unsafe.String(unsafe.SliceData(b), len(b)))
	return err == nil
}

// program reads program[pid]: and returns the message.
func (r *Row) program(b []byte) []byte {
	n := 0
	for n < len(b) && programByte[b[n]] {
		n++
	}
	if n == 0 || n > 128 || n == len(b) {
		return b
	}
	name, rest := b[:n], b[n:]
	var pid []byte
	if rest[0] == '[' {
		i := bytes.IndexByte(rest, ']')
		if i < 0 || i > 64 || i+1 < len(rest) && rest[i+1] != ':' && rest[i+1] != ' ' || bytes.IndexByte(rest[:i], ' ') >= 0 {
			return b
		}
		pid, rest = rest[1:i], rest[i+1:]
	} else if rest[0] != ':' || string(name) == "CEF" || string(name) == "LEEF" {
		return b
	}
	r.add(sysProgram, name)
	r.add(sysPID, pid)
	return trimLeft(bytes.TrimPrefix(rest, []byte(":")))
}

var programByte = func() (t [256]bool) {
	for c := range t {
		t[c] = c > ' ' && c < 0x7f
	}
	for _, c := range `:[]="'{}<>|,;` {
		t[c] = false
	}
	return t
}()

func trimLeft(b []byte) []byte { return bytes.TrimLeft(b, " ") }

func unbracket(b []byte) []byte {
	if n := len(b); n > 2 && b[0] == '[' && b[n-1] == ']' {
		return b[1 : n-1]
	}
	return b
}
