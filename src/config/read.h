/*
 * What the files that read the settings share. Each section is a table of settings; what is not in
 * it is refused, with the nearest name that is. Reading goes on after an error, so that one run
 * tells them all.
 */
#ifndef CONFIG_READ_H
#define CONFIG_READ_H

#include "base/yaml.h"
#include "config/config.h"

struct config_named_acl {
    const char *name;
    struct config_acl acl;
};

struct config_reading {
    struct config *config;
    const char *file;      /* for findings */
    const char *directory; /* of the file, absolute: what paths are relative to */
    struct base_findings *findings;
    bool bad, out_of_memory;
    bool open; /* others may read the file: it must hold no secret */
    struct config_named_acl *acls;
    size_t acl_count;
    const struct base_yaml *certificate; /* the first that asks for a client's certificate */
};

struct config_setting {
    const char *name;
    /* False: the value is not `form`. What a reader refuses itself, it tells, and returns true. */
    bool (*read)(struct config_reading *reading, const struct base_yaml *node, void *target);
    const char *form;
};

struct config_section {
    const char *name;
    const struct config_setting *settings;
    size_t count;
};
#define CONFIG_SECTION(name, settings)                                                             \
    {                                                                                              \
        name, settings, sizeof(settings) / sizeof(settings[0])                                     \
    }

/* The sections, for those who look whether the documentation names them all. */
extern const struct config_section config_section_top, config_section_log, config_section_listen,
    config_section_tls, config_section_server, config_section_rate, config_section_limits,
    config_section_api, config_section_key, config_section_remote, config_section_match,
    config_section_policy, config_section_history, config_section_template, config_section_update,
    config_section_directory, config_section_zone, config_section_catalog, config_section_tlsa;

/* A map whose settings are those of several sections, each with what it sets. */
struct config_part {
    const struct config_section *section;
    void *target;
};
void config_read_parts(struct config_reading *reading, const struct base_yaml *map,
                       const struct config_part *parts, size_t count);
/* The same for one section. */
void config_read_section(struct config_reading *reading, const struct base_yaml *map,
                         const struct config_section *section, void *target);

/* Adds a finding at the value, or at the key, and makes the settings refused if it is an error. */
void config_refuse(struct config_reading *reading, enum base_finding_code code,
                   const struct base_yaml *node, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void config_refuse_key(struct config_reading *reading, enum base_finding_code code,
                       const struct base_yaml *node, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Memory of the settings, zeroed; NULL is remembered. */
void *config_alloc(struct config_reading *reading, size_t size);
const char *config_keep(struct config_reading *reading, const char *text);
/* Room for one more in an array that grows by doubling; NULL: out of memory. */
void *config_append(struct config_reading *reading, const void *items, size_t count, size_t size);

/*
 * Values. Those with `void *target` are readers of tables' kind for a field of that type.
 */
bool config_is_none(const struct base_yaml *node); /* "none", "" or [] */
bool config_number(const struct base_yaml *node, unsigned least, unsigned most, unsigned *out);
bool config_bool(const struct base_yaml *node, bool *out);
bool config_word(const struct base_yaml *node, const char *const *words, unsigned *out);
bool config_size(const struct base_yaml *node, size_t *out); /* "8M", "512K", "1000" */
bool config_text(struct config_reading *reading, const struct base_yaml *node, const char **out);
bool config_path(struct config_reading *reading, const struct base_yaml *node, const char **out);
bool config_text_or_none(struct config_reading *reading, const struct base_yaml *node,
                         const char **out);
bool config_path_or_none(struct config_reading *reading, const struct base_yaml *node,
                         const char **out);
/* A domain name, absolute with or without final dot, to lower case. */
bool config_name(const char *text, uint8_t out[DNS_NAME_MAX]);
/* A path made absolute. */
const char *config_absolute(struct config_reading *reading, const char *path);
/* May a thing have this name? Else false, told at the key. */
bool config_check_name(struct config_reading *reading, const struct base_yaml *node,
                       const char *what);
/* A file that holds a secret: false, with a finding, when others may read it or it is not there. */
bool config_check_secret_file(struct config_reading *reading, const struct base_yaml *node,
                              const char *path);
/* The items of a list; a single value is a list of one. */
const struct base_yaml *config_items(const struct base_yaml *node);
const struct base_yaml *config_next(const struct base_yaml *list, const struct base_yaml *item);

/* References to what is defined above; what is not there is told, with the nearest name. */
const struct dns_tsig_key *config_refer_key(struct config_reading *reading,
                                            const struct base_yaml *node);
bool config_read_acl(struct config_reading *reading, const struct base_yaml *node, void *target);
void config_unknown(struct config_reading *reading, const struct base_yaml *node, const char *what,
                    const char *near);
const char *config_nearer(const char *wrong, const char *name, const char *best);

/* Readers of sections, in the order in which they refer to each other. */
bool config_read_listen(struct config_reading *reading, const struct base_yaml *node, void *config);
bool config_read_keys(struct config_reading *reading, const struct base_yaml *node, void *config);
bool config_read_remotes(struct config_reading *reading, const struct base_yaml *node,
                         void *config);
bool config_read_acls(struct config_reading *reading, const struct base_yaml *node, void *config);
bool config_read_policies(struct config_reading *reading, const struct base_yaml *node,
                          void *config);
bool config_read_directories(struct config_reading *reading, const struct base_yaml *node,
                             void *config);
bool config_read_zones(struct config_reading *reading, const struct base_yaml *node, void *config);
bool config_read_catalogs(struct config_reading *reading, const struct base_yaml *node,
                          void *config);
bool config_read_tlsa(struct config_reading *reading, const struct base_yaml *node, void *config);
/* A list of remotes to ask or to tell. */
struct config_remote_list {
    const struct config_remote *const *items;
    size_t count;
};
bool config_read_remote_list(struct config_reading *reading, const struct base_yaml *node,
                             struct config_remote_list *out);

/* The settings of a text; as config_read. `open`: others may read the file that it is from. */
int config_read_memory(const char *file, const char *directory, bool open, const void *data,
                       size_t length, struct base_findings *findings, struct config **out);

/* What the address of a Unix socket can hold (sys/un.h), NUL included. */
#define CONFIG_SOCKET_PATH 108

/* What must fit together. */
void config_check(struct config_reading *reading, const struct base_yaml *root);

#endif
