/* What happened in the last minute, per node: the moving part of the page. Fed with committed
 * batches, read out once a second as differences. Pure: time is an argument, locking is the
 * caller's. */
#ifndef NODE_LIVE_H
#define NODE_LIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "node/batch.h"

#define LIVE_WINDOW_S 60

/* The four sorts of transfer that operators tell apart. */
enum traffic {
    TRAFFIC_DOWNLOAD, /* GET */
    TRAFFIC_UPLOAD,   /* PUT */
    TRAFFIC_REPAIR,   /* GET_REPAIR, PUT_REPAIR */
    TRAFFIC_AUDIT,    /* GET_AUDIT */
    TRAFFIC_COUNT,
    TRAFFIC_NONE = TRAFFIC_COUNT /* deletes and the like */
};

struct traffic_sum {
    uint64_t outcome[OUTCOME_COUNT];
    uint64_t bytes; /* of completed transfers */
};

enum traffic traffic_of(enum action action);
const char *traffic_name(enum traffic traffic);
/* True when the action brings bytes to the node (PUT, PUT_REPAIR), false when it sends them. */
bool traffic_is_ingress(enum action action);

struct live_counts {
    uint64_t lines, error_lines, unparsed;
    uint64_t in_bytes, out_bytes, in_pieces, out_pieces; /* completed */
    struct traffic_sum traffic[TRAFFIC_COUNT];
};

struct live_node {
    int64_t id;
    int64_t last_event_unix_ms; /* EVENT_NO_TIME before the first */
    struct live_counts since;   /* added since live_node_take */
    struct {
        int64_t second;
        uint64_t in_bytes, out_bytes, events;
    } slot[LIVE_WINDOW_S];
};

void live_node_init(struct live_node *n, int64_t id);
/* Adds a committed batch. Events older than the window before now move only last_event_unix_ms. */
void live_node_add(struct live_node *n, const struct batch *b, int64_t now_unix_ms);
/* Bits per second of completed transfers over the window before now; -1 when it holds no event. */
void live_node_rates(const struct live_node *n, int64_t now_unix_ms, double *in_bps,
                     double *out_bps);
/* Copies what was added since the last call and starts again. False when there was nothing. */
bool live_node_take(struct live_node *n, struct live_counts *out);

#endif
