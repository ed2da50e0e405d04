/* Where ingest hands its batches and asks for what is known. The app joins it to the store; tests
 * join it to memory. Every function may block up to its own deadline and returns 0 or an enum
 * err_code. */
#ifndef INGEST_SINK_H
#define INGEST_SINK_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "node/batch.h"

struct ingest_sink {
    void *ctx;

    /* All stored sources of a node, oldest first. *out is given: free() it. */
    int (*sources)(void *ctx, int64_t node_id, struct source **out, size_t *count, struct err *err);

    /* Stores a new source of the node (head, head_len; offset 0) and sets source->id. name is the
     * file's path, for the operator. */
    int (*source_add)(void *ctx, int64_t node_id, const char *name, struct source *source,
                      struct err *err);

    /* Hands in a batch; it is lent until batch_wait returned for it. Blocks while the queue is full
     * (ERR_FULL / ERR_TIMEOUT: not handed in, try again). *ticket identifies it. */
    int (*batch_submit)(void *ctx, struct batch *batch, void **ticket, struct err *err);

    /* Waits up to timeout_ms for its end. 0: committed. ERR_TIMEOUT: still on its way, wait again.
     * ERR_STALE: the stored offset was not from_offset (another reader moved it): nothing was
     * applied, read the sources again. ERR_CLOSED: nothing was applied, the store is shut. Anything
     * else: nothing was applied, may be submitted again. The ticket is gone unless ERR_TIMEOUT. */
    int (*batch_wait)(void *ctx, void *ticket, int timeout_ms, struct err *err);
};

#endif
