/* Texts of errors: see error.h. */
#include "base/error.h"

const char *base_strerror(int error)
{
    switch (error) {
    case BASE_OK:
        return "no error";
    case BASE_ENOMEM:
        return "out of memory";
    case BASE_ESPACE:
        return "does not fit into its limit";
    case BASE_EFORMAT:
        return "malformed input";
    case BASE_ERANGE:
        return "value out of range";
    case BASE_ENOENT:
        return "not found";
    case BASE_EEXIST:
        return "exists already";
    case BASE_EIO:
        return "input or output failed";
    case BASE_EPERM:
        return "wrong permissions";
    case BASE_EUNSUPPORTED:
        return "not supported";
    case BASE_ELIMIT:
        return "a budget is spent";
    case BASE_EINVAL:
        return "invalid call";
    case BASE_ECRYPTO:
        return "the crypto library failed";
    case BASE_EREFUSED:
        return "refused";
    case BASE_EMISMATCH:
        return "does not match";
    default:
        return "unknown error";
    }
}
