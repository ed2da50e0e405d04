/* Back-off (retry.h). Pauses double so that a lock held for long costs few attempts, and carry some
 * chance so that two processes that met once do not meet again at the same instant. The budget
 * keeps retries from becoming the load: where most work fails, failures are told at once instead of
 * each being tried for as long as it takes. What must stay true: a pause is never negative and
 * never longer than the maximum, whatever the attempt number; an attempt never begins after the
 * deadline.
 */
#include "onewriter/retry.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "onewriter/fail.h"

#define TOKEN 10 /* tenths */

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
    retry->deadline_us = INT64_MAX;
    retry->budget = -1;
    retry->random = (uint64_t)clock_monotonic_us() * 2 + 1; /* odd: never the zero it stays in */
}

void ow_retry_limit(struct ow_retry *retry, int tokens)
{
    retry->budget = retry->tenths = tokens < INT32_MAX / TOKEN ? tokens * TOKEN : INT32_MAX;
}

void ow_retry_reset(struct ow_retry *retry)
{
    retry->attempt = 0;
}

void ow_retry_succeeded(struct ow_retry *retry)
{
    retry->attempt = 0;
    retry->tenths += retry->tenths < retry->budget;
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

static bool next(struct ow_retry *retry, bool costs, int64_t *delay_us)
{
    costs = costs && retry->budget >= 0;
    retry->attempt++;
    if (retry->attempt >= retry->max_attempts || (costs && retry->tenths < TOKEN))
        return false;
    *delay_us = ow_retry_pause_us(retry);
    if (retry->deadline_us != INT64_MAX && clock_monotonic_us() + *delay_us > retry->deadline_us)
        return false;
    retry->tenths -= costs ? TOKEN : 0;
    return true;
}

bool ow_retry_next(struct ow_retry *retry, int64_t *delay_us)
{
    return next(retry, true, delay_us);
}

/* Waiting for somebody's lock is no load that a budget could spare. */
static bool is_a_wait(const struct ow_err *why)
{
    enum ow_class class = ow_err_class(why);
    return class == OW_CLASS_BACK_OFF || class == OW_CLASS_REDO;
}

bool ow_retry_failed(struct ow_retry *retry, const struct ow_err *why, struct ow_event *event)
{
    int64_t delay_us = 0;
    bool again = next(retry, !is_a_wait(why), &delay_us);
    *event = (struct ow_event){
        .kind = again ? OW_EVENT_RETRY : OW_EVENT_GAVE_UP,
        .a = retry->attempt,
        .b = retry->max_attempts,
        .delay_ms = again ? (double)delay_us / 1000 : 0,
        .text = why->sqlite_code ? sqlite3_errstr(why->sqlite_code) : why->text,
    };
    return again;
}

/* ---- the public part, see onewriter.h ---- */

void ow_retry_policy_init(struct ow_retry_policy *policy)
{
    *policy = (struct ow_retry_policy){
        .max_attempts = 3, .base_delay_ms = 500, .max_delay_ms = 5000, .timeout_ms = 30000};
}

static bool heals_by_itself(const struct ow_err *why)
{
    switch (ow_err_class(why)) {
    case OW_CLASS_BACK_OFF:
    case OW_CLASS_REDO:
    case OW_CLASS_RESOURCE:
    case OW_CLASS_HOLD:
        return true;
    default:
        return false;
    }
}

static void sleep_ms(double ms)
{
    int64_t until_us = clock_monotonic_us() + (int64_t)(ms * 1000);
    struct timespec until = {.tv_sec = until_us / 1000000, .tv_nsec = until_us % 1000000 * 1000};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
        ;
}

/* One attempt; *why agrees with what is returned. */
static int attempt(ow_attempt_fn *fn, void *ctx, struct ow_err *why)
{
    *why = (struct ow_err){0};
    int rc = fn(ctx, why);
    if (rc && why->code == OW_OK)
        ow_fail(why, OW_BUG, "the attempt returned %d and gave no reason", rc);
    return rc ? (int)why->code : 0;
}

static int give_up(const struct ow_err *why, int attempts, struct ow_err *err)
{
    char prefix[48];
    if (!err)
        return why->code;
    *err = *why;
    if (attempts > 1) {
        snprintf(prefix, sizeof(prefix), "after %d attempts", attempts);
        ow_fail_prefix(err, prefix);
    }
    return why->code;
}

int ow_retry(const struct ow_retry_policy *policy, ow_attempt_fn *fn, void *ctx, struct ow_err *err)
{
    struct ow_retry_policy defaults;
    struct ow_retry retry;
    struct ow_event event;
    struct ow_err why;
    ow_retry_policy_init(&defaults);
    policy = policy ? policy : &defaults;
    ow_retry_init(&retry, policy->max_attempts, policy->base_delay_ms, policy->max_delay_ms);
    retry.deadline_us = clock_monotonic_us() + (int64_t)policy->timeout_ms * 1000;
    while (attempt(fn, ctx, &why) != 0) {
        if (!heals_by_itself(&why))
            return give_up(&why, retry.attempt + 1, err);
        bool again = ow_retry_failed(&retry, &why, &event);
        if (policy->observer)
            policy->observer(policy->observer_ctx, &event);
        if (!again)
            return give_up(&why, retry.attempt, err);
        sleep_ms(event.delay_ms);
    }
    return 0;
}

int ow_sqlite_fail(sqlite3 *db, int rc, const char *what, struct ow_err *err)
{
    if (ow_code_class(rc, 0) == OW_CLASS_OK)
        return ow_fail(err, OW_BUG, "%s: reported as failed, but SQLite had no error", what);
    return ow_fail_sqlite(db, rc, what, err);
}
