/* precedence.c - operator-precedence parser for conditions and for the right side of a SET.
 *
 * The parser has two stacks (Dijkstra's shunting yard). `frames` contains open brackets and
 * operators that have no right operand yet; `parsed` contains complete operands and conditions.
 * The parser has two states: before an operand (take_prefix) and after an operand (take_postfix).
 *
 * (a) = :x has an operand in parentheses, and (a = :x) is a condition. f(a) can be either, which
 * depends on the operator, bracket or end of text that follows.
 */
#include "expr/parsing.h"

static inline struct frame *top_frame(struct parser *parser)
{
	return &parser->frames[parser->depth - 1];
}

static inline struct parsed *top_parsed(struct parser *parser)
{
	return &parser->stack[parser->height - 1];
}

/* Returns the frame of the innermost open bracket. */
static struct frame *bracket(struct parser *parser)
{
	unsigned i = parser->depth - 1;

	while (parser->frames[i].kind >= FRAME_OR)
		i--;
	return &parser->frames[i];
}

static struct frame *push_frame(struct parser *parser, enum frame_kind kind,
	enum operation operation)
{
	struct frame *frame = &parser->frames[parser->depth++];

	*frame = (struct frame){ .kind = (uint8_t)kind, .operation = (uint8_t)operation,
		.token = (uint16_t)parser->at, .base = (uint16_t)parser->height };
	return frame;
}

static struct parsed *push_operand(struct parser *parser, uint16_t node, unsigned token)
{
	struct parsed *parsed = &parser->stack[parser->height++];

	*parsed = (struct parsed){ .node = node, .token = (uint16_t)token };
	return parsed;
}

/* --- tests and their exits --- */

static uint16_t *exit_target(struct parser *parser, uint16_t exit)
{
	struct expr_test *test = &parser->expression->tests[exit / 2];

	return exit % 2 ? &test->if_false : &test->if_true;
}

static void patch(struct parser *parser, struct exits exits, uint16_t target)
{
	uint16_t exit = exits.first, next;

	for (; exit != NO_EXIT; exit = next) {
		next = *exit_target(parser, exit);
		*exit_target(parser, exit) = target;
	}
}

static struct exits join(struct parser *parser, struct exits a, struct exits b)
{
	*exit_target(parser, a.last) = b.first;
	return (struct exits){ a.first, b.last };
}

static bool compares_images(enum operation operation)
{
	return operation == OPERATION_CHANGED || operation == OPERATION_BECAME;
}

/* Marks the first argument of `changed` or `became`, if it is a path. */
static void mark_image_path(struct expression *expression, uint16_t argument)
{
	const struct expr_node *node = &expression->nodes[expression->arguments[argument]];

	if (node->kind != NODE_PATH)
		return;
	expression->paths[node->at].in_images = true;
	expression->compares_images = true;
}

/* Replaces the operands on the stack, from index `first` on, by a test of them. */
static void make_test(struct parser *parser, enum operation operation, unsigned token,
	unsigned first, uint16_t arguments, uint16_t count)
{
	struct expression *expression = parser->expression;
	uint16_t n = expression->test_count++;
	struct exits yes = { (uint16_t)(2 * n), (uint16_t)(2 * n) };
	struct exits no = { (uint16_t)(2 * n + 1), (uint16_t)(2 * n + 1) };

	expression->tests[n] = (struct expr_test){ .operation = (uint8_t)operation,
		.first = arguments, .count = count, .if_true = NO_EXIT, .if_false = NO_EXIT,
		.start = parser->tokens[token].start,
		.steps = expression->step_count, .nodes = expression->node_count,
		.values = expression->value_count };
	if (compares_images(operation) && count > 0)
		mark_image_path(expression, arguments);
	parser->stack[first] = (struct parsed){ .is_condition = true, .entry = n,
		.token = parser->stack[first].token, .if_true = yes, .if_false = no };
	parser->height = first + 1;
}

/* --- requiring an operand or a condition --- */

static bool is_condition_function(enum operation operation)
{
	return operation >= OPERATION_EXISTS && operation <= OPERATION_BECAME;
}

/* Returns the function that an operand calls, OPERATION_UNKNOWN for other operands and for unknown
 * functions. */
static enum operation call_of(const struct parser *parser, const struct parsed *parsed)
{
	const struct expr_node *node = &parser->expression->nodes[parsed->node];

	return node->kind == NODE_CALL ? (enum operation)node->operation : OPERATION_UNKNOWN;
}

static void note_misuse(struct parser *parser, enum operation operation)
{
	fault_note(&parser->faults, FAULT_FUNCTION_USE,
		slice_of_text(operation_name(operation)), 0);
}

/* Fails unless `parsed` is an operand. A condition in place of an operand is a syntax error at the
 * next token. */
static void need_operand(struct parser *parser, const struct parsed *parsed)
{
	if (parsed->is_condition)
		parser_fail(parser, parser->at);
	else if (is_condition_function(call_of(parser, parsed)))
		note_misuse(parser, call_of(parser, parsed));
}

/* Makes the topmost element of the stack a condition. Converts a function to a condition; fails
 * for other operands. */
static void need_condition(struct parser *parser)
{
	struct parsed *top = top_parsed(parser);
	const struct expr_node *node = &parser->expression->nodes[top->node];

	if (top->is_condition)
		return;
	if (node->kind != NODE_CALL) {
		parser_fail(parser, parser->at);
		return;
	}
	if (node->operation == OPERATION_SIZE)
		note_misuse(parser, OPERATION_SIZE);
	make_test(parser, (enum operation)node->operation, top->token, parser->height - 1,
		node->at, node->count);
}

/* Moves the nodes of the topmost `count` operands to the arguments of a function. */
static uint16_t take_arguments(struct parser *parser, unsigned count)
{
	struct expression *expression = parser->expression;
	uint16_t first = expression->argument_count;
	unsigned i;

	for (i = parser->height - count; i < parser->height; i++) {
		need_operand(parser, &parser->stack[i]);
		expression->arguments[expression->argument_count++] = parser->stack[i].node;
	}
	return first;
}

/* --- reducing operators whose operands are complete --- */

static void reduce_test(struct parser *parser, unsigned count)
{
	struct frame frame = *top_frame(parser);
	uint16_t arguments = take_arguments(parser, count);

	parser->depth--;
	make_test(parser, (enum operation)frame.operation, frame.token,
		parser->height - count, arguments, (uint16_t)count);
}

static void reduce_sum(struct parser *parser)
{
	uint16_t arguments = take_arguments(parser, 2);
	uint16_t node = parser_add_node(parser, NODE_CALL, arguments);
	struct parsed *left;

	parser->expression->nodes[node].operation = top_frame(parser)->operation;
	parser->expression->nodes[node].count = 2;
	parser->depth--;
	parser->height -= 2;
	left = &parser->stack[parser->height];
	push_operand(parser, node, left->token)->is_sum = true;
}

static void reduce_not(struct parser *parser)
{
	struct parsed *top;
	struct exits exits;

	need_condition(parser);
	if (parser->failed)
		return;
	top = top_parsed(parser);
	exits = top->if_true;
	top->if_true = top->if_false;
	top->if_false = exits;
	top->is_enclosed = false;
	parser->depth--;
}

static void reduce_logic(struct parser *parser)
{
	bool is_and = top_frame(parser)->kind == FRAME_AND;
	struct parsed *left, *right;

	need_condition(parser);
	if (parser->failed)
		return;
	right = top_parsed(parser);
	left = right - 1;
	patch(parser, is_and ? left->if_true : left->if_false, right->entry);
	if (is_and) {
		left->if_true = right->if_true;
		left->if_false = join(parser, left->if_false, right->if_false);
	} else {
		left->if_false = right->if_false;
		left->if_true = join(parser, left->if_true, right->if_true);
	}
	left->is_enclosed = false;
	parser->height--;
	parser->depth--;
}

/* Reduces all operators that bind at least as strongly as this kind of frame. */
static void reduce(struct parser *parser, enum frame_kind down_to)
{
	while (!parser->failed && top_frame(parser)->kind >= down_to) {
		switch (top_frame(parser)->kind) {
		case FRAME_SUM: reduce_sum(parser); break;
		case FRAME_BETWEEN_AND: reduce_test(parser, 3); break;
		case FRAME_COMPARE: reduce_test(parser, 2); break;
		case FRAME_NOT: reduce_not(parser); break;
		case FRAME_AND: case FRAME_OR: reduce_logic(parser); break;
		default: parser_fail(parser, parser->at);        /* BETWEEN without AND */
		}
	}
}

/* --- before an operand --- */

static void open_parentheses(struct parser *parser)
{
	const struct frame *around = bracket(parser);
	enum frame_kind top = (enum frame_kind)top_frame(parser)->kind;
	bool operand_only = around->operand_only || top >= FRAME_COMPARE;
	bool no_sum = around->no_sum || top == FRAME_SUM;
	struct frame *frame = push_frame(parser, FRAME_PARENTHESES, OPERATION_UNKNOWN);

	frame->operand_only = operand_only;
	frame->no_sum = no_sum;
	parser->at++;
}

/* Returns the function with this name. `changed` and `became` exist only in filters of records. */
static enum operation function_of(const struct parser *parser, struct slice name)
{
	bool is_of_records = parser->expression->kind == EXPRESSION_RECORD_FILTER;
	enum operation i;

	for (i = OPERATION_EXISTS; i <= OPERATION_LIST_APPEND; i++)
		if (slice_equal(name, slice_of_text(operation_name(i))))
			return is_of_records || !compares_images(i) ? i : OPERATION_UNKNOWN;
	return OPERATION_UNKNOWN;
}

static void open_call(struct parser *parser)
{
	struct frame *frame = push_frame(parser, FRAME_CALL,
		function_of(parser, parser_text(parser, parser->at)));

	frame->operand_only = true;
	frame->no_sum = true;
	parser->at += 2;
}

static void take_not(struct parser *parser)
{
	if (bracket(parser)->operand_only || top_frame(parser)->kind >= FRAME_COMPARE) {
		parser_fail(parser, parser->at);
		return;
	}
	if (!parser->expression->first_logic_keyword) {
		parser->expression->first_logic = parser_token(parser)->start;
		parser->expression->first_logic_keyword = KEYWORD_NOT;
	}
	parser_count_operator(parser);
	push_frame(parser, FRAME_NOT, OPERATION_UNKNOWN);
	parser->at++;
}

/* Reads a token that precedes an operand, or the operand itself. Returns true after the operand. */
static bool take_prefix(struct parser *parser)
{
	const struct token *token = parser_token(parser);
	unsigned at = parser->at;

	if (token->kind == TOKEN_OPEN) {
		open_parentheses(parser);
		return false;
	}
	if (token->kind == TOKEN_VALUE || token->kind == TOKEN_POSITION) {
		push_operand(parser, parser_read_value(parser), at);
		return true;
	}
	if (token->keyword == KEYWORD_NOT && parser_is_keyword(parser, token)) {
		take_not(parser);
		return false;
	}
	if (token->kind == TOKEN_WORD && token[1].kind == TOKEN_OPEN &&
			!parser_is_keyword(parser, token)) {
		open_call(parser);
		return false;
	}
	push_operand(parser, parser_add_node(parser, NODE_PATH, parser_read_path(parser)), at);
	return true;
}

/* --- after an operand --- */

/* Records a fault if the function of a frame is unknown or not allowed in this kind of
 * expression. */
static void check_function(struct parser *parser, const struct frame *frame)
{
	struct slice name = parser_text(parser, frame->token);
	bool of_updates = frame->operation >= OPERATION_IF_NOT_EXISTS;

	if (frame->operation == OPERATION_UNKNOWN)
		fault_note(&parser->faults, FAULT_UNKNOWN_FUNCTION, name, 0);
	else if (of_updates != (parser->expression->kind == EXPRESSION_UPDATE))
		fault_note(&parser->faults, FAULT_FUNCTION_KIND, name, 0);
}

static void close_call(struct parser *parser)
{
	struct frame frame = *top_frame(parser);
	unsigned count = parser->height - frame.base, i;
	bool has_append = false;
	uint16_t arguments, node;

	for (i = frame.base; i < parser->height; i++)
		has_append |= parser->stack[i].has_append;
	check_function(parser, &frame);
	if (has_append && frame.operation == OPERATION_LIST_APPEND)
		note_misuse(parser, OPERATION_LIST_APPEND);
	arguments = take_arguments(parser, count);
	node = parser_add_node(parser, NODE_CALL, arguments);
	parser->expression->nodes[node].operation = frame.operation;
	parser->expression->nodes[node].count = (uint16_t)count;
	parser->height = frame.base;
	push_operand(parser, node, frame.token)->has_append =
		has_append || frame.operation == OPERATION_LIST_APPEND;
	parser->depth--;
}

static void close_in(struct parser *parser)
{
	unsigned count = parser->height - top_frame(parser)->base;

	/* + 1 for the left operand, which is below the list on the stack */
	reduce_test(parser, count + 1);
}

static void close_parentheses(struct parser *parser)
{
	struct parsed *top = top_parsed(parser);

	if (top->is_enclosed)
		fault_note(&parser->faults, FAULT_PARENTHESES, slice_of(NULL, 0), 0);
	top->is_enclosed = true;
	parser->depth--;
}

static void take_close(struct parser *parser)
{
	reduce(parser, FRAME_OR);
	if (parser->failed)
		return;
	switch (top_frame(parser)->kind) {
	case FRAME_CALL: close_call(parser); break;
	case FRAME_IN: close_in(parser); break;
	case FRAME_PARENTHESES: close_parentheses(parser); break;
	default: parser_fail(parser, parser->at);
	}
	parser->at++;
}

static void take_logic(struct parser *parser, enum keyword keyword)
{
	struct frame *top = top_frame(parser);

	if (keyword == KEYWORD_AND && top->kind == FRAME_BETWEEN) {
		need_operand(parser, top_parsed(parser));
		top->kind = FRAME_BETWEEN_AND;
		return;
	}
	reduce(parser, keyword == KEYWORD_AND ? FRAME_AND : FRAME_OR);
	if (!parser->failed && bracket(parser)->operand_only)
		parser_fail(parser, parser->at);
	if (!parser->failed)
		need_condition(parser);
	if (keyword == KEYWORD_OR && !parser->expression->first_logic_keyword) {
		parser->expression->first_logic = parser_token(parser)->start;
		parser->expression->first_logic_keyword = KEYWORD_OR;
	}
	parser_count_operator(parser);
	push_frame(parser, keyword == KEYWORD_AND ? FRAME_AND : FRAME_OR, OPERATION_UNKNOWN);
}

/* Reads a non-associative operator between operands: a comparator, BETWEEN or IN. */
static void take_operator(struct parser *parser, enum frame_kind kind, enum operation operation)
{
	struct frame *frame;

	if (top_frame(parser)->kind >= FRAME_COMPARE || bracket(parser)->operand_only) {
		parser_fail(parser, parser->at);
		return;
	}
	need_operand(parser, top_parsed(parser));
	parser_count_operator(parser);
	frame = push_frame(parser, kind, operation);
	if (kind == FRAME_IN) {
		frame->operand_only = true;
		parser->at++;
		if (parser_token(parser)->kind != TOKEN_OPEN)
			parser_fail(parser, parser->at);
	}
}

static void take_sum(struct parser *parser, enum operation operation)
{
	if (top_frame(parser)->kind == FRAME_SUM || bracket(parser)->no_sum ||
			top_parsed(parser)->is_sum) {
		parser_fail(parser, parser->at);
		return;
	}
	parser_count_operator(parser);
	push_frame(parser, FRAME_SUM, operation);
}

/* Reads an operator of conditions. Returns false at any other token. */
static bool take_condition_operator(struct parser *parser)
{
	const struct token *token = parser_token(parser);

	if (token->kind >= TOKEN_EQUAL && token->kind <= TOKEN_GREATER_OR_EQUAL)
		take_operator(parser, FRAME_COMPARE,
			(enum operation)(OPERATION_EQUAL + (token->kind - TOKEN_EQUAL)));
	else if (token->keyword == KEYWORD_AND || token->keyword == KEYWORD_OR)
		take_logic(parser, (enum keyword)token->keyword);
	else if (token->keyword == KEYWORD_BETWEEN)
		take_operator(parser, FRAME_BETWEEN, OPERATION_BETWEEN);
	else if (token->keyword == KEYWORD_IN)
		take_operator(parser, FRAME_IN, OPERATION_IN);
	else
		return false;
	parser->at++;
	return true;
}

enum place { BEFORE_OPERAND, AFTER_OPERAND, OUTSIDE };

static enum place take_postfix(struct parser *parser)
{
	const struct token *token = parser_token(parser);
	bool is_update = parser->expression->kind == EXPRESSION_UPDATE;

	if (token->kind == TOKEN_CLOSE && parser->depth > 1) {
		take_close(parser);
		return AFTER_OPERAND;
	}
	if (token->kind == TOKEN_COMMA && (top_frame(parser)->kind == FRAME_CALL ||
			top_frame(parser)->kind == FRAME_IN)) {
		parser->at++;
		return BEFORE_OPERAND;
	}
	if (is_update && (token->kind == TOKEN_PLUS || token->kind == TOKEN_MINUS)) {
		take_sum(parser, token->kind == TOKEN_PLUS ? OPERATION_PLUS : OPERATION_MINUS);
		parser->at++;
		return BEFORE_OPERAND;
	}
	if (!is_update && take_condition_operator(parser))
		return BEFORE_OPERAND;
	return OUTSIDE;
}

/* Reads up to the first token that cannot continue the expression and reduces the stack to
 * one operand or condition. */
static void read_expression(struct parser *parser)
{
	enum place place = BEFORE_OPERAND;

	parser->depth = 0;
	parser->height = 0;
	push_frame(parser, FRAME_ROOT, OPERATION_UNKNOWN);
	while (!parser->failed && place != OUTSIDE) {
		if (place == AFTER_OPERAND)
			place = take_postfix(parser);
		else if (take_prefix(parser))
			place = AFTER_OPERAND;
	}
	reduce(parser, FRAME_OR);
	if (!parser->failed && top_frame(parser)->kind != FRAME_ROOT)
		parser_fail(parser, parser->at);
}

uint16_t parser_read_operand(struct parser *parser)
{
	read_expression(parser);
	if (!parser->failed)
		need_operand(parser, top_parsed(parser));
	return parser->failed ? 0 : top_parsed(parser)->node;
}

void parser_read_condition(struct parser *parser)
{
	read_expression(parser);
	if (!parser->failed && parser_token(parser)->kind != TOKEN_END)
		parser_fail(parser, parser->at);
	if (!parser->failed)
		need_condition(parser);
	if (parser->failed)
		return;
	patch(parser, top_parsed(parser)->if_true, TARGET_ACCEPT);
	patch(parser, top_parsed(parser)->if_false, TARGET_REJECT);
}
