/* The word that was probably meant by a mistyped one. */
#ifndef BASE_NEAREST_H
#define BASE_NEAREST_H

/* The word of `words` (ended by NULL) that is nearest to a mistyped one, or NULL when none is
 * near. */
const char *base_nearest(const char *word, const char *const *words);

#endif
