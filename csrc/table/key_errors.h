/* key_errors.h - error messages about keys: DynamoDB's texts with the name of the attribute.
 *
 * Each function fills failure and returns the error code.
 */
#ifndef TABLE_KEY_ERRORS_H
#define TABLE_KEY_ERRORS_H

#include "base/error.h"
#include "codec/key.h"

/* Reports an error of codec/key.h about the key attributes of item. The message names the first
 * attribute that is wrong. */
int fail_key(struct failure *failure, int err, const struct key_schema *schema,
	struct slice item);

/* Reports an error of codec/key.h about a value of type `type` in a condition on this key
 * attribute. VALIDATION: the lower bound of BETWEEN is greater than the upper bound. */
int fail_condition_value(struct failure *failure, int err,
	const struct key_attribute *attribute, enum type type);

/* Each function reports an invalid condition: one on the sort key of a table that has none, and
 * begins_with on a number. */
int fail_no_sort_key(struct failure *failure, const char *table);
int fail_begins_with_number(struct failure *failure, const struct key_attribute *sort);

/* Each function reports an invalid start key: one that is not a key of the table (err: an
 * error of codec/key.h), that is outside the queried partition, that does not satisfy the
 * condition on the sort key, or that is in another segment. */
int fail_start_key(struct failure *failure, int err);
int fail_start_key_outside(struct failure *failure);
int fail_start_key_condition(struct failure *failure);
int fail_start_key_segment(struct failure *failure, uint32_t segment, uint32_t total);

#endif
