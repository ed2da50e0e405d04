/* Any text becomes a JSON string. */
#include "support.h"

#include "base/cleanup.h"
#include "web/json.h"

static void keeps_text_and_replaces_only_what_is_no_utf_8(void **state)
{
    (void)state;
    static const struct {
        const char *text, *expected;
    } table[] = {
        {"", ""},
        {"plain", "plain"},
        {"é 😀", "é 😀"},
        {"caf\xc3", "caf\xef\xbf\xbd"},
        {"\xff/log é", "\xef\xbf\xbd/log é"},
        {"quote \" and \\ and \n", "quote \" and \\ and \n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        json_t *string = json_text(table[i].text);
        assert_non_null(string);
        assert_string_equal(json_string_value(string), table[i].expected);
        json_decref(string);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_text_and_replaces_only_what_is_no_utf_8),
    };
    return cmocka_run_group_tests_name("json text", tests, NULL, NULL);
}
