/* parser.c - parser: memory, paths, values, projections and updates. */
#include "expr/parser.h"

#include "base/memory.h"
#include "expr/message.h"
#include "expr/parsing.h"
#include "expr/reserved.h"

/* --- memory ---
 *
 * The numbers of tokens are upper bounds for the lengths of all arrays. So one block of memory
 * contains the expression and its arrays, and a second block contains the parser's own arrays.
 */

struct bounds {
	size_t tokens, words, names, values, numbers, operators;
};

static struct bounds count_tokens(const struct token *tokens, unsigned count)
{
	struct bounds bounds = { .tokens = count };
	unsigned i;

	for (i = 0; i < count; i++) {
		bounds.words += tokens[i].kind == TOKEN_WORD;
		bounds.names += tokens[i].kind == TOKEN_NAME;
		bounds.values += tokens[i].kind == TOKEN_VALUE || tokens[i].kind == TOKEN_POSITION;
		bounds.numbers += tokens[i].kind == TOKEN_NUMBER;
		bounds.operators += tokens[i].kind >= TOKEN_PLUS;
	}
	return bounds;
}

/* Allocates `count` elements of `size` bytes from the block at offset *at, aligned, and advances
 * *at. If the block is NULL, it only advances *at, so that the size of the block can be
 * computed. */
static void *carve(uint8_t *block, size_t *at, size_t count, size_t size)
{
	void *piece = block ? block + *at : NULL;

	*at = (*at + count * size + 7) & ~(size_t)7;
	return piece;
}

static size_t carve_expression(struct expression *expression, uint8_t *block,
	const struct bounds *bounds, struct slice text)
{
	size_t at = 0, paths = bounds->words + bounds->names + 1;    /* + 1: a path that fails */
	size_t nodes = paths + bounds->values + bounds->operators;
	struct expression none, *e = block ? expression : &none;
	uint8_t *copy;

	carve(block, &at, 1, sizeof *e);
	e->steps = carve(block, &at, paths + bounds->numbers, sizeof *e->steps);
	e->paths = carve(block, &at, paths, sizeof *e->paths);
	e->nodes = carve(block, &at, nodes, sizeof *e->nodes);
	e->arguments = carve(block, &at, nodes, sizeof *e->arguments);
	e->values = carve(block, &at, bounds->values, sizeof *e->values);
	e->tests = carve(block, &at, bounds->words + bounds->operators, sizeof *e->tests);
	e->actions = carve(block, &at, paths, sizeof *e->actions);
	copy = carve(block, &at, text.len, 1);
	if (copy) {
		memcpy(copy, text.data, text.len);
		e->text = slice_of(copy, text.len);
	}
	return at;
}

static struct expression *make_expression(enum expression_kind kind, struct slice text,
	const struct bounds *bounds)
{
	size_t size = carve_expression(NULL, NULL, bounds, text);
	struct expression *expression = memory_alloc_zeroed(size);

	if (!expression)
		return NULL;
	carve_expression(expression, (uint8_t *)expression, bounds, text);
	expression->kind = kind;
	expression->references = 1;
	expression->size = size;
	return expression;
}

void expression_release(struct expression *expression)
{
	if (expression && --expression->references == 0)
		memory_free(expression);
}

/* --- paths and values --- */

bool parser_is_keyword(const struct parser *parser, const struct token *token)
{
	enum expression_kind kind = parser->expression->kind;

	if (kind == EXPRESSION_PROJECTION || token->keyword == KEYWORD_NONE)
		return false;
	return (token->keyword >= KEYWORD_SET) == (kind == EXPRESSION_UPDATE);
}

uint16_t parser_add_node(struct parser *parser, enum node_kind kind, uint16_t at)
{
	struct expression *expression = parser->expression;

	expression->nodes[expression->node_count] = (struct expr_node){
		.kind = (uint8_t)kind, .at = at };
	return expression->node_count++;
}

uint16_t parser_read_value(struct parser *parser)
{
	struct expression *expression = parser->expression;
	const struct token *token = parser_token(parser);

	expression->values[expression->value_count] = (struct expr_value){
		.start = token->start, .len = token->len };
	expression->position_count =
		(uint16_t)(expression->position_count + (token->kind == TOKEN_POSITION));
	parser->at++;
	return parser_add_node(parser, NODE_VALUE, expression->value_count++);
}

static void add_step(struct parser *parser, struct expr_path *path, enum step_kind kind,
	uint32_t index)
{
	struct expression *expression = parser->expression;
	const struct token *token = parser_token(parser);

	expression->steps[expression->step_count++] = (struct expr_step){
		.kind = (uint8_t)kind, .index = index, .start = token->start, .len = token->len };
	path->count++;
	parser->at++;
}

static void read_name(struct parser *parser, struct expr_path *path)
{
	const struct token *token = parser_token(parser);
	enum fault fault = parser->expression->kind == EXPRESSION_UPDATE ?
		FAULT_RESERVED_UPDATE : FAULT_RESERVED;

	if (token->kind == TOKEN_NAME) {
		add_step(parser, path, STEP_REFERENCE, 0);
	} else if (token->kind == TOKEN_WORD && !parser_is_keyword(parser, token)) {
		if (parser->expression->kind != EXPRESSION_RECORD_FILTER &&
				is_reserved(parser_text(parser, parser->at)))
			fault_note(&parser->faults, fault, parser_text(parser, parser->at), 0);
		add_step(parser, path, STEP_NAME, 0);
	} else {
		parser_fail(parser, parser->at);
	}
}

static void read_index(struct parser *parser, struct expr_path *path)
{
	struct slice text = parser_text(parser, parser->at);
	uint64_t index = 0;
	size_t i;

	if (parser_token(parser)->kind != TOKEN_NUMBER) {
		parser_fail(parser, parser->at);
		return;
	}
	for (i = 0; i < text.len && index <= LIST_INDEX_MAX; i++)
		index = index * 10 + (uint64_t)(text.data[i] - '0');
	if (index > LIST_INDEX_MAX)
		fault_note(&parser->faults, FAULT_INDEX, text, 0);
	add_step(parser, path, STEP_INDEX, (uint32_t)index);
	if (parser_token(parser)->kind == TOKEN_CLOSE_BRACKET)
		parser->at++;
	else
		parser_fail(parser, parser->at);
}

uint16_t parser_read_path(struct parser *parser)
{
	struct expression *expression = parser->expression;
	struct expr_path *path = &expression->paths[expression->path_count];

	path->first = expression->step_count;
	read_name(parser, path);
	while (!parser->failed) {
		enum token_kind kind = (enum token_kind)parser_token(parser)->kind;

		if (kind != TOKEN_DOT && kind != TOKEN_OPEN_BRACKET)
			break;
		parser->at++;
		if (kind == TOKEN_DOT)
			read_name(parser, path);
		else
			read_index(parser, path);
	}
	if (path->count > PATH_STEPS_MAX)
		fault_note(&parser->faults, FAULT_DEPTH, slice_of(NULL, 0), path->count);
	return expression->path_count++;
}

/* --- projections and updates --- */

/* Reads a comma. Returns false at any other token. */
static bool take_comma(struct parser *parser)
{
	if (parser->failed || parser_token(parser)->kind != TOKEN_COMMA)
		return false;
	parser->at++;
	return true;
}

static void read_projection(struct parser *parser)
{
	do
		parser_read_path(parser);
	while (take_comma(parser));
	if (!parser->failed && parser_token(parser)->kind != TOKEN_END)
		parser_fail(parser, parser->at);
}

static bool token_is_section(const struct token *token)
{
	return token->kind == TOKEN_WORD && token->keyword >= KEYWORD_SET;
}

static uint16_t read_set_operand(struct parser *parser)
{
	if (parser_token(parser)->kind != TOKEN_EQUAL) {
		parser_fail(parser, parser->at);
		return 0;
	}
	parser->at++;
	return parser_read_operand(parser);
}

static uint16_t read_plain_value(struct parser *parser)
{
	enum token_kind kind = (enum token_kind)parser_token(parser)->kind;

	if (kind == TOKEN_VALUE || kind == TOKEN_POSITION)
		return parser_read_value(parser);
	parser_fail(parser, parser->at);
	return 0;
}

static void read_action(struct parser *parser, enum operation section)
{
	struct expression *expression = parser->expression;
	struct expr_action action = { .section = (uint8_t)section };

	action.path = parser_read_path(parser);
	if (!parser->failed && section == OPERATION_SET)
		action.node = read_set_operand(parser);
	else if (!parser->failed && section != OPERATION_REMOVE)
		action.node = read_plain_value(parser);
	if (!parser->failed)
		expression->actions[expression->action_count++] = action;
}

static enum operation section_of(enum keyword keyword)
{
	switch (keyword) {
	case KEYWORD_SET: return OPERATION_SET;
	case KEYWORD_REMOVE: return OPERATION_REMOVE;
	case KEYWORD_ADD: return OPERATION_ADD;
	default: return OPERATION_DELETE;
	}
}

static void read_update(struct parser *parser)
{
	bool seen[OPERATION_DELETE + 1] = { false };

	while (!parser->failed) {
		const struct token *token = parser_token(parser);
		enum operation section;

		if (!token_is_section(token)) {
			parser_fail(parser, parser->at);
			return;
		}
		section = section_of((enum keyword)token->keyword);
		if (seen[section])
			fault_note(&parser->faults, FAULT_SECTION,
				slice_of_text(operation_name(section)), 0);
		seen[section] = true;
		parser->at++;
		do
			read_action(parser, section);
		while (take_comma(parser));
		if (!parser->failed && parser_token(parser)->kind == TOKEN_END)
			return;
	}
}

/* --- parsing an expression --- */

/* Fails with a syntax error, whose message contains the token and the text from the previous token
 * to the next one. */
static int report_syntax(const struct parser *parser, struct failure *failure)
{
	const struct token *token = &parser->tokens[parser->failed_at];
	const struct token *first = parser->failed_at ? token - 1 : token;
	const struct token *last = token->kind == TOKEN_END ? first : token;
	struct slice near;

	if (last == token && token[1].kind != TOKEN_END)
		last = token + 1;
	near = slice_of(parser->text.data + first->start,
		(size_t)last->start + last->len - first->start);
	return expression_fail(failure, parser->expression->kind,
		"Syntax error; token: \"%s\", near: \"%s\"",
		token->kind == TOKEN_END ? "<EOF>" : quote_of(token_text(parser->text,
		*token)).text,
		quote_of(near).text);
}

static int parse_tokens(struct parser *parser, struct failure *failure)
{
	enum expression_kind kind = parser->expression->kind;

	if (kind == EXPRESSION_PROJECTION)
		read_projection(parser);
	else if (kind == EXPRESSION_UPDATE)
		read_update(parser);
	else
		parser_read_condition(parser);
	return parser->failed ? report_syntax(parser, failure) :
		faults_report(&parser->faults, kind, failure);
}

/* Parses the tokens of an expression. The parser's stacks exist only during this call. */
static int parse(struct expression **expression, enum expression_kind kind, struct slice text,
	struct token *tokens, unsigned count, struct failure *failure)
{
	struct parser parser = { .text = text, .tokens = tokens };
	struct bounds bounds = count_tokens(tokens, count);
	size_t at = 0, space = (count + 2) * (sizeof *parser.frames + sizeof *parser.stack);
	uint8_t *stacks = memory_alloc(space + 16);
	int err = ERR_NO_MEMORY;

	parser.expression = stacks ? make_expression(kind, text, &bounds) : NULL;
	if (parser.expression) {
		parser.frames = carve(stacks, &at, count + 2, sizeof *parser.frames);
		parser.stack = carve(stacks, &at, count + 2, sizeof *parser.stack);
		err = parse_tokens(&parser, failure);
	} else {
		fail(failure, err);
	}
	if (err) {
		expression_release(parser.expression);
		parser.expression = NULL;
	}
	memory_free(stacks);
	*expression = parser.expression;
	return err;
}

int expression_parse(struct expression **expression, enum expression_kind kind,
	struct slice text, struct failure *failure)
{
	struct token *tokens;
	unsigned count;
	int err;

	*expression = NULL;
	if (text.len > EXPRESSION_BYTES_MAX)
		return expression_fail(failure, kind, "Expression size has exceeded the maximum"
			" allowed size; expression size: %zu", text.len);
	tokens = memory_alloc((text.len + 1) * sizeof *tokens);
	if (!tokens)
		return fail(failure, ERR_NO_MEMORY);
	count = lexer_split(text, tokens);
	if (count == 1)
		err = expression_fail(failure, kind, "The expression can not be empty;");
	else
		err = parse(expression, kind, text, tokens, count, failure);
	memory_free(tokens);
	return err;
}
