/* The rules of verdict.h. Each looks at the facts of one node and adds at most one item, whose
 * detail says what to do. Normal things (lost races, a peer that breaks off) raise nothing. */
#include "node/verdict.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/event.h"

struct findings {
    struct verdict_item *items;
    size_t count;
    const struct verdict_facts *facts;
    int64_t now;
};

static struct verdict_item *find(struct findings *f, enum severity severity, const char *rule,
                                 int64_t since_unix_ms)
{
    struct verdict_item *item = &f->items[f->count++];
    *item = (struct verdict_item){
        .severity = severity,
        .rule = rule,
        .node_id = f->facts->node_id,
        .node = f->facts->name,
        .since_unix_ms = since_unix_ms,
    };
    return item;
}

#define TITLE(item, ...)  snprintf((item)->title, sizeof((item)->title), __VA_ARGS__)
#define DETAIL(item, ...) snprintf((item)->detail, sizeof((item)->detail), __VA_ARGS__)

void verdict_age(int64_t age_ms, char out[24])
{
    int64_t s = age_ms < 0 ? 0 : age_ms / 1000;
    if (s < 60)
        snprintf(out, 24, "%" PRId64 " s", s);
    else if (s < 3600)
        snprintf(out, 24, "%" PRId64 " min", s / 60);
    else if (s < 48 * 3600)
        snprintf(out, 24, "%" PRId64 " h", s / 3600);
    else
        snprintf(out, 24, "%" PRId64 " d", s / 86400);
}

/* A line from the future is the newest for as long as that: silence after it would go unnoticed. */
static void judge_clock(struct findings *f)
{
    const struct verdict_facts *n = f->facts;
    int64_t ahead_ms = n->last_event_unix_ms - f->now;
    if (n->last_event_unix_ms == EVENT_NO_TIME || ahead_ms <= VERDICT_AHEAD_MS)
        return;
    char age[24];
    verdict_age(ahead_ms, age);
    struct verdict_item *item = find(f, SEVERITY_WARNING, "clock_ahead", f->now);
    TITLE(item, "Log is %s ahead of this machine's clock", age);
    DETAIL(item, "Check the clocks of the node and of this machine (NTP). Until that time comes, a "
                 "silent log cannot be noticed; and satellites refuse a node whose clock is off.");
}

static void judge_log(struct findings *f)
{
    const struct verdict_facts *n = f->facts;
    if (!n->log_found && n->log[0]) {
        struct verdict_item *item = find(f, SEVERITY_CRITICAL, "log_missing", f->now);
        TITLE(item, "Log file not found");
        DETAIL(item,
               "There is no file %s. Check the path given for this node, whether the disk is "
               "mounted, and the rights of its folder. Reading begins as soon as it appears.",
               n->log);
        return;
    }
    if (n->last_event_unix_ms == EVENT_NO_TIME)
        return;
    int64_t silent_ms = f->now - n->last_event_unix_ms;
    /* While old lines wait to be read, their age says nothing about the node. */
    if (silent_ms <= VERDICT_SILENT_MS || n->backlog_bytes > 0)
        return;
    char age[24];
    verdict_age(silent_ms, age);
    struct verdict_item *item =
        find(f, silent_ms > VERDICT_SILENT_CRITICAL_MS ? SEVERITY_CRITICAL : SEVERITY_WARNING,
             "log_silent", n->last_event_unix_ms);
    TITLE(item, "Log silent for %s", age);
    DETAIL(
        item,
        "A running node writes several lines a minute. Check that it runs, that it still logs to "
        "this file (after a rotation without copytruncate it keeps writing to the old one), and "
        "that log.level is info or debug.");
}

static void judge_fatal(struct findings *f)
{
    const struct verdict_facts *n = f->facts;
    if (n->fatal_unix_ms == EVENT_NO_TIME)
        return;
    bool again = n->started_unix_ms != EVENT_NO_TIME && n->started_unix_ms >= n->fatal_unix_ms;
    struct verdict_item *item =
        find(f, again ? SEVERITY_WARNING : SEVERITY_CRITICAL, "fatal", n->fatal_unix_ms);
    char age[24];
    verdict_age(f->now - n->fatal_unix_ms, age);
    TITLE(item, again ? "Node died %s ago and was restarted" : "Node died %s ago", age);
    DETAIL(item, "%s%s",
           n->fatal_text && *n->fatal_text ? n->fatal_text : "A fatal line was logged",
           again ? ". It is running again; if this repeats, find the cause before audits fail."
                 : ". Start the node; audits it misses count against its online score.");
}

static void judge_errors(struct findings *f)
{
    const struct verdict_facts *n = f->facts;
    /* The usual count for 15 min, from the 96 quarters of the day before. */
    double usual = (double)n->failed_24h / 96;
    if (n->failed_15m < VERDICT_ERRORS_MIN ||
        (double)n->failed_15m < usual * VERDICT_ERRORS_TIMES ||
        (double)n->failed_15m < (double)n->ended_15m * VERDICT_ERRORS_SHARE)
        return;
    struct verdict_item *item = find(f, SEVERITY_WARNING, "errors_rising", f->now - 15 * 60 * 1000);
    TITLE(item, "Errors are rising: %" PRIu64 " failed transfers in 15 min", n->failed_15m);
    DETAIL(
        item,
        "Usual for this node: %.1f in 15 min. %" PRIu64 " of %" PRIu64
        " transfers failed on this side. Look at the newest ERROR lines of its log: a slow or full "
        "disk and a broken network card look like this.",
        usual, n->failed_15m, n->ended_15m);
}

static void judge_audits(struct findings *f)
{
    const struct verdict_facts *n = f->facts;
    if (!n->failed_audits_24h)
        return;
    struct verdict_item *item =
        find(f, n->failed_audits_24h >= 10 ? SEVERITY_CRITICAL : SEVERITY_WARNING, "audits_failed",
             n->failed_audits_since_unix_ms);
    TITLE(item, "%" PRIu64 " failed audit%s in 24 h", n->failed_audits_24h,
          n->failed_audits_24h == 1 ? "" : "s");
    DETAIL(item,
           "A satellite disqualifies a node for good when its audit score falls to 96 %%; from a "
           "perfect score about 40 failures in a row are enough. Check the disk and the file "
           "system now; stop the node while pieces cannot be read.");
}

static void judge_unreadable(struct findings *f)
{
    const struct verdict_facts *n = f->facts;
    if (n->unparsed_15m < VERDICT_UNREADABLE_MIN ||
        (double)n->unparsed_15m < (double)n->lines_15m * VERDICT_UNREADABLE_SHARE)
        return;
    struct verdict_item *item =
        find(f, SEVERITY_WARNING, "log_unreadable", f->now - 15 * 60 * 1000);
    TITLE(item, "Most of this log cannot be read");
    DETAIL(item,
           "%" PRIu64 " of %" PRIu64
           " lines in 15 min are not node lines. Is it the node's own log? "
           "Console, json and gcloudlogging encodings are read; log.encoding=pretty is not.",
           n->unparsed_15m, n->lines_15m);
}

/* Kinds of line that mean trouble whenever they appear. */
static void judge_trouble(struct findings *f)
{
    const struct verdict_facts *n = f->facts;
    const struct {
        uint64_t count, enough;
        enum severity severity;
        const char *rule, *what, *advice;
    } rules[] = {
        {n->disk_failures_24h, 1, SEVERITY_CRITICAL, "disk_check", "failed disk checks",
         "The node could not read or write its storage folder in time. Check cabling, SMART values "
         "and the file system; a node that cannot write shuts itself down."},
        {n->database_failures_24h, 1, SEVERITY_CRITICAL, "database", "database errors of the node",
         "One of the node's own databases is locked or damaged. Lost orders are lost money: repair "
         "it "
         "before they expire (about 48 h)."},
        {n->corrupt_pieces_24h, 1, SEVERITY_WARNING, "pieces", "lost or corrupt pieces",
         "The node found pieces that it should hold but cannot serve as stored. Check the disk."},
        {n->orders_failures_24h, 3, SEVERITY_WARNING, "orders", "failed order settlements",
         "Orders that are not settled within about 48 h are not paid. Check the connection to the "
         "satellite and the node's clock."},
        {n->contact_failures_24h, 3, SEVERITY_WARNING, "contact", "failed contacts with satellites",
         "A satellite could not reach the node. Check its external address, port forwarding and "
         "dynamic DNS."},
    };
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        if (rules[i].count < rules[i].enough)
            continue;
        struct verdict_item *item =
            find(f, rules[i].severity, rules[i].rule, n->newest_trouble_unix_ms);
        TITLE(item, "%" PRIu64 " %s in 24 h", rules[i].count, rules[i].what);
        DETAIL(item, "%s", rules[i].advice);
    }
}

size_t verdict_node(const struct verdict_facts *facts, int64_t now_unix_ms,
                    struct verdict_item items[VERDICT_RULES_PER_NODE])
{
    struct findings f = {.items = items, .facts = facts, .now = now_unix_ms};
    judge_log(&f);
    judge_clock(&f);
    judge_fatal(&f);
    judge_errors(&f);
    judge_audits(&f);
    judge_unreadable(&f);
    judge_trouble(&f);
    return f.count;
}

static int compare_items(const void *a, const void *b)
{
    const struct verdict_item *x = a, *y = b;
    if (x->severity != y->severity)
        return x->severity > y->severity ? -1 : 1;
    return (x->since_unix_ms > y->since_unix_ms) - (x->since_unix_ms < y->since_unix_ms);
}

void verdict_sort(struct verdict_item *items, size_t count)
{
    if (count)
        qsort(items, count, sizeof(*items), compare_items);
}

const char *severity_name(enum severity severity)
{
    static const char *const names[] = {"none", "info", "warning", "critical"};
    return names[severity];
}
