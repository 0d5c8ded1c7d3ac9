/*
 * STARTTLS of XMPP (RFC 6120 section 5). The stream is read by libxml2's push parser, octet by
 * octet, so that nothing behind <proceed/> is swallowed. No entities, no network, no DTD.
 */
#include "dane/preamble_parts.h"

#include "base/error.h"

#include <libxml/parser.h>
#include <libxml/parserInternals.h>
#include <stdlib.h>
#include <string.h>

#define NS_TLS     "urn:ietf:params:xml:ns:xmpp-tls"
#define NS_STREAMS "http://etherx.jabber.org/streams"
#define DEPTH_MAX  32

struct preamble_xml {
    xmlParserCtxtPtr parser;
    unsigned depth;
    bool features; /* inside of them */
    bool asked;
};

static bool is(const xmlChar *name, const xmlChar *uri, const char *wanted, const char *wanted_uri)
{
    return strcmp((const char *)name, wanted) == 0 && uri &&
           strcmp((const char *)uri, wanted_uri) == 0;
}

static void element_begins(void *context, const xmlChar *name, const xmlChar *prefix,
                           const xmlChar *uri, int namespaces, const xmlChar **namespace_list,
                           int attributes, int defaulted, const xmlChar **attribute_list)
{
    struct dane_preamble *preamble = context;
    struct preamble_xml *xml = preamble->xml;
    unsigned depth = xml->depth++;
    if (depth > DEPTH_MAX)
        preamble_fail(preamble, "the server's XML is nested too deeply");
    else if (depth == 0 && !is(name, uri, "stream", NS_STREAMS))
        preamble_fail(preamble, "the server does not open an XMPP stream");
    else if (depth == 1 && is(name, uri, "error", NS_STREAMS))
        preamble_fail(preamble, "the server ends the stream with an error");
    else if (depth == 1)
        xml->features = is(name, uri, "features", NS_STREAMS);
    else if (depth == 2 && xml->features && is(name, uri, "starttls", NS_TLS))
        preamble->offered = true;
}

static void features_end(struct dane_preamble *preamble)
{
    if (!preamble->offered) {
        preamble->state = DANE_PREAMBLE_NONE;
        return;
    }
    preamble->xml->asked = true;
    preamble_say(preamble, "<starttls xmlns='" NS_TLS "'/>");
}

static void element_ends(void *context, const xmlChar *name, const xmlChar *prefix,
                         const xmlChar *uri)
{
    struct dane_preamble *preamble = context;
    struct preamble_xml *xml = preamble->xml;
    if (--xml->depth > 1 || preamble->state != DANE_PREAMBLE_WAIT)
        return;
    if (xml->depth == 0)
        preamble_fail(preamble, "the server ends the stream");
    else if (!xml->asked && is(name, uri, "features", NS_STREAMS))
        features_end(preamble);
    else if (xml->asked && is(name, uri, "proceed", NS_TLS))
        preamble->state = DANE_PREAMBLE_TLS;
    else if (xml->asked && is(name, uri, "failure", NS_TLS))
        preamble_fail(preamble, "the server offers TLS and then refuses it");
}

static void doctype(void *context, const xmlChar *name, const xmlChar *external,
                    const xmlChar *system)
{
    preamble_fail(context, "the server sends a document type, which XMPP forbids");
}

/* Names come from the user or from DNS, as A-labels; from XML's view they are plain. */
static bool plain(const char *text)
{
    return text[strcspn(text, "<>&'\"")] == '\0';
}

int preamble_xmpp_begin(struct dane_preamble *preamble)
{
    if (!plain(preamble->domain) || (preamble->from && !plain(preamble->from)))
        return BASE_EINVAL;
    struct preamble_xml *xml = preamble->xml = calloc(1, sizeof *xml);
    if (!xml)
        return BASE_ENOMEM;
    xmlSAXHandler handler;
    memset(&handler, 0, sizeof handler);
    handler.initialized = XML_SAX2_MAGIC;
    handler.startElementNs = element_begins;
    handler.endElementNs = element_ends;
    handler.internalSubset = doctype;
    xml->parser = xmlCreatePushParserCtxt(&handler, preamble, NULL, 0, NULL);
    if (!xml->parser)
        return BASE_ENOMEM;
    xmlCtxtUseOptions(xml->parser, XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
    preamble_say(preamble,
                 "<?xml version='1.0'?><stream:stream xmlns='%s' xmlns:stream='" NS_STREAMS
                 "' to='%s'",
                 preamble->start == DANE_START_XMPP_CLIENT ? "jabber:client" : "jabber:server",
                 preamble->domain);
    if (preamble->from)
        preamble_say(preamble, " from='%s'", preamble->from);
    preamble_say(preamble, " version='1.0'>");
    return BASE_OK;
}

size_t preamble_xmpp_input(struct dane_preamble *preamble, const char *data, size_t length)
{
    size_t at = 0;
    while (at < length && preamble->state == DANE_PREAMBLE_WAIT) {
        /* White space may stand between elements at any time. */
        if (preamble->output.length > 0 && !strchr(" \t\r\n", data[at]))
            preamble_too_early(preamble);
        else if (xmlParseChunk(preamble->xml->parser, data + at++, 1, 0) != 0 &&
                 preamble->state == DANE_PREAMBLE_WAIT)
            preamble_fail(preamble, "the server sends something that is no XML");
    }
    return at;
}

void preamble_xmpp_free(struct preamble_xml *xml)
{
    if (!xml)
        return;
    if (xml->parser) {
        xmlFreeDoc(xml->parser->myDoc);
        xmlFreeParserCtxt(xml->parser);
    }
    free(xml);
}
