/* Which ops and activations this build needs, as its model says: the linker then leaves out the others. hil_model.h defines
 * HIL_MODEL_OPS (bit n: OpKind n), HIL_MODEL_ACTIVATIONS (bit n: Activation n) and HIL_MODEL_LAYOUTS (bit n: Layout n); one that doesn't
 * gets everything.
 */
#ifndef HIL_RNN_USES_H
#define HIL_RNN_USES_H

#if !defined(HIL_RNN_MODEL_POINTER)
#define HIL_MODEL_USES_ONLY /* not the model itself, of which one file has to hold the only copy */
#include "hil_model.h"
#undef HIL_MODEL_USES_ONLY
#endif

#if defined(HIL_MODEL_OPS)
#define HIL_RNN_USES_OP(kind) ((HIL_MODEL_OPS & (1ul << (kind))) != 0)
#else
#define HIL_RNN_USES_OP(kind) 1
#endif

#if defined(HIL_MODEL_LAYOUTS)
#define HIL_RNN_USES_LAYOUT(layout) ((HIL_MODEL_LAYOUTS & (1ul << (layout))) != 0)
#else
#define HIL_RNN_USES_LAYOUT(layout) 1
#endif

#if defined(HIL_MODEL_ACTIVATIONS)
#define HIL_RNN_USES_RARE_ACTIVATIONS (HIL_MODEL_ACTIVATIONS >= (1ul << 6)) /* kFirstRare */
#else
#define HIL_RNN_USES_RARE_ACTIVATIONS 1
#endif

#endif
