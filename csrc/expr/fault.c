/* fault.c - errors in an expression that are not syntax errors, and their messages. */
#include "expr/fault.h"

#include "expr/message.h"

void fault_note(struct faults *faults, enum fault fault, struct slice text, unsigned number)
{
	if (faults->found[fault])
		return;
	faults->found[fault] = true;
	faults->text[fault] = text;
	faults->number[fault] = number;
}

static int report(const struct faults *faults, enum fault fault, enum expression_kind kind,
	struct failure *failure)
{
	struct quote quote = quote_of(faults->text[fault]);
	unsigned number = faults->number[fault];

	switch (fault) {
	case FAULT_OPERATORS:
		return expression_fail(failure, kind, "The expression contains too many operators;"
			" operator count: %u", number);
	case FAULT_PARENTHESES:
		return expression_fail(failure, kind, "The expression has redundant parentheses;");
	case FAULT_UNKNOWN_FUNCTION:
		return expression_fail(failure, kind, "Invalid function name; function: %s",
			quote.text);
	case FAULT_FUNCTION_KIND:
		return expression_fail(failure, kind, "The function is not allowed in %s"
			" expression; function: %s",
			kind == EXPRESSION_UPDATE ? "an update" : "a condition", quote.text);
	case FAULT_FUNCTION_USE:
		return expression_fail(failure, kind, "The function is not allowed to be used this"
			" way in an expression; function: %s", quote.text);
	case FAULT_SECTION:
		return expression_fail(failure, kind, "The \"%s\" section can only be used once in"
			" an update expression;", quote.text);
	case FAULT_DEPTH:
		return expression_fail(failure, kind, "The document path has too many nesting"
			" levels; nesting levels: %u", number);
	case FAULT_INDEX:
		return expression_fail(failure, kind, "List index is not within the allowable"
			" range; index: [%s]", quote.text);
	default:
		return expression_fail(failure, kind, "Attribute name is a reserved keyword;"
			" reserved keyword: %s", quote.text);
	}
}

int faults_report(const struct faults *faults, enum expression_kind kind,
	struct failure *failure)
{
	unsigned fault;

	for (fault = 0; fault < FAULT_COUNT; fault++)
		if (faults->found[fault])
			return report(faults, (enum fault)fault, kind, failure);
	return 0;
}
