/* parsing.h - state of the parser, shared by parser.c and precedence.c. */
#ifndef EXPR_PARSING_H
#define EXPR_PARSING_H

#include "expr/fault.h"
#include "expr/lexer.h"
#include "expr/tree.h"

/* End of a list of exits (struct exits). */
#define NO_EXIT 0xffff

/* List of the exits of a condition whose target is not known yet (backpatching). The list is
 * linked through the target fields of the tests: exit 2n is if_true of test n, exit 2n + 1 is its
 * if_false. */
struct exits {
	uint16_t first, last;
};

/* An operand or a condition on the parser's stack. */
struct parsed {
	bool is_condition;
	bool is_sum;             /* true for a + b and a - b, which no sum may contain */
	bool has_append;         /* true if the operand contains list_append */
	bool is_enclosed;        /* true if the whole operand is in parentheses */
	uint16_t node;           /* of an operand: index of its node */
	uint16_t token;          /* index of its first token */
	uint16_t entry;          /* of a condition: index of its first test */
	struct exits if_true, if_false;
};

/* Kinds of frames on the parser's stack: open brackets, then operators that have no right operand
 * yet, by ascending precedence. */
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

/* Counts an operator of the expression. Records a fault if there are too many. */
static inline void parser_count_operator(struct parser *parser)
{
	if (++parser->expression->operator_count > OPERATORS_MAX)
		fault_note(&parser->faults, FAULT_OPERATORS, slice_of(NULL, 0), OPERATORS_MAX + 1);
}

/* Returns true if the token is a keyword of this kind of expression. */
bool parser_is_keyword(const struct parser *parser, const struct token *token);

/* Reads a path and returns its index. */
uint16_t parser_read_path(struct parser *parser);

/* Adds a node to the expression and returns its index. */
uint16_t parser_add_node(struct parser *parser, enum node_kind kind, uint16_t at);

/* Reads a :placeholder or a ? and returns the index of its node. */
uint16_t parser_read_value(struct parser *parser);

/* Reads the right side of a SET, up to the first token that is not part of it, and returns the
 * index of its node. Defined in precedence.c. */
uint16_t parser_read_operand(struct parser *parser);

/* Reads a condition, which ends at the end of the text. Defined in precedence.c. */
void parser_read_condition(struct parser *parser);

#endif
