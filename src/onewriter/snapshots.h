/* The snapshots of our readers: which connection pins the log, since when, and taking it back.
 * Foreign processes' readers are not seen here. */
#ifndef ONEWRITER_SNAPSHOTS_H
#define ONEWRITER_SNAPSHOTS_H

#include "base/sync.h"
#include "onewriter/bell.h"
#include "onewriter/metrics.h"

/* Why a snapshot was taken back. */
enum ow_taken_why { OW_TAKEN_LOG, OW_TAKEN_AGE };

struct ow_taken {
    int64_t age_us; /* 0: it was not taken back */
    enum ow_taken_why why;
    int64_t frames; /* in the log at that time */
};

/* Of one reader connection; lives longer than the connection. */
struct ow_pin {
    struct ow_snapshots *all;
    struct ow_pin *next;
    struct mutex lock;     /* guards what follows, and the calls that read or unlock the files */
    sqlite3_file *file;    /* the real database file while a snapshot is held */
    int slot;              /* of the read lock in the log's index; -1: no snapshot */
    uint64_t number;       /* counts the snapshots of this connection */
    int64_t since_us;      /* of the present snapshot */
    bool told;             /* it was named as old */
    bool cut;              /* a read was refused because read_until_us had passed */
    int64_t read_until_us; /* reads are refused after this; INT64_MAX = never */
    struct ow_taken taken; /* about the newest snapshot */
    _Atomic bool revoked;  /* the present snapshot was taken back */
    const char *label;     /* of the borrower; static storage, NULL = none */
    uint64_t loan;
    struct ow_conn *conn; /* lent: whose pin it is */
};

/* Of one database. The list of pins does not change while threads run. */
struct ow_snapshots {
    const struct ow_options *options; /* lent */
    struct ow_counters *counters;     /* lent */
    struct ow_pin *pins;
    _Atomic bool shut;      /* the gate: new snapshots wait */
    struct ow_bell opened;  /* rings when the gate opens */
    struct ow_bell left;    /* rings when a snapshot ends while the gate is shut */
    _Atomic bool is_asleep; /* the watcher waits for the next snapshot */
    struct ow_bell begun;   /* wakes it */
};

void ow_snapshots_init(struct ow_snapshots *all, const struct ow_options *options,
                       struct ow_counters *counters);
/* Before the threads start, and after they ended. */
void ow_pin_init(struct ow_pin *pin, struct ow_snapshots *all, struct ow_conn *conn);
/* A pin that was never initialised is allowed. */
void ow_pin_fini(struct ow_pin *pin);

/* ---- the connection's thread ---- */

/* A new borrower. */
void ow_pin_lend(struct ow_pin *pin, const char *label, uint64_t loan);
/* Reads are refused after that time; returns whether one was since the last call. */
bool ow_pin_limit_reads(struct ow_pin *pin, int64_t until_us);
/* True when the newest snapshot of this connection was taken back, with *err filled. */
bool ow_pin_fail(struct ow_pin *pin, const char *what, struct ow_err *err);

/* For vfs.c: the read and lock operations of a reader's files. */
int ow_pin_read(struct ow_pin *pin, sqlite3_file *real, void *buf, int amount, sqlite3_int64 at);
int ow_pin_shm_lock(struct ow_pin *pin, sqlite3_file *real, int offset, int count, int flags);

/* ---- any thread ---- */

/* Takes back snapshot `number` of that connection, tells it and counts it. False when it ended. */
bool ow_snapshot_revoke(struct ow_pin *pin, uint64_t number, enum ow_taken_why why, int64_t frames);
/* Takes back all that are at least so old. */
void ow_snapshots_revoke(struct ow_snapshots *all, int64_t min_age_us, enum ow_taken_why why,
                         int64_t frames);
/* Age of the snapshot of that connection; -1: it holds none. */
int64_t ow_pin_age_us(struct ow_pin *pin);
/* Age of the oldest that is held; 0 = none. */
int64_t ow_snapshots_oldest_us(struct ow_snapshots *all);

/* The writer: new snapshots wait until ow_snapshots_open, and the present ones are waited for until
 * deadline_us, or less when none is left. */
void ow_snapshots_shut(struct ow_snapshots *all, int64_t deadline_us);
void ow_snapshots_open(struct ow_snapshots *all);

/* The watcher: names each snapshot that is older than snapshot_warn_ms once, takes back what is
 * older than snapshot_max_ms. Returns when the next will be due, INT64_MAX = none of the present
 * ones. *begun receives how many were begun so far. */
int64_t ow_snapshots_watch(struct ow_snapshots *all, uint64_t *begun);

#endif
