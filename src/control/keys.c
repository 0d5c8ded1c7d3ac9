/* The keys that a job signs with: see internal.h. */
#include "control/internal.h"

#include "base/error.h"

static void lost(struct control_job *job, struct control_worker *worker)
{
    control_worker_lost_keys(worker);
    control_job_report(job, KEYS_GONE, NULL, "the key process did not answer");
}

int control_provide_keys(struct control_job *job, struct control_worker *worker, bool exist,
                         struct crypto_keydir *out)
{
    struct keys_client *client;
    struct keys_provided provided;
    struct keys_request request = {.zone = job->name,
                                   .policy = &job->policy->sign,
                                   .now = job->now,
                                   .early = true,
                                   .exist = exist};
    /* First of all: keys that are lost from here on end this epoch, and with it the job. */
    unsigned epoch = atomic_load(&job->control->keys_epoch);
    int error = control_worker_keys(worker, &client);
    if (error == BASE_OK)
        error = keys_client_provide(client, &request, &job->findings, &provided);
    if (error == BASE_ENOENT)
        lost(job, worker);
    if (error != BASE_OK)
        return error;
    job->keys_made += provided.created;
    /* One that was early stays so: it may have been signed before. */
    if (!provided.settled && !job->early) {
        job->early = true;
        job->epoch = epoch;
    }
    *out = provided.keys;
    return BASE_OK;
}

void control_keys_used(struct control_job *job, struct control_worker *worker, int error)
{
    if (error == BASE_ENOENT)
        lost(job, worker);
}
