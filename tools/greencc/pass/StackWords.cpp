// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
#include "StackWords.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/Instructions.h"
#include "llvm/IR/IntrinsicInst.h"

using namespace llvm;

namespace greenpass {

static bool isWord(Type *T) { return T->isIntegerTy(64) || T->isPointerTy(); }

// __builtin_setjmp() has it stored.
static bool jumps(const Function &F) {
  const Function *Setjmp = F.getParent()->getFunction("llvm.eh.sjlj.setjmp");
  return Setjmp && any_of(Setjmp->users(), [&](const User *I) {
           return cast<Instruction>(I)->getFunction() == &F;
         });
}

bool isFrameAddress(const Value &V) {
  auto *II = dyn_cast<IntrinsicInst>(&V);
  return II && II->getIntrinsicID() == Intrinsic::frameaddress &&
         cast<ConstantInt>(II->getArgOperand(0))->isZero() &&
         !II->getFunction()->hasFnAttribute(Attribute::Naked) && !jumps(*II->getFunction());
}

const Value *localAt(const Value *V) {
  while (auto *G = dyn_cast<GetElementPtrInst>(V)) {
    if (!G->getType()->isPointerTy())
      return nullptr;
    V = G->getPointerOperand();
  }
  auto *A = dyn_cast<Argument>(V);
  return isa<AllocaInst>(V) || (A && A->hasByValAttr()) ? V : nullptr;
}

// -- what is seen as a whole -------------------------------------------------------

static bool isSeen(const Function &F) {
  return !F.isDeclaration() && !F.isInterposable() && !F.isVarArg();
}

Function *seenCallee(const CallBase &CB) {
  auto *F = dyn_cast<Function>(CB.getCalledOperand());
  return F && isSeen(*F) && CB.getFunctionType() == F->getFunctionType() ? F : nullptr;
}

bool areCallsSeen(const Function &F) {
  return F.hasLocalLinkage() && all_of(F.uses(), [&](const Use &U) {
           auto *CB = dyn_cast<CallBase>(U.getUser());
           return CB && CB->isCallee(&U) && seenCallee(*CB);
         });
}

static const IntrinsicInst *threadLocal(const Value *V) {
  auto *II = dyn_cast<IntrinsicInst>(V);
  return II && II->getIntrinsicID() == Intrinsic::threadlocal_address ? II : nullptr;
}

// Is it only loaded and stored, as a whole?
static bool isPlain(const Value &Ptr, Type *T) {
  return all_of(Ptr.uses(), [&](const Use &U) {
    const User *I = U.getUser();
    if (auto *L = dyn_cast<LoadInst>(I))
      return L->getType() == T;
    if (auto *S = dyn_cast<StoreInst>(I))
      return U.getOperandNo() == StoreInst::getPointerOperandIndex() &&
             S->getValueOperand()->getType() == T;
    if (threadLocal(I))
      return isPlain(*I, T);
    auto *II = dyn_cast<IntrinsicInst>(I);
    return II && II->isLifetimeStartOrEnd();
  });
}

static bool isVariable(const Value *V) {
  if (auto *A = dyn_cast<AllocaInst>(V))
    return A->isStaticAlloca() && !A->isArrayAllocation() && isWord(A->getAllocatedType()) &&
           isPlain(*A, A->getAllocatedType());
  auto *G = dyn_cast<GlobalVariable>(V);
  return G && !G->isConstant() && isWord(G->getValueType()) && isPlain(*G, G->getValueType());
}

const Value *StackWords::variable(const Value *Ptr) {
  if (auto *II = threadLocal(Ptr))
    Ptr = II->getArgOperand(0);
  auto [It, New] = Variables.try_emplace(Ptr, false);
  if (New)
    It->second = isVariable(Ptr);
  return It->second ? Ptr : nullptr;
}

// -- following -----------------------------------------------------------------------

void StackWords::add(const Value *V) {
  if (Words.insert(V).second)
    Work.push_back(V);
}

bool StackWords::handsOn(const Instruction &I, const Use &U) {
  if (!isWord(I.getType()))
    return false;
  if (I.getOpcode() == Instruction::Sub) // something less an address is none
    return U.getOperandNo() == 0;
  if (isa<SelectInst>(I))
    return U.getOperandNo() != 0;
  if (isa<GetElementPtrInst>(I))
    return U.getOperandNo() == 0;
  return isa<PtrToIntInst, IntToPtrInst, BitCastInst, FreezeInst, BinaryOperator, PHINode>(I);
}

void StackWords::follow(const Use &U) {
  auto *I = cast<Instruction>(U.getUser());
  if (auto *S = dyn_cast<StoreInst>(I)) {
    if (const Value *V = variable(S->getPointerOperand()); V && U.getOperandNo() == 0)
      add(V);
  } else if (auto *CB = dyn_cast<CallBase>(I)) {
    if (Function *F = seenCallee(*CB); F && CB->isArgOperand(&U))
      if (const Argument *A = F->getArg(CB->getArgOperandNo(&U)); !A->hasByValAttr())
        add(A);
  } else if (isa<ReturnInst>(I)) {
    if (isSeen(*I->getFunction()))
      add(I->getFunction());
  } else if (handsOn(*I, U) && !isDistance(*I)) {
    add(I);
  }
}

void StackWords::followLocal(const Value &Address) {
  for (const Use &U : Address.uses())
    if (auto *G = dyn_cast<GetElementPtrInst>(U.getUser()); G && localAt(G))
      followLocal(*G);
    else
      follow(U);
}

void StackWords::followVariable(const Value &Ptr) {
  for (const User *I : Ptr.users())
    if (isa<LoadInst>(I))
      add(I);
    else if (threadLocal(I))
      followVariable(*I);
}

void StackWords::followResult(const Value &F) {
  for (const User *I : F.users())
    if (auto *CB = dyn_cast<CallBase>(I); CB && seenCallee(*CB) == &F)
      add(CB);
}

void StackWords::followAll() {
  Words.clear();
  for (Function &F : M) {
    for (Argument &A : F.args())
      if (A.hasByValAttr())
        followLocal(A);
    for (Instruction &I : instructions(F))
      if (isFrameAddress(I))
        add(&I);
      else if (isa<AllocaInst>(I))
        followLocal(I);
  }
  while (!Work.empty()) {
    const Value *V = Work.pop_back_val();
    if (isa<AllocaInst, GlobalVariable>(V))
      followVariable(*V);
    else if (isa<Function>(V))
      followResult(*V);
    else
      for (const Use &U : V->uses())
        follow(U);
  }
}

// Which are differences, and what is followed, depend on one another.
StackWords::StackWords(Module &M) : M(M) {
  constexpr unsigned MostRounds = 10;
  auto IsWord = [&](const Value *V) { return contains(V) || localAt(V); };
  for (unsigned Round = 0; Round < MostRounds && !Settled; Round++) {
    followAll();
    DenseSet<const Instruction *> Found;
    for (Function &F : M)
      for (Instruction &I : instructions(F))
        if (I.getOpcode() == Instruction::Sub && IsWord(I.getOperand(0)) &&
            IsWord(I.getOperand(1)))
          Found.insert(&I);
    Settled = Found == Distances;
    Distances = std::move(Found);
  }
}

} // namespace greenpass
