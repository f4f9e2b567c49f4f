package main

import (
	"context"
	"sync"
)

// engine tells outputs that the host's engine has ended: the host closes its
// filters then, and only afterwards its outputs, after every flush that waits
// for a worker. Their answers mean nothing any more, so they shall not keep the
// process beyond its grace.
var engine life

// life is a context that begins with the init of an instance and ends with the
// exit of a filter; a reload begins another.
type life struct {
	mu   sync.Mutex
	ctx  context.Context
	stop context.CancelFunc
}

// running returns a context that is done when the engine has ended.
func (l *life) running() context.Context {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ctx == nil {
		l.ctx, l.stop = context.WithCancel(context.Background())
	}
	return l.ctx
}

func (l *life) end() {
	l.running()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stop()
}

func (l *life) begin() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ctx != nil && l.ctx.Err() != nil {
		l.ctx, l.stop = nil, nil
	}
}
