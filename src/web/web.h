/* What the program answers: the page, the JSON API, live events, metrics. Runs on the loop's
 * thread; only web_committed may be called from others. */
#ifndef WEB_WEB_H
#define WEB_WEB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "node/batch.h"
#include "store/store.h"
#include "web/loop.h"

struct web;

struct web_node {
    int64_t id;
    const char *name, *log; /* lent as long as the web is open */
};

/* What ingest knows of a node's log at this moment. */
struct web_log_status {
    bool found;
    int64_t backlog_bytes;
};
typedef struct web_log_status web_log_status_fn(void *ctx, int64_t node_id);

struct web_options {
    struct loop *loop;
    struct store *store;
    const char *listen;        /* "127.0.0.1:8765", "[::1]:0" */
    const char *allowed_hosts; /* further names, comma-separated; "" = none */
    const char *version;
    bool demo;
    const struct web_node *nodes;
    size_t node_count;
    web_log_status_fn *log_status;
    void *log_status_ctx;
};

/* Binds and starts to answer once the loop runs. ERR_USAGE or ERR_IO names the address. */
int web_open(const struct web_options *options, struct web **out, struct err *err);
/* Closes all connections. NULL is allowed. */
void web_close(struct web *web);
/* "http://127.0.0.1:8765", with the port that was really bound. */
const char *web_url(const struct web *web);
/* A batch was committed. From any thread; never blocks for long. */
void web_committed(struct web *web, const struct batch *batch);

#endif
