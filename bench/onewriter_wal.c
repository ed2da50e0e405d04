/* `bench-onewriter wal`: one reader opens a cursor, reads a row, and sleeps in that snapshot, while
 * 1,000 transactions a second go on. SQLite cannot begin its log anew meanwhile: it grows. Measured
 * are the log's peak, how long writers were held up, and when onewriter named the reader and took
 * its snapshot back; the bare loop beside it does nothing of the kind. What must stay true: the
 * reader behaves alike in both, and takes no part in ending its snapshot. */
#include "onewriter.h"

#include <stdlib.h>
#include <string.h>

#include "base/sync.h"
#include "folder.h"
#include "load.h"
#include "plain.h"

#define PACE        1000
#define AFTER_MS    500 /* watched after the reader has gone */
#define FIRST_ROWS  20000
#define CURSOR_SQL  "SELECT id, size FROM event"
#define READER_WAIT 10000

struct scene {
    struct mutex lock;
    int64_t pinned_ns;         /* when the snapshot began; 0 = not yet */
    double named_ms, taken_ms; /* since then; < 0 = never */
    char named[WHY_BYTES];     /* the event's text */
    char end[WHY_BYTES];       /* what the reader met when it read on */
    bool wrong;                /* it saw what its snapshot does not have */
    struct cond begun;
    struct target target;
    struct ow *db; /* NULL: the bare way */
    int hold_ms;
};

static void observe(void *ctx, const struct ow_event *event)
{
    struct scene *scene = ctx;
    LOCK(&scene->lock);
    double since_ms = (double)(now_ns() - scene->pinned_ns) / 1e6;
    if (!scene->pinned_ns)
        return;
    if (event->kind == OW_EVENT_SNAPSHOT_OLD && scene->named_ms < 0) {
        scene->named_ms = since_ms;
        snprintf(scene->named, sizeof(scene->named), "%.190s", event->text ? event->text : "");
    }
    if (event->kind == OW_EVENT_SNAPSHOT_TAKEN && scene->taken_ms < 0)
        scene->taken_ms = since_ms;
}

static void begin_scene(struct scene *scene)
{
    LOCK(&scene->lock);
    scene->pinned_ns = now_ns();
    cond_broadcast(&scene->begun);
}

/* Reads one row, sleeps, reads on to the end. What pages are in the cache it may still see. */
static void sleep_in(struct scene *scene, sqlite3 *db, sqlite3_stmt *stmt)
{
    int rows = 1, rc;
    char why[WHY_BYTES] = "";
    if (sqlite3_step(stmt) != SQLITE_ROW)
        die("the reader's first row: %s", sqlite3_errmsg(db));
    begin_scene(scene);
    sleep_until_ns(scene->pinned_ns + scene->hold_ms * 1000000LL);
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW)
        rows++;
    if (rc != SQLITE_DONE)
        plain_fail(db, "then", why);
    /* A snapshot has its rows, or ends with an error; it never has others. */
    scene->wrong = rc == SQLITE_DONE ? rows != FIRST_ROWS : rows > FIRST_ROWS;
    snprintf(scene->end, sizeof(scene->end), "%s%d of %d rows%s%.120s",
             scene->wrong ? "WRONG ROWS: " : "", rows, FIRST_ROWS, *why ? ", " : "", why);
    sqlite3_reset(stmt);
}

static void *read_bare(void *arg)
{
    struct scene *scene = arg;
    sqlite3 *db;
    sqlite3_stmt *stmt;
    if (sqlite3_open_v2(scene->target.path, &db, SQLITE_OPEN_READONLY, NULL) ||
        sqlite3_prepare_v2(db, CURSOR_SQL, -1, &stmt, NULL))
        die("the reader: %s", sqlite3_errmsg(db));
    sleep_in(scene, db, stmt);
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return NULL;
}

static void *read_onewriter(void *arg)
{
    struct scene *scene = arg;
    const struct ow_read how = {.label = "sleeper", .timeout_ms = READER_WAIT};
    struct ow_conn *conn;
    struct ow_err err;
    sqlite3_stmt *stmt;
    if (ow_reader_acquire(scene->db, &how, &conn, &err) ||
        ow_prepare(conn, CURSOR_SQL, &stmt, &err))
        die("the reader: %s", err.text);
    sleep_in(scene, ow_conn_handle(conn), stmt);
    ow_reader_release(conn);
    return NULL;
}

static void await_begin(struct scene *scene)
{
    LOCK(&scene->lock);
    while (!scene->pinned_ns)
        cond_wait_until(&scene->begun, &scene->lock, now_ns() / 1000 + 1000000);
}

static void play(struct scene *scene, const struct load_plan *plan, struct load_result *result)
{
    pthread_t reader;
    struct err err;
    struct load *load = load_open(plan);
    scene->db = plan->way == &way_group ? NULL : onewriter_of(load_shared(load));
    if (thread_start(&reader, "sleeper", scene->db ? read_onewriter : read_bare, scene, &err))
        die("%s", err.text);
    await_begin(scene);
    load_start(load);
    load_watch(scene->hold_ms + AFTER_MS, &result->wal_peak);
    load_stop(load, result);
    pthread_join(reader, NULL);
    load_close(load);
    result->rows = plain_ask(plan->target.path, "SELECT count(*) FROM event") - FIRST_ROWS;
}

static void print_scene(const struct scene *scene, const struct load_plan *plan,
                        const struct load_result *r)
{
    printf("  %-28s %8.1f %8.0f %8.3f %8.2f %8.2f %8.2f  ", plan->way->name,
           (double)r->wal_peak / 1e6, r->per_second, latency_ms(&r->latency, 0.5),
           latency_ms(&r->latency, 0.99), latency_ms(&r->latency, 0.999),
           latency_max_ms(&r->latency));
    if (scene->named_ms >= 0)
        printf("named after %.0f ms, ", scene->named_ms);
    if (scene->taken_ms >= 0)
        printf("taken back after %.0f ms, ", scene->taken_ms);
    printf("met: %s\n", scene->end);
    if (scene->named[0])
        printf("      named as: %s\n", scene->named);
    load_print_trouble(plan, r);
}

static void tell_scene(struct report *report, const struct scene *scene,
                       const struct load_plan *plan, const struct load_result *r)
{
    json_begin(report, "wal");
    load_json(report, plan, r);
    json_int(report, "hold_ms", scene->hold_ms);
    json_num(report, "named_ms", scene->named_ms);
    json_num(report, "taken_ms", scene->taken_ms);
    json_text(report, "reader_met", scene->end);
    json_end(report);
}

static bool measure(const struct settings *s, struct report *report, const struct way *way,
                    const struct target *target)
{
    struct scene scene = {.named_ms = -1, .taken_ms = -1, .hold_ms = s->hold_ms, .target = *target};
    static struct load_result result;
    result = (struct load_result){0};
    mutex_init(&scene.lock);
    cond_init(&scene.begun);
    struct load_plan plan = {.way = way,
                             .target = *target,
                             .ms = s->hold_ms + AFTER_MS,
                             .prefill = FIRST_ROWS,
                             .per_second = PACE};
    plan.target.observer = observe;
    plan.target.observer_ctx = &scene;
    progress("%s: %s, %d ms", target->table->name, way->name, plan.ms);
    play(&scene, &plan, &result);
    progress_clear();
    print_scene(&scene, &plan, &result);
    tell_scene(report, &scene, &plan, &result);
    fflush(stdout);
    cond_fini(&scene.begun);
    mutex_fini(&scene.lock);
    return way != &way_group &&
           (scene.wrong || result.failed || result.rows != (int64_t)result.done);
}

int bench_wal(const struct settings *s, struct report *report)
{
    struct target target = {.path = folder_make(s->folder), .pool = s->pool};
    bool bad = false;
    printf("SQLite %s; one reader sleeps %d ms in a snapshot beside %d tx/s\n"
           "  %-28s %8s %8s %8s %8s %8s %8s\n",
           sqlite3_libversion(), s->hold_ms, PACE, "", "log MB", "tx/s", "p50 ms", "p99", "p99.9",
           "max");
    for (int t = 0; t < s->tables_count; t++) {
        target.table = s->table[t];
        target.threads = s->threads[0];
        printf("%s\n", target.table->name);
        bad |= measure(s, report, &way_group, &target);
        bad |= measure(s, report, &way_job, &target);
    }
    return bad;
}
