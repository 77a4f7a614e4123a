/* pending.c - the records of an open transaction. */
#include "stream/pending.h"

#include <assert.h>

#include "base/memory.h"

static int reserve_entry(struct pending_records *pending)
{
	struct pending_record *all;

	if (pending->count < pending->cap)
		return 0;
	all = memory_grow(pending->all, &pending->cap, sizeof *all);
	if (!all)
		return ERR_NO_MEMORY;
	pending->all = all;
	return 0;
}

int pending_add(struct pending_records *pending, uint32_t stream, const struct record *record)
{
	struct pending_record *pending_record;
	int err = reserve_entry(pending);

	if (err)
		return err;
	pending_record = &pending->all[pending->count];
	pending_record->stream = stream;
	pending_record->record = *record;
	pending_record->start = pending->bytes.len;
	buffer_put_slice(&pending->bytes, record->keys);
	buffer_put_slice(&pending->bytes, record->old_image);
	buffer_put_slice(&pending->bytes, record->new_image);
	err = buffer_error(&pending->bytes);
	if (!err)
		pending->count++;
	return err;
}

/* Sets the addresses of the record's slices. */
static void set_addresses(const struct pending_records *pending,
	const struct pending_record *pending_record, struct record *record)
{
	const uint8_t *at = pending->bytes.data + pending_record->start;

	record->keys.data = at;
	record->old_image.data = at + record->keys.len;
	record->new_image.data = record->old_image.data + record->old_image.len;
}

/* Marks the record, and gives it the annotation if it is the first marked one in its stream. */
static void annotate(const struct pending_records *pending, struct record *record,
	struct stream *stream)
{
	record->is_annotated = true;
	if (stream->annotated_by == pending->flushes)
		return;
	record->annotation = buffer_slice(&pending->annotation);
	stream->annotated_by = pending->flushes;
}

int pending_flush(struct pending_records *pending, struct txn *txn, struct streams *streams,
	uint64_t created_ms, uint64_t retention_ms)
{
	uint64_t transaction = pending->count ? pending->all[0].record.sequence : 0;
	uint32_t last_stream = 0;
	int err = pending->count ? log_last_stream(txn, &last_stream) : 0;

	if (err)
		return err;
	pending->flushes++;
	for (uint32_t i = 0; i < pending->count; i++) {
		struct pending_record *pending_record = &pending->all[i];
		struct stream *stream = streams_cached(streams, pending_record->stream);
		struct record *record = &pending_record->record;

		assert(stream);  /* stream_load_bounds was called for it */
		record->transaction = transaction;
		record->position = i;
		record->count = pending->count;
		record->created_ms = created_ms;
		record->retention_ms = retention_ms;
		if (pending->annotation.len &&
				(record->origin == ORIGIN_USER || pending->annotates_all))
			annotate(pending, record, stream);
		record->ordinal = stream->bounds.head.ordinal + 1;
		record->stream_bytes = stream->bounds.head.stream_bytes + record_bytes(record);
		set_addresses(pending, pending_record, record);
		err = log_append(txn, stream->row.id, record, stream->row.id >= last_stream);
		if (err)
			return err;
		if (stream->row.id > last_stream)
			last_stream = stream->row.id;
		stream->bounds.head = (struct stream_head){ record->sequence, record->ordinal,
			record->stream_bytes, record->transaction };
	}
	return 0;
}

void pending_clear(struct pending_records *pending)
{
	buffer_clear(&pending->bytes);
	buffer_clear(&pending->annotation);
	pending->annotates_all = false;
	pending->count = 0;
}

void pending_release(struct pending_records *pending)
{
	buffer_release(&pending->bytes);
	buffer_release(&pending->annotation);
	memory_free(pending->all);
	*pending = (struct pending_records){ 0 };
}
