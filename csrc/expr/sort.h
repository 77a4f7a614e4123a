/* sort.h - heap sort of indexes with a comparison function. */
#ifndef EXPR_SORT_H
#define EXPR_SORT_H

#include <stddef.h>
#include <stdint.h>

/* Compares the elements with ids a and b. Returns <0, 0 or >0 if a precedes, equals or follows
 * b. */
typedef int sort_compare(const void *context, uint32_t a, uint32_t b);

/* Sorts ids in place, in O(n log n) in the worst case. The sort is not stable. */
void sort_ids(uint32_t *ids, size_t count, sort_compare *compare, const void *context);

#endif
