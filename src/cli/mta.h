/*
 * What senders of mail see of a domain: gathered (mta_look.c), judged (mta_judge.c), shown
 * (verb_mta.c).
 */
#ifndef CLI_MTA_H
#define CLI_MTA_H

#include "cli/peers.h"
#include "dane/sts.h"

#define MTA_STEPS_MAX 64

/* When a change is safe: lower ones come first. */
enum mta_rank {
    MTA_RANK_CHAIN,   /* what is broken in DNSSEC or in the DNS */
    MTA_RANK_SERVER,  /* servers that do not answer or have no TLS */
    MTA_RANK_MATCH,   /* records for what is shown */
    MTA_RANK_POLICY,  /* MTA-STS that stops mail */
    MTA_RANK_RENEW,   /* certificates that end */
    MTA_RANK_REPORT,  /* TLSRPT: before anything new is demanded of senders */
    MTA_RANK_SIGN,    /* zones */
    MTA_RANK_PUBLISH, /* TLSA where there are none */
    MTA_RANK_TIDY,    /* what is left over */
    MTA_RANK_MORE,    /* MTA-STS beside DANE */
};

struct mta_host {
    const struct dane_endpoint *endpoint;
    const char *name; /* of the TLSA records: "_25._tcp.mx.example.net" */
    const struct validate_result *addresses[2], *tlsa;
    bool covered; /* by the MTA-STS policy */
    /* Over its addresses: how many take mail of a sender that checks DANE, MTA-STS, nothing. */
    size_t contacts, dane, sts, plain;
};

struct mta {
    struct cli_ask ask;
    struct cli_visit visit;
    char domain[DANE_DOMAIN_MAX];
    const uint8_t *name;
    const struct validate_result *mx, *sts_txt, *tlsrpt_txt;
    struct mta_host *hosts;
    size_t host_count;
    /* MTA-STS */
    struct dane_sts sts;
    bool has_sts;
    char sts_id[DANE_STS_ID_MAX + 1]; /* "": no record */
    char sts_why[400];                /* what is wrong; "" */
    /* TLSRPT */
    const char *tlsrpt;     /* where reports go; NULL: nowhere */
    const char *tlsrpt_why; /* NULL */
    struct mta_step {
        enum mta_rank rank;
        const char *text;
    } steps[MTA_STEPS_MAX];
    size_t step_count;
};

/* Asks for everything and connects to every address. */
int mta_look(struct mta *mta);
/* Findings, counts and steps (in their order). */
int mta_judge(struct mta *mta);
void mta_free(struct mta *mta);

/* The strings of a TXT record, joined; what is no printable ASCII becomes "?". In the call's arena;
 * NULL: no memory. */
const char *mta_txt(struct cli_call *call, const struct validate_rdata *rdata);

#endif
