/*
 * What passes between the serve process and the control process (process/channel.h): requests that
 * change something come from serve, which has verified who asks; control answers. Kept here as the
 * one description for both sides. Lengths and offsets are checked by the receiver.
 */
#ifndef SERVE_LINK_H
#define SERVE_LINK_H

#include "dns/name.h"
#include "net/address.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum serve_link_type {
    SERVE_LINK_UPDATE = 1, /* serve → control: a head and the message, TSIG taken off */
    SERVE_LINK_NOTIFY, /* serve → control: a head and the message, TSIG taken off; not answered */
    SERVE_LINK_ANSWER, /* control → serve: to UPDATE, same id: the whole response message, to be
                            signed by serve; `value`: EDE code or 0 */
    SERVE_LINK_COUNT,  /* control → serve: what has been counted? */
    SERVE_LINK_COUNTED,    /* serve → control: Prometheus text of serve's own metrics, same id */
    SERVE_LINK_REOPEN,     /* control → serve: the image was made anew; open it again */
    SERVE_LINK_UNREADABLE, /* serve → control: the image, or some of it, could not be read */
};

/* Who sent an UPDATE or NOTIFY. */
struct serve_link_head {
    union net_address peer;
    uint8_t key[DNS_NAME_MAX]; /* TSIG key it was verified with; key[0] == 0: none */
    char identity[256];        /* of a verified client certificate; "": none */
};

#endif
