/* tally.h - numbers kept under numbers: a hash table of fixed small entries.
 *
 * A zeroed one is a valid empty one.
 */
#ifndef BASE_TALLY_H
#define BASE_TALLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tally_entry {
	uint64_t key;
	uint64_t a, b;           /* what the owner makes of them */
	bool used;
};

struct tally {
	struct tally_entry *entries;
	size_t count;            /* entries in use */
	size_t cap;              /* a power of two, or 0 */
};

/* The key's entry, or NULL. Good until the next make or remove. */
struct tally_entry *tally_find(const struct tally *tally, uint64_t key);

/* The same, made zeroed if it wasn't there. NULL: no memory. */
struct tally_entry *tally_make(struct tally *tally, uint64_t key);

void tally_remove(struct tally *tally, uint64_t key);    /* that it isn't there is fine */
void tally_release(struct tally *tally);

#endif
