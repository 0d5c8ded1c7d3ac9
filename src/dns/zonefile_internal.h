/*
 * The inside of the zone-file reader, shared by its files and its tests.
 *
 *   source   bytes to blocks that end where an entry very likely ends
 *   parser   a block to records, from a state, into a piece
 *   reader   the whole: many parsers side by side, pieces checked and joined in order
 */
#ifndef DNS_ZONEFILE_INTERNAL_H
#define DNS_ZONEFILE_INTERNAL_H

#include "dns/rdata_parse.h"
#include "dns/scan_lexer.h"
#include "dns/zonefile.h"

#include <sys/types.h>

/* What tests turn to reach the seams. */
struct dns_zonefile_tuning {
    size_t block;                         /* octets of a block; 0: what is fast */
    const struct dns_scan_kernel *kernel; /* NULL: the best */
};

int dns_zonefile_read_tuned(const char *path, const void *data, size_t length,
                            const struct dns_zonefile_options *options,
                            const struct dns_zonefile_tuning *tuning,
                            struct base_findings *findings, struct dns_zonefile *out);

/* --- source --- */

struct dns_zonefile_block {
    uint8_t *text; /* malloc'ed, with DNS_LEXER_PADDING */
    size_t capacity;
    size_t length;
    uint32_t line; /* of its first line */
    bool final;    /* the last one; there always is one, if only an empty one */
    bool overlong; /* stands for a line longer than an entry may be; has no text */
};

struct dns_zonefile_source {
    const struct dns_scan_kernel *kernel;
    size_t block_size;
    size_t entry_max;
    int fd;                /* -1: memory */
    const uint8_t *memory; /* borrowed */
    size_t memory_length;
    uint64_t size; /* of the file; 0 when it is not known */
    uint64_t done; /* bytes read */
    uint32_t line; /* of the next block */
    uint8_t *rest; /* read and not yet given out */
    size_t rest_length, rest_capacity;
    bool begun, ended;
    int problem;                                             /* errno of a read that failed */
    bool byte_order_mark, wide_characters, no_final_newline; /* seen */
    uint32_t *dollars; /* of the last block: offsets of lines that begin with $ */
    size_t dollar_count, dollar_capacity;
};

/* `fd` is owned from now on; -1 takes the bytes from `memory`. */
void dns_zonefile_source_open(struct dns_zonefile_source *source,
                              const struct dns_scan_kernel *kernel, int fd, const void *memory,
                              size_t length, size_t block_size, size_t entry_max);
void dns_zonefile_source_close(struct dns_zonefile_source *source);
/* The next block. `block->text` is used again when it is large enough. BASE_EIO, BASE_ENOMEM. */
int dns_zonefile_source_next(struct dns_zonefile_source *source, struct dns_zonefile_block *block);

/* --- parser --- */

enum dns_owner_state { DNS_OWNER_NONE, DNS_OWNER_GOOD, DNS_OWNER_BAD };

/* What an entry takes from those before it. */
struct dns_zonefile_state {
    uint8_t origin[DNS_NAME_MAX];
    uint8_t owner[DNS_NAME_MAX];
    enum dns_owner_state owner_state;
    bool has_origin, has_default_ttl, has_last_ttl;
    bool origin_guessed;   /* from the file's name, and nobody was told yet */
    bool lost;             /* passing over lines until one looks like the start of an entry */
    uint32_t default_ttl;  /* $TTL, RFC 2308 section 4 */
    uint32_t last_ttl;     /* the last one written on a record, RFC 1035 section 5.1 */
    size_t included;       /* $INCLUDEs carried out */
    size_t generated;      /* records by $GENERATE */
    size_t generate_reach; /* most that it would have come to, had each been carried out whole */
    size_t generated_octets;
};

/* The parts of a state, for what a block needs of the state before it, and what it sets. */
enum dns_zonefile_part {
    DNS_PART_ORIGIN = 1,
    DNS_PART_OWNER = 2,
    DNS_PART_DEFAULT_TTL = 4,
    DNS_PART_LAST_TTL = 8,
    DNS_PART_BUDGET = 16, /* needs: a budget was found spent */
};

/* Most $INCLUDEs in all, so that the index of a file fits into a record. */
#define DNS_INCLUDES_MAX 4095

/* Settings of one reading; not changed while workers run. */
struct dns_zonefile_reader {
    struct dns_zonefile_options options; /* with the defaults filled in */
    const struct dns_scan_kernel *kernel;
    size_t block_size;
    const char *name;   /* of the main file */
    char *include_root; /* real path, malloc'ed; NULL: nothing may be included */
    bool zone_known;
    uint8_t zone[DNS_NAME_MAX];
    unsigned zone_labels;
};

/* Memory of a worker, used again for every block. */
struct dns_zonefile_scratch {
    struct dns_tokens tokens;
    struct dns_run *runs;
    size_t run_capacity;
    struct dns_lexer lexer;
    uint8_t rdata[DNS_RDATA_MAX];
};
/* NULL when out of memory. */
struct dns_zonefile_scratch *dns_zonefile_scratch_new(void);
void dns_zonefile_scratch_free(struct dns_zonefile_scratch *scratch); /* NULL allowed */

/* What became of a block. */
struct dns_zonefile_piece {
    struct dns_batch *batch;
    struct dns_zonefile_state state; /* behind it */
    unsigned needs, sets;            /* enum dns_zonefile_part */
    char **files;                    /* included ones, by dns_rr.file - 1 */
    size_t file_count;
    bool has_tail; /* the text ends within an entry that starts at `tail` */
    size_t tail;
    uint32_t tail_line;
    bool has_soa;
    uint8_t soa_owner[DNS_NAME_MAX]; /* of the first */
};
int dns_zonefile_piece_init(struct dns_zonefile_piece *piece, size_t per_code);
void dns_zonefile_piece_free(struct dns_zonefile_piece *piece);

/* A file that is being read, and those that include it. */
struct dns_zonefile_frame {
    const struct dns_zonefile_frame *parent;
    const char *name;
    unsigned index; /* dns_rr.file */
    unsigned depth;
    bool identified;
    dev_t device;
    ino_t inode;
};

struct dns_zonefile_parser {
    const struct dns_zonefile_reader *reader;
    struct dns_zonefile_scratch *scratch;
    struct dns_zonefile_piece *piece;
    const struct dns_zonefile_frame *frame;
    struct dns_zonefile_state state;
    unsigned needs, sets;
    /* The owner as it was written last, in the text being parsed; NULL: not to be compared. */
    const char *owner_text;
    size_t owner_text_length;
    /* The run being written. */
    bool run_open;
    size_t run_count;
    const uint8_t *run_end;
    bool joined; /* a word of the entry has a quoted part */
    int error;   /* BASE_ENOMEM sticks */
};

/* Parses text into parser->piece, starting from parser->state. An entry that the end of the text
 * cuts off is left for later (piece->tail) unless the text is final. */
void dns_zonefile_parse(struct dns_zonefile_parser *parser, struct dns_lexer *lexer,
                        const uint8_t *text, size_t length, bool final, uint32_t line);
/* Gives the runs to the batch. To be called once, after the last parse into it. */
void dns_zonefile_parse_end(struct dns_zonefile_parser *parser);

/* One record from its words; when it cannot be, a finding. */
void dns_zonefile_parse_record(struct dns_zonefile_parser *parser, const struct dns_token *tokens,
                               size_t count, bool inherits);
void dns_zonefile_include(struct dns_zonefile_parser *parser, const struct dns_token *tokens,
                          size_t count);
void dns_zonefile_generate(struct dns_zonefile_parser *parser, const struct dns_token *tokens,
                           size_t count);

/* The origin for names; NULL when there is none. */
const uint8_t *dns_zonefile_origin(struct dns_zonefile_parser *parser);
void dns_zonefile_finding(struct dns_zonefile_parser *parser, enum base_finding_code code,
                          uint32_t line, uint32_t column, const char *format, ...)
    __attribute__((format(printf, 5, 6), cold));
/* Why a text is not a name, in words for behind "the owner X "; `error` of dns_name_from_text. */
const char *dns_name_problem(int error, bool has_origin);
/* A TTL in seconds or with units, the last of which may be left out ("1h30"), at most 2^31-1 (RFC
 * 2181 section 8). BASE_EFORMAT, BASE_ERANGE. */
int dns_ttl_from_text(const char *text, size_t length, uint32_t *ttl);

/* --- reader --- */

/* Blocks in order to pieces: joins what a block's end cut off with the block behind it. */
struct dns_zonefile_feed {
    struct dns_zonefile_parser *parser;
    struct dns_lexer *lexer;
    size_t entry_max;
    uint8_t *tail; /* an entry whose end has not been seen */
    size_t tail_length, tail_capacity;
    size_t worth; /* octets at which it is worth to look at the tail again */
    uint32_t tail_line;
};
/* Parses `block` behind what went before. */
int dns_zonefile_feed(struct dns_zonefile_feed *feed, const struct dns_zonefile_block *block);
/* Keeps `length` octets of an entry that is not finished. BASE_ENOMEM. */
int dns_zonefile_feed_keep(struct dns_zonefile_feed *feed, const uint8_t *text, size_t length,
                           uint32_t line);
void dns_zonefile_feed_free(struct dns_zonefile_feed *feed);
/* Findings about the file as a whole, when it was read to its end. */
void dns_zonefile_source_notes(struct dns_zonefile_parser *parser,
                               const struct dns_zonefile_source *source);

/* The directory that paths of $INCLUDE count from, resolved; malloc'ed. NULL: there is none. */
char *dns_zonefile_include_root(const char *path, const char *root);
/* Follows the $ORIGIN and $TTL lines of a block, as far as they can be seen without reading it: a
 * guess at the state behind it. */
void dns_zonefile_predict(struct dns_zonefile_state *state, const struct dns_zonefile_block *block,
                          const struct dns_zonefile_source *source);
/* Sets the keys of runs that were made before the zone's origin was known. BASE_ENOMEM. */
int dns_zonefile_make_keys(const struct dns_zonefile_reader *reader, struct dns_batch *batch);
/* The origin that a file's name tells: "example.com.zone", "db.example", ... False: none. `usual`:
 * the name has the form that files of zones usually have. */
bool dns_zonefile_origin_of_path(const char *path, uint8_t origin[DNS_NAME_MAX], bool *usual);

#endif
