/* Made-up log lines in the nodes' real format (demo_log.h), in both dialects. Traffic follows the
 * hour of the day; older lines are sparser and larger, so that thirty days are written and read in
 * a second or two and the charts still show steady traffic. */
#include "app/demo_log.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "base/clock.h"

#define HOUR_MS   (3600 * 1000)
#define DAY_MS    (24 * HOUR_MS)
#define SILENT_MS (9 * 60 * 1000)

const struct demo_node demo_nodes[DEMO_NODES] = {
    {.name = "Home-NAS",
     .in_bps = 4.1e6,
     .out_bps = 9.7e6,
     .cancel = 0.02,
     .fail = 0.001,
     .random = 11},
    {.name = "Colo-1",
     .old_dialect = true,
     .in_bps = 5.2e6,
     .out_bps = 14e6,
     .cancel = 0.015,
     .fail = 0.0005,
     .random = 22},
    {.name = "Colo-2",
     .in_bps = 2.6e6,
     .out_bps = 6.3e6,
     .cancel = 0.02,
     .fail = 0.001,
     .goes_silent = true,
     .random = 33},
    {.name = "Cabin-Pi",
     .old_dialect = true,
     .in_bps = 0.5e6,
     .out_bps = 1.8e6,
     .cancel = 0.06,
     .fail = 0.004,
     .audits_fail = true,
     .random = 44},
};

static const char *const satellites[] = {
    "12EayRS2V1kEsWESU9QMRseFhdxYxKicsiFmxrsLZHeLUtdps3S",
    "12L9ZFwhzVpuEKMUNUqkaTLGzwY9G24tbiigLiXpmZWKwmcNDDs",
    "121RTSDpyNZVcEU84Ticf2L1ntiuUimbWgfATz21tuvgk3vzoA6",
    "1wFTAgs9DP5RSnCqKV1eLf6N9wtk4EAtmN5DpSxcs8EjT69tGE",
};

static uint64_t next_random(struct demo_node *n)
{
    n->random ^= n->random >> 12;
    n->random ^= n->random << 25;
    n->random ^= n->random >> 27;
    return n->random * 0x2545f4914f6cdd1du;
}

/* Uniform in [0, 1). */
static double next_share(struct demo_node *n)
{
    return (double)(next_random(n) >> 11) / 9007199254740992.0;
}

/* Lines per second that this stretch of the past is written with. */
static double density(int64_t age_ms)
{
    return age_ms < 2 * HOUR_MS ? 8 : age_ms < DAY_MS ? 0.25 : 0.04;
}

static const char *next_satellite(struct demo_node *n)
{
    double share = next_share(n);
    return satellites[share < 0.6 ? 0 : share < 0.8 ? 1 : share < 0.95 ? 2 : 3];
}

static void put_piece(struct demo_node *n, char out[53])
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    for (int i = 0; i < 51; i += 12) {
        uint64_t bits = next_random(n);
        for (int k = i; k < i + 12 && k < 51; k++, bits >>= 5)
            out[k] = digits[bits & 31];
    }
    out[51] = next_random(n) & 1 ? 'A' : 'Q'; /* 256 bits leave one in the last digit */
    out[52] = '\0';
}

static void put_head(struct buf *out, int64_t at_ms, const char *level, const char *logger,
                     const char *message)
{
    char stamp[CLOCK_RFC3339_MAX];
    clock_format_rfc3339_ms(stamp, at_ms);
    buf_add(out, stamp, 19); /* nodes write whole seconds */
    buf_printf(out, "Z\t%s\t%s\t%s\t{", level, logger, message);
}

struct transfer {
    const char *action, *level, *message, *error;
    bool upload;
    int64_t size;
};

static struct transfer choose_transfer(struct demo_node *n, int64_t at_ms, int64_t age_ms)
{
    /* One day's curve, lowest at 04:00 UTC, between 0.6 and 1.4 of the mean. */
    double day = 1 - 0.4 * cos((double)(at_ms % DAY_MS - 4 * HOUR_MS) / DAY_MS * 2 * M_PI);
    double per_second = density(age_ms), kind = next_share(n);
    struct transfer t = {.level = "INFO"};
    double bytes;
    if (kind < 0.05) {
        t.action = "GET_AUDIT";
        bytes = 0;
    } else if (kind < 0.40) {
        t.action = kind < 0.37 ? "PUT" : "PUT_REPAIR";
        t.upload = true;
        bytes = n->in_bps / 8 * day / (per_second * 0.35);
    } else {
        t.action = kind < 0.94 ? "GET" : "GET_REPAIR";
        bytes = n->out_bps / 8 * day / (per_second * 0.60);
    }
    t.size = bytes ? (int64_t)(bytes * (0.2 + 1.6 * next_share(n))) / 256 * 256 + 256 : 256;
    double outcome = next_share(n);
    bool audit = t.action[3] == '_' && t.action[4] == 'A';
    if (audit ? n->audits_fail && age_ms < 6 * HOUR_MS && outcome < 0.01 : outcome < n->fail) {
        t.level = "ERROR";
        t.message = t.upload ? "upload failed" : "download failed";
        t.error = audit ? "file does not exist" : "context deadline exceeded";
    } else if (!audit && outcome < n->fail + n->cancel) {
        t.message = t.upload ? "upload canceled" : "download canceled";
        t.error = t.upload ? NULL : "context canceled";
    } else {
        t.message = t.upload ? "uploaded" : "downloaded";
    }
    return t;
}

static void put_transfer(struct demo_node *n, int64_t at_ms, int64_t age_ms, struct buf *out)
{
    struct transfer t = choose_transfer(n, at_ms, age_ms);
    bool old = n->old_dialect, failed = t.level[0] == 'E';
    char piece[53];
    put_piece(n, piece);
    put_head(out, at_ms, t.level, "piecestore", t.message);
    buf_printf(out, "\"%s\": \"storagenode\", \"%s\": \"%s\", \"%s\": \"%s\", \"%s\": \"%s\", ",
               old ? "Process" : "process", old ? "Piece ID" : "piece_id", piece,
               old ? "Satellite ID" : "satellite_id", next_satellite(n), old ? "Action" : "action",
               t.action);
    if (!t.upload)
        buf_printf(out, "\"%s\": 0, ", old ? "Offset" : "offset");
    buf_printf(out, "\"%s\": %" PRId64 ", \"%s\": \"198.51.100.%u:%u\"", old ? "Size" : "size",
               t.size, old ? "Remote Address" : "remote_address",
               (unsigned)(next_random(n) % 254 + 1), (unsigned)(next_random(n) % 50000 + 10000));
    if (t.error)
        buf_printf(out, ", \"%s\": \"%s\"", failed ? "error" : "reason", t.error);
    buf_add_text(out, "}\n");
}

static void put_scores(struct demo_node *n, int64_t at_ms, struct buf *out)
{
    bool old = n->old_dialect;
    for (size_t i = 0; i < sizeof(satellites) / sizeof(satellites[0]); i++) {
        put_head(out, at_ms, "INFO", "reputation:service", "node scores updated");
        buf_printf(out,
                   "\"%s\": \"storagenode\", \"%s\": \"%s\", \"%s\": %d, \"%s\": %d, \"%s\": %s, "
                   "\"%s\": %s, \"%s\": 1}\n",
                   old ? "Process" : "process", old ? "Satellite ID" : "satellite_id",
                   satellites[i], old ? "Total Audits" : "total_audits", 43000,
                   old ? "Successful Audits" : "successful_audits", 42990,
                   old ? "Audit Score" : "audit_score", n->audits_fail ? "0.9972" : "1",
                   old ? "Online Score" : "online_score", "0.9981",
                   old ? "Suspension Score" : "suspension_score");
    }
}

static void put_chores(struct demo_node *n, int64_t at_ms, struct buf *out)
{
    const char *process = n->old_dialect ? "Process" : "process";
    put_head(out, at_ms, "INFO", "hashstore", "beginning compaction");
    buf_printf(out, "\"%s\": \"storagenode\", \"satellite\": \"%s\", \"store\": \"s0\"}\n", process,
               satellites[0]);
    put_head(out, at_ms + 26000, "INFO", "hashstore", "finished compaction");
    buf_printf(out,
               "\"%s\": \"storagenode\", \"satellite\": \"%s\", \"store\": \"s0\", \"duration\": "
               "\"26.051478463s\"}\n",
               process, satellites[0]);
    put_head(out, at_ms + 30000, "INFO", "collector", "expired pieces collection completed");
    buf_printf(out, "\"%s\": \"storagenode\", \"count\": %u}\n", process,
               (unsigned)(next_random(n) % 90));
}

void demo_write_lines(struct demo_node *node, int64_t to_unix_ms, int64_t now_unix_ms,
                      struct buf *out)
{
    while (node->next_ms < to_unix_ms) {
        int64_t at = node->next_ms, age = now_unix_ms - at;
        if (node->goes_silent && age < SILENT_MS)
            return;
        if (at >= node->next_scores_ms) {
            put_scores(node, at, out);
            node->next_scores_ms = at + 4 * HOUR_MS;
        }
        if (at >= node->next_chore_ms) {
            put_chores(node, at, out);
            node->next_chore_ms = at + DAY_MS;
        }
        put_transfer(node, at, age, out);
        node->next_ms += (int64_t)(1000 / density(age) * (0.1 + 1.8 * next_share(node))) + 1;
    }
}
