/* reference.h - items as trees, and a plain evaluator of expressions on them.
 *
 * The reference for the fuzzers of expressions: no canonical bytes, no sorted walks, no code
 * shared with csrc/expr. All trees are freed at once.
 */
#ifndef FUZZ_REFERENCE_H
#define FUZZ_REFERENCE_H

#include "codec/builder.h"
#include "fuzz/fuzz.h"

#define TREE_MEMORY (4u << 20)

struct tree {
	enum type type;          /* 0 if removed */
	struct slice name;       /* name of an attribute */
	struct slice text;       /* value of S, B and N */
	struct tree *first, *next;       /* first member, next sibling */
	uint32_t count;
	uint32_t index;          /* index of a member appended to a list */
	bool is_marked, is_whole;        /* selected by a projection */
};

static inline void *tree_memory(size_t size, bool start_again)
{
	static _Alignas(16) uint8_t memory[TREE_MEMORY];
	static size_t used;
	void *piece = memory + used;

	used = start_again ? 0 : (used + size + 15) & ~(size_t)15;
	CHECK(used <= sizeof memory);
	return piece;
}

static inline void tree_start(void)
{
	tree_memory(0, true);
}

static inline struct tree *tree_new(enum type type)
{
	struct tree *tree = tree_memory(sizeof *tree, false);

	*tree = (struct tree){ .type = type };
	return tree;
}

static inline void tree_append(struct tree *parent, struct tree *child)
{
	struct tree **end = &parent->first;

	while (*end)
		end = &(*end)->next;
	*end = child;
	parent->count++;
}

/* --- decoding and encoding --- */

static inline struct tree *tree_of_value(const struct value *value);

static inline struct tree *tree_of_map(struct slice body)
{
	struct tree *tree = tree_new(TYPE_M), *child;
	struct map_walk walk;
	struct slice name;
	struct value value;

	CHECK_EQUAL_INT(map_start(&walk, body), 0);
	while (map_next(&walk, &name, &value) == 0) {
		child = tree_of_value(&value);
		child->name = name;
		tree_append(tree, child);
	}
	return tree;
}

static inline struct tree *tree_of_value(const struct value *value)
{
	struct list_walk walk;
	struct value member;
	struct tree *tree;

	if (value->type == TYPE_M)
		return tree_of_map(value->bytes);
	tree = tree_new(value->type);
	if (value->type < TYPE_M) {
		tree->text = value->bytes;
		return tree;
	}
	list_start(&walk, value);
	while (list_next(&walk, &member) == 0)
		tree_append(tree, tree_of_value(&member));
	return tree;
}

static inline struct tree *tree_copy(const struct tree *from)
{
	struct tree *tree = tree_new(from->type);
	const struct tree *child;

	tree->name = from->name;
	tree->text = from->text;
	for (child = from->first; child; child = child->next)
		tree_append(tree, tree_copy(child));
	return tree;
}

static inline void tree_build(struct builder *builder, const struct tree *tree);

/* Builds the members; those appended to a list come last, in the order of their
 * indexes. */
static inline void tree_build_members(struct builder *builder, const struct tree *tree)
{
	const struct tree *child;

	for (child = tree->first; child; child = child->next) {
		if (!child->type)
			continue;
		if (tree->type == TYPE_M)
			builder_name(builder, child->name);
		tree_build(builder, child);
	}
}

static inline void tree_build(struct builder *builder, const struct tree *tree)
{
	switch (tree->type) {
	case TYPE_S: builder_string(builder, tree->text); break;
	case TYPE_N: builder_number(builder, tree->text); break;
	case TYPE_B: builder_binary(builder, tree->text); break;
	case TYPE_TRUE: case TYPE_FALSE: builder_bool(builder, tree->type == TYPE_TRUE); break;
	case TYPE_NULL: builder_null(builder); break;
	default:
		builder_open(builder, tree->type);
		tree_build_members(builder, tree);
		builder_close(builder);
	}
}

static inline struct slice tree_bytes(struct builder *builder, const struct tree *item)
{
	struct slice bytes;

	builder_start(builder);
	tree_build_members(builder, item);
	CHECK_EQUAL_INT(builder_finish(builder, &bytes), 0);
	return bytes;
}

/* --- paths --- */

#define PLAIN_STEPS 6

struct plain_path {
	struct { bool is_index; struct slice name; uint32_t index; } steps[PLAIN_STEPS];
	unsigned count;
};

static inline struct tree *tree_member(const struct tree *tree, struct slice name)
{
	struct tree *child;

	for (child = tree->first; child; child = child->next)
		if (slice_equal(child->name, name))
			return child;
	return NULL;
}

static inline struct tree *tree_element(const struct tree *tree, uint32_t index)
{
	struct tree *child = index < tree->count ? tree->first : NULL;

	while (child && index-- > 0)
		child = child->next;
	return child;
}

/* Returns what the first `count` steps lead to, NULL if it is missing. */
static inline struct tree *tree_find(struct tree *tree, const struct plain_path *path,
	unsigned count)
{
	unsigned i;

	for (i = 0; i < count && tree; i++) {
		if (tree->type != (path->steps[i].is_index ? TYPE_L : TYPE_M))
			return NULL;
		tree = path->steps[i].is_index ? tree_element(tree, path->steps[i].index) :
			tree_member(tree, path->steps[i].name);
	}
	return tree;
}

/* --- comparing --- */

static inline bool tree_equal(const struct tree *a, const struct tree *b);

static inline bool tree_contains(const struct tree *list, const struct tree *wanted)
{
	const struct tree *child;

	for (child = list->first; child; child = child->next)
		if (tree_equal(child, wanted))
			return true;
	return false;
}

static inline bool tree_equal(const struct tree *a, const struct tree *b)
{
	const struct tree *x, *y = b->first, *other;

	if (a->type != b->type || a->count != b->count || !slice_equal(a->text, b->text))
		return false;
	for (x = a->first; x; x = x->next, y = y->next) {
		other = a->type == TYPE_M ? tree_member(b, x->name) : y;
		if (type_is_set(a->type) ? !tree_contains(b, x) : !other || !tree_equal(x, other))
			return false;
	}
	return true;
}

/* Compares two values. Numbers are integers in these fuzzers. */
static inline int tree_order(const struct tree *a, const struct tree *b)
{
	int64_t n, m;
	size_t i;

	if (a->type == TYPE_N && number_to_integer(a->text, &n) && number_to_integer(b->text, &m))
		return (n > m) - (n < m);
	for (i = 0; i < a->text.len && i < b->text.len; i++)
		if (a->text.data[i] != b->text.data[i])
			return a->text.data[i] < b->text.data[i] ? -1 : 1;
	return (a->text.len > b->text.len) - (a->text.len < b->text.len);
}

static inline bool tree_is_ordered(const struct tree *a, const struct tree *b)
{
	return a && b && a->type == b->type && a->type <= TYPE_B;
}

/* --- projections: mark what is selected, remove the rest --- */

static inline void tree_mark(struct tree *tree, const struct plain_path *path)
{
	unsigned i;

	if (!tree_find(tree, path, path->count))
		return;
	for (i = 0; i <= path->count; i++)
		tree_find(tree, path, i)->is_marked = true;
	tree_find(tree, path, path->count)->is_whole = true;
}

static inline void tree_drop_unmarked(struct tree *tree)
{
	struct tree *child;

	for (child = tree->first; child; child = child->next) {
		if (!child->is_marked)
			child->type = 0;
		else if (!child->is_whole)
			tree_drop_unmarked(child);
	}
}

#endif
