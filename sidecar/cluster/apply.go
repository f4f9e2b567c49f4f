package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// made is what the record says of one resource.
type made struct {
	Kind  string `json:"kind"`
	Name  string `json:"name"`
	Wrote string `json:"wrote"` // hash of what we wanted
	Found string `json:"found"` // hash of what the cluster showed then
}

// ID is that of the resource.
func (m made) ID() string { return Resource{Kind: m.Kind, Name: m.Name}.ID() }

// record is what was made, in order.
type record []made

func (r record) find(id string) (made, bool) {
	i := slices.IndexFunc(r, func(m made) bool { return m.ID() == id })
	if i < 0 {
		return made{}, false
	}
	return r[i], true
}

func (r record) without(id string) record {
	return slices.DeleteFunc(slices.Clone(r), func(m made) bool { return m.ID() == id })
}

// readRecord reads the record; a cluster without one has nothing of ours.
func (c *Cluster) readRecord(ctx context.Context) (record, error) {
	status, answer, err := c.api.Do(ctx, http.MethodGet, "/_component_template/"+c.name, nil)
	switch {
	case err != nil:
		return nil, err
	case status == http.StatusNotFound:
		return nil, nil
	case status >= 300:
		return nil, refused(http.MethodGet, "/_component_template/"+c.name, status, answer)
	}
	var got struct {
		Templates []struct {
			Template struct {
				Meta struct {
					Made record `json:"made"`
				} `json:"_meta"`
			} `json:"component_template"`
		} `json:"component_templates"`
	}
	if err := json.Unmarshal(answer, &got); err != nil || len(got.Templates) != 1 {
		return nil, fmt.Errorf("the component template %s is not the record of fluent-siem setup (%w); choose another name", c.name, err)
	}
	return got.Templates[0].Template.Meta.Made, nil
}

// writeRecord makes r count; an empty record is deleted.
func (c *Cluster) writeRecord(ctx context.Context, r record) error {
	path := "/_component_template/" + c.name
	if len(r) == 0 {
		if _, err := c.send(ctx, http.MethodDelete, path, nil); err != nil {
			return err
		}
		c.made = nil
		return nil
	}
	_, err := c.send(ctx, http.MethodPut, path, object{
		"template": object{},
		"_meta":    object{"description": "what fluent-siem setup has made; do not change it", "made": r},
	})
	if err == nil {
		c.made = r
	}
	return err
}

// send sends a request that changes something.
func (c *Cluster) send(ctx context.Context, method, path string, body any) ([]byte, error) {
	var b []byte
	if body != nil {
		var err error
		if b, err = json.Marshal(body); err != nil {
			return nil, err
		}
	}
	status, answer, err := c.api.Do(ctx, method, path, b)
	if err != nil {
		return nil, err
	}
	if status >= 300 && !(method == http.MethodDelete && status == http.StatusNotFound) {
		return nil, refused(method, path, status, answer)
	}
	return answer, nil
}

// Apply does what the steps say and reports each step that changes something as
// it is done. What is replaced or deleted is saved in a folder of backup before.
// A step that fails does not keep the others from being tried; the error joins
// all failures.
func (c *Cluster) Apply(ctx context.Context, steps []Step, backup string, report func(Step, error)) error {
	var failed []error
	for _, s := range steps {
		var err error
		switch {
		case s.Action == Unread:
			err = errors.New(s.Why)
		case !s.Changes():
			continue
		case s.Action == Delete:
			err = c.delete(ctx, s, backup)
		default:
			err = c.write(ctx, s, backup)
		}
		if err != nil {
			err = fmt.Errorf("%s: %w", s.ID(), err)
			failed = append(failed, err)
		}
		report(s, err)
		if ctx.Err() != nil {
			return errors.Join(append(failed, ctx.Err())...)
		}
	}
	return errors.Join(failed...)
}

// write makes or replaces one resource, and notes it.
func (c *Cluster) write(ctx context.Context, s Step, backup string) error {
	if err := save(backup, s); err != nil {
		return err
	}
	k := kinds[s.Kind]
	method, path, body := k.put(s.Resource, k.pathOf(s.Name), s.there)
	if _, err := c.send(ctx, method, path, body); err != nil {
		return err
	}
	after := Step{Resource: s.Resource}
	if why, err := c.look(ctx, &after); why != "" || err != nil {
		return fmt.Errorf("was written, but cannot be read back: %s %w", why, err)
	}
	note := made{s.Kind, s.Name, hash(s.Body), hash(after.current)}
	return c.writeRecord(ctx, append(c.made.without(s.ID()), note))
}

// delete takes one resource away, if it is there, and the note of it.
func (c *Cluster) delete(ctx context.Context, s Step, backup string) error {
	if err := save(backup, s); err != nil {
		return err
	}
	k := kinds[s.Kind]
	method, path, body := http.MethodDelete, k.pathOf(s.Name), any(nil)
	switch {
	case k.remove != nil:
		method, path, body = k.remove(s.Resource, path)
	case k.fixed: // the indexes behind the alias; deletion found them empty
		var names []string
		for index := range s.there {
			names = append(names, url.PathEscape(index))
		}
		path = "/" + strings.Join(names, ",")
	}
	if s.current != nil {
		if _, err := c.send(ctx, method, path, body); err != nil {
			return err
		}
	}
	return c.writeRecord(ctx, c.made.without(s.ID()))
}

// save writes what there is into the folder, before it is replaced.
func save(dir string, s Step) error {
	if s.there == nil || dir == "" {
		return nil
	}
	text, err := json.MarshalIndent(s.there, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(dir, s.Resource, text)
}

// Export writes each resource into a folder, as its API takes it.
func Export(dir string, all []Resource) error {
	for _, r := range all {
		text, err := json.MarshalIndent(r.Body, "", "  ")
		if err != nil {
			return err
		}
		if err := writeFile(dir, r, text); err != nil {
			return err
		}
	}
	return nil
}

// writeFile writes DIR/<kind>/<name>.json, readable by its owner only.
func writeFile(dir string, r Resource, text []byte) error {
	folder := filepath.Join(dir, strings.ReplaceAll(r.Kind, " ", "-"))
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	name := strings.NewReplacer("/", "_", `\`, "_").Replace(r.Name)
	return os.WriteFile(filepath.Join(folder, name+".json"), append(text, '\n'), 0o600)
}
