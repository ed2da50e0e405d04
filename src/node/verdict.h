/* Is anything wrong, and what should the operator do? The rules over what the logs say. Pure: the
 * caller gathers the facts, the rules judge them; each rule is tested by a table. */
#ifndef NODE_VERDICT_H
#define NODE_VERDICT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Thresholds. Silence: a working node writes several lines a minute even when idle (checks, orders,
 * contact), five minutes without any is the value operators' own scripts use. */
#define VERDICT_SILENT_MS          (5 * 60 * 1000)
#define VERDICT_SILENT_CRITICAL_MS (60 * 60 * 1000)
/* A node may be up to ten minutes off before its satellites mind (preflight:localtime). */
#define VERDICT_AHEAD_MS (10 * 60 * 1000)
/* Failing transfers of the last 15 min against the same share of the 24 h before. */
#define VERDICT_ERRORS_MIN       10
#define VERDICT_ERRORS_TIMES     3.0
#define VERDICT_ERRORS_SHARE     0.02
#define VERDICT_UNREADABLE_MIN   100
#define VERDICT_UNREADABLE_SHARE 0.5

enum severity { SEVERITY_NONE, SEVERITY_INFO, SEVERITY_WARNING, SEVERITY_CRITICAL };

/* What is known of one node. Texts are lent. Times are EVENT_NO_TIME when it never happened. */
struct verdict_facts {
    int64_t node_id;
    const char *name, *log;
    bool log_found;
    int64_t last_event_unix_ms;
    int64_t backlog_bytes;
    /* The newest fatal line or panic of the last 24 h, and the newest start of the node. */
    int64_t fatal_unix_ms, started_unix_ms;
    const char *fatal_text;
    /* Last 15 min, and the 24 h before them. */
    uint64_t failed_15m, ended_15m, failed_24h;
    uint64_t lines_15m, unparsed_15m;
    /* Last 24 h. */
    uint64_t failed_audits_24h;
    int64_t failed_audits_since_unix_ms; /* the first of them, to the hour */
    uint64_t disk_failures_24h, database_failures_24h, corrupt_pieces_24h, contact_failures_24h,
        orders_failures_24h;
    int64_t newest_trouble_unix_ms; /* newest of the five above */
};

struct verdict_item {
    enum severity severity;
    const char *rule; /* static: log_silent, fatal ... */
    int64_t node_id;  /* 0: the program itself */
    const char *node; /* lent from the facts */
    int64_t since_unix_ms;
    char title[96];
    char detail[400];
};

#define VERDICT_RULES_PER_NODE 11

/* Fills items[] (room for VERDICT_RULES_PER_NODE) with what is wrong with one node, returns how
 * many. */
size_t verdict_node(const struct verdict_facts *facts, int64_t now_unix_ms,
                    struct verdict_item items[VERDICT_RULES_PER_NODE]);
/* Worst first, then longest lasting. */
void verdict_sort(struct verdict_item *items, size_t count);
const char *severity_name(enum severity severity);
/* "6 min", "3 h", "2 d": for people. out holds at least 24 bytes. */
void verdict_age(int64_t age_ms, char out[24]);

#endif
