/* `nodewatch ingest`: whole files in, with progress on a terminal and a summary at the end. */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "app/commands.h"
#include "app/daemon.h"
#include "app/log.h"
#include "app/sink.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "ingest/bulk.h"

#define CLOSE_WAIT_MS        30000
#define CLOSE_FAILED_WAIT_MS 1000

static volatile sig_atomic_t interrupted;

static void on_interrupt(int signal_number)
{
    (void)signal_number;
    interrupted = 1;
}

struct progress {
    int64_t started_ms, file_started_ms;
    const char *file; /* being read: lent by bulk_run's caller for the whole run */
    bool drawn;
};

static void print_bar(double part)
{
    char bar[21];
    int full = (int)(part * 20 + 0.5);
    for (int i = 0; i < 20; i++)
        bar[i] = i < full ? '#' : '.';
    bar[20] = '\0';
    fprintf(stderr, "[%s] %3.0f %%", bar, part * 100);
}

static void on_progress(void *ctx, const char *path, int64_t done_bytes, int64_t total_bytes,
                        const struct bulk_totals *totals)
{
    struct progress *p = ctx;
    int64_t now = clock_monotonic_ms();
    if (p->file != path) {
        p->file = path;
        p->file_started_ms = now;
    }
    double seconds = (double)(now - p->started_ms) / 1000;
    double file_seconds = (double)(now - p->file_started_ms) / 1000;
    fprintf(stderr, "\r\033[K");
    if (total_bytes > 0)
        print_bar(done_bytes >= total_bytes ? 1 : (double)done_bytes / (double)total_bytes);
    fprintf(stderr, " %.1f MB, %.2f M lines, %.0f k lines/s", (double)totals->bytes / 1e6,
            (double)totals->lines / 1e6, seconds > 0 ? (double)totals->lines / seconds / 1e3 : 0);
    if (total_bytes > done_bytes && done_bytes > 0)
        fprintf(stderr, ", %.0f s left",
                file_seconds / (double)done_bytes * (double)(total_bytes - done_bytes));
    fprintf(stderr, "  %.60s", path);
    fflush(stderr);
    p->drawn = true;
}

static void print_summary(const struct bulk_totals *t, double seconds, bool json)
{
    if (json) {
        json_t *object = json_pack(
            "{s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:I, s:I}", "files", (json_int_t)t->files, "bytes",
            (json_int_t)t->bytes, "lines", (json_int_t)t->lines, "events", (json_int_t)t->transfers,
            "duplicates", (json_int_t)t->duplicates, "unparsed", (json_int_t)t->unparsed, "seconds",
            seconds, "cut_lines", (json_int_t)t->cut_lines, "nul_bytes", (json_int_t)t->nul_bytes);
        json_dumpf(object, stdout, JSON_COMPACT | JSON_REAL_PRECISION(6));
        putchar('\n');
        json_decref(object);
        return;
    }
    printf("%" PRIu64 " file%s, %.1f MB, %" PRIu64 " new lines in %.1f s", t->files,
           t->files == 1 ? "" : "s", (double)t->bytes / 1e6, t->lines, seconds);
    if (seconds > 0 && t->lines)
        printf(" (%.0f lines/s)", (double)t->lines / seconds);
    printf("\n%" PRIu64 " transfers added, %" PRIu64 " known already, %" PRIu64
           " lines that are not node lines\n",
           t->transfers, t->duplicates, t->unparsed);
    if (t->cut_lines)
        printf("%" PRIu64 " lines were longer than 1 MiB and were cut\n", t->cut_lines);
    if (t->nul_bytes)
        printf("%" PRIu64 " NUL bytes were skipped\n", t->nul_bytes);
}

/* A one-off run: that a pool was opened is no news, that it waits for disk space is. */
static void log_trouble(void *ctx, char level, const char *text)
{
    if (level != 'I')
        log_from(ctx, level, text);
}

static int ingest(struct store *store, const struct config *config, struct bulk_totals *totals,
                  struct err *err)
{
    int64_t node_id;
    int rc = store_node_ensure(store, config->ingest_node, NULL, &node_id, err);
    if (rc)
        return rc;
    struct ingest_sink sink = sink_of_store(store);
    struct progress shown = {.started_ms = clock_monotonic_ms()};
    struct bulk_progress progress = {&shown, on_progress};
    bool terminal = isatty(STDERR_FILENO) && !config->json;
    rc = bulk_run(&sink, node_id, (const char *const *)config->operands, config->operand_count,
                  terminal ? &progress : NULL, &interrupted, totals, err);
    if (shown.drawn)
        fprintf(stderr, "\r\033[K");
    return rc;
}

int command_ingest(struct config *config)
{
    if (!config->ingest_node || !*config->ingest_node || !config->operand_count) {
        fprintf(stderr, "nodewatch: ingest needs --node NAME and at least one FILE "
                        "(\"-\" is standard input); see nodewatch ingest --help\n");
        return EXIT_USAGE;
    }
    struct sigaction action = {.sa_handler = on_interrupt};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    struct store_options options;
    daemon_store_options(config, &options);
    options.log = log_trouble;
    struct store *store;
    struct err err;
    if (store_open(&options, &store, &err))
        return command_fail(&err);
    int64_t started_ms = clock_monotonic_ms();
    struct bulk_totals totals = {0};
    int rc = ingest(store, config, &totals, &err);
    struct err late;
    if (store_close(store, rc ? CLOSE_FAILED_WAIT_MS : CLOSE_WAIT_MS, &late) && !rc) {
        rc = late.code;
        err = late;
    }
    print_summary(&totals, (double)(clock_monotonic_ms() - started_ms) / 1000, config->json);
    if ((fflush(stdout) || ferror(stdout)) && !rc)
        rc = err_set(&err, ERR_IO, "the lines are stored, but the summary cannot be written");
    return rc ? command_fail(&err) : EXIT_FINE;
}
