package cluster

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// Action is what a step does.
type Action string

// The actions.
const (
	Create Action = "create"
	Update Action = "update"
	Delete Action = "delete" // made by an earlier setup and no longer wanted
	Same   Action = "same"   // nothing to do
	Keep   Action = "keep"   // somebody else's: stays unless forced
	Skip   Action = "skip"   // the cluster cannot have it
	Unread Action = "unread" // the cluster does not say what there is
)

// Step is what is to be done for one resource.
type Step struct {
	Resource
	Action Action
	Why    string   // a clause for people; "" where the action says it all
	Diff   []string // lines: "- path: value" that is there, "+ path: value" that is wanted

	there   object // the answer to GET, nil when there is nothing
	current object // what there is
}

// Changes reports whether the step would change the cluster.
func (s Step) Changes() bool {
	return s.Action == Create || s.Action == Update || s.Action == Delete
}

// Cluster is a cluster that is set up.
type Cluster struct {
	api  API
	has  Features
	name string // of the record
	made record
}

// Open reads what an earlier setup of that name has made.
func Open(ctx context.Context, api API, has Features, name string) (*Cluster, error) {
	c := &Cluster{api: api, has: has, name: name}
	made, err := c.readRecord(ctx)
	c.made = made
	return c, err
}

// Plan compares what is wanted with what there is. With force, what somebody
// else made or changed is replaced, too.
func (c *Cluster) Plan(ctx context.Context, wanted []Resource, force bool) ([]Step, error) {
	var steps []Step
	ids := map[string]bool{}
	for _, r := range wanted {
		ids[r.ID()] = true
		s, err := c.step(ctx, r, force)
		if err != nil {
			return nil, err
		}
		steps = append(steps, s)
	}
	for _, m := range lastMadeFirst(c.made) {
		if ids[m.ID()] {
			continue
		}
		s, err := c.deletion(ctx, m, force)
		if err != nil {
			return nil, err
		}
		steps = append(steps, s)
	}
	return steps, nil
}

// lastMadeFirst is the order of deletion; component templates come last, for
// they cannot go while an index template uses them.
func lastMadeFirst(r record) record {
	r = slices.Clone(r)
	slices.Reverse(r)
	isPart := func(m made) int {
		if m.Kind == "component template" {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(r, func(a, b made) int { return isPart(a) - isPart(b) })
	return r
}

func (c *Cluster) step(ctx context.Context, r Resource, force bool) (Step, error) {
	s := Step{Resource: r}
	k, ok := kinds[r.Kind]
	if !ok {
		return s, fmt.Errorf("%q is no kind of resource", r.Kind)
	}
	if k.lacks != nil {
		if s.Why = k.lacks(r, c.has); s.Why != "" {
			s.Action = Skip
			return s, nil
		}
	}
	if why, err := c.look(ctx, &s); why != "" || err != nil {
		s.Action, s.Why = Unread, why
		return s, err
	}
	m, ours := c.made.find(r.ID())
	switch {
	case s.current == nil:
		s.Action = Create
	case k.fixed:
		s.Action = Same
	case ours && m.Found == hash(s.current) && m.Wrote == hash(r.Body):
		s.Action = Same
	case covers(s.current, canon(r.Body)):
		s.Action = Same
	case ours && m.Found == hash(s.current):
		s.Action = Update
	case force:
		s.Action, s.Why = Update, "forced"
	case ours:
		s.Action, s.Why = Keep, "changed by somebody since; --force replaces it"
	default:
		s.Action, s.Why = Keep, "made by somebody else; --force replaces it"
	}
	if s.Action == Update || s.Action == Keep {
		s.Diff = diff(s.current, canon(r.Body))
	}
	return s, nil
}

// deletion is the step for a resource that was made and is not wanted any more.
func (c *Cluster) deletion(ctx context.Context, m made, force bool) (Step, error) {
	s := Step{Resource: Resource{Kind: m.Kind, Name: m.Name}, Action: Delete}
	if why, err := c.look(ctx, &s); why != "" || err != nil {
		s.Action, s.Why = Unread, why
		return s, err
	}
	switch {
	case s.current == nil:
		s.Why = "gone already"
	case m.Found != hash(s.current) && !force && !kinds[m.Kind].fixed:
		s.Action, s.Why = Keep, "changed by somebody since; --force deletes it"
	}
	if kinds[m.Kind].fixed && s.current != nil {
		n, err := c.documents(ctx, m.Name)
		if err != nil {
			return s, err
		}
		if n > 0 {
			s.Action, s.Why = Keep, fmt.Sprintf("holds %d documents", n)
		}
	}
	return s, nil
}

// look asks what there is. why is not empty when the cluster does not say.
func (c *Cluster) look(ctx context.Context, s *Step) (why string, err error) {
	k := kinds[s.Kind]
	path := k.pathOf(s.Name)
	status, answer, err := c.api.Do(ctx, http.MethodGet, path, nil)
	switch {
	case err != nil:
		return "", err
	case status == http.StatusNotFound:
		return "", nil
	case status >= 300:
		return refused(http.MethodGet, path, status, answer).Error(), nil
	}
	if err := json.Unmarshal(answer, &s.there); err != nil {
		return "", fmt.Errorf("GET %s: %w", path, err)
	}
	s.current = k.current(s.Name, s.there)
	return "", nil
}

// documents counts what is behind an alias.
func (c *Cluster) documents(ctx context.Context, alias string) (int, error) {
	var got struct{ Count int }
	if status, answer, err := c.api.Do(ctx, http.MethodPost, "/"+alias+"/_refresh", nil); err != nil {
		return 0, err
	} else if status >= 300 {
		return 0, refused(http.MethodPost, "/"+alias+"/_refresh", status, answer)
	}
	err := get(ctx, c.api, "/"+alias+"/_count", &got)
	return got.Count, err
}

// canon is a body as it is after a journey as JSON.
func canon(body object) object {
	b, err := json.Marshal(body)
	if err != nil {
		panic(err) // maps of texts and numbers
	}
	var o object
	if err := json.Unmarshal(b, &o); err != nil {
		panic(err)
	}
	return o
}

// hash is short enough for people and long enough that no two bodies share one.
func hash(body object) string {
	b, err := json.Marshal(body)
	if err != nil {
		panic(err) // as above
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:8])
}

// flatten lists every value with its path. The cluster writes numbers and truth
// values of settings as texts; so do we.
func flatten(v any, path string, into map[string]string) {
	switch v := v.(type) {
	case object:
		for key, item := range v {
			flatten(item, strings.TrimPrefix(path+"."+key, "."), into)
		}
	case []any:
		for i, item := range v {
			flatten(item, fmt.Sprintf("%s[%d]", path, i), into)
		}
	case nil:
	default:
		into[path] = text(v)
	}
}

// covers reports whether there is what is wanted, and no more than defaults
// that the cluster adds.
func covers(there, wanted object) bool {
	have, want := map[string]string{}, map[string]string{}
	flatten(there, "", have)
	flatten(wanted, "", want)
	for path, value := range want {
		if have[path] != value {
			return false
		}
	}
	for path := range have {
		if _, ok := want[path]; !ok && !isDefault(path, have[path]) {
			return false
		}
	}
	return true
}

// isDefault knows what clusters add to what they are given.
func isDefault(path, value string) bool {
	last := path[strings.LastIndexByte(path, '.')+1:]
	switch {
	case strings.Contains(path, ".retry."), last == "last_updated_time", last == "copy_alias",
		last == "fls", strings.HasPrefix(last, "masked_fields"), last == "dls", last == "description" && value == "":
		return true
	}
	return false
}

// diff lists what would change, sorted by path: first what would go.
func diff(there, wanted object) []string {
	have, want := map[string]string{}, map[string]string{}
	flatten(there, "", have)
	flatten(wanted, "", want)
	all := maps.Clone(have)
	maps.Copy(all, want)
	var lines, added []string
	for _, path := range slices.Sorted(maps.Keys(all)) {
		old, had := have[path]
		wish, wants := want[path]
		if had == wants && old == wish || had && !wants && isDefault(path, old) {
			continue
		}
		if !had {
			added = append(added, "+ "+path+": "+wish)
			continue
		}
		lines = append(lines, "- "+path+": "+old)
		if wants {
			lines = append(lines, "+ "+path+": "+wish)
		}
	}
	return append(lines, added...)
}
