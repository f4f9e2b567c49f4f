package ecs

import (
	"bytes"
	"strconv"
	"unicode/utf8"

	"github.com/fluent-siem/fluent-siem/internal/event"
)

// databaseSteps are the steps of RDS and CloudHSM.
var databaseSteps = map[string]stepDef{
	"rds-postgresql": {[]string{"log_level", "message", "state_code", "statement"}, []string{"rds.cluster_identifier", "rds.instance_identifier",
		"event.category", "event.type", "event.action", "event.outcome",
		"rds.query", "rds.query_time", "postgresql.session_time_seconds", "postgresql.duration_ms", "postgresql.query_step", "error.code"}, stepPostgreSQL},
	"rds-mysql-general": {nil, []string{"rds.cluster_identifier", "rds.instance_identifier"}, func(c *Converter, _ []*source, slots []int) { c.setDatabase(slots) }},
	"rds-mysql-audit": {[]string{"timestamp", "object", "operation", "retcode"}, []string{"rds.cluster_identifier", "rds.instance_identifier",
		"event.category", "event.type", "event.action", "event.outcome", "rds.query", "mysql.timestamp"}, stepMySQLAudit},
	"rds-mysql-error": {[]string{"message"}, []string{"rds.cluster_identifier", "rds.instance_identifier",
		"event.category", "event.type", "event.action", "event.outcome",
		"user.name", "source.address", "source.ip", "mysql.username", "mysql.host", "rds.database_name", "mysql.database"}, stepMySQLError},
	"rds-mysql-slowquery": {[]string{"query"}, []string{"rds.cluster_identifier", "rds.instance_identifier", "rds.query", "rds.database_name"}, stepMySQLSlow},
	"cloudhsm": {[]string{"opcode_v2", "opcode", "hsm_return", "sequence_no", "reboot_counter", "timestamp_usec",
		"user_name", "user_type", "target_user_name", "target_user_type", "target_user_id"},
		[]string{"cloudhsm.cluster_id", "cloudhsm.hsm_id", "cloudhsm.sequence_no", "cloudhsm.reboot_counter", "cloud.instance.id", "related.hosts",
			"user.name", "user.roles", "user.target.name", "user.target.roles", "user.target.id", "event.outcome"}, stepCloudHSM},
}

// setDatabase finds cluster and instance in the names of log group,
// /aws/rds/instance/NAME/… or /aws/rds/cluster/NAME/…, and log stream ("Publishing
// database logs to Amazon CloudWatch Logs", RDS user guide).
func (c *Converter) setDatabase(slots []int) {
	cluster, instance := slots[0], slots[1]
	kind, rest := groupParts(c.env.group)
	name, _, _ := bytes.Cut(rest, []byte("/"))
	switch string(kind) {
	case "instance":
		c.setText(instance, name)
	case "cluster":
		c.setText(cluster, name)
		name, _, _ := bytes.Cut(c.env.stream, []byte("."))
		c.setText(instance, name)
	}
}

// groupParts is the third part of a log group's name, and what follows.
func groupParts(group []byte) (third, rest []byte) {
	rest = group
	for range 4 {
		third, rest, _ = bytes.Cut(rest, []byte("/"))
	}
	return third, rest
}

// authentication marks a document as an event of a login.
func (c *Converter) authentication(slots []int, kind, action, outcome string) {
	c.setOne(slots[0], "authentication")
	c.setOne(slots[1], kind)
	c.setString(slots[2], action)
	c.setString(slots[3], outcome)
}

// stepPostgreSQL reads the messages of PostgreSQL about logins, sessions and
// statements ("Error reporting and logging", PostgreSQL documentation):
//
//	disconnection: session time: H:MM:SS.sss …
//	statement: QUERY
//	duration: N ms
//	duration: N ms  statement|parse|bind|execute [name]: QUERY
//
// In CSV and JSON the statement that failed stands beside its error, whose code is
// SQLSTATE: classes 00 to 02 are no errors ("PostgreSQL Error Codes").
func stepPostgreSQL(c *Converter, from []*source, slots []int) {
	c.setDatabase(slots)
	query, queryTime, session, duration, step := slots[6], slots[7], slots[8], slots[9], slots[10]
	message := c.readText(from[1])
	if code := c.readText(from[2]); len(code) == 5 && code[0] == '0' && code[1] <= '2' {
		c.clear(slots[11])
	}
	if text := c.readText(from[3]); len(text) > 0 {
		c.setText(query, statement(text))
	}
	switch string(c.readText(from[0])) {
	case "STATEMENT":
		c.setText(query, message)
		return
	case "FATAL":
		if bytes.Contains(message, []byte("authentication failed")) {
			c.authentication(slots[2:], "start", "failed", "failure")
		}
		return
	case "LOG":
	default:
		return
	}
	if bytes.Contains(message, []byte("connection authorized")) {
		c.authentication(slots[2:], "start", "authorized", "success")
		return
	}
	if text, ok := bytes.CutPrefix(message, []byte("disconnection: session time: ")); ok {
		text, _, _ = bytes.Cut(text, []byte(" "))
		if seconds, ok := clockSeconds(text); ok {
			c.setFloat(session, seconds)
		}
		return
	}
	if text, ok := bytes.CutPrefix(message, []byte("statement: ")); ok {
		c.setText(query, statement(text))
		c.setString(step, "execute")
		return
	}
	text, ok := bytes.CutPrefix(message, []byte("duration: "))
	if !ok {
		return
	}
	number, text, _ := bytes.Cut(text, []byte(" ms"))
	ms, err := strconv.ParseFloat(unsafeString(number), 64)
	if err != nil {
		return
	}
	c.setNumberText(duration, number)
	c.setFloat(queryTime, ms/1000)
	c.setString(step, "execute")
	what, text, ok := bytes.Cut(bytes.TrimLeft(text, " "), []byte(":"))
	if !ok {
		return
	}
	word, _, _ := bytes.Cut(what, []byte(" "))
	switch string(word) {
	case "parse", "bind", "execute":
		c.setText(step, word)
	case "statement":
	default:
		return
	}
	c.setText(query, statement(bytes.TrimLeft(text, " ")))
}

// clockSeconds reads H:MM:SS.sss.
func clockSeconds(b []byte) (float64, bool) {
	h, rest, ok1 := bytes.Cut(b, []byte(":"))
	m, s, ok2 := bytes.Cut(rest, []byte(":"))
	hours, ok3 := digits(h)
	minutes, ok4 := digits(m)
	seconds, err := strconv.ParseFloat(unsafeString(s), 64)
	return float64(hours*3600+minutes*60) + seconds, ok1 && ok2 && ok3 && ok4 && err == nil
}

// statement is a statement without the semicolon at its end.
func statement(b []byte) []byte {
	return bytes.TrimSuffix(bytes.TrimSpace(b), []byte(";"))
}

// setFloat sets a slot to a number.
func (c *Converter) setFloat(slot int, f float64) {
	start := len(c.scratch)
	c.scratch = strconv.AppendFloat(c.scratch, f, 'f', -1, 64)
	c.setNumberText(slot, c.made(start))
}

// stepMySQLAudit reads a record of the audit plugin ("MariaDB Audit Plugin
// support", RDS user guide; "Using advanced auditing", Aurora user guide): the
// statement stands in quotes with escapes, the return code tells the outcome, and
// the time of Aurora is microseconds.
func stepMySQLAudit(c *Converter, from []*source, slots []int) {
	c.setDatabase(slots)
	outcome, query, timestamp := slots[5], slots[6], slots[7]
	at := c.readText(from[0])
	if _, ok := digits(at); ok && len(at) == 16 {
		at = c.join(at[:10], []byte("."), at[10:])
		c.setNumberText(timestamp, at)
	} else {
		c.setText(timestamp, at)
	}
	if object := c.readText(from[1]); len(object) > 0 {
		object = bytes.TrimRight(object, ";")
		if n := len(object); n >= 2 && object[0] == '\'' && object[n-1] == '\'' {
			object = object[1 : n-1]
		}
		c.setText(query, c.unescaped(object))
	}
	result := "failure"
	if string(c.readText(from[3])) == "0" {
		result = "success"
	}
	switch string(c.readText(from[2])) {
	case "FAILED_CONNECT":
		c.authentication(slots[2:], "start", "failed", result)
	case "CONNECT":
		c.authentication(slots[2:], "start", "authorized", result)
	case "DISCONNECT":
		c.authentication(slots[2:], "end", "disconnected", result)
	default:
		c.setString(outcome, result)
	}
}

// unescaped undoes the backslashes of MySQL's audit log.
func (c *Converter) unescaped(b []byte) []byte {
	if bytes.IndexByte(b, '\\') < 0 {
		return b
	}
	start := len(c.scratch)
	for i := 0; i < len(b); i++ {
		if b[i] != '\\' || i+1 == len(b) {
			c.scratch = append(c.scratch, b[i])
			continue
		}
		i++
		switch b[i] {
		case 'n':
			c.scratch = append(c.scratch, '\n')
		case 'r':
			c.scratch = append(c.scratch, '\r')
		case 't':
			c.scratch = append(c.scratch, '\t')
		case '0':
			c.scratch = append(c.scratch, 0)
		case 'x', 'u':
			n := map[byte]int{'x': 2, 'u': 4}[b[i]]
			if i+n < len(b) {
				if r, err := strconv.ParseUint(unsafeString(b[i+1:i+1+n]), 16, 32); err == nil {
					c.scratch = utf8.AppendRune(c.scratch, rune(r))
					i += n
					continue
				}
			}
			c.scratch = append(c.scratch, '\\', b[i])
		case '\'', '"', '\\':
			c.scratch = append(c.scratch, b[i])
		default:
			c.scratch = append(c.scratch, '\\', b[i])
		}
	}
	return c.made(start)
}

// stepMySQLError reads what the server says about refused logins.
func stepMySQLError(c *Converter, from []*source, slots []int) {
	c.setDatabase(slots)
	message := c.readText(from[0])
	if rest, ok := bytes.CutPrefix(message, []byte("Access denied for user '")); ok {
		user, rest, ok := bytes.Cut(rest, []byte("'@'"))
		if !ok {
			return
		}
		host, _, _ := bytes.Cut(rest, []byte("'"))
		c.authentication(slots[2:], "start", "failed", "failure")
		c.setText(slots[6], user)
		c.setText(slots[7], host)
		if a, ok := parseAddr(host); ok {
			c.setText(slots[8], host)
			c.slots[slots[8]].ip = a
		}
		c.setText(slots[9], user)
		c.setText(slots[10], host)
	}
	if rest, ok := bytes.CutPrefix(message, []byte("Unknown database '")); ok {
		name, _, _ := bytes.Cut(rest, []byte("'"))
		c.authentication(slots[2:], "start", "failed", "failure")
		c.setText(slots[11], name)
		c.setText(slots[12], name)
	}
}

// stepMySQLSlow: the statement is what follows the lines that choose a database
// and set a time ("The slow query log", MySQL reference manual).
func stepMySQLSlow(c *Converter, from []*source, slots []int) {
	c.setDatabase(slots)
	query := c.readText(from[0])
	if rest, ok := bytes.CutPrefix(query, []byte("use ")); ok {
		if name, _, ok := bytes.Cut(rest, []byte(";")); ok {
			c.setText(slots[3], name)
		}
	}
	for rest := query; len(rest) > 0; {
		if head := rest[:min(3, len(rest))]; !bytes.EqualFold(head, []byte("use")) && !bytes.EqualFold(head, []byte("set")) {
			c.setText(slots[2], statement(rest))
			return
		}
		_, rest, _ = bytes.Cut(rest, []byte("\n"))
	}
}

// stepCloudHSM: which HSM of which cluster, from log group and log stream, or
// from the key of an exported log group; who did it, or to whom it was done; the
// outcome ("Interpreting HSM audit logs", AWS CloudHSM user guide). The HSM
// counts its records, so that its id and both counters are the document's id.
func stepCloudHSM(c *Converter, from []*source, slots []int) {
	cluster, _ := groupParts(c.env.group)
	hsm := c.env.stream
	if len(c.env.group) == 0 {
		cluster, hsm = hsmID11(c.o.src.Key, "cluster-"), hsmID11(c.o.src.Key, "hsm-")
	}
	c.setText(slots[0], cluster)
	c.setText(slots[1], hsm)
	c.setText(slots[4], hsm)
	for _, id := range [][]byte{cluster, hsm} {
		if len(id) > 0 {
			c.addToList(slots[5], id)
		}
	}
	sequence := c.readText(from[3])
	c.setHex(slots[2], sequence)
	c.setHex(slots[3], c.readText(from[4]))
	opcode := c.readText(from[0])
	if len(opcode) == 0 {
		opcode = c.readText(from[1])
	}
	name, role := c.readText(from[6]), c.readText(from[7])
	switch string(opcode) {
	case "CN_LOGIN", "CN_LOGOUT", "CN_APP_FINALIZE", "CN_CLOSE_SESSION":
		c.setText(slots[6], name)
		if len(role) > 0 {
			c.setOne(slots[7], string(role))
		}
	case "CN_CREATE_USER", "CN_CREATE_CO", "CN_CREATE_APPLIANCE_USER", "CN_DELETE_USER", "CN_SET_M_VALUE", "CN_CHANGE_PSWD", "CN_APPROVE_TOKEN":
		c.setText(slots[8], either(c.readText(from[8]), name))
		c.setText(slots[9], either(c.readText(from[9]), role))
		c.setText(slots[10], c.readText(from[10]))
	}
	c.setString(slots[11], outcomeOf(string(c.readText(from[2])) == "SUCCESS"))
	if len(hsm) > 0 && len(sequence) > 0 {
		c.setID(c.join(hsm, sequence, c.readText(from[5])), nil)
		c.target.Op = event.OpCreate
	}
}

func either(a, b []byte) []byte {
	if len(a) > 0 {
		return a
	}
	return b
}

// setHex sets a slot to the number that 0x… is.
func (c *Converter) setHex(slot int, b []byte) {
	if n, err := strconv.ParseUint(unsafeString(b), 0, 63); err == nil && len(b) > 0 {
		c.setNumber(slot, int64(n))
	}
}

// hsmID11 finds prefix and the 11 small letters or digits behind it in a key.
func hsmID11(key, prefix string) []byte {
	for i := 0; i+len(prefix)+11 <= len(key); i++ {
		if key[i:i+len(prefix)] != prefix {
			continue
		}
		id := key[i : i+len(prefix)+11]
		ok := true
		for j := len(prefix); j < len(id); j++ {
			ok = ok && (id[j] >= '0' && id[j] <= '9' || id[j] >= 'a' && id[j] <= 'z')
		}
		if ok {
			return []byte(id)
		}
	}
	return nil
}
