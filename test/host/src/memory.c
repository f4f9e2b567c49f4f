/* memory.c: blocks with a page behind them that cannot be touched. */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "host.h"

static size_t pages(size_t size)
{
    size_t page = (size_t) sysconf(_SC_PAGESIZE);

    return (size + page - 1) / page * page;
}

static char *map(size_t size)
{
    size_t page = (size_t) sysconf(_SC_PAGESIZE);
    char *base = mmap(NULL, pages(size) + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    must(base == MAP_FAILED ? NULL : base);
    mprotect(base + pages(size), page, PROT_NONE);
    return base;
}

void *guarded(size_t size)
{
    return map(size) + pages(size) - size;
}

void *guarded_copy(const void *data, size_t size, int read_only)
{
    char *base = map(size);
    char *block = base + pages(size) - size;

    memcpy(block, data, size);
    if (read_only) {
        mprotect(base, pages(size), PROT_READ);
    }
    return block;
}

void unguard(void *block, size_t size)
{
    size_t page = (size_t) sysconf(_SC_PAGESIZE);

    munmap((char *) block + size - pages(size), pages(size) + page);
}

struct stack stack_new(size_t size)
{
    size_t page = (size_t) sysconf(_SC_PAGESIZE);
    struct stack s;
    char *base = mmap(NULL, size + 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    must(base == MAP_FAILED ? NULL : base);
    mprotect(base, page, PROT_NONE);
    mprotect(base + page + size, page, PROT_NONE);
    s.base = base + page;
    s.size = size;
    return s;
}
