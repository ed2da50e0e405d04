/* What the files of this room share. All of it belongs to the loop's thread except where it says
 * so. */
#ifndef WEB_INTERNAL_H
#define WEB_INTERNAL_H

#include <event2/http.h>
#include <jansson.h>

#include "base/buf.h"
#include "base/sync.h"
#include "node/live.h"
#include "node/verdict.h"
#include "web/json.h"
#include "web/web.h"

/* ---- Ranges --------------------------------------------------------------------------------- */

struct web_range {
    const char *name;
    int seconds, step_s;
    enum batch_step totals, series; /* rollups that totals and chart are read from */
};
/* "1h" and its peers; NULL when unknown. */
const struct web_range *web_range_find(const char *name);
#define WEB_RANGES "15m, 1h, 24h, 7d or 30d"

/* A parsed query string: range and nodes. */
struct web_query {
    const struct web_range *range;
    int64_t *node_ids; /* owned; NULL = all */
    size_t node_count;
};
/* ERR_USAGE says which parameter is wrong and what would be right. */
int web_query_parse(const struct web *web, const struct evkeyvalq *params, struct web_query *out,
                    struct err *err);
void web_query_fini(struct web_query *query);
bool web_query_wants(const struct web_query *query, int64_t node_id);

/* ---- Judgement ------------------------------------------------------------------------------ */

struct judgement {
    int64_t at_unix_ms;
    struct verdict_item *items; /* worst first */
    size_t item_count;
    struct verdict_facts *facts; /* one per node, in the order of web.nodes */
    size_t node_count;
    uint64_t hash; /* of what a reader would see */
};
/* Gathers the facts from the store and judges them. */
int judgement_make(struct web *web, struct judgement *out, struct err *err);
void judgement_fini(struct judgement *j);
/* The present judgement, at most JUDGEMENT_MAX_AGE_MS old; lent until the next call. */
int web_judgement(struct web *web, const struct judgement **out, struct err *err);
#define JUDGEMENT_MAX_AGE_MS 5000

/* verdict object and state of docs/api.md, for the nodes the query wants (NULL = all). */
json_t *verdict_json(const struct judgement *j, const struct web_query *query);
/* Worst severity among the items of one node, as state and its word. */
const char *node_state(const struct judgement *j, size_t node, const char **word);

/* ---- Live events ---------------------------------------------------------------------------- */

struct live;
int live_open(struct web *web, struct live **out, struct err *err);
void live_close(struct live *live);
void live_add(struct live *live, const struct batch *batch); /* any thread */
/* Joins a request to the stream; takes the request over. */
void live_serve(struct live *live, struct evhttp_request *request, const struct web_query *query);
/* Sends what is pending now, so that figures read from the store afterwards are not sent again. */
void live_flush(struct live *live);
uint64_t live_seq(const struct live *live);
size_t live_client_count(const struct live *live);
/* Present rates and newest event of a node; under the live's own lock. */
struct live_rates {
    double in_bps, out_bps; /* -1 unknown */
    int64_t last_event_unix_ms;
};
struct live_rates live_rates_of(struct live *live, int64_t node_id);

/* ---- Answers -------------------------------------------------------------------------------- */

struct web {
    struct web_options options;
    struct evhttp *http;
    char *listen_host, *allowed_hosts;
    char url[300];
    char boot[17]; /* random, tells restarts apart */
    int64_t started_unix_ms;
    int64_t *node_ids; /* ours, when the store holds other nodes too; else NULL */
    size_t node_id_count;
    struct live *live;
    struct judgement judgement;
    uint64_t requests, refused;
};

/* Name of a node by id, or NULL. */
const struct web_node *web_node_find(const struct web *web, int64_t id);

/* Sends the headers and body put into the request so far; to HEAD without the body. */
void reply_send(struct evhttp_request *request, int status);
void reply_text(struct evhttp_request *request, int status, const char *content_type,
                const char *text);
void reply_error(struct evhttp_request *request, int status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Sends `body` with an ETag made of its members but the two that always move ("at", "seq"), or 304.
 * Takes body. */
void reply_json(struct evhttp_request *request, json_t *body);

/* Handlers of the route table; each answers the request. */
void answer_index(struct web *web, struct evhttp_request *request, const struct web_query *query);
void answer_meta(struct web *web, struct evhttp_request *request, const struct web_query *query);
void answer_overview(struct web *web, struct evhttp_request *request,
                     const struct web_query *query);
void answer_stream(struct web *web, struct evhttp_request *request, const struct web_query *query);
void answer_metrics(struct web *web, struct evhttp_request *request, const struct web_query *query);
void answer_health(struct web *web, struct evhttp_request *request, const struct web_query *query);
/* True when `path` is a file of the page (then it was answered). */
bool answer_asset(struct evhttp_request *request, const char *path);

json_t *json_number_or_null(int64_t value, int64_t unknown);
json_t *traffic_sum_json(const struct traffic_sum *sum);

#endif
