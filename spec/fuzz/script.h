/* script.h - builds expressions from bytes: text, parameters and expected meaning.
 *
 * Each byte decides one thing, so a fuzzer that changes a byte changes one part of the
 * expression. All names and values are placeholders.
 */
#ifndef FUZZ_SCRIPT_H
#define FUZZ_SCRIPT_H

#include <stdarg.h>

#include "expr/expression.h"
#include "fuzz/reference.h"
#include "unit/document.h"

#define SCRIPT_PARAMETERS 1024

struct script {
	struct source source;
	struct tree *item;
	char text[EXPRESSION_BYTES_MAX + 1];
	size_t len;
	struct parameters parameters;
	struct parameter_name names[SCRIPT_PARAMETERS];
	struct parameter_value values[SCRIPT_PARAMETERS];
	char placeholders[2 * SCRIPT_PARAMETERS][8];
	struct builder builders[2];      /* for the item, and for the values */
	struct document document;
	unsigned literal_count;          /* number of values to choose from */
	struct slice literal_bytes;
};

/* Returns a number below limit, derived from the next byte; 0 at the end of the
 * bytes. */
static inline unsigned script_roll(struct script *script, unsigned limit)
{
	return source_left(&script->source) ? source_u8(&script->source) % limit : 0;
}

/* Returns true if space is left only to complete what was begun: about 8 tests
 * of 6 operands. */
static inline bool script_is_full(const struct script *script)
{
	return script->len + 2200 > sizeof script->text ||
		script->parameters.name_count + 300 > SCRIPT_PARAMETERS ||
		script->parameters.value_count + 100 > SCRIPT_PARAMETERS;
}

__attribute__((format(printf, 2, 3)))
static inline void script_print(struct script *script, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	script->len += (size_t)vsnprintf(script->text + script->len,
		sizeof script->text - script->len, format, args);
	va_end(args);
	CHECK(script->len < sizeof script->text);
}

/* Returns a random item; the same seed gives the same item. */
static inline struct slice script_item(struct script *script, unsigned which, uint64_t seed)
{
	uint64_t state = *check_random_state();
	struct slice bytes;

	*check_random_state() = seed;
	document_random(&script->document);
	*check_random_state() = state;
	CHECK_EQUAL_INT(document_build(&script->builders[which], &script->document, &bytes), 0);
	return bytes;
}

/* Creates an item and a list of values from the first bytes. */
static inline struct slice script_start(struct script *script, const uint8_t *data, size_t size)
{
	struct map_walk walk;
	struct slice item, name;
	struct value value;
	uint64_t seed;

	tree_start();
	script->source = source_of(slice_of(data, size));
	script->len = 0;
	script->text[0] = '\0';
	script->parameters = (struct parameters){ .name_count = 0 };
	seed = script_roll(script, 256) << 8 | script_roll(script, 256);
	item = script_item(script, 0, seed);
	script->item = tree_of_map(item);
	script->literal_bytes = script_item(script, 1, seed + 1 + script_roll(script, 256));
	script->literal_count = 0;
	CHECK_EQUAL_INT(map_start(&walk, script->literal_bytes), 0);
	while (map_next(&walk, &name, &value) == 0)
		script->literal_count++;
	return item;
}

/* --- paths --- */

static inline void script_name(struct script *script, struct slice name)
{
	size_t n = script->parameters.name_count++;
	char *placeholder = script->placeholders[n];

	snprintf(placeholder, sizeof script->placeholders[n], "#%zu", n);
	script->names[n] = (struct parameter_name){ slice_of_text(placeholder), name };
	script->parameters.names = script->names;
	script_print(script, "%s", placeholder);
}

static inline void script_step(struct script *script, struct plain_path *path,
	const struct tree *at)
{
	static const char *const missing[] = { "0", "aaa", "b2", "missing", "y", "zz", "zzz", "~" };
	unsigned n = path->count++, roll = script_roll(script, 16);
	const struct tree *child;

	path->steps[n].is_index = at ? at->type == TYPE_L : roll % 4 == 1;
	path->steps[n].name = slice_of_text(missing[roll % 8]);
	path->steps[n].index = roll % (at ? at->count + 2 : 4);
	if (roll == 15)
		path->steps[n].is_index = n > 0 && !path->steps[n].is_index;
	child = at && at->count ? tree_element(at, roll % at->count) : NULL;
	if (child && at->type == TYPE_M && roll != 14)
		path->steps[n].name = child->name;
	if (path->steps[n].is_index) {
		script_print(script, "[%u]", path->steps[n].index);
	} else {
		script_print(script, "%s", n ? "." : "");
		script_name(script, path->steps[n].name);
	}
}

/* Returns a path that usually exists in the item. */
static inline struct plain_path script_path(struct script *script)
{
	struct plain_path path = { .count = 0 };
	struct tree *at = script->item;

	do {
		script_step(script, &path, at);
		at = tree_find(script->item, &path, path.count);
	} while (path.count < PLAIN_STEPS && script_roll(script, 3) == 1);
	return path;
}

/* --- values --- */

/* Adds a value, which must outlive the script. Returns its tree. */
static inline struct tree *script_add_value(struct script *script, const struct value *value)
{
	size_t n = script->parameters.value_count++;
	char *placeholder = script->placeholders[SCRIPT_PARAMETERS + n];

	snprintf(placeholder, sizeof script->placeholders[0], ":%zu", n);
	script->values[n] = (struct parameter_value){ slice_of_text(placeholder), *value };
	script->parameters.values = script->values;
	script_print(script, "%s", placeholder);
	return tree_of_value(value);
}

static inline bool script_any(enum type type)
{
	return type != 0;
}

/* Reads the n-th attribute of an item. */
static inline struct value script_nth(struct slice item, unsigned n)
{
	struct map_walk walk;
	struct slice name;
	struct value value;

	CHECK_EQUAL_INT(map_start(&walk, item), 0);
	do
		CHECK_EQUAL_INT(map_next(&walk, &name, &value), 0);
	while (n-- > 0);
	return value;
}

/* Returns a value of the list or of the item, of a matching type if there is
 * one. */
static inline struct tree *script_value(struct script *script, struct slice item,
	bool (*fits)(enum type type))
{
	bool of_item = script_roll(script, 2) == 0 && script->item->count > 0;
	unsigned i, n, count = of_item ? script->item->count : script->literal_count;
	struct slice from = of_item ? item : script->literal_bytes;
	struct value value = { TYPE_NULL, 0, { (const uint8_t *)"", 0 } };

	n = script_roll(script, count ? count : 1);
	for (i = 0; i < count; i++) {
		value = script_nth(from, (n + i) % count);
		if (fits(value.type))
			break;
	}
	return script_add_value(script, &value);
}

/* --- the implementation under test --- */

/* Binds the script's text. Returns false if it is refused with an expected
 * message. */
static inline bool script_bind(struct script *script, enum expression_kind kind,
	struct binding *binding, struct failure *failure)
{
	static struct request request;
	struct expression *expression;
	int err;

	*failure = (struct failure){ 0 };
	CHECK_EQUAL_INT(request_start(&request, &script->parameters, true, NULL, failure), 0);
	err = expression_parse(&expression, kind, slice_of(script->text, script->len), failure);
	if (err)
		fprintf(stderr, "%s: %s\n", script->text, failure->message);
	CHECK_EQUAL_INT(err, 0);
	err = binding_bind(binding, &request, expression, failure);
	expression_release(expression);
	CHECK(err == 0 || err == ERR_VALIDATION);
	if (!err)
		CHECK_EQUAL_INT(request_finish(&request, failure), 0);
	return err == 0;
}

/* Checks that a tenth of the expressions was accepted: a fuzzer whose input is
 * always refused tests nothing. With forty seeds 23 to 37 % of the updates and
 * 36 to 45 % of the conditions were accepted. */
static inline void script_count(bool accepted)
{
	static unsigned long all, good;

	good += accepted;
	if (++all % 10000 == 0)
		CHECK(good * 10 > all);
}

#endif
