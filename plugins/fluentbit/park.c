/* park.c: stop one of the host's threads for ever, see workers.go. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>
#include "park.h"

enum { ASKED, PARKED, BUSY };

static int state;

/* A thread that was waiting in the kernel holds no lock: the wait was to return
 * EINTR. One that was not goes on, and is asked again. */
static int waited(const ucontext_t *c)
{
#if defined(__x86_64__)
    return c->uc_mcontext.gregs[REG_RAX] == -EINTR;
#elif defined(__aarch64__)
    return (long) c->uc_mcontext.regs[0] == -EINTR;
#else
    (void) c;
    return 0;
#endif
}

static void on_park(int signal, siginfo_t *info, void *context)
{
    (void) signal;
    (void) info;
    if (!waited(context)) {
        __atomic_store_n(&state, BUSY, __ATOMIC_SEQ_CST);
        return;
    }
    __atomic_store_n(&state, PARKED, __ATOMIC_SEQ_CST);
    for (;;) {
        pause(); /* with every signal blocked */
    }
}

/* Returns 1 when the thread tid of this process is parked, 0 when it is not.
 * One call at a time. */
int siem_park(int tid)
{
    struct sigaction park = {.sa_sigaction = on_park, .sa_flags = SA_SIGINFO}, before;
    const struct timespec look = {0, 1000000};
    int n = SIGRTMAX - 3, tries, ms;

    sigfillset(&park.sa_mask);
    if (sigaction(n, &park, &before) != 0) {
        return 0;
    }
    __atomic_store_n(&state, BUSY, __ATOMIC_SEQ_CST);
    for (tries = 0; tries < 20 && __atomic_load_n(&state, __ATOMIC_SEQ_CST) == BUSY; tries++) {
        __atomic_store_n(&state, ASKED, __ATOMIC_SEQ_CST);
        if (syscall(SYS_tgkill, getpid(), tid, n) != 0) {
            break;
        }
        for (ms = 0; ms < 100 && __atomic_load_n(&state, __ATOMIC_SEQ_CST) == ASKED; ms++) {
            nanosleep(&look, NULL);
        }
    }
    if (__atomic_load_n(&state, __ATOMIC_SEQ_CST) != ASKED) { /* else the signal is still on its way to it */
        sigaction(n, &before, NULL);
    }
    return __atomic_load_n(&state, __ATOMIC_SEQ_CST) == PARKED;
}
