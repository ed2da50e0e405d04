/* The lanes (lanes.h). Each lane is first in, first out; the writer picks among them by credit: of
 * 13 picks, 8 are urgent, 4 normal, 1 bulk, and a lane without jobs gives its picks away. So urgent
 * work goes first and bulk work still moves. Who finds a lane full waits in line for a place; a
 * place that is freed goes to the first in that line and never becomes free for a newcomer. What
 * must stay true: `places` counts queued jobs plus granted places; the mutex is a leaf and is held
 * for a few instructions only. */
#include "onewriter/lanes.h"

#include "base/clock.h"
#include "onewriter/fail.h"

static const int weight[OW_LANES] = {8, 4, 1};

void ow_jobs_append(struct ow_jobs *list, struct ow_job *job)
{
    job->next = NULL;
    job->before = list->last;
    *(list->last ? &list->last->next : &list->first) = job;
    list->last = job;
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

void ow_jobs_prepend_all(struct ow_jobs *list, struct ow_jobs *from)
{
    struct ow_job *job;
    struct ow_jobs all = *from;
    *from = (struct ow_jobs){0};
    while ((job = ow_jobs_pop(list)))
        ow_jobs_append(&all, job);
    *list = all;
}

void ow_lanes_init(struct ow_lanes *lanes, const struct ow_lane_limit *limits)
{
    *lanes = (struct ow_lanes){.limit = limits};
    mutex_init(&lanes->lock);
    cond_init(&lanes->work);
}

void ow_lanes_fini(struct ow_lanes *lanes)
{
    cond_fini(&lanes->work);
    mutex_fini(&lanes->lock);
}

/* A job has left: its place goes to who waits, or becomes free. */
static void free_place(struct ow_lane_queue *lane)
{
    if (!ow_turn_grant(&lane->turn, lane))
        lane->places--;
}

static int get_place(struct ow_lanes *lanes, struct ow_lane_queue *lane, int64_t deadline_us,
                     struct ow_err *err)
{
    if (!lanes->closed && lane->places < lanes->limit[lane - lanes->lane].max_jobs) {
        lane->places++;
        return 0;
    }
    bool granted = !lanes->closed && ow_turn_wait(&lane->turn, &lanes->lock, deadline_us);
    if (granted && lanes->closed)
        free_place(lane);
    if (lanes->closed)
        return ow_fail(err, OW_CLOSED, "the database is being closed");
    if (granted)
        return 0;
    return ow_fail(err, OW_QUEUE_FULL, "%u jobs are queued already and none left in time",
                   (unsigned)lanes->limit[lane - lanes->lane].max_jobs);
}

int ow_lanes_put(struct ow_lanes *lanes, struct ow_job *job, int64_t deadline_us,
                 struct ow_err *err)
{
    LOCK(&lanes->lock);
    struct ow_lane_queue *lane = &lanes->lane[job->lane];
    int rc = get_place(lanes, lane, deadline_us, err);
    if (rc)
        return rc;
    atomic_store(&job->state, OW_JOB_QUEUED);
    ow_jobs_append(&lane->jobs, job);
    lanes->queued++;
    if (lanes->writer_waits)
        cond_signal(&lanes->work);
    return 0;
}

static void unqueue(struct ow_lanes *lanes, struct ow_lane_queue *lane, struct ow_job *job)
{
    ow_jobs_remove(&lane->jobs, job);
    lanes->queued--;
    free_place(lane);
}

bool ow_lanes_withdraw(struct ow_lanes *lanes, struct ow_job *job)
{
    LOCK(&lanes->lock);
    if (atomic_load(&job->state) != OW_JOB_QUEUED)
        return false;
    unqueue(lanes, &lanes->lane[job->lane], job);
    return true;
}

void ow_lanes_close(struct ow_lanes *lanes)
{
    LOCK(&lanes->lock);
    lanes->closed = true;
    for (int i = 0; i < OW_LANES; i++)
        while (ow_turn_grant(&lanes->lane[i].turn, &lanes->lane[i]))
            lanes->lane[i].places++; /* each gives it back when it sees that all is closed */
    cond_signal(&lanes->work);
}

enum ow_wake ow_lanes_wait(struct ow_lanes *lanes, int64_t deadline_us)
{
    LOCK(&lanes->lock);
    lanes->writer_waits = true;
    bool in_time = true;
    while (!lanes->queued && !lanes->closed && in_time)
        in_time = cond_wait_until(&lanes->work, &lanes->lock, deadline_us);
    lanes->writer_waits = false;
    if (lanes->queued)
        return OW_WAKE_WORK;
    return lanes->closed ? OW_WAKE_CLOSED : OW_WAKE_IDLE;
}

static struct ow_lane_queue *pick_lane(struct ow_lanes *lanes)
{
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < OW_LANES; i++)
            if (lanes->lane[i].jobs.first && lanes->lane[i].credit > 0)
                return &lanes->lane[i];
        for (int i = 0; i < OW_LANES; i++)
            lanes->lane[i].credit = weight[i];
    }
    return NULL;
}

struct ow_job *ow_lanes_take(struct ow_lanes *lanes)
{
    LOCK(&lanes->lock);
    struct ow_lane_queue *lane = lanes->queued ? pick_lane(lanes) : NULL;
    if (!lane)
        return NULL;
    lane->credit--;
    struct ow_job *job = lane->jobs.first;
    unqueue(lanes, lane, job);
    atomic_store(&job->state, OW_JOB_TAKEN);
    return job;
}

void ow_lanes_take_older(struct ow_lanes *lanes, int64_t since_us, struct ow_jobs *list)
{
    LOCK(&lanes->lock);
    for (int i = 0; i < OW_LANES; i++) {
        struct ow_job *job;
        while ((job = lanes->lane[i].jobs.first) && job->submitted_us < since_us) {
            unqueue(lanes, &lanes->lane[i], job);
            atomic_store(&job->state, OW_JOB_TAKEN);
            ow_jobs_append(list, job);
        }
    }
}

void ow_lanes_measure(struct ow_lanes *lanes, struct ow_metrics *out)
{
    int64_t now_us = clock_monotonic_us();
    LOCK(&lanes->lock);
    for (int i = 0; i < OW_LANES; i++) {
        const struct ow_jobs *jobs = &lanes->lane[i].jobs;
        out->lane[i].queued = jobs->count;
        out->lane[i].oldest_us = jobs->first ? now_us - jobs->first->submitted_us : 0;
    }
}
