/* The rules of identity (source.h), pure: whoever reads the file brings the bytes. They are kept
 * apart from the reading so that each can be tested with a few literal bytes.
 * Must stay true: a head only grows, and only by bytes that follow what it already holds. */
#include "node/source.h"

#include <assert.h>
#include <string.h>

enum source_likeness source_compare_head(const struct source *s, const uint8_t *head, size_t len)
{
    size_t common = len < s->head_len ? len : s->head_len;
    if (common == 0 || memcmp(s->head, head, common) != 0)
        return SOURCE_DIFFERENT;
    return len < s->head_len ? SOURCE_SHORTER : SOURCE_ALIKE;
}

bool source_mark_is(const struct source *s, const struct source_mark *found)
{
    if (found->len < s->mark_len)
        return false;
    return memcmp(found->bytes + (found->len - s->mark_len), s->mark, s->mark_len) == 0;
}

void source_grow_head(struct source *s, const uint8_t *head, size_t len)
{
    assert(len <= SOURCE_HEAD_MAX);
    if (len <= s->head_len || memcmp(s->head, head, s->head_len) != 0)
        return;
    memcpy(s->head, head, len);
    s->head_len = len;
}

void source_move(struct source *s, int64_t offset, const struct source_mark *mark)
{
    assert(offset >= 0 && (int64_t)mark->len <= offset);
    s->offset = offset;
    s->mark_len = mark->len;
    memcpy(s->mark, mark->bytes, mark->len);
}

void source_mark_push(struct source_mark *mark, const void *bytes, size_t len)
{
    const uint8_t *from = bytes;
    if (len >= SOURCE_MARK_MAX) {
        memcpy(mark->bytes, from + (len - SOURCE_MARK_MAX), SOURCE_MARK_MAX);
        mark->len = SOURCE_MARK_MAX;
        return;
    }
    size_t keep = SOURCE_MARK_MAX - len < mark->len ? SOURCE_MARK_MAX - len : mark->len;
    memmove(mark->bytes, mark->bytes + (mark->len - keep), keep);
    memcpy(mark->bytes + keep, from, len);
    mark->len = keep + len;
}
