/* Plain SQLite (plain.h). What must stay true: no statement is left running, since that would keep
 * a lock or a snapshot beyond its transaction. */
#include "plain.h"

#include <stdio.h>

#include "base/cleanup.h"
#include "report.h"

int plain_fail(sqlite3 *db, const char *what, char *why)
{
    int rc = db ? sqlite3_extended_errcode(db) : SQLITE_NOMEM;
    snprintf(why, WHY_BYTES, "%s: %s (%d)", what, db ? sqlite3_errmsg(db) : "no memory", rc);
    return rc ? rc : SQLITE_ERROR;
}

static int tune(sqlite3 *db, const struct target *target)
{
    bool fixed = ow_sqlite_is_wal_reset_safe(sqlite3_libversion_number());
    char sql[256];
    sqlite3_busy_timeout(db, BUSY_MS);
    snprintf(sql, sizeof(sql),
             "PRAGMA synchronous=%s; PRAGMA temp_store=MEMORY; PRAGMA cache_size=-32000;"
             "PRAGMA mmap_size=%d",
             target->full ? "FULL" : "NORMAL", fixed ? 32 << 20 : 0);
    return sqlite3_exec(db, sql, NULL, NULL, NULL);
}

static int prepare_all(struct plain *plain, const struct target *target)
{
    const struct {
        const char *sql;
        sqlite3_stmt **out;
    } all[] = {{"BEGIN IMMEDIATE", &plain->begin},
               {target->table->insert, &plain->insert},
               {"COMMIT", &plain->commit},
               {"ROLLBACK", &plain->rollback}};
    int rc = SQLITE_OK;
    for (size_t i = 0; i < ARRAY_LEN(all) && rc == SQLITE_OK; i++)
        rc = sqlite3_prepare_v3(plain->db, all[i].sql, -1, SQLITE_PREPARE_PERSISTENT, all[i].out,
                                NULL);
    return rc;
}

int plain_open(struct plain *plain, const struct target *target, char *why)
{
    *plain = (struct plain){0};
    int rc = sqlite3_open(target->path, &plain->db);
    if (rc == SQLITE_OK)
        rc = tune(plain->db, target);
    if (rc == SQLITE_OK)
        rc = prepare_all(plain, target);
    if (rc == SQLITE_OK)
        return 0;
    rc = plain_fail(plain->db, "opening", why);
    plain_close(plain);
    return rc;
}

void plain_close(struct plain *plain)
{
    sqlite3_finalize(plain->begin);
    sqlite3_finalize(plain->insert);
    sqlite3_finalize(plain->commit);
    sqlite3_finalize(plain->rollback);
    sqlite3_close(plain->db);
    *plain = (struct plain){0};
}

static int step(sqlite3 *db, sqlite3_stmt *stmt, const char *what, char *why)
{
    int rc = sqlite3_step(stmt);
    if (rc != SQLITE_DONE && rc != SQLITE_ROW)
        plain_fail(db, what, why);
    sqlite3_reset(stmt);
    return rc == SQLITE_DONE || rc == SQLITE_ROW ? 0 : rc;
}

int plain_begin(struct plain *plain, char *why)
{
    return step(plain->db, plain->begin, "BEGIN", why);
}

int plain_insert(struct plain *plain, const struct row *row, char *why)
{
    if (row_bind(plain->insert, row))
        return plain_fail(plain->db, "binding", why);
    return step(plain->db, plain->insert, "INSERT", why);
}

static void roll_back(struct plain *plain)
{
    char ignored[WHY_BYTES];
    if (!sqlite3_get_autocommit(plain->db))
        step(plain->db, plain->rollback, "ROLLBACK", ignored);
}

int plain_commit(struct plain *plain, char *why)
{
    int rc = step(plain->db, plain->commit, "COMMIT", why);
    if (rc)
        roll_back(plain);
    return rc;
}

int plain_write(struct plain *plain, const struct row *row, char *why)
{
    int rc = plain_begin(plain, why);
    if (rc)
        return rc;
    rc = plain_insert(plain, row, why);
    if (!rc)
        return plain_commit(plain, why);
    roll_back(plain);
    return rc;
}

void plain_create(const struct target *target)
{
    sqlite3 *db = NULL;
    if (sqlite3_open(target->path, &db) ||
        sqlite3_exec(db, "PRAGMA journal_mode=WAL", NULL, NULL, NULL) ||
        sqlite3_exec(db, target->table->create, NULL, NULL, NULL))
        die("cannot make %s: %s", target->path, sqlite3_errmsg(db));
    sqlite3_close(db);
}

void plain_fill(const struct target *target, int rows)
{
    char why[WHY_BYTES];
    struct plain plain;
    struct row row;
    row_init(&row, 0);
    int rc = plain_open(&plain, target, why);
    if (!rc)
        rc = plain_begin(&plain, why);
    for (int i = 0; i < rows && !rc; i++) {
        row_next(&row, target->table);
        rc = plain_insert(&plain, &row, why);
    }
    if (rc || plain_commit(&plain, why))
        die("filling the table: %s", why);
    plain_close(&plain);
}

int64_t plain_ask(const char *path, const char *sql)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    int64_t answer = -1;
    if (sqlite3_open(path, &db) == SQLITE_OK &&
        sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK &&
        sqlite3_step(stmt) == SQLITE_ROW)
        answer = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return answer;
}
