/*
 * Which allocation fails; see allocate.c. Set between runs only.
 */
#ifndef ALLOCATE_H
#define ALLOCATE_H

#include <stdatomic.h>

extern atomic_long asked; /* allocations of this run */
extern long failing;      /* which of them fails; 0: none */

#endif
