/*
 * in_s3_sqs.c: the door that Fluent Bit opens for the input s3_sqs. Go is
 * behind it (libfluent_siem.so).
 *
 * Every callback of one instance runs on that instance's own thread, in all
 * versions, so a thread-local tells instances apart. The context that the host
 * offers is left alone: its second word is ours since 4.1 and the host's own
 * before, and writing it there would crash the host. For the same reason the
 * callbacks with a context (…Ctx) are not exported: where they are missing the
 * host calls those without.
 */
#include "siem.h"

static __thread uintptr_t input;

int FLBPluginPreRegister(int hot_reloading)
{
    siem_pre_register(hot_reloading);
    return 0;
}

int FLBPluginRegister(void *def)
{
    return siem_input_register(def);
}

void FLBPluginUnregister(void *def)
{
    siem_input_unregister(def);
}

int FLBPluginInit(struct plugin_block *plugin)
{
    input = siem_input_init(plugin, plugin->instance);
    return input != 0 ? OK : FAILED;
}

int FLBPluginInputCallback(void **data, size_t *size)
{
    return siem_input_collect(input, data, size);
}

int FLBPluginInputCleanupCallback(void *data)
{
    free(data); /* siem_input_collect's malloc */
    return OK;
}

void FLBPluginInputPause(void)
{
    siem_input_pause(input);
}

void FLBPluginInputResume(void)
{
    siem_input_resume(input);
}

/* May come twice, and on a thread that never had an instance. */
int FLBPluginExit(void)
{
    uintptr_t leaving = input;

    input = 0;
    siem_input_exit(leaving);
    return OK;
}
