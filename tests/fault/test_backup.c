/* Backups meet faults: the place of the copy is full or broken, the writer's connection is
 * replaced, and the database itself goes on in every case. */
#include <dirent.h>
#include <errno.h>
#include <string.h>

#include "fault_vfs.h"
#include "ow_support.h"

#define ROWS 3000

static int fill_pages(struct ow_conn *conn, void *ctx, struct ow_err *err)
{
    (void)ctx;
    return ow_exec(conn,
                   "CREATE TABLE page(bytes);"
                   "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 3000)"
                   " INSERT INTO page SELECT randomblob(1000) FROM n",
                   err);
}

static struct ow *open_filled(const char *dir, struct ow_options *options)
{
    struct ow_err err;
    ow_options_init(options, NULL);
    options->retry_base_delay_ms = options->retry_max_delay_ms = 1;
    options->mmap_bytes = 0; /* the failing VFS maps nothing */
    struct ow *db = open_items(dir, options);
    if (ow_write(db, OW_LANE_NORMAL, fill_pages, NULL, WAIT_MS, &err))
        fail_msg("%s", err.text);
    return db;
}

static int count_copies(const char *dir)
{
    int count = 0;
    DIR *folder = opendir(dir);
    assert_non_null(folder);
    for (const struct dirent *entry; (entry = readdir(folder));)
        count += strstr(entry->d_name, "copy") != NULL;
    closedir(folder);
    return count;
}

struct fault {
    enum fault_op op;
    int sqlite_code, sys_errno;
    bool planned;
};

/* After the first slice. */
static int plan_fault(void *ctx, int done, int total)
{
    struct fault *fault = ctx;
    if (!fault->planned && done < total)
        fault_vfs_plan(fault->op, 1, true, fault->sqlite_code, fault->sys_errno);
    fault->planned = true;
    return 0;
}

static void leaves_nothing_when_the_copy_cannot_be_written(void **state)
{
    (void)state;
    const struct {
        struct fault fault;
        enum ow_code code;
    } cases[] = {
        {{FAULT_WRITE, SQLITE_FULL, ENOSPC}, OW_DISK_FULL},
        {{FAULT_WRITE, SQLITE_IOERR_WRITE, EIO}, OW_IO},
        {{FAULT_WRITE, SQLITE_IOERR_WRITE, EFBIG}, OW_IO},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
        struct ow_options options;
        struct ow *db = open_filled(dir, &options);
        struct fault fault = cases[i].fault;
        struct ow_err err;
        struct ow_metrics metrics;
        int rc = ow_backup(db, test_path(dir, "copy.db"), plan_fault, &fault, WAIT_MS, &err);
        assert_true(fault_vfs_clear() > 0);
        assert_int_equal(rc, cases[i].code);
        assert_non_null(strstr(err.text, "copying the database"));
        assert_int_equal(count_copies(dir), 0);
        write_item(db, 1); /* no trouble of the database */
        ow_metrics_read(db, &metrics);
        assert_false(metrics.holding || metrics.poisoned);
        assert_int_equal(metrics.retries, 0);
        assert_int_equal(ow_backup(db, test_path(dir, "copy.db"), NULL, NULL, WAIT_MS, &err), 0);
        close_items(db);
    }
}

static void says_why_the_copy_cannot_be_opened(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow_options options;
    struct ow *db = open_filled(dir, &options);
    struct ow_err err;
    fault_vfs_plan(FAULT_OPEN, 1, false, SQLITE_CANTOPEN, EMFILE);
    assert_int_equal(ow_backup(db, test_path(dir, "copy.db"), NULL, NULL, WAIT_MS, &err),
                     OW_RESOURCE);
    assert_int_equal(fault_vfs_clear(), 1);
    assert_int_equal(count_copies(dir), 0);
    close_items(db);
}

/* Between two slices a COMMIT fails so that its fate must be learnt on a new connection. */
static int replace_connection(void *ctx, int done, int total)
{
    struct ow *db = ctx;
    int64_t value = total; /* different in each run */
    if (done == total)
        return 0;
    fault_vfs_plan(FAULT_COMMITTED, 1, false, SQLITE_IOERR, EIO);
    int rc = ow_write(db, OW_LANE_NORMAL, insert_item, &value, WAIT_MS, NULL);
    return fault_vfs_clear() != 1 || rc != 0;
}

static void says_so_when_the_writer_opens_another_connection(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow_options options;
    struct ow *db = open_filled(dir, &options);
    struct ow_err err;
    assert_int_equal(
        ow_backup(db, test_path(dir, "copy.db"), replace_connection, db, WAIT_MS, &err), OW_IO);
    assert_non_null(strstr(err.text, "another connection"));
    assert_int_equal(count_copies(dir), 0);
    assert_int_equal(read_int(db, "SELECT count(*) FROM item"), 1);
    if (ow_backup(db, test_path(dir, "copy.db"), NULL, NULL, WAIT_MS, &err))
        fail_msg("%s", err.text);
    assert_int_equal(read_int_outside(test_path(dir, "copy.db"), "SELECT count(*) FROM page"),
                     ROWS);
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
        cmocka_unit_test(leaves_nothing_when_the_copy_cannot_be_written),
        cmocka_unit_test(says_why_the_copy_cannot_be_opened),
        cmocka_unit_test(says_so_when_the_writer_opens_another_connection),
    };
    return cmocka_run_group_tests_name("backup faults", tests, install, NULL);
}
