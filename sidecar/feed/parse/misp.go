package parse

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/fluent-siem/fluent-siem/internal/indicator"
)

// MISPEvent is an event of MISP as a feed has it.
type MISPEvent struct {
	UUID       string                `json:"uuid"`
	Info       string                `json:"info"`
	Date       string                `json:"date"`
	Timestamp  string                `json:"timestamp"`
	Orgc       struct{ Name string } `json:"Orgc"`
	Attributes []MISPAttribute       `json:"Attribute"`
	Objects    []struct {
		Attributes []MISPAttribute `json:"Attribute"`
	} `json:"Object"`
}

// MISPAttribute is a value of an event.
type MISPAttribute struct {
	Type      string `json:"type"`
	Value     string `json:"value"`
	Comment   string `json:"comment"`
	ToIDS     bool   `json:"to_ids"`
	Timestamp string `json:"timestamp"`
	FirstSeen string `json:"first_seen"`
	LastSeen  string `json:"last_seen"`
	Deleted   bool   `json:"deleted"`
}

// mispParts says for each type that can be looked up which part of the value
// is: MISP joins two with "|".
var mispParts = map[string][]int{
	"ip-src": {0}, "ip-dst": {0}, "ip-src|port": {0}, "ip-dst|port": {0}, "domain": {0}, "hostname": {0}, "hostname|port": {0}, "domain|ip": {0, 1},
	"url": {0}, "md5": {0}, "sha1": {0}, "sha256": {0}, "sha512": {0},
	"filename|md5": {1}, "filename|sha1": {1}, "filename|sha256": {1}, "filename|sha512": {1},
}

// misp reads events, {"Event": {…}}, one or several after each other.
// Attributes that are not meant for detection (to_ids) are left out silently.
func misp(r io.Reader, o Origin, s Sink) error {
	return wrap("an event of MISP", documents(r, func(d *struct{ Event *MISPEvent }) error {
		if d.Event == nil {
			return errors.New(`it has no "Event"`)
		}
		return d.Event.Rows(o, s)
	}))
}

// Rows gives the attributes of an event to s.
func (e *MISPEvent) Rows(o Origin, s Sink) error {
	o.Provider = first(o.Provider, e.Orgc.Name, "MISP")
	attributes := e.Attributes
	for _, object := range e.Objects {
		attributes = append(attributes, object.Attributes...)
	}
	for n, a := range attributes {
		parts, ok := mispParts[a.Type]
		if !ok || !a.ToIDS || a.Deleted {
			continue
		}
		values := strings.Split(a.Value, "|")
		for _, part := range parts {
			if part >= len(values) {
				s.left(n+1, fmt.Errorf("a value of type %s has %d parts", a.Type, len(values)))
				continue
			}
			row, err := o.fill(values[part], &indicator.Row{
				Name: e.Info, Description: a.Comment, FirstSeen: when(a.FirstSeen), LastSeen: when(a.LastSeen), Modified: first(when(a.Timestamp), when(e.Timestamp), when(e.Date)),
			})
			if err := s.given(n+1, row, err); err != nil {
				return err
			}
		}
	}
	return nil
}

// documents reads one JSON text after the other.
func documents[T any](r io.Reader, each func(*T) error) error {
	d := json.NewDecoder(r)
	for n := 0; ; n++ {
		v := new(T)
		err := d.Decode(v)
		if err == io.EOF && n > 0 {
			return nil
		}
		if err != nil {
			return err
		}
		if err := each(v); err != nil {
			return err
		}
	}
}
