/* Whether and when to try again: so many attempts, with growing pauses. */
#ifndef ONEWRITER_RETRY_H
#define ONEWRITER_RETRY_H

#include <stdbool.h>
#include <stdint.h>

struct ow_retry {
    int max_attempts, base_ms, max_ms;
    int attempt; /* failed so far */
    uint64_t random;
};

void ow_retry_init(struct ow_retry *retry, int max_attempts, int base_ms, int max_ms);
/* Forgets earlier failures: the work succeeded. */
void ow_retry_reset(struct ow_retry *retry);
/* The work succeeded after whatever failures. */
void ow_retry_succeeded(struct ow_retry *retry);
/* Counts a failure. True when another attempt is left; *delay_us is the pause before it: base,
 * doubled each time, up to a quarter more by chance, never more than the maximum. */
bool ow_retry_next(struct ow_retry *retry, int64_t *delay_us);
/* The pause alone, for waits that have no limit of attempts (disk full). */
int64_t ow_retry_pause_us(struct ow_retry *retry);

/* A number below `below`, to spread waits; not for secrets. */
uint64_t ow_random_below(uint64_t *state, uint64_t below);

#endif
