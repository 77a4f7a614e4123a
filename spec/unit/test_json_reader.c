/* test_json_reader.c - tests of codec/json_reader.h.
 *
 * spec/model/json_spec.lua compares it with a reader in Lua, which includes the texts and paths of
 * errors.
 */
#include "codec/json_reader.h"

#include <locale.h>

#include "base/error.h"
#include "base/memory.h"
#include "unit/check.h"
#include "unit/document.h"

#define ROUNDS 2000
#define NAMES 20000

static struct json_reader reader;
static const struct json_order none = { NULL, 0 };

static void refuses(enum json_form form, const char *json, enum json_defect defect,
	const char *path, const char *reason)
{
	struct slice item;

	CHECK_EQUAL_INT(json_read_item(&reader, slice_of_text(json), 0, NULL, form, &item),
		ERR_VALIDATION);
	CHECK_EQUAL_INT(reader.defect, defect);
	CHECK_BYTES(reader.fault.reason.data, reader.fault.reason.len, reason, strlen(reason));
	CHECK_BYTES(reader.path.data, reader.path.len, path, strlen(path));
}

/* The text is read as an item that is written as `again`. */
static void reads(enum json_form form, const char *json, const char *again)
{
	struct buffer out = { 0 };
	struct slice item;

	CHECK_EQUAL_INT(json_read_item(&reader, slice_of_text(json), 0, NULL, form, &item), 0);
	CHECK_EQUAL_INT(map_check(item), 0);
	CHECK_EQUAL_INT(json_put_item(&out, item, form, &none), 0);
	CHECK_BYTES(out.data, out.len, again, strlen(again));
	buffer_release(&out);
}

static void test_values(void)
{
	reads(JSON_PLAIN, " { } ", "{}");
	reads(JSON_PLAIN, "{\"b\":1,\"a\":[true,false,null,\"x\",{}]}",
		"{\"a\":[true,false,null,\"x\",{}],\"b\":1}");
	reads(JSON_PLAIN, "{\"a\":{\"\\u0024B\":\"AA\\u003d=\"}}", "{\"a\":{\"$B\":\"AA==\"}}");
	reads(JSON_PLAIN, "{\"a\":{\"$$B\":{\"$$$SS\":1}}}", "{\"a\":{\"$$B\":{\"$$$SS\":1}}}");
	reads(JSON_PLAIN, "{\"a\":{\"$B\":1,\"b\":2}}", "{\"a\":{\"$B\":1,\"b\":2}}");
	reads(JSON_PLAIN, "{\"$SS\":1}", "{\"$SS\":1}");
	reads(JSON_PLAIN, "{\"a\":[-0,1e3,1.50,12345678901234567890]}",
		"{\"a\":[0,1000,1.5,12345678901234567890]}");
	reads(JSON_TYPED, "{\"a\":{\"N\":\"+.5E1\"},\"b\":{\"B\":\"\"},\"c\":{\"NULL\":true}}",
		"{\"a\":{\"N\":\"5\"},\"b\":{\"B\":\"\"},\"c\":{\"NULL\":true}}");
	reads(JSON_TYPED, "{\"a\":{\"NS\":[\"2\",\"01\"]}}", "{\"a\":{\"NS\":[\"1\",\"2\"]}}");
}

static void test_refusals(void)
{
	refuses(JSON_PLAIN, "[]", JSON_MISFIT, "", "expected an object, got an array");
	refuses(JSON_TYPED, "{\"a\":{\"L\":[{\"S\":5}]}}", JSON_MISFIT, "a[1]",
		"expected a string, got a number");
	refuses(JSON_TYPED, "{\"a\":{\"S\":5,\"N\":1}}", JSON_INVALID, "a",
		"Supplied AttributeValue has more than one datatypes set, must contain exactly one "
		"of the supported datatypes");
	refuses(JSON_TYPED, "{\"\\u0061\":{\"\\u0061\":\"x\"}}", JSON_MISFIT, "a",
		"unknown type \"a\"");
	refuses(JSON_TYPED, "{\"\\u0061\":{\"N\":\"\\u0061\"}}", JSON_INVALID, "a",
		"The parameter cannot be converted to a numeric value: a");
	refuses(JSON_PLAIN, "{\"a\":{\"$SS\":[\"b\",\"a\",\"\\u0062\"]}}", JSON_INVALID, "a",
		"One or more parameter values were invalid: Input collection [b, a, b] contains "
		"duplicates.");
	/* a text that is not JSON is refused as that */
	refuses(JSON_TYPED, "{\"a\":{\"S\":5},}", JSON_MALFORMED, "",
		"expected a name in double quotes, got '}'");
	refuses(JSON_PLAIN, "{\"a\":{\"b\":1,\"b\":2}}", JSON_MALFORMED, "",
		"duplicate name \"b\"");
	refuses(JSON_PLAIN, "{} x", JSON_MALFORMED, "", "expected the end, got \"x\"");
}

static void nest(struct buffer *json, int levels)
{
	buffer_clear(json);
	json_put_text(json, "{\"a\":");
	for (int i = 0; i < levels; i++)
		buffer_put_u8(json, '[');
	for (int i = 0; i < levels; i++)
		buffer_put_u8(json, ']');
	buffer_put_u8(json, '}');
	buffer_put_u8(json, 0);
}

static void test_limits(void)
{
	struct buffer json = { 0 };
	struct slice item;
	char path[4 * VALUE_MAX_DEPTH + 2] = "a";

	nest(&json, VALUE_MAX_DEPTH);
	reads(JSON_PLAIN, (char *)json.data, (char *)json.data);
	nest(&json, VALUE_MAX_DEPTH + 1);
	for (int i = 0; i < VALUE_MAX_DEPTH; i++)
		strcat(path, "[1]");
	refuses(JSON_PLAIN, (char *)json.data, JSON_INVALID, path, error_text(ERR_TOO_DEEP));
	refuses(JSON_PLAIN, "{\"\":1}", JSON_INVALID, "", error_text(ERR_EMPTY_NAME));
	buffer_clear(&json);
	json_put_text(&json, "{\"a\":\"");
	for (int i = 0; i < ITEM_MAX_BYTES; i++)
		buffer_put_u8(&json, 'x');
	json_put_text(&json, "\"}");
	buffer_put_u8(&json, 0);
	refuses(JSON_PLAIN, (char *)json.data, JSON_INVALID, "", error_text(ERR_ITEM_TOO_BIG));
	buffer_release(&json);
	CHECK_EQUAL_INT(json_read_item(&reader, slice_of("{}", (size_t)JSON_TEXT_MAX + 1), 0, NULL,
		JSON_PLAIN, &item), ERR_VALIDATION);
}

static void test_several(void)
{
	struct slice text = slice_of_text(" {\"a\":1} \n{\"b\":2}x"), item;
	size_t end;

	CHECK_EQUAL_INT(json_read_item(&reader, text, 0, &end, JSON_PLAIN, &item), 0);
	CHECK_EQUAL_UINT(end, 10);
	CHECK_EQUAL_INT(json_read_item(&reader, text, end, &end, JSON_PLAIN, &item), 0);
	CHECK_EQUAL_UINT(end, 17);
	CHECK_EQUAL_INT(json_read_item(&reader, text, end, &end, JSON_PLAIN, &item),
		ERR_VALIDATION);
	CHECK_EQUAL_UINT(reader.fault.at, 17);
}

/* Any item is read back from both forms with the same bytes. */
static void test_random(void)
{
	static struct document document;
	struct builder builder = { 0 };
	struct buffer out = { 0 };
	struct slice item, again;

	for (uint64_t round = check_runs(ROUNDS); round > 0; round--) {
		enum json_form form = round % 2 ? JSON_PLAIN : JSON_TYPED;

		document_random(&document);
		CHECK_EQUAL_INT(document_build(&builder, &document, &item), 0);
		buffer_clear(&out);
		CHECK_EQUAL_INT(json_put_item(&out, item, form, &none), 0);
		CHECK_EQUAL_INT(json_read_item(&reader, buffer_slice(&out), 0, NULL, form, &again),
			0);
		CHECK_BYTES(again.data, again.len, item.data, item.len);
	}
	buffer_release(&out);
	builder_release(&builder);
}

/* Many names with equal beginnings, in descending order. */
static void test_many_names(void)
{
	struct buffer json = { 0 };
	struct slice item;
	char name[64];

	for (int twice = 0; twice < 2; twice++) {
		buffer_clear(&json);
		for (int i = 0; i < NAMES; i++) {
			snprintf(name, sizeof name, "%c\"aaaaaaa%06d\":1", i ? ',' : '{',
				NAMES - (twice && i == NAMES - 1 ? 0 : i));
			json_put_text(&json, name);
		}
		buffer_put_u8(&json, '}');
		CHECK_EQUAL_INT(json_read_item(&reader, buffer_slice(&json), 0, NULL, JSON_PLAIN,
			&item), twice ? ERR_VALIDATION : 0);
	}
	CHECK_EQUAL_UINT(reader.fault.at, json.len - 18);
	buffer_release(&json);
}

static void test_locale(void)
{
	if (setlocale(LC_ALL, "de_DE.UTF-8") || setlocale(LC_ALL, "de_DE"))
		test_values();
	else
		printf("skipped: no locale de_DE\n");
	setlocale(LC_ALL, "C");
}

static void fail_each(enum json_form form, const char *json, int expected)
{
	long allowed = 0;
	int err;

	do {
		struct json_reader one = { 0 };
		struct slice item;

		memory_fail_after(allowed++);
		err = json_read_item(&one, slice_of_text(json), 0, NULL, form, &item);
		memory_fail_after(-1);
		CHECK_EQUAL_INT(err, memory_was_refused() ? ERR_NO_MEMORY : expected);
		json_reader_release(&one);
	} while (err == ERR_NO_MEMORY);
	CHECK(allowed > 2);
}

static void test_memory(void)
{
	fail_each(JSON_PLAIN, "{\"b\":\"\\n\",\"a\":{\"$B\":\"AA==\"}}", 0);
	fail_each(JSON_TYPED, "{\"b\":{\"S\":5}}", ERR_VALIDATION);
	fail_each(JSON_TYPED, "{\"b\":{\"SS\":[\"\\n\",\"\\n\"]}}", ERR_VALIDATION);
	fail_each(JSON_TYPED, "{\"b\":{\"N\":\"\\n\"}}", ERR_VALIDATION);
	fail_each(JSON_TYPED, "{\"b\":{\"\\n\":\"\"}}", ERR_VALIDATION);
	fail_each(JSON_PLAIN, "{\"b\":1,\"b\":2}", ERR_VALIDATION);
}

int main(void)
{
	test_values();
	test_refusals();
	test_limits();
	test_several();
	test_random();
	test_many_names();
	test_locale();
	test_memory();
	json_reader_release(&reader);
	return 0;
}
