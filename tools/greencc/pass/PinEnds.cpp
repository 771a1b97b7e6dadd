// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
//
// Where what a function has pinned of its own is forgotten: when it returns, and where
// its locals die before that.
#include "PinEnds.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/IR/CFG.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/Transforms/Utils/ValueMapper.h"

using namespace llvm;

namespace greenpass {

// Where the frame may be pinned: it is not before the address of a local is used
// that others may find. Ways there that return together with others do so on
// their own.
SmallVector<Instruction *, 4> PinEnds::returnsOfPinned() {
  auto Behind = behindAddresses(F, [&](const AllocaInst &A) { return Esc.shared(A); });
  SmallVector<Instruction *, 4> Ends;
  SmallVector<BasicBlock *, 2> Merged;
  for (BasicBlock &BB : F)
    if (isa<ReturnInst>(BB.getTerminator()) && Behind.contains(&BB) &&
        !BB.getTerminatingMustTailCall()) {
      Ends.push_back(BB.getTerminator());
      if (returnsOnly(BB))
        Merged.push_back(&BB);
    }
  for (BasicBlock *BB : Merged)
    separate(*BB, Behind);
  return Ends;
}

void PinEnds::separate(BasicBlock &BB, const DenseSet<const BasicBlock *> &Behind) {
  SmallSetVector<BasicBlock *, 8> Others;
  for (BasicBlock *P : predecessors(&BB))
    if (!Behind.contains(P))
      Others.insert(P);
  if (Others.empty())
    return;
  BasicBlock *New = BasicBlock::Create(C, "", &F);
  ValueToValueMapTy Map;
  for (Instruction &I : BB) {
    Instruction *Copy = I.clone();
    Copy->insertInto(New, New->end());
    Map[&I] = Copy;
    auto *P = dyn_cast<PHINode>(&I);
    if (!P) {
      RemapInstruction(Copy, Map, RF_NoModuleLevelChanges | RF_IgnoreMissingLocals);
      continue;
    }
    cast<PHINode>(Copy)->removeIncomingValueIf(
        [&](unsigned N) { return !Others.contains(P->getIncomingBlock(N)); }, false);
    P->removeIncomingValueIf(
        [&](unsigned N) { return Others.contains(P->getIncomingBlock(N)); }, false);
  }
  for (BasicBlock *P : Others)
    P->getTerminator()->replaceSuccessorWith(&BB, New);
}

// Of those that others may find; see Lifetimes.cpp.
void PinEnds::endsOfLocals() {
  SmallVector<Instruction *, 8> Markers;
  for (Instruction &I : instructions(F))
    if (localThatDies(I))
      Markers.push_back(&I);
  Instruction *Cold = nullptr;
  BasicBlock *Behind = nullptr;
  for (Instruction *I : Markers) {
    AllocaInst *A = localThatDies(*I);
    if (!Stays && Esc.shared(*A)) {
      // Of several that die together is asked at once.
      if (!Cold || I != &Behind->front()) {
        Cold = ifPinned(I);
        Behind = I->getParent();
      }
      Value *Bytes = ConstantInt::get(Type::getInt64Ty(C), DL.getTypeAllocSize(typeOfLocal(*A)));
      call(Cold, "green_escape_dead", {A, Bytes});
    }
    I->eraseFromParent();
  }
  if (Cold)
    separateLocals(F, [&](const AllocaInst &A) { return Esc.shared(A); });
}

void PinEnds::emit() {
  for (Instruction *I : Ends)
    call(ifPinned(I), "green_escape_end", {});
  endsOfLocals();
}

} // namespace greenpass
