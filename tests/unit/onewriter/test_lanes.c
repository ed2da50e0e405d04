/* Lanes: order inside a lane, shares between them, places given in turn. */
#include "base/clock.h"
#include "onewriter/lanes.h"
#include "ow_support.h"

static struct ow_lane_limit limits[OW_LANES];

static void init(struct ow_lanes *lanes, uint32_t max_jobs)
{
    for (int i = 0; i < OW_LANES; i++)
        limits[i] = (struct ow_lane_limit){max_jobs, 1 << 20, OW_BLOCK};
    ow_lanes_init(lanes, limits);
}

static void put(struct ow_lanes *lanes, struct ow_job *job, enum ow_lane lane)
{
    *job = (struct ow_job){.lane = (uint8_t)lane, .submitted_us = clock_monotonic_us()};
    struct ow_jobs dropped = {0};
    assert_int_equal(ow_lanes_put(lanes, job, 0, &dropped, NULL), 0);
}

static struct ow_job *take(struct ow_lanes *lanes)
{
    struct ow_jobs list = {0};
    ow_lanes_take(lanes, &list, 1);
    return ow_jobs_pop(&list);
}

static void serves_a_lane_in_the_order_of_arrival(void **state)
{
    (void)state;
    struct ow_lanes lanes;
    struct ow_job jobs[20];
    init(&lanes, 20);
    for (int i = 0; i < 20; i++)
        put(&lanes, &jobs[i], OW_LANE_NORMAL);
    for (int i = 0; i < 20; i++)
        assert_ptr_equal(take(&lanes), &jobs[i]);
    assert_null(take(&lanes));
    ow_lanes_fini(&lanes);
}

static void shares_the_writer_eight_to_four_to_one(void **state)
{
    (void)state;
    struct ow_lanes lanes;
    struct ow_job jobs[OW_LANES][100];
    int taken[OW_LANES] = {0};
    init(&lanes, 100);
    for (int lane = 0; lane < OW_LANES; lane++)
        for (int i = 0; i < 100; i++)
            put(&lanes, &jobs[lane][i], (enum ow_lane)lane);
    for (int i = 0; i < 130; i++)
        taken[take(&lanes)->lane]++;
    assert_int_equal(taken[OW_LANE_URGENT], 80);
    assert_int_equal(taken[OW_LANE_NORMAL], 40);
    assert_int_equal(taken[OW_LANE_BULK], 10);
    while (take(&lanes))
        ;
    ow_lanes_fini(&lanes);
}

static void never_makes_a_lane_wait_longer_than_one_round(void **state)
{
    (void)state;
    struct test_random random = {42};
    struct ow_lanes lanes;
    struct ow_job jobs[2000];
    int waited[OW_LANES] = {0}, next = 0;
    init(&lanes, 2000);
    while (next < 2000) {
        for (uint64_t burst = test_random_below(&random, 5); burst && next < 2000; burst--, next++)
            put(&lanes, &jobs[next], (enum ow_lane)test_random_below(&random, OW_LANES));
        struct ow_job *job = take(&lanes);
        for (int i = 0; job && i < OW_LANES; i++) {
            waited[i] = i == (int)job->lane || !lanes.lane[i].jobs.first ? 0 : waited[i] + 1;
            assert_true(waited[i] <=
                        24); /* the rest of this round and the others' part of the next */
        }
    }
    while (take(&lanes))
        ;
    ow_lanes_fini(&lanes);
}

static void withdraws_only_what_was_not_taken(void **state)
{
    (void)state;
    struct ow_lanes lanes;
    struct ow_job jobs[3];
    init(&lanes, 3);
    for (int i = 0; i < 3; i++)
        put(&lanes, &jobs[i], OW_LANE_BULK);
    assert_ptr_equal(take(&lanes), &jobs[0]);
    assert_false(ow_lanes_withdraw(&lanes, &jobs[0]));
    assert_true(ow_lanes_withdraw(&lanes, &jobs[1]));
    assert_ptr_equal(take(&lanes), &jobs[2]);
    assert_null(take(&lanes));
    assert_int_equal(lanes.lane[OW_LANE_BULK].places, 0);
    ow_lanes_fini(&lanes);
}

struct submitter {
    struct ow_lanes *lanes;
    struct ow_job job;
    int rc;
};

static void *submit(void *arg)
{
    struct submitter *s = arg;
    struct ow_jobs dropped = {0};
    s->rc =
        ow_lanes_put(s->lanes, &s->job, clock_monotonic_us() + WAIT_MS * 1000LL, &dropped, NULL);
    return NULL;
}

static int length(struct ow_lanes *lanes)
{
    LOCK(&lanes->lock);
    return lanes->lane[OW_LANE_NORMAL].waiting;
}

static void start_in_line(struct ow_lanes *lanes, struct submitter *s, pthread_t *thread,
                          int before)
{
    *s = (struct submitter){.lanes = lanes, .job = {.lane = OW_LANE_NORMAL}, .rc = -1};
    assert_int_equal(thread_start(thread, "submitter", submit, s, NULL), 0);
    while (length(lanes) <= before)
        sched_yield();
}

static void gives_freed_places_to_those_who_waited_longest(void **state)
{
    (void)state;
    struct ow_lanes lanes;
    struct ow_job first, late = {.lane = OW_LANE_NORMAL};
    struct ow_jobs dropped = {0};
    struct submitter waiting[4];
    pthread_t threads[4];
    init(&lanes, 1);
    put(&lanes, &first, OW_LANE_NORMAL);
    for (int i = 0; i < 4; i++)
        start_in_line(&lanes, &waiting[i], &threads[i], i);
    assert_ptr_equal(take(&lanes), &first);
    for (int i = 0; i < 4; i++) {
        /* The place belongs to a waiting thread, whether it has run already or not. */
        assert_int_equal(ow_lanes_put(&lanes, &late, 0, &dropped, NULL), OW_QUEUE_FULL);
        assert_int_equal(ow_lanes_wait(&lanes, WAIT_MS * 1000LL, false), OW_WAKE_WORK);
        assert_ptr_equal(take(&lanes), &waiting[i].job);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(waiting[i].rc, 0);
    }
    assert_int_equal(lanes.lane[OW_LANE_NORMAL].places, 0);
    ow_lanes_fini(&lanes);
}

static void tells_those_who_wait_that_the_lanes_were_closed(void **state)
{
    (void)state;
    struct ow_lanes lanes;
    struct ow_job first;
    struct submitter waiting[3];
    pthread_t threads[3];
    init(&lanes, 1);
    put(&lanes, &first, OW_LANE_NORMAL);
    for (int i = 0; i < 3; i++)
        start_in_line(&lanes, &waiting[i], &threads[i], i);
    ow_lanes_close(&lanes);
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(waiting[i].rc, OW_CLOSED);
    }
    assert_int_equal(ow_lanes_wait(&lanes, 0, false), OW_WAKE_WORK);
    assert_ptr_equal(take(&lanes), &first);
    assert_int_equal(ow_lanes_wait(&lanes, 0, false), OW_WAKE_CLOSED);
    assert_int_equal(lanes.lane[OW_LANE_NORMAL].places, 0);
    ow_lanes_fini(&lanes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(serves_a_lane_in_the_order_of_arrival),
        cmocka_unit_test(shares_the_writer_eight_to_four_to_one),
        cmocka_unit_test(never_makes_a_lane_wait_longer_than_one_round),
        cmocka_unit_test(withdraws_only_what_was_not_taken),
        cmocka_unit_test(gives_freed_places_to_those_who_waited_longest),
        cmocka_unit_test(tells_those_who_wait_that_the_lanes_were_closed),
    };
    return cmocka_run_group_tests_name("lanes", tests, NULL, NULL);
}
