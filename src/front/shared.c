/* What workers share: see worker.h. */
#include "base/codec.h"
#include "base/error.h"
#include "base/file.h"
#include "crypto/crypto.h"
#include "front/forward.h"
#include "net/connection.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

/* Hot answers kept by each worker, of a KiB each. */
#define SECRETS_FILE 4096 /* octets */

/* --- secrets of cookies --- */

static int read_lines(const char *text, struct serve_options *options)
{
    while (*text != '\0' && options->secret_count < 2) {
        size_t line = strcspn(text, "\n"), digits = strspn(text, "0123456789abcdefABCDEF"), size;
        size_t blank = digits + strspn(text + digits, " \t\r");
        if ((blank < line && text[blank] != '#') ||
            (digits > 0 && (digits != 2 * SERVE_SECRET_SIZE ||
                            base_hex_decode(options->secrets[options->secret_count++],
                                            SERVE_SECRET_SIZE, &size, text, digits) != BASE_OK)))
            return BASE_EFORMAT;
        text += line + (text[line] == '\n');
    }
    return options->secret_count > 0 ? BASE_OK : BASE_EFORMAT;
}

/* From the file that is shared by several servers, or made here: two, as read_lines says. */
static int read_secrets(const struct config *config, struct serve_options *options)
{
    if (config->cookie_secret == NULL) {
        options->secret_count = 1;
        return getrandom(options->secrets[0], SERVE_SECRET_SIZE, 0) == SERVE_SECRET_SIZE ? BASE_OK
                                                                                         : BASE_EIO;
    }
    uint8_t *text;
    size_t length;
    int error = base_file_read(config->cookie_secret, SECRETS_FILE, &text, &length);
    if (error != BASE_OK)
        return error;
    error = read_lines((const char *)text, options);
    crypto_wipe(text, length);
    free(text);
    return error;
}

/* --- beginning and end --- */

static int make_rooms(struct front_shared *shared)
{
    shared->stats = calloc(shared->workers, sizeof(*shared->stats));
    shared->mailboxes = calloc(shared->workers, sizeof(*shared->mailboxes));
    if (shared->stats == NULL || shared->mailboxes == NULL)
        return BASE_ENOMEM;
    for (unsigned i = 0; i < shared->workers; i++)
        shared->mailboxes[i].wake = -1;
    int error = BASE_OK;
    for (unsigned i = 0; error == BASE_OK && i < shared->workers; i++)
        error = front_mailbox_init(&shared->mailboxes[i]);
    return error;
}

/* A channel whose other end is closed: nobody listens yet. */
static int make_link(struct front_shared *shared)
{
    int ends[2];
    int error = process_channel_pair(ends);
    if (error != BASE_OK)
        return error;
    close(ends[1]);
    shared->link = ends[0];
    return BASE_OK;
}

int front_shared_init(struct front_shared *shared, const struct config *config,
                      const struct base_log *log, unsigned workers)
{
    static const struct net_limits limits = NET_LIMITS_DEFAULT;
    memset(shared, 0, sizeof(*shared));
    shared->config = config;
    shared->log = log;
    shared->workers = workers;
    shared->link = -1;
    pthread_mutex_init(&shared->lock, NULL);
    shared->serve = (struct serve_options){
        .nsid = config->nsid,
        .nsid_length = config->nsid_length,
        .version = config->version,
        .identity = config->identity,
        .keepalive = (uint16_t)(limits.idle_ms / 100),
        .cache_octets = (size_t)config->hot_answers << 20,
    };
    int error = make_rooms(shared);
    if (error == BASE_OK)
        error = make_link(shared);
    if (error == BASE_OK)
        error = config_templates(config, &shared->templates, &shared->template_count);
    if (error == BASE_OK)
        error = read_secrets(config, &shared->serve);
    if (error != BASE_OK)
        front_shared_free(shared);
    return error;
}

void front_shared_free(struct front_shared *shared)
{
    for (unsigned i = 0; shared->mailboxes != NULL && i < shared->workers; i++)
        front_mailbox_free(&shared->mailboxes[i]);
    if (shared->image != NULL)
        front_image_leave(shared, shared->image);
    if (shared->link >= 0)
        close(shared->link);
    free(shared->templates);
    free(shared->mailboxes);
    free(shared->stats);
    crypto_wipe(shared->serve.secrets, sizeof(shared->serve.secrets));
    pthread_mutex_destroy(&shared->lock);
    memset(shared, 0, sizeof(*shared));
    shared->link = -1;
}

void front_shared_totals(const struct front_shared *shared, struct front_totals *totals)
{
    memset(totals, 0, sizeof(*totals));
    for (unsigned i = 0; i < shared->workers; i++)
        front_stats_sum(&shared->stats[i], totals);
}

/* --- images --- */

int front_shared_image(struct front_shared *shared, struct image *image)
{
    struct front_image *next = calloc(1, sizeof(*next));
    if (next == NULL)
        return BASE_ENOMEM;
    next->image = image;
    next->users = 1;
    pthread_mutex_lock(&shared->lock);
    struct front_image *last = shared->image;
    shared->image = next;
    atomic_fetch_add_explicit(&shared->image_generation, 1, memory_order_release);
    pthread_mutex_unlock(&shared->lock);
    if (last != NULL)
        front_image_leave(shared, last);
    /* A worker that nobody asks would keep the old one. */
    front_link_wake(shared);
    return BASE_OK;
}

struct front_image *front_image_take(struct front_shared *shared, uint32_t *generation)
{
    pthread_mutex_lock(&shared->lock);
    struct front_image *image = shared->image;
    *generation = atomic_load_explicit(&shared->image_generation, memory_order_relaxed);
    if (image != NULL)
        image->users++;
    pthread_mutex_unlock(&shared->lock);
    return image;
}

void front_image_leave(struct front_shared *shared, struct front_image *image)
{
    pthread_mutex_lock(&shared->lock);
    bool last = --image->users == 0;
    pthread_mutex_unlock(&shared->lock);
    if (!last)
        return;
    image_close(image->image);
    free(image);
}

const struct config_template *front_template(const struct front_worker *worker,
                                             const struct image_zone *zone)
{
    const struct front_shared *shared = worker->shared;
    if (zone->template == 0)
        return &shared->config->standard;
    return config_template_find(shared->templates, shared->template_count, zone->template);
}
