/* Zones for the checks of keys, digests, mail and services: see test_check.c. */
#ifndef CHECK_CASES_RECORDS_H
#define CHECK_CASES_RECORDS_H

/* Only lengths matter: octets 1 to 64; the same with the first two words changed over. */
#define KEY_P256                                                                                   \
    "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyAhIiMkJSYnKCkqKywtLi8wMTIzNDU2Nzg5"                 \
    "Ojs8PT4/QA=="
#define KEY_P256_OTHER                                                                             \
    "AgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4fICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6"                 \
    "Ozw9Pj9AQQ=="
#define KEY_P256_SAME_TAG                                                                          \
    "AwQBAgUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyAhIiMkJSYnKCkqKywtLi8wMTIzNDU2Nzg5"                 \
    "Ojs8PT4/QA=="
#define KEY_RSA_2048                                                                               \
    "AwEAAcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHB"                 \
    "wcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHB"                 \
    "wcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHB"                 \
    "wcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHB"                 \
    "wcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcE="
#define KEY_RSA_1024                                                                               \
    "AwEAAcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHB"                 \
    "wcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHB"                 \
    "wcHBwcHBwcHBwcHBwcHBwcHB"
#define KEY_RSA_ZERO                                                                               \
    "AwEAAQDBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHB"                 \
    "wcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHB"                 \
    "wcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHB"                 \
    "wcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHB"                 \
    "wcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHB"
#define CDS_P256 "2098 13 2 b941aa837b6ba6f828d1809ae717da242cb85c7f618b43a39cec16a570f6b559"
#define DKIM_RSA_512                                                                               \
    "MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAMHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHB"                 \
    "wcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcECAwEAAQ=="
#define DKIM_RSA_1024                                                                              \
    "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHB"                 \
    "wcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHB"                 \
    "wcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwQIDAQAB"
#define DKIM_ED25519  "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define SHA1_DIGEST   "0102030405060708090a0b0c0d0e0f1011121314"
#define SHA256_DIGEST SHA1_DIGEST "15161718191a1b1c1d1e1f20"
#define SHA384_DIGEST SHA256_DIGEST "2122232425262728292a2b2c2d2e2f30"
#define HASH56        SHA1_DIGEST "1516171819191a1b"

static const struct check_case record_cases[] = {
    /* Keys and digests. */
    {ZONE_ALGORITHM_DEPRECATED, "@ DNSKEY 257 3 5 " KEY_RSA_2048, "@ DNSKEY 257 3 8 " KEY_RSA_2048},
    {ZONE_ALGORITHM_DEPRECATED, CHILD "child DS 1 7 2 " SHA256_DIGEST,
     CHILD "child DS 1 13 2 " SHA256_DIGEST},
    {ZONE_ALGORITHM_UNKNOWN, "@ DNSKEY 257 3 99 " KEY_P256, "@ DNSKEY 257 3 13 " KEY_P256},
    {ZONE_DS_AT_APEX, "@ DS 1 13 2 " SHA256_DIGEST, CHILD "child DS 1 13 2 " SHA256_DIGEST},
    {ZONE_DS_WITHOUT_NS, "www DS 1 13 2 " SHA256_DIGEST, CHILD "child DS 1 13 2 " SHA256_DIGEST},
    {ZONE_DS_DIGEST_LENGTH, CHILD "child DS 1 13 5 " SHA1_DIGEST,
     CHILD "child DS 1 13 4 " SHA384_DIGEST},
    {ZONE_DS_DIGEST_DEPRECATED, CHILD "child DS 1 13 1 " SHA1_DIGEST,
     CHILD "child DS 1 13 2 " SHA256_DIGEST},
    {ZONE_DS_DIGEST_UNKNOWN, CHILD "child DS 1 13 77 " SHA1_DIGEST,
     CHILD "child DS 1 13 2 " SHA256_DIGEST},
    {ZONE_DS_ALGORITHM_MIX,
     CHILD "child DS 1 13 2 " SHA256_DIGEST "\nchild DS 2 8 2 " SHA256_DIGEST,
     CHILD "child DS 1 13 2 " SHA256_DIGEST "\nchild DS 2 13 2 " SHA256_DIGEST},
    {ZONE_DNSKEY_PROTOCOL, "@ DNSKEY 257 4 13 " KEY_P256, "@ DNSKEY 257 3 13 " KEY_P256},
    {ZONE_DNSKEY_FLAGS, "@ DNSKEY 1 3 13 " KEY_P256, "@ DNSKEY 257 3 13 " KEY_P256},
    {ZONE_DNSKEY_FLAGS, "@ DNSKEY 259 3 13 " KEY_P256, "@ DNSKEY 385 3 13 " KEY_P256},
    {ZONE_DNSKEY_MALFORMED, "@ DNSKEY 257 3 14 " KEY_P256, "@ DNSKEY 257 3 13 " KEY_P256},
    {ZONE_DNSKEY_MALFORMED, "@ DNSKEY 257 3 8 AwEAAQ==", "@ DNSKEY 257 3 8 " KEY_RSA_2048},
    {ZONE_DNSKEY_LEADING_ZERO, "@ DNSKEY 257 3 8 " KEY_RSA_ZERO, "@ DNSKEY 257 3 8 " KEY_RSA_2048},
    {ZONE_DNSKEY_RSA_SHORT, "@ DNSKEY 257 3 8 " KEY_RSA_1024, "@ DNSKEY 257 3 8 " KEY_RSA_2048},
    {ZONE_DNSKEY_NO_SEP, "@ DNSKEY 256 3 13 " KEY_P256, "@ DNSKEY 257 3 13 " KEY_P256},
    {ZONE_KEY_TAG_COLLISION, "@ DNSKEY 257 3 13 " KEY_P256 "\n@ DNSKEY 257 3 13 " KEY_P256_SAME_TAG,
     "@ DNSKEY 257 3 13 " KEY_P256 "\n@ DNSKEY 257 3 13 " KEY_P256_OTHER},
    {ZONE_NSEC3PARAM_SHAPE, "@ NSEC3PARAM 1 1 0 -", "@ NSEC3PARAM 1 0 0 -"},
    {ZONE_NSEC3PARAM_SHAPE, "@ NSEC3PARAM 2 0 0 -", "@ NSEC3PARAM 1 0 0 -"},
    {ZONE_NSEC3PARAM_COST, "@ NSEC3PARAM 1 0 10 -", "@ NSEC3PARAM 1 0 0 -"},
    {ZONE_NSEC3PARAM_COST, "@ NSEC3PARAM 1 0 0 ABCD", "@ NSEC3PARAM 1 0 0 -"},
    {ZONE_CSYNC_SHAPE, "@ CSYNC 1 1 NS\n@ CSYNC 2 1 NS", "@ CSYNC 1 3 A NS AAAA"},
    {ZONE_CSYNC_SHAPE, "@ CSYNC 1 8 NS", "@ CSYNC 1 1 NS"},
    {ZONE_ZONEMD_TWICE,
     "@ ZONEMD 2026010101 1 1 " SHA384_DIGEST "\n@ ZONEMD 2026010101 1 1 00" SHA256_DIGEST
     "2122232425262728292a2b2c2d2e2f",
     "@ ZONEMD 2026010101 1 1 " SHA384_DIGEST "\n@ ZONEMD 2026010101 1 240 " SHA384_DIGEST},
    {ZONE_ZONEMD_SERIAL, "@ ZONEMD 2026010102 1 1 " SHA384_DIGEST,
     "@ ZONEMD 2026010101 1 1 " SHA384_DIGEST},
    {ZONE_CDS_DELETE_FORM,
     "@ CDS 1 0 0 00\n@ CDNSKEY 0 3 0 AA==", "@ CDS 0 0 0 00\n@ CDNSKEY 0 3 0 AA=="},
    {ZONE_CDS_DELETE_FORM,
     "@ CDS 0 0 0 00\n@ CDNSKEY 0 3 0 AAA=", "@ CDS 0 0 0 00\n@ CDNSKEY 0 3 0 AA=="},
    {ZONE_CDS_DELETE_MIXED, "@ CDS 0 0 0 00\n@ CDS 1 13 2 " SHA256_DIGEST, "@ CDS 0 0 0 00"},
    {ZONE_CDS_DISAGREE, "@ CDS 1 13 2 " SHA256_DIGEST "\n@ CDNSKEY 257 3 13 " KEY_P256,
     "@ CDS " CDS_P256 "\n@ CDNSKEY 257 3 13 " KEY_P256},
    {ZONE_CDS_DISAGREE, "@ CDS 0 0 0 00\n@ CDNSKEY 257 3 13 " KEY_P256,
     "@ CDS 0 0 0 00\n@ CDNSKEY 0 3 0 AA=="},
    {ZONE_CDS_DISAGREE,
     "@ CDS " CDS_P256 "\n@ CDNSKEY 257 3 13 " KEY_P256 "\n@ CDNSKEY 257 3 13 " KEY_P256_OTHER,
     "@ CDS " CDS_P256 "\n@ CDNSKEY 257 3 13 " KEY_P256},
    {ZONE_CDS_ALONE, "@ CDS 1 13 2 " SHA256_DIGEST,
     "@ CDS " CDS_P256 "\n@ CDNSKEY 257 3 13 " KEY_P256},
    {ZONE_CDS_WITHOUT_KEY,
     "@ CDS " CDS_P256 "\n@ CDS 1 13 2 " SHA256_DIGEST "\n@ DNSKEY 257 3 13 " KEY_P256,
     "@ CDS " CDS_P256 "\n@ CDNSKEY 257 3 13 " KEY_P256 "\n@ DNSKEY 257 3 13 " KEY_P256},
    {ZONE_CDS_NO_KEY,
     "@ CDS " CDS_P256 "\n@ CDNSKEY 257 3 13 " KEY_P256 "\n@ DNSKEY 257 3 13 " KEY_P256_OTHER,
     "@ CDS " CDS_P256 "\n@ CDNSKEY 257 3 13 " KEY_P256 "\n@ DNSKEY 257 3 13 " KEY_P256},
    /* Mail. */
    {ZONE_MX_NULL_MIXED, "@ MX 0 .\n@ MX 10 mail", "@ MX 0 ."},
    {ZONE_MX_NULL_PREFERENCE, "@ MX 10 .", "@ MX 0 ."},
    {ZONE_SPF_VERSION, "@ TXT \"v=spf2 -all\"", "@ TXT \"v=spf1 -all\""},
    {ZONE_SPF_VERSION, "@ TXT \"v=spf1, mx -all\"", "@ TXT \"V=SPF1 mx -all\""},
    {ZONE_SPF_SEVERAL, "@ TXT \"v=spf1 -all\"\n@ TXT \"v=spf1 mx -all\"",
     "@ TXT \"v=spf1 -all\"\n@ TXT \"other\""},
    {ZONE_SPF_SYNTAX, "@ TXT \"v=spf1 ipv4:185.49.140.0/24 -all\"",
     "@ TXT \"v=spf1 ip4:185.49.140.0/24 ip6:2a04:b900::/32 -all\""},
    {ZONE_SPF_SYNTAX, "@ TXT \"v=spf1 ip4:185.49.140.0/33 -all\"",
     "@ TXT \"v=spf1 \" \"a:www.example.org/24//64 mx/25 a//64 -all\""},
    {ZONE_SPF_SYNTAX, "@ TXT \"v=spf1 ip4:185.49.140 -all\"",
     "@ TXT \"v=spf1 exists:%{ir}.%{v}._spf.%{d2} -all\""},
    {ZONE_SPF_SYNTAX, "@ TXT \"v=spf1 include=example.net -all\"",
     "@ TXT \"v=spf1 include:example.net -all\""},
    {ZONE_SPF_SYNTAX, "@ TXT \"v=spf1 include:localhost -all\"",
     "@ TXT \"v=spf1 include:example.net. ?all\""},
    {ZONE_SPF_SYNTAX, "@ TXT \"v=spf1 include: -all\"", "@ TXT \"v=spf1 unknown=x -all\""},
    {ZONE_SPF_SYNTAX, "@ TXT \"v=spf1 exists:%{z}.example.net -all\"",
     "@ TXT \"v=spf1 exists:%{i}.example.net -all\""},
    {ZONE_SPF_SYNTAX, "@ TXT \"v=spf1 redirect=example.net redirect=example.com\"",
     "@ TXT \"v=spf1 redirect=_spf.example.net\""},
    {ZONE_SPF_LOOKUPS,
     "@ TXT \"v=spf1 a mx a:a.net a:b.net a:c.net a:d.net a:e.net a:f.net a:g.net a:h.net a:i.net "
     "-all\"",
     "@ TXT \"v=spf1 a mx a:a.net a:b.net a:c.net a:d.net a:e.net a:f.net a:g.net a:h.net -all\""},
    {ZONE_SPF_PASS_ALL, "@ TXT \"v=spf1 mx +all\"", "@ TXT \"v=spf1 mx ~all\""},
    {ZONE_SPF_PASS_ALL, "@ TXT \"v=spf1 mx all\"", "@ TXT \"v=spf1 mx ~ALL\""},
    {ZONE_SPF_NO_ALL, "@ TXT \"v=spf1 mx\"", "@ TXT \"v=spf1 redirect=example.net\""},
    {ZONE_SPF_AFTER_ALL, "@ TXT \"v=spf1 -all mx\"", "@ TXT \"v=spf1 mx -all exp=e.example.net\""},
    {ZONE_SPF_AFTER_ALL, "@ TXT \"v=spf1 -all redirect=example.net\"", "@ TXT \"v=spf1 -all\""},
    {ZONE_SPF_PTR, "@ TXT \"v=spf1 ptr -all\"", "@ TXT \"v=spf1 mx -all\""},
    {ZONE_SPF_TYPE, "@ SPF \"v=spf1 -all\"\n@ TXT \"v=spf1 -all\"", "@ TXT \"v=spf1 -all\""},
    {ZONE_SPF_TYPE_ALONE, "@ SPF \"v=spf1 -all\"", "@ TXT \"v=spf1 -all\""},
    {ZONE_DMARC_SYNTAX, "_dmarc TXT \"v=DMARC1; rua=mailto:a@example.org\"",
     "_dmarc TXT \"v=DMARC1; p=none; rua=mailto:a@example.org\""},
    {ZONE_DMARC_SYNTAX, "_dmarc TXT \"v=DMARC1; p=block\"", "_dmarc TXT \"v=DMARC1;p=reject;\""},
    {ZONE_DMARC_SYNTAX, "_dmarc TXT \"p=none; v=DMARC1\"", "_dmarc TXT \"v=DMARC1; p=none\""},
    {ZONE_DMARC_SYNTAX, "_dmarc TXT \"v=DMARC1; p=none; pct=200\"",
     "_dmarc TXT \"v=DMARC1; p=none; pct=20; adkim=s; aspf=r; ri=86400\""},
    {ZONE_DMARC_SYNTAX, "_dmarc TXT \"v=DMARC1; p=none; rua=a@example.org\"",
     "_dmarc TXT \"v=DMARC1; p=none; ruf=mailto:a@example.org!10m,mailto:b@example.org\""},
    {ZONE_DMARC_SYNTAX, "_dmarc TXT \"v=DMARC1; p=none; policy=x\"",
     "_dmarc TXT \"v=DMARC1; p=none; sp=quarantine\""},
    {ZONE_DMARC_SEVERAL, "_dmarc TXT \"v=DMARC1; p=none\"\n_dmarc TXT \"v=DMARC1; p=reject\"",
     "_dmarc TXT \"v=DMARC1; p=none\""},
    {ZONE_DMARC_MISPLACED, "@ TXT \"v=DMARC1; p=none\"",
     "example.net._report._dmarc TXT \"v=DMARC1\""},
    {ZONE_DMARC_EXTERNAL, "_dmarc TXT \"v=DMARC1; p=none; rua=mailto:a@example.net\"",
     "_dmarc TXT \"v=DMARC1; p=none; rua=mailto:a@mail.example.org\""},
    {ZONE_DKIM_SYNTAX, "s._domainkey TXT \"v=DKIM1; k=rsa\"",
     "s._domainkey TXT \"v=DKIM1; k=rsa; p=\""},
    {ZONE_DKIM_SYNTAX, "s._domainkey TXT \"k=rsa; v=DKIM1; p=\"",
     "s._domainkey TXT \"k=rsa; t=s; p=" DKIM_RSA_1024 "\""},
    {ZONE_DKIM_SYNTAX, "s._domainkey TXT \"v=DKIM1; p=no base64!\"",
     "s._domainkey TXT \"v=DKIM1; k=ed25519; p=" DKIM_ED25519 "\""},
    {ZONE_DKIM_SYNTAX, "s._domainkey TXT \"v=DKIM1; p=" DKIM_ED25519 "\"",
     "s._domainkey TXT \"v=DKIM1; p=\" \"" DKIM_RSA_1024 "\""},
    {ZONE_DKIM_KEY_SHORT, "s._domainkey TXT \"v=DKIM1; p=" DKIM_RSA_512 "\"",
     "s._domainkey TXT \"v=DKIM1; p=" DKIM_RSA_1024 "\""},
    {ZONE_DKIM_SEVERAL,
     "s._domainkey TXT \"v=DKIM1; p=\"\ns._domainkey TXT \"v=DKIM1; k=ed25519; p=\"",
     "s._domainkey TXT \"v=DKIM1; p=\"\nt._domainkey TXT \"v=DKIM1; p=\""},
    {ZONE_MTA_STS_SYNTAX, "_mta-sts TXT \"v=STSv1\"", "_mta-sts TXT \"v=STSv1; id=20260101;\""},
    {ZONE_MTA_STS_SYNTAX, "_mta-sts TXT \"v=STSv1; id=2026-01-01;\"",
     "_mta-sts TXT \"v=STSv1; id=20260101T00;\""},
    {ZONE_MTA_STS_SYNTAX, "_mta-sts TXT \"v=STSv1; id=1;\"\n_mta-sts TXT \"v=STSv1; id=2;\"",
     "_mta-sts TXT \"v=STSv1; id=1;\""},
    {ZONE_TLSRPT_SYNTAX, "_smtp._tls TXT \"v=TLSRPTv1; rua=a@example.org\"",
     "_smtp._tls TXT \"v=TLSRPTv1; rua=mailto:a@example.org,https://r.example.net/x\""},
    {ZONE_TLSRPT_SYNTAX, "_smtp._tls TXT \"v=TLSRPT1; rua=mailto:a@example.org\"",
     "_smtp._tls TXT \"v=TLSRPTv1;rua=mailto:a@example.org\""},
    /* Keys and certificates of hosts. */
    {ZONE_TLSA_OWNER, "www TLSA 3 1 1 " SHA256_DIGEST, "_443._tcp.www TLSA 3 1 1 " SHA256_DIGEST},
    {ZONE_TLSA_OWNER, "_https._tcp.www TLSA 3 1 1 " SHA256_DIGEST,
     "*._tcp.www TLSA 3 1 1 " SHA256_DIGEST},
    {ZONE_TLSA_PARAMETER, "_443._tcp.www TLSA 4 1 1 " SHA256_DIGEST,
     "_443._tcp.www TLSA 2 0 1 " SHA256_DIGEST},
    {ZONE_TLSA_LENGTH, "_443._tcp.www TLSA 3 1 2 " SHA256_DIGEST,
     "_443._tcp.www TLSA 3 1 2 " SHA256_DIGEST SHA256_DIGEST},
    {ZONE_TLSA_MAIL_USAGE, "_25._tcp.mail TLSA 1 1 1 " SHA256_DIGEST,
     "_443._tcp.mail TLSA 1 1 1 " SHA256_DIGEST},
    {ZONE_TLSA_BASE_ADDRESS, "_443._tcp.gone TLSA 3 1 1 " SHA256_DIGEST,
     "_443._tcp.www TLSA 3 1 1 " SHA256_DIGEST},
    {ZONE_MAILBOX_KEY_OWNER, "joe._smimecert SMIMEA 3 0 1 " SHA256_DIGEST,
     HASH56 "._smimecert SMIMEA 3 0 1 " SHA256_DIGEST},
    {ZONE_MAILBOX_KEY_OWNER, HASH56 "._smimecert OPENPGPKEY AQID",
     HASH56 "._openpgpkey OPENPGPKEY AQID"},
    {ZONE_SSHFP_PARAMETER, "www SSHFP 9 2 " SHA256_DIGEST, "www SSHFP 4 2 " SHA256_DIGEST},
    {ZONE_SSHFP_LENGTH, "www SSHFP 4 2 " SHA1_DIGEST, "www SSHFP 1 1 " SHA1_DIGEST},
    {ZONE_CERT_TYPE, "www CERT 255 0 8 AQID", "www CERT 1 0 8 AQID"},
    {ZONE_CAA_FLAGS, "@ CAA 1 issue \"ca.example.net\"", "@ CAA 128 issue \"ca.example.net\""},
    {ZONE_CAA_TAG, "@ CAA 0 issues \"ca.example.net\"", "@ CAA 0 issuewild \";\""},
    {ZONE_CAA_VALUE, "@ CAA 0 issue \"ca.example.net, other.example\"",
     "@ CAA 0 issue \"ca.example.net; account=230123; validationmethods=dns-01\""},
    {ZONE_CAA_VALUE, "@ CAA 0 iodef \"joe@example.org\"",
     "@ CAA 0 iodef \"mailto:joe@example.org\""},
    /* Services. */
    {ZONE_SRV_OWNER, "sip SRV 0 0 5060 www", "_sip._tcp SRV 0 0 5060 www"},
    {ZONE_SRV_NULL_MIXED, "_sip._tcp SRV 0 0 0 .\n_sip._tcp SRV 0 0 5060 www",
     "_sip._tcp SRV 0 0 0 ."},
    {ZONE_NAPTR_FLAGS, "@ NAPTR 10 10 \"SU\" \"SIP+D2U\" \"\" _sip._udp",
     "@ NAPTR 10 10 \"s\" \"SIP+D2U\" \"\" _sip._udp"},
    {ZONE_NAPTR_FLAGS, "@ NAPTR 10 10 \"+\" \"SIP+D2U\" \"\" _sip._udp",
     "@ NAPTR 10 10 \"\" \"SIP+D2U\" \"\" _sip._udp"},
    {ZONE_NAPTR_EXCLUSIVE, "@ NAPTR 10 10 \"u\" \"E2U+sip\" \"!^.*$!sip:a@example.org!\" _sip._udp",
     "@ NAPTR 10 10 \"u\" \"E2U+sip\" \"!^.*$!sip:a@example.org!\" ."},
    {ZONE_NAPTR_REGEXP, "@ NAPTR 10 10 \"u\" \"E2U+sip\" \"!^.*$!sip:a@example.org\" .",
     "@ NAPTR 10 10 \"u\" \"E2U+sip\" \"/^.*$/sip:a@example.org/i\" ."},
#define EXPRESSION(text) "@ NAPTR 10 10 \"u\" \"E2U+sip\" \"" text "\" ."
    {ZONE_NAPTR_REGEXP, EXPRESSION("!^(.*$!sip:a@example.org!"),
     EXPRESSION("!^([^]a-c[:digit:]]+|x{2,3}(yz)?)$!sip:\\\\1\\\\2@example.org!i")},
    {ZONE_NAPTR_REGEXP, EXPRESSION("!^(.*)$!sip:\\\\2@example.org!"),
     EXPRESSION("!^(.*)$!sip:\\\\1@example.org!")},
    {ZONE_NAPTR_REGEXP, EXPRESSION("![[:foo:]]!x!"), EXPRESSION("!(a)\\\\1!x!")},
    {ZONE_NAPTR_REGEXP, EXPRESSION("!a|!x!"), EXPRESSION("!a|b!x!")},
    {ZONE_NAPTR_REGEXP, EXPRESSION("!(a|)!x!"), EXPRESSION("!(){)!x!")},
    {ZONE_NAPTR_REGEXP, EXPRESSION("!a**!x!"), EXPRESSION("!a*b*!x!")},
    {ZONE_NAPTR_REGEXP, EXPRESSION("!a{3,2}!x!"), EXPRESSION("!a{2,}!x!")},
    {ZONE_NAPTR_REGEXP, EXPRESSION("!a{256}!x!"), EXPRESSION("!a{255}!x!")},
    {ZONE_NAPTR_REGEXP, EXPRESSION("![a!x!"), EXPRESSION("![]a]!x!")},
    {ZONE_NAPTR_REGEXP, EXPRESSION("![a-[:digit:]]!x!"), EXPRESSION("![a[.-.]]!x!")},
    {ZONE_NAPTR_REGEXP, EXPRESSION("![z-a]!x!"), EXPRESSION("![a-z-]!x!")},
    {ZONE_NAPTR_REGEXP, EXPRESSION("![[:digit]!x!"), EXPRESSION("![[:digit:]]!x!")},
    {ZONE_NAPTR_REGEXP, EXPRESSION("!\\\\1!x!"), EXPRESSION("!\\\\.!x!")},
    {ZONE_NAPTR_REGEXP, EXPRESSION("!!x!"), EXPRESSION("!.!x!")},
#undef EXPRESSION
    {ZONE_NAPTR_REGEXP, "@ NAPTR 10 10 \"u\" \"E2U+sip\" \"\" .",
     "@ NAPTR 10 10 \"u\" \"E2U+sip\" \"!.*!sip:a\\\\!b@example.org!\" ."},
    {ZONE_URI_OWNER, "www URI 10 1 \"https://example.org/\"",
     "_http._tcp URI 10 1 \"https://example.org/\""},
    {ZONE_URI_TARGET, "_http._tcp URI 10 1 \"www.example.org\"",
     "_http._tcp URI 10 1 \"https://example.org/\""},
    {ZONE_SVCB_ALIAS_MIXED, "@ HTTPS 0 www\n@ HTTPS 1 .", "@ HTTPS 0 www"},
    {ZONE_SVCB_ALIAS_PARAMETERS, "@ HTTPS 0 www port=8443", "www HTTPS 1 . port=8443"},
    {ZONE_SVCB_ALIAS_LOOP, "a SVCB 0 b\nb SVCB 0 a", "a SVCB 0 b\nb SVCB 1 www"},
    {ZONE_SVCB_ALIAS_LOOP, "@ HTTPS 0 @", "@ HTTPS 0 www"},
    {ZONE_SVCB_TARGET_MISSING, "@ HTTPS 1 gone", "@ HTTPS 1 www alpn=h2"},
    /* Addresses and reverse zones. */
    {ZONE_ADDRESS_SPECIAL, "host A 192.168.0.1", "host A 185.49.140.9"},
    {ZONE_ADDRESS_SPECIAL, "host AAAA fe80::1", "host AAAA 2a04:b900::9"},
    {ZONE_ADDRESS_SPECIAL, "host AAAA 2001:db8::1", "host AAAA 2001:db9::1"},
    {ZONE_ADDRESS_MAPPED, "host AAAA ::ffff:185.49.140.9", "host AAAA 2a04:b900::9"},
    {ZONE_REVERSE_OWNER, REVERSE4 "256 PTR www.example.org.", REVERSE4 "255 PTR www.example.org."},
    {ZONE_REVERSE_OWNER, REVERSE4 "1.1 PTR www.example.org.",
     REVERSE4 "1.0/25 PTR www.example.org.\n1 CNAME 1.0/25"},
    {ZONE_REVERSE_OWNER, REVERSE4 "01 PTR www.example.org.",
     REVERSE4 "1 PTR www.example.org.\n_ssh._tcp PTR x.example.org."},
    {ZONE_REVERSE_OWNER, REVERSE6 "1.0 PTR www.example.org.",
     REVERSE6 "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0 PTR www.example.org."},
    {ZONE_REVERSE_OWNER,
     REVERSE6 "g.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0 PTR www.example.org.",
     REVERSE6 "F.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0 PTR www.example.org."},
};

#endif
