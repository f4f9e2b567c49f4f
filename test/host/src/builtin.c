/*
 * builtin.c: inputs and outputs without a library.
 *
 *   input  tail    path, tag: each line of the file is {"log": line}; it is read once
 *   input  inject  path, tag, times: the file's bytes are appended as they are
 *   output file    path, file, format (plain, msgpack), as Fluent Bit's
 *   output stdout  the same to standard output
 *   output null
 *   output fail    its init fails
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "host.h"

int builtin_known(const char *kind, const char *name)
{
    if (strcmp(kind, "input") == 0) {
        return strcmp(name, "tail") == 0 || strcmp(name, "inject") == 0;
    }
    return strcmp(kind, "output") == 0 && (strcmp(name, "file") == 0 || strcmp(name, "stdout") == 0 ||
                                           strcmp(name, "null") == 0 || strcmp(name, "fail") == 0);
}

int builtin_init(struct instance *i)
{
    const char *name = section_get(i->section, "name");
    const char *dir = section_get(i->section, "path");
    const char *file = section_get(i->section, "file");
    char path[4096];

    if (strcmp(name, "fail") == 0) {
        return -1;
    }
    if (strcmp(name, "stdout") == 0) {
        i->file = stdout;
    }
    if (strcmp(name, "file") == 0) {
        snprintf(path, sizeof path, "%s/%s", dir != NULL ? dir : ".", file != NULL ? file : "out");
        i->file = fopen(path, "a");
        if (i->file == NULL) {
            say("%s cannot open %s", i->name, path);
            return -1;
        }
    }
    i->initialised = 1;
    return 0;
}

static size_t put_event(char *p, const char *line, size_t n)
{
    struct timespec t;
    char *begin = p;
    uint32_t v[3];

    clock_gettime(CLOCK_REALTIME, &t);
    v[0] = __builtin_bswap32((uint32_t) t.tv_sec);
    v[1] = __builtin_bswap32((uint32_t) t.tv_nsec);
    v[2] = __builtin_bswap32((uint32_t) n);
    memcpy(p, "\x92\x92\xd7\x00", 4), p += 4;
    memcpy(p, v, 8), p += 8;
    memcpy(p, "\x80\xdf\x00\x00\x00\x01\xa3log\xdb", 11), p += 11; /* map32 and str32, as the host's encoder likes it */
    memcpy(p, &v[2], 4), p += 4;
    memcpy(p, line, n);
    return (size_t) (p - begin) + n;
}

static void read_lines(struct instance *i, FILE *f)
{
    enum { ROOM = 32768 };
    char *line = NULL, *out = NULL;
    size_t room = 0, used = 0;
    long records = 0;
    ssize_t n;

    while ((n = getline(&line, &room, f)) > 0) {
        n -= line[n - 1] == '\n';
        out = must(realloc(out, used + (size_t) n + 64));
        used += put_event(out + used, line, (size_t) n);
        records++;
        if (used >= ROOM) {
            input_append(i, NULL, 0, out, used, records);
            used = 0;
            records = 0;
        }
    }
    if (used > 0) {
        input_append(i, NULL, 0, out, used, records);
    }
    free(line);
    free(out);
}

void builtin_input(struct instance *i)
{
    const char *path = section_get(i->section, "path");
    long times = (long) section_number(i->section, "times", 1), size;
    FILE *f = path != NULL ? fopen(path, "r") : NULL;
    char *data;

    if (f == NULL) {
        say("%s cannot open %s", i->name, path != NULL ? path : "its path");
        return;
    }
    if (strcmp(section_get(i->section, "name"), "tail") == 0) {
        read_lines(i, f);
    } else {
        fseek(f, 0, SEEK_END);
        size = ftell(f);
        rewind(f);
        data = must(malloc((size_t) size + 1));
        size = (long) fread(data, 1, (size_t) size, f);
        for (; times > 0; times--) {
            input_append(i, NULL, 0, data, (size_t) size, -1);
        }
        free(data);
    }
    fclose(f);
}

int builtin_flush(struct instance *o, const char *data, size_t size, const char *tag)
{
    const char *format = section_get(o->section, "format");

    if (o->file != NULL) {
        flockfile(o->file);
        if (format != NULL && strcmp(format, "msgpack") == 0) {
            fwrite(data, 1, size, o->file);
        } else {
            events_print(o->file, tag, data, size, format != NULL && strcmp(format, "plain") == 0);
        }
        fflush(o->file);
        funlockfile(o->file);
    }
    return 1;
}

void builtin_exit(struct instance *i)
{
    if (i->file != NULL && i->file != stdout) {
        fclose(i->file);
    }
    i->file = NULL;
}
