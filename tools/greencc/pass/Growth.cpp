// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
//
// The test of the stack on entry:
//	if (rsp < limit + need) green_stack_grow(need, taken)
// Most functions have it in front of their prologue, where greenmap puts it: the
// arguments are in registers then, and the map tells which are pointers. In the
// others it is code like any. Need is what calls may take, mostly a guess; taken, a part of it, is what the
// code is about to take for itself, in one step that may pass the guard page.
#include "Green.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/IR/InlineAsm.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/IntrinsicInst.h"
#include "llvm/IR/MDBuilder.h"
#include "llvm/Transforms/Utils/BasicBlockUtils.h"

using namespace llvm;

namespace greenpass {

// The limit is in the thread control block at %fs:0x70, the word that glibc
// sets aside for split stacks. It is 0 on stacks that are not ours.
constexpr unsigned FsAddressSpace = 257;
constexpr uint64_t LimitOffset = 0x70;

static bool callsMemoryFunction(const IntrinsicInst &I) {
  return isa<MemIntrinsic>(I);
}

// What a call needs below its caller's frame.
static uint64_t callNeed(const CallBase &CB) {
  if (CB.isInlineAsm())
    return 0;
  if (auto *I = dyn_cast<IntrinsicInst>(&CB))
    return callsMemoryFunction(*I) ? SmallNeed : 0;
  if (isRuntimeCall(CB))
    return 0;
  if (unsigned Traits = calleeTraits(CB))
    return Traits & SmallStack ? SmallNeed : UncheckedNeed;
  auto *F = dyn_cast<Function>(CB.getCalledOperand()->stripPointerCasts());
  if (F && !F->isDeclaration())
    return 0;
  return options().AllMapped ? 0 : UncheckedNeed;
}

struct Room {
  uint64_t Need = 0, Taken = 0;
};

static Room room(const Function &F) {
  Room R;
  uint64_t Body = 0;
  for (const Instruction &I : instructions(F))
    if (auto *CB = dyn_cast<CallBase>(&I)) {
      R.Need = std::max(R.Need, callNeed(*CB));
      // A thunk tests for its body's frame as well.
      if (const Function *C = CB->getCalledFunction(); C && isSplitBody(*C)) {
        R.Taken = frameRoom(*C);
        Body = R.Taken + room(*C).Need;
      }
    }
  R.Need = std::max(R.Need, Body);
  return R;
}

constexpr uint64_t UncheckedLocals = 256;

uint64_t bytesOfLocals(const Function &F) {
  const DataLayout &DL = F.getParent()->getDataLayout();
  uint64_t Sum = 0;
  for (const Instruction &I : instructions(F))
    if (auto *A = dyn_cast<AllocaInst>(&I))
      Sum += A->getAllocationSize(DL).value_or(TypeSize::getFixed(1 << 20));
  return Sum;
}

static bool takesStack(const Instruction &I) {
  auto *CB = dyn_cast<CallBase>(&I);
  return CB && !CB->isInlineAsm() && (!isa<IntrinsicInst>(CB) || callNeed(*CB));
}

static bool makesCalls(const Function &F) {
  return any_of(instructions(F), takesStack);
}

DenseSet<const Function *> functionsToCheck(Module &M) {
  DenseSet<const Function *> Checked;
  if (!options().Growth)
    return Checked;
  for (Function &F : M)
    if (!F.isDeclaration() && !isSplitBody(F) &&
        (makesCalls(F) || bytesOfLocals(F) > UncheckedLocals))
      Checked.insert(&F);
  return Checked;
}

// The test is inline assembly: the value of rsp must not become one that the
// register allocator keeps.
static Value *compareStack(IRBuilder<> &B, StringRef Text, StringRef Constraints,
                           ArrayRef<Value *> Args, bool Scratch) {
  Type *I8 = B.getInt8Ty();
  Type *T = Scratch ? (Type *)StructType::get(I8, B.getInt64Ty()) : I8;
  SmallVector<Type *, 1> Params;
  for (Value *A : Args)
    Params.push_back(A->getType());
  auto *FT = FunctionType::get(T, Params, false);
  auto *IA = InlineAsm::get(FT, Text, Constraints, true);
  CallInst *C = B.CreateCall(FT, IA, Args);
  C->setDoesNotThrow();
  Value *Below = Scratch ? B.CreateExtractValue(C, 0) : C;
  return B.CreateICmpNE(Below, B.getInt8(0));
}

static Value *stackIsShort(IRBuilder<> &B, Value *Need) {
  constexpr char Clobbers[] = ",~{flags}";
  if (auto *C = dyn_cast<ConstantInt>(Need)) {
    uint64_t N = C->getZExtValue();
    if (N == 0)
      return compareStack(B, "cmpq %fs:112, %rsp",
                          std::string("={@ccb}") + Clobbers, {}, false);
    if (isInt<32>(N))
      return compareStack(B, "leaq -" + utostr(N) + "(%rsp), $1\n\tcmpq %fs:112, $1",
                          std::string("={@ccb},=&r") + Clobbers, {}, true);
  }
  auto *Slot = ConstantExpr::getIntToPtr(
      B.getInt64(LimitOffset), PointerType::get(B.getContext(), FsAddressSpace));
  Value *Limit = B.CreateAlignedLoad(B.getInt64Ty(), Slot, Align(8));
  Value *Least = B.CreateBinaryIntrinsic(Intrinsic::uadd_sat, Limit, Need);
  return compareStack(B, "cmpq $1, %rsp", std::string("={@ccb},r") + Clobbers, {Least},
                      false);
}

static void checkBefore(Instruction *At, Value *Need, Value *Taken) {
  Module &M = *At->getModule();
  LLVMContext &C = M.getContext();
  IRBuilder<> B(At);
  Value *Short = stackIsShort(B, Need);
  Instruction *Cold = SplitBlockAndInsertIfThen(
      Short, At, false, MDBuilder(C).createBranchWeights(1, 1u << 20));
  FunctionCallee Grow =
      M.getOrInsertFunction("green_stack_grow", Type::getVoidTy(C), Type::getInt64Ty(C),
                            Type::getInt64Ty(C));
  // The dynamic linker would need stack of its own here.
  if (auto *F = dyn_cast<Function>(Grow.getCallee()))
    F->addFnAttr(Attribute::NonLazyBind);
  IRBuilder<> CB(Cold);
  // Calls need a place in the source if their function has one.
  if (DISubprogram *SP = At->getFunction()->getSubprogram())
    CB.SetCurrentDebugLocation(DILocation::get(C, SP->getLine(), 0, SP));
  CB.CreateCall(Grow, {Need, Taken});
}

// Where a function may be stopped first. The copies of byval arguments come
// before: only they are in a map.
Instruction *behindEntry(Function &F) {
  Instruction *At = &*F.getEntryBlock().getFirstNonPHIOrDbgOrAlloca();
  while (auto *M = dyn_cast<MemCpyInst>(At)) {
    auto *A = dyn_cast<Argument>(M->getRawSource());
    if (!A || !A->hasByValAttr())
      break;
    At = At->getNextNode();
  }
  return At;
}

// System V: integers and pointers in six registers and on the stack, floats in
// eight. What is passed in another way is not worth the trouble.
bool testsInFront(const Function &F) {
  unsigned Words = 0, Floats = 0;
  if (isSplitBody(F) ||
      (F.getCallingConv() != CallingConv::C && F.getCallingConv() != CallingConv::Fast))
    return false;
  for (const Argument &A : F.args()) {
    Type *T = A.getType();
    bool Integer = T->isIntegerTy() && T->getIntegerBitWidth() <= 64;
    if (A.hasByValAttr() || A.hasInRegAttr() || A.hasNestAttr())
      return false;
    if (T->isPointerTy() || Integer)
      Words++;
    else if (T->isFloatTy() || T->isDoubleTy())
      Floats++;
    else
      return false;
  }
  return Words <= 6 + GREENCC_STACK_WORDS && Floats <= 8;
}

int64_t needInFront(const Function &F) {
  return room(F).Need + (F.isVarArg() ? GREENCC_VARARGS : 0);
}

void insertGrowthChecks(Function &F, Instruction *At) {
  Room R = room(F);
  // alloca() and variable-length arrays take their room at once.
  SmallVector<AllocaInst *, 4> Dynamic;
  for (Instruction &I : instructions(F))
    if (auto *A = dyn_cast<AllocaInst>(&I); A && !A->isStaticAlloca())
      Dynamic.push_back(A);
  for (AllocaInst *A : Dynamic) {
    IRBuilder<> B(A);
    const DataLayout &DL = F.getParent()->getDataLayout();
    Value *N = B.CreateZExtOrTrunc(A->getArraySize(), B.getInt64Ty());
    N = B.CreateMul(N, B.getInt64(DL.getTypeAllocSize(A->getAllocatedType())));
    Value *Taken = B.CreateAdd(N, B.getInt64(A->getAlign().value() + 64));
    checkBefore(A, B.CreateAdd(Taken, B.getInt64(R.Need)), Taken);
  }
  if (!At)
    return;
  Type *I64 = Type::getInt64Ty(F.getContext());
  checkBefore(At, ConstantInt::get(I64, R.Need), ConstantInt::get(I64, R.Taken));
}

} // namespace greenpass
