/*
 * flush.c: outputs. A flush runs on a coroutine's stack, which has guard pages
 * here; its chunk and its tag are gone when it returns.
 *
 * Every version of Fluent Bit starts the workers of an output behind the proxy
 * twice and forgets the first set. These wake up now and then and look into the
 * instance, which is freed at the end of its pipeline: so it is here, sooner.
 */
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <ucontext.h>
#include "host.h"

enum { FORGOTTEN_TICK_MS = 50 };

static __thread struct {
    ucontext_t host, flush;
    struct instance *output;
    const char *data;
    size_t size;
    char *tag;
    int result;
} call;

static void on_coroutine(void)
{
    call.result = proxy_flush(call.output, call.data, call.size, call.tag);
}

static void flush(struct instance *o, struct task *t, struct stack s)
{
    struct chunk *c = t->chunk;
    double began = now();

    if (o->library == NULL) {
        t->result = builtin_flush(o, c->data, c->size, c->tag);
    } else {
        call.output = o;
        call.data = guarded_copy(c->data, c->size, 1);
        call.size = c->size;
        call.tag = guarded_copy(c->tag, strlen(c->tag) + 1, 0);
        getcontext(&call.flush);
        call.flush.uc_stack.ss_sp = s.base;
        call.flush.uc_stack.ss_size = s.size;
        call.flush.uc_link = &call.host;
        makecontext(&call.flush, on_coroutine, 0);
        swapcontext(&call.host, &call.flush);
        t->result = call.result;
        unguard((void *) call.data, c->size);
        unguard(call.tag, strlen(c->tag) + 1);
    }
    o->longest = now() - began > o->longest ? now() - began : o->longest;
}

static void finish(struct pipeline *p, struct task *t)
{
    pthread_mutex_lock(&p->lock);
    t->next = p->finished;
    p->finished = t;
    pthread_cond_signal(&p->wake);
    pthread_mutex_unlock(&p->lock);
}

static void name_thread(struct instance *o)
{
    char name[128];

    snprintf(name, sizeof name, "flb-out-%s", o->name);
    prctl(PR_SET_NAME, name); /* the kernel keeps 15 bytes */
}

static void *forget(void *instance)
{
    struct instance *o = instance;
    volatile char *upstreams = o->upstreams;

    name_thread(o);
    do {
        poll(NULL, 0, FORGOTTEN_TICK_MS);
    } while (*upstreams == 0);
    return NULL;
}

static void *work(void *worker)
{
    struct worker *w = worker;
    struct pipeline *p = w->output->pipeline;
    struct task *t;

    name_thread(w->output);
    for (;;) {
        pthread_mutex_lock(&p->lock);
        while (w->queue == NULL && !w->output->workers_stop) {
            pthread_cond_wait(&p->workers_wake, &p->lock);
        }
        t = w->queue;
        if (t != NULL) {
            w->queue = t->next;
        }
        pthread_mutex_unlock(&p->lock);
        if (t == NULL) {
            return NULL;
        }
        flush(w->output, t, w->stack);
        finish(p, t);
    }
}

void output_start(struct instance *o)
{
    const char *limit = section_get(o->section, "retry_limit");
    pthread_t forgotten;
    int n;

    o->retry_limit = 1;
    if (limit != NULL) {
        o->retry_limit = atoi(limit) > 0 ? atoi(limit) : 1;
        if (strcmp(limit, "no_limits") == 0 || strcmp(limit, "false") == 0 || strcmp(limit, "off") == 0) {
            o->retry_limit = -1;
        } else if (strcmp(limit, "no_retries") == 0) {
            o->retry_limit = 0;
        }
    }
    o->worker_count = (int) section_number(o->section, "workers", 0);
    o->upstreams = guarded(UPSTREAMS);
    for (n = 0; o->library != NULL && n < o->worker_count; n++) {
        pthread_create(&forgotten, NULL, forget, o);
    }
    o->workers = must(calloc((size_t) o->worker_count + 1, sizeof *o->workers)); /* one more: the engine itself */
    for (n = 0; n <= o->worker_count; n++) {
        o->workers[n].output = o;
        o->workers[n].stack = stack_new(era.coroutine_stack);
        if (n < o->worker_count) {
            pthread_create(&o->workers[n].thread, NULL, work, &o->workers[n]);
        }
    }
}

void output_dispatch(struct task *t)
{
    struct instance *o = t->output;
    struct task **end;

    t->due = 0;
    t->next = NULL;
    o->flushes++;
    if (o->worker_count == 0) {
        flush(o, t, o->workers[0].stack); /* the engine stands still meanwhile */
        finish(o->pipeline, t);
        return;
    }
    pthread_mutex_lock(&o->pipeline->lock);
    end = &o->workers[o->next_worker++ % o->worker_count].queue; /* in turn */
    while (*end != NULL) {
        end = &(*end)->next;
    }
    *end = t;
    pthread_cond_broadcast(&o->pipeline->workers_wake);
    pthread_mutex_unlock(&o->pipeline->lock);
}

/* Each output's workers are told to stop, and joined, when its turn comes. */
void output_join(struct instance *o)
{
    int n;

    pthread_mutex_lock(&o->pipeline->lock);
    o->workers_stop = 1;
    pthread_cond_broadcast(&o->pipeline->workers_wake);
    pthread_mutex_unlock(&o->pipeline->lock);
    for (n = 0; n < o->worker_count; n++) {
        pthread_join(o->workers[n].thread, NULL);
    }
}

void output_free(struct instance *o)
{
    unguard(o->upstreams, UPSTREAMS);
}
