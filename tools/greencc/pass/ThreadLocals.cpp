// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
//
// A green thread may wake up on another OS thread. What a program has stored in a
// variable is a value, be it a thread-local's address or pthread_self(), and stays
// what it was. But what the program says anew is to be found anew: &x, errno, or a
// function that is declared const and returns something of the thread. The
// optimizer takes all these for constants of a function.
//
// So before it begins they are made into operations that read memory which no code
// sees: then nothing is merged over a call that may change such memory, that is any
// call in which the thread could come to another worker. When it is done, plain
// accesses to thread-locals become %fs addressing modes again. Code generation
// takes the thread pointer for a constant as well, so whoever wants an address
// calls a function for it.
#include "Green.h"
#include "llvm/Analysis/CFG.h"
#include "llvm/IR/InlineAsm.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/IntrinsicInst.h"

using namespace llvm;

namespace greenpass {

// Declared while the optimizer is at work.
constexpr char AddressOf[] = "greencc.thread_local";
constexpr char ThreadPointer[] = "greencc.thread_pointer";

// -- before the optimizer ------------------------------------------------------

static MemoryEffects readsUnseen() { return MemoryEffects::inaccessibleMemOnly(ModRefInfo::Ref); }

static FunctionCallee operation(Module &M, StringRef Name, ArrayRef<Type *> Params) {
  auto *FT = FunctionType::get(PointerType::get(M.getContext(), 0), Params, false);
  FunctionCallee C = M.getOrInsertFunction(Name, FT);
  auto *F = cast<Function>(C.getCallee());
  F->setMemoryEffects(readsUnseen());
  F->setDoesNotThrow();
  F->setWillReturn();
  F->addFnAttr(Attribute::NoCallback);
  F->addFnAttr(Attribute::NoMerge); // of two variables' one with a choice
  return C;
}

static void replace(IntrinsicInst &I) {
  IRBuilder<> B(&I);
  CallInst *C;
  if (I.getIntrinsicID() == Intrinsic::thread_pointer) {
    C = B.CreateCall(operation(*I.getModule(), ThreadPointer, {}));
  } else {
    Value *G = I.getArgOperand(0);
    C = B.CreateCall(operation(*I.getModule(), AddressOf, {G->getType()}), {G});
    C->addRetAttr(Attribute::NonNull);
    C->addRetAttr(Attribute::getWithAlignment(I.getContext(),
                                              G->getPointerAlignment(I.getDataLayout())));
  }
  C->takeName(&I);
  I.replaceAllUsesWith(C);
  I.eraseFromParent();
}

// Assembly that is not volatile is merged like arithmetic.
static void keepApart(CallBase &CB) {
  auto *IA = cast<InlineAsm>(CB.getCalledOperand());
  if (IA->hasSideEffects() || !StringRef(IA->getAsmString()).contains("%fs"))
    return;
  CB.setCalledOperand(InlineAsm::get(IA->getFunctionType(), IA->getAsmString(),
                                     IA->getConstraintString(), true, IA->isAlignStack(),
                                     IA->getDialect(), IA->canThrow()));
  CB.setMemoryEffects(CB.getAttributes().getMemoryEffects() |
                      MemoryEffects::inaccessibleMemOnly());
}

static void separate(Instruction &I) {
  auto *CB = dyn_cast<CallBase>(&I);
  if (!CB)
    return;
  if (auto *II = dyn_cast<IntrinsicInst>(CB)) {
    Intrinsic::ID ID = II->getIntrinsicID();
    if (ID == Intrinsic::thread_pointer || ID == Intrinsic::threadlocal_address)
      replace(*II);
  } else if (CB->isInlineAsm()) {
    keepApart(*CB);
  } else if (CB->getAttributes().getMemoryEffects().doesNotAccessMemory()) {
    CB->setMemoryEffects(readsUnseen());
  }
}

// Of functions that are seen here the optimizer finds out whether they are const.
void separateThreadLocals(Module &M) {
  for (Function &F : M)
    if (!F.isIntrinsic() && F.doesNotAccessMemory() && !F.getReturnType()->isFPOrFPVectorTy())
      F.setMemoryEffects(readsUnseen());
  for (Function &F : M)
    for (Instruction &I : make_early_inc_range(instructions(F)))
      separate(I);
}

// -- behind it -----------------------------------------------------------------

static bool isThreadLocalAddress(const Value *V) {
  auto *CI = dyn_cast<CallInst>(V);
  const Function *F = CI ? CI->getCalledFunction() : nullptr;
  return F && F->getName() == AddressOf;
}

static bool isMemberOfThreadLocal(const Value *V) {
  auto *G = dyn_cast<GetElementPtrInst>(V);
  return G && G->hasAllConstantIndices() && G->getType()->isPointerTy() &&
         isThreadLocalAddress(G->getPointerOperand());
}

static void recompute(Function &F, bool (*Which)(const Value *)) {
  SmallVector<Instruction *, 8> Found;
  for (Instruction &I : instructions(F))
    if (Which(&I))
      Found.push_back(&I);
  for (Instruction *I : Found)
    recomputeAtUses(*I);
}

static Function *addressFunction(GlobalValue &G) {
  Module &M = *G.getParent();
  std::string Name = (G.getName() + ".address").str();
  auto *FT = FunctionType::get(G.getType(), false);
  if (Function *F = M.getFunction(Name); F && F->getFunctionType() == FT)
    return F;
  auto *F = Function::Create(FT, GlobalValue::InternalLinkage, Name, M);
  F->addFnAttr(Attribute::NoInline);
  F->addFnAttr(Attribute::NoUnwind);
  IRBuilder<> B(BasicBlock::Create(M.getContext(), "", F));
  B.CreateRet(B.CreateThreadLocalAddress(&G));
  return F;
}

// May the thread have changed when the call is over?
static bool maySuspend(const Instruction &I) {
  auto *CB = dyn_cast<CallBase>(&I);
  return CB && !isa<IntrinsicInst>(CB) && !CB->isInlineAsm() && !isThreadLocalAddress(CB) &&
         !(calleeTraits(*CB) & NoSafepoint);
}

// Is there a way from Address to User, not through Address again, with a call on it?
static bool maySuspendBetween(const Instruction &Address, const Instruction &User) {
  const BasicBlock *From = Address.getParent(), *To = User.getParent();
  auto Any = [](auto Begin, auto End) { return any_of(make_range(Begin, End), maySuspend); };
  if (From == To)
    return Any(std::next(Address.getIterator()), User.getIterator());
  if (Any(std::next(Address.getIterator()), From->end()) || Any(To->begin(), User.getIterator()))
    return true;
  // Forward from the one to the other; To again if it is in a loop.
  SmallPtrSet<const BasicBlock *, 16> Seen;
  SmallVector<const BasicBlock *, 16> Work(successors(From));
  while (!Work.empty()) {
    const BasicBlock *BB = Work.pop_back_val();
    if (BB == From || !Seen.insert(BB).second)
      continue;
    append_range(Work, successors(BB));
  }
  return any_of(Seen, [&](const BasicBlock *BB) {
    return any_of(*BB, maySuspend) && any_of(successors(BB), [&](const BasicBlock *Next) {
             return isPotentiallyReachable(Next, To);
           });
  });
}

// Where the operand of a use is needed.
static Instruction *placeOf(const Use &U) {
  auto *I = cast<Instruction>(U.getUser());
  auto *P = dyn_cast<PHINode>(I);
  return P ? P->getIncomingBlock(U)->getTerminator() : I;
}

// Accesses are made by way of %fs where that is the thread whose address it is.
static void settleAddress(CallInst &Address) {
  auto *G = cast<GlobalValue>(Address.getArgOperand(0)->stripPointerCasts());
  for (Use &U : make_early_inc_range(Address.uses())) {
    auto *Member = dyn_cast<GetElementPtrInst>(U.getUser());
    bool Direct = Member && isMemberOfThreadLocal(Member)
                      ? all_of(Member->uses(), [](const Use &V) { return isDirectUse(V); })
                      : isDirectUse(U);
    Instruction *At = placeOf(U);
    if (!Direct || maySuspendBetween(Address, *At))
      continue;
    U.set(IRBuilder<>(At).CreateThreadLocalAddress(G));
  }
  if (!Address.use_empty())
    Address.replaceAllUsesWith(IRBuilder<>(&Address).CreateCall(addressFunction(*G)));
  Address.eraseFromParent();
}

// No constant of code generation, and no merging.
static void settlePointer(CallInst &Pointer) {
  IRBuilder<> B(&Pointer);
  auto *FT = FunctionType::get(Pointer.getType(), false);
  CallInst *C = B.CreateCall(FT, InlineAsm::get(FT, "movq %fs:0, $0", "=r", true));
  C->setDoesNotThrow();
  Pointer.replaceAllUsesWith(C);
  Pointer.eraseFromParent();
}

static void settle(Function &F) {
  recompute(F, isMemberOfThreadLocal);
  for (Instruction &I : make_early_inc_range(instructions(F))) {
    auto *CI = dyn_cast<CallInst>(&I);
    const Function *Callee = CI ? CI->getCalledFunction() : nullptr;
    if (Callee && Callee->getName() == AddressOf)
      settleAddress(*CI);
    else if (Callee && Callee->getName() == ThreadPointer)
      settlePointer(*CI);
  }
}

void settleThreadLocals(Module &M) {
  // The models that ask __tls_get_addr() would have the address kept.
  for (GlobalVariable &G : M.globals())
    if (G.isThreadLocal() && G.getThreadLocalMode() < GlobalValue::InitialExecTLSModel)
      G.setThreadLocalMode(GlobalValue::InitialExecTLSModel);
  SmallVector<Function *, 0> Functions;
  for (Function &F : M)
    if (!F.isDeclaration())
      Functions.push_back(&F);
  for (Function *F : Functions)
    settle(*F);
  for (StringRef Name : {AddressOf, ThreadPointer})
    if (Function *F = M.getFunction(Name); F && F->use_empty())
      F->eraseFromParent();
}

} // namespace greenpass
