/* One batch, one transaction: rows, rollups and counters agree; a stale one changes nothing. */
#include "store_support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#include "base/cleanup.h"
#include "base/histogram.h"

#define NOON INT64_C(1787227200000) /* 2026-08-20T12:00:00Z */
#define HOUR (3600 * 1000)

/* What one row of a rollup must hold, from all remembered lines. */
struct sum {
    uint64_t count, bytes;
    struct histogram sizes, durations;
};

struct key {
    int64_t at_unix_s, node_id, step_s;
    const char *satellite;
    int action, outcome;
};

static struct sum sum_lines(const struct model *m, const struct key *key)
{
    struct sum sum = {0};
    for (size_t i = 0; i < m->count; i++) {
        const struct remembered *l = &m->lines[i];
        if (l->kind != EVENT_TRANSFER || l->node_id != key->node_id ||
            (int)l->action != key->action || (int)l->outcome != key->outcome ||
            step_begin_s(l->at_unix_ms, key->step_s) != key->at_unix_s ||
            strcmp(l->satellite, key->satellite) != 0)
            continue;
        sum.count++;
        if (l->size_bytes != EVENT_NO_NUMBER) {
            sum.bytes += (uint64_t)l->size_bytes;
            histogram_add(&sum.sizes, l->size_bytes);
        }
        if (l->duration_ms != EVENT_NO_NUMBER)
            histogram_add(&sum.durations, l->duration_ms);
    }
    return sum;
}

static void assert_histogram(sqlite3_stmt *stmt, int column, const struct histogram *expected)
{
    struct histogram stored = {0};
    assert_true(histogram_merge_encoded(&stored, sqlite3_column_blob(stmt, column),
                                        (size_t)sqlite3_column_bytes(stmt, column)));
    assert_memory_equal(&stored, expected, sizeof(stored));
}

static void assert_rollup(const struct world *w, const struct model *m, const char *table,
                          int64_t step_s)
{
    sqlite3 *db;
    sqlite3_stmt *stmt;
    char sql[256];
    snprintf(sql, sizeof(sql),
             "SELECT at_unix_s, node_id, key, action, outcome, count, bytes, size_histogram,"
             " duration_histogram FROM %s JOIN satellite ON satellite.id = satellite_id",
             table);
    assert_int_equal(sqlite3_open_v2(world_path(w), &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
    uint64_t counted = 0, transfers = 0;
    while (sqlite3_step(stmt) == SQLITE_ROW) {
        struct key key = {sqlite3_column_int64(stmt, 0),
                          sqlite3_column_int64(stmt, 1),
                          step_s,
                          (const char *)sqlite3_column_text(stmt, 2),
                          sqlite3_column_int(stmt, 3),
                          sqlite3_column_int(stmt, 4)};
        struct sum sum = sum_lines(m, &key);
        assert_int_equal(sqlite3_column_int64(stmt, 5), sum.count);
        assert_int_equal(sqlite3_column_int64(stmt, 6), sum.bytes);
        assert_histogram(stmt, 7, &sum.sizes);
        assert_histogram(stmt, 8, &sum.durations);
        counted += sum.count;
    }
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    for (size_t i = 0; i < m->count; i++)
        transfers += m->lines[i].kind == EVENT_TRANSFER;
    assert_int_equal(counted, transfers);
}

/* Random batches of two nodes over `hours`, in several commits. */
static void fill(struct world *w, struct model *m, struct test_random *r, int64_t from_ms,
                 int64_t hours)
{
    struct feeder feeders[2];
    feeder_init(&feeders[0], w, world_node(w, "home"), "a");
    feeder_init(&feeders[1], w, world_node(w, "away"), "b");
    for (int batch = 0; batch < 8; batch++) {
        struct feeder *f = &feeders[batch % 2];
        size_t lines = 1 + test_random_below(r, 200);
        int64_t near = from_ms + (int64_t)test_random_below(r, (uint64_t)(hours * HOUR));
        for (size_t i = 0; i < lines && !batch_is_full(&f->batch); i++)
            model_add_random(m, f, r, near, HOUR);
        feeder_must_commit(f, w);
    }
    feeder_fini(&feeders[0]);
    feeder_fini(&feeders[1]);
}

static void check_sums(int64_t from_ms, uint64_t seed)
{
    struct world w;
    CLEANUP(model_fini) struct model m = {0};
    struct test_random r = {seed};
    world_init(&w);
    fill(&w, &m, &r, from_ms, 50);
    assert_rollup(&w, &m, "rollup_minute", 60);
    assert_rollup(&w, &m, "rollup_hour", 3600);
    assert_rollup(&w, &m, "rollup_day", 86400);
    world_fini(&w);
}

static void rollups_are_the_sums_of_the_rows(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 5; seed++)
        check_sums(NOON, seed);
}

static void rollups_are_the_sums_of_the_rows_around_1970(void **state)
{
    (void)state;
    check_sums(-25 * HOUR, 77);
}

static void line_counts_agree_in_minutes_and_hours(void **state)
{
    (void)state;
    const int64_t starts[] = {NOON, -25 * HOUR};
    for (size_t s = 0; s < ARRAY_LEN(starts); s++) {
        struct world w;
        CLEANUP(model_fini) struct model m = {0};
        struct test_random r = {9};
        world_init(&w);
        fill(&w, &m, &r, starts[s], 50);
        assert_int_equal(world_number(&w, "SELECT sum(count) FROM line_minute"), m.count);
        assert_int_equal(world_number(&w, "SELECT sum(count) FROM line_hour"), m.count);
        for (size_t i = 0; i < m.count; i += 17) {
            const struct remembered *l = &m.lines[i];
            int64_t hour = step_begin_s(l->at_unix_ms, 3600);
            int64_t same = 0;
            for (size_t k = 0; k < m.count; k++)
                same += m.lines[k].node_id == l->node_id && m.lines[k].kind == l->kind &&
                        m.lines[k].level == l->level &&
                        step_begin_s(m.lines[k].at_unix_ms, 3600) == hour;
            char sql[200];
            snprintf(sql, sizeof(sql),
                     "SELECT sum(count) FROM line_hour WHERE at_unix_s = %lld AND node_id = %lld"
                     " AND kind = %d AND level = %d",
                     (long long)hour, (long long)l->node_id, (int)l->kind, (int)l->level);
            assert_int_equal(world_number(&w, sql), same);
        }
        world_fini(&w);
    }
}

static void counters_of_a_node_are_those_of_its_batches(void **state)
{
    (void)state;
    struct world w;
    CLEANUP(model_fini) struct model m = {0};
    struct test_random r = {5};
    world_init(&w);
    fill(&w, &m, &r, NOON, 3);
    struct store_node *nodes;
    size_t count;
    struct err err;
    assert_int_equal(store_nodes(w.store, &nodes, &count, &err), 0);
    assert_int_equal(count, 2);
    for (size_t n = 0; n < count; n++) {
        uint64_t lines = 0, transfers = 0, twins = 0, unparsed = 0;
        int64_t last = EVENT_NO_TIME;
        for (size_t i = 0; i < m.count; i++) {
            if (m.lines[i].node_id != nodes[n].id)
                continue;
            lines++;
            transfers += m.lines[i].kind == EVENT_TRANSFER;
            twins += m.lines[i].kind == EVENT_TRANSFER_TWIN;
            unparsed += m.lines[i].kind == EVENT_UNPARSED;
            last = m.lines[i].at_unix_ms > last ? m.lines[i].at_unix_ms : last;
        }
        assert_int_equal(nodes[n].lines, lines);
        assert_int_equal(nodes[n].transfers, transfers);
        assert_int_equal(nodes[n].twins, twins);
        assert_int_equal(nodes[n].unparsed, unparsed);
        assert_int_equal(nodes[n].last_event_unix_ms, last);
    }
    store_nodes_free(nodes, count);
    world_fini(&w);
}

static void a_stale_offset_changes_no_table(void **state)
{
    (void)state;
    struct world w;
    CLEANUP(model_fini) struct model m = {0};
    struct test_random r = {6};
    world_init(&w);
    struct feeder f;
    feeder_init(&f, &w, world_node(&w, "home"), "a");
    for (int i = 0; i < 100; i++)
        model_add_random(&m, &f, &r, NOON, HOUR);
    feeder_must_commit(&f, &w);
    CLEANUP(free_ptr) char *before = world_digest(&w);
    const int64_t wrong[] = {0, f.offset - 1, f.offset + 1};
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        f.batch.source.offset = wrong[i];
        struct event e = a_transfer(NOON + 5 * HOUR, ACTION_GET, OUTCOME_COMPLETED, 1);
        e.satellite = words("a satellite of its own");
        feeder_add(&f, &e);
        struct event odd = a_line(NOON, EVENT_UNPARSED, LEVEL_NONE, "");
        feeder_add(&f, &odd);
        struct err err = {0};
        assert_int_equal(feeder_commit(&f, &w, &err), ERR_STALE);
        assert_int_equal(err.code, ERR_STALE);
        CLEANUP(free_ptr) char *after = world_digest(&w);
        assert_string_equal(after, before);
    }
    feeder_fini(&f);
    world_fini(&w);
}

static void a_stale_batch_takes_nothing_from_its_neighbours(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    struct feeder f[3];
    void *tickets[3];
    struct err err = {0};
    for (int i = 0; i < 3; i++) {
        char name[8];
        snprintf(name, sizeof(name), "n%d", i);
        feeder_init(&f[i], &w, world_node(&w, name), name);
        struct event e = a_transfer(NOON, ACTION_PUT, OUTCOME_COMPLETED, 10);
        feeder_add(&f[i], &e);
        f[i].batch.from_offset = i == 1 ? 4711 : 0;
        f[i].batch.source.offset = f[i].offset;
        assert_int_equal(store_batch_submit(w.store, &f[i].batch, &tickets[i], &err), 0);
    }
    for (int i = 0; i < 3; i++) {
        int rc;
        while ((rc = store_batch_wait(w.store, tickets[i], 10000, &err)) == ERR_TIMEOUT)
            ;
        assert_int_equal(rc, i == 1 ? ERR_STALE : 0);
        feeder_fini(&f[i]);
    }
    assert_int_equal(world_number(&w, "SELECT count(*) FROM transfer"), 2);
    assert_int_equal(world_number(&w, "SELECT sum(count) FROM rollup_minute"), 2);
    world_fini(&w);
}

static void the_newest_unparsed_lines_of_each_node_are_kept(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    struct feeder f[2];
    feeder_init(&f[0], &w, world_node(&w, "home"), "a");
    feeder_init(&f[1], &w, world_node(&w, "away"), "b");
    struct event odd = a_line(EVENT_NO_TIME, EVENT_UNPARSED, LEVEL_NONE, "");
    feeder_add(&f[1], &odd);
    feeder_must_commit(&f[1], &w);
    for (int batch = 0; batch < 12; batch++) {
        for (int i = 0; i < BATCH_SAMPLES_MAX; i++)
            feeder_add(&f[0], &odd);
        feeder_must_commit(&f[0], &w);
    }
    assert_int_equal(world_number(&w, "SELECT count(*) FROM unparsed WHERE node_id = 1"), 50);
    assert_int_equal(world_number(&w, "SELECT count(*) FROM unparsed WHERE node_id = 2"), 1);
    char sql[128];
    snprintf(sql, sizeof(sql), "SELECT max(offset) = %lld FROM unparsed WHERE node_id = 1",
             (long long)(f[0].offset - (int64_t)sizeof("a line of a log")));
    assert_int_equal(world_number(&w, sql), 1);
    assert_int_equal(world_number(&w, "SELECT sum(unparsed) FROM source"),
                     12 * BATCH_SAMPLES_MAX + 1);
    feeder_fini(&f[0]);
    feeder_fini(&f[1]);
    world_fini(&w);
}

static void add_bytes(void *ctx, const struct store_outcome *sum)
{
    *(uint64_t *)ctx = sum->bytes;
}

static void sizes_that_cannot_be_summed_stop_at_the_largest_number(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    struct feeder f;
    feeder_init(&f, &w, world_node(&w, "home"), "a");
    for (int i = 0; i < 6; i++) {
        struct event e =
            a_transfer(NOON + i / 2 * 120000, ACTION_PUT, OUTCOME_COMPLETED, INT64_MAX);
        feeder_add(&f, &e);
        feeder_must_commit(&f, &w);
    }
    const struct store_range range = {.from_unix_s = NOON / 1000, .to_unix_s = NOON / 1000 + 3600};
    for (enum batch_step step = BATCH_MINUTE; step < BATCH_STEPS; step++) {
        uint64_t bytes = 0;
        struct err err = {0};
        assert_int_equal(store_outcomes(w.store, step, &range, add_bytes, &bytes, &err), 0);
        assert_int_equal(bytes, INT64_MAX);
    }
    feeder_fini(&f);
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rollups_are_the_sums_of_the_rows),
        cmocka_unit_test(rollups_are_the_sums_of_the_rows_around_1970),
        cmocka_unit_test(line_counts_agree_in_minutes_and_hours),
        cmocka_unit_test(counters_of_a_node_are_those_of_its_batches),
        cmocka_unit_test(a_stale_offset_changes_no_table),
        cmocka_unit_test(a_stale_batch_takes_nothing_from_its_neighbours),
        cmocka_unit_test(the_newest_unparsed_lines_of_each_node_are_kept),
        cmocka_unit_test(sizes_that_cannot_be_summed_stop_at_the_largest_number),
    };
    return cmocka_run_group_tests_name("store batch", tests, NULL, NULL);
}
