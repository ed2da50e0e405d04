/* The statement cache (statements.h). Preparing costs more than running a small statement, so each
 * connection keeps what it prepared. Texts are compared by content, because a caller may build two
 * texts in one buffer; the caller's pointer is only a hint where to look first. What must stay
 * true: a statement handed out in the present loan is never evicted, since its borrower still holds
 * it; the cache grows instead and shrinks by later evictions. */
#include "onewriter/statements.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "onewriter/fail.h"

/* More than any program here prepares on one connection; eviction is for generated texts. */
#define KEPT 128

static uint32_t hash_text(const char *text)
{
    uint32_t h = 2166136261u;
    for (const char *p = text; *p; p++)
        h = (h ^ (unsigned char)*p) * 16777619u;
    return h;
}

static uint32_t *hint_of(struct ow_statements *cache, const char *sql)
{
    return &cache->hint[((uintptr_t)sql >> 3) % OW_STATEMENT_HINTS];
}

void ow_statements_fini(struct ow_statements *cache)
{
    for (uint32_t i = 0; i < cache->count; i++) {
        sqlite3_finalize(cache->items[i].stmt);
        free(cache->items[i].sql);
    }
    free(cache->items);
    *cache = (struct ow_statements){0};
}

void ow_statements_begin(struct ow_statements *cache)
{
    cache->loan = cache->clock + 1;
}

static struct ow_statement *find(struct ow_statements *cache, const char *sql)
{
    uint32_t *hint = hint_of(cache, sql);
    if (*hint < cache->count && strcmp(cache->items[*hint].sql, sql) == 0)
        return &cache->items[*hint];
    uint32_t hash = hash_text(sql);
    for (uint32_t i = 0; i < cache->count; i++)
        if (cache->items[i].hash == hash && strcmp(cache->items[i].sql, sql) == 0) {
            *hint = i;
            return &cache->items[i];
        }
    return NULL;
}

/* The least recently used entry that no present borrower knows, or NULL. */
static struct ow_statement *oldest(struct ow_statements *cache)
{
    struct ow_statement *found = NULL;
    for (uint32_t i = 0; i < cache->count; i++)
        if (cache->items[i].used < cache->loan && (!found || cache->items[i].used < found->used))
            found = &cache->items[i];
    return found;
}

/* An empty place; NULL when there is no memory. */
static struct ow_statement *place(struct ow_statements *cache)
{
    struct ow_statement *victim = cache->count >= KEPT ? oldest(cache) : NULL;
    if (victim) {
        sqlite3_finalize(victim->stmt);
        free(victim->sql);
        return victim;
    }
    if (cache->count == cache->size) {
        uint32_t size = cache->size ? cache->size * 2 : 16;
        struct ow_statement *items = realloc(cache->items, size * sizeof(*items));
        if (!items)
            return NULL;
        cache->items = items;
        cache->size = size;
    }
    return &cache->items[cache->count++];
}

static bool is_blank(const char *text)
{
    while (isspace((unsigned char)*text) || *text == ';')
        text++;
    return !*text;
}

static int prepare(sqlite3 *db, const char *sql, sqlite3_stmt **out, struct ow_err *err)
{
    const char *tail = "";
    int rc = sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, out, &tail);
    if (rc != SQLITE_OK) {
        char what[160];
        snprintf(what, sizeof(what), "preparing \"%.120s\"", sql);
        return ow_fail_sqlite(db, rc, what, err);
    }
    if (*out && is_blank(tail))
        return 0;
    sqlite3_finalize(*out);
    *out = NULL;
    return ow_fail(err, OW_CALLER, "preparing \"%.120s\": expected exactly one statement", sql);
}

int ow_statements_get(struct ow_statements *cache, sqlite3 *db, const char *sql, sqlite3_stmt **out,
                      struct ow_err *err)
{
    *out = NULL;
    struct ow_statement *entry = find(cache, sql);
    if (!entry) {
        sqlite3_stmt *stmt = NULL;
        int rc = prepare(db, sql, &stmt, err);
        if (rc)
            return rc;
        char *copy = strdup(sql);
        entry = copy ? place(cache) : NULL;
        if (!entry) {
            free(copy);
            sqlite3_finalize(stmt);
            return ow_fail(err, OW_RESOURCE, "no memory for a statement");
        }
        *entry = (struct ow_statement){.stmt = stmt, .sql = copy, .hash = hash_text(sql)};
        *hint_of(cache, sql) = (uint32_t)(entry - cache->items);
    }
    entry->used = ++cache->clock;
    sqlite3_reset(entry->stmt);
    sqlite3_clear_bindings(entry->stmt);
    *out = entry->stmt;
    return 0;
}
