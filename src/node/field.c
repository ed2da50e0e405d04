/* Fields of a line (scan.h): key in, member of struct event out. Nodes renamed all their keys once
 * ("Piece ID" became piece_id) and always wrote some in camelCase, so a key is first brought into
 * one spelling and then looked up in one table. There are no tables per version and there must be
 * none: logs of all ages are read with the same code. A repeated key replaces the one before. */
#include "node/scan.h"

#include "base/cleanup.h"
#include "node/units.h"

#define KEY_MAX 192 /* of a key written with escapes; longer is none of ours */

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
    const char *name; /* in the one spelling */
    uint32_t len;
    enum field field;
};

#define KEY(name, field)                                                                           \
    {                                                                                              \
        name, sizeof(name) - 1, field                                                              \
    }

/* By first letter, so that a look-up compares a few candidates only. */
static const struct field_key keys_a[] = {
    KEY("action", FIELD_ACTION),
    KEY("available_space", FIELD_SPACE),
    KEY("attempts", FIELD_ATTEMPTS),
    KEY("audit_score", FIELD_AUDIT_SCORE),
};
static const struct field_key keys_c[] = {
    KEY("count", FIELD_COUNT),
    KEY("current_version", FIELD_VERSION),
};
static const struct field_key keys_d[] = {
    KEY("duration", FIELD_DURATION),
    KEY("deleted_pieces", FIELD_COUNT),
};
static const struct field_key keys_e[] = {
    KEY("error", FIELD_ERROR),
    KEY("elapsed", FIELD_DURATION),
};
static const struct field_key keys_i[] = {KEY("id", FIELD_ID)};
static const struct field_key keys_m[] = {KEY("minimum_version", FIELD_VERSION)};
static const struct field_key keys_n[] = {KEY("num_keys_deleted", FIELD_COUNT)};
static const struct field_key keys_o[] = {
    KEY("offset", FIELD_OFFSET),
    KEY("online_score", FIELD_ONLINE_SCORE),
};
static const struct field_key keys_p[] = {
    KEY("process", FIELD_PROCESS),
    KEY("piece_id", FIELD_PIECE),
    KEY("piece_count", FIELD_COUNT),
};
static const struct field_key keys_r[] = {
    KEY("remote_address", FIELD_REMOTE),
    KEY("reason", FIELD_REASON),
};
static const struct field_key keys_s[] = {
    KEY("size", FIELD_SIZE),
    KEY("satellite_id", FIELD_SATELLITE),
    KEY("satellite", FIELD_SATELLITE),
    KEY("sat", FIELD_SATELLITE),
    KEY("store", FIELD_STORE),
    KEY("suspension_score", FIELD_SUSPENSION_SCORE),
    KEY("successful_audits", FIELD_GOOD_AUDITS),
};
static const struct field_key keys_t[] = {
    KEY("took", FIELD_DURATION),
    KEY("total_audits", FIELD_TOTAL_AUDITS),
    KEY("trashed_pieces", FIELD_COUNT),
    KEY("total_pieces_count", FIELD_COUNT),
};
static const struct field_key keys_v[] = {KEY("version", FIELD_VERSION)};

#define KEYS(letter, keys) [(letter) - 'a'] = {keys, ARRAY_LEN(keys)}
static const struct {
    const struct field_key *at;
    size_t count;
} keys_by_letter['z' - 'a' + 1] = {
    KEYS('a', keys_a), KEYS('c', keys_c), KEYS('d', keys_d), KEYS('e', keys_e), KEYS('i', keys_i),
    KEYS('m', keys_m), KEYS('n', keys_n), KEYS('o', keys_o), KEYS('p', keys_p), KEYS('r', keys_r),
    KEYS('s', keys_s), KEYS('t', keys_t), KEYS('v', keys_v),
};
#undef KEYS

/* True when the key, brought into the one spelling, is `name`. The one spelling is lower case with
 * words joined by '_'. A word ends at a space, '-' or '_', and where a capital follows a small
 * letter or digit; a run of capitals is one word. */
static bool is_spelling_of(struct text key, const char *name)
{
    char before = 0;
    for (uint32_t i = 0; i < key.len; i++) {
        char c = key.at[i];
        if (c == *name && c > '_') { /* most are: a small letter as it is */
            before = c;
            name++;
            continue;
        }
        bool capital = c >= 'A' && c <= 'Z';
        if (c == ' ' || c == '-')
            c = '_';
        bool ends_word = (before >= 'a' && before <= 'z') || (before >= '0' && before <= '9');
        if (capital && ends_word && *name++ != '_')
            return false;
        if (c == '_' && before == '_')
            continue;
        if (*name++ != (capital ? (c | 0x20) : c) || !c)
            return false;
        before = c;
    }
    return *name == '\0';
}

static enum field find_field(struct text key)
{
    char scratch[KEY_MAX];
    key = text_small(key, scratch, sizeof(scratch));
    unsigned letter = key.len ? (unsigned)((key.at[0] | 0x20) - 'a') : ARRAY_LEN(keys_by_letter);
    if (letter >= ARRAY_LEN(keys_by_letter) || !keys_by_letter[letter].count)
        return FIELD_NONE;
    const struct field_key *from = keys_by_letter[letter].at;
    const struct field_key *end = from + keys_by_letter[letter].count;
    for (const struct field_key *k = from; k < end; k++)
        if (k->len == key.len && memcmp(k->name, key.at, k->len) == 0)
            return k->field;
    for (const struct field_key *k = from; k < end; k++)
        if (is_spelling_of(key, k->name))
            return k->field;
    return FIELD_NONE;
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
