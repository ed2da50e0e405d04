/* Splits bytes into lines (lines.h) with memchr over large reads and no copy per line: a line is a
 * slice of the buffer, only the unfinished one at the end is moved to the front before a read.
 *
 * Must stay true: memory does not depend on the input; every byte is given out in exactly one line
 * (`raw_len` plus what was dropped of an over-long one), so offsets always add up. */
#include "ingest/lines.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "node/source.h"

bool lines_init(struct lines *l)
{
    *l = (struct lines){.buffer = malloc(LINES_BUFFER_BYTES)};
    return l->buffer != NULL;
}

void lines_fini(struct lines *l)
{
    if (!l)
        return;
    free(l->buffer);
    *l = (struct lines){0};
}

void lines_reset(struct lines *l, int64_t at)
{
    *l = (struct lines){.buffer = l->buffer, .at = at};
}

char *lines_space(struct lines *l, size_t *len)
{
    if (l->begin > 0) {
        memmove(l->buffer, l->buffer + l->begin, l->end - l->begin);
        l->end -= l->begin;
        l->begin = 0;
    }
    if (l->has_nul)
        l->has_nul = memchr(l->buffer, '\0', l->end) != NULL;
    /* Of what lies behind the kept part of an over-long line only the last bytes are needed: they
     * are the mark of the offset behind it. */
    size_t keep = LINE_MAX_BYTES + SOURCE_MARK_MAX;
    if (l->end > keep) {
        memmove(l->buffer + LINE_MAX_BYTES, l->buffer + l->end - SOURCE_MARK_MAX, SOURCE_MARK_MAX);
        l->dropped += l->end - keep;
        l->end = l->searched = keep;
    }
    *len = LINES_BUFFER_BYTES - l->end;
    return l->buffer + l->end;
}

void lines_filled(struct lines *l, size_t len)
{
    assert(len <= LINES_BUFFER_BYTES - l->end);
    if (!l->has_nul)
        l->has_nul = memchr(l->buffer + l->end, '\0', len) != NULL;
    l->end += len;
}

static void line_give(struct lines *l, struct line *out, size_t len, size_t raw_len, uint64_t nuls)
{
    *out = (struct line){.bytes = l->buffer + l->begin,
                         .len = len,
                         .raw_len = raw_len,
                         .at = l->at,
                         .nul_bytes = nuls};
    if (l->dropped > 0 || len > LINE_MAX_BYTES) {
        out->len = LINE_MAX_BYTES;
        out->cut = true;
    }
    l->at += (int64_t)(raw_len + l->dropped);
    out->end_at = l->at;
    l->begin += raw_len;
    l->searched = 0;
    l->dropped = 0;
}

/* Gives the text before a run of NULs that begins at nul, and the run as far as `limit`. */
static void line_give_torn(struct lines *l, struct line *out, const char *nul, const char *limit)
{
    const char *from = l->buffer + l->begin;
    const char *past = nul;
    while (past < limit && *past == '\0')
        past++;
    line_give(l, out, (size_t)(nul - from), (size_t)(past - from), (uint64_t)(past - nul));
}

bool lines_next(struct lines *l, struct line *out)
{
    char *from = l->buffer + l->begin;
    size_t have = l->end - l->begin;
    char *lf = have > l->searched ? memchr(from + l->searched, '\n', have - l->searched) : NULL;
    if (!lf && have < LINE_MAX_BYTES) {
        l->searched = have;
        return false;
    }
    char *limit = lf ? lf : from + have;
    /* An over-long line that already lost bytes ends at its LF only. */
    char *nul = l->has_nul && l->dropped == 0 ? memchr(from, '\0', (size_t)(limit - from)) : NULL;
    if (nul) {
        line_give_torn(l, out, nul, limit);
        return true;
    }
    if (!lf) {
        l->searched = have;
        return false;
    }
    line_give(l, out, (size_t)(lf - from), (size_t)(lf - from) + 1, 0);
    return true;
}

bool lines_rest(struct lines *l, struct line *out)
{
    if (l->begin == l->end)
        return false;
    struct lines left = *l;
    line_give(&left, out, l->end - l->begin, l->end - l->begin, 0);
    return true;
}
