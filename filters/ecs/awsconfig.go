package ecs

import (
	"bytes"
	"strings"

	"github.com/valyala/fastjson"
)

// configSteps are the steps of AWS Config history, snapshots and rules.
var configSteps = map[string]stepDef{
	"config-item": {configSources, configSlots, stepConfigItem},
	"config-rule": {append([]string{"newEvaluationResult.complianceType"}, configSources...), append([]string{"event.outcome"}, configSlots...), stepConfigRule},
}

var (
	configSources = []string{"awsAccountId", "awsRegion", "resourceType", "resourceId", "configRuleARN", "resourceName"}
	configSlots   = []string{"event.module", "cloud.instance.id", "related.hosts", "user.id", "user.name", "related.user", "related.ip"}
)

// stepConfigItem: an id for each state of a resource, instance, user and
// addresses, and shapes that one index mapping fits: what Config writes as a map
// by id becomes a list, and what is a text in one service and an object in
// another becomes an object (AWS Config Developer Guide, "Components of a
// configuration item").
func stepConfigItem(c *Converter, from []*source, slots []int) {
	kind := string(c.readText(from[2]))
	c.configID(from, slots[0])
	c.configLists(kind)
	c.configShapes()
	c.configParties(kind, from, slots)
	c.configAddresses(kind, c.readText(from[5]), slots[6])
}

// stepConfigRule: as stepConfigItem, without the shapes, and the outcome of the
// evaluation.
func stepConfigRule(c *Converter, from []*source, slots []int) {
	compliance, outcome := c.readText(from[0]), slots[0]
	from, slots = from[1:], slots[1:]
	kind := string(c.readText(from[2]))
	c.configID(from, slots[0])
	c.configParties(kind, from, slots)
	c.configAddresses(kind, c.readText(from[5]), slots[6])
	switch string(compliance) {
	case "":
	case "COMPLIANT":
		c.setString(outcome, "success")
	case "NON_COMPLIANT":
		c.setString(outcome, "failure")
	default:
		c.setString(outcome, "unknown")
	}
}

// configID: the id of the resource, and behind it the time and what it was
// recorded by. An item that does not say whose it is has the id of its content.
func (c *Converter) configID(from []*source, module int) {
	var whose [4][]byte
	for i := range whose {
		if whose[i] = c.readText(from[i]); len(whose[i]) == 0 {
			return
		}
	}
	by := c.md5(c.text(module), c.readText(from[4]))
	id := c.md5(whose[:]...)
	start := len(c.scratch)
	c.scratch = c.time.UTC().AppendFormat(c.scratch, "20060102_150405_")
	c.scratch = append(c.scratch, by[:4]...)
	c.setID(id, c.scratch[start:len(c.scratch):len(c.scratch)])
}

// configMaps are the maps by id that become lists of their values, by type of
// resource.
var configMaps = map[string][][]string{
	"AWS::S3::Bucket": {
		{"supplementaryConfiguration", "BucketNotificationConfiguration", "configurations"},
		{"supplementaryConfiguration", "BucketReplicationConfiguration", "rules"},
	},
	"AWS::SSM::ManagedInstanceInventory": {
		{"configuration", "AWS:Application", "Content"},
		{"configuration", "AWS:AWSComponent", "Content"},
		{"configuration", "AWS:InstanceInformation", "Content"},
		{"configuration", "AWS:Network", "Content"},
		{"configuration", "AWS:WindowsUpdate", "Content"},
	},
	"AWS::SSM::PatchCompliance":       complianceMaps,
	"AWS::SSM::AssociationCompliance": complianceMaps,
}

var complianceMaps = [][]string{
	{"configuration", "AWS:ComplianceItem", "Content", "Association"},
	{"configuration", "AWS:ComplianceItem", "Content", "Patch"},
}

func (c *Converter) configLists(kind string) {
	for _, path := range configMaps[kind] {
		last := len(path) - 1
		parent := c.rec.Get(path[:last]...)
		object := parent.GetObject(path[last])
		if object == nil {
			continue
		}
		values := c.arena.NewArray()
		object.Visit(func(_ []byte, v *fastjson.Value) { values.SetArrayItem(len(values.GetArray()), v) })
		parent.Set(path[last], values)
	}
}

// configShapes brings fields of configuration into one shape for all services.
func (c *Converter) configShapes() {
	rename(c.rec.Get("tags"), "AmazonFSx.FileSystemId", "AmazonFSx_FileSystemId")
	conf := c.rec.Get("configuration")
	if conf == nil || conf.Type() != fastjson.TypeObject {
		return
	}
	rename(conf.Get("tags"), "AmazonFSx.FileSystemId", "AmazonFSx_FileSystemId")
	for _, m := range [...][3]string{{"owner", "id", "owner_id"}, {"state", "code", "state_code"}, {"state", "name", "state_name"}, {"status", "message", "status_message"}} {
		if v := conf.Get(m[0], m[1]); v != nil && conf.GetObject(m[0]) != nil {
			conf.Set(m[2], v)
			conf.Get(m[0]).Del(m[1])
		}
	}
	if code := conf.Get("status", "code"); code != nil && conf.GetObject("status") != nil {
		conf.Set("status", code)
	}
	if reason := conf.Get("stateReason"); reason != nil && reason.Type() == fastjson.TypeString {
		c.wrapText(conf, "stateReason", "message")
		if code := conf.Get("stateReasonCode"); code != nil {
			conf.Get("stateReason").Set("code", code)
		}
	}
	for _, m := range [...][2]string{{"securityGroups", "groupId"}, {"availabilityZones", "zoneName"}, {"subnets", "subnetIdentifier"}} {
		items := conf.GetArray(m[0])
		for i, item := range items {
			if item.Type() == fastjson.TypeString {
				object := c.arena.NewObject()
				object.Set(m[1], item)
				items[i] = object
			}
		}
	}
	c.wrapText(conf, "endpoint", "address")
	c.wrapText(conf, "iamInstanceProfile", "arn")
	for _, r := range conf.GetArray("rules") {
		if s := r.Get("statement"); s != nil && s.Type() == fastjson.TypeObject {
			c.toText(r, "statement")
		}
	}
}

// configParties finds the instance or the user that the item is about.
func (c *Converter) configParties(kind string, from []*source, slots []int) {
	instance, hosts, userID, userName, users := slots[1], slots[2], slots[3], slots[4], slots[5]
	id := c.readText(from[3])
	switch kind {
	case "AWS::EC2::Instance", "AWS::SSM::ManagedInstanceInventory":
		c.setText(instance, id)
	case "AWS::SSM::AssociationCompliance", "AWS::SSM::PatchCompliance":
		c.setText(instance, id[bytes.LastIndexByte(id, '/')+1:])
	case "AWS::IAM::User", "AWS::IAM::Role":
		c.setText(userID, id)
		c.setText(userName, c.readText(from[5]))
	case "AWS::Config::ResourceCompliance":
		of, id, _ := bytes.Cut(id, []byte("/"))
		switch string(of) {
		case "AWS::EC2::Instance":
			c.setText(instance, id)
		case "AWS::IAM::User", "AWS::IAM::Role":
			c.setText(userID, id)
		}
	}
	for _, add := range [...][2]int{{hosts, instance}, {users, userName}, {users, userID}} {
		if b := c.text(add[1]); !empty(b) {
			c.addToList(add[0], b)
		}
	}
}

// configAddresses finds the addresses of the resource.
func (c *Converter) configAddresses(kind string, name []byte, ips int) {
	add := func(b []byte) {
		if len(b) > 0 {
			c.addToList(ips, b)
		}
	}
	conf := c.rec.Get("configuration")
	addresses := func(v *fastjson.Value) {
		for _, a := range v.GetArray("privateIpAddresses") {
			add(stringAt(a, "privateIpAddress"))
			add(stringAt(a, "association", "publicIp"))
		}
	}
	switch kind {
	case "AWS::EC2::EIP":
		add(name)
		add(stringAt(conf, "privateIpAddress"))
	case "AWS::EC2::Instance":
		for _, eni := range conf.GetArray("networkInterfaces") {
			addresses(eni)
		}
	case "AWS::EC2::NetworkInterface":
		addresses(conf)
	case "AWS::EC2::NatGateway":
		add(stringAt(conf, "natGatewayAddresses", "0", "publicIp"))
		add(stringAt(conf, "natGatewayAddresses", "0", "privateIp"))
	case "AWS::SSM::ManagedInstanceInventory":
		for _, row := range conf.GetArray("AWS:Network", "Content") {
			for _, version := range [...]string{"IPV4", "IPV6"} {
				for _, ip := range strings.Split(unsafeString(stringAt(row, version)), ",") {
					add([]byte(strings.TrimSpace(ip)))
				}
			}
		}
	}
}
