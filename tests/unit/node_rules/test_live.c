/* The last minute of a node: what counts, for how long, and what is given out once. */
#include "support.h"

#include <string.h>

#include "base/cleanup.h"
#include "node/live.h"

#define NOW INT64_C(1787220030500)

static void add(struct batch *b, int64_t at_unix_ms, enum action action, enum outcome outcome,
                int64_t size)
{
    struct event e = {.kind = EVENT_TRANSFER,
                      .level = LEVEL_INFO,
                      .at_unix_ms = at_unix_ms,
                      .action = action,
                      .outcome = outcome,
                      .size_bytes = size,
                      .duration_ns = EVENT_NO_NUMBER};
    assert_true(batch_add(b, &e, (struct text){.at = "", .len = 0}, 0, 0));
}

static void add_line(struct batch *b, int64_t at_unix_ms, enum event_kind kind, enum level level)
{
    struct event e = {.kind = kind, .level = level, .at_unix_ms = at_unix_ms};
    assert_true(batch_add(b, &e, (struct text){.at = "x", .len = 1}, 0, at_unix_ms));
}

struct node {
    struct live_node live;
    struct batch batch;
};

static void node_init(struct node *n)
{
    live_node_init(&n->live, 7);
    assert_int_equal(batch_init(&n->batch), 0);
}

static void node_fini(struct node *n)
{
    batch_fini(&n->batch);
}

static void commit(struct node *n, int64_t now)
{
    live_node_add(&n->live, &n->batch, now);
    batch_clear(&n->batch);
}

static void assert_rates(const struct node *n, int64_t now, double in, double out)
{
    double in_bps, out_bps;
    live_node_rates(&n->live, now, &in_bps, &out_bps);
    assert_true(in_bps == in);
    assert_true(out_bps == out);
}

static void sorts_traffic_by_action(void **state)
{
    (void)state;
    static const struct {
        enum action action;
        enum traffic traffic;
        bool in;
    } table[] = {
        {ACTION_GET, TRAFFIC_DOWNLOAD, false},
        {ACTION_PUT, TRAFFIC_UPLOAD, true},
        {ACTION_GET_AUDIT, TRAFFIC_AUDIT, false},
        {ACTION_GET_REPAIR, TRAFFIC_REPAIR, false},
        {ACTION_PUT_REPAIR, TRAFFIC_REPAIR, true},
        {ACTION_DELETE, TRAFFIC_NONE, false},
        {ACTION_PUT_GRACEFUL_EXIT, TRAFFIC_NONE, false},
        {ACTION_OTHER, TRAFFIC_NONE, false},
        {ACTION_NONE, TRAFFIC_NONE, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        assert_int_equal(traffic_of(table[i].action), table[i].traffic);
        assert_int_equal(traffic_is_ingress(table[i].action), table[i].in);
    }
}

static void rates_are_the_completed_bytes_of_the_last_minute(void **state)
{
    (void)state;
    CLEANUP(node_fini) struct node n;
    node_init(&n);
    assert_rates(&n, NOW, -1, -1);
    add(&n.batch, NOW - 1000, ACTION_PUT, OUTCOME_COMPLETED, 600);
    add(&n.batch, NOW - 2000, ACTION_PUT_REPAIR, OUTCOME_COMPLETED, 300);
    add(&n.batch, NOW - 3000, ACTION_GET, OUTCOME_COMPLETED, 1500);
    add(&n.batch, NOW - 3000, ACTION_GET, OUTCOME_CANCELLED, 99999);
    add(&n.batch, NOW - 3000, ACTION_PUT, OUTCOME_FAILED, 99999);
    add(&n.batch, NOW - 3000, ACTION_DELETE, OUTCOME_COMPLETED, 99999);
    add(&n.batch, NOW - 3000, ACTION_GET_AUDIT, OUTCOME_COMPLETED, EVENT_NO_NUMBER);
    commit(&n, NOW);
    assert_rates(&n, NOW, 900 * 8 / 60.0, 1500 * 8 / 60.0);
}

static void rates_fall_as_the_minute_passes_and_end_unknown(void **state)
{
    (void)state;
    CLEANUP(node_fini) struct node n;
    node_init(&n);
    add(&n.batch, NOW - 30000, ACTION_PUT, OUTCOME_COMPLETED, 60);
    add(&n.batch, NOW, ACTION_PUT, OUTCOME_COMPLETED, 600);
    commit(&n, NOW);
    assert_rates(&n, NOW, 88, 0);
    assert_rates(&n, NOW + 29000, 88, 0);
    assert_rates(&n, NOW + 30000, 80, 0);
    assert_rates(&n, NOW + 59000, 80, 0);
    assert_rates(&n, NOW + 60000, -1, -1);
}

static void a_second_that_comes_round_again_starts_empty(void **state)
{
    (void)state;
    CLEANUP(node_fini) struct node n;
    node_init(&n);
    for (int minute = 0; minute < 5; minute++) {
        add(&n.batch, NOW + minute * 60000, ACTION_PUT, OUTCOME_COMPLETED, 60);
        commit(&n, NOW + minute * 60000);
        assert_rates(&n, NOW + minute * 60000, 8, 0);
    }
}

static void a_clock_that_is_ahead_takes_no_second_away(void **state)
{
    (void)state;
    CLEANUP(node_fini) struct node n;
    node_init(&n);
    for (int second = 0; second < 60; second++)
        add(&n.batch, NOW - second * 1000, ACTION_PUT, OUTCOME_COMPLETED, 60);
    commit(&n, NOW);
    assert_rates(&n, NOW, 480, 0);
    add(&n.batch, NOW + 30000, ACTION_PUT, OUTCOME_COMPLETED, 60);
    commit(&n, NOW);
    assert_rates(&n, NOW, 488, 0);
    assert_rates(&n, NOW + 59000, 16, 0);
    assert_rates(&n, NOW + 60000, -1, -1);
}

static void history_moves_neither_rates_nor_counters(void **state)
{
    (void)state;
    CLEANUP(node_fini) struct node n;
    struct live_counts counts;
    node_init(&n);
    add(&n.batch, NOW - 3600000, ACTION_PUT, OUTCOME_COMPLETED, 60);
    add(&n.batch, NOW - 60000, ACTION_GET, OUTCOME_FAILED, 60);
    add(&n.batch, 0, ACTION_GET, OUTCOME_COMPLETED, 60);
    commit(&n, NOW);
    add(&n.batch, NOW + 3600000, ACTION_PUT, OUTCOME_COMPLETED, 60);
    live_node_add(&n.live, &n.batch, NOW);
    assert_rates(&n, NOW, -1, -1);
    assert_true(live_node_take(&n.live, &counts));
    for (int t = 0; t < TRAFFIC_COUNT; t++) {
        assert_int_equal(counts.traffic[t].bytes, 0);
        assert_int_equal(counts.traffic[t].outcome[OUTCOME_FAILED], 0);
    }
    assert_int_equal(counts.in_bytes + counts.out_bytes + counts.in_pieces + counts.out_pieces, 0);
}

static void counters_are_given_once(void **state)
{
    (void)state;
    CLEANUP(node_fini) struct node n;
    struct live_counts counts;
    node_init(&n);
    assert_false(live_node_take(&n.live, &counts));
    add(&n.batch, NOW, ACTION_PUT, OUTCOME_COMPLETED, 60);
    add(&n.batch, NOW, ACTION_GET, OUTCOME_COMPLETED, 5);
    add(&n.batch, NOW, ACTION_GET, OUTCOME_CANCELLED, 7);
    add(&n.batch, NOW, ACTION_GET_AUDIT, OUTCOME_FAILED, 9);
    add_line(&n.batch, NOW, EVENT_FATAL, LEVEL_FATAL);
    add_line(&n.batch, NOW, EVENT_UNPARSED, LEVEL_NONE);
    commit(&n, NOW);
    assert_true(live_node_take(&n.live, &counts));
    assert_int_equal(counts.lines, 6);
    assert_int_equal(counts.error_lines, 1);
    assert_int_equal(counts.unparsed, 1);
    assert_int_equal(counts.in_bytes, 60);
    assert_int_equal(counts.in_pieces, 1);
    assert_int_equal(counts.out_bytes, 5);
    assert_int_equal(counts.out_pieces, 1);
    assert_int_equal(counts.traffic[TRAFFIC_DOWNLOAD].outcome[OUTCOME_CANCELLED], 1);
    assert_int_equal(counts.traffic[TRAFFIC_DOWNLOAD].bytes, 5);
    assert_int_equal(counts.traffic[TRAFFIC_AUDIT].outcome[OUTCOME_FAILED], 1);
    assert_int_equal(counts.traffic[TRAFFIC_AUDIT].bytes, 0);
    assert_false(live_node_take(&n.live, &counts));
    assert_int_equal(counts.lines, 0);
}

static void the_newest_event_never_goes_back(void **state)
{
    (void)state;
    CLEANUP(node_fini) struct node n;
    node_init(&n);
    assert_true(n.live.last_event_unix_ms == EVENT_NO_TIME);
    add(&n.batch, NOW, ACTION_PUT, OUTCOME_COMPLETED, 60);
    commit(&n, NOW);
    add(&n.batch, NOW - 5000, ACTION_PUT, OUTCOME_COMPLETED, 60);
    commit(&n, NOW);
    add_line(&n.batch, EVENT_NO_TIME, EVENT_UNPARSED, LEVEL_NONE);
    commit(&n, NOW);
    assert_int_equal(n.live.last_event_unix_ms, NOW);
}

static void sizes_beyond_reason_never_wrap(void **state)
{
    (void)state;
    CLEANUP(node_fini) struct node n;
    struct live_counts counts;
    node_init(&n);
    for (int i = 0; i < 5; i++)
        add(&n.batch, NOW - i * 1000, ACTION_PUT, OUTCOME_COMPLETED, INT64_MAX);
    commit(&n, NOW);
    double in_bps, out_bps;
    live_node_rates(&n.live, NOW, &in_bps, &out_bps);
    assert_true(in_bps > 0 && in_bps < 9.2e18);
    assert_true(live_node_take(&n.live, &counts));
    assert_int_equal(counts.in_bytes, INT64_MAX);
    assert_int_equal(counts.traffic[TRAFFIC_UPLOAD].bytes, INT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sorts_traffic_by_action),
        cmocka_unit_test(rates_are_the_completed_bytes_of_the_last_minute),
        cmocka_unit_test(rates_fall_as_the_minute_passes_and_end_unknown),
        cmocka_unit_test(a_second_that_comes_round_again_starts_empty),
        cmocka_unit_test(a_clock_that_is_ahead_takes_no_second_away),
        cmocka_unit_test(history_moves_neither_rates_nor_counters),
        cmocka_unit_test(counters_are_given_once),
        cmocka_unit_test(the_newest_event_never_goes_back),
        cmocka_unit_test(sizes_beyond_reason_never_wrap),
    };
    return cmocka_run_group_tests_name("live", tests, NULL, NULL);
}
