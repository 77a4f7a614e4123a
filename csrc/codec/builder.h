/* builder.h - making canonical bytes of values given in any order.
 *
 * Values are given in document order; maps and sets are put in order when they
 * are closed. The first failure is kept (TOO_DEEP, ITEM_TOO_BIG, NOT_UTF8,
 * DUPLICATE_MEMBER, EMPTY_SET, EMPTY_NAME, NAME_TOO_LONG, NO_MEMORY), nothing
 * is taken after it, and it is asked for once. The size is counted while
 * building, so a small document that would unfold into a huge one stops at
 * 400 KB.
 *
 *     builder_start(&builder);
 *     builder_name(&builder, slice_of_text("tags"));
 *     builder_open(&builder, TYPE_SS);
 *     builder_string(&builder, slice_of_text("new"));
 *     builder_close(&builder);
 *     err = builder_finish(&builder, &item);
 *
 * A zeroed builder is a valid one. It is meant to be used again: its memory
 * stays.
 */
#ifndef CODEC_BUILDER_H
#define CODEC_BUILDER_H

#include <stdbool.h>

#include "base/buffer.h"
#include "codec/value.h"

/* Of the last item so many attributes are remembered at most, and names so long. */
#define BUILDER_KNOWN_MAX 12
#define BUILDER_KNOWN_NAME 31

/* An attribute of a map or a member of a set, while its container is open. The
 * name is what the entry is sorted by; a member's name is the member. */
struct builder_entry {
	uint64_t prefix;     /* the first 8 bytes of the name, zeros behind */
	uint32_t start;      /* where the encoded entry begins */
	uint32_t len;        /* its length, name included; known at close */
	uint32_t name_start;
	uint32_t name_len;
};

/* Items are alike. So what is known of the last one's attributes, in the order in which
 * they were given, is tried first: a name that comes in the same place is not
 * looked at again, and if all do the order is known too. */
struct builder_known {
	unsigned count;      /* 0: nothing is known */
	bool sorted;         /* they were given ascending */
	struct builder_name {
		uint64_t prefix;
		uint8_t bytes[1 + BUILDER_KNOWN_NAME];   /* its length, itself */
		uint8_t from;        /* of the item's entries, which one comes here */
	} names[BUILDER_KNOWN_MAX];
};

/* A container that is open. */
struct builder_frame {
	enum type type;      /* TYPE_M for the item itself */
	uint32_t body;       /* where its count stands; one byte is kept for it */
	uint32_t entry;      /* its first entry */
	uint32_t count;
	bool sorted;         /* its entries came ascending so far */
};

struct builder {
	struct buffer bytes;
	struct buffer scratch;           /* for putting entries in order */
	struct builder_entry *entries;
	size_t entry_count, entry_cap;
	struct builder_known known;
	bool as_known;                   /* so far the item's names were those */
	struct builder_frame frames[VALUE_MAX_DEPTH + 2];   /* item, M and L, a set */
	unsigned depth;                  /* the open frame; 0: the item */
	size_t size;                     /* by DynamoDB's rule */
	size_t size_max;                 /* ITEM_MAX_BYTES unless set after start */
	int err;
};

/* Starts an item (a map body), forgetting what was there. */
void builder_start(struct builder *builder);
void builder_release(struct builder *builder);

static inline int builder_error(const struct builder *builder)
{
	return builder->err;
}

/* Before each value inside a map (and the item itself). A name that stands
 * twice in one map fails with DUPLICATE_MEMBER when the map is closed. */
void builder_name(struct builder *builder, struct slice name);

void builder_string(struct builder *builder, struct slice utf8);
void builder_number(struct builder *builder, struct slice number);
void builder_binary(struct builder *builder, struct slice bytes);
void builder_bool(struct builder *builder, bool b);
void builder_null(struct builder *builder);

/* M, L, SS, NS or BS; members of a set are given by the functions above. */
void builder_open(struct builder *builder, enum type type);
void builder_close(struct builder *builder);

/* An encoded value as it is, from bytes that were checked and that are not the builder's
 * own: how whatever makes one item of another keeps what it does not change. */
void builder_value(struct builder *builder, const struct value *value);

/* Ends the item: its bytes, good until the builder is used again. */
int builder_finish(struct builder *builder, struct slice *item);

#endif
