/* test_error.c - tests of base/error.h: codes, names and messages. */
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

static void every_error_has_a_code_and_text(void)
{
	size_t i;

	for (i = 0; i < ROWS; i++) {
		CHECK(rows[i].err < 0);
		CHECK_EQUAL_STRING(error_code(rows[i].err), rows[i].code);
		CHECK_EQUAL_STRING(error_exception(rows[i].err), rows[i].exception);
		CHECK_EQUAL_STRING(error_text(rows[i].err), rows[i].text);
		CHECK_EQUAL_INT(error_named(rows[i].name), rows[i].err);
		CHECK(rows[i].text[0] && rows[i].text[strlen(rows[i].text) - 1] != '.');
	}
}

/* The code of an error is its name, or VALIDATION for DynamoDB's ValidationException. */
static void codes_match_names_and_numbers_are_unique(void)
{
	size_t i, k;

	for (i = 0; i < ROWS; i++) {
		CHECK(strcmp(rows[i].code, rows[i].name) == 0 ||
			strcmp(rows[i].code, "VALIDATION") == 0);
		for (k = 0; k < i; k++)
			CHECK(rows[i].err != rows[k].err);
	}
}

static void an_unknown_number_is_a_storage_error(void)
{
	CHECK_EQUAL_STRING(error_code(-9999), "STORE");
	CHECK_EQUAL_STRING(error_exception(12345), "InternalServerError");
	CHECK_EQUAL_STRING(error_text(0), "storage error");
	CHECK_EQUAL_INT(error_named("STOR"), 0);
	CHECK_EQUAL_INT(error_named(""), 0);
}

static void number_errors_have_dynamodb_s_texts(void)
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

static void fail_sets_every_field(void)
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

static void a_detail_follows_or_precedes_or_replaces_the_text(void)
{
	struct failure failure;

	CHECK_EQUAL_INT(fail_with(&failure, ERR_NO_FILE, "%s (%d)", "shop.tide", 2), ERR_NO_FILE);
	CHECK_EQUAL_STRING(failure.message, "the database does not exist: shop.tide (2)");
	CHECK_EQUAL_INT(fail_about(&failure, ERR_DISK_FULL, "%s (%d)", "shop.tide", 2),
		ERR_DISK_FULL);
	CHECK_EQUAL_STRING(failure.message, "shop.tide (2): the disk is full");
	CHECK_EQUAL_INT(fail_as(&failure, ERR_VALIDATION, "%d%%", 100), ERR_VALIDATION);
	CHECK_EQUAL_INT(failure.err, ERR_VALIDATION);
	CHECK_EQUAL_STRING(failure.message, "100%");
}

/* A message with a long path keeps its beginning and its end. */
static void the_middle_of_a_long_message_is_cut(void)
{
	struct failure failure;
	char path[4096];

	memset(path, 'x', sizeof path - 1);
	path[sizeof path - 1] = '\0';
	memcpy(path, "/home", 5);
	memcpy(path + sizeof path - 11, "/shop.tide", 11);
	fail_with(&failure, ERR_NO_FILE, "%s", path);
	CHECK_EQUAL_UINT(strlen(failure.message), sizeof failure.message - 1);
	CHECK(strncmp(failure.message, "the database does not exist: /homexx", 36) == 0);
	CHECK_EQUAL_STRING(failure.message + strlen(failure.message) - 12, "xx/shop.tide");
	fail_as(&failure, ERR_STORE, "%s %s", path, "can't be opened");
	CHECK_EQUAL_UINT(strlen(failure.message), sizeof failure.message - 1);
	CHECK(strncmp(failure.message, "/homexx", 7) == 0);
	CHECK(strstr(failure.message, "xx...xx") != NULL);
	CHECK_EQUAL_STRING(failure.message + strlen(failure.message) - 28,
		"xx/shop.tide can't be opened");
}

static bool has_whole_characters(const char *text)
{
	for (const char *c = strchr(text, '\xc3'); c; c = strchr(c + 1, '\xc3'))
		if (c[1] != '\xa9')
			return false;
	for (const char *c = strchr(text, '\xa9'); c; c = strchr(c + 1, '\xa9'))
		if (c == text || c[-1] != '\xc3')
			return false;
	return true;
}

static void no_character_is_cut(void)
{
	struct failure failure;
	char detail[1001] = "";

	for (size_t i = 0; i + 2 < sizeof detail; i += 2)
		memcpy(detail + i, "\xc3\xa9", 3);
	for (int begin = 0; begin < 4; begin++)
		for (int end = 0; end < 4; end++) {
			fail_as(&failure, ERR_STORE, "%.*s%s%.*s", begin, "abc", detail, end,
				"xyz");
			CHECK(has_whole_characters(failure.message));
			CHECK(strlen(failure.message) >= sizeof failure.message - 3);
		}
}

static void failure_may_be_null(void)
{
	CHECK_EQUAL_INT(fail(NULL, ERR_STORE), ERR_STORE);
	CHECK_EQUAL_INT(fail_with(NULL, ERR_FULL, "%d", 1), ERR_FULL);
	CHECK_EQUAL_INT(fail_as(NULL, ERR_BUSY, "%d", 1), ERR_BUSY);
}

int main(void)
{
	every_error_has_a_code_and_text();
	codes_match_names_and_numbers_are_unique();
	an_unknown_number_is_a_storage_error();
	number_errors_have_dynamodb_s_texts();
	fail_sets_every_field();
	a_detail_follows_or_precedes_or_replaces_the_text();
	the_middle_of_a_long_message_is_cut();
	no_character_is_cut();
	failure_may_be_null();
	return 0;
}
