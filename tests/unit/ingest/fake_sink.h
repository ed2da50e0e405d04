/* A store in memory with the store's one rule (a batch is applied when the stored offset equals its
 * from_offset), and switches to make it fail. What a transfer line says as its size is its number,
 * so a test sees which lines arrived, and how often. */
#ifndef TESTS_INGEST_FAKE_SINK_H
#define TESTS_INGEST_FAKE_SINK_H

#include "base/sync.h"
#include "ingest/sink.h"
#include "support.h"

#define FAKE_NUMBERS (1 << 21)
#define FAKE_SOURCES 512

struct fake_stored {
    int64_t node_id;
    struct source source;
};

struct fake_sink {
    struct ingest_sink sink;
    struct mutex lock;
    struct cond changed;
    struct fake_stored stored[FAKE_SOURCES];
    uint64_t stored_count;
    uint8_t *seen; /* how often each number arrived, capped at 255 */
    uint64_t rows, lines, unparsed, twins, nul_bytes, cut_lines, commits, submits, attempts, stales;
    int64_t last_at_unix_ms; /* of the last row */
    bool broken_rule;        /* head or mark of a batch was not as they must be */

    /* Switches; set under the lock while a tail runs. */
    int fail_submits, fail_waits, fail_adds, fail_reads; /* that many calls fail */
    enum err_code fail_code;
    bool hold;        /* batches stay on their way */
    bool closed;      /* a crash: nothing is applied any more */
    int commits_left; /* after so many commits: closed; -1 = never */
};

void fake_init(struct fake_sink *f);
void fake_fini(struct fake_sink *f);
/* What survives a crash is what was committed. */
void fake_restart(struct fake_sink *f);
/* Ends `hold`. */
void fake_release(struct fake_sink *f);
/* Waits until so many rows are there; asserts that they come within half a minute. */
void fake_wait_rows(struct fake_sink *f, uint64_t rows);
void fake_wait_submits(struct fake_sink *f, uint64_t submits);
void fake_wait_attempts(struct fake_sink *f, uint64_t attempts);
uint64_t fake_rows(struct fake_sink *f);
/* Asserts that the numbers from..to-1 each arrived once, and that there are `rows` rows in all. */
void fake_expect_once(struct fake_sink *f, uint32_t from, uint32_t to, uint64_t rows);
void fake_wait_sources(struct fake_sink *f, uint64_t count);
size_t fake_source_count(struct fake_sink *f);

/* Text of the lines from..to-1, a NUL behind; given. */
char *make_lines(uint32_t from, uint32_t to, size_t *len);
/* Appends the lines from..to-1. */
void append_lines(const char *path, uint32_t from, uint32_t to);

#endif
