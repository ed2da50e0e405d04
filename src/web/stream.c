/* The clients of the live stream: each is a cursor into the ring of live.c. It is given more only
 * when its connection has drained, so a slow or stuck one costs a cursor and one chunk; when the
 * ring has run past it, it jumps forward and is told to fetch the overview again (`resync`). A
 * verdict is not kept as text: each client is given the present one, of the nodes it asked for.
 *
 * Must stay true: a client is freed exactly once, by on_closed or by stream_close, and its request
 * after it. */
#include "web/live.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>

#include "base/cleanup.h"
#include "base/clock.h"

#define CLIENTS_MAX 256
#define CHUNK_BYTES (256u << 10) /* at a time to one client; the rest when it has drained */
/* A client has nothing to say once it listens; what it sends all the same stays in the kernel. */
#define INPUT_BYTES  4096
#define HEARTBEAT_MS 15000

struct client {
    struct evhttp_request *request;
    struct live *live;
    struct web_query query; /* nodes wanted */
    uint64_t next;          /* seq of the next message */
    bool busy;              /* bytes wait in its connection */
    int64_t written_ms;     /* monotonic */
    LIST_ENTRY(client) link;
};

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

/* The present verdict over the nodes that the client asked for. */
static void add_verdict(struct evbuffer *out, const struct client *client, const struct message *m,
                        uint64_t seq)
{
    const struct web *web = client->live->web;
    const struct judgement *j = &web->judgement;
    json_t *object = verdict_json(j, &client->query);
    json_t *states = json_array();
    for (size_t i = 0; i < j->node_count; i++) {
        if (!web_query_wants(&client->query, j->facts[i].node_id))
            continue;
        const char *word, *state = node_state(j, i, &word);
        json_array_append_new(states,
                              json_pack("{s:I, s:s, s:s}", "id", (json_int_t)j->facts[i].node_id,
                                        "state", state, "state_text", word));
    }
    json_object_set_new(object, "node_states", states);
    json_object_set_new(object, "seq", json_integer((json_int_t)seq));
    json_object_set_new(object, "at", json_integer(m->at_unix_ms));
    CLEANUP(free_ptr) char *text = json_dumps(object, JSON_COMPACT);
    json_decref(object);
    if (text)
        evbuffer_add_printf(out, "event: verdict\nid: %s-%" PRIu64 "\ndata: %s\n\n", web->boot, seq,
                            text);
}

static void add_resync(struct evbuffer *out, struct client *client)
{
    const struct live *live = client->live;
    evbuffer_add_printf(out, "event: resync\nid: %s-%" PRIu64 "\ndata: {\"seq\":%" PRIu64 "}\n\n",
                        live->web->boot, live->seq, live->seq);
    client->next = live->seq + 1;
}

/* Gives a drained client what it has not seen, or tells it that it is too late for that. */
static void pump(struct client *client)
{
    struct live *live = client->live;
    if (client->busy || client->next > live->seq)
        return;
    struct evbuffer *out = evbuffer_new();
    if (!out)
        return; /* tried again at the next tick */
    if (client->next < live->oldest)
        add_resync(out, client);
    for (; client->next <= live->seq && evbuffer_get_length(out) < CHUNK_BYTES; client->next++) {
        const struct message *m = &live->ring[client->next % LIVE_RING];
        if (m->is_verdict)
            add_verdict(out, client, m, client->next);
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
    if (*end || end == last_id + boot_len + 1 || seq > live->seq || seq + 1 < live->oldest)
        return 0;
    return seq + 1;
}

static void greet(struct client *client, const char *last_id)
{
    struct live *live = client->live;
    client->next = last_id ? resume_after(live, last_id) : live->seq + 1;
    struct evbuffer *out = evbuffer_new();
    if (!out)
        return;
    evbuffer_add_printf(out,
                        "retry: 2000\nevent: hello\ndata: {\"boot\":\"%s\",\"seq\":%" PRIu64
                        ",\"version\":\"%s\"}\n\n",
                        live->web->boot, live->seq, live->web->options.version);
    if (!client->next)
        add_resync(out, client);
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
    if (live->client_count >= CLIENTS_MAX) {
        reply_error(request, 503, "%d pages are open already; close one", CLIENTS_MAX);
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
    struct evhttp_connection *connection = evhttp_request_get_connection(request);
    bufferevent_setwatermark(evhttp_connection_get_bufferevent(connection), EV_READ, 0,
                             INPUT_BYTES);
    evhttp_connection_set_closecb(connection, on_closed, client);
    evhttp_send_reply_start(request, 200, "OK");
    greet(client, evhttp_find_header(evhttp_request_get_input_headers(request), "Last-Event-ID"));
    client = NULL; /* on_closed or stream_close frees it */
}

void stream_tick(struct live *live)
{
    struct client *client, *next;
    for (client = LIST_FIRST(&live->clients); client; client = next) {
        next = LIST_NEXT(client, link);
        pump(client);
        heartbeat(client);
    }
}

void stream_close(struct live *live)
{
    struct client *client;
    while ((client = LIST_FIRST(&live->clients))) {
        struct evhttp_connection *connection = evhttp_request_get_connection(client->request);
        if (connection)
            evhttp_connection_set_closecb(connection, NULL, NULL);
        evhttp_send_reply_end(client->request);
        drop_client(client);
    }
}
