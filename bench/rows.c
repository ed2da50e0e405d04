/* Rows (rows.h): `peer` is the events table of the Python monitor that came before, with its five
 * indexes; `lean1` holds the same facts as integers with one index. peer0 and lean0 leave the
 * indexes out. Times are the present, as in life, so the indexes on them grow at their end. What
 * must stay true: making a row costs far less than inserting it. */
#include "rows.h"

#include <time.h>

#include "base/cleanup.h"

#define PEER_TABLE                                                                                 \
    "CREATE TABLE IF NOT EXISTS event(id INTEGER PRIMARY KEY, timestamp DATETIME, action TEXT, "   \
    "status TEXT,"                                                                                 \
    " size INTEGER, piece_id TEXT, satellite_id TEXT, remote_ip TEXT, country TEXT,"               \
    " latitude REAL, longitude REAL, error_reason TEXT, node_name TEXT, duration_ms INTEGER);"
#define PEER_INDEXES                                                                               \
    "CREATE INDEX IF NOT EXISTS idx_events_timestamp ON event(timestamp);"                         \
    "CREATE INDEX IF NOT EXISTS idx_events_node_name ON event(node_name);"                         \
    "CREATE INDEX IF NOT EXISTS idx_events_node_name_timestamp ON event(node_name, timestamp);"    \
    "CREATE INDEX IF NOT EXISTS idx_events_financial_traffic"                                      \
    " ON event(node_name, satellite_id, timestamp, status, action);"                               \
    "CREATE INDEX IF NOT EXISTS idx_events_latency ON event(node_name, timestamp, duration_ms)"    \
    " WHERE duration_ms IS NOT NULL;"
#define PEER_INSERT                                                                                \
    "INSERT INTO event VALUES(NULL, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)"
#define LEAN_TABLE                                                                                 \
    "CREATE TABLE IF NOT EXISTS event(id INTEGER PRIMARY KEY, ts INTEGER, node INTEGER, kind "     \
    "INTEGER,"                                                                                     \
    " size INTEGER, dur INTEGER, ip INTEGER, geo INTEGER, piece BLOB, reason TEXT);"
#define LEAN_INDEX  "CREATE INDEX IF NOT EXISTS event_node_ts ON event(node, ts);"
#define LEAN_INSERT "INSERT INTO event VALUES(NULL, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"
#define POINT       "SELECT size FROM event WHERE id=?1"
#define AGGREGATE   "SELECT sum(size), count(*) FROM event WHERE id<=100000"

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
static const char *const satellites[] = {"12EayRS2V1kEsWESU9QMRseFhdxYxKicsiFmxrsLZHeLUtdps3S",
                                         "12L9ZFwhzVpuEKMUNUqkaTLGzwY9G24tbiigLiXpmZWKwmcNDDs",
                                         "121RTSDpyNZVcEU84Ticf2L1ntiuUimbWgfATz21tuvgk3vzoA6",
                                         "1wFTAgs9DP5RSnCqKV1eLf6N9wtk4EAtmN5DpSxcs8EjT69tGE"};
static const char *const actions[] = {"GET", "PUT", "GET_AUDIT", "GET_REPAIR", "PUT_REPAIR"};
static const char *const nodes[] = {"hashnode", "north", "attic", "cellar"};
static const char *const countries[] = {"Germany", "United States", "France", "Finland"};

static uint64_t mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

static uint64_t chance(const struct row *row)
{
    return mix((uint64_t)row->client << 40 ^ row->number);
}

static void two_digits(char *out, int value)
{
    out[0] = (char)('0' + value / 10 % 10);
    out[1] = (char)('0' + value % 10);
}

/* "2026-07-14T07:15:02.123456+00:00" */
static size_t write_time(struct row *row)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (now.tv_sec != row->second) {
        struct tm tm;
        gmtime_r(&now.tv_sec, &tm);
        strftime(row->at, sizeof(row->at), "%Y-%m-%dT%H:%M:%S.000000+00:00", &tm);
        row->second = now.tv_sec;
    }
    int us = (int)(now.tv_nsec / 1000);
    two_digits(row->at + 20, us / 10000);
    two_digits(row->at + 22, us / 100);
    two_digits(row->at + 24, us);
    return 32;
}

/* Dotted, without the cost of snprintf. */
static size_t write_ip(char out[16], uint32_t ip)
{
    char *at = out;
    for (int shift = 24; shift >= 0; shift -= 8) {
        unsigned part = ip >> shift & 255;
        if (part >= 100)
            *at++ = (char)('0' + part / 100);
        if (part >= 10)
            *at++ = (char)('0' + part / 10 % 10);
        *at++ = (char)('0' + part % 10);
        *at++ = shift ? '.' : '\0';
    }
    return (size_t)(at - out - 1);
}

static void fill_peer(struct row *row)
{
    uint64_t r = chance(row), more = mix(r);
    for (unsigned i = 0; i < sizeof(row->piece_id) - 1; i++)
        row->piece_id[i] = letters[(i % 2 ? r : more) >> (i % 12 * 5) & 31];
    size_t ip_bytes = write_ip(row->ip, (uint32_t)(r >> 8));
    struct ow_value *v = row->values;
    *v++ = ow_text_n(row->at, write_time(row));
    *v++ = ow_text(actions[r % ARRAY_LEN(actions)]);
    *v++ = ow_text(more % 64 ? "success" : "failed");
    *v++ = ow_int((int64_t)(more % 2319360));
    *v++ = ow_text_n(row->piece_id, sizeof(row->piece_id) - 1);
    *v++ = ow_text(satellites[r >> 4 & 3]);
    *v++ = ow_text_n(row->ip, ip_bytes);
    *v++ = ow_text(countries[r >> 6 & 3]);
    *v++ = ow_real((double)(r % 180000) / 1000 - 90);
    *v++ = ow_real((double)(r % 360000) / 1000 - 180);
    *v++ = more % 64 ? ow_null() : ow_text("write tcp: use of closed network connection");
    *v++ = ow_text(nodes[r >> 10 & 3]);
    *v++ = ow_int((int64_t)(r >> 12 & 2047));
    row->count = (int)(v - row->values);
}

static void fill_lean(struct row *row)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t r = chance(row);
    for (unsigned i = 0; i < sizeof(row->piece); i += sizeof(r)) {
        uint64_t part = mix(r + i);
        memcpy(row->piece + i, &part, sizeof(part));
    }
    struct ow_value *v = row->values;
    *v++ = ow_int(now.tv_sec * 1000 + now.tv_nsec / 1000000);
    *v++ = ow_int((int64_t)(r >> 10 & 3));
    *v++ = ow_int((int64_t)(r & 127));
    *v++ = ow_int((int64_t)(r % 2319360));
    *v++ = ow_int((int64_t)(r >> 12 & 2047));
    *v++ = ow_int((int64_t)(r >> 32));
    *v++ = ow_int((int64_t)(r >> 24 & 1023));
    *v++ = ow_blob(row->piece, sizeof(row->piece));
    *v++ = ow_null();
    row->count = (int)(v - row->values);
}

const struct table tables[] = {
    {"lean1", LEAN_TABLE LEAN_INDEX, LEAN_INSERT, fill_lean, POINT, AGGREGATE},
    {"peer", PEER_TABLE PEER_INDEXES, PEER_INSERT, fill_peer, POINT, AGGREGATE},
    {"lean0", LEAN_TABLE, LEAN_INSERT, fill_lean, POINT, AGGREGATE},
    {"peer0", PEER_TABLE, PEER_INSERT, fill_peer, POINT, AGGREGATE},
};
const unsigned tables_count = ARRAY_LEN(tables);

void row_init(struct row *row, unsigned client)
{
    *row = (struct row){.client = client};
}

void row_next(struct row *row, const struct table *table)
{
    row->number++;
    table->fill(row);
}

static int bind_one(sqlite3_stmt *stmt, int at, const struct ow_value *value)
{
    switch (value->type) {
    case OW_INT:
        return sqlite3_bind_int64(stmt, at, value->as.i);
    case OW_REAL:
        return sqlite3_bind_double(stmt, at, value->as.real);
    case OW_TEXT:
        return sqlite3_bind_text(stmt, at, value->as.data, (int)value->bytes, SQLITE_STATIC);
    case OW_BLOB:
        return sqlite3_bind_blob(stmt, at, value->as.data, (int)value->bytes, SQLITE_STATIC);
    default:
        return sqlite3_bind_null(stmt, at);
    }
}

int row_bind(sqlite3_stmt *stmt, const struct row *row)
{
    int rc = SQLITE_OK;
    for (int i = 0; i < row->count && rc == SQLITE_OK; i++)
        rc = bind_one(stmt, i + 1, &row->values[i]);
    return rc;
}
