package enrich

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/gaissmai/bart"
	"github.com/goccy/go-yaml"
	"github.com/zeebo/xxh3"

	"github.com/fluent-siem/fluent-siem/internal/code"
	"github.com/fluent-siem/fluent-siem/internal/follow"
	"github.com/fluent-siem/fluent-siem/internal/settings"
)

// Limits of tables of assets. A table takes some six times its file in memory.
const (
	mostAssetTables  = 100
	largestAssets    = 64 << 20 // bytes of a file
	mostAssets       = 1_000_000
	mostAssetColumns = 100
	mostPatterns     = 1000 // rows that are regular expressions: each is tried on each new value
	longestPattern   = 1000 // bytes
)

// AssetJoin says how rows of a table of assets come into documents. It is the
// content of NAME.yaml in the folder of assets.
type AssetJoin struct {
	// Name is the file's, without .yaml.
	Name string `yaml:"-"`
	// File has the rows: CSV with names in the first line, or JSON (objects, in a
	// list or one behind the other) if it ends with .json. A path without / is in
	// the same folder.
	File string `yaml:"file"`
	// Key is the column whose value is compared.
	Key string `yaml:"key"`
	// By says how: text (equal), network (the key is an address or a network;
	// the most specific wins) or pattern (RE2 that the whole value must match; the
	// first row wins).
	By string `yaml:"by"`
	// Join are the fields that are compared, ECS fields or those of the record;
	// the first with a row counts.
	Join []string `yaml:"join"`
	// Fill are fields that get the value of a column unless they have one. A name
	// that begins with a dot is beside the field that was compared, and then each
	// field of Join counts.
	Fill map[string]string `yaml:"fill"`
	// Overwrite are fields that get the value of a column in any case.
	Overwrite map[string]string `yaml:"overwrite"`
}

var assetField = regexp.MustCompile(`^\.?[A-Za-z_][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*$`)

// fixedFields are what an asset has no say in.
var fixedFields = []string{"message", "ecs.version", "event.ingested", "event.module"}

func (j *AssetJoin) check() error {
	var bad settings.Problems
	if j.File == "" {
		bad.Add("file", "it is missing: name the file with the rows")
	}
	if j.Key == "" {
		bad.Add("key", "it is missing: name the column that is compared")
	}
	if j.By == "" {
		j.By = "text"
	}
	if j.By != "text" && j.By != "network" && j.By != "pattern" {
		bad.Add("by", "%q; use text, network or pattern", j.By)
	}
	if len(j.Join) == 0 {
		bad.Add("join", "it is missing: name the fields that are compared with the key")
	}
	if len(j.Fill)+len(j.Overwrite) == 0 {
		bad.Add("fill", "there is nothing to fill or overwrite; write FIELD: COLUMN")
	}
	for key, fields := range map[string]map[string]string{"fill": j.Fill, "overwrite": j.Overwrite} {
		for field := range fields {
			if !assetField.MatchString(field) || slices.Contains(fixedFields, field) {
				bad.Add(key+"."+field, "cannot be set; name a field like host.name, or .name for one beside the field that is compared")
			}
		}
	}
	return bad.Err()
}

// AssetTable is one table. It does not change.
type AssetTable struct {
	AssetJoin
	// Version changes with the rows and with how they are joined.
	Version string

	columns  map[string]int
	n        int
	texts    map[string]Asset
	networks bart.Table[Asset]
	patterns []assetPattern
	known    *slots[assetMatch] // of patterns
}

// Asset is one row: texts, or lists of them, by column.
type Asset []AssetValue

// AssetValue is a text, or a list where the row has one.
type AssetValue struct {
	Text string
	List []string
}

type assetPattern struct {
	re  *regexp.Regexp
	row Asset
}

type assetMatch struct {
	value string
	row   Asset
}

// Len is how many rows the table has.
func (t *AssetTable) Len() int { return t.n }

// Column is the place of a column in an [Asset], -1: there is none.
func (t *AssetTable) Column(name string) int {
	if i, ok := t.columns[name]; ok {
		return i
	}
	return -1
}

// Find returns the row of a value, nil when there is none. a is the value as
// an address, if it is one.
func (t *AssetTable) Find(value string, a netip.Addr) Asset {
	switch {
	case t.texts != nil:
		return t.texts[value]
	case t.patterns != nil:
		slot := t.known.at(xxh3.HashString(value))
		if m := slot.Load(); m != nil && m.value == value {
			return m.row
		}
		m := &assetMatch{value: strings.Clone(value)}
		for i := range t.patterns {
			if t.patterns[i].re.MatchString(value) {
				m.row = t.patterns[i].row
				break
			}
		}
		slot.Store(m)
		return m.row
	case a.IsValid():
		row, _ := t.networks.Lookup(a.Unmap().WithZone(""))
		return row
	}
	return nil
}

// Assets are all tables of one moment. They do not change; a nil value has none.
type Assets struct {
	// Tables by name, in their order.
	Tables []*AssetTable
	// Joins stays the same pointer for as long as the tables are joined in the
	// same way.
	Joins *[]AssetJoin
	// Version names this state of all tables.
	Version string
}

func (a *Assets) version() string {
	if a == nil {
		return ""
	}
	return a.Version
}

// Table returns the table of a name, nil when there is none.
func (a *Assets) Table(name string) *AssetTable {
	if a != nil {
		for _, t := range a.Tables {
			if t.Name == name {
				return t
			}
		}
	}
	return nil
}

// AssetFolder follows a folder of tables of assets.
type AssetFolder struct {
	dir     string
	log     *slog.Logger
	current atomic.Pointer[Assets]
	refused atomic.Uint64

	mu     sync.Mutex // one refresh at a time; guards what follows
	states map[string]*assetState
	stop   context.CancelFunc
	ended  chan struct{}
}

type assetState struct {
	description, data follow.Identity
	table             *AssetTable // the last good one
	problem           string
}

// OpenAssets follows the tables in dir: NAME.yaml is an [AssetJoin], and names
// the file with the rows. Those that can be used are when it returns; one that
// cannot is logged, and the one before it stays in use. Close it to stop
// following.
func OpenAssets(dir string, log *slog.Logger) *AssetFolder {
	if log == nil {
		log = slog.Default()
	}
	f := newAssetFolder(dir, log)
	f.refresh()
	ctx, stop := context.WithCancel(context.Background())
	f.stop, f.ended = stop, make(chan struct{})
	go func() {
		defer close(f.ended)
		follow.Dir(ctx, dir, log, f.refresh)
	}()
	return f
}

func newAssetFolder(dir string, log *slog.Logger) *AssetFolder {
	f := &AssetFolder{dir: dir, log: log, states: map[string]*assetState{}}
	f.current.Store(&Assets{Joins: new([]AssetJoin)})
	return f
}

// LoadAssets reads the tables in dir once. The error names those that cannot be
// used; the others are there all the same.
func LoadAssets(dir string) (*Assets, error) {
	f := newAssetFolder(dir, slog.New(slog.DiscardHandler))
	f.refresh()
	if p := f.Problem(); p != "" {
		return f.Load(), errors.New(p)
	}
	return f.Load(), nil
}

// TryAssets says why a file in dir cannot be used: NAME.yaml, or the rows that
// some such file names. Rows that none names are not read.
func TryAssets(dir, name string) error {
	paths, _ := filepath.Glob(filepath.Join(dir, "*.yaml"))
	for _, path := range paths {
		join, _, err := readJoin(strings.TrimSuffix(filepath.Base(path), ".yaml"), path)
		if filepath.Base(path) != name && (err != nil || join.File != filepath.Join(dir, name)) {
			continue
		}
		var info os.FileInfo
		if err == nil {
			info, err = os.Stat(join.File)
		}
		if err == nil {
			_, err = readAssets(join, follow.Identify(join.File, info), func(error) {})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Load returns the tables of now. It costs one atomic load.
func (f *AssetFolder) Load() *Assets { return f.current.Load() }

// Refused counts the files that could not be used.
func (f *AssetFolder) Refused() uint64 { return f.refused.Load() }

// Close stops following. The tables stay.
func (f *AssetFolder) Close() {
	f.stop()
	<-f.ended
}

// Problem says which tables are not the newest, "" when all are.
func (f *AssetFolder) Problem() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []string
	for _, name := range slices.Sorted(maps.Keys(f.states)) {
		if p := f.states[name].problem; p != "" {
			all = append(all, p)
		}
	}
	return strings.Join(all, "; ")
}

// refresh takes what changed into use, all at once.
func (f *AssetFolder) refresh() {
	f.mu.Lock()
	defer f.mu.Unlock()
	paths, _ := filepath.Glob(filepath.Join(f.dir, "*.yaml"))
	changed := false
	there := map[string]bool{}
	for _, path := range paths[:min(len(paths), mostAssetTables)] {
		name := strings.TrimSuffix(filepath.Base(path), ".yaml")
		there[name] = true
		s := f.states[name]
		if s == nil {
			s = new(assetState)
			f.states[name] = s
		}
		changed = f.look(s, name, path) || changed
	}
	_, err := os.Stat(f.dir)
	f.about("", "the folder of assets cannot be read; the tables before stay in use: ", err)
	if len(paths) > mostAssetTables {
		err = fmt.Errorf("%d in %s", len(paths), f.dir)
		f.about("", fmt.Sprintf("of tables of assets only %d are used, by name: ", mostAssetTables), err)
	}
	for name, s := range f.states {
		if err == nil && name != "" && !there[name] {
			changed = changed || s.table != nil
			delete(f.states, name)
		}
	}
	if changed {
		f.publish()
	}
}

// about notes a problem of no single table.
func (f *AssetFolder) about(name, what string, err error) {
	if err == nil {
		delete(f.states, name)
		return
	}
	s := f.states[name]
	if s == nil {
		s = new(assetState)
		f.states[name] = s
	}
	f.say(s, what+err.Error())
}

// look reads a table anew when one of its files is another than last time. It
// says whether there is a new one.
func (f *AssetFolder) look(s *assetState, name, path string) bool {
	join, description, err := readJoin(name, path)
	var data follow.Identity
	if err == nil {
		var info os.FileInfo
		if info, err = os.Stat(join.File); err == nil {
			data = follow.Identify(join.File, info)
			if description == s.description && data == s.data {
				return false
			}
		}
	}
	var t *AssetTable
	if err == nil {
		t, err = readAssets(join, data, func(problem error) {
			f.log.Warn("a row of a table of assets is not used; the others are", "file", join.File, "error", problem, code.Row.Attr())
		})
	}
	if err != nil {
		if description != s.description || data != s.data || s.problem == "" {
			f.refused.Add(1)
		}
		s.description, s.data = description, data
		consequence := "events go without it"
		if s.table != nil {
			consequence = "the one before it stays in use"
		}
		f.say(s, fmt.Sprintf("the table of assets %s is refused: %v; %s; correct the file", name, err, consequence))
		return false
	}
	s.description, s.data, s.table, s.problem = description, data, t, ""
	f.log.Info("table of assets in use", "table", name, "file", join.File, "rows", t.n, "version", t.Version)
	return true
}

func (f *AssetFolder) say(s *assetState, problem string) {
	if s.problem != problem {
		s.problem = problem
		f.log.Warn(problem, code.File.Attr())
	}
}

// publish puts all tables into use as one.
func (f *AssetFolder) publish() {
	next := new(Assets)
	var joins []AssetJoin
	hash := xxh3.New()
	for _, s := range f.states {
		if s.table != nil {
			next.Tables = append(next.Tables, s.table)
		}
	}
	slices.SortFunc(next.Tables, func(a, b *AssetTable) int { return cmp.Compare(a.Name, b.Name) })
	for _, t := range next.Tables {
		joins = append(joins, t.AssetJoin)
		_, _ = hash.WriteString(t.Name + t.Version)
	}
	next.Joins = f.current.Load().Joins
	if !slices.EqualFunc(*next.Joins, joins, sameJoin) {
		next.Joins = &joins
	}
	if len(next.Tables) > 0 {
		next.Version = fmt.Sprintf("%08x", hash.Sum64()>>32)
	}
	f.current.Store(next)
}

func sameJoin(a, b AssetJoin) bool {
	return a.Name == b.Name && slices.Equal(a.Join, b.Join) && maps.Equal(a.Fill, b.Fill) && maps.Equal(a.Overwrite, b.Overwrite)
}

// readJoin reads the description of a table.
func readJoin(name, path string) (*AssetJoin, follow.Identity, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, follow.Identity{}, err
	}
	id := follow.Identify(path, info)
	if info.Size() > 1<<20 {
		return nil, id, fmt.Errorf("%s has more than 1 MiB", path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, id, err
	}
	j := &AssetJoin{Name: name}
	if err := yaml.UnmarshalWithOptions(text, j, yaml.DisallowUnknownField()); err != nil {
		return nil, id, fmt.Errorf("%s: %w", path, err)
	}
	if err := j.check(); err != nil {
		return nil, id, fmt.Errorf("%s:\n%w", path, err)
	}
	if !strings.Contains(j.File, "/") {
		j.File = filepath.Join(filepath.Dir(path), j.File)
	}
	return j, id, nil
}
