package deadletter

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"
)

// Group is the letters of one signature.
type Group struct {
	Key string `json:"key"` // of the signature
	Signature
	Count  int       `json:"count"`
	Closed int       `json:"closed"` // of Count
	First  time.Time `json:"first"`
	Last   time.Time `json:"last"`
	Sample string    `json:"sample"` // id of the newest letter
	// Reason of that letter, whole: what differs from letter to letter included.
	SampleReason string `json:"-"`
	SampleIndex  string `json:"-"`
}

// Groups groups the letters that choose wants by signature, the largest group
// first.
func (b *Box) Groups(ctx context.Context, choose func(*Entry) bool) ([]Group, Damage, error) {
	groups := map[Signature]*Group{}
	damage, err := b.Each(ctx, func(e *Entry) error {
		if !choose(e) {
			return nil
		}
		sig := e.Signature()
		g := groups[sig]
		if g == nil {
			g = &Group{Key: sig.Key(), Signature: sig, First: e.Letter.Time}
			groups[sig] = g
		}
		g.Count++
		if e.Closed() {
			g.Closed++
		}
		if e.Letter.Time.Before(g.First) {
			g.First = e.Letter.Time
		}
		if !e.Letter.Time.Before(g.Last) {
			g.Last, g.Sample, g.SampleReason, g.SampleIndex = e.Letter.Time, e.ID, e.Letter.Reason, e.Letter.Index
		}
		return nil
	})
	if err != nil {
		return nil, damage, err
	}
	list := make([]Group, 0, len(groups))
	for _, g := range groups {
		list = append(list, *g)
	}
	slices.SortFunc(list, func(a, b Group) int {
		return cmp.Or(b.Count-a.Count, strings.Compare(a.Class, b.Class), strings.Compare(a.Key, b.Key))
	})
	return list, damage, nil
}
