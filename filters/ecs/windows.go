package ecs

import (
	"bytes"
	"fmt"
	"strconv"

	"github.com/valyala/fastjson"
)

// windowsSteps are the steps of what Windows and its web server log.
var windowsSteps = map[string]stepDef{
	"windows": {[]string{"Event.System.EventID", "Event.System.Channel"}, []string{"event.action", "event.outcome", "cloud.instance.id"}, stepWindows},
	"iis": {[]string{"cs_method", "cs_uri_stem", "cs_uri_query", "cs_uri", "cs_host", "cs_version", "sc_status", "time_taken", "cs_User_Agent", "cs_username",
		"X_Forwarded_For", "x_forwarded_for", "cs_X_Forwarded_For"},
		append([]string{"event.outcome", "event.duration", "http.version", "user_agent.original", "user.name", "user.domain", "related.user",
			"http.request.header.x_forwarded_for", "source.ip", "related.ip"}, urlSlots...), stepIIS},
}

// stepWindows sets action and outcome by the event's id, where it is known, and
// the instance whose id is in the name of the log stream.
func stepWindows(c *Converter, from []*source, slots []int) {
	id := c.readText(from[0])
	e, ok := windowsChannels[string(c.readText(from[1]))][string(id)]
	if !ok {
		e, ok = windowsEvents[string(id)]
	}
	if ok {
		c.setString(slots[0], e.action)
		c.setString(slots[1], e.outcome)
	}
	if id := instanceIn(c.env.stream); id != nil {
		c.setText(slots[2], id)
	}
}

// parseWindows makes the record of a Windows event in XML (Microsoft Learn,
// "Event Schema"). The items of EventData become members by their names, and
// those without one by their place, so that a value has a path of its own:
// Event.EventData.Data.SubjectUserName.
func (c *Converter) parseWindows() error {
	if err := c.readXML(windowsXML); err != nil {
		return err
	}
	event := c.rec.Get("Event")
	if event == nil || event.Type() != fastjson.TypeObject {
		return fmt.Errorf("an element %.40q, want an Event with something in it", c.xml.r.Name)
	}
	event.Del("#text")
	if system := event.Get("System"); system != nil {
		system.Del("#text")
		if id := system.Get("EventID"); id != nil && id.Type() == fastjson.TypeObject {
			system.Set("EventID", id.Get("#text"))
			if q := id.Get("Qualifiers"); q != nil {
				system.Set("Qualifiers", q)
			}
		}
	}
	if data := event.Get("EventData"); data != nil && data.Type() == fastjson.TypeObject {
		data.Del("#text")
		if items := data.Get("Data"); items != nil {
			data.Set("Data", c.windowsData(items))
		}
	}
	return nil
}

// windowsData is the object of the items of EventData. Of two with the same name
// the last counts.
func (c *Converter) windowsData(items *fastjson.Value) *fastjson.Value {
	object := c.arena.NewObject()
	if items.Type() != fastjson.TypeArray {
		c.addWindowsData(object, items, 0)
		return object
	}
	for i, item := range items.GetArray() {
		c.addWindowsData(object, item, i+1)
	}
	return object
}

// windowsLists are the items that are lists of words.
var windowsLists = map[string]bool{"AccessList": true, "PrivilegeList": true}

// addWindowsData adds an item; place is its name if it has none.
func (c *Converter) addWindowsData(object, item *fastjson.Value, place int) {
	name, value := "", item
	if item.Type() == fastjson.TypeObject {
		if text := stringAt(item, "Name"); len(text) > 0 {
			name = unsafeString(text)
			if value = item.Get("#text"); value == nil && item.GetObject().Len() > 1 { // elements instead of a text
				item.Del("Name")
				value = item
			}
		}
	}
	if value == nil || value.Type() == fastjson.TypeNull {
		return
	}
	if value.Type() == fastjson.TypeString {
		text := value.GetStringBytes()
		if len(text) == 0 || len(text) == 1 && text[0] == '-' {
			return
		}
		if windowsLists[name] {
			value = c.arena.NewArray()
			i := 0
			for word := range bytes.FieldsSeq(text) {
				value.SetArrayItem(i, c.newText(word))
				i++
			}
		}
	}
	if name == "" {
		name = strconv.Itoa(place)
	}
	object.Set(name, value)
}
