package ecs

import "github.com/fluent-siem/fluent-siem/filters/exclude"

// ownRule recognises records of this loader's own activity by the fields it
// reads; own is given them in that order.
type ownRule struct {
	from []string
	own  func(c *Converter, from []*source) bool
}

// ownLogs are the built-in rules for records of this loader's own activity.
var ownLogs = map[string]ownRule{
	"cloudtrail": {nil, func(c *Converter, _ []*source) bool {
		if c.rec == nil {
			return false
		}
		_, own := exclude.CloudTrail(c.rec)
		return own
	}},
	"s3accesslog": {[]string{"Requester", "UserAgent"}, func(c *Converter, from []*source) bool {
		_, own := exclude.S3AccessLog(c.readText(from[0]), c.readText(from[1]))
		return own
	}},
	"ocsf": {nil, func(c *Converter, _ []*source) bool {
		if c.rec == nil {
			return false
		}
		_, own := exclude.SecurityLake(c.rec)
		return own
	}},
}
