/* The schema, as numbered steps. A step that was released is never edited: a change is a new step.
 *
 * Integers everywhere: times are UTC (unix_ms, unix_s), actions, outcomes, kinds and levels are the
 * enums of node/event.h, nodes and satellites are interned. Two things are not obvious:
 *
 * transfer.id and note.id are (second << 28 | sequence within it). The table is thereby clustered
 * by time, a time range is a rowid range, retention is a range delete, and no secondary index has
 * to be kept on the hot path. `ms` is the rest of the time; it is 0, and free, for logs of whole
 * seconds.
 *
 * piece and remote are BLOBs when the text can be rebuilt from them exactly (base32 piece id: 32
 * bytes; IPv4 with port: 6; IPv6 with port: 18), else the TEXT itself: compact, and never lossy. */
#include "store/sqlite/schema.h"

#define ROLLUP(name)                                                                               \
    "CREATE TABLE " name " ("                                                                      \
    " at_unix_s INTEGER NOT NULL, node_id INTEGER NOT NULL, satellite_id INTEGER NOT NULL,"        \
    " action INTEGER NOT NULL, outcome INTEGER NOT NULL,"                                          \
    " count INTEGER NOT NULL, bytes INTEGER NOT NULL,"                                             \
    " size_histogram BLOB NOT NULL, duration_histogram BLOB NOT NULL,"                             \
    " PRIMARY KEY (at_unix_s, node_id, satellite_id, action, outcome)) STRICT, WITHOUT ROWID;"

#define LINES(name)                                                                                \
    "CREATE TABLE " name " ("                                                                      \
    " at_unix_s INTEGER NOT NULL, node_id INTEGER NOT NULL, kind INTEGER NOT NULL,"                \
    " level INTEGER NOT NULL, count INTEGER NOT NULL,"                                             \
    " PRIMARY KEY (at_unix_s, node_id, kind, level)) STRICT, WITHOUT ROWID;"

static const char first_schema[] =
    "CREATE TABLE node ("
    " id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, log TEXT NOT NULL DEFAULT '',"
    " created_unix_ms INTEGER NOT NULL, last_event_unix_ms INTEGER) STRICT;"

    /* id 0 is "no satellite", so that rollup keys need no NULL. */
    "CREATE TABLE satellite (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE) STRICT;"
    "INSERT INTO satellite VALUES (0, '');"

    "CREATE TABLE source ("
    " id INTEGER PRIMARY KEY, node_id INTEGER NOT NULL REFERENCES node(id), name TEXT NOT NULL,"
    " head BLOB NOT NULL, mark BLOB NOT NULL, offset INTEGER NOT NULL,"
    " lines INTEGER NOT NULL DEFAULT 0, transfers INTEGER NOT NULL DEFAULT 0,"
    " twins INTEGER NOT NULL DEFAULT 0, unparsed INTEGER NOT NULL DEFAULT 0,"
    " cut_lines INTEGER NOT NULL DEFAULT 0, nul_bytes INTEGER NOT NULL DEFAULT 0,"
    " updated_unix_ms INTEGER NOT NULL) STRICT;"
    "CREATE INDEX source_node ON source (node_id);"

    "CREATE TABLE transfer ("
    " id INTEGER PRIMARY KEY, ms INTEGER NOT NULL, node_id INTEGER NOT NULL,"
    " satellite_id INTEGER NOT NULL, action INTEGER NOT NULL, outcome INTEGER NOT NULL,"
    " size_bytes INTEGER, duration_ms INTEGER, piece ANY, remote ANY, error TEXT,"
    " action_name TEXT) STRICT;"

    "CREATE TABLE note ("
    " id INTEGER PRIMARY KEY, ms INTEGER NOT NULL, node_id INTEGER NOT NULL,"
    " kind INTEGER NOT NULL, level INTEGER NOT NULL, satellite_id INTEGER NOT NULL,"
    " logger TEXT NOT NULL, message TEXT NOT NULL, detail TEXT NOT NULL) STRICT;"

    "CREATE TABLE unparsed ("
    " id INTEGER PRIMARY KEY, node_id INTEGER NOT NULL, source_id INTEGER NOT NULL,"
    " offset INTEGER NOT NULL, at_unix_ms INTEGER, line TEXT NOT NULL) STRICT;"
    "CREATE INDEX unparsed_node ON unparsed (node_id);"

    ROLLUP("rollup_minute") ROLLUP("rollup_hour") ROLLUP("rollup_day") LINES("line_minute")
        LINES("line_hour")

    /* For people with a SQL prompt. */
    "CREATE VIEW transfers AS SELECT"
    " strftime('%Y-%m-%dT%H:%M:%S', t.id >> 28, 'unixepoch') || printf('.%03dZ', t.ms) AS time,"
    " n.name AS node, s.key AS satellite,"
    " CASE t.action WHEN 1 THEN 'GET' WHEN 2 THEN 'PUT' WHEN 3 THEN 'GET_AUDIT'"
    "  WHEN 4 THEN 'GET_REPAIR' WHEN 5 THEN 'PUT_REPAIR' WHEN 6 THEN 'DELETE'"
    "  WHEN 7 THEN 'PUT_GRACEFUL_EXIT' ELSE coalesce(t.action_name, '') END AS action,"
    " CASE t.outcome WHEN 1 THEN 'completed' WHEN 2 THEN 'cancelled' WHEN 3 THEN 'failed'"
    "  WHEN 4 THEN 'failed_by_peer' WHEN 5 THEN 'rejected' END AS outcome,"
    " t.size_bytes AS size, t.duration_ms, t.error"
    " FROM transfer t JOIN node n ON n.id = t.node_id JOIN satellite s ON s.id = t.satellite_id;";

const struct ow_migration schema_steps[] = {
    {1, first_schema},
};
const size_t schema_step_count = sizeof(schema_steps) / sizeof(schema_steps[0]);
