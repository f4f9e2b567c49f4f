package enrich

import (
	"context"
	"encoding/binary"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fluent-siem/fluent-siem/internal/code"
	"github.com/fluent-siem/fluent-siem/internal/follow"
)

// Fragment is what is known of an address: finished values, rendered once,
// ready to be copied into a document. nil: nothing known. A Fragment never
// changes and stays valid for ever.
type Fragment struct {
	// GeoJSON and GeoMsgpack are the value of "geo":
	// {city_name, country_iso_code, country_name, location{lon,lat}}, and what
	// paid databases know.
	GeoJSON, GeoMsgpack []byte
	// ASJSON and ASMsgpack are the value of "as": {number, organization{name}}.
	ASJSON, ASMsgpack []byte
}

// Geo knows where addresses are and whose, from MaxMind databases in a folder
// that it follows: a file that appears there, or replaces another, is read,
// tried and swapped in while look-ups go on.
type Geo struct {
	dir string
	log *slog.Logger

	current atomic.Pointer[GeoTables]
	refused atomic.Uint64
	swapped atomic.Uint64

	mu     sync.Mutex // one refresh at a time; guards what follows
	states map[*kind]*state
	stop   context.CancelFunc
	ended  chan struct{}
}

// GeoTables are one generation of databases: what is looked up in one of them is
// looked up in all. They do not change; nil is none.
type GeoTables struct {
	generation uint64
	city, asn  *table
	anonymous  *table
	fragments  slots[fragment]
}

// generations numbers them, of whichever folder.
var generations atomic.Uint64

// Generation is another number for each state of the databases of a process.
func (t *GeoTables) Generation() uint64 {
	if t == nil {
		return 0
	}
	return t.generation
}

// Versions lists the databases: City, ASN, Anonymous-IP, where present.
func (t *GeoTables) Versions() (versions []Version) {
	if t == nil {
		return nil
	}
	for _, k := range kinds {
		if db := *t.of(k); db != nil {
			versions = append(versions, db.Version)
		}
	}
	return versions
}

// Version names the databases, as type@day of their making, separated by commas.
func (t *GeoTables) Version() string {
	var list []string
	for _, v := range t.Versions() {
		list = append(list, strings.ReplaceAll(v.Type, " ", "_")+"@"+v.Built.UTC().Format(time.DateOnly))
	}
	return strings.Join(list, ",")
}

// of is the place of a kind's database.
func (t *GeoTables) of(k *kind) **table {
	switch k {
	case city:
		return &t.city
	case asn:
		return &t.asn
	}
	return &t.anonymous
}

// fragment is a Fragment and the records it is made of.
type fragment struct {
	Fragment
	city, asn, anonymous *rendered
}

// state is what Geo remembers about one kind of database.
type state struct {
	last    follow.Identity // the file tried last, good or not
	problem string          // why there is none or an old one; "": fine
}

// OpenGeo follows the databases in dir: GeoLite2-City.mmdb and
// GeoLite2-ASN.mmdb, or GeoIP2-City.mmdb and GeoIP2-ISP.mmdb, also with -Test
// before the ending. Those that are there are in use when it returns. A
// missing folder or file, or a corrupt one, means less enrichment and one line
// in the log; dir "" means none and no line. Close it to stop following.
func OpenGeo(dir string, log *slog.Logger) *Geo {
	if log == nil {
		log = slog.Default()
	}
	g := newGeo(dir, log)
	if dir == "" {
		return g
	}
	g.refresh()
	ctx, stop := context.WithCancel(context.Background())
	g.stop, g.ended = stop, make(chan struct{})
	go func() {
		defer close(g.ended)
		follow.Dir(ctx, dir, log, g.refresh)
	}()
	return g
}

func newGeo(dir string, log *slog.Logger) *Geo {
	g := &Geo{dir: dir, log: log, states: map[*kind]*state{}}
	for _, k := range kinds {
		g.states[k] = new(state)
	}
	g.current.Store(&GeoTables{})
	return g
}

// Close stops following the folder. Readers keep answering from the last
// tables.
func (g *Geo) Close() {
	if g.stop != nil {
		g.stop()
		<-g.ended
	}
}

// Now are the databases that answer now. It costs one atomic load.
func (g *Geo) Now() *GeoTables { return g.current.Load() }

// Versions lists the databases that answer now: City, ASN, Anonymous-IP, where
// present.
func (g *Geo) Versions() []Version { return g.Now().Versions() }

// Problem says what an operator should look at, "" when every database is
// there and the newest one is in use.
func (g *Geo) Problem() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	var problems []string
	for _, k := range kinds {
		if p := g.states[k].problem; p != "" {
			problems = append(problems, p)
		}
	}
	return strings.Join(problems, "; ")
}

// Swapped counts the databases that were taken into use.
func (g *Geo) Swapped() uint64 { return g.swapped.Load() }

// Refused counts the files that could not be used.
func (g *Geo) Refused() uint64 { return g.refused.Load() }

// refresh takes new files into use. All databases change at once, so that no
// event mixes generations when several were replaced together.
func (g *Geo) refresh() {
	g.mu.Lock()
	defer g.mu.Unlock()
	old := g.current.Load()
	next := &GeoTables{generation: generations.Add(1), city: old.city, asn: old.asn, anonymous: old.anonymous}
	var taken []*table
	replaced := int64(0)
	for _, k := range kinds {
		t := g.newer(k, k == asn && isEnterprise(next.city))
		if t == nil {
			continue
		}
		at := next.of(k)
		if *at != nil {
			replaced += (*at).Version.Size
		}
		*at = t
		taken = append(taken, t)
		g.swapped.Add(1)
	}
	if taken == nil {
		return
	}
	g.current.Store(next)
	for _, t := range taken {
		v := t.Version
		g.log.Info("GeoIP database in use", "database", v.Type, "file", v.Path, "built", v.Built, "bytes", v.Size)
	}
	if replaced > 1<<20 {
		old, next, taken = nil, nil, nil
		runtime.GC() // it finds the old tables unused and gives their memory back; the collector does not see its size and might wait long
	}
}

// newer returns the database of a kind when its file is another than last time
// and can be used. covered: another database says the same, none need be there.
func (g *Geo) newer(k *kind, covered bool) *table {
	s := g.states[k]
	path, info := find(g.dir, k.files)
	if info == nil {
		if s.last != (follow.Identity{}) && g.inUse(k) {
			g.say(s, "the "+k.name+" database is gone from "+g.dir+"; the one in memory stays in use until restart")
		} else if k.extra || covered {
			s.problem = ""
		} else {
			g.say(s, "no "+k.name+" database in "+g.dir+"; events are not enriched by it until there is a file GeoLite2-"+k.name+".mmdb")
		}
		s.last = follow.Identity{}
		return nil
	}
	if follow.Identify(path, info) == s.last {
		return nil
	}
	t, id, err := openTable(k, path)
	if err != nil {
		if id != s.last || s.problem == "" {
			g.refused.Add(1)
			s.problem = "" // another file: worth another line
		}
		s.last = id // the zero identity when it cannot be opened: it is tried again with the next poll
		consequence := "events are not enriched by it"
		if g.inUse(k) {
			consequence = "the one before it stays in use"
		}
		g.say(s, "the "+k.name+" database "+path+" is refused: "+err.Error()+"; "+consequence+"; replace the file")
		return nil
	}
	s.last, s.problem = id, ""
	return t
}

func (g *Geo) inUse(k *kind) bool {
	return *g.current.Load().of(k) != nil
}

// say logs a problem when it is not the one said before.
func (g *Geo) say(s *state, problem string) {
	if s.problem != problem {
		s.problem = problem
		g.log.Warn("GeoIP: "+problem, "dir", g.dir, code.GeoIP.Attr())
	}
}

// find returns the first of the files that dir has, info nil when none.
func find(dir string, files []string) (path string, info os.FileInfo) {
	for _, name := range files {
		path = filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && !info.IsDir() {
			return path, info
		}
	}
	return "", nil
}

// lookup makes or finds the fragment for an address, nil when nothing is known.
func (t *GeoTables) lookup(a netip.Addr) *Fragment {
	a = a.Unmap().WithZone("")
	where, whose, hidden := t.city.lookup(a), t.asn.lookup(a), t.anonymous.lookup(a)
	if where == nil && whose == nil && hidden == nil {
		return nil
	}
	var key uint64
	if where != nil {
		key = where.offset
	}
	if whose != nil {
		key ^= whose.offset << 32
	}
	if hidden != nil {
		key ^= hidden.offset << 16
	}
	slot := t.fragments.at(key)
	if f := slot.Load(); f != nil && f.city == where && f.asn == whose && f.anonymous == hidden {
		return &f.Fragment
	}
	f := &fragment{city: where, asn: whose, anonymous: hidden}
	if where == nil {
		where = new(rendered)
	}
	if hidden == nil {
		hidden = new(rendered)
	}
	system := where.as // of an Enterprise database
	if whose != nil && whose.as.JSON != nil {
		system = whose.as
	}
	place := merged(where.geo, hidden.geo)
	f.GeoJSON, f.GeoMsgpack, f.ASJSON, f.ASMsgpack = place.JSON, place.Msgpack, system.JSON, system.Msgpack
	if f.GeoJSON == nil && f.ASJSON == nil {
		return nil
	}
	slot.Store(f)
	return &f.Fragment
}

// Reader returns a reader for one goroutine. It takes 128 KiB for its cache. That
// of a nil Geo looks up in databases that it is given.
func (g *Geo) Reader() *GeoReader { return &GeoReader{geo: g} }

// GeoReader looks up addresses for one goroutine.
type GeoReader struct {
	geo        *Geo
	generation uint64 // of what the cache holds; not the tables themselves, an idle reader would keep them alive
	cache      [1 << readerBits]geoEntry
}

const readerBits = 12

type geoEntry struct {
	addr     netip.Addr
	fragment *Fragment
}

// Lookup returns what is known of a now; see [GeoReader.LookupIn].
func (r *GeoReader) Lookup(a netip.Addr) *Fragment { return r.LookupIn(r.geo.Now(), a) }

// LookupIn returns what these databases know of a: nil when nothing, as for
// private addresses. An address seen lately costs a few nanoseconds. It does not
// fail and does not allocate for what it knows already.
func (r *GeoReader) LookupIn(t *GeoTables, a netip.Addr) *Fragment {
	if t.generation != r.generation {
		clear(r.cache[:])
		r.generation = t.generation
	}
	e := &r.cache[cacheSlot(a)]
	if e.addr != a {
		e.addr, e.fragment = a, t.lookup(a)
	}
	return e.fragment
}

func cacheSlot(a netip.Addr) uint64 {
	b := a.As16()
	high, low := binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])
	return (high*0xff51afd7ed558ccd ^ low) * 0x9e3779b97f4a7c15 >> (64 - readerBits)
}
