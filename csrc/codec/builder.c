/* builder.c - encodes an item in canonical form; open containers are kept on a stack.
 *
 * An open container reserves space for the fields that are known at its end:
 *
 *     type, u32 length, count (1 byte)     entries, in the order given
 *
 * Closing it sorts the entries, moves them if the count needs more than one
 * byte, and fills in the length. The entries of all open containers are kept on
 * one stack, those of the innermost on top.
 */
#include "codec/builder.h"

#include <assert.h>

#include "base/error.h"
#include "base/memory.h"
#include "codec/body_order.h"

#define HEADER_BYTES 5               /* a container's type and length */
#define ENTRIES_MIN 32
#define HIGH_BITS 0x8080808080808080u
/* Maximum number of entries that are kept. A container with more is sorted by body_order, which
 * takes twice the time but keeps the memory of a builder below four times the text of a large item,
 * however short its names are. */
#define ENTRIES_KEPT 2048
#define ENTRIES_MOST (ENTRIES_KEPT + ENTRIES_KEPT / 2)     /* with the space for sorting */
#define SORT_FEW 12                /* maximum number of entries for insertion sort */

static inline void give_up(struct builder *builder, int err)
{
	if (!builder->err)
		builder->err = err;
}

static inline struct builder_frame *open_frame(struct builder *builder)
{
	return &builder->frames[builder->depth];
}

static inline bool charge(struct builder *builder, size_t size)
{
	if (builder->err)
		return false;
	if (size > builder->size_max - builder->size) {
		builder->err = ERR_ITEM_TOO_BIG;
		return false;
	}
	builder->size += size;
	return true;
}

static uint8_t *more_room(struct builder *builder, size_t len)
{
	uint8_t *buf = buffer_reserve(&builder->bytes, len);

	if (!buf)
		give_up(builder, builder->bytes.err);
	return buf;
}

/* Fast path of buffer_reserve. The function is inlined because it is called for every value. */
static inline uint8_t *reserve(struct builder *builder, size_t len)
{
	if (len > builder->bytes.cap - builder->bytes.len)
		return more_room(builder, len);
	return builder->bytes.data + builder->bytes.len;
}

static inline uint8_t *put_varint(uint8_t *p, size_t n)
{
	if (n < 0x80) {
		*p = (uint8_t)n;
		return p + 1;
	}
	return p + set_varint(p, n);
}

static inline void written_to(struct builder *builder, const uint8_t *end)
{
	builder->bytes.len = (size_t)(end - builder->bytes.data);
}

/* --- entries --- */

static bool grow_entries(struct builder *builder, size_t count)
{
	size_t cap = builder->entry_cap ? builder->entry_cap : ENTRIES_MIN;
	struct builder_entry *entries;

	while (cap < count)
		cap = 2 * cap < ENTRIES_MOST ? 2 * cap : ENTRIES_MOST;
	entries = memory_realloc(builder->entries, cap * sizeof *entries);
	if (!entries) {
		give_up(builder, ERR_NO_MEMORY);
		return false;
	}
	builder->entries = entries;
	builder->entry_cap = cap;
	return true;
}

/* Returns the first 8 bytes of a name as a big-endian number. Reads the caller's bytes, not
 * the copy, because a word load from bytes that were just stored one by one stalls (store
 * forwarding fails). */
static inline uint64_t prefix_of(struct slice name)
{
	const uint8_t *p = name.data;
	size_t len = name.len;

	if (len >= 8)
		return get_u64(p);
	if (len >= 4)
		return (uint64_t)get_u32(p) << 32 |
			(uint64_t)get_u32(p + len - 4) << (64 - 8 * len);
	if (len == 0)
		return 0;
	return (uint64_t)p[0] << 56 | (uint64_t)p[len / 2] << (56 - 8 * (len / 2)) |
		(uint64_t)p[len - 1] << (64 - 8 * len);
}

static inline struct slice entry_name(const uint8_t *data, const struct builder_entry *entry)
{
	return slice_of(data + entry->name_start, entry->name_len);
}

/* Compares two entries by name. Compares the whole names if their prefixes are equal, because the
 * padding of a short name equals zero bytes in a longer name. */
static inline int entry_compare(const uint8_t *data, const struct builder_entry *a,
	const struct builder_entry *b)
{
	if (a->prefix != b->prefix)
		return a->prefix < b->prefix ? -1 : 1;
	return slice_compare(entry_name(data, a), entry_name(data, b));
}

/* Adds the entry that begins at start; its name is the last name_len bytes written. */
static inline void add_entry(struct builder *builder, size_t start, size_t name_len,
	uint64_t prefix)
{
	struct builder_frame *frame = open_frame(builder);
	struct builder_entry *entry;

	if (builder->entry_count == ENTRIES_KEPT) {
		frame->count++;
		frame->sorted = false;   /* unknown */
		return;
	}
	if (builder->entry_count == builder->entry_cap &&
		!grow_entries(builder, builder->entry_count + 1))
		return;
	entry = &builder->entries[builder->entry_count++];
	entry->prefix = prefix;
	entry->start = (uint32_t)start;
	entry->name_start = (uint32_t)(builder->bytes.len - name_len);
	entry->name_len = (uint32_t)name_len;
	if (frame->count++ > 0 && frame->sorted)
		frame->sorted = entry_compare(builder->bytes.data, entry - 1, entry) < 0;
}

/* --- names of the previous item --- */

/* Returns true if the previous item had this attribute name at this position. */
static inline bool is_known(const struct builder *builder, struct slice name, uint64_t prefix)
{
	unsigned at = builder->frames[0].count;
	const struct builder_name *known;

	if (!builder->as_known || at >= builder->known.count)
		return false;
	known = &builder->known.names[at];
	return prefix == known->prefix && name.len == known->bytes[0] &&
		(name.len <= 8 || memcmp(known->bytes + 1, name.data, name.len) == 0);
}

/* Appends the name at this position of the previous item. The caller has checked it with
 * is_known. */
static inline void put_known_name(struct builder *builder, size_t len)
{
	struct builder_frame *frame = &builder->frames[0];
	const struct builder_name *known = &builder->known.names[frame->count];
	struct builder_entry *entry = &builder->entries[frame->count];
	uint8_t *buf;

	if (!charge(builder, len))
		return;
	buf = reserve(builder, sizeof known->bytes);
	if (!buf)
		return;
	memcpy(buf, known->bytes, sizeof known->bytes);
	entry->prefix = known->prefix;
	entry->start = (uint32_t)builder->bytes.len;
	entry->name_start = entry->start + 1;
	entry->name_len = (uint32_t)len;
	builder->bytes.len += 1 + len;
	builder->entry_count = ++frame->count;
	frame->sorted = builder->known.sorted;
}

/* Returns true if the item has the same names as the previous one, in the same order. */
static inline bool is_as_known(const struct builder *builder, const struct builder_frame *frame)
{
	return builder->depth == 0 && builder->as_known && frame->count == builder->known.count;
}

/* Remembers the attribute names of the item for the next one. Called before its entries are
 * sorted. */
static void know_names(struct builder *builder, const struct builder_frame *frame)
{
	struct builder_known *known = &builder->known;

	builder->as_known = false;
	known->count = 0;
	if (frame->count > BUILDER_KNOWN_MAX)
		return;
	for (unsigned i = 0; i < frame->count; i++) {
		const struct builder_entry *entry = &builder->entries[i];
		struct builder_name *name = &known->names[i];

		if (entry->name_len > BUILDER_KNOWN_NAME)
			return;
		name->prefix = entry->prefix;
		memcpy(name->bytes, builder->bytes.data + entry->name_start - 1,
			1 + entry->name_len);
	}
	known->sorted = frame->sorted;
	known->count = frame->count;
}

/* Remembers the sort order of the attribute names. Called after the entries have been sorted. */
static void know_order(struct builder *builder)
{
	struct builder_known *known = &builder->known;
	const struct builder_entry *entries = builder->entries;

	for (unsigned i = 0; i < known->count; i++) {
		unsigned before = 0;

		for (unsigned j = 0; j < known->count; j++)
			before += entries[j].start < entries[i].start;
		known->names[i].from = (uint8_t)before;
	}
}

/* --- sorting entries --- */

/* Both sorts return true if two names are equal. Every sort compares each pair of
 * entries that ends up adjacent, so no duplicate is missed. */
static bool sort_few(const uint8_t *data, struct builder_entry *entries, size_t count)
{
	bool twice = false;
	size_t i, j;

	for (i = 1; i < count; i++) {
		struct builder_entry entry = entries[i];
		int order = 0;

		for (j = i; j > 0; j--) {
			order = entry_compare(data, &entries[j - 1], &entry);
			if (order <= 0)
				break;
			entries[j] = entries[j - 1];
		}
		twice |= j > 0 && order == 0;
		entries[j] = entry;
	}
	return twice;
}

/* Sorts the entries by name with merge sort. spare must have space for half of the entries. */
static bool sort(const uint8_t *data, struct builder_entry *entries, size_t count,
	struct builder_entry *spare)
{
	size_t half = count / 2, left = 0, right = half, to = 0;
	bool twice;
	int order;

	if (count <= SORT_FEW)
		return sort_few(data, entries, count);
	twice = sort(data, entries, half, spare);
	twice |= sort(data, entries + half, count - half, spare);
	order = entry_compare(data, &entries[half - 1], &entries[half]);
	if (order <= 0)
		return twice || order == 0;
	memcpy(spare, entries, half * sizeof *entries);
	while (left < half) {
		order = right < count ? entry_compare(data, &spare[left], &entries[right]) : -1;
		twice |= order == 0;
		entries[to++] = order > 0 ? entries[right++] : spare[left++];
	}
	return twice;
}

static void measure_entries(struct builder *builder, size_t first, size_t count)
{
	size_t i, end = builder->bytes.len;

	for (i = first + count; i-- > first;) {
		builder->entries[i].len = (uint32_t)(end - builder->entries[i].start);
		end = builder->entries[i].start;
	}
}

/* Moves the encoded entries of a container into sorted order, through the scratch buffer. The
 * order is that of known if it is not NULL, otherwise that of entries. */
static void move_entries(struct builder *builder, const struct builder_entry *entries,
	size_t count, const struct builder_known *known, uint8_t *body)
{
	size_t i, len = (size_t)(builder->bytes.data + builder->bytes.len - body);
	uint8_t *to;

	buffer_clear(&builder->scratch);
	to = buffer_reserve(&builder->scratch, len);
	if (!to) {
		give_up(builder, ERR_NO_MEMORY);
		return;
	}
	for (i = 0; i < count; i++) {
		const struct builder_entry *entry = &entries[known ? known->names[i].from : i];

		memcpy(to, builder->bytes.data + entry->start, entry->len);
		to += entry->len;
	}
	memcpy(body, to - len, len);
}

static void put_in_order(struct builder *builder, const struct builder_frame *frame)
{
	size_t count = frame->count, spare = builder->entry_count;
	uint8_t *body = builder->bytes.data + frame->body + 1;
	struct builder_entry *entries;
	int err;

	if (count > spare - frame->entry) {      /* not all were kept */
		err = body_order(frame->type, body, (size_t)(builder->bytes.data +
			builder->bytes.len - body), count, &builder->offsets,
			&builder->scratch);
		if (err)
			give_up(builder, err);
		return;
	}
	if (count > SORT_FEW && spare + count / 2 > builder->entry_cap &&
		!grow_entries(builder, spare + count / 2))
		return;
	measure_entries(builder, frame->entry, count);
	entries = builder->entries + frame->entry;
	if (is_as_known(builder, frame)) {
		move_entries(builder, entries, count, &builder->known, body);
		return;
	}
	if (sort(builder->bytes.data, entries, count, builder->entries + spare)) {
		give_up(builder, ERR_DUPLICATE_MEMBER);
		return;
	}
	move_entries(builder, entries, count, NULL, body);
}

/* --- containers --- */

static void start_frame(struct builder *builder, enum type type)
{
	struct builder_frame *frame = open_frame(builder);

	frame->type = type;
	frame->body = (uint32_t)builder->bytes.len;
	frame->entry = (uint32_t)builder->entry_count;
	frame->count = 0;
	frame->sorted = true;
	builder->bytes.len++;
}

void builder_start(struct builder *builder)
{
	buffer_clear(&builder->bytes);
	builder->entry_count = 0;
	builder->depth = 0;
	builder->size = 0;
	builder->size_max = ITEM_MAX_BYTES;
	builder->err = 0;
	builder->as_known = true;
	if (reserve(builder, 1))
		start_frame(builder, TYPE_M);
}

void builder_release(struct builder *builder)
{
	buffer_release(&builder->bytes);
	buffer_release(&builder->scratch);
	buffer_release(&builder->offsets);
	memory_free(builder->entries);
	*builder = (struct builder){ 0 };
}

/* Writes the member count of a container. Moves the entries if the count needs more than the one
 * byte that is reserved for it. */
static void put_count(struct builder *builder, const struct builder_frame *frame)
{
	uint8_t count[VARINT_MAX];
	size_t width = set_varint(count, frame->count);
	size_t len = builder->bytes.len - frame->body - 1;
	uint8_t *body;

	if (!reserve(builder, width - 1))
		return;
	body = builder->bytes.data + frame->body;
	if (width > 1)
		memmove(body + width, body + 1, len);
	memcpy(body, count, width);
	builder->bytes.len += width - 1;
}

static void close_frame(struct builder *builder)
{
	const struct builder_frame *frame = open_frame(builder);

	if (type_is_set(frame->type) && frame->count == 0)
		give_up(builder, ERR_EMPTY_SET);
	if (!frame->sorted && !builder->err)
		put_in_order(builder, frame);
	if (builder->err)
		return;
	builder->entry_count = frame->entry;
	if (frame->count < 0x80)
		builder->bytes.data[frame->body] = (uint8_t)frame->count;
	else
		put_count(builder, frame);
}

/* Closes the item. If its attribute names differ from those of the previous item, they replace
 * those in builder->known. */
static void close_item(struct builder *builder)
{
	bool is_new = !is_as_known(builder, &builder->frames[0]);

	if (is_new)
		know_names(builder, &builder->frames[0]);
	close_frame(builder);
	if (is_new && builder->err)
		builder->known.count = 0;
	else if (is_new)
		know_order(builder);
}

/* --- values --- */

/* Writes a name and returns the address after it. Names of at most 8 bytes, the usual
 * case, are written as one word; at least 8 bytes must be available. */
static inline uint8_t *put_name(uint8_t *to, struct slice name, uint64_t prefix)
{
	if (name.len > 8)
		return slice_write(to, name);
	set_u64(to, prefix);
	return to + name.len;
}

SELDOM static void put_new_name(struct builder *builder, struct slice name, uint64_t prefix)
{
	size_t start = builder->bytes.len;
	uint8_t *buf;

	assert(builder->err || open_frame(builder)->type == TYPE_M);

	if (name.len == 0 || name.len > NAME_MAX_BYTES)
		give_up(builder, name.len ? ERR_NAME_TOO_LONG : ERR_EMPTY_NAME);
	else if ((name.len > 8 || prefix & HIGH_BITS) && !is_utf8(name))
		give_up(builder, ERR_NOT_UTF8);
	/* DynamoDB adds one byte for each attribute of a nested map */
	if (!charge(builder, name.len + (builder->depth > 0)))
		return;
	buf = reserve(builder, VARINT_MAX + name.len);
	if (!buf)
		return;
	written_to(builder, put_name(put_varint(buf, name.len), name, prefix));
	add_entry(builder, start, name.len, prefix);
}

void builder_name(struct builder *builder, struct slice name)
{
	uint64_t prefix = prefix_of(name);

	if (builder->depth > 0) {
		put_new_name(builder, name, prefix);
	} else if (is_known(builder, name, prefix)) {
		put_known_name(builder, name.len);
	} else {
		builder->as_known = false;
		put_new_name(builder, name, prefix);
	}
}

/* Adds `size` to the item's size and reserves `space` bytes for an encoded value. Returns NULL
 * after an error. DynamoDB adds one byte for each member of a list. */
static inline uint8_t *begin_value(struct builder *builder, size_t size, size_t space)
{
	struct builder_frame *frame = open_frame(builder);
	size_t in_list = frame->type == TYPE_L;

	if (!charge(builder, size + in_list))
		return NULL;
	frame->count += (uint32_t)in_list;
	return reserve(builder, space);
}

static void put_text(struct builder *builder, enum type type, struct slice text)
{
	bool in_set = type_is_set(open_frame(builder)->type);
	size_t start = builder->bytes.len;
	uint8_t *buf = begin_value(builder, text.len, 1 + VARINT_MAX + text.len);

	if (!buf)
		return;
	if (!in_set)
		*buf++ = (uint8_t)type;
	written_to(builder, slice_write(put_varint(buf, text.len), text));
	if (in_set)
		add_entry(builder, start, text.len, prefix_of(text));
}

void builder_string(struct builder *builder, struct slice utf8)
{
	if (!is_utf8(utf8))
		give_up(builder, ERR_NOT_UTF8);
	put_text(builder, TYPE_S, utf8);
}

void builder_binary(struct builder *builder, struct slice bytes)
{
	put_text(builder, TYPE_B, bytes);
}

void builder_number(struct builder *builder, struct slice number)
{
	bool in_set = type_is_set(open_frame(builder)->type);
	size_t start = builder->bytes.len;
	uint8_t *buf = begin_value(builder, number_size(number), 1 + number.len);

	if (!buf)
		return;
	if (!in_set)
		*buf++ = TYPE_N;
	written_to(builder, slice_write(buf, number));
	if (in_set)
		add_entry(builder, start, number.len, prefix_of(number));
}

static void put_plain(struct builder *builder, enum type type)
{
	uint8_t *buf = begin_value(builder, 1, 1);

	assert(builder->err || !type_is_set(open_frame(builder)->type));

	if (!buf)
		return;
	*buf = (uint8_t)type;
	builder->bytes.len++;
}

void builder_bool(struct builder *builder, bool b)
{
	put_plain(builder, b ? TYPE_TRUE : TYPE_FALSE);
}

void builder_null(struct builder *builder)
{
	put_plain(builder, TYPE_NULL);
}

void builder_open(struct builder *builder, enum type type)
{
	uint8_t *buf;

	assert(type >= TYPE_M && type <= TYPE_BS);
	assert(builder->err || !type_is_set(open_frame(builder)->type));

	if (!type_is_set(type) && builder->depth >= VALUE_MAX_DEPTH)
		give_up(builder, ERR_TOO_DEEP);
	buf = begin_value(builder, type_is_set(type) ? 0 : 3, HEADER_BYTES + 1);
	if (!buf)
		return;
	*buf = (uint8_t)type;
	builder->bytes.len += HEADER_BYTES;
	builder->depth++;
	start_frame(builder, type);
}

void builder_close(struct builder *builder)
{
	const struct builder_frame *frame = open_frame(builder);
	size_t body = frame->body;

	if (builder->err)
		return;
	assert(builder->depth > 0);
	close_frame(builder);
	if (builder->err)
		return;
	set_u32(builder->bytes.data + body - 4, (uint32_t)(builder->bytes.len - body));
	builder->depth--;
}

/* --- encoded values --- */

static void put_container(struct builder *builder, const struct value *value)
{
	struct slice bytes = value->bytes;
	uint8_t *buf, *body;

	assert(builder->err || !type_is_set(open_frame(builder)->type));

	if (builder->depth + value_levels(value) > VALUE_MAX_DEPTH)
		give_up(builder, ERR_TOO_DEEP);
	buf = begin_value(builder, value_size(value), HEADER_BYTES + VARINT_MAX + bytes.len);
	if (!buf)
		return;
	*buf = (uint8_t)value->type;
	body = buf + HEADER_BYTES;
	/* value->bytes of a map begin with the member count; those of a list or set do not */
	if (value->type == TYPE_M)
		written_to(builder, slice_write(body, bytes));
	else
		written_to(builder, slice_write(put_varint(body, value->count), bytes));
	set_u32(buf + 1, (uint32_t)(builder->bytes.data + builder->bytes.len - body));
}

void builder_value(struct builder *builder, const struct value *value)
{
	switch (value->type) {
	case TYPE_S:
	case TYPE_B:
		put_text(builder, value->type, value->bytes);
		break;
	case TYPE_N:
		builder_number(builder, value->bytes);
		break;
	case TYPE_TRUE:
	case TYPE_FALSE:
	case TYPE_NULL:
		put_plain(builder, value->type);
		break;
	default:
		put_container(builder, value);
	}
}

int builder_finish(struct builder *builder, struct slice *item)
{
	assert(builder->err || builder->depth == 0);

	if (!builder->err)
		close_item(builder);
	*item = builder->err ? slice_of(NULL, 0) : buffer_slice(&builder->bytes);
	return builder->err;
}
