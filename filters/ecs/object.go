package ecs

import (
	"crypto/md5" //nolint:gosec // the original's ids, not a secret
	"encoding/binary"
	"encoding/hex"
	"regexp"
	"time"

	"github.com/zeebo/xxh3"

	"github.com/fluent-siem/fluent-siem/filters/logtype"
	"github.com/fluent-siem/fluent-siem/internal/event"
	"github.com/fluent-siem/fluent-siem/internal/lease"
)

// Object is what all records of one S3 object have in common, prepared once
// for one converter.
type Object struct {
	src     lease.Source
	plan    *plan
	json    bool    // records are JSON objects, whatever the type's format
	layout  *layout // of its columns
	account string
	region  string
	at      time.Time // in its key; zero when there is none
	// keyTimes are, for those of the plan's times that stand in the key, what they
	// are in this one; zero when it has none.
	keyTimes []time.Time
	seed     uint64       // hash of bucket, key and version
	indices  []indexCache // one for each of the plan's
}

// indexCache remembers the index of one day: most records of an object share it.
type indexCache struct {
	day  int64 // days since 1970 in the index's zone
	name []byte
}

// Object prepares an object's records for Convert.
func (c *Converter) Object(t *logtype.Type, src lease.Source) (*Object, error) {
	p, err := c.plan(t)
	if err != nil {
		return nil, err
	}
	o := &Object{src: src, plan: p, json: t.Format == logtype.JSON || src.Format == "json"}
	o.account, o.region = placeOf(src)
	o.at, _ = keyTime(src.Key)
	o.keyTimes = make([]time.Time, len(p.times))
	for i := range p.times {
		if p.times[i].key {
			o.keyTimes[i] = p.times[i].inKey(src.Key)
		}
	}
	h := xxh3.New()
	for _, s := range []string{src.Bucket, src.Key, src.Version} {
		_, _ = h.WriteString(s)
		_, _ = h.Write([]byte{0})
	}
	o.seed = h.Sum64()
	if !o.json {
		o.layout = p.fixed
		if t.Format == logtype.ColumnF && t.Columns.Header && len(src.Header) > 0 {
			o.layout = p.layout(headerNames(src.Header, &t.Columns), &t.Columns)
		}
	}
	o.indices = make([]indexCache, len(p.indices))
	for i := range o.indices {
		o.indices[i].day = -1 << 62
	}
	return o, nil
}

var (
	accountRE = regexp.MustCompile(`\W([0-9]{12})/`)
	regionRE  = regexp.MustCompile(`global|(?:us|ap|ca|eu|il|me|mx|sa|af|cn)-(?:gov-)?[a-zA-Z]+-[0-9]`)
)

// placeOf finds account and region in the object's key, as AWS services write
// it; else what the notification says; else "unknown".
func placeOf(src lease.Source) (account, region string) {
	account, region = src.Account, src.Region
	if m := accountRE.FindStringSubmatch(src.Key); m != nil {
		account = m[1]
	}
	if m := regionRE.FindString(src.Key); m != "" {
		region = m
	}
	if account == "" {
		account = "unknown"
	}
	if region == "" {
		region = "unknown"
	}
	return account, region
}

// maxID is how long an id may be (OpenSearch: 512 bytes).
const maxID = 512

// setTarget finds id and index of the record.
func (c *Converter) setTarget(number uint64) {
	p := c.p
	op := event.OpCreate
	id := c.idBuf[:0]
	own := []byte(nil)
	if p.id != nil {
		own = c.readText(p.id)
	}
	c.ownID = len(own) > 0 && len(own) <= maxID
	switch {
	case c.ownID:
		id = appendClean(id, own)
		if p.t.ID.Replace {
			op = event.OpIndex
		}
	case c.engine.IDs == Content:
		id = c.appendContentID(id)
	default:
		var n [8]byte
		binary.LittleEndian.PutUint64(n[:], number)
		h := xxh3.Hash128Seed(n[:], c.o.seed)
		sum := h.Bytes()
		id = hex.AppendEncode(id, sum[:])
	}
	c.setText(p.std.id, id)
	if p.suffix != nil {
		if b := c.readText(p.suffix); len(b) > 0 {
			n := len(id)
			id = appendClean(append(id, '_'), b)
			c.setText(p.std.id, id[:n:n])
		}
	}
	c.idBuf = id
	c.choice = 0
	c.target = event.Target{Index: c.indexName(), ID: id, Op: op}
	if c.engine.Collection == TimeSeries {
		c.target.ID = nil
	}
}

// setID gives the document an id that a step made of what the record says: @id
// is id, and the document's has the suffix behind it. A document with the same
// id is a newer version of the same thing and replaces the older one.
func (c *Converter) setID(id, suffix []byte) {
	buf := c.idBuf[:0]
	if len(id)+1+len(suffix) > maxID {
		sum := md5.Sum(id)
		buf = hex.AppendEncode(buf, sum[:])
	} else {
		buf = appendClean(buf, id)
	}
	n := len(buf)
	if len(suffix) > 0 {
		buf = appendClean(append(buf, '_'), suffix)
	}
	c.idBuf, c.ownID = buf, true
	c.setText(c.p.std.id, buf[:n:n])
	c.target.Op = event.OpIndex
	if c.engine.Collection != TimeSeries {
		c.target.ID = buf
	}
}

// setTime moves the document to another time: @timestamp and index.
func (c *Converter) setTime(t time.Time) {
	c.time = t
	start := len(c.scratch)
	c.scratch = appendTime(c.scratch, t)
	c.setText(c.p.std.timestamp, c.scratch[start:len(c.scratch):len(c.scratch)])
	c.target.Index = c.indexName()
}

// setIndex moves the document to another of the type's indices; false when it
// has none of that name, and the document stays.
func (c *Converter) setIndex(name []byte) bool {
	for i := range c.p.indices {
		if c.p.indices[i].name == string(name) {
			c.choice = i
			c.target.Index = c.indexName()
			return true
		}
	}
	return false
}

// appendClean appends an id without control characters: a record's own id is
// data, and must not shape the request it is written into.
func appendClean(dst, id []byte) []byte {
	for _, b := range id {
		if b < ' ' || b == 0x7f {
			b = '_'
		}
		dst = append(dst, b)
	}
	return dst
}

// indexName is the index of the record's time.
func (c *Converter) indexName() []byte {
	x, at := &c.p.indices[c.choice], c.time
	if x.ingested {
		at = c.now
	}
	_, offset := at.In(x.zone).Zone()
	seconds := at.Unix() + int64(offset)
	day := seconds / 86400
	if seconds < 0 && seconds%86400 != 0 {
		day--
	}
	cache := &c.o.indices[c.choice]
	if cache.day != day {
		cache.day, cache.name = day, []byte(x.of(at, c.engine.Collection))
	}
	return cache.name
}
