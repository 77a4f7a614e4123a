/* item_copy.c - pages of the items of several tables, in the order of their keys, as records. */
#include "table/item_copy.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "codec/record.h"
#include "table/items.h"

/* Length of the key, stream id and length of the record. */
#define ENTRY_NUMBERS (2 + 4 + 4)

struct copying {
	struct item_copy *copy;
	const struct copy_moment *moment;
	const struct stream_row *stream;     /* of the table that is read */
	struct row_walk walk;
	uint32_t max;
	uint32_t count;              /* number of items in the page */
	uint32_t left_out;           /* by the filter */
	size_t left_out_bytes;
};

int item_copy_add(struct item_copy *copy, const struct copy_source *source)
{
	if (copy->source_count == copy->source_cap) {
		struct copy_source *sources = memory_grow(copy->sources, &copy->source_cap,
			sizeof *sources);

		if (!sources)
			return ERR_NO_MEMORY;
		copy->sources = sources;
	}
	copy->sources[copy->source_count++] = *source;
	return 0;
}

static int compare_sources(const void *a, const void *b)
{
	uint32_t first = ((const struct copy_source *)a)->table;
	uint32_t second = ((const struct copy_source *)b)->table;

	return first < second ? -1 : first > second;
}

static void set_end(struct item_copy *copy, struct slice key)
{
	slice_write(copy->end, key);
	copy->end_len = (uint16_t)key.len;
}

/* --- records --- */

/* Sets the parts of the record of an item. buf receives the keys if the view has no new image. */
static int make_record(struct record *record, const struct copying *copying,
	const struct stored *stored, uint8_t buf[KEY_ATTRIBUTES_MAX])
{
	const struct stream_row *stream = copying->stream;
	struct key_values values;
	int err = key_find(&values, &stream->schema, stored->item);

	if (err)
		return ERR_CORRUPT;
	*record = (struct record){
		.event = EVENT_INSERT, .origin = ORIGIN_SNAPSHOT, .count = 1,
		.sequence = stored->sequence, .transaction = stored->sequence,
		.created_ms = copying->moment->now_ms, .retention_ms = copying->moment->now_ms,
		.partition_hash = hash_partition(values.partition.bytes, copying->moment->secret),
		.ordinal = copying->moment->position,
	};
	if (view_has_new(stream->view))
		record->new_image = stored->item;
	else
		err = key_put_attributes(&record->keys, &values, buf);
	record->stream_bytes = record_bytes(record);
	return err;
}

/* Applies the filter to the item at `start`, the last one of the page, and removes it from the page
 * if it does not pass. at: offset of its record. */
static int filter_last_item(struct copying *copying, size_t start, size_t at)
{
	struct item_copy *copy = copying->copy;
	struct record record;
	bool passes;
	int err = record_get(&record, slice_of(copy->page.data + at, copy->page.len - at));

	if (!err)
		err = copy->filter->test(copy->filter->context, copying->stream, &record, &passes);
	if (err || passes)
		return err;
	copying->count--;
	copying->left_out++;
	copying->left_out_bytes += copy->page.len - start;
	copy->left_out++;
	copy->page.len = start;
	return 0;
}

/* Appends an item to the page if it passes the filter. */
static int append(struct copying *copying, const struct stored *stored)
{
	struct buffer *page = &copying->copy->page;
	struct slice key = row_walk_key(&copying->walk);
	uint8_t header[RECORD_HEADER_MAX], buf[KEY_ATTRIBUTES_MAX];
	struct record record;
	int err = make_record(&record, copying, stored, buf);
	size_t len, start = page->len, at;

	if (err)
		return err;
	len = record_put_header(&record, header);
	buffer_put_u16(page, (uint16_t)key.len);
	buffer_put_slice(page, key);
	buffer_put_u32(page, copying->stream->id);
	buffer_put_u32(page, (uint32_t)(RECORD_PREFIX + len + record_body(&record)));
	at = page->len;
	buffer_put_u64(page, record.sequence);
	buffer_put(page, header, len);
	buffer_put_slice(page, record.keys);
	buffer_put_slice(page, record.new_image);
	copying->count++;
	set_end(copying->copy, key);
	err = buffer_error(page);
	return err || !copying->copy->filter ? err : filter_last_item(copying, start, at);
}

/* --- filling --- */

static bool is_full(const struct copying *copying)
{
	uint32_t read = copying->count + copying->left_out;

	return read >= copying->max || read >= COPY_PAGE_ITEMS ||
		copying->copy->page.len + copying->left_out_bytes >= COPY_PAGE_BYTES;
}

/* Moves the walk to the first item of a table after copy->key. Returns END for a table whose keys
 * precede it. */
static int start(struct copying *copying, struct slice prefix, uint32_t table)
{
	const struct item_copy *copy = copying->copy;
	struct slice after = slice_of(copy->key, copy->key_len);
	uint32_t reached = get_id(after);
	int err;

	if (table < reached)
		return END;
	err = row_walk_from(&copying->walk, copying->walk.txn, table == reached ? after : prefix);
	if (!err && slice_equal(row_walk_key(&copying->walk), after))
		err = row_walk_next(&copying->walk);
	return err;
}

/* Appends the items of a table. Returns END after the last one, 0 if the page is full. */
static int read_table(struct copying *copying, uint32_t table)
{
	uint8_t bytes[ID_MAX];
	struct slice prefix = slice_of(bytes, set_id(bytes, table));
	struct stored stored;
	int err = start(copying, prefix, table);

	while (!err && slice_begins(row_walk_key(&copying->walk), prefix)) {
		if (is_full(copying))
			return 0;
		err = stored_read(&stored, copying->walk.txn, copying->walk.payload,
			&copying->copy->scratch);
		if (!err)
			err = append(copying, &stored);
		if (!err)
			err = row_walk_next(&copying->walk);
	}
	return err < 0 ? err : END;
}

int item_copy_fill(struct item_copy *copy, uint32_t max, struct txn *txn,
	const struct copy_moment *moment, struct failure *failure)
{
	struct copying copying = { .copy = copy, .moment = moment, .max = max,
		.walk = { .txn = txn } };
	struct stream *stream = NULL;
	int err = END;

	item_copy_clear(copy);
	if (copy->source_count)
		qsort(copy->sources, copy->source_count, sizeof *copy->sources, compare_sources);
	for (size_t i = 0; i < copy->source_count && err == END; i++) {
		err = streams_find(moment->streams, txn, copy->sources[i].stream, &stream);
		if (err)
			err = err == END ? ERR_CORRUPT : err;
		else
			copying.stream = &stream->row;
		if (!err)
			err = read_table(&copying, copy->sources[i].table);
	}
	row_walk_stop(&copying.walk);
	copy->is_last = err == END;
	if (err >= 0)
		return 0;
	item_copy_clear(copy);
	return fail_about(failure, err, "the items of table %s",
		copying.stream ? copying.stream->table_name : "?");
}

/* --- returning items --- */

int item_copy_peek(const struct item_copy *copy, struct copied_item *item)
{
	const uint8_t *entry = copy->page.data + copy->at;

	if (copy->at >= copy->page.len)
		return END;
	item->key = slice_of(entry + 2, get_u16(entry));
	entry += 2 + item->key.len;
	item->stream = get_u32(entry);
	item->record = slice_of(entry + 8, get_u32(entry + 4));
	return 0;
}

int item_copy_next(struct item_copy *copy, struct copied_item *item)
{
	int err = item_copy_peek(copy, item);

	if (err)
		return err;
	copy->at += ENTRY_NUMBERS + item->key.len + item->record.len;
	item_copy_set_key(copy, item->key);
	return 0;
}

struct slice item_copy_place(const struct item_copy *copy)
{
	return copy->at < copy->page.len ? slice_of(copy->key, copy->key_len) :
		slice_of(copy->end, copy->end_len);
}

void item_copy_set_key(struct item_copy *copy, struct slice key)
{
	slice_write(copy->key, key);
	copy->key_len = (uint16_t)key.len;
}

void item_copy_clear(struct item_copy *copy)
{
	buffer_clear(&copy->page);
	copy->at = 0;
	set_end(copy, slice_of(copy->key, copy->key_len));
	copy->is_last = false;
}

void item_copy_release(struct item_copy *copy)
{
	memory_free(copy->sources);
	buffer_release(&copy->page);
	buffer_release(&copy->scratch);
	*copy = (struct item_copy){ 0 };
}
