package ledger

import (
	"encoding/binary"
	"errors"
	"time"

	"github.com/zeebo/xxh3"
)

// A record's value in the file is format, then numbers (varint), then texts
// (length and bytes), in the order of [Record.numbers] and [Record.texts]. A
// later format may append to both lists; what is missing is zero, and what is
// not known is left alone.
const format = 1

var errFormat = errors.New("a record of the ledger is damaged, or of a later version of fluent-siem")

// value is a record as the file has it: the texts of Versions are kept once for all.
type value struct {
	Record
	state    uint64
	began    int64 // unix milliseconds
	last     int64
	versions uint64 // hash of Versions; 0 for none
}

func (v *value) numbers() []*uint64 {
	t := &v.Totals
	list := []*uint64{&v.state, &v.Announced, &v.Returned, &v.versions, &t.Read}
	for i := range t.By {
		list = append(list, &t.By[i])
	}
	return list
}

func (v *value) signed() []*int64 { return []*int64{&v.Size, &v.began, &v.last, &v.Totals.Bytes} }

func (v *value) texts() []*string { return []*string{&v.ETag, &v.LogType, &v.Class} }

// encode appends the record's value.
func encode(b []byte, r Record) []byte {
	v := value{Record: r, state: uint64(r.State), began: r.Began.UnixMilli(), last: r.Last.UnixMilli(), versions: hash(r.Versions)}
	numbers, signed := v.numbers(), v.signed()
	b = append(b, format, byte(len(numbers)), byte(len(signed)))
	for _, n := range numbers {
		b = binary.AppendUvarint(b, *n)
	}
	for _, n := range signed {
		b = binary.AppendVarint(b, *n)
	}
	for _, s := range v.texts() {
		b = binary.AppendUvarint(b, uint64(len(*s)))
		b = append(b, *s...)
	}
	return b
}

// decode reads a value; versions finds the text of a hash.
func decode(k Key, b []byte, versions func(uint64) string) (Record, error) {
	var v value
	if len(b) < 3 || b[0] != format {
		return v.Record, errFormat
	}
	counts := [2]int{int(b[1]), int(b[2])}
	b = b[3:]
	numbers, signed := v.numbers(), v.signed()
	for i := range counts[0] {
		n, size := binary.Uvarint(b)
		if size <= 0 {
			return v.Record, errFormat
		}
		if b = b[size:]; i < len(numbers) {
			*numbers[i] = n
		}
	}
	for i := range counts[1] {
		n, size := binary.Varint(b)
		if size <= 0 {
			return v.Record, errFormat
		}
		if b = b[size:]; i < len(signed) {
			*signed[i] = n
		}
	}
	for _, s := range v.texts() {
		n, size := binary.Uvarint(b)
		if size <= 0 || n > uint64(len(b)-size) {
			return v.Record, errFormat
		}
		*s, b = string(b[size:size+int(n)]), b[size+int(n):]
	}
	v.Record.Key, v.State = k, State(v.state)
	v.Began, v.Last = time.UnixMilli(v.began).UTC(), time.UnixMilli(v.last).UTC()
	v.Versions = versions(v.versions)
	return v.Record, nil
}

// hash is the name that a text of versions has in the file.
func hash(versions string) uint64 {
	if versions == "" {
		return 0
	}
	return xxh3.HashString(versions)
}

// progress is how far an interrupted reading had come.
type progress struct {
	message string // the notification's id
	etag    string
	through uint64 // every record up to this position has its verdict
}

func (p progress) encode() []byte {
	b := binary.BigEndian.AppendUint64(nil, p.through)
	b = binary.AppendUvarint(b, uint64(len(p.message)))
	return append(append(b, p.message...), p.etag...)
}

func decodeProgress(b []byte) (p progress, ok bool) {
	if len(b) < 9 {
		return p, false
	}
	p.through = binary.BigEndian.Uint64(b)
	n, size := binary.Uvarint(b[8:])
	if size <= 0 || n > uint64(len(b)-8-size) {
		return p, false
	}
	b = b[8+size:]
	p.message, p.etag = string(b[:n]), string(b[n:])
	return p, true
}
