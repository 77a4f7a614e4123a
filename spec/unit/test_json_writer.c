/* test_json_writer.c - tests of codec/json_writer.h. */
#include "codec/json_writer.h"

#include <locale.h>

#include "base/error.h"
#include "base/memory.h"
#include "codec/builder.h"
#include "unit/check.h"

static void check_item(struct slice item, enum json_form form, const struct json_order *order,
	const char *expected)
{
	static const struct json_order none = { NULL, 0 };
	struct buffer out = { 0 };

	CHECK_EQUAL_INT(json_put_item(&out, item, form, order ? order : &none), 0);
	CHECK_BYTES(out.data, out.len, expected, strlen(expected));
	buffer_release(&out);
}

static void put_number(struct builder *builder, const char *text)
{
	struct number number;

	CHECK_EQUAL_INT(number_parse(&number, slice_of_text(text)), 0);
	builder_number(builder, number_slice(&number));
}

static void put_set(struct builder *builder, const char *name, enum type type)
{
	builder_name(builder, slice_of_text(name));
	builder_open(builder, type);
	if (type == TYPE_NS) {
		put_number(builder, "1.5");
		put_number(builder, "-2");
	} else if (type == TYPE_SS) {
		builder_string(builder, slice_of_text("y"));
		builder_string(builder, slice_of_text("x\n"));
	} else {
		builder_binary(builder, slice_of("\0", 1));
	}
	builder_close(builder);
}

static struct slice all_types(struct builder *builder)
{
	struct slice item;

	builder_start(builder);
	builder_name(builder, slice_of_text("s"));
	builder_string(builder, slice_of_text("text"));
	builder_name(builder, slice_of_text("n"));
	put_number(builder, "-12.50");
	builder_name(builder, slice_of_text("b"));
	builder_binary(builder, slice_of_text("hello"));
	builder_name(builder, slice_of_text("t"));
	builder_bool(builder, true);
	builder_name(builder, slice_of_text("f"));
	builder_bool(builder, false);
	builder_name(builder, slice_of_text("z"));
	builder_null(builder);
	builder_name(builder, slice_of_text("m"));
	builder_open(builder, TYPE_M);
	builder_name(builder, slice_of_text("s"));
	builder_null(builder);
	builder_name(builder, slice_of_text("a"));
	builder_open(builder, TYPE_L);
	builder_close(builder);
	builder_close(builder);
	put_set(builder, "ss", TYPE_SS);
	put_set(builder, "ns", TYPE_NS);
	put_set(builder, "bs", TYPE_BS);
	CHECK_EQUAL_INT(builder_finish(builder, &item), 0);
	return item;
}

static void test_types(void)
{
	const struct slice names[] = { slice_of_text("t"), slice_of_text("s"), slice_of_text("x") };
	const struct json_order order = { names, 3 };
	struct builder builder = { 0 };
	struct slice item = all_types(&builder);

	check_item(item, JSON_PLAIN, NULL, "{\"b\":{\"$B\":\"aGVsbG8=\"},"
		"\"bs\":{\"$BS\":[\"AA==\"]},"
		"\"f\":false,\"m\":{\"a\":[],\"s\":null},\"n\":-12.5,\"ns\":{\"$NS\":[-2,1.5]},"
		"\"s\":\"text\",\"ss\":{\"$SS\":[\"x\\n\",\"y\"]},\"t\":true,\"z\":null}");
	check_item(item, JSON_TYPED, &order, "{\"t\":{\"BOOL\":true},\"s\":{\"S\":\"text\"},"
		"\"b\":{\"B\":\"aGVsbG8=\"},\"bs\":{\"BS\":[\"AA==\"]},\"f\":{\"BOOL\":false},"
		"\"m\":{\"M\":{\"s\":{\"NULL\":true},\"a\":{\"L\":[]}}},\"n\":{\"N\":\"-12.5\"},"
		"\"ns\":{\"NS\":[\"-2\",\"1.5\"]},\"ss\":{\"SS\":[\"x\\n\",\"y\"]},"
		"\"z\":{\"NULL\":true}}");
	check_item(slice_of("\0", 1), JSON_PLAIN, NULL, "{}");
	builder_release(&builder);
}

/* A map whose only name is a mark gets one more $; an item does not. */
static void test_marks(void)
{
	static const char *const marks[] = { "$B", "$$SS", "$$$NS", "$BS" };
	static const char *const others[] = { "B", "$", "$N", "$SB", "a$B", "$B$", "$BSS", "" };
	struct builder builder = { 0 };
	char expected[64];
	struct slice item;

	for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
		CHECK(json_is_mark(slice_of_text(marks[i])));
		builder_start(&builder);
		builder_name(&builder, slice_of_text(marks[i]));
		builder_open(&builder, TYPE_M);
		builder_name(&builder, slice_of_text(marks[i]));
		builder_null(&builder);
		builder_close(&builder);
		CHECK_EQUAL_INT(builder_finish(&builder, &item), 0);
		snprintf(expected, sizeof expected, "{\"%s\":{\"$%s\":null}}", marks[i], marks[i]);
		check_item(item, JSON_PLAIN, NULL, expected);
	}
	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		CHECK(!json_is_mark(slice_of_text(others[i])));
	builder_release(&builder);
}

static void check_string(const char *text, size_t len, const char *expected)
{
	struct buffer out = { 0 };

	CHECK_EQUAL_INT(json_put_string(&out, slice_of(text, len)), 0);
	CHECK_BYTES(out.data, out.len, expected, strlen(expected));
	buffer_release(&out);
}

static void test_strings(void)
{
	static const char escaped[] = "\"\\\"\\\\\\b\\f\\n\\r\\t\\u0000\\u001f\\u007f/\"";
	char text[40];

	check_string("\"\\\b\f\n\r\t\0\x1f\x7f/", 11, escaped);
	check_string("\xc2\x80\xc2\x9f\xc2\xa0", 6, "\"\\u0080\\u009f\xc2\xa0\"");
	check_string("\xd8\x9c\xe2\x80\x8b\xe2\x80\x8f\xe2\x80\x90", 11,
		"\"\\u061c\\u200b\\u200f\xe2\x80\x90\"");
	check_string("\xe2\x80\xa8\xe2\x80\xae\xe2\x80\xaf\xe2\x81\xa0\xef\xbb\xbf", 15,
		"\"\\u2028\\u202e\xe2\x80\xaf\\u2060\\ufeff\"");
	check_string("\xf0\x9f\x8c\x8a", 4, "\"\xf0\x9f\x8c\x8a\"");
	/* not UTF-8: cut at the end of the string */
	check_string("\xe2\x80", 2, "\"\xe2\x80\"");
	check_string("\xf0", 1, "\"\xf0\"");
	/* each position of a word of 8 bytes */
	for (size_t at = 0; at < 16; at++) {
		memset(text, 'x', 16);
		text[at] = '\n';
		memset(text + 16, 0, sizeof text - 16);
		char expected[40] = "\"";
		memset(expected + 1, 'x', 17);
		expected[1 + at] = '\\';
		expected[2 + at] = 'n';
		expected[18] = '"';
		check_string(text, 16, expected);
	}
}

/* A string of several pieces, with a character of three bytes at each end of a piece. */
static void test_long_string(void)
{
	struct buffer text = { 0 }, out = { 0 };

	for (unsigned shift = 0; shift < 3; shift++) {
		buffer_clear(&text);
		buffer_clear(&out);
		buffer_put(&text, "abc", shift);
		for (int i = 0; i < 3000; i++)
			buffer_put(&text, "\xe6\xbc\xa2", 3);
		CHECK_EQUAL_INT(json_put_string(&out, buffer_slice(&text)), 0);
		CHECK_BYTES(out.data + 1, out.len - 2, text.data, text.len);
		CHECK(out.cap <= 4 * text.len);
	}
	buffer_release(&text);
	buffer_release(&out);
}

static void test_integers(void)
{
	static const struct {
		int64_t n;
		const char *text;
	} cases[] = {
		{ 0, "0" }, { -1, "-1" }, { INT64_MAX, "9223372036854775807" },
		{ INT64_MIN, "-9223372036854775808" },
	};
	struct buffer out = { 0 };

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		buffer_clear(&out);
		CHECK_EQUAL_INT(json_put_integer(&out, cases[i].n), 0);
		CHECK_BYTES(out.data, out.len, cases[i].text, strlen(cases[i].text));
	}
	buffer_release(&out);
}

static void test_damage(void)
{
	static const struct json_order none = { NULL, 0 };
	static const uint8_t damaged[] = { 1, 1, 'a', TYPE_M, 0, 0, 0, 2, 1 };
	struct buffer out = { 0 };

	CHECK_EQUAL_INT(json_put_item(&out, slice_of(damaged, sizeof damaged), JSON_PLAIN, &none),
		ERR_CORRUPT);
	buffer_clear(&out);
	CHECK_EQUAL_INT(json_put_item(&out, slice_of(damaged, 0), JSON_TYPED, &none),
		ERR_CORRUPT);
	buffer_release(&out);
}

/* The result does not depend on the locale, for example on its decimal comma. */
static void test_locale(void)
{
	if (setlocale(LC_ALL, "de_DE.UTF-8") || setlocale(LC_ALL, "de_DE"))
		test_types();
	else
		printf("skipped: no locale de_DE\n");
	setlocale(LC_ALL, "C");
}

static void test_memory(void)
{
	static const struct json_order none = { NULL, 0 };
	struct builder builder = { 0 };
	struct slice item = all_types(&builder);
	long allowed = 0;
	int err;

	do {
		struct buffer out = { 0 };

		memory_fail_after(allowed++);
		err = json_put_item(&out, item, JSON_TYPED, &none);
		memory_fail_after(-1);
		CHECK_EQUAL_INT(err, memory_was_refused() ? ERR_NO_MEMORY : 0);
		buffer_release(&out);
	} while (err);
	CHECK(allowed > 2);
	builder_release(&builder);
}

int main(void)
{
	test_types();
	test_marks();
	test_strings();
	test_long_string();
	test_integers();
	test_damage();
	test_locale();
	test_memory();
	return 0;
}
