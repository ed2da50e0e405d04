/* Completions (completion.h). Results wait in the queue as the jobs themselves, so telling an end
 * needs no memory and cannot fail. The eventfd is written when the list becomes non-empty and
 * emptied when it is taken, both under the mutex, so that it is readable exactly while results
 * wait, and an event loop is woken once for a burst. What must stay true: done is called without
 * the mutex, exactly once for each job, and the job is freed after it. */
#include "onewriter/completion.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/sync.h"
#include "onewriter/fail.h"

struct ow_cq {
    struct mutex lock;
    struct ow_job *first, *last;
    int fd;
};

static void set_readable(int fd)
{
    uint64_t one = 1;
    while (write(fd, &one, sizeof(one)) < 0 && errno == EINTR)
        ; /* it cannot be full: it is written only when it was empty */
}

static void set_empty(int fd)
{
    uint64_t count;
    while (read(fd, &count, sizeof(count)) < 0 && errno == EINTR)
        ;
}

static void push(struct ow_cq *cq, struct ow_job *job)
{
    job->next = NULL;
    LOCK(&cq->lock);
    if (!cq->first)
        set_readable(cq->fd);
    *(cq->first ? &cq->last->next : &cq->first) = job;
    cq->last = job;
}

static void call_done(struct ow_job *job)
{
    job->done(job->ctx, job->commit_seq, job->err);
    free(job);
}

void ow_job_finish(struct ow_job *job)
{
    if (!job->done)
        atomic_store(&job->state, OW_JOB_DONE); /* its owner may free it from here on */
    else if (job->cq)
        push(job->cq, job);
    else
        call_done(job);
}

int ow_cq_open(struct ow_cq **out, struct ow_err *err)
{
    *out = NULL;
    struct ow_cq *cq = calloc(1, sizeof(*cq));
    if (!cq)
        return ow_fail(err, OW_RESOURCE, "no memory for a completion queue");
    cq->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (cq->fd < 0) {
        free(cq);
        return ow_fail_errno(err, OW_RESOURCE, errno, "no eventfd for a completion queue");
    }
    mutex_init(&cq->lock);
    *out = cq;
    return 0;
}

int ow_cq_fd(const struct ow_cq *cq)
{
    return cq->fd;
}

static struct ow_job *take_all(struct ow_cq *cq)
{
    LOCK(&cq->lock);
    struct ow_job *first = cq->first;
    if (first)
        set_empty(cq->fd);
    cq->first = cq->last = NULL;
    return first;
}

int ow_cq_dispatch(struct ow_cq *cq)
{
    int count = 0;
    struct ow_job *next;
    for (struct ow_job *job = take_all(cq); job; job = next, count++) {
        next = job->next;
        call_done(job);
    }
    return count;
}

void ow_cq_close(struct ow_cq *cq)
{
    if (!cq)
        return;
    while (ow_cq_dispatch(cq))
        ;
    close(cq->fd);
    mutex_fini(&cq->lock);
    free(cq);
}
