package announce

import (
	"slices"
	"time"

	"github.com/zeebo/xxh3"

	"github.com/fluent-siem/fluent-siem/internal/ledger"
)

// Known are the objects that a ledger accounts for, as hashes: 10 million take a
// gigabyte. That a missing object is taken for one of them has odds of one
// to 10¹¹ then.
type Known map[uint64]struct{}

// retention is how long SQS keeps a message at most: what is still open then
// does not come again.
const retention = 14 * 24 * time.Hour

// Add takes a record in, unless its state is one of again: such objects are to
// be announced anew. So are those that were under way two weeks ago.
func (k Known) Add(r ledger.Record, again []ledger.State, now time.Time) {
	if slices.Contains(again, r.State) || r.First > 0 { // a part says nothing of the whole
		return
	}
	if (r.State == ledger.Open || r.State == ledger.GivenBack || r.State == ledger.Unbalanced) && now.Sub(r.Last) > retention {
		return
	}
	k[name(r.Bucket, r.Key.Key)] = struct{}{}
	if r.Version != "" {
		k[name(r.Bucket, r.Key.Key, "version", r.Version)] = struct{}{}
	}
	k[name(r.Bucket, r.Key.Key, "etag", r.ETag)] = struct{}{}
}

// Has reports whether an object is accounted for: by its version where both say
// one, else by its ETag, for a key may have been written anew. A record that
// knows neither, of an object that was never fetched, counts for the key, and
// for an object of which neither is known every record of the key counts.
func (k Known) Has(o Object) bool {
	if o.Version == "" && o.ETag == "" {
		_, ok := k[name(o.Bucket, o.Key)]
		return ok
	}
	if o.Version != "" {
		if _, ok := k[name(o.Bucket, o.Key, "version", o.Version)]; ok {
			return true
		}
	}
	for _, etag := range []string{o.ETag, ""} {
		if _, ok := k[name(o.Bucket, o.Key, "etag", etag)]; ok {
			return true
		}
	}
	return false
}

func name(parts ...string) uint64 {
	h := xxh3.New()
	for _, p := range parts {
		_, _ = h.WriteString(p) // a hash takes everything
		_, _ = h.Write([]byte{0})
	}
	return h.Sum64()
}
