package ledger

import "sync"

// Shared gives all who use the same folder in a process the same Ledger. Its
// zero value is ready.
type Shared struct {
	mu    sync.Mutex
	byDir map[string]*shared
}

type shared struct {
	*Ledger
	users int
}

// Open returns the Ledger of a folder; the configuration of the first who asks
// counts. release is to be called once; the last closes the Ledger.
func (s *Shared) Open(dir string, cfg Config, opts ...Option) (l *Ledger, release func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byDir == nil {
		s.byDir = map[string]*shared{}
	}
	one := s.byDir[dir]
	if one == nil {
		one = &shared{Ledger: Start(dir, cfg, opts...)}
		s.byDir[dir] = one
	}
	one.users++
	return one.Ledger, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if one.users--; one.users == 0 {
			delete(s.byDir, dir)
			one.Close()
		}
	}
}

// In returns the Ledger that is open for a folder, nil when there is none.
func (s *Shared) In(dir string) *Ledger {
	s.mu.Lock()
	defer s.mu.Unlock()
	if one := s.byDir[dir]; one != nil {
		return one.Ledger
	}
	return nil
}
