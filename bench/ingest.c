/* How fast a whole log is ingested, and what limits it. Makes a log of made-up INFO lines (one
 * transfer a line, so the insert has as much to do as it can), then in one run:
 *
 *   scan only     reads, unwraps, scans, adds up; batches are thrown away
 *   insert only   the time from handing a batch in to its commit, nothing overlapping
 *   both          as `nodewatch ingest` does it: the next batch is scanned while one is committed
 *
 *     ingest [LINES [FOLDER]]        default 1000000, a temporary folder */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "app/demo_log.h"
#include "app/sink.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "ingest/bulk.h"
#include "store/store.h"

#define STEP_MS 3600000

struct bench {
    char folder[512], log[600];
    uint64_t lines;
    struct ingest_sink store_sink; /* the real one, for insert only */
    int64_t insert_us;
    int64_t next_id;
};

static void die(const char *what, const struct err *err)
{
    fprintf(stderr, "bench-ingest: %s: %s\n", what, err ? err->text : strerror(errno));
    exit(1);
}

static double make_log(struct bench *b)
{
    struct demo_node node = demo_nodes[0];
    node.next_ms = 1787220014000;
    CLEANUP(buf_fini) struct buf text = {0};
    FILE *out = fopen(b->log, "we");
    if (!out)
        die(b->log, NULL);
    double bytes = 0;
    for (uint64_t made = 0; made < b->lines;) {
        buf_clear(&text);
        demo_write_lines(&node, node.next_ms + STEP_MS, node.next_ms + STEP_MS, &text);
        char *at = text.data, *end = text.data + text.len;
        for (; at < end && made < b->lines; made++)
            at = (char *)memchr(at, '\n', (size_t)(end - at)) + 1;
        if (text.failed || fwrite(text.data, 1, (size_t)(at - text.data), out) == 0)
            die(b->log, NULL);
        bytes += (double)(at - text.data);
    }
    if (fclose(out))
        die(b->log, NULL);
    return bytes;
}

/* ---- Sinks: nothing, and one at a time ------------------------------------------------------ */

static int no_sources(void *ctx, int64_t node_id, struct source **out, size_t *count,
                      struct err *err)
{
    (void)ctx;
    (void)node_id;
    (void)err;
    *out = NULL;
    *count = 0;
    return 0;
}

static int number_source(void *ctx, int64_t node_id, const char *name, struct source *source,
                         struct err *err)
{
    (void)node_id;
    (void)name;
    (void)err;
    struct bench *b = ctx;
    source->id = ++b->next_id;
    return 0;
}

static int drop_batch(void *ctx, struct batch *batch, void **ticket, struct err *err)
{
    (void)ctx;
    (void)err;
    *ticket = batch;
    return 0;
}

static int was_dropped(void *ctx, void *ticket, int timeout_ms, struct err *err)
{
    (void)ctx;
    (void)ticket;
    (void)timeout_ms;
    (void)err;
    return 0;
}

static int stored_sources(void *ctx, int64_t node_id, struct source **out, size_t *count,
                          struct err *err)
{
    struct bench *b = ctx;
    return b->store_sink.sources(b->store_sink.ctx, node_id, out, count, err);
}

static int store_source(void *ctx, int64_t node_id, const char *name, struct source *source,
                        struct err *err)
{
    struct bench *b = ctx;
    return b->store_sink.source_add(b->store_sink.ctx, node_id, name, source, err);
}

static int commit_now(void *ctx, struct batch *batch, void **ticket, struct err *err)
{
    struct bench *b = ctx;
    int64_t started = clock_monotonic_us();
    void *inner;
    int rc = b->store_sink.batch_submit(b->store_sink.ctx, batch, &inner, err);
    if (!rc)
        rc = b->store_sink.batch_wait(b->store_sink.ctx, inner, 60000, err);
    b->insert_us += clock_monotonic_us() - started;
    *ticket = batch;
    return rc;
}

/* ---- Runs ----------------------------------------------------------------------------------- */

static double run(struct bench *b, const struct ingest_sink *sink, int64_t node_id)
{
    const char *paths[] = {b->log};
    struct bulk_totals totals = {0};
    struct err err;
    int64_t started = clock_monotonic_us();
    if (bulk_run(sink, node_id, paths, 1, NULL, NULL, &totals, &err))
        die("reading the log", &err);
    if (totals.lines != b->lines) {
        fprintf(stderr, "bench-ingest: %" PRIu64 " lines read, %" PRIu64 " written\n", totals.lines,
                b->lines);
        exit(1);
    }
    return (double)(clock_monotonic_us() - started) / 1e6;
}

static struct store *open_store(struct bench *b, const char *name, int64_t *node_id)
{
    char path[700];
    snprintf(path, sizeof(path), "%s/%s", b->folder, name);
    struct store_options options = {.path = path};
    struct store *store;
    struct err err;
    if (store_open(&options, &store, &err) ||
        store_node_ensure(store, "bench", NULL, node_id, &err))
        die("opening the store", &err);
    return store;
}

static void print_line(const char *what, double seconds, double lines, double baseline)
{
    printf("%-12s %8.2f s %12.0f lines/s   %5.2f of scan only\n", what, seconds, lines / seconds,
           seconds / baseline);
}

static void close_store(struct store *store)
{
    struct err err;
    if (store_close(store, 60000, &err))
        die("closing the store", &err);
}

static void measure(struct bench *b, double bytes)
{
    struct ingest_sink nothing = {b, no_sources, number_source, drop_batch, was_dropped};
    double lines = (double)b->lines, scan = run(b, &nothing, 1);
    int64_t node_id;
    struct store *store = open_store(b, "serial.db", &node_id);
    b->store_sink = sink_of_store(store);
    struct ingest_sink serial = {b, stored_sources, store_source, commit_now, was_dropped};
    run(b, &serial, node_id);
    close_store(store);
    store = open_store(b, "both.db", &node_id);
    struct ingest_sink sink = sink_of_store(store);
    double both = run(b, &sink, node_id);
    struct store_health health;
    store_health(store, &health);
    close_store(store);
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);

    printf("%" PRIu64 " lines, %.0f MB, SQLite %s\n", b->lines, bytes / 1e6, health.sqlite_version);
    print_line("scan only", scan, lines, scan);
    print_line("insert only", (double)b->insert_us / 1e6, lines, scan);
    print_line("both", both, lines, scan);
    printf("database %.1f MB = %.0f bytes per line, peak memory %.1f MB\n",
           (double)health.db_bytes / 1e6, (double)health.db_bytes / lines,
           (double)usage.ru_maxrss / 1e3);
}

int main(int argc, char **argv)
{
    static struct bench b;
    b.lines = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000;
    snprintf(b.folder, sizeof(b.folder), "%s/nodewatch-bench-XXXXXX", argc > 2 ? argv[2] : "/tmp");
    if (!b.lines || !mkdtemp(b.folder))
        die("usage: bench-ingest [LINES [FOLDER]]", NULL);
    snprintf(b.log, sizeof(b.log), "%s/node.log", b.folder);
    measure(&b, make_log(&b));
    static const char *const names[] = {"node.log",      "serial.db",    "serial.db.lock",
                                        "both.db",       "both.db.lock", "serial.db-wal",
                                        "serial.db-shm", "both.db-wal",  "both.db-shm"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        char path[700];
        snprintf(path, sizeof(path), "%s/%s", b.folder, names[i]);
        unlink(path);
    }
    rmdir(b.folder);
    return 0;
}
