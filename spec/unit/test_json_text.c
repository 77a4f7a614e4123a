/* test_json_text.c - tests of codec/json_text.h. */
#include "codec/json_text.h"

#include "base/error.h"
#include "base/memory.h"
#include "unit/check.h"

#define NAMES 200000

static void check_text(const char *json, size_t len, const char *reason, size_t at)
{
	struct json_fault fault = { 0 };
	int err = json_check(slice_of(json, len), 0, NULL, &fault);

	CHECK_EQUAL_INT(err, reason ? ERR_VALIDATION : 0);
	if (reason) {
		CHECK_BYTES(fault.reason.data, fault.reason.len, reason, strlen(reason));
		CHECK_EQUAL_UINT(fault.at, at);
	}
	buffer_release(&fault.reason);
}

static void accepts(const char *json)
{
	check_text(json, strlen(json), NULL, 0);
}

static void refuses(const char *json, const char *reason, size_t at)
{
	check_text(json, strlen(json), reason, at);
}

static void test_values(void)
{
	accepts("null");
	accepts(" \t\r\n[] ");
	accepts("{\"\":[true,false,null,0,-0,1.5,-1e5,1E+5,1e-5,\"\"]}");
	accepts("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0000\\u00e9\\ud83c\\udf0a\xc3\xa9\"");
	accepts("[99999999999999999999999999999999999999,1e125,1e-130]");
	refuses("", "expected a value, got the end", 0);
	refuses("nul", "expected a value, got \"nul\"", 0);
	refuses("nulls", "expected a value, got \"nulls\"", 0);
	refuses("abcdefghijklmnopqrstuvwxyz", "expected a value, got \"abcdefghijklmnopqrst...\"",
		0);
	refuses("[1 2]", "expected ',' or ']', got \"2\"", 3);
	refuses("[1,]", "expected a value, got ']'", 3);
	refuses("{\"a\":1", "expected ',' or '}', got the end", 6);
	refuses("{\"a\"}", "expected ':', got '}'", 4);
	refuses("{a:1}", "expected a name in double quotes, got \"a\"", 1);
	refuses("[1] \xc3\xa9", "expected the end, got '\xc3\xa9'", 4);
	refuses("[\x7f]", "expected a value, got a control character (127)", 1);
	check_text("\0", 1, "expected a value, got a control character (0)", 0);
}

static void test_numbers(void)
{
	refuses("[01]", "invalid number", 1);
	refuses("-", "invalid number", 0);
	refuses("1.", "invalid number: expected a digit after the point", 0);
	refuses("1e+", "invalid number: expected a digit after the e", 0);
	refuses("1e126", error_text(ERR_NUMBER_OVERFLOW), 0);
	refuses("1e-131", error_text(ERR_NUMBER_UNDERFLOW), 0);
	refuses("1e99999999999999999999", error_text(ERR_NUMBER_OVERFLOW), 0);
	refuses("123456789012345678901234567890123456789", error_text(ERR_NUMBER_DIGITS), 0);
}

static void test_strings(void)
{
	refuses("\"a", "unterminated string", 0);
	refuses("\"a\\", "invalid escape: \\ and the end", 2);
	refuses("\"\\x\"", "invalid escape: \\ and \"x\"", 1);
	refuses("\"\\u12g4\"",
		"invalid escape: expected four hexadecimal digits after \\u", 1);
	refuses("\"\\u123", "invalid escape: expected four hexadecimal digits after \\u", 1);
	refuses("\"\\ud800\"", "\\ud800: unpaired surrogate", 1);
	refuses("\"\\udC00\"", "\\udC00: unpaired surrogate", 1);
	refuses("\"\\ud800\\ud800\"", "\\ud800: unpaired surrogate", 1);
	refuses("\"a\nb\"", "a control character (10) in a string must be escaped", 2);
	refuses("[\"\xc3\xa9\xff\"]", "invalid UTF-8", 4);
	refuses("\"\xed\xa0\x80\"", "invalid UTF-8", 1);
	refuses("1 \xc3", "invalid UTF-8", 2);
}

static void test_duplicates(void)
{
	refuses("{\"a\":1,\"a\":2}", "duplicate name \"a\"", 7);
	refuses("{\"a\":1,\"\\u0061\":2}", "duplicate name \"a\"", 7);
	refuses("{\"\xc3\xa9\":1,\"\\u00E9\":2}", "duplicate name \"\xc3\xa9\"", 8);
	refuses("{\"\\ud83c\\udf0a\":1,\"\xf0\x9f\x8c\x8a\":2}",
		"duplicate name \"\xf0\x9f\x8c\x8a\"", 18);
	refuses("{\"\\n\\u0001\\\"\":1,\"\\n\\u0001\\\"\":2}",
		"duplicate name \"\\\n\\1\\\"\"", 16);
	refuses("{\"\\u00019\":1,\"\\u00019\":2}", "duplicate name \"\\0019\"", 13);
	/* the first one of the text, also if another defect follows */
	refuses("{\"b\":1,\"a\":{\"c\":1,\"c\":2},\"b\":3}", "duplicate name \"c\"", 18);
	refuses("{\"b\":1,\"b\":{\"c\":1,\"c\":2}}", "duplicate name \"b\"", 7);
	refuses("{\"b\":1,\"b\":[{\"c\":x", "duplicate name \"b\"", 7);
	accepts("[{\"a\":1},{\"a\":{\"a\":1}}]");
}

static void test_depth(void)
{
	char json[2 * JSON_DEPTH_MAX + 1];

	memset(json, '[', JSON_DEPTH_MAX);
	memset(json + JSON_DEPTH_MAX, ']', JSON_DEPTH_MAX);
	check_text(json, 2 * JSON_DEPTH_MAX, NULL, 0);
	json[2 * JSON_DEPTH_MAX - 1] = '[';
	memset(json, '[', JSON_DEPTH_MAX + 1);
	check_text(json, 2 * JSON_DEPTH_MAX, "more than 100 nested levels", JSON_DEPTH_MAX);
}

static void test_length(void)
{
	struct json_fault fault = { 0 };

	CHECK_EQUAL_INT(json_check(slice_of("[]", (size_t)JSON_TEXT_MAX + 1), 0, NULL, &fault),
		ERR_VALIDATION);
	CHECK_BYTES(fault.reason.data, fault.reason.len, "more than 2147483647 bytes", 26);
	buffer_release(&fault.reason);
}

/* Names in an order that is bad for many sorts, with equal beginnings; the last one is a
 * duplicate. The test would run for hours if the time were quadratic. */
static void test_many_names(void)
{
	struct buffer json = { 0 };
	struct json_fault fault = { 0 };
	char name[64];

	buffer_put_u8(&json, '{');
	for (unsigned i = 0; i < NAMES; i++) {
		snprintf(name, sizeof name, "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaa%06u\":1,",
			i % 2 ? NAMES - i : i);
		json_put_text(&json, name);
	}
	json_put_text(&json, "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaa000000\":1}");
	CHECK_EQUAL_INT(json_check(buffer_slice(&json), 0, NULL, &fault), ERR_VALIDATION);
	CHECK_EQUAL_UINT(fault.at, json.len - 39);
	buffer_release(&json);
	buffer_release(&fault.reason);
}

static void test_ends(void)
{
	static const char text[] = " {\"a\":\"}\\\"]\"} [1,[2]]x,";
	const uint8_t *start = (const uint8_t *)text, *end = start + strlen(text);
	struct json_fault fault = { 0 };
	size_t after;

	CHECK_EQUAL_INT(json_value_end(start + 1, end) - start, 13);
	CHECK_EQUAL_INT(json_value_end(start + 14, end) - start, 21);
	CHECK_EQUAL_INT(json_value_end(start + 21, end) - start, 22);
	CHECK(json_value_end(start + 1, end - 12) == NULL);
	CHECK(json_value_end(start + 6, start + 10) == NULL);
	CHECK_EQUAL_INT(json_check(slice_of_text(text), 0, &after, &fault), 0);
	CHECK_EQUAL_UINT(after, 14);
	CHECK_EQUAL_INT(json_check(slice_of_text(text), 14, &after, &fault), 0);
	CHECK_EQUAL_UINT(after, 21);
}

static void test_places(void)
{
	struct slice text = slice_of_text("a\n\xc3\xa9" "b\n");
	uint64_t line, column;

	json_place(text, 0, &line, &column);
	CHECK(line == 1 && column == 1);
	json_place(text, 4, &line, &column);
	CHECK(line == 2 && column == 2);
	json_place(text, 6, &line, &column);
	CHECK(line == 3 && column == 1);
	json_place(text, 100, &line, &column);
	CHECK(line == 3 && column == 1);
}

/* Each allocation fails once; then the text is refused for want of memory, not as invalid. */
static void test_memory(void)
{
	static const char text[] = "{\"a\":1,\"b\":2,\"\\u0061\":3}";
	long allowed = 0;
	int err;

	do {
		struct json_fault fault = { 0 };

		memory_fail_after(allowed++);
		err = json_check(slice_of_text(text), 0, NULL, &fault);
		memory_fail_after(-1);
		CHECK_EQUAL_INT(err, memory_was_refused() ? ERR_NO_MEMORY : ERR_VALIDATION);
		buffer_release(&fault.reason);
	} while (err == ERR_NO_MEMORY);
	CHECK(allowed > 2);
}

int main(void)
{
	test_values();
	test_numbers();
	test_strings();
	test_duplicates();
	test_depth();
	test_length();
	test_many_names();
	test_ends();
	test_places();
	test_memory();
	return 0;
}
