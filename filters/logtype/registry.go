package logtype

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/zeebo/xxh3"

	"github.com/fluent-siem/fluent-siem/conf"
	"github.com/fluent-siem/fluent-siem/internal/code"
	"github.com/fluent-siem/fluent-siem/internal/follow"
)

// Set is one consistent set of log types. It does not change.
type Set struct {
	version uint64  // of all their texts
	types   []*Type // most specific first
	names   map[string]*Type
}

// Version is a short name for what all files of the set say.
func (s *Set) Version() string { return fmt.Sprintf("%016x", s.version)[:8] }

// Types returns the log types, most specific first. Do not change them.
func (s *Set) Types() []*Type { return s.types }

// Type finds a log type by its name; nil when there is none.
func (s *Set) Type(name string) *Type { return s.names[name] }

// Match finds the type that claims an object; nil when nobody does, or when who
// does ignores it. why is a sentence for people.
func (s *Set) Match(bucket, key string) (t *Type, why string) {
	t, ignored := s.claim(bucket, key)
	switch {
	case strings.HasSuffix(key, "/"):
		return nil, "the key ends with a slash: a folder, not an object with records"
	case t == nil:
		return nil, "no log type's key pattern matches"
	case ignored:
		why = fmt.Sprintf("%s claims the key, but its ignore_key %s matches", t.Name, t.IgnoreKey)
		if t.IgnoreReason != "" {
			why += ": " + t.IgnoreReason
		}
		return nil, why
	}
	return t, fmt.Sprintf("its key pattern %s matches %q", t.Key, t.key.FindString(key))
}

// Ignored finds the type that claims an object and ignores it; nil when there is
// none.
func (s *Set) Ignored(bucket, key string) *Type {
	if t, ignored := s.claim(bucket, key); ignored && !strings.HasSuffix(key, "/") {
		return t
	}
	return nil
}

func (s *Set) claim(bucket, key string) (t *Type, ignored bool) {
	for _, t := range s.types {
		if t.key != nil && t.key.MatchString(key) && (t.bucket == nil || t.bucket.MatchString(bucket)) {
			return t, t.ignoreKey != nil && t.ignoreKey.MatchString(key)
		}
	}
	return nil, false
}

// Matches returns every type whose pattern matches, the winner first.
func (s *Set) Matches(bucket, key string) []*Type {
	var all []*Type
	for _, t := range s.types {
		if t.key != nil && t.key.MatchString(key) && (t.bucket == nil || t.bucket.MatchString(bucket)) {
			all = append(all, t)
		}
	}
	return all
}

// Registry holds the set of log types that counts now.
type Registry struct {
	mu     sync.Mutex // loading
	set    atomic.Pointer[Set]
	checks []func(*Type) error
	dir    string
}

// NewRegistry returns a registry of the shipped types.
func NewRegistry() (*Registry, error) {
	r := new(Registry)
	return r, r.Load("")
}

// Set returns the set that counts now.
func (r *Registry) Set() *Set { return r.set.Load() }

// Match is [Set.Match] on the current set.
func (r *Registry) Match(bucket, key string) (*Type, string) { return r.Set().Match(bucket, key) }

// Dir is the operator's directory, "" when there is none.
func (r *Registry) Dir() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.dir
}

// AddCheck adds a test that every type of a set must pass before it counts.
// The set that counts now is tested at once.
func (r *Registry) AddCheck(check func(*Type) error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.checks = append(r.checks, check)
	return checkAll(r.Set(), []func(*Type) error{check})
}

// Load reads the shipped types and those of dir ("" for none), and makes them
// count. On an error, which names every problem, nothing changes.
func (r *Registry) Load(dir string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	set, err := read(dir)
	if err == nil {
		err = checkAll(set, r.checks)
	}
	if err != nil {
		return err
	}
	r.dir = dir
	r.set.Store(set)
	return nil
}

// Watch reloads the operator's directory when it changes, until ctx is done. A
// set with an error is refused and logged once; the last good one stays.
func (r *Registry) Watch(ctx context.Context, log *slog.Logger) {
	dir := r.Dir()
	if dir == "" {
		return
	}
	last, refused := fingerprint(dir), ""
	follow.Dir(ctx, dir, log, func() {
		now := fingerprint(dir)
		if now == last {
			return
		}
		last = now
		switch err := r.Load(dir); {
		case err == nil:
			refused = ""
			log.Info("changed log types are in use", "dir", dir)
		case err.Error() != refused:
			refused = err.Error()
			log.Error("changed log types are refused, the last good ones stay in use", "dir", dir, "error", err, code.LogTypes.Attr())
		}
	})
}

// fingerprint tells one state of the files of a directory from another.
func fingerprint(dir string) string {
	var b strings.Builder
	names, _ := filepath.Glob(filepath.Join(dir, "*.yaml"))
	for _, name := range names {
		if info, err := os.Stat(name); err == nil {
			fmt.Fprintln(&b, follow.Identify(name, info))
		}
	}
	return b.String()
}

func checkAll(s *Set, checks []func(*Type) error) error {
	var errs []error
	for _, t := range s.types {
		for _, check := range checks {
			if err := check(t); err != nil {
				errs = append(errs, fmt.Errorf("log type %s: %w", t.Name, err))
			}
		}
	}
	return errors.Join(errs...)
}

// read parses the shipped files and those of dir.
func read(dir string) (*Set, error) {
	files, err := fs.Glob(conf.LogTypes, "logtypes/*.yaml")
	if err != nil {
		return nil, err
	}
	set := &Set{names: map[string]*Type{}}
	var errs []error
	hash := xxh3.New()
	add := func(name string, text []byte, own bool) {
		fmt.Fprintf(hash, "%s %d\n%s", name, len(text), text) // a hash takes everything
		t, err := Parse(name, text)
		if err != nil {
			errs = append(errs, err)
			return
		}
		if old := set.names[t.Name]; old != nil && own == old.own {
			errs = append(errs, fmt.Errorf("%s: log type %s stands in another file too", name, t.Name))
			return
		}
		t.own = own
		set.names[t.Name] = t
	}
	for _, f := range files {
		text, err := fs.ReadFile(conf.LogTypes, f)
		if err != nil {
			return nil, err
		}
		add(filepath.Base(f), text, false)
	}
	if dir != "" {
		names, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
		if err == nil && len(names) == 0 {
			_, err = os.Stat(dir)
		}
		if err != nil {
			return nil, fmt.Errorf("logtypes_dir: %w; the last good log types stay in use", err)
		}
		for _, f := range names {
			text, err := os.ReadFile(f)
			if err != nil {
				errs = append(errs, err)
				continue
			}
			add(f, text, true)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	set.version = hash.Sum64()
	for _, t := range set.names {
		set.types = append(set.types, t)
	}
	slices.SortFunc(set.types, func(a, b *Type) int {
		switch {
		case a.own != b.own: // the operator's types come first
			if a.own {
				return -1
			}
			return 1
		case a.prefix != b.prefix:
			return b.prefix - a.prefix
		}
		return strings.Compare(a.Name, b.Name)
	})
	return set, nil
}
