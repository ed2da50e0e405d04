/* Gathers what the store knows of each node and has node/verdict judge it. Read from rollups and
 * the few notable lines, so that it costs a handful of short queries; kept for some seconds,
 * because every open page asks for it. */
#include "web/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"

#define DAY_S     (24 * 3600)
#define QUARTER_S (15 * 60)
#define NOTES_MAX 400
/* More than this unread, and the page says that it shows the past. */
#define CATCHING_UP_BYTES (1 << 20)

static struct verdict_facts *facts_of(struct judgement *j, int64_t node_id)
{
    for (size_t i = 0; i < j->node_count; i++) {
        if (j->facts[i].node_id == node_id)
            return &j->facts[i];
    }
    return NULL;
}

static void add_quarter(void *ctx, const struct store_outcome *sum)
{
    struct verdict_facts *f = facts_of(ctx, sum->node_id);
    if (!f)
        return;
    f->ended_15m += sum->count;
    if (sum->outcome == OUTCOME_FAILED)
        f->failed_15m += sum->count;
}

static void add_day(void *ctx, const struct store_outcome *sum)
{
    struct verdict_facts *f = facts_of(ctx, sum->node_id);
    if (!f || sum->outcome != OUTCOME_FAILED)
        return;
    f->failed_24h += sum->count;
    if (sum->action == ACTION_GET_AUDIT) {
        f->failed_audits_24h += sum->count;
        f->failed_audits_since_unix_ms = sum->oldest_unix_s * 1000;
    }
}

static void add_quarter_lines(void *ctx, const struct store_line_count *lines)
{
    struct verdict_facts *f = facts_of(ctx, lines->node_id);
    if (!f)
        return;
    f->lines_15m += lines->count;
    if (lines->kind == EVENT_UNPARSED)
        f->unparsed_15m += lines->count;
}

static void add_day_lines(void *ctx, const struct store_line_count *lines)
{
    struct verdict_facts *f = facts_of(ctx, lines->node_id);
    if (!f)
        return;
    uint64_t *count = lines->kind == EVENT_DISK_CHECK_FAILED ? &f->disk_failures_24h
                      : lines->kind == EVENT_DATABASE_FAILED ? &f->database_failures_24h
                      : lines->kind == EVENT_PIECE_CORRUPT   ? &f->corrupt_pieces_24h
                      : lines->kind == EVENT_CONTACT_FAILED  ? &f->contact_failures_24h
                      : lines->kind == EVENT_ORDERS_FAILED   ? &f->orders_failures_24h
                                                             : NULL;
    if (!count)
        return;
    *count += lines->count;
    if (lines->newest_unix_s * 1000 > f->newest_trouble_unix_ms)
        f->newest_trouble_unix_ms = lines->newest_unix_s * 1000;
}

/* "Unrecoverable error: piecestore monitor: timed out ..." */
static char *describe(const struct store_note *note)
{
    json_t *fields = json_loads(note->detail, 0, NULL);
    const char *error = json_string_value(json_object_get(fields, "error"));
    char *text = NULL;
    int n = error ? asprintf(&text, "%s: %.300s", note->message, error)
                  : asprintf(&text, "%.300s", note->message);
    json_decref(fields);
    return n < 0 ? NULL : text;
}

/* Notes come newest first: the first of each sort is the one that counts. */
static void add_note(void *ctx, const struct store_note *note)
{
    struct verdict_facts *f = facts_of(ctx, note->node_id);
    if (!f)
        return;
    if (note->kind == EVENT_NODE_STARTED) {
        if (f->started_unix_ms == EVENT_NO_TIME)
            f->started_unix_ms = note->at_unix_ms;
    } else if (f->fatal_unix_ms == EVENT_NO_TIME) {
        f->fatal_unix_ms = note->at_unix_ms;
        f->fatal_text = describe(note);
    }
}

static int gather_nodes(struct web *web, struct judgement *j, struct err *err)
{
    struct store_node *nodes;
    size_t count;
    int rc = store_nodes(web->options.store, &nodes, &count, err);
    if (rc)
        return rc;
    for (size_t i = 0; i < count; i++) {
        struct verdict_facts *f = facts_of(j, nodes[i].id);
        if (f)
            f->last_event_unix_ms = nodes[i].last_event_unix_ms;
    }
    store_nodes_free(nodes, count);
    return 0;
}

static int gather(struct web *web, struct judgement *j, struct err *err)
{
    struct store *store = web->options.store;
    int64_t now_s = j->at_unix_ms / 1000;
    struct store_range quarter = {.from_unix_s = now_s - QUARTER_S, .to_unix_s = now_s + 60};
    struct store_range day = {.from_unix_s = now_s - DAY_S, .to_unix_s = now_s + 60};
    const uint64_t kinds = UINT64_C(1) << EVENT_FATAL | UINT64_C(1) << EVENT_PANIC |
                           UINT64_C(1) << EVENT_SHUTDOWN | UINT64_C(1) << EVENT_NODE_STARTED;
    int rc = gather_nodes(web, j, err);
    if (!rc)
        rc = store_outcomes(store, BATCH_MINUTE, &quarter, add_quarter, j, err);
    if (!rc)
        rc = store_outcomes(store, BATCH_HOUR, &day, add_day, j, err);
    if (!rc)
        rc = store_line_counts(store, BATCH_MINUTE, &quarter, add_quarter_lines, j, err);
    if (!rc)
        rc = store_line_counts(store, BATCH_HOUR, &day, add_day_lines, j, err);
    if (!rc)
        rc = store_notes(store, &day, kinds, NOTES_MAX, add_note, j, err);
    return rc;
}

static void start_facts(struct web *web, struct judgement *j)
{
    for (size_t i = 0; i < j->node_count; i++) {
        const struct web_node *node = &web->options.nodes[i];
        struct web_log_status log = {.found = true};
        if (web->options.log_status)
            log = web->options.log_status(web->options.log_status_ctx, node->id);
        j->facts[i] = (struct verdict_facts){
            .node_id = node->id,
            .name = node->name,
            .log = node->log,
            .log_found = log.found,
            .backlog_bytes = log.backlog_bytes,
            .last_event_unix_ms = EVENT_NO_TIME,
            .fatal_unix_ms = EVENT_NO_TIME,
            .started_unix_ms = EVENT_NO_TIME,
            .newest_trouble_unix_ms = EVENT_NO_TIME,
        };
    }
}

/* The program's own trouble comes before that of any node. */
static void judge_store(struct web *web, struct judgement *j)
{
    struct store_health health;
    store_health(web->options.store, &health);
    if (!health.holding && !health.poisoned)
        return;
    struct verdict_item *item = &j->items[j->item_count++];
    *item = (struct verdict_item){.severity = SEVERITY_CRITICAL,
                                  .rule = health.poisoned ? "store_stopped" : "store_full",
                                  .node = "nodewatch",
                                  .since_unix_ms = j->at_unix_ms};
    snprintf(item->title, sizeof(item->title), "%s",
             health.poisoned ? "nodewatch has stopped writing its database"
                             : "No space for nodewatch's database");
    snprintf(
        item->detail, sizeof(item->detail), "%s",
        health.poisoned
            ? "The database file is damaged or was replaced. What the page shows is old. "
              "nodewatch's own log says what happened and what to do; the files are kept."
            : "Writing waits until there is space again; nothing is lost, the logs are read on "
              "then. Free some disk space.");
}

static uint64_t hash_items(const struct judgement *j)
{
    uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a */
    for (size_t i = 0; i < j->item_count; i++) {
        const struct verdict_item *item = &j->items[i];
        const char *texts[] = {item->rule, item->title, item->detail};
        hash = (hash ^ (uint64_t)item->node_id) * 0x100000001b3u;
        for (size_t t = 0; t < ARRAY_LEN(texts); t++) {
            for (const char *at = texts[t]; *at; at++)
                hash = (hash ^ (unsigned char)*at) * 0x100000001b3u;
        }
    }
    int64_t backlog = 0;
    for (size_t i = 0; i < j->node_count; i++) {
        hash = (hash ^ (j->facts[i].last_event_unix_ms != EVENT_NO_TIME)) * 0x100000001b3u;
        backlog += j->facts[i].backlog_bytes;
    }
    /* What is left to read is part of the title. */
    if (backlog > CATCHING_UP_BYTES)
        hash = (hash ^ (uint64_t)(backlog / 1000000 + 1)) * 0x100000001b3u;
    return hash;
}

int judgement_make(struct web *web, struct judgement *out, struct err *err)
{
    struct judgement j = {.at_unix_ms = clock_unix_ms(), .node_count = web->options.node_count};
    j.facts = calloc(j.node_count ? j.node_count : 1, sizeof(*j.facts));
    j.items = calloc(j.node_count * VERDICT_RULES_PER_NODE + 1, sizeof(*j.items));
    if (!j.facts || !j.items) {
        judgement_fini(&j);
        return err_set(err, ERR_MEMORY, "no memory to judge the nodes");
    }
    start_facts(web, &j);
    int rc = gather(web, &j, err);
    if (rc) {
        judgement_fini(&j);
        return rc;
    }
    for (size_t i = 0; i < j.node_count; i++)
        j.item_count += verdict_node(&j.facts[i], j.at_unix_ms, j.items + j.item_count);
    judge_store(web, &j);
    verdict_sort(j.items, j.item_count);
    j.hash = hash_items(&j);
    *out = j;
    return 0;
}

void judgement_fini(struct judgement *j)
{
    for (size_t i = 0; j->facts && i < j->node_count; i++)
        free((char *)j->facts[i].fatal_text);
    free(j->facts);
    free(j->items);
    *j = (struct judgement){0};
}

int web_judgement(struct web *web, const struct judgement **out, struct err *err)
{
    int64_t age_ms = clock_unix_ms() - web->judgement.at_unix_ms;
    if (!web->judgement.facts || age_ms < 0 || age_ms > JUDGEMENT_MAX_AGE_MS) {
        struct judgement fresh;
        int rc = judgement_make(web, &fresh, err);
        if (rc)
            return rc;
        judgement_fini(&web->judgement);
        web->judgement = fresh;
    }
    *out = &web->judgement;
    return 0;
}

/* ---- As JSON -------------------------------------------------------------------------------- */

const char *node_state(const struct judgement *j, size_t node, const char **word)
{
    enum severity worst = SEVERITY_NONE;
    for (size_t i = 0; i < j->item_count; i++) {
        if (j->items[i].node_id == j->facts[node].node_id && j->items[i].severity > worst)
            worst = j->items[i].severity;
    }
    if (worst == SEVERITY_CRITICAL)
        return *word = "Critical", "critical";
    if (worst == SEVERITY_WARNING)
        return *word = "Attention", "attention";
    if (j->facts[node].last_event_unix_ms == EVENT_NO_TIME)
        return *word = "No line yet", "unknown";
    return *word = "Good", "good";
}

static json_t *item_json(const struct verdict_item *item)
{
    return json_pack("{s:s, s:s, s:I, s:o, s:o, s:o, s:I}", "severity",
                     severity_name(item->severity), "rule", item->rule, "node_id",
                     (json_int_t)item->node_id, "node", json_text(item->node), "title",
                     json_text(item->title), "detail", json_text(item->detail), "since",
                     (json_int_t)item->since_unix_ms);
}

json_t *verdict_json(const struct judgement *j, const struct web_query *query)
{
    json_t *items = json_array();
    enum severity worst = SEVERITY_NONE;
    for (size_t i = 0; i < j->item_count; i++) {
        const struct verdict_item *item = &j->items[i];
        if (item->node_id && query && !web_query_wants(query, item->node_id))
            continue;
        json_array_append_new(items, item_json(item));
        if (item->severity > worst)
            worst = item->severity;
    }
    int64_t last_event = EVENT_NO_TIME, backlog = 0;
    size_t nodes = 0;
    for (size_t i = 0; i < j->node_count; i++) {
        if (query && !web_query_wants(query, j->facts[i].node_id))
            continue;
        nodes++;
        backlog += j->facts[i].backlog_bytes;
        if (j->facts[i].last_event_unix_ms > last_event)
            last_event = j->facts[i].last_event_unix_ms;
    }
    size_t count = json_array_size(items);
    char title[96], detail[64];
    if (count)
        snprintf(title, sizeof(title), "%zu thing%s you", count, count == 1 ? " needs" : "s need");
    else if (backlog > CATCHING_UP_BYTES)
        snprintf(title, sizeof(title), "Reading the logs: %.0f MB to go", (double)backlog / 1e6);
    else
        snprintf(title, sizeof(title), "%s",
                 last_event == EVENT_NO_TIME ? "Waiting for the first line"
                 : nodes == 1                ? "The node is well"
                                             : "All nodes are well");
    /* No ages here: the page shows them, and they would be old a second later. */
    snprintf(detail, sizeof(detail), "%zu node%s watched%s", nodes, nodes == 1 ? "" : "s",
             last_event == EVENT_NO_TIME ? ", no line read yet" : "");
    const char *state = worst == SEVERITY_CRITICAL    ? "critical"
                        : count                       ? "attention"
                        : last_event == EVENT_NO_TIME ? "empty"
                                                      : "good";
    return json_pack("{s:s, s:s, s:s, s:o}", "state", state, "title", title, "detail", detail,
                     "items", items);
}
