package ecs

import (
	"bytes"
	"net/netip"
	"strconv"

	"github.com/valyala/fastjson"
)

// auditSteps are the steps of the Linux audit system's logs.
var auditSteps = map[string]stepDef{
	"auditd": {[]string{"record_type", "sequence", "time", "data"}, auditSlots(), stepAuditd},
}

// The slots of an audit record that are more than the value of one key; those
// of auditFields follow.
const (
	auditLog = iota
	auditAction
	auditCategory
	auditType
	auditOutcome
	auditEventID
	auditSequence
	auditArgs
	auditCommand
	auditTags
	auditSourceIP
	auditRelatedIP
	auditRelatedUser
	auditTargetUser
	auditTargetGroup
	auditNetwork
	auditFirstField
)

func auditSlots() []string {
	paths := []string{"auditd.log", "event.action", "event.category", "event.type", "event.outcome", "event.id", "event.sequence",
		"process.args", "process.command_line", "tags", "source.ip", "related.ip", "related.user", "user.target.id", "group.id", "network.type"}
	for _, f := range auditFields {
		paths = append(paths, f.path)
	}
	return paths
}

// audit is the record in hand.
type audit struct {
	c        *Converter
	slots    []int
	log      *fastjson.Value // auditd.log
	record   []byte          // the record's type
	syscall  []byte
	policy   string // what an AVC violated
	named    bool   // it names an account beside the ids of the process
	enriched bool   // behind the separator of enriched fields
	n        int    // fields set
}

// maxAuditFields is how many keys of one record become fields; the kernel's
// records have some thirty.
const maxAuditFields = 128

// stepAuditd reads a record of the Linux audit system, keys and values by the
// rules of auditd's own tools. Actions, categories and types are those that
// Elastic gives the types of records, outcomes what the record says. All records
// of one event have the same event.id. Where a record names an account (acct),
// that is the user, and the process's user id is the effective one.
func stepAuditd(c *Converter, from []*source, slots []int) {
	a := audit{c: c, slots: slots, log: c.arena.NewObject(), record: c.readText(from[0])}
	a.log.Set("record_type", c.newText(a.record))
	if sequence := c.readText(from[1]); len(sequence) > 0 { // without it, auditd could not read what the kernel sent
		c.setText(slots[auditSequence], sequence)
		c.setText(slots[auditEventID], c.join(c.readText(from[2]), []byte(":"), sequence))
		a.log.Set("sequence", c.arena.NewNumberString(unsafeString(sequence)))
	}
	a.read(c.readText(from[3]), 0)
	a.finish()
	c.slots[slots[auditLog]] = value{kind: jsonValue, json: a.log}
}

// read reads keys and values. Of what stands between them only the words old and
// new before a key say something, and the result and permissions of an AVC.
func (a *audit) read(b []byte, depth int) {
	prefix := ""
	for len(b) > 0 && a.n < maxAuditFields {
		switch b[0] {
		case 0x1d:
			a.enriched = true
			b = b[1:]
			continue
		case ' ', '(', ',':
			b = b[1:]
			continue
		}
		n := 0
		for n < len(b) && auditKeyChar(b[n]) {
			n++
		}
		if n == 0 || n == len(b) || b[n] != '=' {
			word, rest := auditWord(b)
			switch string(word) {
			case "old", "new":
				prefix = string(word) + "_"
			case "denied":
				a.policy = "violated-selinux-policy"
				a.put("result", word)
			case "granted":
				a.put("result", word)
			case "{":
				if i := bytes.IndexByte(rest, '}'); i >= 0 {
					a.put("permissions", bytes.TrimSpace(rest[:i]))
					rest = rest[i+1:]
				}
			}
			b = rest
			continue
		}
		key := b[:n]
		v, rest, quoted := auditValue(b[n+1:], string(key) == "op")
		b = rest
		for _, p := range [...]string{"old-", "new-"} {
			if k, ok := bytes.CutPrefix(key, []byte(p)); ok {
				key, prefix = k, p[:3]+"_"
			}
		}
		switch {
		case string(key) == "msg" && depth == 0:
			a.read(v, depth+1)
		case prefix == "new_" && string(key) == "auid":
			a.field(key, v, true)
			fallthrough
		case prefix != "":
			a.put(prefix+string(key), v)
		default:
			a.field(key, v, quoted)
		}
		prefix = ""
	}
}

func auditKeyChar(ch byte) bool {
	return isWord(ch) || ch == '_' || ch == '-' || ch == '[' || ch == ']'
}

// auditWord cuts a word off.
func auditWord(b []byte) (word, rest []byte) {
	for i, ch := range b {
		if ch == ' ' || ch == 0x1d {
			return b[:i], b[i:]
		}
	}
	return b, nil
}

// auditValue cuts a value off: what is within quotes of either kind, else a word;
// or, if words are asked for, all of them up to the next key.
func auditValue(b []byte, words bool) (v, rest []byte, quoted bool) {
	if len(b) > 0 && b[0] == '"' {
		if i := bytes.IndexByte(b[1:], '"'); i >= 0 {
			return b[1 : 1+i], b[2+i:], true
		}
	}
	if len(b) > 0 && b[0] == '\'' { // what a program said, up to the end of the record or of what the kernel wrote
		end := len(b)
		if i := bytes.IndexByte(b, 0x1d); i >= 0 {
			end = i
		}
		if i := bytes.LastIndexByte(b[1:end], '\''); i >= 0 {
			return b[1 : 1+i], b[2+i:], true
		}
		return b[1:end], b[end:], true
	}
	v, rest = auditWord(b)
	for words && len(rest) > 1 && rest[0] == ' ' {
		word, after := auditWord(rest[1:])
		if len(word) == 0 || bytes.IndexByte(word, '=') >= 0 {
			break
		}
		v, rest = b[:len(b)-len(after)], after
	}
	if bytes.IndexByte(v, '(') < 0 {
		v = bytes.TrimRight(v, "),")
	}
	return v, rest, false
}

// auditNothing reports whether a value says that there is none; an id of
// 4294967295, which is -1, is one that was never set.
func auditNothing(v []byte) bool {
	switch string(v) {
	case "", "?", "(null)", "(none)", "4294967295", "unset":
		return true
	}
	return false
}

// field puts a value where it belongs. Behind the separator of enriched fields
// only the names of ids, the system call's and the architecture's say more.
func (a *audit) field(key, v []byte, quoted bool) {
	if auditNothing(v) {
		return
	}
	c := a.c
	argument := string(a.record) == "EXECVE" && len(key) > 1 && key[0] == 'a' && key[1] >= '0' && key[1] <= '9'
	if !quoted && (argument || auditEncoded[unsafeString(key)]) {
		v = c.auditDecoded(v)
	}
	switch {
	case argument:
		a.argument(key, v)
		return
	case auditIDs[unsafeString(key)]:
		if _, ok := digits(v); !ok { // ausearch --interpret
			key = bytes.ToUpper(key)
		}
	}
	switch string(key) {
	case "res", "result":
		a.outcome(v)
		return
	case "success":
		a.outcome(v)
	case "arch", "ARCH":
		if name := auditArchs[unsafeString(v)]; name != nil {
			v = name
		}
		a.set(auditSlotOf["arch"], v)
		return
	case "syscall", "SYSCALL":
		a.syscall = v
		return
	case "acct", "user":
		a.named = true
		c.addToList(a.slots[auditRelatedUser], v)
	case "UID":
		if c.addToList(a.slots[auditRelatedUser], v); a.named {
			key = []byte("EUID")
		}
	case "AUID":
		c.addToList(a.slots[auditRelatedUser], v)
	case "auid":
		if string(a.record) == "LOGIN" { // who logs in
			a.set(auditSlotOf["uid"], v)
		}
	case "uid":
		if string(a.record) == "LOGIN" { // the process that lets in
			key = []byte("euid")
		}
	case "id":
		slot := auditTargetUser
		if bytes.Contains(a.record, []byte("GR")) {
			slot = auditTargetGroup
		}
		c.setText(a.slots[slot], v)
		return
	case "cmd":
		c.setText(a.slots[auditCommand], v)
		return
	case "proctitle":
		v = c.spaced(v)
		c.setText(a.slots[auditCommand], v)
	case "key":
		for one, rest, more := bytes.Cut(v, []byte{1}); ; one, rest, more = bytes.Cut(rest, []byte{1}) {
			if c.addToList(a.slots[auditTags], one); !more {
				return
			}
		}
	case "saddr":
		a.socket(v)
		return
	case "addr", "src", "dst", "laddr":
		if ip, ok := parseAddr(v); ok {
			c.addToList(a.slots[auditRelatedIP], v)
			if s := a.slots[auditSourceIP]; (key[0] == 'a' || key[0] == 's') && c.text(s) == nil {
				c.setText(s, v)
				c.slots[s].ip = ip
			}
		}
	case "apparmor":
		if bytes.Contains(v, []byte("DENIED")) {
			a.policy = "violated-apparmor-policy"
		}
	case "seresult":
		a.policy = "violated-selinux-policy"
	case "hostname":
		if _, ok := parseAddr(v); ok {
			return
		}
	}
	slot, ok := auditSlotOf[unsafeString(key)]
	if s, is := auditPathSlotOf[unsafeString(key)]; is && string(a.record) == "PATH" {
		slot, ok = s, true
	}
	switch {
	case ok:
		a.set(slot, v)
	case !a.enriched:
		a.put(unsafeString(key), v)
	}
}

// set sets one of the step's slots, unless it is set: what the kernel wrote
// comes before what a program said.
func (a *audit) set(slot int, v []byte) {
	if a.c.text(a.slots[slot]) == nil {
		a.c.setText(a.slots[slot], v)
		a.n++
	}
}

// put sets a field of auditd.log, unless it is set.
func (a *audit) put(key string, v []byte) {
	if !auditNothing(v) && a.log.Get(key) == nil {
		a.log.Set(key, a.c.newText(v))
		a.n++
	}
}

func (a *audit) outcome(v []byte) {
	switch string(v) {
	case "success", "yes", "1":
		a.c.setString(a.slots[auditOutcome], "success")
	case "failed", "fail", "no", "0":
		a.c.setString(a.slots[auditOutcome], "failure")
	}
}

// argument adds an argument of a program, a0 and so on. A long one is cut:
// a1_len=9000 a1[0]=… a1[1]=….
func (a *audit) argument(key, v []byte) {
	s := &a.c.slots[a.slots[auditArgs]]
	if s.kind != list {
		s.kind, s.list = list, s.list[:0]
	}
	i := bytes.IndexByte(key, '[')
	switch {
	case bytes.HasSuffix(key, []byte("_len")):
	case i >= 0 && string(key[i:]) != "[0]" && len(s.list) > 0:
		last := len(s.list) - 1
		s.list[last] = a.c.join(s.list[last], v)
	default:
		s.list = append(s.list, v)
	}
}

// socket reads an address of a socket (struct sockaddr in hexadecimal), into the
// fields that enriched records have.
func (a *audit) socket(v []byte) {
	c := a.c
	b := c.auditHex(v)
	if len(b) < 2 {
		a.put("saddr", v)
		return
	}
	var ip netip.Addr
	switch family := int(b[0]) | int(b[1])<<8; {
	case family == 1: // AF_UNIX; an abstract name begins with NUL
		a.put("saddr_fam", []byte("local"))
		path := b[2:]
		if len(path) > 1 && path[0] == 0 {
			path[0] = '@'
		}
		path, _, _ = bytes.Cut(path, []byte{0})
		a.put("path", path)
		return
	case family == 2 && len(b) >= 8:
		a.put("saddr_fam", []byte("inet"))
		c.setString(a.slots[auditNetwork], "ipv4")
		ip = netip.AddrFrom4([4]byte(b[4:8]))
	case family == 10 && len(b) >= 24:
		a.put("saddr_fam", []byte("inet6"))
		c.setString(a.slots[auditNetwork], "ipv6")
		ip = netip.AddrFrom16([16]byte(b[8:24])).Unmap()
	default:
		a.put("saddr", v)
		return
	}
	start := len(c.scratch)
	c.scratch = strconv.AppendInt(c.scratch, int64(b[2])<<8|int64(b[3]), 10)
	a.put("lport", c.made(start))
	start = len(c.scratch)
	c.scratch = ip.AppendTo(c.scratch)
	text := c.made(start)
	a.put("laddr", text)
	c.addToList(a.slots[auditRelatedIP], text)
}

// finish sets what the record as a whole says.
func (a *audit) finish() {
	c := a.c
	kind, ok := auditTypes[unsafeString(a.record)]
	if len(a.syscall) > 0 {
		a.log.Set("syscall", c.newText(a.syscall))
		if string(a.syscall) == "execve" || string(a.syscall) == "execveat" || auditExec[string(c.text(a.slots[auditSlotOf["arch"]]))+" "+string(a.syscall)] {
			kind = auditExecuted
		}
	}
	switch {
	case a.policy != "":
		c.setString(a.slots[auditAction], a.policy)
	case ok:
		c.setString(a.slots[auditAction], kind.action)
	default:
		c.setText(a.slots[auditAction], c.lower(a.record))
	}
	if kind.categories != nil {
		c.setList(a.slots[auditCategory], kind.categories)
		c.setList(a.slots[auditType], kind.types)
	}
	if id := a.slots[auditSlotOf["uid"]]; a.named && c.text(id) != nil && string(a.record) != "LOGIN" {
		a.set(auditSlotOf["euid"], c.text(id))
		c.clear(id)
	}
	if args := &c.slots[a.slots[auditArgs]]; args.kind == list && len(args.list) > 0 {
		start := len(c.scratch)
		for i, arg := range args.list {
			if i > 0 {
				c.scratch = append(c.scratch, ' ')
			}
			c.scratch = append(c.scratch, arg...)
		}
		c.setText(a.slots[auditCommand], c.made(start))
		if program := args.list[0]; len(program) > 0 && program[0] == '/' {
			a.set(auditSlotOf["exe"], program)
		}
	}
}

// auditDecoded is a value that may be written in hexadecimal, decoded if it is.
func (c *Converter) auditDecoded(v []byte) []byte {
	if b := c.auditHex(v); b != nil {
		return b
	}
	return v
}

// auditHex decodes hexadecimal digits, capitals as the kernel writes them; nil
// if there are others.
func (c *Converter) auditHex(v []byte) []byte {
	if len(v) == 0 || len(v)%2 != 0 {
		return nil
	}
	start := len(c.scratch)
	for i := 0; i < len(v); i += 2 {
		high, low := auditDigit(v[i]), auditDigit(v[i+1])
		if high < 0 || low < 0 {
			c.scratch = c.scratch[:start]
			return nil
		}
		c.scratch = append(c.scratch, byte(high<<4|low))
	}
	return c.made(start)
}

func auditDigit(ch byte) int {
	switch {
	case ch >= '0' && ch <= '9':
		return int(ch - '0')
	case ch >= 'A' && ch <= 'F':
		return int(ch-'A') + 10
	}
	return -1
}

// spaced is a title with blanks in place of the NULs between its words.
func (c *Converter) spaced(v []byte) []byte {
	v = bytes.TrimRight(v, "\x00")
	if bytes.IndexByte(v, 0) < 0 {
		return v
	}
	v = c.join(v)
	for i, ch := range v {
		if ch == 0 {
			v[i] = ' '
		}
	}
	return v
}
