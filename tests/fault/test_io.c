/* Every operation of the file system fails once, then for good, at each place it can: what was
 * acknowledged stays, nothing is stored twice, the file stays sound, every call ends. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fault_vfs.h"
#include "ow_support.h"

#define JOBS     6
#define MAX_N    400 /* more operations than any workload here has */
#define WRITE_MS 15

struct fault_case {
    enum fault_op op;
    int sqlite_code, sys_errno;
    bool only_once;
};

static const struct fault_case cases[] = {
    {FAULT_OPEN, SQLITE_CANTOPEN, EMFILE},
    {FAULT_OPEN, SQLITE_CANTOPEN, EACCES},
    {FAULT_READ, SQLITE_IOERR_READ, EIO},
    {FAULT_WRITE, SQLITE_IOERR_WRITE, EIO},
    {FAULT_WRITE, SQLITE_FULL, ENOSPC},
    {FAULT_SYNC, SQLITE_IOERR_FSYNC, EIO},
    {FAULT_TRUNCATE, SQLITE_IOERR_TRUNCATE, EIO},
    {FAULT_LOCK, SQLITE_BUSY, EAGAIN},
    {FAULT_LOCK, SQLITE_IOERR_LOCK, ENOLCK},
    /* For good, SQLite itself sleeps ten seconds over this before it says SQLITE_PROTOCOL. */
    {FAULT_SHM_LOCK, SQLITE_BUSY, EAGAIN, .only_once = true},
    {FAULT_SHM_LOCK, SQLITE_IOERR_SHMLOCK, ENOLCK},
    {FAULT_SHM_MAP, SQLITE_IOERR_SHMMAP, EIO},
    {FAULT_COMMITTED, SQLITE_IOERR, EIO},
};

static void set_options(struct ow_options *options, const char *path)
{
    ow_options_init(options, path);
    options->synchronous_full = true;
    options->readers = 1;
    options->busy_timeout_ms = 2;
    options->retry_base_delay_ms = 1;
    options->retry_max_delay_ms = 2;
    options->wal_soft_frames = 1; /* so that checkpoints meet the faults too */
    options->wal_hard_frames = 6;
    options->cache_bytes = 1 << 20;
    options->mmap_bytes = 0; /* the failing VFS maps nothing */
}

static int create_log(struct ow *db)
{
    static const struct ow_migration steps[] = {{1, "CREATE TABLE log(value INTEGER)"}};
    return ow_migrate(db, steps, 1, NULL);
}

/* Job: appends *(int *)ctx; the table has no key, so a job that was written twice shows. */
static int append(struct ow_conn *conn, void *ctx, struct ow_err *err)
{
    sqlite3_stmt *stmt;
    int rc = ow_prepare(conn, "INSERT INTO log VALUES(?1)", &stmt, err);
    if (rc)
        return rc;
    sqlite3_bind_int(stmt, 1, *(int *)ctx);
    return sqlite3_step(stmt) == SQLITE_DONE ? 0 : ow_conn_fail(conn, "appending", err);
}

struct outcome {
    int value[JOBS], code[JOBS];
};

/* Half of the jobs together, half one by one; the last answers come from the close. */
static void run_jobs(struct ow *db, struct outcome *outcome)
{
    struct ow_ticket tickets[JOBS / 2] = {0};
    for (int i = 0; i < JOBS; i++)
        outcome->value[i] = i;
    for (int i = 0; i < JOBS / 2; i++)
        outcome->code[i] =
            ow_submit(db, OW_LANE_NORMAL, append, &outcome->value[i], WRITE_MS, &tickets[i], NULL);
    for (int i = JOBS / 2; i < JOBS; i++)
        outcome->code[i] = ow_write(db, OW_LANE_NORMAL, append, &outcome->value[i], WRITE_MS, NULL);
    ow_close(db, WRITE_MS, NULL, NULL);
    for (int i = 0; i < JOBS / 2; i++)
        if (!outcome->code[i])
            outcome->code[i] = ow_wait(db, &tickets[i], 0, NULL, NULL);
}

static void check_outcome(const char *path, const struct outcome *outcome, const char *what)
{
    char sql[128];
    for (int i = 0; i < JOBS; i++) {
        snprintf(sql, sizeof(sql), "SELECT count(*) FROM log WHERE value = %d", i);
        int64_t stored = read_int_outside(path, sql);
        if (stored > 1 || (outcome->code[i] == OW_OK && stored != 1))
            fail_msg("%s: job %d answered %d is stored %d times", what, i, outcome->code[i],
                     (int)stored);
    }
    assert_int_equal(
        read_int_outside(path, "SELECT integrity_check = 'ok' FROM pragma_integrity_check"), 1);
}

/* One run with the fault planned; returns how many faults fired. */
static int run_with_fault(const struct fault_case *c, int n, bool persistent)
{
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    const char *path = test_path(dir, "t.db");
    struct ow_options options;
    struct ow *db;
    struct outcome outcome;
    char what[128];
    set_options(&options, path);
    snprintf(what, sizeof(what), "%s %d, %s, %s", fault_op_name(c->op), n,
             ow_code_name(c->sqlite_code), persistent ? "for good" : "once");
    assert_int_equal(ow_open(&options, &db, NULL), 0);
    assert_int_equal(create_log(db), 0);
    fault_vfs_plan(c->op, n, persistent, c->sqlite_code, c->sys_errno);
    run_jobs(db, &outcome);
    int fired = fault_vfs_clear();
    check_outcome(path, &outcome, what);
    return fired;
}

static void run_case_until_no_fault_fires(const struct fault_case *c, bool persistent)
{
    int n = 1;
    while (n < MAX_N && run_with_fault(c, n, persistent))
        /* For good, each run waits for its deadlines: the places are sampled ever more thinly. */
        n += persistent ? 2 * n : 1;
    assert_true(n < MAX_N);
}

static void keeps_its_promises_when_any_operation_fails_once(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        run_case_until_no_fault_fires(&cases[i], false);
}

static void keeps_its_promises_when_any_operation_fails_for_good(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        if (!cases[i].only_once)
            run_case_until_no_fault_fires(&cases[i], true);
}

static void opens_or_says_why_not_wherever_opening_fails(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int fired = 1;
        for (int n = 1; fired && n < MAX_N; n++) {
            CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
            struct ow_options options;
            struct ow *db;
            struct ow_err err = {0};
            set_options(&options, test_path(dir, "t.db"));
            fault_vfs_plan(cases[i].op, n, false, cases[i].sqlite_code, cases[i].sys_errno);
            int rc = ow_open(&options, &db, &err);
            fired = fault_vfs_clear();
            assert_int_equal(rc != 0, db == NULL);
            if (rc)
                assert_true(strlen(err.text) > 0);
            else
                assert_int_equal(create_log(db), 0);
            assert_int_equal(ow_close(db, WAIT_MS, NULL, NULL), 0);
        }
    }
}

static void stops_writing_for_good_after_a_failed_fsync(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow_options options;
    struct events events;
    struct ow *db;
    struct ow_err err = {0};
    struct ow_metrics metrics;
    int value = 1;
    set_options(&options, test_path(dir, "t.db"));
    options.wal_soft_frames = options.wal_hard_frames = 1000;
    events_init(&events, &options);
    assert_int_equal(ow_open(&options, &db, NULL), 0);
    assert_int_equal(create_log(db), 0);
    fault_vfs_plan(FAULT_SYNC, 1, false, SQLITE_IOERR_FSYNC, EIO);
    assert_int_equal(ow_write(db, OW_LANE_NORMAL, append, &value, WAIT_MS, &err), OW_UNKNOWN);
    assert_int_equal(fault_vfs_clear(), 1);
    assert_int_equal(err.sqlite_code, SQLITE_IOERR_FSYNC);
    assert_int_equal(ow_write(db, OW_LANE_NORMAL, append, &value, WAIT_MS, &err), OW_IO);
    assert_non_null(strstr(err.text, "stopped for good"));
    assert_int_equal(events_count(&events, OW_EVENT_POISONED), 1);
    ow_metrics_read(db, &metrics);
    assert_true(metrics.poisoned);
    assert_int_equal(read_int(db, "SELECT count(*) FROM log"), 0);
    assert_int_equal(ow_close(db, WAIT_MS, NULL, NULL), 0);
    events_fini(&events);
}

static void learns_the_fate_of_a_commit_from_its_number(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow_options options;
    struct ow *db;
    struct ow_metrics metrics;
    int64_t seq = 0;
    set_options(&options, test_path(dir, "t.db"));
    options.wal_soft_frames = options.wal_hard_frames = 1000;
    assert_int_equal(ow_open(&options, &db, NULL), 0);
    assert_int_equal(create_log(db), 0);
    for (int n = 1; n <= 4; n++) { /* the frames of one small commit */
        struct ow_ticket ticket = {0};
        fault_vfs_plan(FAULT_WRITE, n, false, SQLITE_IOERR_WRITE, EIO);
        assert_int_equal(ow_submit(db, OW_LANE_NORMAL, append, &n, WAIT_MS, &ticket, NULL), 0);
        assert_int_equal(ow_wait(db, &ticket, WAIT_MS, &seq, NULL), 0);
        assert_int_equal(fault_vfs_clear(), 1);
        assert_int_equal(seq, n + 1);
    }
    ow_metrics_read(db, &metrics);
    assert_int_equal(metrics.jobs_rerun, 4);
    int last = 5;
    fault_vfs_plan(FAULT_COMMITTED, 1, false, SQLITE_IOERR, EIO);
    assert_int_equal(ow_write(db, OW_LANE_NORMAL, append, &last, WAIT_MS, NULL), 0);
    assert_int_equal(fault_vfs_clear(), 1);
    ow_metrics_read(db, &metrics);
    assert_int_equal(metrics.jobs_rerun, 4); /* it was found to be done */
    assert_int_equal(read_int(db, "SELECT count(*) = 5 AND count(DISTINCT value) = 5 FROM log"), 1);
    assert_int_equal(ow_close(db, WAIT_MS, NULL, NULL), 0);
}

static void holds_while_the_disk_is_full_and_goes_on_when_space_comes(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow_options options;
    struct events events;
    struct ow *db;
    struct ow_ticket tickets[5] = {0};
    int values[] = {1, 2, 3, 4, 5};
    set_options(&options, test_path(dir, "t.db"));
    options.wal_soft_frames = options.wal_hard_frames = 1000;
    events_init(&events, &options);
    assert_int_equal(ow_open(&options, &db, NULL), 0);
    assert_int_equal(create_log(db), 0);
    fault_vfs_plan(FAULT_WRITE, 1, true, SQLITE_FULL, ENOSPC);
    for (int i = 0; i < 5; i++)
        assert_int_equal(
            ow_submit(db, OW_LANE_NORMAL, append, &values[i], WAIT_MS, &tickets[i], NULL), 0);
    assert_true(events_wait(&events, OW_EVENT_HOLD, 1));
    int late = 9;
    assert_int_equal(ow_write(db, OW_LANE_NORMAL, append, &late, 20, NULL) != OW_OK, 1);
    assert_true(fault_vfs_clear() > 1);
    for (int i = 0; i < 5; i++)
        assert_int_equal(ow_wait(db, &tickets[i], WAIT_MS, NULL, NULL), 0);
    assert_true(events_wait(&events, OW_EVENT_RESUMED, 1));
    assert_int_equal(events_count(&events, OW_EVENT_HOLD), 1);
    assert_int_equal(read_int(db, "SELECT sum(value) FROM log"), 15);
    assert_int_equal(ow_close(db, WAIT_MS, NULL, NULL), 0);
    events_fini(&events);
}

static int append_pages(struct ow_conn *conn, void *ctx, struct ow_err *err)
{
    (void)ctx;
    return ow_exec(conn,
                   "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 100)"
                   " INSERT INTO page SELECT zeroblob(4000) FROM n",
                   err);
}

/* SQLite drops its cache after a COMMIT that failed half way, and PRAGMA data_version moves with
 * it. */
static void does_not_take_its_own_failed_commit_for_a_foreign_one(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow_options options;
    struct events events;
    struct ow *db;
    struct ow_ticket ticket = {0};
    set_options(&options, test_path(dir, "t.db"));
    events_init(&events, &options);
    assert_int_equal(ow_open(&options, &db, NULL), 0);
    const struct ow_migration step = {1, "CREATE TABLE page(bytes)"};
    assert_int_equal(ow_migrate(db, &step, 1, NULL), 0);
    fault_vfs_plan(FAULT_WRITE, 40, true, SQLITE_FULL, ENOSPC);
    assert_int_equal(ow_submit(db, OW_LANE_NORMAL, append_pages, NULL, WAIT_MS, &ticket, NULL), 0);
    assert_true(events_wait(&events, OW_EVENT_HOLD, 1));
    fault_vfs_clear();
    assert_int_equal(ow_wait(db, &ticket, WAIT_MS, NULL, NULL), 0);
    assert_int_equal(ow_write(db, OW_LANE_NORMAL, append_pages, NULL, WAIT_MS, NULL), 0);
    assert_int_equal(events_count(&events, OW_EVENT_FOREIGN_WRITE), 0);
    assert_int_equal(read_int(db, "SELECT count(*) FROM page"), 200);
    assert_int_equal(ow_close(db, WAIT_MS, NULL, NULL), 0);
    events_fini(&events);
}

/* The commit is there, so only its durability is in doubt; nothing is trusted to it any more. */
static void tells_a_durable_job_when_the_log_cannot_be_synced(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow_options options;
    struct ow_err err = {0};
    struct ow_metrics metrics;
    struct ow *db;
    int values[] = {1, 2, 3};
    set_options(&options, test_path(dir, "t.db"));
    options.synchronous_full = false;
    options.wal_soft_frames = options.wal_hard_frames = 1000; /* no checkpoint in between */
    assert_int_equal(ow_open(&options, &db, NULL), 0);
    assert_int_equal(create_log(db), 0);
    fault_vfs_plan(FAULT_SYNC, 1, true, SQLITE_IOERR_FSYNC, EIO);
    assert_int_equal(ow_write(db, OW_LANE_NORMAL, append, &values[0], WAIT_MS, NULL), 0);
    assert_int_equal(ow_write(db, OW_LANE_NORMAL | OW_DURABLE, append, &values[1], WAIT_MS, &err),
                     OW_UNKNOWN);
    assert_non_null(strstr(err.text, "committed, but perhaps not on the disk"));
    assert_int_equal(fault_vfs_clear(), 1);
    ow_metrics_read(db, &metrics);
    assert_true(metrics.poisoned);
    assert_int_equal(read_int(db, "SELECT count(*) FROM log"), 2);
    assert_int_equal(ow_write(db, OW_LANE_NORMAL, append, &values[2], WAIT_MS, NULL), OW_IO);
    ow_close(db, WAIT_MS, NULL, NULL);
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
        cmocka_unit_test(opens_or_says_why_not_wherever_opening_fails),
        cmocka_unit_test(keeps_its_promises_when_any_operation_fails_once),
        cmocka_unit_test(keeps_its_promises_when_any_operation_fails_for_good),
        cmocka_unit_test(stops_writing_for_good_after_a_failed_fsync),
        cmocka_unit_test(learns_the_fate_of_a_commit_from_its_number),
        cmocka_unit_test(holds_while_the_disk_is_full_and_goes_on_when_space_comes),
        cmocka_unit_test(tells_a_durable_job_when_the_log_cannot_be_synced),
        cmocka_unit_test(does_not_take_its_own_failed_commit_for_a_foreign_one),
    };
    return cmocka_run_group_tests_name("input and output faults", tests, install, NULL);
}
