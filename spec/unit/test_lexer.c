/* test_lexer.c - tests of expr/lexer.h. */
#include "expr/lexer.h"

#include "unit/check.h"

/* Returns the kinds of the tokens of a text as letters, without END. */
static const char *kinds(const char *text)
{
	static const char letters[] = "eW#:?9()[],.+-=!<l>g*";
	static struct token tokens[EXPRESSION_BYTES_MAX + 1];
	static char out[EXPRESSION_BYTES_MAX + 1];
	unsigned i, count = lexer_split(slice_of_text(text), tokens);

	for (i = 0; i + 1 < count; i++)
		out[i] = letters[tokens[i].kind];
	out[i] = '\0';
	CHECK_EQUAL_INT(tokens[i].kind, TOKEN_END);
	CHECK(tokens[i].start <= strlen(text) && tokens[i].len == 0);
	return out;
}

static void test_kinds(void)
{
	CHECK_EQUAL_STRING(kinds(""), "");
	CHECK_EQUAL_STRING(kinds(" \t\r\n"), "");
	CHECK_EQUAL_STRING(kinds("a.b[12].#c"), "W.W[9].#");
	CHECK_EQUAL_STRING(kinds("a_1=:v AND b<>?"), "W=:WW!?");
	CHECK_EQUAL_STRING(kinds("<<=>>=<>==+-,()"), "<l>g!==+-,()");
	CHECK_EQUAL_STRING(kinds("12a"), "9W");
	CHECK_EQUAL_STRING(kinds("_a"), "*W");
	CHECK_EQUAL_STRING(kinds("#"), "*");
	CHECK_EQUAL_STRING(kinds(": :1 :_ #0"), "*::#");
	CHECK_EQUAL_STRING(kinds("#a#b:c:d"), "##::");
	CHECK_EQUAL_STRING(kinds("a!b@c\"d'"), "W*W*W*W*");
	CHECK_EQUAL_STRING(kinds("\v\f"), "**");
	/* a UTF-8 character is one token, other bytes are one token each */
	CHECK_EQUAL_STRING(kinds("\xc3\xa9\xf0\x9f\x8c\x8a"), "**");
	CHECK_EQUAL_STRING(kinds("\xc3\xf0\x9f\x8c"), "****");
	CHECK_EQUAL_STRING(kinds("\xff"), "*");
}

static void test_places(void)
{
	struct token tokens[16];
	struct slice text = slice_of_text(" ab <= :v1 ");

	CHECK_EQUAL_UINT(lexer_split(text, tokens), 4);
	CHECK(slice_equal(token_text(text, tokens[0]), slice_of_text("ab")));
	CHECK(slice_equal(token_text(text, tokens[1]), slice_of_text("<=")));
	CHECK(slice_equal(token_text(text, tokens[2]), slice_of_text(":v1")));
	CHECK_EQUAL_UINT(tokens[3].start, text.len);
}

static void test_keywords(void)
{
	static const char *const words[] = { "And", "OR", "nOt", "in", "BETWEEN", "set", "Remove",
		"add", "DELETE" };
	struct token tokens[4];
	unsigned i;

	for (i = 0; i < 9; i++) {
		lexer_split(slice_of_text(words[i]), tokens);
		CHECK_EQUAL_INT(tokens[0].keyword, KEYWORD_AND + i);
	}
	lexer_split(slice_of_text("ands"), tokens);
	CHECK_EQUAL_INT(tokens[0].keyword, KEYWORD_NONE);
	lexer_split(slice_of_text("#in"), tokens);
	CHECK_EQUAL_INT(tokens[0].keyword, KEYWORD_NONE);
}

/* Any bytes: tokens ascend and do not overlap. */
static void test_any_bytes(void)
{
	static struct token tokens[EXPRESSION_BYTES_MAX + 1];
	uint8_t text[EXPRESSION_BYTES_MAX];
	uint64_t runs = check_runs(300);
	size_t len, end;
	unsigned i, count;

	while (runs-- > 0) {
		len = check_random_below(EXPRESSION_BYTES_MAX + 1);
		check_random_bytes(text, len);
		count = lexer_split(slice_of(text, len), tokens);
		CHECK(count <= len + 1);
		for (i = 0, end = 0; i + 1 < count; i++) {
			CHECK(tokens[i].start >= end && tokens[i].len > 0);
			end = tokens[i].start + (size_t)tokens[i].len;
			CHECK(end <= len);
		}
	}
}

static void test_placeholders(void)
{
	CHECK(is_placeholder(slice_of_text("#a"), '#'));
	CHECK(is_placeholder(slice_of_text(":_9Z"), ':'));
	CHECK(!is_placeholder(slice_of_text(":a"), '#'));
	CHECK(!is_placeholder(slice_of_text("#"), '#'));
	CHECK(!is_placeholder(slice_of_text(""), '#'));
	CHECK(!is_placeholder(slice_of_text("#a-b"), '#'));
	CHECK(!is_placeholder(slice_of_text("a"), '#'));
}

int main(void)
{
	test_kinds();
	test_places();
	test_keywords();
	test_any_bytes();
	test_placeholders();
	return 0;
}
