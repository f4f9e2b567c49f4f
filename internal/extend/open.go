package extend

import (
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fluent-siem/fluent-siem/internal/code"
	"github.com/fluent-siem/fluent-siem/internal/follow"
)

// Transformers are those that a file names ([Load]). When the file changes, what
// is named anew is started before what is not named any more ends.
type Transformers struct {
	env  Env
	set  atomic.Pointer[map[string]*Transformer] // by log type
	file *follow.File[[]TransformerConfig]

	mu  sync.Mutex
	all []*Transformer
}

// longestAwait is how long [Open] waits for extensions that are slow to start.
const longestAwait = 10 * time.Second

// Open starts what the file at path names, and follows it until Close. A file
// that is missing or refused names nothing until there is a good one.
func Open(path string, env Env) *Transformers {
	t := &Transformers{env: env}
	newMetrics(env.Metrics) // they are shown before there is an extension
	t.set.Store(&map[string]*Transformer{})
	t.file = follow.Open(path, env.Log, func(r io.Reader) ([]TransformerConfig, error) {
		list, err := Load(r)
		if err == nil {
			t.use(list)
		}
		t.say(path, err)
		return list, err
	})
	if problem := t.file.Problem(); problem != "" {
		t.say(path, errors.New(problem))
	}
	return t
}

// say tells health whether the file can be used.
func (t *Transformers) say(path string, err error) {
	if err == nil {
		t.env.Health("extensions", "")
		return
	}
	t.env.Health("extensions", code.File.In(fmt.Sprintf("%s is not in use: %v; extensions are those that it named before", path, err)))
}

// For is the extension of a log type, nil when it has none.
func (t *Transformers) For(logType string) *Transformer { return (*t.set.Load())[logType] }

// Transform is [Transformer.Transform] of the extension that a log type has now;
// documents of a type without one are unchanged.
func (t *Transformers) Transform(ctx context.Context, logType string, documents [][]byte) ([]Result, TransformerConfig) {
	for {
		one := t.For(logType)
		if one == nil {
			results := make([]Result, len(documents))
			for i := range results {
				results[i].Outcome = Unchanged
			}
			return results, TransformerConfig{}
		}
		if results, ok := one.try(ctx, logType, documents); ok {
			return results, one.Config
		} // it was just replaced
	}
}

// use puts a list into use.
func (t *Transformers) use(list []TransformerConfig) {
	t.mu.Lock()
	defer t.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), longestAwait)
	defer cancel()
	before := t.all
	t.all = nil
	set := map[string]*Transformer{}
	for _, cfg := range list {
		var one *Transformer
		for i, old := range before {
			if old != nil && reflect.DeepEqual(old.Config, cfg) {
				one, before[i] = old, nil
			}
		}
		if one == nil {
			one = NewTransformer(cfg, t.env)
		}
		t.all = append(t.all, one)
		for _, logType := range cfg.LogTypes {
			set[logType] = one
		}
	}
	for _, one := range t.all {
		one.Await(ctx)
	}
	t.set.Store(&set)
	for _, old := range before {
		if old != nil {
			old.Close()
		}
	}
}

// Close ends all extensions.
func (t *Transformers) Close() {
	t.file.Close()
	t.use(nil)
}
