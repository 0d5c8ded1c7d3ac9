/*
 * What a DNS message travels over.
 */
#ifndef NET_PROTOCOL_H
#define NET_PROTOCOL_H

enum net_protocol { NET_UDP, NET_TCP, NET_TLS };

#endif
