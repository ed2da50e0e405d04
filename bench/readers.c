/* Reading threads (readers.h). What must stay true: all three ways run the same SQL with the same
 * random numbers, and a query is over when its statement has been reset. */
#include "readers.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/sync.h"
#include "plain.h"
#include "report.h"

#define WAIT_MS 60000

struct reader {
    struct readers *readers;
    pthread_t thread;
    uint64_t random;
    sqlite3 *db; /* of READ_KEPT */
    sqlite3_stmt *stmt;
    struct readers_result result;
};

struct readers {
    struct readers_plan plan;
    const char *sql;
    struct reader *each;
    int64_t start_ns;
    _Atomic bool stop;
};

static int64_t next_id(struct reader *reader)
{
    reader->random = reader->random * 6364136223846793005u + 1442695040888963407u;
    return (int64_t)(reader->random >> 33) % PREFILL + 1;
}

/* Steps to the end; SQLite's code. */
static int run_query(struct reader *reader, sqlite3_stmt *stmt)
{
    int rc;
    if (!reader->readers->plan.aggregate)
        sqlite3_bind_int64(stmt, 1, next_id(reader));
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW)
        ;
    sqlite3_reset(stmt);
    return rc == SQLITE_DONE ? 0 : rc;
}

/* ---- the three ways ---- */

static int open_db(struct reader *reader, sqlite3 **db, sqlite3_stmt **stmt, char *why)
{
    const struct readers *readers = reader->readers;
    int rc = sqlite3_open_v2(readers->plan.target.path, db, SQLITE_OPEN_READONLY, NULL);
    if (!rc)
        rc = sqlite3_busy_timeout(*db, BUSY_MS);
    if (!rc)
        rc = sqlite3_exec(*db, "PRAGMA temp_store=MEMORY; PRAGMA cache_size=-6400", NULL, NULL,
                          NULL);
    if (!rc)
        rc = sqlite3_prepare_v2(*db, readers->sql, -1, stmt, NULL);
    if (!rc)
        return 0;
    rc = plain_fail(*db, "opening to read", why);
    sqlite3_close(*db);
    *db = NULL;
    return rc;
}

static int read_kept(struct reader *reader, char *why)
{
    int rc = reader->db ? 0 : open_db(reader, &reader->db, &reader->stmt, why);
    if (rc)
        return rc;
    rc = run_query(reader, reader->stmt);
    return rc ? plain_fail(reader->db, "reading", why) : 0;
}

static int read_each(struct reader *reader, char *why)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    int rc = open_db(reader, &db, &stmt, why);
    if (rc)
        return rc;
    rc = run_query(reader, stmt);
    if (rc)
        plain_fail(db, "reading", why);
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return rc;
}

static int read_onewriter(struct reader *reader, char *why)
{
    static const struct ow_read how = {.label = "bench", .timeout_ms = WAIT_MS};
    const struct readers *readers = reader->readers;
    struct ow_conn *conn;
    struct ow_err err;
    sqlite3_stmt *stmt;
    int rc = ow_reader_acquire(readers->plan.db, &how, &conn, &err);
    if (!rc) {
        rc = ow_prepare(conn, readers->sql, &stmt, &err);
        if (!rc && run_query(reader, stmt))
            rc = ow_conn_fail(conn, "reading", &err);
        ow_reader_release(conn);
    }
    if (rc)
        snprintf(why, WHY_BYTES, "%.190s", err.text);
    return rc;
}

/* ---- threads ---- */

static int read_one(struct reader *reader, char *why)
{
    switch (reader->readers->plan.way) {
    case READ_KEPT:
        return read_kept(reader, why);
    case READ_EACH:
        return read_each(reader, why);
    default:
        return read_onewriter(reader, why);
    }
}

static bool is_over(const struct reader *reader)
{
    const struct readers *readers = reader->readers;
    const struct readers_result *r = &reader->result;
    return readers->plan.tasks ? r->done + r->failed >= readers->plan.tasks
                               : atomic_load_explicit(&readers->stop, memory_order_relaxed);
}

static void *run_reader(void *arg)
{
    struct reader *reader = arg;
    struct readers_result *r = &reader->result;
    double cpu_s = thread_cpu_s();
    while (!is_over(reader)) {
        char why[WHY_BYTES];
        int64_t start_ns = now_ns();
        if (read_one(reader, why) == 0)
            r->done++;
        else if (r->failed++ == 0)
            memcpy(r->why, why, sizeof(why));
        latency_add(&r->latency, now_ns() - start_ns);
    }
    sqlite3_finalize(reader->stmt);
    sqlite3_close(reader->db);
    r->cpu_s = thread_cpu_s() - cpu_s;
    return NULL;
}

struct readers *readers_start(const struct readers_plan *plan)
{
    struct readers *readers = calloc(1, sizeof(*readers));
    struct reader *each = calloc((size_t)plan->threads, sizeof(*each));
    struct err err;
    if (!readers || !each)
        die("no memory");
    readers->plan = *plan;
    readers->each = each;
    readers->sql = plan->aggregate ? plan->target.table->aggregate : plan->target.table->point;
    readers->start_ns = now_ns();
    for (int i = 0; i < plan->threads; i++) {
        each[i].readers = readers;
        each[i].random = (uint64_t)i * 2654435761u + 1;
        if (thread_start(&each[i].thread, "reader", run_reader, &each[i], &err))
            die("%s", err.text);
    }
    return readers;
}

void readers_stop(struct readers *readers, struct readers_result *result)
{
    *result = (struct readers_result){0};
    atomic_store(&readers->stop, true);
    for (int i = 0; i < readers->plan.threads; i++) {
        struct reader *reader = &readers->each[i];
        const struct readers_result *r = &reader->result;
        pthread_join(reader->thread, NULL);
        result->done += r->done;
        result->failed += r->failed;
        result->cpu_s += r->cpu_s;
        latency_merge(&result->latency, &r->latency);
        if (r->why[0] && !result->why[0])
            memcpy(result->why, r->why, sizeof(r->why));
    }
    result->seconds = (double)(now_ns() - readers->start_ns) / 1e9;
    free(readers->each);
    free(readers);
}
