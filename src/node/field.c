/* Fields of a line (scan.h): key in, member of struct event out. Nodes renamed all their keys once
 * ("Piece ID" became piece_id) and always wrote some in camelCase, so a key is first brought into
 * one spelling and then looked up in one table. There are no tables per version and there must be
 * none: logs of all ages are read with the same code. A repeated key replaces the one before. */
#include "node/scan.h"

#include "base/cleanup.h"
#include "node/units.h"

#define KEY_MAX 32

enum field {
    FIELD_NONE,
    FIELD_PROCESS,
    FIELD_PIECE,
    FIELD_SATELLITE,
    FIELD_ID,
    FIELD_ACTION,
    FIELD_REMOTE,
    FIELD_ERROR,
    FIELD_REASON,
    FIELD_STORE,
    FIELD_VERSION,
    FIELD_SIZE,
    FIELD_OFFSET,
    FIELD_SPACE,
    FIELD_DURATION,
    FIELD_COUNT,
    FIELD_ATTEMPTS,
    FIELD_TOTAL_AUDITS,
    FIELD_GOOD_AUDITS,
    FIELD_AUDIT_SCORE,
    FIELD_ONLINE_SCORE,
    FIELD_SUSPENSION_SCORE,
};

struct field_key {
    char name[KEY_MAX];
    enum field field;
};

/* By length, so that a look-up compares a few candidates only. */
static const struct field_key keys_2[] = {{"id", FIELD_ID}};
static const struct field_key keys_3[] = {{"sat", FIELD_SATELLITE}};
static const struct field_key keys_4[] = {{"size", FIELD_SIZE}, {"took", FIELD_DURATION}};
static const struct field_key keys_5[] = {
    {"error", FIELD_ERROR}, {"count", FIELD_COUNT}, {"store", FIELD_STORE}};
static const struct field_key keys_6[] = {
    {"action", FIELD_ACTION}, {"offset", FIELD_OFFSET}, {"reason", FIELD_REASON}};
static const struct field_key keys_7[] = {
    {"process", FIELD_PROCESS}, {"elapsed", FIELD_DURATION}, {"version", FIELD_VERSION}};
static const struct field_key keys_8[] = {
    {"piece_id", FIELD_PIECE}, {"duration", FIELD_DURATION}, {"attempts", FIELD_ATTEMPTS}};
static const struct field_key keys_9[] = {{"satellite", FIELD_SATELLITE}};
static const struct field_key keys_11[] = {{"audit_score", FIELD_AUDIT_SCORE},
                                           {"piece_count", FIELD_COUNT}};
static const struct field_key keys_12[] = {{"satellite_id", FIELD_SATELLITE},
                                           {"online_score", FIELD_ONLINE_SCORE},
                                           {"total_audits", FIELD_TOTAL_AUDITS}};
static const struct field_key keys_14[] = {{"remote_address", FIELD_REMOTE},
                                           {"deleted_pieces", FIELD_COUNT},
                                           {"trashed_pieces", FIELD_COUNT}};
static const struct field_key keys_15[] = {{"available_space", FIELD_SPACE},
                                           {"minimum_version", FIELD_VERSION},
                                           {"current_version", FIELD_VERSION}};
static const struct field_key keys_16[] = {{"suspension_score", FIELD_SUSPENSION_SCORE},
                                           {"num_keys_deleted", FIELD_COUNT}};
static const struct field_key keys_17[] = {{"successful_audits", FIELD_GOOD_AUDITS}};
static const struct field_key keys_18[] = {{"total_pieces_count", FIELD_COUNT}};

#define KEYS(n) [n] = {keys_##n, ARRAY_LEN(keys_##n)}
static const struct {
    const struct field_key *at;
    size_t count;
} keys_by_length[] = {KEYS(2),  KEYS(3),  KEYS(4),  KEYS(5),  KEYS(6),  KEYS(7),  KEYS(8), KEYS(9),
                      KEYS(11), KEYS(12), KEYS(14), KEYS(15), KEYS(16), KEYS(17), KEYS(18)};
#undef KEYS

static enum field field_of(const char *name, size_t len)
{
    if (len >= ARRAY_LEN(keys_by_length))
        return FIELD_NONE;
    for (size_t i = 0; i < keys_by_length[len].count; i++)
        if (memcmp(keys_by_length[len].at[i].name, name, len) == 0)
            return keys_by_length[len].at[i].field;
    return FIELD_NONE;
}

static inline bool is_lower_word(const char *at, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if ((at[i] < 'a' || at[i] > 'z') && at[i] != '_')
            return false;
    return true;
}

/* The one spelling: lower case, words joined by '_'. A word ends at a space, '-' or '_', and where
 * a capital follows a small letter or digit; a run of capitals is one word. Returns its length, 0
 * when it is longer than any key known here. */
static size_t canonical_key(struct text key, char out[KEY_MAX])
{
    size_t put = 0;
    char before = '_';
    for (uint32_t i = 0; i < key.len; i++) {
        char c = key.at[i];
        bool capital = c >= 'A' && c <= 'Z';
        if (put + 2 > KEY_MAX)
            return 0;
        if (c == ' ' || c == '-')
            c = '_';
        if (capital && ((before >= 'a' && before <= 'z') || (before >= '0' && before <= '9')))
            out[put++] = '_';
        before = c;
        if (c == '_' && put && out[put - 1] == '_')
            continue;
        out[put++] = capital ? (char)(c | 0x20) : c;
    }
    return put;
}

static enum field find_field(struct text key)
{
    char scratch[KEY_MAX * 6], name[KEY_MAX];
    if (key.escaped)
        key = text_small(key, scratch, sizeof(scratch));
    if (key.len < KEY_MAX && is_lower_word(key.at, key.len))
        return field_of(key.at, key.len);
    return field_of(name, canonical_key(key, name));
}

static const struct {
    const char *name;
    enum action action;
} actions[] = {
    {"GET", ACTION_GET},
    {"PUT", ACTION_PUT},
    {"GET_AUDIT", ACTION_GET_AUDIT},
    {"GET_REPAIR", ACTION_GET_REPAIR},
    {"PUT_REPAIR", ACTION_PUT_REPAIR},
    {"DELETE", ACTION_DELETE},
    {"PUT_GRACEFUL_EXIT", ACTION_PUT_GRACEFUL_EXIT},
};

static enum action action_of(struct text name)
{
    char scratch[128];
    if (!name.len)
        return ACTION_NONE;
    name = text_small(name, scratch, sizeof(scratch));
    for (size_t i = 0; i < ARRAY_LEN(actions); i++)
        if (text_is(name, actions[i].name))
            return actions[i].action;
    return ACTION_OTHER;
}

static void set_text(struct text *to, const struct json_value *value)
{
    if (value->kind == JSON_STRING)
        *to = value->text;
}

/* The digits of a number, wherever it stands: some encoders write numbers as strings. */
static struct text number_text(const struct json_value *value, char *scratch, size_t cap)
{
    if (value->kind != JSON_NUMBER && value->kind != JSON_STRING)
        return (struct text){0};
    return text_small(value->text, scratch, cap);
}

/* A count or a number of bytes: never negative; anything else is unknown. */
static void set_amount(int64_t *to, const struct json_value *value,
                       bool (*parse)(struct text, int64_t *))
{
    char scratch[64];
    int64_t amount;
    if (parse(number_text(value, scratch, sizeof(scratch)), &amount))
        *to = amount < 0 ? EVENT_NO_NUMBER : amount;
}

static void set_score(double *to, const struct json_value *value)
{
    char scratch[64];
    double score;
    if (units_number(number_text(value, scratch, sizeof(scratch)), &score))
        *to = score;
}

static void set_number_field(struct event *e, enum field field, const struct json_value *value)
{
    switch (field) {
    case FIELD_SIZE:
        set_amount(&e->size_bytes, value, units_size_bytes);
        break;
    case FIELD_OFFSET:
        set_amount(&e->offset_bytes, value, units_integer);
        break;
    case FIELD_SPACE:
        set_amount(&e->available_space_bytes, value, units_size_bytes);
        break;
    case FIELD_DURATION:
        set_amount(&e->duration_ns, value, units_duration_ns);
        break;
    case FIELD_COUNT:
        set_amount(&e->count, value, units_integer);
        break;
    case FIELD_ATTEMPTS:
        set_amount(&e->attempts, value, units_integer);
        break;
    case FIELD_TOTAL_AUDITS:
        set_amount(&e->total_audits, value, units_integer);
        break;
    case FIELD_GOOD_AUDITS:
        set_amount(&e->successful_audits, value, units_integer);
        break;
    case FIELD_AUDIT_SCORE:
        set_score(&e->audit_score, value);
        break;
    case FIELD_ONLINE_SCORE:
        set_score(&e->online_score, value);
        break;
    case FIELD_SUSPENSION_SCORE:
        set_score(&e->suspension_score, value);
        break;
    default:
        break;
    }
}

void scan_field(struct scan *scan, struct text key, const struct json_value *value)
{
    struct event *e = scan->event;
    enum field field = find_field(key);
    switch (field) {
    case FIELD_NONE:
        break;
    case FIELD_PROCESS:
        set_text(&e->process, value);
        break;
    case FIELD_PIECE:
        set_text(&e->piece, value);
        break;
    case FIELD_SATELLITE:
        set_text(&e->satellite, value);
        break;
    case FIELD_ID:
        set_text(&scan->id, value);
        break;
    case FIELD_ACTION:
        set_text(&e->action_name, value);
        e->action = action_of(e->action_name);
        break;
    case FIELD_REMOTE:
        set_text(&e->remote, value);
        break;
    case FIELD_ERROR:
        set_text(&e->error, value);
        break;
    case FIELD_REASON:
        set_text(&scan->reason, value);
        break;
    case FIELD_STORE:
        set_text(&e->store, value);
        break;
    case FIELD_VERSION:
        set_text(&e->version, value);
        break;
    default:
        set_number_field(e, field, value);
    }
}

bool scan_fields(struct scan *scan, struct text tail)
{
    struct json_walk walk;
    struct text key;
    struct json_value value;
    enum json_step step;
    if (!json_open(&walk, tail))
        return false;
    while ((step = json_next(&walk, &key, &value)) == JSON_MEMBER)
        scan_field(scan, key, &value);
    return step == JSON_CLOSED && json_is_done(&walk);
}
