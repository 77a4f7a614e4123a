/* row.h - the checksum at the beginning of every stored value.
 *
 *     value   checksum (u32) of the key and of the payload, then the payload
 */
#ifndef CODEC_ROW_H
#define CODEC_ROW_H

#include "base/buffer.h"
#include "base/checksum.h"
#include "base/error.h"

#define ROW_CHECKSUM 4

static inline uint32_t row_checksum(struct slice key, struct slice payload)
{
	return checksum(checksum(0, key.data, key.len), payload.data, payload.len);
}

/* Starts a row's value in the buffer by reserving space for the checksum. The caller appends the
 * payload. */
static inline void row_start(struct buffer *value)
{
	buffer_clear(value);
	buffer_put_u32(value, 0);
}

/* Writes the checksum of a row's value that was started with row_start. Returns the buffer's
 * error. */
static inline int row_seal(struct buffer *value, struct slice key)
{
	struct slice payload;

	if (buffer_error(value))
		return buffer_error(value);
	payload = slice_of(value->data + ROW_CHECKSUM, value->len - ROW_CHECKSUM);
	set_u32(value->data, row_checksum(key, payload));
	return 0;
}

/* Writes the checksum of a row's value in place, after its payload has been written. */
static inline void row_seal_here(uint8_t *value, size_t len, struct slice key)
{
	set_u32(value, row_checksum(key, slice_of(value + ROW_CHECKSUM, len - ROW_CHECKSUM)));
}

/* Sets *payload to the payload of a stored row. Returns CORRUPT if the checksum is wrong. */
static inline int row_open(struct slice key, struct slice value, struct slice *payload)
{
	if (value.len < ROW_CHECKSUM)
		return ERR_CORRUPT;
	*payload = slice_of(value.data + ROW_CHECKSUM, value.len - ROW_CHECKSUM);
	return get_u32(value.data) == row_checksum(key, *payload) ? 0 : ERR_CORRUPT;
}

#endif
