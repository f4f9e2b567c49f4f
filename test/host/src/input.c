/*
 * input.c: inputs. Each has a thread on which all its callbacks run, and a ring
 * of buffers to the engine that counts slots, not bytes.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "host.h"

enum { TRIES = 10 };
static const double try_again = 0.1, tick = 1.0;

void input_create(struct instance *i)
{
    struct ring *r = &i->ring;

    r->capacity = (size_t) section_number(i->section, "thread.ring_buffer.capacity", 1024);
    r->window = (size_t) (section_number(i->section, "thread.ring_buffer.window", 5) * (double) r->capacity / 100);
    r->window = r->window > 0 ? r->window : 1;
    r->slots = must(calloc(r->capacity, sizeof *r->slots));
    i->limit = (size_t) section_bytes(i->section, "mem_buf_limit", 0);
}

static int put(struct instance *i, struct buffer *b)
{
    struct pipeline *p = i->pipeline;
    struct ring *r = &i->ring;
    int result = -1;

    pthread_mutex_lock(&p->lock);
    if (r->used < r->capacity) {
        r->slots[(r->head + r->used++) % r->capacity] = b;
        r->most = r->used > r->most ? r->used : r->most;
        if (r->used >= r->window && !p->ring_signal) {
            p->ring_signal = 1;
            pthread_cond_signal(&p->wake);
        }
        result = 0;
    }
    pthread_mutex_unlock(&p->lock);
    return result;
}

struct buffer *ring_take(struct instance *i)
{
    struct ring *r = &i->ring;
    struct buffer *b = NULL;

    pthread_mutex_lock(&i->pipeline->lock);
    if (r->used > 0 && !i->paused) {
        b = r->slots[r->head];
        r->head = (r->head + 1) % r->capacity;
        r->used--;
    }
    pthread_mutex_unlock(&i->pipeline->lock);
    return b;
}

int input_append(struct instance *i, const char *tag, size_t tag_len, const void *data, size_t size, long records)
{
    struct buffer *b = must(calloc(1, sizeof *b));
    const char *own = section_get(i->section, "tag");
    size_t good;
    long counted = events_count(data, size, &good);
    int n;

    if (records >= 0 && records != counted) {
        violation("%s appended %ld records and said %ld", i->name, counted, records);
    }
    if (tag == NULL) {
        tag = own != NULL ? own : i->name;
        tag_len = strlen(tag);
    }
    b->tag = must(strndup(tag, tag_len));
    b->data = must(malloc(size + 1));
    memcpy(b->data, data, size);
    b->size = size;
    b->records = (size_t) counted;
    for (n = 0; n <= TRIES; n++) {
        if (put(i, b) == 0) {
            i->appends++;
            return 0;
        }
        if (n < TRIES) {
            usleep((useconds_t) (try_again * 1e6));
        }
    }
    i->refused++;
    say("%s could not enqueue records into its ring", i->name);
    free(b->tag);
    free(b->data);
    free(b);
    return -1;
}

#ifndef BARE
/* What the host exports to inputs. */
int flb_input_log_append(void *ins, const char *tag, size_t tag_len, const void *data, size_t size)
{
    return input_append(ins, tag, tag_len, data, size, -1);
}

int flb_input_log_append_records(void *ins, size_t records, const char *tag, size_t tag_len, const void *data, size_t size)
{
    struct instance *i = ins;

    if (!pthread_equal(pthread_self(), i->thread)) {
        violation("%s appended from a thread that is not its own", i->name);
    }
    return input_append(i, tag, tag_len, data, size, (long) records);
}
#endif

void input_send(struct instance *i, int what)
{
    struct message *m = must(calloc(1, sizeof *m)), **end = &i->messages;

    m->what = what;
    while (*end != NULL) {
        end = &(*end)->next;
    }
    *end = m;
    pthread_cond_broadcast(&i->pipeline->inputs_wake);
}

/* The next message; 0 when it is time for a collect. */
static int next_message(struct instance *i, double *due)
{
    struct pipeline *p = i->pipeline;
    struct message *m;
    int what = 0;

    pthread_mutex_lock(&p->lock);
    while (i->messages == NULL && !(i->timer && now() >= *due)) {
        wait_until(&p->inputs_wake, &p->lock, i->timer ? *due : now() + 60);
    }
    m = i->messages;
    if (m != NULL) {
        i->messages = m->next;
        what = m->what;
        free(m);
    } else {
        *due += tick;
        if (*due < now()) {
            *due = now(); /* one tick is kept while a call overruns, no more */
        }
    }
    pthread_mutex_unlock(&p->lock);
    return what;
}

/* The host stops the timer of the instance that was initialised last. */
static void set_timer(struct instance *i, int on)
{
    struct instance *victim = i->library != NULL ? i->library->last_initialised : i;

    pthread_mutex_lock(&i->pipeline->lock);
    victim->timer = on;
    pthread_cond_broadcast(&i->pipeline->inputs_wake);
    pthread_mutex_unlock(&i->pipeline->lock);
}

static void collect(struct instance *i)
{
    double began = now();

    if (i->library != NULL) {
        proxy_collect(i);
    } else {
        builtin_input(i);
        i->timer = 0;
    }
    i->collects++;
    i->longest = now() - began > i->longest ? now() - began : i->longest;
}

static void *run(void *instance)
{
    struct instance *i = instance;
    struct pipeline *p = i->pipeline;
    double due = 0;
    int what;

    i->init_result = i->library != NULL ? proxy_init(i) : builtin_init(i);
    pthread_mutex_lock(&p->lock);
    i->thread_ready = 1;
    pthread_cond_signal(&p->wake);
    pthread_mutex_unlock(&p->lock);
    if (i->init_result != 0) {
        return NULL;
    }
    for (;;) {
        what = next_message(i, &due);
        switch (what) {
        case START:
            if (i->library != NULL) {
                proxy_call_int(i, "FLBPluginInputPreRun", 1);
            }
            due = now() + (i->library != NULL ? tick : 0);
            i->timer = 1;
            break;
        case PAUSE:
            if (i->library != NULL) {
                proxy_call(i, "FLBPluginInputPause");
            }
            set_timer(i, 0);
            break;
        case RESUME:
            if (i->library != NULL) {
                proxy_call(i, "FLBPluginInputResume");
            }
            set_timer(i, 1);
            break;
        case EXIT:
        case EXIT_BY_RELOAD:
            if (i->library != NULL) {
                proxy_input_exit(i, what == EXIT_BY_RELOAD);
            }
            return NULL;
        default:
            collect(i);
        }
    }
}

int input_start(struct instance *i)
{
    struct pipeline *p = i->pipeline;

    pthread_create(&i->thread, NULL, run, i);
    pthread_mutex_lock(&p->lock);
    while (!i->thread_ready) {
        pthread_cond_wait(&p->wake, &p->lock);
    }
    pthread_mutex_unlock(&p->lock);
    return i->init_result;
}

void input_join(struct instance *i)
{
    struct buffer *b;

    pthread_join(i->thread, NULL);
    i->paused = 0;
    while ((b = ring_take(i)) != NULL) { /* what fails after the ring is lost without a sign */
        i->dropped += b->records;
        free(b->tag);
        free(b->data);
        free(b);
    }
    free(i->ring.slots);
}
