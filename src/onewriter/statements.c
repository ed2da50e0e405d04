/* The statement cache (statements.h). Preparing costs more than running a small statement, so each
 * connection keeps what it prepared. Texts are compared by content, because a caller may build two
 * texts in one buffer; the hash takes eight bytes at a time, so that a lookup costs less than the
 * reset that follows it. Statements stand in a ring by last use, the newest behind items[0], the
 * oldest before it. What must stay true: a statement handed out in the present loan is never
 * evicted, since its borrower still holds it: the cache grows instead, and shrinks when the next
 * loan begins; the text that is shown to other threads is never freed while one of them reads it.
 */
#include "onewriter/statements.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "onewriter/fail.h"
#include "onewriter/metrics.h"

#define FIRST_SIZE 16

static uint64_t load_word(const char *at, size_t bytes)
{
    uint64_t word = 0;
    memcpy(&word, at, bytes);
    return word;
}

static uint32_t hash_text(const char *text, size_t length)
{
    const uint64_t k = 0x9e3779b97f4a7c15u;
    uint64_t h = length * k;
    const char *end = text + length;
    for (; end - text >= 8; text += 8) {
        h = (h ^ load_word(text, 8)) * k;
        h = h << 29 | h >> 35;
    }
    /* The rest: the last eight bytes once more, which is one load instead of a copy of n. */
    uint64_t rest = length >= 8 ? load_word(end - 8, 8) : load_word(text, (size_t)(end - text));
    return (uint32_t)((h ^ rest) * k >> 32);
}

void ow_statements_init(struct ow_statements *cache, uint32_t limit,
                        const struct ow_statements_sight *sight)
{
    *cache = (struct ow_statements){.limit = limit};
    if (sight)
        cache->sight = *sight;
}

/* Frees a text that another thread may be reading. */
static void free_text(struct ow_statements *cache, char *sql)
{
    const struct ow_statements_sight *sight = &cache->sight;
    if (sight->lock) {
        LOCK(sight->lock);
        if (atomic_load_explicit(sight->shown, memory_order_relaxed) == sql)
            atomic_store(sight->shown, NULL);
        free(sql);
    } else {
        free(sql);
    }
}

void ow_statements_fini(struct ow_statements *cache)
{
    if (cache->items) {
        for (uint32_t at = cache->items[0].older; at; at = cache->items[at].older) {
            sqlite3_finalize(cache->items[at].stmt);
            free_text(cache, cache->items[at].sql);
        }
    }
    free(cache->items);
    free(cache->slots);
    struct ow_statements_sight sight = cache->sight;
    ow_statements_init(cache, cache->limit, &sight);
}

/* ---- the ring of last use ---- */

static void ring_remove(struct ow_statement *items, uint32_t at)
{
    items[items[at].newer].older = items[at].older;
    items[items[at].older].newer = items[at].newer;
}

static void ring_insert_newest(struct ow_statement *items, uint32_t at)
{
    items[at].newer = 0;
    items[at].older = items[0].older;
    items[items[0].older].newer = at;
    items[0].older = at;
}

/* ---- the hash table: open addressing, the next free slot ---- */

static uint32_t find(const struct ow_statements *cache, const char *sql, size_t length,
                     uint32_t hash)
{
    if (!cache->slots)
        return 0;
    assert(cache->items); /* grown together */
    for (uint32_t slot = hash & cache->mask;; slot = (slot + 1) & cache->mask) {
        uint32_t at = cache->slots[slot];
        const struct ow_statement *item = &cache->items[at];
        if (!at ||
            (item->hash == hash && item->length == length && memcmp(item->sql, sql, length) == 0))
            return at;
    }
}

static void slot_insert(struct ow_statements *cache, uint32_t at)
{
    uint32_t slot = cache->items[at].hash & cache->mask;
    while (cache->slots[slot])
        slot = (slot + 1) & cache->mask;
    cache->slots[slot] = at;
}

/* Closes the gap, so that no search ends too early. */
static void slot_remove(struct ow_statements *cache, uint32_t at)
{
    uint32_t mask = cache->mask, gap = cache->items[at].hash & mask;
    while (cache->slots[gap] != at)
        gap = (gap + 1) & mask;
    for (uint32_t slot = (gap + 1) & mask; cache->slots[slot]; slot = (slot + 1) & mask) {
        uint32_t home = cache->items[cache->slots[slot]].hash & mask;
        if (((slot - home) & mask) >= ((slot - gap) & mask)) {
            cache->slots[gap] = cache->slots[slot];
            gap = slot;
        }
    }
    cache->slots[gap] = 0;
}

/* ---- room ---- */

static void evict_oldest(struct ow_statements *cache)
{
    assert(cache->items);
    uint32_t at = cache->items[0].newer;
    struct ow_statement *item = &cache->items[at];
    slot_remove(cache, at);
    ring_remove(cache->items, at);
    sqlite3_finalize(item->stmt);
    free_text(cache, item->sql);
    item->older = cache->unused;
    cache->unused = at;
    cache->count--;
}

static bool may_evict(const struct ow_statements *cache)
{
    return cache->count && cache->items[cache->items[0].newer].loan != cache->loan;
}

void ow_statements_begin(struct ow_statements *cache)
{
    cache->loan++;
    while (cache->count > cache->limit)
        evict_oldest(cache);
}

/* Room for more items, and twice as many slots. */
static bool grow(struct ow_statements *cache)
{
    uint32_t size = cache->size ? cache->size * 2 : FIRST_SIZE;
    uint32_t *slots = calloc((size_t)size * 2, sizeof(*slots));
    struct ow_statement *items = slots ? realloc(cache->items, size * sizeof(*items)) : NULL;
    if (!items) {
        free(slots);
        return false;
    }
    if (!cache->items) {
        items[0] = (struct ow_statement){0};
        cache->used = 1;
    }
    free(cache->slots);
    cache->items = items;
    cache->slots = slots;
    cache->size = size;
    cache->mask = size * 2 - 1;
    assert(items);
    for (uint32_t at = items[0].older; at; at = items[at].older)
        slot_insert(cache, at);
    return true;
}

/* A place in items; 0 when there is no memory. */
static uint32_t take_place(struct ow_statements *cache)
{
    if (cache->count >= cache->limit && may_evict(cache))
        evict_oldest(cache);
    uint32_t at = cache->unused;
    if (at) {
        assert(cache->items);
        cache->unused = cache->items[at].older;
        return at;
    }
    if (cache->used >= cache->size && !grow(cache))
        return 0;
    return cache->used++;
}

/* ---- prepare ---- */

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

static int add(struct ow_statements *cache, sqlite3 *db, const char *sql, size_t length,
               uint32_t hash, uint32_t *out, struct ow_err *err)
{
    sqlite3_stmt *stmt = NULL;
    int rc = prepare(db, sql, &stmt, err);
    if (rc)
        return rc;
    char *copy = strdup(sql);
    uint32_t at = copy ? take_place(cache) : 0;
    if (!at) {
        free(copy);
        sqlite3_finalize(stmt);
        return ow_fail(err, OW_RESOURCE, "no memory for a statement");
    }
    assert(cache->items);
    cache->items[at] =
        (struct ow_statement){.stmt = stmt, .sql = copy, .length = (uint32_t)length, .hash = hash};
    slot_insert(cache, at);
    ring_insert_newest(cache->items, at);
    cache->count++;
    if (cache->sight.prepared)
        ow_count(cache->sight.prepared, 1);
    *out = at;
    return 0;
}

/* The place of the statement, looked up or prepared. */
static int look_up(struct ow_statements *cache, sqlite3 *db, const char *sql, uint32_t *out,
                   struct ow_err *err)
{
    size_t length = strlen(sql);
    uint32_t hash = hash_text(sql, length);
    uint32_t at = find(cache, sql, length, hash);
    if (!at)
        return add(cache, db, sql, length, hash, out, err);
    if (cache->items[at].newer) {
        ring_remove(cache->items, at);
        ring_insert_newest(cache->items, at);
    }
    *out = at;
    return 0;
}

int ow_statements_find(struct ow_statements *cache, sqlite3 *db, const char *sql,
                       sqlite3_stmt **out, struct ow_err *err)
{
    *out = NULL;
    uint32_t at = cache->items ? cache->items[0].older : 0;
    if (!at || strcmp(cache->items[at].sql, sql) != 0) { /* not the one that was used last */
        int rc = look_up(cache, db, sql, &at, err);
        if (rc)
            return rc;
    }
    assert(cache->items);
    struct ow_statement *item = &cache->items[at];
    item->loan = cache->loan;
    if (cache->sight.shown)
        atomic_store_explicit(cache->sight.shown, item->sql, memory_order_release);
    *out = item->stmt;
    return 0;
}

int ow_statements_get(struct ow_statements *cache, sqlite3 *db, const char *sql, sqlite3_stmt **out,
                      struct ow_err *err)
{
    int rc = ow_statements_find(cache, db, sql, out, err);
    if (rc)
        return rc;
    sqlite3_reset(*out);
    sqlite3_clear_bindings(*out);
    return 0;
}

void ow_statements_reset(struct ow_statements *cache)
{
    uint32_t at = cache->items ? cache->items[0].older : 0;
    for (; at && cache->items[at].loan == cache->loan; at = cache->items[at].older)
        if (sqlite3_stmt_busy(cache->items[at].stmt))
            sqlite3_reset(cache->items[at].stmt);
}

bool ow_statements_has(const struct ow_statements *cache, const sqlite3_stmt *stmt)
{
    for (uint32_t at = cache->count ? cache->items[0].older : 0; at; at = cache->items[at].older)
        if (cache->items[at].stmt == stmt)
            return true;
    return false;
}
