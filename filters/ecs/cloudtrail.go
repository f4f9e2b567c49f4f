package ecs

import (
	"bytes"
	"strings"

	"github.com/valyala/fastjson"
)

var trailSteps = map[string]stepDef{
	"cloudtrail": {nil, []string{"event.outcome", "user.name", "cloud.instance.id", "related.hosts", "event.category"}, stepCloudTrail},
}

// stepCloudTrail gives outcome, user name, instance and hosts, and brings
// request and response fields into shapes that one index mapping fits: several
// services use the same name for a text here and an object there.
func stepCloudTrail(c *Converter, _ []*source, slots []int) {
	rec := c.rec
	outcome, user, instance, hosts := slots[0], slots[1], slots[2], slots[3]
	if rec.Exists("errorCode") || rec.Exists("errorMessage") {
		c.setString(outcome, "failure")
	} else {
		c.setString(outcome, "success")
	}
	if name := c.text(user); name != nil {
		c.setText(user, lastName(name))
	}
	if string(stringAt(rec, "eventCategory")) == "NetworkActivity" { // through a VPC endpoint
		c.addToList(slots[4], []byte("network"))
	}
	for _, name := range [...]string{"requestParameters", "responseElements", "additionalEventData"} {
		c.wrapText(rec, name, "value")
	}
	c.listOfObjects(rec, "resources", "ARN")
	source, _, _ := strings.Cut(unsafeString(stringAt(rec, "eventSource")), ".amazonaws.com")
	request, response := rec.Get("requestParameters"), rec.Get("responseElements")
	if id := cloudTrailInstance(source, rec, request); len(id) > 0 {
		c.setText(instance, id)
	}
	if source == "cloudhsm" {
		for _, id := range [][]byte{stringAt(request, "clusterId"), hsmID(response)} {
			if len(id) > 0 {
				c.addToList(hosts, id)
			}
		}
		if id := stringAt(response, "hsm", "hsmId"); len(id) > 0 {
			c.setText(instance, id)
		}
	}
	if request != nil && request.Type() == fastjson.TypeObject {
		c.cloudTrailRequest(source, request)
	}
	if response != nil && response.Type() == fastjson.TypeObject {
		c.cloudTrailResponse(source, response)
	}
}

// cloudTrailInstance finds the instance that an event of these services is about.
func cloudTrailInstance(service string, rec, request *fastjson.Value) []byte {
	switch service {
	case "ssm":
		switch string(stringAt(rec, "eventName")) {
		case "StartSession", "GetConnectionStatus":
			return stringAt(request, "target")
		case "PutComplianceItems":
			if id := stringAt(request, "resourceId"); isInstanceID(id) {
				return id
			}
		}
	case "sts":
		if string(stringAt(rec, "userAgent")) == "ec2.amazonaws.com" {
			return stringAt(request, "roleSessionName")
		}
	}
	return nil
}

func hsmID(response *fastjson.Value) []byte {
	if id := stringAt(response, "hsmId"); len(id) > 0 {
		return id
	}
	return stringAt(response, "hsm", "hsmId")
}

func (c *Converter) cloudTrailRequest(service string, request *fastjson.Value) {
	c.tagsShape(request, "tags")
	for _, name := range []string{"disableApiTermination", "disableApiStop"} {
		if v := request.Get(name, "value"); v != nil && request.Get(name).Type() == fastjson.TypeObject {
			request.Set(name, v)
		}
	}
	switch service {
	case "glue":
		c.wrapText(request, "configuration", "text")
	case "ecs":
		c.wrapText(request, "command", "command")
	case "ssm", "sqlworkbench":
		c.wrapText(request, "parameters", "value")
	case "cloud9":
		c.wrapText(request, "settings", "value")
	case "s3":
		for _, rule := range request.GetArray("ReplicationConfiguration", "Rule") {
			c.toText(rule, "Filter")
		}
	case "inspector2":
		if ids := request.GetArray("accountIds"); len(ids) > 0 && ids[0].Type() == fastjson.TypeObject {
			c.toText(request, "accountIds")
		}
	case "codeguru-security":
		c.toText(request, "resourceId")
	case "dynamodb":
		c.tagsShape(request, "items")
	}
}

func (c *Converter) cloudTrailResponse(service string, response *fastjson.Value) {
	if s := stringAt(response, "credentials"); s != nil {
		key := "value"
		for _, arn := range []string{"arn:aws:iam", "arn:aws-cn:iam", "arn:aws-us-gov:iam"} {
			if bytes.Contains(s, []byte(arn)) {
				key = "iam"
			}
		}
		c.wrapText(response, "credentials", key)
	}
	c.tagsShape(response, "policy")
	if len(stringAt(response, "status")) > 0 {
		c.wrapText(response, "status", "status")
	}
	switch service {
	case "athena":
		for _, table := range response.GetArray("tableMetadataList") {
			rename(table.Get("parameters"), "projection.date.interval.unit", "projection.date.interval_unit")
		}
		rename(response.Get("tableMetadata", "parameters"), "projection.part_date.interval.unit", "projection.part_date.interval_unit")
	case "cognito-idp":
		c.wrapText(response, "session", "value")
	case "redshift-data":
		c.wrapText(response, "database", "name")
	}
}

// wrapText replaces a text by an object that holds it under key.
func (c *Converter) wrapText(v *fastjson.Value, name, key string) {
	item := v.Get(name)
	if item == nil || item.Type() != fastjson.TypeString {
		return
	}
	object := c.arena.NewObject()
	object.Set(key, item)
	v.Set(name, object)
}

// listOfObjects makes objects of the texts of a list, which holds objects
// otherwise.
func (c *Converter) listOfObjects(v *fastjson.Value, name, key string) {
	for i, item := range v.GetArray(name) {
		if item.Type() == fastjson.TypeString {
			object := c.arena.NewObject()
			object.Set(key, item)
			v.Get(name).SetArrayItem(i, object)
		}
	}
}

// toText replaces a value that is no text by its JSON text.
func (c *Converter) toText(v *fastjson.Value, name string) {
	if item := v.Get(name); item != nil {
		if text := c.flatten(item); text != nil {
			v.Set(name, text)
		}
	}
}

// tagsShape makes an object of what may be an object, a text, or a list: lists
// of objects stay lists.
func (c *Converter) tagsShape(v *fastjson.Value, name string) {
	item := v.Get(name)
	if item == nil {
		return
	}
	switch item.Type() {
	case fastjson.TypeObject, fastjson.TypeNull:
		return
	case fastjson.TypeArray:
		items := item.GetArray()
		if len(items) == 0 {
			v.Set(name, c.arena.NewObject())
			return
		}
		if items[0].Type() == fastjson.TypeObject {
			return
		}
	}
	if text := c.flatten(item); text != nil && item.Type() != fastjson.TypeArray {
		item = text // numbers and booleans
	}
	object := c.arena.NewObject()
	object.Set("value", item)
	v.Set(name, object)
}

func rename(v *fastjson.Value, from, to string) {
	if v == nil {
		return
	}
	if item := v.Get(from); item != nil {
		v.Set(to, item)
		v.Del(from)
	}
}
