/*
 * siem.h: what the three doors share. Left, the structures of Fluent Bit as
 * far as a door needs them, for 2.2 to 5.x on LP64; right, the functions of
 * libfluent_siem.so. An instance is a number, 0 is none: the host never holds
 * a pointer of Go's.
 */
#ifndef SIEM_H
#define SIEM_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/* The block of FLBPluginInit. One per library, refilled for every instance:
 * nothing of it may be kept but the instance pointer. */
struct plugin_block {
    char *name;
    void *api;
    void *instance;
    void **context;
};

enum { FAILED = 0, OK = 1, RETRY = 2 };

void siem_pre_register(int hot_reloading);

int siem_input_register(void *def);
void siem_input_unregister(void *def);
uintptr_t siem_input_init(void *plugin, void *instance);
int siem_input_collect(uintptr_t input, void **data, size_t *size);
void siem_input_pause(uintptr_t input);
void siem_input_resume(uintptr_t input);
void siem_input_exit(uintptr_t input);

uintptr_t siem_filter_init(void *instance);
int siem_filter(uintptr_t filter, const void *data, size_t size, const char *tag, int tag_len,
                void **out, size_t *out_size, void *input_instance);
void siem_filter_exit(uintptr_t filter);

int siem_output_register(void *def);
void siem_output_unregister(void *def);
uintptr_t siem_output_init(void *plugin);
void siem_output_pre_run(void);
int siem_output_flush(uintptr_t output, const void *data, size_t size, const char *tag);
void siem_output_exit(uintptr_t output);

#endif
