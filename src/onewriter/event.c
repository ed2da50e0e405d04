/* Events in words (onewriter.h). The lines of the two pools and of retry are those that operators
 * already search their logs for, so they stay word for word. A line names what happened, the
 * figures and, where an operator can do something, what to do. What must stay true: every kind has
 * a line; a line is cut, never overrun. */
#include <stdio.h>

#include "onewriter/onewriter.h"

static double seconds(double ms)
{
    return ms / 1000;
}

static const char *lane_name(int64_t lane)
{
    static const char *const names[OW_LANES] = {"urgent", "normal", "bulk"};
    return lane >= 0 && lane < OW_LANES ? names[lane] : "?";
}

static char retry_line(const struct ow_event *event, const char *why, char *line, size_t size)
{
    if (event->kind == OW_EVENT_RETRY) {
        snprintf(line, size,
                 "Database operation failed (attempt %lld/%lld): %s. Retrying in %.2fs...",
                 (long long)event->a, (long long)event->b, why, seconds(event->delay_ms));
        return 'W';
    }
    snprintf(line, size, "Database operation failed after %lld attempts: %s", (long long)event->a,
             why);
    return 'E';
}

/* Writing stops, waits, goes on. */
static char writing_line(const struct ow_event *event, const char *why, char *line, size_t size)
{
    switch (event->kind) {
    case OW_EVENT_FOREIGN_WRITE:
        snprintf(
            line, size,
            "Another connection wrote to the database. Unless it is onewriter's, too, and SQLite "
            "is fixed, stop the other writer");
        return 'W';
    case OW_EVENT_HOLD:
        snprintf(line, size,
                 "No space for the database: writing waits, nothing is lost. Free some disk space. "
                 "(%s)",
                 why);
        return 'E';
    case OW_EVENT_RESUMED:
        snprintf(line, size, "Writing to the database has resumed");
        return 'I';
    default:
        snprintf(line, size, "Writing to the database has stopped: %s", why);
        return 'E';
    }
}

/* What was lost, or could be. */
static char refusal_line(const struct ow_event *event, const char *why, char *line, size_t size)
{
    switch (event->kind) {
    case OW_EVENT_ROW_FAILED:
        snprintf(line, size, "A row for the database was refused: %s", why);
        return 'E';
    case OW_EVENT_DROPPED:
        snprintf(line, size,
                 "Lane %s of the database is full: %lld jobs were dropped so far, the oldest first",
                 lane_name(event->b), (long long)event->a);
        return 'W';
    default:
        snprintf(line, size, "A statement of the database was never finalized: %s", why);
        return 'W';
    }
}

static char snapshot_line(const struct ow_event *event, const char *why, char *line, size_t size)
{
    const char *what = event->kind == OW_EVENT_SNAPSHOT_OLD
                           ? "A reader has kept the database's log from being emptied"
                           : "A snapshot was taken back from a reader that held it";
    snprintf(line, size, "%s for %.1fs (loan %lld): %s", what, seconds((double)event->a),
             (long long)event->b, why);
    return 'W';
}

static char start_line(const struct ow_event *event, char *line, size_t size)
{
    if (event->kind == OW_EVENT_UNCLEAN_START) {
        snprintf(line, size,
                 "The last process did not close the database: %lld bytes of its log were found "
                 "and are used",
                 (long long)event->a);
        return 'W';
    }
    snprintf(line, size,
             event->a ? "The check of the database passed in %.2fs"
                      : "The check of the database was cut short after %.2fs; it found no damage "
                        "until then",
             seconds(event->delay_ms));
    return 'I';
}

char ow_event_line(const struct ow_event *event, char *line, size_t size)
{
    const char *text = event->text ? event->text : "no reason was given";
    switch (event->kind) {
    case OW_EVENT_POOL_OPENED:
        snprintf(line, size, "Database connection pool initialized with %lld connections",
                 (long long)event->a);
        return 'I';
    case OW_EVENT_EXECUTOR_OPENED:
        snprintf(line, size, "Database thread pool initialized with %lld workers",
                 (long long)event->a);
        return 'I';
    case OW_EVENT_RETRY:
    case OW_EVENT_GAVE_UP:
        return retry_line(event, text, line, size);
    case OW_EVENT_CHECKPOINT:
        snprintf(line, size, "Database checkpoint: %lld of %lld frames moved in %.3fs",
                 (long long)event->b, (long long)event->a, seconds(event->delay_ms));
        return 'D';
    case OW_EVENT_FOREIGN_WRITE:
    case OW_EVENT_HOLD:
    case OW_EVENT_RESUMED:
    case OW_EVENT_POISONED:
        return writing_line(event, text, line, size);
    case OW_EVENT_ROW_FAILED:
    case OW_EVENT_DROPPED:
    case OW_EVENT_LEAK:
        return refusal_line(event, text, line, size);
    case OW_EVENT_SNAPSHOT_OLD:
    case OW_EVENT_SNAPSHOT_TAKEN:
        return snapshot_line(event, text, line, size);
    case OW_EVENT_UNCLEAN_START:
    case OW_EVENT_CHECKED:
        return start_line(event, line, size);
    case OW_EVENT_KINDS:
        break;
    }
    snprintf(line, size, "Database event %d", (int)event->kind);
    return 'D';
}
