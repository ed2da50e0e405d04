/* The lanes (lanes.h). Each lane is first in, first out; the writer picks among them by credit: of
 * 13 picks, 8 are urgent, 4 normal, 1 bulk, and a lane without jobs gives its picks away. So urgent
 * work goes first and bulk work still moves. Who finds a lane full waits in line for a place; a
 * place that is freed goes to the first in that line and never becomes free for a newcomer.
 *
 * The writer's connection has one owner at a time. A thread that finds it idle, and that was alone
 * with it before, owns it for its own job and pays no hand-over; as soon as others wait, the writer
 * thread owns it and groups their jobs. What must stay true: `places` and `bytes` count queued jobs
 * and granted places; the mutex is a leaf and is held for a few instructions per job. */
#include "onewriter/lanes.h"

#include "base/clock.h"
#include "onewriter/bell.h"
#include "onewriter/fail.h"

static const int weight[OW_LANES] = {8, 4, 1};

/* So many lone groups in a row and a caller may run its own. */
#define LONE_ENOUGH 2

struct ow_place {
    struct ow_place *next;
    struct cond granted;
    uint32_t bytes;
    int64_t since_us;
    bool has;
};

void ow_lanes_init(struct ow_lanes *lanes, const struct ow_lane_limit *limits)
{
    *lanes = (struct ow_lanes){.lone = LONE_ENOUGH};
    for (int i = 0; i < OW_LANES; i++)
        lanes->lane[i].limit = &limits[i];
    mutex_init(&lanes->lock);
    cond_init(&lanes->work);
}

void ow_lanes_fini(struct ow_lanes *lanes)
{
    ow_slabs_fini(&lanes->slabs);
    cond_fini(&lanes->work);
    mutex_fini(&lanes->lock);
}

/* ---- places ---- */

static bool fits(const struct ow_lane_queue *lane, uint32_t bytes)
{
    const struct ow_lane_limit *limit = lane->limit;
    return lane->places < limit->max_jobs &&
           (lane->places == 0 || (uint64_t)lane->bytes + bytes <= limit->max_bytes);
}

static void use_place(struct ow_lane_queue *lane, uint32_t bytes)
{
    lane->places++;
    lane->bytes += bytes;
}

/* Grants what is free to those who wait, in their order; once a quarter of the lane is free, since
 * a thread that is woken for a single place is back in line before the next is free. */
static void grant_places(struct ow_lane_queue *lane)
{
    struct ow_place *place;
    if (lane->places > lane->limit->max_jobs - lane->limit->max_jobs / 4 ||
        lane->bytes > lane->limit->max_bytes - lane->limit->max_bytes / 4)
        return;
    while ((place = lane->first) && fits(lane, place->bytes)) {
        use_place(lane, place->bytes);
        lane->first = place->next;
        if (!lane->first)
            lane->last = NULL;
        lane->waiting--;
        place->has = true;
        cond_signal(&place->granted);
    }
}

static void free_place(struct ow_lane_queue *lane, uint32_t bytes)
{
    lane->places--;
    lane->bytes -= bytes;
    grant_places(lane);
}

static void leave_line(struct ow_lane_queue *lane, struct ow_place *place)
{
    struct ow_place *before = NULL;
    for (struct ow_place *at = lane->first; at != place; at = at->next)
        before = at;
    *(before ? &before->next : &lane->first) = place->next;
    if (lane->last == place)
        lane->last = before;
    lane->waiting--;
}

/* Waits, with the mutex held, for a place. */
static bool stand_in_line(struct ow_lanes *lanes, struct ow_lane_queue *lane, uint32_t bytes,
                          int64_t deadline_us)
{
    struct ow_place place = {.bytes = bytes, .since_us = clock_monotonic_us()};
    if (place.since_us >= deadline_us)
        return false;
    cond_init(&place.granted);
    *(lane->last ? &lane->last->next : &lane->first) = &place;
    lane->last = &place;
    lane->waiting++;
    while (!place.has && !lanes->closed &&
           cond_wait_until(&place.granted, &lanes->lock, deadline_us))
        ;
    if (!place.has) {
        bool first = lane->first == &place;
        leave_line(lane, &place);
        if (first && !lanes->closed && fits(lane, bytes)) { /* of the few that are free */
            use_place(lane, bytes);
            place.has = true;
        }
    }
    cond_fini(&place.granted);
    return place.has;
}

static void unqueue(struct ow_lanes *lanes, struct ow_lane_queue *lane, struct ow_job *job)
{
    ow_jobs_remove(&lane->jobs, job);
    lanes->queued--;
    free_place(lane, job->bytes);
}

static bool drop_oldest(struct ow_lanes *lanes, struct ow_lane_queue *lane, struct ow_jobs *dropped)
{
    struct ow_job *job = lane->jobs.first;
    while (job && job->is_marker)
        job = job->next;
    if (!job)
        return false;
    unqueue(lanes, lane, job);
    atomic_store(&job->state, OW_JOB_TAKEN);
    lane->dropped++;
    ow_jobs_append(dropped, job);
    return true;
}

/* is_marker: a flush's own job stands in the lane whatever its limits are. */
static int get_place(struct ow_lanes *lanes, struct ow_lane_queue *lane, uint32_t bytes,
                     bool is_marker, int64_t deadline_us, struct ow_jobs *dropped,
                     struct ow_err *err)
{
    if (lanes->closed)
        return ow_fail(err, OW_CLOSED, "the database is being closed");
    if (is_marker) {
        use_place(lane, bytes);
        return 0;
    }
    if (lane->limit->policy == OW_DROP_OLDEST)
        while (!fits(lane, bytes) && drop_oldest(lanes, lane, dropped))
            ;
    if (!lane->first && fits(lane, bytes)) {
        use_place(lane, bytes);
        return 0;
    }
    bool granted =
        lane->limit->policy != OW_REJECT && stand_in_line(lanes, lane, bytes, deadline_us);
    if (granted && lanes->closed)
        free_place(lane, bytes);
    if (lanes->closed)
        return ow_fail(err, OW_CLOSED, "the database is being closed");
    if (granted)
        return 0;
    lane->rejected++;
    return ow_fail(err, OW_QUEUE_FULL, "%u jobs are queued already and none left in time%s%s",
                   (unsigned)lane->jobs.count, lanes->trouble.code ? ": " : "",
                   lanes->trouble.code ? lanes->trouble.text : "");
}

/* ---- producers ---- */

static void enqueue(struct ow_lanes *lanes, struct ow_lane_queue *lane, struct ow_job *job)
{
    atomic_store_explicit(&job->state, OW_JOB_QUEUED, memory_order_relaxed);
    job->bell = lanes->group & 1 ? OW_BELL_ODD : OW_BELL_EVEN;
    ow_jobs_append(&lane->jobs, job);
    lanes->queued++;
    if (lanes->thread_waits && lanes->owner == OW_OWNER_NONE) {
        lanes->thread_waits = false; /* once is enough */
        cond_signal(&lanes->work);
    }
}

int ow_lanes_put(struct ow_lanes *lanes, struct ow_job *job, int64_t deadline_us,
                 struct ow_jobs *dropped, struct ow_err *err)
{
    struct ow_lane_queue *lane = &lanes->lane[job->lane];
    LOCK(&lanes->lock);
    int rc = get_place(lanes, lane, job->bytes, job->is_marker, deadline_us, dropped, err);
    if (!rc)
        enqueue(lanes, lane, job);
    return rc;
}

int ow_lanes_append(struct ow_lanes *lanes, const struct ow_row *model, int64_t deadline_us,
                    struct ow_jobs *dropped, struct ow_err *err)
{
    struct ow_lane_queue *lane = &lanes->lane[model->job.lane];
    size_t bytes = ow_row_bytes(model->values, model->count) + strlen(model->sql);
    if (bytes > UINT32_MAX / 2)
        return ow_fail(err, OW_CALLER, "a row of %zu bytes is too long", bytes);
    LOCK(&lanes->lock);
    bytes = ow_slabs_needs(&lanes->slabs, model->sql, model->values, model->count);
    int rc = get_place(lanes, lane, (uint32_t)bytes, false, deadline_us, dropped, err);
    if (rc)
        return rc;
    struct ow_row *row = ow_slabs_copy(&lanes->slabs, model->sql, model->values, model->count);
    if (!row) {
        free_place(lane, (uint32_t)bytes);
        return ow_fail(err, OW_RESOURCE, "no memory for a row of %zu bytes", bytes);
    }
    row->job = model->job;
    row->job.bytes = (uint32_t)bytes;
    enqueue(lanes, lane, &row->job);
    return 0;
}

bool ow_lanes_withdraw(struct ow_lanes *lanes, struct ow_job *job)
{
    LOCK(&lanes->lock);
    if (atomic_load(&job->state) != OW_JOB_QUEUED)
        return false;
    unqueue(lanes, &lanes->lane[job->lane], job);
    atomic_store(&job->state, OW_JOB_TAKEN);
    return true;
}

void ow_lanes_close(struct ow_lanes *lanes)
{
    LOCK(&lanes->lock);
    lanes->closed = true;
    for (int i = 0; i < OW_LANES; i++)
        for (struct ow_place *place = lanes->lane[i].first; place; place = place->next)
            cond_signal(&place->granted);
    cond_signal(&lanes->work);
}

/* ---- ownership ---- */

bool ow_lanes_own(struct ow_lanes *lanes, bool at_once)
{
    if (!at_once && atomic_load_explicit(&lanes->lone, memory_order_relaxed) < LONE_ENOUGH)
        return false; /* the common answer under load, without the mutex */
    LOCK(&lanes->lock);
    if (lanes->owner != OW_OWNER_NONE || lanes->queued || lanes->closed ||
        (!at_once && lanes->lone < LONE_ENOUGH))
        return false;
    lanes->owner = OW_OWNER_CALLER;
    return true;
}

void ow_lanes_disown(struct ow_lanes *lanes, enum ow_left left)
{
    LOCK(&lanes->lock);
    lanes->owner = OW_OWNER_NONE;
    lanes->called |= left != OW_LEFT_NOTHING;
    lanes->left_over |= left == OW_LEFT_JOBS;
    if (lanes->queued || lanes->called || lanes->closed)
        cond_signal(&lanes->work);
}

bool ow_lanes_note_group(struct ow_lanes *lanes, uint32_t jobs)
{
    LOCK(&lanes->lock);
    int lone = jobs == 1 && !lanes->queued ? lanes->lone + 1 : 0;
    lanes->groups++;
    atomic_store_explicit(&lanes->lone, lone, memory_order_relaxed);
    return lone >= LONE_ENOUGH;
}

static bool is_due(const struct ow_lanes *lanes)
{
    return lanes->owner == OW_OWNER_NONE && (lanes->queued || lanes->called || lanes->closed);
}

/* Sleeps, with the mutex held, until the thread is due or no group ended for wait_us. */
static void await_due(struct ow_lanes *lanes, int64_t wait_us)
{
    uint64_t groups = lanes->groups;
    int64_t deadline_us = clock_monotonic_us() + wait_us;
    while (!is_due(lanes)) {
        lanes->thread_waits = true;
        if (cond_wait_until(&lanes->work, &lanes->lock, deadline_us))
            continue;
        /* A caller that owns the connection now will end a group, so the quiet has not begun. */
        if (groups == lanes->groups && lanes->owner == OW_OWNER_NONE)
            return;
        groups = lanes->groups;
        deadline_us = clock_monotonic_us() + wait_us;
    }
}

enum ow_wake ow_lanes_wait(struct ow_lanes *lanes, int64_t wait_us, bool has_work)
{
    LOCK(&lanes->lock);
    if (lanes->owner == OW_OWNER_THREAD) { /* at its start the thread owns nothing */
        if (has_work)
            return OW_WAKE_WORK;
        lanes->owner = OW_OWNER_NONE;
    }
    await_due(lanes, wait_us);
    bool left_over = lanes->left_over, called = lanes->called;
    lanes->thread_waits = lanes->left_over = lanes->called = false;
    lanes->owner = OW_OWNER_THREAD;
    if (lanes->queued || left_over)
        return OW_WAKE_WORK;
    if (lanes->closed)
        return OW_WAKE_CLOSED;
    return called ? OW_WAKE_CALLED : OW_WAKE_IDLE;
}

/* ---- the owner takes jobs ---- */

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

/* Takes the first `max` jobs of a lane, or all: the list is cut in two. */
static uint32_t take_from(struct ow_lanes *lanes, struct ow_lane_queue *lane, struct ow_jobs *list,
                          uint32_t max)
{
    struct ow_jobs taken = {.first = lane->jobs.first};
    uint32_t bytes = 0;
    for (struct ow_job *job = taken.first; job && taken.count < max; job = job->next) {
        atomic_store_explicit(&job->state, OW_JOB_TAKEN, memory_order_relaxed);
        bytes += job->bytes;
        taken.last = job;
        taken.count++;
    }
    uint32_t count = taken.count;
    if (!count)
        return 0;
    lane->jobs.first = taken.last->next;
    *(lane->jobs.first ? &lane->jobs.first->before : &lane->jobs.last) = NULL;
    lane->jobs.count -= count;
    taken.last->next = NULL;
    lanes->queued -= count;
    lane->places -= count;
    lane->bytes -= bytes;
    grant_places(lane);
    ow_jobs_append_all(list, &taken);
    return count;
}

bool ow_lanes_are_empty(struct ow_lanes *lanes)
{
    LOCK(&lanes->lock);
    return lanes->queued == 0;
}

void ow_lanes_take(struct ow_lanes *lanes, struct ow_jobs *list, uint32_t max)
{
    LOCK(&lanes->lock);
    lanes->group += !lanes->queued; /* closed: who comes now is in the next one */
    while (max && lanes->queued) {
        struct ow_lane_queue *lane = pick_lane(lanes);
        bool is_only = lane->jobs.count == lanes->queued; /* nobody to share the writer with */
        uint32_t taken = take_from(lanes, lane, list, is_only ? max : 1);
        lane->credit -= !is_only;
        max -= taken;
    }
}

void ow_lanes_put_back(struct ow_lanes *lanes, struct ow_jobs *jobs)
{
    LOCK(&lanes->lock);
    for (struct ow_job *job; (job = jobs->last);) {
        struct ow_lane_queue *lane = &lanes->lane[job->lane];
        ow_jobs_remove(jobs, job);
        atomic_store(&job->state, OW_JOB_QUEUED);
        ow_jobs_prepend(&lane->jobs, job);
        lanes->queued++;
        use_place(lane, job->bytes);
    }
}

void ow_lanes_take_all(struct ow_lanes *lanes, struct ow_jobs *list)
{
    LOCK(&lanes->lock);
    for (int i = 0; i < OW_LANES; i++)
        take_from(lanes, &lanes->lane[i], list, UINT32_MAX);
}

void ow_lanes_release(struct ow_lanes *lanes, struct ow_slab *slab, uint32_t rows)
{
    if (!rows)
        return;
    LOCK(&lanes->lock);
    ow_slabs_release(&lanes->slabs, slab, rows);
}

/* ---- sight ---- */

void ow_lanes_set_trouble(struct ow_lanes *lanes, const struct ow_err *why)
{
    LOCK(&lanes->lock);
    lanes->trouble = why ? *why : (struct ow_err){0};
}

void ow_lanes_get_trouble(struct ow_lanes *lanes, struct ow_err *out)
{
    LOCK(&lanes->lock);
    *out = lanes->trouble;
}

void ow_lanes_measure(struct ow_lanes *lanes, struct ow_metrics *out)
{
    int64_t now_us = clock_monotonic_us();
    LOCK(&lanes->lock);
    for (int i = 0; i < OW_LANES; i++) {
        const struct ow_lane_queue *lane = &lanes->lane[i];
        const struct ow_job *first = lane->jobs.first;
        out->lane[i] = (struct ow_lane_metrics){
            .queued = lane->jobs.count,
            .queued_bytes = lane->bytes,
            .oldest_us = first && now_us > first->submitted_us ? now_us - first->submitted_us : 0,
            .dropped = lane->dropped,
            .rejected = lane->rejected,
        };
    }
}

int ow_lanes_list(struct ow_lanes *lanes, struct ow_who *out, int max)
{
    int64_t now_us = clock_monotonic_us();
    int n = 0;
    LOCK(&lanes->lock);
    for (int i = 0; i < OW_LANES; i++)
        for (const struct ow_place *place = lanes->lane[i].first; place; place = place->next)
            if (n++ < max)
                out[n - 1] = (struct ow_who){.kind = OW_WHO_WAITS,
                                             .lane = (enum ow_lane)i,
                                             .label = "",
                                             .age_us = now_us - place->since_us};
    return n;
}
