/* Lists of jobs (job.h): doubly linked, since a queued job may be withdrawn from the middle. What
 * must stay true: a job is in at most one list. */
#include "onewriter/job.h"

void ow_jobs_append(struct ow_jobs *list, struct ow_job *job)
{
    job->next = NULL;
    job->before = list->last;
    *(list->last ? &list->last->next : &list->first) = job;
    list->last = job;
    list->count++;
}

void ow_jobs_prepend(struct ow_jobs *list, struct ow_job *job)
{
    job->before = NULL;
    job->next = list->first;
    *(list->first ? &list->first->before : &list->last) = job;
    list->first = job;
    list->count++;
}

void ow_jobs_remove(struct ow_jobs *list, struct ow_job *job)
{
    *(job->before ? &job->before->next : &list->first) = job->next;
    *(job->next ? &job->next->before : &list->last) = job->before;
    list->count--;
}

struct ow_job *ow_jobs_pop(struct ow_jobs *list)
{
    struct ow_job *job = list->first;
    if (job)
        ow_jobs_remove(list, job);
    return job;
}

void ow_jobs_append_all(struct ow_jobs *list, struct ow_jobs *from)
{
    if (!from->first)
        return;
    from->first->before = list->last;
    *(list->last ? &list->last->next : &list->first) = from->first;
    list->last = from->last;
    list->count += from->count;
    *from = (struct ow_jobs){0};
}

void ow_jobs_prepend_all(struct ow_jobs *list, struct ow_jobs *from)
{
    ow_jobs_append_all(from, list);
    *list = *from;
    *from = (struct ow_jobs){0};
}
