package ledger

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/fluent-siem/fluent-siem/internal/lease"
)

// The buckets of a file: records by key, the texts of Versions by their hash,
// and how far interrupted readings had come, by key.
var (
	bucketObjects  = []byte("objects")
	bucketVersions = []byte("versions")
	bucketProgress = []byte("progress")
)

const (
	filesMost   = 64       // processes with one state_dir
	compactFrom = 16 << 20 // bytes of a file that is worth making smaller
)

// fileName is the name of the n-th file in state_dir.
func fileName(dir string, n int) string { return filepath.Join(dir, fmt.Sprintf("ledger-%d.db", n)) }

// openFile opens the first file that no other process holds.
func openFile(dir string) (*bolt.DB, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	for n := 1; n <= filesMost; n++ {
		path := fileName(dir, n)
		db, err := lock(path)
		if errors.Is(err, bolterrors.ErrTimeout) {
			continue
		}
		if err == nil {
			db, err = compact(db)
		}
		if err != nil && errors.Is(err, errDamaged) {
			aside := fmt.Sprintf("%s.damaged-%d", path, time.Now().Unix())
			if err := os.Rename(path, aside); err != nil {
				return nil, err
			}
			db, err = lock(path)
		}
		return db, err
	}
	return nil, fmt.Errorf("%d other processes use %s", filesMost, dir)
}

var errDamaged = errors.New("the file is damaged")

// lock opens a file for writing; bolterrors.ErrTimeout when another process has it.
func lock(path string) (db *bolt.DB, err error) {
	err = guard(func() error {
		db, err = bolt.Open(path, 0o600, &bolt.Options{Timeout: 1, FreelistType: bolt.FreelistMapType})
		if err != nil {
			return err
		}
		return db.Update(func(tx *bolt.Tx) error {
			for _, name := range [][]byte{bucketObjects, bucketVersions, bucketProgress} {
				if _, err := tx.CreateBucketIfNotExists(name); err != nil {
					return err
				}
			}
			return nil
		})
	})
	var system *os.PathError
	switch {
	case err == nil, errors.Is(err, bolterrors.ErrTimeout), errors.As(err, &system):
		return db, err
	}
	if db != nil {
		_ = guard(db.Close)
	}
	if errors.Is(err, bolterrors.ErrInvalid) || errors.Is(err, bolterrors.ErrChecksum) || errors.Is(err, bolterrors.ErrVersionMismatch) || db == nil {
		return nil, fmt.Errorf("%w: %w", errDamaged, err)
	}
	return nil, err
}

// compact copies a file that is half empty, for bbolt gives nothing back.
func compact(db *bolt.DB) (*bolt.DB, error) {
	size, used, err := sizes(db)
	if err != nil || size < compactFrom || used > size/2 {
		return db, err
	}
	path, fresh := db.Path(), db.Path()+".new"
	_ = os.Remove(fresh)
	err = guard(func() error {
		to, err := bolt.Open(fresh, 0o600, &bolt.Options{Timeout: 1, NoSync: true})
		if err != nil {
			return err
		}
		return errors.Join(bolt.Compact(to, db, 4<<20), to.Sync(), to.Close())
	})
	if err != nil {
		_ = os.Remove(fresh)
		return db, nil // as large as it was, and as good
	}
	if err := errors.Join(db.Close(), os.Rename(fresh, path)); err != nil {
		return nil, err
	}
	return lock(path)
}

// sizes is how large a file is, and how much of it holds something.
func sizes(db *bolt.DB) (size, used int64, err error) {
	err = guard(func() error {
		return db.View(func(tx *bolt.Tx) error {
			size = tx.Size()
			return nil
		})
	})
	s := db.Stats()
	return size, size - int64(s.FreePageN+s.PendingPageN)*int64(db.Info().PageSize), err
}

// step is one entry's next state in the file.
type step struct {
	e     *Entry
	state State
	class string
	now   Reading
}

// openFile opens a file unless one is open.
func (l *Ledger) openFile() error {
	if l.db != nil {
		return nil
	}
	if time.Since(l.tried) < l.timing.retry {
		return errNoFile
	}
	db, err := openFile(l.dir)
	if err != nil {
		l.tried = time.Now()
		return err
	}
	l.mu.Lock()
	l.db, l.known = db, map[uint64]bool{}
	l.mu.Unlock()
	return nil
}

var errNoFile = errors.New("no file could be opened")

// commit writes a batch in one transaction, and returns the records as they are
// now, in the order of the batch.
func (l *Ledger) commit(batch []step) ([]Record, error) {
	if err := l.openFile(); err != nil {
		return nil, err
	}
	now, versions := time.Now(), l.versions()
	records := make([]Record, 0, len(batch))
	err := guard(func() error {
		return l.db.Update(func(tx *bolt.Tx) error {
			if h := hash(versions); h != 0 && !l.known[h] {
				if err := tx.Bucket(bucketVersions).Put(binary.BigEndian.AppendUint64(nil, h), []byte(versions)); err != nil {
					return err
				}
			}
			for _, s := range batch {
				r, err := s.apply(tx, now, versions)
				if err != nil {
					return err
				}
				records = append(records, r)
			}
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	l.known[hash(versions)] = true
	for _, s := range batch {
		s.e.counted, s.e.returned, s.e.written = true, s.returned(), s.totals()
	}
	if size, used, err := sizes(l.db); err == nil {
		l.metrics.size.Set(float64(size))
		if used > l.cfg.Size && time.Since(l.swept) > time.Minute {
			l.swept = time.Time{} // the next sweep is due
		}
	}
	return records, nil
}

// totals are the books of the reading as the file shall have them: what has no
// verdict does not count as read.
func (s step) totals() lease.Totals {
	t := s.now.Totals
	t.Read = t.Judged()
	return t
}

// returned counts the records that went back without a verdict.
func (s step) returned() uint64 {
	t := s.now.Totals
	if s.state != GivenBack && s.state != Unbalanced || t.Read < t.Judged() {
		return 0
	}
	return t.Outstanding()
}

// apply adds what has become of the entry since it was last written.
func (s step) apply(tx *bolt.Tx, now time.Time, versions string) (Record, error) {
	objects, key := tx.Bucket(bucketObjects), s.e.key.append(nil)
	r := Record{Key: s.e.key, Size: -1, Began: s.e.began}
	if old := objects.Get(key); old != nil {
		if was, err := decode(s.e.key, old, textOf(tx)); err == nil { // what is damaged begins anew
			r = was
		}
	}
	if !s.e.counted {
		r.Announced++
	}
	t := s.totals()
	add(&r.Totals, difference(t, s.e.written))
	r.Returned += s.returned() - s.e.returned
	r.State, r.Class, r.Last, r.Versions = s.state, s.class, now, versions
	if s.now.LogType != "" {
		r.LogType = s.now.LogType
	}
	if s.now.ETag != "" {
		r.ETag = s.now.ETag
	}
	if s.now.Size >= 0 {
		r.Size = s.now.Size
	}
	if err := objects.Put(key, encode(nil, r)); err != nil {
		return r, err
	}
	open := tx.Bucket(bucketProgress)
	if s.now.Through > 0 && (s.state == Open || s.state == GivenBack) {
		return r, open.Put(key, progress{s.e.message, s.now.ETag, s.now.Through}.encode())
	}
	if s.state != Open && s.state != GivenBack && open.Get(key) != nil {
		return r, open.Delete(key)
	}
	return r, nil
}

// difference is what a has more than b. It may be negative, as wrapped numbers,
// which adding puts right.
func difference(a, b lease.Totals) lease.Totals {
	a.Read -= b.Read
	a.Bytes -= b.Bytes
	for i := range a.By {
		a.By[i] -= b.By[i]
	}
	return a
}

// textOf finds texts of Versions.
func textOf(tx *bolt.Tx) func(uint64) string {
	b := tx.Bucket(bucketVersions)
	return func(h uint64) string {
		if h == 0 || b == nil {
			return ""
		}
		return string(b.Get(binary.BigEndian.AppendUint64(nil, h)))
	}
}
