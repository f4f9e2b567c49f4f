package main

// #include <stdint.h>
// #include <stddef.h>
import "C"

import (
	"errors"
	"fmt"
	"unsafe"

	flbinput "github.com/fluent/fluent-bit-go/input"

	"github.com/fluent-siem/fluent-siem/internal/code"
	"github.com/fluent-siem/fluent-siem/internal/process"
)

var (
	inputs       table[*input]
	runningInput running
)

//export siem_pre_register
func siem_pre_register(hotReloading C.int) {
	guard("registration", 0, func() int { preRegister(hotReloading == 1); return 0 })
}

//export siem_input_register
func siem_input_register(def unsafe.Pointer) C.int {
	return C.int(flbinput.FLBPluginRegister(def, "s3_sqs", "Security logs from S3, announced by SQS"))
}

//export siem_input_unregister
func siem_input_unregister(def unsafe.Pointer) { flbinput.FLBPluginUnregister(def) }

//export siem_input_init
func siem_input_init(plugin, instance unsafe.Pointer) C.uintptr_t {
	return guard("start of s3_sqs", 0, func() C.uintptr_t {
		beginInit()
		cfg, open, bad := openInput(func(key string) string { return flbinput.FLBPluginConfigKey(plugin, key) })
		if bad != nil && refuse("s3_sqs", bad) {
			return 0
		}
		n := inputs.add(func(n uintptr) *input {
			return newInput(fmt.Sprintf("s3_sqs.%d", n), func() (stage, error) {
				if bad != nil {
					return nil, bad
				}
				return open()
			}, hostInput{instance})
		})
		i, _ := inputs.get(n)
		if cfg.StateDir != "" {
			if _, err := process.Shared().Serve(cfg.StateDir); err != nil {
				process.Shared().SetHealth("socket", code.Socket.In(err.Error()))
			}
		}
		runningInput.add(uintptr(instance), i)
		process.Shared().Stopping.Store(runningInput.stopping())
		return C.uintptr_t(n)
	})
}

//export siem_input_collect
func siem_input_collect(n C.uintptr_t, data *unsafe.Pointer, size *C.size_t) C.int {
	return guard("collect of s3_sqs", C.int(flbinput.FLB_OK), func() C.int {
		keepSignals()
		i, ok := inputs.get(uintptr(n))
		if !ok {
			return flbinput.FLB_OK
		}
		events := i.collect(collectFor)
		if len(events) > 0 {
			if *data = toHost(events); *data == nil {
				panic(errors.New("no memory for the records; their notifications come back"))
			}
			*size = C.size_t(len(events))
		}
		return flbinput.FLB_OK
	})
}

//export siem_input_pause
func siem_input_pause(n C.uintptr_t) { onInput(n, (*input).pause) }

//export siem_input_resume
func siem_input_resume(n C.uintptr_t) { onInput(n, (*input).resume) }

func onInput(n C.uintptr_t, do func(*input)) {
	guard("pause or resume of s3_sqs", 0, func() int {
		if i, ok := inputs.get(uintptr(n)); ok {
			do(i)
			process.Shared().Stopping.Store(runningInput.stopping())
		}
		return 0
	})
}

//export siem_input_exit
func siem_input_exit(n C.uintptr_t) {
	guard("exit of s3_sqs", 0, func() int {
		if i, ok := inputs.remove(uintptr(n)); ok {
			runningInput.remove(i)
			i.exit()
			process.Shared().Stopping.Store(runningInput.stopping())
		}
		return 0
	})
}
