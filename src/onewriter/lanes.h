/* The three bounded queues before the writer, and who owns the writer's connection. */
#ifndef ONEWRITER_LANES_H
#define ONEWRITER_LANES_H

#include "base/sync.h"
#include "onewriter/job.h"
#include "onewriter/slab.h"

struct ow_place; /* a thread that waits for a place, see lanes.c */

struct ow_lane_queue {
    const struct ow_lane_limit *limit; /* lent */
    struct ow_jobs jobs;
    uint32_t places, bytes; /* used: by queued jobs and by places granted to waiting threads */
    struct ow_place *first, *last;
    int waiting;
    int credit; /* picks left in this round */
    uint64_t dropped, rejected;
};

/* Who may touch the writer's connection. */
enum ow_owner { OW_OWNER_NONE, OW_OWNER_THREAD, OW_OWNER_CALLER };

struct ow_lanes {
    struct mutex lock;
    struct cond work; /* the writer thread waits here */
    bool thread_waits;
    bool closed;
    bool called;    /* the thread is wanted although no job is queued */
    bool left_over; /* a caller left taken jobs behind */
    enum ow_owner owner;
    uint32_t group;   /* number of the one that is being collected */
    uint64_t groups;  /* that have ended */
    _Atomic int lone; /* groups in a row that had one job and left none waiting */
    uint32_t queued;  /* in all lanes */
    struct ow_lane_queue lane[OW_LANES];
    struct ow_slabs slabs;
    struct ow_err trouble; /* why nothing can be written now; code 0 = nothing known */
};

/* limits: OW_LANES of them, lent. */
void ow_lanes_init(struct ow_lanes *lanes, const struct ow_lane_limit *limits);
/* All jobs have been settled. */
void ow_lanes_fini(struct ow_lanes *lanes);

/* Queues the job, waiting for a place until deadline_us as the lane's policy says: OW_QUEUE_FULL
 * then, OW_CLOSED when closed. *dropped receives what the policy pushed out: settle it. */
int ow_lanes_put(struct ow_lanes *lanes, struct ow_job *job, int64_t deadline_us,
                 struct ow_jobs *dropped, struct ow_err *err);
/* Queues a copy of a row; model carries lane, durable, deadline_us and submitted_us. */
int ow_lanes_append(struct ow_lanes *lanes, const struct ow_row *model, int64_t deadline_us,
                    struct ow_jobs *dropped, struct ow_err *err);
/* Takes a job back that has not been taken yet. False when it has. */
bool ow_lanes_withdraw(struct ow_lanes *lanes, struct ow_job *job);
/* No job is accepted any more; those queued can still be taken. */
void ow_lanes_close(struct ow_lanes *lanes);

/* A caller wants to run its own job: true when the writer is idle and was so before, which makes
 * the caller its owner; it must call ow_lanes_disown. False: queue the job. at_once: it has no time
 * to queue, so that the writer is idle now is enough. */
bool ow_lanes_own(struct ow_lanes *lanes, bool at_once);
/* What a caller leaves behind for the writer thread: nothing, a need for an idle moment, or jobs
 * that were taken and are not settled. */
enum ow_left { OW_LEFT_NOTHING, OW_LEFT_IDLE, OW_LEFT_JOBS };
void ow_lanes_disown(struct ow_lanes *lanes, enum ow_left left);

enum ow_wake { OW_WAKE_WORK, OW_WAKE_CALLED, OW_WAKE_IDLE, OW_WAKE_CLOSED };
/* Writer thread: gives ownership up and waits until there is a job (WORK), a caller called it to
 * look anew (CALLED), no group ended for wait_us (IDLE), or the lanes are closed and empty
 * (CLOSED). It owns the writer's connection again then. has_work: the thread itself has taken jobs
 * left, so do not wait. */
enum ow_wake ow_lanes_wait(struct ow_lanes *lanes, int64_t wait_us, bool has_work);
bool ow_lanes_are_empty(struct ow_lanes *lanes);
/* Owner: takes at most `max` jobs by weight, behind those in list. Taking none ends the group. */
void ow_lanes_take(struct ow_lanes *lanes, struct ow_jobs *list, uint32_t max);
/* Owner: gives jobs that were taken and did not run back to the front of their lanes. */
void ow_lanes_put_back(struct ow_lanes *lanes, struct ow_jobs *jobs);
/* Owner: takes all jobs into list. */
void ow_lanes_take_all(struct ow_lanes *lanes, struct ow_jobs *list);
/* Owner: a group of so many jobs has ended. True when it is one in a row of lone ones. */
bool ow_lanes_note_group(struct ow_lanes *lanes, uint32_t jobs);
/* Any thread: gives the memory of so many settled rows of one slab back. */
void ow_lanes_release(struct ow_lanes *lanes, struct ow_slab *slab, uint32_t rows);
/* Owner: says why nothing can be written; NULL = all is well. */
void ow_lanes_set_trouble(struct ow_lanes *lanes, const struct ow_err *why);
void ow_lanes_get_trouble(struct ow_lanes *lanes, struct ow_err *out);

/* Fills the lanes' lines. */
void ow_lanes_measure(struct ow_lanes *lanes, struct ow_metrics *out);
/* Copies at most max of the threads that wait for a place; returns how many there are. */
int ow_lanes_list(struct ow_lanes *lanes, struct ow_who *out, int max);

#endif
