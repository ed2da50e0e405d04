/* How the end of a job is told: to who waits, by a callback, or through a completion queue. */
#ifndef ONEWRITER_COMPLETION_H
#define ONEWRITER_COMPLETION_H

#include "onewriter/job.h"

/* Tells the end of a job whose *err and commit_seq are final and which is in no list any more. Call
 * it without locks; do not touch the job afterwards.
 *   - done NULL: somebody waits. state becomes DONE; ring its bell afterwards, once for as many
 *     jobs as were finished.
 *   - done and cq: the job waits in the queue for ow_cq_dispatch.
 *   - done alone: done is called here.
 * A job with done is owned by the library: memory from malloc that begins with the job, freed after
 * the call. */
void ow_job_finish(struct ow_job *job);

#endif
