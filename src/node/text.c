/* Escapes and UTF-8 (text.h). Nearly every text of a log is short ASCII without escapes, so
 * text_copy tests for that first, eight bytes at a time, and then is one memcpy. The rest goes
 * through two plain loops: unescape, then replace. A bad sequence becomes one U+FFFD per maximal
 * part that could have begun a character, as the Unicode standard recommends and other decoders do.
 */
#include "node/text.h"

#include <assert.h>

static const char replacement[] = "\xef\xbf\xbd";

struct text text_trim(struct text t)
{
    while (t.len && (t.at[0] == ' ' || (t.at[0] >= '\t' && t.at[0] <= '\r'))) {
        t.at++;
        t.len--;
    }
    while (t.len &&
           (t.at[t.len - 1] == ' ' || (t.at[t.len - 1] >= '\t' && t.at[t.len - 1] <= '\r')))
        t.len--;
    return t;
}

bool text_contains(struct text t, const char *word)
{
    return t.len && memmem(t.at, t.len, word, strlen(word)) != NULL;
}

static int hex4(const char *at)
{
    int value = 0;
    for (int i = 0; i < 4; i++) {
        char c = at[i];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

static size_t utf8_put(char *out, uint32_t c)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xc0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xe0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 0x3f));
        out[2] = (char)(0x80 | (c & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 0x3f));
    out[2] = (char)(0x80 | (c >> 6 & 0x3f));
    out[3] = (char)(0x80 | (c & 0x3f));
    return 4;
}

/* \uXXXX at *at (which points behind the 'u'); joins a surrogate pair. Moves *at behind it; false
 * when it is cut off or not hexadecimal. */
static bool unicode_escape(const char **at, const char *end, uint32_t *out)
{
    int unit = end - *at < 4 ? -1 : hex4(*at);
    if (unit < 0)
        return false;
    *at += 4;
    *out = (uint32_t)unit;
    if (unit < 0xd800 || unit > 0xdfff)
        return true;
    *out = 0xfffd;
    if (unit < 0xdc00 && end - *at >= 6 && (*at)[0] == '\\' && (*at)[1] == 'u') {
        int low = hex4(*at + 2);
        if (low >= 0xdc00 && low <= 0xdfff) {
            *out = 0x10000 + ((uint32_t)(unit - 0xd800) << 10) + (uint32_t)(low - 0xdc00);
            *at += 6;
        }
    }
    return true;
}

size_t text_unescape(char *out, const char *in, size_t len)
{
    static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
    const char *end = in + len;
    char *put = out;
    while (in < end) {
        if (*in != '\\') {
            *put++ = *in++;
            continue;
        }
        if (end - in < 2)
            break;
        char c = in[1];
        in += 2;
        if (c == 'u') {
            uint32_t code;
            if (!unicode_escape(&in, end, &code))
                break;
            put += utf8_put(put, code);
            continue;
        }
        const char *known = memchr(from, c, sizeof(from) - 1);
        *put++ = known ? to[known - from] : c;
    }
    return (size_t)(put - out);
}

struct text text_small(struct text t, char *scratch, size_t cap)
{
    if (!t.escaped)
        return t;
    size_t len = text_unescape(scratch, t.at, t.len < cap ? t.len : cap);
    return (struct text){.at = scratch, .len = (uint32_t)len};
}

/* Bytes of the valid character at `at`, or 0; *bad is then the length of the part to replace. */
static size_t utf8_length(const unsigned char *at, size_t left, size_t *bad)
{
    unsigned char lead = at[0], low = 0x80, high = 0xbf;
    size_t need = lead < 0x80                   ? 1
                  : lead >= 0xc2 && lead < 0xe0 ? 2
                  : lead >= 0xe0 && lead < 0xf0 ? 3
                  : lead >= 0xf0 && lead < 0xf5 ? 4
                                                : 0;
    if (lead == 0xe0)
        low = 0xa0; /* overlong */
    else if (lead == 0xed)
        high = 0x9f; /* surrogates */
    else if (lead == 0xf0)
        low = 0x90; /* overlong */
    else if (lead == 0xf4)
        high = 0x8f; /* above U+10FFFF */
    *bad = 1;
    for (size_t i = 1; i < need; i++) {
        if (i >= left || at[i] < low || at[i] > high)
            return 0;
        low = 0x80;
        high = 0xbf;
        *bad = i + 1;
    }
    return need;
}

static bool is_control(const unsigned char *at, size_t len)
{
    return (len == 1 && ((at[0] < 0x20 && at[0] != '\t') || at[0] == 0x7f)) ||
           (len == 2 && at[0] == 0xc2 && at[1] < 0xa0);
}

/* Copies with replacements while the result fits max_bytes; out must hold max_bytes. */
static size_t replace_bad(char *out, const char *in, size_t len, size_t max_bytes,
                          enum text_care care)
{
    const unsigned char *at = (const unsigned char *)in, *end = at + len;
    size_t put = 0;
    while (at < end) {
        size_t bad, good = utf8_length(at, (size_t)(end - at), &bad);
        bool keep = good && at[0] && !(care == TEXT_PRINTABLE && is_control(at, good));
        size_t add = keep ? good : sizeof(replacement) - 1;
        if (put + add > max_bytes)
            break;
        memcpy(out + put, keep ? (const char *)at : replacement, add);
        put += add;
        at += good ? good : bad;
    }
    return put;
}

/* No NUL, no control character, nothing above 0x7e: a superset of what needs no care. */
static bool is_plain(const char *at, size_t len)
{
    const uint64_t ones = 0x0101010101010101u, tops = 0x8080808080808080u;
    uint64_t odd = 0, word;
    size_t i = 0;
    for (; i + 8 <= len; i += 8) {
        memcpy(&word, at + i, 8);
        odd |= word | (word - ones * 0x20) | (word + ones);
    }
    for (; i < len; i++)
        odd |= (unsigned char)at[i] < 0x20 || (unsigned char)at[i] > 0x7e ? tops : 0;
    return !(odd & tops);
}

static size_t copy_with_care(struct buf *out, struct text t, size_t max_bytes, enum text_care care)
{
    /* No more than can fill max_bytes: an escape takes at most six bytes for one of the result (a
     * pair twelve for four), and what is replaced never shrinks. */
    size_t enough = t.escaped ? max_bytes * 6 + 12 : max_bytes + 4;
    size_t source = t.len < enough ? t.len : enough;
    if (max_bytes > source * 3) /* every byte replaced */
        max_bytes = source * 3;
    char *at = buf_reserve(out, max_bytes + source);
    if (!at)
        return 0;
    const char *plain = t.at;
    if (t.escaped) {
        source = text_unescape(at + max_bytes, t.at, source);
        plain = at + max_bytes;
    }
    size_t put = replace_bad(at, plain, source, max_bytes, care);
    out->len += put;
    out->data[out->len] = '\0';
    return put;
}

size_t text_copy(struct buf *out, struct text t, size_t max_bytes, enum text_care care)
{
    if (!t.len)
        return 0;
    assert(t.at);
    if (t.escaped || t.len > max_bytes || !is_plain(t.at, t.len))
        return copy_with_care(out, t, max_bytes, care);
    buf_add(out, t.at, t.len);
    return out->failed ? 0 : t.len;
}
