package s3sqs

import (
	"math/rand/v2"
	"sync"
	"time"
)

// failures counts, by message, how often work on it failed in this process. SQS
// counts receipts, which also rise when an agent is killed, stopped or reloaded:
// that says nothing of a message, and must not make it wait. The zero value is empty.
type failures struct {
	mu       sync.Mutex
	now, old map[string]int // full, now becomes old: so what has failed of late is remembered, and little of it
}

// remembered is how many messages half of a failures has room for.
const remembered = 4096

// add counts one more failure of a message and returns how many there are.
func (f *failures) add(id string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := max(f.now[id], f.old[id]) + 1
	if f.now == nil || f.now[id] == 0 && len(f.now) >= remembered {
		f.old, f.now = f.now, map[string]int{}
	}
	f.now[id] = n
	return n
}

// backoff counts a failure of a message, and says how long the message stays
// hidden: half a minute at first, then twice as long each time up to sixteen minutes.
func (in *Input) backoff(id string) time.Duration {
	d := in.timing.denied << min(in.failures.add(id)-1, 5)
	return d - rand.N(d/4+1)
}
