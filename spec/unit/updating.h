/* updating.h - updates with a condition, for tests of tide.h. */
#ifndef UNIT_UPDATING_H
#define UNIT_UPDATING_H

#include "unit/tides.h"

/* Parses both expressions and adds the values :v and :n. */
static inline int bind_update(struct tide_expressions *expressions, const char *update,
	const char *condition, const char *v, int64_t n, struct failure *failure)
{
	const struct value text = { TYPE_S, 0, slice_of_text(v) };
	struct number encoded;
	struct value number = { TYPE_N, 0, { 0 } };
	int err;

	number_from_integer(&encoded, n);
	number.bytes = number_slice(&encoded);
	err = tide_expressions_parse(expressions, EXPRESSION_UPDATE, slice_of_text(update),
		failure);
	if (!err)
		err = tide_expressions_parse(expressions, EXPRESSION_CONDITION,
			slice_of_text(condition), failure);
	if (!err)
		err = tide_expressions_add_value(expressions, slice_of_text(":v"), &text);
	if (!err)
		err = tide_expressions_add_value(expressions, slice_of_text(":n"), &number);
	return err ? fail(failure, err) :
		tide_expressions_bind(expressions, "ConditionExpression is null", failure);
}

/* Updates the item with this key in the open transaction. The expressions must use both :v, a text,
 * and :n, a number. */
static inline int update_item(struct tide *tide, struct tide_table *table, struct slice key,
	const char *update, const char *condition, const char *v, int64_t n,
	struct failure *failure)
{
	struct tide_expressions *expressions;
	struct tide_change change;
	int err = tide_expressions_open(&expressions, tide, failure);

	if (err)
		return err;
	err = bind_update(expressions, update, condition, v, n, failure);
	if (!err)
		err = tide_write(tide, table, TIDE_UPDATE, key, expressions, &change, failure);
	tide_expressions_close(expressions);
	return err;
}

#endif
