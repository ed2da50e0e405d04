/* Runs writers (load.h). All threads join, then start together; what is acknowledged after the time
 * was up is counted as a row but not as speed. At a pace, each thread has its own places on one
 * timetable, and a latency counts from there, so that a stall is felt by all who came during it.
 * What must stay true: results are read only after joining. */
#include "load.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/sync.h"
#include "folder.h"
#include "plain.h"

struct client {
    struct load *load;
    pthread_t thread;
    unsigned number;
    uint64_t done, in_time, failed;
    struct latency latency;
    char why[WHY_BYTES];
};

struct load {
    struct load_plan plan;
    void *shared;
    struct client *clients;
    pthread_barrier_t start;
    int64_t start_ns, end_ns; /* written before the barrier opens */
    _Atomic bool stop;
};

/* ---- a thread ---- */

static bool is_over(const struct client *client, uint64_t round)
{
    const struct load *load = client->load;
    if (load->plan.tasks)
        return round >= load->plan.tasks;
    return atomic_load_explicit(&load->stop, memory_order_relaxed);
}

/* When the call should begin; sleeps until then. */
static int64_t await_turn(const struct client *client, uint64_t round)
{
    const struct load_plan *plan = &client->load->plan;
    if (!(plan->per_second > 0))
        return now_ns();
    uint64_t place = round * (uint64_t)plan->target.threads + client->number;
    int64_t at_ns = client->load->start_ns + (int64_t)((double)place * 1e9 / plan->per_second);
    if (at_ns > now_ns())
        sleep_until_ns(at_ns);
    return at_ns;
}

static void write_one(struct client *client, void *own, const struct row *row, int64_t due_ns)
{
    struct load *load = client->load;
    char why[WHY_BYTES];
    int rc = load->plan.way->write(load->shared, own, row, why);
    int64_t now = now_ns();
    latency_add(&client->latency, now - due_ns);
    if (!rc) {
        client->done++;
        client->in_time += now <= load->end_ns;
    } else if (client->failed++ == 0) {
        memcpy(client->why, why, sizeof(why));
    }
}

static void *run_client(void *arg)
{
    struct client *client = arg;
    struct load *load = client->load;
    struct row row;
    row_init(&row, client->number);
    void *own = load->plan.way->join(load->shared);
    pthread_barrier_wait(&load->start);
    for (uint64_t round = 0; !is_over(client, round); round++) {
        row_next(&row, load->plan.target.table);
        int64_t due_ns = await_turn(client, round);
        if (!is_over(client, round))
            write_one(client, own, &row, due_ns);
    }
    load->plan.way->leave(load->shared, own);
    return NULL;
}

/* ---- a load ---- */

struct load *load_open(const struct load_plan *plan)
{
    struct load *load = calloc(1, sizeof(*load));
    struct client *clients = calloc((size_t)plan->target.threads, sizeof(*clients));
    if (!load || !clients)
        die("no memory");
    load->plan = *plan;
    load->clients = clients;
    folder_clear();
    if (plan->prefill) {
        plain_create(&plan->target);
        plain_fill(&plan->target, plan->prefill);
    }
    load->shared = plan->way->open(&plan->target);
    return load;
}

void *load_shared(struct load *load)
{
    return load->shared;
}

void load_start(struct load *load)
{
    int threads = load->plan.target.threads;
    struct err err;
    atomic_store(&load->stop, false);
    memset(load->clients, 0, (size_t)threads * sizeof(*load->clients));
    pthread_barrier_init(&load->start, NULL, (unsigned)threads + 1);
    for (int i = 0; i < threads; i++) {
        struct client *client = &load->clients[i];
        client->load = load;
        client->number = (unsigned)i;
        if (thread_start(&client->thread, "client", run_client, client, &err))
            die("%s", err.text);
    }
    load->start_ns = now_ns();
    load->end_ns = load->plan.tasks ? INT64_MAX : load->start_ns + load->plan.ms * 1000000LL;
    pthread_barrier_wait(&load->start);
}

static void add_client(struct load_result *result, const struct client *client)
{
    result->done += client->done;
    result->failed += client->failed;
    latency_merge(&result->latency, &client->latency);
    if (client->why[0] && !result->why[0])
        memcpy(result->why, client->why, sizeof(client->why));
}

static double least_share(const struct load *load, uint64_t done)
{
    uint64_t least = UINT64_MAX;
    int threads = load->plan.target.threads;
    for (int i = 0; i < threads; i++)
        if (load->clients[i].done < least)
            least = load->clients[i].done;
    return done ? (double)least * threads / (double)done : 0;
}

/* Adds one round's speed. */
static void add_speed(struct load_result *result, double in_time, double seconds, double share)
{
    double rate = in_time / seconds;
    bool first = !(result->seconds > 0);
    result->per_second =
        (result->per_second * result->seconds + in_time) / (result->seconds + seconds);
    if (first || share < result->least_share)
        result->least_share = share;
    if (first || rate < result->slowest)
        result->slowest = rate;
    if (first || rate > result->fastest)
        result->fastest = rate;
    result->seconds += seconds;
}

void load_stop(struct load *load, struct load_result *result)
{
    uint64_t in_time = 0, before = result->done;
    atomic_store(&load->stop, true);
    for (int i = 0; i < load->plan.target.threads; i++) {
        struct client *client = &load->clients[i];
        pthread_join(client->thread, NULL);
        add_client(result, client);
        in_time += client->in_time;
    }
    pthread_barrier_destroy(&load->start);
    int64_t took_ns = (load->plan.tasks ? now_ns() : load->end_ns) - load->start_ns;
    add_speed(result, (double)in_time, (double)took_ns / 1e9,
              least_share(load, result->done - before));
}

void load_close(struct load *load)
{
    load->plan.way->close(load->shared);
    free(load->clients);
    free(load);
}

void load_watch(int ms, int64_t *wal_peak)
{
    int64_t end_ns = now_ns() + ms * 1000000LL, next_ns;
    do {
        next_ns = now_ns() + 5000000;
        sleep_until_ns(next_ns < end_ns ? next_ns : end_ns);
        int64_t bytes = folder_wal_bytes();
        if (bytes > *wal_peak)
            *wal_peak = bytes;
    } while (next_ns < end_ns);
}

void load_run(const struct load_plan *plan, struct load_result *result)
{
    struct usage before, used;
    struct load *load = load_open(plan);
    usage_look(&before);
    load_start(load);
    load_watch(plan->ms, &result->wal_peak);
    load_stop(load, result);
    usage_since(&used, &before);
    result->cpu_s += used.own_cpu_s;
    double foreign = usage_foreign(&used);
    if (foreign > result->foreign_cores)
        result->foreign_cores = foreign;
    load_close(load);
    result->rows += plain_ask(plan->target.path, "SELECT count(*) FROM event") - plan->prefill;
}

void load_json(struct report *report, const struct load_plan *plan,
               const struct load_result *result)
{
    json_text(report, "way", plan->way->key);
    json_text(report, "way_sqlite", plan->way->sqlite ? plan->way->sqlite() : sqlite3_libversion());
    json_text(report, "table", plan->target.table->name);
    json_text(report, "sync", plan->target.full ? "full" : "normal");
    json_int(report, "threads", plan->target.threads);
    json_num(report, "pace_per_second", plan->per_second);
    json_num(report, "seconds", result->seconds);
    json_num(report, "tx_per_second", result->per_second);
    json_num(report, "slowest_round", result->slowest);
    json_num(report, "fastest_round", result->fastest);
    json_num(report, "p50_ms", latency_ms(&result->latency, 0.5));
    json_num(report, "p99_ms", latency_ms(&result->latency, 0.99));
    json_num(report, "p999_ms", latency_ms(&result->latency, 0.999));
    json_num(report, "max_ms", latency_max_ms(&result->latency));
    json_int(report, "done", (int64_t)result->done);
    json_int(report, "failed", (int64_t)result->failed);
    json_int(report, "rows", result->rows);
    json_int(report, "wal_peak_bytes", result->wal_peak);
    json_num(report, "cpu_us_per_tx", result->cpu_s * 1e6 / (double)result->done);
    json_num(report, "least_thread_share", result->least_share);
    json_num(report, "foreign_cores", result->foreign_cores);
    json_text(report, "first_failure", result->why);
}

void load_print_trouble(const struct load_plan *plan, const struct load_result *result)
{
    const char *sqlite = plan->way->sqlite ? plan->way->sqlite() : sqlite3_libversion();
    if (strcmp(sqlite, sqlite3_libversion()) != 0)
        printf("      (with SQLite %s, the system's)\n", sqlite);
    if (result->failed)
        printf("      %llu FAILED, the first: %s\n", (unsigned long long)result->failed,
               result->why);
    if (result->rows != (int64_t)result->done)
        printf("      ROWS DIFFER: %lld in the table, %llu acknowledged\n", (long long)result->rows,
               (unsigned long long)result->done);
}
