package ecs

import (
	"bytes"
	"strconv"
)

// applicationSteps are the steps of services that stand before applications of
// one's own: AWS Verified Access and Amazon Bedrock.
var applicationSteps = map[string]stepDef{
	"verifiedaccess": {
		[]string{"status_id", "duration", "http_request.version", "http_request.url.text", "actor.authorizations.0.decision", "identity.authorizations.0.decision", "data.authorizations.0.decision"},
		[]string{"event.outcome", "event.duration", "http.version", "url.scheme", "event.type"},
		stepVerifiedAccess,
	},
	"bedrock": {
		[]string{"errorCode"},
		[]string{"user.name", "event.outcome"},
		stepBedrock,
	},
}

// stepVerifiedAccess: outcome of the request (OCSF, status_id), whether policies
// let it in, its duration in nanoseconds, the HTTP version, the URL's scheme. What trust providers
// say of the user and the device has any keys and becomes text. ("OCSF version
// 0.1 log examples" and "1.0.0-rc.2", AWS Verified Access user guide.)
func stepVerifiedAccess(c *Converter, from []*source, slots []int) {
	switch string(c.readText(from[0])) {
	case "1":
		c.setString(slots[0], "success")
	case "2":
		c.setString(slots[0], "failure")
	default:
		c.setString(slots[0], "unknown")
	}
	if seconds, err := strconv.ParseFloat(string(c.readText(from[1])), 64); err == nil && seconds >= 0 && seconds < 1e9 {
		c.setNumber(slots[1], int64(seconds*1e9+0.5))
	}
	if _, v, ok := bytes.Cut(c.readText(from[2]), []byte("/")); ok {
		c.setText(slots[2], v)
	}
	if scheme, _, ok := bytes.Cut(c.readText(from[3]), []byte("://")); ok { // url.scheme says h2 for HTTP/2
		c.setText(slots[3], scheme)
	}
	for _, s := range from[4:] {
		switch decision := c.readText(s); string(decision) {
		case "Allow":
			c.setOne(slots[4], "allowed")
		case "Deny":
			c.setOne(slots[4], "denied")
		}
	}
	c.toText(c.rec, "data")
	c.toText(c.rec, "unmapped")
}

// stepBedrock: the name in the caller's ARN, and whether there was an error.
// Prompts and answers are as the models have them, and are texts. ("Monitor
// model invocation using CloudWatch Logs and Amazon S3", Amazon Bedrock user
// guide.)
func stepBedrock(c *Converter, from []*source, slots []int) {
	if arn := c.text(slots[0]); arn != nil {
		c.setText(slots[0], lastName(arn))
	}
	c.setString(slots[1], outcomeOf(len(c.readText(from[0])) == 0))
}
