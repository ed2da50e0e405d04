/* The line of waiting threads: by arrival, which the lane moves. */
#include "base/clock.h"
#include "onewriter/turn.h"
#include "ow_support.h"

struct line {
    struct mutex lock;
    struct ow_turn turn;
    int served[16], count;
};

struct member {
    struct line *line;
    int number, want;
    int64_t arrival_us;
    bool granted;
};

static void *stand(void *arg)
{
    struct member *m = arg;
    struct ow_waiter self = {.arrival_us = m->arrival_us, .want = m->want};
    LOCK(&m->line->lock);
    m->granted = ow_turn_wait_as(&m->line->turn, &self, &m->line->lock,
                                 clock_monotonic_us() + WAIT_MS * 1000LL);
    if (m->granted)
        m->line->served[m->line->count++] = m->number;
    return NULL;
}

static int length(struct line *line)
{
    LOCK(&line->lock);
    return line->turn.length;
}

/* Serves all that stand there, one after the other. */
static void serve_all(struct line *line, int count)
{
    for (int served = 0; served < count;) {
        mutex_lock(&line->lock);
        if (line->count == served && line->turn.length == count - served) {
            ow_turn_grant(&line->turn, line);
        }
        served = line->count;
        mutex_unlock(&line->lock);
        sched_yield();
    }
}

static void check_order(const int64_t *arrivals, const int *expected, int count)
{
    struct line line = {0};
    struct member members[16];
    pthread_t threads[16];
    mutex_init(&line.lock);
    for (int i = 0; i < count; i++) {
        members[i] =
            (struct member){.line = &line, .number = i, .want = 1, .arrival_us = arrivals[i]};
        assert_int_equal(thread_start(&threads[i], "member", stand, &members[i], NULL), 0);
        while (length(&line) <= i)
            sched_yield();
    }
    serve_all(&line, count);
    for (int i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < count; i++) {
        assert_true(members[i].granted);
        assert_int_equal(line.served[i], expected[i]);
    }
    mutex_fini(&line.lock);
}

static void serves_equal_arrivals_in_the_order_in_which_they_came(void **state)
{
    (void)state;
    const int64_t arrivals[] = {5, 5, 5, 5};
    const int expected[] = {0, 1, 2, 3};
    check_order(arrivals, expected, 4);
}

static void serves_urgent_lanes_first_and_lets_the_others_age(void **state)
{
    (void)state;
    const int64_t t = 1000000;
    const int64_t arrivals[] = {
        ow_turn_arrival(t, OW_LANE_BACKGROUND),           /* counts from t + 500 ms */
        ow_turn_arrival(t + 1000, OW_LANE_NORMAL),        /* t + 251 */
        ow_turn_arrival(t + 2000, OW_LANE_INTERACTIVE),   /* t + 2 */
        ow_turn_arrival(t + 240000, OW_LANE_INTERACTIVE), /* t + 240 */
        ow_turn_arrival(t + 260000, OW_LANE_INTERACTIVE), /* t + 260: normal has aged */
        ow_turn_arrival(t + 499000, OW_LANE_INTERACTIVE), /* t + 499 */
        ow_turn_arrival(t + 501000, OW_LANE_INTERACTIVE), /* t + 501: background has aged */
    };
    const int expected[] = {2, 3, 1, 4, 5, 0, 6};
    check_order(arrivals, expected, 7);
}

static void knows_who_is_ahead_of_a_newcomer(void **state)
{
    (void)state;
    struct line line = {0};
    struct member member = {.line = &line, .want = 3, .arrival_us = 100};
    pthread_t thread;
    mutex_init(&line.lock);
    assert_false(ow_turn_is_ahead(&line.turn, 0));
    assert_int_equal(ow_turn_wanted(&line.turn), 0);
    assert_int_equal(thread_start(&thread, "member", stand, &member, NULL), 0);
    while (length(&line) < 1)
        sched_yield();
    mutex_lock(&line.lock);
    bool before = ow_turn_is_ahead(&line.turn, 99), same = ow_turn_is_ahead(&line.turn, 100);
    int wanted = ow_turn_wanted(&line.turn);
    mutex_unlock(&line.lock);
    serve_all(&line, 1);
    pthread_join(thread, NULL);
    assert_false(before);
    assert_true(same);
    assert_int_equal(wanted, 3);
    mutex_fini(&line.lock);
}

static void leaves_the_line_at_the_deadline(void **state)
{
    (void)state;
    struct line line = {0};
    mutex_init(&line.lock);
    mutex_lock(&line.lock);
    void *gift = ow_turn_wait(&line.turn, &line.lock, clock_monotonic_us());
    bool granted = ow_turn_grant(&line.turn, &line);
    mutex_unlock(&line.lock);
    assert_null(gift);
    assert_false(granted);
    assert_int_equal(line.turn.length, 0);
    mutex_fini(&line.lock);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(serves_equal_arrivals_in_the_order_in_which_they_came),
        cmocka_unit_test(serves_urgent_lanes_first_and_lets_the_others_age),
        cmocka_unit_test(knows_who_is_ahead_of_a_newcomer),
        cmocka_unit_test(leaves_the_line_at_the_deadline),
    };
    return cmocka_run_group_tests_name("turn", tests, NULL, NULL);
}
