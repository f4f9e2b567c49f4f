/*
 * flb-filter_ecs.c: the door that Fluent Bit opens for the filter ecs. Go is
 * behind it (libfluent_siem.so).
 *
 * Fluent Bit 3 and later have a filter "ecs" of their own where they were built
 * with it (AWS ECS metadata), and there it wins whatever is loaded later. So
 * this file is compiled twice: once as ecs, once as siem_ecs, which is nobody
 * else's name. The first says so when it meets the other.
 */
#include <dlfcn.h>
#include <stdio.h>
#include "siem.h"

#ifndef FILTER
#define FILTER ecs
#define BUILT_IN_NAME "filter_ecs_plugin"
#endif
#define PASTE(a, b, c) a##b##c
#define SYMBOL(name) PASTE(filter_, name, _plugin)
#define STRING(name) #name
#define NAME(name) STRING(name)

enum { MODIFIED = 1, UNTOUCHED = 2 };

/* The host's; weak, because a missing one would only surface at the call. */
extern void flb_filter_set_context(void *instance, void *context) __attribute__((weak));

static int init(void *instance, void *config, void *data)
{
    uintptr_t filter;

    (void) config;
    (void) data;
    if (flb_filter_set_context == NULL) {
        fprintf(stderr, "fluent-siem: this program is no Fluent Bit: it lacks flb_filter_set_context; the filter does not start [FS1114]\n");
        return -1;
    }
    filter = siem_filter_init(instance);
    if (filter == 0) {
        return -1;
    }
    flb_filter_set_context(instance, (void *) filter); /* without one, cb_exit never comes */
    return 0;
}

static int filter(const void *data, size_t size, const char *tag, int tag_len, void **out, size_t *out_size,
                  void *filter_instance, void *input_instance, void *context, void *config)
{
    (void) filter_instance;
    (void) config;
    return siem_filter((uintptr_t) context, data, size, tag, tag_len, out, out_size, input_instance);
}

static int leave(void *context, void *config)
{
    (void) config;
    siem_filter_exit((uintptr_t) context);
    return 0;
}

/* struct flb_filter_plugin: 88 bytes since 3.2, 80 before, when the list node
 * stood where notify is now; the host overwrites its node in either place. */
struct {
    int event_type;
    int flags;
    const char *name;
    const char *description;
    void *config_map;
    int (*pre_run)(void *, void *, void *);
    int (*init)(void *, void *, void *);
    int (*filter)(const void *, size_t, const char *, int, void **, size_t *, void *, void *, void *, void *);
    int (*exit)(void *, void *);
    void *notify;
    void *node[2];
} SYMBOL(FILTER) = {
    .event_type = 1, /* logs */
    .name = NAME(FILTER),
    .description = "Security logs to Elastic Common Schema",
    .init = init,
    .filter = filter,
    .exit = leave,
};

#ifdef BUILT_IN_NAME
__attribute__((constructor)) static void look_for_namesake(void)
{
    void *host = dlopen(NULL, RTLD_LAZY); /* the program, not this library: that is loaded locally */

    if (host != NULL && dlsym(host, BUILT_IN_NAME) != NULL) {
        fprintf(stderr, "fluent-siem: this Fluent Bit has a filter \"ecs\" of its own (AWS ECS metadata) and will use that: "
                        "load flb-filter_siem_ecs.so and write \"name: siem_ecs\" instead [FS1115]\n");
    }
}
#endif
