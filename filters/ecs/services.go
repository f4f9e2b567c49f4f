package ecs

import (
	"bytes"
	"strconv"
)

// serviceSteps are the steps of the smaller AWS services and of Okta.
var serviceSteps = map[string]stepDef{
	"msk": {[]string{"message"}, []string{"msk.cluster_name", "msk.broker_id", "msk.log_type", "msk.group_id", "msk.topic",
		"msk.sum_lag", "msk.max_lag", "msk.time_lag"}, stepMSK},
	"elasticache-redis-slowlog":   {[]string{"ClientAddress"}, []string{"source.ip", "source.port", "source.address", "related.ip"}, stepRedis},
	"elasticache-redis-enginelog": {[]string{"LogLevel", "CacheClusterId", "CacheNodeId"}, []string{"log.level", "host.name", "related.hosts"}, stepRedisEngine},
	"workspaces-event":            {[]string{"actionType"}, []string{"event.outcome"}, stepWorkSpaces},
	"clientvpn": {[]string{"connection-attempt-status", "connection-attempt-failure-reason", "connection-duration-seconds",
		"egress-bytes", "ingress-bytes", "egress-packets", "ingress-packets"},
		[]string{"event.outcome", "error.message", "event.duration", "network.bytes", "network.packets"}, stepClientVPN},
	"okta":             oktaStep,
	"opensearch-audit": {[]string{"audit_category"}, []string{"event.outcome", "event.category", "rule.name", "error.message"}, stepOpenSearchAudit},
}

// stepMSK: cluster and broker from the object's key ("Amazon MSK logging",
// delivery to S3), and the numbers of a message about a consumer group's lag.
func stepMSK(c *Converter, from []*source, slots []int) {
	cluster, broker := kafkaBroker(c.o.src.Key)
	c.setString(slots[0], cluster)
	c.setString(slots[1], broker)
	rest, ok := bytes.CutPrefix(c.readText(from[0]), []byte("ConsumerLag for groupId="))
	if !ok {
		return
	}
	var parts [5][]byte
	for i, mark := range [...]string{" topic=", " : SumLag=", " MaxLag=", " TimeLag=", ""} {
		if mark == "" {
			n := 0
			for n < len(rest) && rest[n] >= '0' && rest[n] <= '9' {
				n++
			}
			parts[i], ok = rest[:n], n > 0
		} else {
			parts[i], rest, ok = bytes.Cut(rest, []byte(mark))
		}
		if !ok {
			return
		}
	}
	c.setString(slots[2], "ConsumerLag")
	for i, part := range parts {
		c.setText(slots[3+i], part)
	}
}

// kafkaBroker finds /<cluster>-<uuid>-<n>/…/Broker-<id>_ in a key.
func kafkaBroker(key string) (cluster, broker string) {
	const uuid = len("-xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx")
	for start, i := 0, 0; i <= len(key); i++ {
		if i < len(key) && key[i] != '/' {
			continue
		}
		part := key[start:i]
		start = i + 1
		if i == len(key) {
			if len(part) > 7 && part[:7] == "Broker-" {
				n := 7
				for n < len(part) && part[n] >= '0' && part[n] <= '9' {
					n++
				}
				broker = part[7:n]
			}
			return cluster, broker
		}
		n := len(part)
		for n > 0 && part[n-1] >= '0' && part[n-1] <= '9' {
			n--
		}
		if n < len(part) && n > uuid+1 && part[n-1] == '-' && isUUID(part[n-1-uuid:n-1]) {
			cluster = part[:n-1-uuid]
		}
	}
	return cluster, broker
}

// isUUID reports whether s is a hyphen and a UUID.
func isUUID(s string) bool {
	for i := range len(s) {
		hyphen := i == 0 || i == 9 || i == 14 || i == 19 || i == 24
		if hyphen != (s[i] == '-') || !hyphen && unhex(s[i]) < 0 {
			return false
		}
	}
	return true
}

// stepRedis: address and port of the client.
func stepRedis(c *Converter, from []*source, slots []int) {
	var into [2][]byte
	if !splitAddress(c.readText(from[0]), into[:]) || len(into[0]) == 0 {
		return
	}
	c.setText(slots[0], into[0])
	c.setText(slots[1], into[1])
	c.setText(slots[2], into[0])
	c.addToList(slots[3], into[0])
}

// redisLevels are the signs of levels in the text form, and the words for them
// that the JSON form has.
var redisLevels = map[string]string{".": "DEBUG", "-": "VERBOSE", "*": "NOTICE", "#": "WARNING"}

// stepRedisEngine: the level by name in both forms, and the node, whose name is
// that of cluster and node ("Log delivery", ElastiCache user guide, contents of an
// engine log entry).
func stepRedisEngine(c *Converter, from []*source, slots []int) {
	level := c.readText(from[0])
	if name, ok := redisLevels[string(level)]; ok {
		c.setString(slots[0], name)
	} else {
		c.setText(slots[0], level)
	}
	if cluster, node := c.readText(from[1]), c.readText(from[2]); len(cluster) > 0 && len(node) > 0 {
		host := c.join(cluster, []byte("/"), node)
		c.setText(slots[1], host)
		c.addToList(slots[2], host)
	}
}

// stepWorkSpaces: a failed login is a failure ("Monitor your WorkSpaces using
// Amazon EventBridge" documents successfulLogin; failedLogin is seen).
func stepWorkSpaces(c *Converter, from []*source, slots []int) {
	if bytes.HasPrefix(c.readText(from[0]), []byte("failed")) {
		c.setString(slots[0], "failure")
	}
}

// stepClientVPN: outcome and reason of the attempt, what flowed in both
// directions, the duration in nanoseconds, and times in a form that a date field
// takes ("Connection logging", AWS Client VPN administrator guide). NA is absent.
func stepClientVPN(c *Converter, from []*source, slots []int) {
	switch string(c.readText(from[0])) {
	case "successful":
		c.setString(slots[0], "success")
	case "failed":
		c.setString(slots[0], "failure")
	}
	if reason := c.readText(from[1]); !notAvailable(reason) {
		c.setText(slots[1], reason)
	}
	if seconds := c.readText(from[2]); !notAvailable(seconds) {
		if n, ok := digits(seconds); ok {
			c.setNumber(slots[2], int64(n)*1e9)
		}
	}
	var flow [4]int // bytes out and in, packets out and in
	for i := range flow {
		flow[i], _ = digits(c.readText(from[3+i]))
	}
	if bytes, packets := flow[0]+flow[1], flow[2]+flow[3]; bytes > 0 || packets > 0 {
		c.setNumber(slots[3], int64(bytes))
		c.setNumber(slots[4], int64(packets))
	}
	if notAvailable(stringAt(c.rec, "client-ip")) {
		c.rec.Del("client-ip")
	}
	for _, name := range [...]string{"connection-start-time", "connection-end-time", "connection-last-update-time"} {
		b := stringAt(c.rec, name)
		switch i := bytes.IndexByte(b, ' '); {
		case string(b) == "NA":
			c.rec.Del(name)
		case i > 0:
			start := len(c.scratch)
			c.scratch = append(append(append(append(c.scratch, b[:i]...), 'T'), b[i+1:]...), "+00:00"...)
			c.rec.Set(name, c.arena.NewStringBytes(c.made(start)))
		}
	}
}

func notAvailable(b []byte) bool { return len(b) == 0 || string(b) == "NA" }

// setNumber sets a slot to the text of a number.
func (c *Converter) setNumber(slot int, n int64) {
	start := len(c.scratch)
	c.scratch = strconv.AppendInt(c.scratch, n, 10)
	c.setNumberText(slot, c.made(start))
}

// setNumberText sets a slot to the number that b is the text of.
func (c *Converter) setNumberText(slot int, b []byte) {
	s := &c.slots[slot]
	s.kind, s.json = jsonValue, c.arena.NewNumberString(unsafeString(b))
}

// stepOpenSearchAudit: outcome and categories by the kind of event ("Audit log
// fields", OpenSearch security). A record that could not be parsed, because the
// sender cut it, says so.
func stepOpenSearchAudit(c *Converter, from []*source, slots []int) {
	outcome := "unknown"
	switch category := string(c.readText(from[0])); category {
	case "GRANTED_PRIVILEGES", "AUTHENTICATED":
		outcome = "success"
	case "MISSING_PRIVILEGES", "FAILED_LOGIN":
		outcome = "failure"
	}
	c.setString(slots[0], outcome)
	switch string(c.readText(from[0])) {
	case "FAILED_LOGIN", "AUTHENTICATED":
		s := &c.slots[slots[1]]
		s.list = append(s.list, []byte("authentication"))
	}
	if c.text(slots[2]) == nil {
		c.setString(slots[2], "ParsingError")
		if len(c.raw) == cutByAudit {
			c.setString(slots[3], "The maximum size of each audit log message is 10,000 characters. The audit log message exceeds this limit and is truncated.")
		}
	}
}

// cutByAudit is where Amazon OpenSearch Service cuts an audit record.
const cutByAudit = 10000
