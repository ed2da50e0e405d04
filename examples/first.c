/* The whole of onewriter in forty lines: open, migrate, write from any thread, read, close. */
#include <onewriter/onewriter.h>
#include <stdio.h>

static int print_notes(struct ow_conn *reader, void *ctx, struct ow_err *err)
{
    sqlite3_stmt *stmt;
    bool row;
    int rc = ow_prepare(reader, "SELECT id, text FROM note ORDER BY id", &stmt, err);
    while (!rc && !(rc = ow_step(reader, stmt, &row, err)) && row)
        fprintf(ctx, "%d: %s\n", (int)ow_column_int(stmt, 0), ow_column_text(stmt, 1, NULL));
    return rc;
}

int main(int argc, char **argv)
{
    static const struct ow_migration steps[] = {
        {1, "CREATE TABLE note(id INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT"},
    };
    struct ow_value note[] = {ow_text("written once, for good")};
    struct ow_read how = {.label = "print notes", .timeout_ms = 1000, .run_ms = 5000};
    struct ow *db = NULL;
    struct ow_err err = {OW_OK, 0, 0, ""};
    struct ow_options options;
    ow_options_init(&options, argc > 1 ? argv[1] : "notes.db");
    int rc = ow_open(&options, &db, &err);
    if (!rc)
        rc = ow_migrate(db, steps, 1, &err);
    if (!rc)
        rc = ow_write_row(db, OW_LANE_NORMAL, "INSERT INTO note(text) VALUES(?1)", note, 1, 5000,
                          &err);
    if (!rc)
        rc = ow_read(db, &how, print_notes, stdout, &err);
    if (rc)
        fprintf(stderr, "%s\n", err.text);
    return ow_close(db, 5000, NULL, NULL) || rc;
}
