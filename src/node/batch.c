/* Adding lines up (batch.h). A transfer becomes a row and is summed into three rollup cells; its
 * minute's cell knows the cells of its hour and day, so only one is looked up. Every other line is
 * counted by minute, kind and level, and kept as a note when an operator may want to read it.
 *
 * Must stay true: after batch_is_full() said no, any one line fits, whatever is in it; and all text
 * in the batch is valid UTF-8, because what reads it later (JSON, CSV, a database) relies on it. */
#include "node/batch.h"

#include <assert.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "node/cells.h"

const int batch_step_s[BATCH_STEPS] = {60, 3600, 86400};

/* A longer step holds fewer cells. */
static const uint32_t cells_max[BATCH_STEPS] = {BATCH_CELLS_MAX, BATCH_CELLS_MAX / 2,
                                                BATCH_CELLS_MAX / 4};

/* The most text one line can add: that of a note, which is more than that of a row. */
#define LINE_TEXT_MAX (BATCH_MESSAGE_BYTES + BATCH_NOTE_BYTES + 4 * BATCH_WORD_BYTES)
_Static_assert(LINE_TEXT_MAX >= BATCH_ERROR_BYTES + 4 * BATCH_WORD_BYTES, "a row fits as well");
_Static_assert(LINE_TEXT_MAX >= BATCH_SAMPLE_BYTES, "a sample fits as well");

#define LINE_INDEX_SLOTS (2 * BATCH_LINE_COUNTS_MAX)

int batch_init(struct batch *b)
{
    *b = (struct batch){
        .rows = calloc(BATCH_ROWS_MAX, sizeof(struct batch_row)),
        .notes = calloc(BATCH_NOTES_MAX, sizeof(struct batch_note)),
        .line_counts = calloc(BATCH_LINE_COUNTS_MAX, sizeof(struct batch_line_count)),
        .line_index = calloc(LINE_INDEX_SLOTS, sizeof(uint16_t)),
    };
    int failed = !b->rows || !b->notes || !b->line_counts || !b->line_index ? ERR_MEMORY : 0;
    for (int step = 0; step < BATCH_STEPS && !failed; step++)
        failed = cells_init(&b->cells[step], cells_max[step]);
    if (failed) {
        batch_fini(b);
        return failed;
    }
    batch_clear(b);
    return 0;
}

void batch_fini(struct batch *b)
{
    if (!b)
        return;
    free(b->rows);
    free(b->notes);
    free(b->line_counts);
    free(b->line_index);
    for (int step = 0; step < BATCH_STEPS; step++)
        cells_fini(&b->cells[step]);
    buf_fini(&b->text);
    *b = (struct batch){0};
}

void batch_clear(struct batch *b)
{
    for (int step = 0; step < BATCH_STEPS; step++)
        cells_clear(&b->cells[step]);
    if (b->line_count_count)
        memset(b->line_index, 0, LINE_INDEX_SLOTS * sizeof(*b->line_index));
    buf_clear(&b->text);
    b->row_count = b->note_count = b->line_count_count = b->sample_count = 0;
    b->satellites[0] = (struct batch_text){0};
    b->satellite_count = 1;
    b->last_satellite = 0;
    b->lines = b->bytes = b->transfers = b->twins = b->unparsed = 0;
    b->cut_lines = b->nul_bytes = 0;
    b->last_at_unix_ms = b->line_at_unix_ms = EVENT_NO_TIME;
}

bool batch_is_full(const struct batch *b)
{
    return b->lines >= BATCH_LINES_MAX || b->row_count >= BATCH_ROWS_MAX ||
           b->text.len + LINE_TEXT_MAX > BATCH_TEXT_MAX || b->note_count >= BATCH_NOTES_MAX ||
           b->line_count_count >= BATCH_LINE_COUNTS_MAX ||
           b->satellite_count >= BATCH_SATELLITES_MAX || cells_are_full(&b->cells[BATCH_MINUTE]) ||
           cells_are_full(&b->cells[BATCH_HOUR]) || cells_are_full(&b->cells[BATCH_DAY]);
}

static struct batch_text put_text(struct batch *b, struct text t, size_t max_bytes,
                                  enum text_care care)
{
    uint32_t at = (uint32_t)b->text.len;
    uint32_t len = (uint32_t)text_copy(&b->text, t, max_bytes, care);
    return len ? (struct batch_text){at, len} : (struct batch_text){0};
}

static struct batch_text put_word(struct batch *b, struct text t)
{
    return put_text(b, t, BATCH_WORD_BYTES, TEXT_UTF8);
}

static bool same_satellite(const struct batch *b, size_t index, const char *at, size_t len)
{
    struct batch_text known = b->satellites[index];
    return known.len == len && memcmp(b->text.data + known.at, at, len) == 0;
}

/* Index into batch.satellites. A name is compared as it is stored, so the bytes of a line are tried
 * first and only a new name is copied; if its cleaned copy turns out to be known it is dropped. */
static uint8_t put_satellite(struct batch *b, struct text t)
{
    if (!t.len)
        return 0;
    if (b->last_satellite && same_satellite(b, b->last_satellite, t.at, t.len))
        return b->last_satellite;
    for (size_t i = 1; i < b->satellite_count; i++)
        if (same_satellite(b, i, t.at, t.len))
            return b->last_satellite = (uint8_t)i;
    struct batch_text copy = put_word(b, t);
    if (!copy.len)
        return 0;
    for (size_t i = 1; i < b->satellite_count; i++) {
        if (same_satellite(b, i, b->text.data + copy.at, copy.len)) {
            b->text.len = copy.at;
            return (uint8_t)i;
        }
    }
    assert(b->satellite_count < BATCH_SATELLITES_MAX);
    b->satellites[b->satellite_count] = copy;
    return b->last_satellite = (uint8_t)b->satellite_count++;
}

static int64_t step_begin(int64_t unix_s, enum batch_step step)
{
    int64_t part = unix_s % batch_step_s[step];
    return unix_s - (part < 0 ? part + batch_step_s[step] : part);
}

static int64_t unix_s_of(int64_t unix_ms)
{
    return unix_ms / 1000 - (unix_ms % 1000 < 0);
}

/* The cell of the minute, joined to those of its hour and day. */
static struct batch_cell *find_cell(struct batch *b, const struct batch_row *row)
{
    int64_t unix_s = unix_s_of(row->at_unix_ms);
    struct batch_cell *below = NULL, *minute = NULL;
    for (enum batch_step step = BATCH_MINUTE; step < BATCH_STEPS; step++) {
        struct batch_cell *cell = cells_find(&b->cells[step], step_begin(unix_s, step),
                                             row->satellite, row->action, row->outcome);
        if (!below)
            minute = cell;
        else
            below->up = cell;
        if (cell->up)
            break;
        below = cell;
    }
    return minute;
}

static void add_to_cells(struct batch *b, const struct batch_row *row)
{
    for (struct batch_cell *cell = find_cell(b, row); cell; cell = cell->up) {
        cell->count++;
        if (row->size_bytes != EVENT_NO_NUMBER) {
            uint64_t sum = cell->bytes + (uint64_t)row->size_bytes;
            cell->bytes = sum > INT64_MAX ? INT64_MAX : sum;
            histogram_add(&cell->size_bytes, row->size_bytes);
        }
        if (row->duration_ms != EVENT_NO_NUMBER)
            histogram_add(&cell->duration_ms, row->duration_ms);
    }
}

static void add_row(struct batch *b, const struct event *e, int64_t at_unix_ms)
{
    assert(b->row_count < BATCH_ROWS_MAX);
    struct batch_row *row = &b->rows[b->row_count++];
    *row = (struct batch_row){
        .at_unix_ms = at_unix_ms,
        .size_bytes = e->size_bytes,
        .duration_ms =
            e->duration_ns == EVENT_NO_NUMBER ? EVENT_NO_NUMBER : e->duration_ns / 1000000,
        .action = (uint8_t)e->action,
        .outcome = (uint8_t)e->outcome,
        .satellite = put_satellite(b, e->satellite),
        .piece = put_word(b, e->piece),
        .remote = put_word(b, e->remote),
        .error = put_text(b, e->error, BATCH_ERROR_BYTES, TEXT_UTF8),
    };
    if (e->action == ACTION_OTHER)
        row->action_name = put_word(b, e->action_name);
    add_to_cells(b, row);
}

static void add_note(struct batch *b, const struct event *e, int64_t at_unix_ms)
{
    assert(b->note_count < BATCH_NOTES_MAX);
    b->notes[b->note_count++] = (struct batch_note){
        .at_unix_ms = at_unix_ms,
        .kind = (uint8_t)e->kind,
        .level = (uint8_t)e->level,
        .satellite = put_satellite(b, e->satellite),
        .logger = put_word(b, e->logger),
        .message = put_text(b, e->message, BATCH_MESSAGE_BYTES, TEXT_UTF8),
        .detail = put_text(b, e->tail, BATCH_NOTE_BYTES, TEXT_UTF8),
    };
}

static void add_sample(struct batch *b, struct text raw, int64_t offset)
{
    if (b->sample_count == BATCH_SAMPLES_MAX)
        return;
    b->samples[b->sample_count++] = (struct batch_sample){
        .at_unix_ms = b->line_at_unix_ms,
        .offset = offset,
        .line = put_text(b, raw, BATCH_SAMPLE_BYTES, TEXT_PRINTABLE),
    };
}

static void count_line(struct batch *b, const struct event *e, int64_t at_unix_ms)
{
    int64_t minute = step_begin(unix_s_of(at_unix_ms), BATCH_MINUTE);
    uint64_t hash = ((uint64_t)minute << 16 ^ (uint64_t)e->kind << 4 ^ (uint64_t)e->level) *
                    0x9e3779b97f4a7c15u;
    uint32_t at = (uint32_t)(hash >> 32) % LINE_INDEX_SLOTS;
    for (; b->line_index[at]; at = (at + 1) % LINE_INDEX_SLOTS) {
        struct batch_line_count *known = &b->line_counts[b->line_index[at] - 1];
        if (known->minute_unix_s == minute && known->kind == e->kind && known->level == e->level) {
            known->count++;
            return;
        }
    }
    assert(b->line_count_count < BATCH_LINE_COUNTS_MAX);
    b->line_counts[b->line_count_count++] = (struct batch_line_count){
        .minute_unix_s = minute, .kind = (uint8_t)e->kind, .level = (uint8_t)e->level, .count = 1};
    b->line_index[at] = (uint16_t)b->line_count_count;
}

bool batch_add(struct batch *b, const struct event *e, struct text raw, int64_t offset,
               int64_t fallback_unix_ms)
{
    int64_t at_unix_ms = e->at_unix_ms;
    if (at_unix_ms != EVENT_NO_TIME) {
        b->line_at_unix_ms = at_unix_ms;
        if (at_unix_ms > b->last_at_unix_ms)
            b->last_at_unix_ms = at_unix_ms;
    } else {
        at_unix_ms = b->line_at_unix_ms != EVENT_NO_TIME ? b->line_at_unix_ms : fallback_unix_ms;
    }
    b->lines++;
    b->bytes += raw.len;
    count_line(b, e, at_unix_ms);
    if (e->kind == EVENT_TRANSFER) {
        b->transfers++;
        add_row(b, e, at_unix_ms);
    } else if (e->kind == EVENT_UNPARSED) {
        b->unparsed++;
        add_sample(b, raw, offset);
    } else {
        b->twins += e->kind == EVENT_TRANSFER_TWIN;
        if (event_is_notable(e))
            add_note(b, e, at_unix_ms);
    }
    return !b->text.failed;
}
