/* Joins ingest to the store (sink.h): peers do not include one another, so somebody has to
 * introduce them. */
#include "app/sink.h"

static int sources(void *ctx, int64_t node_id, struct source **out, size_t *count, struct err *err)
{
    return store_sources(ctx, node_id, out, count, err);
}

static int source_add(void *ctx, int64_t node_id, const char *name, struct source *source,
                      struct err *err)
{
    return store_source_add(ctx, node_id, name, source, err);
}

static int batch_submit(void *ctx, struct batch *batch, void **ticket, struct err *err)
{
    return store_batch_submit(ctx, batch, ticket, err);
}

static int batch_wait(void *ctx, void *ticket, int timeout_ms, struct err *err)
{
    return store_batch_wait(ctx, ticket, timeout_ms, err);
}

struct ingest_sink sink_of_store(struct store *store)
{
    return (struct ingest_sink){store, sources, source_add, batch_submit, batch_wait};
}
