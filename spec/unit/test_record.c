/* test_record.c - tests of codec/record.h: a record is decoded without change or is CORRUPT. */
#include "codec/record.h"
#include "codec/state.h"
#include "codec/value.h"

#include "base/error.h"
#include "check.h"

#define ROUNDS 5000

/* Depth 2, origin "me", and a context. */
static const char annotated[] = "\2\2me" "\1" "\1n\4";
#define ANNOTATION slice_of(annotated, sizeof annotated - 1)

/* Builds a map { n = true } with a name of this length, for keys and images. */
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
		.partition_hash = (uint32_t)check_random(),
		.ordinal = check_random() | 1,
	};
	uint64_t most = record.sequence < record.count ? record.sequence : record.count;

	if (check_random_below(2))
		record.retention_ms = record.created_ms - 5 + check_random_below(10);
	record.position = (uint32_t)check_random_below(most);
	record.transaction = 1 + check_random_below(record.sequence - record.position);
	if (record.event != EVENT_INSERT && check_random_below(4))
		record.old_image = make_map(&maps->old_image, 1 + check_random_below(300));
	if (record.event != EVENT_REMOVE && check_random_below(4))
		record.new_image = make_map(&maps->new_image, 1 + check_random_below(300));
	if (!record.new_image.len || check_random_below(2))
		record.keys = make_map(&maps->keys, 1 + check_random_below(300));
	record.is_annotated = record.origin == ORIGIN_USER && check_random_below(2);
	if (record.is_annotated && check_random_below(2))
		record.annotation = ANNOTATION;
	record.stream_bytes = record_bytes(&record) + (check_random() >> 1);
	return record;
}

static struct slice encode(struct buffer *bytes, const struct record *record)
{
	uint8_t header[RECORD_HEADER_MAX];

	buffer_clear(bytes);
	buffer_put_u64(bytes, record->sequence);
	buffer_put(bytes, header, record_put_header(record, header));
	buffer_put_slice(bytes, record->keys);
	buffer_put_slice(bytes, record->old_image);
	buffer_put_slice(bytes, record->new_image);
	buffer_put_slice(bytes, record->annotation);
	return buffer_slice(bytes);
}

/* Returns the bytes after the sequence number. */
static struct slice stored(struct slice bytes)
{
	return slice_of(bytes.data + RECORD_PREFIX, bytes.len - RECORD_PREFIX);
}

static void check_same_header(const struct record *a, const struct record *b)
{
	CHECK_EQUAL_INT(a->event, b->event);
	CHECK_EQUAL_INT(a->origin, b->origin);
	CHECK_EQUAL_INT(a->is_annotated, b->is_annotated);
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
	CHECK_EQUAL_UINT(a->annotation.len, b->annotation.len);
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
		CHECK_EQUAL_INT(record_get_header(&again, record.sequence, stored(bytes)), 0);
		check_same_header(&again, &record);
		CHECK_EQUAL_UINT(RECORD_PREFIX + record_len(&again), bytes.len);
		CHECK(!again.keys.data && !again.old_image.data && !again.new_image.data);
		CHECK(!again.annotation.data);
		CHECK_EQUAL_INT(record_get(&again, bytes), 0);
		check_same_header(&again, &record);
		CHECK(slice_equal(again.keys, record.keys));
		CHECK(slice_equal(again.old_image, record.old_image));
		CHECK(slice_equal(again.new_image, record.new_image));
		CHECK(slice_equal(again.annotation, record.annotation));
		CHECK_EQUAL_INT(record_check(bytes), 0);
		CHECK_EQUAL_UINT(record_sequence(bytes.data), record.sequence);
		if (record.keys.len)
			CHECK_EQUAL_UINT(record_size(&again, again.keys), item_size(record.keys) +
				size_or_none(record.old_image) + size_or_none(record.new_image));
	}
	buffer_release(&buffer);
	release_maps(&maps);
}

static struct record plain_record(struct maps *maps)
{
	struct record record = {
		.event = EVENT_MODIFY, .origin = ORIGIN_TIME_TO_LIVE, .position = 1, .count = 3,
		.sequence = 0x1112131415161718, .transaction = 0x1112131415161714,
		.created_ms = 1000, .retention_ms = 998, .partition_hash = 0x41424344,
		.ordinal = 128, .stream_bytes = 16383,
	};

	record.keys = make_map(&maps->keys, 1);
	record.old_image = make_map(&maps->old_image, 2);
	record.new_image = make_map(&maps->new_image, 3);
	return record;
}

static void the_layout(void)
{
	static const char header[] = "\3\6" "\x41\x42\x43\x44"
		"\x11\x12\x11\x21\x11"
		"\1" "\1" "\3"              /* place in the transaction */
		"\xe8\x03" "\x03"           /* 1000, and 2 before it */
		"\x80" "\xff\x3f"           /* 128, 16383 */
		"\4\5\6";
	struct maps maps = { 0 };
	struct record record = plain_record(&maps);
	uint8_t bytes[RECORD_HEADER_MAX];
	size_t len = record_put_header(&record, bytes);

	CHECK_BYTES(bytes, len, header, sizeof header - 1);
	record.origin = ORIGIN_USER;
	record.is_annotated = true;
	record.annotation.len = 0x1234;
	CHECK_EQUAL_UINT(record_put_header(&record, bytes), len + 2);
	CHECK_EQUAL_INT(bytes[1], 8 | EVENT_MODIFY);
	CHECK_BYTES(bytes + 2, len - 2, header + 2, len - 2);
	CHECK_BYTES(bytes + len, 2, "\x12\x34", 2);
	release_maps(&maps);
}

static void an_annotation_is_appended(void)
{
	struct maps maps = { 0 };
	struct buffer buffer = { 0 };
	struct record record = plain_record(&maps), again;
	struct annotation annotation;
	size_t len;

	CHECK_EQUAL_INT(record_annotation(&record, &annotation), 0);
	CHECK(annotation_is_empty(&annotation));
	record.origin = ORIGIN_USER;
	record.is_annotated = true;
	len = encode(&buffer, &record).len;
	CHECK_EQUAL_INT(record_get(&record, buffer_slice(&buffer)), 0);
	record_append_annotation(&buffer, 0, &record, ANNOTATION);
	CHECK_EQUAL_UINT(buffer.len, len + ANNOTATION.len);
	CHECK_EQUAL_INT(record_check(buffer_slice(&buffer)), 0);
	CHECK_EQUAL_INT(record_get(&again, buffer_slice(&buffer)), 0);
	CHECK_EQUAL_INT(record_annotation(&again, &annotation), 0);
	CHECK_EQUAL_INT(annotation.depth, 2);
	CHECK(slice_equal(annotation.origin, slice_of_text("me")));
	CHECK_EQUAL_UINT(annotation.context.len, 4);
	CHECK(slice_equal(again.new_image, make_map(&maps.new_image, 3)));
	buffer.data[buffer.len - 1] = 0xff;      /* in the context */
	CHECK_EQUAL_INT(record_get(&again, buffer_slice(&buffer)), 0);
	CHECK_EQUAL_INT(record_check(buffer_slice(&buffer)), ERR_CORRUPT);
	buffer.data[len + 2] = 0x7f;             /* in the origin */
	CHECK_EQUAL_INT(record_get(&again, buffer_slice(&buffer)), 0);
	CHECK_EQUAL_INT(record_annotation(&again, &annotation), ERR_CORRUPT);
	buffer_release(&buffer);
	release_maps(&maps);
}

static void the_longest_header(void)
{
	struct record record = {
		.event = EVENT_REMOVE, .position = UINT32_MAX / 2, .count = UINT32_MAX,
		.sequence = SEQUENCE_MAX, .transaction = 1, .created_ms = UINT64_MAX,
		.retention_ms = UINT64_MAX / 2, .ordinal = UINT64_MAX, .stream_bytes = UINT64_MAX,
		.keys = { NULL, UINT32_MAX }, .old_image = { NULL, UINT32_MAX },
		.is_annotated = true, .annotation = { NULL, UINT16_MAX },
	};
	uint8_t bytes[RECORD_HEADER_MAX];
	size_t len = record_put_header(&record, bytes);
	struct record again;

	CHECK(len <= sizeof bytes);
	CHECK_EQUAL_INT(record_get_header(&again, record.sequence, slice_of(bytes, len)), 0);
	check_same_header(&again, &record);
	CHECK_EQUAL_UINT(again.header_len, len);
}

/* Decodes from memory of the exact length, so that sanitizers detect overruns. */
static void check_corrupt(struct slice bytes)
{
	uint8_t *exact = malloc(bytes.len ? bytes.len : 1);
	struct record record;

	CHECK(exact != NULL);
	memcpy(exact, bytes.data, bytes.len);
	CHECK_EQUAL_INT(record_get(&record, slice_of(exact, bytes.len)), ERR_CORRUPT);
	CHECK_EQUAL_INT(record_check(slice_of(exact, bytes.len)), ERR_CORRUPT);
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

/* Sets one field of a valid record, its sequence number or one in its header, to a bad value. */
static void fields_that_cannot_be(void)
{
	static const struct { size_t at, width; uint64_t value; } bad[] = {
		{ 0, 8, 0 }, { 0, 8, 1 }, { 0, 8, 4 },          /* before its transaction */
		{ 0, 8, SEQUENCE_MAX + 1 }, { 0, 8, UINT64_MAX },
		{ 8, 1, 0 }, { 8, 1, RECORD_FORMAT + 1 },       /* format */
		{ 9, 1, 0 }, { 9, 1, 4 }, { 9, 1, 8 | EVENT_MODIFY }, { 9, 1, 12 | EVENT_MODIFY },
		{ 9, 1, 0x14 | EVENT_MODIFY }, { 9, 1, 0x80 | EVENT_MODIFY },   /* event, origin */
		{ 9, 1, EVENT_INSERT }, { 9, 1, EVENT_REMOVE }, /* with both images */
		{ 14, 1, 0x01 }, { 14, 1, 0x12 }, { 14, 1, 0xf1 },      /* widths */
		{ 18, 1, 0x01 }, { 18, 1, 0x12 }, { 18, 1, 0x19 },
		{ 19, 1, 0 }, { 22, 2, 0xe800 },                /* numbers that could be shorter */
		{ 25, 1, 0 },
		{ 28, 1, 0 }, { 28, 1, 3 }, { 28, 1, 5 },       /* lengths */
		{ 29, 1, 0 }, { 29, 1, 6 }, { 30, 1, 0 }, { 30, 1, 5 },
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

static size_t width_of(uint64_t n)
{
	size_t width = 0;

	for (; n; n >>= 8)
		width++;
	return width;
}

static void put_numbers(struct buffer *header, const uint64_t numbers[RECORD_NUMBERS])
{
	for (int i = 0; i < RECORD_NUMBERS; i += 2)
		buffer_put_u8(header,
			(uint8_t)(width_of(numbers[i]) << 4 | width_of(numbers[i + 1])));
	for (int i = 0; i < RECORD_NUMBERS; i++)
		for (uint64_t left = numbers[i]; left; left >>= 8)
			buffer_put_u8(header, (uint8_t)left);
}

/* Numbers with valid widths but impossible values. */
static void numbers_that_cannot_be(void)
{
	enum { POSITION, FOLLOW, SKIPPED, ORDINAL = 5, BYTES, KEYS, OLD, NEW };
	static const struct { int which; uint64_t n; bool good; } cases[] = {
		{ POSITION, 5, true }, { POSITION, 99, true }, { POSITION, 100, false },
		{ POSITION, UINT32_MAX, false }, { POSITION, UINT64_C(1) << 32, false },
		{ FOLLOW, UINT32_MAX - 1, true }, { FOLLOW, UINT32_MAX, false },
		{ FOLLOW, UINT64_C(1) << 32, false },
		{ SKIPPED, 99, true }, { SKIPPED, 100, false }, { SKIPPED, UINT64_MAX, false },
		{ ORDINAL, 1, true }, { ORDINAL, 0, false },
		{ BYTES, RECORD_OVERHEAD + 3, true }, { BYTES, RECORD_OVERHEAD + 2, false },
		{ KEYS, 9, true }, { KEYS, UINT64_C(1) << 32, false },
		{ OLD, 9, true }, { OLD, UINT64_C(1) << 32, false },
		{ NEW, 9, true }, { NEW, UINT64_C(1) << 32, false },
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		uint64_t numbers[RECORD_NUMBERS] = { 0, 0, 0, 1, 0, 1, 10000, 1, 1, 1 };
		struct buffer header = { 0 };
		struct record record;

		numbers[cases[i].which] = cases[i].n;
		buffer_put_u8(&header, RECORD_FORMAT);
		buffer_put_u8(&header, EVENT_MODIFY);
		buffer_put_u32(&header, 0);
		put_numbers(&header, numbers);
		CHECK_EQUAL_INT(record_get_header(&record, 100, buffer_slice(&header)),
			cases[i].good ? 0 : ERR_CORRUPT);
		buffer_release(&header);
	}
}

/* --- keys in the new image --- */

static void put_text(struct buffer *out, const char *name, const char *text)
{
	buffer_put_counted(out, slice_of_text(name));
	buffer_put_u8(out, TYPE_S);
	buffer_put_counted(out, slice_of_text(text));
}

static void keys_are_found_in_the_new_image(void)
{
	struct key_schema schema = {
		.partition = { TYPE_S, 1, "p" }, .sort = { TYPE_S, 1, "c" },
	};
	struct buffer image = { 0 }, both = { 0 }, one = { 0 };
	uint8_t buf[KEY_ATTRIBUTES_MAX];
	struct record record = { .event = EVENT_INSERT };
	struct slice keys;

	buffer_put_u8(&image, 4);
	put_text(&image, "a", "x");
	put_text(&image, "c", "sort");
	put_text(&image, "m", "y");
	put_text(&image, "p", "part");
	buffer_put_u8(&both, 2);
	put_text(&both, "c", "sort");
	put_text(&both, "p", "part");
	buffer_put_u8(&one, 1);
	put_text(&one, "p", "part");
	record.new_image = buffer_slice(&image);
	CHECK_EQUAL_INT(record_keys(&keys, &record, &schema, buf), 0);
	CHECK(slice_equal(keys, buffer_slice(&both)));
	CHECK_EQUAL_UINT(record_size(&record, keys), 5 + 5 + 2 + 5 + 2 + 5);
	schema.sort.type = 0;
	CHECK_EQUAL_INT(record_keys(&keys, &record, &schema, buf), 0);
	CHECK(slice_equal(keys, buffer_slice(&one)));
	record.keys = buffer_slice(&both);       /* stored keys are borrowed */
	CHECK_EQUAL_INT(record_keys(&keys, &record, &schema, buf), 0);
	CHECK(keys.data == both.data);
	record.keys.len = 0;
	schema.partition.name[0] = 'q';
	CHECK_EQUAL_INT(record_keys(&keys, &record, &schema, buf), ERR_KEY_MISSING);
	record.new_image.len -= 2;
	CHECK_EQUAL_INT(record_keys(&keys, &record, &schema, buf), ERR_CORRUPT);
	buffer_release(&image);
	buffer_release(&both);
	buffer_release(&one);
}

/* Only damaged keys are longer than any valid key. */
static void keys_that_are_too_long(void)
{
	struct key_schema schema = {
		.partition = { TYPE_S, 1, "p" }, .sort = { TYPE_S, 1, "s" },
	};
	static const size_t sizes[][2] = { { 3590, 1 }, { 1, 3590 }, { 2000, 2000 }, { 9000, 1 } };

	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		static uint8_t text[9000];
		uint8_t buf[KEY_ATTRIBUTES_MAX];
		struct buffer image = { 0 };
		struct record record = { .event = EVENT_INSERT };
		struct slice keys;

		buffer_put_u8(&image, 2);
		for (int j = 0; j < 2; j++) {
			buffer_put_counted(&image, slice_of_text(j ? "s" : "p"));
			buffer_put_u8(&image, TYPE_S);
			buffer_put_counted(&image, slice_of(text, sizes[i][j]));
		}
		record.new_image = buffer_slice(&image);
		CHECK_EQUAL_INT(record_keys(&keys, &record, &schema, buf), ERR_CORRUPT);
		buffer_release(&image);
	}
}

/* The record is intact but one of its maps is not: record_check detects it, record_get does
 * not. */
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
	static const struct record_place places[] = {
		{ 1, 0, 0 }, { 1, 0, 0x0807060504030201 }, { 1, 1, 0x0807060504030201 },
		{ 1, 0x0d0e, 0x0807060504030201 }, { 1, 0, 0x0807060504030202 },
		{ 1, UINT16_MAX, UINT64_MAX }, { 247, 0, 1 }, { 248, 0, 1 }, { 248, 1, 1 },
		{ 0x01020304, 0, 1 }, { 0x01020304, 0x0d0e, 0x05060708090a0b0c },
		{ UINT32_MAX, UINT16_MAX, UINT64_MAX },
	};
	uint8_t last[RECORD_KEY_MAX], key[RECORD_KEY_MAX] = { 0 };
	size_t last_len = 1, len;

	for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
		struct record_place place = { 0 };

		memcpy(last, key, sizeof last);
		len = record_set_key(key, places[i].stream, places[i].sequence, places[i].part);
		CHECK(slice_compare(slice_of(last, last_len), slice_of(key, len)) < 0);
		CHECK(record_get_key(&place, slice_of(key, len)));
		CHECK_EQUAL_UINT(place.stream, places[i].stream);
		CHECK_EQUAL_UINT(place.sequence, places[i].sequence);
		CHECK_EQUAL_UINT(place.part, places[i].part);
		last_len = len;
	}
	CHECK_EQUAL_UINT(len, RECORD_KEY_MAX);
	len = record_set_key(key, 7, 0x0102030405060708, 0x090a);
	CHECK_BYTES(key, len, "\7\1\2\3\4\5\6\7\10\11\12", 11);
	len = record_set_key(key, 0x01020304, 0x0102030405060708, 0);
	CHECK_BYTES(key, len, "\xf8\1\2\3\4\1\2\3\4\5\6\7\10", 13);
}

/* Keys that are too short or too long, with part number 0, or with an invalid or overlong id. */
static void keys_that_are_no_rows(void)
{
	static const struct { const char *bytes; size_t len; } keys[] = {
		{ "", 0 }, { "\1", 1 }, { "\0" "12345678", 9 }, { "\1" "1234567", 8 },
		{ "\1" "12345678\1", 10 }, { "\1" "12345678\0\0", 11 },
		{ "\1" "12345678\0\1?", 12 }, { "\xf8\0\0\0\xf7" "12345678", 13 },
		{ "\xf8\0\0\0", 4 }, { "\xf8\0\0\0\xf8" "1234567", 12 },
		{ "\xf9\0\0\1\0" "12345678", 13 }, { "\xff" "12345678", 9 },
	};
	struct record_place place;

	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
		uint8_t *copy = malloc(keys[i].len + 1);     /* lets sanitizers detect overruns */

		CHECK(copy != NULL);
		slice_write(copy + 1, slice_of(keys[i].bytes, keys[i].len));
		CHECK(!record_get_key(&place, slice_of(copy + 1, keys[i].len)));
		free(copy);
	}
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
	an_annotation_is_appended();
	the_longest_header();
	cut_or_drawn_out();
	fields_that_cannot_be();
	numbers_that_cannot_be();
	keys_are_found_in_the_new_image();
	keys_that_are_too_long();
	maps_that_do_not_decode();
	keys_of_rows_in_order();
	keys_that_are_no_rows();
	events_have_dynamodb_s_names();
	return 0;
}
