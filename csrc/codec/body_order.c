/* body_order.c - sorts the body of a large map or set. */
#include "codec/body_order.h"

#include <string.h>

#include "base/error.h"

struct body {
	enum type type;
	const uint8_t *start, *end;
};

/* Returns the name of the entry at an offset, and sets *after to the address after it. */
static struct slice name_at(const struct body *body, uint32_t offset, const uint8_t **after)
{
	const uint8_t *at = body->start + offset;
	struct source source = source_of(slice_of(at, (size_t)(body->end - at)));
	struct slice name = body->type == TYPE_NS ?
		slice_of(at, (size_t)number_width(slice_of(at, (size_t)(body->end - at)))) :
		source_counted(&source);

	*after = name.data + name.len;
	return name;
}

static const uint8_t *entry_end(const struct body *body, uint32_t offset)
{
	const uint8_t *after;
	struct source source;
	struct value value;

	name_at(body, offset, &after);
	if (body->type != TYPE_M)
		return after;
	source = source_of(slice_of(after, (size_t)(body->end - after)));
	value_read(&source, &value);
	return source.at;
}

static int compare(const struct body *body, uint32_t a, uint32_t b)
{
	const uint8_t *after;
	struct slice name = name_at(body, a, &after);

	return slice_compare(name, name_at(body, b, &after));
}

/* Merge sort; spare has space for half of the offsets. Returns true if two names are equal: each
 * pair of entries that ends up adjacent is compared. */
static bool sort(const struct body *body, uint32_t *offsets, size_t count, uint32_t *spare)
{
	size_t half = count / 2, left = 0, right = half, to = 0;
	bool twice;
	int order;

	if (count < 2)
		return false;
	twice = sort(body, offsets, half, spare);
	twice |= sort(body, offsets + half, count - half, spare);
	order = compare(body, offsets[half - 1], offsets[half]);
	if (order <= 0)
		return twice || order == 0;
	memcpy(spare, offsets, half * sizeof *offsets);
	while (left < half) {
		order = right < count ? compare(body, spare[left], offsets[right]) : -1;
		twice |= order == 0;
		offsets[to++] = order > 0 ? offsets[right++] : spare[left++];
	}
	return twice;
}

static void find_entries(const struct body *body, uint32_t *offsets, size_t count)
{
	uint32_t offset = 0;

	for (size_t i = 0; i < count; i++) {
		offsets[i] = offset;
		offset = (uint32_t)(entry_end(body, offset) - body->start);
	}
}

static void copy_entries(const struct body *body, const uint32_t *offsets, size_t count,
	uint8_t *to)
{
	for (size_t i = 0; i < count; i++) {
		const uint8_t *from = body->start + offsets[i];
		size_t len = (size_t)(entry_end(body, offsets[i]) - from);

		memcpy(to, from, len);
		to += len;
	}
}

int body_order(enum type type, uint8_t *bytes, size_t len, size_t count, struct buffer *offsets,
	struct buffer *scratch)
{
	struct body body = { type, bytes, bytes + len };
	size_t spare = count / 2 * sizeof(uint32_t);
	uint8_t *to;

	buffer_clear(offsets);
	buffer_clear(scratch);
	if (!buffer_reserve(offsets, count * sizeof(uint32_t)))
		return ERR_NO_MEMORY;
	to = buffer_reserve(scratch, len > spare ? len : spare);
	if (!to)
		return ERR_NO_MEMORY;
	find_entries(&body, (uint32_t *)(void *)offsets->data, count);
	if (sort(&body, (uint32_t *)(void *)offsets->data, count, (uint32_t *)(void *)to))
		return ERR_DUPLICATE_MEMBER;
	copy_entries(&body, (const uint32_t *)(void *)offsets->data, count, to);
	memcpy(bytes, to, len);
	return 0;
}
