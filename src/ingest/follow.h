/* Following one node's log: a turn reads at most one batch from one of its files, so that many
 * nodes share one thread fairly. tail.c drives it. */
#ifndef INGEST_FOLLOW_H
#define INGEST_FOLLOW_H

#include "ingest/family.h"
#include "ingest/feed.h"
#include "ingest/tail.h"

enum said_slot { SAID_LOG, SAID_STORE, SAID_WATCH, SAID_SLOTS };

struct followed {
    int64_t node_id;
    char *name, *path, *dir_path;
    size_t dir; /* index of its directory in the watch */
    struct family family;
    struct book book;
    bool scan;              /* the directory has to be listed */
    char *said[SAID_SLOTS]; /* the last remark about each */
    bool log_found;
    int64_t newest_read_unix_ms;
};

/* What all nodes of a tail share: the buffers, and the way to the store. */
struct follower {
    const struct tail_observer *observer;
    struct flight flight;
    struct feed plain;
    struct feed
        archive; /* stays open over many turns: an archive cannot be entered in the middle */
    struct log_file *archive_file; /* what `archive` is reading; NULL = nothing */
};

enum follow_result {
    FOLLOW_IDLE,   /* nothing to read in any file */
    FOLLOW_WORKED, /* call again */
    FOLLOW_ENDED,  /* stopped, or the store is closed */
};

int followed_init(struct followed *n, const struct tail_node *config, struct err *err);
void followed_fini(struct followed *n);

enum follow_result follow_turn(struct follower *f, struct followed *n);
/* After FAMILY_IDLE_MS: asks for another look at files that could not be settled at once. */
void follow_scanned(struct followed *n);
/* Bytes of plain files beyond what is committed. */
int64_t follow_backlog(const struct followed *n);
/* Gives a remark unless it is the last one given (*said). text NULL: all is well again. */
void follow_remark(const struct follower *f, const struct followed *n, char **said, char level,
                   const char *text);

#endif
