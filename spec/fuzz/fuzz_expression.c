/* fuzz_expression.c - any text as an expression: refused with a message, or bound and evaluated
 * on any bytes.
 *
 *     kind (1 byte), length of the text (2 bytes), the text, an item
 */
#include "expr/expression.h"
#include "fuzz/fuzz.h"
#include "unit/expressions.h"

#define PARAMETERS "{#a: 'a', #b: 'b.c', #n: 'name', :s: 'text', :S: 'S', :n: 5, :m: 50," \
	" :b: b'x', :t: true, :z: null, :l: [1, [2]], :o: {x: 1}, :ss: <'a', 'b'>, :ns: <1, 5>," \
	" :bs: <b'x'>, ?: [1, 2, 'x', <1>, 5, [0], 'S', 'T']}"
#define ITEM "{a: 5, b: [1, {c: 'x', d: [0, 1]}, [2, 3]], c: {x: 'text', y: {z: 1}}," \
	" s: <'b', 'c'>}"

static const struct parameters *parameters;

static void check_message(const struct failure *failure, int err)
{
	CHECK(err == ERR_VALIDATION && failure->err == err);
	CHECK(strncmp(failure->message, "Invalid ", 8) == 0);
	CHECK(is_utf8(slice_of_text(failure->message)));
}

/* Checks that stored bytes are canonical or CORRUPT, and that the updated item
 * is canonical. */
static void evaluate_update(const struct binding *binding, struct slice item, bool is_item)
{
	static struct update update;
	static struct buffer out;
	struct failure failure = { 0 };
	struct slice new;
	int err = update_apply(&update, binding, item, slice_of("\1\1k\6", 4), &new, &failure);

	CHECK(err <= 0 && (err == 0 || failure.err == err) && (err == 0 || new.len == 0));
	CHECK(err != ERR_CORRUPT || !is_item);
	if (err || new.len == 0 || !is_item)
		return;
	CHECK_EQUAL_INT(map_check(new), 0);
	CHECK(item_size(new) <= ITEM_MAX_BYTES);
	buffer_clear(&out);
	CHECK_EQUAL_INT(project(binding, new, &out), 0);
	CHECK_EQUAL_INT(map_check(buffer_slice(&out)), 0);
}

/* Checks that a copy of a projection selects the same of an item. */
static void check_copy(const struct binding *binding, struct slice item, struct slice expected)
{
	static struct buffer out;
	void *block = malloc(projection_copy_size(binding));

	CHECK(block != NULL);
	buffer_clear(&out);
	CHECK_EQUAL_INT(project(projection_copy(binding, block), item, &out), 0);
	CHECK_BYTES(out.data, out.len, expected.data, expected.len);
	free(block);
}

static void evaluate(struct binding *binding, struct slice item, bool is_item)
{
	static struct buffer out;
	enum expression_kind kind = binding->expression->kind;
	bool holds;
	int err = 0;

	if (kind == EXPRESSION_UPDATE) {
		evaluate_update(binding, item, is_item);
	} else if (kind == EXPRESSION_PROJECTION) {
		buffer_clear(&out);
		err = project(binding, item, &out);
		if (!err && is_item) {
			CHECK_EQUAL_INT(map_check(buffer_slice(&out)), 0);
			check_copy(binding, item, buffer_slice(&out));
		}
	} else {
		err = condition_holds(binding, item, &holds);
	}
	CHECK(err == 0 || (err == ERR_CORRUPT && !is_item));
}

static void match_key(struct binding *binding)
{
	static const struct key_schema schema = { { TYPE_N, 1, "a" }, { TYPE_S, 1, "s" } };
	struct key_condition condition;
	struct failure failure;

	if (binding->expression->kind == EXPRESSION_KEY_CONDITION &&
			key_condition_check(binding, &failure) == 0 &&
			key_condition_match(&condition, binding, &schema, &failure) == 0)
		CHECK(condition.partition.type == TYPE_N);
	binding_check_keys(binding, &schema, &failure);
	binding_check_filter(binding, &schema, &failure);
}

static void bind(struct expression *expression, struct slice any)
{
	static struct binding binding;
	static struct request request;
	static struct builder builder;
	struct failure failure = { 0 };
	int err;

	CHECK_EQUAL_INT(request_start(&request, parameters, true, NULL, &failure), 0);
	err = binding_bind(&binding, &request, expression, &failure);
	if (err) {
		check_message(&failure, err);
		return;
	}
	evaluate(&binding, notation_item(&builder, ITEM), true);
	evaluate(&binding, slice_of(NULL, 0), true);
	if (any.len)
		evaluate(&binding, any, map_check(any) == 0);
	match_key(&binding);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct expression_cache cache;
	static struct trial_parameters trial;
	struct source source = source_of(slice_of(data, size));
	enum expression_kind kind = (enum expression_kind)(source_u8(&source) % 5);
	size_t len = source_u16(&source) % (EXPRESSION_BYTES_MAX + 2);
	struct expression *expression;
	struct failure failure = { 0 };
	struct slice text;
	int err;

	if (!parameters)
		parameters = trial_read(&trial, PARAMETERS);
	len = len < source_left(&source) ? len : source_left(&source);
	text = source_take(&source, len);
	err = cache_get(&cache, kind, text, &expression, &failure);
	if (err) {
		check_message(&failure, err);
		return 0;
	}
	bind(expression, source_take(&source, source_left(&source)));
	expression_release(expression);
	return 0;
}

bool fuzz_seed(unsigned n, struct buffer *out)
{
	static const struct { enum expression_kind kind; const char *text; } seeds[] = {
		{ EXPRESSION_UPDATE, "SET a = :n, b[1].c = if_not_exists(#n, :s) REMOVE c.x" },
		{ EXPRESSION_UPDATE,
		"ADD a :n, s :ss DELETE x :ns, y :bs SET b = list_append(b, :l)"
			},
		{ EXPRESSION_UPDATE, "SET a = a + ?, c.y.z = (c.y.z - :m) REMOVE b[0], b[2][1]" },
		{ EXPRESSION_UPDATE, "SET x = if_not_exists(q, list_append(:l, b)), c.w = b[1].d" },
		{ EXPRESSION_PROJECTION, "a, b[1].c, c.y.z, b[2][0], #b, s" },
		{ EXPRESSION_CONDITION, "a = :n AND NOT (b[1].c <> :s OR size(c) IN (:n, ?))" },
		{ EXPRESSION_CONDITION, "contains(s, :s) or begins_with(c.x, :s) and a < :m" },
		{ EXPRESSION_FILTER, "attribute_type(a, :S) OR a BETWEEN :n AND size(b)" },
		{ EXPRESSION_FILTER, "attribute_exists(b[2]) AND attribute_not_exists(c.y.#a)" },
		{ EXPRESSION_FILTER, "((a) = :n AND (c = :o)) OR NOT NOT :z = d" },
		{ EXPRESSION_KEY_CONDITION, "#a = :n AND begins_with(s, :s)" },
		{ EXPRESSION_KEY_CONDITION, "s BETWEEN :s AND :s and :m = a" },
	};
	struct builder builder = { 0 };

	if (n == sizeof seeds / sizeof *seeds)
		return false;
	buffer_put_u8(out, (uint8_t)seeds[n].kind);
	buffer_put_u16(out, (uint16_t)strlen(seeds[n].text));
	buffer_put_slice(out, slice_of_text(seeds[n].text));
	buffer_put_slice(out, notation_item(&builder, ITEM));
	builder_release(&builder);
	return true;
}
