package enrich

import (
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"github.com/oschwald/maxminddb-golang/v2"

	"github.com/fluent-siem/fluent-siem/internal/event"
	"github.com/fluent-siem/fluent-siem/internal/follow"
)

// Version says which database answers.
type Version struct {
	// Path is where it was read from.
	Path string
	// Type is the database's own word, such as GeoLite2-City.
	Type string
	// Built is when its vendor made it.
	Built time.Time
	// Size in bytes, which is also the memory it takes.
	Size int64
}

// table is one database in memory, and what has been rendered of it.
type table struct {
	Version Version
	kind    *kind
	read    reading
	db      *maxminddb.Reader
	done    slots[rendered]
}

// kind is what we know of a sort of database: the names its file may have,
// most wanted first, and how a record is read.
type kind struct {
	name   string
	files  []string
	types  []string // parts of its type, as vendors name it
	decode reading
	flat   reading // for IPinfo, whose fields are other ones
	extra  bool    // few have it: nobody is told that there is none
}

// reading renders what a record says for geo and for as.
type reading func(maxminddb.Result) (geo, as event.Fragment, err error)

// kinds are all sorts of databases.
var kinds = []*kind{city, asn, anonymous}

var city = &kind{
	name: "City",
	files: []string{"GeoIP2-Enterprise.mmdb", "GeoIP2-City.mmdb", "GeoLite2-City.mmdb", "dbip-city.mmdb", "dbip-city-lite.mmdb", "ipinfo_location.mmdb", "standard_location.mmdb",
		"ipinfo_lite.mmdb", "GeoLite2-City-Test.mmdb", "GeoIP2-City-Test.mmdb", "GeoIP2-Country.mmdb", "GeoLite2-Country.mmdb", "dbip-country.mmdb", "dbip-country-lite.mmdb"},
	types: []string{"City", "Enterprise", "Country", "Location", "ipinfo"},
	decode: func(r maxminddb.Result) (geo, as event.Fragment, err error) {
		record := absent()
		err = r.Decode(&record)
		return render(record.write), as, err
	},
	flat: func(r maxminddb.Result) (geo, as event.Fragment, err error) {
		var record flatRecord
		err = r.Decode(&record)
		return render(record.place().write), as, err
	},
}

var asn = &kind{
	name: "ASN",
	files: []string{"GeoIP2-ISP.mmdb", "GeoLite2-ASN.mmdb", "dbip-asn.mmdb", "dbip-asn-lite.mmdb", "dbip-isp.mmdb", "ipinfo_asn.mmdb", "standard_asn.mmdb", "ipinfo_lite.mmdb",
		"GeoLite2-ASN-Test.mmdb", "GeoIP2-ISP-Test.mmdb"},
	types: []string{"ASN", "ISP", "ipinfo"},
	decode: func(r maxminddb.Result) (geo, as event.Fragment, err error) {
		var record asnRecord
		err = r.Decode(&record)
		return geo, render(record.write), err
	},
	flat: func(r maxminddb.Result) (geo, as event.Fragment, err error) {
		var record flatRecord
		err = r.Decode(&record)
		return geo, render(record.system().write), err
	},
}

// reader is how records of a database of this type are read.
func (k *kind) reader(databaseType string) reading {
	switch name := strings.ToLower(databaseType); {
	case strings.HasPrefix(name, "ipinfo"):
		return k.flat
	case k == city && strings.Contains(name, "enterprise"):
		return enterprise
	}
	return k.decode
}

// openTable reads a database and tries it. An error means that it cannot be
// used; nothing of it stays in memory.
func openTable(k *kind, path string) (t *table, id follow.Identity, err error) {
	data, id, err := readTable(path)
	if err != nil {
		return nil, id, err
	}
	sealTable(data)
	t, err = tryTable(k, data)
	if err != nil {
		freeTable(data)
		return nil, id, err
	}
	t.Version.Path = path
	// The table owns the memory: it is given back when nobody can reach the
	// table any more, whichever reader lets go of it last.
	runtime.AddCleanup(t, freeTable, data)
	return t, id, nil
}

// tryTable opens a database and makes some thousand look-ups on it.
func tryTable(k *kind, data []byte) (t *table, err error) {
	defer func() { // a corrupt file must not take the agent with it, whatever the library thinks of it
		if p := recover(); p != nil {
			t, err = nil, fmt.Errorf("reading it panics: %v", p)
		}
	}()
	db, err := maxminddb.OpenBytes(data, maxminddb.DisableStringCache()) // each record is rendered once: nothing to cache
	if err != nil {
		return nil, err
	}
	t = &table{kind: k, db: db, Version: Version{
		Type:  strings.Clone(db.Metadata.DatabaseType),
		Built: db.Metadata.BuildTime(),
		Size:  int64(len(data)),
	}}
	t.read = k.reader(t.Version.Type)
	return t, t.try()
}

// Below verifiable bytes a database is checked in full, which takes
// milliseconds; above it, that would take seconds at each start, so look-ups
// are tried.
const (
	verifiable = 4 << 20
	trials     = 4096
)

func (t *table) try() error {
	if !t.kind.fits(t.Version.Type) {
		return fmt.Errorf("it is a database of type %q, not one of %s", t.Version.Type, strings.Join(t.kind.types, ", "))
	}
	if t.Version.Size <= verifiable {
		if err := t.db.Verify(); err != nil {
			return err
		}
	} else if n, err := t.decodeAll(t.sample()); n > 0 || err != nil {
		return err
	}
	n, err := t.decodeAll(t.db.Networks())
	if n == 0 && err == nil {
		err = errors.New("it knows no network")
	}
	return err
}

// decodeAll reads the records of the first results, and says how many there were.
func (t *table) decodeAll(results iter.Seq[maxminddb.Result]) (n int, err error) {
	for result := range results {
		if err := result.Err(); err != nil {
			return n, fmt.Errorf("look-up of %v: %w", result.Prefix(), err)
		}
		if !result.Found() {
			continue
		}
		if _, _, err := t.read(result); err != nil {
			return n, fmt.Errorf("look-up of %v: %w", result.Prefix(), err)
		}
		if n++; n == trials {
			break
		}
	}
	return n, nil
}

// sample looks up addresses from all over the database. They are the same each
// time: a refusal can be repeated.
func (t *table) sample() iter.Seq[maxminddb.Result] {
	return func(yield func(maxminddb.Result) bool) {
		random := rand.New(rand.NewPCG(1, 2))
		for i := range 8 * trials {
			var b [16]byte
			binary.BigEndian.PutUint64(b[:8], random.Uint64())
			binary.BigEndian.PutUint64(b[8:], random.Uint64())
			a := netip.AddrFrom4([4]byte(b[:4]))
			if i%4 == 0 && t.db.Metadata.IPVersion == 6 {
				b[0] = 0x20 | b[0]&0x0f // 2000::/4, where the networks are
				a = netip.AddrFrom16(b)
			}
			if !yield(t.db.Lookup(a)) {
				return
			}
		}
	}
}

func (k *kind) fits(databaseType string) bool {
	for _, t := range k.types {
		if strings.Contains(strings.ToLower(databaseType), strings.ToLower(t)) {
			return true
		}
	}
	return false
}

// lookup returns what the database says of a, nil when nothing. The result
// does not depend on the table's memory.
func (t *table) lookup(a netip.Addr) *rendered {
	if t == nil {
		return nil
	}
	defer runtime.KeepAlive(t) // its memory must outlast the reading of it
	result := t.db.Lookup(a)
	if !result.Found() {
		return nil
	}
	offset := uint64(result.Offset())
	slot := t.done.at(offset)
	if r := slot.Load(); r != nil && r.offset == offset {
		return r
	}
	geo, as, err := t.read(result)
	if err != nil {
		return nil // a damaged record behind an intact tree: as good as none
	}
	r := &rendered{offset, geo, as}
	slot.Store(r)
	return r
}

// slots is a cache of fixed size for values that cost more to make than to
// lose: one place per key, the last one in stays, nobody waits. Its zero value
// is empty and ready.
type slots[T any] [1 << slotBits]atomic.Pointer[T]

const slotBits = 13

func (s *slots[T]) at(key uint64) *atomic.Pointer[T] {
	return &s[key*0x9e3779b97f4a7c15>>(64-slotBits)]
}
