/* Backup: the copy is whole and is the state at the end, whatever is written, rolled back or closed
 * meanwhile; what stood under its name stays until then. */
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "ow_support.h"

/* Job: adds *(int64_t *)ctx rows of a kilobyte. */
static int fill_pages(struct ow_conn *conn, void *ctx, struct ow_err *err)
{
    char sql[200];
    snprintf(sql, sizeof(sql),
             "CREATE TABLE IF NOT EXISTS page(bytes);"
             "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n LIMIT %lld)"
             " INSERT INTO page SELECT randomblob(1000) FROM n",
             (long long)*(int64_t *)ctx);
    return ow_exec(conn, sql, err);
}

static int change_mind(struct ow_err *err)
{
    err->code = OW_CALLER;
    snprintf(err->text, sizeof(err->text), "changed its mind");
    return OW_CALLER;
}

/* Job: the same, and then it fails. */
static int fill_and_fail(struct ow_conn *conn, void *ctx, struct ow_err *err)
{
    int rc = fill_pages(conn, ctx, err);
    return rc ? rc : change_mind(err);
}

static struct ow *open_filled(const char *dir, int64_t rows)
{
    struct ow *db = open_items(dir, NULL);
    struct ow_err err;
    if (ow_write(db, OW_LANE_NORMAL, fill_pages, &rows, WAIT_MS, &err))
        fail_msg("%s", err.text);
    return db;
}

static void back_up(struct ow *db, const char *to)
{
    struct ow_err err;
    if (ow_backup(db, to, NULL, NULL, WAIT_MS, &err))
        fail_msg("%s", err.text);
}

/* The copy is sound, and complete without any file beside it. */
static void assert_sound(const char *path)
{
    assert_int_equal(read_int_outside(path, "SELECT count(*) FROM pragma_integrity_check"
                                            " WHERE integrity_check = 'ok'"),
                     1);
}

static int count_files(const char *dir, const char *part)
{
    int count = 0;
    DIR *folder = opendir(dir);
    assert_non_null(folder);
    for (const struct dirent *entry; (entry = readdir(folder));)
        count += strstr(entry->d_name, part) != NULL;
    closedir(folder);
    return count;
}

static void copies_the_database_with_its_rights(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_filled(dir, 1000);
    const char *to = test_path(dir, "copy.db");
    struct stat st;
    write_item(db, 7);
    assert_int_equal(chmod(items_path(dir), 0640), 0);
    back_up(db, to);
    assert_int_equal(count_files(dir, "tmp-backup"), 0);
    assert_int_equal(stat(to, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
    write_item(db, 8);
    assert_sound(to);
    assert_int_equal(read_int_outside(to, "SELECT count(*) FROM page"), 1000);
    assert_int_equal(read_int_outside(to, "SELECT sum(value) FROM item"), 7);
    back_up(db, to); /* over the old one */
    assert_int_equal(read_int_outside(to, "SELECT sum(value) FROM item"), 15);
    close_items(db);
}

static void makes_a_copy_that_onewriter_goes_on_with(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    CLEANUP(test_dir_cleanup) char *other = test_dir_make();
    struct ow *db = open_filled(dir, 10);
    write_item(db, 7);
    int64_t seq = ow_commit_seq(db);
    back_up(db, items_path(other));
    close_items(db);
    db = open_items(other, NULL);
    assert_int_equal(ow_commit_seq(db), seq);
    write_item(db, 8);
    assert_int_equal(read_int(db, "SELECT sum(value) FROM item"), 15);
    close_items(db);
}

/* ---- while others write ---- */

struct writer {
    struct ow *db;
    _Atomic bool *stop;
    _Atomic int64_t acknowledged; /* values 1 .. so many are committed */
    int code;
};

/* A job in eight fails after it has changed rows, so that the writer rolls back. */
static int insert_or_fail(struct ow_conn *conn, void *ctx, struct ow_err *err)
{
    int rc = insert_item(conn, ctx, err);
    return rc || *(int64_t *)ctx > 0 ? rc : change_mind(err);
}

static void *write_and_fail(void *arg)
{
    struct writer *writer = arg;
    int64_t none = -1;
    for (int64_t value = 1; !writer->code && !atomic_load(writer->stop); value++) {
        writer->code = ow_write(writer->db, OW_LANE_NORMAL, insert_or_fail, &value, WAIT_MS, NULL);
        if (!writer->code)
            atomic_store(&writer->acknowledged, value);
        if (!writer->code && value % 8 == 0 &&
            ow_write(writer->db, OW_LANE_NORMAL, insert_or_fail, &none, WAIT_MS, NULL) != OW_CALLER)
            writer->code = OW_BUG;
    }
    return NULL;
}

/* What was acknowledged when the last slice but one had ended. */
struct watch {
    struct writer *writer;
    int64_t before, now;
    int slices;
    bool cancel_at_half;
    bool went_wrong;
};

static int watch_progress(void *ctx, int done, int total)
{
    struct watch *watch = ctx;
    watch->slices++;
    watch->before = watch->now;
    watch->went_wrong |= done < 0 || done > total || total <= 0;
    if (watch->writer)
        watch->now = atomic_load(&watch->writer->acknowledged);
    return watch->cancel_at_half && done > total / 2;
}

static void copies_what_was_acknowledged_while_it_is_written_to(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_filled(dir, 20000);
    const char *to = test_path(dir, "copy.db");
    _Atomic bool stop = false;
    struct writer writer = {.db = db, .stop = &stop};
    struct watch watch = {.writer = &writer};
    struct ow_err err = {0};
    pthread_t thread;
    char sql[120];
    assert_int_equal(pthread_create(&thread, NULL, write_and_fail, &writer), 0);
    int rc = ow_backup(db, to, watch_progress, &watch, 2 * WAIT_MS, &err);
    atomic_store(&stop, true);
    pthread_join(thread, NULL);
    if (rc)
        fail_msg("%s", err.text);
    assert_int_equal(writer.code, 0);
    assert_false(watch.went_wrong);
    assert_true(watch.slices > 3);
    assert_true(watch.now > 0);
    assert_sound(to);
    assert_int_equal(read_int_outside(to, "SELECT count(*) FROM page"), 20000);
    /* All that was acknowledged before the last slice began, and no gap before what came after. */
    snprintf(sql, sizeof(sql), "SELECT count(*) FROM item WHERE value BETWEEN 1 AND %lld",
             (long long)watch.before);
    assert_int_equal(read_int_outside(to, sql), watch.before);
    assert_int_equal(read_int_outside(to, "SELECT coalesce(max(value), 0) - count(*) FROM item"),
                     0);
    assert_int_equal(read_int_outside(to, "SELECT count(*) FROM item WHERE value < 0"), 0);
    close_items(db);
}

/* Another process's commit makes the copy begin anew; it ends all the same. */
static int write_outside(void *ctx, int done, int total)
{
    const char *path = ctx;
    if (done < total)
        exec_outside(path, "INSERT INTO page VALUES(randomblob(10))");
    return 0;
}

static void ends_although_each_slice_makes_it_begin_anew(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_filled(dir, 3000);
    const char *to = test_path(dir, "copy.db");
    const char *path = items_path(dir);
    struct ow_err err;
    if (ow_backup(db, to, write_outside, (void *)path, WAIT_MS, &err))
        fail_msg("%s", err.text);
    assert_sound(to);
    assert_true(read_int_outside(to, "SELECT count(*) FROM page") > 3000);
    close_items(db);
}

/* A rollback of pages that were in the log already makes it begin anew, too. */
static int roll_back(void *ctx, int done, int total)
{
    int64_t rows = 2;
    if (done == total)
        return 0;
    return ow_write(ctx, OW_LANE_NORMAL, fill_and_fail, &rows, WAIT_MS, NULL) != OW_CALLER;
}

static void ends_although_jobs_are_rolled_back_between_its_slices(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_filled(dir, 3000);
    struct ow_err err;
    if (ow_backup(db, test_path(dir, "copy.db"), roll_back, db, WAIT_MS, &err))
        fail_msg("%s", err.text);
    assert_sound(test_path(dir, "copy.db"));
    assert_int_equal(read_int_outside(test_path(dir, "copy.db"), "SELECT count(*) FROM page"),
                     3000);
    close_items(db);
}

/* ---- what ends it early ---- */

static void stops_when_it_is_told_to_and_leaves_the_old_copy(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_filled(dir, 5000);
    const char *to = test_path(dir, "copy.db");
    struct watch watch = {.cancel_at_half = true};
    struct ow_err err;
    test_file_write(to, "the old copy", 12);
    assert_int_equal(ow_backup(db, to, watch_progress, &watch, WAIT_MS, &err), OW_CANCELLED);
    assert_true(watch.slices > 1);
    size_t len;
    CLEANUP(free_ptr) char *old = test_file_read(to, &len);
    assert_string_equal(old, "the old copy");
    assert_int_equal(count_files(dir, "tmp-backup"), 0);
    write_item(db, 1);
    assert_int_equal(unlink(to), 0);
    back_up(db, to);
    assert_int_equal(read_int_outside(to, "SELECT count(*) FROM page"), 5000);
    close_items(db);
}

static int use_up_time(void *ctx, int done, int total)
{
    (void)done;
    (void)total;
    int64_t until_us = *(int64_t *)ctx;
    while (clock_monotonic_us() < until_us)
        sched_yield();
    return 0;
}

static void stops_when_time_is_up(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_filled(dir, 5000);
    const char *to = test_path(dir, "copy.db");
    struct ow_err err;
    assert_int_equal(ow_backup(db, to, NULL, NULL, 0, &err), OW_TIMEOUT);
    int64_t until_us = clock_monotonic_us() + 300000;
    assert_int_equal(ow_backup(db, to, use_up_time, &until_us, 250, &err), OW_TIMEOUT);
    assert_non_null(strstr(err.text, "pages"));
    assert_int_equal(count_files(dir, "copy"), 0);
    write_item(db, 1);
    close_items(db);
}

static int try_backup(struct ow *db, const char *dir, const char *name, struct ow_err *err)
{
    return ow_backup(db, test_path(dir, name), NULL, NULL, WAIT_MS, err);
}

static void refuses_places_that_will_not_do(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_filled(dir, 10);
    struct ow_err err;
    assert_int_equal(try_backup(db, dir, "missing/copy.db", &err), OW_CONFIG);
    assert_non_null(strstr(err.text, "No such file"));
    assert_int_equal(try_backup(db, dir, "t.db", &err), OW_CONFIG);
    assert_non_null(strstr(err.text, "itself"));
    assert_int_equal(link(items_path(dir), test_path(dir, "link.db")), 0);
    assert_int_equal(try_backup(db, dir, "link.db", &err), OW_CONFIG);
    assert_non_null(strstr(err.text, "itself"));
    assert_int_equal(unlink(test_path(dir, "link.db")), 0);
    assert_int_equal(ow_backup(db, "", NULL, NULL, WAIT_MS, &err), OW_BUG);
    assert_sound(items_path(dir));
    close_items(db);
}

static void never_takes_the_database_for_its_temporary_file(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_filled(dir, 10);
    struct ow_err err;
    assert_int_equal(link(items_path(dir), test_path(dir, "copy.db.tmp-backup")), 0);
    assert_int_equal(try_backup(db, dir, "copy.db", &err), OW_CONFIG);
    assert_int_equal(unlink(test_path(dir, "copy.db.tmp-backup")), 0);
    assert_sound(items_path(dir));
    assert_int_equal(read_int(db, "SELECT count(*) FROM page"), 10);
    close_items(db);
}

static void refuses_a_name_whose_log_somebody_has_written(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_filled(dir, 10);
    struct ow_err err;
    test_file_write(test_path(dir, "copy.db-wal"), "log", 3);
    assert_int_equal(try_backup(db, dir, "copy.db", &err), OW_CONFIG);
    assert_non_null(strstr(err.text, "copy.db-wal"));
    assert_int_equal(count_files(dir, "copy"), 1);
    test_file_write(test_path(dir, "copy.db-wal"), "", 0);
    assert_int_equal(try_backup(db, dir, "copy.db", &err), 0);
    assert_sound(test_path(dir, "copy.db"));
    close_items(db);
}

static void replaces_what_a_crash_left_but_not_a_backup_under_way(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_filled(dir, 10);
    const char *to = test_path(dir, "copy.db"), *temporary = test_path(dir, "copy.db.tmp-backup");
    struct ow_err err;
    test_file_write(temporary, "left over", 9);
    int fd = open(temporary, O_RDWR | O_CLOEXEC);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    assert_int_equal(ow_backup(db, to, NULL, NULL, WAIT_MS, &err), OW_CONFIG);
    assert_non_null(strstr(err.text, "under way"));
    size_t len;
    CLEANUP(free_ptr) char *other = test_file_read(temporary, &len);
    assert_string_equal(other, "left over");
    close(fd);
    back_up(db, to);
    assert_sound(to);
    close_items(db);
}

/* ---- closing meanwhile ---- */

struct closing {
    struct ow *db;
    struct gate gate;
    const char *to;
    int code;
};

static int pause_at_gate(void *ctx, int done, int total)
{
    (void)done;
    (void)total;
    struct closing *closing = ctx;
    return !gate_pass(&closing->gate);
}

static void *run_backup(void *arg)
{
    struct closing *closing = arg;
    closing->code = ow_backup(closing->db, closing->to, pause_at_gate, closing, WAIT_MS, NULL);
    return NULL;
}

static void *open_gate_when_closing(void *arg)
{
    struct closing *closing = arg;
    /* The handle stays as long as the backup is in it. */
    while (ow_write(closing->db, OW_LANE_NORMAL, insert_item, &(int64_t){1}, 0, NULL) != OW_CLOSED)
        sched_yield();
    gate_open(&closing->gate);
    return NULL;
}

static void closes_during_a_backup(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct closing closing = {.db = open_filled(dir, 5000), .to = test_path(dir, "copy.db")};
    struct ow_report report;
    struct ow_err err;
    pthread_t backup, opener;
    gate_init(&closing.gate);
    assert_int_equal(pthread_create(&backup, NULL, run_backup, &closing), 0);
    assert_true(gate_wait_arrived(&closing.gate, 1));
    write_item(closing.db, 7);
    assert_int_equal(pthread_create(&opener, NULL, open_gate_when_closing, &closing), 0);
    if (ow_close(closing.db, WAIT_MS, &report, &err))
        fail_msg("%s", err.text);
    pthread_join(opener, NULL);
    pthread_join(backup, NULL);
    assert_int_equal(closing.code, OW_CLOSED);
    assert_true(report.checkpointed);
    assert_int_equal(count_files(dir, "copy"), 0);
    assert_int_equal(count_files(dir, "t.db-wal"), 0); /* its connection did close */
    assert_int_equal(read_int_outside(items_path(dir), "SELECT count(*) FROM item WHERE value=7"),
                     1);
    gate_fini(&closing.gate);
}

static void runs_two_backups_at_a_time(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct closing one = {.db = open_filled(dir, 3000), .to = test_path(dir, "one.db")};
    pthread_t thread;
    struct ow_err err;
    gate_init(&one.gate);
    assert_int_equal(pthread_create(&thread, NULL, run_backup, &one), 0);
    assert_true(gate_wait_arrived(&one.gate, 1));
    back_up(one.db, test_path(dir, "two.db"));
    assert_int_equal(ow_backup(one.db, one.to, NULL, NULL, WAIT_MS, &err), OW_CONFIG);
    write_item(one.db, 3);
    gate_open(&one.gate);
    pthread_join(thread, NULL);
    assert_int_equal(one.code, 0);
    assert_sound(one.to);
    assert_sound(test_path(dir, "two.db"));
    assert_int_equal(read_int_outside(one.to, "SELECT count(*) FROM item"), 1);
    assert_int_equal(read_int_outside(test_path(dir, "two.db"), "SELECT count(*) FROM item"), 0);
    close_items(one.db);
    gate_fini(&one.gate);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copies_the_database_with_its_rights),
        cmocka_unit_test(makes_a_copy_that_onewriter_goes_on_with),
        cmocka_unit_test(copies_what_was_acknowledged_while_it_is_written_to),
        cmocka_unit_test(ends_although_each_slice_makes_it_begin_anew),
        cmocka_unit_test(ends_although_jobs_are_rolled_back_between_its_slices),
        cmocka_unit_test(stops_when_it_is_told_to_and_leaves_the_old_copy),
        cmocka_unit_test(stops_when_time_is_up),
        cmocka_unit_test(refuses_places_that_will_not_do),
        cmocka_unit_test(never_takes_the_database_for_its_temporary_file),
        cmocka_unit_test(refuses_a_name_whose_log_somebody_has_written),
        cmocka_unit_test(replaces_what_a_crash_left_but_not_a_backup_under_way),
        cmocka_unit_test(closes_during_a_backup),
        cmocka_unit_test(runs_two_backups_at_a_time),
    };
    return cmocka_run_group_tests_name("backup", tests, NULL, NULL);
}
