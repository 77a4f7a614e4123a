/* request.c - the names and values of a request's expressions. */
#include "expr/request.h"

#include <stdio.h>

#include "base/memory.h"
#include "expr/lexer.h"
#include "expr/message.h"
#include "expr/sort.h"

#define FEW 8                      /* maximum number of entries for linear search */

/* One of the two maps of a request: names or values. */
struct map {
	const char *title;
	char mark;
	const void *entries;
	size_t count;
	size_t entry_size;               /* in bytes; an entry begins with its placeholder */
};

static struct map names_of(const struct parameters *parameters)
{
	return (struct map){ "ExpressionAttributeNames", '#', parameters->names,
		parameters->name_count, sizeof *parameters->names };
}

static struct map values_of(const struct parameters *parameters)
{
	return (struct map){ "ExpressionAttributeValues", ':', parameters->values,
		parameters->value_count, sizeof *parameters->values };
}

static inline struct slice placeholder(const struct map *map, size_t n)
{
	return *(const struct slice *)((const char *)map->entries + n * map->entry_size);
}

/* --- checks --- */

static int check_map(const struct map *map, struct failure *failure)
{
	size_t i;

	if (map->entries && map->count == 0)
		return fail_as(failure, ERR_VALIDATION, "%s must not be empty", map->title);
	for (i = 0; i < map->count; i++) {
		struct slice key = placeholder(map, i);

		if (key.len > PLACEHOLDER_BYTES_MAX)
			return fail_as(failure, ERR_VALIDATION, "%s contains invalid key: The"
				" expression attribute map contains a key that is too long;"
				" size of key: %zu", map->title, key.len);
		if (!is_placeholder(key, map->mark))
			return fail_as(failure, ERR_VALIDATION, "%s contains invalid key: Syntax"
				" error; key: \"%s\"", map->title, quote_of(key).text);
	}
	return 0;
}

static int check_names(const struct parameters *parameters, struct failure *failure)
{
	size_t i;

	for (i = 0; i < parameters->name_count; i++) {
		const struct parameter_name *entry = &parameters->names[i];
		int err = entry->name.len == 0 ? ERR_EMPTY_NAME :
			entry->name.len > NAME_MAX_BYTES ? ERR_NAME_TOO_LONG :
			is_utf8(entry->name) ? 0 : ERR_NOT_UTF8;

		if (err)
			return fail_as(failure, ERR_VALIDATION, "ExpressionAttributeNames contains"
				" invalid value: %s for key %s", error_text(err),
				quote_of(entry->placeholder).text);
	}
	return 0;
}

static int check_size(const struct parameters *parameters, struct failure *failure)
{
	size_t i, size = 0;

	for (i = 0; i < parameters->name_count; i++)
		size += parameters->names[i].placeholder.len + parameters->names[i].name.len;
	for (i = 0; i < parameters->value_count; i++)
		size += parameters->values[i].placeholder.len +
			value_size(&parameters->values[i].value);
	for (i = 0; i < parameters->position_count; i++)
		size += value_size(&parameters->positions[i]);
	if (size > PARAMETER_BYTES_MAX)
		return fail_as(failure, ERR_VALIDATION, "ExpressionAttributeNames and"
			" ExpressionAttributeValues have exceeded the maximum allowed size; size: %zu",
			size);
	return 0;
}

static int check(const struct parameters *parameters, bool has_expressions,
	const char *null_expressions, struct failure *failure)
{
	struct map names = names_of(parameters), values = values_of(parameters);
	int err;

	if (parameters->names && !has_expressions)
		return fail_as(failure, ERR_VALIDATION,
			"ExpressionAttributeNames can only be specified when using expressions");
	if (parameters->values && null_expressions)
		return fail_as(failure, ERR_VALIDATION, "ExpressionAttributeValues can only be"
			" specified when using expressions: %s", null_expressions);
	err = check_map(&names, failure);
	if (!err)
		err = check_names(parameters, failure);
	if (!err)
		err = check_map(&values, failure);
	return err ? err : check_size(parameters, failure);
}

/* --- looking up --- */

static int compare(const void *context, uint32_t a, uint32_t b)
{
	const struct map *map = context;

	return slice_compare(placeholder(map, a), placeholder(map, b));
}

/* Writes the indexes of a map's entries to `order`, sorted by placeholder, and returns order.
 * Returns NULL without sorting if there are few entries, because they are searched one by one. */
static uint32_t *sort_map(const struct map *map, uint32_t *order)
{
	uint32_t i;

	if (map->count <= FEW)
		return NULL;
	for (i = 0; i < map->count; i++)
		order[i] = i;
	sort_ids(order, map->count, compare, map);
	return order;
}

static bool find_one_by_one(const struct map *map, struct slice key, size_t *found)
{
	for (*found = 0; *found < map->count; ++*found)
		if (slice_equal(placeholder(map, *found), key))
			return true;
	return false;
}

static bool find(const struct map *map, const uint32_t *order, struct slice key, size_t *found)
{
	size_t low = 0, high = map->count, middle;
	int difference;

	if (!order)
		return find_one_by_one(map, key, found);
	while (low < high) {
		middle = (low + high) / 2;
		*found = order[middle];
		difference = slice_compare(key, placeholder(map, *found));
		if (difference == 0)
			return true;
		if (difference < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return false;
}

static int reserve(struct request *request, size_t size, struct failure *failure)
{
	void *memory;

	if (size <= request->cap)
		return 0;
	memory = memory_realloc(request->memory, size);
	if (!memory)
		return fail(failure, ERR_NO_MEMORY);
	request->memory = memory;
	request->cap = size;
	return 0;
}

int request_start(struct request *request, const struct parameters *parameters,
	bool has_expressions, const char *null_expressions, struct failure *failure)
{
	size_t count = parameters->name_count + parameters->value_count;
	struct map names = names_of(parameters), values = values_of(parameters);
	uint32_t *order;
	int err = check(parameters, has_expressions, null_expressions, failure);

	if (!err)
		err = reserve(request, count * (sizeof *order + sizeof(bool)), failure);
	if (err)
		return err;
	request->parameters = parameters;
	request->position = 0;
	request->operators = 0;
	if (count == 0)
		return 0;
	order = request->memory;
	request->name_order = sort_map(&names, order);
	request->value_order = sort_map(&values, order + names.count);
	request->name_used = (bool *)(order + count);
	request->value_used = request->name_used + names.count;
	memset(request->name_used, 0, count * sizeof(bool));
	return 0;
}

const struct slice *request_name(struct request *request, struct slice key)
{
	struct map map = names_of(request->parameters);
	size_t n;

	if (!find(&map, request->name_order, key, &n))
		return NULL;
	request->name_used[n] = true;
	return &request->parameters->names[n].name;
}

const struct value *request_value(struct request *request, struct slice key)
{
	struct map map = values_of(request->parameters);
	size_t n;

	if (!find(&map, request->value_order, key, &n))
		return NULL;
	request->value_used[n] = true;
	return &request->parameters->values[n].value;
}

const struct value *request_position(struct request *request)
{
	if (request->position == request->parameters->position_count)
		return NULL;
	return &request->parameters->positions[request->position++];
}

/* --- the end --- */

static int check_used(const struct map *map, const bool *used, struct failure *failure)
{
	char keys[sizeof failure->message];
	size_t i, len = 0;

	for (i = 0; i < map->count; i++)
		if (!used[i] && len < sizeof keys)
			len += (size_t)snprintf(keys + len, sizeof keys - len, "%s%s",
				len ? ", " : "", quote_of(placeholder(map, i)).text);
	if (len == 0)
		return 0;
	return fail_as(failure, ERR_VALIDATION, "Value provided in %s unused in expressions:"
		" keys: {%s}", map->title, keys);
}

int request_finish(const struct request *request, struct failure *failure)
{
	const struct parameters *parameters = request->parameters;
	struct map names = names_of(parameters), values = values_of(parameters);
	int err = check_used(&names, request->name_used, failure);

	if (!err)
		err = check_used(&values, request->value_used, failure);
	if (!err && request->position < parameters->position_count)
		err = fail_as(failure, ERR_VALIDATION, "%zu values were given for ?, but the"
			" expressions have %zu ?", parameters->position_count, request->position);
	return err;
}

void request_release(struct request *request)
{
	memory_free(request->memory);
	*request = (struct request){ 0 };
}
