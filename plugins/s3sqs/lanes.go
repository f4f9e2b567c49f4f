package s3sqs

import (
	"container/heap"
	"container/list"
	"path"
	"time"
)

// lanes are the messages that are held and not begun, in the order in which they
// shall be read:
//
//  1. fresh ones, the types of `priority` first, in its order, and the newest first;
//  2. then the others, in the same order;
//  3. but one in [shareOfOld] is the one that waits for the longest time.
//
// Time is that of the object, as announced. The gate's lock guards them.
type lanes struct {
	fresh   time.Duration // how old an object may be and is fresh
	byRank  []lane        // one for each pattern of priority, and a last one for other types
	arrival list.List     // of *hold, what waits for the longest time first
	turn    int           // messages taken since the last that had waited for the longest time
}

// shareOfOld: one message in so many is the one that waits for the longest time, so
// that nothing waits for ever, whatever comes.
const shareOfOld = 4

// lane is a heap, with the newest object at the top.
type lane []*hold

func (l lane) Len() int           { return len(l) }
func (l lane) Less(i, j int) bool { return l[i].time.After(l[j].time) }
func (l lane) Swap(i, j int)      { l[i], l[j] = l[j], l[i]; l[i].at, l[j].at = i, j }
func (l *lane) Push(x any) {
	h := x.(*hold)
	h.at = len(*l)
	*l = append(*l, h)
}
func (l *lane) Pop() any {
	last := len(*l) - 1
	h := (*l)[last]
	(*l)[last] = nil
	*l = (*l)[:last]
	return h
}

func newLanes(ranks int, fresh time.Duration) lanes {
	return lanes{fresh: fresh, byRank: make([]lane, ranks+1)}
}

func (l *lanes) put(h *hold) {
	heap.Push(&l.byRank[h.rank], h)
	h.arrived = l.arrival.PushBack(h)
}

// take removes a message. It reports false when it has been taken already.
func (l *lanes) take(h *hold) bool {
	if h.arrived == nil {
		return false
	}
	heap.Remove(&l.byRank[h.rank], h.at)
	l.arrival.Remove(h.arrived)
	h.arrived = nil
	return true
}

// next returns the message that is to be read next, and leaves it where it is;
// nil: there is none.
func (l *lanes) next(now time.Time) *hold {
	if l.arrival.Len() == 0 {
		return nil
	}
	if l.oldestFirst() {
		return l.arrival.Front().Value.(*hold)
	}
	if h := l.newest(len(l.byRank), func(h *hold) bool { return l.isFresh(h, now) }); h != nil {
		return h
	}
	return l.newest(len(l.byRank), func(*hold) bool { return true })
}

// urgent returns the message that is to be read next when a fresh one of a type
// of priority waits; nil: none does.
func (l *lanes) urgent(now time.Time) *hold {
	h := l.newest(len(l.byRank)-1, func(h *hold) bool { return l.isFresh(h, now) })
	if h != nil && l.oldestFirst() {
		return l.arrival.Front().Value.(*hold)
	}
	return h
}

// newest returns the newest message of the first of the first n lanes in which
// that one will do.
func (l *lanes) newest(n int, will func(*hold) bool) *hold {
	for _, lane := range l.byRank[:n] {
		if len(lane) > 0 && will(lane[0]) {
			return lane[0]
		}
	}
	return nil
}

// oldestFirst says that it is the turn of the one that waits for the longest time.
func (l *lanes) oldestFirst() bool { return l.turn == shareOfOld-1 }

func (l *lanes) isFresh(h *hold, now time.Time) bool { return now.Sub(h.time) <= l.fresh }

// began counts a message that was taken to be read.
func (l *lanes) began() { l.turn = (l.turn + 1) % shareOfOld }

// rank is the place of the first pattern of priority that a log type fits, and
// the number of patterns for a type that fits none.
func rank(priority []string, logType string) int {
	for i, p := range priority {
		if ok, err := path.Match(p, logType); ok && err == nil {
			return i
		}
	}
	return len(priority)
}

// place gives a message its place among the others: that of its most important
// object, and the time of its newest one. An object whose time nobody says is as
// old as its message.
func (h *hold) place(in *Input, sent time.Time) {
	types := in.p.LogTypes.Set()
	h.rank = len(in.cfg.Priority)
	for _, o := range h.notification.objects {
		if t, _ := types.Match(o.bucket, o.key); t != nil {
			h.rank = min(h.rank, rank(in.cfg.Priority, t.Name))
		}
		if o.time.After(h.time) {
			h.time = o.time
		}
	}
	if h.time.IsZero() {
		h.time = sent
	}
}
