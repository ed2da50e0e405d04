/* onewriter in an event loop: one thread, libevent, and nothing ever waits. Writes and reads are
 * posted; their results lie in a completion queue whose descriptor the loop watches. Eight clients
 * write a line and then read how many they have, again and again.
 *
 *     loop [FILE [ROUNDS]]
 *
 * Ends by itself: exit code 1 when a client did not find what it had written. */
#include <event2/event.h>
#include <onewriter/onewriter.h>
#include <stdio.h>
#include <stdlib.h>

#define CLIENTS     8
#define PATIENCE_MS 10000

struct app {
    struct event_base *base;
    struct ow *db;
    struct ow_cq *cq;
    struct event *results;
    int rounds, running, turns; /* turns of the loop that had results */
    struct ow_err failure;
};

struct client {
    struct app *app;
    int number, round;
    int64_t before, lines; /* how many lines it had before this run, and has */
};

/* Something failed: remember the first reason and leave the loop. */
static void give_up(struct app *app, const struct ow_err *err)
{
    if (!app->failure.code)
        app->failure = *err;
    event_base_loopbreak(app->base);
}

/* ---- jobs: run on threads of the library, touch only what their client lent them ---- */

static int write_line(struct ow_conn *conn, void *ctx, struct ow_err *err)
{
    struct client *client = ctx;
    struct ow_value values[] = {ow_int(client->number), ow_int(client->round)};
    return ow_run(conn, "INSERT INTO line(client, round) VALUES(?1, ?2)", values, 2, err);
}

static int count_lines(struct ow_conn *reader, void *ctx, struct ow_err *err)
{
    struct client *client = ctx;
    struct ow_value values[] = {ow_int(client->number)};
    return ow_get_int(reader, "SELECT count(*) FROM line WHERE client = ?1", values, 1,
                      &client->lines, err);
}

/* ---- results: run on the loop's thread ---- */

static void next_round(struct client *client);

static void on_counted(void *ctx, int64_t commit_seq, const struct ow_err *err)
{
    struct client *client = ctx;
    struct app *app = client->app;
    struct ow_err wrong;
    (void)commit_seq;
    if (err->code || app->failure.code) {
        give_up(app, err);
    } else if (client->lines != client->before + client->round) {
        ow_refuse(&wrong, OW_BUG, "client %d wrote %d lines and finds %lld", client->number,
                  client->round, (long long)(client->lines - client->before));
        give_up(app, &wrong);
    } else if (client->round < app->rounds) {
        next_round(client);
    } else if (--app->running == 0) {
        event_base_loopbreak(app->base);
    }
}

static void on_written(void *ctx, int64_t commit_seq, const struct ow_err *err)
{
    struct client *client = ctx;
    struct app *app = client->app;
    struct ow_err refused;
    /* The reader shall see that commit. It is waited for on a thread of the library. */
    struct ow_read how = {.label = "count lines", .timeout_ms = PATIENCE_MS, .min_seq = commit_seq};
    if (err->code || app->failure.code)
        give_up(app, err);
    else if (ow_read_post(app->db, &how, count_lines, client, on_counted, app->cq, &refused))
        give_up(app, &refused);
}

static void next_round(struct client *client)
{
    struct app *app = client->app;
    struct ow_err refused;
    client->round++;
    /* 0 = does not wait: with a full lane this is OW_QUEUE_FULL at once. Clients that each have one
     * request under way cannot fill it. */
    if (ow_post(app->db, OW_LANE_NORMAL, write_line, client, on_written, app->cq, 0, &refused))
        give_up(app, &refused);
}

static void on_results(evutil_socket_t fd, short what, void *ctx)
{
    struct app *app = ctx;
    (void)fd, (void)what;
    app->turns++;
    ow_cq_dispatch(app->cq);
}

static void on_too_late(evutil_socket_t fd, short what, void *ctx)
{
    struct ow_err late;
    (void)fd, (void)what;
    ow_refuse(&late, OW_TIMEOUT, "the loop did not end in time");
    give_up(ctx, &late);
}

/* ---- the frame ---- */

static int start(struct app *app, const char *path, struct ow_err *err)
{
    static const struct ow_migration steps[] = {
        {1, "CREATE TABLE line(client INTEGER NOT NULL, round INTEGER NOT NULL) STRICT;"
            "CREATE INDEX line_by_client ON line(client)"},
    };
    struct ow_options options;
    ow_options_init(&options, path);
    int rc = ow_open(&options, &app->db, err);
    if (!rc)
        rc = ow_migrate(app->db, steps, sizeof(steps) / sizeof(steps[0]), err);
    if (!rc)
        rc = ow_cq_open(&app->cq, err);
    if (rc)
        return rc;
    app->base = event_base_new();
    if (app->base)
        app->results =
            event_new(app->base, ow_cq_fd(app->cq), EV_READ | EV_PERSIST, on_results, app);
    if (!app->results || event_add(app->results, NULL))
        return ow_refuse(err, OW_RESOURCE, "the event loop cannot be set up");
    return 0;
}

static int run(struct app *app, struct ow_err *err)
{
    struct client clients[CLIENTS] = {{0}};
    struct timeval deadline = {60, 0};
    struct ow_read how = {.label = "lines before", .timeout_ms = PATIENCE_MS};
    app->running = CLIENTS;
    event_base_once(app->base, -1, EV_TIMEOUT, on_too_late, app, &deadline);
    for (int i = 0; i < CLIENTS; i++) {
        clients[i].app = app;
        clients[i].number = i;
        int rc = ow_read(app->db, &how, count_lines, &clients[i], err);
        if (rc)
            return rc;
        clients[i].before = clients[i].lines;
    }
    for (int i = 0; i < CLIENTS; i++)
        next_round(&clients[i]);
    event_base_dispatch(app->base);
    if (app->running && !app->failure.code)
        ow_refuse(&app->failure, OW_BUG, "the loop ended before its clients did");
    /* What is still under way uses the clients: ow_close ends it, ow_cq_close calls what waits. */
    ow_close(app->db, PATIENCE_MS, NULL, NULL);
    app->db = NULL;
    ow_cq_close(app->cq);
    app->cq = NULL;
    if (app->failure.code)
        *err = app->failure;
    return app->failure.code;
}

int main(int argc, char **argv)
{
    struct app app = {.rounds = argc > 2 ? atoi(argv[2]) : 100};
    struct ow_err err = {OW_OK, 0, 0, ""};
    int rc = start(&app, argc > 1 ? argv[1] : "loop.db", &err);
    if (!rc)
        rc = run(&app, &err);
    if (rc)
        fprintf(stderr, "%s\n", err.text);
    else
        printf("%d clients, %d rounds each, %d turns of the loop\n", CLIENTS, app.rounds,
               app.turns);
    ow_close(app.db, PATIENCE_MS, NULL, NULL);
    if (app.results)
        event_free(app.results);
    ow_cq_close(app.cq);
    if (app.base)
        event_base_free(app.base);
    return rc != 0;
}
