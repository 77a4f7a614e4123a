/* journal.c - the records of a transaction, until it commits. */
#include "stream/journal.h"

#include <assert.h>

#include "base/memory.h"

static int make_room(struct journal *journal)
{
	uint32_t cap = journal->cap ? journal->cap * 2 : 16;
	struct pending *all;

	if (journal->count < journal->cap)
		return 0;
	all = memory_realloc(journal->all, cap * sizeof *all);
	if (!all)
		return ERR_NO_MEMORY;
	journal->all = all;
	journal->cap = cap;
	return 0;
}

int journal_add(struct journal *journal, uint32_t stream, const struct record *record)
{
	struct pending *pending;
	int err = make_room(journal);

	if (err)
		return err;
	pending = &journal->all[journal->count];
	pending->stream = stream;
	pending->record = *record;
	pending->start = journal->bytes.len;
	buffer_put_slice(&journal->bytes, record->keys);
	buffer_put_slice(&journal->bytes, record->old_image);
	buffer_put_slice(&journal->bytes, record->new_image);
	err = buffer_error(&journal->bytes);
	if (!err)
		journal->count++;
	return err;
}

/* Gives the slices their addresses again. */
static void point(const struct journal *journal, const struct pending *pending,
	struct record *record)
{
	const uint8_t *at = journal->bytes.data + pending->start;

	record->keys.data = at;
	record->old_image.data = at + record->keys.len;
	record->new_image.data = record->old_image.data + record->old_image.len;
}

int journal_flush(struct journal *journal, struct txn *txn, struct streams *streams,
	uint64_t created_ms, uint64_t retention_ms)
{
	uint64_t transaction = journal->count ? journal->all[0].record.sequence : 0;
	uint32_t last_stream = 0;
	int err = journal->count ? log_last_stream(txn, &last_stream) : 0;

	if (err)
		return err;
	for (uint32_t i = 0; i < journal->count; i++) {
		struct pending *pending = &journal->all[i];
		struct stream *stream = streams_find(streams, pending->stream);
		struct record *record = &pending->record;

		assert(stream);  /* it was there when the record came */
		record->transaction = transaction;
		record->position = i;
		record->count = journal->count;
		record->created_ms = created_ms;
		record->retention_ms = retention_ms;
		record->ordinal = stream->bounds.head.ordinal + 1;
		record->stream_bytes = stream->bounds.head.stream_bytes + record_bytes(record);
		point(journal, pending, record);
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

void journal_clear(struct journal *journal)
{
	buffer_clear(&journal->bytes);
	journal->count = 0;
}

void journal_release(struct journal *journal)
{
	buffer_release(&journal->bytes);
	memory_free(journal->all);
	*journal = (struct journal){ 0 };
}
