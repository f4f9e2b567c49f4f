// Package ruleset keeps exclusion rules fresh. It is the part of package exclude
// that reads files and asks services, so that the judging of documents does
// neither:
//
//	local file or folder ─┐
//	objects in S3         ├─▶ *exclude.Rules, replaced as a whole
//	Parameter Store      ─┘
//
// Open a [Store]; [Store.Load] gives the rules that count now, for one atomic
// load.
//
// # Promises
//
//   - A place that cannot be read, or holds nothing that can be used, changes
//     nothing: its last good rules stay. That is logged once, and health says it
//     until it is over.
//   - A rule that cannot be used is logged with its name and reason, once; the
//     other rules of its place are used.
//   - Files are followed as package follow does. Services are asked every
//     interval, give or take a tenth, so that many agents do not ask at once;
//     after an error sooner.
//   - A Store waits for the services once, when it is opened, and not longer
//     than [FirstAnswer]: records that come first meet the rules.
//
// # Concurrency
//
// A Store may be shared.
package ruleset

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fluent-siem/fluent-siem/filters/exclude"
	"github.com/fluent-siem/fluent-siem/internal/code"
	"github.com/fluent-siem/fluent-siem/internal/follow"
	"github.com/fluent-siem/fluent-siem/internal/process"
)

const (
	// FirstAnswer is how long Open waits for services.
	FirstAnswer = 10 * time.Second
	// answer is how long a later question may take.
	answer = 30 * time.Second
	// firstRetry is the pause after a first error; it doubles up to the interval.
	firstRetry = 10 * time.Second
	// sizeLimit is the longest text that is taken for rules.
	sizeLimit = 16 << 20
)

// Config says where rules are. Places that are empty hold none.
type Config struct {
	Patterns   string   // a file like exclude_log_patterns.csv
	Conditions string   // a YAML or JSON file of conditions, or a folder of them
	S3         []string // s3://bucket/key of a CSV, or of conditions (.yaml, .yml, .json)
	Parameters string   // the path in Parameter Store, such as /siem/exclude-logs/

	Interval time.Duration // between two questions to a service

	AWS AWS
}

// text is one thing to be parsed.
type text struct {
	name string
	data []byte
}

// place is one place that rules come from.
type place struct {
	name  string // the setting and its value, for people
	dir   string // the folder to watch; "": a service, asked every interval
	fetch func(context.Context) ([]text, error)
	parse func([]text) (*exclude.Rules, []error)

	last     [sha256.Size]byte // what was fetched last, good or not
	rules    *exclude.Rules    // the last good ones
	refused  error             // why what was fetched last is not used
	problem  string            // as it was said
	failures int               // in a row
}

// Store holds the rules of all places.
type Store struct {
	log      *slog.Logger
	process  *process.Process
	metrics  metrics
	interval time.Duration
	rules    atomic.Pointer[exclude.Rules]
	stop     context.CancelFunc
	ended    sync.WaitGroup

	mu     sync.Mutex // guards places and told
	places []*place
	told   map[string]uint64 // failed evaluations of the present rules, as counted
}

// Open reads every place once and follows them until [Store.Close]. A place
// that cannot be read now is no error: it is tried again. What no later try can
// repair is one, such as a bucket without a region to find it in.
func Open(cfg Config, p *process.Process, log *slog.Logger) (*Store, error) {
	if log == nil {
		log = slog.Default()
	}
	places, err := cfg.places()
	if err != nil {
		return nil, err
	}
	s := &Store{log: log, process: p, metrics: newMetrics(p), interval: cfg.Interval, places: places, told: map[string]uint64{}}
	s.rules.Store(exclude.Join())
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	first, cancel := context.WithTimeout(ctx, FirstAnswer)
	defer cancel()
	var wg sync.WaitGroup
	for _, at := range places {
		wg.Go(func() { s.look(first, at) })
	}
	wg.Wait()
	for _, at := range places {
		s.ended.Go(func() { s.follow(ctx, at) })
	}
	return s, nil
}

// Read reads the files that cfg names, once: to try rules where they are
// written. It asks no service. The error names every rule that cannot be used.
func Read(cfg Config) (*exclude.Rules, error) {
	places, err := Config{Patterns: cfg.Patterns, Conditions: cfg.Conditions}.places()
	if err != nil {
		return nil, err
	}
	var sets []*exclude.Rules
	var bad []error
	for _, at := range places {
		texts, err := at.fetch(context.Background())
		if err != nil {
			bad = append(bad, err)
			continue
		}
		rules, problems := at.parse(texts)
		sets = append(sets, rules)
		for _, err := range problems {
			bad = append(bad, fmt.Errorf("%s: %w", at.name, err))
		}
	}
	return exclude.Join(sets...), errors.Join(bad...)
}

// Load returns the rules of now; never nil.
func (s *Store) Load() *exclude.Rules { return s.rules.Load() }

// Version is a short name for what all places say, usable or not.
func (s *Store) Version() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := sha256.New()
	for _, at := range s.places {
		h.Write(at.last[:])
	}
	return hex.EncodeToString(h.Sum(nil)[:4])
}

// Close stops following. The rules stay.
func (s *Store) Close() {
	s.stop()
	s.ended.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tellFailed()
	for _, at := range s.places {
		s.process.SetHealth(at.component(), "")
	}
}

func (s *Store) follow(ctx context.Context, at *place) {
	if at.dir != "" {
		follow.Dir(ctx, at.dir, s.log, func() { s.look(ctx, at) })
		return
	}
	for {
		s.mu.Lock()
		wait := pause(s.interval, at.failures, rand.Float64())
		s.mu.Unlock()
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		look, cancel := context.WithTimeout(ctx, answer)
		s.look(look, at)
		cancel()
	}
}

// pause is how long to wait before a service is asked again; random is in [0, 1).
func pause(interval time.Duration, failures int, random float64) time.Duration {
	if failures > 0 {
		interval = min(interval, firstRetry<<min(failures-1, 16))
	}
	return time.Duration(float64(interval) * (0.9 + 0.2*random))
}

// look asks a place, and takes what it says into use when that is new.
func (s *Store) look(ctx context.Context, at *place) {
	texts, err := at.fetch(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tellFailed()
	if err != nil && context.Cause(ctx) == context.Canceled {
		return // it is closed
	}
	changed := false
	if err == nil {
		now := fingerprint(texts)
		if changed = now != at.last; changed {
			at.last, at.refused = now, s.take(at, texts)
		}
		err = at.refused
	}
	outcome := "unchanged"
	switch {
	case err != nil:
		outcome = "failed"
		at.failures++
		s.say(at, err.Error())
	default:
		at.failures = 0
		if s.say(at, ""); changed {
			outcome = "changed"
		}
	}
	s.metrics.looked(at, outcome)
}

// take puts the rules of texts into use, unless none of them can be used.
func (s *Store) take(at *place, texts []text) (refused error) {
	rules, problems := at.parse(texts)
	if rules.Len() == 0 && len(problems) > 0 {
		return fmt.Errorf("none of its rules can be used: %w", errors.Join(problems...))
	}
	for _, err := range problems {
		s.log.Warn("an exclusion rule is not used; the others are", "from", at.name, "error", err, code.Rule.Attr())
	}
	at.rules = rules
	all := make([]*exclude.Rules, len(s.places))
	for i, other := range s.places {
		all[i] = other.rules
	}
	s.rules.Store(exclude.Join(all...))
	clear(s.told)
	s.log.Info("exclusion rules are in use", "from", at.name, "rules", rules.Len())
	return nil
}

// say logs and shows a problem when it is another than before; "" is none.
func (s *Store) say(at *place, problem string) {
	if at.problem == problem {
		return
	}
	at.problem = problem
	if problem == "" {
		s.process.SetHealth(at.component(), "")
		s.log.Info("exclusion rules can be read again", "from", at.name)
		return
	}
	stays := "its last good rules stay in use"
	if at.rules == nil {
		stays = "nothing is excluded by it yet"
	}
	s.process.SetHealth(at.component(), code.Rules.In(problem+"; "+stays))
	s.log.Warn("exclusion rules cannot be refreshed; "+stays+", and it is tried again", "from", at.name, "error", problem, code.Rules.Attr())
}

func (at *place) component() string { return "exclusion rules of " + at.name }

// tellFailed counts evaluations of conditions that failed since the last time.
func (s *Store) tellFailed() {
	rules := s.rules.Load()
	for _, logType := range rules.LogTypes() {
		if n := rules.For(logType).Failed(); n > s.told[logType] {
			s.metrics.failed.WithLabelValues(logType).Add(float64(n - s.told[logType]))
			s.told[logType] = n
		}
	}
}

// fingerprint tells one state of a place from another.
func fingerprint(texts []text) (sum [sha256.Size]byte) {
	h := sha256.New()
	for _, t := range texts {
		h.Write(binary.AppendUvarint(nil, uint64(len(t.name))))
		h.Write([]byte(t.name))
		h.Write(binary.AppendUvarint(nil, uint64(len(t.data))))
		h.Write(t.data)
	}
	return [sha256.Size]byte(h.Sum(nil))
}
