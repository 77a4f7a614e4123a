/* tree.c - names of operations and kinds of expressions. */
#include "expr/tree.h"

const char *operation_name(enum operation operation)
{
	static const char *const names[] = {
		[OPERATION_UNKNOWN] = "?",
		[OPERATION_EQUAL] = "=", [OPERATION_NOT_EQUAL] = "<>",
		[OPERATION_LESS] = "<", [OPERATION_LESS_OR_EQUAL] = "<=",
		[OPERATION_GREATER] = ">", [OPERATION_GREATER_OR_EQUAL] = ">=",
		[OPERATION_BETWEEN] = "BETWEEN", [OPERATION_IN] = "IN",
		[OPERATION_EXISTS] = "attribute_exists",
		[OPERATION_NOT_EXISTS] = "attribute_not_exists",
		[OPERATION_TYPE] = "attribute_type", [OPERATION_BEGINS_WITH] = "begins_with",
		[OPERATION_CONTAINS] = "contains", [OPERATION_CHANGED] = "changed",
		[OPERATION_BECAME] = "became", [OPERATION_SIZE] = "size",
		[OPERATION_IF_NOT_EXISTS] = "if_not_exists",
		[OPERATION_LIST_APPEND] = "list_append",
		[OPERATION_PLUS] = "+", [OPERATION_MINUS] = "-",
		[OPERATION_SET] = "SET", [OPERATION_REMOVE] = "REMOVE",
		[OPERATION_ADD] = "ADD", [OPERATION_DELETE] = "DELETE",
	};

	return names[operation];
}

const char *expression_kind_name(enum expression_kind kind)
{
	static const char *const names[] = {
		[EXPRESSION_UPDATE] = "Update", [EXPRESSION_CONDITION] = "Condition",
		[EXPRESSION_KEY_CONDITION] = "KeyCondition", [EXPRESSION_FILTER] = "Filter",
		[EXPRESSION_PROJECTION] = "Projection", [EXPRESSION_RECORD_FILTER] = "Filter",
	};

	return names[kind];
}
