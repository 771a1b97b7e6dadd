// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
//
// A green thread may wake up on another OS thread. The offset of a thread-local
// variable may be kept over a call, its address may not; but code generation
// takes the thread pointer for a constant. So plain accesses are left to the
// %fs addressing modes, and whoever wants an address calls a function for it.
#include "Green.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/IntrinsicInst.h"

using namespace llvm;

namespace greenpass {

static bool isThreadLocalAddress(const Value *V) {
  auto *I = dyn_cast<IntrinsicInst>(V);
  return I && I->getIntrinsicID() == Intrinsic::threadlocal_address;
}

static bool isMemberOfThreadLocal(const Value *V) {
  auto *G = dyn_cast<GetElementPtrInst>(V);
  return G && G->hasAllConstantIndices() && G->getType()->isPointerTy() &&
         isThreadLocalAddress(G->getPointerOperand());
}

// The C library declares these const, and the optimizer keeps what they return.
static bool isOfThread(const Value *V) {
  auto *CI = dyn_cast<CallInst>(V);
  const Function *G = CI ? CI->getCalledFunction() : nullptr;
  return G && CI->arg_empty() && (G->getName() == "__errno_location" ||
                                  G->getName() == "pthread_self");
}

static void recompute(Function &F, bool (*Which)(const Value *)) {
  SmallVector<Instruction *, 8> Found;
  for (Instruction &I : instructions(F))
    if (Which(&I))
      Found.push_back(&I);
  for (Instruction *I : Found)
    recomputeAtUses(*I);
}

static Function *addressFunction(GlobalVariable &G) {
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

static bool isDirect(const Instruction &Address) {
  for (const Use &U : Address.uses()) {
    if (isDirectUse(U))
      continue;
    if (!isMemberOfThreadLocal(U.getUser()) ||
        !all_of(U.getUser()->uses(), [](const Use &V) { return isDirectUse(V); }))
      return false;
  }
  return true;
}

static void settle(Function &F) {
  recompute(F, isMemberOfThreadLocal);
  recompute(F, isThreadLocalAddress);
  recompute(F, isOfThread);
  SmallVector<Instruction *, 8> Wanted;
  for (Instruction &I : instructions(F))
    if (isThreadLocalAddress(&I) && !isDirect(I))
      Wanted.push_back(&I);
  for (Instruction *I : Wanted) {
    auto *G = dyn_cast<GlobalVariable>(I->getOperand(0)->stripPointerCasts());
    if (!G)
      continue;
    IRBuilder<> B(I);
    I->replaceAllUsesWith(B.CreateCall(addressFunction(*G)));
    I->eraseFromParent();
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
}

} // namespace greenpass
