/* Opening and closing an image, and telling whether it is one: see image.h. */
#include "image/internal.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define DATA_FILE "data.mdb"
#define LOCK_FILE "lock.mdb"
#define PATH_SIZE 4096

int image_error(int rc)
{
    switch (rc) {
    case MDB_SUCCESS:
        return BASE_OK;
    case MDB_NOTFOUND:
    case ENOENT:
        return BASE_ENOENT;
    case MDB_MAP_FULL:
    case MDB_TXN_FULL:
    case ENOSPC:
    case EDQUOT:
        return BASE_ESPACE;
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_INVALID:
    case MDB_VERSION_MISMATCH:
    case MDB_INCOMPATIBLE:
        return BASE_EFORMAT;
    case ENOMEM:
        return BASE_ENOMEM;
    case EACCES:
    case EPERM:
    case EROFS:
        return BASE_EPERM;
    case MDB_READERS_FULL:
        return BASE_ELIMIT;
    default:
        errno = rc > 0 ? rc : EIO;
        return BASE_EIO;
    }
}

static bool make_path(char out[PATH_SIZE], const char *directory, const char *file)
{
    int length = snprintf(out, PATH_SIZE, "%s/%s", directory, file);
    return length > 0 && length < PATH_SIZE;
}

/* What LMDB's two heads say; the fields lie as in its MDB_meta, in the order of this machine. */
#define META_SIZE    152
#define META_MAGIC   0xBEEFC0DEu
#define META_VERSION 1u

struct extent {
    uint64_t transaction;
    uint64_t octets; /* that the file must have */
    uint32_t page;
};

static bool read_meta(int file, off_t at, struct extent *extent)
{
    uint8_t head[META_SIZE];
    uint32_t magic, version, page;
    uint64_t last;
    if (pread(file, head, sizeof(head), at) != (ssize_t)sizeof(head))
        return false;
    memcpy(&magic, head + 16, 4);
    memcpy(&version, head + 20, 4);
    memcpy(&page, head + 40, 4);
    memcpy(&last, head + 136, 8);
    memcpy(&extent->transaction, head + 144, 8);
    if (magic != META_MAGIC || (version & 0xffff) != META_VERSION || page < 256 || page > 65536 ||
        (page & (page - 1)) != 0 || last >= (uint64_t)1 << 47)
        return false;
    extent->page = page;
    extent->octets = (last + 1) * page;
    return true;
}

/* The extent that the newer head gives. */
static bool read_extent(int file, struct extent *extent)
{
    struct extent second;
    if (!read_meta(file, 0, extent) || !read_meta(file, extent->page, &second))
        return false;
    if (second.transaction > extent->transaction)
        *extent = second;
    return true;
}

/* A file that is shorter than its pages would end in SIGBUS. */
static int check_file(const char *path)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return image_error(errno);
    struct stat status;
    struct extent extent;
    int error = BASE_OK;
    if (fstat(file, &status) != 0)
        error = BASE_EIO;
    else if (status.st_size == 0)
        error = BASE_ENOENT;
    else if (!read_extent(file, &extent) || (uint64_t)status.st_size < extent.octets)
        error = BASE_EFORMAT;
    close(file);
    return error;
}

static inline uint64_t load_word(const uint8_t *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof(word));
    return be64toh(word);
}

int image_compare_keys(const MDB_val *a, const MDB_val *b)
{
    const uint8_t *x = a->mv_data, *y = b->mv_data;
    size_t least = a->mv_size < b->mv_size ? a->mv_size : b->mv_size;
    if (least < sizeof(uint64_t)) {
        int order = memcmp(x, y, least);
        if (order != 0)
            return order;
    } else {
        /* The last piece overlaps the one before: nothing outside of the keys is read. */
        for (size_t at = 0;; at += sizeof(uint64_t)) {
            if (at > least - sizeof(uint64_t))
                at = least - sizeof(uint64_t);
            uint64_t left = load_word(x + at), right = load_word(y + at);
            if (left != right)
                return left < right ? -1 : 1;
            if (at == least - sizeof(uint64_t))
                break;
        }
    }
    return a->mv_size < b->mv_size ? -1 : a->mv_size > b->mv_size;
}

static const char *const names[IMAGE_DATABASES] = {"about", "zones",   "names",
                                                   "nsec3", "history", "expiry"};

static int put_number(MDB_txn *txn, MDB_dbi dbi, const char *what, uint64_t number)
{
    uint8_t octets[8];
    base_store_u32(octets, (uint32_t)(number >> 32));
    base_store_u32(octets + 4, (uint32_t)number);
    MDB_val key = {strlen(what), (void *)(uintptr_t)what}, value = {8, octets};
    return mdb_put(txn, dbi, &key, &value, 0);
}

static int open_databases(struct image *image)
{
    MDB_txn *txn;
    int rc = mdb_txn_begin(image->env, NULL, image->writer ? 0 : MDB_RDONLY, &txn);
    if (rc != 0)
        return rc;
    bool fresh = false;
    for (unsigned i = 0; i < IMAGE_DATABASES && rc == 0; i++) {
        rc = mdb_dbi_open(txn, names[i], fresh ? MDB_CREATE : 0, &image->dbis[i]);
        /* One that has some and not others is of another format. */
        if (rc == MDB_NOTFOUND && image->writer && i == 0) {
            fresh = true;
            rc = mdb_dbi_open(txn, names[i], MDB_CREATE, &image->dbis[i]);
        }
        if (rc == 0)
            rc = mdb_set_compare(txn, image->dbis[i], image_compare_keys);
    }
    if (rc == 0 && fresh)
        rc = put_number(txn, image->dbis[IMAGE_ABOUT], "format", IMAGE_FORMAT);
    if (rc == 0) {
        MDB_val key = {6, (void *)(uintptr_t) "format"}, value;
        rc = mdb_get(txn, image->dbis[IMAGE_ABOUT], &key, &value);
        if (rc == MDB_NOTFOUND ||
            (rc == 0 &&
             (value.mv_size != 8 || base_load_u32((uint8_t *)value.mv_data + 4) != IMAGE_FORMAT)))
            rc = MDB_INVALID;
    } else if (rc == MDB_NOTFOUND) {
        rc = MDB_INVALID;
    }
    if (rc != 0) {
        mdb_txn_abort(txn);
        return rc;
    }
    return mdb_txn_commit(txn);
}

static int open_environment(struct image *image, const char *directory,
                            const struct image_options *options)
{
    int rc = mdb_env_create(&image->env);
    if (rc != 0)
        return rc;
    mdb_env_set_maxdbs(image->env, IMAGE_DATABASES);
    if (options->readers > 0)
        mdb_env_set_maxreaders(image->env, options->readers);
    mdb_env_set_mapsize(image->env, options->map_size != 0 ? options->map_size : IMAGE_MAP_DEFAULT);
    unsigned flags = MDB_NOTLS | (image->writer ? 0 : MDB_RDONLY) |
                     (options->no_sync ? (unsigned)MDB_NOSYNC : 0);
    rc = mdb_env_open(image->env, directory, flags, 0640);
    if (rc == 0 && image->writer)
        mdb_reader_check(image->env, NULL);
    return rc;
}

int image_open(const char *directory, const struct image_options *options, struct image **out)
{
    char path[PATH_SIZE];
    if (!make_path(path, directory, DATA_FILE))
        return BASE_ERANGE;
    int error = check_file(path);
    if (error != BASE_OK && !(error == BASE_ENOENT && options->writer))
        return error;
    if (options->writer && mkdir(directory, 0750) != 0 && errno != EEXIST)
        return image_error(errno == ENOENT ? EIO : errno);
    struct image *image = calloc(1, sizeof(*image));
    if (image == NULL)
        return BASE_ENOMEM;
    image->writer = options->writer;
    int rc = open_environment(image, directory, options);
    if (rc == 0)
        rc = open_databases(image);
    if (rc != 0) {
        image_close(image);
        return image_error(rc);
    }
    *out = image;
    return BASE_OK;
}

void image_close(struct image *image)
{
    if (image == NULL)
        return;
    image_abort(image);
    if (image->env != NULL)
        mdb_env_close(image->env);
    free(image);
}

int image_is_whole(const char *directory)
{
    char path[PATH_SIZE];
    return make_path(path, directory, DATA_FILE) ? check_file(path) : BASE_ERANGE;
}

int image_copy(struct image *image, const char *directory)
{
    if (mkdir(directory, 0750) != 0 && errno != EEXIST)
        return image_error(errno == ENOENT ? EIO : errno);
    int rc = mdb_env_copy2(image->env, directory, 0);
    if (rc != 0 && rc != EEXIST)
        image_discard(directory); /* no halves */
    return image_error(rc);
}

int image_discard(const char *directory)
{
    char path[PATH_SIZE];
    const char *const files[] = {DATA_FILE, LOCK_FILE};
    for (unsigned i = 0; i < 2; i++) {
        if (!make_path(path, directory, files[i]))
            return BASE_ERANGE;
        if (unlink(path) != 0 && errno != ENOENT)
            return image_error(errno);
    }
    return BASE_OK;
}

int image_begin(struct image *image)
{
    if (!image->writer || image->batch != NULL)
        return BASE_EINVAL;
    return image_error(mdb_txn_begin(image->env, NULL, 0, &image->batch));
}

/* LMDB leaves pages at the end that nobody uses unwritten; the file's length tells damage. */
static void fill_up(struct image *image)
{
    int file;
    struct stat status;
    MDB_envinfo info;
    MDB_stat pages;
    if (mdb_env_get_fd(image->env, &file) != 0 || fstat(file, &status) != 0 ||
        mdb_env_info(image->env, &info) != 0 || mdb_env_stat(image->env, &pages) != 0)
        return;
    uint64_t octets = ((uint64_t)info.me_last_pgno + 1) * pages.ms_psize;
    if ((uint64_t)status.st_size < octets && ftruncate(file, (off_t)octets) != 0)
        return; /* at worst the image is made again */
}

int image_commit(struct image *image)
{
    if (image->batch == NULL)
        return BASE_EINVAL;
    MDB_txn *txn = image->batch;
    image->batch = NULL;
    int rc = mdb_txn_commit(txn);
    if (rc == 0)
        fill_up(image);
    return image_error(rc);
}

void image_abort(struct image *image)
{
    if (image->batch != NULL)
        mdb_txn_abort(image->batch);
    image->batch = NULL;
}
