// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
//
// The code of barriers: BarrierCode.h.
#include "BarrierCode.h"
#include "llvm/IR/InlineAsm.h"
#include "llvm/IR/IntrinsicInst.h"
#include "llvm/IR/MDBuilder.h"
#include "llvm/Transforms/Utils/BasicBlockUtils.h"

using namespace llvm;

namespace greenpass {

bool BarrierCode::stays(const Value &V) const { return Stays && underlyingLocal(V); }

FunctionCallee BarrierCode::runtime(StringRef Name, ArrayRef<Type *> Params) {
  auto *FT = FunctionType::get(Type::getVoidTy(C), Params, false);
  FunctionCallee Callee = M.getOrInsertFunction(Name, FT);
  if (auto *G = dyn_cast<Function>(Callee.getCallee())) {
    G->addFnAttr(Attribute::NonLazyBind);
    G->addFnAttr(Attribute::NoUnwind);
    G->setCallingConv(CallingConv::PreserveMost);
  }
  return Callee;
}

CallInst *BarrierCode::call(Instruction *Cold, StringRef Name, ArrayRef<Value *> Args) {
  SmallVector<Type *, 3> Types;
  for (Value *A : Args)
    Types.push_back(A->getType());
  IRBuilder<> B(Cold);
  placeInSource(B);
  CallInst *CI = B.CreateCall(runtime(Name, Types), Args);
  CI->setCallingConv(CallingConv::PreserveMost);
  CI->setDoesNotThrow();
  return CI;
}

Instruction *BarrierCode::branch(Instruction *At, StringRef Text, StringRef Constraints,
                                 ArrayRef<Value *> Args) {
  IRBuilder<> B(At);
  placeInSource(B);
  SmallVector<Type *, 1> Types;
  for (Value *A : Args)
    Types.push_back(A->getType());
  auto *FT = FunctionType::get(B.getInt8Ty(), Types, false);
  CallInst *CI = B.CreateCall(FT, InlineAsm::get(FT, Text, Constraints, true), Args);
  CI->setDoesNotThrow();
  Value *Is = B.CreateICmpNE(CI, B.getInt8(0));
  return SplitBlockAndInsertIfThen(Is, At, false, rare());
}

// The value of rsp must not become one of the register allocator.
Instruction *BarrierCode::ifOnStack(Instruction *At, Value *V) {
  return branch(At, "cmpq %rsp, $1", "={@ccae},r,~{flags}", {V});
}

MDNode *BarrierCode::rare() { return MDBuilder(C).createBranchWeights(1, 1u << 20); }

void BarrierCode::checkWord(Instruction *At, Value *V, Value *Dest, StringRef Ask) {
  if (stays(*V))
    return;
  Instruction *Cold = underlyingLocal(*V) ? At : ifOnStack(At, V);
  if (!V->getType()->isPointerTy())
    V = new IntToPtrInst(V, PointerType::get(C, 0), "", Cold->getIterator());
  if (Dest)
    call(Cold, Ask, {V, Dest});
  else
    call(Cold, "green_escape", {V});
}

void BarrierCode::checkValue(Instruction *At, Value *V, Value *Dest, StringRef Ask) {
  Type *T = V->getType();
  if (T->isIntegerTy(64) || (T->isPointerTy() && T->getPointerAddressSpace() == 0))
    return checkWord(At, V, Dest, Ask);
  if (auto *S = dyn_cast<StructType>(T))
    return checkElements(At, V, S->getNumElements());
  if (auto *A = dyn_cast<ArrayType>(T))
    return checkElements(At, V, A->getNumElements());
  uint64_t Bits = DL.getTypeSizeInBits(T).getKnownMinValue();
  if (Bits < 48)
    return; // no address; bytes of one see Escape::why()
  if (T->isIntegerTy() && Bits < 64)
    return checkWord(At, IRBuilder<>(At).CreateZExt(V, Type::getInt64Ty(C)));
  if (isa<ScalableVectorType>(T) || Bits % 64 || T->isTargetExtTy())
    return everything(At);
  checkWords(At, V, Bits / 64, Dest, Ask);
}

void BarrierCode::checkElements(Instruction *At, Value *V, unsigned N) {
  for (unsigned I = 0; I < N; I++)
    if (DL.getTypeStoreSize(ExtractValueInst::getIndexedType(V->getType(), I)) >= 8)
      checkValue(At, IRBuilder<>(At).CreateExtractValue(V, I));
}

// A vector, or a large integer.
void BarrierCode::checkWords(Instruction *At, Value *V, unsigned N, Value *Dest, StringRef Ask) {
  IRBuilder<> B(At);
  auto *VT = FixedVectorType::get(B.getInt64Ty(), N);
  Value *Words = V->getType()->isPtrOrPtrVectorTy() ? B.CreatePtrToInt(V, VT)
                                                    : B.CreateBitCast(V, VT);
  for (unsigned I = 0; I < N; I++)
    checkWord(At, IRBuilder<>(At).CreateExtractElement(Words, B.getInt32(I)), Dest, Ask);
}

// The whole stack, for good: what cannot be looked at.
void BarrierCode::everything(Instruction *At) { call(At, "green_escape_all", {}); }

void BarrierCode::wholeWords(Instruction *At, Value *&Ptr, Value *&Bytes) {
  IRBuilder<> B(At);
  placeInSource(B);
  Value *In = B.CreateAnd(B.CreatePtrToInt(Ptr, B.getInt64Ty()), B.getInt64(7));
  Bytes = B.CreateAnd(B.CreateAdd(B.CreateAdd(Bytes, In), B.getInt64(7)), B.getInt64(-8));
  Ptr = B.CreateIntrinsic(Intrinsic::ptrmask, {Ptr->getType(), B.getInt64Ty()},
                          {Ptr, B.getInt64(-8)});
}

// One past the end of a local may be the address of the saved rbp.
Instruction *BarrierCode::ifPinned(Instruction *At) {
  return branch(At, "movq green_escape_low@gottpoff(%rip), %r11\n\tcmpq %rbp, %fs:(%r11)",
                "={@ccbe},~{r11},~{flags}", {});
}

} // namespace greenpass
