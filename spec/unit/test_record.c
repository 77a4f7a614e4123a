/* test_record.c - a record comes back as it was, or it is CORRUPT. */
#include "codec/record.h"
#include "codec/state.h"
#include "codec/value.h"

#include "base/error.h"
#include "check.h"

#define ROUNDS 5000

/* Some maps: { n = true } with names of many lengths, as keys and images. */
static struct slice make_map(struct buffer *map, size_t name_len)
{
	uint8_t name[400];

	memset(name, 'n', sizeof name);
	buffer_clear(map);
	buffer_put_varint(map, 1);
	buffer_put_counted(map, slice_of(name, name_len));
	buffer_put_u8(map, 4);
	return buffer_slice(map);
}

struct maps {
	struct buffer keys, old_image, new_image;
};

static void release_maps(struct maps *maps)
{
	buffer_release(&maps->keys);
	buffer_release(&maps->old_image);
	buffer_release(&maps->new_image);
}

static struct record random_record(struct maps *maps)
{
	struct record record = {
		.event = (uint8_t)(EVENT_INSERT + check_random_below(3)),
		.origin = (uint8_t)check_random_below(2),
		.count = (uint32_t)(1 + check_random_below(UINT32_MAX)),
		.sequence = 1 + check_random_below(SEQUENCE_MAX),
		.created_ms = check_random(),
		.retention_ms = check_random(),
		.partition_hash = check_random(),
		.ordinal = check_random() | 1,
	};

	record.position = (uint32_t)check_random_below(record.count);
	record.transaction = 1 + check_random_below(record.sequence);
	record.keys = make_map(&maps->keys, 1 + check_random_below(300));
	if (record.event != EVENT_INSERT && check_random_below(4))
		record.old_image = make_map(&maps->old_image, 1 + check_random_below(300));
	if (record.event != EVENT_REMOVE && check_random_below(4))
		record.new_image = make_map(&maps->new_image, 1 + check_random_below(300));
	record.stream_bytes = record_bytes(&record) + (check_random() >> 1);
	return record;
}

static struct slice encode(struct buffer *bytes, const struct record *record)
{
	uint8_t head[RECORD_HEAD];

	record_put_head(record, head);
	buffer_clear(bytes);
	buffer_put(bytes, head, sizeof head);
	buffer_put_slice(bytes, record->keys);
	buffer_put_slice(bytes, record->old_image);
	buffer_put_slice(bytes, record->new_image);
	CHECK_EQUAL_UINT(bytes->len, record_bytes(record));
	return buffer_slice(bytes);
}

static void check_same_head(const struct record *a, const struct record *b)
{
	CHECK_EQUAL_INT(a->event, b->event);
	CHECK_EQUAL_INT(a->origin, b->origin);
	CHECK_EQUAL_UINT(a->position, b->position);
	CHECK_EQUAL_UINT(a->count, b->count);
	CHECK_EQUAL_UINT(a->sequence, b->sequence);
	CHECK_EQUAL_UINT(a->transaction, b->transaction);
	CHECK_EQUAL_UINT(a->created_ms, b->created_ms);
	CHECK_EQUAL_UINT(a->retention_ms, b->retention_ms);
	CHECK_EQUAL_UINT(a->partition_hash, b->partition_hash);
	CHECK_EQUAL_UINT(a->ordinal, b->ordinal);
	CHECK_EQUAL_UINT(a->stream_bytes, b->stream_bytes);
	CHECK_EQUAL_UINT(a->keys.len, b->keys.len);
	CHECK_EQUAL_UINT(a->old_image.len, b->old_image.len);
	CHECK_EQUAL_UINT(a->new_image.len, b->new_image.len);
	CHECK_EQUAL_UINT(record_bytes(a), record_bytes(b));
}

static size_t size_or_none(struct slice image)
{
	return image.len ? item_size(image) : 0;
}

static void a_record_comes_back_as_it_was(void)
{
	struct maps maps = { 0 };
	struct buffer buffer = { 0 };
	struct record record, again;
	struct slice bytes;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		record = random_record(&maps);
		bytes = encode(&buffer, &record);
		CHECK_EQUAL_INT(record_get_head(&again, slice_of(bytes.data, RECORD_HEAD)), 0);
		check_same_head(&again, &record);
		CHECK(!again.keys.data && !again.old_image.data && !again.new_image.data);
		CHECK_EQUAL_INT(record_get(&again, bytes), 0);
		check_same_head(&again, &record);
		CHECK(slice_equal(again.keys, record.keys));
		CHECK(slice_equal(again.old_image, record.old_image));
		CHECK(slice_equal(again.new_image, record.new_image));
		CHECK_EQUAL_INT(record_check(bytes), 0);
		CHECK_EQUAL_UINT(record_sequence(bytes.data), record.sequence);
		CHECK_EQUAL_UINT(record_size(&again), item_size(record.keys) +
			size_or_none(record.old_image) + size_or_none(record.new_image));
	}
	buffer_release(&buffer);
	release_maps(&maps);
}

static struct record plain_record(struct maps *maps)
{
	struct record record = {
		.event = EVENT_MODIFY, .origin = ORIGIN_USER, .position = 1, .count = 3,
		.sequence = 0x1112131415161718,
		.transaction = 0x1112131415161717, .created_ms = 0x2122232425262728,
		.retention_ms = 0x3132333435363738, .partition_hash = 0x4142434445464748,
		.ordinal = 0x5152535455565758, .stream_bytes = 0x6162636465666768,
	};

	record.keys = make_map(&maps->keys, 1);
	record.old_image = make_map(&maps->old_image, 2);
	record.new_image = make_map(&maps->new_image, 3);
	return record;
}

static void the_layout(void)
{
	static const char head[] =
		"\1\2\0\0" "\0\0\0\1" "\0\0\0\3"
		"\x11\x12\x13\x14\x15\x16\x17\x18" "\x11\x12\x13\x14\x15\x16\x17\x17"
		"\x21\x22\x23\x24\x25\x26\x27\x28" "\x31\x32\x33\x34\x35\x36\x37\x38"
		"\x41\x42\x43\x44\x45\x46\x47\x48" "\x51\x52\x53\x54\x55\x56\x57\x58"
		"\x61\x62\x63\x64\x65\x66\x67\x68" "\0\0\0\4" "\0\0\0\5" "\0\0\0\6";
	struct maps maps = { 0 };
	struct record record = plain_record(&maps);
	uint8_t bytes[RECORD_HEAD];

	record_put_head(&record, bytes);
	CHECK_BYTES(bytes, sizeof bytes, head, sizeof head - 1);
	release_maps(&maps);
}

/* Read from memory of just that length, so that a step too far is seen. */
static void check_corrupt(struct slice bytes)
{
	uint8_t *exact = malloc(bytes.len ? bytes.len : 1);
	struct record record;

	CHECK(exact != NULL);
	memcpy(exact, bytes.data, bytes.len);
	CHECK_EQUAL_INT(record_get(&record, slice_of(exact, bytes.len)), ERR_CORRUPT);
	CHECK_EQUAL_INT(record_check(slice_of(exact, bytes.len)), ERR_CORRUPT);
	if (bytes.len < RECORD_HEAD)
		CHECK_EQUAL_INT(record_get_head(&record, slice_of(exact, bytes.len)), ERR_CORRUPT);
	free(exact);
}

static void cut_or_drawn_out(void)
{
	struct maps maps = { 0 };
	struct buffer buffer = { 0 };
	struct record record;
	struct slice bytes;
	size_t len;
	int i;

	for (i = 0; i < 20; i++) {
		record = random_record(&maps);
		bytes = encode(&buffer, &record);
		for (len = 0; len < bytes.len; len++)
			check_corrupt(slice_of(bytes.data, len));
		buffer_put_u8(&buffer, 0);
		check_corrupt(buffer_slice(&buffer));
	}
	CHECK_EQUAL_INT(record_get(&record, slice_of(NULL, 0)), ERR_CORRUPT);
	buffer_release(&buffer);
	release_maps(&maps);
}

/* One field of a good record made bad. */
static void fields_that_cannot_be(void)
{
	static const struct { size_t at, width; uint64_t value; } bad[] = {
		{ 0, 1, 0 }, { 0, 1, RECORD_FORMAT + 1 },       /* format */
		{ 1, 1, 0 }, { 1, 1, 4 },                       /* event */
		{ 1, 1, EVENT_INSERT }, { 1, 1, EVENT_REMOVE }, /* with both images */
		{ 2, 1, 2 }, { 3, 1, 1 },                       /* origin, the 0 */
		{ 4, 4, 3 }, { 8, 4, 0 }, { 8, 4, 1 },          /* position beyond count */
		{ 12, 8, 0 }, { 12, 8, 0x1112131415161716 },    /* before its transaction */
		{ 12, 8, SEQUENCE_MAX + 1 }, { 12, 8, UINT64_MAX },
		{ 20, 8, 0 }, { 20, 8, 0x1112131415161719 },
		{ 52, 8, 0 }, { 60, 8, 0 }, { 60, 8, 94 },      /* ordinal, stream bytes */
		{ 68, 4, 0 }, { 68, 4, 3 }, { 68, 4, 5 }, { 68, 4, UINT32_MAX },
		{ 72, 4, 0 }, { 72, 4, 6 }, { 72, 4, UINT32_MAX },
		{ 76, 4, 0 }, { 76, 4, 5 }, { 76, 4, UINT32_MAX },
	};
	struct maps maps = { 0 };
	struct buffer buffer = { 0 };
	struct record record = plain_record(&maps);
	uint8_t value[8];
	size_t i;

	for (i = 0; i < sizeof bad / sizeof *bad; i++) {
		encode(&buffer, &record);
		set_u64(value, bad[i].value);
		memcpy(buffer.data + bad[i].at, value + 8 - bad[i].width, bad[i].width);
		check_corrupt(buffer_slice(&buffer));
	}
	buffer_release(&buffer);
	release_maps(&maps);
}

/* The frame is whole, a map in it is not: get trusts, check does not. */
static void maps_that_do_not_decode(void)
{
	struct maps maps = { 0 };
	struct buffer buffer = { 0 };
	struct record record = plain_record(&maps), again;
	struct buffer *each[] = { &maps.keys, &maps.old_image, &maps.new_image };
	int i;

	for (i = 0; i < 3; i++) {
		each[i]->data[each[i]->len - 1] = 0xff;
		encode(&buffer, &record);
		CHECK_EQUAL_INT(record_get(&again, buffer_slice(&buffer)), 0);
		CHECK_EQUAL_INT(record_check(buffer_slice(&buffer)), ERR_CORRUPT);
		each[i]->data[each[i]->len - 1] = 4;
	}
	encode(&buffer, &record);
	CHECK_EQUAL_INT(record_check(buffer_slice(&buffer)), 0);
	buffer_release(&buffer);
	release_maps(&maps);
}

static void keys_of_rows_in_order(void)
{
	uint8_t a[RECORD_KEY], b[RECORD_KEY];

	record_set_key(a, 0x01020304, 0x05060708090a0b0c, 0x0d0e);
	CHECK_BYTES(a, sizeof a, "\1\2\3\4\5\6\7\10\11\12\13\14\15\16", RECORD_KEY);
	record_set_key(b, 0x01020304, 0x05060708090a0b0c, 0x0d0f);
	CHECK(memcmp(a, b, sizeof a) < 0);
	record_set_key(a, 0x01020304, 0x05060708090a0b0d, 0);
	CHECK(memcmp(b, a, sizeof a) < 0);
	record_set_key(b, 0x01020305, 0, 0);
	CHECK(memcmp(a, b, sizeof a) < 0);
}

static void events_have_dynamodb_s_names(void)
{
	CHECK_EQUAL_STRING(event_name(EVENT_INSERT), "INSERT");
	CHECK_EQUAL_STRING(event_name(EVENT_MODIFY), "MODIFY");
	CHECK_EQUAL_STRING(event_name(EVENT_REMOVE), "REMOVE");
	CHECK_EQUAL_STRING(event_name(0), "?");
	CHECK_EQUAL_STRING(event_name(255), "?");
}

int main(void)
{
	a_record_comes_back_as_it_was();
	the_layout();
	cut_or_drawn_out();
	fields_that_cannot_be();
	maps_that_do_not_decode();
	keys_of_rows_in_order();
	events_have_dynamodb_s_names();
	return 0;
}
