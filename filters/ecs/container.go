package ecs

import "github.com/valyala/fastjson"

// What FireLens says about the container that wrote a record: its fields stand
// in the document's root, as the original has them, and fill container.id,
// container.name, cloud.instance.id, and account and region from the task's ARN.

// readContainer takes the container's fields. The field source (stdout or
// stderr) becomes container_source, as source is an ECS object.
func (e *envelope) readContainer() {
	if e.container = e.record.Get("container"); e.container == nil {
		return
	}
	if source := e.container.Get("source"); source != nil {
		e.container.Del("source")
		e.container.Set("container_source", source)
	}
	if a := splitARN(e.container.GetStringBytes("ecs_task_arn")); len(a.account) > 0 {
		if len(e.account) == 0 {
			e.account = a.account
		}
		if len(e.region) == 0 { // a log group's envelope names the account only
			e.region = a.region
		}
	}
	if e.id == nil {
		e.id = e.container.GetStringBytes("container_name")
	}
}

// setContainer fills what ECS has of it.
func (c *Converter) setContainer() {
	v := c.env.container
	if v == nil {
		return
	}
	std := &c.p.std
	for _, f := range [...]struct {
		slot int
		name string
	}{{std.containerID, "container_id"}, {std.containerName, "container_name"}, {std.instance, "ec2_instance_id"}} {
		if b := v.GetStringBytes(f.name); len(b) > 0 && c.slots[f.slot].kind == none {
			c.setText(f.slot, b)
		}
	}
}

// writeContainer writes the container's fields, but those of which the document
// has another of the same name.
func (c *Converter) writeContainer() {
	if c.env.container == nil {
		return
	}
	w := &c.w
	c.env.container.GetObject().Visit(func(k []byte, item *fastjson.Value) {
		name := unsafeString(k)
		switch {
		case c.p.root.child(name) != nil:
			return
		case c.layout != nil && c.layout.names[name]:
			return
		case c.layout == nil && c.rec.Exists(name):
			return
		}
		before := w.Save()
		w.Name(k)
		if !c.writeMember(item, 1) {
			w.Restore(before)
		}
	})
}
