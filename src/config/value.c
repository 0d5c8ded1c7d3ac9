/* Values of settings: see read.h. */
#include "base/error.h"
#include "config/read.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

void *config_alloc(struct config_reading *reading, size_t size)
{
    void *result = base_arena_zalloc(&reading->config->arena, size);
    if (result == NULL)
        reading->out_of_memory = true;
    return result;
}

const char *config_keep(struct config_reading *reading, const char *text)
{
    const char *result = base_arena_strndup(&reading->config->arena, text, strlen(text));
    if (result == NULL)
        reading->out_of_memory = true;
    return result;
}

void *config_append(struct config_reading *reading, const void *items, size_t count, size_t size)
{
    if (count > 0 && (count & (count - 1)) != 0)
        return (void *)items; /* has room up to the next power of two */
    void *grown = config_alloc(reading, (count > 0 ? 2 * count : 1) * size);
    if (grown != NULL && count > 0)
        memcpy(grown, items, count * size);
    return grown;
}

bool config_is_none(const struct base_yaml *node)
{
    if (node->kind == BASE_YAML_SCALAR)
        return node->text[0] == '\0' || strcmp(node->text, "none") == 0;
    return node->kind == BASE_YAML_LIST && node->count == 0;
}

bool config_number(const struct base_yaml *node, unsigned least, unsigned most, unsigned *out)
{
    if (node->kind != BASE_YAML_SCALAR || !isdigit((unsigned char)node->text[0]))
        return false;
    char *end;
    errno = 0;
    unsigned long value = strtoul(node->text, &end, 10);
    if (*end != '\0' || errno != 0 || value < least || value > most)
        return false;
    *out = (unsigned)value;
    return true;
}

bool config_bool(const struct base_yaml *node, bool *out)
{
    static const char *const words[] = {"false", "true", NULL};
    unsigned word;
    if (!config_word(node, words, &word))
        return false;
    *out = word == 1;
    return true;
}

bool config_word(const struct base_yaml *node, const char *const *words, unsigned *out)
{
    for (unsigned i = 0; node->kind == BASE_YAML_SCALAR && words[i] != NULL; i++)
        if (strcmp(node->text, words[i]) == 0) {
            *out = i;
            return true;
        }
    return false;
}

bool config_size(const struct base_yaml *node, size_t *out)
{
    static const char units[] = "KMG";
    if (node->kind != BASE_YAML_SCALAR || !isdigit((unsigned char)node->text[0]))
        return false;
    char *end;
    errno = 0;
    unsigned long long value = strtoull(node->text, &end, 10);
    const char *unit = *end != '\0' ? strchr(units, *end) : NULL;
    unsigned shift = unit != NULL ? 10 * (unsigned)(unit - units + 1) : 0;
    if (errno != 0 || (*end != '\0' && (unit == NULL || end[1] != '\0')) ||
        value > (UINT64_C(1) << 50) >> shift)
        return false;
    *out = (size_t)(value << shift);
    return true;
}

bool config_text(struct config_reading *reading, const struct base_yaml *node, const char **out)
{
    if (node->kind != BASE_YAML_SCALAR || node->text[0] == '\0')
        return false;
    const char *text = config_keep(reading, node->text);
    if (text != NULL)
        *out = text;
    return true;
}

const char *config_absolute(struct config_reading *reading, const char *path)
{
    size_t length = strlen(path);
    while (length > 1 && path[length - 1] == '/')
        length--;
    const char *result = path[0] == '/' ? base_arena_strndup(&reading->config->arena, path, length)
                                        : base_arena_printf(&reading->config->arena, "%s/%.*s",
                                                            reading->directory, (int)length, path);
    if (result == NULL)
        reading->out_of_memory = true;
    return result;
}

bool config_path(struct config_reading *reading, const struct base_yaml *node, const char **out)
{
    if (node->kind != BASE_YAML_SCALAR || node->text[0] == '\0' || strlen(node->text) >= PATH_MAX)
        return false;
    const char *path = config_absolute(reading, node->text);
    if (path != NULL)
        *out = path;
    return true;
}

bool config_text_or_none(struct config_reading *reading, const struct base_yaml *node,
                         const char **out)
{
    if (!config_is_none(node))
        return config_text(reading, node, out);
    *out = NULL;
    return true;
}

bool config_path_or_none(struct config_reading *reading, const struct base_yaml *node,
                         const char **out)
{
    if (!config_is_none(node))
        return config_path(reading, node, out);
    *out = NULL;
    return true;
}

bool config_name(const char *text, uint8_t out[DNS_NAME_MAX])
{
    static const uint8_t root[] = "";
    uint8_t name[DNS_NAME_MAX];
    size_t length;
    if (text[0] == '\0' || strcmp(text, "@") == 0 ||
        dns_name_from_text(name, &length, text, strlen(text), root) != BASE_OK)
        return false;
    dns_name_lower(out, name);
    return true;
}

bool config_check_name(struct config_reading *reading, const struct base_yaml *node,
                       const char *what)
{
    static const char others[] = "-_.";
    struct config_match match;
    size_t length = strlen(node->key);
    bool good = length > 0 && length <= 64 && strcmp(node->key, "none") != 0 &&
                config_network_parse(node->key, &match) != BASE_OK;
    for (size_t i = 0; good && i < length; i++)
        good = isalnum((unsigned char)node->key[i]) || strchr(others, node->key[i]) != NULL;
    if (!good)
        config_refuse_key(reading, CONFIG_INVALID, node,
                          "\"%.64s\" cannot be the name of %s: names are up to 64 letters, digits, "
                          "\"-\", \"_\" and \".\", and not an address, \"any\" or \"none\"",
                          node->key, what);
    return good;
}

bool config_check_secret_file(struct config_reading *reading, const struct base_yaml *node,
                              const char *path)
{
    struct stat file;
    if (stat(path, &file) != 0) {
        config_refuse(reading, FILE_UNREADABLE, node, "%s: %s", path, strerror(errno));
        return false;
    }
    if ((file.st_mode & (S_IROTH | S_IWOTH)) != 0) {
        config_refuse(reading, CONFIG_SECRET_OPEN, node,
                      "every user of this machine may %s %s (mode %04o); run: chmod o= %s",
                      (file.st_mode & S_IROTH) != 0 ? "read" : "write", path,
                      (unsigned)file.st_mode & 07777, path);
        return false;
    }
    return true;
}

const struct base_yaml *config_items(const struct base_yaml *node)
{
    if (config_is_none(node))
        return NULL;
    return node->kind == BASE_YAML_LIST ? node->first : node;
}

const struct base_yaml *config_next(const struct base_yaml *list, const struct base_yaml *item)
{
    return item == list ? NULL : item->next;
}
