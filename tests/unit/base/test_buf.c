/* The byte buffer and errors as values. */
#include "support.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"

static void grows_and_keeps_a_nul(void **state)
{
    (void)state;
    CLEANUP(buf_fini) struct buf b = {0};
    for (int i = 0; i < 1000; i++)
        buf_printf(&b, "%d,", i);
    assert_false(b.failed);
    assert_int_equal(strlen(b.data), b.len);
    assert_true(strncmp(b.data + b.len - 8, "998,999,", 8) == 0);
    buf_clear(&b);
    assert_int_equal(b.len, 0);
    assert_string_equal(b.data, "");
}

static void a_size_that_overflows_fails_and_later_appends_are_dropped(void **state)
{
    (void)state;
    CLEANUP(buf_fini) struct buf b = {0};
    buf_add_text(&b, "kept");
    assert_null(buf_reserve(&b, (size_t)-2));
    assert_true(b.failed);
    buf_add_text(&b, "dropped");
    assert_int_equal(b.len, 4);
    assert_string_equal(b.data, "kept");
}

static void errors_carry_code_text_and_errno(void **state)
{
    (void)state;
    struct err err;
    assert_int_equal(err_set(&err, ERR_INPUT, "line %d", 7), ERR_INPUT);
    assert_string_equal(err.text, "line 7");
    assert_int_equal(err_set_errno(&err, ENOENT, "cannot open %s", "x"), ERR_IO);
    assert_int_equal(err.sys_errno, ENOENT);
    assert_string_equal(err.text, "cannot open x: No such file or directory");
    assert_int_equal(err_prefix(&err, "node %s", "a"), ERR_IO);
    assert_string_equal(err.text, "node a: cannot open x: No such file or directory");
}

static void an_error_text_is_cut_at_its_end(void **state)
{
    (void)state;
    char longer[4096];
    memset(longer, 'x', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    struct err err;
    err_set_errno(&err, EIO, "%s", longer);
    assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
    err_prefix(&err, "%s", longer);
    assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
    assert_int_equal(err.code, ERR_IO);
}

static void a_caller_without_an_error_struct_gets_the_code(void **state)
{
    (void)state;
    assert_int_equal(err_set(NULL, ERR_FULL, "x"), ERR_FULL);
    assert_int_equal(err_set_errno(NULL, EIO, "x"), ERR_IO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grows_and_keeps_a_nul),
        cmocka_unit_test(a_size_that_overflows_fails_and_later_appends_are_dropped),
        cmocka_unit_test(errors_carry_code_text_and_errno),
        cmocka_unit_test(an_error_text_is_cut_at_its_end),
        cmocka_unit_test(a_caller_without_an_error_struct_gets_the_code),
    };
    return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}
