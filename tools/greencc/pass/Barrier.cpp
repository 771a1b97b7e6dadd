// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
//
// The escape barrier: whatever may put a stack address where no map names it
// asks at run time whether it does, and pins the frame that owns the address.
// A pinned frame stays where it is until it is left, and with it the address
// dies. One invariant holds at each safepoint:
//
//   A word holds no live stack address, or a pinned one, or a map names it, or
//   it is an argument on its way into a deferred function.
//
// Maps name locals that are not shared (Escape.cpp), and the values of mapped
// code. All other memory is foreign: to store a stack address there is to pin
// it, so what is loaded from there needs no map, and no barrier when it is
// stored again. An argument that comes from code that is not seen and may get
// into foreign memory is pinned on entry; behind that it does not move either.
//
// Where a pointer may lead to foreign memory or to a local that is not shared,
// green_escape_to() tells which: what is found from outside and lies in a frame of
// this stack lies in a pinned one.
//
// Pointers are lent to calls whose callee is not seen. That is no store: the
// callee has barriers of its own if it is mapped, and what is lent to any other is
// pinned on the way out (Outgoing.cpp), or by green_escape_lend() if that cannot be. For what it finds through the pointer the callee relies on
// the invariant: a local is shared as soon as it may be lent.
//
// The test is value >= rsp: no live local lies below. What else lies above is
// told apart in the cold path; it is little, for the arena of the stacks lies
// above what is mapped later, the heap and the program itself.
//
// Not seen: addresses that are stored byte by byte through memory that another
// module lent, and addresses in disguise (XORed, compressed).
#include "Green.h"
#include "llvm/Analysis/ValueTracking.h"
#include "llvm/IR/InlineAsm.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/IntrinsicInst.h"
#include "llvm/IR/MDBuilder.h"
#include "llvm/Transforms/Utils/BasicBlockUtils.h"

using namespace llvm;

namespace greenpass {

AllocaInst *underlyingLocal(const Value &V) {
  auto *A = dyn_cast<AllocaInst>(getUnderlyingObject(&V, 0));
  return A && A->isStaticAlloca() ? const_cast<AllocaInst *>(A) : nullptr;
}

// green_try(fn, arg) calls fn(arg), which has a barrier if it is mapped. If not,
// green.h has it that it does not keep its argument beyond the call.
bool isTry(const CallBase &CB) {
  return isRuntimeCall(CB) &&
         CB.getCalledOperand()->stripPointerCasts()->getName() == "green_try";
}

bool isLent(const CallBase &CB, unsigned I) {
  if (CB.isByValArgument(I))
    return true;
  if (!CB.getArgOperand(I)->getType()->isPointerTy() || isa<IntrinsicInst>(CB) ||
      CB.isInlineAsm())
    return false;
  // A callee that is mapped may not be so where it takes "...".
  if (I >= CB.getFunctionType()->getNumParams())
    return CB.doesNotCapture(I);
  return !isRuntimeCall(CB) || isTry(CB) || CB.doesNotCapture(I);
}

bool mayBeKept(const CallBase &CB, unsigned I) {
  return !isRuntimeCall(CB) && !CB.isByValArgument(I) && !CB.doesNotCapture(I) &&
         !CB.paramHasAttr(I, Attribute::StructRet) && !options().AllMapped;
}

// What nobody else writes, and the runtime knows too (lend.S): nopl (%edi), and of
// functions that test the stack nopl (%esi).
constexpr uint32_t BarrierMark = 0x071f0f67, TestMark = 0x061f0f67;

namespace {

class Barriers {
public:
  Barriers(Function &F, Escape &Esc)
      : F(F), M(*F.getParent()), C(F.getContext()), DL(M.getDataLayout()), Esc(Esc) {}

  void run(Instruction *Entry) {
    SmallVector<Instruction *, 64> All;
    bool Pins = false;
    for (Instruction &I : instructions(F))
      All.push_back(&I);
    for (Argument &A : F.args())
      if (Esc.pinnedOnEntry(A))
        pinArgument(A, Entry);
    for (Instruction *I : All) {
      if (auto *A = dyn_cast<AllocaInst>(I))
        Pins |= Esc.shared(*A);
      visit(*I);
    }
    if (Pins)
      for (Instruction *I : All)
        if (isa<ReturnInst>(I) && !I->getParent()->getTerminatingMustTailCall())
          endOfFrame(I);
  }

private:
  void visit(Instruction &I) {
    if (auto *S = dyn_cast<StoreInst>(&I))
      return visitStore(I, S->getValueOperand(), S->getPointerOperand(), S->getAlign());
    if (auto *X = dyn_cast<AtomicRMWInst>(&I))
      return visitStore(I, X->getValOperand(), X->getPointerOperand());
    if (auto *X = dyn_cast<AtomicCmpXchgInst>(&I))
      return visitStore(I, X->getNewValOperand(), X->getPointerOperand());
    if (auto *R = dyn_cast<ReturnInst>(&I))
      return visitReturn(*R);
    if (auto *CB = dyn_cast<CallBase>(&I))
      return visitCall(*CB);
  }

  // Up to here A may move, behind it does not.
  void pinArgument(Argument &A, Instruction *Entry) {
    if (A.use_empty())
      return;
    auto *Pinned = new FreezeInst(&A, A.getName() + ".pinned", Entry->getIterator());
    A.replaceUsesWithIf(Pinned, [&](Use &U) { return U.getUser() != Pinned; });
    Esc.setPinned(A, *Pinned);
    checkWord(Pinned, &A);
  }

  void visitStore(Instruction &At, Value *V, Value *Ptr, Align A = Align(8)) {
    // Only aligned words are in a map.
    if (A >= 8 && Esc.staysInside(*Ptr))
      return;
    if (Esc.holdsStackAddress(*V))
      checkValue(&At, V, A >= 8 && Esc.maybeInside(*Ptr) ? Ptr : nullptr);
  }

  // Integers that hold addresses are not expected by callers that are not seen.
  void visitReturn(ReturnInst &R) {
    Value *V = R.getReturnValue();
    if (!V || V->getType()->isPtrOrPtrVectorTy() || !Esc.holdsStackAddressInNumbers(*V))
      return;
    if (F.hasLocalLinkage() && !F.hasAddressTaken())
      return;
    checkValue(&R, V);
  }

  void visitCall(CallBase &CB) {
    if (auto *II = dyn_cast<IntrinsicInst>(&CB))
      return visitIntrinsic(*II);
    if (CB.isInlineAsm())
      return visitAsm(CB);
    auto *G = dyn_cast<Function>(CB.getCalledOperand()->stripPointerCasts());
    if (G && !G->isDeclaration() && !G->isInterposable() &&
        G->getFunctionType() == CB.getFunctionType())
      return visitKnownCall(CB, *G);
    if (isDeferCall(CB) || (G && G->getName() == "green_stack_grow"))
      return;
    unsigned Traits = calleeTraits(CB);
    if (Traits & CapturesNone)
      return visitLibraryCall(CB, Traits);
    visitUnknownCall(CB);
  }

  // What goes through the "..." has no argument that it could flow to.
  void visitKnownCall(CallBase &CB, const Function &G) {
    for (unsigned I = G.arg_size(); I < CB.arg_size(); I++)
      checkIfHeld(&CB, CB.getArgOperand(I));
  }

  void visitLibraryCall(CallBase &CB, unsigned Traits) {
    if (Traits & CopiesMemory && CB.arg_size() > 2)
      checkCopy(&CB, CB.getArgOperand(0), CB.getArgOperand(1), CB.getArgOperand(2));
    if (Traits & StoresArg0ToArg1 && CB.arg_size() > 1 &&
        !isa<ConstantPointerNull>(CB.getArgOperand(1)))
      visitStore(CB, CB.getArgOperand(0), CB.getArgOperand(1));
    if (Traits & StoresArg0ToArg2 && CB.arg_size() > 2)
      visitStore(CB, CB.getArgOperand(0), CB.getArgOperand(2));
  }

  void visitUnknownCall(CallBase &CB) {
    for (unsigned I = 0; I < CB.arg_size(); I++) {
      Value *A = CB.getArgOperand(I);
      if (!isLent(CB, I))
        checkIfHeld(&CB, A);
      else if (mayBeKept(CB, I) && !isHeldOutside(CB, I) && Esc.holdsStackAddress(*A))
        call(underlyingLocal(*A) ? &CB : ifOnStack(&CB, A), "green_escape_lend",
             {A, CB.getCalledOperand()});
    }
  }

  void visitIntrinsic(IntrinsicInst &I) {
    if (auto *T = dyn_cast<MemTransferInst>(&I))
      return checkCopy(&I, T->getRawDest(), T->getRawSource(), T->getLength());
    switch (I.getIntrinsicID()) {
    case Intrinsic::vacopy:
      return checkCopy(&I, I.getArgOperand(0), I.getArgOperand(1),
                       ConstantInt::get(Type::getInt64Ty(C), 24));
    case Intrinsic::masked_store:
    case Intrinsic::masked_scatter:
      return checkIfHeld(&I, I.getArgOperand(0));
    case Intrinsic::memset:
    case Intrinsic::memset_inline:
    case Intrinsic::vastart:
    case Intrinsic::vaend:
    case Intrinsic::masked_load:
    case Intrinsic::masked_gather:
    case Intrinsic::experimental_stackmap:
    case Intrinsic::threadlocal_address:
    case Intrinsic::prefetch:
    case Intrinsic::assume:
    case Intrinsic::lifetime_start:
    case Intrinsic::lifetime_end:
    case Intrinsic::invariant_start:
    case Intrinsic::invariant_end:
    case Intrinsic::stackrestore:
      return;
    default:
      break;
    }
    if (!I.doesNotAccessMemory())
      for (Value *A : I.args())
        checkIfHeld(&I, A);
  }

  void visitAsm(CallBase &CB) {
    auto *IA = cast<InlineAsm>(CB.getCalledOperand());
    if (StringRef(IA->getAsmString()).trim().empty())
      return;
    for (unsigned I = 0; I < CB.arg_size(); I++) {
      Value *A = CB.getArgOperand(I);
      Type *T = CB.getParamElementType(I);
      if (!T)
        checkIfHeld(&CB, A);
      else if (T->isSized())
        checkContents(&CB, A,
                      ConstantInt::get(Type::getInt64Ty(C), DL.getTypeAllocSize(T)));
    }
  }

  void checkIfHeld(Instruction *At, Value *V) {
    if (V->getType()->isMetadataTy() || V->getType()->isTokenTy())
      return;
    if (Esc.holdsStackAddress(*V))
      checkValue(At, V);
  }

  // -- code ------------------------------------------------------------------

  FunctionCallee runtime(StringRef Name, ArrayRef<Type *> Params) {
    auto *FT = FunctionType::get(Type::getVoidTy(C), Params, false);
    FunctionCallee Callee = M.getOrInsertFunction(Name, FT);
    if (auto *G = dyn_cast<Function>(Callee.getCallee())) {
      G->addFnAttr(Attribute::NonLazyBind);
      G->addFnAttr(Attribute::NoUnwind);
      G->setCallingConv(CallingConv::PreserveMost);
    }
    return Callee;
  }

  CallInst *call(Instruction *Cold, StringRef Name, ArrayRef<Value *> Args) {
    SmallVector<Type *, 3> Types;
    for (Value *A : Args)
      Types.push_back(A->getType());
    IRBuilder<> B(Cold);
    place(B);
    CallInst *CI = B.CreateCall(runtime(Name, Types), Args);
    CI->setCallingConv(CallingConv::PreserveMost);
    CI->setDoesNotThrow();
    return CI;
  }

  // Calls need a place in the source if their function has one.
  void place(IRBuilder<> &B) {
    if (!B.getCurrentDebugLocation())
      if (DISubprogram *SP = F.getSubprogram())
        B.SetCurrentDebugLocation(DILocation::get(C, SP->getLine(), 0, SP));
  }

  Instruction *branch(Instruction *At, StringRef Text, StringRef Constraints,
                      ArrayRef<Value *> Args) {
    IRBuilder<> B(At);
    place(B);
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
  Instruction *ifOnStack(Instruction *At, Value *V) {
    return branch(At, "cmpq %rsp, $1", "={@ccae},r,~{flags}", {V});
  }

  MDNode *rare() { return MDBuilder(C).createBranchWeights(1, 1u << 20); }

  // Dest is null, or perhaps a local that maps name.
  void checkWord(Instruction *At, Value *V, Value *Dest = nullptr) {
    Instruction *Cold = underlyingLocal(*V) ? At : ifOnStack(At, V);
    if (!V->getType()->isPointerTy())
      V = new IntToPtrInst(V, PointerType::get(C, 0), "", Cold->getIterator());
    if (Dest)
      call(Cold, "green_escape_to", {V, Dest});
    else
      call(Cold, "green_escape", {V});
  }

  void checkValue(Instruction *At, Value *V, Value *Dest = nullptr) {
    Type *T = V->getType();
    if (T->isIntegerTy(64) || (T->isPointerTy() && T->getPointerAddressSpace() == 0))
      return checkWord(At, V, Dest);
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
    checkWords(At, V, Bits / 64);
  }

  void checkElements(Instruction *At, Value *V, unsigned N) {
    for (unsigned I = 0; I < N; I++)
      if (DL.getTypeStoreSize(ExtractValueInst::getIndexedType(V->getType(), I)) >= 8)
        checkValue(At, IRBuilder<>(At).CreateExtractValue(V, I));
  }

  // A vector, or a large integer.
  void checkWords(Instruction *At, Value *V, unsigned N) {
    IRBuilder<> B(At);
    auto *VT = FixedVectorType::get(B.getInt64Ty(), N);
    Value *Words = V->getType()->isPtrOrPtrVectorTy() ? B.CreatePtrToInt(V, VT)
                                                      : B.CreateBitCast(V, VT);
    for (unsigned I = 0; I < N; I++)
      checkWord(At, IRBuilder<>(At).CreateExtractElement(Words, B.getInt32(I)));
  }

  // The whole stack, for good: what cannot be looked at.
  void everything(Instruction *At) {
    call(At, "green_escape",
         {ConstantExpr::getIntToPtr(ConstantInt::get(Type::getInt64Ty(C), -1),
                                    PointerType::get(C, 0))});
  }

  void checkCopy(Instruction *At, Value *Dest, Value *Src, Value *Bytes) {
    if (auto *N = dyn_cast<ConstantInt>(Bytes); N && N->getValue().ult(8))
      return;
    if (!Esc.staysInside(*Dest) || !aligned(At))
      checkContents(At, Src, Bytes, aligned(At) && Esc.maybeInside(*Dest) ? Dest : nullptr);
  }

  // Of foreign memory nothing is new.
  void checkContents(Instruction *At, Value *Src, Value *Bytes, Value *Dest = nullptr) {
    if (!Esc.pointsToStackAddresses(*Src))
      return;
    Instruction *Cold = underlyingLocal(*Src) ? At : ifOnStack(At, Src);
    IRBuilder<> B(Cold);
    Bytes = B.CreateZExtOrTrunc(Bytes, B.getInt64Ty());
    if (Dest)
      call(Cold, "green_escape_copy_to", {Src, Bytes, Dest});
    else
      call(Cold, "green_escape_copy", {Src, Bytes});
  }

  // Words that land elsewhere than on words are in no map.
  static bool aligned(const Instruction *At) {
    auto *T = dyn_cast<MemTransferInst>(At);
    return !T || (T->getSourceAlign().valueOrOne() >= 8 &&
                  T->getDestAlign().valueOrOne() >= 8);
  }

  // One past the end of a local may be the address of the saved rbp.
  void endOfFrame(Instruction *At) {
    Instruction *Cold = branch(
        At, "movq green_escape_low@gottpoff(%rip), %r11\n\tcmpq %rbp, %fs:(%r11)",
        "={@ccbe},~{r11},~{flags}", {});
    call(Cold, "green_escape_end", {});
  }

  Function &F;
  Module &M;
  LLVMContext &C;
  const DataLayout &DL;
  Escape &Esc;
};

} // namespace

// Says to callers that are not seen that they may lend to F, and need not ask for
// its stack.
void markFunction(Function &F, bool Tests) {
  if (!F.hasLocalLinkage() || F.hasAddressTaken())
    F.setPrefixData(ConstantInt::get(Type::getInt32Ty(F.getContext()),
                                     Tests ? TestMark : BarrierMark));
}

void insertBarriers(Function &F, Instruction *Entry, Escape &Esc) {
  Barriers(F, Esc).run(Entry);
}

} // namespace greenpass
