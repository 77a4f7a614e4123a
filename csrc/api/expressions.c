/* expressions.c - the expressions of one request, with their parameters: parsed and bound. */
#include "api/expressions.h"

#include <assert.h>

#include "api/database.h"
#include "base/memory.h"
#include "tide_projection.h"

int tide_expressions_open(struct tide_expressions **out, struct tide *tide,
	struct failure *failure)
{
	struct tide_expressions *expressions = memory_alloc_zeroed(sizeof *expressions);

	*out = expressions;
	if (!expressions)
		return fail(failure, ERR_NO_MEMORY);
	expressions->cache = &tide->expressions;
	return 0;
}

static void release_parsed(struct tide_expressions *expressions)
{
	for (unsigned kind = 0; kind < EXPRESSION_KINDS; kind++) {
		expression_release(expressions->parsed[kind]);
		expressions->parsed[kind] = NULL;
	}
}

void tide_expressions_clear(struct tide_expressions *expressions)
{
	struct copied_parameters *copied = &expressions->copied;

	release_parsed(expressions);
	buffer_clear(&copied->bytes);
	copied->name_count = copied->value_count = copied->position_count = 0;
	copied->has_names = copied->has_values = false;
}

void tide_expressions_close(struct tide_expressions *expressions)
{
	if (!expressions)
		return;
	release_parsed(expressions);
	for (unsigned kind = 0; kind < EXPRESSION_KINDS; kind++)
		binding_release(&expressions->bindings[kind]);
	request_release(&expressions->request);
	update_release(&expressions->update);
	buffer_release(&expressions->copied.bytes);
	memory_free(expressions->copied.names);
	memory_free(expressions->copied.values);
	memory_free(expressions->copied.positions);
	memory_free(expressions);
}

size_t tide_expressions_bytes(const struct tide_expressions *expressions)
{
	const struct copied_parameters *copied = &expressions->copied;
	size_t bytes = sizeof *expressions + copied->bytes.cap +
		copied->name_cap * sizeof *copied->names +
		copied->value_cap * sizeof *copied->values +
		copied->position_cap * sizeof *copied->positions;

	for (unsigned kind = 0; kind < EXPRESSION_KINDS; kind++)
		bytes += expressions->bindings[kind].cap;
	return bytes;
}

/* --- parameters --- */

/* Appends a copy of the bytes. The slice returned has the offset of the copy as its address. */
static struct slice copy_bytes(struct copied_parameters *copied, struct slice bytes)
{
	struct slice offset = { (const uint8_t *)(uintptr_t)copied->bytes.len, bytes.len };

	buffer_put_slice(&copied->bytes, bytes);
	return offset;
}

/* Replaces the offset in a slice by the address. */
static void set_address(const struct copied_parameters *copied, struct slice *slice)
{
	if (copied->bytes.data)
		slice->data = copied->bytes.data + (uintptr_t)slice->data;
}

/* Returns the address of a new last entry of the array; NULL if there is no memory. */
static void *add_entry(void **array, size_t *count, size_t *cap, size_t size)
{
	if (*count == *cap) {
		void *grown = memory_grow(*array, cap, size);

		if (!grown)
			return NULL;
		*array = grown;
	}
	return (char *)*array + (*count)++ * size;
}

void tide_expressions_give(struct tide_expressions *expressions, bool names, bool values)
{
	expressions->copied.has_names |= names;
	expressions->copied.has_values |= values;
}

int tide_expressions_add_name(struct tide_expressions *expressions, struct slice placeholder,
	struct slice name)
{
	struct copied_parameters *copied = &expressions->copied;
	struct parameter_name *entry = add_entry((void **)&copied->names, &copied->name_count,
		&copied->name_cap, sizeof *entry);

	if (!entry)
		return ERR_NO_MEMORY;
	entry->placeholder = copy_bytes(copied, placeholder);
	entry->name = copy_bytes(copied, name);
	return buffer_error(&copied->bytes);
}

int tide_expressions_add_value(struct tide_expressions *expressions, struct slice placeholder,
	const struct value *value)
{
	struct copied_parameters *copied = &expressions->copied;
	struct parameter_value *entry = add_entry((void **)&copied->values, &copied->value_count,
		&copied->value_cap, sizeof *entry);

	if (!entry)
		return ERR_NO_MEMORY;
	entry->placeholder = copy_bytes(copied, placeholder);
	entry->value = *value;
	entry->value.bytes = copy_bytes(copied, value->bytes);
	return buffer_error(&copied->bytes);
}

int tide_expressions_add_position(struct tide_expressions *expressions,
	const struct value *value)
{
	struct copied_parameters *copied = &expressions->copied;
	struct value *entry = add_entry((void **)&copied->positions, &copied->position_count,
		&copied->position_cap, sizeof *entry);

	if (!entry)
		return ERR_NO_MEMORY;
	*entry = *value;
	entry->bytes = copy_bytes(copied, value->bytes);
	return buffer_error(&copied->bytes);
}

/* Sets expressions->parameters to the copied parameters, after all of them were added. */
static void set_parameters(struct tide_expressions *expressions)
{
	static const struct parameter_name no_names;
	static const struct parameter_value no_values;
	struct copied_parameters *copied = &expressions->copied;

	for (size_t i = 0; i < copied->name_count; i++) {
		set_address(copied, &copied->names[i].placeholder);
		set_address(copied, &copied->names[i].name);
	}
	for (size_t i = 0; i < copied->value_count; i++) {
		set_address(copied, &copied->values[i].placeholder);
		set_address(copied, &copied->values[i].value.bytes);
	}
	for (size_t i = 0; i < copied->position_count; i++)
		set_address(copied, &copied->positions[i].bytes);
	expressions->parameters = (struct parameters){
		copied->name_count ? copied->names : copied->has_names ? &no_names : NULL,
		copied->name_count,
		copied->value_count ? copied->values : copied->has_values ? &no_values : NULL,
		copied->value_count, copied->positions, copied->position_count,
	};
}

/* --- texts --- */

int tide_expressions_parse(struct tide_expressions *expressions, enum expression_kind kind,
	struct slice text, struct failure *failure)
{
	assert(!expressions->parsed[kind]);
	return cache_get(expressions->cache, kind, text, &expressions->parsed[kind], failure);
}

size_t tide_expressions_positions(const struct tide_expressions *expressions)
{
	size_t count = 0;

	for (unsigned kind = 0; kind < EXPRESSION_KINDS; kind++)
		if (expressions->parsed[kind])
			count += expressions->parsed[kind]->position_count;
	return count;
}

static bool has_expression(const struct tide_expressions *expressions)
{
	for (unsigned kind = 0; kind < EXPRESSION_KINDS; kind++)
		if (expressions->parsed[kind])
			return true;
	return false;
}

int tide_expressions_bind(struct tide_expressions *expressions, const char *null_expressions,
	struct failure *failure)
{
	static const enum expression_kind order[] = {
		EXPRESSION_UPDATE, EXPRESSION_CONDITION, EXPRESSION_KEY_CONDITION,
		EXPRESSION_FILTER, EXPRESSION_RECORD_FILTER, EXPRESSION_PROJECTION,
	};
	bool takes_values = false;
	int err;

	set_parameters(expressions);
	for (unsigned kind = 0; kind < EXPRESSION_KINDS; kind++)
		takes_values |= kind != EXPRESSION_PROJECTION && expressions->parsed[kind];
	err = request_start(&expressions->request, &expressions->parameters,
		has_expression(expressions), takes_values ? NULL : null_expressions, failure);
	for (unsigned i = 0; !err && i < EXPRESSION_KINDS; i++) {
		enum expression_kind kind = order[i];

		if (expressions->parsed[kind])
			err = binding_bind(&expressions->bindings[kind], &expressions->request,
				expressions->parsed[kind], failure);
	}
	if (!err && expressions->parsed[EXPRESSION_KEY_CONDITION])
		err = key_condition_check(&expressions->bindings[EXPRESSION_KEY_CONDITION],
			failure);
	return err ? err : request_finish(&expressions->request, failure);
}

int tide_expressions_check_projection(const struct tide_expressions *expressions,
	const struct key_schema *schema, struct failure *failure)
{
	if (!expressions->parsed[EXPRESSION_PROJECTION])
		return 0;
	return binding_check_keys(&expressions->bindings[EXPRESSION_PROJECTION], schema, failure);
}

int tide_expressions_updated(const struct tide_expressions *expressions, struct slice item,
	struct buffer *out)
{
	return project(&expressions->bindings[EXPRESSION_UPDATE], item, out);
}

int tide_expressions_project(const struct tide_expressions *expressions, struct slice item,
	struct buffer *out)
{
	return project(&expressions->bindings[EXPRESSION_PROJECTION], item, out);
}

/* --- copies of projections --- */

bool tide_expressions_has(const struct tide_expressions *expressions, enum expression_kind kind)
{
	return expressions->parsed[kind];
}

size_t tide_projection_size(const struct tide_expressions *expressions)
{
	return expressions->parsed[EXPRESSION_PROJECTION] ?
		projection_copy_size(&expressions->bindings[EXPRESSION_PROJECTION]) : 0;
}

/* A struct tide_projection is a struct binding. */
const struct tide_projection *tide_projection_copy(const struct tide_expressions *expressions,
	void *block)
{
	return (const struct tide_projection *)projection_copy(
		&expressions->bindings[EXPRESSION_PROJECTION], block);
}

int tide_project(const struct tide_projection *projection, struct slice item, struct buffer *out)
{
	return project((const struct binding *)projection, item, out);
}
