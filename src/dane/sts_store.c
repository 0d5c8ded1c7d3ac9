/*
 * MTA-STS policies kept. A file is one line, "kenter-sts-1 ID FETCHED", and then the document as it
 * came; its name is the domain.
 */
#include "dane/sts_store.h"

#include "base/error.h"
#include "base/file.h"
#include "dane/keyed.h"
#include "dane/names.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAGIC       "kenter-sts-1"
#define HEADER_MAX  128
#define REFRESH_AGE 86400 /* seconds: section 10.2 says once a day */

struct policy {
    struct keyed_link link;
    struct policy *newer, *older; /* in the order of fetching */
    char domain[DANE_DOMAIN_MAX];
    char id[DANE_STS_ID_MAX + 1];
    char *text; /* NULL: only a failure is known */
    size_t length;
    base_time fetched, until;
    base_time failed_until;
    char failed_id[DANE_STS_ID_MAX + 1];
    char why[200];
};

struct dane_sts_store {
    char *directory; /* NULL */
    const struct base_log *log;
    struct keyed_table table;
    struct policy *newest, *oldest;
    size_t octets;
};

/* --- the list by age --- */

static void list_remove(struct dane_sts_store *store, struct policy *policy)
{
    *(policy->newer ? &policy->newer->older : &store->newest) = policy->older;
    *(policy->older ? &policy->older->newer : &store->oldest) = policy->newer;
}

static void list_add(struct dane_sts_store *store, struct policy *policy)
{
    policy->newer = NULL;
    policy->older = store->newest;
    *(store->newest ? &store->newest->newer : &store->oldest) = policy;
    store->newest = policy;
}

static int path_of(const char *directory, const char *domain, char **out)
{
    return asprintf(out, "%s/%s", directory, domain) < 0 ? BASE_ENOMEM : BASE_OK;
}

static void remove_file(const char *directory, const char *name)
{
    char *path;
    if (directory && path_of(directory, name, &path) == BASE_OK) {
        unlink(path);
        free(path);
    }
}

static void drop_text(struct dane_sts_store *store, struct policy *policy)
{
    store->octets -= policy->length;
    free(policy->text);
    policy->text = NULL;
    policy->length = 0;
}

static void drop(struct dane_sts_store *store, struct policy *policy)
{
    if (policy->text)
        remove_file(store->directory, policy->domain);
    drop_text(store, policy);
    list_remove(store, policy);
    keyed_remove(&store->table, &policy->link);
    free(policy);
}

static void make_room(struct dane_sts_store *store, const struct policy *keep)
{
    while (
        (store->table.count > DANE_STS_STORE_POLICIES || store->octets > DANE_STS_STORE_OCTETS) &&
        store->oldest && store->oldest != keep)
        drop(store, store->oldest);
}

static struct policy *find(const struct dane_sts_store *store, const char *domain)
{
    return (struct policy *)keyed_find(&store->table, domain);
}

/* The domain's entry, made when there is none, and the newest from now on. */
static struct policy *touch(struct dane_sts_store *store, const char *domain)
{
    struct policy *policy = find(store, domain);
    if (policy) {
        list_remove(store, policy);
        list_add(store, policy);
        return policy;
    }
    if (strlen(domain) >= sizeof policy->domain || !(policy = calloc(1, sizeof *policy)))
        return NULL;
    snprintf(policy->domain, sizeof policy->domain, "%s", domain);
    policy->link.key = policy->domain;
    if (keyed_add(&store->table, &policy->link) != BASE_OK) {
        free(policy);
        return NULL;
    }
    list_add(store, policy);
    return policy;
}

/* --- what others see --- */

void dane_sts_store_find(struct dane_sts_store *store, const char *domain, base_time now,
                         struct dane_sts_kept *out)
{
    struct policy *policy = find(store, domain);
    *out = (struct dane_sts_kept){.text = NULL};
    if (!policy)
        return;
    if (policy->text && now >= policy->until) {
        remove_file(store->directory, policy->domain);
        drop_text(store, policy);
    }
    if (now < policy->failed_until) {
        out->why = policy->why;
        out->failed_id = policy->failed_id;
    }
    if (!policy->text)
        return;
    base_time half = (policy->until - policy->fetched) / 2;
    out->text = policy->text;
    out->length = policy->length;
    out->id = policy->id;
    out->until = policy->until;
    out->refresh = now - policy->fetched >= (half < REFRESH_AGE ? half : REFRESH_AGE);
}

int dane_sts_store_put(struct dane_sts_store *store, const char *domain, const char *id,
                       base_time now, const char *text, size_t length, char why[200])
{
    struct dane_sts sts;
    if (strlen(id) > DANE_STS_ID_MAX)
        return BASE_EINVAL;
    int status = dane_sts_parse(text, length, &sts, why);
    if (status != BASE_OK)
        return status;
    base_time until = now + (base_time)sts.max_age;
    dane_sts_free(&sts);
    char *copy = malloc(length + 1);
    struct policy *policy = copy ? touch(store, domain) : NULL;
    if (!policy) {
        free(copy);
        return BASE_ENOMEM;
    }
    memcpy(copy, text, length);
    copy[length] = '\0';
    drop_text(store, policy);
    policy->text = copy;
    policy->length = length;
    policy->fetched = now;
    policy->until = until;
    policy->failed_until = 0;
    store->octets += length;
    snprintf(policy->id, sizeof policy->id, "%s", id);
    make_room(store, policy);
    return BASE_OK;
}

void dane_sts_store_failed(struct dane_sts_store *store, const char *domain, const char *id,
                           base_time now, const char *why)
{
    struct policy *policy = touch(store, domain);
    if (!policy)
        return; /* then it is tried again sooner */
    policy->failed_until = now + DANE_STS_RETRY;
    snprintf(policy->failed_id, sizeof policy->failed_id, "%s", id);
    snprintf(policy->why, sizeof policy->why, "%s", why);
    make_room(store, policy);
}

size_t dane_sts_store_count(const struct dane_sts_store *store)
{
    return store->table.count;
}

/* --- files --- */

int dane_sts_store_write(const char *directory, const char *domain, const char *id, base_time now,
                         const char *text, size_t length)
{
    struct base_file_writer *writer = NULL;
    char header[HEADER_MAX], *path;
    if (!directory)
        return BASE_OK;
    int status = path_of(directory, domain, &path);
    if (status != BASE_OK)
        return status;
    int size = snprintf(header, sizeof header, MAGIC " %s %" PRId64 "\n", id, now);
    status = base_file_create(path, 0640, &writer);
    free(path);
    if (status == BASE_OK)
        status = base_file_write(writer, header, (size_t)size);
    if (status == BASE_OK)
        status = base_file_write(writer, text, length);
    if (status == BASE_OK)
        return base_file_commit(writer);
    base_file_abort(writer);
    return status;
}

/* Takes a file's content up. BASE_EFORMAT: it is no policy that still holds. */
static int take(struct dane_sts_store *store, const char *domain, const char *data, size_t length,
                base_time now)
{
    char id[DANE_STS_ID_MAX + 1], header[HEADER_MAX], why[200];
    const char *end = memchr(data, '\n', length);
    int64_t fetched;
    int used = 0;
    if (!end || (size_t)(end - data) >= sizeof header)
        return BASE_EFORMAT;
    memcpy(header, data, (size_t)(end - data));
    header[end - data] = '\0';
    if (sscanf(header, MAGIC " %32[0-9A-Za-z] %" SCNd64 "%n", id, &fetched, &used) != 2 ||
        header[used] != '\0' || fetched < 0 || fetched > now)
        return BASE_EFORMAT;
    size_t skip = (size_t)(end - data) + 1;
    int status = dane_sts_store_put(store, domain, id, fetched, data + skip, length - skip, why);
    if (status != BASE_OK)
        return status;
    return find(store, domain)->until > now ? BASE_OK : BASE_EFORMAT;
}

static int load(struct dane_sts_store *store, const char *name, base_time now)
{
    char domain[DANE_DOMAIN_MAX], *path;
    uint8_t *data;
    size_t length;
    if (name[0] == '.')
        return BASE_OK;
    if (dane_domain_to_ascii(name, domain) != BASE_OK || strcmp(name, domain) != 0)
        return BASE_OK; /* not ours */
    if (path_of(store->directory, name, &path) != BASE_OK)
        return BASE_ENOMEM;
    int status = base_file_read(path, DANE_STS_TEXT_MAX + HEADER_MAX, &data, &length);
    free(path);
    if (status == BASE_ENOMEM)
        return status;
    if (status == BASE_OK) {
        status = take(store, domain, (const char *)data, length, now);
        free(data);
    }
    struct policy *policy = find(store, domain);
    if (status == BASE_EFORMAT && policy)
        drop(store, policy);
    else if (status == BASE_EFORMAT || status == BASE_ELIMIT)
        remove_file(store->directory, name);
    return status == BASE_ENOMEM ? status : BASE_OK;
}

static int load_all(struct dane_sts_store *store, base_time now)
{
    DIR *directory = opendir(store->directory);
    int status = BASE_OK;
    if (!directory) {
        base_log(store->log, now, BASE_LOG_ERROR, "%s: %s", store->directory, strerror(errno));
        return BASE_EIO;
    }
    for (struct dirent *entry; status == BASE_OK && (entry = readdir(directory));)
        status = load(store, entry->d_name, now);
    closedir(directory);
    return status;
}

int dane_sts_store_open(const char *directory, base_time now, const struct base_log *log,
                        struct dane_sts_store **out)
{
    struct dane_sts_store *store = calloc(1, sizeof *store);
    if (!store)
        return BASE_ENOMEM;
    keyed_init(&store->table);
    store->log = log;
    store->directory = directory ? strdup(directory) : NULL;
    int status = directory && !store->directory ? BASE_ENOMEM
                 : directory                    ? load_all(store, now)
                                                : BASE_OK;
    if (status != BASE_OK) {
        dane_sts_store_free(store);
        return status;
    }
    *out = store;
    return BASE_OK;
}

void dane_sts_store_free(struct dane_sts_store *store)
{
    if (!store)
        return;
    for (struct policy *policy = store->newest, *next; policy; policy = next) {
        next = policy->older;
        free(policy->text);
        free(policy);
    }
    keyed_free(&store->table);
    free(store->directory);
    free(store);
}
