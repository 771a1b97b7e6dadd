// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
//
// The escape barrier: whatever may put a stack address where no map names it
// asks at run time whether it does, and pins the frame that owns the address.
//
// Two invariants hold at each safepoint. "Pinned" is of a frame's lifetime: a
// pin goes when the frame that it lies in is left, and with it the address dies.
//  1. A word outside the stack that holds a live stack address holds a pinned
//     one.
//  2. A word in a capturable local that holds an address in an older frame of
//     the same stack holds a pinned one.
// Code may reach a local by pointers that it found outside only while the local
// is pinned. What it finds in there dies no later than that local's frame, or is
// pinned by 2.; so nothing that was loaded through such a pointer needs a map,
// nor a barrier when it is stored again. The points-to analysis therefore takes
// all that comes from outside for immobile.
//
// Code that is not mapped knows of the stack what it was given, and what it
// finds through that: all of it is pinned when the call is made. It may keep
// these addresses anywhere, and write them into any memory that it knows of.
// Addresses of its own locals that mapped code receives and keeps are pinned
// like others, and go when they lie below the stack pointer.
//
// 2. does not restrain the common case: an own local's address stored into an
// older frame, or into the same one, needs no pin. green_escape() compares.
//
// The test is value - rsp < 4 GB: no live local lies below rsp, no stack is
// larger, and what passes by mistake is told apart in green_escape().
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

bool onlyReadsContents(const CallBase &CB, unsigned I) {
  const Value *A = CB.getArgOperand(I);
  if (CB.isByValArgument(I))
    return true;
  return A->getType()->isPointerTy() && CB.doesNotCapture(I) && !isTry(CB) &&
         (isRuntimeCall(CB) || underlyingLocal(*A));
}

// green_try(fn, arg) calls fn(arg), which has a barrier if it is mapped. If not,
// green.h has it that it does not keep its argument beyond the call.
bool isTry(const CallBase &CB) {
  return isRuntimeCall(CB) &&
         CB.getCalledOperand()->stripPointerCasts()->getName() == "green_try";
}

bool lends(const CallBase &CB) {
  return isTry(CB) ||
         (options().AllMapped && !isa<IntrinsicInst>(CB) && !CB.isInlineAsm() &&
         !isRuntimeCall(CB) && !calleeTraits(CB));
}

namespace {

class Barriers {
public:
  Barriers(Function &F, const Escape &Esc)
      : F(F), M(*F.getParent()), C(F.getContext()), DL(M.getDataLayout()), Esc(Esc) {}

  void run() {
    SmallVector<Instruction *, 64> All;
    bool Capturable = false;
    for (Instruction &I : instructions(F))
      All.push_back(&I);
    for (Instruction *I : All) {
      if (auto *A = dyn_cast<AllocaInst>(I))
        Capturable |= Esc.capturable(*A);
      visit(*I);
    }
    if (Capturable)
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

  void visitStore(Instruction &At, Value *V, Value *Ptr, Align A = Align(8)) {
    if (!Esc.holdsStackAddress(*V))
      return;
    // Where maps name the word: into a local that nobody finds, or from this
    // frame into this or an older one.
    if (A >= 8 && (Esc.staysInside(*Ptr) || (underlyingLocal(*V) && Esc.onStack(*Ptr))))
      return;
    checkValue(&At, V, Ptr);
  }

  // Integers that hold addresses are not expected by callers that are not seen.
  void visitReturn(ReturnInst &R) {
    Value *V = R.getReturnValue();
    if (!V || V->getType()->isPtrOrPtrVectorTy() || !Esc.holdsStackAddressInNumbers(*V))
      return;
    if (F.hasLocalLinkage() && !F.hasAddressTaken())
      return;
    checkValue(&R, V, null());
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
      if (onlyReadsContents(CB, I)) {
        if (!isRuntimeCall(CB) && !lends(CB))
          checkContents(CB, I);
      } else if (!lends(CB) || !A->getType()->isPointerTy()) {
        checkIfHeld(&CB, A);
      }
    }
  }

  void checkContents(CallBase &CB, unsigned I) {
    Value *A = CB.getArgOperand(I);
    uint64_t N;
    if (CB.isByValArgument(I)) {
      N = DL.getTypeAllocSize(CB.getParamByValType(I));
    } else {
      AllocaInst *L = underlyingLocal(*A);
      N = L->getAllocationSize(DL)->getFixedValue();
      A = L;
    }
    checkCopy(&CB, null(), A, ConstantInt::get(Type::getInt64Ty(C), N));
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
        checkCopy(&CB, null(), A,
                  ConstantInt::get(Type::getInt64Ty(C), DL.getTypeAllocSize(T)));
    }
  }

  Value *null() const { return ConstantPointerNull::get(PointerType::get(C, 0)); }

  void checkIfHeld(Instruction *At, Value *V) {
    if (V->getType()->isMetadataTy() || V->getType()->isTokenTy())
      return;
    if (Esc.holdsStackAddress(*V))
      checkValue(At, V, null());
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
    return SplitBlockAndInsertIfThen(Is, At, false,
                                     MDBuilder(C).createBranchWeights(1, 1u << 20));
  }

  // A difference to rsp must not become a value of the register allocator.
  Instruction *ifOnStack(Instruction *At, Value *V) {
    return branch(At, "movq $1, %r11\n\tsubq %rsp, %r11\n\tshrq $$32, %r11",
                  "={@ccz},r,~{r11},~{flags}", {V});
  }

  void checkWord(Instruction *At, Value *V, Value *Dest) {
    Instruction *Cold = ifOnStack(At, V);
    if (!V->getType()->isPointerTy())
      V = new IntToPtrInst(V, PointerType::get(C, 0), "", Cold->getIterator());
    call(Cold, "green_escape", {V, Dest});
  }

  void checkValue(Instruction *At, Value *V, Value *Dest) {
    Type *T = V->getType();
    if (T->isPointerTy() && T->getPointerAddressSpace() == 0)
      return checkWord(At, V, Dest);
    if (T->isIntegerTy(64))
      return checkWord(At, V, Dest);
    IRBuilder<> B(At);
    place(B);
    if (auto *S = dyn_cast<StructType>(T)) {
      for (unsigned I = 0; I < S->getNumElements(); I++) {
        B.SetInsertPoint(At);
        if (DL.getTypeStoreSize(S->getElementType(I)) >= 8)
          checkValue(At, B.CreateExtractValue(V, I), null());
      }
      return;
    }
    if (auto *A = dyn_cast<ArrayType>(T)) {
      for (unsigned I = 0; I < A->getNumElements(); I++) {
        B.SetInsertPoint(At);
        if (DL.getTypeStoreSize(A->getElementType()) >= 8)
          checkValue(At, B.CreateExtractValue(V, I), null());
      }
      return;
    }
    uint64_t Bits = DL.getTypeSizeInBits(T).getKnownMinValue();
    if (Bits < 48)
      return; // no address; bytes of one see Escape::why()
    auto *I64 = B.getInt64Ty();
    if (T->isIntegerTy() && Bits < 64)
      return checkWord(At, B.CreateZExt(V, I64), null());
    if (isa<ScalableVectorType>(T) || Bits % 64 || T->isTargetExtTy())
      return everything(At);
    unsigned N = Bits / 64;
    auto *VT = FixedVectorType::get(I64, N);
    Value *Words;
    if (T->isPtrOrPtrVectorTy())
      Words = B.CreatePtrToInt(V, VT);
    else
      Words = B.CreateBitCast(V, VT);
    for (unsigned I = 0; I < N; I++) {
      B.SetInsertPoint(At);
      Value *W = B.CreateExtractElement(Words, B.getInt32(I));
      Value *D = Dest;
      if (!isa<ConstantPointerNull>(Dest))
        D = B.CreatePtrAdd(Dest, B.getInt64(8 * I));
      checkWord(At, W, D);
    }
  }

  // The whole stack, for good: what cannot be looked at.
  void everything(Instruction *At) {
    call(At, "green_escape",
         {ConstantExpr::getIntToPtr(ConstantInt::get(Type::getInt64Ty(C), -1),
                                    PointerType::get(C, 0)),
          null()});
  }

  // Of memory outside the stack nothing is new.
  void checkCopy(Instruction *At, Value *Dest, Value *Src, Value *Bytes) {
    if (auto *N = dyn_cast<ConstantInt>(Bytes); N && N->getValue().ult(8))
      return;
    if (!Esc.pointsToStackAddresses(*Src))
      return;
    if (!isa<ConstantPointerNull>(Dest) && Esc.staysInside(*Dest) && aligned(At))
      return;
    Instruction *Cold = ifOnStack(At, Src);
    IRBuilder<> B(Cold);
    call(Cold, "green_escape_copy",
         {Dest, Src, B.CreateZExtOrTrunc(Bytes, B.getInt64Ty())});
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
  const Escape &Esc;
};

} // namespace

void insertBarriers(Function &F, const Escape &Esc) { Barriers(F, Esc).run(); }

} // namespace greenpass
