/* Query strings: what a request asks for (docs/api.md). */
#include "web/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <event2/http.h>

static const struct web_range ranges[] = {
    {"15m", 15 * 60, 60, BATCH_MINUTE, BATCH_MINUTE},
    {"1h", 3600, 60, BATCH_MINUTE, BATCH_MINUTE},
    {"24h", 24 * 3600, 900, BATCH_HOUR, BATCH_MINUTE},
    {"7d", 7 * 24 * 3600, 3600, BATCH_HOUR, BATCH_HOUR},
    {"30d", 30 * 24 * 3600, 6 * 3600, BATCH_HOUR, BATCH_HOUR},
};

const struct web_range *web_range_find(const char *name)
{
    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
        if (strcmp(ranges[i].name, name) == 0)
            return &ranges[i];
    }
    return NULL;
}

static int parse_nodes(const struct web *web, const char *text, struct web_query *out,
                       struct err *err)
{
    if (!*text)
        return 0;
    out->node_ids = calloc(strlen(text) / 2 + 1, sizeof(*out->node_ids));
    if (!out->node_ids)
        return err_set(err, ERR_MEMORY, "no memory for a request");
    for (const char *at = text;;) {
        char *end;
        errno = 0;
        long long id = strtoll(at, &end, 10);
        if (end == at || errno || (*end && *end != ','))
            return err_set(err, ERR_USAGE, "nodes=%.100s: ids separated by commas are expected",
                           text);
        if (!web_node_find(web, id))
            return err_set(err, ERR_USAGE, "nodes: there is no node %lld; /api/v1/meta lists them",
                           id);
        out->node_ids[out->node_count++] = id;
        if (!*end)
            return 0;
        at = end + 1;
    }
}

int web_query_parse(const struct web *web, const struct evkeyvalq *params, struct web_query *out,
                    struct err *err)
{
    *out = (struct web_query){.range = web_range_find("1h")};
    const char *range = evhttp_find_header(params, "range");
    const char *nodes = evhttp_find_header(params, "nodes");
    if (range && !(out->range = web_range_find(range)))
        return err_set(err, ERR_USAGE, "range=%.100s: " WEB_RANGES " is expected", range);
    int rc = nodes ? parse_nodes(web, nodes, out, err) : 0;
    if (rc)
        web_query_fini(out);
    return rc;
}

void web_query_fini(struct web_query *query)
{
    free(query->node_ids);
    query->node_ids = NULL;
    query->node_count = 0;
}

bool web_query_wants(const struct web_query *query, int64_t node_id)
{
    for (size_t i = 0; i < query->node_count; i++) {
        if (query->node_ids[i] == node_id)
            return true;
    }
    return query->node_count == 0;
}
