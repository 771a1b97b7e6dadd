// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
//
// A call in front of a return can become a jump, as everywhere else: the frame is
// gone then, so no map has to name anything in it, and the callee returns to where
// its caller's caller has a safepoint. Which calls do is said early, for it decides
// what else a function needs: one that makes no other calls is never suspended.
//
// A jump is a call that the optimizer has marked, for the callee knows of no local of
// the caller's, and that code generation never refuses. Should it refuse one all the
// same, that is a call without a record, and its frame does not move.
//
// No frame is pinned when it is left so: on the way to a jump the address of no local
// has been used. That is why PinEnds.cpp puts nothing behind it.
#include "Green.h"
#include "llvm/IR/CFG.h"
#include "llvm/IR/InlineAsm.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/IntrinsicInst.h"

using namespace llvm;

namespace greenpass {

bool isJump(const CallBase &CB) {
  auto *CI = dyn_cast<CallInst>(&CB);
  return CI && CI->getTailCallKind() == CallInst::TCK_Tail;
}

// -- what code generation asks for (X86, IsEligibleForTailCallOptimization) --------

static bool isPlainResult(Type *T) {
  return T->isVoidTy() || T->isPointerTy() || T->isFloatTy() || T->isDoubleTy() ||
         (T->isIntegerTy() && T->getIntegerBitWidth() <= 64);
}

static bool canEndInJump(const Function &F) {
  if (F.isVarArg() || F.hasOptNone() || passesExotically(F) || F.hasStructRetAttr() ||
      !isPlainResult(F.getReturnType()) || F.hasFnAttribute("disable-tail-calls") ||
      F.hasFnAttribute("stackrealign") || F.callsFunctionThatReturnsTwice())
    return false;
  if (any_of(F.args(), [](const Argument &A) { return A.hasByValAttr(); }))
    return false; // it becomes a local: Prepare.cpp
  return none_of(instructions(F), [](const Instruction &I) {
    auto *A = dyn_cast<AllocaInst>(&I);
    return A && (!A->isStaticAlloca() || A->getAlign() > 16);
  });
}

static bool extendsAlike(const AttributeSet &A, const AttributeSet &B) {
  return A.hasAttribute(Attribute::ZExt) == B.hasAttribute(Attribute::ZExt) &&
         A.hasAttribute(Attribute::SExt) == B.hasAttribute(Attribute::SExt) &&
         !A.hasAttribute(Attribute::InReg) && !B.hasAttribute(Attribute::InReg);
}

static bool canBeJump(const CallInst &CI) {
  const Function &F = *CI.getFunction();
  if (CI.isInlineAsm() || isa<IntrinsicInst>(CI) || CI.hasOperandBundles() ||
      CI.getFunctionType()->isVarArg() || isRuntimeCall(CI) || passesExotically(CI) ||
      CI.hasFnAttr(Attribute::ReturnsTwice) || !isPlainResult(CI.getType()))
    return false;
  if (!F.getReturnType()->isVoidTy() &&
      !extendsAlike(F.getAttributes().getRetAttrs(), CI.getAttributes().getRetAttrs()))
    return false;
  return passesInRegisters(CI);
}

// -- where -----------------------------------------------------------------------

static void addUses(const Value &Address, SmallVectorImpl<const BasicBlock *> &Blocks) {
  for (const Use &U : Address.uses()) {
    auto *I = cast<Instruction>(U.getUser());
    auto *CB = dyn_cast<CallBase>(I);
    if (isa<GetElementPtrInst>(I))
      addUses(*I, Blocks);
    else if (I->isLifetimeStartOrEnd())
      continue;
    else if (!isDirectUse(U) || (CB && CB->isInlineAsm())) // that may ask for it
      Blocks.push_back(I->getParent());
  }
}

// Accesses to a local do not say where it is.
DenseSet<const BasicBlock *> behindAddresses(const Function &F,
                                             function_ref<bool(const AllocaInst &)> Of) {
  SmallVector<const BasicBlock *, 16> Work;
  for (const Instruction &I : instructions(F))
    if (auto *A = dyn_cast<AllocaInst>(&I); A && Of(*A))
      addUses(*A, Work);
  DenseSet<const BasicBlock *> Behind;
  while (!Work.empty()) {
    const BasicBlock *BB = Work.pop_back_val();
    if (Behind.insert(BB).second)
      Work.append(succ_begin(BB), succ_end(BB));
  }
  return Behind;
}

bool returnsOnly(const BasicBlock &BB) {
  for (const Instruction &I : BB)
    if (!isa<PHINode, ReturnInst>(I))
      return false;
  return isa<ReturnInst>(BB.getTerminator());
}

// What a return at the end of BB returns if it is reached from From.
static Value *resultFrom(BasicBlock &BB, BasicBlock &From) {
  Value *V = cast<ReturnInst>(BB.getTerminator())->getReturnValue();
  auto *P = dyn_cast_or_null<PHINode>(V);
  return P && P->getParent() == &BB ? P->getIncomingValueForBlock(&From) : V;
}

// The call at the end of BB, if what follows is to return, and Result what is returned.
static CallInst *lastCall(BasicBlock &BB, Value *&Result) {
  auto *Br = dyn_cast<BranchInst>(BB.getTerminator());
  auto *CI = dyn_cast_or_null<CallInst>(BB.getTerminator()->getPrevNode());
  if (!CI)
    return nullptr;
  if (isa<ReturnInst>(BB.getTerminator()))
    Result = cast<ReturnInst>(BB.getTerminator())->getReturnValue();
  else if (Br && Br->isUnconditional() && returnsOnly(*Br->getSuccessor(0)))
    Result = resultFrom(*Br->getSuccessor(0), BB);
  else
    return nullptr;
  return !Result || Result == CI ? CI : nullptr;
}

// Code generation does the same, but later.
static void returnAtOnce(BasicBlock &BB, Value *Result) {
  auto *Br = dyn_cast<BranchInst>(BB.getTerminator());
  if (!Br)
    return;
  auto *R = ReturnInst::Create(BB.getContext(), Result, Br->getIterator());
  R->setDebugLoc(Br->getDebugLoc());
  Br->getSuccessor(0)->removePredecessor(&BB, true);
  Br->eraseFromParent();
}

void chooseJumps(Function &F) {
  SmallVector<std::pair<CallInst *, Value *>, 8> Jumps;
  SmallPtrSet<const CallInst *, 8> Chosen;
  if (canEndInJump(F)) {
    auto Behind = behindAddresses(F, [](const AllocaInst &) { return true; });
    for (BasicBlock &BB : F) {
      Value *Result = nullptr;
      CallInst *CI = lastCall(BB, Result);
      if (CI && isJump(*CI) && !Behind.contains(&BB) && canBeJump(*CI))
        Jumps.push_back({CI, Result});
    }
  }
  for (auto [CI, Result] : Jumps) {
    Chosen.insert(CI);
    returnAtOnce(*CI->getParent(), Result);
  }
  for (Instruction &I : instructions(F))
    if (auto *CI = dyn_cast<CallInst>(&I); CI && !CI->isMustTailCall() && !Chosen.contains(CI))
      CI->setTailCallKind(CallInst::TCK_None);
}

} // namespace greenpass
