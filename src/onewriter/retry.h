/* Whether and when to try again: so many attempts, with growing pauses, within a time, and no more
 * often than a budget allows. */
#ifndef ONEWRITER_RETRY_H
#define ONEWRITER_RETRY_H

#include "onewriter/onewriter.h"

struct ow_retry {
    int max_attempts, base_ms, max_ms;
    int attempt;         /* failed so far */
    int64_t deadline_us; /* no attempt begins later; INT64_MAX = none */
    int budget, tenths;  /* tenths of a token: at most, left; a budget of -1 has no end */
    uint64_t random;
};

/* Without a deadline and with a budget that has no end. */
void ow_retry_init(struct ow_retry *retry, int max_attempts, int base_ms, int max_ms);
/* From now on each retry takes one of `tokens`, but for those that wait for a lock; each success
 * gives a tenth back. */
void ow_retry_limit(struct ow_retry *retry, int tokens);
/* Forgets earlier failures. */
void ow_retry_reset(struct ow_retry *retry);
/* The work succeeded: forgets earlier failures and earns a tenth of a token. */
void ow_retry_succeeded(struct ow_retry *retry);
/* Counts a failure. True when another attempt is left; *delay_us is the pause before it: base,
 * doubled each time, up to a quarter more by chance, never more than the maximum. */
bool ow_retry_next(struct ow_retry *retry, int64_t *delay_us);
/* The same, with the event that tells of it: RETRY (delay_ms is the pause) when true, else GAVE_UP.
 * The event's text lives as long as *why. */
bool ow_retry_failed(struct ow_retry *retry, const struct ow_err *why, struct ow_event *event);
/* The pause alone, for waits that have no limit of attempts (disk full). */
int64_t ow_retry_pause_us(struct ow_retry *retry);

/* A number below `below`, to spread waits; not for secrets. */
uint64_t ow_random_below(uint64_t *state, uint64_t below);

#endif
