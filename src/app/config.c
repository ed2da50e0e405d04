/* The option table and what reads it (config.h). A value is set once: the first source that names
 * it wins, in the order flags, environment, file; defaults stand where nobody did. */
#include "app/config.h"

#include <assert.h>
#include <ctype.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "app/log.h"
#include "onewriter/onewriter.h"
#include "app/settings.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "node/text.h"

#define NODE_NAME_MAX 100
#define SHOWN_MAX     60 /* bytes of a wrong value that an error repeats */

enum option_type {
    OPTION_TEXT,    /* empty only where the default is */
    OPTION_NAME,    /* a node's name */
    OPTION_COUNT,   /* whole number */
    OPTION_SECONDS, /* decimal seconds, kept in ms */
    OPTION_FLAG,    /* takes no value */
    OPTION_NODE,    /* NAME=LOG, repeatable */
    OPTION_LEVEL,
    OPTION_SYNCHRONOUS,
    OPTION_PROFILE,
};

#define ALL_COMMANDS (COMMAND_RUN | COMMAND_INGEST | COMMAND_EXPORT | COMMAND_STATUS | COMMAND_DEMO)
#define WRITERS      (COMMAND_RUN | COMMAND_INGEST | COMMAND_DEMO)

struct option_row {
    const char *key;  /* YAML name; NULL: a flag of the command line only */
    const char *flag; /* long flag without --; NULL: file and environment only */
    char letter;      /* short flag or 0 */
    enum option_type type;
    unsigned commands;
    size_t at; /* offset in struct config */
    double min, max;
    const char *metavar, *fallback, *help;
};

#define AT(member) offsetof(struct config, member)

static const struct option_row options[] = {
    {"nodes", "node", 0, OPTION_NODE, COMMAND_RUN, 0, 0, 0, "NAME=LOG", NULL,
     "a node's name and its log file; once per node"},
    {"db.path", "db", 0, OPTION_TEXT, ALL_COMMANDS & ~(unsigned)COMMAND_DEMO, AT(db_path), 0, 0,
     "PATH", "nodewatch.db", "the SQLite database"},
    {"db.profile", NULL, 0, OPTION_PROFILE, WRITERS, AT(db_profile), 0, 0,
     "balanced|concurrency|latency|small", "balanced",
     "sets what the database does not have set by name; docs/onewriter.md tells the values"},
    {"db.thread_pool_size", NULL, 0, OPTION_COUNT, WRITERS, AT(db_thread_pool_size), 1, 1000, "N",
     "10", "threads at most that read for others"},
    {"db.connection_pool_size", NULL, 0, OPTION_COUNT, WRITERS, AT(db_connection_pool_size), 1, 64,
     "N", "5", "connections that read"},
    {"db.connection_timeout", NULL, 0, OPTION_SECONDS, WRITERS, AT(db_connection_timeout_ms), 0.01,
     3600, "SECONDS", "30", "how long a lock of another process is waited for"},
    {"db.max_retries", NULL, 0, OPTION_COUNT, WRITERS, AT(db_max_retries), 1, 1000, "N", "3",
     "attempts at an operation that meets a lock"},
    {"db.retry_base_delay", NULL, 0, OPTION_SECONDS, WRITERS, AT(db_retry_base_delay_ms), 0.001, 60,
     "SECONDS", "0.5", "pause before the second attempt; doubles with each"},
    {"db.retry_max_delay", NULL, 0, OPTION_SECONDS, WRITERS, AT(db_retry_max_delay_ms), 0.001, 600,
     "SECONDS", "5", "longest pause between attempts"},
    {"db.synchronous", NULL, 0, OPTION_SYNCHRONOUS, WRITERS, AT(db_synchronous_full), 0, 0,
     "normal|full", "normal",
     "full syncs every commit; with normal a power cut re-reads the last lines from the log"},
    {"web.listen", "listen", 0, OPTION_TEXT, COMMAND_RUN | COMMAND_DEMO, AT(web_listen), 0, 0,
     "ADDR:PORT", "127.0.0.1:8765", "where the page is served; port 0 picks a free one"},
    {"web.allowed_hosts", "allow-host", 0, OPTION_TEXT, COMMAND_RUN | COMMAND_DEMO,
     AT(web_allowed_hosts), 0, 0, "NAMES", "",
     "further host names the page may be asked by, separated by commas (for a reverse proxy)"},
    {"log.level", "log-level", 0, OPTION_LEVEL, ALL_COMMANDS, AT(log_level), 0, 0,
     "error|warning|info|debug", "info", "how much nodewatch itself logs"},
    {NULL, "config", 'c', OPTION_TEXT, ALL_COMMANDS & ~(unsigned)COMMAND_DEMO, AT(file), 0, 0,
     "FILE", NULL, "YAML file with these settings (see etc/nodewatch.yaml)"},
    {NULL, "node", 0, OPTION_NAME, COMMAND_INGEST | COMMAND_EXPORT, AT(ingest_node), 0, 0, "NAME",
     NULL, "the node's name"},
    {NULL, "from", 0, OPTION_TEXT, COMMAND_EXPORT, AT(from), 0, 0, "TIME", NULL,
     "first time to export: 2026-08-20 or 2026-08-20T10:00:14Z"},
    {NULL, "to", 0, OPTION_TEXT, COMMAND_EXPORT, AT(to), 0, 0, "TIME", NULL, "time to stop before"},
    {NULL, "format", 0, OPTION_TEXT, COMMAND_EXPORT, AT(format), 0, 0, "csv|jsonl", "csv",
     "how records are written"},
    {NULL, "dir", 0, OPTION_TEXT, COMMAND_DEMO, AT(demo_dir), 0, 0, "PATH", NULL,
     "folder for the demo's logs and database (default: a temporary one, removed at the end)"},
    {NULL, "json", 0, OPTION_FLAG, COMMAND_INGEST | COMMAND_STATUS, AT(json), 0, 0, NULL, NULL,
     "print one JSON object"},
    {NULL, "help", 'h', OPTION_FLAG, ALL_COMMANDS, AT(help), 0, 0, NULL, NULL, "print this"},
};

static_assert(ARRAY_LEN(options) <= 64, "one bit a row, see struct loading");

/* Which rows were given by whom: one bit a row, kept beside the config while loading. */
struct loading {
    struct config *config;
    uint64_t seen;  /* by an earlier source */
    uint64_t fresh; /* by this source */
    uint64_t file;  /* named in the file, whether it wins or not */
};

static void *member(struct config *c, const struct option_row *row)
{
    return (char *)c + row->at;
}

static int bad_value(const struct option_row *row, const char *value, const char *where,
                     struct err *err)
{
    if (row->type == OPTION_COUNT || row->type == OPTION_SECONDS)
        return err_set(err, ERR_USAGE, "%s: \"%.*s\" is not a %snumber from %g to %g", where,
                       SHOWN_MAX, value, row->type == OPTION_COUNT ? "whole " : "", row->min,
                       row->max);
    return err_set(err, ERR_USAGE, "%s: \"%.*s\" should be %s", where, SHOWN_MAX, value,
                   row->metavar);
}

static int set_text(char **slot, const char *value, struct err *err)
{
    char *copy = strdup(value);
    if (!copy)
        return err_set(err, ERR_MEMORY, "no memory for a setting");
    free(*slot);
    *slot = copy;
    return 0;
}

/* Names stand in tables, JSON, labels and NAME=LOG, so they are text that survives all of these. */
static int check_name(const char *name, size_t len, const char *where, struct err *err)
{
    if (!len || len > NODE_NAME_MAX)
        return err_set(err, ERR_USAGE, "%s: a node's name has 1 to %d bytes", where, NODE_NAME_MAX);
    if (memchr(name, '=', len))
        return err_set(err, ERR_USAGE, "%s: a node's name cannot contain '='", where);
    CLEANUP(buf_fini) struct buf clean = {0};
    text_copy(&clean, (struct text){.at = name, .len = (uint32_t)len}, 3 * len, TEXT_PRINTABLE);
    if (clean.failed)
        return err_set(err, ERR_MEMORY, "no memory for a node");
    if (clean.len != len || memcmp(clean.data, name, len) != 0 || memchr(name, '\t', len))
        return err_set(err, ERR_USAGE, "%s: a node's name is UTF-8 text without control characters",
                       where);
    return 0;
}

static int add_node(struct config *c, const char *name, size_t name_len, const char *log,
                    const char *where, struct err *err)
{
    int rc = check_name(name, name_len, where, err);
    if (rc)
        return rc;
    for (size_t i = 0; i < c->node_count; i++) {
        if (strlen(c->nodes[i].name) == name_len && !memcmp(c->nodes[i].name, name, name_len))
            return err_set(err, ERR_USAGE, "%s: node \"%s\" is given twice", where,
                           c->nodes[i].name);
    }
    struct config_node *more = realloc(c->nodes, (c->node_count + 1) * sizeof(*more));
    if (!more)
        return err_set(err, ERR_MEMORY, "no memory for a node");
    c->nodes = more;
    struct config_node node = {strndup(name, name_len), strdup(log)};
    if (!node.name || !node.log) {
        free(node.name);
        free(node.log);
        return err_set(err, ERR_MEMORY, "no memory for a node");
    }
    c->nodes[c->node_count++] = node;
    return 0;
}

static int set_number(struct config *c, const struct option_row *row, const char *value,
                      const char *where, struct err *err)
{
    /* strtod would also take white space, hexadecimal, exponents and "nan". */
    char *end;
    double number = strtod(value, &end);
    if (!*value || value[strspn(value, "0123456789.")] || *end || !(number >= row->min) ||
        !(number <= row->max) || (row->type == OPTION_COUNT && number != floor(number)))
        return bad_value(row, value, where, err);
    *(int *)member(c, row) = (int)lround(row->type == OPTION_SECONDS ? number * 1000 : number);
    return 0;
}

static int set_value(struct config *c, const struct option_row *row, const char *value,
                     const char *where, struct err *err)
{
    switch (row->type) {
    case OPTION_TEXT:
        if (!*value && !(row->fallback && !*row->fallback))
            return bad_value(row, value, where, err);
        return set_text(member(c, row), value, err);
    case OPTION_NAME: {
        int rc = check_name(value, strlen(value), where, err);
        return rc ? rc : set_text(member(c, row), value, err);
    }
    case OPTION_COUNT:
    case OPTION_SECONDS:
        return set_number(c, row, value, where, err);
    case OPTION_FLAG:
        *(bool *)member(c, row) = true;
        return 0;
    case OPTION_NODE: {
        const char *equals = strchr(value, '=');
        if (!equals || equals == value || !equals[1])
            return err_set(err, ERR_USAGE,
                           "%s: a node is given as NAME=LOG, e.g. home=/var/log/storagenode.log",
                           where);
        return add_node(c, value, (size_t)(equals - value), equals + 1, where, err);
    }
    case OPTION_LEVEL: {
        enum log_level level;
        if (!log_level_parse(value, &level))
            return bad_value(row, value, where, err);
        *(int *)member(c, row) = (int)level;
        return 0;
    }
    case OPTION_PROFILE: {
        enum ow_profile profile;
        if (!ow_profile_parse(value, &profile))
            return bad_value(row, value, where, err);
        *(int *)member(c, row) = profile;
        return 0;
    }
    case OPTION_SYNCHRONOUS:
        if (strcmp(value, "normal") != 0 && strcmp(value, "full") != 0)
            return bad_value(row, value, where, err);
        *(bool *)member(c, row) = strcmp(value, "full") == 0;
        return 0;
    }
    return err_set(err, ERR_BUG, "%s: option of no known type", where);
}

/* Sets a row unless an earlier source did. */
static int load_value(struct loading *l, const struct option_row *row, const char *value,
                      const char *where, struct err *err)
{
    uint64_t bit = UINT64_C(1) << (row - options);
    if (l->seen & bit)
        return 0;
    l->fresh |= bit;
    return set_value(l->config, row, value, where, err);
}

static void next_source(struct loading *l)
{
    l->seen |= l->fresh;
    l->fresh = 0;
}

void config_init(struct config *c)
{
    *c = (struct config){0};
    for (size_t i = 0; i < ARRAY_LEN(options); i++) {
        if (options[i].fallback && set_value(c, &options[i], options[i].fallback, "default", NULL))
            abort(); /* a default of the table above is wrong, or there is no memory at all */
    }
}

void config_fini(struct config *c)
{
    for (size_t i = 0; i < c->node_count; i++) {
        free(c->nodes[i].name);
        free(c->nodes[i].log);
    }
    free(c->nodes);
    for (size_t i = 0; i < ARRAY_LEN(options); i++) {
        if (options[i].type == OPTION_TEXT || options[i].type == OPTION_NAME) {
            free(*(char **)member(c, &options[i]));
            *(char **)member(c, &options[i]) = NULL;
        }
    }
    free(c->operands);
    *c = (struct config){0};
}

/* ---- Flags ---------------------------------------------------------------------------------- */

/* By its letter when it has one, else by its name. */
static const struct option_row *find_flag(const char *name, size_t len, char letter,
                                          enum command command)
{
    for (size_t i = 0; i < ARRAY_LEN(options); i++) {
        const struct option_row *row = &options[i];
        if (!(row->commands & (unsigned)command) || !row->flag)
            continue;
        if (letter ? row->letter == letter
                   : strlen(row->flag) == len && strncmp(row->flag, name, len) == 0)
            return row;
    }
    return NULL;
}

static int load_flag(struct loading *l, enum command command, int argc, char **argv, int *at,
                     struct err *err)
{
    const char *word = argv[*at];
    bool is_long = word[1] == '-';
    const char *name = word + (is_long ? 2 : 1);
    const char *equals = is_long ? strchr(name, '=') : NULL;
    size_t len = equals ? (size_t)(equals - name) : strlen(name);
    const struct option_row *row = find_flag(name, len, is_long ? 0 : name[0], command);
    if (!row || (!is_long && row->type == OPTION_FLAG && name[1]))
        return err_set(err, ERR_USAGE, "unknown option %s; see --help", word);
    if (row->type == OPTION_FLAG) {
        if (equals)
            return err_set(err, ERR_USAGE, "--%s takes no value", row->flag);
        return load_value(l, row, "", word, err);
    }
    const char *value = equals ? equals + 1 : !is_long && name[1] ? name + 1 : NULL;
    if (!value) {
        if (*at + 1 >= argc)
            return err_set(err, ERR_USAGE, "%s needs a value: %s", word, row->metavar);
        value = argv[++*at];
    }
    char where[64];
    snprintf(where, sizeof(where), "--%s", row->flag);
    return load_value(l, row, value, where, err);
}

static int load_flags(struct loading *l, enum command command, int argc, char **argv, int first,
                      struct err *err)
{
    struct config *c = l->config;
    c->operands = calloc((size_t)argc + 1, sizeof(*c->operands));
    if (!c->operands)
        return err_set(err, ERR_MEMORY, "no memory for the command line");
    bool only_operands = false;
    for (int i = first; i < argc; i++) {
        if (only_operands || argv[i][0] != '-' || !argv[i][1]) {
            c->operands[c->operand_count++] = argv[i];
        } else if (strcmp(argv[i], "--") == 0) {
            only_operands = true;
        } else {
            int rc = load_flag(l, command, argc, argv, &i, err);
            if (rc)
                return rc;
        }
    }
    return 0;
}

/* ---- Environment ---------------------------------------------------------------------------- */

static void variable_name(const struct option_row *row, char out[64])
{
    int n = snprintf(out, 64, "NODEWATCH_%s", row->key);
    for (int i = 0; i < n && i < 63; i++)
        out[i] = out[i] == '.' ? '_' : (char)toupper((unsigned char)out[i]);
}

/* NODEWATCH_NODES holds NAME=LOG pairs separated by semicolons. */
static int load_nodes_variable(struct loading *l, const struct option_row *row, const char *value,
                               const char *where, struct err *err)
{
    CLEANUP(free_ptr) char *copy = strdup(value);
    if (!copy)
        return err_set(err, ERR_MEMORY, "no memory for %s", where);
    char *save = NULL;
    for (char *item = strtok_r(copy, ";", &save); item; item = strtok_r(NULL, ";", &save)) {
        int rc = load_value(l, row, item, where, err);
        if (rc)
            return rc;
    }
    return 0;
}

static int load_environment(struct loading *l, enum command command, struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(options); i++) {
        const struct option_row *row = &options[i];
        if (!row->key || !(row->commands & (unsigned)command))
            continue;
        char name[64];
        variable_name(row, name);
        const char *value = getenv(name);
        if (!value)
            continue;
        int rc = row->type == OPTION_NODE ? load_nodes_variable(l, row, value, name, err)
                                          : load_value(l, row, value, name, err);
        if (rc)
            return rc;
    }
    return 0;
}

/* ---- File ----------------------------------------------------------------------------------- */

static int load_setting(void *ctx, const char *key, const char *value, const char *where,
                        struct err *err)
{
    struct loading *l = ctx;
    for (size_t i = 0; i < ARRAY_LEN(options); i++) {
        const struct option_row *row = &options[i];
        if (!row->key || strcmp(row->key, key) != 0)
            continue;
        if (row->type != OPTION_NODE && l->file & UINT64_C(1) << i)
            return err_set(err, ERR_USAGE, "%s: %s is given twice", where, key);
        l->file |= UINT64_C(1) << i;
        return load_value(l, row, value, where, err);
    }
    return err_set(err, ERR_USAGE, "%s: there is no setting \"%.*s\"", where, SHOWN_MAX, key);
}

/* What the profile decides, for settings that nobody gave. */
static void apply_profile(struct config *c, uint64_t given)
{
    struct ow_options decided;
    ow_options_init(&decided, NULL);
    ow_options_profile(&decided, (enum ow_profile)c->db_profile);
    const struct {
        size_t at;
        int value;
    } settings[] = {
        {AT(db_thread_pool_size), decided.thread_pool_size},
        {AT(db_connection_pool_size), decided.readers},
        {AT(db_connection_timeout_ms), decided.busy_timeout_ms},
        {AT(db_max_retries), decided.max_attempts},
        {AT(db_retry_base_delay_ms), decided.retry_base_delay_ms},
        {AT(db_retry_max_delay_ms), decided.retry_max_delay_ms},
    };
    for (size_t i = 0; i < ARRAY_LEN(options); i++)
        for (size_t s = 0; s < ARRAY_LEN(settings); s++)
            if (options[i].key && options[i].at == settings[s].at && !(given & UINT64_C(1) << i))
                *(int *)member(c, &options[i]) = settings[s].value;
}

/* What each value alone cannot tell. */
static int check_together(const struct config *c, struct err *err)
{
    if (c->db_retry_base_delay_ms > c->db_retry_max_delay_ms)
        return err_set(err, ERR_USAGE,
                       "db.retry_base_delay (%g s) is longer than db.retry_max_delay (%g s)",
                       c->db_retry_base_delay_ms / 1e3, c->db_retry_max_delay_ms / 1e3);
    return 0;
}

int config_load(struct config *c, enum command command, int argc, char **argv, int first,
                struct err *err)
{
    struct loading l = {.config = c};
    int rc = load_flags(&l, command, argc, argv, first, err);
    if (rc || c->help)
        return rc;
    next_source(&l);
    rc = load_environment(&l, command, err);
    next_source(&l);
    if (!rc && c->file)
        rc = settings_read(c->file, load_setting, &l, err);
    next_source(&l);
    if (rc)
        return rc;
    apply_profile(c, l.seen);
    return check_together(c, err);
}

/* ---- Help ----------------------------------------------------------------------------------- */

void config_print_options(enum command command, FILE *out)
{
    for (size_t i = 0; i < ARRAY_LEN(options); i++) {
        const struct option_row *row = &options[i];
        if (!(row->commands & (unsigned)command) || !row->flag)
            continue;
        char flag[80];
        int n = row->letter ? snprintf(flag, sizeof(flag), "-%c, ", row->letter) : 0;
        n += snprintf(flag + n, sizeof(flag) - (size_t)n, "--%s%s%s", row->flag,
                      row->metavar ? " " : "", row->metavar ? row->metavar : "");
        fprintf(out, "  %-28s%s%s", flag, n > 28 ? "\n                               " : " ",
                row->help);
        if (row->fallback && *row->fallback)
            fprintf(out, " [%s]", row->fallback);
        fputc('\n', out);
    }
}

void config_each_setting(void (*fn)(void *ctx, const char *key, const char *value,
                                    const char *help),
                         void *ctx)
{
    for (size_t i = 0; i < ARRAY_LEN(options); i++) {
        if (options[i].key)
            fn(ctx, options[i].key, options[i].fallback ? options[i].fallback : "",
               options[i].help);
    }
}
