package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"github.com/fluent-siem/fluent-siem/filters/ecs"
	"github.com/fluent-siem/fluent-siem/internal/code"
	"github.com/fluent-siem/fluent-siem/internal/process"
	"github.com/fluent-siem/fluent-siem/internal/settings"
	"github.com/fluent-siem/fluent-siem/outputs/opensearch"
	"github.com/fluent-siem/fluent-siem/plugins/s3sqs"
)

// getter asks the host what the operator wrote for a key.
type getter func(key string) string

// validator is a stage's Config.
type validator interface{ Validate() error }

// configure fills cfg, a pointer to a stage's Config, and returns all problems
// at once: values that cannot be read and values that cannot work.
func configure[C validator](cfg *C, get getter) error {
	return errors.Join(settings.Load(cfg, get), (*cfg).Validate())
}

// openInput, openFilter and openOutput are all this package asks of the stages.
// The configuration's problems come back at once; the returned function makes
// the stage, and may be tried again when it fails.
func openInput(get getter) (s3sqs.Config, func() (*s3sqs.Input, error), error) {
	cfg := s3sqs.Defaults()
	err := configure(&cfg, get)
	return cfg, func() (*s3sqs.Input, error) { return s3sqs.New(cfg, process.Shared()) }, err
}

func openFilter(get getter) (func() (*ecs.Filter, error), error) {
	cfg := ecs.Defaults()
	err := configure(&cfg, get)
	return func() (*ecs.Filter, error) { return ecs.New(cfg, process.Shared()) }, err
}

func openOutput(get getter) (func() (*opensearch.Writer, error), error) {
	cfg := opensearch.Defaults()
	err := configure(&cfg, get)
	return func() (*opensearch.Writer, error) { return opensearch.New(cfg, process.Shared()) }, err
}

// gcPercent is the garbage collector's in the host, unless GOGC says otherwise:
// the host has its own copies of what we hold, and memory_limit is meant for
// the process. It costs about 6 % of CPU.
const gcPercent = 75

var (
	start sync.Once

	// reloading is true from the registration that begins a hot reload until
	// the first init of the new pipeline: the old one is being shut down.
	reloading atomic.Bool
	// reloaded is true once this process went through a reload: a failing init
	// would end an agent that was running.
	reloaded atomic.Bool
)

// preRegister is the first call of every library, and of every reload.
func preRegister(hotReloading bool) {
	start.Do(func() {
		slog.SetDefault(slog.New(newHostLook(os.Stderr, process.Shared().Level())))
		if os.Getenv("GOGC") == "" {
			debug.SetGCPercent(gcPercent)
		}
	})
	keepSignals()
	if hotReloading {
		reloading.Store(true)
		reloaded.Store(true)
	}
}

// beginInit is the start of every instance's init.
func beginInit() {
	reloading.Store(false)
	engine.begin()
	keepSignals()
}

// refuse tells whether an instance with a configuration that cannot work shall
// be refused. A refusal ends Fluent Bit: right when it starts, as nothing would
// be loaded and somebody is looking; wrong during a reload, when it would take
// the other pipelines with it.
func refuse(plugin string, err error) bool {
	what := fmt.Sprintf("the configuration of %s cannot work: %v", plugin, err)
	if reloaded.Load() {
		slog.Error(what+"; the agent goes on and this plugin is degraded: correct the configuration and reload again", code.Config.Attr())
		process.Shared().SetHealth(plugin, code.Config.In(what))
		return false
	}
	slog.Error(what+"; Fluent Bit will not start: correct it and start again", code.Config.Attr())
	return true
}
