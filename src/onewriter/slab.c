/* Slabs (slab.h). A row costs a producer one copy and no malloc, and the writer reads rows one
 * after the other from memory; a malloc per row would be freed by another thread than its maker,
 * which is what allocators are slowest at. What must stay true: `live` counts rows in the slab that
 * were not released; the open slab is never given back while it takes rows. */
#include "onewriter/slab.h"

#include <stdalign.h>
#include <stdlib.h>

#define SLAB_BYTES ((size_t)64 << 10)
#define KEPT_MAX   16

struct ow_slab {
    struct ow_slab *next;
    size_t size, used;
    const char *sql; /* of the row that was copied last, in the slab */
    uint32_t live;
    alignas(16) char data[];
};

static size_t align(size_t bytes)
{
    return (bytes + 15) & ~(size_t)15;
}

void ow_slabs_fini(struct ow_slabs *slabs)
{
    free(slabs->open);
    for (struct ow_slab *slab = slabs->kept, *next; slab; slab = next) {
        next = slab->next;
        free(slab);
    }
    *slabs = (struct ow_slabs){0};
}

static bool is_lent(const struct ow_value *value)
{
    return value->type == OW_TEXT || value->type == OW_BLOB;
}

size_t ow_row_bytes(const struct ow_value *values, int count)
{
    size_t bytes = sizeof(struct ow_row) + (size_t)count * sizeof(*values);
    for (int i = 0; i < count; i++)
        if (is_lent(&values[i]))
            bytes += values[i].bytes;
    return align(bytes);
}

/* A slab goes back to those kept, unless enough are. */
static void keep(struct ow_slabs *slabs, struct ow_slab *slab)
{
    if (slab->size > SLAB_BYTES || slabs->kept_count >= KEPT_MAX) {
        free(slab);
        return;
    }
    slab->used = 0;
    slab->sql = NULL;
    slab->next = slabs->kept;
    slabs->kept = slab;
    slabs->kept_count++;
}

static struct ow_slab *take(struct ow_slabs *slabs, size_t bytes)
{
    struct ow_slab *slab = slabs->kept;
    if (slab && bytes <= SLAB_BYTES) {
        slabs->kept = slab->next;
        slabs->kept_count--;
        return slab;
    }
    size_t size = bytes > SLAB_BYTES ? bytes : SLAB_BYTES;
    slab = malloc(sizeof(*slab) + size);
    if (slab)
        *slab = (struct ow_slab){.size = size};
    return slab;
}

static bool has_sql(const struct ow_slab *slab, const char *sql)
{
    return slab && slab->sql && strcmp(slab->sql, sql) == 0;
}

/* Bytes of the text that a row in that slab has to bring along. */
static size_t text_bytes(const struct ow_slab *slab, const char *sql)
{
    return has_sql(slab, sql) ? 0 : align(strlen(sql) + 1);
}

size_t ow_slabs_needs(const struct ow_slabs *slabs, const char *sql, const struct ow_value *values,
                      int count)
{
    return ow_row_bytes(values, count) + text_bytes(slabs->open, sql);
}

/* Where so many bytes go, with room for the text behind them. */
static char *reserve(struct ow_slabs *slabs, size_t bytes, const char *sql)
{
    struct ow_slab *slab = slabs->open;
    if (!slab || slab->size - slab->used < bytes + text_bytes(slab, sql)) {
        struct ow_slab *fresh = take(slabs, bytes + text_bytes(NULL, sql));
        if (!fresh)
            return NULL;
        if (slab && slab->live == 0)
            keep(slabs, slab);
        slabs->open = slab = fresh;
    }
    char *at = slab->data + slab->used;
    slab->used += bytes;
    slab->live++;
    return at;
}

/* The text in the open slab; copied unless the last row there had the same. */
static const char *keep_sql(struct ow_slab *slab, const char *sql)
{
    if (has_sql(slab, sql))
        return slab->sql;
    char *at = slab->data + slab->used;
    size_t bytes = strlen(sql) + 1;
    memcpy(at, sql, bytes);
    slab->used += align(bytes);
    return slab->sql = at;
}

struct ow_row *ow_slabs_copy(struct ow_slabs *slabs, const char *sql, const struct ow_value *values,
                             int count)
{
    struct ow_row *row = (struct ow_row *)reserve(slabs, ow_row_bytes(values, count), sql);
    if (!row)
        return NULL;
    struct ow_value *copy = (struct ow_value *)(row + 1);
    char *at = (char *)(copy + count);
    for (int i = 0; i < count; i++) {
        copy[i] = values[i];
        if (!is_lent(&values[i]))
            continue;
        memcpy(at, values[i].as.data, values[i].bytes);
        copy[i].as.data = at;
        at += values[i].bytes;
    }
    row->slab = slabs->open;
    row->sql = keep_sql(slabs->open, sql);
    row->values = copy;
    row->count = count;
    return row;
}

void ow_slabs_release(struct ow_slabs *slabs, struct ow_slab *slab, uint32_t rows)
{
    slab->live -= rows;
    if (slab->live > 0)
        return;
    if (slab == slabs->open) {
        slab->used = 0;
        slab->sql = NULL;
    } else {
        keep(slabs, slab);
    }
}
