/* kill -9 at any moment: a child writes from several threads and passes each acknowledgement on
 * through a pipe; whatever the parent has read before and after the kill must be in the file, once.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ow_support.h"

#define KILLS   24
#define THREADS 3
#define STEP    1000000 /* values of one thread in one round */

struct child {
    struct ow *db;
    int fd;
    int64_t first;
};

static void *write_and_tell(void *arg)
{
    struct child *c = arg;
    for (int64_t value = c->first; value < c->first + STEP; value++) {
        if (ow_write(c->db, OW_LANE_NORMAL, insert_item, &value, WAIT_MS, NULL))
            _exit(3);
        if (write(c->fd, &value, sizeof(value)) != sizeof(value))
            _exit(4);
    }
    return NULL;
}

static void run_child(const char *path, int fd, int round)
{
    struct ow_options options;
    struct child children[THREADS];
    pthread_t threads[THREADS];
    ow_options_init(&options, path);
    options.wal_soft_frames = 10; /* so that the kill also meets checkpoints */
    options.wal_hard_frames = 40;
    struct ow *db;
    if (ow_open(&options, &db, NULL))
        _exit(2);
    for (int i = 0; i < THREADS; i++) {
        children[i] = (struct child){db, fd, ((int64_t)round * THREADS + i) * STEP};
        if (thread_start(&threads[i], "writer", write_and_tell, &children[i], NULL))
            _exit(2);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    _exit(5); /* it was to be killed long before */
}

struct acks {
    int64_t *values;
    size_t count, size;
};

static bool read_ack(int fd, struct acks *acks)
{
    if (acks->count == acks->size) {
        acks->size = acks->size ? acks->size * 2 : 1024;
        acks->values = realloc(acks->values, acks->size * sizeof(acks->values[0]));
        assert_non_null(acks->values);
    }
    ssize_t n = read(fd, &acks->values[acks->count], sizeof(int64_t));
    assert_true(n == 0 || n == sizeof(int64_t));
    acks->count += n != 0;
    return n != 0;
}

static void write_until_killed(const char *path, int round, uint64_t acks_before, struct acks *acks)
{
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        close(fds[0]);
        run_child(path, fds[1], round);
    }
    close(fds[1]);
    for (uint64_t i = 0; i < acks_before; i++)
        assert_true(read_ack(fds[0], acks));
    kill(child, SIGKILL);
    while (read_ack(fds[0], acks))
        ;
    close(fds[0]);
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void check_acks(struct ow *db, const struct acks *acks)
{
    struct ow_conn *reader;
    sqlite3_stmt *stmt;
    size_t missing = 0;
    assert_int_equal(ow_reader_acquire(db,
                                       &(struct ow_read){.label = "check", .timeout_ms = WAIT_MS},
                                       &reader, NULL),
                     0);
    assert_int_equal(ow_prepare(reader, "SELECT 1 FROM item WHERE value = ?1", &stmt, NULL), 0);
    for (size_t i = 0; i < acks->count; i++) {
        sqlite3_bind_int64(stmt, 1, acks->values[i]);
        missing += sqlite3_step(stmt) != SQLITE_ROW;
        sqlite3_reset(stmt);
    }
    ow_reader_release(reader);
    assert_int_equal(missing, 0);
    assert_int_equal(read_int(db, "SELECT count(*) = count(DISTINCT value) FROM item"), 1);
    assert_int_equal(read_int(db, "SELECT integrity_check = 'ok' FROM pragma_integrity_check"), 1);
}

static void keeps_every_acknowledged_write_across_kills(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    CLEANUP(free_ptr) char *path = strdup(items_path(dir));
    struct test_random random = {7};
    struct acks acks = {0};
    int64_t seq = 0;
    close_items(open_items(dir, NULL));
    for (int round = 0; round < KILLS; round++) {
        write_until_killed(path, round, test_random_below(&random, 200), &acks);
        struct ow *db = open_items(dir, NULL);
        check_acks(db, &acks);
        assert_true(ow_commit_seq(db) >= seq);
        seq = ow_commit_seq(db);
        close_items(db);
    }
    assert_true(acks.count > KILLS);
    free(acks.values);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_every_acknowledged_write_across_kills),
    };
    return cmocka_run_group_tests_name("kill -9", tests, NULL, NULL);
}
