/* Upkeep meets faults: a slice that ran twice is counted once, whatever made it run again. */
#include <errno.h>

#include "fault_vfs.h"
#include "ow_support.h"

#define ROWS 5000

static int fill_items(struct ow_conn *conn, void *ctx, struct ow_err *err)
{
    (void)ctx;
    return ow_exec(conn,
                   "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 5000)"
                   " INSERT INTO item(value) SELECT i FROM n",
                   err);
}

static void counts_each_purged_row_once_whatever_fails(void **state)
{
    (void)state;
    const struct {
        enum fault_op op;
        int n, sqlite_code, sys_errno;
    } cases[] = {
        {FAULT_WRITE, 1, SQLITE_FULL, ENOSPC},     {FAULT_WRITE, 9, SQLITE_FULL, ENOSPC},
        {FAULT_WRITE, 2, SQLITE_IOERR_WRITE, EIO}, {FAULT_WRITE, 60, SQLITE_IOERR_WRITE, EIO},
        {FAULT_COMMITTED, 1, SQLITE_IOERR, EIO},   {FAULT_COMMITTED, 3, SQLITE_IOERR, EIO},
        {FAULT_SHM_LOCK, 1, SQLITE_BUSY, EAGAIN},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
        struct ow_options options;
        struct ow_err err;
        int64_t rows = -1;
        ow_options_init(&options, NULL);
        options.mmap_bytes = 0; /* the failing VFS maps nothing */
        options.retry_base_delay_ms = options.retry_max_delay_ms = 1;
        struct ow *db = open_items(dir, &options);
        assert_int_equal(ow_write(db, OW_LANE_NORMAL, fill_items, NULL, WAIT_MS, NULL), 0);
        fault_vfs_plan(cases[i].op, cases[i].n, false, cases[i].sqlite_code, cases[i].sys_errno);
        int rc = ow_purge(db, "DELETE FROM item WHERE id IN (SELECT id FROM item LIMIT ?1)", NULL,
                          0, 0, WAIT_MS, &rows, &err);
        assert_int_equal(fault_vfs_clear(), 1);
        if (rc)
            fail_msg("case %d: %s", (int)i, err.text);
        assert_int_equal(rows, ROWS);
        assert_int_equal(read_int(db, "SELECT count(*) FROM item"), 0);
        close_items(db);
    }
}

/* What was committed before a failure that stays is counted, no more. */
static void counts_what_stays_purged_when_a_fault_ends_it(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow_options options;
    struct ow_err err;
    int64_t rows = -1;
    ow_options_init(&options, NULL);
    options.mmap_bytes = 0; /* the failing VFS maps nothing */
    options.retry_base_delay_ms = options.retry_max_delay_ms = 1;
    struct ow *db = open_items(dir, &options);
    assert_int_equal(ow_write(db, OW_LANE_NORMAL, fill_items, NULL, WAIT_MS, NULL), 0);
    fault_vfs_plan(FAULT_WRITE, 25, true, SQLITE_FULL, ENOSPC);
    int rc = ow_purge(db, "DELETE FROM item WHERE id IN (SELECT id FROM item LIMIT ?1)", NULL, 0, 0,
                      500, &rows, &err);
    assert_true(fault_vfs_clear() >= 1);
    assert_true(rc == OW_TIMEOUT || rc == OW_DISK_FULL);
    assert_true(rows < ROWS);
    assert_int_equal(read_int(db, "SELECT 5000 - count(*) FROM item"), rows);
    close_items(db);
}

static int install(void **state)
{
    (void)state;
    fault_vfs_install();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_each_purged_row_once_whatever_fails),
        cmocka_unit_test(counts_what_stays_purged_when_a_fault_ends_it),
    };
    return cmocka_run_group_tests_name("upkeep faults", tests, install, NULL);
}
