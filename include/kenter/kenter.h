/*
 * libkenter: the part of Kenter that other programs can use. Names, the check of a zone file, and
 * the verification of a signed one.
 *
 * Functions that can fail return KENTER_OK or a negative error. Results go through the pointers,
 * which are set only on success. Nothing here has state: every function may be called from any
 * thread.
 */
#ifndef KENTER_KENTER_H
#define KENTER_KENTER_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define KENTER_API __attribute__((visibility("default")))

enum kenter_error {
    KENTER_OK = 0,
    KENTER_ENOMEM = -1,  /* memory could not be had */
    KENTER_EFORMAT = -3, /* malformed input */
    KENTER_ERANGE = -4,  /* a value outside of what it can be */
    KENTER_EIO = -7,     /* the system refused; errno says why */
    KENTER_EINVAL = -11, /* the call is wrong */
    KENTER_EOTHER = -99, /* anything else */
};

/* The version of the library: "0.1.0". */
KENTER_API const char *kenter_version(void);
/* A short English text for an error; never NULL. */
KENTER_API const char *kenter_error_text(int error);

/* --- names --- */

#define KENTER_NAME_MAX  255  /* octets */
#define KENTER_NAME_TEXT 1024 /* room for any name as text, NUL included */

/* A domain name in wire format (RFC 1035 section 3.1). */
struct kenter_name {
    uint8_t length; /* octets, 1 to 255 */
    uint8_t wire[KENTER_NAME_MAX];
};

/* Reads a name ("www.example.com", with or without final dot; escapes of RFC 1035 section 5.1).
 * KENTER_EFORMAT: an empty label or a wrong escape; KENTER_ERANGE: a label over 63 octets or a
 * name over 255. */
KENTER_API int kenter_name_parse(struct kenter_name *name, const char *text);
/* Writes the name as text with final dot, NUL-terminated, and returns `out`. */
KENTER_API const char *kenter_name_print(const struct kenter_name *name,
                                         char out[KENTER_NAME_TEXT]);
/* Compares in the canonical order of DNSSEC (RFC 4034 section 6.1), case ignored: < 0, 0, > 0. */
KENTER_API int kenter_name_compare(const struct kenter_name *a, const struct kenter_name *b);
/* 1 when `name` is `ancestor` or below it, else 0. */
KENTER_API int kenter_name_is_within(const struct kenter_name *name,
                                     const struct kenter_name *ancestor);

/* --- zones --- */

enum kenter_severity { KENTER_INFO, KENTER_WARNING, KENTER_ERROR };

/* What was found. Texts are valid during the callback only; those that are unknown are NULL. */
struct kenter_finding {
    const char *code; /* stable: "zone.ns-address-missing" */
    enum kenter_severity severity;
    const char *file;
    uint32_t line, column; /* from 1; 0: unknown */
    const char *owner;     /* name of the record */
    const char *type;      /* "MX" */
    const char *message;   /* what is wrong, with the values */
    const char *why;       /* why it matters */
    const char *remedy;    /* what to do */
};

struct kenter_zone_options {
    size_t size;        /* sizeof(struct kenter_zone_options), set by KENTER_ZONE_OPTIONS */
    const char *origin; /* name of the zone; NULL: the file says it */
    unsigned threads;   /* 0: one for each CPU */
    int64_t now;        /* kenter_zone_verify: seconds since the epoch; 0: the system's clock */
    uint32_t margin;    /* kenter_zone_verify: warn of signatures that expire within; seconds */
};
#define KENTER_ZONE_OPTIONS                                                                        \
    {                                                                                              \
        sizeof(struct kenter_zone_options), NULL, 0, 0, 0                                          \
    }

struct kenter_zone_summary {
    struct kenter_name zone;
    uint32_t serial;
    size_t names, records;
    size_t errors, warnings, notes; /* findings, also those beyond the 1000 shown of a code */
    size_t signatures;              /* kenter_zone_verify: checked */
    int64_t earliest_expiry;        /* kenter_zone_verify: of a signature; 0: there is none */
};

/* Called for each finding, in the order of the file, on the thread of the caller. */
typedef void (*kenter_finding_callback)(void *context, const struct kenter_finding *finding);

/* Reads the zone file at `path` and checks syntax and meaning. `options`, `found` and `summary` may
 * be NULL. KENTER_OK when the check ran, whatever it found: see summary->errors. KENTER_EIO when
 * the file cannot be read (a finding says so, too). */
KENTER_API int kenter_zone_check(const char *path, const struct kenter_zone_options *options,
                                 kenter_finding_callback found, void *context,
                                 struct kenter_zone_summary *summary);

/* The same for a signed zone: signatures, chain of denial, completeness, ZONEMD. */
KENTER_API int kenter_zone_verify(const char *path, const struct kenter_zone_options *options,
                                  kenter_finding_callback found, void *context,
                                  struct kenter_zone_summary *summary);

#ifdef __cplusplus
}
#endif

#endif
