/* main.c: arguments, signals, the life of pipelines, reload. */
#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>
#include "host.h"

static const struct era eras[] = {
    {"2.2", 32, 7, 0, 0, 24 << 10}, {"3.2", 32, 7, 0, 1, 24 << 10}, {"4.0", 32, 7, 0, 1, 24 << 10},
    {"4.1", 32, 9, 1, 1, 24 << 10}, {"5.0", 40, 9, 1, 1, 24 << 10}, {"5.1", 48, 9, 1, 1, 64 << 10},
};
struct era era;

static const char *config_path, *stats_path;
static int violations, reloads, signals[2];

double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double) t.tv_sec + (double) t.tv_nsec / 1e9;
}

int wait_until(pthread_cond_t *c, pthread_mutex_t *m, double when)
{
    struct timespec t = {(time_t) when, (long) ((when - (double) (time_t) when) * 1e9)};

    return pthread_cond_timedwait(c, m, &t);
}

static void line(const char *what, const char *format, va_list args)
{
    char text[1024];

    vsnprintf(text, sizeof text, format, args);
    fprintf(stderr, "host: %s%s\n", what, text);
}

void say(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    line("", format, args);
    va_end(args);
}

void violation(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    line("VIOLATION: ", format, args);
    va_end(args);
    __atomic_add_fetch(&violations, 1, __ATOMIC_SEQ_CST);
}

void *must(void *p)
{
    if (p == NULL) {
        say("no memory");
        _exit(70);
    }
    return p;
}

static void install_handlers(void);

/* As Fluent Bit's: it needs much stack, and installs the handlers again. */
static void on_signal(int s)
{
    volatile char text[16384];
    char c = (char) s;
    size_t i;

    for (i = 0; i < sizeof text; i++) {
        text[i] = (char) 0xdb;
    }
    if (write(signals[1], &c, 1) == 1 && text[0] != 0) {
        install_handlers();
    }
}

static void on_fault(int s)
{
    static const char text[] = "host: a fault reached the host's own handler\n";
    ssize_t n = write(2, text, sizeof text - 1);

    (void) n, (void) s;
    abort();
}

/* As Fluent Bit: at the start, and again at every SIGHUP. */
static void install_handlers(void)
{
    signal(SIGTERM, on_signal);
    signal(SIGINT, on_signal);
    signal(SIGHUP, on_signal);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGSEGV, on_fault);
    signal(SIGFPE, on_fault);
}

/* The host's handlers harm Go until a plugin puts them right. */
static void check_handlers(void)
{
    struct sigaction a;

    sigaction(SIGSEGV, NULL, &a);
    if (a.sa_handler == on_fault) {
        violation("after a reload no plugin put Go's handler of SIGSEGV back: the next nil dereference ends the process");
    }
    sigaction(SIGTERM, NULL, &a);
    if ((a.sa_flags & SA_ONSTACK) == 0) {
        violation("after a reload SIGTERM would be handled on the stack of a goroutine");
    }
}

static struct library *load(struct pipeline *p, const char *path, int hot_reloading)
{
    struct library *l = must(calloc(1, sizeof *l)), **end = &p->libraries;
    const char *base = strrchr(path, '/');

    if (base == NULL) {
        violation("the path %s is not absolute", path);
        return NULL;
    }
    l->path = must(strdup(path));
    l->handle = dlopen(path, RTLD_LAZY);
    if (l->handle == NULL) {
        say("cannot load: %s", dlerror());
        return NULL;
    }
    l->native = strncmp(base + 1, "flb-", 4) == 0;
    if ((l->native ? filter_load(l) : proxy_register(l, hot_reloading)) != 0) {
        return NULL;
    }
    while (*end != NULL) {
        end = &(*end)->next;
    }
    *end = l;
    return l;
}

static struct library *library_of(struct pipeline *p, const char *kind, const char *name)
{
    int type = strcmp(kind, "input") == 0 ? 1 : strcmp(kind, "output") == 0 ? 2 : 0;
    struct library *l;

    for (l = p->libraries; l != NULL; l = l->next) {
        if (l->type == type && strcasecmp(l->name, name) == 0) {
            return l;
        }
    }
    return NULL;
}

static int add_instance(struct pipeline *p, const struct section *s)
{
    struct instance *i = must(calloc(1, sizeof *i)), **end;
    const char *name = section_get(s, "name");
    int number = 0;

    if (name == NULL) {
        say("a section %s has no name", s->kind);
        return -1;
    }
    snprintf(i->kind, sizeof i->kind, "%s", s->kind);
    i->section = s;
    i->pipeline = p;
    i->library = library_of(p, s->kind, name);
    if (i->library == NULL && !builtin_known(s->kind, name)) {
        say("there is no %s named %s", s->kind, name);
        return -1;
    }
    end = strcmp(s->kind, "input") == 0 ? &p->inputs : strcmp(s->kind, "filter") == 0 ? &p->filters : &p->outputs;
    for (; *end != NULL; end = &(*end)->next) {
        number += strcasecmp(section_get((*end)->section, "name"), name) == 0;
    }
    *end = i;
    i->number = number;
    snprintf(i->name, sizeof i->name, "%.80s.%d", name, number);
    if (strcmp(s->kind, "input") == 0) {
        input_create(i);
    }
    return strcmp(s->kind, "filter") == 0 ? filter_pre_run(i) : 0;
}

/* A pipeline as far as the main thread makes it: registered, not initialised. */
static struct pipeline *pipeline_new(int hot_reloading)
{
    struct pipeline *p = must(calloc(1, sizeof *p));
    pthread_condattr_t clock;
    struct section *s;

    p->config = config_read(config_path);
    if (p->config == NULL) {
        say("cannot read %s", config_path);
        return NULL;
    }
    pthread_mutex_init(&p->lock, NULL);
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&p->wake, &clock);
    pthread_cond_init(&p->inputs_wake, &clock);
    pthread_cond_init(&p->workers_wake, &clock);
    for (s = p->config; s != NULL; s = s->next) {
        if (strcmp(s->kind, "service") == 0) {
            p->service = s;
        } else if (strcmp(s->kind, "plugin") == 0 && load(p, section_get(s, "path"), hot_reloading) == NULL) {
            return NULL;
        }
    }
    p->flush_every = section_number(p->service, "flush", 1);
    p->grace = section_number(p->service, "grace", 5);
    p->retry_base = section_number(p->service, "scheduler.base", 5);
    p->retry_cap = section_number(p->service, "scheduler.cap", 2000);
    for (s = p->config; s != NULL; s = s->next) {
        if (strcmp(s->kind, "service") != 0 && strcmp(s->kind, "plugin") != 0 && add_instance(p, s) != 0) {
            return NULL;
        }
    }
    return p;
}

static void figures(FILE *f, const char *kind, struct instance *i)
{
    for (; i != NULL; i = i->next) {
        fprintf(f, "{\"kind\":\"%s\",\"name\":\"%s\",\"records\":%llu,\"bytes\":%llu,\"appends\":%llu,\"refused\":%llu,\"most_in_ring\":%zu,"
                   "\"pauses\":%llu,\"collects\":%llu,\"flushes\":%llu,\"retries\":%llu,\"done\":%llu,\"errors\":%llu,\"dropped\":%llu,\"longest_call\":%.6f},\n",
                kind, i->name, (unsigned long long) i->records, (unsigned long long) i->bytes, (unsigned long long) i->appends,
                (unsigned long long) i->refused, i->ring.most, (unsigned long long) i->pauses, (unsigned long long) i->collects,
                (unsigned long long) i->flushes, (unsigned long long) i->retries, (unsigned long long) i->done,
                (unsigned long long) i->errors, (unsigned long long) i->dropped, i->longest);
    }
}

static void write_stats(struct pipeline *p)
{
    FILE *f = stats_path != NULL ? fopen(stats_path, "w") : NULL;

    if (f == NULL) {
        return;
    }
    fprintf(f, "{\"era\":\"%s\",\"reloads\":%d,\"violations\":%d,\"longest_turn\":%.6f,\"instances\":[\n", era.name, reloads,
            violations, p->longest_turn);
    figures(f, "input", p->inputs);
    figures(f, "filter", p->filters);
    figures(f, "output", p->outputs);
    fprintf(f, "{\"kind\":\"\"}]}\n");
    fclose(f);
}

static void stop(struct pipeline *p, int by_reload)
{
    struct library *l;

    pthread_mutex_lock(&p->lock);
    p->by_reload = by_reload;
    p->stop = 1;
    pthread_cond_signal(&p->wake);
    pthread_mutex_unlock(&p->lock);
    pthread_join(p->engine, NULL);
    for (l = p->libraries; l != NULL; l = l->next) {
        if (!l->native) {
            proxy_unregister(l);
        }
        dlclose(l->handle);
    }
}

static int start(struct pipeline *p)
{
    int failed;

    pthread_create(&p->engine, NULL, engine_run, p);
    for (;;) {
        pthread_mutex_lock(&p->lock);
        failed = p->failed;
        if (p->started || failed) {
            pthread_mutex_unlock(&p->lock);
            return failed ? -1 : 0;
        }
        pthread_mutex_unlock(&p->lock);
        usleep(1000);
    }
}

/* Registered, outputs told to exit without an init, unregistered: --dry-run. */
static int dry_run(struct pipeline *p)
{
    struct instance *o;
    struct library *l;

    for (o = p->outputs; o != NULL; o = o->next) {
        if (o->library != NULL) {
            proxy_output_exit(o, 0);
        }
    }
    for (l = p->libraries; l != NULL; l = l->next) {
        if (!l->native) {
            proxy_unregister(l);
        }
    }
    return violations > 0 ? 3 : 0;
}

static struct pipeline *reload(struct pipeline *old)
{
    struct pipeline *fresh;

    fresh = pipeline_new(1);
    if (fresh == NULL) {
        say("the new configuration cannot be used; the old pipeline goes on");
        return old;
    }
    stop(old, 1);
    config_free(old->config);
    if (start(fresh) != 0) {
        exit(255);
    }
    if (fresh->libraries != NULL) {
        check_handlers();
    }
    reloads++;
    say("reloaded");
    return fresh;
}

static void usage(void)
{
    fprintf(stderr, "usage: test-host [--era 2.2|3.2|4.0|4.1|5.0|5.1] [--stats FILE] [--dry-run] -c CONFIG\n");
    exit(64);
}

int main(int argc, char **argv)
{
    struct pipeline *p;
    int dry = 0, n;
    size_t e;
    char s;

    era = eras[sizeof eras / sizeof *eras - 1];
    for (n = 1; n < argc; n++) {
        if (strcmp(argv[n], "--dry-run") == 0) {
            dry = 1;
        } else if (strcmp(argv[n], "--stats") == 0 && n + 1 < argc) {
            stats_path = argv[++n];
        } else if (strcmp(argv[n], "--era") == 0 && n + 1 < argc) {
            for (n++, e = 0; e < sizeof eras / sizeof *eras && strcmp(eras[e].name, argv[n]) != 0; e++) {
            }
            if (e == sizeof eras / sizeof *eras) {
                usage();
            }
            era = eras[e];
        } else if (strcmp(argv[n], "-c") == 0 && n + 1 < argc) {
            config_path = argv[++n];
        } else {
            usage();
        }
    }
    if (config_path == NULL || pipe(signals) != 0) {
        usage();
    }
    mallopt(M_ARENA_MAX, 2); /* Fluent Bit has jemalloc, which gives back what is free; so shall this */
    mallopt(M_MMAP_THRESHOLD, 32 << 20); /* nor does it map and unmap a buffer for each call */
    mallopt(M_TRIM_THRESHOLD, 32 << 20);
    setvbuf(stderr, NULL, _IOLBF, 4096);
    install_handlers();
    p = pipeline_new(0);
    if (p == NULL) {
        return 1;
    }
    if (dry) {
        return dry_run(p);
    }
    if (start(p) != 0) {
        fflush(NULL);
        _exit(255);
    }
    say("started");
    for (;;) {
        if (read(signals[0], &s, 1) != 1) {
            if (errno == EINTR) {
                continue;
            }
            return 1;
        }
        if (s == SIGHUP) {
            p = reload(p);
            continue;
        }
        break;
    }
    stop(p, 0);
    write_stats(p);
    say("stopped");
    fflush(NULL);
    _exit(violations > 0 ? 3 : 0);
}
