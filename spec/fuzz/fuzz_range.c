/* fuzz_range.c - a range contains exactly the keys for which its condition is true.
 *
 *     type of the sort key, comparison, direction (u8 each)
 *     partition, a, b, another key's partition and sort key: length (varint), bytes
 */
#include "fuzz/fuzz.h"
#include "fuzz/key_item.h"
#include "table/read.h"

static const uint8_t secret[HASH_SECRET_BYTES] = "fuzz of a range";

static struct value value_of(enum type type, struct slice bytes, struct number *buf)
{
	struct value value = { type, 0, bytes };

	if (type == TYPE_N) {
		number_from_integer(buf, bytes.len ? (int8_t)bytes.data[0] : 0);
		value.bytes = number_slice(buf);
	}
	return value;
}

/* Returns true if the condition is true for the value. */
static bool holds(const struct sort_condition *sort, const struct value *value)
{
	int a = slice_compare(value->bytes, sort->a.bytes);

	switch (sort->comparison) {
	case COMPARE_EQUAL: return a == 0;
	case COMPARE_LESS: return a < 0;
	case COMPARE_LESS_OR_EQUAL: return a <= 0;
	case COMPARE_GREATER: return a > 0;
	case COMPARE_GREATER_OR_EQUAL: return a >= 0;
	case COMPARE_BETWEEN: return a >= 0 && slice_compare(value->bytes, sort->b.bytes) <= 0;
	case COMPARE_BEGINS_WITH: return slice_begins(value->bytes, sort->a.bytes);
	default: return true;
	}
}

/* Checks that a range that continues after this key does not contain it. */
static void check_start_after(struct range *range, const struct keyspace *keyspace,
	const struct key_values *values, const struct key *key)
{
	struct failure failure = { 0 };
	struct buffer item = { 0 };
	int place;

	fuzz_put_item(&item, keyspace->schema, values);
	CHECK_EQUAL_INT(range_start_after(range, keyspace, buffer_slice(&item), secret, &failure),
		0);
	place = range_place(range, key_whole(key));
	CHECK(place != 0);
	/* An empty rest of the range sorts after every key, in both directions. */
	CHECK(range->backward || place < 0);
	buffer_release(&item);
}

static void try_place(struct range *range, const struct keyspace *keyspace,
	const struct sort_condition *sort, const struct value *partition,
	const struct key_values *values)
{
	bool inside = slice_equal(partition->bytes, values->partition.bytes) &&
		holds(sort, &values->sort);
	struct key key;

	if (key_of_values(&key, keyspace->id, keyspace->schema, values, secret))
		return;
	CHECK((range_place(range, key_whole(&key)) == 0) == inside);
	if (inside)
		check_start_after(range, keyspace, values, &key);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct source source = source_of(slice_of(data, size));
	struct table table = { .row = { .id = 7, .name = "fuzzed",
		.schema = { .partition = { TYPE_S, 1, "p" }, .sort = { TYPE_S, 1, "s" } } } };
	struct keyspace keyspace = keyspace_of_table(&table, 0);
	enum type type = (enum type)(TYPE_S + source_u8(&source) % 3);
	struct sort_condition sort = {
		.comparison = (enum comparison)(source_u8(&source) % (COMPARE_BEGINS_WITH + 1)) };
	bool backward = source_u8(&source) & 1;
	struct value partition = { TYPE_S, 0, source_counted(&source) };
	struct key_values values = { .partition = { TYPE_S, 0, { NULL, 0 } } };
	struct failure failure;
	struct number rooms[3];
	struct range range;

	table.row.schema.sort.type = type;
	sort.a = value_of(type, source_counted(&source), &rooms[0]);
	sort.b = value_of(type, source_counted(&source), &rooms[1]);
	values.partition.bytes = source_counted(&source);
	if (values.partition.bytes.len == 0)
		values.partition = partition;
	values.sort = value_of(type, source_counted(&source), &rooms[2]);
	if (range_of_partition(&range, &keyspace, &partition, &sort, secret, &failure) == 0) {
		range.backward = backward;
		try_place(&range, &keyspace, &sort, &partition, &values);
	} else {
		CHECK(failure.err < 0 && failure.message[0]);
	}
	return 0;
}

bool fuzz_seed(unsigned n, struct buffer *out)
{
	static const char *const sorts[] = { "a", "ab", "b", "\xff\xff", "ab\xff", "aa" };

	buffer_put_u8(out, (uint8_t)(n % 3));
	buffer_put_u8(out, (uint8_t)(n % 8));
	buffer_put_u8(out, (uint8_t)(n / 8));
	buffer_put_counted(out, slice_of_text("part"));
	buffer_put_counted(out, slice_of_text(sorts[n % 6]));
	buffer_put_counted(out, slice_of_text(sorts[(n + 2) % 6]));
	buffer_put_counted(out, slice_of_text(n % 5 ? "" : "other"));
	buffer_put_counted(out, slice_of_text(sorts[(n + 1) % 6]));
	return n < 30;
}
