/* A bell: threads sleep until it rings, all of them wake. It carries no data; who sleeps looks at
 * what he waits for between ow_bell_look and ow_bell_wait, so no ring is missed. */
#ifndef ONEWRITER_BELL_H
#define ONEWRITER_BELL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct ow_bell {
    _Atomic uint32_t rings;
    _Atomic uint32_t sleepers;
};

static inline uint32_t ow_bell_look(struct ow_bell *bell)
{
    return atomic_load(&bell->rings);
}
void ow_bell_ring(struct ow_bell *bell);
/* Returns when the bell rang after `seen` was looked up, or when clock_monotonic_us() reached
 * deadline_us. Wakes may be spurious. */
void ow_bell_wait(struct ow_bell *bell, uint32_t seen, int64_t deadline_us);

/* The bells of one database. Jobs of one group wait for one bell and those of the next group for
 * the other, since they wait already when the first is rung and would be woken for nothing. */
enum ow_bell_name {
    OW_BELL_EVEN,  /* jobs that were handed in while an even group was being collected */
    OW_BELL_ODD,   /* an odd one */
    OW_BELL_OTHER, /* reads that are done, commits that became visible */
    OW_BELLS,
};

/* When everything has to end: never, until ow_close sets a time. Waits of the library's own threads
 * (back-off, disk full, foreign lock) end no later than that. */
struct ow_stop {
    _Atomic int64_t at_us; /* INT64_MAX: not closing */
    struct ow_bell bell;   /* rings when at_us was set */
};

void ow_stop_init(struct ow_stop *stop);
void ow_stop_set(struct ow_stop *stop, int64_t at_us);
bool ow_stop_passed(const struct ow_stop *stop);
/* Waits until until_us, or until the stop's time when that is earlier. */
void ow_stop_wait(struct ow_stop *stop, int64_t until_us);

#endif
