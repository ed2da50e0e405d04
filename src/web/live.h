/* What live.c (messages and their ring) and stream.c (clients) share; loop's thread only, but for
 * live.nodes under live.lock. */
#ifndef WEB_LIVE_H
#define WEB_LIVE_H

#include <sys/queue.h>

#include "web/internal.h"

#define LIVE_RING       512
#define LIVE_RING_BYTES (8u << 20)

struct part { /* what a message says about one node */
    int64_t node_id;
    char *json;
};

struct message {
    bool is_verdict;
    struct part *parts; /* of a delta */
    size_t part_count, size_bytes;
    int64_t at_unix_ms;
};

struct told { /* the present values of a node as the newest delta told them */
    int64_t in_bps, out_bps, last_event_unix_ms, backlog_bytes;
};

struct client;

struct live {
    struct web *web;
    struct mutex lock;
    struct live_node *nodes; /* in the order of web.nodes */
    struct told *told;       /* same order */
    size_t node_count;

    uint64_t seq;    /* of the newest message; the first is 1 */
    uint64_t oldest; /* of the oldest one held */
    size_t ring_bytes;
    struct message ring[LIVE_RING];
    LIST_HEAD(, client) clients;
    size_t client_count;
    uint64_t verdict_hash;
    int64_t verdict_ms; /* monotonic */
};

/* Gives every client what it has not seen, or after long silence a comment. */
void stream_tick(struct live *live);
/* Ends all streams. */
void stream_close(struct live *live);

#endif
