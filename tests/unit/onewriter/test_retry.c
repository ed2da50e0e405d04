/* Back-off: attempts, growing pauses, the maximum, the budget; and retry on connections of others.
 * Pauses are judged by what the events say, not by a clock. */
#include "onewriter/retry.h"

#include <string.h>

#include "base/clock.h"
#include "ow_support.h"

static void allows_as_many_attempts_as_told(void **state)
{
    (void)state;
    struct ow_retry retry;
    int64_t delay_us;
    for (int max = 1; max < 6; max++) {
        int pauses = 0;
        ow_retry_init(&retry, max, 500, 5000);
        while (ow_retry_next(&retry, &delay_us))
            pauses++;
        assert_int_equal(pauses, max - 1);
        assert_int_equal(retry.attempt, max);
        ow_retry_reset(&retry);
        assert_int_equal(ow_retry_next(&retry, &delay_us), max > 1);
    }
}

static void doubles_the_pause_up_to_the_maximum(void **state)
{
    (void)state;
    struct ow_retry retry;
    ow_retry_init(&retry, 100, 500, 5000);
    const int64_t floors[] = {500, 1000, 2000, 4000, 5000, 5000};
    for (size_t i = 0; i < 90; i++) {
        int64_t delay_us;
        assert_true(ow_retry_next(&retry, &delay_us));
        int64_t floor_us = floors[i < 5 ? i : 5] * 1000;
        assert_true(delay_us >= floor_us);
        assert_true(delay_us <= 5000000 && delay_us <= floor_us + floor_us / 4);
    }
}

static void spreads_the_pauses_of_two_processes(void **state)
{
    (void)state;
    struct ow_retry one, two;
    ow_retry_init(&one, 100, 500, 5000);
    ow_retry_init(&two, 100, 500, 5000);
    two.random = one.random + 2;
    int same = 0;
    for (int i = 0; i < 50; i++) {
        ow_retry_reset(&one);
        ow_retry_reset(&two);
        same += ow_retry_pause_us(&one) == ow_retry_pause_us(&two);
    }
    assert_true(same < 5);
}

static void takes_a_token_for_each_retry_and_earns_a_tenth_by_success(void **state)
{
    (void)state;
    struct ow_retry retry;
    int64_t delay_us;
    ow_retry_init(&retry, 1000, 0, 0);
    ow_retry_limit(&retry, 2);
    assert_true(ow_retry_next(&retry, &delay_us));
    assert_true(ow_retry_next(&retry, &delay_us));
    assert_false(ow_retry_next(&retry, &delay_us));
    for (int i = 0; i < 9; i++)
        ow_retry_succeeded(&retry);
    assert_false(ow_retry_next(&retry, &delay_us));
    ow_retry_succeeded(&retry);
    assert_true(ow_retry_next(&retry, &delay_us));
    assert_false(ow_retry_next(&retry, &delay_us));
    for (int i = 0; i < 500; i++)
        ow_retry_succeeded(&retry);
    for (int i = 0; i < 2; i++) /* never more than it began with */
        assert_true(ow_retry_next(&retry, &delay_us));
    assert_false(ow_retry_next(&retry, &delay_us));
}

static void earns_nothing_by_forgetting(void **state)
{
    (void)state;
    struct ow_retry retry;
    int64_t delay_us;
    ow_retry_init(&retry, 1000, 0, 0);
    ow_retry_limit(&retry, 1);
    assert_true(ow_retry_next(&retry, &delay_us));
    for (int i = 0; i < 100; i++)
        ow_retry_reset(&retry);
    assert_false(ow_retry_next(&retry, &delay_us));
}

static void waits_for_a_lock_without_spending_the_budget(void **state)
{
    (void)state;
    struct ow_retry retry;
    struct ow_event event;
    struct ow_err locked, broken;
    ow_retry_init(&retry, 1000, 0, 0);
    ow_retry_limit(&retry, 1);
    ow_sqlite_fail(NULL, SQLITE_BUSY, "a fake", &locked);
    ow_sqlite_fail(NULL, SQLITE_IOERR_READ, "a fake", &broken);
    for (int i = 0; i < 100; i++)
        assert_true(ow_retry_failed(&retry, &locked, &event));
    assert_true(ow_retry_failed(&retry, &broken, &event));
    assert_int_equal(event.kind, OW_EVENT_RETRY);
    assert_false(ow_retry_failed(&retry, &broken, &event));
    assert_int_equal(event.kind, OW_EVENT_GAVE_UP);
    assert_int_equal(event.a, 102);
}

static void begins_no_attempt_after_the_deadline(void **state)
{
    (void)state;
    struct ow_retry retry;
    int64_t delay_us;
    ow_retry_init(&retry, 1000, 1000, 1000);
    retry.deadline_us = clock_monotonic_us() + 3600 * 1000000LL;
    assert_true(ow_retry_next(&retry, &delay_us));
    retry.deadline_us = clock_monotonic_us() + 900000; /* the pause alone is a second */
    assert_false(ow_retry_next(&retry, &delay_us));
}

/* An attempt that fails `failures` times with a result code, then succeeds. */
struct fake {
    int sqlite_code, failures, attempts;
};

static int fake_attempt(void *ctx, struct ow_err *err)
{
    struct fake *fake = ctx;
    if (fake->attempts++ >= fake->failures)
        return 0;
    return ow_sqlite_fail(NULL, fake->sqlite_code, "a fake", err);
}

static void set_policy(struct ow_retry_policy *policy, struct events *events)
{
    struct ow_options options = {0};
    events_init(events, &options);
    ow_retry_policy_init(policy);
    policy->base_delay_ms = 4;
    policy->max_delay_ms = 6;
    policy->observer = options.observer;
    policy->observer_ctx = options.observer_ctx;
}

static void tries_again_only_what_time_heals(void **state)
{
    (void)state;
    const struct {
        int sqlite_code;
        bool heals;
        enum ow_code code;
    } cases[] = {
        {SQLITE_BUSY, true, OW_TIMEOUT},         {SQLITE_BUSY_SNAPSHOT, true, OW_TIMEOUT},
        {SQLITE_NOMEM, true, OW_RESOURCE},       {SQLITE_FULL, true, OW_DISK_FULL},
        {SQLITE_READONLY, false, OW_CONFIG},     {SQLITE_CORRUPT, false, OW_CORRUPT},
        {SQLITE_IOERR_FSYNC, false, OW_IO},      {SQLITE_CONSTRAINT_UNIQUE, false, OW_CALLER},
        {SQLITE_INTERRUPT, false, OW_CANCELLED}, {SQLITE_IOERR_READ, false, OW_IO},
        {SQLITE_LOCKED, false, OW_BUG},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct ow_retry_policy policy;
        struct events events;
        struct ow_err err = {0};
        set_policy(&policy, &events);
        struct fake heals = {cases[i].sqlite_code, .failures = 2};
        int rc = ow_retry(&policy, fake_attempt, &heals, &err);
        assert_int_equal(rc, cases[i].heals ? OW_OK : cases[i].code);
        assert_int_equal(heals.attempts, cases[i].heals ? 3 : 1);
        assert_int_equal(events_count(&events, OW_EVENT_RETRY), cases[i].heals ? 2 : 0);
        assert_int_equal(events_count(&events, OW_EVENT_GAVE_UP), 0);
        struct fake stays = {cases[i].sqlite_code, .failures = 100};
        assert_int_equal(ow_retry(&policy, fake_attempt, &stays, &err), cases[i].code);
        assert_int_equal(err.code, cases[i].code);
        assert_int_equal(err.sqlite_code, cases[i].sqlite_code);
        assert_int_equal(stays.attempts, cases[i].heals ? 3 : 1);
        assert_int_equal(events_count(&events, OW_EVENT_GAVE_UP), cases[i].heals ? 1 : 0);
        events_fini(&events);
    }
}

/* Keeps every event. */
struct record {
    struct ow_event events[16];
    int count;
};

static void record_event(void *ctx, const struct ow_event *event)
{
    struct record *record = ctx;
    if (record->count < (int)ARRAY_LEN(record->events))
        record->events[record->count++] = *event;
}

static void tells_growing_pauses_and_the_end(void **state)
{
    (void)state;
    struct record record = {0};
    struct ow_retry_policy policy;
    struct ow_err err;
    ow_retry_policy_init(&policy);
    policy.max_attempts = 4;
    policy.base_delay_ms = 2;
    policy.max_delay_ms = 6;
    policy.observer = record_event;
    policy.observer_ctx = &record;
    struct fake fake = {SQLITE_BUSY, .failures = 100};
    assert_int_equal(ow_retry(&policy, fake_attempt, &fake, &err), OW_TIMEOUT);
    assert_int_equal(record.count, 4);
    const double least[] = {2, 4, 6}, most[] = {2.5, 5, 6};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(record.events[i].kind, OW_EVENT_RETRY);
        assert_int_equal(record.events[i].a, i + 1);
        assert_int_equal(record.events[i].b, 4);
        assert_true(record.events[i].delay_ms >= least[i] && record.events[i].delay_ms <= most[i]);
        assert_string_equal(record.events[i].text, "database is locked");
    }
    assert_int_equal(record.events[3].kind, OW_EVENT_GAVE_UP);
    assert_int_equal(record.events[3].a, 4);
    assert_non_null(strstr(err.text, "after 4 attempts"));
}

static void gives_up_when_the_time_is_up(void **state)
{
    (void)state;
    struct ow_retry_policy policy;
    struct events events;
    struct ow_err err;
    set_policy(&policy, &events);
    policy.base_delay_ms = policy.max_delay_ms = 60000;
    policy.timeout_ms = 1000;
    struct fake fake = {SQLITE_BUSY, .failures = 100};
    assert_int_equal(ow_retry(&policy, fake_attempt, &fake, &err), OW_TIMEOUT);
    assert_int_equal(fake.attempts, 1);
    assert_int_equal(events_count(&events, OW_EVENT_RETRY), 0);
    assert_int_equal(events_count(&events, OW_EVENT_GAVE_UP), 1);
    events_fini(&events);
}

static int say_nothing(void *ctx, struct ow_err *err)
{
    (void)err;
    (*(int *)ctx)++;
    return 1;
}

static void does_not_repeat_a_failure_without_a_reason(void **state)
{
    (void)state;
    struct ow_err err;
    int attempts = 0;
    assert_int_equal(ow_retry(NULL, say_nothing, &attempts, &err), OW_BUG);
    assert_int_equal(attempts, 1);
    assert_int_equal(ow_sqlite_fail(NULL, SQLITE_DONE, "stepping", &err), OW_BUG);
    assert_int_equal(ow_sqlite_fail(NULL, SQLITE_BUSY, "stepping", NULL), OW_TIMEOUT);
}

/* Two connections of SQLite's own: the second wants to write while the first holds the lock, which
 * it gives up when it is told of the second retry. */
struct holder {
    sqlite3 *db;
    int retries;
};

static void let_go_at_second_retry(void *ctx, const struct ow_event *event)
{
    struct holder *holder = ctx;
    if (event->kind == OW_EVENT_RETRY && ++holder->retries == 2)
        sqlite3_exec(holder->db, "COMMIT", NULL, NULL, NULL);
}

static int write_directly(void *ctx, struct ow_err *err)
{
    sqlite3 *db = ctx;
    int rc = sqlite3_exec(db, "INSERT INTO t VALUES(1)", NULL, NULL, NULL);
    return rc == SQLITE_OK ? 0 : ow_sqlite_fail(db, rc, "writing", err);
}

static void writes_when_the_other_connection_lets_go(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    const char *path = test_path(dir, "t.db");
    struct holder holder = {0};
    sqlite3 *db;
    struct ow_err err;
    struct ow_retry_policy policy;
    assert_int_equal(sqlite3_open(path, &holder.db), SQLITE_OK);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(holder.db, "CREATE TABLE t(x); BEGIN IMMEDIATE", 0, 0, 0), 0);
    ow_retry_policy_init(&policy);
    policy.base_delay_ms = policy.max_delay_ms = 1;
    assert_int_equal(ow_retry(&policy, write_directly, db, &err), OW_TIMEOUT);
    assert_int_equal(err.sqlite_code, SQLITE_BUSY);
    policy.observer = let_go_at_second_retry;
    policy.observer_ctx = &holder;
    if (ow_retry(&policy, write_directly, db, &err))
        fail_msg("%s", err.text);
    assert_int_equal(holder.retries, 2);
    sqlite3_close(holder.db);
    sqlite3_close(db);
    assert_int_equal(read_int_outside(path, "SELECT count(*) FROM t"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(allows_as_many_attempts_as_told),
        cmocka_unit_test(doubles_the_pause_up_to_the_maximum),
        cmocka_unit_test(spreads_the_pauses_of_two_processes),
        cmocka_unit_test(takes_a_token_for_each_retry_and_earns_a_tenth_by_success),
        cmocka_unit_test(earns_nothing_by_forgetting),
        cmocka_unit_test(waits_for_a_lock_without_spending_the_budget),
        cmocka_unit_test(begins_no_attempt_after_the_deadline),
        cmocka_unit_test(tries_again_only_what_time_heals),
        cmocka_unit_test(tells_growing_pauses_and_the_end),
        cmocka_unit_test(gives_up_when_the_time_is_up),
        cmocka_unit_test(does_not_repeat_a_failure_without_a_reason),
        cmocka_unit_test(writes_when_the_other_connection_lets_go),
    };
    return cmocka_run_group_tests_name("back-off", tests, NULL, NULL);
}
