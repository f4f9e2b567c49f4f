package enrich

import (
	"fmt"
	"strings"

	"github.com/oschwald/maxminddb-golang/v2"
)

// TryDatabase opens the database at path and makes some thousand look-ups in
// it, as the filter does before it takes one into use. Databases of which the
// filter takes nothing are verified as a whole.
func TryDatabase(path string) (Version, error) {
	data, _, err := readTable(path)
	if err != nil {
		return Version{}, err
	}
	defer freeTable(data)
	return tryDatabase(path, data)
}

func tryDatabase(path string, data []byte) (v Version, err error) {
	defer func() { // as in tryTable
		if p := recover(); p != nil {
			err = fmt.Errorf("reading it panics: %v", p)
		}
	}()
	db, err := maxminddb.OpenBytes(data, maxminddb.DisableStringCache())
	if err != nil {
		return v, err
	}
	v = Version{Path: path, Type: strings.Clone(db.Metadata.DatabaseType), Built: db.Metadata.BuildTime(), Size: int64(len(data))}
	known := false
	for _, k := range kinds {
		if k.fits(v.Type) {
			known = true
			if _, err := tryTable(k, data); err != nil {
				return v, err
			}
		}
	}
	if !known {
		err = db.Verify()
	}
	return v, err
}

// ReadVersion says which database is at path, without trying it: it reads the
// end of the file.
func ReadVersion(path string) (v Version, err error) {
	defer func() { // as in tryTable
		if p := recover(); p != nil {
			err = fmt.Errorf("reading it panics: %v", p)
		}
	}()
	db, err := maxminddb.Open(path)
	if err != nil {
		return v, err
	}
	defer db.Close()
	return Version{Path: path, Type: strings.Clone(db.Metadata.DatabaseType), Built: db.Metadata.BuildTime()}, nil
}
