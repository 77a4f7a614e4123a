/* test_targets.c - tests of expr/targets.h. */
#include "expr/targets.h"

#include "unit/expressions.h"

/* Writes a range to out in the form of a tree: a(b c([0] [2])) d. */
static void print(const struct binding *binding, const struct targets *range, char *out)
{
	struct targets group = targets_first(binding, range);

	for (; group.low < range->high; group = targets_next(binding, range, &group)) {
		const struct expr_step *step =
			&binding->expression->steps[targets_step(binding, &group)];
		size_t len = strlen(out);

		if (len && out[len - 1] != '(')
			strcat(out, " ");
		if (step->kind == STEP_INDEX)
			sprintf(out + strlen(out), "[%u]", targets_index(binding, &group));
		else
			strncat(out, (const char *)targets_name(binding, &group).data,
				targets_name(binding, &group).len);
		if (targets_end(binding, &group)) {
			CHECK_EQUAL_UINT(group.high - group.low, 1);
			continue;
		}
		strcat(out, targets_are_indexes(binding, &group) ? "[(" : "(");
		print(binding, &group, out);
		strcat(out, ")");
	}
}

static void check(enum expression_kind kind, const char *text, const char *expected)
{
	struct trial *trial = trial_of_test();
	struct targets all = { 0, 0, 0 };
	char out[1000] = "";

	CHECK_EQUAL_INT(trial_bind(trial, kind, slice_of_text(text),
		strstr(text, ":v") ? "{:v: 1}" : NULL), 0);
	all.high = trial->binding.order_count;
	print(&trial->binding, &all, out);
	CHECK_EQUAL_STRING(out, expected);
}

int main(void)
{
	check(EXPRESSION_PROJECTION, "a", "a");
	check(EXPRESSION_PROJECTION, "d, b, a", "a b d");
	check(EXPRESSION_PROJECTION, "a.c[2], d, a.b, a.c[0]", "a(b c[([0] [2])) d");
	check(EXPRESSION_PROJECTION, "a[10], a[9], a[4294967294].x, a[4294967294].b",
		"a[([9] [10] [4294967294](b x))");
	check(EXPRESSION_UPDATE, "SET b = :v REMOVE ab, a.x ADD a.b :v", "a(b x) ab b");
	return 0;
}
