/* test_request.c - tests of expr/request.h. */
#include "expr/request.h"

#include "unit/expressions.h"

static struct trial_parameters trial;
static struct request request;
static struct failure failure;

static int start(const char *parameters, bool has_expressions, const char *null_expressions)
{
	failure = (struct failure){ 0 };
	return request_start(&request, trial_read(&trial, parameters), has_expressions,
		null_expressions, &failure);
}

static void check_refused(const char *parameters, const char *expected)
{
	CHECK_EQUAL_INT(start(parameters, true, NULL), ERR_VALIDATION);
	CHECK_EQUAL_STRING(failure.message, expected);
}

static void test_keys(void)
{
	char text[600], expected[200];
	size_t len;

	check_refused("{#: 'x'}", "ExpressionAttributeNames contains invalid key: Syntax error;"
		" key: \"#\"");
	check_refused("{#a-b: 'x'}", "ExpressionAttributeNames contains invalid key: Syntax error;"
		" key: \"#a-b\"");
	check_refused("{v: 1}", "ExpressionAttributeValues contains invalid key: Syntax error;"
		" key: \"v\"");
	check_refused("{:a!: 1, #a-b: 'x'}", "ExpressionAttributeNames contains invalid key: Syntax"
		" error; key: \"#a-b\"");
	check_refused("{#a: ''}", "ExpressionAttributeNames contains invalid value: Empty attribute"
		" name for key #a");
	for (len = PLACEHOLDER_BYTES_MAX; len <= PLACEHOLDER_BYTES_MAX + 1; len++) {
		snprintf(text, sizeof text, "{:%0*d: 1}", (int)len - 1, 0);
		snprintf(expected, sizeof expected, "ExpressionAttributeValues contains invalid"
			" key: The expression attribute map contains a key that is too long; size of"
			" key: %zu", len);
		if (len > PLACEHOLDER_BYTES_MAX)
			check_refused(text, expected);
		else
			CHECK_EQUAL_INT(start(text, true, NULL), 0);
	}
}

static void test_presence(void)
{
	struct parameters empty = { .names = trial.names };

	CHECK_EQUAL_INT(start("{#a: 'x'}", false, NULL), ERR_VALIDATION);
	CHECK_EQUAL_STRING(failure.message,
		"ExpressionAttributeNames can only be specified when using expressions");
	CHECK_EQUAL_INT(start("{:a: 1}", true, "UpdateExpression and ConditionExpression are null"),
		ERR_VALIDATION);
	CHECK_EQUAL_STRING(failure.message, "ExpressionAttributeValues can only be specified when"
		" using expressions: UpdateExpression and ConditionExpression are null");
	CHECK_EQUAL_INT(start(NULL, false, "FilterExpression is null"), 0);
	CHECK_EQUAL_INT(request_finish(&request, &failure), 0);
	CHECK_EQUAL_INT(request_start(&request, &empty, true, NULL, &failure), ERR_VALIDATION);
	CHECK_EQUAL_STRING(failure.message, "ExpressionAttributeNames must not be empty");
	empty = (struct parameters){ .values = trial.values };
	CHECK_EQUAL_INT(request_start(&request, &empty, true, NULL, &failure), ERR_VALIDATION);
	CHECK_EQUAL_STRING(failure.message, "ExpressionAttributeValues must not be empty");
}

static void test_long_name(void)
{
	static uint8_t bytes[NAME_MAX_BYTES + 1];
	struct parameter_name name = { slice_of_text("#n"), { bytes, NAME_MAX_BYTES } };
	struct parameters all = { &name, 1, NULL, 0, NULL, 0 };

	memset(bytes, 'n', sizeof bytes);
	CHECK_EQUAL_INT(request_start(&request, &all, true, NULL, &failure), 0);
	name.name.len++;
	CHECK_EQUAL_INT(request_start(&request, &all, true, NULL, &failure), ERR_VALIDATION);
	CHECK_EQUAL_STRING(failure.message, "ExpressionAttributeNames contains invalid value: an"
		" attribute name has more than 65535 bytes for key #n");
}

static void test_total_size(void)
{
	static uint8_t bytes[PARAMETER_BYTES_MAX];
	struct parameter_name name = { slice_of_text("#n"), slice_of_text("name") };
	struct parameter_value value = { slice_of_text(":v"), { TYPE_B, 0, { bytes, 0 } } };
	struct value position = { TYPE_B, 0, { bytes, 100 } };
	struct parameters all = { &name, 1, &value, 1, &position, 1 };

	value.value.bytes.len = PARAMETER_BYTES_MAX - 100 - 2 - 6;
	CHECK_EQUAL_INT(request_start(&request, &all, true, NULL, &failure), 0);
	value.value.bytes.len++;
	CHECK_EQUAL_INT(request_start(&request, &all, true, NULL, &failure), ERR_VALIDATION);
	CHECK_EQUAL_STRING(failure.message, "ExpressionAttributeNames and ExpressionAttributeValues"
		" have exceeded the maximum allowed size; size: 2097153");
	name.name = slice_of("\xff", 1);
	CHECK_EQUAL_INT(request_start(&request, &all, true, NULL, &failure), ERR_VALIDATION);
}

static void test_unused(void)
{
	CHECK_EQUAL_INT(start("{#a: 'x', #b: 'y', #c: 'z', :v: 1, :w: 2}", true, NULL), 0);
	CHECK(slice_equal(*request_name(&request, slice_of_text("#b")), slice_of_text("y")));
	CHECK(request_name(&request, slice_of_text("#d")) == NULL);
	CHECK(request_value(&request, slice_of_text(":x")) == NULL);
	CHECK_EQUAL_INT(request_finish(&request, &failure), ERR_VALIDATION);
	CHECK_EQUAL_STRING(failure.message, "Value provided in ExpressionAttributeNames unused in"
		" expressions: keys: {#a, #c}");
	request_name(&request, slice_of_text("#a"));
	request_name(&request, slice_of_text("#c"));
	request_value(&request, slice_of_text(":v"));
	CHECK_EQUAL_INT(request_finish(&request, &failure), ERR_VALIDATION);
	CHECK_EQUAL_STRING(failure.message, "Value provided in ExpressionAttributeValues unused in"
		" expressions: keys: {:w}");
	request_value(&request, slice_of_text(":w"));
	CHECK_EQUAL_INT(request_finish(&request, &failure), 0);
}

static void test_positions(void)
{
	CHECK_EQUAL_INT(start("{?: [1, 'x', 2]}", true, NULL), 0);
	CHECK_EQUAL_INT(request_position(&request)->type, TYPE_N);
	CHECK_EQUAL_INT(request_position(&request)->type, TYPE_S);
	CHECK_EQUAL_INT(request_finish(&request, &failure), ERR_VALIDATION);
	CHECK_EQUAL_STRING(failure.message,
		"3 values were given for ?, but the expressions have 2 ?");
	CHECK(request_position(&request) != NULL);
	CHECK(request_position(&request) == NULL);
	CHECK_EQUAL_INT(request_finish(&request, &failure), 0);
}

/* Few entries are searched linearly, many by binary search. */
static void test_many(void)
{
	static char text[8192];
	char one[64];
	unsigned count, i;

	for (count = 1; count <= 100; count++) {
		strcpy(text, "{");
		for (i = 0; i < count; i++) {
			snprintf(one, sizeof one, ":v%u: %u, #v%u: '%u', ", i, i, i, i);
			strcat(text, one);
		}
		strcat(text, "}");
		CHECK_EQUAL_INT(start(text, true, NULL), 0);
		CHECK(request_value(&request, slice_of_text(":v")) == NULL);
		CHECK(request_value(&request, slice_of_text(":w")) == NULL);
		for (i = 0; i < count; i++) {
			const struct value *value;
			int64_t n;

			snprintf(one, sizeof one, ":v%u", i);
			value = request_value(&request, slice_of_text(one));
			CHECK(value && number_to_integer(value->bytes, &n) && n == i);
			CHECK_EQUAL_INT(request_finish(&request, NULL), ERR_VALIDATION);
			one[0] = '#';
			CHECK(request_name(&request, slice_of_text(one)) != NULL);
		}
		CHECK_EQUAL_INT(request_finish(&request, &failure), 0);
	}
}

int main(void)
{
	test_keys();
	test_presence();
	test_long_name();
	test_total_size();
	test_unused();
	test_positions();
	test_many();
	request_release(&request);
	request_release(&request);
	return 0;
}
