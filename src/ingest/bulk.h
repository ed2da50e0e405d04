/* Reads whole log files (plain, .gz, .zst, or "-" for standard input) through the same scanner and
 * sink as tail. A file whose content is already known is read on from where it stopped, so reading
 * it again adds nothing. Standard input has no identity before it is read: its first bytes are
 * looked at like a file's; a pipe that begins like a known log but goes on differently cannot be
 * read twice and is refused.
 *
 * A last line without LF counts when it is whole by its looks: it scans as a node line, and one of
 * a kind not known ends in '}'. Should the file go on with just the LF, that ends the line and
 * counts as nothing. A last line that is not whole, or no node line, is told in
 * the totals as unparsed and left for the next run. An archive that is cut off or damaged gives
 * what lies before the defect, then ERR_INPUT; when the whole archive is there, reading it again
 * goes on from there. While the store is unwell the run waits, for a minute at most. */
#ifndef INGEST_BULK_H
#define INGEST_BULK_H

#include <signal.h>

#include "base/err.h"
#include "ingest/sink.h"

struct bulk_totals {
    uint64_t files;
    uint64_t bytes;      /* decompressed bytes read in this run and new */
    uint64_t lines;      /* new lines */
    uint64_t transfers;  /* ended transfers added */
    uint64_t duplicates; /* transfers not added: second line of one operation, or already stored */
    uint64_t unparsed, cut_lines, nul_bytes;
};

struct bulk_progress {
    void *ctx;
    /* At most ten times a second, and once at the end of a file. total_bytes is -1 when unknown;
     * done_bytes counts the bytes of the file as it lies on disk. */
    void (*report)(void *ctx, const char *path, int64_t done_bytes, int64_t total_bytes,
                   const struct bulk_totals *totals);
};

/* Reads the files in the order given; progress may be NULL. Stops at the first error (its text
 * names the file); what was committed until then stays, and *totals counts it. *stop (may be NULL)
 * ends the run early with ERR_CANCELLED.
 *
 * A store that stops committing (a full disk) ends the run with ERR_STORE after a minute. It is
 * given five seconds to end what it has; batches that it then still has are not freed, since it may
 * read them until it is closed. */
int bulk_run(const struct ingest_sink *sink, int64_t node_id, const char *const *paths,
             size_t count, const struct bulk_progress *progress, const volatile sig_atomic_t *stop,
             struct bulk_totals *totals, struct err *err);

#endif
