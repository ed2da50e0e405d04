/* Follows the logs of all nodes: one thread, inotify, no polling but a slow safety scan.
 *
 * A node's log is a FAMILY of files: LOG and its siblings LOG.* and LOG-* (rotated, maybe .gz or
 * .zst), read oldest first. Each file is known by its content (node/source.h), and each has an
 * offset; following means: read whatever lies beyond its offset, in whichever file it is now. That
 * one rule covers rename+create, copytruncate, truncation, deletion, re-creation and whatever of
 * these happened while nothing was running.
 *
 * What content cannot tell apart is treated alike: a log that begins with the same bytes as one
 * that is known, and is shorter than what was read of that, is taken for that log cut short (its
 * rest is read, what it still holds was counted); only logs without any time can be that similar. A
 * last line without LF is left until its LF comes. A page of NULs parts two lines. An open docker
 * or CRI fragment holds the offset before it, until a batch is full or, in a rotated file, until it
 * was idle for 10 s. Of archives, one at a time is read. */
#ifndef INGEST_TAIL_H
#define INGEST_TAIL_H

#include "base/err.h"
#include "ingest/sink.h"

struct tail;

/* Told what happens, from the tail's thread; must not block. NULL members are allowed. */
struct tail_observer {
    void *ctx;
    /* After a batch was committed (lent for the call). */
    void (*committed)(void *ctx, const struct batch *batch);
    /* An operator-readable remark about a node's log: missing file, truncation, unreadable archive.
     * level: 'I' 'W' 'E'. Same remark again is given once until it changes. */
    void (*remark)(void *ctx, int64_t node_id, char level, const char *text);
};

struct tail_node {
    int64_t id;
    const char *name; /* copied */
    const char *path; /* copied; file or directory of it may be missing */
};

/* Per node, as last seen; read under the tail's own lock. */
struct tail_status {
    int64_t node_id;
    bool log_found;
    int64_t backlog_bytes;       /* bytes of the family not yet committed (plain files only) */
    int64_t newest_read_unix_ms; /* wall clock of the last read that gave bytes, 0 = never */
};

/* The sink is lent until tail_stop returned; the observer and the nodes are copied. */
int tail_start(const struct ingest_sink *sink, const struct tail_observer *observer,
               const struct tail_node *nodes, size_t count, struct tail **out, struct err *err);
/* Copies up to `max` statuses, returns how many nodes there are. */
size_t tail_status(struct tail *tail, struct tail_status *out, size_t max);
/* Stops reading, waits up to timeout_ms for handed-in batches, joins and frees. NULL is allowed.
 * ERR_TIMEOUT: the store still holds a batch, nothing was freed; close the store, then call again.
 */
int tail_stop(struct tail *tail, int timeout_ms, struct err *err);

#endif
