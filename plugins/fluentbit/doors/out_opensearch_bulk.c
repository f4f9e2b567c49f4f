/*
 * out_opensearch_bulk.c: the door that Fluent Bit opens for the output
 * opensearch_bulk. Go is behind it (libfluent_siem.so).
 *
 * Flush runs on a coroutine's stack of 24 KiB (64 since 5.1) without a guard
 * page. Go leaves it at once for a stack of its own; C must do nothing here.
 */
#include "siem.h"

int FLBPluginPreRegister(int hot_reloading)
{
    siem_pre_register(hot_reloading);
    return 0;
}

int FLBPluginRegister(void *def)
{
    return siem_output_register(def);
}

void FLBPluginUnregister(void *def)
{
    siem_output_unregister(def);
}

/* The first word of the context is ours in all versions. */
int FLBPluginInit(struct plugin_block *plugin)
{
    uintptr_t output = siem_output_init(plugin);

    plugin->context[0] = (void *) output;
    return output != 0 ? OK : FAILED;
}

int FLBPluginOutputPreRun(int hot_reload_enabled)
{
    (void) hot_reload_enabled;
    siem_output_pre_run();
    return 0;
}

int FLBPluginFlushCtx(void *context, const void *data, size_t size, char *tag)
{
    return siem_output_flush((uintptr_t) context, data, size, tag);
}

/* A failed start brings it with NULL, for an instance that never was. */
int FLBPluginExitCtx(void *context)
{
    siem_output_exit((uintptr_t) context);
    return OK;
}
