/* Back-off (retry.h). Pauses double so that a lock held for long costs few attempts, and carry some
 * chance so that two processes that met once do not meet again at the same instant. What must stay
 * true: a pause is never negative and never longer than the maximum, whatever the attempt number.
 */
#include "onewriter/retry.h"

#include "base/clock.h"

uint64_t ow_random_below(uint64_t *state, uint64_t below)
{
    uint64_t x = *state;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    *state = x;
    return below ? (x * 0x2545f4914f6cdd1du >> 32) % below : 0;
}

void ow_retry_init(struct ow_retry *retry, int max_attempts, int base_ms, int max_ms)
{
    *retry = (struct ow_retry){.max_attempts = max_attempts, .base_ms = base_ms, .max_ms = max_ms};
    retry->random = (uint64_t)clock_monotonic_us() * 2 + 1; /* odd: never the zero it stays in */
}

void ow_retry_reset(struct ow_retry *retry)
{
    retry->attempt = 0;
}

void ow_retry_succeeded(struct ow_retry *retry)
{
    retry->attempt = 0;
}

int64_t ow_retry_pause_us(struct ow_retry *retry)
{
    int doublings = retry->attempt > 1 ? retry->attempt - 1 : 0;
    int64_t max_us = (int64_t)retry->max_ms * 1000;
    int64_t pause_us = (int64_t)retry->base_ms * 1000;
    while (doublings-- > 0 && pause_us < max_us)
        pause_us *= 2;
    pause_us += (int64_t)ow_random_below(&retry->random, (uint64_t)pause_us / 4 + 1);
    return pause_us < max_us ? pause_us : max_us;
}

bool ow_retry_next(struct ow_retry *retry, int64_t *delay_us)
{
    retry->attempt++;
    if (retry->attempt >= retry->max_attempts)
        return false;
    *delay_us = ow_retry_pause_us(retry);
    return true;
}
