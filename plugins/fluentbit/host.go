package main

/*
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

// The host's functions, weak: a symbol that it lacks is NULL here, and would be
// the end of the process at the call otherwise.
extern int flb_input_log_append(void *, const char *, size_t, const void *, size_t) __attribute__((weak));
extern int flb_input_log_append_records(void *, size_t, const char *, size_t, const void *, size_t) __attribute__((weak));
extern const char *flb_filter_get_property(const char *, void *) __attribute__((weak));

static int can_append(void)
{
	return flb_input_log_append_records != NULL || flb_input_log_append != NULL;
}

static int append(void *instance, size_t records, const char *tag, size_t tag_len, const void *data, size_t size)
{
	if (flb_input_log_append_records != NULL) { // spares the host a decode of the buffer to count it
		return flb_input_log_append_records(instance, records, tag, tag_len, data, size);
	}
	return flb_input_log_append(instance, tag, tag_len, data, size);
}

static const char *filter_property(const char *key, void *instance)
{
	return flb_filter_get_property != NULL ? flb_filter_get_property(key, instance) : NULL;
}

static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE};
static struct sigaction handlers[3];

static void save_fault_handlers(void)
{
	for (int i = 0; i < 3; i++) {
		sigaction(faults[i], NULL, &handlers[i]);
	}
}

static void put_handlers_right(void)
{
	struct sigaction now;

	for (int i = 0; i < 3; i++) {
		sigaction(faults[i], NULL, &now);
		if (now.sa_sigaction != handlers[i].sa_sigaction) {
			sigaction(faults[i], &handlers[i], NULL);
		}
	}
	for (int n = 1; n < NSIG; n++) {
		if (sigaction(n, NULL, &now) == 0 && now.sa_handler != SIG_DFL && now.sa_handler != SIG_IGN && (now.sa_flags & SA_ONSTACK) == 0) {
			now.sa_flags |= SA_ONSTACK;
			sigaction(n, &now, NULL);
		}
	}
}
*/
import "C"

import (
	"errors"
	"sync"
	"unsafe"
)

// errRefused is what the host's append failed with. It took nothing.
var errRefused = errors.New("the host did not take the records: its ring between input and engine stayed full for a second; " +
	"they are read again when the notification comes back. Is another input or filter holding up the engine?")

// hostInput is one instance of the input, as the host knows it. Its methods
// may be called on the instance's own thread only, inside a callback.
type hostInput struct{ instance unsafe.Pointer }

// canAppend tells whether records can be handed over with a tag of their own,
// as often as wanted. All versions from 2.2 on can.
func (hostInput) canAppend() bool { return C.can_append() != 0 }

// append hands events over. The host copies them.
func (h hostInput) append(tag string, records int, events []byte) error {
	if len(events) == 0 {
		return nil
	}
	name := unsafe.StringData(tag) // with its length: needs no NUL
	if C.append(h.instance, C.size_t(records), (*C.char)(unsafe.Pointer(name)), C.size_t(len(tag)),
		unsafe.Pointer(unsafe.SliceData(events)), C.size_t(len(events))) != 0 {
		return errRefused
	}
	return nil
}

// filterProperty returns what the operator wrote for key, "" when absent. Only
// inside the filter's init.
func filterProperty(instance unsafe.Pointer, key string) string {
	k := C.CString(key)
	defer C.free(unsafe.Pointer(k))
	return C.GoString(C.filter_property(k, instance))
}

// toHost copies b into memory that the host may free. It is NULL when there is
// none left.
func toHost(b []byte) unsafe.Pointer {
	p := C.malloc(C.size_t(len(b)))
	if p != nil {
		copy(unsafe.Slice((*byte)(p), len(b)), b)
	}
	return p
}

var faultHandlers sync.Once

// keepSignals puts the process's signal handlers right. The host installs its
// own again at every SIGHUP and SIGCONT, in a way that harms Go:
//
//   - SIGSEGV, SIGBUS, SIGFPE: Go's handlers turn a nil dereference into a panic
//     and pass on what is not Go's. They are remembered the first time and put
//     back.
//   - All others: without SA_ONSTACK a handler runs on the stack of whichever
//     goroutine the signal meets, which is small, and what it writes beyond ends
//     up in other memory of Go's. Go sets the flag when it is loaded; so do we.
func keepSignals() {
	faultHandlers.Do(func() { C.save_fault_handlers() })
	C.put_handlers_right()
}
