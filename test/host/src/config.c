/*
 * config.c: Fluent Bit's YAML configuration, as much of it as tests write:
 *
 *     service: {flush: 0.2, grace: 30}       # or one key a line
 *     plugins: [/lib/a.so, /lib/b.so]        # or one "- path" a line
 *     pipeline:
 *       inputs:
 *         - name: s3_sqs
 *           tag: siem
 *
 * A value is the rest of its line, without quotes around it and comments
 * behind it. Anything else is an error, not a guess.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "host.h"

struct reader {
    struct section *first, **end, *current;
    char kind[16]; /* of the list that is being read; "" outside of one */
    int line, failed;
};

static void section_new(struct reader *r, const char *kind)
{
    r->current = must(calloc(1, sizeof *r->current));
    snprintf(r->current->kind, sizeof r->current->kind, "%s", kind);
    *r->end = r->current;
    r->end = &r->current->next;
}

static char *trim(char *s)
{
    char *end;

    while (isspace((unsigned char) *s)) {
        s++;
    }
    for (end = s + strlen(s); end > s && isspace((unsigned char) end[-1]); end--) {
    }
    *end = 0;
    if (end - s >= 2 && (*s == '"' || *s == '\'') && end[-1] == *s) {
        end[-1] = 0;
        s++;
    }
    return s;
}

static void property(struct reader *r, const char *key, const char *value)
{
    struct property *p = must(calloc(1, sizeof *p)), **at = &r->current->properties;

    while (*at != NULL) {
        at = &(*at)->next;
    }
    p->key = must(strdup(key));
    p->value = must(strdup(value));
    *at = p;
}

/* "key: value"; where there is none, the line is an error. */
static void pair(struct reader *r, char *text)
{
    char *colon = strstr(text, ": ");

    if (colon == NULL && text[0] != 0 && text[strlen(text) - 1] == ':') {
        colon = text + strlen(text) - 1;
    }
    if (colon == NULL || r->current == NULL) {
        say("line %d of the configuration is not understood: %s", r->line, text);
        r->failed = 1;
        return;
    }
    *colon = 0;
    property(r, trim(text), trim(colon + 1));
}

static void plugin(struct reader *r, char *path)
{
    section_new(r, "plugin");
    property(r, "path", path);
}

/* "{key: value, …}" and "[path, …]" */
static void flow(struct reader *r, char *text)
{
    int list = *text == '[';
    char *item, *rest = text + 1;

    text[strlen(text) - 1] = 0;
    while ((item = strsep(&rest, ",")) != NULL) {
        item = trim(item);
        if (*item != 0) {
            list ? plugin(r, item) : pair(r, item);
        }
    }
}

static int starts(char *text, const char *key, char **rest)
{
    size_t n = strlen(key);

    if (strncmp(text, key, n) != 0 || text[n] != ':') {
        return 0;
    }
    *rest = trim(text + n + 1);
    return 1;
}

static void read_line(struct reader *r, char *raw)
{
    static const char *lists[] = {"inputs", "filters", "outputs"};
    static const char *kinds[] = {"input", "filter", "output"};
    char *text, *rest, *comment = *raw == '#' ? raw : strstr(raw, " #");
    size_t n;

    if (comment != NULL) {
        *comment = 0;
    }
    text = trim(raw);
    if (*text == 0) {
        return;
    }
    if (starts(text, "service", &rest)) {
        section_new(r, "service");
        strcpy(r->kind, "");
        if (*rest == '{') {
            flow(r, rest);
        }
        return;
    }
    if (starts(text, "plugins", &rest)) {
        strcpy(r->kind, "plugin");
        if (*rest == '[') {
            flow(r, rest);
        }
        return;
    }
    for (n = 0; n < 3; n++) {
        if (starts(text, lists[n], &rest)) {
            strcpy(r->kind, kinds[n]);
            return;
        }
    }
    if (starts(text, "pipeline", &rest)) {
        return;
    }
    if (strncmp(text, "- ", 2) == 0 && r->kind[0] != 0) {
        text = trim(text + 2);
        if (strcmp(r->kind, "plugin") == 0) {
            plugin(r, text);
            return;
        }
        section_new(r, r->kind);
    }
    pair(r, text);
}

struct section *config_read(const char *path)
{
    struct reader r = {.end = &r.first};
    char *line = NULL;
    size_t room = 0;
    FILE *f = fopen(path, "r");

    if (f == NULL) {
        return NULL;
    }
    while (getline(&line, &room, f) > 0) {
        r.line++;
        read_line(&r, line);
    }
    free(line);
    fclose(f);
    if (r.failed) {
        config_free(r.first);
        return NULL;
    }
    return r.first;
}

void config_free(struct section *s)
{
    while (s != NULL) {
        struct section *next = s->next;

        while (s->properties != NULL) {
            struct property *p = s->properties;

            s->properties = p->next;
            free(p->key);
            free(p->value);
            free(p);
        }
        free(s);
        s = next;
    }
}

/* The first wins; case does not count. */
const char *section_get(const struct section *s, const char *key)
{
    const struct property *p;

    for (p = s != NULL ? s->properties : NULL; p != NULL; p = p->next) {
        if (strcasecmp(p->key, key) == 0) {
            return p->value;
        }
    }
    return NULL;
}

double section_number(const struct section *s, const char *key, double otherwise)
{
    const char *v = section_get(s, key);

    return v != NULL && *v ? atof(v) : otherwise;
}

double section_bytes(const struct section *s, const char *key, double otherwise)
{
    const char *v = section_get(s, key);
    char *end;
    double n;

    if (v == NULL || !*v) {
        return otherwise;
    }
    n = strtod(v, &end);
    switch (*end | 32) {
    case 'k': return n * 1024;
    case 'm': return n * 1024 * 1024;
    case 'g': return n * 1024 * 1024 * 1024;
    }
    return n;
}

int reserved_key(const char *key)
{
    static const char *whole[] = {"name", "match", "match_regex", "alias", "tag", "host", "port", "ipv6", "listen", "log_level",
                                  "log_suppress_interval", "retry_limit", "workers", "routable", "mem_buf_limit", "threaded",
                                  "tls", "processors"};
    static const char *begin[] = {"thread.ring_buffer.", "storage.", "rate_", "net.", "tls.", "oauth2"};
    size_t i;

    for (i = 0; i < sizeof whole / sizeof *whole; i++) {
        if (strcasecmp(key, whole[i]) == 0) {
            return 1;
        }
    }
    for (i = 0; i < sizeof begin / sizeof *begin; i++) {
        if (strncasecmp(key, begin[i], strlen(begin[i])) == 0) {
            return 1;
        }
    }
    return 0;
}
