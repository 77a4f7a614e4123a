/* tree.h - a parsed expression: the text, and flat arrays that refer to it.
 *
 * A parsed expression contains no values and names of a request, so a text is parsed once and used
 * with any parameters. It never changes.
 *
 * A condition is stored as a program. Its tests (comparisons and functions) are in the order of
 * the text. Each test has two targets: the test that follows if it is true, and the test that
 * follows if it is false. AND, OR and NOT only determine these targets (backpatching), so
 * evaluation is a loop without a stack:
 *
 *     a = :x OR (b = :y AND NOT c = :z)
 *
 *     0   a = :x    true: ACCEPT    false: 1
 *     1   b = :y    true: 2         false: REJECT
 *     2   c = :z    true: REJECT    false: ACCEPT
 */
#ifndef EXPR_TREE_H
#define EXPR_TREE_H

#include <stdbool.h>

#include "base/buffer.h"
#include "expr/kind.h"
#include "expr/lexer.h"

/* DynamoDB's limits. */
#define OPERATORS_MAX 300           /* comparators, AND, OR, NOT, BETWEEN, IN, + and - */
#define IN_OPERANDS_MAX 100         /* length of the list of an IN */
#define PATH_STEPS_MAX 32
#define LIST_INDEX_MAX 4294967294u
#define PLACEHOLDER_BYTES_MAX 255

/* Operators and functions; operation_name returns their text. */
enum operation {
	OPERATION_UNKNOWN,
	OPERATION_EQUAL, OPERATION_NOT_EQUAL, OPERATION_LESS, OPERATION_LESS_OR_EQUAL,
	OPERATION_GREATER, OPERATION_GREATER_OR_EQUAL, OPERATION_BETWEEN, OPERATION_IN,
	OPERATION_EXISTS, OPERATION_NOT_EXISTS, OPERATION_TYPE, OPERATION_BEGINS_WITH,
	OPERATION_CONTAINS, OPERATION_CHANGED, OPERATION_BECAME,
	OPERATION_SIZE, OPERATION_IF_NOT_EXISTS, OPERATION_LIST_APPEND,
	OPERATION_PLUS, OPERATION_MINUS,
	OPERATION_SET, OPERATION_REMOVE, OPERATION_ADD, OPERATION_DELETE,
};

enum step_kind { STEP_NAME, STEP_REFERENCE, STEP_INDEX };

/* One step of a path: a name, a #placeholder of a name, or an index. */
struct expr_step {
	uint32_t index;          /* STEP_INDEX only */
	uint16_t start, len;     /* position in the text */
	uint8_t kind;            /* enum step_kind */
};

struct expr_path {
	uint16_t first, count;   /* range of steps */
	bool in_images;          /* relative to both images of a record: the path of `changed` or
	                          * `became` */
};

enum node_kind { NODE_PATH, NODE_VALUE, NODE_CALL };

/* An operand: a path, a value or a function with its arguments. */
struct expr_node {
	uint8_t kind;            /* enum node_kind */
	uint8_t operation;       /* NODE_CALL: a function, + or - */
	uint16_t at;             /* index of the path, of the value, or of the first argument */
	uint16_t count;          /* NODE_CALL: number of arguments */
};

/* An occurrence of a value in the text: a :placeholder or a ?. */
struct expr_value {
	uint16_t start, len;
};

#define TARGET_ACCEPT 0xffff
#define TARGET_REJECT 0xfffe

struct expr_test {
	uint8_t operation;
	uint16_t first, count;           /* range of arguments */
	uint16_t if_true, if_false;      /* next test, TARGET_ACCEPT or TARGET_REJECT */
	uint16_t start;                  /* position of the operator or function in the text */
	uint16_t steps, nodes, values;   /* end of this test's ranges in these arrays */
};

struct expr_action {
	uint8_t section;                 /* OPERATION_SET, _REMOVE, _ADD or _DELETE */
	uint16_t path;
	uint16_t node;                   /* operand; unused by REMOVE */
};

struct expression {
	enum expression_kind kind;
	unsigned references;             /* number of owners */
	size_t size;                     /* bytes of memory, including all arrays */
	struct slice text;
	struct expr_step *steps;
	struct expr_path *paths;         /* in a projection or update the targets are first */
	struct expr_node *nodes;
	uint16_t *arguments;             /* nodes */
	struct expr_value *values;
	struct expr_test *tests;
	struct expr_action *actions;
	uint16_t step_count, path_count, node_count, argument_count, value_count, test_count;
	uint16_t action_count;
	uint16_t position_count;         /* number of values that are a ? */
	uint16_t operator_count;
	bool compares_images;            /* some paths are in_images */
	uint16_t first_logic;            /* position of a condition's first OR or NOT */
	uint8_t first_logic_keyword;     /* KEYWORD_OR, KEYWORD_NOT; 0 if none */
};

const char *operation_name(enum operation operation);

/* Returns "Update", "Condition", ... as in "Invalid UpdateExpression". */
const char *expression_kind_name(enum expression_kind kind);

static inline bool expression_is_condition(enum expression_kind kind)
{
	return kind == EXPRESSION_CONDITION || kind == EXPRESSION_KEY_CONDITION ||
		kind == EXPRESSION_FILTER || kind == EXPRESSION_RECORD_FILTER;
}

static inline struct slice step_text(const struct expression *expression,
	const struct expr_step *step)
{
	return slice_of(expression->text.data + step->start, step->len);
}

static inline struct slice value_text(const struct expression *expression,
	const struct expr_value *value)
{
	return slice_of(expression->text.data + value->start, value->len);
}

#endif
