/*
 * test-host: a small program that loads plugins exactly as Fluent Bit does, for
 * tests on machines that have none, and is stricter: what Fluent Bit forgives
 * or overwrites without a sound is a fault or a violation here.
 *
 *   main.c     arguments, signals, the life of pipelines, reload
 *   config.c   the configuration, one line a key
 *   memory.c   blocks with a page behind them that cannot be touched
 *   proxy.c    the Go proxy: libraries, registration, inputs' and outputs' init and exit
 *   filter.c   native filters
 *   input.c    inputs: threads, rings, pause and resume
 *   engine.c   the engine thread: rings, filters, chunks, retries, shutdown
 *   flush.c    outputs: workers, coroutine stacks
 *   builtin.c  inputs tail and inject, outputs file, stdout, null, fail
 *   msgpack.c  counting and printing events
 */
#ifndef HOST_H
#define HOST_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* config.c */
struct property {
    char *key, *value;
    struct property *next;
};
struct section {
    char kind[16]; /* service, plugin, input, filter, output */
    struct property *properties;
    struct section *next;
};
struct section *config_read(const char *path);
void config_free(struct section *s);
const char *section_get(const struct section *s, const char *key); /* NULL: absent */
double section_number(const struct section *s, const char *key, double otherwise);
double section_bytes(const struct section *s, const char *key, double otherwise);
int reserved_key(const char *key); /* the host keeps it: plugins never see it */

/* memory.c: blocks whose end is followed by an untouchable page */
void *guarded(size_t size);                              /* zeroed */
void *guarded_copy(const void *data, size_t size, int read_only);
void unguard(void *block, size_t size);                  /* from now on every access faults */
struct stack { char *base; size_t size; };               /* with such pages at both ends */
struct stack stack_new(size_t size);

/* The layouts of a version. */
struct era {
    const char *name;
    size_t def;              /* bytes of the definition block */
    int api_entries;
    int context_callbacks;   /* …Ctx of inputs, and the input's own word in its context: since 4.1 */
    int filter_notify;       /* cb_notification: since 3.2 */
    size_t coroutine_stack;
};
extern struct era era;

struct library {
    char *path;
    void *handle;
    int native;              /* flb-…: a filter; else the Go proxy */
    void *def;               /* proxy: the definition block */
    void *block;             /* proxy: the init block, one per library */
    void *filter_struct;     /* native: the host's copy */
    char *name;
    int type;                /* proxy: 1 input, 2 output; native: 0 */
    struct instance *last_initialised;
    struct library *next;
};

struct buffer {              /* one append on its way through the ring */
    char *tag;
    char *data;
    size_t size, records;
};

struct ring {
    struct buffer **slots;
    size_t capacity, head, used, window, most;
};

struct chunk {
    struct instance *input;
    char *tag;
    char *data;
    size_t size, room, records;
    int references;
    struct chunk *next;      /* of the input's open chunks */
};

struct task {                /* a chunk for an output */
    struct chunk *chunk;
    struct instance *output;
    int tries, result;
    double due;              /* of the retry; 0 while it is with a worker */
    struct task *next;
};

struct worker {
    pthread_t thread;
    struct instance *output;
    struct task *queue;      /* oldest first */
    struct stack stack;
};

struct message { int what; struct message *next; };
enum { UPSTREAMS = 64 };
enum { PAUSE = 1, RESUME, START, EXIT, EXIT_BY_RELOAD };

struct instance {
    char kind[16], name[96];
    int number;
    const struct section *section;
    struct pipeline *pipeline;
    struct library *library; /* NULL: built in */
    void *context_block;     /* proxy: what plugin->context points to */
    void *context;           /* filter: what it set */
    int initialised;

    /* input */
    pthread_t thread;
    int thread_ready, init_result, timer, paused;
    struct message *messages;
    struct ring ring;
    struct chunk *open;
    size_t buffered, limit;

    /* output */
    char *upstreams;         /* what forgotten workers look into */
    struct worker *workers;
    int worker_count, workers_stop, next_worker, retry_limit; /* -1: no limit */
    FILE *file;

    /* figures */
    uint64_t records, bytes, appends, refused, pauses, collects;
    uint64_t flushes, retries, done, errors, dropped;
    double longest;          /* call, in seconds */
    struct instance *next;
};

struct pipeline {
    struct section *config;
    const struct section *service;
    struct library *libraries;
    struct instance *inputs, *filters, *outputs;
    pthread_t engine;
    int failed;              /* an init failed */

    pthread_mutex_t lock;    /* rings, messages, queues, results */
    pthread_cond_t wake;     /* the engine */
    pthread_cond_t inputs_wake, workers_wake;
    int ring_signal, stop, by_reload, started;
    struct task *finished, *waiting; /* waiting for their retry */
    int tasks;               /* alive */
    double flush_every, grace, retry_base, retry_cap, longest_turn;
};

/* main.c */
double now(void);            /* seconds, monotonic */
void violation(const char *format, ...) __attribute__((format(printf, 1, 2)));
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
void *must(void *p);         /* exits when there is no memory */
int wait_until(pthread_cond_t *c, pthread_mutex_t *m, double when); /* 0: woken */

/* proxy.c */
int proxy_register(struct library *l, int hot_reloading);
void proxy_unregister(struct library *l);
int proxy_init(struct instance *i);                /* 0: well */
void proxy_call(struct instance *i, const char *symbol);
void proxy_call_int(struct instance *i, const char *symbol, int n);
int proxy_collect(struct instance *i);
int proxy_flush(struct instance *i, const void *data, size_t size, char *tag);
void proxy_input_exit(struct instance *i, int by_reload);
void proxy_output_exit(struct instance *i, int by_reload);

/* filter.c */
int filter_load(struct library *l);
int filter_pre_run(struct instance *f);
int filter_init(struct instance *f);
void filter_exit(struct instance *f);
/* Runs all filters that match; takes over and returns a malloc'd buffer, NULL when nothing is left. */
char *filters_run(struct pipeline *p, struct instance *input, const char *tag, char *data, size_t *size);
int tag_matches(const char *pattern, const char *tag);

/* input.c */
void input_create(struct instance *i);
int input_start(struct instance *i);               /* its thread and its init; 0: well */
void input_send(struct instance *i, int what);     /* lock held */
int input_append(struct instance *i, const char *tag, size_t tag_len, const void *data, size_t size, long records);
void input_join(struct instance *i);
struct buffer *ring_take(struct instance *i);      /* NULL: empty; takes the lock */

/* engine.c */
void *engine_run(void *pipeline);
void chunk_release(struct chunk *c);

/* flush.c */
void output_start(struct instance *o);
void output_dispatch(struct task *t);              /* on the engine's thread, without the lock */
void output_join(struct instance *o);
void output_free(struct instance *o);

/* builtin.c */
int builtin_known(const char *kind, const char *name);
int builtin_init(struct instance *i);
void builtin_input(struct instance *i);            /* the whole input; returns when it has no more */
int builtin_flush(struct instance *o, const char *data, size_t size, const char *tag);
void builtin_exit(struct instance *i);

/* msgpack.c */
long events_count(const char *data, size_t size, size_t *good); /* markers are not counted; good: bytes that are events */
void events_print(FILE *f, const char *tag, const char *data, size_t size, int plain);

#endif
