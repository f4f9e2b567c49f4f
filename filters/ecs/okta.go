package ecs

import (
	"bytes"

	"github.com/valyala/fastjson"
)

var oktaStep = stepDef{nil, []string{"event.outcome", "user.name", "user.domain", "user.email", "client.user.full_name", "client.user.id",
	"source.user.full_name", "source.user.id", "related.user"}, stepOkta}

// oktaFields are the root fields of a System Log event that move under okta.
var oktaFields = []string{"actor", "debugContext", "request", "outcome", "transaction", "authenticationContext", "securityContext",
	"displayMessage", "uuid", "version", "severity", "published", "legacyEventType", "eventType"}

// oktaClient are the fields of client that move under okta.client.
var oktaClient = []string{"device", "ip", "userAgent", "id", "zone"}

// stepOkta: outcome, the person who acted, and Okta's own objects under okta,
// with names in snake case ("System Log API", LogEvent object).
func stepOkta(c *Converter, _ []*source, slots []int) {
	rec := c.rec
	if result := stringAt(rec, "outcome", "result"); result != nil {
		switch string(result) {
		case "SUCCESS", "ALLOW":
			c.setString(slots[0], "success")
		case "FAILURE", "DENY":
			c.setString(slots[0], "failure")
		default:
			c.setString(slots[0], "unknown")
		}
	}
	if actor := rec.Get("actor"); string(stringAt(actor, "type")) == "User" {
		c.setOktaUser(actor, slots[1:])
	}
	okta := c.arena.NewObject()
	for _, name := range oktaFields {
		if v := rec.Get(name); v != nil {
			if v.Type() != fastjson.TypeNull {
				okta.Set(c.snake([]byte(name)), c.snakeKeys(v))
			}
			rec.Del(name)
		}
	}
	if target := c.oktaTarget(rec.GetArray("target")); target != nil {
		okta.Set("target", target)
	}
	rec.Del("target")
	if client := rec.Get("client"); client != nil && client.Type() == fastjson.TypeObject {
		own := c.arena.NewObject()
		for _, name := range oktaClient {
			if v := client.Get(name); v != nil {
				own.Set(c.snake([]byte(name)), c.snakeKeys(v))
			}
		}
		if v := client.Get("ipAddress"); v != nil {
			own.Set("ip", v)
		}
		okta.Set("client", own)
		rec.Del("client")
	}
	rec.Set("okta", okta)
}

// setOktaUser: who acted, whose alternate id is an e-mail address.
func (c *Converter) setOktaUser(actor *fastjson.Value, slots []int) {
	email, full, id := stringAt(actor, "alternateId"), stringAt(actor, "displayName"), stringAt(actor, "id")
	if name, domain, ok := bytes.Cut(email, []byte("@")); ok {
		c.setText(slots[0], name)
		c.setText(slots[1], domain)
		c.setText(slots[2], email)
	}
	for _, i := range [...]int{3, 5} {
		c.setText(slots[i], full)
		c.setText(slots[i+1], id)
	}
	if len(full) > 0 {
		c.addToList(slots[7], full)
	}
}

// oktaTarget: the app that was used, if there is one among the targets; else
// their list.
func (c *Converter) oktaTarget(targets []*fastjson.Value) *fastjson.Value {
	if len(targets) == 0 {
		return nil
	}
	all := c.arena.NewArray()
	var app *fastjson.Value
	for i, target := range targets {
		if string(stringAt(target, "type")) == "AppInstance" {
			app = target
		}
		all.SetArrayItem(i, c.snakeKeys(target))
	}
	if app == nil {
		return all
	}
	names := c.arena.NewObject()
	for _, name := range [...]string{"alternateId", "displayName"} {
		if v := app.Get(name); v != nil {
			names.Set(c.snake([]byte(name)), v)
		}
	}
	object := c.arena.NewObject()
	object.Set("app_name", names)
	return object
}

// snakeKeys returns an object with its names, and those of the objects in it, in
// snake case; lists stay as they are.
func (c *Converter) snakeKeys(v *fastjson.Value) *fastjson.Value {
	if v.Type() != fastjson.TypeObject {
		return v
	}
	out := c.arena.NewObject()
	v.GetObject().Visit(func(k []byte, item *fastjson.Value) {
		out.Set(c.snake(k), c.snakeKeys(item))
	})
	return out
}

// snake is a name in camelCase as snake_case. Names are few, and remembered.
func (c *Converter) snake(name []byte) string {
	if s, ok := c.names[string(name)]; ok {
		return s
	}
	var b []byte
	for i, ch := range name {
		if ch >= 'A' && ch <= 'Z' && i > 0 && (name[i-1] >= 'a' && name[i-1] <= 'z' || name[i-1] >= '0' && name[i-1] <= '9') {
			b = append(b, '_', ch+'a'-'A')
			continue
		}
		b = append(b, ch)
	}
	if c.names == nil || len(c.names) > 10_000 {
		c.names = map[string]string{}
	}
	c.names[string(name)] = string(b)
	return c.names[string(name)]
}
