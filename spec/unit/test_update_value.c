/* test_update_value.c - tests of expr/update_value.h: the values that updates assign. */
#include "expr/update_value.h"

#include "unit/expressions.h"

#define WRONG_TYPE "An operand in the update expression has an incorrect data type"
#define MISSING "The provided expression refers to an attribute that does not exist in the item"
#define OVERFLOW "Number overflow. Attempting to store a number with magnitude larger than" \
	" supported range"

static void test_sums(void)
{
	try_update("SET n = n + :v", "{n: 1}", "{:v: 2}", "{n: 3}");
	try_update("SET n = n - :v", "{n: 1}", "{:v: 2}", "{n: -1}");
	try_update("SET n = :v - n", "{n: 1}", "{:v: 2}", "{n: 1}");
	try_update("SET n = (n + m)", "{n: 1, m: 2}", NULL, "{m: 2, n: 3}");
	try_update("SET n = (n) + (m)", "{n: 1, m: 2}", NULL, "{m: 2, n: 3}");
	try_update("SET n = n + n", "{n: 4}", NULL, "{n: 8}");
	try_update("SET n = n + :v", "{n: 0.1}", "{:v: 0.2}", "{n: 0.3}");
	try_update("SET n = n + :v", "{n: 12345678901234567890123456789012345678}", "{:v: 1}",
		"{n: 12345678901234567890123456789012345679}");
	try_update("SET n = n + :v", "{n: 1e50}", "{:v: 1}", OVERFLOW);
	try_update("ADD n :v", "{n: 1e50}", "{:v: 1}", OVERFLOW);
	try_update("SET n = n + n", "{n: 9e125}", NULL, OVERFLOW);
	try_update("SET n = n - :v", "{n: 1.1e-130}", "{:v: 1e-130}",
		"Number underflow. Attempting to store a number with magnitude smaller than"
		" supported range");
	try_update("SET n = s + :v", "{s: 'x'}", "{:v: 1}", WRONG_TYPE);
	try_update("SET n = :v + z", "{z: null}", "{:v: 1}", WRONG_TYPE);
	try_update("SET n = m + :v", "{}", "{:v: 1}", MISSING);
	try_update("SET n = list_append(:l, :l) + :v", "{}", "{:v: 1, :l: []}", WRONG_TYPE);
}

static void test_if_not_exists(void)
{
	try_update("SET a = if_not_exists(a, :v)", "{}", "{:v: 1}", "{a: 1}");
	try_update("SET a = if_not_exists(a, :v)", "{a: 2}", "{:v: 1}", "{a: 2}");
	try_update("SET a = if_not_exists(a, :v)", "{a: null}", "{:v: 1}", "{a: null}");
	try_update("SET b = if_not_exists(a.x, b)", "{a: 2, b: 3}", NULL, "{a: 2, b: 3}");
	try_update("SET b = if_not_exists(a, c)", "{}", NULL, MISSING);
	try_update("SET a = if_not_exists(b, if_not_exists(c, :v))", "{}", "{:v: 3}", "{a: 3}");
	try_update("SET a = if_not_exists(b, if_not_exists(c, :v))", "{c: 7}", "{:v: 3}",
		"{a: 7, c: 7}");
	try_update("SET a = if_not_exists(a, :v)+:w", "{}", "{:v: 1, :w: 2}", "{a: 3}");
	try_update("SET a = :w - if_not_exists(a, :v)", "{a: 9}", "{:v: 1, :w: 2}", "{a: -7}");
	try_update("SET a = if_not_exists(a, list_append(:v, :v))", "{}", "{:v: [1]}",
		"{a: [1, 1]}");
}

static void test_list_append(void)
{
	try_update("SET a = list_append(a, :v)", "{a: [1]}", "{:v: ['x', {}]}",
		"{a: [1, 'x', {}]}");
	try_update("SET a = list_append(:v, a)", "{a: [1]}", "{:v: ['x']}", "{a: ['x', 1]}");
	try_update("SET a = list_append(a, a), b = list_append(:v, a)", "{a: [1]}", "{:v: []}",
		"{a: [1, 1], b: [1]}");
	try_update("SET a = list_append(if_not_exists(a, :e), :v)", "{}", "{:e: [], :v: [1]}",
		"{a: [1]}");
	try_update("SET a = list_append(a, :v)", "{}", "{:v: [1]}", MISSING);
	try_update("SET a = list_append(a, :v)", "{a: <1>}", "{:v: [1]}", WRONG_TYPE);
	try_update("SET a = list_append(:v, a)", "{a: null}", "{:v: [1]}", WRONG_TYPE);
}

/* An empty result is built while the buffer has no memory: found by libFuzzer. */
static void test_nothing_built(void)
{
	CHECK(trial_of_test()->update.built.data == NULL);
	try_update("DELETE s :v", "{s: <1>}", "{:v: <1>}", "{}");
	CHECK(trial_of_test()->update.built.data == NULL);
	try_update("SET a = list_append(:e, b)", "{b: []}", "{:e: []}", "{a: [], b: []}");
}

static void test_add(void)
{
	try_update("ADD n :v", "{n: 1}", "{:v: 2}", "{n: 3}");
	try_update("ADD n :v", "{}", "{:v: 2}", "{n: 2}");
	try_update("ADD m.n :v, l[0] :v", "{l: [1], m: {}}", "{:v: 2}", "{l: [3], m: {n: 2}}");
	try_update("ADD n :v", "{n: '1'}", "{:v: 2}", WRONG_TYPE);
	try_update("ADD n :v", "{n: null}", "{:v: 2}", WRONG_TYPE);
	try_update("ADD s :v", "{s: <'b', 'd'>}", "{:v: <'a', 'b', 'c', 'e'>}",
		"{s: <'a', 'b', 'c', 'd', 'e'>}");
	try_update("ADD s :v", "{}", "{:v: <'a'>}", "{s: <'a'>}");
	try_update("ADD s :v", "{s: <1, 20>}", "{:v: <1.0, 3>}", "{s: <1, 3, 20>}");
	try_update("ADD s :v", "{s: <b'x'>}", "{:v: <b'y'>}", "{s: <b'x', b'y'>}");
	try_update("ADD s :v", "{s: <'a'>}", "{:v: <1>}", WRONG_TYPE);
	try_update("ADD s :v", "{s: [1]}", "{:v: <1>}", WRONG_TYPE);
	try_update("ADD s ?, n ?", "{}", "{?: [<1>, 2]}", "{n: 2, s: <1>}");
}

static void test_delete(void)
{
	try_update("DELETE s :v", "{s: <'a', 'b', 'c'>}", "{:v: <'b', 'z'>}", "{s: <'a', 'c'>}");
	try_update("DELETE s :v", "{s: <'a', 'b'>, x: 1}", "{:v: <'b', 'a'>}", "{x: 1}");
	try_update("DELETE s :v", "{s: <1, 2>}", "{:v: <2.0>}", "{s: <1>}");
	try_update("DELETE s :v", "{s: <1, 2>}", "{:v: <3>}", "{s: <1, 2>}");
	try_update("DELETE s :v", "{x: 1}", "{:v: <3>}", "{x: 1}");
	try_update("DELETE m.s :v", "{m: {s: <1>}}", "{:v: <1>}", "{m: {}}");
	try_update("DELETE s :v", "{s: 1}", "{:v: <1>}", WRONG_TYPE);
	try_update("DELETE s :v", "{s: <'1'>}", "{:v: <1>}", WRONG_TYPE);
}

/* Writes a random set of small numbers. ADD computes the union, DELETE the difference. */
static void put_set(char *text, const char *before, unsigned members)
{
	unsigned i;

	strcat(text, before);
	strcat(text, "<");
	for (i = 0; i < 8; i++)
		if (members >> i & 1)
			snprintf(text + strlen(text), 16, "%u, ", i);
	if (members)
		text[strlen(text) - 2] = '\0';
	strcat(text, ">}");
}

static void test_random_sets(void)
{
	uint64_t runs = check_runs(2000);

	while (runs-- > 0) {
		unsigned a = 1 + (unsigned)check_random_below(255);
		unsigned b = 1 + (unsigned)check_random_below(255);
		char item[100] = "", parameters[100] = "", both[100] = "", rest[100] = "";

		put_set(item, "{s: ", a);
		put_set(parameters, "{:v: ", b);
		put_set(both, "{s: ", a | b);
		put_set(rest, "{s: ", a & ~b);
		try_update("ADD s :v", item, parameters, both);
		try_update("DELETE s :v", item, parameters, a & ~b ? rest : "{}");
	}
}

/* {s: NS of two numbers}, of which one does not decode. */
static void test_corrupt_sets(void)
{
	static const uint8_t sound[] = { 1, 1, 's', TYPE_NS, 0, 0, 0, 4, 2, 0x80, 0xc1, 0x02 };
	static const char *const texts[] = { "ADD s :v", "DELETE s :v" };
	struct trial *trial = trial_of_test();
	uint8_t bytes[sizeof sound];
	struct slice new;
	unsigned at, i;

	for (i = 0; i < 2; i++)
		for (at = 9; at <= 10; at++) {
			CHECK_EQUAL_INT(trial_bind(trial, EXPRESSION_UPDATE,
				slice_of_text(texts[i]), "{:v: <1, 9>}"), 0);
			memcpy(bytes, sound, sizeof sound);
			bytes[at] = 0x00;
			CHECK_EQUAL_INT(update_apply(&trial->update, &trial->binding,
				slice_of(bytes, sizeof bytes), slice_of("\0", 1), &new,
				&trial->failure), ERR_CORRUPT);
		}
}

int main(void)
{
	test_nothing_built();
	test_sums();
	test_if_not_exists();
	test_list_append();
	test_add();
	test_delete();
	test_random_sets();
	test_corrupt_sets();
	return 0;
}
