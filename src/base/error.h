/*
 * One error type for all of Kenter.
 *
 * Functions that can fail return an int: BASE_OK (0) or a negative value from this list. Status is
 * never mixed with data: results go through out-parameters, which are set only on success unless a
 * header says otherwise.
 */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

enum base_error {
    BASE_OK = 0,
    BASE_ENOMEM = -1,       /* memory could not be had */
    BASE_ESPACE = -2,       /* the output buffer is full, or its hard limit is reached */
    BASE_EFORMAT = -3,      /* malformed input */
    BASE_ERANGE = -4,       /* a value outside of what its field can hold */
    BASE_ENOENT = -5,       /* there is no such thing */
    BASE_EEXIST = -6,       /* there is one already */
    BASE_EIO = -7,          /* the system refused; errno says why */
    BASE_EPERM = -8,        /* permissions are missing, or wider than is safe */
    BASE_EUNSUPPORTED = -9, /* known but not supported (an algorithm, a version) */
    BASE_ELIMIT = -10,      /* a named budget is spent */
    BASE_EINVAL = -11,      /* the caller broke the contract */
    BASE_ECRYPTO = -12,     /* the crypto library failed */
    BASE_EREFUSED = -13,    /* refused on the ground of findings, which say why */
    BASE_EMISMATCH = -14,   /* two things that must agree do not (a signature, a digest) */
};

/* A short lower-case English text for an error; never NULL. */
const char *base_strerror(int error);

#endif
