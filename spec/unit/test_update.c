/* test_update.c - tests of expr/update.h. */
#include "expr/update.h"

#include "expr/container.h"
#include "unit/expressions.h"

#define INVALID_PATH "The document path provided in the update expression is invalid for update"
#define TOO_DEEP "Nesting Levels have exceeded supported limits: Attributes in the item have" \
	" nested levels beyond supported limit"

static void test_set(void)
{
	try_update("SET a = :v", "{}", "{:v: 1}", "{a: 1}");
	try_update("SET a = :v", "{a: 'old', b: 2}", "{:v: 1}", "{a: 1, b: 2}");
	try_update("SET b = :v", "{a: 1, c: 3}", "{:v: 2}", "{a: 1, b: 2, c: 3}");
	try_update("SET d = :v, a = :w", "{b: 1, c: 3}", "{:v: 2, :w: 0}",
		"{a: 0, b: 1, c: 3, d: 2}");
	try_update("set #s = ?, price = price + ?", "{price: 1}",
		"{#s: 'status', ?: ['paid', 5]}", "{price: 6, status: 'paid'}");
	try_update("SET #d = :v", "{a: {b: 1}}", "{#d: 'a.b', :v: 2}", "{a: {b: 1}, a.b: 2}");
	try_update("SET a = a", "{a: 1}", NULL, "{a: 1}");
	try_update("SET a = b.c[1]", "{b: {c: [1, [2]]}}", NULL, "{a: [2], b: {c: [1, [2]]}}");
}

static void test_all_read_the_old_item(void)
{
	try_update("SET a = b, b = a", "{a: 1, b: 2}", NULL, "{a: 2, b: 1}");
	try_update("REMOVE a SET b = a", "{a: 1}", NULL, "{b: 1}");
	try_update("SET a = :v, b = a", "{}", "{:v: 1}",
		"The provided expression refers to an attribute that does not exist in the item");
	try_update("ADD n :v SET m = n", "{n: 1}", "{:v: 5}", "{m: 1, n: 6}");
	try_update("SET a[0] = a[1], a[1] = a[0]", "{a: [1, 2]}", NULL, "{a: [2, 1]}");
}

static void test_nested(void)
{
	try_update("SET a.b = :v", "{a: {c: 1}}", "{:v: 2}", "{a: {b: 2, c: 1}}");
	try_update("SET a.b.c = :v, a.b.d = :v, a.e = :v", "{a: {b: {x: 1}}, z: 0}", "{:v: 2}",
		"{a: {b: {c: 2, d: 2, x: 1}, e: 2}, z: 0}");
	try_update("SET a[1].b = :v", "{a: [0, {c: 1}, 2]}", "{:v: 3}",
		"{a: [0, {b: 3, c: 1}, 2]}");
	try_update("SET a.b = :v", "{}", "{:v: 2}", INVALID_PATH);
	try_update("SET a.b = :v", "{a: [1]}", "{:v: 2}", INVALID_PATH);
	try_update("SET a[0] = :v", "{a: {b: 1}}", "{:v: 2}", INVALID_PATH);
	try_update("SET a[0] = :v", "{a: <1>}", "{:v: 2}", INVALID_PATH);
	try_update("SET a.b.c = :v", "{a: {}}", "{:v: 2}", INVALID_PATH);
	try_update("SET a[1].b = :v", "{a: [{}]}", "{:v: 2}", INVALID_PATH);
	try_update("SET a.b = :v", NULL, "{:v: 2}", INVALID_PATH);
}

static void test_lists(void)
{
	try_update("SET a[1] = :v", "{a: [1, 2, 3]}", "{:v: 'x'}", "{a: [1, 'x', 3]}");
	try_update("SET a[3] = :v", "{a: [1, 2, 3]}", "{:v: 'x'}", "{a: [1, 2, 3, 'x']}");
	try_update("SET a[100] = :v, a[9] = :w, a[4294967294] = :u", "{a: [1]}",
		"{:v: 'v', :w: 'w', :u: 'u'}", "{a: [1, 'w', 'v', 'u']}");
	try_update("REMOVE a[0], a[2]", "{a: [1, 2, 3, 4]}", NULL, "{a: [2, 4]}");
	try_update("REMOVE a[1], a[9]", "{a: [1, 2]}", NULL, "{a: [1]}");
	try_update("REMOVE a[0]", "{a: [1]}", NULL, "{a: []}");
	try_update("REMOVE a[0] SET a[1] = :v, a[7] = :v", "{a: [1, 2, 3]}", "{:v: 'x'}",
		"{a: ['x', 3, 'x']}");
	try_update("ADD a[5] :v", "{a: []}", "{:v: 2}", "{a: [2]}");
	try_update("DELETE a[5] :v", "{a: []}", "{:v: <2>}", "{a: []}");
	try_update("DELETE a[0] :v", "{a: [<2>, 1]}", "{:v: <2>}", "{a: [1]}");
}

static void test_remove(void)
{
	try_update("REMOVE a", "{a: 1, b: 2}", NULL, "{b: 2}");
	try_update("REMOVE x, b", "{a: 1, b: 2}", NULL, "{a: 1}");
	try_update("REMOVE a.x", "{a: {b: 1}}", NULL, "{a: {b: 1}}");
	try_update("REMOVE a.b", "{a: {b: 1}}", NULL, "{a: {}}");
	try_update("REMOVE a.b", "{}", NULL, INVALID_PATH);
	try_update("REMOVE a.b", "{a: 1}", NULL, INVALID_PATH);
	try_update("REMOVE a[0]", "{}", NULL, INVALID_PATH);
	try_update("DELETE a.b :v", "{}", "{:v: <1>}", INVALID_PATH);
	try_update("REMOVE a, b.c", NULL, NULL, "none");
	try_update("DELETE a :v", NULL, "{:v: <1>}", "none");
	try_update("REMOVE b.c SET a = :v", NULL, "{:v: 1}", "{a: 1, p: 'key'}");
}

static void test_new_item(void)
{
	try_update("SET a = :v", NULL, "{:v: 1}", "{a: 1, p: 'key'}");
	try_update("SET z = :v", NULL, "{:v: 1}", "{p: 'key', z: 1}");
	try_update("ADD n :v", NULL, "{:v: 1}", "{n: 1, p: 'key'}");
	try_update("SET a = if_not_exists(b, :v) REMOVE c", NULL, "{:v: 1}", "{a: 1, p: 'key'}");
}

/* A target of 31 steps is inside 30 containers, so a value assigned to it can have at most
 * VALUE_MAX_DEPTH - 30 levels.
 */
static void test_depth(void)
{
	static const char *const values[] = { "1", "[]", "[{a: <1>}]", "{a: [{}]}", "[[[[]]]]" };
	char item[200] = "{a: ", path[200] = "SET a", parameters[40];
	unsigned i, levels;

	for (i = 0; i < 30; i++) {
		strcat(item, "{a: ");
		strcat(path, ".a");
	}
	strcat(item, "'old'");
	for (i = 0; i <= 30; i++)
		strcat(item, "}");
	strcat(path, " = :v");
	for (levels = 0; levels < sizeof values / sizeof *values; levels++) {
		const char *found;

		snprintf(parameters, sizeof parameters, "{:v: %s}", values[levels]);
		found = trial_update(path, item, parameters);
		if (30 + levels <= VALUE_MAX_DEPTH) {
			CHECK(found[0] == '{');
		} else {
			CHECK_EQUAL_STRING(found, TOO_DEEP);
			CHECK_EQUAL_INT(trial_of_test()->failure.err, ERR_TOO_DEEP);
		}
	}
}

static void test_size(void)
{
	static char item[ITEM_MAX_BYTES + 64];
	size_t len;

	for (len = ITEM_MAX_BYTES - 4; len <= ITEM_MAX_BYTES - 3; len++) {
		memcpy(item, "{a: '", 5);
		memset(item + 5, 'x', len);
		memcpy(item + 5 + len, "'}", 3);
		/* a and the text, b and a number of 2 bytes */
		if (len + 1 + 1 + 2 <= ITEM_MAX_BYTES)
			CHECK(trial_update("SET b = :v", item, "{:v: 1}")[0] == '{');
		else
			try_update("SET b = :v", item, "{:v: 1}",
				"Item size to update has exceeded the maximum allowed size");
	}
	CHECK_EQUAL_INT(trial_of_test()->failure.err, ERR_ITEM_TOO_BIG);
}

/* A member of the list counts 2 bytes but is encoded in 1; name and list count 4. */
static void test_size_of_small_members(void)
{
	struct trial *trial = trial_of_test();
	uint32_t count, most = (ITEM_MAX_BYTES - 4) / 2;
	struct slice updated;

	for (count = most - 1; count <= most; count++) {
		struct buffer old = { 0 };
		size_t list;

		buffer_put(&old, "\1\1a", 3);
		list = container_open(&old, TYPE_L);
		memset(buffer_reserve(&old, count), TYPE_TRUE, count);
		old.len += count;
		container_close(&old, list, count);
		CHECK_EQUAL_UINT(item_size(buffer_slice(&old)), 4 + 2 * count);
		CHECK_EQUAL_INT(trial_bind(trial, EXPRESSION_UPDATE,
			slice_of_text("SET a[500000] = :v"), "{:v: true}"), 0);
		CHECK_EQUAL_INT(update_apply(&trial->update, &trial->binding, buffer_slice(&old),
			slice_of("\0", 1), &updated, &trial->failure),
			count == most ? ERR_ITEM_TOO_BIG : 0);
		buffer_release(&old);
	}
}

/* Checks the projections for UPDATED_OLD and UPDATED_NEW. */
static void check_returned(const char *text, const char *item, const char *parameters,
	const char *updated_old, const char *updated_new)
{
	struct trial *trial = trial_of_test();
	struct slice new;

	CHECK_EQUAL_INT(trial_apply(trial, text, item, parameters, &new), 0);
	buffer_clear(&trial->out);
	CHECK_EQUAL_INT(project(&trial->binding, trial_item(&trial->item, item), &trial->out), 0);
	CHECK_EQUAL_STRING(notation_print(&trial->printed, buffer_slice(&trial->out)),
		updated_old);
	buffer_clear(&trial->out);
	CHECK_EQUAL_INT(project(&trial->binding, new, &trial->out), 0);
	CHECK_EQUAL_STRING(notation_print(&trial->printed, buffer_slice(&trial->out)),
		updated_new);
}

static void test_returned(void)
{
	check_returned("SET b = :v, c = :w", "{a: 'hi', b: 'dog'}", "{:v: 'cat', :w: 1}",
		"{b: 'dog'}", "{b: 'cat', c: 1}");
	check_returned("SET b = :v", "{b: 'cat'}", "{:v: 'cat'}", "{b: 'cat'}", "{b: 'cat'}");
	check_returned("REMOVE b", "{a: 1, b: 'cat'}", NULL, "{b: 'cat'}", "{}");
	check_returned("SET a = a + :v", "{a: 1}", "{:v: 1}", "{a: 1}", "{a: 2}");
	check_returned("SET a.c[1] = :v, a.b = :w", "{a: {b: 'yo', c: [1, 7, 3]}, d: 'cat'}",
		"{:v: 8, :w: 'dog'}", "{a: {b: 'yo', c: [7]}}", "{a: {b: 'dog', c: [8]}}");
	check_returned("REMOVE a.c[1], a.c[3]", "{a: {c: [1, 3, 3]}}", NULL, "{a: {c: [3]}}",
		"{a: {c: [3]}}");
	check_returned("SET a.x = :v", "{a: {b: 1}}", "{:v: 8}", "{}", "{a: {x: 8}}");
	/* An index past the end appends the value at another index, so UPDATED_NEW does not find
	 * it. After a REMOVE the next member has the index. */
	check_returned("SET a.c[100] = :v", "{a: {c: [1, 3]}}", "{:v: 70}", "{}", "{}");
	check_returned("REMOVE a[1]", "{a: [1, 2, 70]}", NULL, "{a: [2]}", "{a: [70]}");
	check_returned("SET a = :v", NULL, "{:v: 1}", "{}", "{a: 1}");
}

/* The count of a map of 127 attributes needs one byte, that of 128 attributes two. */
static void test_wide_counts(void)
{
	struct trial *trial = trial_of_test();
	char item[4096] = "{m: {", list[4096] = "{l: [", name[16];
	struct slice updated;
	unsigned i;

	for (i = 0; i < 127; i++) {
		snprintf(name, sizeof name, "a%03u: 1,", i);
		strcat(item, name);
		strcat(list, "1,");
	}
	strcat(item, "}}");
	strcat(list, "]}");
	CHECK_EQUAL_INT(trial_apply(trial, "SET m.b = :v", item, "{:v: 1}", &updated), 0);
	CHECK(trial_condition("size(m) = :v", notation_print(&trial->printed, updated),
		"{:v: 128}")[0] == 't');
	CHECK_EQUAL_INT(trial_apply(trial, "SET l[500] = :v", list, "{:v: 1}", &updated), 0);
	CHECK(trial_condition("size(l) = :v", notation_print(&trial->printed, updated),
		"{:v: 128}")[0] == 't');
}

static void test_corrupt(void)
{
	struct trial *trial = trial_of_test();
	struct slice old, updated;
	uint8_t bytes[256];
	size_t at;

	old = notation_item(&trial->item, "{a: 1, l: [1, 2], m: {x: 1, y: 's'}, s: <1, 2>}");
	CHECK_EQUAL_INT(trial_bind(trial, EXPRESSION_UPDATE,
		slice_of_text("SET a = :v, l[1] = m.x, m.y = :v ADD s :s"), "{:v: 1, :s: <3>}"), 0);
	for (at = 0; at < old.len; at++) {
		int err;

		memcpy(bytes, old.data, old.len);
		bytes[at] = 0xff;
		err = update_apply(&trial->update, &trial->binding, slice_of(bytes, old.len),
			slice_of("\0", 1), &updated, &trial->failure);
		CHECK(err <= 0);
		CHECK(err == 0 || (trial->failure.err == err && updated.len == 0));
	}
	/* operands are read from the old item */
	CHECK_EQUAL_INT(trial_bind(trial, EXPRESSION_UPDATE, slice_of_text("SET a = :v"),
		"{:v: 1}"), 0);
	CHECK_EQUAL_INT(update_apply(&trial->update, &trial->binding, slice_of("\xff", 1),
		slice_of("\0", 1), &updated, &trial->failure), ERR_CORRUPT);
}

int main(void)
{
	test_set();
	test_all_read_the_old_item();
	test_nested();
	test_lists();
	test_remove();
	test_new_item();
	test_depth();
	test_size();
	test_size_of_small_members();
	test_returned();
	test_wide_counts();
	test_corrupt();
	return 0;
}
