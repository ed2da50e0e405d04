/* How whoever reads is told to stop: a descriptor that becomes readable (tail), or a flag that a
 * signal handler sets (bulk). Zero-initialised with fd -1: never. */
#ifndef INGEST_HALT_H
#define INGEST_HALT_H

#include <signal.h>
#include <stdbool.h>

struct halt {
    int fd;                            /* -1 = none */
    const volatile sig_atomic_t *flag; /* NULL = none */
};

bool halt_asked(const struct halt *h);
/* Waits up to timeout_ms or until asked to stop; true when asked. */
bool halt_wait(const struct halt *h, int timeout_ms);

#endif
