package main

import (
	"log/slog"

	"github.com/fluent-siem/fluent-siem/internal/code"
	"github.com/fluent-siem/fluent-siem/internal/event"
)

// processor is what a filter instance needs of [ecs.Filter].
type processor interface {
	Process(dst []byte, tag string, in []byte) (out []byte, changed bool)
	Close()
}

// filter is one instance.
type filter struct {
	stage   processor
	buffers chan []byte // results that were copied to the host, to be used again
}

func newFilter(p processor) *filter {
	return &filter{stage: p, buffers: make(chan []byte, 4)}
}

// process gives use the events that become of in; they are valid during use.
// changed is false when in stays as it is. A panic in the stage is tried again
// event by event, so that it costs one event its conversion and no more: that
// one goes on as it came.
func (f *filter) process(tag string, in []byte, use func(out []byte)) (changed bool) {
	var buf []byte
	select {
	case buf = <-f.buffers:
	default:
	}
	out, changed, ok := f.try(buf[:0], tag, in)
	if !ok {
		out, changed = f.oneByOne(tag, in), true
	}
	if changed {
		use(out)
	}
	select {
	case f.buffers <- out:
	default:
	}
	return changed
}

func (f *filter) try(dst []byte, tag string, in []byte) (out []byte, changed, ok bool) {
	return unpack(guard("filter ecs", result{out: dst}, func() result {
		out, changed := f.stage.Process(dst, tag, in)
		return result{out, changed, true}
	}))
}

type result struct {
	out         []byte
	changed, ok bool
}

func unpack(r result) ([]byte, bool, bool) { return r.out, r.changed, r.ok }

func (f *filter) oneByOne(tag string, in []byte) (out []byte) {
	for len(in) > 0 {
		ev, rest, err := event.Next(in)
		if err != nil {
			slog.Error("a buffer of events is damaged; its end is passed on as it came", "tag", tag, "bytes", len(in), "error", err, code.NoEvents.Attr())
			return append(out, in...)
		}
		got, changed, ok := f.try(out, tag, ev.Raw)
		if ok && changed {
			out = got
		} else {
			out = append(out, ev.Raw...)
		}
		in = rest
	}
	return out
}
