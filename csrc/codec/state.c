/* state.c - encoding and decoding of the file header and the state. */
#include "codec/state.h"

#include <string.h>

#include "base/error.h"

void file_header_local(struct file_header *header, uint32_t page_bytes)
{
	memset(header, 0, sizeof *header);
	header->format = FILE_FORMAT;
	header->oldest_reader = FILE_FORMAT;
	header->pointer_bytes = (uint8_t)sizeof(void *);
	header->byte_order = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? 1 : 2;
	header->page_bytes = page_bytes;
}

void file_header_put(struct buffer *out, const struct file_header *header)
{
	buffer_put(out, FILE_MAGIC, strlen(FILE_MAGIC));
	buffer_put_u16(out, header->format);
	buffer_put_u16(out, header->oldest_reader);
	buffer_put_u8(out, header->pointer_bytes);
	buffer_put_u8(out, header->byte_order);
	buffer_put_u32(out, header->page_bytes);
	buffer_put(out, header->database_id, FILE_ID_BYTES);
	buffer_put(out, header->incarnation, FILE_ID_BYTES);
	buffer_put(out, header->secret, HASH_SECRET_BYTES);
	buffer_put_u64(out, header->created_ms);
	buffer_put_counted(out, header->made_by);
}

static void take_into(struct source *source, void *out, size_t len)
{
	struct slice bytes = source_take(source, len);

	if (bytes.len == len)
		memcpy(out, bytes.data, len);
	else
		memset(out, 0, len);
}

int file_header_get(struct file_header *header, struct slice bytes, const struct file_header *local)
{
	struct source source = source_of(bytes);

	memset(header, 0, sizeof *header);
	if (!slice_equal(source_take(&source, strlen(FILE_MAGIC)), slice_of_text(FILE_MAGIC)))
		return ERR_NOT_DATABASE;
	header->format = source_u16(&source);
	header->oldest_reader = source_u16(&source);
	if (!source.err && header->oldest_reader > FILE_FORMAT)
		return ERR_NEWER_FORMAT;
	if (!source.err && header->format < FILE_FORMAT_OLDEST)
		return ERR_OLDER_FORMAT;
	header->pointer_bytes = source_u8(&source);
	header->byte_order = source_u8(&source);
	header->page_bytes = source_u32(&source);
	if (!source.err && (header->pointer_bytes != local->pointer_bytes ||
			header->byte_order != local->byte_order ||
			header->page_bytes != local->page_bytes))
		return ERR_FOREIGN_FORMAT;
	take_into(&source, header->database_id, FILE_ID_BYTES);
	take_into(&source, header->incarnation, FILE_ID_BYTES);
	take_into(&source, header->secret, HASH_SECRET_BYTES);
	header->created_ms = source_u64(&source);
	header->made_by = source_counted(&source);
	return source_finish(&source);
}

const uint8_t *incarnation_of(struct slice identity, uint64_t sequence)
{
	size_t low = 0, high, count;
	const uint8_t *ended = identity.data + 2 * FILE_ID_BYTES;

	if (identity.len < 2 * FILE_ID_BYTES ||
			(identity.len - 2 * FILE_ID_BYTES) % INCARNATION_BYTES)
		return NULL;
	high = count = (identity.len - 2 * FILE_ID_BYTES) / INCARNATION_BYTES;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (get_u64(ended + middle * INCARNATION_BYTES) < sequence)
			low = middle + 1;
		else
			high = middle;
	}
	return low == count ? identity.data + FILE_ID_BYTES :
		ended + low * INCARNATION_BYTES + 8;
}

static void jump_put(struct buffer *out, const struct clock_jump *jump)
{
	buffer_put_u64(out, jump->wall_ms);
	buffer_put_u64(out, jump->elapsed_ms);
	buffer_put(out, jump->boot, BOOT_BYTES);
}

static void jump_get(struct source *source, struct clock_jump *jump)
{
	jump->wall_ms = source_u64(source);
	jump->elapsed_ms = source_u64(source);
	take_into(source, jump->boot, BOOT_BYTES);
}

/* Returns the index of the entry that gives way to a new one of this stream: its own, or the oldest
 * if there is no free one; touched_count: none. */
static unsigned replaced(const struct state *state, uint32_t stream)
{
	unsigned at = state->touched_count;

	while (at > 0 && state->touched[at - 1].stream != stream)
		at--;
	if (at > 0)
		return at - 1;
	return state->touched_count == STATE_TOUCHED ? 0 : state->touched_count;
}

void state_touch(struct state *state, uint32_t stream, uint64_t sequence)
{
	struct touched_stream *touched = state->touched;
	unsigned at = replaced(state, stream);

	if (at < state->touched_count) {
		if (touched[at].stream != stream)
			state->touched_after = touched[at].sequence;
		state->touched_count--;
		memmove(touched + at, touched + at + 1,
			(state->touched_count - at) * sizeof *touched);
	}
	touched[state->touched_count++] = (struct touched_stream){ sequence, stream };
}

static void touched_put(struct buffer *out, const struct state *state)
{
	buffer_put_u64(out, state->touched_after);
	buffer_put_u8(out, state->touched_count);
	for (unsigned i = 0; i < state->touched_count; i++) {
		buffer_put_u64(out, state->touched[i].sequence);
		buffer_put_u32(out, state->touched[i].stream);
	}
}

static void touched_get(struct source *source, struct state *state)
{
	uint64_t before;

	state->touched_after = source_u64(source);
	state->touched_count = source_u8(source);
	before = state->touched_after;
	if (state->touched_count > STATE_TOUCHED)
		source->err = ERR_CORRUPT;
	for (unsigned i = 0; i < state->touched_count && !source->err; i++) {
		state->touched[i].sequence = source_u64(source);
		state->touched[i].stream = source_u32(source);
		if (state->touched[i].sequence <= before)
			source->err = ERR_CORRUPT;
		before = state->touched[i].sequence;
	}
}

void state_put(struct buffer *out, const struct state *state)
{
	buffer_put_u64(out, state->sequence);
	buffer_put_u64(out, state->node);
	buffer_put_u32(out, state->table);
	buffer_put_u32(out, state->stream);
	buffer_put_u32(out, state->index);
	buffer_put_u32(out, state->tables);
	buffer_put_u32(out, state->streams);
	buffer_put_u64(out, state->catalog_version);
	buffer_put_u64(out, state->created_ms);
	buffer_put_u64(out, state->stepped_back);
	buffer_put_u64(out, state->lost);
	buffer_put_u64(out, state->retention_ms);
	buffer_put_u64(out, state->elapsed_ms);
	buffer_put(out, state->boot, BOOT_BYTES);
	buffer_put_u64(out, state->lead_ms);
	jump_put(out, &state->jump);
	buffer_put_u64(out, state->expiry_ms);
	jump_put(out, &state->expiry_jump);
	touched_put(out, state);
}

int state_get(struct state *state, struct slice bytes)
{
	struct source source = source_of(bytes);

	state->sequence = source_u64(&source);
	state->node = source_u64(&source);
	state->table = source_u32(&source);
	state->stream = source_u32(&source);
	state->index = source_u32(&source);
	state->tables = source_u32(&source);
	state->streams = source_u32(&source);
	state->catalog_version = source_u64(&source);
	state->created_ms = source_u64(&source);
	state->stepped_back = source_u64(&source);
	state->lost = source_u64(&source);
	state->retention_ms = source_u64(&source);
	state->elapsed_ms = source_u64(&source);
	take_into(&source, state->boot, BOOT_BYTES);
	state->lead_ms = source_u64(&source);
	jump_get(&source, &state->jump);
	state->expiry_ms = source_u64(&source);
	jump_get(&source, &state->expiry_jump);
	touched_get(&source, state);
	if (state->sequence > SEQUENCE_MAX || state->lost > SEQUENCE_MAX)
		return ERR_CORRUPT;
	return source_finish(&source);
}
