/* sort.h - heap sort of small numbers that stand for something. */
#ifndef EXPR_SORT_H
#define EXPR_SORT_H

#include <stddef.h>
#include <stdint.h>

/* <0, 0 or >0, as a precedes, equals or follows b. */
typedef int sort_compare(const void *context, uint32_t a, uint32_t b);

/* Sorts ids in place, in O(n log n) whatever the order; equal ones in no fixed order. */
void sort_ids(uint32_t *ids, size_t count, sort_compare *compare, const void *context);

#endif
