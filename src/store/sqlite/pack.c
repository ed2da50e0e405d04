/* Compact forms of the two long texts of a transfer. Each packer proves that unpacking gives the
 * very same bytes back; when it does not (a test id, a host name), the caller stores the text
 * itself. So a row is 60 bytes smaller, and an export is still what the log said. */
#include "store/sqlite/internal.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

/* RFC 4648 base32 without padding: 52 characters hold 260 bits; the last 4 must be 0. */
bool pack_piece(const char *text, size_t len, uint8_t out[PACK_PIECE_BYTES])
{
    if (len != PACK_PIECE_TEXT)
        return false;
    uint64_t bits = 0;
    unsigned held = 0;
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        unsigned value;
        if (c >= 'A' && c <= 'Z')
            value = (unsigned)(c - 'A');
        else if (c >= '2' && c <= '7')
            value = (unsigned)(c - '2' + 26);
        else
            return false;
        bits = bits << 5 | value;
        held += 5;
        if (held >= 8) {
            held -= 8;
            out[n++] = (uint8_t)(bits >> held);
        }
    }
    return (bits & ((1u << held) - 1)) == 0;
}

void unpack_piece(const uint8_t bytes[PACK_PIECE_BYTES], char out[PACK_TEXT_MAX])
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    uint64_t bits = 0;
    unsigned held = 0;
    char *at = out;
    for (size_t i = 0; i < PACK_PIECE_BYTES; i++) {
        bits = bits << 8 | bytes[i];
        for (held += 8; held >= 5;) {
            held -= 5;
            *at++ = digits[bits >> held & 31];
        }
    }
    *at++ = digits[bits << (5 - held) & 31];
    *at = '\0';
}

/* Parses a decimal without leading zeros and at most `max`; returns the characters used or 0. */
static size_t parse_decimal(const char *at, const char *end, unsigned max, unsigned *out)
{
    unsigned value = 0;
    size_t n = 0;
    for (; at + n < end && at[n] >= '0' && at[n] <= '9' && n < 5; n++)
        value = value * 10 + (unsigned)(at[n] - '0');
    if (!n || value > max || (n > 1 && at[0] == '0'))
        return 0;
    *out = value;
    return n;
}

static size_t pack_ipv4(const char *at, const char *end, uint8_t *out)
{
    for (int i = 0; i < 4; i++) {
        unsigned byte;
        size_t n = parse_decimal(at, end, 255, &byte);
        if (!n || at + n == end || at[n] != (i < 3 ? '.' : ':'))
            return 0;
        out[i] = (uint8_t)byte;
        at += n + 1;
    }
    unsigned port;
    size_t n = parse_decimal(at, end, 65535, &port);
    if (!n || at + n != end)
        return 0;
    out[4] = (uint8_t)(port >> 8);
    out[5] = (uint8_t)port;
    return 6;
}

static size_t pack_ipv6(const char *text, size_t len, uint8_t *out)
{
    const char *close = memchr(text, ']', len);
    char address[INET6_ADDRSTRLEN];
    size_t n = close ? (size_t)(close - text) - 1 : sizeof(address);
    if (n >= sizeof(address) || close + 1 >= text + len || close[1] != ':')
        return 0;
    memcpy(address, text + 1, n);
    address[n] = '\0';
    unsigned port;
    const char *digits = close + 2;
    size_t used = parse_decimal(digits, text + len, 65535, &port);
    if (!used || digits + used != text + len || inet_pton(AF_INET6, address, out) != 1)
        return 0;
    out[16] = (uint8_t)(port >> 8);
    out[17] = (uint8_t)port;
    char again[PACK_TEXT_MAX];
    unpack_remote(out, 18, again);
    return strlen(again) == len && memcmp(again, text, len) == 0 ? 18 : 0;
}

size_t pack_remote(const char *text, size_t len, uint8_t out[PACK_REMOTE_MAX])
{
    if (!len || len >= PACK_TEXT_MAX)
        return 0;
    return text[0] == '[' ? pack_ipv6(text, len, out) : pack_ipv4(text, text + len, out);
}

void unpack_remote(const uint8_t *bytes, size_t len, char out[PACK_TEXT_MAX])
{
    out[0] = '\0';
    if (len == 6) {
        snprintf(out, PACK_TEXT_MAX, "%u.%u.%u.%u:%u", bytes[0], bytes[1], bytes[2], bytes[3],
                 (unsigned)bytes[4] << 8 | bytes[5]);
    } else if (len == 18) {
        char address[INET6_ADDRSTRLEN];
        inet_ntop(AF_INET6, bytes, address, sizeof(address));
        snprintf(out, PACK_TEXT_MAX, "[%s]:%u", address, (unsigned)bytes[16] << 8 | bytes[17]);
    }
}
