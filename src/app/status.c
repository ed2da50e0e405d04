/* `nodewatch status`: what is known, from the database alone; works beside a running daemon and
 * without one. The queue is the log itself: bytes of it that are not committed yet. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

#include "app/commands.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "node/live.h"
#include "node/verdict.h"
#include "store/store.h"
#include "web/json.h"

struct node_status {
    const struct store_node *node;
    int64_t queue_bytes;                            /* -1: the log cannot be read from here */
    uint64_t ended, completed, in_bytes, out_bytes; /* last hour */
};

struct status {
    const char *path;
    struct store_node *nodes;
    size_t count;
    struct node_status *status;
    struct store_health health;
    int64_t now_ms;
};

#define RATE_S 3600

static void add_outcome(void *ctx, const struct store_outcome *sum)
{
    struct status *s = ctx;
    for (size_t i = 0; i < s->count; i++) {
        if (s->nodes[i].id != sum->node_id)
            continue;
        s->status[i].ended += sum->count;
        if (sum->outcome != OUTCOME_COMPLETED || traffic_of(sum->action) == TRAFFIC_NONE)
            continue;
        s->status[i].completed += sum->count;
        if (traffic_is_ingress(sum->action))
            s->status[i].in_bytes = batch_bytes_sum(s->status[i].in_bytes, sum->bytes);
        else
            s->status[i].out_bytes = batch_bytes_sum(s->status[i].out_bytes, sum->bytes);
    }
}

/* Bytes of the log beyond the offset of the source that it is; all of it when it is a new one. */
static int64_t queue_of(struct store *store, const struct store_node *node)
{
    CLEANUP(close_fd)
    int fd = node->log[0] ? open(node->log, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
    struct stat st;
    uint8_t head[SOURCE_HEAD_MAX];
    if (fd < 0 || fstat(fd, &st) || !S_ISREG(st.st_mode))
        return -1;
    ssize_t len = pread(fd, head, sizeof(head), 0);
    CLEANUP(free_ptr) struct source *sources = NULL;
    size_t count;
    struct err err;
    if (len < 0 || store_sources(store, node->id, &sources, &count, &err))
        return -1;
    for (size_t i = count; i-- > 0;) {
        if (source_compare_head(&sources[i], head, (size_t)len) == SOURCE_ALIKE &&
            sources[i].offset <= st.st_size)
            return st.st_size - sources[i].offset;
    }
    return st.st_size;
}

static int gather(struct store *store, struct status *s, struct err *err)
{
    int rc = store_nodes(store, &s->nodes, &s->count, err);
    if (rc)
        return rc;
    s->status = calloc(s->count ? s->count : 1, sizeof(*s->status));
    if (!s->status)
        return err_set(err, ERR_MEMORY, "no memory for the status");
    for (size_t i = 0; i < s->count; i++) {
        s->status[i].node = &s->nodes[i];
        s->status[i].queue_bytes = queue_of(store, &s->nodes[i]);
    }
    struct store_range hour = {.from_unix_s = s->now_ms / 1000 - RATE_S,
                               .to_unix_s = s->now_ms / 1000 + 60};
    store_health(store, &s->health);
    return store_outcomes(store, BATCH_MINUTE, &hour, add_outcome, s, err);
}

static json_t *time_json(int64_t unix_ms)
{
    char text[CLOCK_RFC3339_MAX];
    if (unix_ms == EVENT_NO_TIME)
        return json_null();
    clock_format_rfc3339_ms(text, unix_ms);
    return json_string(text);
}

static int print_json(const struct status *s)
{
    json_t *nodes = json_array();
    int64_t queue = 0;
    for (size_t i = 0; i < s->count; i++) {
        const struct node_status *n = &s->status[i];
        queue += n->queue_bytes > 0 ? n->queue_bytes : 0;
        json_array_append_new(
            nodes,
            json_pack("{s:o, s:o, s:o, s:I, s:I, s:I, s:I, s:f, s:I, s:I, s:o}", "name",
                      json_text(n->node->name), "log", json_text(n->node->log), "last_event",
                      time_json(n->node->last_event_unix_ms), "lines", (json_int_t)n->node->lines,
                      "events", (json_int_t)n->node->transfers, "twins", (json_int_t)n->node->twins,
                      "unparsed", (json_int_t)n->node->unparsed, "events_per_second",
                      (double)n->ended / RATE_S, "in_bytes_last_hour", (json_int_t)n->in_bytes,
                      "out_bytes_last_hour", (json_int_t)n->out_bytes, "queue_bytes",
                      n->queue_bytes < 0 ? json_null() : json_integer(n->queue_bytes)));
    }
    json_t *object =
        json_pack("{s:o, s:{s:o, s:I, s:I, s:I, s:s}, s:{s:I}}", "nodes", nodes, "database", "path",
                  json_text(s->path), "bytes", (json_int_t)s->health.db_bytes, "wal_bytes",
                  (json_int_t)s->health.wal_bytes, "commit_seq", (json_int_t)s->health.commit_seq,
                  "sqlite", s->health.sqlite_version, "queue", "bytes", (json_int_t)queue);
    int rc = object ? json_dumpf(object, stdout, JSON_COMPACT) : -1;
    putchar('\n');
    json_decref(object);
    return rc;
}

static void print_node(const struct status *s, const struct node_status *n)
{
    char age[24] = "never", queue[32] = "-";
    if (n->node->last_event_unix_ms != EVENT_NO_TIME)
        verdict_age(s->now_ms - n->node->last_event_unix_ms, age);
    if (n->queue_bytes >= 0)
        snprintf(queue, sizeof(queue), "%.1f MB", (double)n->queue_bytes / 1e6);
    printf("%-24.24s %10s %12" PRIu64 " %10.2f %10.2f %10.2f %9" PRIu64 " %10s\n", n->node->name,
           age, n->node->transfers, (double)n->ended / RATE_S,
           (double)n->in_bytes * 8 / RATE_S / 1e6, (double)n->out_bytes * 8 / RATE_S / 1e6,
           n->node->unparsed, queue);
}

static int print_table(const struct status *s)
{
    printf("%-24s %10s %12s %10s %10s %10s %9s %10s\n", "node", "last event", "transfers",
           "per s, 1 h", "in Mbit/s", "out Mbit/s", "unparsed", "queue");
    for (size_t i = 0; i < s->count; i++)
        print_node(s, &s->status[i]);
    if (!s->count)
        printf("no node yet: start nodewatch run, or nodewatch ingest\n");
    printf("\ndatabase %s: %.1f MB, WAL %.1f MB, %" PRId64 " commits, SQLite %s\n", s->path,
           (double)s->health.db_bytes / 1e6, (double)s->health.wal_bytes / 1e6,
           s->health.commit_seq, s->health.sqlite_version);
    return 0;
}

int command_status(struct config *config)
{
    if (config->operand_count) {
        fprintf(stderr, "nodewatch: status takes no \"%s\"\n", config->operands[0]);
        return EXIT_USAGE;
    }
    struct store_options options = {.path = config->db_path, .read_only = true};
    struct store *store;
    struct err err, late;
    if (store_open(&options, &store, &err))
        return command_fail(&err);
    struct status s = {.path = config->db_path, .now_ms = clock_unix_ms()};
    int rc = gather(store, &s, &err);
    if (!rc && ((config->json ? print_json(&s) : print_table(&s)) || fflush(stdout)))
        rc = err_set(&err, ERR_IO, "cannot write the status");
    free(s.status);
    store_nodes_free(s.nodes, s.count);
    store_close(store, 1000, &late); /* nothing was written: nothing can be lost */
    return rc ? command_fail(&err) : EXIT_FINE;
}
