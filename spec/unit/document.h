/* document.h - random documents for tests of the codec.
 *
 * A document is a tree of values, independent of the encoding. The attributes
 * of maps and the members of sets are in random order: document_build passes
 * them to the builder in that order, which document_shuffle changes.
 */
#ifndef UNIT_DOCUMENT_H
#define UNIT_DOCUMENT_H

#include "codec/builder.h"
#include "unit/check.h"

#define DOCUMENT_NODES 512
#define NODE_TEXT 24
#define NODE_CHILDREN 6

struct node {
	enum type type;
	struct slice name;              /* children of a map: their name, in text_name */
	struct slice text;              /* S, B and N: their value, in text_value */
	char text_name[NODE_TEXT];
	char text_value[NODE_TEXT];
	struct node *children[NODE_CHILDREN];
	unsigned count;
};

struct document {
	struct node nodes[DOCUMENT_NODES];
	unsigned used;
	struct node *item;
};

/* Returns texts that differ early, late, in length only or in non-ASCII characters. */
static inline struct slice document_text(char buf[NODE_TEXT])
{
	static const char *const pieces[] = {
		"a", "b", "ab", "abcdefgh", "\xc3\xa9", "\xf0\x9f\x8c\x8a", "\x01", "z",
	};
	unsigned i, count = (unsigned)check_random_below(4);
	size_t len = 0;

	for (i = 0; i < count; i++) {
		const char *piece = pieces[check_random_below(8)];

		if (len + strlen(piece) > NODE_TEXT)
			break;
		memcpy(buf + len, piece, strlen(piece));
		len += strlen(piece);
	}
	if (check_random_below(8) == 0 && len < NODE_TEXT)
		buf[len++] = '\0';
	return slice_of(buf, len);
}

static inline struct slice document_number(char buf[NODE_TEXT])
{
	struct number number;

	if (check_random_below(2))
		number_from_integer(&number, (int64_t)check_random_below(9) - 4);
	else
		number_from_integer(&number, (int64_t)check_random());
	memcpy(buf, number.bytes, number.len);
	return slice_of(buf, number.len);
}

static inline bool document_has(const struct node *parent, struct slice text, bool by_name)
{
	unsigned i;

	for (i = 0; i < parent->count; i++)
		if (slice_equal(by_name ? parent->children[i]->name : parent->children[i]->text,
			text))
			return true;
	return false;
}

static inline struct node *document_value(struct document *document, unsigned depth);

static inline struct node *document_plain(struct document *document, enum type type)
{
	struct node *node = &document->nodes[document->used++];

	memset(node, 0, sizeof *node);
	node->type = type;
	if (type == TYPE_S || type == TYPE_B)
		node->text = document_text(node->text_value);
	if (type == TYPE_N)
		node->text = document_number(node->text_value);
	return node;
}

static inline void document_fill_set(struct document *document, struct node *set)
{
	enum type of = set->type == TYPE_SS ? TYPE_S : set->type == TYPE_NS ? TYPE_N : TYPE_B;
	unsigned i, tries = 1 + (unsigned)check_random_below(NODE_CHILDREN);

	for (i = 0; i < tries; i++) {
		struct node *member = document_plain(document, of);

		if (!document_has(set, member->text, false))
			set->children[set->count++] = member;
	}
}

static inline void document_fill_map(struct document *document, struct node *map, unsigned depth)
{
	unsigned i, tries = (unsigned)check_random_below(NODE_CHILDREN + 1);

	for (i = 0; i < tries; i++) {
		struct node *child = document_value(document, depth);

		child->name = document_text(child->text_name);
		if (child->name.len > 0 && !document_has(map, child->name, true))
			map->children[map->count++] = child;
	}
}

static inline void document_fill_list(struct document *document, struct node *list,
	unsigned depth)
{
	unsigned i, count = (unsigned)check_random_below(NODE_CHILDREN + 1);

	for (i = 0; i < count; i++)
		list->children[list->count++] = document_value(document, depth);
}

static inline struct node *document_value(struct document *document, unsigned depth)
{
	bool buf = document->used + 100 < DOCUMENT_NODES && depth < 5;
	enum type type = (enum type)(1 + check_random_below(buf ? TYPE_BS : TYPE_NULL));
	struct node *node = document_plain(document, type);

	if (type == TYPE_M)
		document_fill_map(document, node, depth + 1);
	else if (type == TYPE_L)
		document_fill_list(document, node, depth + 1);
	else if (type_is_set(type))
		document_fill_set(document, node);
	return node;
}

static inline void document_random(struct document *document)
{
	document->used = 0;
	document->item = document_plain(document, TYPE_M);
	document_fill_map(document, document->item, 0);
}

/* Shuffles the attributes of maps and the members of sets. */
static inline void document_shuffle(struct document *document)
{
	unsigned n, i, j;

	for (n = 0; n < document->used; n++) {
		struct node *node = &document->nodes[n], *swap;

		for (i = node->type == TYPE_L ? 0 : node->count; i > 1; i--) {
			j = (unsigned)check_random_below(i);
			swap = node->children[i - 1];
			node->children[i - 1] = node->children[j];
			node->children[j] = swap;
		}
	}
}

static inline void document_put(struct builder *builder, const struct node *node);

static inline void document_put_children(struct builder *builder, const struct node *node)
{
	unsigned i;

	for (i = 0; i < node->count; i++) {
		if (node->type == TYPE_M)
			builder_name(builder, node->children[i]->name);
		document_put(builder, node->children[i]);
	}
}

static inline void document_put(struct builder *builder, const struct node *node)
{
	switch (node->type) {
	case TYPE_S:
		builder_string(builder, node->text);
		break;
	case TYPE_N:
		builder_number(builder, node->text);
		break;
	case TYPE_B:
		builder_binary(builder, node->text);
		break;
	case TYPE_TRUE:
	case TYPE_FALSE:
		builder_bool(builder, node->type == TYPE_TRUE);
		break;
	case TYPE_NULL:
		builder_null(builder);
		break;
	default:
		builder_open(builder, node->type);
		document_put_children(builder, node);
		builder_close(builder);
	}
}

static inline int document_build(struct builder *builder, const struct document *document,
	struct slice *item)
{
	builder_start(builder);
	document_put_children(builder, document->item);
	return builder_finish(builder, item);
}

#endif
