/* A growable byte buffer. Memory exhaustion sets `failed` and drops further appends, so a writer of
 * many pieces checks once at the end instead of after each. Zero-initialised is a valid empty one.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

struct buf {
    char *data; /* always NUL-terminated once anything was appended */
    size_t len;
    size_t cap;
    bool failed;
};

void buf_fini(struct buf *b);
/* Empties but keeps the memory. */
void buf_clear(struct buf *b);
/* Makes room for `more` further bytes and returns where they go, or NULL (and failed). */
char *buf_reserve(struct buf *b, size_t more);
void buf_add(struct buf *b, const void *bytes, size_t len);
void buf_add_text(struct buf *b, const char *text);
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
