/* key_errors.h - the messages about keys: DynamoDB's texts, with the attribute's name.
 *
 * Each function fills failure and returns the error code.
 */
#ifndef TABLE_KEY_ERRORS_H
#define TABLE_KEY_ERRORS_H

#include "base/error.h"
#include "codec/key.h"

/* Reports err, an error of codec/key.h, naming the key attribute of item that caused it. */
int fail_key(struct failure *failure, int err, const struct key_schema *schema,
	struct slice item);

/* Reports err for a value of type `type` in a key condition on this attribute. VALIDATION
 * stands for BETWEEN with a lower bound greater than the upper bound. */
int fail_condition_value(struct failure *failure, int err,
	const struct key_attribute *attribute, enum type type);

/* Report conditions on the sort key that the schema does not allow: the table has no sort
 * key; begins_with on a number. */
int fail_no_sort_key(struct failure *failure, const char *table);
int fail_begins_with_number(struct failure *failure, const struct key_attribute *sort);

/* Report a start key: err says what is wrong with it as a key; it is outside the queried
 * partition; it does not satisfy the condition on the sort key. */
int fail_start_key(struct failure *failure, int err);
int fail_start_key_outside(struct failure *failure);
int fail_start_key_condition(struct failure *failure);

#endif
