/* A server with a thread per request, as far as its database is concerned: 64 threads serve made-up
 * requests, each of which reads, writes one line to the access log without waiting, and every
 * fourth time takes an order and waits until it is committed; a report runs beside them on the
 * background lane. No thread has a connection, a lock or a retry of its own.
 *
 *     server [FILE [REQUESTS_PER_THREAD]]
 *
 * Ends by itself, then looks whether every order that was acknowledged is there: exit code 1 when
 * one is missing, or when one is there that was refused. */
#include <onewriter/onewriter.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define THREADS         64
#define ORDER_EVERY     4
#define DURABLE_EVERY   8 /* of the orders: those are acknowledged when they are on the disk */
#define PATIENCE_MS     10000
#define REPORT_EVERY_MS 200

/* What a client was told about its order. */
enum told { NOTHING, REFUSED, ACKNOWLEDGED, NOT_KNOWN };

struct server {
    struct ow *db;
    int requests;                   /* of each thread */
    int64_t first_sale, first_line; /* smallest ids of this run */
    unsigned char *told;            /* enum told of order first_sale + i */
    atomic_int served, refused, logged;
    int wrong;
    int64_t lines; /* of the access log, found at the end */
    pthread_mutex_t lock;
    pthread_cond_t stopped;
    bool stop;
    int reports;
};

struct worker {
    struct server *server;
    int number;
    pthread_t thread;
};

static const struct ow_migration steps[] = {
    {1, "CREATE TABLE product(id INTEGER PRIMARY KEY, name TEXT NOT NULL, price REAL) STRICT;"
        "CREATE TABLE sale(id INTEGER PRIMARY KEY, product INTEGER NOT NULL, at INTEGER) STRICT;"
        "CREATE TABLE access(thread INTEGER, request INTEGER, path TEXT) STRICT;"
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)"
        " INSERT INTO product SELECT i, 'product ' || i, i * 1.25 FROM n"},
};

/* ---- one request ---- */

static int show_product(struct server *s, int64_t id, struct ow_err *err)
{
    struct ow_read how = {
        .label = "product page", .timeout_ms = PATIENCE_MS, .run_ms = PATIENCE_MS};
    struct ow_value values[] = {ow_int(id)};
    struct ow_conn *reader;
    sqlite3_stmt *stmt;
    bool found = false;
    int rc = ow_reader_acquire(s->db, &how, &reader, err);
    if (rc)
        return rc;
    rc = ow_prepare(reader, "SELECT name, price FROM product WHERE id = ?1", &stmt, err);
    if (!rc)
        rc = ow_bind(reader, stmt, values, 1, err);
    if (!rc)
        rc = ow_step(reader, stmt, &found, err);
    if (!rc && (!found || !ow_column_text(stmt, 0, NULL)))
        rc = ow_refuse(err, OW_CALLER, "no product %lld", (long long)id);
    ow_reader_release(reader);
    return rc;
}

static void take_order(struct server *s, int64_t order, int64_t product, struct ow_err *err)
{
    struct ow_value values[] = {ow_int(s->first_sale + order), ow_int(product), ow_int(time(NULL))};
    unsigned how = OW_LANE_URGENT;
    if (order % DURABLE_EVERY == 0)
        how |= OW_DURABLE;
    int rc = ow_write_row(s->db, how, "INSERT INTO sale VALUES(?1, ?2, ?3)", values, 3, PATIENCE_MS,
                          err);
    s->told[order] = rc == OW_OK ? ACKNOWLEDGED : rc == OW_UNKNOWN ? NOT_KNOWN : REFUSED;
}

static void log_access(struct server *s, int thread, int request)
{
    struct ow_value values[] = {ow_int(thread), ow_int(request), ow_text("/product")};
    /* Nobody waits for this row: when there is no place for it, the request is served all the same.
     */
    if (!ow_append(s->db, OW_LANE_NORMAL, "INSERT INTO access VALUES(?1, ?2, ?3)", values, 3, 100,
                   NULL))
        atomic_fetch_add(&s->logged, 1);
}

static void *serve(void *arg)
{
    struct worker *w = arg;
    struct server *s = w->server;
    for (int i = 0; i < s->requests; i++) {
        struct ow_err err = {OW_OK, 0, 0, ""};
        int64_t product = 1 + (w->number * 31 + i) % 500;
        int rc = show_product(s, product, &err);
        if (!rc && i % ORDER_EVERY == 0)
            take_order(s, (int64_t)w->number * s->requests + i, product, &err);
        log_access(s, w->number, i);
        /* A real server would answer 503 and the client would come again. */
        atomic_fetch_add(err.code ? &s->refused : &s->served, 1);
        if (err.code)
            fprintf(stderr, "thread %d, request %d: %s\n", w->number, i, err.text);
    }
    return NULL;
}

/* ---- the report ---- */

static bool wait_for_stop(struct server *s)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += REPORT_EVERY_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_mutex_lock(&s->lock);
    while (!s->stop && pthread_cond_timedwait(&s->stopped, &s->lock, &until) == 0)
        ;
    bool stop = s->stop;
    pthread_mutex_unlock(&s->lock);
    return stop;
}

static int sum_sales(struct ow_conn *reader, void *ctx, struct ow_err *err)
{
    return ow_get_int(reader, "SELECT count(*) FROM sale JOIN product ON product.id = sale.product",
                      NULL, 0, ctx, err);
}

static void *report(void *arg)
{
    struct server *s = arg;
    struct ow_read how = {
        .label = "report", .lane = OW_LANE_BACKGROUND, .timeout_ms = PATIENCE_MS, .run_ms = 2000};
    do {
        struct ow_err err;
        int64_t sales = 0;
        if (ow_read(s->db, &how, sum_sales, &sales, &err))
            fprintf(stderr, "report: %s\n", err.text);
        else
            s->reports++;
    } while (!wait_for_stop(s));
    return NULL;
}

/* ---- the end ---- */

static void print_who(void *ctx, const struct ow_who *who)
{
    static const char *const does[] = {"writes", "reads", "pins the log", "waits"};
    fprintf(ctx, "  %s %s since %.1f ms: %s\n", who->label, does[who->kind],
            (double)who->age_us / 1000, who->sql);
}

static void print_metrics(struct ow *db)
{
    struct ow_metrics m;
    ow_metrics_read(db, &m);
    printf("%llu jobs in %llu groups, %llu of them durable, %llu without a hand-over\n",
           (unsigned long long)m.jobs_committed, (unsigned long long)m.groups,
           (unsigned long long)m.groups_durable, (unsigned long long)m.groups_by_caller);
    printf("from hand-in to acknowledgement: half within %.2f ms, 99 of 100 within %.2f ms\n",
           ow_histogram_quantile(&m.job_wait, 0.5) / 1000,
           ow_histogram_quantile(&m.job_wait, 0.99) / 1000);
    for (int i = 0; i < OW_LABELS && m.label[i].label; i++)
        printf("%s: %llu loans, 99 of 100 got a reader within %.2f ms\n", m.label[i].label,
               (unsigned long long)m.label[i].wait.count,
               ow_histogram_quantile(&m.label[i].wait, 0.99) / 1000);
    printf("log: %lld pages, at most %lld bytes; %llu retries\n", (long long)m.wal_frames,
           (long long)m.wal_bytes_max, (unsigned long long)m.retries);
}

/* Job of a reader: crosses off what was acknowledged and is there. Counts in s->wrong what is there
 * though it was refused. */
static int cross_off(struct ow_conn *reader, void *ctx, struct ow_err *err)
{
    struct server *s = ctx;
    struct ow_value values[] = {ow_int(s->first_sale)};
    sqlite3_stmt *stmt;
    bool row;
    int rc = ow_prepare(reader, "SELECT id FROM sale WHERE id >= ?1", &stmt, err);
    if (!rc)
        rc = ow_bind(reader, stmt, values, 1, err);
    while (!rc && !(rc = ow_step(reader, stmt, &row, err)) && row) {
        unsigned char *told = &s->told[ow_column_int(stmt, 0) - s->first_sale];
        s->wrong += *told != ACKNOWLEDGED && *told != NOT_KNOWN;
        *told = NOTHING;
    }
    values[0] = ow_int(s->first_line);
    return rc ? rc
              : ow_get_int(reader, "SELECT count(*) FROM access WHERE rowid >= ?1", values, 1,
                           &s->lines, err);
}

static int check(struct server *s, struct ow_err *err)
{
    struct ow_read how = {.label = "check", .timeout_ms = PATIENCE_MS};
    int orders = THREADS * s->requests, acknowledged = 0;
    for (int i = 0; i < orders; i++)
        acknowledged += s->told[i] == ACKNOWLEDGED;
    int rc = ow_flush(s->db, OW_LANE_NORMAL, PATIENCE_MS, err);
    if (!rc)
        rc = ow_read(s->db, &how, cross_off, s, err);
    if (rc)
        return rc;
    for (int i = 0; i < orders; i++)
        s->wrong += s->told[i] == ACKNOWLEDGED;
    printf("%d requests served, %d refused, %d reports\n", atomic_load(&s->served),
           atomic_load(&s->refused), s->reports);
    printf("%d orders acknowledged, %d of them lost or never asked for\n", acknowledged, s->wrong);
    printf("%d lines appended, %lld found\n", atomic_load(&s->logged), (long long)s->lines);
    if (!acknowledged || s->wrong || s->lines != atomic_load(&s->logged))
        return ow_refuse(err, OW_BUG, "the database is not what the clients were told");
    return 0;
}

/* Shows who holds what at this moment: the reader that is held here meanwhile. */
static int print_holders(struct server *s, struct ow_err *err)
{
    struct ow_read how = {.label = "a look around", .timeout_ms = PATIENCE_MS};
    struct ow_conn *reader;
    sqlite3_stmt *stmt;
    bool row;
    int rc = ow_reader_acquire(s->db, &how, &reader, err);
    if (rc)
        return rc;
    rc = ow_prepare(reader, "SELECT name FROM product", &stmt, err);
    if (!rc)
        rc = ow_step(reader, stmt, &row, err);
    ow_who(s->db, print_who, stdout);
    ow_reader_release(reader);
    return rc;
}

/* ---- the beginning ---- */

static int find_ends(struct ow_conn *reader, void *ctx, struct ow_err *err)
{
    struct server *s = ctx;
    int rc = ow_get_int(reader, "SELECT coalesce(max(id), 0) + 1 FROM sale", NULL, 0,
                        &s->first_sale, err);
    return rc ? rc
              : ow_get_int(reader, "SELECT coalesce(max(rowid), 0) + 1 FROM access", NULL, 0,
                           &s->first_line, err);
}

static int start(struct server *s, const char *path, struct ow_err *err)
{
    struct ow_read how = {.label = "start", .timeout_ms = PATIENCE_MS};
    struct ow_options options;
    ow_options_init(&options, path);
    ow_options_profile(&options, OW_CONCURRENCY);
    int rc = ow_open(&options, &s->db, err);
    if (!rc)
        rc = ow_migrate(s->db, steps, sizeof(steps) / sizeof(steps[0]), err);
    if (!rc)
        rc = ow_read(s->db, &how, find_ends, s, err);
    if (!rc && !(s->told = calloc(THREADS, (size_t)s->requests)))
        rc = ow_refuse(err, OW_RESOURCE, "no memory");
    return rc;
}

/* Returns when all requests were served. */
static void serve_all(struct server *s)
{
    struct worker workers[THREADS];
    pthread_t reporter;
    bool reports = !pthread_create(&reporter, NULL, report, s);
    int started = 0;
    for (; started < THREADS; started++) {
        workers[started] = (struct worker){s, started, 0};
        if (pthread_create(&workers[started].thread, NULL, serve, &workers[started]))
            break;
    }
    for (int i = 0; i < started; i++)
        pthread_join(workers[i].thread, NULL);
    pthread_mutex_lock(&s->lock);
    s->stop = true;
    pthread_cond_signal(&s->stopped);
    pthread_mutex_unlock(&s->lock);
    if (reports)
        pthread_join(reporter, NULL);
}

int main(int argc, char **argv)
{
    struct server s = {.lock = PTHREAD_MUTEX_INITIALIZER, .stopped = PTHREAD_COND_INITIALIZER};
    struct ow_err err = {OW_OK, 0, 0, ""};
    s.requests = argc > 2 ? atoi(argv[2]) : 100;
    int rc = start(&s, argc > 1 ? argv[1] : "shop.db", &err);
    if (!rc) {
        serve_all(&s);
        rc = check(&s, &err);
        print_metrics(s.db);
    }
    if (!rc)
        rc = print_holders(&s, &err);
    if (!rc)
        rc = ow_close(s.db, PATIENCE_MS, NULL, &err);
    else
        ow_close(s.db, PATIENCE_MS, NULL, NULL);
    if (rc)
        fprintf(stderr, "%s\n", err.text);
    free(s.told);
    return rc != 0;
}
