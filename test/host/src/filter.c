/* filter.c: native filters. Their input is read-only and gone after the call. */
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include "host.h"

enum { MODIFIED = 1, UNTOUCHED = 2 };

struct filter {
    int event_type, flags;
    char *name, *description;
    void *config_map;
    int (*pre_run)(void *, void *, void *);
    int (*init)(void *, void *, void *);
    int (*filter)(const void *, size_t, const char *, int, void **, size_t *, void *, void *, void *, void *);
    int (*leave)(void *, void *);
    void *tail[3]; /* a list node of two, since 3.2 after cb_notification */
};

int filter_load(struct library *l)
{
    const char *base = strrchr(l->path, '/') + 1 + strlen("flb-");
    char symbol[256];
    size_t size = era.filter_notify ? 88 : 80;
    struct filter *f = guarded(sizeof *f);
    void *theirs;

    snprintf(symbol, sizeof symbol, "%.*s_plugin", (int) (strlen(base) - strlen(".so")), base);
    theirs = dlsym(l->handle, symbol);
    if (theirs == NULL) {
        violation("%s has no symbol %s", l->path, symbol);
        return -1;
    }
    memcpy(f, theirs, size);
    if (era.filter_notify && f->tail[0] != NULL) {
        violation("%s sets cb_notification", l->path);
    }
    f->tail[era.filter_notify] = f->tail[era.filter_notify + 1] = f; /* the host's list */
    if ((f->event_type != 0 && f->event_type != 1) || f->flags != 0 || f->name == NULL || f->filter == NULL || f->init == NULL) {
        violation("%s: its structure is not a log filter's", l->path);
        return -1;
    }
    l->filter_struct = f;
    l->name = must(strdup(f->name));
    return 0;
}

#ifndef BARE
/* What the host exports to filters. */
const char *flb_filter_get_property(const char *key, void *instance)
{
    struct instance *f = instance;

    return reserved_key(key) ? NULL : section_get(f->section, key);
}

void flb_filter_set_context(void *instance, void *context)
{
    ((struct instance *) instance)->context = context;
}
#endif

static char host_config[64]; /* opaque to filters */

int filter_pre_run(struct instance *i)
{
    struct filter *f = i->library->filter_struct;

    return f->pre_run != NULL ? f->pre_run(i, host_config, NULL) : 0;
}

int filter_init(struct instance *i)
{
    struct filter *f = i->library->filter_struct;

    if (f->init(i, host_config, NULL) != 0) {
        say("%s failed to initialise", i->name);
        return -1;
    }
    i->initialised = 1;
    return 0;
}

void filter_exit(struct instance *i)
{
    struct filter *f = i->library->filter_struct;

    if (i->context != NULL && f->leave != NULL) {
        f->leave(i->context, host_config);
        f->leave(i->context, host_config); /* stricter: it may come twice */
    }
    i->context = NULL;
}

int tag_matches(const char *pattern, const char *tag)
{
    for (; *pattern != 0; pattern++, tag++) {
        if (*pattern == '*') {
            while (pattern[1] == '*') {
                pattern++;
            }
            for (;; tag++) {
                if (tag_matches(pattern + 1, tag)) {
                    return 1;
                }
                if (*tag == 0) {
                    return 0;
                }
            }
        }
        if (*pattern != *tag) {
            return 0;
        }
    }
    return *tag == 0;
}

static char *run_one(struct instance *i, struct instance *input, const char *tag, char *data, size_t *size)
{
    struct filter *f = i->library->filter_struct;
    char *in = guarded_copy(data, *size, 1);
    char *name = guarded_copy(tag, strlen(tag) + 1, 1);
    void *out = NULL;
    size_t out_size = 0, good;
    double began = now();
    int result = f->filter(in, *size, name, (int) strlen(tag), &out, &out_size, i, input, i->context, host_config);

    i->longest = now() - began > i->longest ? now() - began : i->longest;
    unguard(name, strlen(tag) + 1);
    if (result == UNTOUCHED) {
        if (out != NULL) {
            violation("%s answered untouched with a buffer: it leaks", i->name);
        }
        unguard(in, *size);
        return data;
    }
    if (result != MODIFIED) {
        violation("%s answered %d", i->name, result);
    }
    if ((char *) out >= in && (char *) out < in + *size) {
        violation("%s returned its input", i->name);
    }
    if (out_size == 0 && out != NULL) {
        violation("%s dropped everything with a buffer: it leaks", i->name);
    }
    unguard(in, *size);
    free(data);
    *size = out_size;
    i->records += (uint64_t) events_count(out, out_size, &good);
    return out_size == 0 ? NULL : out;
}

char *filters_run(struct pipeline *p, struct instance *input, const char *tag, char *data, size_t *size)
{
    struct instance *f;
    const char *match;

    for (f = p->filters; f != NULL && data != NULL; f = f->next) {
        match = section_get(f->section, "match");
        if (match != NULL && tag_matches(match, tag)) {
            data = run_one(f, input, tag, data, size);
        }
    }
    return data;
}
