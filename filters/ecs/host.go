package ecs

import "bytes"

// hostSteps are the steps of linux-secure and linux-os-syslog.
var hostSteps = map[string]stepDef{
	"linux": {[]string{"proc", "syslog_message", "hostname"}, []string{"event.action", "event.category", "event.outcome", "event.module",
		"user.name", "source.ip", "source.port", "related.user", "related.ip", "related.hosts", "cloud.instance.id"}, stepLinux},
}

// linuxSlots are the slots of a line of syslog.
type linuxSlots struct {
	action, category, outcome, module, user, ip, port, relatedUser, relatedIP, hosts, instance int
}

// login is what a line of sshd or sudo tells.
type login struct {
	action, user, ip, port []byte
	outcome                string // "": none
}

// stepLinux reads what sshd and sudo say (OpenSSH auth.c, auth2.c, packet.c,
// session.c; pam_unix; sudo logging.c). Their lines, and those of su, belong to
// log-linux-secure. An instance's id in the log stream makes it the host.
func stepLinux(c *Converter, from []*source, slots []int) {
	s := linuxSlots{slots[0], slots[1], slots[2], slots[3], slots[4], slots[5], slots[6], slots[7], slots[8], slots[9], slots[10]}
	proc, message := c.readText(from[0]), c.readText(from[1])
	secure := true
	switch {
	case bytes.Contains(proc, []byte("sshd")):
		l := sshd(message)
		c.setString(s.module, "secure")
		c.setLogin(&s, &l)
		if len(l.action) > 0 {
			c.setOne(s.category, "authentication")
		}
	case bytes.Contains(proc, []byte("sudo")):
		l := sudo(message)
		c.setString(s.module, "secure")
		c.setLogin(&s, &l)
	default:
		secure = string(proc) == "su"
	}
	if secure {
		c.setIndex([]byte("log-linux-secure"))
	}
	if id := instanceIn(c.env.stream); id != nil {
		c.setText(s.instance, id)
		c.setList(s.hosts, [][]byte{id})
		if host := c.readText(from[2]); len(host) > 0 {
			c.addToList(s.hosts, host)
		}
	}
}

func (c *Converter) setLogin(s *linuxSlots, l *login) {
	if len(l.action) > 0 {
		c.setText(s.action, l.action)
		c.setString(s.outcome, l.outcome)
	}
	if len(l.user) > 0 {
		c.setText(s.user, l.user)
		c.addToList(s.relatedUser, l.user)
	}
	if a, ok := parseAddr(l.ip); ok {
		c.setText(s.ip, l.ip)
		c.slots[s.ip].ip = a
		c.setText(s.port, l.port)
		c.addToList(s.relatedIP, l.ip)
	}
}

// sshd reads a message of the OpenSSH daemon.
func sshd(message []byte) login {
	w := words{rest: message}
	first := w.next()
	switch string(first) {
	case "Accepted", "Failed":
		l := login{action: first, outcome: outcomeOf(first == nil || first[0] == 'A')}
		w.authentication(&l)
		return l
	case "Invalid", "Illegal":
		return invalidUser(message, 0)
	case "Received", "Disconnected":
		l := login{action: first}
		if first[0] == 'R' {
			if string(w.next()) != "disconnect" {
				break
			}
			l.action = message[:len("Received disconnect")]
		}
		if i := bytes.Index(message, []byte("invalid user ")); i >= 0 {
			return invalidUser(message, i)
		}
		w.peer(&l)
		return l
	case "error:":
		if string(w.next()) != "AuthorizedKeysCommand" {
			break
		}
		w.next()
		return login{action: message[:len("error")], user: w.next(), outcome: "failure"}
	case "Connection":
		verb := w.next()
		if string(verb) != "reset" && string(verb) != "closed" {
			break
		}
		if i := bytes.Index(message, []byte("invalid user ")); i >= 0 {
			return invalidUser(message, i)
		}
		l := login{action: message[:len("Connection ")+len(verb)]}
		if w.peer(&l); len(l.ip) == 0 {
			l.action = nil
		}
		return l
	case "reverse":
		if !bytes.HasPrefix(message, []byte("reverse mapping checking ")) {
			break
		}
		l := login{action: message[:len("reverse mapping checking")], outcome: "unknown"}
		if _, after, ok := bytes.Cut(message, []byte("[")); ok {
			l.ip, _, _ = bytes.Cut(after, []byte("]"))
		}
		return l
	}
	if l, ok := pamUnix(message); ok {
		return l
	}
	if i := bytes.Index(message, []byte("invalid user ")); i >= 0 {
		return invalidUser(message, i)
	}
	return login{}.anywhere(message)
}

// authentication reads "METHOD for [invalid user] NAME from ADDRESS port N".
func (w *words) authentication(l *login) {
	word := w.next()
	if after, ok := bytes.CutPrefix(w.rest, []byte("for ")); ok { // a method was named
		w.rest = after
		word = w.next()
	}
	if string(word) == "invalid" && bytes.HasPrefix(w.rest, []byte("user ")) {
		w.next()
		word = w.next()
	}
	l.user = word
	w.peer(l)
}

// invalidUser reads "invalid user NAME from ADDRESS port N" that begins at i.
func invalidUser(message []byte, i int) login {
	const n = len("invalid user")
	if len(message) < i+n+1 || message[i+n] != ' ' {
		return login{}.anywhere(message)
	}
	w := words{rest: message[i+n+1:]}
	l := login{action: message[i : i+n], outcome: "failure"}
	if l.user = w.next(); string(l.user) == "from" { // an empty name
		l.user = nil
		w.rest = message[i+n:]
	}
	w.peer(&l)
	return l
}

// pamUnix reads "pam_unix(service:session): session closed for user NAME" and
// "… session opened for user NAME by NAME(uid=0)", where the second, who did it,
// counts if it is there; and failures, whose fields are named.
func pamUnix(message []byte) (login, bool) {
	if !bytes.HasPrefix(message, []byte("pam_")) {
		return login{}, false
	}
	_, after, ok := bytes.Cut(message, []byte("): "))
	if !ok {
		return login{}, false
	}
	for _, action := range [...]string{"session closed", "session opened"} {
		rest, ok := bytes.CutPrefix(after, []byte(action+" for user "))
		if !ok {
			continue
		}
		l := login{action: after[:len(action)]}
		w := words{rest: rest}
		l.user, _, _ = bytes.Cut(w.next(), []byte("("))
		if action == "session opened" {
			l.outcome = "success"
			if by, ok := bytes.CutPrefix(w.rest, []byte("by ")); ok {
				if name, _, _ := bytes.Cut(by, []byte("(")); len(name) > 0 {
					l.user = name
				}
			}
		}
		return l, true
	}
	if failure := []byte("authentication failure"); bytes.HasPrefix(after, failure) {
		l := login{action: after[:len(failure)], outcome: "failure"}
		l.ip = valueOf(after, " rhost=")
		if l.user = valueOf(after, " user="); len(l.user) == 0 {
			l.user = valueOf(after, " logname=")
		}
		return l, true
	}
	return login{}, false
}

// valueOf is the word that follows name.
func valueOf(b []byte, name string) []byte {
	_, after, _ := bytes.Cut(b, []byte(name))
	value, _, _ := bytes.Cut(after, []byte(" "))
	return value
}

// sudo reads "NAME : TTY=… ; PWD=… ; USER=… ; COMMAND=…". What stands between
// the colon and TTY is why the command was not run.
func sudo(message []byte) login {
	if l, ok := pamUnix(message); ok {
		if string(l.action) == "session closed" {
			l.outcome = "success"
		}
		return l
	}
	name, rest, ok := bytes.Cut(message, []byte(" : "))
	if !ok {
		return login{}
	}
	_, command, ok := bytes.Cut(rest, []byte("COMMAND="))
	if !ok {
		return login{}
	}
	return login{action: command, user: bytes.TrimSpace(name), outcome: outcomeOf(bytes.HasPrefix(rest, []byte("TTY=")) || bytes.HasPrefix(rest, []byte("PWD=")))}
}

func outcomeOf(ok bool) string {
	if ok {
		return "success"
	}
	return "failure"
}

// words walks a text word by word.
type words struct{ rest []byte }

func (w *words) next() []byte {
	word, rest, _ := bytes.Cut(w.rest, []byte(" "))
	w.rest = rest
	return word
}

// peer finds the address, and the port behind it, in what is left: the first
// word that is an address, with a colon behind it or not. A word before it that
// follows "user" is the user.
func (w *words) peer(l *login) {
	for len(w.rest) > 0 {
		word := w.next()
		if string(word) == "user" && l.user == nil {
			l.user = w.next()
			continue
		}
		ip := bytes.TrimRight(word, ":,")
		if _, ok := parseAddr(ip); !ok {
			continue
		}
		l.ip = ip
		if string(w.next()) == "port" {
			n := 0
			for n < len(w.rest) && w.rest[n] >= '0' && w.rest[n] <= '9' {
				n++
			}
			if n == len(w.rest) || w.rest[n] != '.' { // "Server listening on 0.0.0.0 port 22."
				l.port = w.rest[:n]
			}
		}
		return
	}
}

// anywhere completes a message of no known form with an address in it.
func (l login) anywhere(message []byte) login {
	w := words{rest: message}
	w.peer(&l)
	l.user = nil
	return l
}

// instanceIn finds the id of an EC2 instance in a text, such as a log stream:
// i- and 8 or 17 small letters or digits, between other characters or the ends.
func instanceIn(b []byte) []byte {
	for i := 0; i+10 <= len(b); i++ {
		if b[i] != 'i' || b[i+1] != '-' || i > 0 && isWord(b[i-1]) {
			continue
		}
		n := i + 2
		for n < len(b) && (b[n] >= '0' && b[n] <= '9' || b[n] >= 'a' && b[n] <= 'z') {
			n++
		}
		if size := n - i - 2; (size == 8 || size == 17) && (n == len(b) || !isWord(b[n])) {
			return b[i:n]
		}
	}
	return nil
}

// isWord reports whether b is a letter or a digit.
func isWord(b byte) bool {
	return b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z'
}
