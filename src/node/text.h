/* Lent bytes, and how they become clean text. A text found inside a JSON string keeps its escapes
 * until it is copied: scanning stays one pass and the tail of the line stays as it was written. */
#ifndef NODE_TEXT_H
#define NODE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/buf.h"

/* Lent bytes, not NUL-terminated. {NULL, 0} is "absent". */
struct text {
    const char *at;
    uint32_t len; /* a line has at most LINE_MAX_BYTES */
    bool
        escaped; /* the bytes still carry JSON escapes; text_copy() and text_small() resolve them */
};

static inline struct text text_span(const char *from, const char *to)
{
    return (struct text){.at = from, .len = (uint32_t)(to - from)};
}

static inline bool text_is(struct text t, const char *word)
{
    size_t len = strlen(word);
    return t.at && t.len == len && memcmp(t.at, word, len) == 0;
}

static inline bool text_begins(struct text t, const char *word)
{
    size_t len = strlen(word);
    return t.at && t.len >= len && memcmp(t.at, word, len) == 0;
}

/* Without ASCII white space at either end. */
struct text text_trim(struct text t);
bool text_contains(struct text t, const char *word);

/* Resolves JSON escapes of in[0..len) into out, which may be `in` itself: the result is never
 * longer. A lone surrogate becomes U+FFFD; an escape cut off by the end is dropped. Returns the
 * length. */
size_t text_unescape(char *out, const char *in, size_t len);

/* The text without escapes: itself when it has none, else its first bytes decoded into scratch. For
 * short words such as a level or an action. */
struct text text_small(struct text t, char *scratch, size_t cap);

enum text_care {
    TEXT_UTF8,      /* bad bytes and NUL become U+FFFD */
    TEXT_PRINTABLE, /* so do control characters other than TAB */
};

/* Appends the text, decoded and valid UTF-8, cut to max_bytes at a character. Returns the bytes
 * appended; out->failed tells of missing memory. */
size_t text_copy(struct buf *out, struct text t, size_t max_bytes, enum text_care care);

#endif
