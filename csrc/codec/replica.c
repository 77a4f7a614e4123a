/* replica.c - encoding and decoding of the rows of replicas; the layouts are in doc/format.md. */
#include "codec/replica.h"

#include <string.h>

#include "base/error.h"
#include "codec/consumer.h"
#include "codec/value.h"

#define FLAG_PROMOTED 1
#define FLAG_SOURCE 2

static void get_id_bytes(struct source *source, uint8_t id[DATABASE_ID_BYTES])
{
	struct slice bytes = source_take(source, DATABASE_ID_BYTES);

	if (!source->err)
		memcpy(id, bytes.data, DATABASE_ID_BYTES);
}

void replica_put(struct buffer *out, const struct replica_row *row)
{
	buffer_put_u64(out, row->id);
	buffer_put_u64(out, row->created_ms);
	buffer_put_u8(out, (uint8_t)((row->is_promoted ? FLAG_PROMOTED : 0) |
		(row->has_source ? FLAG_SOURCE : 0)));
	buffer_put(out, row->database, DATABASE_ID_BYTES);
	buffer_put(out, row->incarnation, DATABASE_ID_BYTES);
	buffer_put_u64(out, row->position);
	buffer_put_u64(out, row->record);
	buffer_put_u32(out, row->record_stream);
	buffer_put_u64(out, row->fingerprint);
	buffer_put_u64(out, row->changed_ms);
	buffer_put_u8(out, row->rounds);
	buffer_put_u64(out, row->transactions);
	buffer_put_u64(out, row->records);
	buffer_put_u64(out, row->items);
	buffer_put_slice(out, row->settings);
}

int replica_get(struct replica_row *row, struct slice bytes)
{
	struct source source = source_of(bytes);
	uint8_t flags;

	row->id = source_u64(&source);
	row->created_ms = source_u64(&source);
	flags = source_u8(&source);
	row->is_promoted = flags & FLAG_PROMOTED;
	row->has_source = flags & FLAG_SOURCE;
	get_id_bytes(&source, row->database);
	get_id_bytes(&source, row->incarnation);
	row->position = source_u64(&source);
	row->record = source_u64(&source);
	row->record_stream = source_u32(&source);
	row->fingerprint = source_u64(&source);
	row->changed_ms = source_u64(&source);
	row->rounds = source_u8(&source);
	row->transactions = source_u64(&source);
	row->records = source_u64(&source);
	row->items = source_u64(&source);
	row->settings = source_take(&source, source_left(&source));
	if (source_finish(&source) || row->id == 0 || flags > (FLAG_PROMOTED | FLAG_SOURCE) ||
			row->record > row->position)
		return ERR_CORRUPT;
	return map_check(row->settings);
}

void replica_table_put(struct buffer *out, const struct replica_table *table)
{
	buffer_put_u8(out, table->state);
	buffer_put_u8(out, table->merges);
	buffer_put_u32(out, table->table);
	buffer_put_u32(out, table->stream);
	buffer_put_u64(out, table->items);
	buffer_put_u8(out, (uint8_t)(table->path.len / DATABASE_ID_BYTES));
	buffer_put_slice(out, table->path);
	buffer_put(out, table->incarnation, DATABASE_ID_BYTES);
	buffer_put_counted(out, table->name);
	buffer_put_counted(out, table->reason);
	buffer_put_slice(out, table->place);
}

int replica_table_get(struct replica_table *table, struct slice bytes)
{
	struct source source = source_of(bytes);
	uint8_t merges;

	table->state = source_u8(&source);
	merges = source_u8(&source);
	table->merges = merges;
	table->table = source_u32(&source);
	table->stream = source_u32(&source);
	table->items = source_u64(&source);
	table->path = source_take(&source, (uint64_t)source_u8(&source) * DATABASE_ID_BYTES);
	table->incarnation = source_take(&source, DATABASE_ID_BYTES).data;
	table->name = source_counted(&source);
	table->reason = source_counted(&source);
	table->place = source_take(&source, source_left(&source));
	if (source_finish(&source) || !replica_state_name(table->state) || merges > 1 ||
			table->path.len == 0 ||
			table->path.len > PATH_MAX_IDS * DATABASE_ID_BYTES ||
			!is_table_name(table->name) || table->reason.len > REPLICA_REASON_MAX)
		return ERR_CORRUPT;
	return table->place.len > KEY_HEAD_MAX + SORT_KEY_MAX ? ERR_CORRUPT : 0;
}

bool is_replica_key(struct slice key)
{
	switch (key.len ? key.data[0] : 0) {
	case REPLICA_ROW:
		return is_consumer_name(slice_of(key.data + 1, key.len - 1));
	case REPLICA_TABLE: case REPLICA_SWEPT:
		return key.len == REPLICA_TABLE_KEY;
	case REPLICA_SEEN:
		return key.len == REPLICA_SEEN_KEY;
	default:
		return false;
	}
}

const char *replica_state_name(uint8_t state)
{
	static const char *const names[] = {
		[REPLICA_FOLLOWS] = "FOLLOWING", [REPLICA_WAITS] = "WAITING",
		[REPLICA_COPIES] = "COPYING", [REPLICA_OFF] = "NOT_FOLLOWED",
	};

	return state < sizeof names / sizeof *names ? names[state] : NULL;
}
