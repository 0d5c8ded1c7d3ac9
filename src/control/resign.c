/*
 * A version with signatures made anew by schedule: see internal.h. The image knows which names'
 * signatures expire first, so a job takes as many of these as it can sign in a moment, and the next
 * job comes when the next are due. What is due is never looked for in the whole zone, work is as
 * even as the policy's jitter makes the expirations, and changes have their turn in between.
 */
#include "control/internal.h"

#include "base/error.h"

#include <string.h>

/* Most names (and owners of NSEC3 records) that one job signs again: with P-256 a tenth of a second
 * for signing and the gate. */
#define NAMES_MAX 500
/* What is due within this time is signed too: so many seconds lie between versions that have no
 * other reason, but for zones with more in that time than one job signs. */
#define AHEAD 3600
/* For zones that one job can sign as a whole it is this part of what signatures live before they
 * are renewed: few versions are worth more there than few signatures. */
#define AHEAD_SMALL_PART 8

/* How much earlier than the policy demands signatures are made anew: never so much that a new one
 * would be due at once. */
static uint32_t ahead_of(const struct control_job *job)
{
    const struct sign_policy *policy = &job->policy->sign;
    uint32_t life = policy->validity - policy->refresh, least = (life - policy->jitter) / 2;
    uint32_t ahead = job->names > NAMES_MAX ? AHEAD : life / AHEAD_SMALL_PART;
    return ahead < least ? ahead : least;
}

static int note_owner(void *context, const uint8_t *owner)
{
    struct control_refresh *refresh = context;
    size_t length = dns_name_length(owner);
    uint8_t *copy = base_arena_alloc(&refresh->arena, length);
    if (copy == NULL)
        return BASE_ENOMEM;
    memcpy(copy, owner, length);
    refresh->names[refresh->count++] = copy;
    return BASE_OK;
}

static int collect(struct control_job *job, struct image_reader *reader,
                   const struct image_zone *held, struct control_refresh *refresh)
{
    uint32_t ahead = ahead_of(job);
    refresh->policy = job->policy->sign;
    refresh->policy.refresh += ahead;
    refresh->names = base_arena_alloc(&refresh->arena, NAMES_MAX * sizeof(*refresh->names));
    if (refresh->names == NULL)
        return BASE_ENOMEM;
    base_time until = job->now + refresh->policy.refresh;
    return image_expiring(reader, held, until, NAMES_MAX, note_owner, refresh,
                          &job->earliest_expiry);
}

void control_refresh_plan(struct control_job *job)
{
    job->next_resign =
        job->earliest_expiry != 0 ? job->earliest_expiry - job->policy->sign.refresh : 0;
}

bool control_resign_whole(struct control_job *job, struct control_worker *worker)
{
    job->task.run = control_whole_run; /* whoever asks how it was made */
    job->step = job->last_good = false;
    return control_whole_run(&job->task, worker);
}

bool control_resign_run(struct control_task *task, struct control_worker *worker)
{
    struct control_job *job = (struct control_job *)task;
    struct control_refresh refresh = {0};
    struct image_reader *reader;
    struct image_zone held;
    struct zone_view view;
    job->outcome = CONTROL_FAILED;
    int error = control_change_begin(job, worker, &reader, &held, &view);
    base_arena_init(&refresh.arena, 0);
    if (error == BASE_OK)
        error = collect(job, reader, &held, &refresh);
    bool write = false;
    if (error != BASE_OK) {
        control_job_unreadable(job, error);
    } else if (refresh.count == 0) {
        control_refresh_plan(job);
        job->outcome = CONTROL_CURRENT;
    } else {
        job->step = refresh.count == NAMES_MAX;
        job->resign = &refresh;
        write = control_change_publish(job, worker, &view);
        job->resign = NULL;
    }
    base_arena_free(&refresh.arena);
    return write;
}
