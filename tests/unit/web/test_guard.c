/* Who is answered: hosts, origins, and the addresses to listen on. */
#include "support.h"

#include <string.h>

#include "base/cleanup.h"
#include "web/guard.h"

static void splits_what_can_be_listened_on(void **state)
{
    (void)state;
    static const struct {
        const char *text, *host;
        int port;
    } table[] = {
        {"127.0.0.1:8765", "127.0.0.1", 8765}, {"[::1]:0", "::1", 0},
        {"[::]:65535", "::", 65535},           {"localhost:80", "localhost", 80},
        {"0.0.0.0:1", "0.0.0.0", 1},
    };
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        char host[256];
        int port = -1;
        assert_true(guard_split_authority(table[i].text, host, &port));
        assert_string_equal(host, table[i].host);
        assert_int_equal(port, table[i].port);
    }
}

static void refuses_what_cannot_be_listened_on(void **state)
{
    (void)state;
    static const char *const table[] = {
        "",           ":",
        ":80",        "127.0.0.1",
        "127.0.0.1:", "[::1]",
        "[::1]80",    "[::1:80",
        "[]:80",      "host:65536",
        "host:-1",    "host:+1",
        "host:8x",    "host:99999999999",
        "::1:80",     "host:80:",
        "host:80:90",
    };
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        char host[256];
        int port = 0;
        if (guard_split_authority(table[i], host, &port))
            fail_msg("\"%s\" was taken as %s and %d", table[i], host, port);
    }
}

static void a_host_of_any_length_is_handled(void **state)
{
    (void)state;
    char text[600], host[256];
    int port = 0;
    for (size_t len = 250; len < 590; len++) {
        memset(text, 'a', len);
        memcpy(text + len, ":80", 4);
        assert_int_equal(guard_split_authority(text, host, &port), len <= 255);
        assert_false(guard_host(text, "127.0.0.1", ""));
    }
}

static void answers_to_its_own_names_only(void **state)
{
    (void)state;
    static const struct {
        const char *host, *bound, *allowed;
        bool answered;
    } table[] = {
        {"127.0.0.1:8765", "127.0.0.1", "", true},
        {"127.0.0.1", "127.0.0.1", "", true},
        {"localhost:8765", "127.0.0.1", "", true},
        {"LOCALHOST", "127.0.0.1", "", true},
        {"[::1]:8765", "::1", "", true},
        {"[::1]", "127.0.0.1", "", true},
        {"192.0.2.7:8765", "192.0.2.7", "", true},
        {"192.0.2.7:8765", "0.0.0.0", "", true},
        {"[2001:db8::1]:8765", "::", "", true},
        {"nas:8765", "nas", "", true},
        {"nas.example", "127.0.0.1", "nas.example", true},
        {"NAS.example:443", "127.0.0.1", "a.example, nas.example ,b.example", true},
        {"evil.example", "127.0.0.1", "", false},
        {"evil.example", "0.0.0.0", "", false},
        {"evil.example", "::", "nas.example", false},
        {"192.0.2.8:8765", "192.0.2.7", "", false},
        {"127.0.0.1.evil.example", "127.0.0.1", "", false},
        {"localhost.evil.example", "127.0.0.1", "", false},
        {"nas.example.evil.example", "127.0.0.1", "nas.example", false},
        {"nas", "127.0.0.1", "nas.example", false},
        {"example", "127.0.0.1", "nas.example", false},
        {"localhost:8765x", "127.0.0.1", "", false},
        {"localhost@evil.example", "127.0.0.1", "", false},
        {"[::1]x", "127.0.0.1", "", false},
        {"[::1", "127.0.0.1", "", false},
        {"", "127.0.0.1", "", false},
        {"", "127.0.0.1", ",", false},
        {":8765", "127.0.0.1", "", false},
        {NULL, "127.0.0.1", "", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        if (guard_host(table[i].host, table[i].bound, table[i].allowed) != table[i].answered)
            fail_msg("host \"%s\" on %s allowing \"%s\"", table[i].host ? table[i].host : "(none)",
                     table[i].bound, table[i].allowed);
    }
}

static void refuses_what_another_site_asks_for(void **state)
{
    (void)state;
    static const struct {
        const char *origin, *host;
        bool answered;
    } table[] = {
        {NULL, "127.0.0.1:8765", true},
        {"http://127.0.0.1:8765", "127.0.0.1:8765", true},
        {"https://nas.example", "nas.example", true},
        {"HTTP://NAS.example", "nas.EXAMPLE", true},
        {"http://127.0.0.1:8766", "127.0.0.1:8765", false},
        {"http://localhost:8765", "127.0.0.1:8765", false},
        {"http://evil.example", "127.0.0.1:8765", false},
        {"http://127.0.0.1:8765.evil.example", "127.0.0.1:8765", false},
        {"null", "127.0.0.1:8765", false},
        {"", "127.0.0.1:8765", false},
        {"ftp://127.0.0.1:8765", "127.0.0.1:8765", false},
        {"http://127.0.0.1:8765", NULL, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        if (guard_origin(table[i].origin, table[i].host) != table[i].answered)
            fail_msg("origin \"%s\"", table[i].origin ? table[i].origin : "(none)");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(splits_what_can_be_listened_on),
        cmocka_unit_test(refuses_what_cannot_be_listened_on),
        cmocka_unit_test(a_host_of_any_length_is_handled),
        cmocka_unit_test(answers_to_its_own_names_only),
        cmocka_unit_test(refuses_what_another_site_asks_for),
    };
    return cmocka_run_group_tests_name("guard", tests, NULL, NULL);
}
