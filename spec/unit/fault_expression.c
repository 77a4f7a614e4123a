/* fault_expression.c - each allocation of a request and its expressions fails, alone or with all
 * later ones. The call returns NO_MEMORY and leaks no memory, and the repeated call succeeds.
 */
#include "base/memory.h"
#include "unit/expressions.h"

struct run {
	struct expression_cache cache;
	struct request request;
	struct binding update, condition, projection;
	struct update change;
	struct buffer projected;
	struct failure failure;
};

static struct builder item_builder, key_builder;
static struct trial_parameters trial;
static struct slice item, key;
static const struct parameters *parameters;

static int bind(struct run *run, struct binding *binding, enum expression_kind kind,
	const char *text)
{
	struct expression *expression;
	int err = cache_get(&run->cache, kind, slice_of_text(text), &expression, &run->failure);

	if (!err)
		err = binding_bind(binding, &run->request, expression, &run->failure);
	expression_release(expression);
	return err;
}

static int run_all(struct run *run)
{
	struct slice new;
	bool holds;
	int err = request_start(&run->request, parameters, true, NULL, &run->failure);

	if (!err)
		err = bind(run, &run->update, EXPRESSION_UPDATE,
			"SET a = list_append(l, :v1), m.x = n + :v2 ADD s :v3");
	if (!err)
		err = bind(run, &run->condition, EXPRESSION_CONDITION,
			"n = :v4 AND contains(l, :v5) OR m.y IN (:v6, :v7, :v8, :v9)");
	if (!err)
		err = bind(run, &run->projection, EXPRESSION_PROJECTION, "m.x, l[0], a");
	if (!err)
		err = request_finish(&run->request, &run->failure);
	if (!err)
		err = condition_holds(&run->condition, item, &holds);
	if (!err)
		err = update_apply(&run->change, &run->update, item, key, &new, &run->failure);
	if (err)
		return err;
	CHECK(holds);
	CHECK_EQUAL_INT(map_check(new), 0);
	buffer_clear(&run->projected);
	return project(&run->projection, new, &run->projected);
}

static void release(struct run *run)
{
	cache_clear(&run->cache);
	request_release(&run->request);
	binding_release(&run->update);
	binding_release(&run->condition);
	binding_release(&run->projection);
	update_release(&run->change);
	buffer_release(&run->projected);
}

static void fail_each(void (*refuse_after)(long requests))
{
	long allowed = 0;
	int err;

	do {
		struct run run = { .request = { .memory = NULL } };

		refuse_after(allowed++);
		err = run_all(&run);
		refuse_after(-1);
		CHECK_EQUAL_INT(err, memory_was_refused() ? ERR_NO_MEMORY : 0);
		CHECK_EQUAL_INT(run_all(&run), 0);
		/* after a few uses the calls allocate nothing */
		memory_fail_after(0);
		CHECK_EQUAL_INT(run_all(&run), 0);
		memory_fail_after(-1);
		release(&run);
	} while (err);
	CHECK(allowed > 10);
}

int main(void)
{
	item = notation_item(&item_builder, "{l: [1, 'x'], m: {y: 2}, n: 4, s: <1>}");
	key = notation_item(&key_builder, "{p: 1}");
	/* more values than are searched linearly, so sorting them needs memory */
	parameters = trial_read(&trial, "{:v1: [1], :v2: 2, :v3: <2, 3>, :v4: 4, :v5: 'x', :v6: 6,"
		" :v7: 7, :v8: 8, :v9: 9}");
	fail_each(memory_fail_after);
	fail_each(memory_fail_once_after);
	return 0;
}
