/* What a line is about (scan.h), told by its message: the logger's name changes with the build of
 * the node and is only asked where a message is a single common word. Transfers are recognised
 * first, by hand, because nearly every line is one; all else is one sorted table, searched by
 * halves, and a short list of beginnings for messages that carry a value. */
#include "node/scan.h"

#include <stdlib.h>

#include "base/cleanup.h"
#include "node/message.h"

static const struct message_kind messages[] = {
    {"About to move piece to trash", EVENT_PIECE_DELETED, NULL},
    {"Allowed minimum version from control server.", EVENT_VERSION, NULL},
    {"Anonymized tracing enabled", EVENT_CONFIG, NULL},
    {"Configuration loaded", EVENT_CONFIG, NULL},
    {"Corrupted order detected in orders file", EVENT_ORDERS_FAILED, NULL},
    {"Could not persist bandwidth cache to db", EVENT_DATABASE_FAILED, NULL},
    {"Current binary version", EVENT_UPDATER, NULL},
    {"Database Version", EVENT_DATABASE, NULL},
    {"Database started", EVENT_FILEWALKER_STEP, NULL},
    {"Deleting expired files", EVENT_COLLECTOR_BEGIN, NULL},
    {"Download finished", EVENT_UPDATER, NULL},
    {"Download started", EVENT_UPDATER, NULL},
    {"Event collection enabled", EVENT_CONFIG, NULL},
    {"Expired files deleted", EVENT_COLLECTOR_END, NULL},
    {"Failed to refresh", EVENT_TRUST_FAILED, NULL},
    {"Fetched URLs from source; updating cache", EVENT_TRUST, NULL},
    {"Get disk space usage query failed", EVENT_NODESTATS_FAILED, NULL},
    {"Get held amount query failed", EVENT_NODESTATS_FAILED, NULL},
    {"Get pricing-model/join date failed", EVENT_NODESTATS_FAILED, NULL},
    {"Moved pieces to trash during retain", EVENT_RETAIN_END, NULL},
    {"New bloomfilter is received", EVENT_BLOOM_FILTER, NULL},
    {"No more expired files to handle, we are done!", EVENT_COLLECTOR_END, NULL},
    {"Operator email", EVENT_CONFIG, NULL},
    {"Operator wallet", EVENT_CONFIG, NULL},
    {"Persisting bandwidth usage cache to db", EVENT_CHORE, NULL},
    {"Prepared to run a Retain request.", EVENT_RETAIN_BEGIN, NULL},
    {"Retain job queued", EVENT_BLOOM_FILTER, NULL},
    {"Running on allowed version.", EVENT_VERSION, NULL},
    {"Running on version", EVENT_UPDATER, NULL},
    {"Satellite is no longer trusted", EVENT_TRUST, NULL},
    {"Satellite is trusted", EVENT_TRUST, NULL},
    {"Scheduling next refresh", EVENT_TRUST, NULL},
    {"Starting cycle", EVENT_CONTACT, NULL},
    {"Startup piece scan omitted by configuration", EVENT_CONFIG, NULL},
    {"Stopping cycle", EVENT_CONTACT, NULL},
    {"Unrecoverable error", EVENT_FATAL, NULL},
    {"adding bad piece to batch", EVENT_PIECE_CORRUPT, NULL},
    {"all enqueued for migration; will sleep before next pooling", EVENT_MIGRATION, NULL},
    {"beginning compaction", EVENT_COMPACTION_BEGIN, NULL},
    {"clean archive failed", EVENT_ORDERS_FAILED, NULL},
    {"cleaning", EVENT_CHORE, "orders"},
    {"cleanup finished", EVENT_CHORE, NULL},
    {"cleanup removed empty prefix directories", EVENT_MIGRATION, NULL},
    {"collect", EVENT_COLLECTOR_END, "collector"},
    {"compact once finished", EVENT_COMPACTION_STEP, NULL},
    {"compact once started", EVENT_COMPACTION_STEP, NULL},
    {"compaction acquired locks", EVENT_COMPACTION_STEP, NULL},
    {"compaction computed details", EVENT_COMPACTION_STEP, NULL},
    {"compaction failed", EVENT_COMPACTION_FAILED, NULL},
    {"context cancelled", EVENT_CONTACT, "contact"},
    {"could not get hash and order limit", EVENT_TRANSFER_ERROR, NULL},
    {"could not pre-initialize blobstore space cache from DB", EVENT_DATABASE_FAILED, NULL},
    {"couldn't migrate", EVENT_MIGRATION, NULL},
    {"database does not exist", EVENT_DATABASE, NULL},
    {"delete expired", EVENT_PIECE_DELETED, NULL},
    {"delete failed", EVENT_PIECE_DELETED, NULL},
    {"delete piece sent to trash", EVENT_PIECE_DELETED, NULL},
    {"deleted", EVENT_PIECE_DELETED, "piece"},
    {"deleted expired piece", EVENT_PIECE_DELETED, NULL},
    {"directory not found", EVENT_CHORE, NULL},
    {"disk stats monitoring initialized", EVENT_CONFIG, NULL},
    {"emptying trash failed", EVENT_TRASH_FAILED, NULL},
    {"emptying trash finished", EVENT_TRASH_END, NULL},
    {"emptying trash started", EVENT_TRASH_BEGIN, NULL},
    {"enqueued for migration", EVENT_MIGRATION, NULL},
    {"error during canceling a piece write", EVENT_TRANSFER_ERROR, NULL},
    {"error during collecting pieces:", EVENT_COLLECTOR_FAILED, NULL},
    {"error during updating node information:", EVENT_CONTACT_FAILED, NULL},
    {"error notifying satellites:", EVENT_CONTACT_FAILED, NULL},
    {"error reading from piecereader", EVENT_TRANSFER_ERROR, NULL},
    {"error seeking on piecereader", EVENT_TRANSFER_ERROR, NULL},
    {"error sending hash and order limit", EVENT_TRANSFER_ERROR, NULL},
    {"error sending response", EVENT_TRANSFER_ERROR, NULL},
    {"expired pieces collection completed", EVENT_COLLECTOR_END, NULL},
    {"expired pieces collection started", EVENT_COLLECTOR_BEGIN, NULL},
    {"failed PingMe request to satellite", EVENT_CONTACT_FAILED, NULL},
    {"failed to add bandwidth usage", EVENT_TRANSFER_ERROR, NULL},
    {"failed to add order", EVENT_TRANSFER_ERROR, NULL},
    {"failed to archive orders", EVENT_ORDERS_FAILED, NULL},
    {"failed to close piece reader", EVENT_TRANSFER_ERROR, NULL},
    {"failed to set bloom filter", EVENT_RETAIN_FAILED, NULL},
    {"failed to settle orders for satellite", EVENT_ORDERS_FAILED, NULL},
    {"failed to start subprocess", EVENT_FILEWALKER_FAILED, NULL},
    {"failed to store reputation", EVENT_NODESTATS_FAILED, NULL},
    {"failed to unlock orders file", EVENT_TRANSFER_ERROR, NULL},
    {"failure during run", EVENT_SHUTDOWN, NULL},
    {"file found in trash", EVENT_PIECE_CORRUPT, NULL},
    {"finished", EVENT_ORDERS_SENT, "orders"},
    {"finished compaction", EVENT_COMPACTION_END, NULL},
    {"gc-filewalker completed", EVENT_FILEWALKER_END, NULL},
    {"gc-filewalker failed", EVENT_FILEWALKER_FAILED, NULL},
    {"gc-filewalker started", EVENT_FILEWALKER_BEGIN, NULL},
    {"hashstore opened successfully", EVENT_HASHSTORE, NULL},
    {"hashtbl rewritten", EVENT_COMPACTION_STEP, NULL},
    {"including log due to no rewrite candidates", EVENT_COMPACTION_STEP, NULL},
    {"lazyfilewalker failed", EVENT_FILEWALKER_FAILED, NULL},
    {"listing orders", EVENT_ORDERS_FAILED, NULL},
    {"loaded hint file", EVENT_HASHSTORE, NULL},
    {"migrated a piece", EVENT_MIGRATION, NULL},
    {"mismatched log tail", EVENT_HASHSTORE_DAMAGED, NULL},
    {"no orders to send", EVENT_CHORE, NULL},
    {"node scores updated", EVENT_NODE_SCORES, NULL},
    {"node scores worsened", EVENT_NODE_SCORES, NULL},
    {"number of subdirs", EVENT_CHORE, NULL},
    {"outdated software version", EVENT_VERSION_OUTDATED, NULL},
    {"payouts err", EVENT_NODESTATS_FAILED, NULL},
    {"piece migration chore initialized", EVENT_MIGRATION, NULL},
    {"ping satellite failed", EVENT_CONTACT_FAILED, NULL},
    {"pinged", EVENT_CONTACT, "contact"},
    {"processed a bunch of pieces", EVENT_MIGRATION, NULL},
    {"readability check done", EVENT_DISK_CHECK, NULL},
    {"reconciled log with invalid records", EVENT_HASHSTORE_DAMAGED, NULL},
    {"records rewritten", EVENT_COMPACTION_STEP, NULL},
    {"removed empty satellite directory", EVENT_MIGRATION, NULL},
    {"reputation chore failed", EVENT_NODESTATS_FAILED, NULL},
    {"restore trash finished", EVENT_TRASH_RESTORED, NULL},
    {"restore trash started", EVENT_TRASH_RESTORED, NULL},
    {"retain pieces failed", EVENT_RETAIN_FAILED, NULL},
    {"retries timed out for this cycle", EVENT_CONTACT_FAILED, NULL},
    {"rpc client error when closing sender", EVENT_ORDERS_FAILED, NULL},
    {"rpc client when sending new orders settlements", EVENT_ORDERS_FAILED, NULL},
    {"sending", EVENT_ORDERS_BEGIN, "orders"},
    {"sending amnesty batch to satellite", EVENT_PIECE_CORRUPT, NULL},
    {"service takes long to shutdown", EVENT_NODE_STOPPING, NULL},
    {"slow shutdown", EVENT_NODE_STOPPING, NULL},
    {"started", EVENT_CHORE, "services"},
    {"starting cleanup chores", EVENT_CHORE, NULL},
    {"starting subprocess", EVENT_FILEWALKER_STEP, NULL},
    {"starting to empty trash", EVENT_TRASH_BEGIN, NULL},
    {"subprocess exited with error", EVENT_FILEWALKER_FAILED, NULL},
    {"subprocess exited with status", EVENT_FILEWALKER_FAILED, NULL},
    {"subprocess finished successfully", EVENT_FILEWALKER_STEP, NULL},
    {"subprocess started", EVENT_FILEWALKER_STEP, NULL},
    {"trash-cleanup-filewalker completed", EVENT_FILEWALKER_END, NULL},
    {"trash-cleanup-filewalker failed", EVENT_FILEWALKER_FAILED, NULL},
    {"trash-cleanup-filewalker started", EVENT_FILEWALKER_BEGIN, NULL},
    {"trash-filewalker completed", EVENT_FILEWALKER_END, NULL},
    {"trash-filewalker failed", EVENT_FILEWALKER_FAILED, NULL},
    {"trash-filewalker started", EVENT_FILEWALKER_BEGIN, NULL},
    {"trashed record was read", EVENT_PIECE_CORRUPT, NULL},
    {"unable to delete piece", EVENT_COLLECTOR_FAILED, NULL},
    {"unable to get Satellite URL", EVENT_NODESTATS_FAILED, NULL},
    {"unable to get satellite address", EVENT_ORDERS_FAILED, NULL},
    {"unable to get satellite system time", EVENT_CLOCK, NULL},
    {"unable to revive record", EVENT_HASHSTORE_DAMAGED, NULL},
    {"unable to write hint file", EVENT_HASHSTORE, NULL},
    {"unclean shutdown detected: reconciling logs", EVENT_HASHSTORE, NULL},
    {"unexpected shutdown of a runner", EVENT_SHUTDOWN, NULL},
    {"used-space-filewalker completed", EVENT_FILEWALKER_END, NULL},
    {"used-space-filewalker failed", EVENT_FILEWALKER_FAILED, NULL},
    {"used-space-filewalker started", EVENT_FILEWALKER_BEGIN, NULL},
    {"writability check done", EVENT_DISK_CHECK, NULL},
};

/* Beginnings; the first that fits counts. */
static const struct message_kind beginnings[] = {
    {"Disk space is less than requested", EVENT_DISK_SPACE_LOW, NULL},
    {"Used more space than allocated", EVENT_DISK_SPACE_LOW, NULL},
    {"Total disk space is less than required minimum", EVENT_DISK_SPACE_LOW, NULL},
    {"Public server started on", EVENT_SERVER_STARTED, NULL},
    {"Private server started on", EVENT_SERVER_STARTED, NULL},
    {"Got a signal from the OS", EVENT_NODE_STOPPING, NULL},
    {"Stop/Shutdown request received", EVENT_NODE_STOPPING, NULL},
    {"Operator email address isn't specified", EVENT_CONFIG, NULL},
    {"Invalid configuration file key", EVENT_CONFIG, NULL},
    {"Invalid configuration", EVENT_FATAL, NULL},
    {"Failed to load identity", EVENT_FATAL, NULL},
    {"Failed preflight check", EVENT_FATAL, NULL},
    {"Failed to check version", EVENT_FATAL, NULL},
    {"Error opening database on storagenode", EVENT_DATABASE_FAILED, NULL},
    {"Error migrating tables for database", EVENT_DATABASE_FAILED, NULL},
    {"Error during preflight check for storagenode databases", EVENT_DATABASE_FAILED, NULL},
    {"Restarting service", EVENT_UPDATER, NULL},
    {"Service restarted successfully", EVENT_UPDATER, NULL},
    {"failed to read update failure file", EVENT_UPDATER, NULL},
    {"Your node is still considered to be online but encountered an error", EVENT_CONTACT_FAILED,
     NULL},
    {"checkin callback failed", EVENT_CONTACT_FAILED, NULL},
    {"failed to send amnesty report", EVENT_PIECE_CORRUPT, NULL},
    {"timed out while verifying", EVENT_DISK_CHECK_FAILED, NULL},
    {"error verifying location and/or readability", EVENT_DISK_CHECK_FAILED, NULL},
    {"error verifying writability", EVENT_DISK_CHECK_FAILED, NULL},
    {"error verifying location and/or writability", EVENT_DISK_CHECK_FAILED, NULL},
    {"start checking local system clock", EVENT_CLOCK, NULL},
    {"local system clock is in sync", EVENT_CLOCK, NULL},
    {"system clock is out of sync", EVENT_CLOCK, NULL},
    {"version not allowed/outdated", EVENT_VERSION_OUTDATED, NULL},
    {"failed to get process version info", EVENT_VERSION, NULL},
    {"skipping order settlement for untrusted satellite", EVENT_ORDERS_FAILED, NULL},
    {"graceful exit completed", EVENT_GRACEFUL_EXIT, NULL},
    {"graceful exit failed", EVENT_GRACEFUL_EXIT, NULL},
    {"initializing forget satellite", EVENT_FORGET_SATELLITE, NULL},
    {"cleaning up satellite data", EVENT_FORGET_SATELLITE, NULL},
    {"cleanup completed", EVENT_FORGET_SATELLITE, NULL},
    {"cleanup failed", EVENT_FORGET_SATELLITE, NULL},
    {"stopping the running chores", EVENT_CHORE, NULL},
    {"error getting current used space", EVENT_SPACE_ACCOUNTING, NULL},
    {"encountered error while computing space used by satellite", EVENT_SPACE_ACCOUNTING, NULL},
    {"error persisting cache totals to the database", EVENT_DATABASE_FAILED, NULL},
    {"piecesTotal < 0", EVENT_SPACE_ACCOUNTING, NULL},
    {"piecesContentSize < 0", EVENT_SPACE_ACCOUNTING, NULL},
    {"trashTotal < 0", EVENT_SPACE_ACCOUNTING, NULL},
    {"satPiecesTotal < 0", EVENT_SPACE_ACCOUNTING, NULL},
    {"satPiecesContentSize < 0", EVENT_SPACE_ACCOUNTING, NULL},
};

const struct message_kind *message_kind_at(size_t index, bool *is_beginning)
{
    *is_beginning = index >= ARRAY_LEN(messages);
    if (!*is_beginning)
        return &messages[index];
    index -= ARRAY_LEN(messages);
    return index < ARRAY_LEN(beginnings) ? &beginnings[index] : NULL;
}

/* As strcmp would order the two; the message may hold NULs. */
static int compare_message(const void *key, const void *entry)
{
    const struct text *message = key;
    const char *word = ((const struct message_kind *)entry)->text;
    size_t len = strlen(word);
    int order = memcmp(message->at, word, message->len < len ? message->len : len);
    return order ? order : (message->len > len) - (message->len < len);
}

static const struct message_kind *find_message(struct text message)
{
    const struct message_kind *exact =
        bsearch(&message, messages, ARRAY_LEN(messages), sizeof(messages[0]), compare_message);
    if (exact)
        return exact;
    for (size_t i = 0; i < ARRAY_LEN(beginnings); i++)
        if (text_begins(message, beginnings[i].text))
            return &beginnings[i];
    return NULL;
}

/* "Node 1abc... started" */
static bool is_node_started(struct text message)
{
    static const char tail[] = " started";
    size_t len = sizeof(tail) - 1;
    return text_begins(message, "Node ") && message.len > 5 + len &&
           memcmp(message.at + message.len - len, tail, len) == 0;
}

/* Which words follow "upload" or "download". */
struct transfer_kind {
    enum event_kind kind;
    enum outcome outcome;
    enum action action; /* when the line names none */
};

static bool find_transfer(struct text message, struct transfer_kind *out)
{
    bool up = text_begins(message, "upload");
    if (!up && !text_begins(message, "download"))
        return false;
    uint32_t skip = up ? 6 : 8;
    struct text rest = {.at = message.at + skip, .len = message.len - skip};
    *out = (struct transfer_kind){EVENT_TRANSFER, OUTCOME_COMPLETED, up ? ACTION_PUT : ACTION_GET};
    if (text_is(rest, "ed"))
        return true;
    if (text_is(rest, " started")) {
        out->kind = EVENT_TRANSFER_STARTED;
        out->outcome = OUTCOME_NONE;
        return true;
    }
    if (text_is(rest, " internal error")) {
        out->kind = EVENT_TRANSFER_ERROR;
        out->outcome = OUTCOME_NONE;
        return true;
    }
    out->outcome = text_is(rest, " canceled") || text_begins(rest, " canceled (")
                       ? OUTCOME_CANCELLED
                   : text_is(rest, " failed")       ? OUTCOME_FAILED
                   : text_begins(rest, " rejected") ? OUTCOME_REJECTED
                                                    : OUTCOME_NONE;
    return out->outcome != OUTCOME_NONE;
}

bool scan_message_is_known(struct text message)
{
    struct transfer_kind transfer;
    return find_transfer(message, &transfer) || find_message(message) || is_node_started(message);
}

static bool classify_transfer(struct event *e, const struct transfer_kind *transfer)
{
    bool named = e->piece.len || e->satellite.len || e->action != ACTION_NONE;
    e->kind = transfer->kind;
    if (transfer->kind == EVENT_TRANSFER_ERROR)
        return true;
    if (transfer->outcome != OUTCOME_REJECTED && !named) {
        e->kind = EVENT_OTHER;
        return e->tail.len > 0;
    }
    if (e->action == ACTION_NONE)
        e->action = transfer->action;
    e->outcome = transfer->outcome;
    if (e->outcome == OUTCOME_FAILED && e->level < LEVEL_ERROR)
        e->outcome = OUTCOME_FAILED_BY_PEER;
    if (e->outcome == OUTCOME_CANCELLED && e->level == LEVEL_DEBUG) {
        e->kind = EVENT_TRANSFER_TWIN;
        e->outcome = OUTCOME_NONE;
    }
    return true;
}

/* True when an unknown line without fields looks like the beginning of a longer one: its message is
 * how a known one begins, or a single word where the logger's name would stand. The node was
 * killed, or the disk full, while it wrote; nothing after the cut is known, so the line is not
 * taken for a node's. */
static bool is_cut(const struct event *e, struct text message)
{
    static const char *const transfers[] = {
        "uploaded",          "upload started",  "upload failed",
        "upload canceled",   "downloaded",      "download started",
        "download canceled", "download failed", "Node "};
    if (!e->logger.len && !memchr(message.at, ' ', message.len))
        return true;
    bool is_beginning;
    const struct message_kind *m;
    for (size_t i = 0; (m = message_kind_at(i, &is_beginning)); i++)
        if (strncmp(m->text, message.at, message.len) == 0)
            return true;
    for (size_t i = 0; i < ARRAY_LEN(transfers); i++)
        if (strncmp(transfers[i], message.at, message.len) == 0)
            return true;
    return false;
}

static enum event_kind kind_by_level(enum level level)
{
    return level == LEVEL_FATAL                            ? EVENT_FATAL
           : level == LEVEL_PANIC || level == LEVEL_DPANIC ? EVENT_PANIC
                                                           : EVENT_OTHER;
}

static enum event_kind kind_by_message(const struct event *e, struct text message)
{
    const struct message_kind *known = find_message(message);
    if (known && (!known->logger || !e->logger.len || text_contains(e->logger, known->logger)))
        return known->kind;
    if (is_node_started(message))
        return EVENT_NODE_STARTED;
    enum event_kind kind = kind_by_level(e->level);
    return kind == EVENT_OTHER && text_is(e->process, "storagenode-updater") ? EVENT_UPDATER : kind;
}

bool scan_classify(struct scan *scan)
{
    struct event *e = scan->event;
    char scratch[256];
    struct text message = text_small(e->message, scratch, sizeof(scratch));
    struct transfer_kind transfer;
    if (!e->error.len)
        e->error = scan->reason;
    if (e->message.escaped)
        message = text_trim(message);
    if (find_transfer(message, &transfer))
        return classify_transfer(e, &transfer);
    e->kind = kind_by_message(e, message);
    if (e->kind == EVENT_OTHER && !e->tail.len && is_cut(e, message))
        return false;
    if (e->kind == EVENT_TRUST && !e->satellite.len)
        e->satellite = scan->id;
    return true;
}
