// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
//
// Where the lifetimes of locals end. An address in a local that is dead is no address
// any more (C11 6.2.4), so what has pinned it is forgotten there, and a list's head in
// a block or in the body of a loop holds its frame no longer than that. clang says
// where that is, at -O1 and above, and gives the room to other locals on the strength
// of it; here no two locals share any.
//
// A local may live again, in the next turn of a loop. To the optimizer its address is the
// same then: it leaves out a store of what a word holds since the former life, or
// converts the address to an integer once for all lives. Such words are not pinned again,
// so they must stay pinned in between. For that the code of one life must differ from
// that of another: it is a copy (an unrolled loop), or has been moved out of the lives. So
// pins are forgotten where no life follows, which may be on the way out of a loop; or if
// all lives begin with one instruction, and all that makes something of the address is
// behind it.
//
// What has been pinned is told by addresses, and the address behind a local's end may be
// kept like any other. So no local that others may know begins where another ends, in
// functions where some die early.
#include "Green.h"
#include "llvm/Analysis/CFG.h"
#include "llvm/Analysis/StackLifetime.h"
#include "llvm/IR/CFG.h"
#include "llvm/IR/Dominators.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/IntrinsicInst.h"

using namespace llvm;

namespace greenpass {

static AllocaInst *localOfMarker(const Instruction &I, Intrinsic::ID ID) {
  auto *II = dyn_cast<IntrinsicInst>(&I);
  if (!II || II->getIntrinsicID() != ID)
    return nullptr;
  return underlyingLocal(*II->getArgOperand(II->arg_size() - 1));
}

AllocaInst *localThatDies(const Instruction &I) {
  return localOfMarker(I, Intrinsic::lifetime_end);
}

// Does Do hold for each use that makes something of the address? Accesses to a local do
// not say where it is, and nor does an address that is computed.
static bool allUses(const Value &Address, function_ref<bool(const Use &)> Do) {
  return all_of(Address.uses(), [&](const Use &U) {
    auto *I = cast<Instruction>(U.getUser());
    if (isa<GetElementPtrInst>(I))
      return allUses(*I, Do);
    return isDirectUse(U) || I->isLifetimeStartOrEnd() || Do(U);
  });
}

static bool mayStop(const Instruction &I) {
  auto *CB = dyn_cast<CallBase>(&I);
  return CB && !CB->isInlineAsm() && !isa<IntrinsicInst>(CB) &&
         !(calleeTraits(*CB) & NoSafepoint);
}

// Those from whose end the way may lead to one of these.
static DenseSet<const BasicBlock *> blocksBefore(ArrayRef<const Instruction *> These) {
  DenseSet<const BasicBlock *> Before;
  SmallVector<const BasicBlock *, 16> Work;
  for (const Instruction *I : These)
    Work.push_back(I->getParent());
  while (!Work.empty())
    for (const BasicBlock *P : predecessors(Work.pop_back_val()))
      if (Before.insert(P).second)
        Work.push_back(P);
  return Before;
}

namespace {

class Lives {
public:
  explicit Lives(const Function &F) : F(F) {
    for (const BasicBlock &BB : F)
      for (const Instruction &I : BB)
        if (AllocaInst *A = localOfMarker(I, Intrinsic::lifetime_start))
          Starts[A].push_back(&I);
  }

  bool canForget(const Instruction &End) {
    const AllocaInst &A = *localThatDies(End);
    return isKnown(A) && (areAlike(A) || isLast(End));
  }

  // For locals whose lives are not alike: where the way leads out of all that come before
  // another life, and none goes on.
  void addEnds(Function &F) {
    SmallVector<const AllocaInst *, 8> Locals;
    for (auto &[A, S] : Starts)
      if (isKnown(*A) && !areAlike(*A))
        Locals.push_back(A);
    if (Locals.empty())
      return;
    StackLifetime Alive(F, Locals, StackLifetime::LivenessType::May);
    Alive.run();
    SmallVector<std::pair<Instruction *, const AllocaInst *>, 8> Ends;
    for (const AllocaInst *A : Locals) {
      auto Before = blocksBefore(Starts[A]);
      for (BasicBlock &BB : F) {
        Instruction *First = &*BB.getFirstInsertionPt();
        if (!Before.contains(&BB) && !Alive.isAliveAfter(A, First) &&
            any_of(predecessors(&BB), [&](const BasicBlock *P) { return Before.contains(P); }))
          Ends.push_back({First, A});
      }
    }
    for (auto [At, A] : Ends)
      addEnd(At, const_cast<AllocaInst *>(A));
  }

private:
  // May others know the address?
  static bool isKnown(const AllocaInst &A) {
    return !allUses(A, [](const Use &) { return false; });
  }

  static void addEnd(Instruction *At, AllocaInst *A) {
    IRBuilder<> B(At);
#if LLVM_VERSION_MAJOR >= 22
    B.CreateLifetimeEnd(A);
#else
    B.CreateLifetimeEnd(A, B.getInt64(-1));
#endif
  }

  bool areAlike(const AllocaInst &A) {
    auto &S = Starts[&A];
    if (S.size() != 1)
      return false;
    if (!DT)
      DT = std::make_unique<DominatorTree>(const_cast<Function &>(F));
    return allUses(A, [&](const Use &U) { return DT->dominates(S.front(), U); });
  }

  bool isLast(const Instruction &End) {
    return none_of(Starts[localThatDies(End)], [&](const Instruction *Start) {
      return isPotentiallyReachable(&End, Start);
    });
  }

  const Function &F;
  std::unique_ptr<DominatorTree> DT;
  MapVector<const AllocaInst *, SmallVector<const Instruction *, 2>> Starts;
};

} // namespace

// A GREEN_SCOPE is left behind the ends of the locals that are declared after it, and what
// is deferred there may be about one of them.
static bool hasScope(const Function &F) {
  return any_of(instructions(F), [](const Instruction &I) {
    auto *CB = dyn_cast<CallBase>(&I);
    const Function *Callee = CB ? CB->getCalledFunction() : nullptr;
    return Callee && (Callee->getName().starts_with("green_defer_") ||
                      Callee->getName().starts_with("green_scope_leave"));
  });
}

SmallPtrSet<const Instruction *, 8> endsThatMatter(Function &F) {
  if (hasScope(F))
    return {};
  SmallPtrSet<const Instruction *, 8> Ends;
  SmallVector<const Instruction *, 16> Stops;
  for (const Instruction &I : instructions(F))
    if (mayStop(I))
      Stops.push_back(&I);
  auto Before = blocksBefore(Stops);
  Lives L(F);
  L.addEnds(F);
  for (const BasicBlock &BB : F) {
    bool Matters = Before.contains(&BB);
    for (const Instruction &I : reverse(BB)) {
      if (Matters && localThatDies(I) && L.canForget(I))
        Ends.insert(&I);
      Matters |= mayStop(I);
    }
  }
  return Ends;
}

void separateLocals(Function &F, function_ref<bool(const AllocaInst &)> Of) {
  LLVMContext &C = F.getContext();
  for (Instruction &I : instructions(F)) {
    auto *A = dyn_cast<AllocaInst>(&I);
    if (!A || !A->isStaticAlloca() || !Of(*A))
      continue;
    A->setAllocatedType(StructType::get(typeOfLocal(*A), Type::getInt8Ty(C)));
    A->setOperand(0, ConstantInt::get(A->getArraySize()->getType(), 1));
    A->setMetadata(Padded, MDNode::get(C, {}));
  }
}

Type *typeOfLocal(const AllocaInst &A) {
  if (A.hasMetadata(Padded))
    return cast<StructType>(A.getAllocatedType())->getElementType(0);
  // alloca T, N is laid out like T[N].
  uint64_t N = cast<ConstantInt>(A.getArraySize())->getZExtValue();
  return N == 1 ? A.getAllocatedType() : ArrayType::get(A.getAllocatedType(), N);
}

} // namespace greenpass
