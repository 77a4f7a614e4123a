/* test_body_order.c - codec/body_order.h: maps and sets of any number of entries, in any order, get
 * the same bytes, and an entry that is there twice is found.
 */
#include "codec/body_order.h"

#include <limits.h>

#include "base/error.h"
#include "codec/builder.h"
#include "unit/check.h"

#define ROUNDS 60
#define ENTRIES_MOST 6000

static unsigned order[ENTRIES_MOST];

static void shuffle(unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		unsigned j = (unsigned)check_random_below(i + 1);

		order[i] = order[j];
		order[j] = i;
	}
}

/* Adds the entry with this number; a value of a map may be a map. */
static void put(struct builder *builder, enum type type, unsigned n)
{
	struct number number;
	char name[16];

	snprintf(name, sizeof name, n % 7 ? "%x" : "%x-longer", n);
	number_from_integer(&number, (int64_t)n);
	if (type == TYPE_M)
		builder_name(builder, slice_of_text(name));
	if (type == TYPE_M && n % 100 == 3) {
		builder_open(builder, TYPE_M);
		builder_name(builder, slice_of_text("z"));
		builder_null(builder);
		builder_name(builder, slice_of_text("a"));
		builder_null(builder);
		builder_close(builder);
	} else if (type == TYPE_SS) {
		builder_string(builder, slice_of_text(name));
	} else if (type == TYPE_BS) {
		builder_binary(builder, slice_of_text(name));
	} else {
		builder_number(builder, number_slice(&number));
	}
}

/* Encodes a container with the numbers of `order`, and with `more` again at the end if it is not
 * UINT_MAX. */
static int encode(struct builder *builder, enum type type, unsigned count, unsigned more,
	struct slice *item)
{
	builder_start(builder);
	builder_name(builder, slice_of_text("x"));
	builder_open(builder, type);
	for (unsigned i = 0; i < count; i++)
		put(builder, type, order[i]);
	if (more != UINT_MAX)
		put(builder, type, more);
	builder_close(builder);
	builder_name(builder, slice_of_text("a"));
	builder_null(builder);
	return builder_finish(builder, item);
}

static void round_of(struct builder *one, struct builder *other)
{
	static const enum type types[] = { TYPE_M, TYPE_SS, TYPE_NS, TYPE_BS };
	enum type type = types[check_random_below(4)];
	unsigned most = check_random_below(2) ? 40 : ENTRIES_MOST;
	unsigned count = 1 + (unsigned)check_random_below(most);
	struct slice a, b;

	shuffle(count);
	CHECK_EQUAL_INT(encode(one, type, count, UINT_MAX, &a), 0);
	CHECK_EQUAL_INT(map_check(a), 0);
	shuffle(count);
	CHECK_EQUAL_INT(encode(other, type, count, UINT_MAX, &b), 0);
	CHECK_BYTES(a.data, a.len, b.data, b.len);
	CHECK_EQUAL_INT(encode(other, type, count, (unsigned)check_random_below(count), &b),
		ERR_DUPLICATE_MEMBER);
}

int main(void)
{
	struct builder one = { 0 }, other = { 0 };

	for (int i = 0; i < ROUNDS; i++)
		round_of(&one, &other);
	builder_release(&one);
	builder_release(&other);
	return 0;
}
