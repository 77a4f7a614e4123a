/* parsing.h - state of the parser, shared by parser.c and precedence.c. */
#ifndef EXPR_PARSING_H
#define EXPR_PARSING_H

#include "expr/fault.h"
#include "expr/lexer.h"
#include "expr/tree.h"

/* End of a list of exits. */
#define NO_EXIT 0xffff

/* List of exits of a condition that have no target yet (backpatching), linked through the
 * target fields of their tests: exit 2n is if_true of test n, 2n + 1 its if_false. */
struct exits {
	uint16_t first, last;
};

/* An operand or a condition on the parser's stack. */
struct parsed {
	bool is_condition;
	bool is_sum;             /* a + b or a - b, which cannot be an operand of another sum */
	bool has_append;         /* contains list_append */
	bool is_enclosed;        /* the whole is in parentheses */
	uint16_t node;           /* operand: its node */
	uint16_t token;          /* first token */
	uint16_t entry;          /* condition: its first test */
	struct exits if_true, if_false;
};

/* Open brackets, then operators without their right operand, by ascending precedence. */
enum frame_kind {
	FRAME_ROOT, FRAME_PARENTHESES, FRAME_CALL, FRAME_IN,
	FRAME_OR, FRAME_AND, FRAME_NOT, FRAME_COMPARE, FRAME_BETWEEN, FRAME_BETWEEN_AND,
	FRAME_SUM,
};

struct frame {
	uint8_t kind;            /* enum frame_kind */
	uint8_t operation;
	bool operand_only;       /* brackets: conditions are not allowed inside */
	bool no_sum;             /* brackets: + and - are not allowed inside */
	uint16_t token;          /* token of the bracket, function or operator */
	uint16_t base;           /* brackets: height of the stack when they were opened */
};

struct parser {
	struct slice text;
	struct expression *expression;
	struct token *tokens;
	unsigned at;             /* index of the next token */
	struct frame *frames;
	unsigned depth;          /* number of frames */
	struct parsed *stack;
	unsigned height;
	struct faults faults;
	bool failed;             /* syntax error at token failed_at */
	unsigned failed_at;
};

static inline const struct token *parser_token(const struct parser *parser)
{
	return &parser->tokens[parser->at];
}

static inline struct slice parser_text(const struct parser *parser, unsigned token)
{
	return token_text(parser->text, parser->tokens[token]);
}

/* Records a syntax error at this token; the first one is kept. */
static inline void parser_fail(struct parser *parser, unsigned token)
{
	if (!parser->failed) {
		parser->failed = true;
		parser->failed_at = token;
	}
}

/* Counts an operator; records a fault if there are too many. */
static inline void parser_count_operator(struct parser *parser)
{
	if (++parser->expression->operator_count > OPERATORS_MAX)
		fault_note(&parser->faults, FAULT_OPERATORS, slice_of(NULL, 0), OPERATORS_MAX + 1);
}

/* Returns true if the token is a keyword of this kind of expression. */
bool parser_is_keyword(const struct parser *parser, const struct token *token);

/* Reads a path; returns its number. */
uint16_t parser_read_path(struct parser *parser);

/* Adds a node; returns its number. */
uint16_t parser_add_node(struct parser *parser, enum node_kind kind, uint16_t at);

/* Reads a :placeholder or a ?; returns its node. */
uint16_t parser_read_value(struct parser *parser);

/* Reads the right side of a SET, up to the first token that is not part of it; returns its
 * node. Defined in precedence.c. */
uint16_t parser_read_operand(struct parser *parser);

/* Reads a condition up to the end of the text. Defined in precedence.c. */
void parser_read_condition(struct parser *parser);

#endif
