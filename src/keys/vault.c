/*
 * Keys in memory: see vault.h. A table by zone, and a list by use. One lock is over both and held
 * for moments; what takes long (reading, making, waiting for the disk) is done outside of it, under
 * a lock that only the same zone, and some others by chance, wait for.
 */
#include "keys/vault.h"

#include "base/error.h"
#include "sign/provide.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEYS_MAX      1024 /* kept in memory; more only while they are in use or not settled */
#define BUCKETS       1024
#define STRIPES       64
#define IDLE_MAX      4       /* signers kept for a key */
#define UNSETTLED_MAX 2048    /* zones with new keys; more are settled before the next is made */
#define ASIDE         ".new-" /* how the directories of new keys are named until they are settled */

/* By which a change of a directory is seen. */
struct stamp {
    struct timespec changed, modified;
    ino_t inode;
    bool sure; /* it was old enough when it was read: a later change gives another stamp */
};

enum state { SETTLED, UNSETTLED, LOST };

struct idle {
    struct crypto_signer *signers[IDLE_MAX];
    size_t count;
};

struct keys_zone {
    struct keys_zone *next;          /* in its bucket */
    struct keys_zone *newer, *older; /* by use */
    bool listed;                     /* in both of these, which hold it */
    unsigned holders;
    enum state state;
    struct stamp stamp;
    uint8_t zone[DNS_NAME_MAX];
    struct crypto_keydir keys;
    struct idle *idle; /* by key */
};

struct unsettled {
    struct keys_zone *zone; /* held */
    char *aside, *path;     /* owned */
};

struct keys_vault {
    char *directory;
    int fd;               /* of the directory, with the lock that keeps a second vault away */
    pthread_mutex_t lock; /* over all below, but for `stripes` and `settling` */
    struct keys_zone *buckets[BUCKETS];
    struct keys_zone *newest, *oldest;
    size_t key_count;
    struct unsettled *unsettled;
    size_t unsettled_count;
    uint64_t asides; /* names given */
    bool lost;       /* keys were lost that nobody was told of */
    pthread_mutex_t settling;
    pthread_mutex_t stripes[STRIPES];
};

/*
 * The table; `lock` is held
 */

static struct keys_zone **bucket(struct keys_vault *vault, const uint8_t *zone)
{
    return &vault->buckets[dns_name_hash(zone) % BUCKETS];
}

static void unlink_use(struct keys_vault *vault, struct keys_zone *zone)
{
    *(zone->newer != NULL ? &zone->newer->older : &vault->newest) = zone->older;
    *(zone->older != NULL ? &zone->older->newer : &vault->oldest) = zone->newer;
}

static void link_newest(struct keys_vault *vault, struct keys_zone *zone)
{
    zone->newer = NULL;
    zone->older = vault->newest;
    *(vault->newest != NULL ? &vault->newest->newer : &vault->oldest) = zone;
    vault->newest = zone;
}

static struct keys_zone *hold_listed(struct keys_vault *vault, const uint8_t *name)
{
    struct keys_zone *zone = *bucket(vault, name);
    while (zone != NULL && !dns_name_equal(zone->zone, name))
        zone = zone->next;
    if (zone != NULL) {
        unlink_use(vault, zone);
        link_newest(vault, zone);
        zone->holders++;
    }
    return zone;
}

/* Wipes what is private (crypto_key_free does). */
static void free_zone(struct keys_zone *zone)
{
    for (size_t i = 0; zone->idle != NULL && i < zone->keys.count; i++) {
        for (size_t k = 0; k < zone->idle[i].count; k++)
            crypto_signer_free(zone->idle[i].signers[k]);
    }
    free(zone->idle);
    crypto_keydir_free(&zone->keys);
    free(zone);
}

/* A holder less; the zone to be freed outside of the lock, or NULL. */
static struct keys_zone *drop(struct keys_zone *zone)
{
    return --zone->holders == 0 ? zone : NULL;
}

static struct keys_zone *unlist(struct keys_vault *vault, struct keys_zone *zone)
{
    if (!zone->listed)
        return NULL;
    struct keys_zone **at = bucket(vault, zone->zone);
    while (*at != zone)
        at = &(*at)->next;
    *at = zone->next;
    unlink_use(vault, zone);
    zone->listed = false;
    vault->key_count -= zone->keys.count;
    return drop(zone);
}

static void list(struct keys_vault *vault, struct keys_zone *zone)
{
    struct keys_zone **at = bucket(vault, zone->zone);
    zone->next = *at;
    *at = zone;
    link_newest(vault, zone);
    zone->listed = true;
    zone->holders++;
    vault->key_count += zone->keys.count;
}

/* The zone that was not used for longest and that nobody needs; NULL: there is room. */
static struct keys_zone *take_surplus(struct keys_vault *vault)
{
    if (vault->key_count <= KEYS_MAX)
        return NULL;
    struct keys_zone *zone = vault->oldest;
    while (zone != NULL && zone->holders > 1)
        zone = zone->newer;
    return zone == NULL ? NULL : unlist(vault, zone);
}

/*
 * Holding
 */

static void lock(struct keys_vault *vault)
{
    pthread_mutex_lock(&vault->lock);
}

static void unlock(struct keys_vault *vault)
{
    pthread_mutex_unlock(&vault->lock);
}

void keys_vault_release(struct keys_vault *vault, struct keys_zone *zone)
{
    lock(vault);
    struct keys_zone *last = drop(zone);
    struct keys_zone *surplus = take_surplus(vault);
    unlock(vault);
    if (last != NULL)
        free_zone(last);
    if (surplus != NULL)
        free_zone(surplus);
}

const struct crypto_keydir *keys_zone_keys(const struct keys_zone *zone)
{
    return &zone->keys;
}

static struct keys_zone *find_listed(struct keys_vault *vault, const uint8_t *name)
{
    lock(vault);
    struct keys_zone *zone = hold_listed(vault, name);
    unlock(vault);
    return zone;
}

static void forget(struct keys_vault *vault, struct keys_zone *zone)
{
    lock(vault);
    struct keys_zone *last = unlist(vault, zone);
    unlock(vault);
    if (last != NULL)
        free_zone(last);
}

/* Takes the keys over, on success; the caller holds what comes out. */
static int add_zone(struct keys_vault *vault, const uint8_t *name, const struct crypto_keydir *keys,
                    enum state state, const struct stamp *stamp, struct keys_zone **out)
{
    struct keys_zone *zone = calloc(1, sizeof(*zone));
    struct idle *idle = calloc(keys->count + 1, sizeof(*idle));
    if (zone == NULL || idle == NULL) {
        free(zone);
        free(idle);
        return BASE_ENOMEM;
    }
    zone->holders = 1;
    zone->state = state;
    zone->stamp = *stamp;
    zone->keys = *keys;
    zone->idle = idle;
    memcpy(zone->zone, name, dns_name_length(name));
    lock(vault);
    list(vault, zone);
    struct keys_zone *surplus = take_surplus(vault);
    unlock(vault);
    if (surplus != NULL)
        free_zone(surplus);
    *out = zone;
    return BASE_OK;
}

/*
 * Changes on disk
 */

/* False: there is no such directory. */
static bool read_stamp(const char *path, struct stamp *out)
{
    struct stat info;
    if (stat(path, &info) != 0)
        return false;
    *out = (struct stamp){.changed = info.st_ctim,
                          .modified = info.st_mtim,
                          .inode = info.st_ino,
                          .sure = info.st_ctim.tv_sec + 2 <= base_clock_now()};
    return true;
}

static bool same_time(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

/* BIND's tools write into files that are there, which does not show on the directory. */
static bool only_own(const struct crypto_keydir *keys)
{
    static const char bind[] = ".private";
    for (size_t i = 0; i < keys->count; i++) {
        size_t length = keys->keys[i].path == NULL ? 0 : strlen(keys->keys[i].path);
        if (length >= strlen(bind) && strcmp(keys->keys[i].path + length - strlen(bind), bind) == 0)
            return false;
    }
    return true;
}

static bool is_current(const struct keys_zone *zone, const struct stamp *now)
{
    return zone->stamp.sure && zone->stamp.inode == now->inode &&
           same_time(&zone->stamp.changed, &now->changed) &&
           same_time(&zone->stamp.modified, &now->modified) && only_own(&zone->keys);
}

/*
 * Bringing new keys to disk
 */

static void free_unsettled(struct unsettled *unsettled, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(unsettled[i].aside);
        free(unsettled[i].path);
    }
    free(unsettled);
}

/* What became of the keys of one zone. */
static void conclude(struct keys_vault *vault, struct keys_zone *zone, bool good)
{
    lock(vault);
    zone->state = good ? SETTLED : LOST;
    if (!good) {
        vault->lost = true;
        unlist(vault, zone); /* we hold it still */
    }
    struct keys_zone *last = drop(zone);
    unlock(vault);
    if (last != NULL)
        free_zone(last);
}

static int settle_batch(struct keys_vault *vault, struct unsettled *batch, size_t count,
                        struct base_findings *findings)
{
    struct crypto_keydir_move *moves = calloc(count, sizeof(*moves));
    int error = BASE_ENOMEM;
    if (moves != NULL) {
        for (size_t i = 0; i < count; i++)
            moves[i] = (struct crypto_keydir_move){.aside = batch[i].aside, .path = batch[i].path};
        error = crypto_keydir_settle(vault->directory, moves, count, findings);
    }
    for (size_t i = 0; i < count; i++) {
        bool moved = moves != NULL && moves[i].settled;
        if (!moved)
            crypto_keydir_discard(batch[i].aside);
        /* After a failure to sync, what was moved may still vanish with a loss of power. */
        conclude(vault, batch[i].zone, moved && (error == BASE_OK || error == BASE_EREFUSED));
    }
    free(moves);
    return error;
}

/* Whoever comes while it runs waits, and then finds that it was done for him too. */
static int settle(struct keys_vault *vault, struct base_findings *findings)
{
    pthread_mutex_lock(&vault->settling);
    lock(vault);
    struct unsettled *batch = vault->unsettled;
    size_t count = vault->unsettled_count;
    vault->unsettled = NULL;
    vault->unsettled_count = 0;
    unlock(vault);
    int error = count > 0 ? settle_batch(vault, batch, count, findings) : BASE_OK;
    free_unsettled(batch, count);
    pthread_mutex_unlock(&vault->settling);
    return error;
}

int keys_vault_settle(struct keys_vault *vault, struct base_findings *findings)
{
    int error = settle(vault, findings);
    lock(vault);
    bool lost = vault->lost;
    vault->lost = false;
    unlock(vault);
    if (error == BASE_OK && lost) {
        struct base_place place = {.file = vault->directory};
        base_findings_add(findings, FILE_UNWRITABLE, &place,
                          "new keys could not be brought to disk, and were given up");
        error = BASE_EREFUSED;
    }
    return error;
}

/* Notes that a zone waits to be settled; takes the names over, on success. */
static int add_unsettled(struct keys_vault *vault, struct keys_zone *zone, char *aside, char *path)
{
    lock(vault);
    size_t count = vault->unsettled_count;
    int error = BASE_OK;
    if ((count & (count - 1)) == 0) { /* room for the next power of two */
        size_t room = count == 0 ? 1 : 2 * count;
        struct unsettled *larger = realloc(vault->unsettled, room * sizeof(*larger));
        if (larger == NULL)
            error = BASE_ENOMEM;
        else
            vault->unsettled = larger;
    }
    if (error == BASE_OK) {
        zone->holders++;
        vault->unsettled[vault->unsettled_count++] = (struct unsettled){zone, aside, path};
    }
    unlock(vault);
    return error;
}

/*
 * Making and opening
 */

static char *aside_path(struct keys_vault *vault)
{
    size_t room = strlen(vault->directory) + 64;
    char *path = malloc(room);
    lock(vault);
    uint64_t number = vault->asides++;
    unlock(vault);
    if (path != NULL)
        snprintf(path, room, "%s/" ASIDE "%ld-%llu", vault->directory, (long)getpid(),
                 (unsigned long long)number);
    return path;
}

static void policy_of(const struct keys_provide *provide, struct sign_policy *policy)
{
    sign_policy_default(policy);
    policy->algorithm = provide->algorithm;
    policy->rsa_bits = provide->rsa_bits;
    policy->csk = provide->csk;
}

/* Makes the keys of a zone that has no directory. Takes `path` over. */
static int make_zone(struct keys_vault *vault, const struct keys_provide *provide, char *path,
                     struct base_findings *findings, struct keys_zone **out, size_t *created)
{
    struct sign_policy policy;
    struct crypto_zone_key wanted[2];
    struct crypto_keydir keys;
    struct stamp none = {.sure = false};
    unsigned bits;
    policy_of(provide, &policy);
    size_t count = sign_keys_wanted(provide->zone, &policy, provide->now, wanted, &bits);
    char *aside = aside_path(vault);
    int error = BASE_ENOMEM;
    if (aside != NULL)
        error = crypto_keydir_prepare(aside, path, wanted, count, bits, findings, &keys);
    if (error == BASE_OK) {
        error = add_zone(vault, provide->zone, &keys, UNSETTLED, &none, out);
        if (error != BASE_OK)
            crypto_keydir_free(&keys);
        else if ((error = add_unsettled(vault, *out, aside, path)) != BASE_OK) {
            forget(vault, *out);
            keys_vault_release(vault, *out);
        }
        if (error != BASE_OK)
            crypto_keydir_discard(aside);
    }
    if (error != BASE_OK) {
        free(aside);
        free(path);
        return error;
    }
    *created = count;
    return BASE_OK;
}

/* New keys would not be those that parents and caches know. */
static int refuse_new(const struct keys_provide *provide, const char *path,
                      struct base_findings *findings)
{
    char name[DNS_NAME_TEXT];
    struct base_place place = {.file = path};
    base_findings_add(findings, KEYS_LOST, &place,
                      "%s was published with keys, and here is none of them; no new key was made",
                      dns_name_text(name, provide->zone));
    return BASE_EREFUSED;
}

static int open_keys(const struct keys_provide *provide, const char *path,
                     struct base_findings *findings, struct crypto_keydir *out, size_t *created)
{
    struct sign_policy policy;
    policy_of(provide, &policy);
    if (!provide->exist)
        return sign_keys_provide(path, provide->zone, &policy, provide->now, findings, out,
                                 created);
    struct crypto_keydir keys;
    int error = crypto_keydir_open(path, provide->zone, findings, &keys);
    if (error == BASE_ENOENT)
        return refuse_new(provide, path, findings);
    if (error != BASE_OK)
        return error;
    if (keys.count == 0) {
        crypto_keydir_free(&keys);
        return refuse_new(provide, path, findings);
    }
    *out = keys;
    *created = 0;
    return BASE_OK;
}

static int open_zone(struct keys_vault *vault, const struct keys_provide *provide, const char *path,
                     const struct stamp *stamp, struct base_findings *findings,
                     struct keys_zone **out, size_t *created)
{
    struct crypto_keydir keys;
    size_t made;
    int error = open_keys(provide, path, findings, &keys, &made);
    if (error != BASE_OK)
        return error;
    error = add_zone(vault, provide->zone, &keys, SETTLED, stamp, out);
    if (error == BASE_OK)
        *created = made;
    else
        crypto_keydir_free(&keys);
    return error;
}

static enum state state_of(struct keys_vault *vault, const struct keys_zone *zone)
{
    lock(vault);
    enum state state = zone->state;
    unlock(vault);
    return state;
}

/* The stripe of the zone is locked. */
static int provide_zone(struct keys_vault *vault, const struct keys_provide *provide,
                        struct base_findings *findings, struct keys_zone **out, size_t *created)
{
    struct stamp stamp;
    char *path = crypto_keydir_path(vault->directory, provide->zone);
    if (path == NULL)
        return BASE_ENOMEM;
    struct keys_zone *zone = find_listed(vault, provide->zone);
    /* In this order: a zone gets its directory, then it is settled. */
    bool waits = zone != NULL && state_of(vault, zone) == UNSETTLED;
    bool there = read_stamp(path, &stamp), missing = !there && errno == ENOENT;
    if (waits || (zone != NULL && there && is_current(zone, &stamp))) {
        *out = zone;
        *created = 0;
        free(path);
        return BASE_OK;
    }
    if (zone != NULL) {
        forget(vault, zone);
        keys_vault_release(vault, zone);
    }
    if (missing && !provide->exist)
        return make_zone(vault, provide, path, findings, out, created);
    if (!there)
        stamp = (struct stamp){.sure = false};
    int error = open_zone(vault, provide, path, &stamp, findings, out, created);
    free(path);
    return error;
}

static pthread_mutex_t *stripe(struct keys_vault *vault, const uint8_t *zone)
{
    return &vault->stripes[dns_name_hash(zone) / BUCKETS % STRIPES];
}

/* New keys of a zone come to disk, with those of others that wait. */
static int settle_zone(struct keys_vault *vault, const struct keys_zone *zone,
                       struct base_findings *findings)
{
    settle(vault, findings);
    if (state_of(vault, zone) == SETTLED)
        return BASE_OK;
    if (!base_findings_bad(findings)) {
        struct base_place place = {.file = vault->directory};
        base_findings_add(findings, FILE_UNWRITABLE, &place,
                          "the new keys could not be brought to disk, and were given up");
    }
    return BASE_EREFUSED;
}

int keys_vault_provide(struct keys_vault *vault, const struct keys_provide *provide,
                       struct base_findings *findings, struct keys_zone **out, size_t *created,
                       bool *settled)
{
    struct keys_zone *zone;
    size_t made;
    pthread_mutex_lock(stripe(vault, provide->zone));
    int error = provide_zone(vault, provide, findings, &zone, &made);
    pthread_mutex_unlock(stripe(vault, provide->zone));
    if (error != BASE_OK)
        return error;
    lock(vault);
    bool full = vault->unsettled_count >= UNSETTLED_MAX;
    bool waits = zone->state != SETTLED;
    unlock(vault);
    if (waits && (full || !provide->early)) {
        error = settle_zone(vault, zone, findings);
        waits = false;
    }
    if (error != BASE_OK) {
        keys_vault_release(vault, zone);
        return error;
    }
    *out = zone;
    *created = made;
    *settled = !waits;
    return BASE_OK;
}

int keys_vault_find(struct keys_vault *vault, const uint8_t *name, struct keys_zone **out)
{
    struct keys_zone *zone = find_listed(vault, name);
    if (zone != NULL) {
        *out = zone;
        return BASE_OK;
    }
    struct base_findings findings; /* told when the keys are provided the next time */
    struct crypto_keydir keys;
    struct stamp stamp = {.sure = false};
    char *path = crypto_keydir_path(vault->directory, name);
    if (path == NULL)
        return BASE_ENOMEM;
    base_findings_init(&findings, 1);
    pthread_mutex_lock(stripe(vault, name));
    zone = find_listed(vault, name); /* somebody else may have been first */
    int error = BASE_OK;
    if (zone == NULL) {
        read_stamp(path, &stamp);
        error = crypto_keydir_open(path, name, &findings, &keys);
        if (error == BASE_OK) {
            error = add_zone(vault, name, &keys, SETTLED, &stamp, &zone);
            if (error != BASE_OK)
                crypto_keydir_free(&keys);
        }
    }
    pthread_mutex_unlock(stripe(vault, name));
    base_findings_free(&findings);
    free(path);
    if (error == BASE_OK)
        *out = zone;
    return error == BASE_OK || error == BASE_ENOMEM ? error : BASE_EPERM;
}

/*
 * Signers
 */

static size_t find_key(const struct keys_zone *zone, const uint8_t *id)
{
    size_t i = 0;
    while (i < zone->keys.count && memcmp(zone->keys.keys[i].id, id, CRYPTO_KEY_ID) != 0)
        i++;
    return i;
}

static bool signs_at(const struct crypto_zone_key *key, base_time now)
{
    return key->key != NULL && key->activate <= now &&
           (key->inactive == 0 || now < key->inactive) && (key->remove == 0 || now < key->remove);
}

int keys_vault_take(struct keys_vault *vault, struct keys_zone *zone, const uint8_t *id,
                    base_time now, struct crypto_signer **out)
{
    size_t i = find_key(zone, id);
    if (i == zone->keys.count || !signs_at(&zone->keys.keys[i], now))
        return BASE_EPERM;
    struct crypto_signer *signer = NULL;
    lock(vault);
    bool lost = zone->state == LOST;
    if (!lost && zone->idle[i].count > 0)
        signer = zone->idle[i].signers[--zone->idle[i].count];
    unlock(vault);
    if (lost)
        return BASE_EPERM;
    if (signer == NULL)
        return crypto_signer_new(zone->keys.keys[i].key, out);
    *out = signer;
    return BASE_OK;
}

void keys_vault_give(struct keys_vault *vault, struct keys_zone *zone, const uint8_t *id,
                     struct crypto_signer *signer)
{
    size_t i = find_key(zone, id);
    lock(vault);
    struct idle *idle = &zone->idle[i];
    if (idle->count < IDLE_MAX) {
        idle->signers[idle->count++] = signer;
        signer = NULL;
    }
    unlock(vault);
    crypto_signer_free(signer);
}

/*
 * Beginning and end
 */

/* What a run left that ended before its new keys were settled: nothing was published with them. */
static void remove_leftovers(struct keys_vault *vault)
{
    DIR *stream = opendir(vault->directory);
    if (stream == NULL)
        return;
    const struct dirent *entry;
    while ((entry = readdir(stream)) != NULL) {
        size_t room = strlen(vault->directory) + strlen(entry->d_name) + 2;
        if (strncmp(entry->d_name, ASIDE, strlen(ASIDE)) != 0)
            continue;
        char *path = malloc(room);
        if (path == NULL)
            break;
        snprintf(path, room, "%s/%s", vault->directory, entry->d_name);
        crypto_keydir_discard(path);
        free(path);
    }
    closedir(stream);
}

static int open_directory(struct keys_vault *vault, struct base_findings *findings)
{
    struct base_place place = {.file = vault->directory};
    if (mkdir(vault->directory, 0700) != 0 && errno != EEXIST) {
        base_findings_add(findings, FILE_UNWRITABLE, &place, "%s cannot be made: %s",
                          vault->directory, strerror(errno));
        return BASE_EREFUSED;
    }
    vault->fd = open(vault->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (vault->fd < 0) {
        base_findings_add(findings, FILE_UNREADABLE, &place, "%s: %s", vault->directory,
                          strerror(errno));
        return BASE_EREFUSED;
    }
    if (flock(vault->fd, LOCK_EX | LOCK_NB) != 0) {
        base_findings_add(findings, FILE_UNWRITABLE, &place,
                          "%s is in use by another key process: %s", vault->directory,
                          strerror(errno));
        return BASE_EREFUSED;
    }
    remove_leftovers(vault);
    return BASE_OK;
}

int keys_vault_new(const char *directory, struct base_findings *findings, struct keys_vault **out)
{
    struct keys_vault *vault = calloc(1, sizeof(*vault));
    if (vault == NULL)
        return BASE_ENOMEM;
    vault->fd = -1;
    pthread_mutex_init(&vault->lock, NULL);
    pthread_mutex_init(&vault->settling, NULL);
    for (size_t i = 0; i < STRIPES; i++)
        pthread_mutex_init(&vault->stripes[i], NULL);
    vault->directory = strdup(directory);
    int error = vault->directory == NULL ? BASE_ENOMEM : open_directory(vault, findings);
    if (error == BASE_OK)
        *out = vault;
    else
        keys_vault_free(vault);
    return error;
}

void keys_vault_free(struct keys_vault *vault)
{
    if (vault == NULL)
        return;
    for (size_t i = 0; i < vault->unsettled_count; i++)
        crypto_keydir_discard(vault->unsettled[i].aside);
    free_unsettled(vault->unsettled, vault->unsettled_count);
    for (struct keys_zone *zone = vault->newest; zone != NULL;) {
        struct keys_zone *older = zone->older;
        free_zone(zone); /* nobody else holds it any more */
        zone = older;
    }
    pthread_mutex_destroy(&vault->lock);
    pthread_mutex_destroy(&vault->settling);
    for (size_t i = 0; i < STRIPES; i++)
        pthread_mutex_destroy(&vault->stripes[i]);
    if (vault->fd >= 0)
        close(vault->fd);
    free(vault->directory);
    free(vault);
}
