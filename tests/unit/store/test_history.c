/* What pages read, against a count over every line that was told. */
#include "store_support.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define NOON    INT64_C(1787227200000)
#define HOUR_MS (3600 * 1000)

static void fill(struct world *w, struct model *m, int64_t ids[3], int64_t from_ms)
{
    struct test_random r = {21};
    static const char *const names[] = {"a", "b", "c"};
    for (int n = 0; n < 3; n++) {
        struct feeder f;
        ids[n] = world_node(w, names[n]);
        feeder_init(&f, w, ids[n], names[n]);
        for (int i = 0; i < 400; i++) {
            if (batch_is_full(&f.batch))
                feeder_must_commit(&f, w);
            model_add_random(m, &f, &r, from_ms + n * HOUR_MS, 5 * HOUR_MS);
        }
        feeder_must_commit(&f, w);
        feeder_fini(&f);
    }
}

/* True when the line's step begins inside the range, widened to whole steps at its beginning. */
static bool in_range(const struct remembered *l, const struct store_range *range, int64_t step_s,
                     int64_t widen_s)
{
    bool wanted = range->node_count == 0;
    for (size_t i = 0; i < range->node_count; i++)
        wanted |= range->node_ids[i] == l->node_id;
    int64_t at = step_begin_s(l->at_unix_ms, step_s);
    return wanted && at >= step_begin_s(range->from_unix_s * 1000, widen_s) &&
           at < range->to_unix_s;
}

struct check {
    const struct model *m;
    const struct store_range *range;
    int64_t step_s, bucket_s;
    uint64_t seen;
};

static void check_outcome(void *ctx, const struct store_outcome *sum)
{
    struct check *c = ctx;
    uint64_t count = 0, bytes = 0;
    int64_t oldest = INT64_MAX;
    for (size_t i = 0; i < c->m->count; i++) {
        const struct remembered *l = &c->m->lines[i];
        if (l->kind != EVENT_TRANSFER || l->node_id != sum->node_id || l->action != sum->action ||
            l->outcome != sum->outcome || !in_range(l, c->range, c->step_s, c->step_s))
            continue;
        count++;
        bytes += l->size_bytes == EVENT_NO_NUMBER ? 0 : (uint64_t)l->size_bytes;
        int64_t at = step_begin_s(l->at_unix_ms, c->step_s);
        oldest = at < oldest ? at : oldest;
    }
    assert_int_equal(sum->count, count);
    assert_int_equal(sum->bytes, bytes);
    assert_int_equal(sum->oldest_unix_s, oldest);
    c->seen += sum->count;
}

static void check_point(void *ctx, const struct store_point *point)
{
    struct check *c = ctx;
    uint64_t count = 0, bytes = 0;
    for (size_t i = 0; i < c->m->count; i++) {
        const struct remembered *l = &c->m->lines[i];
        if (l->kind != EVENT_TRANSFER || l->outcome != OUTCOME_COMPLETED ||
            l->action != point->action || !in_range(l, c->range, c->step_s, c->bucket_s) ||
            step_begin_s(l->at_unix_ms, c->bucket_s) != point->at_unix_s)
            continue;
        count++;
        bytes += l->size_bytes == EVENT_NO_NUMBER ? 0 : (uint64_t)l->size_bytes;
    }
    assert_int_equal(point->count, count);
    assert_int_equal(point->bytes, bytes);
    c->seen += point->count;
}

static void check_alive(void *ctx, int64_t at_unix_s)
{
    struct check *c = ctx;
    bool found = false;
    for (size_t i = 0; i < c->m->count; i++)
        found |= in_range(&c->m->lines[i], c->range, c->step_s, c->bucket_s) &&
                 step_begin_s(c->m->lines[i].at_unix_ms, c->bucket_s) == at_unix_s;
    assert_true(found);
    c->seen++;
}

static void check_line_count(void *ctx, const struct store_line_count *sum)
{
    struct check *c = ctx;
    uint64_t count = 0;
    int64_t newest = INT64_MIN;
    for (size_t i = 0; i < c->m->count; i++) {
        const struct remembered *l = &c->m->lines[i];
        if (l->node_id != sum->node_id || l->kind != sum->kind || l->level != sum->level ||
            !in_range(l, c->range, c->step_s, c->step_s))
            continue;
        count++;
        int64_t at = step_begin_s(l->at_unix_ms, c->step_s);
        newest = at > newest ? at : newest;
    }
    assert_int_equal(sum->count, count);
    assert_int_equal(sum->newest_unix_s, newest);
    c->seen += sum->count;
}

/* How many lines, transfers or completed transfers a full answer must cover. */
static uint64_t expected(const struct check *c, int64_t widen_s, bool transfers, bool completed)
{
    uint64_t n = 0;
    for (size_t i = 0; i < c->m->count; i++) {
        const struct remembered *l = &c->m->lines[i];
        n += in_range(l, c->range, c->step_s, widen_s) &&
             (!transfers || l->kind == EVENT_TRANSFER) &&
             (!completed || l->outcome == OUTCOME_COMPLETED);
    }
    return n;
}

static uint64_t expected_buckets(const struct check *c)
{
    uint64_t n = 0;
    for (size_t i = 0; i < c->m->count; i++) {
        const struct remembered *l = &c->m->lines[i];
        if (!in_range(l, c->range, c->step_s, c->bucket_s))
            continue;
        bool first = true;
        for (size_t k = 0; k < i && first; k++)
            first = !in_range(&c->m->lines[k], c->range, c->step_s, c->bucket_s) ||
                    step_begin_s(c->m->lines[k].at_unix_ms, c->bucket_s) !=
                        step_begin_s(l->at_unix_ms, c->bucket_s);
        n += first;
    }
    return n;
}

static void check_range(struct world *w, const struct model *m, const struct store_range *range)
{
    struct err err = {0};
    for (enum batch_step step = BATCH_MINUTE; step < BATCH_STEPS; step++) {
        struct check c = {m, range, batch_step_s[step], batch_step_s[step] * 2, 0};
        assert_int_equal(store_outcomes(w->store, step, range, check_outcome, &c, &err), 0);
        assert_int_equal(c.seen, expected(&c, c.step_s, true, false));
        c.seen = 0;
        assert_int_equal(
            store_series(w->store, step, range, (int)c.bucket_s, check_point, &c, &err), 0);
        assert_int_equal(c.seen, expected(&c, c.bucket_s, true, true));
        if (step == BATCH_DAY)
            continue;
        c.seen = 0;
        assert_int_equal(store_line_counts(w->store, step, range, check_line_count, &c, &err), 0);
        assert_int_equal(c.seen, expected(&c, c.step_s, false, false));
        c.seen = 0;
        assert_int_equal(store_alive(w->store, step, range, (int)c.bucket_s, check_alive, &c, &err),
                         0);
        assert_int_equal(c.seen, expected_buckets(&c));
    }
}

static void check_ranges(int64_t from_ms)
{
    struct world w;
    CLEANUP(model_fini) struct model m = {0};
    int64_t ids[3];
    world_init(&w);
    fill(&w, &m, ids, from_ms);
    struct test_random r = {3};
    int64_t from_s = from_ms / 1000;
    check_range(&w, &m, &(struct store_range){from_s - 86400, from_s + 86400, NULL, 0});
    for (int i = 0; i < 8; i++) {
        int64_t begin = from_s + (int64_t)test_random_below(&r, 18000);
        const int64_t some[] = {ids[i % 3], ids[2]};
        struct store_range range = {begin, begin + (int64_t)test_random_below(&r, 9000), some,
                                    (size_t)i % 3};
        check_range(&w, &m, &range);
    }
    const int64_t nobody[] = {4711};
    check_range(&w, &m, &(struct store_range){from_s, from_s + 86400, nobody, 1});
    world_fini(&w);
}

static void sums_series_gaps_and_counts_are_those_of_the_lines(void **state)
{
    (void)state;
    check_ranges(NOON);
}

static void sums_series_gaps_and_counts_hold_around_1970(void **state)
{
    (void)state;
    check_ranges(-3 * HOUR_MS);
}

static void count_any(void *ctx, const struct store_outcome *sum)
{
    *(uint64_t *)ctx += sum->count;
}

static void a_range_without_end_reads_everything(void **state)
{
    (void)state;
    struct world w;
    CLEANUP(model_fini) struct model m = {0};
    int64_t ids[3];
    world_init(&w);
    fill(&w, &m, ids, NOON);
    const struct store_range ever = {INT64_MIN, INT64_MAX, NULL, 0};
    struct err err = {0};
    uint64_t seen = 0, transfers = 0;
    for (size_t i = 0; i < m.count; i++)
        transfers += m.lines[i].kind == EVENT_TRANSFER;
    assert_int_equal(store_outcomes(w.store, BATCH_DAY, &ever, count_any, &seen, &err), 0);
    assert_int_equal(seen, transfers);
    world_fini(&w);
}

/* ---- Notes ---------------------------------------------------------------------------------- */

struct notes {
    int64_t at_unix_ms[2000];
    size_t count;
    uint64_t kinds;
};

static void keep_note(void *ctx, const struct store_note *note)
{
    struct notes *notes = ctx;
    assert_true(notes->count < ARRAY_LEN(notes->at_unix_ms));
    assert_true(notes->kinds >> note->kind & 1);
    assert_string_equal(note->logger, "piecestore");
    assert_memory_equal(note->message, "message ", 8);
    notes->at_unix_ms[notes->count++] = note->at_unix_ms;
}

static size_t count_notes(const struct model *m, const struct store_range *range, uint64_t kinds)
{
    size_t n = 0;
    for (size_t i = 0; i < m->count; i++) {
        const struct remembered *l = &m->lines[i];
        n += (kinds >> l->kind & 1) && in_range(l, range, 1, 1);
    }
    return n;
}

static void notes_come_newest_first_and_no_more_than_asked(void **state)
{
    (void)state;
    struct world w;
    CLEANUP(model_fini) struct model m = {0};
    int64_t ids[3];
    world_init(&w);
    fill(&w, &m, ids, NOON);
    const uint64_t fatal = UINT64_C(1) << EVENT_FATAL;
    const uint64_t masks[] = {fatal, fatal | UINT64_C(1) << EVENT_NODE_STARTED, 0};
    const struct store_range ranges[] = {
        {INT64_MIN, INT64_MAX, NULL, 0},
        {NOON / 1000 + 3600, NOON / 1000 + 7200, NULL, 0},
        {NOON / 1000, NOON / 1000 + 90000, ids, 2},
    };
    struct err err = {0};
    for (size_t i = 0; i < ARRAY_LEN(masks) * ARRAY_LEN(ranges); i++) {
        const struct store_range *range = &ranges[i / ARRAY_LEN(masks)];
        struct notes notes = {.kinds = masks[i % ARRAY_LEN(masks)]};
        assert_int_equal(store_notes(w.store, range, notes.kinds, 2000, keep_note, &notes, &err),
                         0);
        size_t all = count_notes(&m, range, notes.kinds);
        assert_int_equal(notes.count, all);
        for (size_t k = 1; k < notes.count; k++)
            assert_true(notes.at_unix_ms[k - 1] / 1000 >= notes.at_unix_ms[k] / 1000);
        struct notes few = {.kinds = notes.kinds};
        assert_int_equal(store_notes(w.store, range, few.kinds, 5, keep_note, &few, &err), 0);
        assert_int_equal(few.count, all < 5 ? all : 5);
        assert_memory_equal(few.at_unix_ms, notes.at_unix_ms, few.count * sizeof(int64_t));
    }
    world_fini(&w);
}

static void health_tells_size_and_commits(void **state)
{
    (void)state;
    struct world w;
    CLEANUP(model_fini) struct model m = {0};
    int64_t ids[3];
    world_init(&w);
    struct store_health before, after;
    store_health(w.store, &before);
    fill(&w, &m, ids, NOON);
    store_health(w.store, &after);
    assert_true(after.commit_seq > before.commit_seq);
    assert_true(after.jobs_committed > before.jobs_committed);
    assert_true(after.db_bytes > 0);
    assert_false(after.holding || after.poisoned);
    assert_int_equal(after.queue_jobs, 0);
    world_reopen(&w);
    struct store_health again;
    store_health(w.store, &again);
    assert_true(again.commit_seq >= after.commit_seq);
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_series_gaps_and_counts_are_those_of_the_lines),
        cmocka_unit_test(sums_series_gaps_and_counts_hold_around_1970),
        cmocka_unit_test(a_range_without_end_reads_everything),
        cmocka_unit_test(notes_come_newest_first_and_no_more_than_asked),
        cmocka_unit_test(health_tells_size_and_commits),
    };
    return cmocka_run_group_tests_name("store history", tests, NULL, NULL);
}
