/* Live events. Once a second what was committed since is put into one message; messages lie in a
 * ring of LIVE_RING, and each client is a cursor into it. A client is given more only when its
 * connection has drained, so a slow or stuck one costs a cursor and nothing else: when the ring has
 * run past it, it jumps forward and is told to fetch the overview again (`resync`).
 *
 * live_add is called by the ingest thread; it touches `nodes` only, under `lock`. All else belongs
 * to the loop's thread. */
#include "web/internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include <event2/buffer.h>

#include "base/cleanup.h"
#include "base/clock.h"

#define LIVE_RING        512
#define LIVE_CLIENTS_MAX 256
#define TICK_MS          1000
#define HEARTBEAT_MS     15000
#define VERDICT_EVERY_MS 10000

struct part { /* what a message says about one node */
    int64_t node_id;
    char *json;
};

struct message {
    char *text; /* whole data of a verdict; NULL for a delta */
    struct part *parts;
    size_t part_count;
    int64_t at_unix_ms;
};

struct client {
    struct evhttp_request *request;
    struct live *live;
    struct web_query query; /* nodes wanted */
    uint64_t next;          /* seq of the next message */
    bool busy;              /* bytes wait in its connection */
    int64_t written_ms;     /* monotonic */
    LIST_ENTRY(client) link;
};

struct live {
    struct web *web;
    struct mutex lock;
    struct live_node *nodes; /* in the order of web.nodes */
    size_t node_count;

    uint64_t seq; /* of the newest message; the first is 1 */
    struct message ring[LIVE_RING];
    LIST_HEAD(, client) clients;
    size_t client_count;
    uint64_t verdict_hash;
    int64_t verdict_ms; /* monotonic */
};

static void message_clear(struct message *m)
{
    for (size_t i = 0; i < m->part_count; i++)
        free(m->parts[i].json);
    free(m->parts);
    free(m->text);
    *m = (struct message){0};
}

static struct message *ring_push(struct live *live)
{
    struct message *m = &live->ring[++live->seq % LIVE_RING];
    message_clear(m);
    m->at_unix_ms = clock_unix_ms();
    return m;
}

/* ---- Writing to a client -------------------------------------------------------------------- */

static void pump(struct client *client);

static void on_drained(struct evhttp_connection *connection, void *ctx)
{
    (void)connection;
    struct client *client = ctx;
    client->busy = false;
    pump(client);
}

static void send_chunk(struct client *client, struct evbuffer *chunk)
{
    client->busy = true;
    client->written_ms = clock_monotonic_ms();
    evhttp_send_reply_chunk_with_cb(client->request, chunk, on_drained, client);
}

static void add_delta(struct evbuffer *out, const struct client *client, const struct message *m,
                      uint64_t seq)
{
    bool first = true;
    for (size_t i = 0; i < m->part_count; i++) {
        if (!web_query_wants(&client->query, m->parts[i].node_id))
            continue;
        if (first)
            evbuffer_add_printf(out,
                                "event: delta\nid: %s-%" PRIu64 "\ndata: {\"seq\":%" PRIu64
                                ",\"at\":%" PRId64 ",\"nodes\":[",
                                client->live->web->boot, seq, seq, m->at_unix_ms);
        evbuffer_add_printf(out, "%s%s", first ? "" : ",", m->parts[i].json);
        first = false;
    }
    if (!first)
        evbuffer_add_printf(out, "]}\n\n");
}

/* Gives a drained client all it has not seen, or tells it that it is too late for that. */
static void pump(struct client *client)
{
    struct live *live = client->live;
    if (client->busy || client->next > live->seq)
        return;
    struct evbuffer *out = evbuffer_new();
    if (!out)
        return; /* tried again at the next tick */
    if (client->next + LIVE_RING <= live->seq) {
        evbuffer_add_printf(out,
                            "event: resync\nid: %s-%" PRIu64 "\ndata: {\"seq\":%" PRIu64 "}\n\n",
                            live->web->boot, live->seq, live->seq);
        client->next = live->seq + 1;
    }
    for (; client->next <= live->seq; client->next++) {
        const struct message *m = &live->ring[client->next % LIVE_RING];
        if (m->text)
            evbuffer_add_printf(out, "event: verdict\nid: %s-%" PRIu64 "\ndata: %s\n\n",
                                live->web->boot, client->next, m->text);
        else
            add_delta(out, client, m, client->next);
    }
    if (evbuffer_get_length(out))
        send_chunk(client, out);
    evbuffer_free(out);
}

static void heartbeat(struct client *client)
{
    if (client->busy || clock_monotonic_ms() - client->written_ms < HEARTBEAT_MS)
        return;
    struct evbuffer *out = evbuffer_new();
    if (!out)
        return;
    evbuffer_add_printf(out, ": still here\n\n");
    send_chunk(client, out);
    evbuffer_free(out);
}

/* ---- Joining and leaving -------------------------------------------------------------------- */

static void drop_client(struct client *client)
{
    LIST_REMOVE(client, link);
    client->live->client_count--;
    web_query_fini(&client->query);
    free(client);
}

static void on_closed(struct evhttp_connection *connection, void *ctx)
{
    (void)connection;
    struct client *client = ctx;
    struct evhttp_request *request = client->request;
    drop_client(client);
    /* evhttp forgets a request whose peer left while it was being answered: ending it frees it. */
    if (!evhttp_request_get_connection(request))
        evhttp_send_reply_end(request);
}

/* Where a reconnecting browser stopped: the seq after it, or 0 when that cannot be given. */
static uint64_t resume_after(const struct live *live, const char *last_id)
{
    size_t boot_len = strlen(live->web->boot);
    if (strncmp(last_id, live->web->boot, boot_len) != 0 || last_id[boot_len] != '-')
        return 0;
    char *end;
    unsigned long long seq = strtoull(last_id + boot_len + 1, &end, 10);
    if (*end || end == last_id + boot_len + 1 || seq > live->seq || seq + LIVE_RING < live->seq)
        return 0;
    return seq + 1;
}

static void greet(struct client *client, const char *last_id)
{
    struct live *live = client->live;
    struct evbuffer *out = evbuffer_new();
    if (!out)
        return;
    evbuffer_add_printf(out,
                        "retry: 2000\nevent: hello\ndata: {\"boot\":\"%s\",\"seq\":%" PRIu64
                        ",\"version\":\"%s\"}\n\n",
                        live->web->boot, live->seq, live->web->options.version);
    client->next = last_id ? resume_after(live, last_id) : live->seq + 1;
    if (!client->next) {
        evbuffer_add_printf(out,
                            "event: resync\nid: %s-%" PRIu64 "\ndata: {\"seq\":%" PRIu64 "}\n\n",
                            live->web->boot, live->seq, live->seq);
        client->next = live->seq + 1;
    }
    send_chunk(client, out);
    evbuffer_free(out);
}

static bool copy_query(const struct web_query *from, struct web_query *to)
{
    *to = *from;
    if (!from->node_count)
        return true;
    to->node_ids = malloc(from->node_count * sizeof(*to->node_ids));
    if (to->node_ids)
        memcpy(to->node_ids, from->node_ids, from->node_count * sizeof(*to->node_ids));
    return to->node_ids != NULL;
}

void live_serve(struct live *live, struct evhttp_request *request, const struct web_query *query)
{
    if (evhttp_request_get_command(request) != EVHTTP_REQ_GET) {
        evhttp_add_header(evhttp_request_get_output_headers(request), "Allow", "GET");
        reply_error(request, 405, "the stream is answered to GET only");
        return;
    }
    if (live->client_count >= LIVE_CLIENTS_MAX) {
        reply_error(request, 503, "%d pages are open already; close one", LIVE_CLIENTS_MAX);
        return;
    }
    CLEANUP(free_ptr) struct client *client = calloc(1, sizeof(*client));
    if (!client || !copy_query(query, &client->query)) {
        reply_error(request, 503, "no memory for another reader");
        return;
    }
    client->live = live;
    client->request = request;
    LIST_INSERT_HEAD(&live->clients, client, link);
    live->client_count++;
    struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
    evhttp_add_header(headers, "Content-Type", "text/event-stream");
    evhttp_add_header(headers, "Cache-Control", "no-store");
    evhttp_add_header(headers, "X-Accel-Buffering", "no");
    evhttp_connection_set_closecb(evhttp_request_get_connection(request), on_closed, client);
    evhttp_send_reply_start(request, 200, "OK");
    greet(client, evhttp_find_header(evhttp_request_get_input_headers(request), "Last-Event-ID"));
    client = NULL; /* on_closed or live_close frees it */
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

static json_t *rate_json(double bps)
{
    return bps < 0 ? json_null() : json_integer((json_int_t)bps);
}

static char *part_json(struct live *live, const struct live_node *node,
                       const struct live_counts *added)
{
    double in_bps, out_bps;
    live_node_rates(node, clock_unix_ms(), &in_bps, &out_bps);
    struct web_options *options = &live->web->options;
    struct web_log_status log = {.found = true};
    if (options->log_status)
        log = options->log_status(options->log_status_ctx, node->id);
    json_t *object = json_pack(
        "{s:I, s:o, s:I, s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "id", (json_int_t)node->id,
        "last_event_at", json_number_or_null(node->last_event_unix_ms, EVENT_NO_TIME), "lines",
        (json_int_t)added->lines, "in_bps", rate_json(in_bps), "out_bps", rate_json(out_bps),
        "in_bytes", (json_int_t)added->in_bytes, "out_bytes", (json_int_t)added->out_bytes,
        "in_pieces", (json_int_t)added->in_pieces, "out_pieces", (json_int_t)added->out_pieces,
        "error_lines", (json_int_t)added->error_lines, "unparsed", (json_int_t)added->unparsed,
        "backlog_bytes", (json_int_t)log.backlog_bytes);
    for (int t = 0; t < TRAFFIC_COUNT; t++)
        json_object_set_new(object, traffic_name((enum traffic)t),
                            traffic_sum_json(&added->traffic[t]));
    char *text = json_dumps(object, JSON_COMPACT);
    json_decref(object);
    return text;
}

/* Copies the nodes that changed, so that JSON is made without the lock. */
static size_t take_changed(struct live *live, struct live_node *nodes, struct live_counts *added)
{
    size_t changed = 0;
    LOCK(&live->lock);
    for (size_t i = 0; i < live->node_count; i++) {
        if (live_node_take(&live->nodes[i], &added[changed]))
            nodes[changed++] = live->nodes[i];
    }
    return changed;
}

void live_flush(struct live *live)
{
    size_t n = live->node_count ? live->node_count : 1;
    CLEANUP(free_ptr) struct live_node *nodes = calloc(n, sizeof(*nodes));
    CLEANUP(free_ptr) struct live_counts *added = calloc(n, sizeof(*added));
    CLEANUP(free_ptr) struct part *parts = calloc(n, sizeof(*parts));
    if (!nodes || !added || !parts)
        return; /* nothing was taken: the next tick sends it */
    size_t changed = take_changed(live, nodes, added);
    size_t made = 0;
    for (size_t i = 0; i < changed; i++) {
        parts[made].node_id = nodes[i].id;
        parts[made].json = part_json(live, &nodes[i], &added[i]);
        if (parts[made].json)
            made++;
    }
    if (!made)
        return;
    struct message *m = ring_push(live);
    m->parts = STEAL(parts);
    m->part_count = made;
    struct client *client, *next;
    for (client = LIST_FIRST(&live->clients); client; client = next) {
        next = LIST_NEXT(client, link);
        pump(client);
    }
}

static void push_verdict(struct live *live)
{
    const struct judgement *j;
    struct err err;
    if (web_judgement(live->web, &j, &err) || j->hash == live->verdict_hash)
        return; /* a store that cannot be read shows in /healthz and in the log */
    live->verdict_hash = j->hash;
    json_t *object = verdict_json(j, NULL);
    json_t *states = json_array();
    for (size_t i = 0; i < j->node_count; i++) {
        const char *word, *state = node_state(j, i, &word);
        json_array_append_new(states,
                              json_pack("{s:I, s:s, s:s}", "id", (json_int_t)j->facts[i].node_id,
                                        "state", state, "state_text", word));
    }
    json_object_set_new(object, "node_states", states);
    json_object_set_new(object, "seq", json_integer((json_int_t)live->seq + 1));
    json_object_set_new(object, "at", json_integer(j->at_unix_ms));
    char *text = json_dumps(object, JSON_COMPACT);
    json_decref(object);
    if (text)
        ring_push(live)->text = text;
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
    struct client *client, *next;
    for (client = LIST_FIRST(&live->clients); client; client = next) {
        next = LIST_NEXT(client, link);
        pump(client);
        heartbeat(client);
    }
}

int live_open(struct web *web, struct live **out, struct err *err)
{
    size_t n = web->options.node_count;
    CLEANUP(free_ptr) struct live *live = calloc(1, sizeof(*live));
    if (!live || !(live->nodes = calloc(n ? n : 1, sizeof(*live->nodes))))
        return err_set(err, ERR_MEMORY, "no memory for live events");
    live->web = web;
    live->node_count = n;
    for (size_t i = 0; i < n; i++)
        live_node_init(&live->nodes[i], web->options.nodes[i].id);
    LIST_INIT(&live->clients);
    int rc = loop_every(web->options.loop, TICK_MS, tick, live, err);
    if (rc) {
        free(live->nodes);
        return rc;
    }
    mutex_init(&live->lock);
    *out = STEAL(live);
    return 0;
}

void live_close(struct live *live)
{
    if (!live)
        return;
    struct client *client;
    while ((client = LIST_FIRST(&live->clients))) {
        struct evhttp_connection *connection = evhttp_request_get_connection(client->request);
        if (connection)
            evhttp_connection_set_closecb(connection, NULL, NULL);
        evhttp_send_reply_end(client->request);
        drop_client(client);
    }
    for (size_t i = 0; i < LIVE_RING; i++)
        message_clear(&live->ring[i]);
    mutex_fini(&live->lock);
    free(live->nodes);
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
