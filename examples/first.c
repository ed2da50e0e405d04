/* The whole of onewriter in forty lines: open, migrate, write from any thread, read, close. */
#include <onewriter/onewriter.h>
#include <stdio.h>

static int insert_note(struct ow_conn *conn, void *ctx, struct ow_err *err)
{
    sqlite3_stmt *stmt;
    int rc = ow_prepare(conn, "INSERT INTO note(text) VALUES(?1)", &stmt, err);
    if (rc)
        return rc;
    sqlite3_bind_text(stmt, 1, ctx, -1, SQLITE_STATIC);
    return sqlite3_step(stmt) == SQLITE_DONE ? 0 : ow_conn_fail(conn, "inserting a note", err);
}

static int print_notes(struct ow *db, struct ow_err *err)
{
    struct ow_conn *reader;
    sqlite3_stmt *stmt;
    int rc = ow_reader_acquire(db, &(struct ow_read){.label = "print notes", .timeout_ms = 1000, .run_ms = 5000}, &reader, err);
    if (rc)
        return rc;
    rc = ow_prepare(reader, "SELECT id, text FROM note ORDER BY id", &stmt, err);
    while (!rc && sqlite3_step(stmt) == SQLITE_ROW)
        printf("%d: %s\n", sqlite3_column_int(stmt, 0), sqlite3_column_text(stmt, 1));
    ow_reader_release(reader);
    return rc;
}

int main(int argc, char **argv)
{
    static const struct ow_migration steps[] = {
        {1, "CREATE TABLE note(id INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT"},
    };
    char text[] = "written once, for good";
    struct ow *db = NULL;
    struct ow_err err = {OW_OK, 0, 0, ""};
    struct ow_options options;
    ow_options_init(&options, argc > 1 ? argv[1] : "notes.db");
    int rc = ow_open(&options, &db, &err);
    if (!rc)
        rc = ow_migrate(db, steps, 1, &err);
    if (!rc)
        rc = ow_write(db, OW_LANE_NORMAL, insert_note, text, 5000, &err);
    if (!rc)
        rc = print_notes(db, &err);
    if (rc)
        fprintf(stderr, "%s\n", err.text);
    return ow_close(db, 5000, NULL, NULL) || rc;
}
