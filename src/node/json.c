/* The JSON walker (json.h). Strings are most of a log line's bytes, so the end of a string is
 * sought eight bytes at a time: a word is clean when none of its bytes is a quote, a backslash or a
 * control character. What must stay true: nothing at or beyond `end` is read, and what is accepted
 * is JSON (RFC 8259) except for the UTF-8 of its strings. */
#include "node/json.h"

#include <endian.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define ONES 0x0101010101010101u
#define TOPS 0x8080808080808080u

static inline void skip_space(struct json_walk *w)
{
    while (w->at < w->end && (unsigned char)*w->at <= ' ' &&
           (*w->at == ' ' || *w->at == '\t' || *w->at == '\n' || *w->at == '\r'))
        w->at++;
}

#ifdef __SSE2__
/* Bit i is set when byte i of the sixteen is '"', '\\' or below 0x20. */
static inline unsigned odd_of_sixteen(const char *at)
{
    __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)at);
    __m128i quote = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"'));
    __m128i slash = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'));
    __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1f)), bytes);
    return (unsigned)_mm_movemask_epi8(_mm_or_si128(_mm_or_si128(quote, slash), control));
}
#endif

/* Marks (top bit) the bytes of a little-endian word that are '"', '\\' or below 0x20. Bytes above
 * the lowest mark may be marked wrongly (borrow), the lowest never is. */
static inline uint64_t odd_bytes(uint64_t word)
{
    uint64_t quote = word ^ ONES * '"', slash = word ^ ONES * '\\';
    return (((quote - ONES) & ~quote) | ((slash - ONES) & ~slash) |
            ((word - ONES * 0x20) & ~word)) &
           TOPS;
}

/* First '"', '\\' or control character at or after `at`, or end. */
static inline const char *string_stop(const char *at, const char *end)
{
#ifdef __SSE2__
    for (; end - at >= 16; at += 16) {
        unsigned odd = odd_of_sixteen(at);
        if (odd)
            return at + __builtin_ctz(odd);
    }
#endif
    for (; end - at >= 8; at += 8) {
        uint64_t word;
        memcpy(&word, at, 8);
        uint64_t odd = odd_bytes(le64toh(word));
        if (odd)
            return at + (__builtin_ctzll(odd) >> 3);
    }
    while (at < end && *at != '"' && *at != '\\' && (unsigned char)*at >= 0x20)
        at++;
    return at;
}

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* Bytes of the escape at `at`, 0 when it is none. */
static size_t escape_length(const char *at, const char *end)
{
    if (end - at < 2)
        return 0;
    if (at[1] != 'u')
        return at[1] && strchr("\"\\/bfnrt", at[1]) ? 2 : 0;
    if (end - at < 6)
        return 0;
    for (int i = 2; i < 6; i++)
        if (!is_hex(at[i]))
            return 0;
    return 6;
}

/* w->at is on the opening quote; afterwards behind the closing one. */
static inline bool read_string(struct json_walk *w, struct text *out)
{
    const char *from = w->at + 1;
    const char *at = string_stop(from, w->end);
    bool escaped = false;
    while (at < w->end && *at == '\\') {
        size_t len = escape_length(at, w->end);
        if (!len)
            return false;
        escaped = true;
        at = string_stop(at + len, w->end);
    }
    if (at == w->end || *at != '"')
        return false;
    *out = (struct text){.at = from, .len = (uint32_t)(at - from), .escaped = escaped};
    w->at = at + 1;
    return true;
}

static bool skip_digits(struct json_walk *w)
{
    const char *from = w->at;
    while (w->at < w->end && *w->at >= '0' && *w->at <= '9')
        w->at++;
    return w->at > from;
}

static bool skip_number(struct json_walk *w)
{
    if (w->at < w->end && *w->at == '-')
        w->at++;
    if (w->at < w->end && *w->at == '0')
        w->at++;
    else if (!skip_digits(w))
        return false;
    if (w->at < w->end && *w->at == '.') {
        w->at++;
        if (!skip_digits(w))
            return false;
    }
    if (w->at < w->end && (*w->at == 'e' || *w->at == 'E')) {
        w->at++;
        if (w->at < w->end && (*w->at == '+' || *w->at == '-'))
            w->at++;
        return skip_digits(w);
    }
    return true;
}

static bool skip_word(struct json_walk *w, const char *word)
{
    size_t len = strlen(word);
    if ((size_t)(w->end - w->at) < len || memcmp(w->at, word, len) != 0)
        return false;
    w->at += len;
    return true;
}

static bool read_value(struct json_walk *w, struct json_value *out, int depth);

static bool skip_array(struct json_walk *w, int depth)
{
    struct json_value item;
    w->at++;
    skip_space(w);
    if (w->at < w->end && *w->at == ']') {
        w->at++;
        return true;
    }
    for (;;) {
        if (!read_value(w, &item, depth))
            return false;
        skip_space(w);
        if (w->at == w->end || (*w->at != ',' && *w->at != ']'))
            return false;
        if (*w->at++ == ']')
            return true;
    }
}

static enum json_step next_member(struct json_walk *w, struct text *key, struct json_value *value,
                                  int depth)
{
    skip_space(w);
    if (w->at == w->end)
        return JSON_BAD;
    if (*w->at == '}') {
        w->at++;
        return JSON_CLOSED;
    }
    if (!w->first) {
        if (*w->at++ != ',')
            return JSON_BAD;
        skip_space(w);
    }
    w->first = false;
    if (w->at == w->end || *w->at != '"' || !read_string(w, key))
        return JSON_BAD;
    skip_space(w);
    if (w->at == w->end || *w->at++ != ':')
        return JSON_BAD;
    return read_value(w, value, depth) ? JSON_MEMBER : JSON_BAD;
}

static bool skip_object(struct json_walk *w, int depth)
{
    struct json_walk inner = {.at = w->at + 1, .end = w->end, .first = true};
    struct text key;
    struct json_value value;
    enum json_step step;
    do
        step = next_member(&inner, &key, &value, depth);
    while (step == JSON_MEMBER);
    w->at = inner.at;
    return step == JSON_CLOSED;
}

static bool read_value(struct json_walk *w, struct json_value *out, int depth)
{
    skip_space(w);
    if (w->at == w->end)
        return false;
    const char *from = w->at;
    bool good;
    switch (*from) {
    case '"':
        out->kind = JSON_STRING;
        return read_string(w, &out->text);
    case '{':
        out->kind = JSON_OBJECT;
        good = depth < JSON_DEPTH_MAX && skip_object(w, depth + 1);
        break;
    case '[':
        out->kind = JSON_ARRAY;
        good = depth < JSON_DEPTH_MAX && skip_array(w, depth + 1);
        break;
    case 't':
        out->kind = JSON_TRUE;
        good = skip_word(w, "true");
        break;
    case 'f':
        out->kind = JSON_FALSE;
        good = skip_word(w, "false");
        break;
    case 'n':
        out->kind = JSON_NULL;
        good = skip_word(w, "null");
        break;
    default:
        out->kind = JSON_NUMBER;
        good = skip_number(w);
    }
    out->text = text_span(from, w->at);
    return good;
}

bool json_open(struct json_walk *w, struct text bytes)
{
    *w = (struct json_walk){.at = bytes.at, .end = bytes.at + bytes.len, .first = true};
    if (!bytes.len || *w->at != '{')
        return false;
    w->at++;
    return true;
}

enum json_step json_next(struct json_walk *w, struct text *key, struct json_value *value)
{
    return next_member(w, key, value, 1);
}

bool json_is_done(struct json_walk *w)
{
    skip_space(w);
    return w->at == w->end;
}
