/* fuzz_table_change.c - any bytes as the change of a table or as a definition: they encode to the
 * same bytes, or are CORRUPT.
 */
#include "codec/table_change.h"

#include "fuzz/fuzz.h"

/* Encodes a definition again, from rows filled with the decoded values. */
static void check_definition(struct slice bytes)
{
	struct stream_row stream = { 0 };
	struct table_row table = { 0 };
	struct table_definition definition;
	struct buffer again = { 0 };

	if (!fuzz_decoded(table_definition_get(&definition, bytes)))
		return;
	table.created_ms = definition.created_ms;
	table.schema = definition.schema;
	table.ttl.len = (uint8_t)definition.ttl.len;
	slice_write((uint8_t *)table.ttl.name, definition.ttl);
	stream.id = definition.stream;
	stream.view = definition.view;
	stream.created_ms = definition.stream_created_ms;
	stream.retention = definition.retention;
	CHECK(definition.label.len <= LABEL_MAX);
	slice_write((uint8_t *)stream.label, definition.label);
	table_definition_put(&again, &table, stream.id ? &stream : NULL);
	CHECK_BYTES(again.data, again.len, bytes.data, bytes.len);
	buffer_release(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice bytes = slice_of(data, size);
	struct buffer again = { 0 };
	struct table_change change;
	bool is_change = fuzz_decoded(table_change_get(&change, bytes));

	CHECK(!fuzz_decoded(table_change_check(bytes)) || is_change);
	check_definition(bytes);
	if (!is_change)
		return 0;
	check_definition(change.definition);
	check_definition(change.old_definition);
	CHECK(table_event_name(change.event) && is_table_name(change.name));
	table_change_put(&again, &change);
	CHECK_BYTES(again.data, again.len, data, size);
	buffer_release(&again);
	return 0;
}

bool fuzz_seed(unsigned n, struct buffer *out)
{
	struct table_row table = { .created_ms = n,
		.schema = { .partition = { TYPE_S, 1, "p" }, .sort = { TYPE_N, 1, "s" } } };
	struct stream_row stream = { .id = 2 + n, .view = (uint8_t)(1 + n % 4),
		.retention = { .age_ms = 1 }, .label = "2026-01-31T12:00:00.000" };
	struct buffer definition = { 0 }, old = { 0 };
	struct table_change change = { .event = (uint8_t)(1 + n % 4), .table = 1 + n,
		.name = slice_of_text("orders") };

	table_definition_put(&old, &table, NULL);
	if (n % 3)
		table.ttl = (struct time_to_live){ .index = 1, .len = 1, .name = "e" };
	table_definition_put(&definition, &table, &stream);
	change.definition = buffer_slice(&definition);
	if (change.event == TABLE_ALTERED)
		change.old_definition = buffer_slice(&old);
	if (n < 12)
		table_change_put(out, &change);
	else
		buffer_put_slice(out, change.definition);
	buffer_release(&definition);
	buffer_release(&old);
	return n < 16;
}
