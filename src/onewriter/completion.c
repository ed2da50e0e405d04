#include "onewriter/completion.h"

#include <stdlib.h>

void ow_job_finish(struct ow_job *job)
{
    if (!job->done) {
        atomic_store(&job->state, OW_JOB_DONE);
        return;
    }
    job->done(job->ctx, job->commit_seq, job->err);
    free(job);
}
