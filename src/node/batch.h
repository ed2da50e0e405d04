/* What a run of log lines adds up to: the rows, the rollup cells, the counters and the new offset
 * of their source, to be committed in ONE transaction. Pure data; filled by ingest, written by
 * store.
 *
 * A batch moves a source from `from_offset` to `source.offset`. The store applies it only when the
 * stored offset still equals from_offset (compare-and-swap), so no line is ever lost or doubled,
 * whatever crashes or whoever else reads the same file. */
#ifndef NODE_BATCH_H
#define NODE_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/histogram.h"
#include "node/event.h"
#include "node/source.h"

#define BATCH_ROWS_MAX        8192
#define BATCH_LINES_MAX       65536
#define BATCH_TEXT_MAX        (2u << 20)
#define BATCH_CELLS_MAX       1024
#define BATCH_NOTES_MAX       2048
#define BATCH_SATELLITES_MAX  64
#define BATCH_SAMPLES_MAX     8
#define BATCH_SAMPLE_BYTES    512
#define BATCH_NOTE_BYTES      4096
#define BATCH_LINE_COUNTS_MAX 4096
/* Longer texts are cut at a character. */
#define BATCH_ERROR_BYTES   4096
#define BATCH_MESSAGE_BYTES 4096
#define BATCH_WORD_BYTES    256 /* piece, satellite, remote, action, logger */

/* A text of the batch: offset into batch.text, so that growing the buffer moves nothing. len 0 =
 * absent. */
struct batch_text {
    uint32_t at, len;
};

/* One ended transfer. */
struct batch_row {
    int64_t at_unix_ms;
    int64_t size_bytes;  /* EVENT_NO_NUMBER when unknown */
    int64_t duration_ms; /* EVENT_NO_NUMBER when unknown */
    uint8_t action, outcome;
    uint8_t satellite;                                   /* index into batch.satellites */
    struct batch_text piece, remote, error, action_name; /* action_name only for ACTION_OTHER */
};

/* Rollup steps, seconds. */
enum batch_step { BATCH_MINUTE, BATCH_HOUR, BATCH_DAY, BATCH_STEPS };
extern const int batch_step_s[BATCH_STEPS];

/* Sum over one step × satellite × action × outcome. */
struct batch_cell {
    int64_t at_unix_s; /* start of the step, UTC */
    uint8_t satellite, action, outcome;
    bool used;
    uint64_t count, bytes; /* bytes stop at INT64_MAX */
    struct batch_cell *up; /* the cell of the next longer step that holds this one */
    struct histogram size_bytes, duration_ms;
};

struct batch_cells {
    struct batch_cell *slot; /* open addressing; cap is a power of two */
    uint32_t cap, used;
};

/* A line worth keeping besides transfers. */
struct batch_note {
    int64_t at_unix_ms;
    uint8_t kind, level, satellite;            /* satellite index; 0 = none */
    struct batch_text logger, message, detail; /* detail: the fields as written, cut */
};

/* Lines per minute, kind and level; one entry for each that occurred. */
struct batch_line_count {
    int64_t minute_unix_s;
    uint8_t kind, level;
    uint64_t count;
};

struct batch_sample {   /* an unparsed line, kept for the operator */
    int64_t at_unix_ms; /* of the line before, EVENT_NO_TIME when none */
    int64_t offset;
    struct batch_text line;
};

struct batch {
    int64_t node_id;
    struct source source; /* state AFTER this batch */
    int64_t from_offset;  /* state before it */

    struct batch_row *rows;
    size_t row_count;
    struct batch_cells cells[BATCH_STEPS];
    struct batch_note *notes;
    size_t note_count;
    struct batch_line_count *line_counts;
    size_t line_count_count;
    uint16_t *line_index; /* open addressing: 1 + index into line_counts, 0 = free */
    struct batch_sample samples[BATCH_SAMPLES_MAX];
    size_t sample_count;
    struct batch_text satellites[BATCH_SATELLITES_MAX]; /* [0] is "" = none */
    size_t satellite_count;
    uint8_t last_satellite; /* most lines name the one of the line before or so */
    struct buf text;        /* valid UTF-8, no NUL */

    /* Sums of this batch alone. batch_add counts all but cut_lines and nul_bytes, which only the
     * reader of the file knows. bytes: of the lines as given, without their ends. */
    uint64_t lines, bytes, transfers, twins, unparsed, cut_lines, nul_bytes;
    int64_t last_at_unix_ms; /* newest event, EVENT_NO_TIME when none */
    int64_t line_at_unix_ms; /* of the line added last that had a time, EVENT_NO_TIME when none */
};

/* Bytes are summed up to INT64_MAX, no further: SQLite and JSON readers know no larger number, and
 * one line may claim that size. Both operands are at most INT64_MAX. */
static inline uint64_t batch_bytes_sum(uint64_t a, uint64_t b)
{
    return a + b > INT64_MAX ? INT64_MAX : a + b;
}

/* 0 or ERR_MEMORY (as a plain int: base err codes). */
int batch_init(struct batch *b);
void batch_fini(struct batch *b);
/* Empties for the next run of lines; keeps memory. Source and node_id stay as they are. */
void batch_clear(struct batch *b);
/* True when another line might not fit: commit now. */
bool batch_is_full(const struct batch *b);
/* Adds a scanned line. e->at_unix_ms must be set by now (or EVENT_NO_TIME: then the time of the
 * last line is used, else fallback_unix_ms). raw is the line as read, for the sample of an unparsed
 * one; offset is where it begins. Call only when !batch_is_full(). False on memory exhaustion: the
 * batch is then unusable and must be cleared. */
bool batch_add(struct batch *b, const struct event *e, struct text raw, int64_t offset,
               int64_t fallback_unix_ms);

#endif
