/* `nodewatch export events`: one record per transfer, as CSV (RFC 4180) or JSON Lines. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

#include "app/commands.h"
#include "base/clock.h"
#include "store/store.h"

struct export
{
    FILE *out;
    bool jsonl;
    int write_errno;
};

/* A CSV field: quoted when it must be. A leading = + - @ would run as a formula in a spreadsheet,
 * so such a text gets an apostrophe first. */
static void put_csv(FILE *out, const char *text)
{
    if (*text && strchr("=+-@", *text))
        fputc('\'', out);
    if (!strpbrk(text, ",\"\r\n")) {
        fputs(text, out);
        return;
    }
    fputc('"', out);
    for (; *text; text++) {
        if (*text == '"')
            fputc('"', out);
        fputc(*text, out);
    }
    fputc('"', out);
}

static void put_csv_number(FILE *out, int64_t number)
{
    fputc(',', out);
    if (number != EVENT_NO_NUMBER)
        fprintf(out, "%" PRId64, number);
}

static void put_csv_record(FILE *out, const struct store_transfer *t, const char *time)
{
    fputs(time, out);
    const char *const first[] = {t->node, t->satellite, t->action, t->outcome};
    for (size_t i = 0; i < sizeof(first) / sizeof(first[0]); i++) {
        fputc(',', out);
        put_csv(out, first[i]);
    }
    put_csv_number(out, t->size_bytes);
    fputc(',', out);
    put_csv(out, t->piece);
    fputc(',', out);
    put_csv(out, t->remote);
    put_csv_number(out, t->duration_ms);
    fputc(',', out);
    put_csv(out, t->error);
    fputc('\n', out);
}

static json_t *number_or_null(int64_t number)
{
    return number == EVENT_NO_NUMBER ? json_null() : json_integer(number);
}

static int put_json_record(FILE *out, const struct store_transfer *t, const char *time)
{
    json_t *object =
        json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:s, s:s, s:o, s:s}", "time", time, "node",
                  t->node, "satellite", t->satellite, "action", t->action, "outcome", t->outcome,
                  "size", number_or_null(t->size_bytes), "piece", t->piece, "remote", t->remote,
                  "duration_ms", number_or_null(t->duration_ms), "error", t->error);
    if (!object || json_dumpf(object, out, JSON_COMPACT)) {
        json_decref(object);
        return -1;
    }
    json_decref(object);
    fputc('\n', out);
    return 0;
}

static int put_record(void *ctx, const struct store_transfer *transfer)
{
    struct export *e = ctx;
    char time[CLOCK_RFC3339_MAX];
    clock_format_rfc3339_ms(time, transfer->at_unix_ms);
    errno = 0;
    int failed = 0;
    if (e->jsonl)
        failed = put_json_record(e->out, transfer, time);
    else
        put_csv_record(e->out, transfer, time);
    if (failed || ferror(e->out)) {
        e->write_errno = errno ? errno : EIO;
        return 1;
    }
    return 0;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* "Z", "+02:00", "-0700" or nothing (UTC); returns what follows. */
static const char *skip_zone(const char *at, int64_t *offset_s)
{
    if (*at == 'Z')
        return at + 1;
    if (*at != '+' && *at != '-')
        return at;
    int64_t sign = *at++ == '-' ? -1 : 1;
    int digits[4];
    for (int i = 0; i < 4; i++) {
        if (i == 2 && *at == ':')
            at++;
        if (!is_digit(*at))
            return at; /* what is left over is complained about by the caller */
        digits[i] = *at++ - '0';
    }
    *offset_s = sign * ((digits[0] * 10 + digits[1]) * 3600 + (digits[2] * 10 + digits[3]) * 60);
    return at;
}

/* "2026-08-20", "2026-08-20T10:00:14Z", "...+02:00"; seconds may carry a fraction. */
static int parse_time(const char *flag, const char *text, int64_t *unix_ms, struct err *err)
{
    struct tm tm = {0};
    const char *at = strptime(text, "%Y-%m-%d", &tm);
    int64_t ms = 0, offset_s = 0;
    if (at && (*at == 'T' || *at == ' ')) {
        at = strptime(at + 1, "%H:%M:%S", &tm);
        if (at && *at == '.') {
            int digits = 0;
            for (at++; *at >= '0' && *at <= '9'; at++, digits++)
                ms = digits < 3 ? ms * 10 + (*at - '0') : ms;
            for (; digits < 3; digits++)
                ms *= 10;
        }
        at = at ? skip_zone(at, &offset_s) : NULL;
    }
    if (!at || *at)
        return err_set(err, ERR_USAGE,
                       "--%s %s: a time is expected, e.g. 2026-08-20 or 2026-08-20T10:00:14Z", flag,
                       text);
    *unix_ms = ((int64_t)timegm(&tm) - offset_s) * 1000 + ms;
    return 0;
}

static int find_node(struct store *store, const char *name, int64_t *id, struct err *err)
{
    struct store_node *nodes;
    size_t count;
    int rc = store_nodes(store, &nodes, &count, err);
    if (rc)
        return rc;
    *id = 0;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(nodes[i].name, name) == 0)
            *id = nodes[i].id;
    }
    store_nodes_free(nodes, count);
    return *id ? 0
               : err_set(err, ERR_USAGE,
                         "there is no node \"%s\" in this database; nodewatch status lists them",
                         name);
}

static int export_all(struct store *store, const struct config *config, struct export *e,
                      struct err *err)
{
    int64_t from = 0, to = INT64_MAX, node_id = 0;
    int rc = config->from ? parse_time("from", config->from, &from, err) : 0;
    if (!rc && config->to)
        rc = parse_time("to", config->to, &to, err);
    if (!rc && config->ingest_node)
        rc = find_node(store, config->ingest_node, &node_id, err);
    if (rc)
        return rc;
    if (!e->jsonl)
        fputs("time,node,satellite,action,outcome,size,piece,remote,duration_ms,error\n", e->out);
    rc = store_transfers(store, from, to, node_id, put_record, e, err);
    if (e->write_errno || fflush(e->out))
        return err_set_errno(err, e->write_errno ? e->write_errno : errno,
                             "cannot write the export");
    return rc;
}

int command_export(struct config *config)
{
    if (config->operand_count != 1 || strcmp(config->operands[0], "events") != 0) {
        fprintf(stderr,
                "nodewatch: what is exported is named first: nodewatch export events ...\n");
        return EXIT_USAGE;
    }
    bool jsonl = strcmp(config->format, "jsonl") == 0;
    if (!jsonl && strcmp(config->format, "csv") != 0) {
        fprintf(stderr, "nodewatch: --format %s: csv or jsonl is expected\n", config->format);
        return EXIT_USAGE;
    }
    struct store_options options = {.path = config->db_path, .read_only = true};
    struct store *store;
    struct err err;
    if (store_open(&options, &store, &err))
        return command_fail(&err);
    setvbuf(stdout, NULL, _IOFBF, 1 << 16);
    struct export e = {.out = stdout, .jsonl = jsonl};
    int rc = export_all(store, config, &e, &err);
    struct err late;
    store_close(store, 1000, &late); /* nothing was written: nothing can be lost */
    return rc ? command_fail(&err) : EXIT_FINE;
}
