/* Answers (writer.h): what became of a job, told to who waits for it. What must stay true: a job is
 * touched for the last time when it is told, since its owner may free it from then on; everybody is
 * woken after all are told, a bell once. */
#include "base/clock.h"
#include "onewriter/completion.h"
#include "onewriter/fail.h"
#include "onewriter/writer.h"

void ow_group_fail_one(struct ow_writer *writer, struct ow_job *job, const struct ow_err *why)
{
    ow_count(&writer->counters->jobs_failed, 1);
    if (job->err && job->err != why)
        *job->err = *why;
    if (ow_job_is_appended(job))
        ow_tell(writer->options,
                &(struct ow_event){.kind = OW_EVENT_ROW_FAILED, .text = why->text});
    ow_jobs_append(&writer->settled, job);
}

void ow_group_fail(struct ow_writer *writer, struct ow_jobs *list, const struct ow_err *why)
{
    struct ow_job *job;
    while ((job = ow_jobs_pop(list)))
        ow_group_fail_one(writer, job, why);
}

void ow_group_keep(struct ow_writer *writer, struct ow_jobs *list)
{
    ow_count(&writer->counters->jobs_committed, list->count);
    ow_jobs_append_all(&writer->kept, list);
}

/* Tells the owners of list; returns which bells are to be rung, as bits. Each job is touched once,
 * and rows of one slab are released together: there may be thousands. */
static unsigned answer_list(struct ow_writer *writer, struct ow_jobs *list, int64_t seq)
{
    struct ow_job *job;
    struct ow_slab *slab = NULL;
    uint32_t rows = 0;
    unsigned bells = 0;
    int64_t now_us = list->first ? clock_monotonic_us() : 0;
    while ((job = ow_jobs_pop(list))) {
        if (job->alone) {
            bells |= 1u << OW_BELL_OTHER; /* ow_flush waits for it */
            atomic_fetch_sub(&writer->alone_waiting, 1);
        }
        if (ow_job_is_appended(job)) {
            struct ow_slab *own = ((struct ow_row *)job)->slab;
            if (own != slab)
                ow_lanes_release(writer->lanes, slab, rows);
            rows = own == slab ? rows + 1 : 1;
            slab = own;
            continue;
        }
        bells |= 1u << job->bell;
        job->commit_seq = seq;
        ow_tally_add(&writer->counters->job_wait, now_us - job->submitted_us);
        ow_job_finish(job); /* its owner may free it from here on */
    }
    ow_lanes_release(writer->lanes, slab, rows);
    return bells;
}

void ow_group_answer(struct ow_writer *writer)
{
    unsigned bells = writer->kept.first ? 1u << OW_BELL_OTHER : 0; /* for who waits for a commit */
    bells |= answer_list(writer, &writer->kept, writer->seq);
    bells |= answer_list(writer, &writer->settled, 0);
    for (int i = 0; i < OW_BELLS; i++)
        if (bells & 1u << i)
            ow_bell_ring(&writer->bells[i]);
}

static void expire_list(struct ow_writer *writer, struct ow_jobs *list, int64_t now_us)
{
    struct ow_job *next;
    for (struct ow_job *job = list->first; job; job = next) {
        next = job->next;
        bool cancelled = job->fn && atomic_load(&job->cancelled);
        if (job->deadline_us > now_us && !cancelled)
            continue;
        struct ow_err why = writer->trouble;
        if (cancelled)
            ow_fail(&why, OW_CANCELLED, "the job was cancelled before it ran");
        ow_jobs_remove(list, job);
        ow_group_fail_one(writer, job, &why);
    }
}

void ow_group_expire(struct ow_writer *writer)
{
    if (writer->trouble.code == OW_OK)
        return; /* nothing keeps them: they run now */
    int64_t now_us = clock_monotonic_us();
    expire_list(writer, &writer->redo, now_us);
    expire_list(writer, &writer->taken, now_us);
}
