package ledger

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"
)

const (
	sweepChunk = 5000 // records that one transaction looks at or deletes: a longer one would hold up writing
	recordCost = 32   // bytes that a record costs beside key and value
)

// sweep deletes records that are older than Config.Age, and the oldest hours
// when the file holds more than Config.Size.
func (l *Ledger) sweep(ctx context.Context) error {
	if l.db == nil {
		return nil
	}
	_, used, err := sizes(l.db)
	if err != nil {
		return err
	}
	hours, all := map[int64]int64{}, int64(0) // bytes by the hour of Last
	err = l.each(ctx, func(k, v []byte, last time.Time) bool {
		n := int64(len(k) + len(v) + recordCost)
		hours[last.Unix()/3600] += n
		all += n
		return false
	})
	if err != nil {
		return err
	}
	cutoff := time.Now().Add(-l.cfg.Age).Unix()/3600 + 1
	keep := all
	if used > l.cfg.Size { // down to four fifths, so that it is not done at each write
		keep = int64(float64(all) * .8 * float64(l.cfg.Size) / float64(used))
	}
	current := time.Now().Unix() / 3600
	for _, hour := range slices.Sorted(maps.Keys(hours)) {
		if hour < cutoff || all > keep && hour < current {
			all -= hours[hour]
			cutoff = max(cutoff, hour+1)
		}
	}
	deleted := 0
	err = l.each(ctx, func(_, _ []byte, last time.Time) bool {
		old := last.Unix()/3600 < cutoff
		if old {
			deleted++
		}
		return old
	})
	if deleted > 0 {
		l.metrics.deleted.Add(float64(deleted))
		l.log.Debug("old records of the ledger were deleted", "records", deleted)
	}
	return err
}

// each calls f for each record and deletes those for which it says true. What
// cannot be read counts as very old.
func (l *Ledger) each(ctx context.Context, f func(k, v []byte, last time.Time) (remove bool)) error {
	var from []byte
	for more := true; more; {
		if err := ctx.Err(); err != nil {
			return err
		}
		var remove [][]byte
		err := guard(func() error {
			return l.db.View(func(tx *bolt.Tx) error {
				c := tx.Bucket(bucketObjects).Cursor()
				n := 0
				k, v := c.Seek(from)
				for ; k != nil && n < sweepChunk; k, v = c.Next() {
					n++
					var last time.Time
					if r, err := decode(Key{}, v, func(uint64) string { return "" }); err == nil {
						last = r.Last
					}
					if f(k, v, last) {
						remove = append(remove, bytes.Clone(k))
					}
				}
				from, more = bytes.Clone(k), k != nil
				return nil
			})
		})
		if err != nil {
			return err
		}
		if len(remove) == 0 {
			continue
		}
		err = guard(func() error {
			return l.db.Update(func(tx *bolt.Tx) error {
				for _, k := range remove {
					if err := tx.Bucket(bucketObjects).Delete(k); err != nil {
						return err
					}
					if err := tx.Bucket(bucketProgress).Delete(k); err != nil {
						return err
					}
				}
				return nil
			})
		})
		if err != nil {
			return err
		}
	}
	return nil
}
