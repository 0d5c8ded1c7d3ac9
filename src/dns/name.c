/* Domain names in wire format: see name.h. */
#include "dns/name.h"

#include "base/copy.h"
#include "base/error.h"

#include <endian.h>
#include <string.h>

/*
 * Names are worked on eight octets at a time. Two facts make that simple: a length octet is at
 * most 63 and so never looks like a capital letter, which means that a whole name can be put in
 * lower case without looking at its labels; and the text of a name without escapes is its wire
 * form with the length octets in the place of the dots, moved by one.
 */
#define ONES 0x0101010101010101ull
#define HIGH 0x8080808080808080ull

/* Room for a name read and written in whole words. */
#define PADDED (DNS_NAME_MAX + 17)

/* clang-format off */
#define EIGHT(n) (n), (n) + 1, (n) + 2, (n) + 3, (n) + 4, (n) + 5, (n) + 6, (n) + 7
#define ROW(n)   EIGHT(n), EIGHT((n) + 8)

const uint8_t dns_lower[256] = {
    ROW(0), ROW(16), ROW(32), ROW(48),
    '@', EIGHT('a'), EIGHT('i'), EIGHT('q'), 'y', 'z', '[', '\\', ']', '^', '_',
    ROW(96), ROW(112), ROW(128), ROW(144), ROW(160), ROW(176), ROW(192), ROW(208), ROW(224),
    ROW(240),
};
/* clang-format on */

static inline uint64_t load(const uint8_t *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof(word));
    return le64toh(word);
}

static inline void store(uint8_t *at, uint64_t word)
{
    word = htole64(word);
    memcpy(at, &word, sizeof(word));
}

/* The high bit of every octet of `word` that equals `octet`; exact, no carries between octets. */
static inline uint64_t octets_equal(uint64_t word, uint8_t octet)
{
    uint64_t other = word ^ (ONES * octet);
    return ~(((other & ~HIGH) + ~HIGH) | other) & HIGH;
}

/* Capital letters to lower case in all eight octets. */
static inline uint64_t lower_word(uint64_t word)
{
    uint64_t low = word & ~HIGH;
    uint64_t from_a = low + ONES * (128 - 'A');
    uint64_t past_z = low + ONES * (128 - 'Z' - 1);
    uint64_t capital = (from_a & ~past_z & ~word) & HIGH;
    return word | (capital >> 2);
}

size_t dns_name_length(const uint8_t *name)
{
    const uint8_t *at = name;
    while (*at != 0)
        at += *at + 1;
    return (size_t)(at - name) + 1;
}

unsigned dns_name_labels(const uint8_t *name)
{
    unsigned count = 0;
    for (; *name != 0; name += *name + 1)
        count++;
    return count;
}

const uint8_t *dns_name_parent(const uint8_t *name, unsigned count)
{
    while (count-- > 0 && *name != 0)
        name += *name + 1;
    return name;
}

/* Equality of `length` octets without regard to case. */
static bool equal_octets(const uint8_t *a, const uint8_t *b, size_t length)
{
    size_t i = 0;
    for (; i + 8 <= length; i += 8) {
        uint64_t left = load(a + i), right = load(b + i);
        if (left != right && lower_word(left) != lower_word(right))
            return false;
    }
    for (; i < length; i++) {
        if (dns_lower[a[i]] != dns_lower[b[i]])
            return false;
    }
    return true;
}

bool dns_name_equal(const uint8_t *a, const uint8_t *b)
{
    size_t length = dns_name_length(a);
    return length == dns_name_length(b) && equal_octets(a, b, length);
}

/* Fills `starts` with the place of each label's length octet; returns their number. */
static unsigned find_labels(const uint8_t *name, uint8_t starts[DNS_LABELS_MAX + 1])
{
    unsigned count = 0;
    unsigned at = 0;
    while (name[at] != 0 && count <= DNS_LABELS_MAX) {
        starts[count++] = (uint8_t)at;
        at += name[at] + 1u;
    }
    return count;
}

/* Compares two labels, each at its length octet. */
static int compare_labels(const uint8_t *a, const uint8_t *b)
{
    unsigned length_a = *a++, length_b = *b++;
    unsigned length = length_a < length_b ? length_a : length_b;
    for (unsigned i = 0; i < length; i++) {
        if (a[i] != b[i]) {
            int order = (int)dns_lower[a[i]] - (int)dns_lower[b[i]];
            if (order != 0)
                return order;
        }
    }
    return (int)length_a - (int)length_b;
}

int dns_name_compare(const uint8_t *a, const uint8_t *b)
{
    uint8_t starts_a[DNS_LABELS_MAX + 1], starts_b[DNS_LABELS_MAX + 1];
    unsigned count_a = find_labels(a, starts_a);
    unsigned count_b = find_labels(b, starts_b);
    while (count_a > 0 && count_b > 0) {
        int order = compare_labels(a + starts_a[--count_a], b + starts_b[--count_b]);
        if (order != 0)
            return order;
    }
    return (int)count_a - (int)count_b;
}

bool dns_name_within(const uint8_t *name, const uint8_t *ancestor)
{
    size_t length = dns_name_length(name);
    size_t ancestor_length = dns_name_length(ancestor);
    if (ancestor_length > length)
        return false;
    size_t skip = length - ancestor_length;
    /* The rest must begin at a label. */
    size_t at = 0;
    while (at < skip)
        at += name[at] + 1u;
    return at == skip && equal_octets(name + skip, ancestor, ancestor_length);
}

unsigned dns_name_common(const uint8_t *a, const uint8_t *b)
{
    uint8_t starts_a[DNS_LABELS_MAX + 1], starts_b[DNS_LABELS_MAX + 1];
    unsigned count_a = find_labels(a, starts_a);
    unsigned count_b = find_labels(b, starts_b);
    unsigned common = 0;
    while (common < count_a && common < count_b &&
           compare_labels(a + starts_a[count_a - common - 1], b + starts_b[count_b - common - 1]) ==
               0)
        common++;
    return common;
}

bool dns_name_is_wildcard(const uint8_t *name)
{
    return name[0] == 1 && name[1] == '*';
}

size_t dns_name_lower(uint8_t *out, const uint8_t *name)
{
    size_t length = dns_name_length(name);
    size_t i = 0;
    for (; i + 8 <= length; i += 8)
        store(out + i, lower_word(load(name + i)));
    for (; i < length; i++)
        out[i] = dns_lower[name[i]];
    return length;
}

bool dns_name_is_lower(const uint8_t *name)
{
    size_t length = dns_name_length(name);
    size_t i = 0;
    for (; i + 8 <= length; i += 8) {
        uint64_t word = load(name + i);
        if (lower_word(word) != word)
            return false;
    }
    for (; i < length; i++) {
        if (dns_lower[name[i]] != name[i])
            return false;
    }
    return true;
}

uint32_t dns_name_hash(const uint8_t *name)
{
    const uint64_t multiplier = 0x9e3779b97f4a7c15ull;
    size_t length = dns_name_length(name);
    uint64_t hash = length * multiplier;
    size_t i = 0;
    for (; i + 8 <= length; i += 8) {
        hash = (hash ^ lower_word(load(name + i))) * multiplier;
        hash ^= hash >> 32;
    }
    uint64_t rest = 0;
    for (; i < length; i++)
        rest = rest << 8 | dns_lower[name[i]];
    hash = (hash ^ rest) * multiplier;
    hash ^= hash >> 29;
    hash *= multiplier;
    return (uint32_t)(hash >> 32);
}

int dns_name_check(const uint8_t *wire, size_t length, size_t *used)
{
    size_t bound = length < DNS_NAME_MAX ? length : DNS_NAME_MAX;
    size_t at = 0;
    while (at < bound) {
        unsigned label = wire[at];
        if (label == 0) {
            *used = at + 1;
            return BASE_OK;
        }
        if (label > DNS_LABEL_MAX)
            return BASE_EFORMAT;
        at += label + 1;
    }
    return BASE_EFORMAT;
}

int dns_name_from_wire(const uint8_t *message, size_t length, size_t *at, uint8_t out[DNS_NAME_MAX],
                       size_t *out_length)
{
    size_t from = *at, put = 0;
    size_t behind = 0;   /* where the name ends in its own place */
    size_t bound = from; /* a pointer must lead before this */
    unsigned pointers = 0;
    for (;;) {
        if (from >= length)
            return BASE_EFORMAT;
        unsigned octet = message[from];
        if (octet >= 0xc0) {
            if (length - from < 2 || ++pointers > DNS_NAME_POINTERS_MAX)
                return BASE_EFORMAT;
            if (behind == 0)
                behind = from + 2;
            from = (octet & 0x3fu) << 8 | message[from + 1];
            if (from >= bound)
                return BASE_EFORMAT;
            bound = from;
            continue;
        }
        if (octet > DNS_LABEL_MAX || octet >= length - from || put + octet + 1 > DNS_NAME_MAX)
            return BASE_EFORMAT;
        memcpy(out + put, message + from, octet + 1);
        put += octet + 1;
        from += octet + 1;
        if (octet == 0)
            break;
    }
    *at = behind != 0 ? behind : from;
    *out_length = put;
    return BASE_OK;
}

/* Ends the label that starts at `start` and has its last octet before `at`. */
static inline int close_label(uint8_t *wire, size_t start, size_t at)
{
    size_t length = at - start - 1;
    if (length == 0)
        return BASE_EFORMAT;
    if (length > DNS_LABEL_MAX)
        return BASE_ERANGE;
    wire[start] = (uint8_t)length;
    return BASE_OK;
}

/* Puts the finished `length` octets of a relative name and the origin's into `out`. */
static int complete(uint8_t *out, size_t *out_length, const uint8_t *wire, size_t length,
                    const uint8_t *origin)
{
    if (origin == NULL)
        return BASE_EFORMAT;
    size_t origin_length = dns_name_length(origin);
    if (length + origin_length > DNS_NAME_MAX)
        return BASE_ERANGE;
    memmove(out + length, origin, origin_length);
    base_copy_short(out, wire, length);
    *out_length = length + origin_length;
    return BASE_OK;
}

/* Reads the escape at text[*at], which is a backslash; moves *at behind it. */
static int read_escape(const char *text, size_t length, size_t *at, uint8_t *octet)
{
    size_t rest = length - *at;
    if (rest < 2)
        return BASE_EFORMAT;
    const unsigned char *digit = (const unsigned char *)text + *at + 1;
    if (digit[0] < '0' || digit[0] > '9') {
        *octet = digit[0];
        *at += 2;
        return BASE_OK;
    }
    if (rest < 4 || digit[1] < '0' || digit[1] > '9' || digit[2] < '0' || digit[2] > '9')
        return BASE_EFORMAT;
    unsigned value = (digit[0] - '0') * 100u + (digit[1] - '0') * 10u + (digit[2] - '0');
    if (value > 255)
        return BASE_EFORMAT;
    *octet = (uint8_t)value;
    *at += 4;
    return BASE_OK;
}

/* The careful way, for names with escapes. */
static int from_escaped_text(uint8_t *out, size_t *out_length, const char *text, size_t length,
                             const uint8_t *origin)
{
    uint8_t wire[PADDED];
    size_t start = 0, put = 1;
    size_t at = 0;
    while (at < length) {
        uint8_t octet = (uint8_t)text[at];
        if (octet == '.') {
            int error = close_label(wire, start, put);
            if (error != BASE_OK)
                return error;
            start = put++;
            at++;
            if (put > DNS_NAME_MAX)
                return BASE_ERANGE;
            continue;
        }
        if (octet == '\\') {
            int error = read_escape(text, length, &at, &octet);
            if (error != BASE_OK)
                return error;
        } else {
            at++;
        }
        if (put >= DNS_NAME_MAX)
            return BASE_ERANGE;
        wire[put++] = octet;
    }
    if (put == start + 1) {
        wire[start] = 0;
        memcpy(out, wire, put);
        *out_length = put;
        return BASE_OK;
    }
    int error = close_label(wire, start, put);
    return error != BASE_OK ? error : complete(out, out_length, wire, put, origin);
}

static int from_one_character(uint8_t *out, size_t *out_length, char character,
                              const uint8_t *origin)
{
    if (character == '.') {
        out[0] = 0;
        *out_length = 1;
        return BASE_OK;
    }
    return complete(out, out_length, out, 0, origin);
}

/* Eight characters from text[at], zeros for those behind the end. Nothing outside of the text is
 * read, and nothing that was just written: such reads wait. */
static inline uint64_t load_text(const char *text, size_t length, size_t at)
{
    const uint8_t *octets = (const uint8_t *)text;
    size_t rest = length - at;
    if (rest >= 8)
        return load(octets + at);
    if (length >= 8)
        return load(octets + length - 8) >> (8 * (8 - rest));
    uint64_t word = 0;
    for (size_t i = rest; i-- > 0;)
        word = word << 8 | octets[at + i];
    return word;
}

int dns_name_from_text(uint8_t out[DNS_NAME_MAX], size_t *out_length, const char *text,
                       size_t length, const uint8_t *origin)
{
    if (length == 0)
        return BASE_EFORMAT;
    if (length == 1 && (text[0] == '.' || text[0] == '@'))
        return from_one_character(out, out_length, text[0], origin);
    if (length >= DNS_NAME_MAX)
        return from_escaped_text(out, out_length, text, length, origin);
    uint8_t labels[DNS_LABELS_MAX + 1]; /* their lengths */
    unsigned count = 0;
    size_t start = 0; /* of the label being read */
    for (size_t at = 0; at < length; at += 8) {
        uint64_t word = load_text(text, length, at);
        if (octets_equal(word, '\\') != 0)
            return from_escaped_text(out, out_length, text, length, origin);
        for (uint64_t dots = octets_equal(word, '.'); dots != 0; dots &= dots - 1) {
            size_t dot = at + (unsigned)__builtin_ctzll(dots) / 8;
            if (dot - start - 1 >= DNS_LABEL_MAX) /* 0 wraps around */
                return dot == start ? BASE_EFORMAT : BASE_ERANGE;
            labels[count++] = (uint8_t)(dot - start);
            start = dot + 1;
        }
    }
    size_t total = length + 1;
    if (start < length) {
        if (length - start > DNS_LABEL_MAX)
            return BASE_ERANGE;
        labels[count++] = (uint8_t)(length - start);
        if (origin == NULL)
            return BASE_EFORMAT;
        size_t origin_length = dns_name_length(origin);
        if (total + origin_length > DNS_NAME_MAX)
            return BASE_ERANGE;
        memmove(out + total, origin, origin_length); /* first, for it may lie in `out` */
        total += origin_length;
    }
    base_copy_short(out + 1, text, length);
    if (start == length)
        out[length] = 0;
    uint8_t *at = out;
    for (unsigned i = 0; i < count; i++) {
        *at = labels[i];
        at += labels[i] + 1u;
    }
    *out_length = total;
    return BASE_OK;
}

/* How an octet of a label is written: 0 as it is, 1 behind a backslash, 2 as \DDD. Knot DNS reads
 * of all punctuation only * - _ / without a backslash, and BIND takes \[ for a bit-string label. */
/* clang-format off */
#define EIGHT_OF(n)   n, n, n, n, n, n, n, n
#define THIRTYTWO_OF(n) EIGHT_OF(n), EIGHT_OF(n), EIGHT_OF(n), EIGHT_OF(n)

static const uint8_t escape_kinds[256] = {
    THIRTYTWO_OF(2),
    2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 1, 1, 0, 1, 0, /*  !"#$%&'()*+,-./ */
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, /* 0123456789:;<=>? */
    1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, /* @ABCDEFGHIJKLMNO */
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 1, 1, 1, 0, /* PQRSTUVWXYZ[\]^_ */
    1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, /* `abcdefghijklmno */
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, /* pqrstuvwxyz{|}~ */
    THIRTYTWO_OF(2), THIRTYTWO_OF(2), THIRTYTWO_OF(2), THIRTYTWO_OF(2),
};
/* clang-format on */

/* True when all eight octets are letters, digits, '-' or '_': nothing to escape. */
static inline bool plain_word(uint64_t word)
{
    uint64_t low = lower_word(word) & ~HIGH;
    uint64_t letter = (low + ONES * (128 - 'a')) & ~(low + ONES * (128 - 'z' - 1));
    uint64_t digit = (low + ONES * (128 - '0')) & ~(low + ONES * (128 - '9' - 1));
    uint64_t plain = letter | digit | octets_equal(word, '-') | octets_equal(word, '_');
    return (plain & ~word & HIGH) == HIGH;
}

static inline char *put_octet(char *put, uint8_t octet)
{
    unsigned kind = escape_kinds[octet];
    if (kind == 0) {
        *put++ = (char)octet;
        return put;
    }
    *put++ = '\\';
    if (kind == 1) {
        *put++ = (char)octet;
        return put;
    }
    *put++ = (char)('0' + octet / 100);
    *put++ = (char)('0' + octet / 10 % 10);
    *put++ = (char)('0' + octet % 10);
    return put;
}

/* Writes the octets of a label that need no escapes; false, with nothing written that counts, when
 * one does. */
static inline bool put_plain_label(char *put, const uint8_t *label, size_t length)
{
    if (length < 8) {
        unsigned special = 0;
        for (size_t i = 0; i < length; i++) {
            special |= escape_kinds[label[i]];
            put[i] = (char)label[i];
        }
        return special == 0;
    }
    size_t i = 0;
    for (; i + 8 <= length; i += 8) {
        if (!plain_word(load(label + i)))
            return false;
        memcpy(put + i, label + i, 8);
    }
    /* The last word overlaps the one before. */
    memcpy(put + length - 8, label + length - 8, 8);
    return plain_word(load(label + length - 8));
}

size_t dns_name_to_text(char out[DNS_NAME_TEXT], const uint8_t *name)
{
    char *put = out;
    if (*name == 0) {
        *put = '.';
        return 1;
    }
    while (*name != 0) {
        unsigned length = *name++;
        const uint8_t *end = name + length;
        if (put_plain_label(put, name, length)) {
            put += length;
            name = end;
        }
        while (name < end)
            put = put_octet(put, *name++);
        *put++ = '.';
    }
    return (size_t)(put - out);
}

const char *dns_name_text(char out[DNS_NAME_TEXT], const uint8_t *name)
{
    out[dns_name_to_text(out, name)] = '\0';
    return out;
}

/* Appends one label, at its length octet, to a key. */
static inline uint8_t *put_key_label(uint8_t *put, const uint8_t *label)
{
    const uint8_t *end = label + 1 + *label;
    label++;
    while (end - label >= 8) {
        uint64_t word = load(label);
        if ((octets_equal(word, 0) | octets_equal(word, 1)) != 0)
            break;
        store(put, lower_word(word));
        put += 8;
        label += 8;
    }
    while (label < end) {
        uint8_t octet = dns_lower[*label++];
        if (octet <= 1) {
            *put++ = 1;
            octet++;
        }
        *put++ = octet;
    }
    *put++ = 0;
    return put;
}

size_t dns_name_key(uint8_t out[DNS_KEY_MAX], const uint8_t *name, unsigned skip)
{
    uint8_t starts[DNS_LABELS_MAX + 1];
    unsigned count = find_labels(name, starts);
    uint8_t *put = out;
    if (count > skip) {
        for (unsigned i = count - skip; i > 0; i--)
            put = put_key_label(put, name + starts[i - 1]);
    }
    return (size_t)(put - out);
}
