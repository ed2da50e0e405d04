/* Shared helpers of the onewriter tests (ow_support.h). */
#include "ow_support.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"

static int64_t wait_limit_us(void)
{
    return clock_monotonic_us() + WAIT_MS * 1000LL;
}

const char *items_path(const char *dir)
{
    return test_path(dir, "t.db");
}

struct ow *open_items(const char *dir, struct ow_options *options)
{
    static const struct ow_migration steps[] = {
        {1, "CREATE TABLE item(id INTEGER PRIMARY KEY, value INTEGER UNIQUE)"}};
    struct ow_options defaults;
    struct ow *db;
    struct ow_err err;
    if (!options) {
        ow_options_init(&defaults, NULL);
        options = &defaults;
    }
    options->path = items_path(dir);
    if (ow_open(options, &db, &err) || ow_migrate(db, steps, 1, &err))
        fail_msg("%s", err.text);
    return db;
}

void close_items(struct ow *db)
{
    struct ow_report report;
    struct ow_err err = {0};
    if (ow_close(db, WAIT_MS, &report, &err))
        fail_msg("%s", err.text);
    assert_int_equal(report.jobs_abandoned, 0);
    assert_int_equal(report.leaked_readers, 0);
    assert_true(report.checkpointed);
}

int insert_item(struct ow_conn *conn, void *ctx, struct ow_err *err)
{
    sqlite3_stmt *stmt;
    int rc = ow_prepare(conn, "INSERT INTO item(value) VALUES(?1)", &stmt, err);
    if (rc)
        return rc;
    sqlite3_bind_int64(stmt, 1, *(int64_t *)ctx);
    return sqlite3_step(stmt) == SQLITE_DONE ? 0 : ow_conn_fail(conn, "inserting an item", err);
}

void write_item(struct ow *db, int64_t value)
{
    struct ow_err err;
    if (ow_write(db, OW_LANE_NORMAL, insert_item, &value, WAIT_MS, &err))
        fail_msg("%s", err.text);
}

int64_t read_int(struct ow *db, const char *sql)
{
    struct ow_conn *reader;
    sqlite3_stmt *stmt;
    int64_t value = -1;
    if (ow_reader_acquire(db, &(struct ow_read){.label = "test", .timeout_ms = WAIT_MS}, &reader,
                          NULL))
        return -1;
    if (!ow_prepare(reader, sql, &stmt, NULL) && sqlite3_step(stmt) == SQLITE_ROW)
        value = sqlite3_column_int64(stmt, 0);
    ow_reader_release(reader);
    return value;
}

int64_t read_int_outside(const char *path, const char *sql)
{
    sqlite3 *db;
    sqlite3_stmt *stmt;
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    sqlite3_busy_timeout(db, WAIT_MS);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    int64_t value = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return value;
}

int exec_outside(const char *path, const char *sql)
{
    sqlite3 *db;
    int rc = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL);
    if (rc == SQLITE_OK) {
        sqlite3_busy_timeout(db, WAIT_MS);
        rc = sqlite3_exec(db, sql, NULL, NULL, NULL);
    }
    sqlite3_close(db);
    return rc;
}

void gate_init(struct gate *gate)
{
    *gate = (struct gate){0};
    mutex_init(&gate->lock);
    cond_init(&gate->changed);
}

void gate_fini(struct gate *gate)
{
    cond_fini(&gate->changed);
    mutex_fini(&gate->lock);
}

bool gate_pass(struct gate *gate)
{
    int64_t limit_us = wait_limit_us();
    LOCK(&gate->lock);
    gate->arrived++;
    cond_broadcast(&gate->changed);
    while (!gate->open && cond_wait_until(&gate->changed, &gate->lock, limit_us))
        ;
    return gate->open;
}

bool gate_wait_arrived(struct gate *gate, int count)
{
    int64_t limit_us = wait_limit_us();
    LOCK(&gate->lock);
    while (gate->arrived < count && cond_wait_until(&gate->changed, &gate->lock, limit_us))
        ;
    return gate->arrived >= count;
}

void gate_open(struct gate *gate)
{
    LOCK(&gate->lock);
    gate->open = true;
    cond_broadcast(&gate->changed);
}

int wait_at_gate(struct ow_conn *conn, void *ctx, struct ow_err *err)
{
    (void)conn;
    if (gate_pass(ctx))
        return 0;
    err->code = OW_BUG;
    snprintf(err->text, sizeof(err->text), "nobody opened the gate");
    return OW_BUG;
}

void hold_writer(struct ow *db, struct held *held)
{
    gate_init(&held->gate);
    held->ticket = (struct ow_ticket){0};
    assert_int_equal(
        ow_submit(db, OW_LANE_URGENT, wait_at_gate, &held->gate, WAIT_MS, &held->ticket, NULL), 0);
    assert_true(gate_wait_arrived(&held->gate, 1));
}

void let_writer_go(struct ow *db, struct held *held)
{
    gate_open(&held->gate);
    assert_int_equal(ow_wait(db, &held->ticket, WAIT_MS, NULL, NULL), 0);
    gate_fini(&held->gate);
}

bool wait_until(struct ow *db, bool (*condition)(const struct ow_metrics *metrics, int64_t value),
                int64_t value)
{
    struct ow_metrics metrics;
    int64_t limit_us = wait_limit_us();
    do {
        sched_yield();
        ow_metrics_read(db, &metrics);
        if (condition(&metrics, value))
            return true;
    } while (clock_monotonic_us() < limit_us);
    return false;
}

bool is_queued(const struct ow_metrics *metrics, int64_t value)
{
    uint64_t queued = 0;
    for (int i = 0; i < OW_LANES; i++)
        queued += metrics->lane[i].queued;
    return queued >= (uint64_t)value;
}

static void observe(void *ctx, const struct ow_event *event)
{
    struct events *events = ctx;
    LOCK(&events->lock);
    events->count[event->kind]++;
    events->last[event->kind] = *event;
    snprintf(events->text[event->kind], sizeof(events->text[0]), "%s",
             event->text ? event->text : "");
    cond_broadcast(&events->changed);
}

void events_init(struct events *events, struct ow_options *options)
{
    *events = (struct events){0};
    mutex_init(&events->lock);
    cond_init(&events->changed);
    options->observer = observe;
    options->observer_ctx = events;
}

void events_fini(struct events *events)
{
    cond_fini(&events->changed);
    mutex_fini(&events->lock);
}

int events_count(struct events *events, enum ow_event_kind kind)
{
    LOCK(&events->lock);
    return events->count[kind];
}

bool events_wait(struct events *events, enum ow_event_kind kind, int count)
{
    int64_t limit_us = wait_limit_us();
    LOCK(&events->lock);
    while (events->count[kind] < count &&
           cond_wait_until(&events->changed, &events->lock, limit_us))
        ;
    return events->count[kind] >= count;
}
