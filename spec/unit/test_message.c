/* test_message.c - tests of expr/message.h. */
#include "expr/message.h"

#include "codec/value.h"
#include "unit/check.h"

static void check_quote(const char *text, size_t len, const char *expected)
{
	CHECK_EQUAL_STRING(quote_of(slice_of(text, len)).text, expected);
}

static void test_quotes(void)
{
	char text[2 * QUOTE_BYTES];
	struct quote quote;
	size_t len;

	check_quote("", 0, "");
	check_quote("a b", 3, "a b");
	check_quote("a\0b", 3, "a?b");
	check_quote("\xc3\xa9\xff\xc3", 4, "\xc3\xa9??");
	check_quote("\xf0\x9f\x8c\x8a", 4, "\xf0\x9f\x8c\x8a");
	for (len = QUOTE_BYTES - 4; len < sizeof text - 4; len++) {
		memset(text, 'x', len);
		memcpy(text + len, "\xf0\x9f\x8c\x8a", 4);
		quote = quote_of(slice_of(text, len + 4));
		CHECK(strlen(quote.text) <= QUOTE_BYTES);
		CHECK(is_utf8(slice_of_text(quote.text)));
	}
}

int main(void)
{
	struct failure failure;

	test_quotes();
	CHECK_EQUAL_INT(expression_fail(&failure, EXPRESSION_KEY_CONDITION, "%s %d", "x", 5),
		ERR_VALIDATION);
	CHECK_EQUAL_STRING(failure.message, "Invalid KeyConditionExpression: x 5");
	CHECK_EQUAL_INT(failure.err, ERR_VALIDATION);
	CHECK_EQUAL_INT(expression_fail(NULL, EXPRESSION_UPDATE, "x"), ERR_VALIDATION);
	return 0;
}
