/* test_error.c - every failure has its words, and a failure keeps them whole. */
#include "base/error.h"

#include "check.h"

struct row {
	int err;
	const char *name, *code, *exception, *text;
};

static const struct row rows[] = {
#define ROW(name, number, code, exception, text) { ERR_##name, #name, code, exception, text },
	ERROR_MAP(ROW)
#undef ROW
};

#define ROWS (sizeof rows / sizeof *rows)

static void every_error_has_its_words(void)
{
	size_t i;

	for (i = 0; i < ROWS; i++) {
		CHECK(rows[i].err < 0);
		CHECK_EQUAL_STRING(error_code(rows[i].err), rows[i].code);
		CHECK_EQUAL_STRING(error_exception(rows[i].err), rows[i].exception);
		CHECK_EQUAL_STRING(error_text(rows[i].err), rows[i].text);
		CHECK(rows[i].text[0] && rows[i].text[strlen(rows[i].text) - 1] != '.');
	}
}

/* A code is the name, or VALIDATION for what DynamoDB calls so. */
static void numbers_and_codes_are_told_apart(void)
{
	size_t i, k;

	for (i = 0; i < ROWS; i++) {
		CHECK(strcmp(rows[i].code, rows[i].name) == 0 ||
			strcmp(rows[i].code, "VALIDATION") == 0);
		for (k = 0; k < i; k++)
			CHECK(rows[i].err != rows[k].err);
	}
}

static void an_unknown_number_is_answered(void)
{
	CHECK_EQUAL_STRING(error_code(-9999), "STORE");
	CHECK_EQUAL_STRING(error_exception(12345), "InternalServerError");
	CHECK_EQUAL_STRING(error_text(0), "the store failed");
}

static void numbers_fail_in_dynamodb_s_words(void)
{
	CHECK_EQUAL_STRING(error_text(ERR_NUMBER_OVERFLOW), "Number overflow. Attempting to "
		"store a number with magnitude larger than supported range");
	CHECK_EQUAL_STRING(error_text(ERR_NUMBER_UNDERFLOW), "Number underflow. Attempting to "
		"store a number with magnitude smaller than supported range");
	CHECK_EQUAL_STRING(error_text(ERR_NUMBER_DIGITS),
		"Attempting to store more than 38 significant digits in a Number");
	CHECK_EQUAL_STRING(error_text(ERR_NUMBER_SYNTAX),
		"The parameter cannot be converted to a numeric value");
}

static void a_failure_is_filled_anew(void)
{
	struct failure failure;

	memset(&failure, 0x5a, sizeof failure);
	CHECK_EQUAL_INT(fail(&failure, ERR_BUSY), ERR_BUSY);
	CHECK_EQUAL_INT(failure.err, ERR_BUSY);
	CHECK_EQUAL_STRING(failure.message, "another writer holds the database");
	CHECK_EQUAL_INT(failure.system, 0);
	CHECK_EQUAL_INT(failure.pid, 0);
	CHECK_EQUAL_UINT(failure.first, 0);
	CHECK_EQUAL_UINT(failure.last, 0);
}

static void a_detail_follows_the_sentence_or_replaces_it(void)
{
	struct failure failure;

	CHECK_EQUAL_INT(fail_with(&failure, ERR_NO_FILE, "%s (%d)", "shop.tide", 2), ERR_NO_FILE);
	CHECK_EQUAL_STRING(failure.message, "no such database: shop.tide (2)");
	CHECK_EQUAL_INT(fail_as(&failure, ERR_VALIDATION, "%d%%", 100), ERR_VALIDATION);
	CHECK_EQUAL_INT(failure.err, ERR_VALIDATION);
	CHECK_EQUAL_STRING(failure.message, "100%");
}

static void a_long_detail_is_cut(void)
{
	struct failure failure;
	char detail[1000];

	memset(detail, 'x', sizeof detail - 1);
	detail[sizeof detail - 1] = '\0';
	fail_with(&failure, ERR_STORE, "%s", detail);
	CHECK_EQUAL_UINT(strlen(failure.message), sizeof failure.message - 1);
	CHECK(strncmp(failure.message, "the store failed: xxx", 21) == 0);
	fail_as(&failure, ERR_STORE, "%s", detail);
	CHECK_EQUAL_UINT(strlen(failure.message), sizeof failure.message - 1);
}

static void nobody_need_listen(void)
{
	CHECK_EQUAL_INT(fail(NULL, ERR_STORE), ERR_STORE);
	CHECK_EQUAL_INT(fail_with(NULL, ERR_FULL, "%d", 1), ERR_FULL);
	CHECK_EQUAL_INT(fail_as(NULL, ERR_BUSY, "%d", 1), ERR_BUSY);
}

int main(void)
{
	every_error_has_its_words();
	numbers_and_codes_are_told_apart();
	an_unknown_number_is_answered();
	numbers_fail_in_dynamodb_s_words();
	a_failure_is_filled_anew();
	a_detail_follows_the_sentence_or_replaces_it();
	a_long_detail_is_cut();
	nobody_need_listen();
	return 0;
}
