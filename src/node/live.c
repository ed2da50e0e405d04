/* The last minute of a node (live.h). A ring of one-second slots, each stamped with its second, so
 * that nothing has to run when a second passes: a stale slot is recognised when it is met. */
#include "node/live.h"

#include <string.h>

enum traffic traffic_of(enum action action)
{
    switch (action) {
    case ACTION_GET:
        return TRAFFIC_DOWNLOAD;
    case ACTION_PUT:
        return TRAFFIC_UPLOAD;
    case ACTION_GET_REPAIR:
    case ACTION_PUT_REPAIR:
        return TRAFFIC_REPAIR;
    case ACTION_GET_AUDIT:
        return TRAFFIC_AUDIT;
    default:
        return TRAFFIC_NONE;
    }
}

const char *traffic_name(enum traffic traffic)
{
    static const char *const names[] = {"download", "upload", "repair", "audit"};
    return traffic < TRAFFIC_COUNT ? names[traffic] : "other";
}

bool traffic_is_ingress(enum action action)
{
    return action == ACTION_PUT || action == ACTION_PUT_REPAIR;
}

void live_node_init(struct live_node *n, int64_t id)
{
    memset(n, 0, sizeof(*n));
    n->id = id;
    n->last_event_unix_ms = EVENT_NO_TIME;
    for (int i = 0; i < LIVE_WINDOW_S; i++)
        n->slot[i].second = INT64_MIN;
}

/* An event of a second to come (a clock that is ahead) counts as of now: it must not take the slot
 * of a second that still counts. */
static void add_row(struct live_node *n, const struct batch_row *row, int64_t now_s)
{
    int64_t second = row->at_unix_ms / 1000 < now_s ? row->at_unix_ms / 1000 : now_s;
    unsigned i = (unsigned)(second % LIVE_WINDOW_S);
    if (n->slot[i].second < second) {
        memset(&n->slot[i], 0, sizeof(n->slot[i]));
        n->slot[i].second = second;
    }
    n->slot[i].events++;
    enum action action = (enum action)row->action;
    bool completed = row->outcome == OUTCOME_COMPLETED;
    uint64_t bytes = completed && row->size_bytes > 0 ? (uint64_t)row->size_bytes : 0;
    enum traffic traffic = traffic_of(action);
    if (traffic == TRAFFIC_NONE)
        return;
    n->since.traffic[traffic].outcome[row->outcome]++;
    n->since.traffic[traffic].bytes = batch_bytes_sum(n->since.traffic[traffic].bytes, bytes);
    if (!completed)
        return;
    if (traffic_is_ingress(action)) {
        n->slot[i].in_bytes = batch_bytes_sum(n->slot[i].in_bytes, bytes);
        n->since.in_bytes = batch_bytes_sum(n->since.in_bytes, bytes);
        n->since.in_pieces++;
    } else {
        n->slot[i].out_bytes = batch_bytes_sum(n->slot[i].out_bytes, bytes);
        n->since.out_bytes = batch_bytes_sum(n->since.out_bytes, bytes);
        n->since.out_pieces++;
    }
}

void live_node_add(struct live_node *n, const struct batch *b, int64_t now_unix_ms)
{
    int64_t oldest_ms = now_unix_ms - LIVE_WINDOW_S * 1000;
    if (b->last_at_unix_ms != EVENT_NO_TIME && b->last_at_unix_ms > n->last_event_unix_ms)
        n->last_event_unix_ms = b->last_at_unix_ms;
    int64_t newest_ms = now_unix_ms + LIVE_WINDOW_S * 1000;
    for (size_t i = 0; i < b->row_count; i++) {
        const struct batch_row *row = &b->rows[i];
        if (row->at_unix_ms > oldest_ms && row->at_unix_ms < newest_ms)
            add_row(n, row, now_unix_ms / 1000);
    }
    int64_t oldest_minute_s = oldest_ms / 1000 - 60;
    for (size_t i = 0; i < b->line_count_count; i++) {
        const struct batch_line_count *lines = &b->line_counts[i];
        if (lines->minute_unix_s < oldest_minute_s)
            continue;
        n->since.lines += lines->count;
        if (lines->level >= LEVEL_ERROR)
            n->since.error_lines += lines->count;
        if (lines->kind == EVENT_UNPARSED)
            n->since.unparsed += lines->count;
    }
}

void live_node_rates(const struct live_node *n, int64_t now_unix_ms, double *in_bps,
                     double *out_bps)
{
    int64_t now_s = now_unix_ms / 1000;
    uint64_t in_bytes = 0, out_bytes = 0, events = 0;
    for (int i = 0; i < LIVE_WINDOW_S; i++) {
        if (n->slot[i].second <= now_s - LIVE_WINDOW_S || n->slot[i].second > now_s)
            continue;
        in_bytes = batch_bytes_sum(in_bytes, n->slot[i].in_bytes);
        out_bytes = batch_bytes_sum(out_bytes, n->slot[i].out_bytes);
        events += n->slot[i].events;
    }
    *in_bps = events ? (double)in_bytes * 8 / LIVE_WINDOW_S : -1;
    *out_bps = events ? (double)out_bytes * 8 / LIVE_WINDOW_S : -1;
}

bool live_node_take(struct live_node *n, struct live_counts *out)
{
    static const struct live_counts nothing;
    *out = n->since;
    n->since = nothing;
    return memcmp(out, &nothing, sizeof(nothing)) != 0;
}
