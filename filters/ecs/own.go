package ecs

import "github.com/fluent-siem/fluent-siem/filters/exclude"

// ownLogs are the built-in rules for records of this loader's own activity.
var ownLogs = map[string]func(*Converter) bool{
	"cloudtrail": func(c *Converter) bool {
		if c.rec == nil {
			return false
		}
		_, own := exclude.CloudTrail(c.rec)
		return own
	},
}
