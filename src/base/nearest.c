/* The word that was probably meant. */
#include "base/nearest.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define WORD_MAX   40
#define ERRORS_MAX 4

static size_t least(size_t a, size_t b, size_t c)
{
    size_t smaller = a < b ? a : b;
    return smaller < c ? smaller : c;
}

/* Edit distance with neighbours swapped as one step, by rows; words longer than WORD_MAX are far.
 */
static size_t distance(const char *a, const char *b)
{
    size_t rows[3][WORD_MAX + 1];
    size_t a_length = strlen(a), b_length = strlen(b);
    if (a_length > WORD_MAX || b_length > WORD_MAX)
        return WORD_MAX;
    for (size_t j = 0; j <= b_length; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= a_length; i++) {
        size_t *row = rows[i % 3], *above = rows[(i + 2) % 3], *before = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= b_length; j++) {
            row[j] = least(above[j] + 1, row[j - 1] + 1, above[j - 1] + (a[i - 1] != b[j - 1]));
            bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            if (swapped && before[j - 2] + 1 < row[j])
                row[j] = before[j - 2] + 1;
        }
    }
    return rows[a_length % 3][b_length];
}

const char *base_nearest(const char *word, const char *const *words)
{
    const char *best = NULL;
    /* The most that still is a typing error. */
    size_t best_distance = strlen(word) < 3 * ERRORS_MAX ? strlen(word) / 3 + 1 : ERRORS_MAX;
    for (; *words != NULL; words++) {
        /* A beginning is as good as one error. */
        bool begins = strlen(word) > 1 && strncmp(word, *words, strlen(word)) == 0;
        size_t far = begins ? 1 : distance(word, *words);
        if (far < best_distance || (far == best_distance && best == NULL)) {
            best = *words;
            best_distance = far;
        }
    }
    return best;
}
