/* Names of what events hold (event.h). They appear in exports, the API and the documents; the order
 * is that of the enums, whose numbers are stored. */
#include "node/event.h"

#include "base/cleanup.h"

static const char *const action_names[] = {
    [ACTION_NONE] = "",
    [ACTION_GET] = "GET",
    [ACTION_PUT] = "PUT",
    [ACTION_GET_AUDIT] = "GET_AUDIT",
    [ACTION_GET_REPAIR] = "GET_REPAIR",
    [ACTION_PUT_REPAIR] = "PUT_REPAIR",
    [ACTION_DELETE] = "DELETE",
    [ACTION_PUT_GRACEFUL_EXIT] = "PUT_GRACEFUL_EXIT",
    [ACTION_OTHER] = "OTHER",
};
_Static_assert(ARRAY_LEN(action_names) == ACTION_COUNT, "every action has a name");

static const char *const outcome_names[] = {
    [OUTCOME_NONE] = "",
    [OUTCOME_COMPLETED] = "completed",
    [OUTCOME_CANCELLED] = "cancelled",
    [OUTCOME_FAILED] = "failed",
    [OUTCOME_FAILED_BY_PEER] = "failed_by_peer",
    [OUTCOME_REJECTED] = "rejected",
};
_Static_assert(ARRAY_LEN(outcome_names) == OUTCOME_COUNT, "every outcome has a name");

static const char *const kind_names[] = {
    [EVENT_UNPARSED] = "unparsed",
    [EVENT_OTHER] = "other",
    [EVENT_TRANSFER] = "transfer",
    [EVENT_TRANSFER_STARTED] = "transfer_started",
    [EVENT_TRANSFER_TWIN] = "transfer_twin",
    [EVENT_TRANSFER_ERROR] = "transfer_error",
    [EVENT_NODE_SCORES] = "node_scores",
    [EVENT_COMPACTION_BEGIN] = "compaction_begin",
    [EVENT_COMPACTION_END] = "compaction_end",
    [EVENT_COMPACTION_FAILED] = "compaction_failed",
    [EVENT_FILEWALKER_BEGIN] = "filewalker_begin",
    [EVENT_FILEWALKER_END] = "filewalker_end",
    [EVENT_FILEWALKER_FAILED] = "filewalker_failed",
    [EVENT_RETAIN_BEGIN] = "retain_begin",
    [EVENT_RETAIN_END] = "retain_end",
    [EVENT_RETAIN_FAILED] = "retain_failed",
    [EVENT_BLOOM_FILTER] = "bloom_filter",
    [EVENT_TRASH_BEGIN] = "trash_begin",
    [EVENT_TRASH_END] = "trash_end",
    [EVENT_TRASH_FAILED] = "trash_failed",
    [EVENT_COLLECTOR_BEGIN] = "collector_begin",
    [EVENT_COLLECTOR_END] = "collector_end",
    [EVENT_COLLECTOR_FAILED] = "collector_failed",
    [EVENT_ORDERS_SENT] = "orders_sent",
    [EVENT_ORDERS_FAILED] = "orders_failed",
    [EVENT_CONTACT_FAILED] = "contact_failed",
    [EVENT_VERSION] = "version",
    [EVENT_VERSION_OUTDATED] = "version_outdated",
    [EVENT_DISK_CHECK] = "disk_check",
    [EVENT_DISK_CHECK_FAILED] = "disk_check_failed",
    [EVENT_DISK_SPACE_LOW] = "disk_space_low",
    [EVENT_NODE_STARTED] = "node_started",
    [EVENT_NODE_STOPPING] = "node_stopping",
    [EVENT_SHUTDOWN] = "shutdown",
    [EVENT_FATAL] = "fatal",
    [EVENT_PANIC] = "panic",
    [EVENT_STACK] = "stack",
    [EVENT_PIECE_CORRUPT] = "piece_corrupt",
    [EVENT_CLOCK] = "clock",
    [EVENT_CONFIG] = "config",
    [EVENT_MIGRATION] = "migration",
    [EVENT_GRACEFUL_EXIT] = "graceful_exit",
    [EVENT_UPDATER] = "updater",
    [EVENT_DATABASE_FAILED] = "database_failed",
    [EVENT_PIECE_DELETED] = "piece_deleted",
    [EVENT_CONTACT] = "contact",
    [EVENT_TRUST] = "trust",
    [EVENT_TRUST_FAILED] = "trust_failed",
    [EVENT_HASHSTORE] = "hashstore",
    [EVENT_HASHSTORE_DAMAGED] = "hashstore_damaged",
    [EVENT_COMPACTION_STEP] = "compaction_step",
    [EVENT_FILEWALKER_STEP] = "filewalker_step",
    [EVENT_TRASH_RESTORED] = "trash_restored",
    [EVENT_FORGET_SATELLITE] = "forget_satellite",
    [EVENT_NODESTATS_FAILED] = "nodestats_failed",
    [EVENT_SPACE_ACCOUNTING] = "space_accounting",
    [EVENT_ORDERS_BEGIN] = "orders_begin",
    [EVENT_SERVER_STARTED] = "server_started",
    [EVENT_DATABASE] = "database",
    [EVENT_CHORE] = "chore",
};
_Static_assert(ARRAY_LEN(kind_names) == EVENT_KIND_COUNT, "every kind has a name");

static const char *const level_names[] = {
    [LEVEL_NONE] = "",       [LEVEL_DEBUG] = "DEBUG", [LEVEL_INFO] = "INFO",
    [LEVEL_WARN] = "WARN",   [LEVEL_ERROR] = "ERROR", [LEVEL_DPANIC] = "DPANIC",
    [LEVEL_PANIC] = "PANIC", [LEVEL_FATAL] = "FATAL",
};

const char *action_name(enum action action)
{
    return (unsigned)action < ARRAY_LEN(action_names) ? action_names[action] : "";
}

const char *outcome_name(enum outcome outcome)
{
    return (unsigned)outcome < ARRAY_LEN(outcome_names) ? outcome_names[outcome] : "";
}

const char *event_kind_name(enum event_kind kind)
{
    return (unsigned)kind < ARRAY_LEN(kind_names) ? kind_names[kind] : "";
}

const char *level_name(enum level level)
{
    return (unsigned)level < ARRAY_LEN(level_names) ? level_names[level] : "";
}

bool event_is_notable(const struct event *e)
{
    switch (e->kind) {
    case EVENT_UNPARSED:
    case EVENT_TRANSFER:
    case EVENT_TRANSFER_STARTED:
    case EVENT_TRANSFER_TWIN:
    case EVENT_STACK:
        return false;
    case EVENT_FATAL: /* logged at DEBUG when the node's log goes to a terminal */
    case EVENT_PANIC:
        return true;
    case EVENT_OTHER:
        return e->level >= LEVEL_WARN;
    default:
        return e->level != LEVEL_DEBUG;
    }
}
