/* What one log line of a storage node means. An event points into the line it was read from: it is
 * valid as long as that line's bytes are, owns nothing and costs no allocation. */
#ifndef NODE_EVENT_H
#define NODE_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "node/text.h"

enum level {
    LEVEL_NONE = 0, /* the line has none: a Go panic, an "Error: ..." line */
    LEVEL_DEBUG,
    LEVEL_INFO,
    LEVEL_WARN,
    LEVEL_ERROR,
    LEVEL_DPANIC,
    LEVEL_PANIC,
    LEVEL_FATAL,
};

/* Stored as integers in the database: append only, never renumber. */
enum action {
    ACTION_NONE = 0,
    ACTION_GET = 1,
    ACTION_PUT = 2,
    ACTION_GET_AUDIT = 3,
    ACTION_GET_REPAIR = 4,
    ACTION_PUT_REPAIR = 5,
    ACTION_DELETE = 6,
    ACTION_PUT_GRACEFUL_EXIT = 7,
    ACTION_OTHER = 8,
    ACTION_COUNT
};

/* How a transfer ended. Stored as integers: append only, never renumber. */
enum outcome {
    OUTCOME_NONE = 0, /* not ended: "upload started", "download started" */
    OUTCOME_COMPLETED = 1,
    OUTCOME_CANCELLED = 2,      /* lost race or the client left: normal, never a success */
    OUTCOME_FAILED = 3,         /* failed here */
    OUTCOME_FAILED_BY_PEER = 4, /* the other side broke off (logged below ERROR) */
    OUTCOME_REJECTED = 5,       /* refused by the node: too many requests */
    OUTCOME_COUNT
};

/* The kinds of docs/log-format.md. Stored as integers: append only, never renumber. */
enum event_kind {
    EVENT_UNPARSED = 0, /* not a node line */
    EVENT_OTHER = 1,    /* a node line of a kind not known here; level and message are set */
    EVENT_TRANSFER = 2, /* a transfer ended: action, outcome, size, piece, satellite, ... */
    EVENT_TRANSFER_STARTED = 3,
    EVENT_TRANSFER_TWIN = 4,  /* second line about one operation: never counted as a transfer */
    EVENT_TRANSFER_ERROR = 5, /* trouble inside a transfer that ends with a line of its own */
    EVENT_NODE_SCORES = 6,
    EVENT_COMPACTION_BEGIN = 7,
    EVENT_COMPACTION_END = 8, /* error is set when it failed */
    EVENT_COMPACTION_FAILED = 9,
    EVENT_FILEWALKER_BEGIN = 10,
    EVENT_FILEWALKER_END = 11,
    EVENT_FILEWALKER_FAILED = 12,
    EVENT_RETAIN_BEGIN = 13,
    EVENT_RETAIN_END = 14,
    EVENT_RETAIN_FAILED = 15,
    EVENT_BLOOM_FILTER = 16,
    EVENT_TRASH_BEGIN = 17,
    EVENT_TRASH_END = 18,
    EVENT_TRASH_FAILED = 19,
    EVENT_COLLECTOR_BEGIN = 20,
    EVENT_COLLECTOR_END = 21,
    EVENT_COLLECTOR_FAILED = 22,
    EVENT_ORDERS_SENT = 23,
    EVENT_ORDERS_FAILED = 24,
    EVENT_CONTACT_FAILED = 25, /* ping satellite failed and its relatives */
    EVENT_VERSION = 26,
    EVENT_VERSION_OUTDATED = 27,
    EVENT_DISK_CHECK = 28, /* readability / writability check done */
    EVENT_DISK_CHECK_FAILED = 29,
    EVENT_DISK_SPACE_LOW = 30,
    EVENT_NODE_STARTED = 31,
    EVENT_NODE_STOPPING = 32, /* got a signal, shutdown requested */
    EVENT_SHUTDOWN = 33,      /* unexpected shutdown of a runner, failure during run */
    EVENT_FATAL = 34,         /* FATAL, unrecoverable error, "Error: ..." */
    EVENT_PANIC = 35,         /* Go panic, fatal error, out of memory */
    EVENT_STACK = 36,         /* a line of a Go stack trace; belongs to the event before it */
    EVENT_PIECE_CORRUPT = 37, /* amnesty report, lost or trashed piece read */
    EVENT_CLOCK = 38,         /* system clock checked; error is set when out of sync */
    EVENT_CONFIG = 39,        /* configuration loaded, operator data */
    EVENT_MIGRATION = 40,
    EVENT_GRACEFUL_EXIT = 41,
    EVENT_UPDATER = 42, /* line of the storagenode-updater process */
    EVENT_DATABASE_FAILED = 43,
    EVENT_PIECE_DELETED = 44,
    EVENT_CONTACT = 45, /* pinged, cycles of the check-in */
    EVENT_TRUST = 46,   /* satellite list refreshed */
    EVENT_TRUST_FAILED = 47,
    EVENT_HASHSTORE = 48, /* opened, hint files */
    EVENT_HASHSTORE_DAMAGED = 49,
    EVENT_COMPACTION_STEP = 50,
    EVENT_FILEWALKER_STEP = 51, /* a lazy filewalker's subprocess came or went */
    EVENT_TRASH_RESTORED = 52,  /* restore begun or done */
    EVENT_FORGET_SATELLITE = 53,
    EVENT_NODESTATS_FAILED = 54, /* scores, prices or payouts could not be fetched or kept */
    EVENT_SPACE_ACCOUNTING = 55, /* used-space counters are wrong or cannot be computed */
    EVENT_ORDERS_BEGIN = 56,
    EVENT_SERVER_STARTED = 57, /* public or private server listens */
    EVENT_DATABASE = 58,       /* database created, schema version */
    EVENT_CHORE = 59,          /* housekeeping without consequences */
    EVENT_KIND_COUNT
};

#define EVENT_NO_TIME   INT64_MIN
#define EVENT_NO_NUMBER INT64_MIN

struct event {
    enum event_kind kind;
    enum level level;
    int64_t at_unix_ms; /* EVENT_NO_TIME when neither line nor wrapper carries a time */
    struct text process, logger, message;
    struct text tail; /* the fields as written: a JSON object, or absent */

    /* Transfers. Numbers are EVENT_NO_NUMBER when the line has none. */
    enum action action;
    enum outcome outcome;
    int64_t size_bytes, offset_bytes, duration_ns;
    struct text action_name; /* as written, so that an unknown action is not lost */
    struct text piece, satellite, remote;
    struct text error; /* error, or reason of a cancel */
    int64_t available_space_bytes;

    /* Node scores, 0..1; negative when absent. */
    double audit_score, online_score, suspension_score;
    int64_t total_audits, successful_audits;

    /* Chores and the rest: whatever of these the line carries. */
    struct text store;   /* hashstore "s0" | "s1" */
    struct text version; /* version lines */
    int64_t count;       /* pieces, orders, expired pieces deleted ... */
    int64_t attempts;
};

/* "GET_AUDIT", "completed", "compaction_end", "INFO": the names used in exports, API and docs.
 * Static storage; "" for NONE of level and action. */
const char *action_name(enum action action);
const char *outcome_name(enum outcome outcome);
const char *event_kind_name(enum event_kind kind);
const char *level_name(enum level level);

/* True for kinds and levels an operator may want to read later: everything but transfers, twins,
 * stacks, DEBUG chatter and unknown lines below WARN. */
bool event_is_notable(const struct event *e);

#endif
