/* Live events. Once a second what was committed since is put into one message, and messages lie in
 * a ring of LIVE_RING; stream.c hands them to the clients. A node is in a message when lines came,
 * and also when only its present values moved: rates fall while it is silent, a backlog shrinks.
 *
 * live_add is called by the ingest thread; it touches `nodes` only, under `lock`. All else belongs
 * to the loop's thread. */
#include "web/live.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"

#define TICK_MS          1000
#define VERDICT_EVERY_MS 10000

static void message_clear(struct message *m)
{
    for (size_t i = 0; i < m->part_count; i++)
        free(m->parts[i].json);
    free(m->parts);
    *m = (struct message){0};
}

static void ring_drop_oldest(struct live *live)
{
    struct message *m = &live->ring[live->oldest++ % LIVE_RING];
    live->ring_bytes -= m->size_bytes;
    message_clear(m);
}

/* Takes the message; its place is that of the one LIVE_RING before it. */
static void ring_push(struct live *live, struct message message)
{
    for (size_t i = 0; i < message.part_count; i++)
        message.size_bytes += strlen(message.parts[i].json) + sizeof(message.parts[i]);
    if (live->seq - live->oldest + 1 == LIVE_RING)
        ring_drop_oldest(live);
    message.at_unix_ms = clock_unix_ms();
    live->ring_bytes += message.size_bytes;
    live->ring[++live->seq % LIVE_RING] = message;
    while (live->ring_bytes > LIVE_RING_BYTES && live->oldest < live->seq)
        ring_drop_oldest(live);
}

/* ---- Making messages ------------------------------------------------------------------------ */

json_t *traffic_sum_json(const struct traffic_sum *sum)
{
    json_t *object = json_object();
    for (int o = OUTCOME_COMPLETED; o < OUTCOME_COUNT; o++)
        json_object_set_new(object, outcome_name((enum outcome)o),
                            json_integer((json_int_t)sum->outcome[o]));
    json_object_set_new(object, "bytes", json_integer((json_int_t)sum->bytes));
    return object;
}

static json_t *rate_json(int64_t bps)
{
    return bps < 0 ? json_null() : json_integer(bps);
}

static struct told present_values(const struct live *live, const struct live_node *node)
{
    double in_bps, out_bps;
    live_node_rates(node, clock_unix_ms(), &in_bps, &out_bps);
    const struct web_options *options = &live->web->options;
    struct web_log_status log = {.found = true};
    if (options->log_status)
        log = options->log_status(options->log_status_ctx, node->id);
    return (struct told){(int64_t)in_bps, (int64_t)out_bps, node->last_event_unix_ms,
                         log.backlog_bytes};
}

static char *part_json(int64_t node_id, const struct told *present, const struct live_counts *added)
{
    json_t *object = json_pack(
        "{s:I, s:o, s:I, s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "id", (json_int_t)node_id,
        "last_event_at", json_number_or_null(present->last_event_unix_ms, EVENT_NO_TIME), "lines",
        (json_int_t)added->lines, "in_bps", rate_json(present->in_bps), "out_bps",
        rate_json(present->out_bps), "in_bytes", (json_int_t)added->in_bytes, "out_bytes",
        (json_int_t)added->out_bytes, "in_pieces", (json_int_t)added->in_pieces, "out_pieces",
        (json_int_t)added->out_pieces, "error_lines", (json_int_t)added->error_lines, "unparsed",
        (json_int_t)added->unparsed, "backlog_bytes", (json_int_t)present->backlog_bytes);
    for (int t = 0; t < TRAFFIC_COUNT; t++)
        json_object_set_new(object, traffic_name((enum traffic)t),
                            traffic_sum_json(&added->traffic[t]));
    char *text = json_dumps(object, JSON_COMPACT);
    json_decref(object);
    return text;
}

struct taken {
    struct live_node node;
    struct live_counts added;
    bool any;
};

/* Copies the nodes, so that JSON is made without the lock. */
static void take_all(struct live *live, struct taken *taken)
{
    LOCK(&live->lock);
    for (size_t i = 0; i < live->node_count; i++) {
        taken[i].any = live_node_take(&live->nodes[i], &taken[i].added);
        taken[i].node = live->nodes[i];
    }
}

static bool told_differs(const struct told *a, const struct told *b)
{
    return a->in_bps != b->in_bps || a->out_bps != b->out_bps ||
           a->last_event_unix_ms != b->last_event_unix_ms || a->backlog_bytes != b->backlog_bytes;
}

void live_flush(struct live *live)
{
    size_t n = live->node_count ? live->node_count : 1;
    CLEANUP(free_ptr) struct taken *taken = calloc(n, sizeof(*taken));
    CLEANUP(free_ptr) struct part *parts = calloc(n, sizeof(*parts));
    if (!taken || !parts)
        return; /* nothing was taken: the next tick sends it */
    take_all(live, taken);
    size_t made = 0;
    for (size_t i = 0; i < live->node_count; i++) {
        struct told present = present_values(live, &taken[i].node);
        if (!taken[i].any && !told_differs(&present, &live->told[i]))
            continue;
        live->told[i] = present;
        parts[made].node_id = taken[i].node.id;
        parts[made].json = part_json(taken[i].node.id, &present, &taken[i].added);
        if (parts[made].json)
            made++;
    }
    if (made)
        ring_push(live, (struct message){.parts = STEAL(parts), .part_count = made});
}

static void push_verdict(struct live *live)
{
    const struct judgement *j;
    struct err err;
    if (web_judgement(live->web, &j, &err) || j->hash == live->verdict_hash)
        return; /* a store that cannot be read is told by every answer that needs it */
    live->verdict_hash = j->hash;
    ring_push(live, (struct message){.is_verdict = true});
}

static void tick(void *ctx)
{
    struct live *live = ctx;
    int64_t now = clock_monotonic_ms();
    live_flush(live);
    if (live->client_count && now - live->verdict_ms >= VERDICT_EVERY_MS) {
        live->verdict_ms = now;
        push_verdict(live);
    }
    stream_tick(live);
}

int live_open(struct web *web, struct live **out, struct err *err)
{
    size_t n = web->options.node_count;
    CLEANUP(free_ptr) struct live *live = calloc(1, sizeof(*live));
    CLEANUP(free_ptr) struct live_node *nodes = calloc(n ? n : 1, sizeof(*nodes));
    CLEANUP(free_ptr) struct told *told = calloc(n ? n : 1, sizeof(*told));
    if (!live || !nodes || !told)
        return err_set(err, ERR_MEMORY, "no memory for live events");
    live->web = web;
    live->oldest = 1;
    live->node_count = n;
    for (size_t i = 0; i < n; i++) {
        live_node_init(&nodes[i], web->options.nodes[i].id);
        told[i] = (struct told){-1, -1, EVENT_NO_TIME, 0};
    }
    LIST_INIT(&live->clients);
    int rc = loop_every(web->options.loop, TICK_MS, tick, live, err);
    if (rc)
        return rc;
    live->nodes = STEAL(nodes);
    live->told = STEAL(told);
    mutex_init(&live->lock);
    *out = STEAL(live);
    return 0;
}

void live_close(struct live *live)
{
    if (!live)
        return;
    stream_close(live);
    for (size_t i = 0; i < LIVE_RING; i++)
        message_clear(&live->ring[i]);
    mutex_fini(&live->lock);
    free(live->nodes);
    free(live->told);
    free(live);
}

void live_add(struct live *live, const struct batch *batch)
{
    int64_t now = clock_unix_ms();
    LOCK(&live->lock);
    for (size_t i = 0; i < live->node_count; i++) {
        if (live->nodes[i].id == batch->node_id)
            live_node_add(&live->nodes[i], batch, now);
    }
}

struct live_rates live_rates_of(struct live *live, int64_t node_id)
{
    struct live_rates rates = {-1, -1, EVENT_NO_TIME};
    int64_t now = clock_unix_ms();
    LOCK(&live->lock);
    for (size_t i = 0; i < live->node_count; i++) {
        if (live->nodes[i].id != node_id)
            continue;
        live_node_rates(&live->nodes[i], now, &rates.in_bps, &rates.out_bps);
        rates.last_event_unix_ms = live->nodes[i].last_event_unix_ms;
    }
    return rates;
}

uint64_t live_seq(const struct live *live)
{
    return live->seq;
}

size_t live_client_count(const struct live *live)
{
    return live->client_count;
}
