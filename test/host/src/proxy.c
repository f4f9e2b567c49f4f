/*
 * proxy.c: the Go proxy. Blocks are laid out as in each version, end at a page
 * that cannot be touched, and are worthless after the call.
 */
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include "host.h"

enum { PROXY_INPUT = 1, PROXY_OUTPUT = 2, PROXY_GO = 11 };

struct def { /* the first 32 bytes, in all versions */
    int type, proxy, flags;
    char *name, *description;
};

struct block { /* the first 32 bytes; the host's own callbacks follow */
    char *name;
    void **api;
    void *instance;
    void *context;
};

static char proxy_mark; /* what "proxy" pointers in contexts point to */

static const char *property(const char *key, void *instance)
{
    struct instance *i = instance;
    const char *v = reserved_key(key) ? NULL : section_get(i->section, key);

    return v != NULL && *v ? v : NULL; /* an empty value looks absent to inputs and outputs */
}

static void *not_for_plugins(void)
{
    violation("a plugin called an entry of the function table that it has no business with");
    return NULL;
}

static int log_check(void *instance, int level)
{
    (void) instance;
    return level <= 3;
}

static void log_print(int level, const char *file, int line, const char *format, ...)
{
    (void) level, (void) file, (void) line, (void) format;
}

static void **function_table(void)
{
    void **t = guarded((size_t) era.api_entries * sizeof(void *));

    t[0] = property;
    t[1] = property;
    t[2] = not_for_plugins;
    t[3] = not_for_plugins;
    t[4] = log_print;
    t[5] = log_check;
    t[6] = log_check;
    if (era.api_entries > 7) {
        t[7] = property;
        t[8] = log_check;
    }
    return t;
}

static size_t block_size(struct library *l)
{
    return l->type == PROXY_OUTPUT ? 72 : era.context_callbacks ? 80 : 64;
}

int proxy_register(struct library *l, int hot_reloading)
{
    int (*pre)(int) = dlsym(l->handle, "FLBPluginPreRegister");
    int (*reg)(void *) = dlsym(l->handle, "FLBPluginRegister");
    struct def *d = guarded(era.def);
    char *rest = (char *) d + 32;
    size_t i;

    if (pre != NULL && pre(hot_reloading) == -1) {
        return -1;
    }
    d->type = PROXY_OUTPUT; /* the host's guess, for the library to correct */
    if (reg == NULL || reg(d) == -1 || d->proxy != PROXY_GO || d->name == NULL) {
        violation("%s does not register", l->path);
        return -1;
    }
    for (i = 32; i < era.def; i++) {
        if (*rest++ != 0) {
            violation("%s wrote behind byte 32 of its definition", l->path);
        }
    }
    l->def = d;
    l->type = d->type;
    l->name = must(strdup(d->name));
    l->block = guarded(block_size(l));
    return 0;
}

void proxy_unregister(struct library *l)
{
    void (*unregister)(void *) = dlsym(l->handle, "FLBPluginUnregister");

    if (unregister != NULL && l->def != NULL) {
        unregister(l->def);
    }
    if (l->def != NULL) {
        unguard(l->def, era.def);
        unguard(l->block, block_size(l));
        l->def = NULL;
    }
}

static size_t context_size(struct instance *i)
{
    return strcmp(i->kind, "input") != 0 || !era.context_callbacks ? 16 : 24;
}

/* Where the host keeps its own pointer in the context. */
static void **own_word(struct instance *i)
{
    return (void **) i->context_block + context_size(i) / 8 - 1;
}

int proxy_init(struct instance *i)
{
    struct library *l = i->library;
    int (*init)(void *) = dlsym(l->handle, "FLBPluginInit");
    struct block *b = l->block;
    void **api = function_table();
    int result;

    i->context_block = guarded(context_size(i));
    *(int *) i->context_block = strcmp(i->kind, "input") == 0 ? 4711 : 0; /* coll_fd of inputs */
    *own_word(i) = &proxy_mark;
    *b = (struct block){l->name, api, i, i->context_block};
    result = init != NULL ? init(b) : 0;
    memset(b, 0xdb, block_size(l));
    unguard(api, (size_t) era.api_entries * sizeof(void *));
    if (*own_word(i) != &proxy_mark || (strcmp(i->kind, "input") == 0 && *(int *) i->context_block != 4711)) {
        violation("%s wrote into the host's part of its context", i->name);
    }
    if (result <= 0) {
        say("%s failed to initialise", i->name);
        return -1;
    }
    i->initialised = 1;
    l->last_initialised = i;
    return 0;
}

void proxy_call(struct instance *i, const char *symbol)
{
    void (*f)(void) = dlsym(i->library->handle, symbol);

    if (f != NULL) {
        f();
    }
}

void proxy_call_int(struct instance *i, const char *symbol, int n)
{
    void (*f)(int) = dlsym(i->library->handle, symbol);

    if (f != NULL) {
        f(n);
    }
}

int proxy_collect(struct instance *i)
{
    int (*with)(void *, void **, size_t *) = dlsym(i->library->handle, "FLBPluginInputCallbackCtx");
    int (*without)(void **, size_t *) = dlsym(i->library->handle, "FLBPluginInputCallback");
    int (*clean_with)(void *, void *) = dlsym(i->library->handle, "FLBPluginInputCleanupCallbackCtx");
    int (*clean)(void *) = dlsym(i->library->handle, "FLBPluginInputCleanupCallback");
    void *remote = era.context_callbacks ? ((void **) i->context_block)[1] : NULL;
    void *data = NULL;
    size_t size = 0;
    int result;

    if (without == NULL) {
        violation("%s lacks FLBPluginInputCallback, which every version may call", i->name);
        return -1;
    }
    result = with != NULL && era.context_callbacks ? with(remote, &data, &size) : without(&data, &size);
    if (size == 0) {
        if (data != NULL) {
            violation("%s returned a buffer of size 0: it leaks", i->name);
        }
        return 0;
    }
    if (result == -1) {
        violation("%s returned -1 with data: it leaks", i->name);
        return -1;
    }
    input_append(i, NULL, 0, data, size, -1);
    if (clean_with != NULL && era.context_callbacks) {
        clean_with(remote, data);
    } else if (clean != NULL) {
        clean(data);
    } else {
        free(data);
    }
    return 0;
}

int proxy_flush(struct instance *o, const void *data, size_t size, char *tag)
{
    int (*flush)(void *, const void *, size_t, char *) = dlsym(o->library->handle, "FLBPluginFlushCtx");

    return flush != NULL ? flush(((void **) o->context_block)[0], data, size, tag) : 0;
}

void proxy_input_exit(struct instance *i, int by_reload)
{
    proxy_call_int(i, "FLBPluginInputPreExit", by_reload);
    proxy_call(i, "FLBPluginExit");
    proxy_call(i, "FLBPluginExit"); /* stricter: it may come twice */
    unguard(i->context_block, context_size(i));
}

/* Also for an output that was never initialised: then with NULL. */
void proxy_output_exit(struct instance *o, int by_reload)
{
    int (*leave)(void *) = dlsym(o->library->handle, "FLBPluginExitCtx");
    void *remote = o->context_block != NULL ? ((void **) o->context_block)[0] : NULL;

    proxy_call_int(o, "FLBPluginOutputPreExit", by_reload);
    if (leave != NULL) {
        leave(remote);
        leave(remote); /* stricter: it may come twice */
    }
    if (o->context_block != NULL) {
        unguard(o->context_block, context_size(o));
    }
}
