/* Takes node lines out of what container runtimes write around them (line.h). Docker's json-file
 * log is a JSON object per 16 KiB of output, a line's last piece being the one whose text ends in
 * LF; Kubernetes' CRI format puts time, stream and a flag before the text. Both keep the streams
 * apart, so the pieces of a line are gathered per stream.
 *
 * Must stay true: whatever is not clearly a wrapper passes through untouched (a node that logs in
 * JSON writes objects too), and a gathered line never grows past LINE_MAX_BYTES. */
#include "node/line.h"

#include <stdlib.h>

#include "node/json.h"
#include "node/stamp.h"

/* One piece of output, as the wrapper tells of it. */
struct piece {
    char *at;
    size_t len;
    int64_t at_unix_ms;
    int stream; /* index into unwrap.stream */
    bool is_last;
};

enum wrapper { WRAPPER_NONE, WRAPPER_FOUND, WRAPPER_BROKEN };

void unwrap_init(struct unwrap *u)
{
    *u = (struct unwrap){0};
}

void unwrap_fini(struct unwrap *u)
{
    if (!u)
        return;
    free(u->stream[0].bytes);
    free(u->stream[1].bytes);
    *u = (struct unwrap){0};
}

bool unwrap_is_pending(const struct unwrap *u)
{
    return u->stream[0].pending || u->stream[1].pending;
}

static bool read_docker_keys(struct text line, struct text *log, struct text *stream,
                             struct text *time, bool *is_record)
{
    struct json_walk walk;
    struct text key;
    struct json_value value;
    enum json_step step;
    if (!json_open(&walk, line))
        return false;
    while ((step = json_next(&walk, &key, &value)) == JSON_MEMBER) {
        if (value.kind != JSON_STRING)
            continue;
        if (text_is(key, "log"))
            *log = value.text;
        else if (text_is(key, "stream"))
            *stream = value.text;
        else if (text_is(key, "time"))
            *time = value.text;
        else if (text_is(key, "M") || text_is(key, "severity"))
            *is_record = true;
    }
    return step == JSON_CLOSED && json_is_done(&walk);
}

/* {"log":"...\n","stream":"stderr","time":"2026-08-20T08:00:14.123456789Z"}, in any order. */
static enum wrapper read_docker(char *raw, size_t len, struct piece *out)
{
    struct text line = {.at = raw, .len = (uint32_t)len}, log = {0}, stream = {0}, time = {0};
    bool is_record = text_begins(line, "{\"L\":"), fraction;
    if (is_record)
        return WRAPPER_NONE;
    if (!read_docker_keys(line, &log, &stream, &time, &is_record))
        return text_begins(line, "{\"log\":") ? WRAPPER_BROKEN : WRAPPER_NONE;
    if (is_record || !log.at || (!stream.at && !time.at))
        return WRAPPER_NONE;
    out->at_unix_ms = EVENT_NO_TIME;
    if (time.at && stamp_parse(time.at, time.len, &out->at_unix_ms, &fraction) != time.len)
        return WRAPPER_BROKEN;
    out->stream = text_is(stream, "stderr");
    out->at = raw + (log.at - raw);
    out->len = text_unescape(out->at, log.at, log.len);
    out->is_last = out->len && out->at[out->len - 1] == '\n';
    out->len -= out->is_last;
    return WRAPPER_FOUND;
}

/* "2026-08-20T08:00:14.123456789Z stderr F text"; the flag may have tags behind it ("P:x"). */
static enum wrapper read_cri(char *raw, size_t len, struct piece *out)
{
    bool fraction;
    size_t stamp = stamp_parse(raw, len, &out->at_unix_ms, &fraction);
    struct text rest = {.at = raw + stamp, .len = (uint32_t)(len - stamp)};
    out->stream = text_begins(rest, " stderr ");
    if (!stamp || (!out->stream && !text_begins(rest, " stdout ")))
        return WRAPPER_NONE;
    size_t flag = stamp + strlen(" stderr ");
    if (flag == len || (raw[flag] != 'F' && raw[flag] != 'P'))
        return WRAPPER_NONE;
    const char *space = memchr(raw + flag, ' ', len - flag);
    if (!space)
        return flag + 1 == len || raw[flag + 1] == ':' ? WRAPPER_BROKEN : WRAPPER_NONE;
    if (space != raw + flag + 1 && raw[flag + 1] != ':')
        return WRAPPER_NONE;
    out->at = raw + (space - raw) + 1;
    out->len = len - (size_t)(out->at - raw);
    out->is_last = raw[flag] == 'F';
    return WRAPPER_FOUND;
}

/* Appends a piece to its stream; what goes past the longest line is left out. */
static bool gather(struct unwrap_stream *s, const struct piece *piece)
{
    size_t add = piece->len, room = LINE_MAX_BYTES - s->len;
    if (add > room) {
        add = room;
        s->cut = true;
    }
    if (s->len + add > s->cap) {
        size_t cap = s->cap ? s->cap * 2 : 64 * 1024;
        while (cap < s->len + add)
            cap *= 2;
        char *bytes = realloc(s->bytes, cap);
        if (!bytes)
            return false;
        s->bytes = bytes;
        s->cap = cap;
    }
    if (add)
        memcpy(s->bytes + s->len, piece->at, add);
    s->len += add;
    if (!s->pending)
        s->at_unix_ms = piece->at_unix_ms;
    s->pending = true;
    return true;
}

static void stream_clear(struct unwrap_stream *s)
{
    s->len = 0;
    s->pending = s->cut = false;
}

static enum unwrap_result take_piece(struct unwrap_stream *s, const struct piece *piece,
                                     char **line, size_t *line_len, int64_t *wrapper_unix_ms,
                                     bool *cut)
{
    if (!s->pending && piece->is_last) {
        *line = piece->at;
        *line_len = piece->len;
        *wrapper_unix_ms = piece->at_unix_ms;
        return UNWRAP_LINE;
    }
    if (!s->pending)
        s->len = 0;
    if (!gather(s, piece)) {
        stream_clear(s);
        return UNWRAP_BAD;
    }
    if (!piece->is_last)
        return UNWRAP_PENDING;
    *line = s->bytes;
    *line_len = s->len;
    *wrapper_unix_ms = s->at_unix_ms;
    *cut = s->cut;
    s->pending = s->cut = false; /* the bytes stay lent; the next piece begins anew */
    return UNWRAP_LINE;
}

enum unwrap_result unwrap_line(struct unwrap *u, char *raw, size_t len, char **line,
                               size_t *line_len, int64_t *wrapper_unix_ms, bool *cut)
{
    struct piece piece = {0};
    *line = raw;
    *line_len = len;
    *wrapper_unix_ms = EVENT_NO_TIME;
    *cut = false;
    if (len > 3 && memcmp(raw, "\xef\xbb\xbf", 3) == 0) {
        raw += 3;
        len -= 3;
    }
    if (!len)
        return UNWRAP_LINE;
    if (raw[len - 1] == '\r')
        len--;
    enum wrapper wrapper = WRAPPER_NONE;
    if (len && raw[0] == '{')
        wrapper = read_docker(raw, len, &piece);
    else if (len && raw[0] >= '0' && raw[0] <= '9')
        wrapper = read_cri(raw, len, &piece);
    if (wrapper == WRAPPER_NONE)
        return UNWRAP_LINE;
    if (wrapper == WRAPPER_BROKEN)
        return UNWRAP_BAD;
    return take_piece(&u->stream[piece.stream], &piece, line, line_len, wrapper_unix_ms, cut);
}
