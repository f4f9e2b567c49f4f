package ecs

import (
	"bytes"
	"crypto/md5" //nolint:gosec // the original's ids, not a secret
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/valyala/fastjson"
)

// findingSteps are the steps of GuardDuty, Security Hub, Inspector and Trusted Advisor findings.
var findingSteps = map[string]stepDef{
	"guardduty": {
		[]string{"severity", "type", "service.action.actionType", "service.action.networkConnectionAction.connectionDirection", "accountId", "region"},
		append(bothSides(), "rule.name", "event.category", "network.direction", "severitylabel", "cloud.account.id", "cloud.region",
			"ThreatPurpose", "ResourceTypeAffected", "ThreatFamilyName", "DetectionMechanism", "Artifact"),
		stepGuardDuty,
	},
	"securityhub": {
		[]string{"UpdatedAt", "Workflow.Status", "ProductName", "GeneratorId", "Title", "Compliance.SecurityControlId"},
		append(bothSides(), "rule.name", "event.category", "network.direction", "event.module", "@timestamp", "rule.id",
			"consolidated_controls_view", "consolidated_control_findings",
			"cloud.instance.id", "user.id", "user.name", "related.hosts", "related.user", "related.ip",
			"ThreatPurpose", "ResourceTypeAffected", "ThreatFamilyName", "DetectionMechanism", "Artifact"),
		stepSecurityHub,
	},
	"inspector": {
		[]string{"findingArn", "type", "description", "remediation.recommendation.text",
			"networkReachabilityDetails.protocol", "networkReachabilityDetails.openPortRange.begin", "networkReachabilityDetails.openPortRange.end"},
		[]string{"vulnerability.category", "vulnerability.id", "vulnerability.description", "rule.id", "related.hosts", "cloud.instance.id"},
		stepInspector,
	},
	"trustedadvisor": {
		[]string{"result.status"},
		[]string{"event.kind", "event.category", "cloud.service.name", "cloud.instance.id", "related.ip", "related.hosts"},
		stepTrustedAdvisor,
	},
}

// sideFields are what source and destination may have when they change places.
var sideFields = []string{"address", "ip", "port", "nat.ip", "geo.location", "geo.city_name", "geo.country_name"}

// bothSides are the slots of source, then those of destination.
func bothSides() (slots []string) {
	for _, side := range []string{"source.", "destination."} {
		for _, f := range sideFields {
			slots = append(slots, side+f)
		}
	}
	return slots
}

// swapSides makes the source the destination: slots are those of bothSides.
func (c *Converter) swapSides(slots []int) {
	for i, from := range slots[:len(sideFields)] {
		to := slots[len(sideFields)+i]
		c.slots[from], c.slots[to] = c.slots[to], c.slots[from]
	}
}

// threat is a finding's type taken apart.
type threat struct{ purpose, resource, family, mechanism, artifact []byte }

// threatOf takes apart Purpose:Resource/Family.Mechanism!Artifact (GuardDuty
// User Guide, "GuardDuty finding format"), or its form in Security Hub,
// namespace/category/Purpose:Resource-Family.Mechanism!Artifact, where the
// category stands in for a purpose that is missing.
func threatOf(b []byte) (t threat, ok bool) {
	purpose, rest, found := bytes.Cut(b, []byte(":"))
	if found {
		t.purpose = purpose[bytes.LastIndexByte(purpose, '/')+1:]
	} else {
		i := bytes.LastIndexByte(b, '/')
		if i < 0 {
			return t, false
		}
		t.purpose, rest = b[:i], b[i+1:]
		t.purpose = bytes.ReplaceAll(t.purpose[bytes.LastIndexByte(t.purpose, '/')+1:], []byte(" "), nil)
	}
	i := bytes.IndexAny(rest, "/-")
	if i <= 0 || i == len(rest)-1 || len(t.purpose) == 0 {
		return t, false
	}
	t.resource, rest = rest[:i], rest[i+1:]
	rest, t.artifact, _ = bytes.Cut(rest, []byte("!"))
	t.family, t.mechanism, _ = bytes.Cut(rest, []byte("."))
	return t, true
}

// set fills the slots of ThreatPurpose … Artifact.
func (t *threat) set(c *Converter, slots []int) {
	for i, part := range [...][]byte{t.purpose, t.resource, t.family, t.mechanism, t.artifact} {
		c.setText(slots[i], part)
	}
}

// file reports whether the finding is about a file.
func (t *threat) file() bool {
	return string(t.family) == "SuspiciousFile" || string(t.family) == "MaliciousFile"
}

// malware reports whether the finding is about malicious software.
func (t *threat) malware() bool {
	switch string(t.purpose) {
	case "Backdoor", "CryptoCurrency", "Trojan":
		return true
	}
	return t.file()
}

// direct sets the network direction of a finding by its kind of action, and
// makes the local side the source when it is outbound. What is about a file has
// none.
func (t *threat) direct(c *Converter, action, connection []byte, direction int, sides []int) {
	switch {
	case string(action) == "NETWORK_CONNECTION":
		c.setText(direction, c.lower(connection))
	case string(action) == "DNS_REQUEST":
		c.setString(direction, "outbound")
	case !t.file():
		c.setString(direction, "inbound")
	}
	if string(c.text(direction)) == "outbound" {
		c.swapSides(sides)
	}
}

// severityLabel names a severity ("Severity levels for GuardDuty findings").
func severityLabel(severity []byte) string {
	f, err := strconv.ParseFloat(unsafeString(severity), 64)
	switch {
	case err != nil:
		return ""
	case f <= 3.9:
		return "low"
	case f <= 6.9:
		return "medium"
	case f <= 8.9:
		return "high"
	}
	return "critical"
}

// trimTitle takes blanks and then dots off the end of a finding's title.
func (c *Converter) trimTitle(slot int) {
	if b := c.text(slot); b != nil {
		c.setText(slot, bytes.TrimRight(bytes.TrimSpace(b), "."))
	}
}

// stepGuardDuty: the parts of the finding's type, a label for its severity, the
// network direction; the local side is the source when it is outbound.
func stepGuardDuty(c *Converter, from []*source, slots []int) {
	sides, slots := slots[:2*len(sideFields)], slots[2*len(sideFields):]
	name, category, direction, label, account, region, parts := slots[0], slots[1], slots[2], slots[3], slots[4], slots[5], slots[6:]
	c.trimTitle(name)
	if s := severityLabel(c.readText(from[0])); s != "" {
		c.setString(label, s)
	}
	for i, slot := range [...]int{account, region} {
		if b := c.readText(from[4+i]); !known(c.text(slot)) && len(b) > 0 {
			c.setText(slot, b)
		}
	}
	t, ok := threatOf(c.readText(from[1]))
	if !ok {
		return
	}
	t.set(c, parts)
	t.direct(c, c.readText(from[2]), c.readText(from[3]), direction, sides)
	if t.malware() {
		c.setOne(category, "malware")
	}
}

// stepSecurityHub: what the finding's product says in its own way (ASFF,
// "Required top-level attributes" and ProductFields), whom and what it is about,
// and an id for each state of the finding.
func stepSecurityHub(c *Converter, from []*source, slots []int) {
	sides, slots := slots[:2*len(sideFields)], slots[2*len(sideFields):]
	name, module, timestamp := slots[0], slots[3], slots[4]
	product := c.rec.Get("ProductFields")
	if by := stringAt(product, "aws/securityhub/ProductName"); len(by) > 0 {
		c.setText(module, c.lower(by))
	} else if by := c.readText(from[2]); len(by) > 0 {
		c.setText(module, c.lower(by))
	}
	if compliance := c.rec.Get("Compliance"); compliance != nil {
		c.listOfObjects(compliance, "AssociatedStandards", "StandardsId")
	}
	c.securityHubID(c.readText(from[0]), c.readText(from[1]), timestamp)
	c.securityHubProduct(from, product, sides, slots)
	c.trimTitle(name)
	c.securityHubResources(slots[8], slots[9], slots[10], slots[11], slots[12], slots[13])
}

// securityHubID makes each state of a finding a document of its own: the id's
// suffix is a hash of the time and the workflow's status. A new finding's time
// is when it was updated, that of others when the event was sent; the index is
// that of the event's time in both cases.
func (c *Converter) securityHubID(updated, status []byte, timestamp int) {
	start := len(c.scratch)
	if string(status) == "NEW" && len(updated) > 0 {
		if day, ok := bytes.CutSuffix(updated, []byte("Z")); ok {
			c.scratch = append(append(c.scratch, day...), "+00:00"...)
		} else {
			c.scratch = append(c.scratch, updated...)
		}
		c.setText(timestamp, c.scratch[start:len(c.scratch):len(c.scratch)])
	} else {
		c.scratch = appendPythonTime(c.scratch, c.time)
	}
	suffix := c.md5(c.scratch[start:], status)
	if c.ownID {
		c.setID(c.text(c.p.std.id), suffix)
	}
}

// md5 returns the MD5 of the parts one after another, as the original made ids.
func (c *Converter) md5(parts ...[]byte) []byte {
	sum := md5.Sum(c.join(parts...))
	start := len(c.scratch)
	c.scratch = hex.AppendEncode(c.scratch, sum[:])
	return c.scratch[start:len(c.scratch):len(c.scratch)]
}

// securityHubProduct sets what depends on the product that made the finding.
func (c *Converter) securityHubProduct(from []*source, product *fastjson.Value, sides, slots []int) {
	name, category, direction, module, rule, view, consolidated, parts := slots[0], slots[1], slots[2], slots[3], slots[5], slots[6], slots[7], slots[14:]
	by := string(c.text(module))
	types := c.rec.Get("Types", "0").GetStringBytes()
	t, ok := threat{}, false
	if by == "guardduty" || by == "macie" {
		if t, ok = threatOf(types); ok {
			t.set(c, parts)
		}
	}
	switch {
	case strings.Contains(by, "security hub"):
		generator := c.readText(from[3])
		c.setText(rule, generator)
		c.setBool(view, len(c.readText(from[5])) > 0)
		c.setBool(consolidated, bytes.HasPrefix(generator, []byte("security-control")))
	case strings.Contains(by, "guardduty"):
		if !ok {
			return
		}
		t.direct(c, stringAt(product, "aws/guardduty/service/action/actionType"),
			stringAt(product, "aws/guardduty/service/action/networkConnectionAction/connectionDirection"), direction, sides)
		if t.malware() {
			c.setOne(category, "malware")
		}
	case strings.Contains(by, "inspector"):
		if id := stringAt(product, "aws/inspector/id"); len(id) > 0 { // Inspector Classic
			c.setText(name, id)
			return
		}
		id, _, _ := bytes.Cut(types, []byte("/CVE"))
		if len(id) == 0 {
			return
		}
		if bytes.Contains(id, []byte("Vulnerabilities")) {
			c.setOne(category, "package")
			if words := bytes.Fields(c.readText(from[4])); len(words) > 0 {
				id = c.join(id, []byte("/"), words[0])
			}
		}
		c.setText(rule, id)
	}
}

// securityHubResources finds instance, user and addresses among the resources
// that a finding is about; the last of a kind wins.
func (c *Converter) securityHubResources(instance, userID, userName, hosts, users, ips int) {
	for _, r := range c.rec.GetArray("Resources") {
		id := stringAt(r, "Id")
		details := r.Get("Details")
		switch string(stringAt(r, "Type")) {
		case "AwsEc2Instance":
			c.setText(instance, id[bytes.LastIndexByte(id, '/')+1:])
			for _, list := range [...]string{"IpV4Addresses", "IpV6Addresses"} {
				for _, ip := range details.GetArray("AwsEc2Instance", list) {
					if b := ip.GetStringBytes(); len(b) > 0 {
						c.addToList(ips, b)
					}
				}
			}
		case "AwsIamAccessKey":
			key := id[bytes.LastIndexByte(id, ':')+1:]
			if string(key) == "null" {
				key, _, _ = bytes.Cut(stringAt(details, "AwsIamAccessKey", "PrincipalId"), []byte(":"))
			}
			c.setText(userID, key)
			if name := stringAt(details, "AwsIamAccessKey", "PrincipalName"); len(name) > 0 {
				c.setText(userName, name)
			}
		case "AwsEc2Volume":
			if id := stringAt(details, "AwsEc2Volume", "Attachments", "0", "InstanceId"); len(id) > 0 {
				c.setText(instance, id)
			}
		case "AwsIamRole":
			c.setText(userName, id[bytes.LastIndexByte(id, '/')+1:])
		}
	}
	for _, add := range [...][2]int{{hosts, instance}, {users, userID}, {users, userName}} {
		if b := c.text(add[1]); !empty(b) {
			c.addToList(add[0], b)
		}
	}
}

// stepInspector: an id for each update of a finding, a rule id that names what
// was found, and the advice with the description (Amazon Inspector User Guide,
// "EventBridge event schema"). A container image is no host.
func stepInspector(c *Converter, from []*source, slots []int) {
	category, id, description, rule, hosts, instance := slots[0], slots[1], slots[2], slots[3], slots[4], slots[5]
	if arn := c.readText(from[0]); len(arn) > 0 {
		start := len(c.scratch)
		c.scratch = strconv.AppendInt(c.scratch, c.time.Unix(), 10)
		updated := c.scratch[start:len(c.scratch):len(c.scratch)]
		c.setID(c.md5(arn), updated)
	}
	if s := &c.slots[category]; s.kind == list {
		for _, item := range s.list {
			if string(item) == "AWS_ECR_CONTAINER_IMAGE" {
				c.clear(hosts)
				c.clear(instance)
			}
		}
	}
	switch kind := c.readText(from[1]); {
	case bytes.Contains(kind, []byte("PACKAGE_VULNERABILITY")):
		c.setText(rule, c.join([]byte("PACKAGE_VULNERABILITY_"), c.text(id)))
	case bytes.Contains(kind, []byte("NETWORK_REACHABILITY")):
		c.setText(rule, c.join([]byte("NETWORK_REACHABILITY_"), c.readText(from[4]), []byte("_"), c.readText(from[5]), []byte("_"), c.readText(from[6])))
	}
	what, advice := c.readText(from[2]), c.readText(from[3])
	if len(what) > 0 && len(advice) > 0 {
		c.setText(description, c.join(what, []byte("\n\nRemediation: "), advice))
	}
}

// advisorCategories are the ECS categories of services.
var advisorCategories = map[string]string{
	"rds": "database", "dynamodb": "database", "s3": "database", "ebs": "database", "redshift": "database", "elasticache": "database",
	"iam": "iam", "cloudtrail": "iam",
	"vpc": "network", "route53": "network", "elasticloadbalancing": "network", "network-acl": "network", "subnet": "network", "security-group": "network",
}

// trustedAdvisor is the service where neither column nor ARN names one.
var trustedAdvisor = []byte("trustedadvisor")

// stepTrustedAdvisor: an alert where the check warns, and the service, instance
// and address of the flagged resource, whose metadata are named by those of the
// check (AWS Support API Reference, TrustedAdvisorCheckDescription).
func stepTrustedAdvisor(c *Converter, from []*source, slots []int) {
	kind, category, service, instance, ips, hosts := slots[0], slots[1], slots[2], slots[3], slots[4], slots[5]
	if warns(c.readText(from[0])) {
		c.setString(kind, "alert")
	}
	flagged := c.rec.Get("result", "flaggedResource")
	if flagged == nil || flagged.Type() != fastjson.TypeObject {
		return
	}
	if warns(stringAt(flagged, "status")) {
		c.setString(kind, "alert")
	} else {
		c.setString(kind, "event")
	}
	metadata := flagged.GetArray("metadata")
	if len(metadata) == 0 {
		return
	}
	name, id := trustedAdvisor, []byte(nil)
	for i, column := range c.rec.GetArray("check", "metadata") {
		if i >= len(metadata) {
			break
		}
		switch b := metadata[i].GetStringBytes(); string(column.GetStringBytes()) {
		case "Service":
			name = c.lower(b)
		case "Resource", "Workload ARN":
			if n, of := advisorService(b); n != nil {
				name, id = n, of
			}
		}
	}
	c.setText(service, name)
	if to, ok := advisorCategories[string(name)]; ok {
		c.setOne(category, to)
	} else {
		c.setOne(category, "configuration")
	}
	for i := len(metadata) - 1; i >= 0; i-- {
		if b := metadata[i].GetStringBytes(); len(b) > 0 {
			if _, ok := parseAddr(b); ok {
				c.addToList(ips, b)
				break
			}
		}
	}
	if len(id) > 0 {
		c.setText(instance, id)
		c.addToList(hosts, id)
	}
}

// advisorService returns the service of a resource by its ARN, and the id when
// the resource is an EC2 instance; nil when it is no ARN. Other resources of EC2
// are services of their own.
func advisorService(b []byte) (name, instance []byte) {
	a := splitARN(b)
	if bytes.Count(b, []byte(":")) < 2 {
		return nil, nil
	}
	if string(a.service) == "ec2" {
		if kind, id, ok := bytes.Cut(a.resource, []byte("/")); ok {
			if string(kind) == "instance" {
				return a.service, id
			}
			return kind, nil
		}
	}
	return a.service, nil
}

func warns(status []byte) bool { return string(status) == "warning" || string(status) == "error" }
