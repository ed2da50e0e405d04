/* The mergeable histogram: buckets, quantiles, encoding. */
#include "support.h"

#include <math.h>
#include <string.h>

#include "base/histogram.h"

static void every_value_lies_between_its_buckets_bounds(void **state)
{
    (void)state;
    struct test_random random = {7};
    for (int i = 0; i < 200000; i++) {
        int64_t v = (int64_t)(test_random_next(&random) >> (24 + test_random_below(&random, 40)));
        unsigned b = histogram_bucket(v);
        assert_true(b < HISTOGRAM_BUCKETS);
        assert_true(histogram_floor(b) <= v);
        if (b + 1 < HISTOGRAM_BUCKETS)
            assert_true(v < histogram_floor(b + 1));
    }
}

static void bounds_rise_and_grow_by_a_quarter_at_most(void **state)
{
    (void)state;
    for (unsigned b = 1; b < HISTOGRAM_BUCKETS; b++) {
        int64_t low = histogram_floor(b), high = histogram_floor(b + 1);
        assert_true(low < high);
        if (low >= 4)
            assert_true((high - low) * 4 <= low);
    }
}

static void negative_and_huge_values_have_a_bucket(void **state)
{
    (void)state;
    assert_int_equal(histogram_bucket(-5), 0);
    assert_int_equal(histogram_bucket(INT64_MIN), 0);
    assert_int_equal(histogram_bucket(INT64_MAX), HISTOGRAM_BUCKETS - 1);
}

static void quantiles_are_right_to_a_quarter(void **state)
{
    (void)state;
    struct histogram h = {0};
    for (int64_t v = 1; v <= 100000; v++)
        histogram_add(&h, v);
    static const double qs[] = {0.01, 0.5, 0.95, 0.99};
    for (size_t i = 0; i < 4; i++) {
        double want = qs[i] * 100000, got = histogram_quantile(&h, qs[i]);
        assert_true(fabs(got - want) <= want / 4);
    }
    struct histogram empty = {0};
    assert_true(histogram_quantile(&empty, 0.5) < 0);
}

static void merging_encoded_halves_equals_adding_all(void **state)
{
    (void)state;
    struct test_random random = {3};
    struct histogram all = {0}, a = {0}, b = {0}, merged = {0};
    for (int i = 0; i < 10000; i++) {
        int64_t v = (int64_t)(test_random_next(&random) >> test_random_below(&random, 64));
        histogram_add(&all, v);
        histogram_add(i % 3 ? &a : &b, v);
    }
    uint8_t bytes[HISTOGRAM_ENCODED_MAX];
    assert_true(histogram_merge_encoded(&merged, bytes, histogram_encode(&a, bytes)));
    assert_true(histogram_merge_encoded(&merged, bytes, histogram_encode(&b, bytes)));
    assert_memory_equal(&merged, &all, sizeof(all));
    assert_int_equal(histogram_total(&merged), 10000);
}

static void the_fullest_histogram_fits_its_encoding(void **state)
{
    (void)state;
    struct histogram full, back = {0};
    memset(&full, 0xff, sizeof(full));
    uint8_t bytes[HISTOGRAM_ENCODED_MAX];
    size_t len = histogram_encode(&full, bytes);
    assert_true(len <= sizeof(bytes));
    assert_true(histogram_merge_encoded(&back, bytes, len));
    assert_memory_equal(&back, &full, sizeof(full));
}

static void damaged_bytes_are_refused_and_change_nothing(void **state)
{
    (void)state;
    static const uint8_t bad[][4] = {
        {0x80}, {1}, {200, 1, 1}, {159, 1, 0, 1}, {0, 0x80, 0x80, 0x80}};
    static const size_t lens[] = {1, 1, 3, 4, 4};
    struct histogram h = {0}, before;
    histogram_add(&h, 77);
    before = h;
    for (size_t i = 0; i < 5; i++) {
        assert_false(histogram_merge_encoded(&h, bad[i], lens[i]));
        assert_memory_equal(&h, &before, sizeof(h));
    }
    assert_true(histogram_merge_encoded(&h, NULL, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_value_lies_between_its_buckets_bounds),
        cmocka_unit_test(bounds_rise_and_grow_by_a_quarter_at_most),
        cmocka_unit_test(negative_and_huge_values_have_a_bucket),
        cmocka_unit_test(quantiles_are_right_to_a_quarter),
        cmocka_unit_test(merging_encoded_halves_equals_adding_all),
        cmocka_unit_test(the_fullest_histogram_fits_its_encoding),
        cmocka_unit_test(damaged_bytes_are_refused_and_change_nothing),
    };
    return cmocka_run_group_tests_name("histogram", tests, NULL, NULL);
}
