/*
 * gzip for reports, by zlib.
 */
#include "dane/tlsrpt_mail.h"

#include "base/error.h"

#include <limits.h>
#include <zlib.h>

#define PIECE 65536
/* The window's size, and 16: the format of gzip. */
#define GZIP_WINDOW (15 + 16)

int dane_tlsrpt_compress(const uint8_t *data, size_t length, struct base_buf *out)
{
    z_stream stream = {.next_in = (Bytef *)(uintptr_t)data, .avail_in = (uInt)length};
    if (length > UINT_MAX / 2)
        return BASE_ELIMIT;
    if (deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, GZIP_WINDOW, 8, Z_DEFAULT_STRATEGY) !=
        Z_OK)
        return BASE_ENOMEM;
    size_t most = deflateBound(&stream, (uLong)length);
    uint8_t *room = base_buf_reserve(out, most);
    if (room) {
        stream.next_out = room;
        stream.avail_out = (uInt)most;
        if (deflate(&stream, Z_FINISH) == Z_STREAM_END)
            out->length += stream.total_out;
        else
            out->error = BASE_ENOMEM;
    }
    deflateEnd(&stream);
    return out->error;
}

int dane_tlsrpt_expand(const uint8_t *data, size_t length, struct base_buf *out)
{
    uint8_t piece[PIECE];
    z_stream stream = {.next_in = (Bytef *)(uintptr_t)data, .avail_in = (uInt)length};
    if (length > UINT_MAX / 2)
        return BASE_ELIMIT;
    if (inflateInit2(&stream, GZIP_WINDOW) != Z_OK)
        return BASE_ENOMEM;
    int status;
    do {
        stream.next_out = piece;
        stream.avail_out = PIECE;
        status = inflate(&stream, Z_NO_FLUSH);
        if (status == Z_OK || status == Z_STREAM_END)
            base_buf_append(out, piece, PIECE - stream.avail_out);
        /* Without an end, and with nothing more in it, it says Z_BUF_ERROR. */
    } while (status == Z_OK && out->error == BASE_OK);
    inflateEnd(&stream);
    if (out->error != BASE_OK)
        return out->error == BASE_ESPACE ? BASE_ELIMIT : out->error;
    return status == Z_STREAM_END ? BASE_OK : status == Z_MEM_ERROR ? BASE_ENOMEM : BASE_EFORMAT;
}
