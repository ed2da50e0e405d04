/* What every test program shares. A test program is one .c file:
 *
 *     static void adds_two_numbers(void **state) { ... assert_int_equal(...); }
 *     int main(void) {
 *         const struct CMUnitTest tests[] = {cmocka_unit_test(adds_two_numbers)};
 *         return cmocka_run_group_tests_name("sum", tests, NULL, NULL);
 *     }
 *
 * Threads of a test return results; the main thread asserts after joining them (cmocka's failure is
 * a longjmp, which must not cross threads). */
#ifndef TESTS_SUPPORT_H
#define TESTS_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* A fresh temporary folder; removed with all it holds by test_dir_remove. Free with free_ptr after
 * removal. Asserts on failure. */
char *test_dir_make(void);
void test_dir_remove(char *path);
/* CLEANUP(test_dir_cleanup) char *dir = test_dir_make(); */
void test_dir_cleanup(char **path);

/* path of a file in the folder; static storage of 8 rotating slots, so it may be used inline. */
const char *test_path(const char *dir, const char *name);

/* Whole file in and out; asserts on failure. The returned text is NUL-terminated and given. */
char *test_file_read(const char *path, size_t *len);
void test_file_write(const char *path, const void *bytes, size_t len);
void test_file_append(const char *path, const void *bytes, size_t len);

/* A small repeatable generator (xorshift64*), so that a failing run can be replayed by its seed. */
struct test_random {
    uint64_t state;
};
uint64_t test_random_next(struct test_random *r);
/* 0 <= result < below */
uint64_t test_random_below(struct test_random *r, uint64_t below);

#endif
