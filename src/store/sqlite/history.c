/* What was stored, read back: the exported rows, and the sums that pages and reports show. Sums
 * come from the rollups only; nothing here but store_transfers and store_notes reads rows of single
 * lines.
 *
 * A node filter is handed to SQLite as the text ",1,3," (NULL = all), so that every query is one
 * fixed text that stays prepared. */
#include "store/sqlite/internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"

#define QUERY_RUN_MS 10000

#define NODE_FILTER "(?3 IS NULL OR instr(?3, ',' || node_id || ',') > 0)"

/* Starts every query context, so that one function can bind them all. */
struct range_bind {
    int64_t from, to;
    struct buf nodes; /* ",1,3,"; empty = all */
    int64_t extra;    /* ?4 of the queries that have one */
};

/* Start of the step that holds the second, before 1970 as well. */
static int64_t step_begin(int64_t unix_s, int64_t step_s)
{
    if (unix_s < INT64_MIN + step_s)
        return INT64_MIN;
    int64_t part = unix_s % step_s;
    return unix_s - (part < 0 ? part + step_s : part);
}

static int range_bind_init(struct range_bind *bind, const struct store_range *range,
                           int64_t widen_s, int64_t extra, struct err *err)
{
    *bind = (struct range_bind){
        .from = step_begin(range->from_unix_s, widen_s),
        .to = range->to_unix_s,
        .extra = extra,
    };
    for (size_t i = 0; i < range->node_count; i++)
        buf_printf(&bind->nodes, "%s%" PRId64 ",", i ? "" : ",", range->node_ids[i]);
    if (!bind->nodes.failed)
        return 0;
    buf_fini(&bind->nodes);
    return err_set(err, ERR_MEMORY, "no memory for a query");
}

static void range_bind_apply(sqlite3_stmt *stmt, const struct range_bind *bind)
{
    sqlite3_bind_int64(stmt, 1, bind->from);
    sqlite3_bind_int64(stmt, 2, bind->to);
    if (bind->nodes.len)
        sqlite3_bind_text(stmt, 3, bind->nodes.data, (int)bind->nodes.len, SQLITE_STATIC);
    if (sqlite3_bind_parameter_count(stmt) >= 4)
        sqlite3_bind_int64(stmt, 4, bind->extra);
}

/* A range query and where its rows go. */
struct range_query {
    struct range_bind bind;
    union {
        store_outcome_fn *outcome;
        store_point_fn *point;
        store_alive_fn *alive;
        store_line_count_fn *lines;
        store_note_fn *note;
    } fn;
    void *ctx;
};

static void bind_range_query(sqlite3_stmt *stmt, void *ctx)
{
    range_bind_apply(stmt, &((struct range_query *)ctx)->bind);
}

static int run_range_query(struct store *store, const char *label, const char *sql,
                           int (*row)(sqlite3_stmt *, void *), struct range_query *query,
                           struct err *err)
{
    struct store_read read = {
        .label = label,
        .sql = sql,
        .bind = bind_range_query,
        .row = row,
        .ctx = query,
        .run_ms = QUERY_RUN_MS,
    };
    int rc = store_read(store, &read, err);
    buf_fini(&query->bind.nodes);
    return rc;
}

/* Sums of bytes are made in two halves: sum() of SQLite fails where it would pass INT64_MAX, and
 * two lines that claim such a size must not take the page away. */
#define BYTES_SUM "sum(bytes >> 31), sum(bytes & 2147483647)"

static uint64_t column_bytes_sum(sqlite3_stmt *stmt, int column)
{
    uint64_t high = (uint64_t)sqlite3_column_int64(stmt, column);
    uint64_t low = (uint64_t)sqlite3_column_int64(stmt, column + 1);
    high += low >> 31;
    return high > UINT32_MAX ? INT64_MAX : high << 31 | (low & INT32_MAX);
}

/* ---- Sums ----------------------------------------------------------------------------------- */

static int outcome_row(sqlite3_stmt *stmt, void *ctx)
{
    struct range_query *query = ctx;
    struct store_outcome sum = {
        .node_id = sqlite3_column_int64(stmt, 0),
        .action = (enum action)sqlite3_column_int(stmt, 1),
        .outcome = (enum outcome)sqlite3_column_int(stmt, 2),
        .count = (uint64_t)sqlite3_column_int64(stmt, 3),
        .bytes = column_bytes_sum(stmt, 4),
        .oldest_unix_s = sqlite3_column_int64(stmt, 6),
    };
    query->fn.outcome(query->ctx, &sum);
    return 0;
}

int store_outcomes(struct store *store, enum batch_step step, const struct store_range *range,
                   store_outcome_fn *fn, void *ctx, struct err *err)
{
#define OUTCOMES_SQL(table)                                                                        \
    "SELECT node_id, action, outcome, sum(count), " BYTES_SUM ", min(at_unix_s) FROM " table       \
    " WHERE at_unix_s >= ?1 AND at_unix_s < ?2 AND " NODE_FILTER                                   \
    " GROUP BY node_id, action, outcome"
    static const char *const sql[BATCH_STEPS] = {
        [BATCH_MINUTE] = OUTCOMES_SQL("rollup_minute"),
        [BATCH_HOUR] = OUTCOMES_SQL("rollup_hour"),
        [BATCH_DAY] = OUTCOMES_SQL("rollup_day"),
    };
    struct range_query query = {.fn.outcome = fn, .ctx = ctx};
    int rc = range_bind_init(&query.bind, range, batch_step_s[step], 0, err);
    return rc ? rc : run_range_query(store, "outcomes", sql[step], outcome_row, &query, err);
}

/* Start of the bucket, before 1970 as well. */
#define BUCKET "at_unix_s - (at_unix_s % ?4 + ?4) % ?4"

static int point_row(sqlite3_stmt *stmt, void *ctx)
{
    struct range_query *query = ctx;
    struct store_point point = {
        .at_unix_s = sqlite3_column_int64(stmt, 0),
        .action = (enum action)sqlite3_column_int(stmt, 1),
        .count = (uint64_t)sqlite3_column_int64(stmt, 2),
        .bytes = column_bytes_sum(stmt, 3),
    };
    query->fn.point(query->ctx, &point);
    return 0;
}

int store_series(struct store *store, enum batch_step step, const struct store_range *range,
                 int bucket_s, store_point_fn *fn, void *ctx, struct err *err)
{
#define SERIES_SQL(table)                                                                          \
    "SELECT " BUCKET " AS bucket, action, sum(count), " BYTES_SUM " FROM " table                   \
    " WHERE at_unix_s >= ?1 AND at_unix_s < ?2 AND outcome = 1 AND " NODE_FILTER                   \
    " GROUP BY bucket, action"
    static const char *const sql[BATCH_STEPS] = {
        [BATCH_MINUTE] = SERIES_SQL("rollup_minute"),
        [BATCH_HOUR] = SERIES_SQL("rollup_hour"),
        [BATCH_DAY] = SERIES_SQL("rollup_day"),
    };
    struct range_query query = {.fn.point = fn, .ctx = ctx};
    int rc = range_bind_init(&query.bind, range, bucket_s, bucket_s, err);
    return rc ? rc : run_range_query(store, "traffic", sql[step], point_row, &query, err);
}

static int alive_row(sqlite3_stmt *stmt, void *ctx)
{
    struct range_query *query = ctx;
    query->fn.alive(query->ctx, sqlite3_column_int64(stmt, 0));
    return 0;
}

int store_alive(struct store *store, enum batch_step step, const struct store_range *range,
                int bucket_s, store_alive_fn *fn, void *ctx, struct err *err)
{
#define ALIVE_SQL(table)                                                                           \
    "SELECT DISTINCT " BUCKET " FROM " table                                                       \
    " WHERE at_unix_s >= ?1 AND at_unix_s < ?2 AND " NODE_FILTER
    struct range_query query = {.fn.alive = fn, .ctx = ctx};
    int rc = range_bind_init(&query.bind, range, bucket_s, bucket_s, err);
    return rc ? rc
              : run_range_query(store, "minutes with lines",
                                step == BATCH_MINUTE ? ALIVE_SQL("line_minute")
                                                     : ALIVE_SQL("line_hour"),
                                alive_row, &query, err);
}

static int line_count_row(sqlite3_stmt *stmt, void *ctx)
{
    struct range_query *query = ctx;
    struct store_line_count count = {
        .node_id = sqlite3_column_int64(stmt, 0),
        .kind = (enum event_kind)sqlite3_column_int(stmt, 1),
        .level = (enum level)sqlite3_column_int(stmt, 2),
        .count = (uint64_t)sqlite3_column_int64(stmt, 3),
        .newest_unix_s = sqlite3_column_int64(stmt, 4),
    };
    query->fn.lines(query->ctx, &count);
    return 0;
}

int store_line_counts(struct store *store, enum batch_step step, const struct store_range *range,
                      store_line_count_fn *fn, void *ctx, struct err *err)
{
#define LINE_COUNTS_SQL(table)                                                                     \
    "SELECT node_id, kind, level, sum(count), max(at_unix_s) FROM " table                          \
    " WHERE at_unix_s >= ?1 AND at_unix_s < ?2 AND " NODE_FILTER " GROUP BY node_id, kind, level"
    struct range_query query = {.fn.lines = fn, .ctx = ctx};
    int rc = range_bind_init(&query.bind, range, batch_step_s[step], 0, err);
    return rc ? rc
              : run_range_query(store, "line counts",
                                step == BATCH_MINUTE ? LINE_COUNTS_SQL("line_minute")
                                                     : LINE_COUNTS_SQL("line_hour"),
                                line_count_row, &query, err);
}

/* ---- Single lines --------------------------------------------------------------------------- */

struct note_query {
    struct range_query range;
    uint64_t kinds_mask;
    size_t left;
};

static const char *column_text(sqlite3_stmt *stmt, int column)
{
    const char *text = (const char *)sqlite3_column_text(stmt, column);
    return text ? text : "";
}

static void bind_note_query(sqlite3_stmt *stmt, void *ctx)
{
    struct note_query *query = ctx;
    range_bind_apply(stmt, &query->range.bind);
    sqlite3_bind_int64(stmt, 4, (int64_t)query->kinds_mask);
    sqlite3_bind_int64(stmt, 5, (int64_t)query->left);
}

static int note_row(sqlite3_stmt *stmt, void *ctx)
{
    struct note_query *query = ctx;
    struct store_note note = {
        .at_unix_ms =
            (sqlite3_column_int64(stmt, 0) >> STORE_SEQ_BITS) * 1000 + sqlite3_column_int(stmt, 1),
        .node_id = sqlite3_column_int64(stmt, 2),
        .kind = (enum event_kind)sqlite3_column_int(stmt, 3),
        .level = (enum level)sqlite3_column_int(stmt, 4),
        .logger = column_text(stmt, 5),
        .message = column_text(stmt, 6),
        .detail = column_text(stmt, 7),
    };
    query->range.fn.note(query->range.ctx, &note);
    return 0;
}

/* Rows of other times are stored at the ends (events.c). */
static void clamp_to_rows(struct range_bind *bind)
{
    bind->from = bind->from < 0 ? 0 : bind->from;
    bind->to = bind->to > STORE_SECOND_MAX + 1 ? STORE_SECOND_MAX + 1 : bind->to;
}

int store_notes(struct store *store, const struct store_range *range, uint64_t kinds_mask,
                size_t max, store_note_fn *fn, void *ctx, struct err *err)
{
    struct note_query query = {
        .range = {.fn.note = fn, .ctx = ctx}, .kinds_mask = kinds_mask, .left = max};
    int rc = range_bind_init(&query.range.bind, range, 1, 0, err);
    if (rc)
        return rc;
    clamp_to_rows(&query.range.bind);
    struct store_read read = {
        .label = "notable lines",
        .sql = "SELECT id, ms, node_id, kind, level, logger, message, detail FROM note"
               " WHERE id >= ?1 << 28 AND id < ?2 << 28 AND " NODE_FILTER
               " AND (1 << kind) & ?4 ORDER BY id DESC LIMIT ?5",
        .bind = bind_note_query,
        .row = note_row,
        .ctx = &query,
        .run_ms = QUERY_RUN_MS,
    };
    rc = store_read(store, &read, err);
    buf_fini(&query.range.bind.nodes);
    return rc;
}

struct transfer_query {
    int64_t from_ms, to_ms, node_id;
    store_transfer_fn *fn;
    void *ctx;
};

static void bind_transfer_query(sqlite3_stmt *stmt, void *ctx)
{
    const struct transfer_query *query = ctx;
    int64_t last_second = INT64_MAX >> STORE_SEQ_BITS;
    int64_t from_s = query->from_ms <= 0 ? 0 : query->from_ms / 1000;
    int64_t to_s = query->to_ms <= 0 ? -1 : (query->to_ms - 1) / 1000;
    from_s = from_s < last_second ? from_s : last_second;
    to_s = to_s < last_second ? to_s : last_second - 1;
    sqlite3_bind_int64(stmt, 1, from_s << STORE_SEQ_BITS);
    sqlite3_bind_int64(stmt, 2, to_s < 0 ? -1 : (to_s + 1) << STORE_SEQ_BITS);
    if (query->node_id)
        sqlite3_bind_int64(stmt, 3, query->node_id);
    sqlite3_bind_int64(stmt, 4, query->from_ms);
    sqlite3_bind_int64(stmt, 5, query->to_ms);
}

/* piece and remote: packed BLOB, the TEXT itself, or NULL. */
static const char *column_packed(sqlite3_stmt *stmt, int column, char space[PACK_TEXT_MAX])
{
    if (sqlite3_column_type(stmt, column) != SQLITE_BLOB)
        return column_text(stmt, column);
    const uint8_t *bytes = sqlite3_column_blob(stmt, column);
    size_t len = (size_t)sqlite3_column_bytes(stmt, column);
    if (len == PACK_PIECE_BYTES)
        unpack_piece(bytes, space);
    else
        unpack_remote(bytes, len, space);
    return space;
}

static int64_t column_number(sqlite3_stmt *stmt, int column)
{
    return sqlite3_column_type(stmt, column) == SQLITE_NULL ? EVENT_NO_NUMBER
                                                            : sqlite3_column_int64(stmt, column);
}

static int transfer_row(sqlite3_stmt *stmt, void *ctx)
{
    struct transfer_query *query = ctx;
    char piece[PACK_TEXT_MAX], remote[PACK_TEXT_MAX];
    enum action action = (enum action)sqlite3_column_int(stmt, 4);
    const char *other = column_text(stmt, 11);
    struct store_transfer transfer = {
        .at_unix_ms =
            (sqlite3_column_int64(stmt, 0) >> STORE_SEQ_BITS) * 1000 + sqlite3_column_int(stmt, 1),
        .node = column_text(stmt, 2),
        .satellite = column_text(stmt, 3),
        .action = *other ? other : action_name(action),
        .outcome = outcome_name((enum outcome)sqlite3_column_int(stmt, 5)),
        .size_bytes = column_number(stmt, 6),
        .duration_ms = column_number(stmt, 7),
        .piece = column_packed(stmt, 8, piece),
        .remote = column_packed(stmt, 9, remote),
        .error = column_text(stmt, 10),
    };
    return query->fn(query->ctx, &transfer);
}

int store_transfers(struct store *store, int64_t from_unix_ms, int64_t to_unix_ms, int64_t node_id,
                    store_transfer_fn *fn, void *ctx, struct err *err)
{
    struct transfer_query query = {
        .from_ms = from_unix_ms, .to_ms = to_unix_ms, .node_id = node_id, .fn = fn, .ctx = ctx};
    struct store_read read = {
        .label = "export transfers",
        .sql = "SELECT t.id, t.ms, n.name, s.key, t.action, t.outcome, t.size_bytes,"
               " t.duration_ms, t.piece, t.remote, t.error, t.action_name FROM transfer t"
               " CROSS JOIN node n ON n.id = t.node_id"
               " CROSS JOIN satellite s ON s.id = t.satellite_id"
               " WHERE t.id >= ?1 AND t.id < ?2 AND (?3 IS NULL OR t.node_id = ?3)"
               " AND (t.id >> 28) * 1000 + t.ms >= ?4 AND (t.id >> 28) * 1000 + t.ms < ?5"
               " ORDER BY t.id",
        .bind = bind_transfer_query,
        .row = transfer_row,
        .ctx = &query,
    };
    return store_read(store, &read, err);
}
