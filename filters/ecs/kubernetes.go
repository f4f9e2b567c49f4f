package ecs

import (
	"bytes"
	"time"
)

// kubernetesSteps are the steps of Kubernetes' audit log.
var kubernetesSteps = map[string]stepDef{
	"kubernetes-audit": {
		[]string{"verb", "objectRef.resource", "objectRef.subresource", "objectRef.apiGroup", "responseStatus.code", "requestReceivedTimestamp", "stageTimestamp", "requestURI"},
		[]string{"event.category", "event.type", "event.outcome", "event.reason", "event.start", "event.duration", "source.ip", "source.address",
			"orchestrator.cluster.name", "orchestrator.resource.type", "url.path", "url.query", "@message", "event.dataset", "message"},
		stepKubernetes,
	},
}

// kubernetesTypes are the ECS types of verbs (Kubernetes, "Authorization
// overview", request verbs).
var kubernetesTypes = map[string]string{
	"get": "access", "list": "access", "watch": "access", "head": "access", "proxy": "access",
	"create": "creation", "post": "creation", "update": "change", "patch": "change", "put": "change",
	"delete": "deletion", "deletecollection": "deletion",
}

// stepKubernetes: category, type and outcome of a request; where it came from;
// the cluster, which the log group of EKS names. The objects in the request and
// the response, annotations and extra attributes are trees of any keys, and
// become texts; objects that hold secrets or tokens are taken out. The record
// moves under kubernetes.audit, as Elastic has it. What the other components of
// EKS write into the same log group is no audit record, and becomes a message.
// (Kubernetes, "Auditing", audit.k8s.io/v1; Amazon EKS, "Send control plane logs
// to CloudWatch Logs".)
func stepKubernetes(c *Converter, from []*source, slots []int) {
	if rest, ok := bytes.CutPrefix(c.env.group, []byte("/aws/eks/")); ok {
		c.setText(slots[8], pathPart(rest, 0))
		if component := streamComponent(c.env.stream); component != nil {
			c.setText(slots[13], component)
			c.setText(slots[14], c.raw)
			c.clear(c.p.std.errorMessage)
			return
		}
	}
	rec := c.rec
	verb, resource, subresource := c.readText(from[0]), c.readText(from[1]), c.readText(from[2])
	c.setOne(slots[0], kubernetesCategory(resource, subresource, c.readText(from[3])))
	if t := kubernetesTypes[unsafeString(verb)]; t != "" {
		c.setOne(slots[1], t)
	}
	annotations := rec.Get("annotations")
	outcome := "unknown"
	if code := c.readText(from[4]); len(code) == 3 {
		outcome = outcomeOf(code[0] < '4')
	}
	if string(stringAt(annotations, "authorization.k8s.io/decision")) == "forbid" {
		outcome = "failure"
	}
	c.setString(slots[2], outcome)
	if reason := stringAt(annotations, "authorization.k8s.io/reason"); len(reason) > 0 {
		c.setText(slots[3], reason)
	}
	begin, ok1 := parseISO(c.readText(from[5]), time.UTC)
	end, ok2 := parseISO(c.readText(from[6]), time.UTC)
	if ok1 {
		start := len(c.scratch)
		c.scratch = appendTime(c.scratch, begin)
		c.setText(slots[4], c.made(start))
		if ok2 && !end.Before(begin) {
			c.setNumber(slots[5], int64(end.Sub(begin)))
		}
	}
	if ips := rec.GetArray("sourceIPs"); len(ips) > 0 { // "All but the last IP can be arbitrarily set by the client"
		last, _ := ips[len(ips)-1].StringBytes()
		if ip, ok := parseAddr(last); ok {
			c.setText(slots[6], last)
			c.slots[slots[6]].ip = ip
		}
		c.setText(slots[7], last)
	}
	if len(subresource) > 0 {
		c.setText(slots[9], c.join(resource, []byte("/"), subresource))
	}
	path, query, _ := bytes.Cut(c.readText(from[7]), []byte("?"))
	c.setText(slots[10], path)
	c.setText(slots[11], query)
	if holdsSecrets(resource, subresource) && (rec.Exists("requestObject") || rec.Exists("responseObject")) {
		for _, name := range [...]string{"requestObject", "responseObject"} {
			if rec.Exists(name) {
				rec.Set(name, c.arena.NewString(redacted))
			}
		}
		c.setMessage(slots[12])
	}
	for _, name := range [...]string{"requestObject", "responseObject", "annotations"} {
		c.toText(rec, name)
	}
	for _, name := range [...]string{"user", "impersonatedUser"} {
		c.toText(rec.Get(name), "extra")
	}
	if status := rec.Get("responseStatus"); status != nil {
		c.toText(status, "details")
		c.toText(status, "metadata")
	}
	c.moveUnder("kubernetes", "audit")
}

// streamComponent is the component of EKS whose log a stream has, such as
// authenticator of authenticator-0badcafe; nil where it is the audit log.
func streamComponent(stream []byte) []byte {
	i := bytes.LastIndexByte(stream, '-')
	if i < 1 || bytes.HasPrefix(stream, []byte("kube-apiserver-audit-")) {
		return nil
	}
	return stream[:i]
}

// kubernetesCategory is the ECS category of what a request is about: running a
// program in a container, who may do what, or else the cluster's configuration.
func kubernetesCategory(resource, subresource, group []byte) string {
	switch string(subresource) {
	case "exec", "attach", "portforward", "ephemeralcontainers":
		return "process"
	case "token":
		return "authentication"
	}
	switch string(group) {
	case "rbac.authorization.k8s.io", "certificates.k8s.io":
		return "iam"
	case "authentication.k8s.io", "authorization.k8s.io":
		return "authentication"
	}
	if string(resource) == "serviceaccounts" {
		return "iam"
	}
	return "configuration"
}

// holdsSecrets reports whether the objects of a request are secrets or tokens.
func holdsSecrets(resource, subresource []byte) bool {
	switch string(resource) {
	case "secrets", "tokenreviews":
		return true
	}
	return string(subresource) == "token"
}

// moveUnder puts the record under an object of an object of the document.
func (c *Converter) moveUnder(outer, inner string) {
	o, root := c.arena.NewObject(), c.arena.NewObject()
	o.Set(inner, c.rec)
	root.Set(outer, o)
	c.rec = root
}
