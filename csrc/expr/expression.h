/* expression.h - DynamoDB's expressions: conditions, filters, updates, projections, key
 * conditions. What the rest of the library includes.
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
 * One request, from end to end:
 *
 *     request_start(&request, &parameters, true, NULL, failure)
 *     cache_get(&cache, EXPRESSION_UPDATE, text, &expression, failure)
 *     binding_bind(&change, &request, expression, failure)
 *     expression_release(expression)                       the binding has a reference
 *     ... the same for its condition ...
 *     request_finish(&request, failure)                    is everything used?
 *
 *     binding_check_keys(&change, &table->row.schema, failure)     when the table is known
 *     condition_holds(&condition, old, &holds)
 *     update_apply(&update, &change, old, key, &new, failure)
 *
 * expression->position_count says how many ? an expression has, so that a caller can compare
 * the sum with its array before it binds.
 *
 * Everything here is a function of bytes: no Lua, no LMDB. Once requests, bindings and
 * updates have the memory that they need, nothing allocates. None of it is shared by
 * threads. Errors are VALIDATION with DynamoDB's message word for word, where the header does
 * not name others.
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
