/* Lines that are one JSON object: --log.encoding=json, whose fields are siblings of the line's own
 * keys L, T, N, C, M, S; and gcloudlogging, which has severity, message and timestamp, its text
 * fields (the logger's name among them) in an object of labels and its numbers at the top. Keys of
 * the line itself are compared as written, so that a field called "m" or "name" is not mistaken. */
#include "node/scan.h"

#include "node/stamp.h"
#include "node/units.h"

#define SHORT_MAX 192

struct record {
    struct text level, severity, time, message, logger;
    struct text stamp_object, labels; /* gcloudlogging */
    bool is_plain, is_cloud;          /* has "M", has "message" */
};

static enum level severity_level(struct text word)
{
    static const struct {
        const char *word;
        enum level level;
    } names[] = {
        {"DEBUG", LEVEL_DEBUG},     {"INFO", LEVEL_INFO},       {"WARNING", LEVEL_WARN},
        {"ERROR", LEVEL_ERROR},     {"CRITICAL", LEVEL_DPANIC}, {"ALERT", LEVEL_PANIC},
        {"EMERGENCY", LEVEL_FATAL},
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (text_is(word, names[i].word))
            return names[i].level;
    return LEVEL_NONE;
}

static bool take_letter_key(struct record *r, char key, const struct json_value *value)
{
    struct text none, *to = &none;
    switch (key) {
    case 'L':
        to = &r->level;
        break;
    case 'T':
        to = &r->time;
        break;
    case 'N':
        to = &r->logger;
        break;
    case 'M':
        to = &r->message;
        r->is_plain = value->kind == JSON_STRING;
        break;
    case 'C':
    case 'S':
        break;
    default:
        return false;
    }
    if (value->kind == JSON_STRING)
        *to = value->text;
    return true;
}

static bool take_cloud_key(struct record *r, struct text key, const struct json_value *value)
{
    if (text_is(key, "severity") && value->kind == JSON_STRING) {
        r->severity = value->text;
    } else if (text_is(key, "message") && value->kind == JSON_STRING) {
        r->message = value->text;
        r->is_cloud = true;
    } else if (text_is(key, "timestamp") && value->kind == JSON_OBJECT) {
        r->stamp_object = value->text;
    } else if (text_is(key, "timestamp") && value->kind == JSON_STRING) {
        r->time = value->text;
    } else if (text_is(key, "logging.googleapis.com/labels") && value->kind == JSON_OBJECT) {
        r->labels = value->text;
    } else {
        return false;
    }
    return true;
}

static bool take_labels(struct scan *scan, struct record *r)
{
    struct json_walk walk;
    struct text key;
    struct json_value value;
    if (!r->labels.len)
        return true;
    if (!json_open(&walk, r->labels))
        return false;
    while (json_next(&walk, &key, &value) == JSON_MEMBER) {
        if (text_is(key, "name") && value.kind == JSON_STRING)
            r->logger = value.text;
        else
            scan_field(scan, key, &value);
    }
    return true;
}

/* {"seconds": 1787220014, "nanos": 123456789} */
static bool take_stamp_object(struct scan *scan, struct text object)
{
    struct json_walk walk;
    struct text key;
    struct json_value value;
    int64_t seconds = -1, nanos = 0;
    if (!json_open(&walk, object))
        return false;
    while (json_next(&walk, &key, &value) == JSON_MEMBER) {
        if (text_is(key, "seconds") && !units_integer(value.text, &seconds))
            return false;
        if (text_is(key, "nanos") && !units_integer(value.text, &nanos))
            return false;
    }
    /* The last second of the year 9999, as far as RFC 3339 goes. */
    if (seconds < 0 || seconds > 253402300799 || nanos < 0 || nanos > 999999999)
        return false;
    scan->event->at_unix_ms = seconds * 1000 + nanos / 1000000;
    scan->has_fraction = true;
    return true;
}

static bool take_time(struct scan *scan, const struct record *r)
{
    char scratch[SHORT_MAX];
    if (r->stamp_object.len)
        return take_stamp_object(scan, r->stamp_object);
    if (!r->time.at)
        return true;
    struct text time = text_small(r->time, scratch, sizeof(scratch));
    return time.len && stamp_parse(time.at, time.len, &scan->event->at_unix_ms,
                                   &scan->has_fraction) == time.len;
}

static bool take_level(struct scan *scan, const struct record *r)
{
    char scratch[SHORT_MAX];
    scan->event->level = r->is_plain
                             ? scan_level(text_small(r->level, scratch, sizeof(scratch)))
                             : severity_level(text_small(r->severity, scratch, sizeof(scratch)));
    return scan->event->level != LEVEL_NONE;
}

bool scan_record(struct scan *scan, struct text line)
{
    struct record r = {0};
    struct json_walk walk;
    struct text key;
    struct json_value value;
    enum json_step step;
    if (!json_open(&walk, line))
        return false;
    while ((step = json_next(&walk, &key, &value)) == JSON_MEMBER) {
        if (key.len == 1 && take_letter_key(&r, key.at[0], &value))
            continue;
        if (!take_cloud_key(&r, key, &value))
            scan_field(scan, key, &value);
    }
    if (step != JSON_CLOSED || !json_is_done(&walk) || (!r.is_plain && !r.is_cloud))
        return false;
    if (!take_level(scan, &r) || !take_time(scan, &r) || !take_labels(scan, &r))
        return false;
    scan->event->logger = r.logger;
    scan->event->message = r.message.escaped ? r.message : text_trim(r.message);
    scan->event->tail = line;
    return true;
}
