/* expressions.h - runs expressions in tests: text and parameters in, text out.
 *
 * Parameters are an item in notation: {:v: 1, #n: 'status', ?: [2, 'x']} has a value, a name
 * and two values for ?.
 */
#ifndef UNIT_EXPRESSIONS_H
#define UNIT_EXPRESSIONS_H

#include "expr/expression.h"
#include "unit/notation.h"

#define TRY_MAX 200

struct trial_parameters {
	struct builder builder;
	struct parameters all;
	struct parameter_name names[TRY_MAX];
	struct parameter_value values[TRY_MAX];
	struct value positions[TRY_MAX];
};

static inline void trial_add_positions(struct trial_parameters *trial, const struct value *list)
{
	struct list_walk walk;
	struct value value;

	list_start(&walk, list);
	while (list_next(&walk, &value) == 0) {
		CHECK(trial->all.position_count < TRY_MAX);
		trial->positions[trial->all.position_count++] = value;
	}
}

static inline void trial_add(struct trial_parameters *trial, struct slice name,
	const struct value *value)
{
	CHECK(trial->all.name_count < TRY_MAX && trial->all.value_count < TRY_MAX);
	if (name.data[0] == '?') {
		trial_add_positions(trial, value);
	} else if (name.data[0] == '#') {
		trial->all.names = trial->names;
		trial->names[trial->all.name_count++] =
			(struct parameter_name){ name, value->bytes };
	} else {
		trial->all.values = trial->values;
		trial->values[trial->all.value_count++] =
			(struct parameter_value){ name, *value };
	}
}

/* Parses parameters; text may be NULL: no parameters. */
static inline const struct parameters *trial_read(struct trial_parameters *trial,
	const char *text)
{
	struct map_walk walk;
	struct slice name;
	struct value value;

	trial->all = (struct parameters){ .positions = trial->positions };
	if (text) {
		CHECK_EQUAL_INT(map_start(&walk, notation_item(&trial->builder, text)), 0);
		while (map_next(&walk, &name, &value) == 0)
			trial_add(trial, name, &value);
	}
	return &trial->all;
}

/* A request with one expression, and its binding. */
struct trial {
	struct trial_parameters parameters;
	struct request request;
	struct binding binding;
	struct update update;
	struct builder item, key;
	struct buffer out, printed;
	struct failure failure;
};

static inline struct trial *trial_of_test(void)
{
	static struct trial trial;

	return &trial;
}

/* Parses and binds; on failure the message is in trial->failure. */
static inline int trial_bind(struct trial *trial, enum expression_kind kind, struct slice text,
	const char *parameters)
{
	struct expression *expression = NULL;
	int err;

	trial->failure = (struct failure){ 0 };
	err = request_start(&trial->request, trial_read(&trial->parameters, parameters), true, NULL,
		&trial->failure);
	if (!err)
		err = expression_parse(&expression, kind, text, &trial->failure);
	if (!err)
		err = binding_bind(&trial->binding, &trial->request, expression, &trial->failure);
	expression_release(expression);
	if (!err)
		err = request_finish(&trial->request, &trial->failure);
	CHECK_EQUAL_INT(trial->failure.err, err);
	return err;
}

/* Returns the message of a failure without "Invalid KindExpression: ". */
static inline const char *trial_detail(const struct trial *trial)
{
	const char *detail = strstr(trial->failure.message, "Expression: ");

	return strncmp(trial->failure.message, "Invalid ", 8) == 0 && detail ?
		detail + strlen("Expression: ") : trial->failure.message;
}

static inline struct slice trial_item(struct builder *builder, const char *text)
{
	return text ? notation_item(builder, text) : slice_of(NULL, 0);
}

/* Returns the error message of an expression, "" if it is valid. */
static inline const char *trial_refusal(enum expression_kind kind, const char *text,
	const char *parameters)
{
	struct trial *trial = trial_of_test();

	return trial_bind(trial, kind, slice_of_text(text), parameters) ? trial_detail(trial) : "";
}

/* Returns "true", "false" or the error message. item NULL: it does not exist. */
static inline const char *trial_condition(const char *text, const char *item,
	const char *parameters)
{
	struct trial *trial = trial_of_test();
	bool holds;
	int err;

	if (trial_bind(trial, EXPRESSION_CONDITION, slice_of_text(text), parameters))
		return trial_detail(trial);
	err = condition_holds(&trial->binding, trial_item(&trial->item, item), &holds);
	return err ? error_text(err) : holds ? "true" : "false";
}

/* Returns the projected item or the error message. */
static inline const char *trial_projection(const char *text, const char *item,
	const char *parameters)
{
	struct trial *trial = trial_of_test();
	int err;

	if (trial_bind(trial, EXPRESSION_PROJECTION, slice_of_text(text), parameters))
		return trial_detail(trial);
	buffer_clear(&trial->out);
	err = project(&trial->binding, trial_item(&trial->item, item), &trial->out);
	if (err)
		return error_text(err);
	CHECK_EQUAL_INT(map_check(buffer_slice(&trial->out)), 0);
	return notation_print(&trial->printed, buffer_slice(&trial->out));
}

/* Updates the item. trial->binding is kept for projections of the old and the new one. */
static inline int trial_apply(struct trial *trial, const char *text, const char *item,
	const char *parameters, struct slice *updated)
{
	int err = trial_bind(trial, EXPRESSION_UPDATE, slice_of_text(text), parameters);

	if (!err)
		err = update_apply(&trial->update, &trial->binding,
			trial_item(&trial->item, item), notation_item(&trial->key, "{p: 'key'}"),
			updated, &trial->failure);
	if (!err && updated->len)
		CHECK_EQUAL_INT(map_check(*updated), 0);
	CHECK(!err || trial->failure.err == err);
	return err;
}

/* Returns the updated item, "none" if it does not exist, or the error message. A new item has
 * the key {p: 'key'}. */
static inline const char *trial_update(const char *text, const char *item,
	const char *parameters)
{
	struct trial *trial = trial_of_test();
	struct slice updated;

	if (trial_apply(trial, text, item, parameters, &updated))
		return trial_detail(trial);
	return updated.len ? notation_print(&trial->printed, updated) : "none";
}

/* Checks the result of trial_update. */
static inline void try_update(const char *text, const char *item, const char *parameters,
	const char *expected)
{
	const char *found = trial_update(text, item, parameters);

	if (strcmp(found, expected) != 0)
		fprintf(stderr, "update: %s\n", text);
	CHECK_EQUAL_STRING(found, expected);
}

#endif
