/* Back-off: attempts, growing pauses, the maximum. */
#include "onewriter/retry.h"
#include "ow_support.h"

static void allows_as_many_attempts_as_told(void **state)
{
    (void)state;
    struct ow_retry retry;
    int64_t delay_us;
    for (int max = 1; max < 6; max++) {
        int pauses = 0;
        ow_retry_init(&retry, max, 500, 5000);
        while (ow_retry_next(&retry, &delay_us))
            pauses++;
        assert_int_equal(pauses, max - 1);
        assert_int_equal(retry.attempt, max);
        ow_retry_reset(&retry);
        assert_int_equal(ow_retry_next(&retry, &delay_us), max > 1);
    }
}

static void doubles_the_pause_up_to_the_maximum(void **state)
{
    (void)state;
    struct ow_retry retry;
    ow_retry_init(&retry, 100, 500, 5000);
    const int64_t floors[] = {500, 1000, 2000, 4000, 5000, 5000};
    for (size_t i = 0; i < 90; i++) {
        int64_t delay_us;
        assert_true(ow_retry_next(&retry, &delay_us));
        int64_t floor_us = floors[i < 5 ? i : 5] * 1000;
        assert_true(delay_us >= floor_us);
        assert_true(delay_us <= 5000000 && delay_us <= floor_us + floor_us / 4);
    }
}

static void spreads_the_pauses_of_two_processes(void **state)
{
    (void)state;
    struct ow_retry one, two;
    ow_retry_init(&one, 100, 500, 5000);
    ow_retry_init(&two, 100, 500, 5000);
    two.random = one.random + 2;
    int same = 0;
    for (int i = 0; i < 50; i++) {
        ow_retry_reset(&one);
        ow_retry_reset(&two);
        same += ow_retry_pause_us(&one) == ow_retry_pause_us(&two);
    }
    assert_true(same < 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(allows_as_many_attempts_as_told),
        cmocka_unit_test(doubles_the_pause_up_to_the_maximum),
        cmocka_unit_test(spreads_the_pauses_of_two_processes),
    };
    return cmocka_run_group_tests_name("back-off", tests, NULL, NULL);
}
