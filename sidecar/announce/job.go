package announce

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/zeebo/xxh3"
)

// State is how far a job is, kept in a file so that the job can go on after an
// interruption: what follows After is not announced yet, or was a moment ago.
type State struct {
	Job       string    `json:"job"`   // what it is, for people
	After     string    `json:"after"` // key, or URL in a list
	Lines     int64     `json:"lines"` // of a list
	Announced Progress  `json:"announced"`
	Began     time.Time `json:"began"`

	path  string
	saved time.Time
}

// saveEvery is how often the file is written: what was announced after that is
// announced again when the job is killed.
const saveEvery = 500 * time.Millisecond

// OpenState returns the state of a job, kept in dir under a name made of what
// the job is. fresh forgets an earlier one.
func OpenState(dir, job string, fresh bool) (*State, error) {
	s := &State{path: filepath.Join(dir, fmt.Sprintf("backfill-%016x.json", xxh3.HashString(job)))}
	text, err := os.ReadFile(s.path)
	switch {
	case errors.Is(err, fs.ErrNotExist) || err == nil && fresh:
	case err != nil:
		return nil, err
	default:
		if err := json.Unmarshal(text, s); err != nil || s.Job != job {
			return nil, fmt.Errorf("%s is damaged (%v); remove it, or begin anew with --restart", s.path, err)
		}
		return s, nil
	}
	s.Job, s.Began = job, time.Now().UTC()
	return s, s.Save(true)
}

// Resumed reports whether an earlier run had begun the job.
func (s *State) Resumed() bool { return s.After != "" }

// Save writes the state, unless it was written a moment ago and now is false.
func (s *State) Save(now bool) error {
	if !now && time.Since(s.saved) < saveEvery {
		return nil
	}
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	fresh := s.path + ".new"
	if err := os.WriteFile(fresh, text, 0o600); err != nil {
		return fmt.Errorf("how far it is cannot be noted: %w; name a folder that can be written by --state-dir", err)
	}
	s.saved = time.Now()
	return os.Rename(fresh, s.path)
}

// Done removes the file.
func (s *State) Done() error { return os.Remove(s.path) }
