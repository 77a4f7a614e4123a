/* test_tree.c - tests of expr/tree.h. */
#include "expr/tree.h"

#include "unit/check.h"

int main(void)
{
	unsigned i, j;

	CHECK_EQUAL_STRING(operation_name(OPERATION_EQUAL), "=");
	CHECK_EQUAL_STRING(operation_name(OPERATION_LIST_APPEND), "list_append");
	CHECK_EQUAL_STRING(operation_name(OPERATION_DELETE), "DELETE");
	for (i = 0; i <= OPERATION_DELETE; i++)
		for (j = 0; j < i; j++)
			CHECK(strcmp(operation_name((enum operation)i),
				operation_name((enum operation)j)) != 0);
	/* comparators are in the order of their tokens */
	CHECK_EQUAL_INT(OPERATION_GREATER_OR_EQUAL - OPERATION_EQUAL,
		TOKEN_GREATER_OR_EQUAL - TOKEN_EQUAL);
	CHECK_EQUAL_STRING(expression_kind_name(EXPRESSION_UPDATE), "Update");
	CHECK_EQUAL_STRING(expression_kind_name(EXPRESSION_PROJECTION), "Projection");
	CHECK_EQUAL_STRING(expression_kind_name(EXPRESSION_RECORD_FILTER), "Filter");
	CHECK(expression_is_condition(EXPRESSION_FILTER));
	CHECK(expression_is_condition(EXPRESSION_RECORD_FILTER));
	CHECK(!expression_is_condition(EXPRESSION_PROJECTION));
	CHECK(!expression_is_condition(EXPRESSION_UPDATE));
	return 0;
}
