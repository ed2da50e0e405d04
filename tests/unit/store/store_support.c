/* A store to test with, and a model of what it was told (store_support.h). */
#include "store_support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#include "base/cleanup.h"

const char *world_path(const struct world *w)
{
    return test_path(w->dir, "history.db");
}

static void open_store(struct world *w)
{
    struct store_options options = {.path = world_path(w)};
    struct err err = {0};
    if (store_open(&options, &w->store, &err))
        fail_msg("%s", err.text);
}

void world_init(struct world *w)
{
    *w = (struct world){.dir = test_dir_make()};
    open_store(w);
}

static void close_store(struct world *w)
{
    struct err err = {0};
    if (store_close(w->store, 10000, &err))
        fail_msg("%s", err.text);
    w->store = NULL;
}

void world_fini(struct world *w)
{
    close_store(w);
    test_dir_remove(w->dir);
    free(w->dir);
}

void world_reopen(struct world *w)
{
    close_store(w);
    open_store(w);
}

int64_t world_node(struct world *w, const char *name)
{
    int64_t id = 0;
    struct err err = {0};
    if (store_node_ensure(w->store, name, "", &id, &err))
        fail_msg("%s", err.text);
    return id;
}

char *world_text(const struct world *w, const char *sql)
{
    sqlite3 *db;
    sqlite3_stmt *stmt;
    assert_int_equal(sqlite3_open_v2(world_path(w), &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    const char *text = (const char *)sqlite3_column_text(stmt, 0);
    char *copy = strdup(text ? text : "");
    assert_non_null(copy);
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return copy;
}

int64_t world_number(const struct world *w, const char *sql)
{
    CLEANUP(free_ptr) char *text = world_text(w, sql);
    return strtoll(text, NULL, 10);
}

char *world_digest(const struct world *w)
{
    static const char *const tables[] = {
        "SELECT group_concat(quote(id) || quote(node_id) || quote(name) || quote(head) || "
        "quote(mark)"
        " || quote(offset) || quote(lines) || quote(transfers) || quote(twins) || quote(unparsed)"
        " || quote(cut_lines) || quote(nul_bytes) || quote(updated_unix_ms)) FROM source",
        "SELECT group_concat(quote(id) || quote(name) || quote(last_event_unix_ms)) FROM node",
        "SELECT group_concat(id || key) FROM satellite",
        "SELECT group_concat(id || ':' || ms || ':' || node_id) FROM transfer",
        "SELECT group_concat(id || message) FROM note",
        "SELECT group_concat(id || line) FROM unparsed",
        "SELECT group_concat(at_unix_s || ':' || node_id || ':' || count) FROM rollup_minute",
        "SELECT group_concat(bytes) FROM rollup_minute",
        "SELECT group_concat(at_unix_s || ':' || count || ':' || bytes) FROM rollup_hour",
        "SELECT group_concat(at_unix_s || ':' || count || ':' || bytes) FROM rollup_day",
        "SELECT group_concat(at_unix_s || ':' || kind || ':' || count) FROM line_minute",
        "SELECT group_concat(at_unix_s || ':' || kind || ':' || count) FROM line_hour",
    };
    CLEANUP(buf_fini) struct buf all = {0};
    for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
        CLEANUP(free_ptr) char *text = world_text(w, tables[i]);
        buf_printf(&all, "%s\n", text);
    }
    assert_false(all.failed);
    return STEAL(all.data);
}

/* ---- Events --------------------------------------------------------------------------------- */

struct text words(const char *text)
{
    return (struct text){.at = text, .len = (uint32_t)strlen(text)};
}

static struct event no_event(int64_t at_unix_ms, enum event_kind kind, enum level level)
{
    return (struct event){
        .kind = kind,
        .level = level,
        .at_unix_ms = at_unix_ms,
        .size_bytes = EVENT_NO_NUMBER,
        .offset_bytes = EVENT_NO_NUMBER,
        .duration_ns = EVENT_NO_NUMBER,
        .available_space_bytes = EVENT_NO_NUMBER,
        .count = EVENT_NO_NUMBER,
        .attempts = EVENT_NO_NUMBER,
        .audit_score = -1,
        .online_score = -1,
        .suspension_score = -1,
    };
}

struct event a_transfer(int64_t at_unix_ms, enum action action, enum outcome outcome, int64_t size)
{
    struct event e = no_event(at_unix_ms, EVENT_TRANSFER, LEVEL_INFO);
    e.action = action;
    e.outcome = outcome;
    e.size_bytes = size;
    e.satellite = words("12EayRS2V1kEsWESU9QMRseFhdxYxKicsiFmxrsLZHeLUtdps3S");
    return e;
}

struct event a_line(int64_t at_unix_ms, enum event_kind kind, enum level level, const char *message)
{
    struct event e = no_event(at_unix_ms, kind, level);
    e.logger = words("piecestore");
    e.message = words(message);
    return e;
}

/* ---- Feeding -------------------------------------------------------------------------------- */

void feeder_init(struct feeder *f, struct world *w, int64_t node_id, const char *name)
{
    *f = (struct feeder){0};
    assert_int_equal(batch_init(&f->batch), 0);
    f->batch.node_id = node_id;
    struct source *source = &f->batch.source;
    source->head_len = strlen(name);
    memcpy(source->head, name, source->head_len);
    struct err err = {0};
    if (store_source_add(w->store, node_id, name, source, &err))
        fail_msg("%s", err.text);
}

void feeder_fini(struct feeder *f)
{
    batch_fini(&f->batch);
}

void feeder_add(struct feeder *f, const struct event *event)
{
    static const char raw[] = "a line of a log";
    assert_false(batch_is_full(&f->batch));
    assert_true(batch_add(&f->batch, event, words(raw), f->offset, 0));
    f->offset += (int64_t)sizeof(raw);
}

int feeder_commit(struct feeder *f, struct world *w, struct err *err)
{
    f->batch.from_offset = f->batch.source.offset;
    f->batch.source.offset = f->offset;
    void *ticket;
    int rc = store_batch_submit(w->store, &f->batch, &ticket, err);
    if (!rc)
        do
            rc = store_batch_wait(w->store, ticket, 10000, err);
        while (rc == ERR_TIMEOUT);
    batch_clear(&f->batch);
    return rc;
}

void feeder_must_commit(struct feeder *f, struct world *w)
{
    struct err err = {0};
    if (feeder_commit(f, w, &err))
        fail_msg("%s", err.text);
}

/* ---- The model ------------------------------------------------------------------------------ */

void model_fini(struct model *m)
{
    free(m->lines);
}

static struct remembered *remember(struct model *m)
{
    if (m->count == m->cap) {
        m->cap = m->cap ? m->cap * 2 : 256;
        m->lines = realloc(m->lines, m->cap * sizeof(*m->lines));
        assert_non_null(m->lines);
    }
    m->lines[m->count] =
        (struct remembered){.size_bytes = EVENT_NO_NUMBER, .duration_ms = EVENT_NO_NUMBER};
    return &m->lines[m->count++];
}

static const char *one_of(struct test_random *r, const char *const *texts, size_t count)
{
    return texts[test_random_below(r, count)];
}

static void random_piece(struct test_random *r, char out[64])
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    static const char *const odd[] = {
        "",        "TEST",     "aaaa",
        "piece é", "AAAA====", "AAAAEXAMPLEPIECEID7777777777777777777777777777777777"};
    if (test_random_below(r, 4) == 0) {
        snprintf(out, 64, "%s", one_of(r, odd, ARRAY_LEN(odd)));
        return;
    }
    for (int i = 0; i < 52; i++)
        out[i] = digits[test_random_below(r, 32)];
    out[52] = '\0';
}

static void random_remote(struct test_random *r, char out[64])
{
    static const char *const odd[] = {
        "",          "198.51.100.7:28967", "198.051.100.7:1", "[2001:db8::1]:443",
        "[::]:1",    "[::ffff:1.2.3.4]:5", "host.example:80", "[fe80::1%eth0]:9",
        "1.2.3.4:0", "1.2.3.4:99999",
    };
    snprintf(out, 64, "%s", one_of(r, odd, ARRAY_LEN(odd)));
}

static struct event random_transfer(struct remembered *l, struct test_random *r)
{
    static const char *const satellites[] = {"sat-a", "sat-b", "", "sat-c"};
    static const char *const errors[] = {"", "", "", "context canceled", "tab\tand \"quote\"", "é"};
    l->kind = EVENT_TRANSFER;
    l->level = LEVEL_INFO;
    l->action = (enum action)(1 + test_random_below(r, 6));
    l->outcome = (enum outcome)(1 + test_random_below(r, OUTCOME_COUNT - 1));
    if (test_random_below(r, 10))
        l->size_bytes = (int64_t)test_random_below(r, UINT64_C(1) << test_random_below(r, 40));
    if (test_random_below(r, 3) == 0)
        l->duration_ms = (int64_t)test_random_below(r, 100000);
    snprintf(l->satellite, sizeof(l->satellite), "%s",
             one_of(r, satellites, ARRAY_LEN(satellites)));
    snprintf(l->error, sizeof(l->error), "%s", one_of(r, errors, ARRAY_LEN(errors)));
    random_piece(r, l->piece);
    random_remote(r, l->remote);
    struct event e = no_event(l->at_unix_ms, EVENT_TRANSFER, l->level);
    e.action = l->action;
    e.outcome = l->outcome;
    e.size_bytes = l->size_bytes;
    e.duration_ns = l->duration_ms == EVENT_NO_NUMBER ? EVENT_NO_NUMBER : l->duration_ms * 1000000;
    e.satellite = words(l->satellite);
    e.error = words(l->error);
    e.piece = words(l->piece);
    e.remote = words(l->remote);
    return e;
}

static struct event random_line(struct remembered *l, struct test_random *r)
{
    static const enum event_kind kinds[] = {EVENT_FATAL,         EVENT_NODE_STARTED,
                                            EVENT_UNPARSED,      EVENT_CONTACT_FAILED,
                                            EVENT_ORDERS_FAILED, EVENT_TRANSFER_TWIN};
    l->kind = kinds[test_random_below(r, ARRAY_LEN(kinds))];
    l->level = (enum level)(LEVEL_INFO + test_random_below(r, 3));
    snprintf(l->message, sizeof(l->message), "message %u", (unsigned)test_random_below(r, 1000));
    return a_line(l->at_unix_ms, l->kind, l->level, l->message);
}

void model_add_random(struct model *m, struct feeder *f, struct test_random *r,
                      int64_t near_unix_ms, int64_t spread_ms)
{
    struct remembered *l = remember(m);
    l->node_id = f->batch.node_id;
    l->at_unix_ms = near_unix_ms + (int64_t)test_random_below(r, (uint64_t)spread_ms);
    struct event e = test_random_below(r, 5) ? random_transfer(l, r) : random_line(l, r);
    feeder_add(f, &e);
}

int64_t step_begin_s(int64_t unix_ms, int64_t step_s)
{
    int64_t step_ms = step_s * 1000, part = unix_ms % step_ms;
    return (unix_ms - (part < 0 ? part + step_ms : part)) / 1000;
}
