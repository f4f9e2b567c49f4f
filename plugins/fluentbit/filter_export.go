package main

// #include <stdint.h>
// #include <stddef.h>
import "C"

import (
	"log/slog"
	"unsafe"

	"github.com/fluent-siem/fluent-siem/filters/ecs"
	"github.com/fluent-siem/fluent-siem/internal/code"
	"github.com/fluent-siem/fluent-siem/internal/process"
)

var filters table[*filter]

// What a filter answers.
const (
	filterModified  = 1
	filterUntouched = 2
)

//export siem_filter_init
func siem_filter_init(instance unsafe.Pointer) C.uintptr_t {
	return guard("start of ecs", 0, func() C.uintptr_t {
		preRegister(false) // a pipeline may have this plugin alone
		beginInit()
		open, err := openFilter(func(key string) string { return filterProperty(instance, key) })
		if err != nil && refuse("ecs", err) {
			return 0
		}
		var stage *ecs.Filter
		if err == nil {
			if stage, err = open(); err != nil && refuse("ecs", err) {
				return 0
			}
		}
		if err != nil {
			slog.Warn("the filter ecs uses its default settings meanwhile", code.Config.Attr())
			if stage, err = ecs.New(ecs.Defaults(), process.Shared()); err != nil {
				slog.Error("the filter ecs cannot start with its default settings either", "error", err, code.Config.Attr())
				return 0
			}
		}
		return C.uintptr_t(filters.add(func(uintptr) *filter { return newFilter(stage) }))
	})
}

//export siem_filter
func siem_filter(n C.uintptr_t, data unsafe.Pointer, size C.size_t, tag *C.char, tagLen C.int, out *unsafe.Pointer, outSize *C.size_t, inputInstance unsafe.Pointer) C.int {
	return guard("filter ecs", filterUntouched, func() C.int {
		f, ok := filters.get(uintptr(n))
		if !ok || size == 0 {
			return filterUntouched
		}
		t := C.GoStringN(tag, tagLen)
		changed := f.process(t, unsafe.Slice((*byte)(data), size), func(events []byte) {
			*out, *outSize = nil, C.size_t(len(events))
			if len(events) > 0 {
				if *out = toHost(events); *out == nil {
					*outSize = 0
					slog.Error("no memory for the events of a buffer; they are dropped, and come again with their notification", "tag", t, "bytes", len(events), code.NoMemory.Attr())
				}
			}
		})
		if i := runningInput.of(uintptr(inputInstance)); i != nil {
			i.pace.saw(t, uintptr(n))
		}
		if changed {
			return filterModified
		}
		return filterUntouched
	})
}

//export siem_filter_exit
func siem_filter_exit(n C.uintptr_t) {
	guard("exit of ecs", 0, func() int {
		if f, ok := filters.remove(uintptr(n)); ok {
			f.stage.Close()
			engine.end()
		}
		return 0
	})
}
