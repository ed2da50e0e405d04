/* A store that fails, stalls, crashes or is moved by somebody else: nothing is lost or doubled. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "fixture.h"
#include "ingest/bulk.h"

static void set(struct fixture *x, int *what, int value)
{
    LOCK(&x->sink.lock);
    *what = value;
}

static void failures_are_waited_out_in_order(void **state)
{
    struct fixture *x = *state;
    append_lines(x->log, 0, 60000);
    x->sink.fail_reads = 1;
    x->sink.fail_adds = 1;
    x->sink.fail_submits = 2;
    x->sink.fail_waits = 3;
    fixture_start(x);
    fake_wait_rows(&x->sink, 60000);
    fixture_wait_remark(x, "does not take log lines: made to fail");
    fixture_wait_remark(x, "takes log lines again");
    fixture_stop(x);
    fake_expect_once(&x->sink, 0, 60000, 60000);
}

static void a_full_queue_is_waited_out(void **state)
{
    struct fixture *x = *state;
    append_lines(x->log, 0, 30000);
    x->sink.fail_code = ERR_FULL;
    x->sink.fail_submits = 3;
    fixture_start(x);
    fake_wait_rows(&x->sink, 30000);
    fixture_stop(x);
    fake_expect_once(&x->sink, 0, 30000, 30000);
}

static void lines_read_before_a_failure_survive_the_loss_of_their_file(void **state)
{
    struct fixture *x = *state;
    append_lines(x->log, 0, 10);
    x->sink.fail_waits = -1; /* until told otherwise */
    fixture_start(x);
    fixture_wait_remark(x, "does not take log lines");
    assert_int_equal(truncate(x->log, 0), 0);
    append_lines(x->log, 10, 20);
    set(x, &x->sink.fail_waits, 0);
    fake_wait_rows(&x->sink, 20);
    fixture_stop(x);
    fake_expect_once(&x->sink, 0, 20, 20);
}

static void a_crash_between_any_two_commits_loses_and_doubles_nothing(void **state)
{
    struct fixture *x = *state;
    append_lines(x->log, 0, 70000);
    for (int commits = 0; commits < 8; commits++) {
        x->sink.commits_left = commits % 3;
        fixture_start(x);
        struct err err = {0};
        uint64_t before = fake_rows(&x->sink);
        if (commits % 3)
            fake_wait_rows(&x->sink, before + 1 < 70000 ? before + 1 : 70000);
        assert_int_equal(tail_stop(x->tail, 20000, &err), 0);
        x->tail = NULL;
        fake_restart(&x->sink);
    }
    fixture_start(x);
    fake_wait_rows(&x->sink, 70000);
    fixture_stop(x);
    fake_expect_once(&x->sink, 0, 70000, 70000);
}

static void two_readers_of_one_log_share_the_work(void **state)
{
    struct fixture *x = *state;
    append_lines(x->log, 0, 5);
    fixture_start(x);
    fake_wait_rows(&x->sink, 5);
    uint32_t written = 5;
    for (int i = 0; i < 30; i++) {
        append_lines(x->log, written, written + 3000);
        written += 3000;
        struct bulk_totals totals;
        struct err err;
        const char *path = x->log;
        assert_int_equal(bulk_run(&x->sink.sink, 7, &path, 1, NULL, NULL, &totals, &err), 0);
    }
    fake_wait_rows(&x->sink, written);
    fixture_stop(x);
    fake_expect_once(&x->sink, 0, written, written);
    assert_int_equal(fake_source_count(&x->sink), 1);
}

static void a_source_that_somebody_moved_is_read_on_from_there(void **state)
{
    struct fixture *x = *state;
    append_lines(x->log, 0, 5);
    fixture_start(x);
    fake_wait_rows(&x->sink, 5);
    mutex_lock(&x->sink.lock);
    x->sink.hold = true;
    mutex_unlock(&x->sink.lock);
    append_lines(x->log, 5, 10);
    /* Somebody else reads lines 5 and 6 while our batch is on its way. */
    size_t len;
    CLEANUP(free_ptr) char *text = make_lines(0, 7, &len);
    fake_wait_submits(&x->sink, 2);
    mutex_lock(&x->sink.lock);
    struct source_mark mark = {0};
    source_mark_push(&mark, text, len);
    source_move(&x->sink.stored[0].source, (int64_t)len, &mark);
    mutex_unlock(&x->sink.lock);
    fake_release(&x->sink);
    fake_wait_rows(&x->sink, 8);
    fixture_stop(x);
    fake_expect_once(&x->sink, 0, 5, 8);
    fake_expect_once(&x->sink, 7, 10, 8);
    assert_int_equal(x->sink.stales, 1);
}

static void stopping_waits_for_what_the_store_still_holds(void **state)
{
    struct fixture *x = *state;
    append_lines(x->log, 0, 10);
    x->sink.hold = true;
    fixture_start(x);
    fake_wait_submits(&x->sink, 1);
    struct err err = {0};
    assert_int_equal(tail_stop(x->tail, 1, &err), ERR_TIMEOUT);
    fake_release(&x->sink);
    fixture_stop(x);
    assert_int_equal(fake_rows(&x->sink), 10);
}

static void stopping_ends_a_back_off_at_once(void **state)
{
    struct fixture *x = *state;
    append_lines(x->log, 0, 10);
    x->sink.fail_submits = -1;
    fixture_start(x);
    fake_wait_attempts(&x->sink, 6);
    fixture_stop(x);
    assert_int_equal(fake_rows(&x->sink), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SENTENCE(failures_are_waited_out_in_order),
        SENTENCE(a_full_queue_is_waited_out),
        SENTENCE(lines_read_before_a_failure_survive_the_loss_of_their_file),
        SENTENCE(a_crash_between_any_two_commits_loses_and_doubles_nothing),
        SENTENCE(two_readers_of_one_log_share_the_work),
        SENTENCE(a_source_that_somebody_moved_is_read_on_from_there),
        SENTENCE(stopping_waits_for_what_the_store_still_holds),
        SENTENCE(stopping_ends_a_back_off_at_once),
    };
    return cmocka_run_group_tests_name("tail and store", tests, NULL, NULL);
}
