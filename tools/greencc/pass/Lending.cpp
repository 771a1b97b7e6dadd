// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
//
// What is known of calls, and of copies of memory, as to addresses: whether a callee may
// keep what it is passed, and whether words stay words.
#include "Green.h"
#include "llvm/Analysis/ValueTracking.h"
#include "llvm/IR/IntrinsicInst.h"

using namespace llvm;

namespace greenpass {

AllocaInst *underlyingLocal(const Value &V) {
  auto *A = dyn_cast<AllocaInst>(getUnderlyingObject(&V, 0));
  return A && A->isStaticAlloca() ? const_cast<AllocaInst *>(A) : nullptr;
}

// green_try(fn, arg) calls fn(arg), which has a barrier if it is mapped. If not,
// green.h has it that it does not keep its argument beyond the call.
bool isTry(const CallBase &CB) {
  return isRuntimeCall(CB) &&
         CB.getCalledOperand()->stripPointerCasts()->getName() == "green_try";
}

bool isLent(const CallBase &CB, unsigned I) {
  if (CB.isByValArgument(I))
    return true;
  if (!CB.getArgOperand(I)->getType()->isPointerTy() || isa<IntrinsicInst>(CB) ||
      CB.isInlineAsm())
    return false;
  // A callee that is mapped may not be so where it takes "...".
  if (I >= CB.getFunctionType()->getNumParams())
    return CB.doesNotCapture(I);
  return !isRuntimeCall(CB) || isTry(CB) || CB.doesNotCapture(I);
}

// green_defer_push(scope, record, fn, meta, a0, a1), green_defer_more(meta, a2 ...
// a5): bit 8 + i of the meta word says that argument i is a pointer.
bool isDeferredInteger(const CallBase &CB, unsigned I) {
  bool Push = CB.getCalledOperand()->stripPointerCasts()->getName().ends_with("_push");
  unsigned Meta = Push ? 3 : 0, First = Push ? 0 : 2;
  if (I <= Meta || I >= CB.arg_size() || !CB.getArgOperand(I)->getType()->isPointerTy())
    return false;
  auto *M = dyn_cast<ConstantInt>(CB.getArgOperand(Meta));
  return !M || !(M->getZExtValue() >> (8 + First + I - Meta - 1) & 1);
}

bool copiesWords(const Instruction &Copy) {
  auto *CB = cast<CallBase>(&Copy);
  const DataLayout &DL = Copy.getDataLayout();
  if (CB->getIntrinsicID() == Intrinsic::vacopy)
    return true;
  if (!isa<ConstantInt>(CB->getArgOperand(2)) &&
      computeKnownBits(CB->getArgOperand(2), DL).countMinTrailingZeros() < 3)
    return false;
  if (auto *T = dyn_cast<MemTransferInst>(CB))
    return T->getSourceAlign().valueOrOne() >= 8 && T->getDestAlign().valueOrOne() >= 8;
  return CB->getArgOperand(0)->getPointerAlignment(DL) >= 8 &&
         CB->getArgOperand(1)->getPointerAlignment(DL) >= 8;
}

bool printsAddresses(const CallBase &CB) {
  unsigned Fixed = CB.getFunctionType()->getNumParams();
  StringRef Format;
  if (!CB.getFunctionType()->isVarArg() || !Fixed || Fixed >= CB.arg_size() ||
      !CB.getArgOperand(Fixed - 1)->getType()->isPointerTy())
    return false;
  if (!getConstantStringInfo(CB.getArgOperand(Fixed - 1), Format))
    return true;
  for (size_t At = Format.find('%'); At != StringRef::npos; At = Format.find('%', At + 2)) {
    size_t End = Format.find_first_not_of("0123456789$*.-+ #'hlLqjzt", At + 1);
    if (End != StringRef::npos && Format[End] == 'p')
      return true;
  }
  return false;
}

bool keepsLowBits(const IntrinsicInst &Mask) {
  auto *C = dyn_cast<ConstantInt>(Mask.getArgOperand(1));
  return C && (C->getZExtValue() | 63) == UINT64_MAX;
}

bool mayBeKept(const CallBase &CB, unsigned I) {
  return !isRuntimeCall(CB) && !CB.isByValArgument(I) && !CB.doesNotCapture(I) &&
         !CB.paramHasAttr(I, Attribute::StructRet) && !options().AllMapped;
}

} // namespace greenpass
