/* Made-up nodes that write real log lines: for `nodewatch demo`. Everything follows from the seed
 * and the times given, so a demo can be repeated. */
#ifndef APP_DEMO_LOG_H
#define APP_DEMO_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

struct demo_node {
    const char *name;
    bool old_dialect;       /* keys of nodes before v1.146 */
    double in_bps, out_bps; /* mean traffic */
    double cancel, fail;    /* shares of the transfers */
    bool audits_fail;
    bool goes_silent; /* stops writing some minutes before now */
    uint64_t random;
    int64_t next_ms, next_scores_ms, next_chore_ms;
};

#define DEMO_NODES 4
extern const struct demo_node demo_nodes[DEMO_NODES];

/* Appends the lines the node writes from where it stands until before to_unix_ms. now_unix_ms
 * decides how dense they are: sparse long ago, live density in the last two hours, same bytes all
 * along. */
void demo_write_lines(struct demo_node *node, int64_t to_unix_ms, int64_t now_unix_ms,
                      struct buf *out);

#endif
