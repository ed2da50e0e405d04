/* How fast lines are scanned and added up. Makes lines like a node's in memory (one dialect or the
 * other, with or without the DEBUG lines), then measures in one run: splitting at line ends alone
 * (memchr, the floor), scanning, scanning and adding to batches. Prints ratios to the floor,
 * because they travel between machines better than seconds.
 *
 *     scan [LINES [RUNS]]        default 400000 5; the best run counts */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "node/batch.h"
#include "node/line.h"

struct dialect {
    const char *name, *piece, *satellite, *action, *offset, *size, *remote, *space;
};

static const struct dialect dialects[] = {
    {"piece_id", "piece_id", "satellite_id", "action", "offset", "size", "remote_address",
     "available_space"},
    {"Piece ID", "Piece ID", "Satellite ID", "Action", "Offset", "Size", "Remote Address",
     "Available Space"},
};

static const char *const satellites[] = {
    "12EayRS2V1kEsWESU9QMRseFhdxYxKicsiFmxrsLZHeLUtdps3S",
    "12L9ZFwhzVpuEKMUNUqkaTLGzwY9G24tbiigLiXpmZWKwmcNDDs",
    "121RTSDpyNZVcEU84Ticf2L1ntiuUimbWgfATz21tuvgk3vzoA6",
};

static uint64_t random_next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static void put_line(struct buf *out, const struct dialect *d, uint64_t number, bool started,
                     uint64_t *state)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    char piece[53] = {0};
    for (int i = 0; i < 52; i++)
        piece[i] = digits[random_next(state) & 31];
    bool up = random_next(state) % 4 == 0, lost = random_next(state) % 12 == 0;
    buf_printf(out,
               "2026-08-20T%02d:%02d:%02dZ\t%s\tpiecestore\t%s%s\t{\"process\": \"storagenode\", "
               "\"%s\": \"%s\", \"%s\": \"%s\", \"%s\": \"%s\", ",
               (int)(number / 360000 % 24), (int)(number / 6000 % 60), (int)(number / 100 % 60),
               started ? "DEBUG" : "INFO", up ? "upload" : "download",
               started ? " started"
               : lost  ? " canceled"
                       : "ed",
               d->piece, piece, d->satellite,
               satellites[random_next(state) % ARRAY_LEN(satellites)], d->action,
               up ? "PUT" : "GET");
    if (!up)
        buf_printf(out, "\"%s\": %d, ", d->offset, (int)(random_next(state) % 2000000));
    if (!up || !started)
        buf_printf(out, "\"%s\": %d, ", d->size, (int)(random_next(state) % 2319360));
    buf_printf(out, "\"%s\": \"192.0.2.%d:%d\"", d->remote, (int)(random_next(state) % 256),
               (int)(random_next(state) % 65536));
    if (up && started)
        buf_printf(out, ", \"%s\": 14478332563968", d->space);
    buf_add_text(out, lost && !started && !up ? ", \"reason\": \"context canceled\"}\n" : "}\n");
}

enum depth { SPLIT, SCAN, ADD };

/* Goes through all lines; returns something that depends on the work, so that none is left out. */
static uint64_t go_through(struct buf *log, enum depth depth, struct batch *batch)
{
    uint64_t sum = 0;
    char *at = log->data, *end = log->data + log->len;
    while (at < end) {
        char *lf = memchr(at, '\n', (size_t)(end - at));
        size_t len = (size_t)(lf - at);
        sum += len;
        if (depth != SPLIT) {
            struct event e;
            line_scan(at, len, EVENT_NO_TIME, &e);
            sum += (uint64_t)e.kind;
            if (depth == ADD) {
                if (batch_is_full(batch))
                    batch_clear(batch);
                sum += batch_add(batch, &e, (struct text){.at = at, .len = (uint32_t)len}, 0, 0);
            }
        }
        at = lf + 1;
    }
    return sum;
}

static double best_seconds(struct buf *log, enum depth depth, struct batch *batch, int runs)
{
    int64_t best_us = INT64_MAX;
    for (int run = 0; run < runs; run++) {
        int64_t from_us = clock_monotonic_us();
        uint64_t sum = go_through(log, depth, batch);
        __asm__ volatile("" : : "r"(sum)); /* counts as used */
        int64_t took_us = clock_monotonic_us() - from_us;
        if (took_us < best_us)
            best_us = took_us;
    }
    return (double)(best_us ? best_us : 1) / 1e6;
}

static void measure(const struct dialect *d, bool debug, uint64_t lines, int runs,
                    struct batch *batch)
{
    static const char *const names[] = {"split", "scan", "scan+batch"};
    CLEANUP(buf_fini) struct buf log = {0};
    uint64_t state = 88172645463325252u;
    for (uint64_t i = 0; i < lines; i++)
        put_line(&log, d, i, debug && i % 2 == 0, &state);
    if (log.failed)
        return;
    double floor = 0;
    for (enum depth depth = SPLIT; depth <= ADD; depth++) {
        double seconds = best_seconds(&log, depth, batch, runs);
        if (depth == SPLIT)
            floor = seconds;
        printf("%-9s %-6s %-11s %8.2f M lines/s %8.0f MB/s %7.1f ns/line %6.1f x split\n", d->name,
               debug ? "DEBUG" : "INFO", names[depth], (double)lines / seconds / 1e6,
               (double)log.len / seconds / 1e6, seconds * 1e9 / (double)lines, seconds / floor);
    }
}

int main(int argc, char **argv)
{
    uint64_t lines = argc > 1 ? strtoull(argv[1], NULL, 10) : 400000;
    int runs = argc > 2 ? atoi(argv[2]) : 5;
    CLEANUP(batch_fini) struct batch batch;
    if (!lines || runs < 1 || batch_init(&batch)) {
        fprintf(stderr, "usage: scan [LINES [RUNS]]\n");
        return 2;
    }
    for (size_t i = 0; i < ARRAY_LEN(dialects); i++) {
        measure(&dialects[i], false, lines, runs, &batch);
        measure(&dialects[i], true, lines, runs, &batch);
    }
    return 0;
}
