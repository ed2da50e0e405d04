/* Statements that a borrower or a job prepared by itself and never finalized. */
#include <fcntl.h>
#include <unistd.h>

#include "ow_support.h"

static const char leaky[] = "SELECT value FROM item";

static int lowest_free_descriptor(void)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    close(fd);
    return fd;
}

static void assert_told(struct ow *db, struct events *events)
{
    struct ow_report report;
    assert_int_equal(ow_close(db, WAIT_MS, &report, NULL), 0);
    assert_int_equal(report.leaked_statements, 1);
    assert_string_equal(report.first_leak, leaky);
    assert_true(report.checkpointed);
    assert_int_equal(events_count(events, OW_EVENT_LEAK), 1);
    assert_string_equal(events->text[OW_EVENT_LEAK], leaky);
}

static void tells_of_a_statement_that_a_borrower_never_finalized(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow_options options;
    struct events events;
    struct ow_conn *reader;
    sqlite3_stmt *stmt;
    int before = lowest_free_descriptor();
    ow_options_init(&options, NULL);
    events_init(&events, &options);
    struct ow *db = open_items(dir, &options);
    write_item(db, 7);
    const struct ow_read how = {.label = "leaker", .timeout_ms = WAIT_MS};
    assert_int_equal(ow_reader_acquire(db, &how, &reader, NULL), 0);
    assert_int_equal(sqlite3_prepare_v2(ow_conn_handle(reader), leaky, -1, &stmt, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    ow_reader_release(reader);
    assert_told(db, &events);
    /* Its owner may still end it; the connection goes with it. */
    assert_int_equal(sqlite3_finalize(stmt), SQLITE_OK);
    assert_int_equal(lowest_free_descriptor(), before);
    events_fini(&events);
}

/* Job: prepares into *(sqlite3_stmt **)ctx. */
static int leak(struct ow_conn *conn, void *ctx, struct ow_err *err)
{
    int rc = sqlite3_prepare_v2(ow_conn_handle(conn), leaky, -1, ctx, NULL);
    return rc == SQLITE_OK ? 0 : ow_conn_fail(conn, "preparing", err);
}

static void tells_of_a_statement_that_a_job_never_finalized(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow_options options;
    struct events events;
    sqlite3_stmt *stmt = NULL;
    ow_options_init(&options, NULL);
    events_init(&events, &options);
    struct ow *db = open_items(dir, &options);
    write_item(db, 7);
    assert_int_equal(ow_write(db, OW_LANE_NORMAL, leak, &stmt, WAIT_MS, NULL), 0);
    assert_told(db, &events);
    assert_int_equal(sqlite3_finalize(stmt), SQLITE_OK);
    events_fini(&events);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_of_a_statement_that_a_borrower_never_finalized),
        cmocka_unit_test(tells_of_a_statement_that_a_job_never_finalized),
    };
    return cmocka_run_group_tests_name("leaks", tests, NULL, NULL);
}
