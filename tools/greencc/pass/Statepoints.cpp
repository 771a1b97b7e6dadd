// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
//
// Values that hold stack addresses over a call go through statepoint slots.
#include "Green.h"
#include "llvm/IR/Dominators.h"
#include "llvm/IR/GCStrategy.h"
#include "llvm/IR/InlineAsm.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/IntrinsicInst.h"
#include "llvm/IR/Statepoint.h"
#include "llvm/Transforms/Utils/PromoteMemToReg.h"

using namespace llvm;

namespace {

// Any pointer may be one into the stack: there is no address space apart.
class GreenGC : public GCStrategy {
public:
  GreenGC() {
    UseStatepoints = true;
    NeededSafePoints = false;
    UsesMetadata = false;
  }
  std::optional<bool> isGCManagedPointer(const Type *T) const override {
    return T->isPtrOrPtrVectorTy();
  }
};

GCRegistry::Add<GreenGC> Registered("green", "relocatable stacks");

} // namespace

namespace greenpass {

bool containsPointer(Type *T) {
  if (T->isPtrOrPtrVectorTy())
    return true;
  for (Type *E : T->subtypes())
    if (containsPointer(E))
      return true;
  return false;
}

Statepoints::Statepoints(Function &F, const Safepoints &SP, const Escape &Esc)
    : F(F), SP(SP) {
  number(Esc);
  solve();
  collectLive();
}

// Number the values that matter: pointers, which can be relocated, and what may
// hold an address but cannot.
void Statepoints::add(Value *V, const Escape &Esc) {
  const DataLayout &DL = F.getParent()->getDataLayout();
  Type *T = V->getType();
  unsigned char Why;
  if (T->isVoidTy() || T->isTokenTy() || !T->isSized() || isa<AllocaInst>(V) ||
      isa<CmpInst>(V))
    return;
  if (!Esc.holdsStackAddress(*V))
    return;
  if (T->isPointerTy())
    Why = GREEN_WHY_NONE;
  else
    Why = containsPointer(T) ? GREEN_WHY_AGGREGATE : GREEN_WHY_INTEGER;
  // Too narrow for an address.
  if (Why == GREEN_WHY_INTEGER && !T->isAggregateType() && DL.getTypeSizeInBits(T) < 48)
    return;
  Number[V] = Values.size();
  Values.push_back(V);
  Reason.push_back(Why);
}

void Statepoints::number(const Escape &Esc) {
  for (Argument &A : F.args())
    if (!A.hasByValAttr())
      add(&A, Esc);
  for (Instruction &I : instructions(F))
    add(&I, Esc);
}

void Statepoints::solve() {
  DenseMap<const BasicBlock *, SparseBitVector<>> LiveIn;
  DenseMap<const BasicBlock *, SparseBitVector<>> Gen, Kill, PhiUses;
  for (BasicBlock &BB : F) {
    SparseBitVector<> &G = Gen[&BB], &K = Kill[&BB];
    for (Instruction &I : reverse(BB)) {
      if (auto It = Number.find(&I); It != Number.end()) {
        G.reset(It->second);
        K.set(It->second);
      }
      if (auto *P = dyn_cast<PHINode>(&I)) {
        for (unsigned N = 0; N < P->getNumIncomingValues(); N++)
          if (auto It = Number.find(P->getIncomingValue(N)); It != Number.end())
            PhiUses[P->getIncomingBlock(N)].set(It->second);
        continue;
      }
      for (Value *Op : I.operands())
        if (auto It = Number.find(Op); It != Number.end())
          G.set(It->second);
    }
  }
  for (bool Changed = true; Changed;) {
    Changed = false;
    for (BasicBlock &BB : reverse(F)) {
      SparseBitVector<> Out = PhiUses[&BB];
      for (BasicBlock *S : successors(&BB))
        Out |= LiveIn[S];
      SparseBitVector<> In = Out;
      In.intersectWithComplement(Kill[&BB]);
      In |= Gen[&BB];
      Changed |= LiveIn[&BB] |= In;
      LiveOut[&BB] = std::move(Out);
    }
  }
}

void Statepoints::collectLive() {
  for (BasicBlock &BB : F) {
    SparseBitVector<> Live = LiveOut[&BB];
    for (Instruction &I : reverse(BB)) {
      if (auto It = Number.find(&I); It != Number.end())
        Live.reset(It->second);
      auto *CI = dyn_cast<CallInst>(&I);
      if (CI && SP.isMapped(*CI)) {
        SmallVector<unsigned, 4> Over;
        for (unsigned N : Live) {
          if (Reason[N] == GREEN_WHY_NONE)
            Over.push_back(N);
          else if (Why == GREEN_WHY_NONE) {
            Why = Reason[N];
            if (options().Verbose)
              errs() << F.getName() << ": over" << *CI << "\n  lives" << *Values[N] << "\n";
          }
        }
        Calls.push_back({CI, std::move(Over)});
      }
      if (isa<PHINode>(I))
        continue;
      for (Value *Op : I.operands())
        if (auto It = Number.find(Op); It != Number.end())
          Live.set(It->second);
    }
  }
}

// Attributes that decide how an argument is passed.
static AttributeList wrappedAttributes(const CallInst &CI, AttributeList Base) {
  LLVMContext &C = CI.getContext();
  for (unsigned I = 0; I < CI.arg_size(); I++) {
    AttrBuilder B(C, CI.getAttributes().getParamAttrs(I));
    B.removeAttribute(Attribute::StructRet);
    B.removeAttribute(Attribute::Returned);
#if LLVM_VERSION_MAJOR >= 21
    B.removeAttribute(Attribute::Captures);
#else
    B.removeAttribute(Attribute::NoCapture);
#endif
    Base = Base.addParamAttributes(C, GCStatepointInst::CallArgsBeginPos + I, B);
  }
  return Base;
}

// -- results in x87 registers --------------------------------------------------

// One or two numbers of 80 bits, in st(0) and st(1).
static unsigned resultsInX87(Type *T) {
  if (T->isX86_FP80Ty())
    return 1;
  auto *S = dyn_cast<StructType>(T);
  if (!S || S->getNumElements() == 0 || S->getNumElements() > 2 ||
      !all_of(S->elements(), [](Type *E) { return E->isX86_FP80Ty(); }))
    return 0;
  return S->getNumElements();
}

// Room for them; no map has to name it.
static AllocaInst *x87Slot(Function &F) {
  for (Instruction &I : F.getEntryBlock())
    if (I.hasMetadata(NumberOnly))
      return cast<AllocaInst>(&I);
  auto *T = ArrayType::get(Type::getX86_FP80Ty(F.getContext()), 2);
  auto *Slot = new AllocaInst(T, 0, "x87", F.getEntryBlock().begin());
  Slot->setMetadata(NumberOnly, MDNode::get(F.getContext(), {}));
  return Slot;
}

// Of a statepoint code generation takes no such result. To it the call is one
// without a result, and these instructions have no effect but on memory; greenmap
// puts them right behind the call (x87.c). The slot is every call's: what is in it
// is read at once.
static Value *takeX87Results(IRBuilder<> &B, Type *T) {
  LLVMContext &C = B.getContext();
  AllocaInst *Slot = x87Slot(*B.GetInsertBlock()->getParent());
  unsigned N = resultsInX87(T);
  Type *FP80 = Type::getX86_FP80Ty(C);
  SmallVector<Value *, 2> Places;
  for (unsigned I = 0; I < N; I++)
    Places.push_back(B.CreateConstInBoundsGEP2_64(Slot->getAllocatedType(), Slot, 0, I));
  SmallVector<Type *, 2> Types(N, B.getPtrTy());
  auto *FT = FunctionType::get(B.getVoidTy(), Types, false);
  CallInst *Store = B.CreateCall(
      FT, InlineAsm::get(FT, N == 1 ? GREENCC_X87 "$0" : GREENCC_X87 "$0\n\tfstpt $1",
                         N == 1 ? "=*m" : "=*m,=*m", true), Places);
  for (unsigned I = 0; I < N; I++)
    Store->addParamAttr(I, Attribute::get(C, Attribute::ElementType, FP80));
  Store->setDoesNotThrow();
  if (T->isX86_FP80Ty())
    return B.CreateAlignedLoad(T, Places[0], Align(16), true);
  Value *Result = PoisonValue::get(T);
  for (unsigned I = 0; I < N; I++)
    Result = B.CreateInsertValue(Result, B.CreateAlignedLoad(FP80, Places[I], Align(16), true), I);
  return Result;
}

// -- rewriting -----------------------------------------------------------------

static CallInst *wrap(CallInst &CI, ArrayRef<Value *> Live) {
  IRBuilder<> B(&CI);
  SmallVector<Value *, 8> Args(CI.args());
  bool X87 = resultsInX87(CI.getType());
  FunctionType *FT = CI.getFunctionType();
  if (X87)
    FT = FunctionType::get(B.getVoidTy(), FT->params(), false);
  FunctionCallee Callee(FT, CI.getCalledOperand());
  CallInst *SP = B.CreateGCStatepointCall(GREENCC_CALL_ID, 0, Callee, Args,
                                          std::nullopt, Live);
  SP->setCallingConv(CI.getCallingConv());
  SP->setAttributes(wrappedAttributes(CI, SP->getAttributes()));
  if (X87) {
    CI.replaceAllUsesWith(takeX87Results(B, CI.getType()));
  } else if (!CI.getType()->isVoidTy() && !CI.use_empty()) {
    CallInst *R = B.CreateGCResult(SP, CI.getType());
    R->takeName(&CI);
    CI.replaceAllUsesWith(R);
  }
  CI.eraseFromParent();
  return SP;
}

static void replaceUses(Value *V, AllocaInst *Slot) {
  DenseMap<std::pair<PHINode *, BasicBlock *>, Value *> PhiValues;
  for (Use &U : make_early_inc_range(V->uses())) {
    auto *I = cast<Instruction>(U.getUser());
    if (auto *P = dyn_cast<PHINode>(I)) {
      BasicBlock *From = P->getIncomingBlock(U);
      Value *&Known = PhiValues[{P, From}];
      if (!Known)
        Known = new LoadInst(V->getType(), Slot, "", From->getTerminator()->getIterator());
      U.set(Known);
    } else {
      U.set(new LoadInst(V->getType(), Slot, "", I->getIterator()));
    }
  }
}

// The place behind V's definition, where its value can be stored.
static BasicBlock::iterator afterDefinition(Value *V) {
  if (auto *A = dyn_cast<Argument>(V))
    return A->getParent()->getEntryBlock().getFirstNonPHIOrDbgOrAlloca();
  auto *I = cast<Instruction>(V);
  return isa<PHINode>(I) ? I->getParent()->getFirstInsertionPt()
                         : std::next(I->getIterator());
}

// Each value gets a temporary variable, written at its definition and after
// each call; mem2reg then makes values of them again.
void Statepoints::rewrite() {
  F.setGC("green");
  DenseMap<unsigned, SmallVector<CallInst *, 4>> Relocates;
  SmallVector<std::pair<CallInst *, SmallVector<unsigned, 4>>, 0> Wrapped;
  for (auto &[CI, Over] : Calls) {
    SmallVector<Value *, 8> Live;
    for (unsigned N : Over)
      Live.push_back(Values[N]);
    CallInst *SP = wrap(*CI, Live);
    IRBuilder<> B(SP->getParent(), std::next(SP->getIterator()));
    B.SetCurrentDebugLocation(SP->getDebugLoc());
    for (unsigned I = 0; I < Over.size(); I++)
      Relocates[Over[I]].push_back(B.CreateGCRelocate(SP, I, I, Live[I]->getType()));
  }
  SmallVector<AllocaInst *, 16> Slots;
  for (auto &[N, List] : Relocates) {
    Value *V = Values[N];
    auto *Slot = new AllocaInst(V->getType(), 0, "", F.getEntryBlock().begin());
    Slots.push_back(Slot);
    replaceUses(V, Slot);
    new StoreInst(V, Slot, afterDefinition(V));
    for (CallInst *R : List)
      new StoreInst(R, Slot, std::next(R->getIterator()));
  }
  DominatorTree DT(F);
  PromoteMemToReg(Slots, DT);
}

} // namespace greenpass
