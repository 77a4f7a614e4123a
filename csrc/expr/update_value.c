/* update_value.c - computes the values that the actions of an update assign.
 *
 * Values of the old item and of the request are borrowed. Computed numbers are stored in the
 * result of their action, computed lists and sets in one buffer. The buffer may move while it
 * grows, so the addresses of computed lists and sets are set at the end.
 */
#include "expr/update_value.h"

#include "codec/arithmetic.h"

#define WRONG_TYPE "An operand in the update expression has an incorrect data type"
#define MISSING "The provided expression refers to an attribute that does not exist in the item"

struct computing {
	struct update *update;
	const struct binding *binding;
	struct slice old;
	struct failure *failure;
};

static int find(struct computing *computing, unsigned path, struct value *value)
{
	const struct binding *binding = computing->binding;
	int err = binding_find(binding, &binding->expression->paths[path], computing->old, value);

	return err == ERR_CORRUPT ? fail(computing->failure, err) : err;
}

static const struct expr_node *argument(const struct computing *computing,
	const struct expr_node *call, unsigned n)
{
	const struct expression *expression = computing->binding->expression;

	return &expression->nodes[expression->arguments[call->at + n]];
}

/* --- operands ---
 *
 * If is_built is true, the bytes of the value are in `built`, at offset built_at.
 */

static int compute_append(struct computing *computing, const struct expr_node *call,
	struct update_result *result);

/* Computes an operand: a path, a value or a function. The parser rejects list_append inside
 * list_append, so this recursion is one level deep. */
static int compute_operand(struct computing *computing, const struct expr_node *node,
	struct update_result *result)
{
	int err;

	while (node->kind == NODE_CALL && node->operation == OPERATION_IF_NOT_EXISTS) {
		err = find(computing, argument(computing, node, 0)->at, &result->value);
		if (err != END)
			return err;
		node = argument(computing, node, 1);
	}
	if (node->kind == NODE_CALL)
		return compute_append(computing, node, result);
	if (node->kind == NODE_VALUE) {
		result->value = computing->binding->values[node->at];
		return 0;
	}
	err = find(computing, node->at, &result->value);
	return err == END ? fail_as(computing->failure, ERR_VALIDATION, MISSING) : err;
}

static int compute_two(struct computing *computing, const struct expr_node *call,
	enum type type, struct update_result *a, struct update_result *b)
{
	int err = compute_operand(computing, argument(computing, call, 0), a);

	if (!err)
		err = compute_operand(computing, argument(computing, call, 1), b);
	if (!err && (a->value.type != type || b->value.type != type))
		err = fail_as(computing->failure, ERR_VALIDATION, WRONG_TYPE);
	return err;
}

static void start_built(struct computing *computing, struct update_result *result)
{
	result->is_built = true;
	result->built_at = computing->update->built.len;
}

static void end_built(struct computing *computing, struct update_result *result,
	enum type type, uint32_t count)
{
	result->value = (struct value){ type, count,
		{ NULL, computing->update->built.len - result->built_at } };
}

static int compute_append(struct computing *computing, const struct expr_node *call,
	struct update_result *result)
{
	struct update_result a = { .is_built = false }, b = { .is_built = false };
	int err = compute_two(computing, call, TYPE_L, &a, &b);

	if (err)
		return err;
	start_built(computing, result);
	buffer_put_slice(&computing->update->built, a.value.bytes);
	buffer_put_slice(&computing->update->built, b.value.bytes);
	end_built(computing, result, TYPE_L, a.value.count + b.value.count);
	return 0;
}

/* Stores a computed number in the result of an action, or fails if err is set. Too many digits are
 * reported as overflow, as in DynamoDB. */
static int keep_number(struct computing *computing, struct update_result *result, int err)
{
	if (err)
		return fail(computing->failure,
			err == ERR_NUMBER_DIGITS ? ERR_NUMBER_OVERFLOW : err);
	result->is_built = false;
	result->value = (struct value){ TYPE_N, 0, number_slice(&result->buf) };
	return 0;
}

static int compute_sum(struct computing *computing, const struct expr_node *call,
	struct update_result *result)
{
	struct update_result a = { .is_built = false }, b = { .is_built = false };
	int err = compute_two(computing, call, TYPE_N, &a, &b);

	if (err)
		return err;
	if (call->operation == OPERATION_PLUS)
		err = number_add(&result->buf, a.value.bytes, b.value.bytes);
	else
		err = number_subtract(&result->buf, a.value.bytes, b.value.bytes);
	return keep_number(computing, result, err);
}

static int compute_set(struct computing *computing, const struct expr_action *action,
	struct update_result *result)
{
	const struct expr_node *node = &computing->binding->expression->nodes[action->node];
	bool is_sum = node->kind == NODE_CALL && node->operation >= OPERATION_PLUS;

	return is_sum ? compute_sum(computing, node, result) :
		compute_operand(computing, node, result);
}

/* --- merging sets, whose members are ascending --- */

static void put_member(struct buffer *built, const struct value *member)
{
	if (member->type == TYPE_N)
		buffer_put_slice(built, member->bytes);
	else
		buffer_put_counted(built, member->bytes);
}

/* Writes the union of two sets, or the members of a that are not in b. Counts the members. */
static int merge_sets(struct buffer *built, const struct value *a, const struct value *b,
	bool is_union, uint32_t *count)
{
	struct list_walk walk_a, walk_b;
	struct value x, y;
	int err_a, err_b, order;

	list_start(&walk_a, a);
	list_start(&walk_b, b);
	err_a = list_next(&walk_a, &x);
	err_b = list_next(&walk_b, &y);
	while (err_a >= 0 && err_b >= 0 && (!err_a || (is_union && !err_b))) {
		order = err_a ? 1 : err_b ? -1 : slice_compare(x.bytes, y.bytes);
		if (is_union || order < 0) {
			put_member(built, order <= 0 ? &x : &y);
			++*count;
		}
		if (order <= 0)
			err_a = list_next(&walk_a, &x);
		if (order >= 0)
			err_b = list_next(&walk_b, &y);
	}
	return err_a < 0 ? err_a : err_b < 0 ? err_b : 0;
}

static int compute_sets(struct computing *computing, const struct value *old,
	const struct value *operand, bool is_union, struct update_result *result)
{
	uint32_t count = 0;
	int err;

	start_built(computing, result);
	err = merge_sets(&computing->update->built, old, operand, is_union, &count);
	end_built(computing, result, count ? old->type : 0, count);
	return err ? fail(computing->failure, err) : 0;
}

/* Computes the result of an action of ADD or DELETE. */
static int compute_change(struct computing *computing, const struct expr_action *action,
	struct update_result *result)
{
	const struct binding *binding = computing->binding;
	unsigned node = binding->expression->nodes[action->node].at;
	const struct value *operand = &binding->values[node];
	bool is_add = action->section == OPERATION_ADD;
	struct value old;
	int err = find(computing, action->path, &old);

	if (err < 0)
		return err;
	if (err == END) {
		if (is_add)
			result->value = *operand;
		return 0;
	}
	if (old.type != operand->type)
		return fail_as(computing->failure, ERR_VALIDATION, WRONG_TYPE);
	if (old.type != TYPE_N)
		return compute_sets(computing, &old, operand, is_add, result);
	return keep_number(computing, result,
		number_add(&result->buf, old.bytes, operand->bytes));
}

int update_compute(struct update *update, const struct binding *binding, struct slice old,
	struct failure *failure)
{
	const struct expression *expression = binding->expression;
	struct computing computing = { update, binding, old, failure };
	unsigned i;
	int err = 0;

	buffer_clear(&update->built);
	for (i = 0; i < expression->action_count && !err; i++) {
		const struct expr_action *action = &expression->actions[i];
		struct update_result *result = &update->results[i];

		*result = (struct update_result){ .is_built = false };
		if (action->section == OPERATION_SET)
			err = compute_set(&computing, action, result);
		else if (action->section != OPERATION_REMOVE)
			err = compute_change(&computing, action, result);
	}
	if (!err && buffer_error(&update->built))
		err = fail(failure, buffer_error(&update->built));
	/* an empty buffer may have no memory, so its data may be NULL */
	for (i = 0; i < expression->action_count && !err && update->built.len; i++)
		if (update->results[i].is_built)
			update->results[i].value.bytes.data =
				update->built.data + update->results[i].built_at;
	return err;
}
