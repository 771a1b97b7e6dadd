// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
//
// What is done to a function before its calls become statepoints: locals get
// one fixed place each, and an address of a local never is an operand that code
// generation could compute early and keep.
#include "Green.h"
#include "llvm/ADT/PostOrderIterator.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/Analysis/LoopInfo.h"
#include "llvm/IR/Dominators.h"
#include "llvm/IR/InlineAsm.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/IntrinsicInst.h"
#include <map>

using namespace llvm;

namespace greenpass {

// The callee owns the memory of a byval argument, but it lies in the caller's
// frame, where no map names it.
void copyByvalArguments(Function &F) {
  IRBuilder<> B(&F.getEntryBlock(), F.getEntryBlock().getFirstNonPHIOrDbgOrAlloca());
  for (Argument &A : F.args()) {
    if (!A.hasByValAttr() || A.use_empty())
      continue;
    Type *T = A.getParamByValType();
    const DataLayout &DL = F.getParent()->getDataLayout();
    Align Al = std::max(A.getParamAlign().valueOrOne(), DL.getPrefTypeAlign(T));
    auto *Copy = new AllocaInst(T, DL.getAllocaAddrSpace(), nullptr, Al, A.getName(),
                                F.getEntryBlock().begin());
    A.replaceAllUsesWith(Copy);
    B.CreateMemCpy(Copy, Al, &A, std::max(A.getParamAlign().valueOrOne(), Align(8)),
                   DL.getTypeAllocSize(T));
  }
}

// Without lifetime markers no two locals share a slot. Those that remain go when they
// have served the barrier. Assumptions would only keep pointers alive.
void dropMarkers(Function &F) {
  SmallVector<AllocaInst *, 16> Locals;
  auto Ends = endsThatMatter(F);
  for (Instruction &I : make_early_inc_range(instructions(F))) {
    if (auto *A = dyn_cast<AllocaInst>(&I); A && A->isStaticAlloca())
      Locals.push_back(A);
    auto *II = dyn_cast<IntrinsicInst>(&I);
    if (II && !Ends.contains(II) && (II->isLifetimeStartOrEnd() || isa<AssumeInst>(II)))
      II->eraseFromParent();
  }
  for (AllocaInst *A : reverse(Locals))
    A->moveBefore(F.getEntryBlock(), F.getEntryBlock().begin());
}

// -- locals ------------------------------------------------------------------

static AllocaInst *localOf(Value *V) {
  for (;;) {
    if (auto *A = dyn_cast<AllocaInst>(V))
      return A->isStaticAlloca() ? A : nullptr;
    auto *G = dyn_cast<GetElementPtrInst>(V);
    if (!G || !G->hasAllConstantIndices() || !G->getType()->isPointerTy())
      return nullptr;
    V = G->getPointerOperand();
  }
}

bool isDirectUse(const Use &U) {
  auto *I = cast<Instruction>(U.getUser());
  if (isa<LoadInst>(I))
    return true;
  if (isa<StoreInst>(I))
    return U.getOperandNo() == StoreInst::getPointerOperandIndex();
  if (isa<AtomicRMWInst, AtomicCmpXchgInst>(I))
    return U.getOperandNo() == 0;
  if (auto *M = dyn_cast<MemIntrinsic>(I)) {
    auto *N = dyn_cast<ConstantInt>(M->getLength());
    return N && N->getValue().ule(64);
  }
  auto *CB = dyn_cast<CallBase>(I);
  return CB && CB->isInlineAsm() && CB->isArgOperand(&U) &&
         CB->getParamElementType(CB->getArgOperandNo(&U));
}

static Value *launder(IRBuilder<> &B, Value *Addr) {
  // Side effects keep it where it is: an address computed before a call must
  // not be used behind it.
  auto *FT = FunctionType::get(B.getPtrTy(), {B.getPtrTy()}, false);
  auto *IA = InlineAsm::get(FT, "leaq $1, $0", "=r,*m", true);
  CallInst *C = B.CreateCall(FT, IA, {Addr});
  C->addParamAttr(0, Attribute::get(B.getContext(), Attribute::ElementType,
                                    B.getInt8Ty()));
  C->setDoesNotThrow();
  return C;
}

// Where a use's operand is needed.
static Instruction *usePoint(const Use &U) {
  auto *I = cast<Instruction>(U.getUser());
  if (auto *P = dyn_cast<PHINode>(I))
    return P->getIncomingBlock(U)->getTerminator();
  return I;
}

namespace {

class Launderer {
public:
  Launderer(Function &F, const Safepoints &SP) : DT(F), LI(DT), SP(SP) {
    for (BasicBlock &BB : F)
      for (Instruction &I : BB)
        if (auto *CB = dyn_cast<CallBase>(&I); CB && SP.suspends(*CB))
          Suspending.insert(&BB);
  }

  void use(Use &U) {
    // Several phi operands from one block must stay equal.
    Instruction *At = hoist(usePoint(U));
    if (auto *P = dyn_cast<PHINode>(U.getUser())) {
      Value *&Known = PhiValues[{P, P->getIncomingBlock(U), U.get()}];
      if (!Known)
        Known = at(At, U.get());
      U.set(Known);
      return;
    }
    if (At != U.getUser()) {
      Value *&Known = Hoisted[{At, U.get()}];
      if (!Known)
        Known = at(At, U.get());
      U.set(Known);
      return;
    }
    U.set(at(At, U.get()));
  }

private:
  // Out of loops in which nothing can move the stack.
  Instruction *hoist(Instruction *At) {
    for (Loop *L = LI.getLoopFor(At->getParent()); L; L = L->getParentLoop()) {
      BasicBlock *Pre = L->getLoopPreheader();
      if (!Pre || any_of(L->blocks(), [&](BasicBlock *B) { return Suspending.contains(B); }))
        break;
      At = Pre->getTerminator();
    }
    return At;
  }

  Value *at(Instruction *At, Value *Addr) {
    IRBuilder<> B(At);
    // The constant GEPs between the local and the use move along.
    SmallVector<GetElementPtrInst *, 4> Chain;
    Value *V = Addr;
    while (auto *G = dyn_cast<GetElementPtrInst>(V)) {
      Chain.push_back(G);
      V = G->getPointerOperand();
    }
    for (GetElementPtrInst *G : reverse(Chain)) {
      Instruction *C = G->clone();
      C->setOperand(0, V);
      B.Insert(C);
      V = C;
    }
    return launder(B, V);
  }

  DominatorTree DT;
  LoopInfo LI;
  const Safepoints &SP;
  DenseSet<const BasicBlock *> Suspending;
  std::map<std::tuple<PHINode *, BasicBlock *, Value *>, Value *> PhiValues;
  std::map<std::pair<Instruction *, Value *>, Value *> Hoisted;
};

} // namespace

void launderLocals(Function &F, const Safepoints &SP) {
  SmallVector<Use *, 64> Uses;
  auto Collect = [&](Instruction &I) {
    for (Use &U : I.uses()) {
      auto *G = dyn_cast<GetElementPtrInst>(U.getUser());
      if (G && localOf(G))
        continue; // its own uses count
      if (!isDirectUse(U))
        Uses.push_back(&U);
    }
  };
  for (Instruction &I : instructions(F))
    if (isa<AllocaInst, GetElementPtrInst>(I) && localOf(&I))
      Collect(I);
  Launderer L(F, SP);
  for (Use *U : Uses)
    L.use(*U);
}

// Of a choice between two reloaded slots, code generation would make a reload
// from the chosen slot, and compute the addresses of slots early.
void separateSelects(Function &F) {
  for (Instruction &I : instructions(F)) {
    auto *S = dyn_cast<SelectInst>(&I);
    if (!S || !S->getType()->isPointerTy() || isa<Constant>(S->getTrueValue()) ||
        isa<Constant>(S->getFalseValue()))
      continue;
    IRBuilder<> B(S);
    auto *FT = FunctionType::get(B.getPtrTy(), {B.getPtrTy()}, false);
    auto *Same = InlineAsm::get(FT, "", "=r,0", false);
    CallInst *C = B.CreateCall(FT, Same, {S->getTrueValue()});
    C->setDoesNotThrow();
    S->setTrueValue(C);
  }
}

// -- rematerialisation ---------------------------------------------------------

// What is pinned, or never moves, may stay an integer.
static bool isCheapAddress(const Instruction &I, const Escape &Esc) {
  if (auto *G = dyn_cast<GetElementPtrInst>(&I))
    return G->hasAllConstantIndices() && G->getType()->isPointerTy();
  return isAddressAsInteger(I) && I.getType()->isIntegerTy() && Esc.holdsStackAddress(I);
}

void recomputeAtUses(Instruction &I) {
  std::map<std::pair<PHINode *, BasicBlock *>, Instruction *> PhiValues;
  for (Use &U : make_early_inc_range(I.uses())) {
    Instruction *Clone;
    if (auto *P = dyn_cast<PHINode>(U.getUser())) {
      Instruction *&Known = PhiValues[{P, P->getIncomingBlock(U)}];
      if (!Known) {
        Known = I.clone();
        Known->insertBefore(P->getIncomingBlock(U)->getTerminator()->getIterator());
      }
      Clone = Known;
    } else {
      Clone = I.clone();
      Clone->insertBefore(cast<Instruction>(U.getUser())->getIterator());
    }
    U.set(Clone);
  }
  I.eraseFromParent();
}

// Is every use in I's own block, with no safepoint in between?
static bool staysClose(const Instruction &I, const Safepoints &SP) {
  DenseSet<const User *> Left;
  for (const User *U : I.users()) {
    if (cast<Instruction>(U)->getParent() != I.getParent() || isa<PHINode>(U))
      return false;
    Left.insert(U);
  }
  for (auto It = std::next(I.getIterator()); !Left.empty(); ++It) {
    Left.erase(&*It);
    auto *CB = dyn_cast<CallBase>(&*It);
    if (CB && SP.suspends(*CB) && !Left.empty())
      return false;
  }
  return true;
}

// The optimizer likes to merge addresses that are only subtracted as integers:
// phi (ptrtoint a), (ptrtoint b) becomes ptrtoint (phi a, b) again.
void mergeAddresses(Function &F) {
  const DataLayout &DL = F.getParent()->getDataLayout();
  SmallSetVector<PHINode *, 8> Phis;
  for (BasicBlock &BB : F)
    for (PHINode &P : BB.phis())
      if (P.getType() == DL.getIntPtrType(F.getContext()))
        Phis.insert(&P);
  auto IsAddress = [&](Value *V) {
    auto *P = dyn_cast<PHINode>(V);
    return isa<PtrToIntInst>(V) || (P && Phis.contains(P));
  };
  while (Phis.remove_if([&](PHINode *P) { return !all_of(P->incoming_values(), IsAddress); }))
    ;
  DenseMap<PHINode *, PHINode *> Pointers;
  for (PHINode *P : Phis)
    Pointers[P] = PHINode::Create(PointerType::get(F.getContext(), 0),
                                  P->getNumIncomingValues(), "", P->getIterator());
  for (PHINode *P : Phis) {
    for (unsigned I = 0; I < P->getNumIncomingValues(); I++) {
      Value *V = P->getIncomingValue(I);
      auto *Cast = dyn_cast<PtrToIntInst>(V);
      Pointers[P]->addIncoming(Cast ? Cast->getPointerOperand() : Pointers[cast<PHINode>(V)],
                               P->getIncomingBlock(I));
    }
  }
  for (PHINode *P : Phis) {
    IRBuilder<> B(P->getParent(), P->getParent()->getFirstInsertionPt());
    P->replaceAllUsesWith(B.CreatePtrToInt(Pointers[P], P->getType()));
  }
  for (PHINode *P : Phis)
    P->eraseFromParent();
}

// Addresses at a constant distance, and integers made of an address, are
// computed again from the base, which the maps know.
void rematerialise(Function &F, const Safepoints &SP, const Escape &Esc) {
  ReversePostOrderTraversal<Function *> Order(&F);
  SmallVector<Instruction *, 64> Cheap;
  for (BasicBlock *BB : Order)
    for (Instruction &I : *BB)
      if (isCheapAddress(I, Esc))
        Cheap.push_back(&I);
  for (Instruction *I : reverse(Cheap))
    if (localOf(I) || !staysClose(*I, SP))
      recomputeAtUses(*I);
  // The members of a struct result, taken at once.
  for (BasicBlock *BB : Order)
    for (Instruction &I : make_early_inc_range(*BB)) {
      auto *X = dyn_cast<ExtractValueInst>(&I);
      auto *Def = X ? dyn_cast<Instruction>(X->getAggregateOperand()) : nullptr;
      if (Def && !isa<PHINode>(Def) && !Def->isTerminator())
        X->moveAfter(Def);
    }
}

} // namespace greenpass
