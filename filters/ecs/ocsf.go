package ecs

import (
	"bytes"
	"strconv"
	"time"
)

// ocsfSteps are the steps of OCSF events.
var ocsfSteps = map[string]stepDef{
	"ocsf": {
		[]string{"category_name", "category_uid", "class_uid",
			"finding.modified_time", "finding.created_time", "finding_info.modified_time", "finding_info.created_time"},
		[]string{"@log_type", "user.name"},
		stepOCSF,
	},
}

// ocsfCategories are the categories by number, as the original names them: those
// of OCSF 1.0.0-rc.2 (schema.ocsf.io, categories).
var ocsfCategories = [...]struct{ index, logType string }{
	1: {"log-ocsf-system", "ocsf-system-activity"},
	2: {"log-ocsf-findings", "ocsf-findings"},
	3: {"log-ocsf-audit", "ocsf-audit-activity"},
	4: {"log-ocsf-network", "ocsf-network-activity"},
	5: {"log-ocsf-config", "ocsf-config-inventory"},
}

// ocsfIndex is what the names of the categories' indices begin with.
var ocsfIndex = []byte("log-ocsf-")

// stepOCSF: the index and @log_type of the event's category, the time when a
// finding was last modified, the name in a user's ARN. A category's name chooses
// among the indices that the type lists; one that is not listed counts as none.
func stepOCSF(c *Converter, from []*source, slots []int) {
	logType, user := slots[0], slots[1]
	uid := ocsfCategory(c.readText(from[1]), c.readText(from[2]))
	name := c.lower(c.readText(from[0]))
	first := bytes.TrimSpace(name)
	if i := bytes.IndexByte(first, ' '); i > 0 {
		first = first[:i]
	}
	switch {
	case len(first) > 0 && c.setIndex(c.join(ocsfIndex, first)):
		for i, b := range name {
			if b == ' ' {
				name[i] = '-'
			}
		}
		c.setText(logType, c.join(ocsfIndex[len("log-"):], name))
	case uid > 0 && uid < len(ocsfCategories):
		c.setIndex([]byte(ocsfCategories[uid].index))
		c.setString(logType, ocsfCategories[uid].logType)
	default:
		c.setString(logType, "ocsf")
	}
	if uid == 2 {
		for _, s := range from[3:] {
			if t, ok := parseEpoch(c.readText(s)); ok && t.After(time.Unix(0, 0)) {
				c.setTime(t)
				break
			}
		}
	}
	if b := c.text(user); b != nil {
		c.setText(user, lastName(b))
	}
}

// ocsfCategory is the number of the category, by itself or as the thousands of
// the class (OCSF, class_uid); 0 when neither is there.
func ocsfCategory(category, class []byte) int {
	if n, err := strconv.Atoi(unsafeString(category)); err == nil && n >= 0 {
		return n
	}
	if n, err := strconv.Atoi(unsafeString(class)); err == nil && n >= 0 {
		return n / 1000
	}
	return 0
}
