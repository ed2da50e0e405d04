/* What the tests of onewriter share: a database with one table, jobs on it, a gate to hold the
 * writer, a record of events. Errors are asserted on the main thread; helpers used by other threads
 * return codes. */
#ifndef OW_SUPPORT_H
#define OW_SUPPORT_H

#include <onewriter/onewriter.h>

#include "base/cleanup.h"
#include "base/sync.h"
#include "support.h"

#define WAIT_MS 20000 /* for what must happen: long, so that only a hang fails */

/* Opens dir/t.db with table item(id INTEGER PRIMARY KEY, value INTEGER UNIQUE). options may be
 * NULL; its path is set here. Asserts on failure. */
struct ow *open_items(const char *dir, struct ow_options *options);
/* The path that open_items uses. */
const char *items_path(const char *dir);
/* Closes and asserts that nothing was left. */
void close_items(struct ow *db);

/* Job: inserts *(int64_t *)ctx. */
int insert_item(struct ow_conn *conn, void *ctx, struct ow_err *err);
/* Asserts that the value was committed. */
void write_item(struct ow *db, int64_t value);
/* Reads one integer through a reader; -1 on failure. Any thread. */
int64_t read_int(struct ow *db, const char *sql);
/* Reads one integer through a connection of its own, as another process would; asserts. */
int64_t read_int_outside(const char *path, const char *sql);
/* Runs sql on a connection of its own; returns SQLite's code. */
int exec_outside(const char *path, const char *sql);

/* Holds a thread until it is opened. */
struct gate {
    struct mutex lock;
    struct cond changed;
    int arrived;
    bool open;
};
void gate_init(struct gate *gate);
void gate_fini(struct gate *gate);
/* Any thread: false when nobody opened it within WAIT_MS. */
bool gate_pass(struct gate *gate);
bool gate_wait_arrived(struct gate *gate, int count);
void gate_open(struct gate *gate);
/* Job: passes the gate in ctx and writes nothing. */
int wait_at_gate(struct ow_conn *conn, void *ctx, struct ow_err *err);

/* The writer thread, held at a gate, so that what is handed in meanwhile stays queued and lands in
 * one group. Both assert. */
struct held {
    struct gate gate;
    struct ow_ticket ticket;
};
void hold_writer(struct ow *db, struct held *held);
void let_writer_go(struct ow *db, struct held *held);

/* Waits until condition(ctx) holds, by the metrics of db; false after WAIT_MS. */
bool wait_until(struct ow *db, bool (*condition)(const struct ow_metrics *metrics, int64_t value),
                int64_t value);
bool is_queued(const struct ow_metrics *metrics, int64_t value);

/* Counts events by kind; texts of the last ones. Give events_observe and it to the options. */
#define EVENT_KINDS OW_EVENT_KINDS
struct events {
    struct mutex lock;
    struct cond changed;
    int count[EVENT_KINDS];
    struct ow_event last[EVENT_KINDS];
    char text[EVENT_KINDS][400];
};
void events_init(struct events *events, struct ow_options *options);
void events_fini(struct events *events);
int events_count(struct events *events, enum ow_event_kind kind);
bool events_wait(struct events *events, enum ow_event_kind kind, int count);

#endif
