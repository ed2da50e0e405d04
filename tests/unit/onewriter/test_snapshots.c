/* Snapshots: several readers see one commit, whatever is written meanwhile. */
#include <string.h>

#include "base/clock.h"
#include "onewriter/database.h"
#include "onewriter/number.h"
#include "onewriter/snapshot.h"
#include "ow_support.h"

#define MEMBERS 4

static const struct ow_read how = {.label = "export", .timeout_ms = WAIT_MS};

static struct ow *open_with_readers(const char *dir, int readers)
{
    struct ow_options options;
    ow_options_init(&options, NULL);
    options.readers = readers;
    return open_items(dir, &options);
}

struct author {
    struct ow *db;
    _Atomic bool end;
    int64_t next;
    int rc;
};

static void *write_on(void *arg)
{
    struct author *a = arg;
    while (!a->rc && !atomic_load(&a->end)) {
        a->rc = ow_write(a->db, OW_LANE_NORMAL, insert_item, &a->next, WAIT_MS, NULL);
        a->next++;
    }
    return NULL;
}

/* 0 when all members see the same commit and the same rows. The number that is stored may lag
 * behind (number.h). */
static int look(struct ow_conn **conns, int count, int64_t seq)
{
    int64_t first_seen = -1, first_items = -1;
    for (int i = 0; i < count; i++) {
        int64_t seen = -1, items = -1;
        if (ow_get_int(conns[i], "SELECT seq FROM ow_commit", NULL, 0, &seen, NULL) ||
            ow_get_int(conns[i], "SELECT count(*) FROM item", NULL, 0, &items, NULL))
            return 1;
        first_seen = i ? first_seen : seen;
        first_items = i ? first_items : items;
        if (seen != first_seen || seen > seq || seq - seen > OW_NUMBER_GAP || items != first_items)
            return 2;
    }
    return 0;
}

static void check_under_writers(struct ow *writing, struct ow *reading, int rounds)
{
    struct author authors[3];
    pthread_t threads[3];
    int wrong = 0;
    int64_t last_seq = 0;
    for (int i = 0; i < 3; i++) {
        authors[i] = (struct author){.db = writing, .next = i * 1000000};
        assert_int_equal(thread_start(&threads[i], "author", write_on, &authors[i], NULL), 0);
    }
    for (int i = 0; i < rounds && !wrong; i++) {
        struct ow_conn *conns[MEMBERS];
        int64_t seq = -1;
        wrong = ow_snapshot_acquire(reading, &how, conns, MEMBERS, &seq, NULL);
        if (wrong)
            break;
        wrong = look(conns, MEMBERS, seq) || seq < last_seq;
        last_seq = seq;
        for (int j = 0; j < MEMBERS; j++)
            wrong |= ow_reader_release(conns[j]);
    }
    for (int i = 0; i < 3; i++) {
        atomic_store(&authors[i].end, true);
        pthread_join(threads[i], NULL);
        assert_int_equal(authors[i].rc, 0);
    }
    assert_int_equal(wrong, 0);
}

static void sees_one_commit_on_all_readers_while_others_write(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_with_readers(dir, 5);
    check_under_writers(db, db, 200);
    close_items(db);
}

static void sees_one_commit_on_all_readers_of_a_handle_that_only_reads(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_with_readers(dir, 2), *looking;
    struct ow_options options;
    ow_options_init(&options, items_path(dir));
    options.read_only = true;
    assert_int_equal(ow_open(&options, &looking, NULL), 0);
    check_under_writers(db, looking, 100);
    assert_int_equal(ow_close(looking, WAIT_MS, NULL, NULL), 0);
    close_items(db);
}

static struct ow_snapshot borrow(struct ow *db, struct ow_conn **conns, int count)
{
    const struct ow_wish wish = {.how = &how,
                                 .count = count,
                                 .shared = true,
                                 .since_us = clock_monotonic_us(),
                                 .deadline_us = ow_deadline_after(WAIT_MS)};
    assert_int_equal(ow_pool_acquire(&db->pool, &wish, conns, NULL), 0);
    return (struct ow_snapshot){.conns = conns, .count = count, .seq = -1};
}

static void give_back(struct ow_conn **conns, int count)
{
    for (int i = 0; i < count; i++)
        assert_int_equal(ow_reader_release(conns[i]), 0);
}

static void begins_under_the_writers_lock(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_with_readers(dir, MEMBERS);
    struct ow_conn *conns[MEMBERS];
    struct ow_snapshot snapshot = borrow(db, conns, MEMBERS);
    assert_int_equal(ow_exec(conns[1], "BEGIN", NULL), 0); /* as after an earlier try */
    assert_int_equal(ow_flush(db, OW_LANE_NORMAL, WAIT_MS, NULL), 0);
    int64_t before = ow_commit_seq(db);
    assert_int_equal(ow_snapshot_by_writer(db, &snapshot, ow_deadline_after(WAIT_MS), NULL), 0);
    assert_int_equal(snapshot.seq, before);
    write_item(db, 1);
    assert_int_equal(look(conns, MEMBERS, before), 0);
    give_back(conns, MEMBERS);
    close_items(db);
}

/* What the try relies on: a commit during a transaction shows in the reader's data_version. */
static void notices_a_commit_by_the_data_version(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_with_readers(dir, 2);
    struct ow_conn *conns[2];
    assert_int_equal(ow_flush(db, OW_LANE_NORMAL, WAIT_MS, NULL), 0);
    struct ow_snapshot snapshot = borrow(db, conns, 2);
    bool equal = false;
    assert_int_equal(ow_snapshot_try(&snapshot, &equal, NULL), 0);
    assert_true(equal);
    int64_t first = 0, second = 0;
    assert_int_equal(ow_get_int(conns[1], "PRAGMA data_version", NULL, 0, &first, NULL), 0);
    write_item(db, 1);
    assert_int_equal(look(conns, 2, snapshot.seq), 0);
    assert_int_equal(ow_exec(conns[1], "ROLLBACK", NULL), 0);
    assert_int_equal(ow_get_int(conns[1], "PRAGMA data_version", NULL, 0, &second, NULL), 0);
    assert_int_not_equal(first, second);
    assert_int_equal(ow_snapshot_try(&snapshot, &equal, NULL), 0);
    assert_true(equal);
    give_back(conns, 2);
    close_items(db);
}

struct helper {
    struct ow_conn *conn;
    int64_t items;
    int rc;
};

static void *count_and_release(void *arg)
{
    struct helper *h = arg;
    h->rc = ow_get_int(h->conn, "SELECT count(*) FROM item", NULL, 0, &h->items, NULL);
    h->rc |= ow_reader_release(h->conn);
    return NULL;
}

static void lets_other_threads_use_and_release_the_members(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_with_readers(dir, MEMBERS);
    struct ow_conn *conns[MEMBERS];
    struct helper helpers[MEMBERS];
    pthread_t threads[MEMBERS];
    write_item(db, 1);
    assert_int_equal(ow_snapshot_acquire(db, &how, conns, MEMBERS, NULL, NULL), 0);
    write_item(db, 2);
    for (int i = 0; i < MEMBERS; i++) {
        helpers[i] = (struct helper){.conn = conns[i], .rc = -1};
        assert_int_equal(thread_start(&threads[i], "helper", count_and_release, &helpers[i], NULL),
                         0);
    }
    for (int i = 0; i < MEMBERS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < MEMBERS; i++) {
        assert_int_equal(helpers[i].rc, 0);
        assert_int_equal(helpers[i].items, 1);
        assert_int_equal(ow_reader_release(conns[i]), OW_BUG);
    }
    close_items(db);
}

struct taker {
    struct ow *db;
    int rc;
};

static void *take_again_and_again(void *arg)
{
    struct taker *t = arg;
    for (int i = 0; i < 100 && !t->rc; i++) {
        struct ow_conn *conns[3];
        t->rc = ow_snapshot_acquire(t->db, &how, conns, 3, NULL, NULL);
        for (int j = 0; j < 3 && !t->rc; j++)
            t->rc = ow_reader_release(conns[j]);
    }
    return NULL;
}

static void never_waits_for_half_of_what_another_snapshot_holds(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct taker takers[4];
    pthread_t threads[4];
    struct ow *db = open_with_readers(dir, 4);
    for (int i = 0; i < 4; i++) {
        takers[i] = (struct taker){.db = db};
        assert_int_equal(thread_start(&threads[i], "taker", take_again_and_again, &takers[i], NULL),
                         0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(takers[i].rc, 0);
    }
    close_items(db);
}

static void serves_those_behind_when_the_first_in_line_gives_up(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_with_readers(dir, 2);
    struct ow_conn *held, *two[2], *one;
    assert_int_equal(ow_snapshot_acquire(db, &how, &held, 1, NULL, NULL), 0);
    const struct ow_read soon = {.label = "two", .timeout_ms = 5};
    assert_int_equal(ow_snapshot_acquire(db, &soon, two, 2, NULL, NULL), OW_TIMEOUT);
    assert_null(two[0]);
    assert_int_equal(ow_reader_acquire(db, &how, &one, NULL), 0);
    ow_reader_release(one);
    ow_reader_release(held);
    close_items(db);
}

static void *take_two(void *arg)
{
    struct taker *t = arg;
    struct ow_conn *conns[2];
    t->rc = ow_snapshot_acquire(t->db, &how, conns, 2, NULL, NULL);
    for (int i = 0; i < 2 && !t->rc; i++)
        t->rc = ow_reader_release(conns[i]);
    return NULL;
}

/* The first in line waits for what this thread holds. */
static void lets_a_holder_pass_who_waits_for_it(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct taker taker = {.db = open_with_readers(dir, 2)};
    struct ow_conn *first, *second;
    struct ow_metrics metrics;
    pthread_t thread;
    assert_int_equal(ow_reader_acquire(taker.db, &how, &first, NULL), 0);
    assert_int_equal(thread_start(&thread, "taker", take_two, &taker, NULL), 0);
    do {
        sched_yield();
        ow_metrics_read(taker.db, &metrics);
    } while (!metrics.readers_waited_for);
    assert_int_equal(ow_reader_acquire(taker.db, &how, &second, NULL), 0);
    ow_reader_release(second);
    ow_reader_release(first);
    pthread_join(thread, NULL);
    assert_int_equal(taker.rc, 0);
    close_items(taker.db);
}

static void refuses_what_can_never_be_lent(void **state)
{
    (void)state;
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct ow *db = open_with_readers(dir, 2);
    struct ow_conn *conns[3];
    struct ow_err err = {0};
    assert_int_equal(ow_snapshot_acquire(db, &how, conns, 3, NULL, &err), OW_CONFIG);
    assert_non_null(strstr(err.text, "3"));
    assert_int_equal(ow_snapshot_acquire(db, &how, conns, 0, NULL, NULL), OW_BUG);
    close_items(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sees_one_commit_on_all_readers_while_others_write),
        cmocka_unit_test(sees_one_commit_on_all_readers_of_a_handle_that_only_reads),
        cmocka_unit_test(begins_under_the_writers_lock),
        cmocka_unit_test(notices_a_commit_by_the_data_version),
        cmocka_unit_test(lets_other_threads_use_and_release_the_members),
        cmocka_unit_test(never_waits_for_half_of_what_another_snapshot_holds),
        cmocka_unit_test(serves_those_behind_when_the_first_in_line_gives_up),
        cmocka_unit_test(lets_a_holder_pass_who_waits_for_it),
        cmocka_unit_test(refuses_what_can_never_be_lent),
    };
    return cmocka_run_group_tests_name("snapshots", tests, NULL, NULL);
}
