/* Snapshots are taken back from readers in the middle of their work, by the writer and by the
 * watcher, while the log is overwritten under them: what a reader returns is one commit's state, or
 * it is refused. The state: accounts whose sum is zero after every commit. */
#include <stdatomic.h>
#include <stdlib.h>

#include "onewriter/conn.h"
#include "ow_support.h"

#define ACCOUNTS  2000
#define TRANSFERS 1500
#define READERS   3

struct bank {
    struct ow *db;
    _Atomic bool stop;
};

struct tally {
    struct bank *bank;
    uint64_t sums, refused, wrong;
};

/* Job: ACCOUNTS rows of some 200 bytes, so that a sum reads a hundred pages. */
static int create(struct ow_conn *conn, void *ctx, struct ow_err *err)
{
    (void)ctx;
    return ow_exec(conn,
                   "CREATE TABLE account(id INTEGER PRIMARY KEY, balance INTEGER, pad BLOB);"
                   "INSERT INTO account WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1"
                   " FROM n WHERE i < 2000) SELECT i, 0, zeroblob(200) FROM n",
                   err);
}

/* Job: moves one from an account to another. */
static int transfer(struct ow_conn *conn, void *ctx, struct ow_err *err)
{
    unsigned *seed = ctx;
    sqlite3_stmt *stmt;
    int rc =
        ow_prepare(conn, "UPDATE account SET balance = balance + ?1 WHERE id = ?2", &stmt, err);
    for (int i = -1; !rc && i <= 1; i += 2) {
        sqlite3_bind_int(stmt, 1, i);
        sqlite3_bind_int(stmt, 2, 1 + rand_r(seed) % ACCOUNTS);
        if (sqlite3_step(stmt) != SQLITE_DONE)
            rc = ow_conn_fail(conn, "moving", err);
        sqlite3_reset(stmt);
    }
    return rc;
}

static void count_outcome(struct tally *tally, int rc, int64_t sum)
{
    if (rc == OW_TIMEOUT)
        tally->refused++;
    else if (rc || sum != 0)
        tally->wrong++;
    else
        tally->sums++;
}

/* Two sums in one transaction: the second meets what the first left in the cache. */
static void read_twice(struct tally *tally, struct ow_conn *reader)
{
    static const char *const sums[] = {
        "SELECT sum(balance) FROM account",
        "SELECT sum(balance) FROM (SELECT balance FROM account ORDER BY id DESC)"};
    struct ow_err err;
    if (ow_exec(reader, "BEGIN", &err))
        tally->wrong++;
    for (int i = 0; i < 2; i++) {
        int64_t sum = 0;
        count_outcome(tally, ow_conn_read_int(reader, sums[i], &sum, &err), sum);
    }
    if (ow_exec(reader, "ROLLBACK", &err))
        tally->wrong++;
}

static void *read_sums(void *arg)
{
    struct tally *tally = arg;
    while (!atomic_load(&tally->bank->stop)) {
        struct ow_conn *reader;
        const struct ow_read how = {.label = "sum", .timeout_ms = WAIT_MS};
        if (ow_reader_acquire(tally->bank->db, &how, &reader, NULL)) {
            tally->wrong++;
            break;
        }
        read_twice(tally, reader);
        ow_reader_release(reader);
    }
    return NULL;
}

static struct ow *open_bank(const char *dir, int gate_ms, int max_ms)
{
    struct ow_options options;
    ow_options_init(&options, NULL);
    options.synchronous_full = false;
    options.cache_bytes = 1 << 20; /* readers have room for a part of the table */
    options.readers = READERS;
    options.wal_soft_frames = 10;
    options.wal_hard_frames = 30;
    options.gate_ms = gate_ms;
    options.snapshot_warn_ms = 1;
    options.snapshot_max_ms = max_ms;
    struct ow *db = open_items(dir, &options);
    struct ow_err err;
    if (ow_write(db, OW_LANE_NORMAL, create, NULL, WAIT_MS, &err))
        fail_msg("%s", err.text);
    return db;
}

static void run_bank(int gate_ms, int max_ms)
{
    CLEANUP(test_dir_cleanup) char *dir = test_dir_make();
    struct bank bank = {.db = open_bank(dir, gate_ms, max_ms)};
    struct tally tally[READERS], all = {0};
    struct ow_metrics metrics;
    pthread_t threads[READERS];
    struct err err;
    struct ow_err why;
    unsigned seed = 1;
    for (int i = 0; i < READERS; i++) {
        tally[i] = (struct tally){.bank = &bank};
        assert_int_equal(thread_start(&threads[i], "reader", read_sums, &tally[i], &err), 0);
    }
    int64_t most = 0;
    for (int i = 0; i < TRANSFERS; i++) {
        if (ow_write(bank.db, OW_LANE_NORMAL, transfer, &seed, WAIT_MS, &why))
            fail_msg("%s", why.text);
        ow_metrics_read(bank.db, &metrics);
        most = metrics.wal_frames > most && i ? metrics.wal_frames : most;
    }
    atomic_store(&bank.stop, true);
    for (int i = 0; i < READERS; i++) {
        pthread_join(threads[i], NULL);
        all.sums += tally[i].sums;
        all.refused += tally[i].refused;
        all.wrong += tally[i].wrong;
    }
    ow_metrics_read(bank.db, &metrics);
    print_message("# %llu sums, %llu refused, %llu snapshots taken back, %lld frames at most\n",
                  (unsigned long long)all.sums, (unsigned long long)all.refused,
                  (unsigned long long)metrics.snapshots_taken, (long long)most);
    assert_int_equal(all.wrong, 0);
    assert_true(all.sums > 0);
    assert_true(metrics.snapshots_taken >= 1);
    assert_in_range(most, 0, 40); /* the hard limit and one group */
    close_items(bank.db);
    assert_int_equal(read_int_outside(items_path(dir), "SELECT sum(balance) FROM account"), 0);
}

static void shows_one_commit_or_refuses_while_the_writer_takes_snapshots_back(void **state)
{
    (void)state;
    run_bank(0, 0);
}

static void shows_one_commit_or_refuses_while_the_watcher_takes_them_back_too(void **state)
{
    (void)state;
    run_bank(1, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shows_one_commit_or_refuses_while_the_writer_takes_snapshots_back),
        cmocka_unit_test(shows_one_commit_or_refuses_while_the_watcher_takes_them_back_too),
    };
    return cmocka_run_group_tests_name("snapshots", tests, NULL, NULL);
}
