/* buffer.h - byte slices, growable buffers and a bounds-checked reader.
 *
 * struct slice   borrows bytes; the function that returns a slice documents its lifetime. struct
 * buffer  owns bytes and grows. A zeroed buffer is valid and empty. It
 *                keeps its first error and ignores later writes, so an encoder
 *                checks for errors once, at the end.
 * struct source  reads a slice from front to back. It also keeps its first
 *                error (always CORRUPT); later reads return zeros.
 *
 * Fixed-width integers are big-endian, so that memcmp orders them by value.
 * Variable-width integers are LEB128, shortest form only.
 */
#ifndef BASE_BUFFER_H
#define BASE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define VARINT_MAX 10

struct slice {
	const uint8_t *data;
	size_t len;
};

struct buffer {
	uint8_t *data;
	size_t len;
	size_t cap;
	int err;
};

struct source {
	const uint8_t *at;
	const uint8_t *end;
	int err;
};

static inline struct slice slice_of(const void *data, size_t len)
{
	return (struct slice){ data, len };
}

static inline struct slice slice_of_text(const char *text)
{
	return (struct slice){ (const uint8_t *)text, strlen(text) };
}

static inline bool slice_equal(struct slice a, struct slice b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* Compares two slices bytewise, like memcmp. A slice precedes the longer slices of which it is a
 * prefix. */
static inline int slice_compare(struct slice a, struct slice b)
{
	size_t len = a.len < b.len ? a.len : b.len;
	int order = len ? memcmp(a.data, b.data, len) : 0;

	return order ? order : (a.len > b.len) - (a.len < b.len);
}

/* Copies the bytes of a slice to `to` and returns the address after the last byte. */
static inline uint8_t *slice_write(uint8_t *to, struct slice slice)
{
	if (slice.len)
		memcpy(to, slice.data, slice.len);
	return to + slice.len;
}

static inline bool slice_begins(struct slice whole, struct slice start)
{
	return whole.len >= start.len &&
		(start.len == 0 || memcmp(whole.data, start.data, start.len) == 0);
}

/* --- big-endian integers at any address --- */

static inline uint16_t get_u16(const uint8_t *p)
{
	return (uint16_t)((p[0] << 8) | p[1]);
}

static inline uint32_t get_u32(const uint8_t *p)
{
	uint32_t n;

	memcpy(&n, p, sizeof n);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	n = __builtin_bswap32(n);
#endif
	return n;
}

static inline uint64_t get_u64(const uint8_t *p)
{
	uint64_t n;

	memcpy(&n, p, sizeof n);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	n = __builtin_bswap64(n);
#endif
	return n;
}

/* Little-endian integers, for algorithms that require this byte order. */
static inline uint16_t get_u16_little(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static inline uint32_t get_u32_little(const uint8_t *p)
{
	return get_u16_little(p) | (uint32_t)get_u16_little(p + 2) << 16;
}

static inline uint64_t get_u64_little(const uint8_t *p)
{
	uint64_t n;

	memcpy(&n, p, sizeof n);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	n = __builtin_bswap64(n);
#endif
	return n;
}

/* Returns the minimal width of n in bytes; 0 for n = 0. */
static inline unsigned u64_width(uint64_t n)
{
	return n ? 8 - (unsigned)__builtin_clzll(n) / 8 : 0;
}

static inline void set_u64_little(uint8_t *p, uint64_t n)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	n = __builtin_bswap64(n);
#endif
	memcpy(p, &n, sizeof n);
}

static inline void set_u16(uint8_t *p, uint16_t n)
{
	p[0] = (uint8_t)(n >> 8);
	p[1] = (uint8_t)n;
}

static inline void set_u32(uint8_t *p, uint32_t n)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	n = __builtin_bswap32(n);
#endif
	memcpy(p, &n, sizeof n);
}

static inline void set_u64(uint8_t *p, uint64_t n)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	n = __builtin_bswap64(n);
#endif
	memcpy(p, &n, sizeof n);
}

/* --- buffer --- */

/* Slow path of buffer_reserve: reallocates. */
uint8_t *buffer_grow(struct buffer *buffer, size_t more);

/* Reserves space for `more` bytes after the content of the buffer and returns its address. Returns
 * NULL and keeps the error if memory runs out. The caller writes there and increments buffer->len
 * by the number of bytes written. */
static inline uint8_t *buffer_reserve(struct buffer *buffer, size_t more)
{
	if (!buffer->err && buffer->data && more <= buffer->cap - buffer->len)
		return buffer->data + buffer->len;
	return buffer_grow(buffer, more);
}

void buffer_release(struct buffer *buffer);

/* Resets the length and the error of a buffer, but keeps its memory. */
static inline void buffer_clear(struct buffer *buffer)
{
	buffer->len = 0;
	buffer->err = 0;
}

static inline int buffer_error(const struct buffer *buffer)
{
	return buffer->err;
}

/* Returns the content of a buffer. The slice is valid until the buffer changes. */
static inline struct slice buffer_slice(const struct buffer *buffer)
{
	return (struct slice){ buffer->data, buffer->len };
}

static inline void buffer_put(struct buffer *buffer, const void *data, size_t len)
{
	uint8_t *buf = buffer_reserve(buffer, len);

	if (buf && len) {
		memcpy(buf, data, len);
		buffer->len += len;
	}
}

static inline void buffer_put_slice(struct buffer *buffer, struct slice slice)
{
	buffer_put(buffer, slice.data, slice.len);
}

static inline void buffer_put_u8(struct buffer *buffer, uint8_t n)
{
	uint8_t *buf = buffer_reserve(buffer, 1);

	if (buf) {
		*buf = n;
		buffer->len += 1;
	}
}

static inline void buffer_put_u16(struct buffer *buffer, uint16_t n)
{
	uint8_t *buf = buffer_reserve(buffer, sizeof n);

	if (buf) {
		set_u16(buf, n);
		buffer->len += sizeof n;
	}
}

static inline void buffer_put_u32(struct buffer *buffer, uint32_t n)
{
	uint8_t *buf = buffer_reserve(buffer, sizeof n);

	if (buf) {
		set_u32(buf, n);
		buffer->len += sizeof n;
	}
}

static inline void buffer_put_u64(struct buffer *buffer, uint64_t n)
{
	uint8_t *buf = buffer_reserve(buffer, sizeof n);

	if (buf) {
		set_u64(buf, n);
		buffer->len += sizeof n;
	}
}

void buffer_put_varint(struct buffer *buffer, uint64_t n);

/* Appends the length of the slice as a varint, then its bytes. */
void buffer_put_counted(struct buffer *buffer, struct slice slice);

/* Writes n as a varint at p, where VARINT_MAX bytes must be available. Returns its width. */
size_t set_varint(uint8_t *p, uint64_t n);

/* --- source --- */

/* Starts reading a slice. Does not compute the end of an empty slice, because its pointer may be
 * NULL and NULL + 0 is undefined in C. */
static inline struct source source_of(struct slice slice)
{
	const uint8_t *at = slice.len ? slice.data : (const uint8_t *)"";

	return (struct source){ at, at + slice.len, 0 };
}

static inline size_t source_left(const struct source *source)
{
	return (size_t)(source->end - source->at);
}

uint8_t source_u8(struct source *source);
uint16_t source_u16(struct source *source);
uint32_t source_u32(struct source *source);
uint64_t source_u64(struct source *source);
uint64_t source_varint(struct source *source);

/* Returns the next len bytes of the source, as a part of the slice given to source_of. */
struct slice source_take(struct source *source, uint64_t len);

/* Reads a value written by buffer_put_counted. */
struct slice source_counted(struct source *source);

/* Returns 0 if all bytes of the source were read without an error, otherwise CORRUPT. */
int source_finish(const struct source *source);

#endif
