// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
//
// Values of several words: structs in registers, as JSValue of two words, and
// vectors of pointers. A statepoint relocates single pointers, so what may live over
// a call is taken apart where it is made and put together again where it is used.
// The members then live over the call on their own, and the whole does not.
#include "Green.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/IntrinsicInst.h"
#include <map>

using namespace llvm;

namespace greenpass {

namespace {

// More members than that are left in one piece: such values are rare, and whoever
// keeps one over a call does not move.
constexpr unsigned MostMembers = 16;

using Path = SmallVector<unsigned, 2>;

// The members of T that are not made of others. False: there are too many.
bool collectMembers(Type *T, Path &At, SmallVectorImpl<Path> &Members) {
  auto *V = dyn_cast<FixedVectorType>(T);
  auto *S = dyn_cast<StructType>(T);
  auto *A = dyn_cast<ArrayType>(T);
  unsigned N = S ? S->getNumElements() : A ? A->getNumElements() : 0;
  if (V && V->getElementType()->isPointerTy() && At.empty())
    N = V->getNumElements();
  else if (!S && !A)
    return Members.push_back(At), Members.size() <= MostMembers;
  for (unsigned I = 0; I < N; I++) {
    At.push_back(I);
    Type *Member = S ? S->getElementType(I) : A ? A->getElementType() : nullptr;
    if (!Member)
      Members.push_back(At);
    else if (!collectMembers(Member, At, Members))
      return false;
    At.pop_back();
  }
  return Members.size() <= MostMembers;
}

bool isWhole(const Instruction &I) {
  Type *T = I.getType();
  if (!T->isAggregateType() && !isa<FixedVectorType>(T))
    return false;
  return containsPointer(T) && !I.isTerminator();
}

bool mayBeSuspended(const Instruction &I) {
  return isa<CallBase>(I) && !isa<IntrinsicInst>(I) && !cast<CallBase>(I).isInlineAsm();
}

// Is each use in I's own block, with no call in between?
bool staysInOnePiece(const Instruction &I) {
  DenseSet<const User *> Left;
  for (const User *U : I.users()) {
    if (cast<Instruction>(U)->getParent() != I.getParent() || isa<PHINode>(U))
      return false;
    Left.insert(U);
  }
  for (auto It = std::next(I.getIterator()); !Left.empty(); ++It) {
    Left.erase(&*It);
    if (mayBeSuspended(*It) && !Left.empty())
      return false;
  }
  return true;
}

class Splitter {
public:
  void split(Instruction &I) {
    Path At;
    Members.clear();
    Values.clear();
    if (!collectMembers(I.getType(), At, Members))
      return;
    BasicBlock::iterator Behind = isa<PHINode>(I) ? I.getParent()->getFirstInsertionPt()
                                                  : std::next(I.getIterator());
    SmallVector<Use *, 8> Uses;
    for (Use &U : I.uses())
      Uses.push_back(&U);
    IRBuilder<> B(I.getParent(), Behind);
    B.SetCurrentDebugLocation(I.getDebugLoc());
    for (const Path &P : Members)
      Values.push_back(member(B, &I, P));
    std::map<std::pair<PHINode *, BasicBlock *>, Value *> PhiValues;
    for (Use *U : Uses)
      replace(*U, I.getType(), PhiValues);
  }

private:
  static Value *member(IRBuilder<> &B, Value *Whole, const Path &P) {
    if (Whole->getType()->isVectorTy())
      return B.CreateExtractElement(Whole, (uint64_t)P[0]);
    return B.CreateExtractValue(Whole, P);
  }

  void replace(Use &U, Type *T,
               std::map<std::pair<PHINode *, BasicBlock *>, Value *> &PhiValues) {
    auto *At = cast<Instruction>(U.getUser());
    if (auto *P = dyn_cast<PHINode>(At)) {
      BasicBlock *From = P->getIncomingBlock(U);
      Value *&Known = PhiValues[{P, From}];
      if (!Known)
        Known = together(From->getTerminator(), T);
      U.set(Known);
      return;
    }
    if (auto *X = dyn_cast<ExtractValueInst>(At))
      for (unsigned M = 0; M < Members.size(); M++)
        if (ArrayRef<unsigned>(Members[M]) == X->getIndices()) {
          X->replaceAllUsesWith(Values[M]);
          X->eraseFromParent();
          return;
        }
    U.set(together(At, T));
  }

  Value *together(Instruction *At, Type *T) {
    IRBuilder<> B(At);
    Value *Whole = PoisonValue::get(T);
    for (unsigned M = 0; M < Members.size(); M++)
      Whole = T->isVectorTy() ? B.CreateInsertElement(Whole, Values[M], (uint64_t)Members[M][0])
                              : B.CreateInsertValue(Whole, Values[M], Members[M]);
    return Whole;
  }

  SmallVector<Path, 8> Members;
  SmallVector<Value *, 8> Values;
};

} // namespace

void splitAggregates(Function &F) {
  SmallVector<WeakVH, 16> Wholes; // one may be a member that another is taken apart into
  for (Instruction &I : instructions(F))
    if (isWhole(I) && !staysInOnePiece(I))
      Wholes.push_back(&I);
  Splitter S;
  for (Value *V : Wholes)
    if (V)
      S.split(*cast<Instruction>(V));
}

} // namespace greenpass
