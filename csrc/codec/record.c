/* record.c - encoding and decoding of records; the layout is in record.h. */
#include "codec/record.h"

#include "base/error.h"
#include "codec/state.h"
#include "codec/table_change.h"
#include "codec/value.h"

const char *event_name(uint8_t event)
{
	switch (event) {
	case EVENT_INSERT: return "INSERT";
	case EVENT_MODIFY: return "MODIFY";
	case EVENT_REMOVE: return "REMOVE";
	default: return "?";
	}
}

/* --- keys and size --- */

int record_keys(struct slice *keys, const struct record *record,
	const struct key_schema *schema, uint8_t buf[KEY_ATTRIBUTES_MAX])
{
	struct key_values values;
	int err;

	*keys = record->keys;
	if (keys->len > 0 || record->event == EVENT_TABLE)
		return 0;
	err = key_find(&values, schema, record->new_image);
	return err ? err : key_put_attributes(keys, &values, buf);
}

static size_t image_size(struct slice image)
{
	return image.len ? item_size(image) : 0;
}

size_t record_size(const struct record *record, struct slice keys)
{
	if (record->event == EVENT_TABLE)
		return record->new_image.len;
	return item_size(keys) + image_size(record->old_image) + image_size(record->new_image);
}

/* --- the header --- */

#define EVENT_MASK 3
#define ORIGIN_SHIFT 2           /* 1 bit */
#define ANNOTATED_SHIFT 3
#define SNAPSHOT_SHIFT 4         /* in memory only */

/* The numbers of a record's header, in the order given in record.h. */
enum header_number {
	POSITION, FOLLOWING, SKIPPED, CREATED, RETENTION_LESS_CREATED, ORDINAL, STREAM_BYTES,
	KEYS_LEN, OLD_LEN, NEW_LEN, NUMBERS,
};

_Static_assert(NUMBERS == RECORD_NUMBERS, "4 bits of width for each number");

/* Returns the zigzag encoding of a signed difference, which maps a small magnitude to a small
 * number. */
static uint64_t zigzag(uint64_t difference)
{
	return difference << 1 ^ (UINT64_C(0) - (difference >> 63));
}

static uint64_t from_zigzag(uint64_t n)
{
	return n >> 1 ^ (UINT64_C(0) - (n & 1));
}

/* Writes a number of the header at `to`, where 8 bytes must be available. Returns to + width. */
static uint8_t *put_header_number(uint8_t *to, uint64_t n, unsigned width)
{
	set_u64_little(to, n);
	return to + width;
}

static int origin_bits(uint8_t origin)
{
	return origin == ORIGIN_SNAPSHOT ? 1 << SNAPSHOT_SHIFT : origin << ORIGIN_SHIFT;
}

size_t record_put_header(const struct record *record, uint8_t header[RECORD_HEADER_MAX])
{
	const uint64_t numbers[RECORD_NUMBERS] = {
		[POSITION] = record->position,
		[FOLLOWING] = record->count - 1 - record->position,
		[SKIPPED] = record->sequence - record->transaction - record->position,
		[CREATED] = record->created_ms,
		[RETENTION_LESS_CREATED] = zigzag(record->retention_ms - record->created_ms),
		[ORDINAL] = record->ordinal,
		[STREAM_BYTES] = record->stream_bytes,
		[KEYS_LEN] = record->keys.len,
		[OLD_LEN] = record->old_image.len,
		[NEW_LEN] = record->new_image.len,
	};
	uint8_t *at = header + RECORD_NUMBERS_AT;

	header[0] = RECORD_FORMAT;
	header[1] = (uint8_t)(record->event | origin_bits(record->origin) |
		record->is_annotated << ANNOTATED_SHIFT);
	set_u32(header + 2, record->partition_hash);
	for (size_t i = 0; i < RECORD_NUMBERS; i += 2) {
		unsigned first = u64_width(numbers[i]), second = u64_width(numbers[i + 1]);

		header[RECORD_WIDTHS_AT + i / 2] = (uint8_t)(first << 4 | second);
		at = put_header_number(at, numbers[i], first);
		at = put_header_number(at, numbers[i + 1], second);
	}
	if (record->is_annotated)
		set_u16(at, (uint16_t)record->annotation.len);
	return (size_t)(at - header) + (record->is_annotated ? RECORD_ANNOTATION_WIDTH : 0);
}

/* Returns true if a writer can have written the record. The view of the stream may omit
 * images, but an INSERT never has an old image and a REMOVE never a new one. */
static bool is_possible(const struct record *record)
{
	if (record->event == EVENT_TABLE && (record->origin != ORIGIN_USER ||
			record->partition_hash || record->keys.len || record->old_image.len))
		return false;
	if (record->sequence > SEQUENCE_MAX)
		return false;
	if (record->origin == ORIGIN_SNAPSHOT && record->event != EVENT_INSERT)
		return false;
	if (record->ordinal == 0 || record->stream_bytes < record_bytes(record))
		return false;
	if (record->event == EVENT_INSERT && record->old_image.len)
		return false;
	if (record->event == EVENT_REMOVE && record->new_image.len)
		return false;
	return record->keys.len > 0 || record->new_image.len > 0;
}

/* Mask for a width and smallest number that needs this width. Widths above 8 are invalid, so their
 * minimum is one that no masked number reaches. */
#define WIDTH(n) { UINT64_MAX >> (64 - 8 * (n)), UINT64_C(1) << 8 * ((n) - 1), n }
#define NO_WIDTH { 0, 1, 0 }

static const struct width { uint64_t mask, least, bytes; } widths[16] = {
	{ 0, 0, 0 },
	WIDTH(1), WIDTH(2), WIDTH(3), WIDTH(4), WIDTH(5), WIDTH(6), WIDTH(7), WIDTH(8),
	NO_WIDTH, NO_WIDTH, NO_WIDTH, NO_WIDTH, NO_WIDTH, NO_WIDTH, NO_WIDTH,
};

/* Decodes the numbers of a record's header. RECORD_HEADER_MAX bytes must be readable. Returns the
 * length of the header, 0 if a width is invalid or not minimal. */
static size_t get_header_numbers(const uint8_t *header, uint64_t numbers[RECORD_NUMBERS])
{
	const uint8_t *at = header + RECORD_NUMBERS_AT;
	bool bad = false;

	for (size_t i = 0; i < RECORD_NUMBERS; i += 2) {
		uint8_t pair = header[RECORD_WIDTHS_AT + i / 2];
		const struct width *first = &widths[pair >> 4], *second = &widths[pair & 15];

		numbers[i] = get_u64_little(at) & first->mask;
		at += first->bytes;
		numbers[i + 1] = get_u64_little(at) & second->mask;
		at += second->bytes;
		bad |= numbers[i] < first->least || numbers[i + 1] < second->least;
	}
	return bad ? 0 : (size_t)(at - header);
}

/* Sets the record's position in its transaction. Returns false if the numbers are impossible. */
static bool set_record_place(struct record *record, const uint64_t numbers[RECORD_NUMBERS])
{
	uint64_t position = numbers[POSITION], following = numbers[FOLLOWING];
	uint64_t skipped = numbers[SKIPPED];

	record->position = (uint32_t)position;
	record->count = (uint32_t)(position + 1 + following);
	if (position > UINT32_MAX || following >= UINT32_MAX - position ||
			skipped >= record->sequence || position >= record->sequence - skipped)
		return false;
	record->transaction = record->sequence - skipped - position;
	return true;
}

static bool set_lengths(struct record *record, const uint64_t numbers[RECORD_NUMBERS])
{
	record->keys = slice_of(NULL, numbers[KEYS_LEN]);
	record->old_image = slice_of(NULL, numbers[OLD_LEN]);
	record->new_image = slice_of(NULL, numbers[NEW_LEN]);
	record->annotation = slice_of(NULL, 0);
	return (numbers[KEYS_LEN] | numbers[OLD_LEN] | numbers[NEW_LEN]) <= UINT32_MAX;
}

/* Sets the event, its origin and the mark. Returns false if the byte has another bit. */
static bool set_event(struct record *record, uint8_t event)
{
	bool is_item = event >> SNAPSHOT_SHIFT & 1;

	record->event = event & EVENT_MASK;      /* EVENT_TABLE to EVENT_REMOVE */
	record->origin = is_item ? ORIGIN_SNAPSHOT : event >> ORIGIN_SHIFT & 1;
	record->is_annotated = event >> ANNOTATED_SHIFT & 1;
	return event >> (SNAPSHOT_SHIFT + 1) == 0 && !(is_item && event >> ORIGIN_SHIFT & 3);
}

static int get_header(struct record *record, uint64_t sequence, struct slice bytes)
{
	uint8_t padded[RECORD_HEADER_MAX];
	uint64_t numbers[RECORD_NUMBERS];
	const uint8_t *header = bytes.data;
	size_t len;

	if (bytes.len < sizeof padded) {
		memset(padded, 0, sizeof padded);
		slice_write(padded, bytes);
		header = padded;
	}
	len = get_header_numbers(header, numbers);
	if (header[0] != RECORD_FORMAT || len == 0 || !set_event(record, header[1]))
		return ERR_CORRUPT;
	if (record->is_annotated)
		len += RECORD_ANNOTATION_WIDTH;
	if (len > bytes.len)
		return ERR_CORRUPT;
	record->header_len = (uint8_t)len;
	record->sequence = sequence;
	record->partition_hash = get_u32(header + 2);
	record->created_ms = numbers[CREATED];
	record->retention_ms = record->created_ms + from_zigzag(numbers[RETENTION_LESS_CREATED]);
	record->ordinal = numbers[ORDINAL];
	record->stream_bytes = numbers[STREAM_BYTES];
	if (!set_record_place(record, numbers) || !set_lengths(record, numbers))
		return ERR_CORRUPT;
	if (record->is_annotated)
		record->annotation.len = get_u16(header + len - RECORD_ANNOTATION_WIDTH);
	return is_possible(record) ? 0 : ERR_CORRUPT;
}

int record_get_header(struct record *record, uint64_t sequence, struct slice bytes)
{
	int err = get_header(record, sequence, bytes);

	return !err && record->origin == ORIGIN_SNAPSHOT ? ERR_CORRUPT : err;
}

int record_get(struct record *record, struct slice bytes)
{
	struct slice rest;
	int err;

	if (bytes.len < RECORD_PREFIX)
		return ERR_CORRUPT;
	rest = slice_of(bytes.data + RECORD_PREFIX, bytes.len - RECORD_PREFIX);
	err = get_header(record, record_sequence(bytes.data), rest);
	if (err)
		return err;
	if (rest.len != record_len(record))
		return ERR_CORRUPT;
	record_set_addresses(record, rest.data);
	return 0;
}

int record_annotation(const struct record *record, struct annotation *annotation)
{
	int err;

	*annotation = (struct annotation){ 0 };
	err = record->annotation.len ? annotation_get(annotation, record->annotation) : 0;
	if (!err && record->origin == ORIGIN_TIME_TO_LIVE)
		*annotation = (struct annotation){ .source = annotation->source };
	return err;
}

void record_append_annotation(struct buffer *out, size_t start, const struct record *record,
	struct slice annotation)
{
	buffer_put_slice(out, annotation);
	if (!buffer_error(out))
		set_u16(out->data + start + RECORD_PREFIX + record->header_len -
			RECORD_ANNOTATION_WIDTH, (uint16_t)annotation.len);
}

/* Verifies an image or the keys of a record. An empty slice is valid. */
static int check_map(struct slice map)
{
	return map.len ? map_check(map) : 0;
}

static int check_images(const struct record *record)
{
	int err = check_map(record->keys);

	if (!err)
		err = check_map(record->old_image);
	return err ? err : check_map(record->new_image);
}

int record_check(struct slice bytes)
{
	struct record record;
	int err;

	err = record_get(&record, bytes);
	if (!err && record.event == EVENT_TABLE)
		err = table_change_check(record.new_image);
	else if (!err)
		err = check_images(&record);
	return err || record.annotation.len == 0 ? err : annotation_check(record.annotation);
}

size_t record_set_key(uint8_t key[RECORD_KEY_MAX], uint32_t stream, uint64_t sequence,
	uint16_t part)
{
	size_t len = set_id(key, stream);

	set_u64(key + len, sequence);
	if (part == 0)
		return len + 8;
	set_u16(key + len + 8, part);
	return len + 10;
}
