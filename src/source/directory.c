/* A directory of zone files: see directory.h. */
#include "source/directory.h"

#include "base/codec.h"
#include "base/error.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Resolves %XX; the result is not longer than the input. False when one is malformed or stands
 * for NUL, which would end the name early. */
static bool resolve_percent(char *out, const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (text[i] != '%') {
            *out++ = text[i];
            continue;
        }
        uint8_t octet;
        size_t octets;
        if (length - i < 3 || base_hex_decode(&octet, 1, &octets, text + i + 1, 2) != BASE_OK ||
            octet == 0)
            return false;
        *out++ = (char)octet;
        i += 2;
    }
    *out = '\0';
    return true;
}

static bool has_ending(const char *text, size_t length, const char *ending)
{
    size_t size = strlen(ending);
    return length > size && memcmp(text + length - size, ending, size) == 0;
}

int source_zone_of_file(const char *file_name, uint8_t zone[DNS_NAME_MAX])
{
    size_t length = strlen(file_name);
    if (file_name[0] == '.' || length > DNS_NAME_TEXT - 1)
        return BASE_ENOENT;
    if (has_ending(file_name, length, ".zone"))
        length -= 5;
    else if (has_ending(file_name, length, ".db"))
        length -= 3;
    else if (strncmp(file_name, "db.", 3) == 0 && length > 3) {
        file_name += 3;
        length -= 3;
    } else
        return BASE_ENOENT;
    char text[DNS_NAME_TEXT];
    if (!resolve_percent(text, file_name, length))
        return BASE_ENOENT;
    static const uint8_t root[] = {0};
    uint8_t name[DNS_NAME_MAX];
    size_t name_length;
    /* We write "@.zone"; "root.zone" is what everybody calls the root's file. */
    if (strcmp(text, "root") == 0 || strcmp(text, "@") == 0)
        memcpy(name, root, 1);
    else if (dns_name_from_text(name, &name_length, text, strlen(text), root) != BASE_OK)
        return BASE_ENOENT;
    dns_name_lower(zone, name);
    return BASE_OK;
}

static int compare_files(const void *a, const void *b)
{
    const struct source_file *left = a, *right = b;
    int order = dns_name_compare(left->zone, right->zone);
    return order != 0 ? order : strcmp(left->path, right->path);
}

static struct source_fingerprint fingerprint_of(const struct stat *status)
{
    return (struct source_fingerprint){
        .device = status->st_dev,
        .inode = status->st_ino,
        .size = (uint64_t)status->st_size,
        .modified_ns = status->st_mtim.tv_sec * INT64_C(1000000000) + status->st_mtim.tv_nsec,
    };
}

static int add_file(struct source_directory *directory, size_t *capacity, const char *path, int fd,
                    const char *file_name)
{
    struct source_file file;
    struct stat status;
    if (source_zone_of_file(file_name, file.zone) != BASE_OK)
        return BASE_OK;
    /* A file that went away since it was listed is simply not there. */
    if (fstatat(fd, file_name, &status, 0) != 0 || !S_ISREG(status.st_mode))
        return BASE_OK;
    file.fingerprint = fingerprint_of(&status);
    file.path = base_arena_printf(&directory->arena, "%s/%s", path, file_name);
    if (file.path == NULL)
        return BASE_ENOMEM;
    if (directory->count == *capacity) {
        size_t more = *capacity ? *capacity * 2 : 64;
        struct source_file *files = realloc(directory->files, more * sizeof(*files));
        if (files == NULL)
            return BASE_ENOMEM;
        directory->files = files;
        *capacity = more;
    }
    directory->files[directory->count++] = file;
    return BASE_OK;
}

/* Sorts, and leaves one file for each zone. */
static void settle(struct source_directory *directory, struct base_findings *findings)
{
    if (directory->count == 0)
        return;
    qsort(directory->files, directory->count, sizeof(*directory->files), compare_files);
    size_t kept = 1;
    for (size_t i = 1; i < directory->count; i++) {
        const struct source_file *first = &directory->files[kept - 1];
        if (dns_name_equal(directory->files[i].zone, first->zone)) {
            struct base_place place = {.file = directory->files[i].path};
            base_findings_add(findings, SOURCE_TWO_FILES, &place,
                              "%s holds the same zone and is used instead", first->path);
            continue;
        }
        directory->files[kept++] = directory->files[i];
    }
    directory->count = kept;
}

int source_directory_scan(const char *path, struct base_findings *findings,
                          struct source_directory *out)
{
    struct base_place place = {.file = path};
    struct source_directory directory = {0};
    base_arena_init(&directory.arena, 0);
    DIR *listing = opendir(path);
    if (listing == NULL) {
        base_findings_add(findings, FILE_UNREADABLE, &place, "cannot list the directory: %s",
                          strerror(errno));
        return BASE_EIO;
    }
    size_t capacity = 0;
    int error = BASE_OK;
    while (error == BASE_OK) {
        errno = 0;
        struct dirent *entry = readdir(listing);
        if (entry == NULL) {
            if (errno != 0) {
                base_findings_add(findings, FILE_UNREADABLE, &place,
                                  "cannot list the directory: %s", strerror(errno));
                error = BASE_EIO;
            }
            break;
        }
        error = add_file(&directory, &capacity, path, dirfd(listing), entry->d_name);
    }
    closedir(listing);
    if (error != BASE_OK) {
        source_directory_free(&directory);
        return error;
    }
    settle(&directory, findings);
    *out = directory;
    return BASE_OK;
}

void source_directory_free(struct source_directory *directory)
{
    free(directory->files);
    base_arena_free(&directory->arena);
    *directory = (struct source_directory){0};
}

const struct source_file *source_directory_find(const struct source_directory *directory,
                                                const uint8_t *zone)
{
    size_t low = 0, high = directory->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = dns_name_compare(directory->files[middle].zone, zone);
        if (order == 0)
            return &directory->files[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

bool source_fingerprint_equal(const struct source_fingerprint *a,
                              const struct source_fingerprint *b)
{
    return a->device == b->device && a->inode == b->inode && a->size == b->size &&
           a->modified_ns == b->modified_ns;
}
