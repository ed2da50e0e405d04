/* The scanner (line.h): columns of the console encoding, and who else may claim a line. The console
 * separates time, level, logger, caller, message and the JSON of the fields by TABs; logger and
 * caller are left out when there is none. One pass: columns by memchr, then the fields where they
 * stand. A line is a node's only when all of it fits the grammar: a torn or cut line is never half
 * read, because a wrong number is worse than a counted unparsed line. */
#include "node/line.h"

#include "node/scan.h"
#include "node/stamp.h"

static const struct event no_event = {
    .kind = EVENT_UNPARSED,
    .at_unix_ms = EVENT_NO_TIME,
    .size_bytes = EVENT_NO_NUMBER,
    .offset_bytes = EVENT_NO_NUMBER,
    .duration_ns = EVENT_NO_NUMBER,
    .available_space_bytes = EVENT_NO_NUMBER,
    .audit_score = -1,
    .online_score = -1,
    .suspension_score = -1,
    .total_audits = EVENT_NO_NUMBER,
    .successful_audits = EVENT_NO_NUMBER,
    .count = EVENT_NO_NUMBER,
    .attempts = EVENT_NO_NUMBER,
};

enum level scan_level(struct text word)
{
    static const struct {
        const char *word;
        enum level level;
    } names[] = {
        {"INFO", LEVEL_INFO},     {"DEBUG", LEVEL_DEBUG}, {"WARN", LEVEL_WARN},
        {"ERROR", LEVEL_ERROR},   {"FATAL", LEVEL_FATAL}, {"PANIC", LEVEL_PANIC},
        {"DPANIC", LEVEL_DPANIC},
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (text_is(word, names[i].word))
            return names[i].level;
    return LEVEL_NONE;
}

/* What lies before the next TAB of *rest (all of it when there is none); *rest is moved behind. */
static struct text take_column(struct text *rest, bool *last)
{
    const char *tab = rest->len ? memchr(rest->at, '\t', rest->len) : NULL;
    const char *end = rest->at + rest->len;
    struct text column = text_span(rest->at, tab ? tab : end);
    *last = !tab;
    *rest = tab ? text_span(tab + 1, end) : (struct text){.at = end};
    return column;
}

/* "dir/file.go:123" */
static bool is_caller(struct text column)
{
    uint32_t digits = 0;
    while (digits < column.len && column.at[column.len - 1 - digits] >= '0' &&
           column.at[column.len - 1 - digits] <= '9')
        digits++;
    struct text file = {.at = column.at, .len = column.len - digits};
    return digits && file.len > 4 && memcmp(file.at + file.len - 4, ".go:", 4) == 0;
}

/* Logger, caller and message from the columns between level and fields. */
static bool set_columns(struct event *e, const struct text *column, int count)
{
    if (count < 1 || count > 3 || (count == 3 && !is_caller(column[1])))
        return false;
    if (count == 3 || (count == 2 && !is_caller(column[0])))
        e->logger = column[0];
    e->message = text_trim(column[count - 1]);
    return e->message.len || e->tail.len;
}

static bool scan_columns(struct scan *scan, struct text rest)
{
    struct text column[3];
    int count = 0;
    bool last = false;
    while (!last) {
        if (count && rest.len && rest.at[0] == '{') {
            scan->event->tail = rest;
            break;
        }
        if (count == 3)
            return false;
        column[count++] = take_column(&rest, &last);
    }
    return set_columns(scan->event, column, count) &&
           (!scan->event->tail.len || scan_fields(scan, scan->event->tail));
}

static struct text take_word(struct text *rest)
{
    struct text trimmed = text_trim(*rest);
    const char *space = trimmed.len ? memchr(trimmed.at, ' ', trimmed.len) : NULL;
    const char *end = trimmed.at + trimmed.len;
    *rest = space ? text_span(space + 1, end) : (struct text){.at = end};
    return text_span(trimmed.at, space ? space : end);
}

/* The message of a line without TABs: with a logger before it or not, which only a message that is
 * known can tell. An unknown one is taken whole. */
static void set_spaced_message(struct event *e, struct text words)
{
    e->message = words;
    for (int skipped = 0; skipped < 3 && words.len; skipped++) {
        if (scan_message_is_known(words)) {
            e->message = words;
            return;
        }
        struct text word = take_word(&words);
        words = text_trim(words);
        if (skipped == 0 && scan_message_is_known(words))
            e->logger = word;
    }
}

/* A line whose TABs were turned into spaces by whoever copied it. Its parts can be told only when
 * fields follow or the message is known. */
static bool scan_spaced(struct scan *scan, struct text rest)
{
    struct event *e = scan->event;
    const char *brace = memmem(rest.at, rest.len, " {", 2);
    struct text words = text_trim(brace ? text_span(rest.at, brace) : rest);
    if (brace) {
        e->tail = text_span(brace + 1, rest.at + rest.len);
        if (!scan_fields(scan, e->tail))
            return false;
    }
    set_spaced_message(e, words);
    return e->message.len && (brace || scan_message_is_known(e->message));
}

static bool scan_console(struct scan *scan, struct text line)
{
    struct event *e = scan->event;
    struct text rest = line;
    bool last = true;
    size_t stamp = stamp_parse(line.at, line.len, &e->at_unix_ms, &scan->has_fraction);
    if (stamp) {
        if (stamp == line.len || (line.at[stamp] != '\t' && line.at[stamp] != ' '))
            return false;
        rest = text_span(line.at + stamp + 1, line.at + line.len);
        if (line.at[stamp] == ' ') {
            e->level = scan_level(take_word(&rest));
            return e->level != LEVEL_NONE && scan_spaced(scan, rest);
        }
    }
    e->level = scan_level(take_column(&rest, &last));
    return e->level != LEVEL_NONE && !last && scan_columns(scan, rest);
}

/* The wrapper's clock is finer than the line's, but the line's is the node's own. */
static void join_times(struct event *e, bool has_fraction, int64_t wrapper_unix_ms)
{
    if (wrapper_unix_ms == EVENT_NO_TIME)
        return;
    if (e->at_unix_ms == EVENT_NO_TIME)
        e->at_unix_ms = wrapper_unix_ms;
    else if (!has_fraction && wrapper_unix_ms >= e->at_unix_ms &&
             wrapper_unix_ms - e->at_unix_ms < 1000)
        e->at_unix_ms = wrapper_unix_ms;
}

static struct text strip_line(const char *line, size_t len)
{
    static const char mark[] = "\xef\xbb\xbf"; /* UTF-8 byte order mark */
    struct text t = {.at = line, .len = (uint32_t)len};
    if (text_begins(t, mark)) {
        t.at += sizeof(mark) - 1;
        t.len -= sizeof(mark) - 1;
    }
    if (t.len && t.at[t.len - 1] == '\r')
        t.len--;
    return t;
}

void line_scan(const char *line, size_t len, int64_t wrapper_unix_ms, struct event *out)
{
    struct text text = strip_line(line, len < LINE_MAX_BYTES ? len : LINE_MAX_BYTES);
    struct scan scan = {.event = out};
    *out = no_event;
    bool read =
        text.len && (text.at[0] == '{' ? scan_record(&scan, text) : scan_console(&scan, text));
    if (!read || !scan_classify(&scan)) {
        *out = no_event;
        if (text.len && !read)
            scan_bare(out, text);
    }
    join_times(out, scan.has_fraction, wrapper_unix_ms);
}
