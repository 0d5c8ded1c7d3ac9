/*
 * What the key verbs share: opening a directory, choosing a key, printing keys.
 */
#ifndef CLI_KEYS_H
#define CLI_KEYS_H

#include "cli/call.h"
#include "crypto/keydir.h"

#define CLI_OPTION_KEYS                                                                            \
    {                                                                                              \
        .name = "keys", .letter = 'k', .kind = CLI_DIRECTORY, .argument = "DIRECTORY",             \
        .required = true, .help = "Where the keys are."                                            \
    }

/* The rows of options for the times of a key. */
#define CLI_OPTIONS_KEY_TIMES                                                                      \
    {.name = "publish",                                                                            \
     .kind = CLI_TIME,                                                                             \
     .argument = "TIME",                                                                           \
     .help = "In the DNSKEY set from then on: now+3d, 2026-11-21."},                               \
        {.name = "activate", .kind = CLI_TIME, .argument = "TIME", .help = "Signs from then on."}, \
        {.name = "inactive", .kind = CLI_TIME, .argument = "TIME", .help = "Signs until then."},   \
        {.name = "remove",                                                                         \
         .kind = CLI_TIME,                                                                         \
         .argument = "TIME",                                                                       \
         .help = "In the DNSKEY set until then."},                                                 \
        {.name = "ds-publish",                                                                     \
         .kind = CLI_TIME,                                                                         \
         .argument = "TIME",                                                                       \
         .help = "CDS and CDNSKEY ask the parent for its DS from then on."},                       \
    {                                                                                              \
        .name = "ds-remove", .kind = CLI_TIME, .argument = "TIME",                                 \
        .help = "CDS and CDNSKEY until then."                                                      \
    }
/* Puts the times that are given into the key. */
void cli_key_times(const struct cli_call *call, struct crypto_zone_key *key);

/* Opens the directory of --keys. `zone` NULL: all zones. A missing directory is a finding
 * (BASE_EIO). */
int cli_keys_open(struct cli_call *call, const uint8_t *zone, struct crypto_keydir *keys);

/* The key that a person means by tag or by the beginning of its identity. BASE_EREFUSED with a
 * finding when there is none, or more than one. */
int cli_key_choose(struct cli_call *call, const struct crypto_keydir *keys, const char *text,
                   const struct crypto_zone_key **out);

/* Opens the directory for the zone of the first operand and chooses the key of the second, as
 * cli_one_key names them. On success the caller frees `keys`, in which the key is. */
int cli_key_open(struct cli_call *call, struct crypto_keydir *keys,
                 const struct crypto_zone_key **key);
extern const struct cli_operand cli_one_key[];

/* --role; `otherwise` when it is absent. */
enum crypto_key_role cli_key_role(const struct cli_call *call, enum crypto_key_role otherwise);
/* --algorithm as a number that Kenter signs with; CLI_GOOD or CLI_USAGE after a message. */
int cli_key_algorithm(const struct cli_call *call, unsigned *algorithm);

const char *cli_role_name(enum crypto_key_role role); /* "csk" */
/* "waiting", "published", "active", "retired", "removed" at `now`. */
const char *cli_key_state(const struct crypto_zone_key *key, base_time now);
#define CLI_KEY_ID 65
const char *cli_key_id(char out[CLI_KEY_ID], const struct crypto_zone_key *key);

/* One line of "key list"; the same columns for every key. */
void cli_key_line(const struct cli_call *call, const struct crypto_zone_key *key);
/* The key as JSON object, at the end of `buf`. */
void cli_key_json(struct base_buf *buf, const struct crypto_zone_key *key, base_time now);

#endif
