/* The wiring of the running program (daemon.h). Threads: this one runs the loop (HTTP, timers,
 * signals); one follows the logs; onewriter has its writer. Data flows one way: tail -> store ->
 * live -> page.
 *
 * Stopping goes in the order of the flow: reading stops, what was handed in is committed, then the
 * rest closes. Whatever was not committed is still in the log files and is read at the next start.
 */
#include "app/daemon.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "app/commands.h"
#include "app/log.h"
#include "app/sink.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/sync.h"
#include "ingest/tail.h"
#include "store/store.h"
#include "web/loop.h"
#include "web/web.h"

#define SUMMARY_EVERY_MS 10000
/* Together under the two seconds an operator waits for Ctrl-C. */
#define TAIL_STOP_MS  700
#define STORE_STOP_MS 900

struct daemon {
    const struct config *config;
    bool demo;
    struct loop *loop;
    struct store *store;
    struct web *web;
    struct ingest_sink sink; /* lent to the tail as long as it runs */
    struct tail *tail;
    struct web_node *nodes;

    /* What was committed since the last summary; the ingest thread adds under the lock. */
    struct mutex lock;
    struct {
        uint64_t lines, transfers, unparsed;
    } since;
    int64_t summary_ms, cpu_us;
};

static void on_committed(void *ctx, const struct batch *batch)
{
    struct daemon *d = ctx;
    {
        LOCK(&d->lock);
        d->since.lines += batch->lines;
        d->since.transfers += batch->transfers;
        d->since.unparsed += batch->unparsed;
    }
    web_committed(d->web, batch);
}

static void on_remark(void *ctx, int64_t node_id, char level, const char *text)
{
    (void)node_id; /* the text begins with the node's name */
    log_from(ctx, level, text);
}

static struct web_log_status log_status(void *ctx, int64_t node_id)
{
    struct daemon *d = ctx;
    struct web_log_status unknown = {.found = true};
    size_t n = d->config->node_count;
    CLEANUP(free_ptr) struct tail_status *all = d->tail ? calloc(n, sizeof(*all)) : NULL;
    if (!all)
        return unknown;
    tail_status(d->tail, all, n);
    for (size_t i = 0; i < n; i++) {
        if (all[i].node_id == node_id)
            return (struct web_log_status){all[i].log_found, all[i].backlog_bytes};
    }
    return unknown;
}

/* ---- The summary line ----------------------------------------------------------------------- */

static int64_t cpu_us(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (int64_t)usage.ru_utime.tv_sec * 1000000 + usage.ru_utime.tv_usec +
           (int64_t)usage.ru_stime.tv_sec * 1000000 + usage.ru_stime.tv_usec;
}

static double rss_mb(void)
{
    /* The second number of "size resident shared ...", in pages. */
    char line[128] = "";
    FILE *statm = fopen("/proc/self/statm", "re");
    if (statm && !fgets(line, sizeof(line), statm))
        line[0] = '\0';
    if (statm)
        fclose(statm);
    const char *resident = strchr(line, ' ');
    return resident ? (double)strtol(resident, NULL, 10) * (double)sysconf(_SC_PAGESIZE) / 1e6 : 0;
}

static void on_summary(void *ctx)
{
    struct daemon *d = ctx;
    __typeof__(d->since) since;
    {
        LOCK(&d->lock);
        since = d->since;
        d->since = (__typeof__(d->since)){0};
    }
    int64_t now = clock_monotonic_ms(), cpu = cpu_us();
    double seconds = (double)(now - d->summary_ms) / 1000;
    double percent = seconds > 0 ? (double)(cpu - d->cpu_us) / 1e4 / seconds : 0;
    d->summary_ms = now;
    d->cpu_us = cpu;
    struct store_health health;
    store_health(d->store, &health);
    if (since.transfers)
        log_info("Successfully wrote %" PRIu64 " events to the database", since.transfers);
    log_info("%zu node%s, %.1f lines/s, %" PRIu64 " unparsed, database %.1f MB, queue %" PRIu64
             ", memory %.1f MB, CPU %.1f %%",
             d->config->node_count, d->config->node_count == 1 ? "" : "s",
             seconds > 0 ? (double)since.lines / seconds : 0, since.unparsed,
             (double)health.db_bytes / 1e6, health.queue_jobs, rss_mb(), percent);
}

/* ---- Start and stop ------------------------------------------------------------------------- */

static void on_stop(void *ctx)
{
    struct daemon *d = ctx;
    log_info("Stopping");
    /* A second one ends the program at once: what is not committed is read at the next start. */
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    loop_stop(d->loop);
}

/* 250 nodes mean 250 open logs and more: take what the hard limit allows. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max > 65536 ? 65536 : limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

void daemon_store_options(const struct config *config, struct store_options *out)
{
    *out = (struct store_options){
        .path = config->db_path,
        .profile = config->db_profile,
        .thread_pool_size = config->db_thread_pool_size,
        .connection_pool_size = config->db_connection_pool_size,
        .connection_timeout_ms = config->db_connection_timeout_ms,
        .max_retries = config->db_max_retries,
        .retry_base_delay_ms = config->db_retry_base_delay_ms,
        .retry_max_delay_ms = config->db_retry_max_delay_ms,
        .synchronous_full = config->db_synchronous_full,
        .log = log_from,
    };
}

static int open_store(struct daemon *d, struct err *err)
{
    struct store_options options;
    daemon_store_options(d->config, &options);
    int rc = store_open(&options, &d->store, err);
    if (rc)
        return rc;
    d->nodes = calloc(d->config->node_count, sizeof(*d->nodes));
    if (!d->nodes)
        return err_set(err, ERR_MEMORY, "no memory for the nodes");
    for (size_t i = 0; i < d->config->node_count && !rc; i++) {
        const struct config_node *node = &d->config->nodes[i];
        d->nodes[i] = (struct web_node){.name = node->name, .log = node->log};
        rc = store_node_ensure(d->store, node->name, node->log, &d->nodes[i].id, err);
    }
    return rc;
}

static int open_web(struct daemon *d, struct err *err)
{
    struct web_options options = {
        .loop = d->loop,
        .store = d->store,
        .listen = d->config->web_listen,
        .allowed_hosts = d->config->web_allowed_hosts,
        .version = PROGRAM_VERSION,
        .demo = d->demo,
        .nodes = d->nodes,
        .node_count = d->config->node_count,
        .log_status = log_status,
        .log_status_ctx = d,
    };
    return web_open(&options, &d->web, err);
}

static int start_tail(struct daemon *d, struct err *err)
{
    size_t n = d->config->node_count;
    CLEANUP(free_ptr) struct tail_node *nodes = calloc(n, sizeof(*nodes));
    if (!nodes)
        return err_set(err, ERR_MEMORY, "no memory for the nodes");
    for (size_t i = 0; i < n; i++)
        nodes[i] = (struct tail_node){d->nodes[i].id, d->nodes[i].name, d->nodes[i].log};
    d->sink = sink_of_store(d->store);
    struct tail_observer observer = {d, on_committed, on_remark};
    return tail_start(&d->sink, &observer, nodes, n, &d->tail, err);
}

static int start(struct daemon *d, struct err *err)
{
    d->summary_ms = clock_monotonic_ms();
    d->cpu_us = cpu_us();
    int rc = loop_new(&d->loop, err);
    if (!rc)
        rc = loop_signal(d->loop, SIGINT, on_stop, d, err);
    if (!rc)
        rc = loop_signal(d->loop, SIGTERM, on_stop, d, err);
    if (!rc)
        rc = open_store(d, err);
    if (!rc)
        rc = open_web(d, err);
    if (!rc)
        rc = start_tail(d, err);
    if (!rc)
        rc = loop_every(d->loop, SUMMARY_EVERY_MS, on_summary, d, err);
    return rc;
}

static int stop(struct daemon *d, struct err *err)
{
    int rc = tail_stop(d->tail, TAIL_STOP_MS, err);
    if (rc) {
        /* Its thread waits inside the store and will call back: nothing it uses may go. The process
         * ends here; what was not committed is read at the next start. */
        log_error("%s; it is read again at the next start", err->text);
        _exit(EXIT_FAILED);
    }
    d->tail = NULL;
    web_close(d->web);
    rc = store_close(d->store, STORE_STOP_MS, err);
    loop_free(d->loop);
    free(d->nodes);
    mutex_fini(&d->lock);
    return rc;
}

int daemon_run(const struct config *config, bool demo, const struct daemon_hooks *hooks)
{
    struct daemon d = {.config = config, .demo = demo};
    struct err err;
    raise_descriptor_limit();
    mutex_init(&d.lock);
    int rc = start(&d, &err);
    if (!rc) {
        log_info("nodewatch %s watches %zu node%s, database %s", PROGRAM_VERSION,
                 config->node_count, config->node_count == 1 ? "" : "s", config->db_path);
        log_info("Serving %s", web_url(d.web));
        if (hooks && hooks->started)
            rc = hooks->started(hooks->ctx, web_url(d.web), &err);
        if (!rc)
            rc = loop_run(d.loop, &err);
        if (hooks && hooks->stopping)
            hooks->stopping(hooks->ctx);
    }
    struct err late;
    int stopped = stop(&d, &late);
    if (!rc && stopped) {
        rc = stopped;
        err = late;
    }
    if (rc)
        return command_fail(&err);
    log_info("Stopped");
    return EXIT_FINE;
}
