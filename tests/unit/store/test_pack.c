/* Compact forms give the very same text back, or are not used. */
#include "store_support.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "store/sqlite/internal.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

static void random_base32_of_32_bytes_comes_back(void **state)
{
    (void)state;
    struct test_random r = {42};
    for (int round = 0; round < 2000; round++) {
        uint8_t bytes[PACK_PIECE_BYTES], packed[PACK_PIECE_BYTES];
        for (size_t i = 0; i < sizeof(bytes); i++)
            bytes[i] = (uint8_t)test_random_next(&r);
        char text[PACK_TEXT_MAX];
        unpack_piece(bytes, text);
        assert_int_equal(strlen(text), PACK_PIECE_TEXT);
        assert_true(pack_piece(text, PACK_PIECE_TEXT, packed));
        assert_memory_equal(packed, bytes, sizeof(bytes));
    }
}

static void random_52_characters_are_packed_exactly_or_not_at_all(void **state)
{
    (void)state;
    struct test_random r = {43};
    int packed_count = 0;
    for (int round = 0; round < 5000; round++) {
        char text[PACK_PIECE_TEXT + 1] = "", again[PACK_TEXT_MAX];
        for (size_t i = 0; i < PACK_PIECE_TEXT; i++)
            text[i] = digits[test_random_below(&r, 32)];
        if (round % 10 == 0)
            text[test_random_below(&r, PACK_PIECE_TEXT)] = (char)(1 + test_random_below(&r, 255));
        uint8_t packed[PACK_PIECE_BYTES];
        if (!pack_piece(text, PACK_PIECE_TEXT, packed))
            continue;
        packed_count++;
        unpack_piece(packed, again);
        assert_string_equal(again, text);
    }
    assert_true(packed_count > 100); /* 1 in 16 ends in four zero bits */
}

static void other_lengths_are_never_packed_as_pieces(void **state)
{
    (void)state;
    uint8_t packed[PACK_PIECE_BYTES];
    char text[64];
    memset(text, 'A', sizeof(text));
    for (size_t len = 0; len < sizeof(text); len++)
        assert_int_equal(pack_piece(text, len, packed), len == PACK_PIECE_TEXT);
}

static size_t pack_whole(const char *text, char again[PACK_TEXT_MAX])
{
    uint8_t packed[PACK_REMOTE_MAX];
    again[0] = '\0';
    /* A block of exactly its length: a read beyond it is seen by the address sanitizer. */
    size_t len = strlen(text);
    CLEANUP(free_ptr) char *exact = malloc(len ? len : 1);
    assert_non_null(exact);
    memcpy(exact, text, len);
    size_t n = pack_remote(exact, len, packed);
    if (n)
        unpack_remote(packed, n, again);
    return n;
}

static void addresses_that_come_back_the_same_are_packed(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t bytes;
    } table[] = {
        {"0.0.0.0:0", 6},
        {"198.51.100.7:28967", 6},
        {"255.255.255.255:65535", 6},
        {"[::]:0", 18},
        {"[::1]:28967", 18},
        {"[2001:db8::1]:443", 18},
        {"[2001:db8:1:2:3:4:5:6]:65535", 18},
        {"[::ffff:1.2.3.4]:5", 18},
    };
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        char again[PACK_TEXT_MAX];
        assert_int_equal(pack_whole(table[i].text, again), table[i].bytes);
        assert_string_equal(again, table[i].text);
    }
}

static void addresses_written_otherwise_stay_text(void **state)
{
    (void)state;
    static const char *const table[] = {
        "",
        ":",
        "1.2.3.4",
        "1.2.3.4:",
        "1.2.3.4:65536",
        "1.2.3.4:123456",
        "1.2.3.4:080",
        "1.2.3.4:-1",
        "1.2.3.4: 80",
        "01.2.3.4:80",
        "198.051.100.7:80",
        "256.1.1.1:80",
        "1.2.3:80",
        "1.2.3.4.5:80",
        " 1.2.3.4:80",
        "1.2.3.4:80 ",
        "host.example:80",
        "[",
        "[]",
        "[]:1",
        "[::1]",
        "[::1]:",
        "[::1]:65536",
        "[::1]:01",
        "[::1]x1",
        "[::1%eth0]:80",
        "[fe80::1%2]:80",
        "[2001:DB8::1]:80",
        "[2001:0db8::1]:80",
        "[0:0:0:0:0:0:0:1]:80",
        "[1.2.3.4]:80",
        "[::1:80",
        "::1:80",
        "[2001:db8:2001:db8:2001:db8:2001:db8:2001:db8:2001:db8:2001:db8]:1",
    };
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        char again[PACK_TEXT_MAX];
        if (pack_whole(table[i], again))
            fail_msg("\"%s\" was packed and came back as \"%s\"", table[i], again);
    }
}

static void whatever_is_packed_of_random_addresses_comes_back(void **state)
{
    (void)state;
    static const char alphabet[] = "0123456789abcdef.:[]%";
    struct test_random r = {44};
    int packed_count = 0;
    for (int round = 0; round < 200000; round++) {
        char text[40], again[PACK_TEXT_MAX];
        if (round % 2) {
            snprintf(text, sizeof(text), "%s%u.%u.%u.%u:%u", round % 4 == 1 ? "" : "0",
                     (unsigned)test_random_below(&r, 260), (unsigned)test_random_below(&r, 260),
                     (unsigned)test_random_below(&r, 260), (unsigned)test_random_below(&r, 260),
                     (unsigned)test_random_below(&r, 70000));
        } else {
            size_t len = test_random_below(&r, 12);
            int n = snprintf(text, sizeof(text), "[%x::%x", (unsigned)test_random_below(&r, 65536),
                             (unsigned)test_random_below(&r, 65536));
            for (size_t i = 0; i < len; i++)
                text[n++] = alphabet[test_random_below(&r, sizeof(alphabet) - 1)];
            snprintf(text + n, sizeof(text) - (size_t)n, "]:%u",
                     (unsigned)test_random_below(&r, 70000));
        }
        if (pack_whole(text, again)) {
            packed_count++;
            assert_string_equal(again, text);
        }
    }
    assert_true(packed_count > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_base32_of_32_bytes_comes_back),
        cmocka_unit_test(random_52_characters_are_packed_exactly_or_not_at_all),
        cmocka_unit_test(other_lengths_are_never_packed_as_pieces),
        cmocka_unit_test(addresses_that_come_back_the_same_are_packed),
        cmocka_unit_test(addresses_written_otherwise_stay_text),
        cmocka_unit_test(whatever_is_packed_of_random_addresses_comes_back),
    };
    return cmocka_run_group_tests_name("store pack", tests, NULL, NULL);
}
