/* container.c - encodes a map, list, set or item whose member count is known only at its end. */
#include "expr/container.h"

size_t container_open_item(struct buffer *out)
{
	size_t body = out->len;

	buffer_put_u8(out, 0);
	return body;
}

void container_close_item(struct buffer *out, size_t body, uint64_t count)
{
	uint8_t varint[VARINT_MAX];
	size_t width = set_varint(varint, count), len = out->len - body - 1;

	if (!buffer_reserve(out, width - 1))
		return;
	if (width > 1)
		memmove(out->data + body + width, out->data + body + 1, len);
	memcpy(out->data + body, varint, width);
	out->len += width - 1;
}

size_t container_open(struct buffer *out, enum type type)
{
	buffer_put_u8(out, (uint8_t)type);
	buffer_put_u32(out, 0);
	return container_open_item(out);
}

void container_close(struct buffer *out, size_t body, uint64_t count)
{
	container_close_item(out, body, count);
	if (!buffer_error(out))
		set_u32(out->data + body - 4, (uint32_t)(out->len - body));
}

void container_put_value(struct buffer *out, const struct value *value)
{
	size_t body;

	switch (value->type) {
	case TYPE_S:
	case TYPE_B:
		buffer_put_u8(out, (uint8_t)value->type);
		buffer_put_counted(out, value->bytes);
		break;
	case TYPE_M:
		/* value->bytes of a map begin with the member count; those of a list or set do
		 * not */
		buffer_put_u8(out, TYPE_M);
		buffer_put_u32(out, (uint32_t)value->bytes.len);
		buffer_put_slice(out, value->bytes);
		break;
	case TYPE_L:
	case TYPE_SS:
	case TYPE_NS:
	case TYPE_BS:
		body = container_open(out, value->type);
		buffer_put_slice(out, value->bytes);
		container_close(out, body, value->count);
		break;
	default:
		buffer_put_u8(out, (uint8_t)value->type);
		buffer_put_slice(out, value->bytes);
	}
}
