/*
 * config.c: the configuration, one line a key. Tests translate Fluent Bit's
 * into it (test/rig does), so that C need not read YAML:
 *
 *     section input
 *     name s3_sqs
 *     tag siem
 *
 * A line is a key, one space, and the value as it is. The sections are service,
 * plugin (path), input, filter and output.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "host.h"

struct section *config_read(const char *path)
{
    struct section *first = NULL, **end = &first, *s;
    struct property **last = NULL, *p;
    char *line = NULL, *value;
    size_t room = 0;
    ssize_t n;
    FILE *f = fopen(path, "r");

    if (f == NULL) {
        return NULL;
    }
    while ((n = getline(&line, &room, f)) > 0) {
        if (line[n - 1] == '\n') {
            line[n - 1] = 0;
        }
        value = strchr(line, ' ');
        if (value != NULL) {
            *value++ = 0;
        }
        if (strcmp(line, "section") == 0 && value != NULL) {
            s = must(calloc(1, sizeof *s));
            snprintf(s->kind, sizeof s->kind, "%s", value);
            *end = s;
            end = &s->next;
            last = &s->properties;
        } else if (*line != 0 && last != NULL) {
            p = must(calloc(1, sizeof *p));
            p->key = must(strdup(line));
            p->value = must(strdup(value != NULL ? value : ""));
            *last = p;
            last = &p->next;
        }
    }
    free(line);
    fclose(f);
    return first;
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
