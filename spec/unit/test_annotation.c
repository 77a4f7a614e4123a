/* test_annotation.c - tests of codec/annotation.h: layout, limits, and bytes that are none. */
#include "codec/annotation.h"
#include "unit/notation.h"

#define TEXT (CONTEXT_MAX_BYTES + 100)

static struct builder made;
static struct buffer bytes;

static struct slice encode(uint8_t depth, const char *origin, struct slice context)
{
	struct annotation annotation = { .depth = depth, .origin = slice_of_text(origin),
		.context = context };

	buffer_clear(&bytes);
	annotation_put(&bytes, &annotation);
	CHECK_EQUAL_INT(buffer_error(&bytes), 0);
	return buffer_slice(&bytes);
}

static void it_comes_back_as_it_was(void)
{
	static const uint8_t depths[] = { 0, 1, 16, 255 };
	static const char *const origins[] = { "", "a", "a tag ~!", "importer" };
	static const char *const contexts[] = { NULL, "{}", "{by: 'ann', why: {n: 1}}" };

	for (int i = 0; i < 4; i++)
		for (int j = 0; j < 4; j++)
			for (int k = 0; k < 3; k++) {
				struct slice context = contexts[k] ?
					notation_item(&made, contexts[k]) : slice_of(NULL, 0);
				struct slice encoded = encode(depths[i], origins[j], context);
				struct annotation again;

				if (i + j + k == 0) {
					CHECK_EQUAL_UINT(encoded.len, 0);
					continue;
				}
				CHECK_EQUAL_INT(annotation_get(&again, encoded), 0);
				CHECK_EQUAL_INT(again.depth, depths[i]);
				CHECK(slice_equal(again.origin, slice_of_text(origins[j])));
				CHECK(slice_equal(again.context, context));
				CHECK_EQUAL_INT(annotation_check(encoded), 0);
			}
}

static void a_source_comes_back(void)
{
	static const uint8_t ids[DATABASE_ID_BYTES * (PATH_MAX_IDS + 1)] = { 1, 2, 3 };
	struct annotation annotation = { .origin = slice_of_text("me"),
		.source = { .incarnation = ids + 1, .sequence = 77 } }, again;

	for (size_t count = 1; count <= PATH_MAX_IDS; count++) {
		annotation.source.path = slice_of(ids, count * DATABASE_ID_BYTES);
		buffer_clear(&bytes);
		annotation_put(&bytes, &annotation);
		CHECK_EQUAL_INT(annotation_get(&again, buffer_slice(&bytes)), 0);
		CHECK_EQUAL_INT(annotation_check(buffer_slice(&bytes)), 0);
		CHECK(slice_equal(again.source.path, annotation.source.path));
		CHECK_EQUAL_UINT(again.source.sequence, 77);
		CHECK_BYTES(again.source.incarnation, DATABASE_ID_BYTES, ids + 1,
			DATABASE_ID_BYTES);
		CHECK(slice_equal(again.origin, annotation.origin));
		for (size_t len = 0; len < bytes.len; len++)
			CHECK(annotation_get(&again, slice_of(bytes.data, len)) == ERR_CORRUPT);
	}
	CHECK(path_contains(again.source.path, ids));
	CHECK(!path_contains(again.source.path, ids + 1));
	annotation.source.path = slice_of(ids, sizeof ids);
	buffer_clear(&bytes);
	annotation_put(&bytes, &annotation);
	CHECK_EQUAL_INT(annotation_get(&again, buffer_slice(&bytes)), ERR_CORRUPT);
}

static void the_layout(void)
{
	struct slice encoded = encode(3, "me", notation_item(&made, "{a: 'x'}"));

	CHECK_BYTES(encoded.data, encoded.len, "\3\2me\1\1a\1\1x", 10);
}

static bool is_corrupt(const char *text, size_t len)
{
	struct annotation annotation;

	return annotation_get(&annotation, slice_of(text, len)) == ERR_CORRUPT &&
		annotation_check(slice_of(text, len)) == ERR_CORRUPT;
}

static void bytes_that_are_none(void)
{
	char origin[2 + ORIGIN_MAX_BYTES + 1];

	CHECK(is_corrupt("", 0));
	CHECK(is_corrupt("\1", 1));
	CHECK(is_corrupt("\0\0", 2));            /* says nothing */
	CHECK(is_corrupt("\0\3me", 4));
	CHECK(is_corrupt("\0\1\x1f", 3));
	CHECK(is_corrupt("\0\1\x7f", 3));
	CHECK(is_corrupt("\0\2\xc3\xa9", 4));
	memset(origin, 'o', sizeof origin);
	origin[0] = 0;
	origin[1] = ORIGIN_MAX_BYTES + 1;
	CHECK(is_corrupt(origin, sizeof origin));
	origin[1] = ORIGIN_MAX_BYTES;
	CHECK_EQUAL_INT(annotation_check(slice_of(origin, sizeof origin - 1)), 0);
	CHECK_EQUAL_INT(annotation_check(slice_of("\0\0\1\1a", 5)), ERR_CORRUPT);
}

/* Returns a context whose size is that of the name and this many bytes. */
static struct slice context_of_size(size_t size)
{
	static char text[TEXT];

	snprintf(text, sizeof text, "{a: '%0*d'}", (int)size - 1, 0);
	return notation_item(&made, text);
}

static void the_size_of_a_context_is_limited(void)
{
	CHECK_EQUAL_INT(annotation_check(encode(0, "", context_of_size(CONTEXT_MAX_BYTES))), 0);
	CHECK_EQUAL_INT(annotation_check(encode(0, "", context_of_size(CONTEXT_MAX_BYTES + 1))),
		ERR_CORRUPT);
}

static void what_is_refused(void)
{
	struct annotation annotation = { .origin = slice_of_text("tab\t") };
	struct failure failure = { 0 };

	CHECK_EQUAL_INT(annotation_encode(&bytes, &annotation, &failure), ERR_VALIDATION);
	CHECK_EQUAL_STRING(failure.message, "origin: expected at most 64 bytes of printable ASCII");
	annotation.origin.len--;
	annotation.context = context_of_size(CONTEXT_MAX_BYTES);
	CHECK_EQUAL_INT(annotation_encode(&bytes, &annotation, &failure), 0);
	CHECK_EQUAL_INT(annotation_check(buffer_slice(&bytes)), 0);
	annotation.context = context_of_size(CONTEXT_MAX_BYTES + 1);
	CHECK_EQUAL_INT(annotation_encode(&bytes, &annotation, &failure), ERR_VALIDATION);
	CHECK_EQUAL_STRING(failure.message, CONTEXT_TOO_LARGE);
}

int main(void)
{
	it_comes_back_as_it_was();
	a_source_comes_back();
	the_layout();
	bytes_that_are_none();
	the_size_of_a_context_is_limited();
	what_is_refused();
	builder_release(&made);
	buffer_release(&bytes);
	return 0;
}
