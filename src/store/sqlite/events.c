/* A batch in, one transaction. The source's offset moves from from_offset to source.offset or
 * nothing happens at all: that compare-and-swap is what makes "nothing lost, nothing doubled" true
 * whatever crashes, whoever else reads the same file, and however often a job is run again.
 *
 * Jobs run on the writer thread only; they touch nothing but the database, the sequence hints of
 * struct store (gaps there are harmless, so a rollback needs no undo) and their own result. */
#include "store/sqlite/internal.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "store/sqlite/rollup.h"

#define SUBMIT_WAIT_MS         1000
#define WRITE_WAIT_MS          30000
#define UNPARSED_KEPT_PER_NODE 50

struct batch_job {
    struct store *store;
    struct batch *batch;
    struct ow_ticket ticket;
    bool stale; /* the compare-and-swap lost */
    int64_t satellite_ids[BATCH_SATELLITES_MAX];
};

/* ---- Sources -------------------------------------------------------------------------------- */

struct source_list {
    struct source *items;
    size_t count, cap;
    int64_t node_id;
    bool failed;
};

static size_t copy_blob(sqlite3_stmt *stmt, int column, uint8_t *out, size_t max)
{
    const void *blob = sqlite3_column_blob(stmt, column);
    size_t len = (size_t)sqlite3_column_bytes(stmt, column);
    if (len > max)
        len = max;
    if (len)
        memcpy(out, blob, len);
    return len;
}

static int collect_source(sqlite3_stmt *stmt, void *ctx)
{
    struct source_list *list = ctx;
    if (list->count == list->cap) {
        size_t cap = list->cap ? list->cap * 2 : 8;
        struct source *more = realloc(list->items, cap * sizeof(*more));
        if (!more)
            return list->failed = true;
        list->items = more;
        list->cap = cap;
    }
    struct source *s = &list->items[list->count++];
    *s = (struct source){.id = sqlite3_column_int64(stmt, 0)};
    s->head_len = copy_blob(stmt, 1, s->head, sizeof(s->head));
    s->mark_len = copy_blob(stmt, 2, s->mark, sizeof(s->mark));
    s->offset = sqlite3_column_int64(stmt, 3);
    s->lines = sqlite3_column_int64(stmt, 4);
    s->transfers = sqlite3_column_int64(stmt, 5);
    s->twins = sqlite3_column_int64(stmt, 6);
    s->unparsed = sqlite3_column_int64(stmt, 7);
    return 0;
}

static void bind_source_list(sqlite3_stmt *stmt, void *ctx)
{
    struct source_list *list = ctx;
    sqlite3_bind_int64(stmt, 1, list->node_id);
}

int store_sources(struct store *store, int64_t node_id, struct source **out, size_t *count,
                  struct err *err)
{
    struct source_list list = {.node_id = node_id};
    struct store_read read = {
        .label = "list sources",
        .sql = "SELECT id, head, mark, offset, lines, transfers, twins, unparsed FROM source"
               " WHERE node_id = ?1 ORDER BY id",
        .bind = bind_source_list,
        .row = collect_source,
        .ctx = &list,
    };
    int rc = store_read(store, &read, err);
    if (rc) {
        free(list.items);
        return list.failed ? err_set(err, ERR_MEMORY, "no memory for the list of sources") : rc;
    }
    *out = list.items;
    *count = list.count;
    return 0;
}

struct source_job {
    int64_t node_id;
    const char *name;
    struct source *source;
    int64_t id;
};

static int add_source(struct ow_conn *conn, void *ctx, struct ow_err *err)
{
    struct source_job *job = ctx;
    sqlite3_stmt *stmt;
    int rc = ow_prepare(conn,
                        "INSERT INTO source (node_id, name, head, mark, offset, updated_unix_ms)"
                        " VALUES (?1, ?2, ?3, x'', 0, ?4)",
                        &stmt, err);
    if (rc)
        return rc;
    sqlite3_bind_int64(stmt, 1, job->node_id);
    sqlite3_bind_text(stmt, 2, job->name, -1, SQLITE_STATIC);
    sqlite3_bind_blob(stmt, 3, job->source->head, (int)job->source->head_len, SQLITE_STATIC);
    sqlite3_bind_int64(stmt, 4, clock_unix_ms());
    if (sqlite3_step(stmt) != SQLITE_DONE)
        return ow_conn_fail(conn, "storing a source", err);
    sqlite3_reset(stmt);
    job->id = sqlite3_last_insert_rowid(ow_conn_handle(conn));
    return 0;
}

int store_source_add(struct store *store, int64_t node_id, const char *name, struct source *source,
                     struct err *err)
{
    struct source_job job = {.node_id = node_id, .name = name, .source = source};
    struct ow_err cause;
    if (ow_write(store->db, OW_LANE_NORMAL, add_source, &job, WRITE_WAIT_MS, &cause))
        return store_fail(err, &cause, "storing a source");
    source->id = job.id;
    return 0;
}

static int advance_source(struct ow_conn *conn, struct batch_job *job, struct ow_err *err)
{
    const struct batch *b = job->batch;
    sqlite3_stmt *stmt;
    int rc = ow_prepare(conn,
                        "UPDATE source SET offset = ?3, head = ?4, mark = ?5, lines = lines + ?6,"
                        " transfers = transfers + ?7, twins = twins + ?8, unparsed = unparsed + ?9,"
                        " cut_lines = cut_lines + ?10, nul_bytes = nul_bytes + ?11,"
                        " updated_unix_ms = ?12 WHERE id = ?1 AND offset = ?2",
                        &stmt, err);
    if (rc)
        return rc;
    sqlite3_bind_int64(stmt, 1, b->source.id);
    sqlite3_bind_int64(stmt, 2, b->from_offset);
    sqlite3_bind_int64(stmt, 3, b->source.offset);
    sqlite3_bind_blob(stmt, 4, b->source.head, (int)b->source.head_len, SQLITE_STATIC);
    sqlite3_bind_blob(stmt, 5, b->source.mark, (int)b->source.mark_len, SQLITE_STATIC);
    sqlite3_bind_int64(stmt, 6, (int64_t)b->lines);
    sqlite3_bind_int64(stmt, 7, (int64_t)b->transfers);
    sqlite3_bind_int64(stmt, 8, (int64_t)b->twins);
    sqlite3_bind_int64(stmt, 9, (int64_t)b->unparsed);
    sqlite3_bind_int64(stmt, 10, (int64_t)b->cut_lines);
    sqlite3_bind_int64(stmt, 11, (int64_t)b->nul_bytes);
    sqlite3_bind_int64(stmt, 12, clock_unix_ms());
    if (sqlite3_step(stmt) != SQLITE_DONE)
        return ow_conn_fail(conn, "moving a source's offset", err);
    sqlite3_reset(stmt);
    if (sqlite3_changes(ow_conn_handle(conn)) == 1)
        return 0;
    job->stale = true;
    *err = (struct ow_err){.code = OW_CALLER, .text = "the source was read on by somebody else"};
    return OW_CALLER;
}

/* ---- Rows ----------------------------------------------------------------------------------- */

static const char *text_at(const struct batch *b, struct batch_text t)
{
    return t.len ? b->text.data + t.at : "";
}

static void bind_text(sqlite3_stmt *stmt, int at, const struct batch *b, struct batch_text t)
{
    sqlite3_bind_text(stmt, at, text_at(b, t), (int)t.len, SQLITE_STATIC);
}

static void bind_number(sqlite3_stmt *stmt, int at, int64_t number)
{
    if (number != EVENT_NO_NUMBER)
        sqlite3_bind_int64(stmt, at, number);
}

static int resolve_satellite(struct ow_conn *conn, const struct batch *b, struct batch_text key,
                             int64_t *id, struct ow_err *err)
{
    static const char *const sql[] = {
        "SELECT id FROM satellite WHERE key = ?1",
        "INSERT INTO satellite (key) VALUES (?1) RETURNING id",
    };
    for (int i = 0; i < 2; i++) {
        sqlite3_stmt *stmt;
        int rc = ow_prepare(conn, sql[i], &stmt, err);
        if (rc)
            return rc;
        bind_text(stmt, 1, b, key);
        int step = sqlite3_step(stmt);
        if (step == SQLITE_ROW) {
            *id = sqlite3_column_int64(stmt, 0);
            step = sqlite3_step(stmt);
            if (step != SQLITE_DONE)
                return ow_conn_fail(conn, "storing a satellite", err);
            sqlite3_reset(stmt);
            return 0;
        }
        if (step != SQLITE_DONE)
            return ow_conn_fail(conn, "finding a satellite", err);
        sqlite3_reset(stmt);
    }
    *err = (struct ow_err){.code = OW_BUG, .text = "INSERT ... RETURNING gave no row"};
    return OW_BUG;
}

static int resolve_satellites(struct ow_conn *conn, struct batch_job *job, struct ow_err *err)
{
    const struct batch *b = job->batch;
    job->satellite_ids[0] = 0;
    for (size_t i = 1; i < b->satellite_count; i++) {
        int rc = resolve_satellite(conn, b, b->satellites[i], &job->satellite_ids[i], err);
        if (rc)
            return rc;
    }
    return 0;
}

static int highest_in(struct ow_conn *conn, const char *sql, int64_t from, int64_t to, int64_t *out,
                      struct ow_err *err)
{
    sqlite3_stmt *stmt;
    int rc = ow_prepare(conn, sql, &stmt, err);
    if (rc)
        return rc;
    sqlite3_bind_int64(stmt, 1, from);
    sqlite3_bind_int64(stmt, 2, to);
    if (sqlite3_step(stmt) != SQLITE_ROW)
        return ow_conn_fail(conn, "finding the newest row", err);
    *out = sqlite3_column_type(stmt, 0) == SQLITE_NULL ? -1 : sqlite3_column_int64(stmt, 0);
    sqlite3_reset(stmt);
    return 0;
}

/* Gives the id for a row of this second: after the last one stored for it. Rows arrive almost in
 * order, so the table's end or the hint of a recently used second answers nearly always. */
static int next_id(struct ow_conn *conn, struct store_sequence *seq, const char *highest_sql,
                   int64_t second, int64_t *id, struct ow_err *err)
{
    if (seq->newest_s == INT64_MIN) {
        int64_t last = -1;
        int rc = highest_in(conn, highest_sql, 0, INT64_MAX, &last, err);
        if (rc)
            return rc;
        seq->newest_s = last < 0 ? -1 : last >> STORE_SEQ_BITS;
    }
    size_t slot = (size_t)second % STORE_SEQ_CACHE;
    if (seq->slot[slot].next && seq->slot[slot].second == second) {
        *id = (second << STORE_SEQ_BITS) + seq->slot[slot].next++;
        return 0;
    }
    int64_t last = -1;
    if (second <= seq->newest_s) {
        int64_t first = second << STORE_SEQ_BITS;
        int rc =
            highest_in(conn, highest_sql, first, first + (1 << STORE_SEQ_BITS) - 1, &last, err);
        if (rc)
            return rc;
    } else {
        seq->newest_s = second;
    }
    *id = last < 0 ? second << STORE_SEQ_BITS : last + 1;
    seq->slot[slot].second = second;
    seq->slot[slot].next = (uint32_t)((*id & ((1 << STORE_SEQ_BITS) - 1)) + 1);
    return 0;
}

static void split_time(int64_t unix_ms, int64_t *second, int *ms)
{
    if (unix_ms < 0)
        unix_ms = 0;
    *second = unix_ms / 1000;
    *ms = (int)(unix_ms % 1000);
    if (*second > STORE_SECOND_MAX)
        *second = STORE_SECOND_MAX;
}

static void bind_row(sqlite3_stmt *stmt, const struct batch_job *job, const struct batch_row *row)
{
    const struct batch *b = job->batch;
    sqlite3_bind_int64(stmt, 3, b->node_id);
    sqlite3_bind_int64(stmt, 4, job->satellite_ids[row->satellite]);
    sqlite3_bind_int(stmt, 5, row->action);
    sqlite3_bind_int(stmt, 6, row->outcome);
    bind_number(stmt, 7, row->size_bytes);
    bind_number(stmt, 8, row->duration_ms);
    uint8_t piece[PACK_PIECE_BYTES], remote[PACK_REMOTE_MAX];
    if (row->piece.len) {
        if (pack_piece(text_at(b, row->piece), row->piece.len, piece))
            sqlite3_bind_blob(stmt, 9, piece, sizeof(piece), SQLITE_TRANSIENT);
        else
            bind_text(stmt, 9, b, row->piece);
    }
    if (row->remote.len) {
        size_t len = pack_remote(text_at(b, row->remote), row->remote.len, remote);
        if (len)
            sqlite3_bind_blob(stmt, 10, remote, (int)len, SQLITE_TRANSIENT);
        else
            bind_text(stmt, 10, b, row->remote);
    }
    if (row->error.len)
        bind_text(stmt, 11, b, row->error);
    if (row->action_name.len)
        bind_text(stmt, 12, b, row->action_name);
}

static int insert_rows(struct ow_conn *conn, struct batch_job *job, struct ow_err *err)
{
    sqlite3_stmt *stmt;
    int rc = ow_prepare(conn,
                        "INSERT INTO transfer (id, ms, node_id, satellite_id, action, outcome,"
                        " size_bytes, duration_ms, piece, remote, error, action_name)"
                        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
                        &stmt, err);
    if (rc)
        return rc;
    for (size_t i = 0; i < job->batch->row_count; i++) {
        const struct batch_row *row = &job->batch->rows[i];
        int64_t second, id;
        int ms;
        split_time(row->at_unix_ms, &second, &ms);
        rc = next_id(conn, &job->store->transfer_sequence,
                     "SELECT max(id) FROM transfer WHERE id BETWEEN ?1 AND ?2", second, &id, err);
        if (rc)
            return rc;
        sqlite3_clear_bindings(stmt);
        sqlite3_bind_int64(stmt, 1, id);
        sqlite3_bind_int(stmt, 2, ms);
        bind_row(stmt, job, row);
        if (sqlite3_step(stmt) != SQLITE_DONE)
            return ow_conn_fail(conn, "storing a transfer", err);
        sqlite3_reset(stmt);
    }
    return 0;
}

static int insert_notes(struct ow_conn *conn, struct batch_job *job, struct ow_err *err)
{
    const struct batch *b = job->batch;
    for (size_t i = 0; i < b->note_count; i++) {
        const struct batch_note *note = &b->notes[i];
        int64_t second, id;
        int ms;
        split_time(note->at_unix_ms, &second, &ms);
        int rc = next_id(conn, &job->store->note_sequence,
                         "SELECT max(id) FROM note WHERE id BETWEEN ?1 AND ?2", second, &id, err);
        sqlite3_stmt *stmt;
        if (!rc)
            rc = ow_prepare(conn,
                            "INSERT INTO note (id, ms, node_id, kind, level, satellite_id, logger,"
                            " message, detail) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                            &stmt, err);
        if (rc)
            return rc;
        sqlite3_bind_int64(stmt, 1, id);
        sqlite3_bind_int(stmt, 2, ms);
        sqlite3_bind_int64(stmt, 3, b->node_id);
        sqlite3_bind_int(stmt, 4, note->kind);
        sqlite3_bind_int(stmt, 5, note->level);
        sqlite3_bind_int64(stmt, 6, job->satellite_ids[note->satellite]);
        bind_text(stmt, 7, b, note->logger);
        bind_text(stmt, 8, b, note->message);
        bind_text(stmt, 9, b, note->detail);
        if (sqlite3_step(stmt) != SQLITE_DONE)
            return ow_conn_fail(conn, "storing a line", err);
        sqlite3_reset(stmt);
    }
    return 0;
}

/* Samples of what could not be read, the newest few of each node. */
static int insert_samples(struct ow_conn *conn, struct batch_job *job, struct ow_err *err)
{
    const struct batch *b = job->batch;
    if (!b->sample_count)
        return 0;
    sqlite3_stmt *stmt;
    int rc;
    for (size_t i = 0; i < b->sample_count; i++) {
        const struct batch_sample *sample = &b->samples[i];
        rc = ow_prepare(conn,
                        "INSERT INTO unparsed (node_id, source_id, offset, at_unix_ms, line)"
                        " VALUES (?1, ?2, ?3, ?4, ?5)",
                        &stmt, err);
        if (rc)
            return rc;
        sqlite3_bind_int64(stmt, 1, b->node_id);
        sqlite3_bind_int64(stmt, 2, b->source.id);
        sqlite3_bind_int64(stmt, 3, sample->offset);
        bind_number(stmt, 4, sample->at_unix_ms);
        bind_text(stmt, 5, b, sample->line);
        if (sqlite3_step(stmt) != SQLITE_DONE)
            return ow_conn_fail(conn, "storing a sample of an unparsed line", err);
        sqlite3_reset(stmt);
    }
    rc = ow_prepare(conn,
                    "DELETE FROM unparsed WHERE node_id = ?1 AND id <= (SELECT id FROM unparsed"
                    " WHERE node_id = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)",
                    &stmt, err);
    if (rc)
        return rc;
    sqlite3_bind_int64(stmt, 1, b->node_id);
    sqlite3_bind_int(stmt, 2, UNPARSED_KEPT_PER_NODE);
    if (sqlite3_step(stmt) != SQLITE_DONE)
        return ow_conn_fail(conn, "trimming the samples of unparsed lines", err);
    sqlite3_reset(stmt);
    return 0;
}

static int touch_node(struct ow_conn *conn, struct batch_job *job, struct ow_err *err)
{
    const struct batch *b = job->batch;
    if (b->last_at_unix_ms == EVENT_NO_TIME)
        return 0;
    sqlite3_stmt *stmt;
    int rc = ow_prepare(conn,
                        "UPDATE node SET last_event_unix_ms = max(coalesce(last_event_unix_ms, ?2),"
                        " ?2) WHERE id = ?1",
                        &stmt, err);
    if (rc)
        return rc;
    sqlite3_bind_int64(stmt, 1, b->node_id);
    sqlite3_bind_int64(stmt, 2, b->last_at_unix_ms);
    if (sqlite3_step(stmt) != SQLITE_DONE)
        return ow_conn_fail(conn, "storing a node's last event", err);
    sqlite3_reset(stmt);
    return 0;
}

static int commit_batch(struct ow_conn *conn, void *ctx, struct ow_err *err)
{
    struct batch_job *job = ctx;
    job->stale = false;
    int rc = advance_source(conn, job, err);
    if (!rc)
        rc = resolve_satellites(conn, job, err);
    if (!rc)
        rc = insert_rows(conn, job, err);
    if (!rc)
        rc = insert_notes(conn, job, err);
    if (!rc)
        rc = rollup_add(conn, job->batch, job->satellite_ids, err);
    if (!rc)
        rc = insert_samples(conn, job, err);
    if (!rc)
        rc = touch_node(conn, job, err);
    return rc;
}

int store_batch_submit(struct store *store, struct batch *batch, void **ticket, struct err *err)
{
    CLEANUP(free_ptr) struct batch_job *job = calloc(1, sizeof(*job));
    if (!job)
        return err_set(err, ERR_MEMORY, "no memory to hand in a batch");
    job->store = store;
    job->batch = batch;
    struct ow_err cause;
    if (ow_submit(store->db, OW_LANE_NORMAL, commit_batch, job, SUBMIT_WAIT_MS, &job->ticket,
                  &cause))
        return store_fail(err, &cause, "handing in a batch");
    *ticket = STEAL(job);
    return 0;
}

int store_batch_wait(struct store *store, void *ticket, int timeout_ms, struct err *err)
{
    struct batch_job *job = ticket;
    struct ow_err cause;
    int rc = ow_wait(store->db, &job->ticket, timeout_ms, NULL, &cause);
    if (rc == OW_TIMEOUT)
        return store_fail(err, &cause, "waiting for a commit");
    if (rc && job->stale)
        rc = err_set(err, ERR_STALE, "source %" PRId64 " was read on by somebody else",
                     job->batch->source.id);
    else if (rc)
        rc = store_fail(err, &cause, "storing a batch");
    free(job);
    return rc;
}
