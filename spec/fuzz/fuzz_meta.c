/* fuzz_meta.c - any bytes as a payload of `meta` or `consumers`: what decodes as a table, a stream,
 * an index, a horizon, a consumer, its progress, a hold, a copy, a parked record, a file header or
 * the state encodes to the same bytes. The same holds for the key of a parked record.
 *
 *     kind (u8), the payload
 */
#include "codec/consumer.h"
#include "codec/parked.h"
#include "codec/schema.h"
#include "codec/state.h"

#include "fuzz/fuzz.h"

static void try_table(struct slice bytes, struct buffer *again)
{
	struct table_row table;

	if (!fuzz_decoded(table_get(&table, bytes)))
		return;
	table_put(again, &table);
	CHECK_BYTES(again->data, again->len, bytes.data, bytes.len);
}

static void try_stream(struct slice bytes, struct buffer *again)
{
	struct stream_row stream;

	if (!fuzz_decoded(stream_get(&stream, bytes)))
		return;
	CHECK(view_name(stream.view) != NULL);
	CHECK(strlen(stream.label) <= LABEL_MAX && strlen(stream.table_name) <= TABLE_NAME_MAX);
	stream_put(again, &stream);
	CHECK_BYTES(again->data, again->len, bytes.data, bytes.len);
}

static void try_index(struct slice bytes, struct buffer *again)
{
	struct index_row index;

	if (!fuzz_decoded(index_get(&index, bytes)))
		return;
	CHECK(index.work == INDEX_BUILDS || index.work == INDEX_REMOVES);
	index_put(again, &index);
	CHECK_BYTES(again->data, again->len, bytes.data, bytes.len);
}

static void try_horizon(struct slice bytes, struct buffer *again)
{
	struct horizon horizon;

	if (!fuzz_decoded(horizon_get(&horizon, bytes)))
		return;
	CHECK(horizon.hidden >= horizon.removed);
	horizon_put(again, &horizon);
	CHECK_BYTES(again->data, again->len, bytes.data, bytes.len);
}

static void try_file_header(struct slice bytes, struct buffer *again)
{
	struct file_header header, local;
	int err;

	file_header_local(&local, 4096);
	err = file_header_get(&header, bytes, &local);
	if (err) {
		CHECK(err == ERR_CORRUPT || err == ERR_NOT_DATABASE ||
			err == ERR_NEWER_FORMAT || err == ERR_OLDER_FORMAT ||
			err == ERR_FOREIGN_FORMAT);
		return;
	}
	file_header_put(again, &header);
	CHECK_BYTES(again->data, again->len, bytes.data, bytes.len);
}

static void try_state(struct slice bytes, struct buffer *again)
{
	struct state state;

	if (!fuzz_decoded(state_get(&state, bytes)))
		return;
	state_put(again, &state);
	CHECK_BYTES(again->data, again->len, bytes.data, bytes.len);
}

static void try_consumer(struct slice bytes, struct buffer *again)
{
	struct consumer_row consumer;

	if (!fuzz_decoded(consumer_get(&consumer, bytes)))
		return;
	CHECK(consumer.id != 0 && consumer.shards >= 1 && consumer.shards <= CONSUMER_SHARDS_MAX);
	consumer_put(again, &consumer);
	CHECK_BYTES(again->data, again->len, bytes.data, bytes.len);
}

static void try_progress(struct slice bytes, struct buffer *again)
{
	struct progress_row progress;

	if (!fuzz_decoded(progress_get(&progress, bytes)))
		return;
	progress_put(again, &progress);
	CHECK_BYTES(again->data, again->len, bytes.data, bytes.len);
}

static void try_hold(struct slice bytes, struct buffer *again)
{
	struct hold_row hold;

	if (!fuzz_decoded(hold_get(&hold, bytes)))
		return;
	hold_put(again, &hold);
	CHECK_BYTES(again->data, again->len, bytes.data, bytes.len);
}

static void try_copy(struct slice bytes, struct buffer *again)
{
	struct copy_row copy;

	if (!fuzz_decoded(copy_get(&copy, bytes)))
		return;
	CHECK(copy.rounds >= 1 && copy.rounds <= CONSUMER_ROUNDS_MAX);
	copy_put(again, &copy);
	CHECK_BYTES(again->data, again->len, bytes.data, bytes.len);
}

static void try_parked(struct slice bytes, struct buffer *again)
{
	struct parked_copy copy;

	if (!fuzz_decoded(parked_get(&copy, bytes)))
		return;
	CHECK(copy.error.len <= PARKED_ERROR_MAX);
	parked_put(again, &copy);
	CHECK_BYTES(again->data, again->len, bytes.data, bytes.len);
}

static void try_parked_key(struct slice bytes, struct buffer *again)
{
	struct parked_place place, moved = { 0 };
	uint8_t key[PARKED_KEY], short_place[PARKED_PLACE_BYTES];
	uint16_t part;

	(void)again;
	if (!parked_get_key(&place, &part, bytes))
		return;
	CHECK_BYTES(key, parked_set_key(key, bytes.data[0], &place, part), bytes.data, bytes.len);
	parked_set_place(short_place, &place);
	parked_get_place(&moved, short_place);
	CHECK(moved.table == place.table && moved.sequence == place.sequence &&
		memcmp(moved.hash, place.hash, HASH_BYTES) == 0);
}

static void try_member(struct slice bytes, struct buffer *again)
{
	uint8_t key[PARKED_MEMBER_KEY], payload[PARKED_ITEM_BYTES];
	struct parked_member member = { 0 };

	(void)again;
	if (parked_member_get_key(&member, bytes))
		CHECK_BYTES(key, parked_member_set_key(key, bytes.data[0], &member), bytes.data,
			bytes.len);
	if (!fuzz_decoded(parked_member_get(&member, bytes)))
		return;
	parked_member_set(payload, &member);
	CHECK_BYTES(payload, sizeof payload, bytes.data, bytes.len);
}

static void try_name(struct slice bytes, struct buffer *again)
{
	(void)again;
	if (is_table_name(bytes))
		CHECK(bytes.len >= TABLE_NAME_MIN && bytes.len <= TABLE_NAME_MAX &&
			!memchr(bytes.data, 0, bytes.len));
}

static void (*const tries[])(struct slice bytes, struct buffer *again) = {
	try_table, try_stream, try_horizon, try_file_header, try_state, try_name,
	try_index, try_consumer, try_progress, try_hold, try_copy, try_parked, try_parked_key,
	try_member,
};

#define KINDS (sizeof tries / sizeof *tries)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct buffer again;

	buffer_clear(&again);
	if (size)
		tries[data[0] % KINDS](slice_of(data + 1, size - 1), &again);
	return 0;
}

static struct key_schema a_schema(unsigned n)
{
	struct key_schema schema = { .partition = { TYPE_S, 1, "p" } };

	schema.partition.type = (enum type)(TYPE_S + n % 3);
	if (n % 2)
		schema.sort = (struct key_attribute){ TYPE_N, 2, "\0s" };
	return schema;
}

static void seed_parked(unsigned n, struct buffer *out)
{
	struct parked_copy copy = { .attempts = n, .parked_ms = 1000 * n, .stream = 1 + n,
		.error = slice_of_text(n % 2 ? "why" : ""), .stream_row = slice_of("row", n % 4),
		.record = slice_of_text("a record") };

	parked_put(out, &copy);
}

static void seed_parked_key(unsigned n, struct buffer *out)
{
	struct parked_place place = { .consumer = n, .table = 1 + n, .sequence = 10 * n };
	uint8_t key[PARKED_KEY];

	buffer_put(out, key, parked_set_key(key, n % 2 ? CONSUMER_PARKED : CONSUMER_REPLAY,
		&place, (uint16_t)(n % 3)));
}

static void seed_member(unsigned n, struct buffer *out)
{
	struct parked_member member = { n, { .consumer = n, .table = 1 + n, .sequence = 10 * n } };
	uint8_t bytes[PARKED_MEMBER_KEY];

	parked_member_set(bytes, &member);
	if (n % 3)
		buffer_put(out, bytes, parked_member_set_key(bytes, n % 3 == 1 ? CONSUMER_MEMBER :
			CONSUMER_REPLAY_TRANSACTION, &member));
	else
		buffer_put(out, bytes, PARKED_ITEM_BYTES);
}

bool fuzz_seed(unsigned n, struct buffer *out)
{
	struct table_row table = { .id = n, .stream = 2, .newest_stream = 3,
		.ttl = n % 2 ? (struct time_to_live){ 7, 3, "e\0x" } : (struct time_to_live){ 0 },
		.schema = a_schema(n) };
	struct index_row index = { .work = (uint8_t)(1 + n % 2), .table = n,
		.done = slice_of("\1\1ann\0\1", n % 3 ? 7 : 0) };
	struct stream_row stream = { .table = 1, .view = (uint8_t)(1 + n % 4), .status = 1,
		.retention = { .age_ms = 1000 * n + 1, .max_bytes = 7 },
		.label = "2026-01-31T12:00:00.000",
		.table_name = "orders", .schema = a_schema(n) };
	struct horizon horizon = { n, n, 100 * n, n + 1 };
	struct consumer_row consumer = { .id = n + 1, .shards = (uint16_t)(1 + n),
		.streams = slice_of("\0\0\0\1\0\0\0\2", n % 3 * 4),
		.is_paused = n % 2, .settings = slice_of("\1\1x\1", n % 3 ? 4 : 0) };
	struct progress_row progress = { .last = (uint16_t)n, .epoch = n, .position = 10 * n,
		.parked = n, .replays = n / 2, .is_copying = n % 2,
		.end = slice_of("TRIMMED", n % 2 ? 7 : 0) };
	struct file_header header;
	struct state state = { .sequence = 1000, .retention_ms = 5, .stream = n,
		.index = n, .expiry_ms = 6 };

	file_header_local(&header, 4096);
	header.made_by = slice_of_text("fuzz");
	buffer_put_u8(out, (uint8_t)(n % KINDS));
	switch (n % KINDS) {
	case 0: table_put(out, &table); break;
	case 1: stream_put(out, &stream); break;
	case 2: horizon_put(out, &horizon); break;
	case 3: file_header_put(out, &header); break;
	case 4: state_put(out, &state); break;
	case 6: index_put(out, &index); break;
	case 7: consumer_put(out, &consumer); break;
	case 8: progress_put(out, &progress); break;
	case 9: hold_put(out, &(struct hold_row){ n, 10 * n }); break;
	case 10: copy_put(out, &(struct copy_row){ n % 2, (uint8_t)(1 + n % 3), n,
		slice_of("\0\0\0\1key", n % 8) }); break;
	case 11: seed_parked(n, out); break;
	case 12: seed_parked_key(n, out); break;
	case 13: seed_member(n, out); break;
	default: buffer_put_slice(out, slice_of_text("table_name.of-some_LENGTH9"));
	}
	return n < 4 * KINDS;
}
