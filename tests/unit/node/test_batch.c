/* What a run of lines adds up to, and when a batch is full. */
#include "scanned.h"

#include "node/batch.h"

static void add(struct batch *b, const char *line)
{
    CLEANUP(scanned_free) struct scanned s = scan(line);
    assert_false(batch_is_full(b));
    assert_true(batch_add(b, &s.event, (struct text){s.bytes, (uint32_t)strlen(line)}, 100, 5000));
}

static void assert_stored(const struct batch *b, struct batch_text t, const char *expected)
{
    assert_int_equal(t.len, strlen(expected));
    assert_memory_equal(t.len ? b->text.data + t.at : "", expected, t.len);
}

static const struct batch_cell *find(const struct batch *b, enum batch_step step, int64_t at_unix_s,
                                     enum action action, enum outcome outcome)
{
    const struct batch_cell *found = NULL;
    for (uint32_t i = 0; i < b->cells[step].cap; i++) {
        const struct batch_cell *cell = &b->cells[step].slot[i];
        if (cell->used && cell->at_unix_s == at_unix_s && cell->action == action &&
            cell->outcome == outcome) {
            assert_null(found);
            found = cell;
        }
    }
    return found;
}

static uint64_t lines_of(const struct batch *b, int64_t minute_unix_s, enum event_kind kind,
                         enum level level)
{
    for (size_t i = 0; i < b->line_count_count; i++)
        if (b->line_counts[i].minute_unix_s == minute_unix_s && b->line_counts[i].kind == kind &&
            b->line_counts[i].level == level)
            return b->line_counts[i].count;
    return 0;
}

#define DAY 1787184000 /* 2026-08-20T00:00:00Z */

static void adds_transfers_to_minute_hour_and_day(void **state)
{
    (void)state;
    CLEANUP(batch_fini) struct batch b;
    assert_int_equal(batch_init(&b), 0);
    add(&b,
        "2026-08-20T10:00:14Z\tINFO\tp\tuploaded\t{\"piece_id\": \"A\", \"satellite_id\": \"" US1
        "\", \"action\": \"PUT\", \"size\": 100, \"duration\": \"1.5s\"}");
    add(&b,
        "2026-08-20T10:00:59Z\tINFO\tp\tuploaded\t{\"piece_id\": \"B\", \"satellite_id\": \"" US1
        "\", \"action\": \"PUT\", \"size\": 20}");
    add(&b,
        "2026-08-20T10:01:00Z\tINFO\tp\tuploaded\t{\"piece_id\": \"C\", \"satellite_id\": \"" US1
        "\", \"action\": \"PUT\"}");
    add(&b,
        "2026-08-20T11:00:00Z\tINFO\tp\tuploaded\t{\"piece_id\": \"D\", \"satellite_id\": \"" US1
        "\", \"action\": \"PUT\", \"size\": 3}");
    add(&b, "2026-08-20T10:00:20Z\tINFO\tp\tupload canceled\t{\"piece_id\": \"E\", "
            "\"satellite_id\": \"" US1 "\", \"action\": \"PUT\", \"size\": 7}");
    const struct batch_cell *minute =
        find(&b, BATCH_MINUTE, DAY + 36000, ACTION_PUT, OUTCOME_COMPLETED);
    assert_non_null(minute);
    assert_int_equal(minute->count, 2);
    assert_int_equal(minute->bytes, 120);
    assert_int_equal(histogram_total(&minute->size_bytes), 2);
    assert_int_equal(histogram_total(&minute->duration_ms), 1);
    const struct batch_cell *hour =
        find(&b, BATCH_HOUR, DAY + 36000, ACTION_PUT, OUTCOME_COMPLETED);
    assert_non_null(hour);
    assert_int_equal(hour->count, 3);
    assert_int_equal(histogram_total(&hour->size_bytes), 2);
    const struct batch_cell *day = find(&b, BATCH_DAY, DAY, ACTION_PUT, OUTCOME_COMPLETED);
    assert_non_null(day);
    assert_int_equal(day->count, 4);
    assert_int_equal(day->bytes, 123);
    const struct batch_cell *lost = find(&b, BATCH_DAY, DAY, ACTION_PUT, OUTCOME_CANCELLED);
    assert_non_null(lost);
    assert_int_equal(lost->bytes, 7);
    assert_int_equal(b.transfers, 5);
    assert_int_equal(b.row_count, 5);
    assert_int_equal(b.rows[0].duration_ms, 1500);
    assert_int_equal(b.rows[2].size_bytes, EVENT_NO_NUMBER);
    assert_stored(&b, b.rows[4].piece, "E");
    assert_stored(&b, b.satellites[b.rows[4].satellite], US1);
    assert_int_equal(b.satellite_count, 2);
}

static void a_sum_of_bytes_stops_at_the_largest_number(void **state)
{
    (void)state;
    CLEANUP(batch_fini) struct batch b;
    assert_int_equal(batch_init(&b), 0);
    for (int i = 0; i < 3; i++)
        add(&b, "2026-08-20T10:00:14Z\tINFO\tp\tuploaded\t{\"action\": \"PUT\", \"size\": 9e30}");
    assert_true(find(&b, BATCH_DAY, DAY, ACTION_PUT, OUTCOME_COMPLETED)->bytes == INT64_MAX);
}

static void rolls_times_before_1970_down(void **state)
{
    (void)state;
    CLEANUP(batch_fini) struct batch b;
    assert_int_equal(batch_init(&b), 0);
    add(&b, "1969-12-31T23:59:59.5Z\tINFO\tp\tuploaded\t{\"action\": \"PUT\"}");
    assert_non_null(find(&b, BATCH_MINUTE, -60, ACTION_PUT, OUTCOME_COMPLETED));
    assert_non_null(find(&b, BATCH_DAY, -86400, ACTION_PUT, OUTCOME_COMPLETED));
}

static void counts_lines_by_minute_kind_and_level(void **state)
{
    (void)state;
    CLEANUP(batch_fini) struct batch b;
    assert_int_equal(batch_init(&b), 0);
    add(&b, "not a node's line");
    for (int i = 0; i < 3; i++) {
        add(&b, "2026-08-20T10:00:14Z\tDEBUG\tp\tdownload started\t{\"action\": \"GET\"}");
        add(&b, "2026-08-20T10:01:14Z\tINFO\tp\tdownloaded\t{\"action\": \"GET\"}");
    }
    add(&b, "2026-08-20T10:00:20Z\tDEBUG\tp\tdownload canceled\t{\"action\": \"GET\", \"error\": "
            "\"x\"}");
    add(&b, "main.main()");
    assert_int_equal(b.lines, 9);
    assert_int_equal(b.unparsed, 1);
    assert_int_equal(b.twins, 1);
    assert_int_equal(b.transfers, 3);
    assert_int_equal(b.line_count_count, 5);
    assert_int_equal(lines_of(&b, 0, EVENT_UNPARSED, LEVEL_NONE), 1);
    assert_int_equal(lines_of(&b, DAY + 36000, EVENT_TRANSFER_STARTED, LEVEL_DEBUG), 3);
    assert_int_equal(lines_of(&b, DAY + 36060, EVENT_TRANSFER, LEVEL_INFO), 3);
    assert_int_equal(lines_of(&b, DAY + 36000, EVENT_TRANSFER_TWIN, LEVEL_DEBUG), 1);
    assert_int_equal(lines_of(&b, DAY + 36000, EVENT_STACK, LEVEL_NONE), 1);
    assert_int_equal(b.last_at_unix_ms, (DAY + 36074) * INT64_C(1000));
}

static void a_line_without_time_takes_that_of_the_line_before(void **state)
{
    (void)state;
    CLEANUP(batch_fini) struct batch b;
    assert_int_equal(batch_init(&b), 0);
    add(&b, "Error: first");
    add(&b, "2026-08-20T10:00:14Z\tINFO\ttrust\tScheduling next refresh\t{\"after\": \"5h\"}");
    add(&b, "Error: second");
    assert_int_equal(b.note_count, 3);
    assert_int_equal(b.notes[0].at_unix_ms, 5000);
    assert_int_equal(b.notes[2].at_unix_ms, 1787220014000);
    assert_stored(&b, b.notes[2].message, "Error: second");
    assert_int_equal(b.notes[2].kind, EVENT_FATAL);
    assert_stored(&b, b.notes[1].logger, "trust");
    assert_stored(&b, b.notes[1].detail, "{\"after\": \"5h\"}");
}

static void keeps_the_first_unparsed_lines_as_printable_samples(void **state)
{
    (void)state;
    CLEANUP(batch_fini) struct batch b;
    assert_int_equal(batch_init(&b), 0);
    for (int i = 0; i < BATCH_SAMPLES_MAX + 4; i++)
        add(&b, "\x1b[1muser@host\377:~$ ");
    assert_int_equal(b.sample_count, BATCH_SAMPLES_MAX);
    assert_int_equal(b.unparsed, BATCH_SAMPLES_MAX + 4);
    assert_stored(&b, b.samples[7].line, "\357\277\275[1muser@host\357\277\275:~$ ");
    assert_int_equal(b.samples[7].offset, 100);
    assert_int_equal(b.samples[7].at_unix_ms, EVENT_NO_TIME);
    char longer[2 * BATCH_SAMPLE_BYTES + 1];
    memset(longer, 'x', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    batch_clear(&b);
    add(&b, longer);
    assert_int_equal(b.samples[0].line.len, BATCH_SAMPLE_BYTES);
}

static void knows_a_satellite_again_however_it_is_written(void **state)
{
    (void)state;
    CLEANUP(batch_fini) struct batch b;
    assert_int_equal(batch_init(&b), 0);
    add(&b, "2026-08-20T10:00:14Z\tINFO\tp\tuploaded\t{\"satellite_id\": \"s\\u0061t\377\"}");
    add(&b, "2026-08-20T10:00:14Z\tINFO\tp\tuploaded\t{\"satellite_id\": \"sat\376\"}");
    add(&b, "2026-08-20T10:00:14Z\tINFO\tp\tuploaded\t{\"satellite_id\": \"other\"}");
    add(&b, "2026-08-20T10:00:14Z\tINFO\tp\tuploaded\t{\"piece_id\": \"x\"}");
    assert_int_equal(b.rows[0].satellite, 1);
    assert_int_equal(b.rows[1].satellite, 1);
    assert_int_equal(b.rows[2].satellite, 2);
    assert_int_equal(b.rows[3].satellite, 0);
    assert_stored(&b, b.satellites[1], "sat\357\277\275");
    assert_int_equal(b.satellite_count, 3);
}

/* Adds lines made by `fill` until the batch is full, twice; returns how many went in. */
static unsigned fill_up(void (*fill)(char *line, size_t cap, unsigned i))
{
    CLEANUP(batch_fini) struct batch b;
    assert_int_equal(batch_init(&b), 0);
    CLEANUP(free_ptr) char *line = malloc(1 << 17);
    assert_non_null(line);
    unsigned count[2];
    for (int round = 0; round < 2; round++, batch_clear(&b))
        for (count[round] = 0; !batch_is_full(&b); count[round]++) {
            fill(line, 1 << 17, count[round]);
            add(&b, line);
            assert_true(b.text.len <= BATCH_TEXT_MAX);
        }
    assert_int_equal(count[0], count[1]);
    assert_int_equal(b.lines + b.bytes + b.row_count + b.text.len + b.line_count_count, 0);
    return count[0];
}

static void fill_rows(char *line, size_t cap, unsigned i)
{
    snprintf(line, cap, "2026-08-20T10:00:14Z\tINFO\tp\tuploaded\t{\"piece_id\": \"%u\"}", i);
}

static void fill_lines(char *line, size_t cap, unsigned i)
{
    snprintf(line, cap, "2026-08-20T10:00:%02uZ\tDEBUG\tp\tuploading\t{}", i % 60);
}

static void fill_satellites(char *line, size_t cap, unsigned i)
{
    snprintf(line, cap, "2026-08-20T10:00:14Z\tINFO\tp\tuploaded\t{\"satellite_id\": \"%u\"}", i);
}

static void fill_minutes(char *line, size_t cap, unsigned i)
{
    snprintf(line, cap, "2026-08-20T%02u:%02u:14Z\tINFO\tp\tuploaded\t{\"satellite_id\": \"%u\"}",
             i / 60 % 24, i % 60, i / 1440);
}

static void fill_days(char *line, size_t cap, unsigned i)
{
    snprintf(line, cap, "20%02u-%02u-%02uT10:00:14Z\tDEBUG\tp\tx\t{}", 10 + i / 336,
             1 + i / 28 % 12, 1 + i % 28);
}

static void fill_notes(char *line, size_t cap, unsigned i)
{
    snprintf(line, cap, "2026-08-20T10:00:14Z\tERROR\tp\tx%u\t{}", i);
}

/* The longest text of every sort, of bytes that grow when they are replaced. */
static void fill_text(char *line, size_t cap, unsigned i)
{
    int head = snprintf(line, cap,
                        "2026-08-20T10:00:14Z\tERROR\tp\t%s\t{\"piece_id\": \"%u\", \"error\": \"",
                        i % 2 ? "download failed" : "ping satellite failed", i);
    memset(line + head, i % 3 ? '\377' : 'x', 60000);
    strcpy(line + head + 60000, "\"}");
}

static void is_full_before_any_of_its_parts_overflows(void **state)
{
    (void)state;
    assert_int_equal(fill_up(fill_rows), BATCH_ROWS_MAX);
    assert_int_equal(fill_up(fill_lines), BATCH_LINES_MAX);
    assert_int_equal(fill_up(fill_satellites), BATCH_SATELLITES_MAX - 1);
    assert_int_equal(fill_up(fill_minutes), BATCH_CELLS_MAX - BATCH_CELLS_MAX / 4);
    assert_int_equal(fill_up(fill_days), BATCH_LINE_COUNTS_MAX);
    assert_int_equal(fill_up(fill_notes), BATCH_NOTES_MAX);
    assert_in_range(fill_up(fill_text), 300, 600);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(adds_transfers_to_minute_hour_and_day),
        cmocka_unit_test(a_sum_of_bytes_stops_at_the_largest_number),
        cmocka_unit_test(rolls_times_before_1970_down),
        cmocka_unit_test(counts_lines_by_minute_kind_and_level),
        cmocka_unit_test(a_line_without_time_takes_that_of_the_line_before),
        cmocka_unit_test(keeps_the_first_unparsed_lines_as_printable_samples),
        cmocka_unit_test(knows_a_satellite_again_however_it_is_written),
        cmocka_unit_test(is_full_before_any_of_its_parts_overflows),
    };
    return cmocka_run_group_tests_name("batch", tests, NULL, NULL);
}
