package opensearch

import (
	"sync"
	"time"

	"github.com/zeebo/xxh3"
)

// memo remembers, for chunks that went back to the host, which of their events
// are still open. The host offers the same bytes again. It bounds itself to
// what the host can have under way; a forgotten chunk is sent as a whole, which
// ids and leases make harmless. May be shared.
type memo struct {
	mu    sync.Mutex
	by    map[memoKey]memory
	order []memoKey // oldest first
}

type memoKey struct {
	hash xxh3.Uint128
	size int
}

// memory is what is known of a chunk.
type memory struct {
	known  bool
	series [12]byte  // of the ids made for it
	open   marks     // events without a verdict
	unsure marks     // those that may be stored already
	since  time.Time // the last of the requests that may have stored them
}

// wants reports whether the n-th event still needs a verdict.
func (m *memory) wants(n int32) bool { return !m.known || m.open.has(n) }

const maxMemo = 4096

func keyOf(chunk []byte) memoKey { return memoKey{xxh3.Hash128(chunk), len(chunk)} }

// take returns what is known of chunk and forgets it.
func (m *memo) take(chunk []byte) memory {
	m.mu.Lock()
	empty := len(m.by) == 0
	m.mu.Unlock()
	if empty { // as long as all goes well, nothing is hashed
		return memory{}
	}
	key := keyOf(chunk)
	m.mu.Lock()
	defer m.mu.Unlock()
	known := m.by[key]
	delete(m.by, key)
	return known
}

func (m *memo) put(chunk []byte, known memory) {
	key := keyOf(chunk)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.by == nil {
		m.by = map[memoKey]memory{}
	}
	m.by[key] = known
	m.order = append(m.order, key)
	for len(m.order) > maxMemo {
		delete(m.by, m.order[0])
		m.order = m.order[1:]
	}
}

// marks is a set of small numbers.
type marks []uint64

func (m *marks) add(n int32) {
	for int(n/64) >= len(*m) {
		*m = append(*m, 0)
	}
	(*m)[n/64] |= 1 << (n % 64)
}

func (m marks) has(n int32) bool {
	return int(n/64) < len(m) && m[n/64]&(1<<(n%64)) != 0
}
