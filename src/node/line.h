/* The log scanner: one line of bytes in, one typed event out. Hot path; see docs/log-format.md for
 * the grammar. Pure: no I/O, no allocation per line, no locks, no clock. */
#ifndef NODE_LINE_H
#define NODE_LINE_H

#include <stddef.h>
#include <stdint.h>

#include "node/event.h"

/* Longest line that is kept; what is longer is cut here and counted by the caller. */
#define LINE_MAX_BYTES (1u << 20)

/* Scans one unwrapped line (no LF; a final CR is ignored). Fills *out in every case; kind
 * EVENT_UNPARSED when it is not a node line. Never fails, reads only line[0..len).
 *
 * Slices in *out point into the line, which is left as it is: a slice out of a JSON string may
 * carry escapes (text.h). wrapper_unix_ms is the time the wrapper (docker, CRI) gives, or
 * EVENT_NO_TIME: it supplies the milliseconds when its second equals the line's own, and the whole
 * time when the line has none. */
void line_scan(const char *line, size_t len, int64_t wrapper_unix_ms, struct event *out);

/* Docker json-file and Kubernetes CRI wrappers, including messages split into fragments (docker
 * splits at 16 KiB, CRI marks fragments P). One unwrapper per file; it holds the fragments. */
struct unwrap_stream {
    char *bytes; /* pending fragments of this stream */
    size_t len, cap;
    int64_t at_unix_ms; /* time of the first fragment */
    bool pending;       /* a fragment is held */
    bool cut;           /* grew past LINE_MAX_BYTES */
};

struct unwrap {
    struct unwrap_stream stream[2]; /* stdout, stderr */
};

enum unwrap_result {
    UNWRAP_LINE,    /* *line is a whole node line */
    UNWRAP_PENDING, /* a fragment was stored; more follow */
    UNWRAP_BAD, /* no memory, or a wrapper that cannot be read: treat the raw line as unparsed */
};

void unwrap_init(struct unwrap *u);
void unwrap_fini(struct unwrap *u);
/* True while a fragment waits for its end: the file offset must then not be committed past the
 * first pending fragment, or a restart would lose it. */
bool unwrap_is_pending(const struct unwrap *u);
/* Takes a physical line (no LF). Unwraps in place when it is wrapped, passes it through when it is
 * not. *line, *line_len are lent until the next call; *wrapper_unix_ms is EVENT_NO_TIME for an
 * unwrapped line; *cut tells that the joined line was longer than LINE_MAX_BYTES. */
enum unwrap_result unwrap_line(struct unwrap *u, char *raw, size_t len, char **line,
                               size_t *line_len, int64_t *wrapper_unix_ms, bool *cut);

#endif
