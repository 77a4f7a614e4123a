/* expression.h - DynamoDB's expressions; the header that other rooms include.
 *
 * Conditions, filters, updates, projections and key conditions:
 *
 *     text --cache_get--> struct expression --binding_bind--> struct binding
 *                          (parser)            (binder; with a struct request)
 *
 *     condition_holds(&binding, item, &holds)              conditions and filters
 *     condition_holds_fields(&binding, fields, 3, &holds)  filters on a record's images
 *     update_apply(&update, &binding, old, key, &new)      updates
 *     project(&binding, item, &out)                        projections, UPDATED_OLD, _NEW
 *     key_condition_match(&condition, &binding, schema)    key conditions
 *
 * A complete request:
 *
 *     request_start(&request, &parameters, true, NULL, failure)
 *     cache_get(&cache, EXPRESSION_UPDATE, text, &expression, failure)
 *     binding_bind(&change, &request, expression, failure)
 *     expression_release(expression)                       the binding has a reference
 *     ... the same for its condition ...
 *     request_finish(&request, failure)                    fails if any are unused
 *
 *     binding_check_keys(&change, &table->row.schema, failure)     when the table is known
 *     condition_holds(&condition, old, &holds)
 *     update_apply(&update, &change, old, key, &new, failure)
 *
 * expression->position_count is the number of ? in an expression. Before it binds the expressions
 * of a request, a caller can compare the sum of these numbers with the length of its array.
 *
 * All functions work on bytes, without Lua and LMDB. Requests, bindings and updates keep their
 * memory for the next use, so they allocate nothing after a few uses. No object may be used by two
 * threads at the same time. Unless a header says otherwise, errors are VALIDATION with DynamoDB's
 * message, word for word.
 */
#ifndef EXPR_EXPRESSION_H
#define EXPR_EXPRESSION_H

#include "expr/binding.h"
#include "expr/cache.h"
#include "expr/condition.h"
#include "expr/key_condition.h"
#include "expr/parser.h"
#include "expr/projection.h"
#include "expr/request.h"
#include "expr/update.h"

#endif
