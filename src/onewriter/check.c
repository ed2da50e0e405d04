/* After an unclean end (check.h). A killed process leaves nothing that SQLite cannot replay, but a
 * power cut on a disk that lies, or a copy without its log, leaves a damaged file, and it is better
 * to hear of that before anything is written on top. quick_check reads every page, so it has a
 * limit; SQLite before 3.41 does not look at the progress handler while it checks a tree, hence the
 * limit is set on the reads (ow_pin_limit_reads), on a connection that maps no file. What must stay
 * true: only a read-only connection has touched the file before it is known to be sound; a check
 * that was cut short says nothing about the file. */
#include "onewriter/check.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "onewriter/database.h"
#include "onewriter/fail.h"

enum verdict { PASSED, CUT_SHORT, DAMAGED };

/* The first line of the answer that is about damage, without the headline of older versions. */
static enum verdict run(struct ow_conn *conn, int limit_ms, char complaint[160], struct ow_err *err)
{
    sqlite3_stmt *stmt;
    enum verdict verdict = CUT_SHORT;
    conn->run_until_us = clock_monotonic_us() + (int64_t)limit_ms * 1000;
    ow_pin_limit_reads(&conn->pin, conn->run_until_us);
    int rc = ow_prepare(conn, "PRAGMA quick_check(1)", &stmt, err);
    if (!rc && sqlite3_step(stmt) == SQLITE_ROW) {
        const char *text = (const char *)sqlite3_column_text(stmt, 0);
        verdict = text && strcmp(text, "ok") == 0 ? PASSED : DAMAGED;
        const char *line = text && strncmp(text, "***", 3) == 0 ? strchr(text, '\n') : NULL;
        snprintf(complaint, 160, "%.*s",
                 (int)strcspn(line   ? line + 1
                              : text ? text
                                     : "",
                              "\n"),
                 line   ? line + 1
                 : text ? text
                        : "");
    } else {
        int code = sqlite3_extended_errcode(conn->db);
        if (ow_code_class(code, 0) == OW_CLASS_POISON) {
            verdict = DAMAGED;
            snprintf(complaint, 160, "%s", sqlite3_errmsg(conn->db));
        }
    }
    ow_conn_reset(conn);
    return ow_pin_limit_reads(&conn->pin, INT64_MAX) ? CUT_SHORT : verdict;
}

static int check(struct ow *db, struct ow_conn *conn, struct ow_err *err)
{
    char complaint[160] = "";
    int64_t start_us = clock_monotonic_us();
    enum verdict verdict = run(conn, db->options.start_check_ms, complaint, err);
    if (verdict == DAMAGED) {
        ow_fail(err, OW_CORRUPT,
                "%s is damaged (the last process did not close it): %s; keep it with its -wal "
                "file, and restore a backup or use the sqlite3 shell's .recover",
                db->options.path, complaint);
        if (err)
            err->sqlite_code = SQLITE_CORRUPT;
        return OW_CORRUPT;
    }
    ow_tell(&db->options, &(struct ow_event){
                              .kind = OW_EVENT_CHECKED,
                              .a = verdict == PASSED,
                              .delay_ms = (double)(clock_monotonic_us() - start_us) / 1000,
                          });
    return 0;
}

int ow_check_start(struct ow *db, struct ow_err *err)
{
    ow_tell(&db->options,
            &(struct ow_event){.kind = OW_EVENT_UNCLEAN_START, .a = db->place.log_bytes});
    if (!db->options.start_check_ms)
        return 0;
    struct ow_conn conn = {.options = &db->options, .stop = &db->stop, .owner = db};
    ow_pin_init(&conn.pin, &db->snapshots, &conn);
    struct ow_err why;
    int rc = ow_conn_open(&conn, OW_READER, &why);
    if (!rc)
        rc = check(db, &conn, &why);
    ow_conn_close(&conn);
    ow_pin_fini(&conn.pin);
    if (rc != OW_CORRUPT)
        return 0; /* what kept it from being checked will meet the writer, who knows what to do */
    if (err)
        *err = why;
    return rc;
}
