/* Rows keep their time and their order, and what is exported is what was told. */
#include "store_support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define NOON INT64_C(1787227200000)

struct walk {
    struct remembered *rows;
    size_t count, cap, stop_after;
    bool by_size; /* sizes are the order in which rows were told */
};

static void copy_word(char to[64], const char *from)
{
    assert_true(strlen(from) < 64);
    snprintf(to, 64, "%s", from);
}

static int keep(void *ctx, const struct store_transfer *t)
{
    struct walk *walk = ctx;
    if (walk->count == walk->cap) {
        walk->cap = walk->cap ? walk->cap * 2 : 256;
        walk->rows = realloc(walk->rows, walk->cap * sizeof(*walk->rows));
        assert_non_null(walk->rows);
    }
    struct remembered *row = &walk->rows[walk->count++];
    *row = (struct remembered){
        .at_unix_ms = t->at_unix_ms, .size_bytes = t->size_bytes, .duration_ms = t->duration_ms};
    copy_word(row->satellite, t->satellite);
    copy_word(row->piece, t->piece);
    copy_word(row->remote, t->remote);
    copy_word(row->error, t->error);
    copy_word(row->message, t->outcome);
    row->action = ACTION_NONE;
    for (int a = 0; a < ACTION_COUNT; a++) {
        if (strcmp(action_name((enum action)a), t->action) == 0)
            row->action = (enum action)a;
    }
    return walk->stop_after && walk->count == walk->stop_after;
}

static void walk_fini(struct walk *walk)
{
    free(walk->rows);
}

static void walk_all(struct world *w, struct walk *walk, int64_t from, int64_t to, int64_t node_id)
{
    struct err err = {0};
    walk->count = 0;
    if (store_transfers(w->store, from, to, node_id, keep, walk, &err))
        fail_msg("%s", err.text);
}

/* The remembered transfers as an export must give them: by second, else as they were told. */
static size_t in_order(const struct model *m, int64_t from, int64_t to, int64_t node_id,
                       const struct remembered **out)
{
    size_t n = 0;
    for (size_t i = 0; i < m->count; i++) {
        const struct remembered *l = &m->lines[i];
        if (l->kind != EVENT_TRANSFER || l->at_unix_ms < from || l->at_unix_ms >= to ||
            (node_id && l->node_id != node_id))
            continue;
        size_t at = n++;
        for (; at && out[at - 1]->at_unix_ms / 1000 > l->at_unix_ms / 1000; at--)
            out[at] = out[at - 1];
        out[at] = l;
    }
    return n;
}

static void assert_walk(struct world *w, const struct model *m, int64_t from, int64_t to,
                        int64_t node_id)
{
    CLEANUP(walk_fini) struct walk walk = {0};
    CLEANUP(free_ptr) const struct remembered **want = calloc(m->count + 1, sizeof(*want));
    assert_non_null(want);
    size_t n = in_order(m, from, to, node_id, want);
    walk_all(w, &walk, from, to, node_id);
    assert_int_equal(walk.count, n);
    for (size_t i = 0; i < n; i++) {
        const struct remembered *row = &walk.rows[i];
        assert_int_equal(row->at_unix_ms, want[i]->at_unix_ms);
        assert_int_equal(row->size_bytes, want[i]->size_bytes);
        assert_int_equal(row->duration_ms, want[i]->duration_ms);
        assert_int_equal(row->action, want[i]->action);
        assert_string_equal(row->message, outcome_name(want[i]->outcome));
        assert_string_equal(row->satellite, want[i]->satellite);
        assert_string_equal(row->piece, want[i]->piece);
        assert_string_equal(row->remote, want[i]->remote);
        assert_string_equal(row->error, want[i]->error);
    }
}

static void exports_in_order_whatever_order_the_lines_came_in(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        struct world w;
        CLEANUP(model_fini) struct model m = {0};
        struct test_random r = {seed};
        world_init(&w);
        int64_t ids[2] = {world_node(&w, "home"), world_node(&w, "away")};
        struct feeder f[2];
        feeder_init(&f[0], &w, ids[0], "a");
        feeder_init(&f[1], &w, ids[1], "b");
        for (int batch = 0; batch < 40; batch++) {
            /* A few seconds, visited again and again, by both nodes, seen after a restart too. */
            struct feeder *one = &f[test_random_below(&r, 2)];
            int64_t near = NOON + (int64_t)test_random_below(&r, 600) * 1000;
            for (int i = 0; i < 20; i++)
                model_add_random(&m, one, &r, near, batch % 3 ? 400 : 30000);
            feeder_must_commit(one, &w);
            if (batch % 13 == 12)
                world_reopen(&w);
        }
        assert_walk(&w, &m, 0, INT64_MAX, 0);
        assert_walk(&w, &m, 0, INT64_MAX, ids[0]);
        assert_walk(&w, &m, 0, INT64_MAX, ids[1]);
        for (int i = 0; i < 20; i++) {
            int64_t from = NOON + (int64_t)test_random_below(&r, 600000);
            int64_t to = from + (int64_t)test_random_below(&r, 60000);
            assert_walk(&w, &m, from, to, i % 2 ? ids[i % 4 / 2] : 0);
        }
        feeder_fini(&f[0]);
        feeder_fini(&f[1]);
        world_fini(&w);
    }
}

static void many_lines_of_one_second_keep_their_order(void **state)
{
    (void)state;
    struct world w;
    CLEANUP(walk_fini) struct walk walk = {0};
    world_init(&w);
    struct feeder f;
    feeder_init(&f, &w, world_node(&w, "home"), "a");
    int64_t told = 0;
    for (int batch = 0; batch < 12; batch++) {
        for (int i = 0; i < 500; i++) {
            /* Milliseconds that run backwards must not reorder what one second holds. */
            struct event e =
                a_transfer(NOON + (999 - told % 1000), ACTION_GET, OUTCOME_COMPLETED, told);
            feeder_add(&f, &e);
            told++;
        }
        feeder_must_commit(&f, &w);
        if (batch % 4 == 3)
            world_reopen(&w);
    }
    walk_all(&w, &walk, 0, INT64_MAX, 0);
    assert_int_equal(walk.count, told);
    for (size_t i = 0; i < walk.count; i++)
        assert_int_equal(walk.rows[i].size_bytes, i);
    feeder_fini(&f);
    world_fini(&w);
}

/* More seconds than the hints of the sequence hold, again and again. */
static void seconds_far_apart_lose_no_row(void **state)
{
    (void)state;
    struct world w;
    CLEANUP(walk_fini) struct walk walk = {0};
    world_init(&w);
    struct feeder f;
    feeder_init(&f, &w, world_node(&w, "home"), "a");
    struct test_random r = {8};
    int64_t told = 0;
    for (int batch = 0; batch < 10; batch++) {
        for (int i = 0; i < 300; i++, told++) {
            int64_t second = (int64_t)test_random_below(&r, 2000) * (batch % 2 ? 1 : 256);
            struct event e = a_transfer(NOON + second * 1000, ACTION_PUT, OUTCOME_COMPLETED, told);
            if (batch_is_full(&f.batch))
                feeder_must_commit(&f, &w);
            feeder_add(&f, &e);
        }
        feeder_must_commit(&f, &w);
    }
    walk_all(&w, &walk, 0, INT64_MAX, 0);
    assert_int_equal(walk.count, told);
    for (size_t i = 1; i < walk.count; i++) {
        assert_true(walk.rows[i - 1].at_unix_ms <= walk.rows[i].at_unix_ms);
        if (walk.rows[i - 1].at_unix_ms == walk.rows[i].at_unix_ms)
            assert_true(walk.rows[i - 1].size_bytes < walk.rows[i].size_bytes);
    }
    feeder_fini(&f);
    world_fini(&w);
}

static void a_range_holds_its_first_millisecond_and_not_its_last(void **state)
{
    (void)state;
    struct world w;
    CLEANUP(walk_fini) struct walk walk = {0};
    world_init(&w);
    struct feeder f;
    feeder_init(&f, &w, world_node(&w, "home"), "a");
    const int64_t times[] = {NOON - 1, NOON, NOON + 1, NOON + 999, NOON + 1000};
    for (size_t i = 0; i < ARRAY_LEN(times); i++) {
        struct event e = a_transfer(times[i], ACTION_GET, OUTCOME_COMPLETED, (int64_t)i);
        feeder_add(&f, &e);
    }
    feeder_must_commit(&f, &w);
    const struct {
        int64_t from, to;
        size_t count;
    } table[] = {
        {NOON, NOON + 1, 1},         {NOON, NOON, 0},
        {NOON + 1, NOON, 0},         {NOON - 1, NOON + 1000, 4},
        {NOON + 1, NOON + 999, 1},   {NOON + 999, NOON + 1001, 2},
        {INT64_MIN, INT64_MAX, 5},   {0, 0, 0},
        {INT64_MAX, INT64_MAX, 0},   {INT64_MIN, 0, 0},
        {NOON + 1001, INT64_MAX, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        walk_all(&w, &walk, table[i].from, table[i].to, 0);
        assert_int_equal(walk.count, table[i].count);
    }
    walk_all(&w, &walk, 0, INT64_MAX, 4711);
    assert_int_equal(walk.count, 0);
    feeder_fini(&f);
    world_fini(&w);
}

static void a_walk_ends_when_its_reader_has_enough(void **state)
{
    (void)state;
    struct world w;
    CLEANUP(walk_fini) struct walk walk = {.stop_after = 3};
    world_init(&w);
    struct feeder f;
    feeder_init(&f, &w, world_node(&w, "home"), "a");
    for (int i = 0; i < 10; i++) {
        struct event e = a_transfer(NOON, ACTION_GET, OUTCOME_COMPLETED, i);
        feeder_add(&f, &e);
    }
    feeder_must_commit(&f, &w);
    struct err err = {0};
    assert_int_equal(store_transfers(w.store, 0, INT64_MAX, 0, keep, &walk, &err), ERR_CANCELLED);
    assert_int_equal(walk.count, 3);
    feeder_fini(&f);
    world_fini(&w);
}

static void times_that_do_not_fit_are_stored_at_the_ends_and_never_lost(void **state)
{
    (void)state;
    struct world w;
    CLEANUP(walk_fini) struct walk walk = {0};
    world_init(&w);
    struct feeder f;
    feeder_init(&f, &w, world_node(&w, "home"), "a");
    const int64_t year_0 = INT64_C(-62167219200000), year_9999 = INT64_C(253402300799999);
    const int64_t times[] = {year_0, -1, 0, 1, NOON, year_9999, year_9999 - 86400000};
    for (size_t i = 0; i < ARRAY_LEN(times); i++) {
        struct event e = a_transfer(times[i], ACTION_GET, OUTCOME_COMPLETED, (int64_t)i);
        feeder_add(&f, &e);
        struct event note = a_line(times[i], EVENT_FATAL, LEVEL_FATAL, "fatal");
        feeder_add(&f, &note);
    }
    feeder_must_commit(&f, &w);
    walk_all(&w, &walk, 0, INT64_MAX, 0);
    assert_int_equal(walk.count, ARRAY_LEN(times));
    const int64_t order[] = {0, 1, 2, 3, 4, 5, 6};
    for (size_t i = 0; i < walk.count; i++)
        assert_int_equal(walk.rows[i].size_bytes, order[i]);
    assert_int_equal(walk.rows[4].at_unix_ms, NOON);
    assert_int_equal(walk.rows[0].at_unix_ms, 0);
    assert_true(walk.rows[6].at_unix_ms > INT64_C(17000000000000)); /* after the year 2500 */
    assert_int_equal(world_number(&w, "SELECT count(*) FROM note"), ARRAY_LEN(times));
    feeder_fini(&f);
    world_fini(&w);
}

static void an_action_not_known_here_keeps_its_name(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    struct feeder f;
    feeder_init(&f, &w, world_node(&w, "home"), "a");
    struct event e = a_transfer(NOON, ACTION_OTHER, OUTCOME_COMPLETED, 1);
    e.action_name = words("PUT_SIDEWAYS");
    feeder_add(&f, &e);
    feeder_must_commit(&f, &w);
    CLEANUP(free_ptr) char *shown = world_text(&w, "SELECT action FROM transfers");
    assert_string_equal(shown, "PUT_SIDEWAYS");
    feeder_fini(&f);
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exports_in_order_whatever_order_the_lines_came_in),
        cmocka_unit_test(many_lines_of_one_second_keep_their_order),
        cmocka_unit_test(seconds_far_apart_lose_no_row),
        cmocka_unit_test(a_range_holds_its_first_millisecond_and_not_its_last),
        cmocka_unit_test(a_walk_ends_when_its_reader_has_enough),
        cmocka_unit_test(times_that_do_not_fit_are_stored_at_the_ends_and_never_lost),
        cmocka_unit_test(an_action_not_known_here_keeps_its_name),
    };
    return cmocka_run_group_tests_name("store sequence", tests, NULL, NULL);
}
