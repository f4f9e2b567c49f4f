package opensearch

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// troubles are what keeps documents waiting now, each under a key: "" for the
// cluster as a whole, an index, the dead letters. They are this output's part
// of the process's health. May be shared.
type troubles struct {
	report func(problem string) // "" when all is well

	count atomic.Int32
	mu    sync.Mutex
	by    map[string]trouble
}

type trouble struct {
	text        string
	first, last time.Time
}

// A trouble that nobody meets any more is over: its index may be gone. Fluent
// Bit waits up to 2,000 s before a retry.
const troubleAge = 45 * time.Minute

// maxTroubles bounds what is remembered and told.
const maxTroubles = 20

// knownBefore reports whether key is in trouble, and was so at a time.
func (t *troubles) knownBefore(key string, at time.Time) bool {
	if t.count.Load() == 0 {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	x, ok := t.by[key]
	return ok && x.first.Before(at)
}

func (t *troubles) set(key, text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, ok := t.by[key]; !ok && len(t.by) >= maxTroubles {
		return
	}
	if t.by == nil {
		t.by = map[string]trouble{}
	}
	x, now := t.by[key], time.Now()
	if x.first.IsZero() {
		x.first = now
	}
	before := x.text
	x.text, x.last = text, now
	t.by[key] = x
	if before != text {
		t.tell()
	}
}

// clear ends the trouble with key.
func (t *troubles) clear(key string) {
	if t.count.Load() == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, ok := t.by[key]; ok {
		delete(t.by, key)
		t.tell()
	}
}

// sweep forgets troubles that nobody meets any more.
func (t *troubles) sweep() {
	if t.count.Load() == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	before := len(t.by)
	for key, x := range t.by {
		if time.Since(x.last) > troubleAge {
			delete(t.by, key)
		}
	}
	if len(t.by) != before {
		t.tell()
	}
}

func (t *troubles) tell() {
	t.count.Store(int32(len(t.by)))
	var texts []string
	for _, x := range t.by {
		texts = append(texts, x.text)
	}
	slices.Sort(texts)
	t.report(strings.Join(texts, "; "))
}

// voice logs a message of one kind at most every ten seconds. May be shared.
type voice struct {
	log *slog.Logger

	mu     sync.Mutex
	spoken map[string]said
}

type said struct {
	at   time.Time
	more int // kept back since
}

const voiceEvery = 10 * time.Second

func (v *voice) say(kind string, level slog.Level, msg string, attrs ...any) {
	now := time.Now()
	v.mu.Lock()
	s := v.spoken[kind]
	if now.Sub(s.at) < voiceEvery {
		s.more++
		v.spoken[kind] = s
		v.mu.Unlock()
		return
	}
	if v.spoken == nil || len(v.spoken) > 1000 {
		v.spoken = map[string]said{}
	}
	v.spoken[kind] = said{at: now}
	v.mu.Unlock()
	if s.more > 0 {
		attrs = append(attrs, "similar_messages_kept_back", s.more)
	}
	v.log.Log(context.Background(), level, msg, attrs...)
}
