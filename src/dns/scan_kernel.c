/* The kernels of the zone-file scanner: see scan_kernel.h. */
#include "dns/scan_kernel.h"

#include <string.h>

#if defined(__x86_64__)
#define DNS_SCAN_X86 1
#include <immintrin.h>
#else
#define DNS_SCAN_X86 0
#endif

#define BL DNS_SCAN_BLANK
#define CT DNS_SCAN_CONTROL

/* All that is not listed is 0: DNS_SCAN_WORD. */
const uint8_t dns_scan_classes[256] = {
    CT,
    CT,
    CT,
    CT,
    CT,
    CT,
    CT,
    CT,
    CT,
    BL,
    DNS_SCAN_NEWLINE,
    CT,
    CT,
    BL,
    CT,
    CT,
    CT,
    CT,
    CT,
    CT,
    CT,
    CT,
    CT,
    CT,
    CT,
    CT,
    CT,
    CT,
    CT,
    CT,
    CT,
    CT,
    [' '] = BL,
    ['"'] = DNS_SCAN_QUOTE,
    ['('] = DNS_SCAN_OPEN,
    [')'] = DNS_SCAN_CLOSE,
    [';'] = DNS_SCAN_COMMENT,
    ['\\'] = DNS_SCAN_BACKSLASH,
    [0x7f] = CT,
};

#undef BL
#undef CT

/* What 64 bytes are: a bit for each. */
struct masks {
    uint64_t blank;
    uint64_t word;
};

#define INLINE static inline __attribute__((always_inline))

/* Where the text changes its meaning, from the masks of a block. */
INLINE uint64_t structure(struct masks masks, uint64_t *in_word)
{
    uint64_t changes = masks.word ^ (masks.word << 1 | *in_word);
    *in_word = masks.word >> 63;
    return changes | ~(masks.word | masks.blank);
}

/* Writes the positions of the set bits. Eight at a time without asking, because a loop that ends at
 * an unpredictable count costs more than positions that are written over. */
INLINE uint32_t *flatten(uint64_t bits, uint32_t base, uint32_t *tape)
{
    if (bits == 0)
        return tape;
    unsigned count = (unsigned)__builtin_popcountll(bits);
    unsigned done = 0;
    do {
        for (unsigned i = 0; i < 8; i++) {
            /* The bit on top keeps the count of trailing zeros defined when no bit is left. */
            tape[done + i] = base + (uint32_t)__builtin_ctzll(bits | UINT64_C(1) << 63);
            bits &= bits - 1;
        }
        done += 8;
    } while (done < count);
    return tape + count;
}

/* The bits of `length` bytes, at most 64. */
INLINE uint64_t low_bits(size_t length)
{
    return length >= 64 ? ~UINT64_C(0) : (UINT64_C(1) << length) - 1;
}

/* The same loops for every kernel, over functions that make masks of 64 bytes. */
#define DEFINE_KERNEL(suffix, attributes)                                                          \
    attributes static size_t index_##suffix(const uint8_t *text, size_t blocks, uint32_t base,     \
                                            bool *in_word, uint32_t *tape)                         \
    {                                                                                              \
        uint32_t *out = tape;                                                                      \
        uint64_t carry = *in_word;                                                                 \
        for (size_t i = 0; i < blocks; i++, base += DNS_SCAN_BLOCK)                                \
            out =                                                                                  \
                flatten(structure(masks_##suffix(text + i * DNS_SCAN_BLOCK), &carry), base, out);  \
        *in_word = carry != 0;                                                                     \
        return (size_t)(out - tape);                                                               \
    }                                                                                              \
    attributes static size_t survey_##suffix(const uint8_t *text, size_t length,                   \
                                             uint32_t *dollars, size_t *lines)                     \
    {                                                                                              \
        uint32_t *out = dollars;                                                                   \
        uint64_t line_start = 1;                                                                   \
        size_t count = 0;                                                                          \
        for (size_t at = 0; at < length; at += DNS_SCAN_BLOCK) {                                   \
            uint64_t counted = low_bits(length - at);                                              \
            uint64_t newlines = equal_##suffix(text + at, '\n') & counted;                         \
            uint64_t starts = newlines << 1 | line_start;                                          \
            line_start = newlines >> 63;                                                           \
            count += (size_t)__builtin_popcountll(newlines);                                       \
            out = flatten(equal_##suffix(text + at, '$') & starts & counted, (uint32_t)at, out);   \
        }                                                                                          \
        *lines = count;                                                                            \
        return (size_t)(out - dollars);                                                            \
    }                                                                                              \
    static const struct dns_scan_kernel kernel_##suffix = {#suffix, index_##suffix,                \
                                                           survey_##suffix};

INLINE struct masks masks_plain(const uint8_t *text)
{
    struct masks masks = {0, 0};
    for (unsigned i = 0; i < 64; i++) {
        uint8_t class = dns_scan_classes[text[i]];
        masks.blank |= (uint64_t)(class == DNS_SCAN_BLANK) << i;
        masks.word |= (uint64_t)(class == DNS_SCAN_WORD) << i;
    }
    return masks;
}

INLINE uint64_t equal_plain(const uint8_t *text, char byte)
{
    uint64_t bits = 0;
    for (unsigned i = 0; i < 64; i++)
        bits |= (uint64_t)(text[i] == (uint8_t)byte) << i;
    return bits;
}

DEFINE_KERNEL(plain, )

#if DNS_SCAN_X86

INLINE uint64_t equal_sse2(const uint8_t *text, char byte)
{
    uint64_t bits = 0;
    for (unsigned i = 0; i < 4; i++) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)(text + 16 * i));
        __m128i equal = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(byte));
        bits |= (uint64_t)(uint32_t)_mm_movemask_epi8(equal) << (16 * i);
    }
    return bits;
}

INLINE struct masks masks_sse2(const uint8_t *text)
{
    struct masks masks = {0, 0};
    for (unsigned i = 0; i < 4; i++) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)(text + 16 * i));
        __m128i space = _mm_set1_epi8(' ');
        __m128i low = _mm_cmpeq_epi8(_mm_min_epu8(bytes, space), bytes); /* 00 to 20 */
        __m128i blank = _mm_or_si128(_mm_cmpeq_epi8(bytes, space),
                                     _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('\t')),
                                                  _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\r'))));
        __m128i special = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('"')),
                                                    _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'))),
                                       _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(';')),
                                                    _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x7f))));
        /* 28 and 29: with the last bit set both are 29. */
        __m128i parenthesis =
            _mm_cmpeq_epi8(_mm_or_si128(bytes, _mm_set1_epi8(1)), _mm_set1_epi8(')'));
        __m128i other = _mm_or_si128(low, _mm_or_si128(special, parenthesis));
        masks.blank |= (uint64_t)(uint32_t)_mm_movemask_epi8(blank) << (16 * i);
        masks.word |= (uint64_t)(~(uint32_t)_mm_movemask_epi8(other) & 0xffff) << (16 * i);
    }
    return masks;
}

DEFINE_KERNEL(sse2, )

#define AVX2 __attribute__((target("avx2,bmi,popcnt")))

AVX2 INLINE uint64_t equal_avx2(const uint8_t *text, char byte)
{
    __m256i wanted = _mm256_set1_epi8(byte);
    __m256i low = _mm256_loadu_si256((const __m256i *)(const void *)text);
    __m256i high = _mm256_loadu_si256((const __m256i *)(const void *)(text + 32));
    return (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(low, wanted)) |
           (uint64_t)(uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(high, wanted)) << 32;
}

/* The special characters 22 28 29 3B 5C 7F have different low halves, so that one table look-up by
 * the low half, compared with the byte, finds them all. Entries without a character hold a value
 * whose low half is another one. */
#define SPECIALS 1, 0, '"', 0, 0, 0, 0, 0, '(', ')', 0, ';', '\\', 0, 0, 0x7f

AVX2 INLINE struct masks masks_avx2(const uint8_t *text)
{
    const __m256i specials = _mm256_setr_epi8(SPECIALS, SPECIALS);
    const __m256i space = _mm256_set1_epi8(' ');
    struct masks masks = {0, 0};
    for (unsigned i = 0; i < 2; i++) {
        __m256i bytes = _mm256_loadu_si256((const __m256i *)(const void *)(text + 32 * i));
        __m256i low = _mm256_cmpeq_epi8(_mm256_min_epu8(bytes, space), bytes); /* 00 to 20 */
        __m256i special = _mm256_cmpeq_epi8(_mm256_shuffle_epi8(specials, bytes), bytes);
        __m256i blank =
            _mm256_or_si256(_mm256_cmpeq_epi8(bytes, space),
                            _mm256_or_si256(_mm256_cmpeq_epi8(bytes, _mm256_set1_epi8('\t')),
                                            _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8('\r'))));
        uint32_t other = (uint32_t)_mm256_movemask_epi8(_mm256_or_si256(low, special));
        masks.blank |= (uint64_t)(uint32_t)_mm256_movemask_epi8(blank) << (32 * i);
        masks.word |= (uint64_t)~other << (32 * i);
    }
    return masks;
}

DEFINE_KERNEL(avx2, AVX2)

#define AVX512 __attribute__((target("avx512f,avx512bw,avx2,bmi,popcnt")))

AVX512 INLINE uint64_t equal_avx512(const uint8_t *text, char byte)
{
    return _mm512_cmpeq_epi8_mask(_mm512_loadu_si512(text), _mm512_set1_epi8(byte));
}

AVX512 INLINE struct masks masks_avx512(const uint8_t *text)
{
    const __m512i specials = _mm512_broadcast_i32x4(_mm_setr_epi8(SPECIALS));
    __m512i bytes = _mm512_loadu_si512(text);
    uint64_t low = _mm512_cmple_epu8_mask(bytes, _mm512_set1_epi8(' '));
    uint64_t special = _mm512_cmpeq_epi8_mask(_mm512_shuffle_epi8(specials, bytes), bytes);
    uint64_t blank = _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8(' ')) |
                     _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8('\t')) |
                     _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8('\r'));
    return (struct masks){.blank = blank, .word = ~(low | special)};
}

DEFINE_KERNEL(avx512, AVX512)

#endif

const struct dns_scan_kernel *dns_scan_kernel(size_t index)
{
    const struct dns_scan_kernel *usable[5] = {NULL};
    size_t count = 0;
#if DNS_SCAN_X86
    if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("bmi"))
        usable[count++] = &kernel_avx512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi"))
        usable[count++] = &kernel_avx2;
    usable[count++] = &kernel_sse2;
#endif
    usable[count++] = &kernel_plain;
    return index < count ? usable[index] : NULL;
}
