/* How the end of a job reaches who waits for it. */
#ifndef ONEWRITER_COMPLETION_H
#define ONEWRITER_COMPLETION_H

#include "onewriter/job.h"

/* The job's result is in *err and commit_seq. Somebody waits: state becomes DONE, which is the last
 * touch of the job (ring the bell afterwards). A posted job: its callback is called or put into its
 * completion queue, and the job is freed. */
void ow_job_finish(struct ow_job *job);

#endif
