// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
//
// Where does an address become an integer?
//
// An integer is whatever is no pointer: floating-point numbers and vectors too.
// It comes from an address by a conversion, or by a load, as an integer, of memory
// that pointers are stored in. No map names integers, so this must hold of each:
//
//   It is a number; or it holds an address that was pinned when it became an
//   integer; or it is on its way, within the function and with no call in between,
//   to where the address is a pointer again, or in memory as a whole aligned word,
//   or is only looked at: compared, or measured from another.
//
// The last kind is told here from the uses. Those integers Escape follows like
// pointers. Of the others it knows only where they come from, and Barrier.cpp
// has the frame pinned there. So no integer that is passed, returned, computed
// with or kept over a call needs to be followed, whatever its type is called:
// programs keep addresses in fields of type long, copy structs by halves of words,
// round addresses in functions of their own.
//
// Looked at is also a difference of two addresses, and what is below the 64 that
// moves keep. To measure an address on a stack from one elsewhere, to add that
// to the latter again, is what this does not see.
#include "Green.h"
#include "llvm/IR/InlineAsm.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/IntrinsicInst.h"

using namespace llvm;

namespace greenpass {

bool isAddressAsInteger(const Value &V) {
#if LLVM_VERSION_MAJOR >= 22
  if (isa<PtrToAddrInst>(V))
    return true;
#endif
  return isa<PtrToIntInst>(V);
}

bool isIntegerInAsm(const CallBase &CB) {
  return CB.isInlineAsm() && !CB.getType()->isVoidTy() && hasInteger(CB.getType());
}

bool hasInteger(Type *T) {
  if (T->isPtrOrPtrVectorTy())
    return false;
  if (T->getNumContainedTypes() == 0 || T->isVectorTy())
    return T->isIntOrIntVectorTy() || T->isFPOrFPVectorTy();
  for (Type *E : T->subtypes())
    if (hasInteger(E))
      return true;
  return false;
}

namespace {

// What a use does with an integer.
enum UseKind { Ends, Carries, Computes, Converts };

// The constants that change nothing but what a move keeps.
constexpr uint64_t Kept = 63;

const ConstantInt *constantOperand(const BinaryOperator &B) {
  return dyn_cast<ConstantInt>(B.getOperand(1));
}

// Surely the address, or at a constant distance from it: two make a difference.
bool isSureAddress(const Value *V) {
  for (;;) {
    if (isAddressAsInteger(*V))
      return true;
    auto *B = dyn_cast<BinaryOperator>(V);
    if (!B || !constantOperand(*B) || !is_contained({Instruction::Add, Instruction::And,
                                                     Instruction::Or}, B->getOpcode()))
      return false;
    V = B->getOperand(0);
  }
}

bool isLow(const BinaryOperator &B) {
  const ConstantInt *C = constantOperand(B);
  if (!C || C->getValue().getActiveBits() > 64)
    return false;
  uint64_t N = C->getValue().getZExtValue();
  return (B.getOpcode() == Instruction::And && N <= Kept) ||
         (B.getOpcode() == Instruction::URem && isPowerOf2_64(N) && N <= Kept + 1);
}

bool isCall(const Instruction &I) {
  return isa<CallBase>(I) && !isa<IntrinsicInst>(I) && !cast<CallBase>(I).isInlineAsm();
}

// Of one function: where are calls?
class CallsBetween {
public:
  explicit CallsBetween(const Function &F) {
    for (const BasicBlock &BB : F) {
      unsigned N = 0;
      for (const Instruction &I : BB) {
        Before[&I] = N;
        N += isCall(I);
      }
      InBlock[&BB] = N;
    }
  }

  // Is there a way from I to the use on which a call may be suspended?
  bool any(const Instruction &I, const Use &U) const {
    auto *User = cast<Instruction>(U.getUser());
    auto *P = dyn_cast<PHINode>(User);
    const BasicBlock *From = I.getParent(), *To = P ? P->getIncomingBlock(U) : User->getParent();
    unsigned Passed = P ? InBlock.lookup(To) : Before.lookup(User);
    unsigned Made = Before.lookup(&I) + isCall(I);
    if (From == To && (P || I.comesBefore(User)))
      return Passed != Made;
    return Passed || InBlock.lookup(From) != Made || anyFrom(From, To);
  }

private:
  // ... in a block between the two, or in one of them by a loop.
  bool anyFrom(const BasicBlock *From, const BasicBlock *To) const {
    SmallPtrSet<const BasicBlock *, 16> Seen;
    SmallVector<const BasicBlock *, 16> Work(predecessors(To));
    while (!Work.empty()) {
      const BasicBlock *BB = Work.pop_back_val();
      if (BB == From || !Seen.insert(BB).second)
        continue;
      if (InBlock.lookup(BB))
        return true;
      Work.append(pred_begin(BB), pred_end(BB));
    }
    return false;
  }

  DenseMap<const Instruction *, unsigned> Before;
  DenseMap<const BasicBlock *, unsigned> InBlock;
};

// rematerialise() has it so that these are made again at each use.
bool isMadeAgain(const Instruction &I) {
  return isAddressAsInteger(I) && I.getType()->isIntegerTy();
}

class Classifier {
public:
  Classifier(const Function &F, DenseSet<const Value *> &Carriers,
             DenseSet<const Value *> &Converted)
      : F(F), DL(F.getParent()->getDataLayout()), Calls(F), Carriers(Carriers),
        Converted(Converted) {}

  void run() {
    for (const Instruction &I : instructions(F))
      if (isIntegerSource(I)) {
        Sources.push_back(&I);
        reach(&I, isAddressAsInteger(I) ? 0u : (unsigned)Word);
        // It computes in memory.
        if (auto *X = dyn_cast<AtomicRMWInst>(&I); X && X->getOperation() != AtomicRMWInst::Xchg)
          fail(&I);
        // Parts of two words, perhaps.
        if (auto *L = dyn_cast<LoadInst>(&I); L && L->getAlign() < 8)
          fail(&I);
      }
    while (!Work.empty())
      follow(Work.pop_back_val());
    while (!BadWork.empty())
      for (const Instruction *P : Before[BadWork.pop_back_val()])
        fail(P);
    for (auto &[I, S] : State)
      if (!(S & Bad) && DL.getTypeStoreSize(I->getType()) >= 8)
        Carriers.insert(I);
    for (const Instruction *I : Sources)
      if (State[I] & Bad)
        Converted.insert(I);
  }

private:
  enum : unsigned { Reached = 1, Word = 2, Computed = 4, Bad = 8 };

  void reach(const Instruction *I, unsigned What) {
    unsigned &S = State[I];
    if ((S | What | Reached) == S)
      return;
    S |= What | Reached;
    Work.push_back(I);
  }

  void fail(const Instruction *I) {
    if (State[I] & Bad)
      return;
    State[I] |= Bad;
    BadWork.push_back(I);
  }

  void follow(const Instruction *I) {
    unsigned S = State[I];
    if (I->getType()->isAggregateType())
      return fail(I);
    for (const Use &U : I->uses()) {
      UseKind K = kind(U, S);
      if (K == Converts || (!isMadeAgain(*I) && Calls.any(*I, U)))
        fail(I);
      if (K != Carries && K != Computes)
        continue;
      auto *To = cast<Instruction>(U.getUser());
      Before[To].push_back(I);
      if (State[To] & Bad)
        fail(I);
      reach(To, (S & (Word | Computed)) | (K == Computes ? (unsigned)Computed : 0));
    }
  }

  // Stored as it is, it lies in words that are in a map, or goes by a barrier.
  bool storesWords(const Value *V, Align A, unsigned S) const {
    return !(S & Computed) && A >= 8 && DL.getTypeSizeInBits(V->getType()) % 64 == 0;
  }

  UseKind kind(const Use &U, unsigned S) const {
    auto *I = cast<Instruction>(U.getUser());
    if (isa<CmpInst, IntToPtrInst, SwitchInst, BranchInst>(I))
      return Ends;
    if (auto *St = dyn_cast<StoreInst>(I))
      return storesWords(U.get(), St->getAlign(), S) ? Ends : Converts;
    if (auto *X = dyn_cast<AtomicRMWInst>(I))
      return X->getOperation() == AtomicRMWInst::Xchg && storesWords(U.get(), X->getAlign(), S)
                 ? Ends : Converts;
    if (auto *X = dyn_cast<AtomicCmpXchgInst>(I))
      return U.get() == X->getCompareOperand() || storesWords(U.get(), X->getAlign(), S)
                 ? Ends : Converts;
    if (isa<PHINode, FreezeInst, BitCastInst>(I) || (isa<SelectInst>(I) && U.getOperandNo()))
      return I->getType()->isAggregateType() ? Converts : Carries;
    if (auto *B = dyn_cast<BinaryOperator>(I))
      if (UseKind K = arithmetic(*B, U, S); K != Converts)
        return K;
    return onlyLookedAt(*I, 0) ? Ends : Converts;
  }

  UseKind arithmetic(const BinaryOperator &B, const Use &U, unsigned S) const {
    if (isLow(B))
      return Ends;
    if (B.getOpcode() == Instruction::Sub && isSureAddress(B.getOperand(0)) &&
        isSureAddress(B.getOperand(1)))
      return Ends;
    // What was loaded is a number as a rule, and this says so.
    if (S & Word || U.getOperandNo() != 0 || !B.getType()->isIntegerTy(64))
      return Converts;
    const ConstantInt *C = constantOperand(B);
    switch (B.getOpcode()) {
    case Instruction::Add:
    case Instruction::Sub:
      return Computes;
    case Instruction::And: // a move keeps no more than this
      return C && (C->getZExtValue() | Kept) == UINT64_MAX ? Computes : Converts;
    case Instruction::Or:
    case Instruction::Xor:
      return C && C->getZExtValue() <= Kept ? Computes : Converts;
    default:
      return Converts;
    }
  }

  // Does nothing but a comparison come of it, with no call in between?
  bool onlyLookedAt(const Instruction &I, unsigned Depth) const {
    constexpr unsigned MaxDepth = 4;
    if (Depth == MaxDepth || I.getType()->isPtrOrPtrVectorTy() || I.getType()->isVectorTy())
      return false;
    if (!isa<BinaryOperator, TruncInst, ZExtInst, SExtInst>(I))
      return false;
    return all_of(I.uses(), [&](const Use &U) {
      auto *To = cast<Instruction>(U.getUser());
      if (Calls.any(I, U))
        return false;
      auto *B = dyn_cast<BinaryOperator>(To);
      return isa<CmpInst, SwitchInst, BranchInst>(To) || (B && isLow(*B)) ||
             (isa<SelectInst>(To) && U.getOperandNo() == 0) || onlyLookedAt(*To, Depth + 1);
    });
  }

  const Function &F;
  const DataLayout &DL;
  CallsBetween Calls;
  DenseSet<const Value *> &Carriers, &Converted;
  SmallVector<const Instruction *, 64> Sources, Work, BadWork;
  DenseMap<const Instruction *, unsigned> State;
  DenseMap<const Instruction *, SmallVector<const Instruction *, 2>> Before;
};

} // namespace

bool isIntegerSource(const Instruction &I) {
  if (isAddressAsInteger(I))
    return true;
  if (isa<LoadInst, AtomicRMWInst>(I))
    return hasInteger(I.getType());
  if (auto *X = dyn_cast<ExtractValueInst>(&I))
    return isa<AtomicCmpXchgInst>(X->getAggregateOperand()) && X->getIndices()[0] == 0 &&
           hasInteger(X->getType());
  auto *CB = dyn_cast<CallBase>(&I);
  return CB && (isIntegerInAsm(*CB) || CB->getIntrinsicID() == Intrinsic::read_register ||
                CB->getIntrinsicID() == Intrinsic::read_volatile_register);
}

Integers::Integers(const Function &F) { Classifier(F, Carriers, Converted).run(); }

} // namespace greenpass
