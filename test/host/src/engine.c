/*
 * engine.c: the engine's thread. It empties the rings every 250 ms or when a
 * ring's window is filled, and does not stop before a ring is empty; runs the
 * filters; keeps one chunk per input and tag open; hands chunks to outputs,
 * and again after a while; and does not leave before all is done, or grace is over.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "host.h"

enum { CHUNK_LIMIT = 2048000 };
static const double ring_every = 0.25;

static void task_new(struct pipeline *p, struct chunk *c, struct instance *o)
{
    struct task *t = must(calloc(1, sizeof *t));

    t->chunk = c;
    t->output = o;
    c->references++;
    p->tasks++;
    output_dispatch(t);
}

void chunk_release(struct chunk *c)
{
    if (--c->references > 0) {
        return;
    }
    c->input->buffered -= c->room;
    free(c->tag);
    free(c->data);
    free(c);
}

/* The chunk is complete: a task for each output that wants it. */
static void close_chunk(struct pipeline *p, struct chunk *c)
{
    struct instance *o;
    const char *match;

    c->references = 1;
    for (o = p->outputs; o != NULL; o = o->next) {
        match = section_get(o->section, "match");
        if (c->size > 0 && match != NULL && tag_matches(match, c->tag)) {
            task_new(p, c, o);
        }
    }
    chunk_release(c);
}

static void close_chunks(struct pipeline *p)
{
    struct instance *i;
    struct chunk *c;

    for (i = p->inputs; i != NULL; i = i->next) {
        while ((c = i->open) != NULL) {
            i->open = c->next;
            close_chunk(p, c);
        }
    }
}

static void add_to_chunk(struct pipeline *p, struct instance *i, const char *tag, const char *data, size_t size, size_t records)
{
    struct chunk *c, **at;

    for (at = &i->open; (c = *at) != NULL && strcmp(c->tag, tag) != 0; at = &c->next) {
    }
    if (c == NULL) {
        c = must(calloc(1, sizeof *c));
        c->input = i;
        c->tag = must(strdup(tag));
        c->next = NULL;
        *at = c;
    }
    if (c->size + size > c->room) {
        size_t room = c->size + size + (c->size > 0 ? CHUNK_LIMIT / 2 : 0);

        i->buffered += room - c->room;
        c->room = room;
        c->data = must(realloc(c->data, room));
    }
    memcpy(c->data + c->size, data, size);
    c->size += size;
    c->records += records;
    if (c->size > CHUNK_LIMIT) {
        *at = c->next;
        close_chunk(p, c);
    }
}

static void pause_or_resume(struct pipeline *p, struct instance *i)
{
    int full = i->limit > 0 && i->buffered >= i->limit;

    pthread_mutex_lock(&p->lock);
    if (full && !i->paused) {
        i->paused = 1;
        i->pauses++;
        input_send(i, PAUSE);
    } else if (!full && i->paused && !p->stop) {
        i->paused = 0;
        input_send(i, RESUME);
    }
    pthread_mutex_unlock(&p->lock);
}

static void empty_rings(struct pipeline *p)
{
    struct instance *i;
    struct buffer *b;

    for (i = p->inputs; i != NULL; i = i->next) {
        while ((b = ring_take(i)) != NULL) {
            size_t size = b->size, good;
            char *data;

            i->records += b->records;
            i->bytes += b->size;
            data = filters_run(p, i, b->tag, b->data, &size);
            if (data != NULL) {
                add_to_chunk(p, i, b->tag, data, size, (size_t) events_count(data, size, &good));
                free(data);
            } else {
                i->dropped += b->records;
            }
            free(b->tag);
            free(b);
            pause_or_resume(p, i);
        }
    }
}

static double retry_wait(struct pipeline *p, int tries)
{
    double most = fmin(p->retry_cap, p->retry_base * pow(2, tries));

    return p->retry_base + (most - p->retry_base) * (double) rand() / RAND_MAX + p->retry_base / 5;
}

static void finished(struct pipeline *p, struct task *t)
{
    struct instance *o = t->output;

    if (t->result == 2 && (o->retry_limit < 0 || t->tries < o->retry_limit)) {
        t->tries++;
        o->retries++;
        t->due = now() + retry_wait(p, t->tries);
        t->next = p->waiting;
        p->waiting = t;
        return;
    }
    if (t->result == 1) {
        o->done++;
        o->records += t->chunk->records;
    } else {
        o->errors += t->result != 2;
        o->dropped += t->chunk->records;
        if (t->result == 2) {
            say("%s: retries are exhausted, a chunk is dropped", o->name);
        }
    }
    p->tasks--;
    chunk_release(t->chunk);
    free(t);
}

static void take_results(struct pipeline *p)
{
    struct task *t, *next;
    struct instance *i;

    pthread_mutex_lock(&p->lock);
    t = p->finished;
    p->finished = NULL;
    pthread_mutex_unlock(&p->lock);
    for (; t != NULL; t = next) {
        next = t->next;
        finished(p, t);
    }
    for (i = p->inputs; i != NULL; i = i->next) {
        pause_or_resume(p, i);
    }
}

/* Retries that are due; all of them when the host stops. */
static void retry(struct pipeline *p)
{
    struct task *all = p->waiting, *t;

    p->waiting = NULL;
    while ((t = all) != NULL) {
        all = t->next;
        if (t->due <= now() || p->stop) {
            output_dispatch(t);
        } else {
            t->next = p->waiting;
            p->waiting = t;
        }
    }
}

static int init_all(struct pipeline *p)
{
    struct instance *i;

    for (i = p->inputs; i != NULL; i = i->next) {
        if (input_start(i) != 0) {
            return -1;
        }
    }
    for (i = p->filters; i != NULL; i = i->next) {
        if (filter_init(i) != 0) {
            return -1;
        }
    }
    for (i = p->outputs; i != NULL; i = i->next) {
        if ((i->library != NULL ? proxy_init(i) : builtin_init(i)) != 0) {
            return -1;
        }
        output_start(i);
    }
    for (i = p->outputs; i != NULL; i = i->next) {
        if (i->library != NULL) {
            proxy_call_int(i, "FLBPluginOutputPreRun", 1);
        }
    }
    pthread_mutex_lock(&p->lock);
    for (i = p->inputs; i != NULL; i = i->next) {
        input_send(i, START);
    }
    p->started = 1;
    pthread_mutex_unlock(&p->lock);
    return 0;
}

static void pause_all(struct pipeline *p)
{
    struct instance *i;

    pthread_mutex_lock(&p->lock);
    for (i = p->inputs; i != NULL; i = i->next) {
        i->paused = 1;
        input_send(i, PAUSE);
    }
    pthread_mutex_unlock(&p->lock);
}

static void leave_all(struct pipeline *p)
{
    struct instance *i;
    int left;

    for (i = p->filters; i != NULL; i = i->next) {
        filter_exit(i);
    }
    for (i = p->outputs; i != NULL; i = i->next) {
        output_join(i);
        if (i->library != NULL) {
            proxy_output_exit(i, p->by_reload);
        } else {
            builtin_exit(i);
        }
        output_free(i);
    }
    for (left = 0, i = p->inputs; i != NULL; i = i->next) {
        left++;
    }
    for (; left > 0; left--) { /* last first, each on its own thread */
        int n;

        for (i = p->inputs, n = 1; n < left; n++) {
            i = i->next;
        }
        pthread_mutex_lock(&p->lock);
        input_send(i, p->by_reload ? EXIT_BY_RELOAD : EXIT);
        pthread_mutex_unlock(&p->lock);
        input_join(i);
    }
}

/* A failed start: outputs are told to exit though they never were, inputs are not. */
static void fail(struct pipeline *p)
{
    struct instance *o;

    for (o = p->outputs; o != NULL; o = o->next) {
        if (o->library != NULL) {
            proxy_output_exit(o, 0);
        }
    }
    p->failed = 1;
}

void *engine_run(void *pipeline)
{
    struct pipeline *p = pipeline;
    double next_ring, next_flush, stopping = 0, began;
    int signalled;

    if (init_all(p) != 0) {
        fail(p);
        return NULL;
    }
    next_ring = now() + ring_every;
    next_flush = now() + p->flush_every;
    for (;;) {
        pthread_mutex_lock(&p->lock);
        while (!p->ring_signal && p->finished == NULL && !(p->stop && stopping == 0)) {
            double until = fmin(next_ring, next_flush);

            if (wait_until(&p->wake, &p->lock, p->waiting != NULL ? fmin(until, now() + p->retry_base / 10) : until) != 0) {
                break;
            }
        }
        signalled = p->ring_signal;
        p->ring_signal = 0;
        pthread_mutex_unlock(&p->lock);

        began = now();
        if (p->stop && stopping == 0) {
            stopping = now();
            pause_all(p);
        }
        if (signalled || now() >= next_ring) {
            empty_rings(p);
            next_ring = now() + ring_every;
        }
        take_results(p);
        retry(p);
        if (now() >= next_flush || stopping > 0) {
            close_chunks(p);
            next_flush = now() + p->flush_every;
        }
        p->longest_turn = fmax(p->longest_turn, now() - began);
        if (stopping > 0 && ((p->tasks == 0 && p->finished == NULL) || (!p->by_reload && now() - stopping > p->grace))) {
            break;
        }
    }
    pause_all(p);
    leave_all(p);
    return NULL;
}
