/* The JSON answers of docs/api.md. Sums come from the store's rollups, rates from the last minute.
 */
#include "web/internal.h"

#include <stdlib.h>

#include "base/cleanup.h"
#include "base/clock.h"

json_t *json_number_or_null(int64_t value, int64_t unknown)
{
    return value == unknown ? json_null() : json_integer(value);
}

static struct web_log_status log_status(const struct web *web, int64_t node_id)
{
    struct web_log_status unknown = {.found = true};
    return web->options.log_status ? web->options.log_status(web->options.log_status_ctx, node_id)
                                   : unknown;
}

/* ---- /api/v1/meta --------------------------------------------------------------------------- */

void answer_meta(struct web *web, struct evhttp_request *request, const struct web_query *query)
{
    (void)query;
    struct store_health health;
    store_health(web->options.store, &health);
    json_t *nodes = json_array();
    int64_t backlog = 0;
    for (size_t i = 0; i < web->options.node_count; i++) {
        const struct web_node *node = &web->options.nodes[i];
        backlog += log_status(web, node->id).backlog_bytes;
        json_array_append_new(nodes,
                              json_pack("{s:I, s:o, s:o}", "id", (json_int_t)node->id, "name",
                                        json_text(node->name), "log", json_text(node->log)));
    }
    json_t *queue = json_pack("{s:I, s:I, s:I}", "jobs", (json_int_t)health.queue_jobs, "oldest_ms",
                              (json_int_t)(health.queue_oldest_us / 1000), "backlog_bytes",
                              (json_int_t)backlog);
    json_t *store =
        json_pack("{s:I, s:I, s:I, s:s, s:s}", "bytes", (json_int_t)health.db_bytes, "wal_bytes",
                  (json_int_t)health.wal_bytes, "commit_seq", (json_int_t)health.commit_seq,
                  "sqlite", health.sqlite_version, "state",
                  health.poisoned  ? "poisoned"
                  : health.holding ? "holding"
                                   : "ok");
    reply_json(request,
               json_pack("{s:s, s:b, s:I, s:I, s:s, s:o, s:o, s:o}", "version",
                         web->options.version, "demo", web->options.demo, "started_at",
                         (json_int_t)web->started_unix_ms, "at", (json_int_t)clock_unix_ms(),
                         "boot", web->boot, "nodes", nodes, "queue", queue, "store", store));
}

void answer_health(struct web *web, struct evhttp_request *request, const struct web_query *query)
{
    (void)query;
    struct store_health health;
    store_health(web->options.store, &health);
    if (health.poisoned)
        reply_text(request, 503, "text/plain; charset=utf-8",
                   "writing has stopped: the database is damaged or was replaced\n");
    else if (health.holding)
        reply_text(request, 503, "text/plain; charset=utf-8",
                   "the disk is full: writing waits, nothing is lost\n");
    else
        reply_text(request, 200, "text/plain; charset=utf-8", "ok\n");
}

/* ---- /api/v1/overview ----------------------------------------------------------------------- */

struct node_sums {
    struct traffic_sum traffic[TRAFFIC_COUNT];
    uint64_t error_lines, unparsed;
};

struct overview {
    struct web *web;
    const struct web_query *query;
    const struct judgement *judgement; /* lent by web_judgement */
    struct store_range range;
    struct node_sums *nodes; /* in the order of web.nodes */
    struct traffic_sum all[TRAFFIC_COUNT];
    /* One entry per step. */
    size_t step_count;
    struct {
        bool alive;
        uint64_t bytes[2], pieces[2]; /* in, out */
    } * steps;
};

static struct node_sums *sums_of(struct overview *o, int64_t node_id)
{
    for (size_t i = 0; i < o->web->options.node_count; i++) {
        if (o->web->options.nodes[i].id == node_id)
            return &o->nodes[i];
    }
    return NULL;
}

static void add_outcome(void *ctx, const struct store_outcome *sum)
{
    struct overview *o = ctx;
    struct node_sums *node = sums_of(o, sum->node_id);
    enum traffic traffic = traffic_of(sum->action);
    if (!node || traffic == TRAFFIC_NONE || sum->outcome >= OUTCOME_COUNT)
        return;
    node->traffic[traffic].outcome[sum->outcome] += sum->count;
    o->all[traffic].outcome[sum->outcome] += sum->count;
    if (sum->outcome == OUTCOME_COMPLETED) {
        node->traffic[traffic].bytes = batch_bytes_sum(node->traffic[traffic].bytes, sum->bytes);
        o->all[traffic].bytes = batch_bytes_sum(o->all[traffic].bytes, sum->bytes);
    }
}

static void add_lines(void *ctx, const struct store_line_count *lines)
{
    struct node_sums *node = sums_of(ctx, lines->node_id);
    if (!node)
        return;
    if (lines->level >= LEVEL_ERROR)
        node->error_lines += lines->count;
    if (lines->kind == EVENT_UNPARSED)
        node->unparsed += lines->count;
}

static bool step_index(const struct overview *o, int64_t at_unix_s, size_t *i)
{
    int64_t step = (at_unix_s - o->range.from_unix_s) / o->query->range->step_s;
    if (at_unix_s < o->range.from_unix_s || step >= (int64_t)o->step_count)
        return false;
    *i = (size_t)step;
    return true;
}

static void add_point(void *ctx, const struct store_point *point)
{
    struct overview *o = ctx;
    size_t i;
    if (traffic_of(point->action) == TRAFFIC_NONE || !step_index(o, point->at_unix_s, &i))
        return;
    int way = traffic_is_ingress(point->action) ? 0 : 1;
    o->steps[i].bytes[way] = batch_bytes_sum(o->steps[i].bytes[way], point->bytes);
    o->steps[i].pieces[way] += point->count;
}

static void add_alive(void *ctx, int64_t at_unix_s)
{
    struct overview *o = ctx;
    size_t i;
    if (step_index(o, at_unix_s, &i))
        o->steps[i].alive = true;
}

static int read_totals(struct overview *o, enum batch_step step, const struct store_range *range,
                       struct err *err)
{
    struct store *store = o->web->options.store;
    int rc = store_outcomes(store, step, range, add_outcome, o, err);
    return rc ? rc : store_line_counts(store, step, range, add_lines, o, err);
}

/* A range that does not begin with an hour has its first part read from the minutes. */
static int read_all_totals(struct overview *o, struct err *err)
{
    enum batch_step step = o->query->range->totals;
    struct store_range whole = o->range, first = o->range;
    int over_s = (int)(whole.from_unix_s % batch_step_s[step]);
    if (over_s)
        whole.from_unix_s += batch_step_s[step] - over_s;
    first.to_unix_s = whole.from_unix_s;
    int rc = over_s ? read_totals(o, BATCH_MINUTE, &first, err) : 0;
    return rc ? rc : read_totals(o, step, &whole, err);
}

static int read_overview(struct overview *o, struct err *err)
{
    struct store *store = o->web->options.store;
    const struct web_range *range = o->query->range;
    int rc = read_all_totals(o, err);
    if (!rc)
        rc = store_series(store, range->series, &o->range, range->step_s, add_point, o, err);
    if (!rc)
        rc = store_alive(store, range->series, &o->range, range->step_s, add_alive, o, err);
    if (!rc)
        rc = web_judgement(o->web, &o->judgement, err);
    return rc;
}

static json_t *traffic_json(const struct overview *o)
{
    json_t *t = json_array(), *in_bytes = json_array(), *out_bytes = json_array(),
           *in_pieces = json_array(), *out_pieces = json_array();
    for (size_t i = 0; i < o->step_count; i++) {
        int64_t at = o->range.from_unix_s + (int64_t)i * o->query->range->step_s;
        bool alive = o->steps[i].alive;
        json_array_append_new(t, json_integer(at));
        json_t *const lists[] = {in_bytes, out_bytes, in_pieces, out_pieces};
        const uint64_t values[] = {o->steps[i].bytes[0], o->steps[i].bytes[1],
                                   o->steps[i].pieces[0], o->steps[i].pieces[1]};
        for (size_t k = 0; k < ARRAY_LEN(lists); k++)
            json_array_append_new(lists[k],
                                  alive ? json_integer((json_int_t)values[k]) : json_null());
    }
    return json_pack("{s:o, s:o, s:o, s:o, s:o}", "t_s", t, "in_bytes", in_bytes, "out_bytes",
                     out_bytes, "in_pieces", in_pieces, "out_pieces", out_pieces);
}

static void set_traffic_sums(json_t *object, const struct traffic_sum sums[TRAFFIC_COUNT])
{
    for (int t = 0; t < TRAFFIC_COUNT; t++)
        json_object_set_new(object, traffic_name((enum traffic)t), traffic_sum_json(&sums[t]));
}

static json_t *rate_or_null(double bps)
{
    return bps < 0 ? json_null() : json_integer((json_int_t)bps);
}

static int64_t last_event_of(const struct overview *o, size_t i)
{
    int64_t stored = o->judgement->facts[i].last_event_unix_ms;
    int64_t live = live_rates_of(o->web->live, o->web->options.nodes[i].id).last_event_unix_ms;
    return live > stored ? live : stored;
}

static json_t *node_json(const struct overview *o, size_t i)
{
    const struct web_node *node = &o->web->options.nodes[i];
    const char *word, *state = node_state(o->judgement, i, &word);
    struct live_rates rates = live_rates_of(o->web->live, node->id);
    json_t *object = json_pack(
        "{s:I, s:o, s:o, s:s, s:s, s:o, s:o, s:o, s:I, s:I, s:I}", "id", (json_int_t)node->id,
        "name", json_text(node->name), "log", json_text(node->log), "state", state, "state_text",
        word, "last_event_at", json_number_or_null(last_event_of(o, i), EVENT_NO_TIME), "in_bps",
        rate_or_null(rates.in_bps), "out_bps", rate_or_null(rates.out_bps), "error_lines",
        (json_int_t)o->nodes[i].error_lines, "unparsed", (json_int_t)o->nodes[i].unparsed,
        "backlog_bytes", (json_int_t)log_status(o->web, node->id).backlog_bytes);
    set_traffic_sums(object, o->nodes[i].traffic);
    return object;
}

static json_t *overview_json(const struct overview *o, uint64_t seq)
{
    json_t *nodes = json_array();
    int64_t last_event = EVENT_NO_TIME;
    for (size_t i = 0; i < o->web->options.node_count; i++) {
        if (!web_query_wants(o->query, o->web->options.nodes[i].id))
            continue;
        json_array_append_new(nodes, node_json(o, i));
        if (last_event_of(o, i) > last_event)
            last_event = last_event_of(o, i);
    }
    json_t *transfers = json_object();
    set_traffic_sums(transfers, o->all);
    return json_pack("{s:I, s:s, s:I, s:b, s:s, s:I, s:I, s:i, s:o, s:o, s:o, s:o, s:o}", "at",
                     (json_int_t)clock_unix_ms(), "boot", o->web->boot, "seq", (json_int_t)seq,
                     "demo", o->web->options.demo, "range", o->query->range->name, "from_s",
                     (json_int_t)o->range.from_unix_s, "to_s", (json_int_t)o->range.to_unix_s,
                     "step_s", o->query->range->step_s, "verdict",
                     verdict_json(o->judgement, o->query), "nodes", nodes, "traffic",
                     traffic_json(o), "transfers", transfers, "last_event_at",
                     json_number_or_null(last_event, EVENT_NO_TIME));
}

void answer_overview(struct web *web, struct evhttp_request *request, const struct web_query *query)
{
    int step_s = query->range->step_s;
    int64_t to = clock_unix_ms() / 1000 / step_s * step_s + step_s;
    struct overview o = {
        .web = web,
        .query = query,
        .range = {.from_unix_s = to - query->range->seconds,
                  .to_unix_s = to,
                  .node_ids = query->node_count ? query->node_ids : web->node_ids,
                  .node_count = query->node_count ? query->node_count : web->node_id_count},
        .step_count = (size_t)(query->range->seconds / step_s),
    };
    live_flush(web->live);
    uint64_t seq = live_seq(web->live);
    size_t n = web->options.node_count;
    CLEANUP(free_ptr) void *nodes = o.nodes = calloc(n ? n : 1, sizeof(*o.nodes));
    CLEANUP(free_ptr) void *steps = o.steps = calloc(o.step_count, sizeof(*o.steps));
    struct err err;
    if (!nodes || !steps)
        reply_error(request, 503, "no memory for this answer");
    else if (read_overview(&o, &err))
        reply_error(request, 503, "%s", err.text);
    else
        reply_json(request, overview_json(&o, seq));
}

void answer_stream(struct web *web, struct evhttp_request *request, const struct web_query *query)
{
    live_serve(web->live, request, query);
}
