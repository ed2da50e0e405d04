/* Many threads at once: what was acknowledged is there, once; readers never see half a group. */
#include <stdatomic.h>

#include "ow_support.h"

#define THREADS 8
#define WRITES  400

struct worker {
    struct ow *db;
    int number;
    int refused, failed; /* failed: other than the duplicates it provokes */
    int64_t acknowledged;
};

/* Every tenth value is written twice: the second time must be refused, alone. */
static void *write_many(void *arg)
{
    struct worker *w = arg;
    for (int i = 0; i < WRITES; i++) {
        int64_t value = (int64_t)w->number * WRITES + i;
        enum ow_lane lane = (enum ow_lane)(i % OW_LANES);
        int rc = ow_write(w->db, lane, insert_item, &value, WAIT_MS, NULL);
        w->acknowledged += rc == 0;
        w->failed += rc != 0;
        if (i % 10)
            continue;
        rc = ow_write(w->db, lane, insert_item, &value, WAIT_MS, NULL);
        w->refused += rc == OW_CALLER;
        w->failed += rc != OW_CALLER;
    }
    return NULL;
}

static void keeps_every_acknowledged_row_exactly_once(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow_options options;
    ow_options_init(&options, NULL);
    options.lane[OW_LANE_NORMAL].max_jobs = 3; /* so that threads also wait for places */
    options.wal_soft_frames = 20;
    options.wal_hard_frames = 60;
    struct ow *db = open_items(dir, &options);
    struct worker workers[THREADS];
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.db = db, .number = i};
        assert_int_equal(thread_start(&threads[i], "worker", write_many, &workers[i], NULL), 0);
    }
    int64_t acknowledged = 0;
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(workers[i].failed, 0);
        assert_int_equal(workers[i].refused, WRITES / 10);
        acknowledged += workers[i].acknowledged;
    }
    assert_int_equal(acknowledged, THREADS * WRITES);
    struct ow_metrics metrics;
    ow_metrics_read(db, &metrics);
    assert_int_equal(metrics.jobs_committed, acknowledged + 1); /* and the migration */
    assert_int_equal(metrics.jobs_failed, THREADS * WRITES / 10);
    assert_int_equal(metrics.jobs_submitted, metrics.jobs_committed + metrics.jobs_failed);
    close_items(db);
    assert_int_equal(read_int_outside(items_path(dir),
                                      "SELECT count(*) = 3200 AND count(DISTINCT value) = 3200 "
                                      "AND min(value) = 0 AND max(value) = 3199 FROM item"),
                     1);
}

struct reading {
    struct ow *db;
    _Atomic bool *stop;
    int torn, failed;
    int64_t reads;
};

/* Each job inserts a pair, so that a reader must always count an even number. */
static int insert_pair(struct ow_conn *conn, void *ctx, struct ow_err *err)
{
    int64_t value = *(int64_t *)ctx * 2;
    int rc = insert_item(conn, &value, err);
    value++;
    return rc ? rc : insert_item(conn, &value, err);
}

static void *write_pairs(void *arg)
{
    struct worker *w = arg;
    for (int i = 0; i < WRITES; i++) {
        int64_t pair = (int64_t)w->number * WRITES + i;
        int rc = ow_write(w->db, OW_LANE_NORMAL, insert_pair, &pair, WAIT_MS, NULL);
        w->failed += rc != 0;
    }
    return NULL;
}

static void *read_on(void *arg)
{
    struct reading *r = arg;
    int64_t last = 0;
    while (!atomic_load(r->stop)) {
        int64_t count = read_int(r->db, "SELECT count(*) FROM item");
        r->failed += count < 0;
        r->torn += count % 2 != 0 || count < last;
        last = count;
        r->reads++;
    }
    return NULL;
}

static void never_shows_readers_half_a_job_or_an_older_state(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow_options options;
    ow_options_init(&options, NULL);
    options.readers = 2;
    options.wal_soft_frames = 10;
    options.wal_hard_frames = 40;
    struct ow *db = open_items(dir, &options);
    _Atomic bool stop = false;
    struct worker workers[4];
    struct reading readings[4];
    pthread_t writers[4], readers[4];
    for (int i = 0; i < 4; i++) {
        workers[i] = (struct worker){.db = db, .number = i};
        readings[i] = (struct reading){.db = db, .stop = &stop};
        assert_int_equal(thread_start(&readers[i], "reader", read_on, &readings[i], NULL), 0);
        assert_int_equal(thread_start(&writers[i], "writer", write_pairs, &workers[i], NULL), 0);
    }
    for (int i = 0; i < 4; i++)
        pthread_join(writers[i], NULL);
    atomic_store(&stop, true);
    for (int i = 0; i < 4; i++) {
        pthread_join(readers[i], NULL);
        assert_int_equal(workers[i].failed, 0);
        assert_int_equal(readings[i].failed, 0);
        assert_int_equal(readings[i].torn, 0);
        assert_true(readings[i].reads > 0);
    }
    assert_int_equal(read_int(db, "SELECT count(*) FROM item"), 4 * WRITES * 2);
    close_items(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_every_acknowledged_row_exactly_once),
        cmocka_unit_test(never_shows_readers_half_a_job_or_an_older_state),
    };
    return cmocka_run_group_tests_name("threads", tests, NULL, NULL);
}
