/* msgpack.c: just enough of it to count events and to print them. */
#include <string.h>
#include "host.h"

typedef const unsigned char *bytes;

static uint64_t number(bytes p, int n)
{
    uint64_t v = 0;

    while (n-- > 0) {
        v = v << 8 | *p++;
    }
    return v;
}

/* What begins at p: its kind, the size of its head, and for strings, binaries
 * and extensions the bytes of its body, for arrays and maps its elements. */
struct head { char kind; size_t head; uint64_t n; };

static int read_head(bytes p, bytes end, struct head *h)
{
    static const struct { char kind; unsigned char width; uint64_t fixed; } table[] = {
        {'n', 0, 0}, {'f', 0, 0}, {'t', 0, 0}, {'b', 1, 0}, {'b', 2, 0}, {'b', 4, 0},
        {'x', 1, 0}, {'x', 2, 0}, {'x', 4, 0}, {'F', 4, 0}, {'D', 8, 0}, {'u', 1, 0},
        {'u', 2, 0}, {'u', 4, 0}, {'u', 8, 0}, {'i', 1, 0}, {'i', 2, 0}, {'i', 4, 0},
        {'i', 8, 0}, {'x', 0, 1}, {'x', 0, 2}, {'x', 0, 4}, {'x', 0, 8}, {'x', 0, 16},
        {'s', 1, 0}, {'s', 2, 0}, {'s', 4, 0}, {'a', 2, 0}, {'a', 4, 0}, {'m', 2, 0},
        {'m', 4, 0}};
    size_t i, width;

    if (p >= end) {
        return -1;
    }
    *h = (struct head){0, 1, 0};
    if (*p < 0x80) { h->kind = 'u'; h->head = 1; h->n = *p; return 0; }
    if (*p >= 0xe0) { h->kind = 'i'; h->n = (uint64_t) (int64_t) (signed char) *p; return 0; }
    if (*p < 0x90) { h->kind = 'm'; h->n = *p & 15; return 0; }
    if (*p < 0xa0) { h->kind = 'a'; h->n = *p & 15; return 0; }
    if (*p < 0xc0) { h->kind = 's'; h->n = *p & 31; return 0; }
    if (*p == 0xc1) { /* never used */
        return -1;
    }
    i = *p == 0xc0 ? 0 : *p - 0xc1u; /* the table lacks 0xc1 only */
    h->kind = table[i].kind;
    width = table[i].width;
    if ((size_t) (end - p) < 1 + width) {
        return -1;
    }
    h->head = 1 + width;
    h->n = width > 0 ? number(p + 1, (int) width) : table[i].fixed;
    if (h->kind == 'i' && width < 8) {
        h->n = (uint64_t) ((int64_t) (h->n << (64 - 8 * width)) >> (64 - 8 * width));
    }
    if (h->kind == 'x') {
        h->head++; /* the type */
    }
    return 0;
}

static bytes skip(bytes p, bytes end, int depth)
{
    struct head h;
    uint64_t n;

    if (depth > 64 || read_head(p, end, &h) != 0 || (size_t) (end - p) < h.head) {
        return NULL;
    }
    p += h.head;
    if (h.kind == 'b' || h.kind == 's' || h.kind == 'x') {
        return (uint64_t) (end - p) < h.n ? NULL : p + h.n;
    }
    if (h.kind == 'a' || h.kind == 'm') {
        for (n = h.kind == 'm' ? 2 * h.n : h.n; n > 0 && p != NULL; n--) {
            p = skip(p, end, depth + 1);
        }
    }
    return p;
}

/* The seconds of an event, and where its record is; NULL: no event. */
static bytes event(bytes p, bytes end, int64_t *seconds, uint32_t *nano)
{
    struct head h;

    *seconds = 0;
    *nano = 0;
    if (read_head(p, end, &h) != 0 || h.kind != 'a' || h.n != 2) {
        return NULL;
    }
    p += h.head;
    if (read_head(p, end, &h) != 0) {
        return NULL;
    }
    if (h.kind == 'a') { /* [time, metadata] */
        bytes metadata = p + h.head;

        if (h.n != 2 || (metadata = skip(metadata, end, 1)) == NULL || read_head(metadata, end, &h) != 0 || h.kind != 'm') {
            return NULL;
        }
        read_head(p, end, &h);
        p += h.head;
        if (read_head(p, end, &h) != 0) {
            return NULL;
        }
        if (h.kind == 'x' && h.n == 8 && (size_t) (end - p) >= h.head + 8) {
            *seconds = (int32_t) number(p + h.head, 4);
            *nano = (uint32_t) number(p + h.head + 4, 4);
        }
        return skip(metadata, end, 1);
    }
    if (strchr("uFDx", h.kind) == NULL) {
        return NULL;
    }
    *seconds = h.kind == 'u' ? (int64_t) h.n : 0;
    return skip(p, end, 1);
}

long events_count(const char *data, size_t size, size_t *good)
{
    bytes p = (bytes) data, end = p + size, next, record;
    int64_t seconds;
    uint32_t nano;
    struct head h;
    long n = 0;

    while (p < end && (next = skip(p, end, 0)) != NULL) {
        record = event(p, end, &seconds, &nano);
        if (record == NULL || read_head(record, end, &h) != 0 || h.kind != 'm') {
            break;
        }
        if ((seconds != -1 && seconds != -2) || nano != 0) {
            n++;
        }
        p = next;
    }
    if (good != NULL) {
        *good = (size_t) (p - (bytes) data);
    }
    return n;
}

static void print_text(FILE *f, bytes p, uint64_t n)
{
    putc('"', f);
    for (; n > 0; n--, p++) {
        if (*p == '"' || *p == '\\') {
            fprintf(f, "\\%c", *p);
        } else if (*p < 0x20) {
            fprintf(f, "\\u%04x", *p);
        } else {
            putc(*p, f);
        }
    }
    putc('"', f);
}

static bytes print_value(FILE *f, bytes p, bytes end)
{
    struct head h;
    uint64_t i, bits;
    double d;
    float s;

    if (p == NULL || read_head(p, end, &h) != 0) {
        return NULL;
    }
    switch (h.kind) {
    case 'n': fputs("null", f); break;
    case 't': fputs("true", f); break;
    case 'f': fputs("false", f); break;
    case 'u': fprintf(f, "%llu", (unsigned long long) h.n); break;
    case 'i': fprintf(f, "%lld", (long long) h.n); break;
    case 'F': { uint32_t b = (uint32_t) h.n; memcpy(&s, &b, 4); fprintf(f, "%.9g", (double) s); break; }
    case 'D': bits = h.n; memcpy(&d, &bits, 8); fprintf(f, "%.17g", d); break;
    case 's': case 'b': case 'x':
        print_text(f, p + h.head, h.n);
        return p + h.head + h.n;
    case 'a': case 'm':
        p += h.head;
        putc(h.kind == 'a' ? '[' : '{', f);
        for (i = 0; i < h.n; i++) {
            if (i > 0) {
                putc(',', f);
            }
            p = print_value(f, p, end);
            if (h.kind == 'm') {
                putc(':', f);
                p = print_value(f, p, end);
            }
        }
        putc(h.kind == 'a' ? ']' : '}', f);
        return p;
    }
    return p + h.head;
}

/* As Fluent Bit's output file: "tag: [seconds.nanoseconds, record]", or the record alone. */
void events_print(FILE *f, const char *tag, const char *data, size_t size, int plain)
{
    bytes p = (bytes) data, end = p + size, next, record;
    int64_t seconds;
    uint32_t nano;

    for (; p < end && (next = skip(p, end, 0)) != NULL; p = next) {
        record = event(p, end, &seconds, &nano);
        if (record == NULL) {
            break;
        }
        if ((seconds == -1 || seconds == -2) && nano == 0) {
            continue;
        }
        if (plain) {
            print_value(f, record, end);
            putc('\n', f);
        } else {
            fprintf(f, "%s: [%lld.%09u, ", tag, (long long) seconds, nano);
            print_value(f, record, end);
            fputs("]\n", f);
        }
    }
}
