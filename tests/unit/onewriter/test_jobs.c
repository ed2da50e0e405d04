/* What a job may not do: call its own database, break the group it runs in, change the connection.
 */
#include "ow_support.h"

struct self_call {
    struct ow *db;
    int rc[6];
};

static int call_own_database(struct ow_conn *conn, void *ctx, struct ow_err *err)
{
    (void)conn;
    (void)err;
    struct self_call *call = ctx;
    struct ow_conn *reader;
    struct ow_ticket ticket = {0};
    int64_t value = 1;
    call->rc[0] = ow_write(call->db, OW_LANE_NORMAL, insert_item, &value, 10, NULL);
    call->rc[1] = ow_submit(call->db, OW_LANE_NORMAL, insert_item, &value, 10, &ticket, NULL);
    call->rc[2] = ow_wait(call->db, &ticket, 10, NULL, NULL);
    call->rc[3] = ow_reader_acquire(call->db, &(struct ow_read){.label = "job", .timeout_ms = 10},
                                    &reader, NULL);
    call->rc[4] = ow_close(call->db, 10, NULL, NULL);
    call->rc[5] = ow_migrate(call->db, NULL, 0, NULL);
    return 0;
}

static void tells_a_job_that_it_may_not_call_its_own_database(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct self_call call = {.db = open_items(dir, NULL)};
    assert_int_equal(ow_write(call.db, OW_LANE_NORMAL, call_own_database, &call, WAIT_MS, NULL), 0);
    for (size_t i = 0; i < ARRAY_LEN(call.rc); i++)
        assert_int_equal(call.rc[i], OW_BUG);
    close_items(call.db);
}

static int run_sql(struct ow_conn *conn, void *ctx, struct ow_err *err)
{
    return ow_exec(conn, ctx, err);
}

static void refuses_statements_that_would_break_the_group(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_items(dir, NULL);
    const char *const refused[] = {
        "BEGIN",
        "COMMIT",
        "ROLLBACK",
        "END",
        "RELEASE ow_job",
        "ROLLBACK TO ow_job",
        "SAVEPOINT ow_job",
        "ATTACH 'x.db' AS x",
        "DETACH main",
        "PRAGMA journal_mode=DELETE",
        "PRAGMA locking_mode=EXCLUSIVE",
        "PRAGMA synchronous=OFF",
        "PRAGMA wal_autocheckpoint=1",
        "PRAGMA wal_checkpoint",
        "PRAGMA query_only=1",
        "UPDATE ow_commit SET seq = 0",
        "DELETE FROM ow_commit",
        "DROP VIEW ow_commit",
        "UPDATE ow_commit_slot SET seq = 0",
        "DELETE FROM ow_commit_slot",
        "DROP TABLE ow_commit_slot",
        "ALTER TABLE ow_commit_slot RENAME TO other",
    };
    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        struct ow_err err = {0};
        if (ow_write(db, OW_LANE_NORMAL, run_sql, (void *)refused[i], WAIT_MS, &err) != OW_CALLER)
            fail_msg("%s: %d %s", refused[i], err.code, err.text);
    }
    const char *allowed = "SAVEPOINT mine; INSERT INTO item(value) VALUES(1); RELEASE mine;"
                          "PRAGMA user_version=1; PRAGMA optimize; PRAGMA quick_check";
    struct ow_err err = {0};
    if (ow_write(db, OW_LANE_NORMAL, run_sql, (void *)allowed, WAIT_MS, &err))
        fail_msg("%s", err.text);
    assert_int_equal(read_int(db, "SELECT count(*) FROM item"), 1);
    close_items(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_a_job_that_it_may_not_call_its_own_database),
        cmocka_unit_test(refuses_statements_that_would_break_the_group),
    };
    return cmocka_run_group_tests_name("jobs", tests, NULL, NULL);
}
