/* One connection (conn.h). Everything that is set is read back, since SQLite answers a setting it
 * cannot honour (WAL on a strange file system, an mmap limit) with silence. Waits for a foreign
 * process's lock poll each 1 to 5 ms, jittered: SQLite's own table of pauses grows to 100 ms and
 * lets whoever polls more often win for seconds. What must stay true: autocheckpoint is off
 * everywhere, and only the writer's connection may checkpoint at close. */
#include "onewriter/conn.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "onewriter/backup.h"
#include "onewriter/database.h"
#include "onewriter/fail.h"
#include "onewriter/guard.h"
#include "onewriter/loan.h"
#include "onewriter/place.h"
#include "onewriter/retry.h"
#include "onewriter/vfs.h"

/* VM steps between looks at the clock: tens of microseconds. */
#define PROGRESS_STEPS 2000

static int wait_for_lock(void *ctx, int tries)
{
    struct ow_conn *conn = ctx;
    int64_t now_us = clock_monotonic_us();
    if (tries == 0) {
        conn->busy_until_us = now_us + (int64_t)conn->options->busy_timeout_ms * 1000;
        if (conn->busy_until_us > conn->busy_cap_us)
            conn->busy_until_us = conn->busy_cap_us;
        if (conn->busy_until_us > conn->run_until_us)
            conn->busy_until_us = conn->run_until_us;
    }
    if (now_us >= conn->busy_until_us || ow_stop_passed(conn->stop) || ow_conn_is_cancelled(conn))
        return 0;
    int64_t next_us = now_us + 1000 + (int64_t)ow_random_below(&conn->random, 4000);
    ow_stop_wait(conn->stop, next_us < conn->busy_until_us ? next_us : conn->busy_until_us);
    return 1;
}

static int check_deadline(void *ctx)
{
    struct ow_conn *conn = ctx;
    return (conn->run_until_us != INT64_MAX && clock_monotonic_us() >= conn->run_until_us) ||
           ow_stop_passed(conn->stop) || ow_conn_is_cancelled(conn) ||
           atomic_load_explicit(&conn->pin.revoked, memory_order_relaxed);
}

void ow_conn_rearm(struct ow_conn *conn, bool authorizer)
{
    sqlite3_busy_handler(conn->db, wait_for_lock, conn);
    sqlite3_progress_handler(conn->db, PROGRESS_STEPS, check_deadline, conn);
    if (authorizer) /* has SQLite prepare every statement anew */
        sqlite3_set_authorizer(conn->db,
                               conn->role == OW_READER ? ow_guard_reader : ow_guard_writer, conn);
}

struct pragma {
    const char *name;
    int64_t value;
};

/* Sets and reads back. Some pragmas answer the setting itself, all of them the question. */
static int pragma_apply(struct ow_conn *conn, struct pragma pragma, struct ow_err *err)
{
    char sql[96];
    snprintf(sql, sizeof(sql), "PRAGMA %s=%lld", pragma.name, (long long)pragma.value);
    int rc = ow_exec(conn, sql, err);
    if (rc)
        return rc;
    int64_t got = 0;
    snprintf(sql, sizeof(sql), "PRAGMA %s", pragma.name);
    rc = ow_conn_read_int(conn, sql, &got, err);
    if (rc)
        return rc;
    if (got != pragma.value)
        return ow_fail(err, OW_CONFIG, "PRAGMA %s=%lld did not take: SQLite answers %lld",
                       pragma.name, (long long)pragma.value, (long long)got);
    return 0;
}

static int journal_apply(struct ow_conn *conn, struct ow_err *err)
{
    sqlite3_stmt *stmt;
    const char *sql = conn->role == OW_WRITER ? "PRAGMA journal_mode=WAL" : "PRAGMA journal_mode";
    int rc = ow_prepare(conn, sql, &stmt, err);
    if (rc)
        return rc;
    if (sqlite3_step(stmt) != SQLITE_ROW) {
        rc = ow_conn_fail(conn, sql, err);
    } else {
        const char *mode = (const char *)sqlite3_column_text(stmt, 0);
        /* A handle that only reads takes a file as it is: a copy may be in another mode. */
        if (!conn->options->read_only && (!mode || strcmp(mode, "wal") != 0))
            rc = ow_fail(err, OW_CONFIG, "%s: the journal mode is \"%s\" and cannot become WAL",
                         conn->options->path, mode ? mode : "?");
    }
    sqlite3_reset(stmt);
    return rc;
}

static int config_apply(struct ow_conn *conn, struct ow_err *err)
{
    const struct {
        int option, value;
        const char *name;
    } configs[] = {
        {SQLITE_DBCONFIG_DEFENSIVE, 1, "DEFENSIVE"},
        {SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, "TRUSTED_SCHEMA"},
        {SQLITE_DBCONFIG_DQS_DDL, 0, "DQS_DDL"},
        {SQLITE_DBCONFIG_DQS_DML, 0, "DQS_DML"},
        {SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, "ENABLE_LOAD_EXTENSION"},
        {SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, conn->role != OW_WRITER, "NO_CKPT_ON_CLOSE"},
    };
    for (size_t i = 0; i < ARRAY_LEN(configs); i++) {
        int got = -1;
        int rc = sqlite3_db_config(conn->db, configs[i].option, configs[i].value, &got);
        if (rc != SQLITE_OK || got != configs[i].value)
            return ow_fail(err, OW_CONFIG, "setting %s=%d of SQLite did not take", configs[i].name,
                           configs[i].value);
    }
    return 0;
}

static int64_t cache_kib(const struct ow_conn *conn)
{
    int64_t half = conn->options->cache_bytes / 2;
    int64_t bytes = conn->role == OW_WRITER ? half : half / conn->options->readers;
    if (conn->role == OW_MOVER)
        return 1; /* a checkpoint copies without the cache */
    return bytes < 1024 ? 1 : bytes / 1024;
}

static int settings_apply(struct ow_conn *conn, struct ow_err *err)
{
    const struct ow_options *options = conn->options;
    const struct pragma pragmas[] = {
        {"synchronous", options->synchronous_full ? 2 : 1},
        {"cache_size", -cache_kib(conn)},
        {"temp_store", 2},
        /* A reader maps nothing: its snapshot may be taken back (snapshots.c). */
        {"mmap_size", conn->role == OW_WRITER ? options->mmap_bytes : 0},
        {"wal_autocheckpoint", 0},
        {"journal_size_limit", options->journal_size_limit_bytes},
        {"secure_delete", 0},
        {"cell_size_check", 1},
        {"query_only", conn->role == OW_READER},
    };
    for (size_t i = 0; i < ARRAY_LEN(pragmas); i++) {
        int rc = pragma_apply(conn, pragmas[i], err);
        if (rc)
            return rc;
    }
    return config_apply(conn, err);
}

/* Only an empty file takes these; an old one keeps its own. */
static int new_file_apply(struct ow_conn *conn, struct ow_err *err)
{
    const struct ow_options *options = conn->options;
    int64_t pages = 0;
    if (conn->role != OW_WRITER || (!options->page_size && !options->incremental_vacuum))
        return 0;
    int rc = ow_conn_read_int(conn, "PRAGMA page_count", &pages, err);
    if (rc || pages)
        return rc;
    if (options->page_size)
        rc = pragma_apply(conn, (struct pragma){"page_size", options->page_size}, err);
    if (!rc && options->incremental_vacuum)
        rc = pragma_apply(conn, (struct pragma){"auto_vacuum", 2}, err);
    return rc;
}

/* What no honest statement needs. A reader attaches nothing; the writer's VACUUM INTO does. */
static int limits_apply(struct ow_conn *conn, struct ow_err *err)
{
    const struct {
        int limit, value;
        const char *name;
    } limits[] = {
        {SQLITE_LIMIT_SQL_LENGTH, 1 << 20, "SQL_LENGTH"},
        {SQLITE_LIMIT_EXPR_DEPTH, 500, "EXPR_DEPTH"},
        {SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 1000, "LIKE_PATTERN_LENGTH"},
        {SQLITE_LIMIT_TRIGGER_DEPTH, 100, "TRIGGER_DEPTH"},
        {SQLITE_LIMIT_WORKER_THREADS, 0, "WORKER_THREADS"},
        {SQLITE_LIMIT_ATTACHED, conn->role == OW_READER ? 0 : 10, "ATTACHED"},
    };
    for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
        sqlite3_limit(conn->db, limits[i].limit, limits[i].value);
        int got = sqlite3_limit(conn->db, limits[i].limit, -1);
        if (got > limits[i].value)
            return ow_fail(err, OW_CONFIG, "limit %s=%d of SQLite did not take: it is %d",
                           limits[i].name, limits[i].value, got);
    }
    return 0;
}

static int tune(struct ow_conn *conn, struct ow_err *err)
{
    sqlite3_busy_handler(conn->db, wait_for_lock, conn);
    int rc = limits_apply(conn, err);
    if (!rc)
        rc = new_file_apply(conn, err);
    if (!rc)
        rc = journal_apply(conn, err);
    if (!rc)
        rc = settings_apply(conn, err);
    if (rc)
        return rc;
    ow_conn_rearm(conn, true);
    return 0;
}

static int open_flags(const struct ow_conn *conn)
{
    int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE;
    if (conn->role == OW_READER)
        return flags | SQLITE_OPEN_READONLY;
    bool create = conn->role == OW_WRITER && conn->options->create;
    return flags | SQLITE_OPEN_READWRITE | (create ? SQLITE_OPEN_CREATE : 0);
}

int ow_conn_open(struct ow_conn *conn, enum ow_role role, struct ow_err *err)
{
    conn->role = role;
    conn->busy_cap_us = conn->run_until_us = INT64_MAX;
    conn->random = (uint64_t)clock_monotonic_us() * 2 + 1;
    conn->bad = conn->in_job = false;
    const struct ow_statements_sight sight = {.lock = &conn->owner->texts,
                                              .shown = &conn->sql,
                                              .prepared =
                                                  &conn->owner->counters.statements_prepared};
    ow_statements_init(&conn->statements, (uint32_t)conn->options->statement_cache, &sight);
    const char *vfs = ow_vfs_name();
    if (!vfs)
        return ow_fail(err, OW_RESOURCE, "SQLite could not be initialised");
    int rc = sqlite3_open_v2(conn->options->path, &conn->db, open_flags(conn), vfs);
    if (conn->db)
        sqlite3_extended_result_codes(conn->db, 1);
    if (rc == SQLITE_OK)
        rc = ow_vfs_tie(conn->db, &conn->owner->counters, role == OW_READER ? &conn->pin : NULL);
    if (rc != SQLITE_OK)
        rc = ow_fail_sqlite(conn->db, rc, conn->options->path, err);
    else if (role == OW_WRITER && sqlite3_db_readonly(conn->db, "main") == 1)
        rc = ow_place_fail_readonly(conn->options->path, err);
    else
        rc = tune(conn, err);
    if (rc)
        ow_conn_close(conn);
    return rc;
}

static void tell_leak(struct ow_conn *conn, const char *sql)
{
    struct ow *db = conn->owner;
    mutex_lock(&db->texts);
    if (db->leaks.statements++ == 0)
        snprintf(db->leaks.first, sizeof(db->leaks.first), "%s", sql);
    mutex_unlock(&db->texts);
    ow_tell(conn->options, &(struct ow_event){.kind = OW_EVENT_LEAK, .text = sql});
}

/* Statements that somebody prepared himself and never finalized keep the connection: it goes when
 * they are, whenever that is, so it must not know ours and not checkpoint then. sqlite3_close has
 * ended the statements that belong to virtual tables before it refused. */
static int close_leaking(struct ow_conn *conn)
{
    int leaks = 0;
    for (sqlite3_stmt *s = sqlite3_next_stmt(conn->db, NULL); s;
         s = sqlite3_next_stmt(conn->db, s), leaks++) {
        const char *sql = sqlite3_sql(s);
        tell_leak(conn, sql ? sql : "(an open blob)");
    }
    sqlite3_busy_handler(conn->db, NULL, NULL);
    sqlite3_progress_handler(conn->db, 0, NULL, NULL);
    sqlite3_set_authorizer(conn->db, NULL, NULL);
    sqlite3_wal_hook(conn->db, NULL, NULL);
    sqlite3_db_config(conn->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    ow_vfs_tie(conn->db, NULL, NULL);
    sqlite3_close_v2(conn->db);
    return leaks;
}

int ow_conn_close(struct ow_conn *conn)
{
    int leaks = 0;
    if (!conn->db)
        return 0;
    if (conn->role == OW_WRITER)
        ow_backup_detach(conn->owner, conn->db);
    ow_conn_reset(conn);
    ow_statements_fini(&conn->statements);
    if (sqlite3_close(conn->db) != SQLITE_OK)
        leaks = close_leaking(conn);
    conn->db = NULL;
    return leaks;
}

void ow_conn_begin(struct ow_conn *conn)
{
    ow_statements_begin(&conn->statements);
}

void ow_conn_reset(struct ow_conn *conn)
{
    for (sqlite3_stmt *s = sqlite3_next_stmt(conn->db, NULL); s; s = sqlite3_next_stmt(conn->db, s))
        if (sqlite3_stmt_busy(s))
            sqlite3_reset(s);
}

uint32_t ow_conn_data_version(struct ow_conn *conn)
{
    unsigned version = 0;
    sqlite3_file_control(conn->db, "main", SQLITE_FCNTL_DATA_VERSION, &version);
    return version;
}

int ow_conn_sync_log(struct ow_conn *conn, struct ow_err *err)
{
    sqlite3_file *log = NULL;
    sqlite3_file_control(conn->db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log);
    if (!log || !log->pMethods)
        return ow_fail(err, OW_BUG, "there is no write-ahead log to sync");
    int rc = log->pMethods->xSync(log, SQLITE_SYNC_NORMAL);
    if (rc == SQLITE_OK)
        return 0;
    ow_fail(err, OW_IO, "syncing the write-ahead log failed (%s)", ow_code_name(rc));
    if (err)
        err->sqlite_code = SQLITE_IOERR_FSYNC;
    return OW_IO;
}

/* SAVEPOINT, RELEASE and ROLLBACK TO; a script may hold them anywhere. */
static bool has_savepoint(const char *sql)
{
    return strcasestr(sql, "SAVEPOINT") || strcasestr(sql, "RELEASE") ||
           strcasestr(sql, "ROLLBACK");
}

/* Statements of which sqlite3_total_changes tells whether they changed something. */
static bool is_counted(const char *sql)
{
    static const char *const words[] = {"INSERT", "UPDATE", "DELETE", "REPLACE", "SELECT", "WITH"};
    while (*sql == ' ' || *sql == '\n' || *sql == '\t')
        sql++;
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if ((*sql | 0x20) == (words[i][0] | 0x20) &&
            sqlite3_strnicmp(sql, words[i], (int)strlen(words[i])) == 0)
            return true;
    return false;
}

int ow_conn_read_int(struct ow_conn *conn, const char *sql, int64_t *out, struct ow_err *err)
{
    sqlite3_stmt *stmt;
    int rc = ow_prepare(conn, sql, &stmt, err);
    if (rc)
        return rc;
    int step = sqlite3_step(stmt);
    if (step == SQLITE_ROW)
        *out = sqlite3_column_int64(stmt, 0);
    else if (step == SQLITE_DONE)
        rc = ow_fail(err, OW_BUG, "%s: no row", sql);
    else
        rc = ow_conn_fail(conn, sql, err);
    sqlite3_reset(stmt);
    return rc;
}

/* ---- the public part, see onewriter.h ---- */

sqlite3 *ow_conn_handle(struct ow_conn *conn)
{
    conn->handle_given = true;
    conn->uncounted = conn->has_savepoint = true; /* whatever is done with it */
    return conn->db;
}

int ow_prepare(struct ow_conn *conn, const char *sql, sqlite3_stmt **out, struct ow_err *err)
{
    int rc = ow_conn_check(conn, err);
    if (rc) {
        *out = NULL;
        return rc;
    }
    if (!is_counted(sql)) {
        conn->uncounted = true;
        conn->has_savepoint |= has_savepoint(sql);
    }
    rc = ow_statements_get(&conn->statements, conn->db, sql, out, err);
    if (rc == OW_CANCELLED && conn->role == OW_READER && ow_pin_fail(&conn->pin, "preparing", err))
        return OW_TIMEOUT;
    return rc;
}

int ow_exec(struct ow_conn *conn, const char *sql, struct ow_err *err)
{
    int rc = ow_conn_check(conn, err);
    if (rc)
        return rc;
    conn->uncounted = true;
    conn->has_savepoint |= has_savepoint(sql);
    rc = sqlite3_exec(conn->db, sql, NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        return 0;
    char what[160];
    snprintf(what, sizeof(what), "running \"%.120s\"", sql);
    return ow_conn_fail(conn, what, err);
}

int ow_conn_fail(struct ow_conn *conn, const char *what, struct ow_err *err)
{
    int code = sqlite3_extended_errcode(conn->db);
    enum ow_class class = ow_code_class(code, sqlite3_system_errno(conn->db));
    if (class == OW_CLASS_OK)
        return ow_fail(err, OW_BUG, "%s: reported as failed, but SQLite had no error", what);
    if (class != OW_CLASS_CALLER && conn->role == OW_READER && ow_pin_fail(&conn->pin, what, err))
        return OW_TIMEOUT;
    if (ow_conn_is_cancelled(conn) && (class == OW_CLASS_CANCELLED || class == OW_CLASS_BACK_OFF))
        return ow_conn_fail_cancelled(conn, what, err);
    conn->bad |= class == OW_CLASS_CONN || class == OW_CLASS_POISON;
    int rc = ow_fail_sqlite(conn->db, code, what, err);
    if (class != OW_CLASS_CANCELLED || clock_monotonic_us() < conn->run_until_us)
        return rc;
    if (err)
        err->code = OW_TIMEOUT;
    ow_fail_prefix(err, "the time limit of this reader passed");
    return OW_TIMEOUT;
}
