/* A disk that is really full: a tmpfs of 16 MB in a mount namespace of this process alone, and no
 * stand-in for the file system as in test_io.c. */
#include <fcntl.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "ow_support.h"

#define AUTHORS     8
#define DISK_BYTES  (16 << 20)
#define TAKEN_BYTES (8 << 20) /* by another file, until it is deleted */
#define ROW_BYTES   2000

static bool write_line(const char *path, const char *line)
{
    CLEANUP(close_fd) int fd = open(path, O_WRONLY | O_CLOEXEC);
    return fd >= 0 && write(fd, line, strlen(line)) == (ssize_t)strlen(line);
}

/* Root may mount in a namespace of mounts alone, others need one of users, too. */
static bool enter_namespace(void)
{
    char uid[40], gid[40];
    snprintf(uid, sizeof(uid), "0 %u 1", (unsigned)getuid());
    snprintf(gid, sizeof(gid), "0 %u 1", (unsigned)getgid());
    if (unshare(CLONE_NEWNS) == 0)
        return true;
    return unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 &&
           write_line("/proc/self/setgroups", "deny") && write_line("/proc/self/uid_map", uid) &&
           write_line("/proc/self/gid_map", gid);
}

static bool mount_disk(const char *dir)
{
    char options[40];
    snprintf(options, sizeof(options), "size=%d", DISK_BYTES);
    return enter_namespace() && mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("tmpfs", dir, "tmpfs", 0, options) == 0;
}

static void take_space(const char *dir)
{
    CLEANUP(free_ptr) char *bytes = calloc(1, TAKEN_BYTES);
    assert_non_null(bytes);
    test_file_write(test_path(dir, "taken"), bytes, TAKEN_BYTES);
}

struct author {
    struct ow *db;
    _Atomic bool *end;
    int64_t first_id, acknowledged;
    int rc;
};

static void *write_rows(void *arg)
{
    static const char bytes[ROW_BYTES];
    struct author *a = arg;
    while (!a->rc && !atomic_load(a->end)) {
        const struct ow_value values[] = {ow_int(a->first_id + a->acknowledged),
                                          ow_blob(bytes, sizeof(bytes))};
        a->rc = ow_write_row(a->db, OW_LANE_NORMAL, "INSERT INTO big(id, bytes) VALUES(?1, ?2)",
                             values, 2, WAIT_MS, NULL);
        a->acknowledged += !a->rc;
    }
    return NULL;
}

/* Every row of each author, up to the last acknowledged, and no other. */
static void check_rows(struct ow *db, const struct author *authors)
{
    int64_t sum = 0;
    for (int i = 0; i < AUTHORS; i++) {
        char sql[120];
        assert_int_equal(authors[i].rc, 0);
        snprintf(sql, sizeof(sql), "SELECT count(*) FROM big WHERE id BETWEEN %lld AND %lld",
                 (long long)authors[i].first_id,
                 (long long)(authors[i].first_id + authors[i].acknowledged - 1));
        assert_int_equal(read_int(db, sql), authors[i].acknowledged);
        sum += authors[i].acknowledged;
    }
    assert_int_equal(read_int(db, "SELECT count(*) FROM big"), sum);
    print_message("# %lld rows acknowledged, %lld there\n", (long long)sum, (long long)sum);
}

static void holds_on_a_full_disk_and_loses_nothing_acknowledged(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow_options options;
    struct events events;
    struct author authors[AUTHORS];
    pthread_t threads[AUTHORS];
    struct ow_metrics metrics;
    _Atomic bool end = false;
    if (!mount_disk(dir)) {
        print_message("# no right to mount: a full disk is not tried\n");
        skip();
    }
    take_space(dir);
    ow_options_init(&options, NULL);
    events_init(&events, &options);
    struct ow *db = open_items(dir, &options);
    assert_int_equal(ow_write_row(db, OW_LANE_NORMAL,
                                  "CREATE TABLE big(id INTEGER PRIMARY KEY, bytes)", NULL, 0,
                                  WAIT_MS, NULL),
                     0);
    for (int i = 0; i < AUTHORS; i++) {
        authors[i] = (struct author){.db = db, .end = &end, .first_id = 1 + i * 1000000};
        assert_int_equal(thread_start(&threads[i], "author", write_rows, &authors[i], NULL), 0);
    }
    bool held = events_wait(&events, OW_EVENT_HOLD, 1);
    int64_t readable = read_int(db, "SELECT count(*) FROM big");
    ow_metrics_read(db, &metrics);
    atomic_store(&end, true); /* each has one row waiting, and there will be space for those */
    int removed = unlink(test_path(dir, "taken"));
    for (int i = 0; i < AUTHORS; i++)
        pthread_join(threads[i], NULL);
    assert_true(held);
    assert_true(metrics.holding);
    assert_true(readable > 0);
    assert_int_equal(removed, 0);
    assert_true(events_wait(&events, OW_EVENT_RESUMED, 1));
    check_rows(db, authors);
    close_items(db);
    assert_int_equal(read_int_outside(items_path(dir),
                                      "SELECT count(*) FROM pragma_integrity_check "
                                      "WHERE integrity_check='ok'"),
                     1);
    events_fini(&events);
    assert_int_equal(umount2(dir, MNT_DETACH), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(holds_on_a_full_disk_and_loses_nothing_acknowledged),
    };
    return cmocka_run_group_tests_name("space", tests, NULL, NULL);
}
