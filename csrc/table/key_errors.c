/* key_errors.c - error messages about keys. */
#include "table/key_errors.h"

/* --- items and keys --- */

/* The next three fill failure and return true if the error is about this attribute. */

static bool fail_type(struct failure *failure, const struct key_attribute *attribute,
	struct slice item)
{
	struct value value;

	if (map_find(item, attribute_name(attribute), &value) ||
			value.type == attribute->type)
		return false;
	fail_as(failure, ERR_KEY_TYPE, "One or more parameter values were invalid: Type mismatch"
		" for key %s expected: %s actual: %s", attribute->name,
		type_name(attribute->type), type_name(value.type));
	return true;
}

static bool fail_missing(struct failure *failure, const struct key_attribute *attribute,
	struct slice item)
{
	struct value value;

	if (map_find(item, attribute_name(attribute), &value) != END)
		return false;
	fail_as(failure, ERR_KEY_MISSING, "One or more parameter values were invalid: Missing the"
		" key %s in the item", attribute->name);
	return true;
}

static bool fail_empty(struct failure *failure, const struct key_attribute *attribute,
	struct slice item)
{
	struct value value;

	if (map_find(item, attribute_name(attribute), &value) ||
			value.bytes.len > 0)
		return false;
	fail_as(failure, ERR_KEY_EMPTY, "One or more parameter values are not valid. The"
		" AttributeValue for a key attribute cannot contain an empty %s value. Key: %s",
		value.type == TYPE_B ? "binary" : "string", attribute->name);
	return true;
}

static int fail_schema(struct failure *failure, const struct key_schema *schema)
{
	const struct key_attribute *partition = &schema->partition, *sort = &schema->sort;

	if (!sort->type)
		return fail_with(failure, ERR_KEY_SCHEMA, "key must contain exactly: %s (%s)",
			partition->name, type_name(partition->type));
	return fail_with(failure, ERR_KEY_SCHEMA, "key must contain exactly: %s (%s), %s (%s)",
		partition->name, type_name(partition->type), sort->name, type_name(sort->type));
}

int fail_key(struct failure *failure, int err, const struct key_schema *schema,
	struct slice item)
{
	bool (*say)(struct failure *, const struct key_attribute *, struct slice) =
		err == ERR_KEY_TYPE ? fail_type :
		err == ERR_KEY_MISSING ? fail_missing :
		err == ERR_KEY_EMPTY ? fail_empty : NULL;

	if (err == ERR_KEY_SCHEMA)
		return fail_schema(failure, schema);
	fail(failure, err);
	if (say && !say(failure, &schema->partition, item))
		say(failure, &schema->sort, item);
	return err;
}

/* --- conditions on keys --- */

int fail_condition_value(struct failure *failure, int err,
	const struct key_attribute *attribute, enum type type)
{
	if (err == ERR_KEY_TYPE)
		return fail_as(failure, err, "One or more parameter values were invalid: Condition"
			" parameter type does not match schema type: key %s expected: %s actual:"
			" %s", attribute->name, type_name(attribute->type), type_name(type));
	if (err == ERR_KEY_EMPTY)
		return fail_with(failure, err, "Key: %s", attribute->name);
	if (err == ERR_VALIDATION)
		return fail_as(failure, err, "The BETWEEN operator requires upper bound to be"
			" greater than or equal to lower bound: key %s", attribute->name);
	return fail(failure, err);
}

int fail_no_sort_key(struct failure *failure, const char *table)
{
	return fail_as(failure, ERR_VALIDATION, "table %s has no sort key", table);
}

int fail_begins_with_number(struct failure *failure, const struct key_attribute *sort)
{
	return fail_as(failure, ERR_VALIDATION,
		"begins_with requires a sort key of type S or B; %s has type N", sort->name);
}

/* --- start keys --- */

int fail_start_key(struct failure *failure, int err)
{
	return fail_as(failure, ERR_VALIDATION, "The provided starting key is invalid: %s",
		error_text(err));
}

int fail_start_key_outside(struct failure *failure)
{
	return fail_as(failure, ERR_VALIDATION, "The provided starting key is outside query"
		" boundaries based on provided conditions");
}

int fail_start_key_condition(struct failure *failure)
{
	return fail_as(failure, ERR_VALIDATION,
		"The provided starting key does not match the range key predicate");
}

int fail_start_key_segment(struct failure *failure, uint32_t segment, uint32_t total)
{
	return fail_as(failure, ERR_VALIDATION, "The provided starting key is invalid: Invalid"
		" ExclusiveStartKey. Please use ExclusiveStartKey with correct Segment."
		" TotalSegments: %u Segment: %u", total, segment);
}
