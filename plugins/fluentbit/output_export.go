package main

// #include <stdint.h>
// #include <stddef.h>
import "C"

import (
	"errors"
	"fmt"
	"unsafe"

	flboutput "github.com/fluent/fluent-bit-go/output"
)

var outputs table[*output]

var (
	errNotStarted = errors.New("the output has not started, see above")
	errBug        = errors.New("a bug was caught, see above")
)

//export siem_output_register
func siem_output_register(def unsafe.Pointer) C.int {
	return C.int(flboutput.FLBPluginRegister(def, "opensearch_bulk", "Documents to OpenSearch, each with a verdict"))
}

//export siem_output_unregister
func siem_output_unregister(def unsafe.Pointer) { flboutput.FLBPluginUnregister(def) }

//export siem_output_init
func siem_output_init(plugin unsafe.Pointer) C.uintptr_t {
	return guard("start of opensearch_bulk", 0, func() C.uintptr_t {
		beginInit()
		open, bad := openOutput(func(key string) string { return flboutput.FLBPluginConfigKey(plugin, key) })
		if bad != nil && refuse("opensearch_bulk", bad) {
			return 0
		}
		return C.uintptr_t(outputs.add(func(n uintptr) *output {
			return newOutput(fmt.Sprintf("opensearch_bulk.%d", n), func() (writer, error) {
				if bad != nil {
					return nil, bad
				}
				return open()
			})
		}))
	})
}

// Comes once for each instance, without saying for which, when all have their workers.
//
//export siem_output_pre_run
func siem_output_pre_run() {
	guard("pre-run of opensearch_bulk", 0, func() int {
		outputs.each(func(o *output) { o.workers.preRun() })
		return 0
	})
}

//export siem_output_flush
func siem_output_flush(n C.uintptr_t, data unsafe.Pointer, size C.size_t, tag *C.char) C.int {
	return guard("flush of opensearch_bulk", C.int(flushRetry), func() C.int {
		o, ok := outputs.get(uintptr(n))
		if !ok {
			return flushRetry
		}
		// The host's memory: ours only until we return.
		return C.int(o.flush(C.GoString(tag), unsafe.Slice((*byte)(data), size)))
	})
}

//export siem_output_exit
func siem_output_exit(n C.uintptr_t) {
	guard("exit of opensearch_bulk", 0, func() int {
		if o, ok := outputs.remove(uintptr(n)); ok {
			o.exit()
		}
		return 0
	})
}
