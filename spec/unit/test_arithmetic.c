/* test_arithmetic.c - sums, products and quotients against a reference implementation with
 * one column for each power of ten.
 */
#include "codec/arithmetic.h"

#include "base/error.h"
#include "check.h"

#define ROUNDS 8000

/* --- reference implementation: one column for each power of ten --- */

#define LOWEST (-340)
#define COLUMNS 620

struct columns {
	bool negative;
	int column[COLUMNS];   /* digits of 10^LOWEST, 10^(LOWEST + 1), ... */
};

/* Reads a plain decimal. */
static void read_columns(struct columns *columns, const char *text)
{
	const char *point;
	int at;

	*columns = (struct columns){ .negative = *text == '-' };
	text += *text == '-';
	point = strchr(text, '.');
	at = (int)(point ? point - text : (long)strlen(text)) - LOWEST;
	for (; *text; text++)
		if (*text != '.')
			columns->column[--at] = *text - '0';
}

/* Normalizes columns of any content to digits. A negative total is negated, and its sign
 * is flipped. */
static void carry_columns(struct columns *columns)
{
	int i, carry = 0, column;

	for (i = 0; i < COLUMNS; i++) {
		column = columns->column[i] + carry;
		carry = column >= 0 ? column / 10 : -((9 - column) / 10);
		columns->column[i] = column - 10 * carry;
	}
	if (carry == 0)
		return;
	CHECK(carry == -1);
	columns->negative = !columns->negative;
	for (i = 0; i < COLUMNS; i++)
		columns->column[i] = -columns->column[i];
	columns->column[COLUMNS - 1] += 10;
	carry_columns(columns);
}

/* Adds sign x b to a. */
static void add_right(struct columns *a, const struct columns *b, int sign)
{
	int i;

	if (a->negative != b->negative)
		sign = -sign;
	for (i = 0; i < COLUMNS; i++)
		a->column[i] += sign * b->column[i];
	carry_columns(a);
}

static void multiply_right(struct columns *product, const struct columns *a,
	const struct columns *b)
{
	int i, j;

	*product = (struct columns){ .negative = a->negative != b->negative };
	for (i = 0; i < COLUMNS; i++)
		for (j = 0; a->column[i] && j < COLUMNS; j++)
			if (b->column[j])
				product->column[i + j + LOWEST] += a->column[i] * b->column[j];
	carry_columns(product);
}

static int right_sign(const struct columns *columns)
{
	int i;

	for (i = 0; i < COLUMNS; i++)
		if (columns->column[i])
			return columns->negative ? -1 : 1;
	return 0;
}

/* Writes the expected text of a result and returns the expected error. */
static int right_text(const struct columns *columns, char *text)
{
	int top = COLUMNS - 1, bottom = 0, i;

	if (!right_sign(columns)) {
		strcpy(text, "0");
		return 0;
	}
	while (!columns->column[top])
		top--;
	while (!columns->column[bottom])
		bottom++;
	if (top + LOWEST > 125)
		return ERR_NUMBER_OVERFLOW;
	if (top + LOWEST < -130)
		return ERR_NUMBER_UNDERFLOW;
	if (top - bottom >= NUMBER_MAX_DIGITS)
		return ERR_NUMBER_DIGITS;
	if (columns->negative)
		*text++ = '-';
	for (i = top < -LOWEST ? -LOWEST : top; i >= bottom || i >= -LOWEST; i--) {
		if (i == -LOWEST - 1)
			*text++ = '.';
		*text++ = (char)('0' + columns->column[i]);
	}
	*text = '\0';
	return 0;
}

/* --- numbers --- */

static struct number parse(const char *text)
{
	struct number number;

	CHECK_EQUAL_INT(number_parse(&number, slice_of_text(text)), 0);
	return number;
}

/* Returns the text of a number, valid until the next call. */
static const char *format(const struct number *number)
{
	static char text[NUMBER_MAX_TEXT];

	CHECK_EQUAL_INT(number_width(number_slice(number)), number->len);
	number_format(number_slice(number), text);
	return text;
}

static void columns_of(struct columns *columns, const struct number *number)
{
	read_columns(columns, format(number));
}

/* Returns a number with few or many digits. near: exponents are close to each other. */
static struct number random_number(int near)
{
	static const char *const alphabets[] = { "0123456789", "09", "01", "5" };
	const char *alphabet = alphabets[check_random_below(4)];
	unsigned len = 1 + (unsigned)check_random_below(check_random_below(2) ? 38 : 6), i;
	int first = near + (int)check_random_below(12) - 6;
	char text[64], *to = text;

	if (check_random_below(4) == 0)
		first = (int)check_random_below(256) - 130;
	first = first > 125 ? 125 : first < -130 ? -130 : first;
	if (check_random_below(2))
		*to++ = '-';
	for (i = 0; i < len; i++)
		*to++ = alphabet[check_random_below(strlen(alphabet))];
	text[text[0] == '-'] = (char)('1' + check_random_below(9));
	sprintf(to, "e%d", first - (int)len + 1);
	return parse(check_random_below(40) ? text : "0");
}

static int random_exponent(void)
{
	switch (check_random_below(4)) {
	case 0: return 0;
	case 1: return 125;
	case 2: return -130;
	default: return (int)check_random_below(256) - 130;
	}
}

/* --- sums and products --- */

typedef int operation(struct number *result, struct slice a, struct slice b);

static void check_result(operation *compute, const struct number *a, const struct number *b,
	const struct columns *right)
{
	char text[512], x[NUMBER_MAX_TEXT], y[NUMBER_MAX_TEXT];
	struct number result;
	int err = right_text(right, text);
	int got = compute(&result, number_slice(a), number_slice(b));

	if (got != err || (!err && strcmp(format(&result), text) != 0)) {
		strcpy(x, format(a));
		strcpy(y, format(b));
		fprintf(stderr, "%s and %s\n", x, y);
	}
	CHECK_EQUAL_INT(got, err);
	if (!err)
		CHECK_EQUAL_STRING(format(&result), text);
}

static void sums_are_the_columns_sums(void)
{
	struct columns x, y, sum;
	struct number a, b;
	int i, near;

	for (i = 0; i < ROUNDS; i++) {
		near = random_exponent();
		a = random_number(near);
		b = check_random_below(10) ? random_number(near) : a;
		columns_of(&x, &a);
		columns_of(&y, &b);
		sum = x;
		add_right(&sum, &y, 1);
		check_result(number_add, &a, &b, &sum);
		sum = x;
		add_right(&sum, &y, -1);
		check_result(number_subtract, &a, &b, &sum);
	}
}

static void products_are_the_columns_products(void)
{
	struct columns x, y, product;
	struct number a, b;
	int i, near;

	for (i = 0; i < ROUNDS; i++) {
		near = random_exponent();
		a = random_number(near);
		b = random_number(check_random_below(2) ? -near : 0);
		columns_of(&x, &a);
		columns_of(&y, &b);
		multiply_right(&product, &x, &y);
		check_result(number_multiply, &a, &b, &product);
	}
}

static void check_by_text(operation *compute, const char *a, const char *b, const char *expected)
{
	struct number x = parse(a), y = parse(b);

	CHECK_EQUAL_INT(compute(&x, number_slice(&x), number_slice(&y)), 0);
	CHECK_EQUAL_STRING(format(&x), expected);
}

static void check_refused(operation *compute, const char *a, const char *b, int err)
{
	struct number x = parse(a), y = parse(b), result;

	CHECK_EQUAL_INT(compute(&result, number_slice(&x), number_slice(&y)), err);
}

/* Known results; each is also computed with the result in the first operand's place. */
static void sums_and_products_by_hand(void)
{
	static const char nines[] = "99999999999999999999999999999999999999";

	check_by_text(number_add, "0.1", "0.2", "0.3");
	check_by_text(number_add, "0", "-0.5", "-0.5");
	check_by_text(number_add, "5e-130", "5e-130",
		"0.0000000000000000000000000000000000000000000000000000000000000000000000000000000"
		"00000000000000000000000000000000000000000000000001");
	check_by_text(number_add, nines, "1", "100000000000000000000000000000000000000");
	check_by_text(number_subtract, "1e38", "1", nines);
	check_by_text(number_subtract, "9223372036854775807", "-9223372036854775807",
		"18446744073709551614");
	check_by_text(number_subtract, "1.5", "1.5", "0");
	check_by_text(number_multiply, "-19.99", "3", "-59.97");
	check_by_text(number_multiply, "9999999999999999999", "9999999999999999999",
		"99999999999999999980000000000000000001");
	check_by_text(number_multiply, "1e125", "0", "0");
	check_refused(number_add, "1e50", "1", ERR_NUMBER_DIGITS);
	check_refused(number_add, "1e125", "-1e-130", ERR_NUMBER_DIGITS);
	check_refused(number_add, nines, "0.1", ERR_NUMBER_DIGITS);
	check_refused(number_add, "9e125", "1e125", ERR_NUMBER_OVERFLOW);
	check_refused(number_subtract, "-9.9999999999999999999999999999999999999e125", "1e88",
		ERR_NUMBER_OVERFLOW);
	check_refused(number_subtract, "1.1e-130", "1e-130", ERR_NUMBER_UNDERFLOW);
	check_refused(number_multiply, "1e63", "1e63", ERR_NUMBER_OVERFLOW);
	check_refused(number_multiply, "1e-65", "-9e-66", ERR_NUMBER_UNDERFLOW);
	check_refused(number_multiply, "10000000000000000001", "10000000000000000003",
		ERR_NUMBER_DIGITS);
}

static void a_number_s_negative(void)
{
	struct number a, b;
	char text[NUMBER_MAX_TEXT];
	int i;

	for (i = 0; i < ROUNDS; i++) {
		a = random_number(random_exponent());
		number_negate(&b, number_slice(&a));
		strcpy(text, format(&a));
		CHECK_EQUAL_INT(number_sign(number_slice(&b)), -number_sign(number_slice(&a)));
		if (number_sign(number_slice(&a)))
			CHECK_EQUAL_STRING(format(&b) + (*format(&b) == '-'),
				text + (*text == '-'));
		number_negate(&b, number_slice(&b));
		CHECK_BYTES(b.bytes, b.len, a.bytes, a.len);
	}
}

/* --- rounding --- */

static const char modes[] = "eudUDCF";   /* in the order of enum rounding */

static void check_round(const char *text, int places, const char *expected[7])
{
	struct number number;
	int mode;

	for (mode = 0; modes[mode]; mode++) {
		number = parse(text);
		CHECK_EQUAL_INT(number_round(&number, number_slice(&number), places,
			(enum rounding)mode), 0);
		CHECK_EQUAL_STRING(format(&number), expected[mode]);
	}
}

#define ROUNDED(text, places, ...) \
	check_round(text, places, (const char *[7]){ __VA_ARGS__ })

/*                half even up    down   up    down  ceil. floor */
static void rounding_by_hand(void)
{
	ROUNDED("2.5", 0, "2", "3", "2", "3", "2", "3", "2");
	ROUNDED("3.5", 0, "4", "4", "3", "4", "3", "4", "3");
	ROUNDED("-2.5", 0, "-2", "-3", "-2", "-3", "-2", "-2", "-3");
	ROUNDED("2.51", 0, "3", "3", "3", "3", "2", "3", "2");
	ROUNDED("2.49", 0, "2", "2", "2", "3", "2", "3", "2");
	ROUNDED("0.5", 0, "0", "1", "0", "1", "0", "1", "0");
	ROUNDED("-0.5", 0, "0", "-1", "0", "-1", "0", "0", "-1");
	ROUNDED("-0.001", 0, "0", "0", "0", "-1", "0", "0", "-1");
	ROUNDED("1e-130", 2, "0", "0", "0", "0.01", "0", "0.01", "0");
	ROUNDED("12.345", 2, "12.34", "12.35", "12.34", "12.35", "12.34", "12.35", "12.34");
	ROUNDED("1250", -2, "1200", "1300", "1200", "1300", "1200", "1300", "1200");
	ROUNDED("-51", -2, "-100", "-100", "-100", "-100", "0", "0", "-100");
	ROUNDED("99.95", 1, "100", "100", "99.9", "100", "99.9", "100", "99.9");
	ROUNDED("7", 3, "7", "7", "7", "7", "7", "7", "7");
	ROUNDED("0", 0, "0", "0", "0", "0", "0", "0", "0");
	ROUNDED("0.1", PLACES_MAX, "0.1", "0.1", "0.1", "0.1", "0.1", "0.1", "0.1");
}

#define ZEROS_25 "0000000000000000000000000"
#define NINE_AND_ZEROS "9" ZEROS_25 ZEROS_25 ZEROS_25 ZEROS_25 ZEROS_25

static void rounding_can_leave_the_range(void)
{
	struct number number = parse("9.9e125");

	CHECK_EQUAL_INT(number_round(&number, number_slice(&number), -125, ROUND_HALF_EVEN),
		ERR_NUMBER_OVERFLOW);
	CHECK_EQUAL_INT(number_round(&number, number_slice(&number), -125, ROUND_DOWN), 0);
	CHECK_EQUAL_STRING(format(&number), NINE_AND_ZEROS);
}

/* --- quotients --- */

/* Computes the difference of a and q x b, for positive a and b. */
static void left_over(struct columns *left, const struct number *a, const struct number *q,
	const struct number *b)
{
	struct columns x, y, product;

	columns_of(&x, q);
	columns_of(&y, b);
	multiply_right(&product, &x, &y);
	columns_of(left, a);
	add_right(left, &product, -1);
}

static int compare_right(const struct columns *a, const struct columns *b)
{
	struct columns difference = *a;

	add_right(&difference, b, -1);
	return right_sign(&difference);
}

/* Computes |b| in units of the last requested place. */
static void unit_of(struct columns *unit, const struct number *b, int places)
{
	struct columns x, y = { .column = { [-LOWEST] = 0 } };

	columns_of(&x, b);
	x.negative = false;
	y.column[-LOWEST - places] = 1;
	multiply_right(unit, &x, &y);
}

static void check_quotient(const struct number *a, const struct number *b,
	const struct number *q, int places, enum rounding mode)
{
	int sign = number_sign(number_slice(a)) * number_sign(number_slice(b)), side, order;
	struct columns left, unit, twice;

	left_over(&left, a, q, b);
	side = right_sign(&left) * number_sign(number_slice(b));   /* sign of a / b - q */
	left.negative = false;
	unit_of(&unit, b, places);
	twice = left;
	add_right(&twice, &left, 1);
	order = compare_right(&twice, &unit);
	CHECK(compare_right(&left, &unit) < 0);
	switch (mode) {
	case ROUND_UP: CHECK(side * sign <= 0); break;
	case ROUND_DOWN: CHECK(side * sign >= 0); break;
	case ROUND_CEILING: CHECK(side <= 0); break;
	case ROUND_FLOOR: CHECK(side >= 0); break;
	case ROUND_HALF_UP: CHECK(order <= (side * sign < 0 ? 0 : -1)); break;
	case ROUND_HALF_DOWN: CHECK(order <= (side * sign > 0 ? 0 : -1)); break;
	case ROUND_HALF_EVEN: CHECK(order <= 0); break;
	}
}

static void quotients_times_divisors_are_near(void)
{
	struct number a, b, q;
	int i, near, places, err, good = 0;
	enum rounding mode;

	for (i = 0; i < ROUNDS; i++) {
		near = random_exponent() / 2;
		a = random_number(near);
		b = random_number(near);
		if (!number_sign(number_slice(&b)))
			continue;
		places = (int)check_random_below(45) - 5;
		mode = (enum rounding)check_random_below(7);
		err = number_divide(&q, number_slice(&a), number_slice(&b), places, mode);
		CHECK(err == 0 || err == ERR_NUMBER_DIGITS || err == ERR_NUMBER_OVERFLOW);
		if (err)
			continue;
		check_quotient(&a, &b, &q, places, mode);
		good++;
	}
	CHECK(good > ROUNDS / 2);
}

/* a = floor(a / b) x b + remainder, with the remainder between 0 and b. */
static void rests_are_what_is_left(void)
{
	struct number a, b, q, rest;
	struct columns left, right, unit;
	int i, near, good = 0;

	for (i = 0; i < ROUNDS; i++) {
		near = random_exponent();
		a = random_number(near);
		b = random_number(near);
		if (!number_sign(number_slice(&b)))
			continue;
		if (number_divide(&q, number_slice(&a), number_slice(&b), 0, ROUND_FLOOR))
			continue;
		left_over(&left, &a, &q, &b);
		check_result(number_modulo, &a, &b, &left);
		if (number_modulo(&rest, number_slice(&a), number_slice(&b)))
			continue;
		columns_of(&right, &rest);
		CHECK(right_sign(&right) * number_sign(number_slice(&b)) >= 0);
		right.negative = false;
		unit_of(&unit, &b, 0);
		CHECK(compare_right(&right, &unit) < 0);
		good++;
	}
	CHECK(good > ROUNDS / 4);
}

static void check_divide(const char *a, const char *b, int places, enum rounding mode,
	const char *expected)
{
	struct number x = parse(a), y = parse(b);

	CHECK_EQUAL_INT(number_divide(&x, number_slice(&x), number_slice(&y), places, mode), 0);
	CHECK_EQUAL_STRING(format(&x), expected);
}

static void quotients_by_hand(void)
{
	struct number one = parse("1"), three = parse("3"), tiny = parse("1e-130");
	struct number huge = parse("1e125"), q;

	check_divide("1", "3", 5, ROUND_HALF_EVEN, "0.33333");
	check_divide("-1", "3", 2, ROUND_FLOOR, "-0.34");
	check_divide("7", "2", 0, ROUND_HALF_EVEN, "4");
	check_divide("5", "2", 0, ROUND_HALF_EVEN, "2");
	check_divide("12345678901234567890123456789012345678", "1e38", 38, ROUND_DOWN,
		"0.12345678901234567890123456789012345678");
	check_divide("1234567", "1", -3, ROUND_HALF_UP, "1235000");
	check_divide("0", "-7", 3, ROUND_UP, "0");
	check_divide("1e-130", "1e125", 10, ROUND_HALF_EVEN, "0");
	check_divide("1e-130", "1e125", 10, ROUND_UP, "0.0000000001");
	CHECK_EQUAL_INT(number_divide(&q, number_slice(&one), number_slice(&three), 39,
		ROUND_DOWN), ERR_NUMBER_DIGITS);
	CHECK_EQUAL_INT(number_divide(&q, number_slice(&huge), number_slice(&tiny), 0,
		ROUND_DOWN), ERR_NUMBER_OVERFLOW);
	CHECK_EQUAL_INT(number_divide(&q, number_slice(&tiny), number_slice(&huge), PLACES_MAX,
		ROUND_UP), ERR_NUMBER_UNDERFLOW);
}

static void rests_by_hand(void)
{
	check_by_text(number_modulo, "7", "3", "1");
	check_by_text(number_modulo, "-7", "3", "2");
	check_by_text(number_modulo, "7", "-3", "-2");
	check_by_text(number_modulo, "-7", "-3", "-1");
	check_by_text(number_modulo, "-6", "3", "0");
	check_by_text(number_modulo, "5.75", "0.5", "0.25");
	check_by_text(number_modulo, "0.25", "7", "0.25");
	check_by_text(number_modulo, "1e125", "7", "5");
	check_refused(number_modulo, "-1e-50", "1", ERR_NUMBER_DIGITS);
	check_refused(number_modulo, "1.5e-130", "1e-130", ERR_NUMBER_UNDERFLOW);
}

int main(void)
{
	sums_are_the_columns_sums();
	products_are_the_columns_products();
	sums_and_products_by_hand();
	a_number_s_negative();
	rounding_by_hand();
	rounding_can_leave_the_range();
	quotients_times_divisors_are_near();
	rests_are_what_is_left();
	quotients_by_hand();
	rests_by_hand();
	return 0;
}
