/* A node and a log rotation that do whatever they like, and a tail that is stopped, crashed and
 * started at any point: in the end every line arrived once. The seed is printed; INGEST_SEED
 * replays it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "base/clock.h"
#include "fake_sink.h"
#include "ingest/tail.h"

#define STEPS   300
#define SEEDS   2
#define LOG_MAX 5 /* node.log.1 .. node.log.5 */

struct model {
    struct fake_sink sink;
    struct tail *tail;
    char *dir, *log;
    struct test_random random;
    int fd;           /* the node's */
    uint32_t written; /* lines, the last perhaps in part */
    char *torn;       /* rest of a line of which a part is written; lent from torn_text */
    char *torn_text;
};

static char *rotated(struct model *m, int n, const char *suffix)
{
    char name[64];
    snprintf(name, sizeof(name), "node.log.%d%s", n, suffix);
    return (char *)(uintptr_t)test_path(m->dir, name);
}

static void open_log(struct model *m)
{
    if (m->fd >= 0)
        close(m->fd);
    m->fd = open(m->log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    assert_true(m->fd >= 0);
}

static void put(struct model *m, const char *bytes, size_t len)
{
    assert_int_equal(write(m->fd, bytes, len), len);
}

static void finish_line(struct model *m)
{
    if (!m->torn_text)
        return;
    put(m, m->torn, strlen(m->torn));
    free(m->torn_text);
    m->torn_text = NULL;
}

static void append(struct model *m)
{
    finish_line(m);
    uint32_t more = 1 + (uint32_t)test_random_below(&m->random, 200);
    size_t len;
    char *text = make_lines(m->written, m->written + more, &len);
    put(m, text, len);
    free(text);
    m->written += more;
}

static void append_part_of_a_line(struct model *m)
{
    finish_line(m);
    size_t len;
    m->torn_text = make_lines(m->written, m->written + 1, &len);
    m->written++;
    size_t part = 1 + test_random_below(&m->random, len - 1);
    put(m, m->torn_text, part);
    m->torn = m->torn_text + part;
}

static void start(struct model *m)
{
    struct err err = {0};
    struct tail_node node = {7, "one", m->log};
    if (!m->tail)
        assert_int_equal(tail_start(&m->sink.sink, NULL, &node, 1, &m->tail, &err), 0);
}

static void stop(struct model *m)
{
    struct err err = {0};
    assert_int_equal(tail_stop(m->tail, 20000, &err), 0);
    m->tail = NULL;
    fake_restart(&m->sink);
}

static void crash(struct model *m)
{
    mutex_lock(&m->sink.lock);
    m->sink.commits_left = (int)test_random_below(&m->random, 3);
    mutex_unlock(&m->sink.lock);
    append(m);
    stop(m);
}

static void fail_for_a_while(struct model *m)
{
    LOCK(&m->sink.lock);
    m->sink.fail_submits = (int)test_random_below(&m->random, 2);
    m->sink.fail_waits = (int)test_random_below(&m->random, 2);
    m->sink.fail_adds = (int)test_random_below(&m->random, 2);
}

/* Waits until all was read; the node's last line is finished for that. */
static void drain(struct model *m)
{
    finish_line(m);
    start(m);
    fake_wait_rows(&m->sink, m->written);
}

static void pack(struct model *m, int n)
{
    size_t len;
    char *plain = rotated(m, n, "");
    if (access(plain, F_OK) != 0)
        return;
    char *text = test_file_read(plain, &len);
    gzFile gz = gzopen(rotated(m, n, ".gz"), "wb");
    if (len)
        assert_int_equal(gzwrite(gz, text, (unsigned)len), len);
    gzclose(gz);
    free(text);
    unlink(plain);
}

/* Moves every rotated file one further; the oldest is deleted. */
static void shift(struct model *m)
{
    if (access(rotated(m, LOG_MAX, ""), F_OK) == 0 || access(rotated(m, LOG_MAX, ".gz"), F_OK) == 0)
        drain(m);
    unlink(rotated(m, LOG_MAX, ""));
    unlink(rotated(m, LOG_MAX, ".gz"));
    for (int n = LOG_MAX - 1; n > 0; n--) {
        rename(rotated(m, n, ""), rotated(m, n + 1, ""));
        rename(rotated(m, n, ".gz"), rotated(m, n + 1, ".gz"));
    }
}

static void rotate_by_rename(struct model *m)
{
    shift(m);
    rename(m->log, rotated(m, 1, ""));
    if (test_random_below(&m->random, 2))
        append(m); /* still to the renamed file */
    finish_line(m);
    open_log(m);
}

static void rotate_by_copy(struct model *m)
{
    size_t len;
    finish_line(m);
    shift(m);
    char *text = test_file_read(m->log, &len);
    size_t half = test_random_below(&m->random, len + 1);
    test_file_write(rotated(m, 1, ""), text, half);
    test_file_append(rotated(m, 1, ""), text + half, len - half);
    free(text);
    assert_int_equal(ftruncate(m->fd, 0), 0);
}

static void delete_log(struct model *m)
{
    drain(m);
    unlink(m->log);
    open_log(m);
}

static void truncate_log(struct model *m)
{
    drain(m);
    assert_int_equal(ftruncate(m->fd, 0), 0);
}

static void step(struct model *m)
{
    switch (test_random_below(&m->random, 16)) {
    case 0:
        rotate_by_rename(m);
        break;
    case 1:
        rotate_by_copy(m);
        break;
    case 2:
        delete_log(m);
        break;
    case 3:
        truncate_log(m);
        break;
    case 4:
        if (m->tail)
            crash(m);
        break;
    case 5:
        if (m->tail)
            stop(m);
        break;
    case 6:
    case 7:
        start(m);
        break;
    case 8:
        fail_for_a_while(m);
        break;
    case 9:
        /* Only a file the node does not write to any more is packed. */
        pack(m, 2);
        break;
    case 10:
        append_part_of_a_line(m);
        break;
    default:
        append(m);
    }
}

static void run_seed(uint64_t seed)
{
    struct model m = {.random = {seed}, .fd = -1, .dir = test_dir_make()};
    print_message("# seed %llu\n", (unsigned long long)seed);
    m.log = strdup(test_path(m.dir, "node.log"));
    fake_init(&m.sink);
    open_log(&m);
    for (int i = 0; i < STEPS; i++)
        step(&m);
    drain(&m);
    stop(&m);
    start(&m); /* reads everything again and finds nothing new */
    append(&m);
    drain(&m);
    stop(&m);
    fake_expect_once(&m.sink, 0, m.written, m.written);
    assert_int_equal(m.sink.unparsed, 0);
    close(m.fd);
    fake_fini(&m.sink);
    free(m.log);
    test_dir_cleanup(&m.dir);
}

static void every_line_arrives_once_whatever_happens(void **state)
{
    (void)state;
    const char *given = getenv("INGEST_SEED");
    if (given) {
        run_seed(strtoull(given, NULL, 10));
        return;
    }
    uint64_t base = (uint64_t)clock_unix_ms();
    for (uint64_t i = 0; i < SEEDS; i++)
        run_seed(base * 16 + i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_line_arrives_once_whatever_happens)};
    return cmocka_run_group_tests_name("tail model", tests, NULL, NULL);
}
