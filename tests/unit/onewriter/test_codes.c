/* The table of result codes. sqlite_codes.h is made at build time from the sqlite3.h that the
 * program is compiled with, so a code that a newer SQLite adds fails here until the table knows it.
 */
#include <errno.h>
#include <string.h>

#include "ow_support.h"

static const struct {
    int code;
    const char *name;
} known[] = {
#include "sqlite_codes.h"
};

static void names_every_code_that_the_header_defines(void **state)
{
    (void)state;
    assert_true(ARRAY_LEN(known) >= 31 + 75);
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        assert_string_equal(ow_code_name(known[i].code), known[i].name);
}

static void gives_every_failure_a_class_and_only_failures(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        int primary = known[i].code & 0xff;
        bool harmless = primary == SQLITE_OK || primary == SQLITE_NOTICE ||
                        primary == SQLITE_WARNING || primary == SQLITE_ROW ||
                        primary == SQLITE_DONE;
        enum ow_class class = ow_code_class(known[i].code, 0);
        assert_int_equal(class == OW_CLASS_OK, harmless);
        assert_in_range(class, OW_CLASS_OK, OW_CLASS_BUG);
    }
}

static void classes_codes_by_what_is_to_be_done(void **state)
{
    (void)state;
    const struct {
        int code;
        enum ow_class class;
    } expected[] = {
        {SQLITE_BUSY, OW_CLASS_BACK_OFF},           {SQLITE_BUSY_RECOVERY, OW_CLASS_BACK_OFF},
        {SQLITE_BUSY_SNAPSHOT, OW_CLASS_REDO},      {SQLITE_LOCKED, OW_CLASS_BUG},
        {SQLITE_NOMEM, OW_CLASS_RESOURCE},          {SQLITE_FULL, OW_CLASS_HOLD},
        {SQLITE_INTERRUPT, OW_CLASS_CANCELLED},     {SQLITE_CONSTRAINT_UNIQUE, OW_CLASS_CALLER},
        {SQLITE_TOOBIG, OW_CLASS_CALLER},           {SQLITE_READONLY, OW_CLASS_CONFIG},
        {SQLITE_READONLY_DBMOVED, OW_CLASS_POISON}, {SQLITE_CORRUPT_INDEX, OW_CLASS_POISON},
        {SQLITE_NOTADB, OW_CLASS_POISON},           {SQLITE_IOERR_FSYNC, OW_CLASS_POISON},
        {SQLITE_IOERR_LOCK, OW_CLASS_CONN},         {SQLITE_MISUSE, OW_CLASS_BUG},
    };
    for (size_t i = 0; i < ARRAY_LEN(expected); i++)
        assert_int_equal(ow_code_class(expected[i].code, 0), expected[i].class);
}

static void lets_errno_decide_about_refused_opens_and_io(void **state)
{
    (void)state;
    const int codes[] = {SQLITE_CANTOPEN, SQLITE_IOERR_WRITE};
    for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
        assert_int_equal(ow_code_class(codes[i], EMFILE), OW_CLASS_RESOURCE);
        assert_int_equal(ow_code_class(codes[i], ENFILE), OW_CLASS_RESOURCE);
        assert_int_equal(ow_code_class(codes[i], ENOSPC), OW_CLASS_HOLD);
        assert_int_equal(ow_code_class(codes[i], EACCES), OW_CLASS_CONFIG);
        assert_int_equal(ow_code_class(codes[i], EROFS), OW_CLASS_CONFIG);
        assert_int_equal(ow_code_class(codes[i], EIO), OW_CLASS_CONN);
    }
    assert_int_equal(ow_code_class(SQLITE_CANTOPEN, ENOENT), OW_CLASS_CONFIG);
    assert_int_equal(ow_code_class(SQLITE_CANTOPEN, 0), OW_CLASS_CONFIG);
}

static void never_lets_errno_soften_a_failed_fsync(void **state)
{
    (void)state;
    assert_int_equal(ow_code_class(SQLITE_IOERR_FSYNC, ENOSPC), OW_CLASS_POISON);
    assert_int_equal(ow_code_class(SQLITE_IOERR_NOMEM, EIO), OW_CLASS_RESOURCE);
    assert_int_equal(ow_code_class(SQLITE_BUSY, ENOSPC), OW_CLASS_BACK_OFF);
}

static void falls_back_to_the_primary_code_of_an_unknown_one(void **state)
{
    (void)state;
    assert_int_equal(ow_code_class(SQLITE_CONSTRAINT | (200 << 8), 0), OW_CLASS_CALLER);
    assert_int_equal(ow_code_class(SQLITE_IOERR | (200 << 8), ENOSPC), OW_CLASS_HOLD);
    assert_int_equal(ow_code_class(99, 0), OW_CLASS_BUG);
    assert_string_equal(ow_code_name(SQLITE_CONSTRAINT | (200 << 8)), "SQLITE_?");
}

static void knows_the_versions_that_carry_the_wal_reset_fix(void **state)
{
    (void)state;
    const int safe[] = {3044006, 3044999, 3050007, 3051003, 3051004, 3053000};
    const int unsafe[] = {3007000, 3040001, 3044005, 3045000, 3050006, 3051000, 3051002, 3052000};
    for (size_t i = 0; i < ARRAY_LEN(safe); i++)
        assert_true(ow_sqlite_is_wal_reset_safe(safe[i]));
    for (size_t i = 0; i < ARRAY_LEN(unsafe); i++)
        assert_false(ow_sqlite_is_wal_reset_safe(unsafe[i]));
}

static void says_what_is_done_about_every_class(void **state)
{
    (void)state;
    for (int cls = OW_CLASS_OK; cls <= OW_CLASS_BUG; cls++) {
        assert_true(strlen(ow_class_retry((enum ow_class)cls)) > 10);
        assert_true(strlen(ow_class_advice((enum ow_class)cls)) > 5);
    }
    assert_string_equal(ow_class_advice((enum ow_class)99), ow_class_advice(OW_CLASS_BUG));
    assert_string_equal(ow_class_retry((enum ow_class) - 1), ow_class_retry(OW_CLASS_BUG));
}

static void names_its_own_codes(void **state)
{
    (void)state;
    for (int code = OW_OK; code <= OW_BUG; code++)
        assert_int_equal(strncmp(ow_code_text((enum ow_code)code), "OW_", 3), 0);
    assert_string_equal(ow_code_text(OW_TIMEOUT), "OW_TIMEOUT");
    assert_string_equal(ow_code_text(OW_BUG), "OW_BUG");
    assert_string_equal(ow_code_text((enum ow_code)99), "OW_?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_every_code_that_the_header_defines),
        cmocka_unit_test(gives_every_failure_a_class_and_only_failures),
        cmocka_unit_test(classes_codes_by_what_is_to_be_done),
        cmocka_unit_test(lets_errno_decide_about_refused_opens_and_io),
        cmocka_unit_test(never_lets_errno_soften_a_failed_fsync),
        cmocka_unit_test(falls_back_to_the_primary_code_of_an_unknown_one),
        cmocka_unit_test(knows_the_versions_that_carry_the_wal_reset_fix),
        cmocka_unit_test(says_what_is_done_about_every_class),
        cmocka_unit_test(names_its_own_codes),
    };
    return cmocka_run_group_tests_name("result codes", tests, NULL, NULL);
}
