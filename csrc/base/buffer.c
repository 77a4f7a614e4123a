/* buffer.c - grows buffers, writes and reads varints, and reads from a bounds-checked source. */
#include "base/buffer.h"

#include "base/error.h"
#include "base/memory.h"

#define MIN_CAP 256

uint8_t *buffer_grow(struct buffer *buffer, size_t more)
{
	size_t need, cap;
	uint8_t *data;

	if (buffer->err)
		return NULL;
	if (__builtin_add_overflow(buffer->len, more, &need) || need > SIZE_MAX / 2) {
		buffer->err = ERR_NO_MEMORY;
		return NULL;
	}
	cap = buffer->cap ? buffer->cap : MIN_CAP;
	while (cap < need)
		cap *= 2;
	data = memory_realloc(buffer->data, cap);
	if (!data) {
		buffer->err = ERR_NO_MEMORY;
		return NULL;
	}
	buffer->data = data;
	buffer->cap = cap;
	return data + buffer->len;
}

void buffer_release(struct buffer *buffer)
{
	memory_free(buffer->data);
	*buffer = (struct buffer){ 0 };
}

size_t set_varint(uint8_t *p, uint64_t n)
{
	size_t width = 0;

	while (n >= 0x80) {
		p[width++] = (uint8_t)(n | 0x80);
		n >>= 7;
	}
	p[width++] = (uint8_t)n;
	return width;
}

void buffer_put_varint(struct buffer *buffer, uint64_t n)
{
	uint8_t *buf = buffer_reserve(buffer, VARINT_MAX);

	if (buf)
		buffer->len += set_varint(buf, n);
}

void buffer_put_counted(struct buffer *buffer, struct slice slice)
{
	buffer_put_varint(buffer, slice.len);
	buffer_put_slice(buffer, slice);
}

struct slice source_take(struct source *source, uint64_t len)
{
	struct slice slice = { source->at, 0 };

	if (source->err || len > source_left(source)) {
		source->err = ERR_CORRUPT;
		return slice;
	}
	slice.len = (size_t)len;
	source->at += len;
	return slice;
}

uint8_t source_u8(struct source *source)
{
	struct slice bytes = source_take(source, 1);

	return bytes.len ? bytes.data[0] : 0;
}

uint16_t source_u16(struct source *source)
{
	struct slice bytes = source_take(source, 2);

	return bytes.len ? get_u16(bytes.data) : 0;
}

uint32_t source_u32(struct source *source)
{
	struct slice bytes = source_take(source, 4);

	return bytes.len ? get_u32(bytes.data) : 0;
}

uint64_t source_u64(struct source *source)
{
	struct slice bytes = source_take(source, 8);

	return bytes.len ? get_u64(bytes.data) : 0;
}

uint64_t source_varint(struct source *source)
{
	uint64_t n = 0;
	unsigned shift = 0;
	uint8_t byte;

	do {
		byte = source_u8(source);
		if (shift == 63 && byte > 1)
			source->err = ERR_CORRUPT;
		if (source->err)
			return 0;
		n |= (uint64_t)(byte & 0x7f) << shift;
		shift += 7;
	} while (byte & 0x80);
	if (byte == 0 && shift > 7)
		source->err = ERR_CORRUPT;
	return source->err ? 0 : n;
}

struct slice source_counted(struct source *source)
{
	return source_take(source, source_varint(source));
}

int source_finish(const struct source *source)
{
	return source->err || source->at != source->end ? ERR_CORRUPT : 0;
}
