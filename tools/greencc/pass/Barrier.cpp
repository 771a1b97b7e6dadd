// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
//
// The escape barrier: whatever may put a stack address where no map names it
// asks at run time whether it does, and pins the frame that owns the address.
// A pinned frame stays where it is until it is left, or until the local is dead whose
// address that is (Lifetimes.cpp): so dies the address. One invariant holds at each
// safepoint:
//
//   A word holds no live stack address, or a pinned one, or a map names it, or
//   it is an argument on its way into a deferred function.
//
// Maps name locals that are not shared (Escape.cpp), and the values of mapped
// code. All other memory is foreign: to store a stack address there is to pin
// it, so what is loaded from there needs no map, and no barrier when it is
// stored again. An argument that comes from code that is not seen and may get
// into foreign memory is pinned on entry; behind that it does not move either. If it gets
// there only as the result of a call that is rarely made, the result is pinned instead.
//
// Where a pointer may lead to foreign memory or to a local that is not shared,
// green_escape_to() tells which: what is found from outside and lies in a frame of
// this stack lies in a pinned one.
//
// Some locals point to themselves: heads of lists, parsers with their stack. Such a
// local is called own if its address may be stored in foreign memory, but is never
// lent. While that has not happened, it is found but by code that is seen; from then
// on its frame is pinned. So its own address may be stored in it without being
// pinned, if what is loaded from it is taken for something that may move, as from a
// local that is not shared. green_escape_loop() asks whether value and destination
// lie in one frame, for another activation's local is another local.
//
// As long as its local lives a pin stays, for nobody knows where the address is: what
// is loaded from foreign memory is stored there again without a barrier, and code
// that is not mapped copies memory (realloc(), qsort()), so that the word that was
// stored first says nothing of others when it is overwritten.
//
// A function that never moves need not pin its own locals: the stack, or the segment,
// that they are on stays as long as they are there. All of them are shared.
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
// Addresses that become integers are pinned there (Integers.cpp), so that integers,
// in whatever form, need no barrier of their own when they are stored or passed.
#include "Green.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/Analysis/ValueTracking.h"
#include "llvm/Analysis/VectorUtils.h"
#include "llvm/IR/CFG.h"
#include "llvm/IR/InlineAsm.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/IntrinsicInst.h"
#include "llvm/IR/MDBuilder.h"
#include "llvm/Transforms/Utils/BasicBlockUtils.h"
#include "llvm/Transforms/Utils/ValueMapper.h"

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

// green_defer_push(scope, record, fn, meta, a0, a1), green_defer_more(meta, a2 ...
// a5): bit 8 + i of the meta word says that argument i is a pointer.
bool isDeferredInteger(const CallBase &CB, unsigned I) {
  bool Push = CB.getCalledOperand()->stripPointerCasts()->getName().ends_with("_push");
  unsigned Meta = Push ? 3 : 0, First = Push ? 0 : 2;
  if (I <= Meta || I >= CB.arg_size() || !CB.getArgOperand(I)->getType()->isPointerTy())
    return false;
  auto *M = dyn_cast<ConstantInt>(CB.getArgOperand(Meta));
  return !M || !(M->getZExtValue() >> (8 + First + I - Meta - 1) & 1);
}

bool copiesWords(const Instruction &Copy) {
  auto *CB = cast<CallBase>(&Copy);
  const DataLayout &DL = Copy.getDataLayout();
  if (CB->getIntrinsicID() == Intrinsic::vacopy)
    return true;
  if (!isa<ConstantInt>(CB->getArgOperand(2)) &&
      computeKnownBits(CB->getArgOperand(2), DL).countMinTrailingZeros() < 3)
    return false;
  if (auto *T = dyn_cast<MemTransferInst>(CB))
    return T->getSourceAlign().valueOrOne() >= 8 && T->getDestAlign().valueOrOne() >= 8;
  return CB->getArgOperand(0)->getPointerAlignment(DL) >= 8 &&
         CB->getArgOperand(1)->getPointerAlignment(DL) >= 8;
}

bool printsAddresses(const CallBase &CB) {
  unsigned Fixed = CB.getFunctionType()->getNumParams();
  StringRef Format;
  if (!CB.getFunctionType()->isVarArg() || !Fixed || Fixed >= CB.arg_size() ||
      !CB.getArgOperand(Fixed - 1)->getType()->isPointerTy())
    return false;
  if (!getConstantStringInfo(CB.getArgOperand(Fixed - 1), Format))
    return true;
  for (size_t At = Format.find('%'); At != StringRef::npos; At = Format.find('%', At + 2)) {
    size_t End = Format.find_first_not_of("0123456789$*.-+ #'hlLqjzt", At + 1);
    if (End != StringRef::npos && Format[End] == 'p')
      return true;
  }
  return false;
}

bool keepsLowBits(const IntrinsicInst &Mask) {
  auto *C = dyn_cast<ConstantInt>(Mask.getArgOperand(1));
  return C && (C->getZExtValue() | 63) == UINT64_MAX;
}

bool mayBeKept(const CallBase &CB, unsigned I) {
  return !isRuntimeCall(CB) && !CB.isByValArgument(I) && !CB.doesNotCapture(I) &&
         !CB.paramHasAttr(I, Attribute::StructRet) && !options().AllMapped;
}

// What nobody else writes, and the runtime knows too (lend.S): nopl (%edi), and of
// functions that test the stack nopl (%esi).
constexpr uint32_t BarrierMark = GREEN_ABI_MARK, TestMark = GREEN_ABI_MARK_TESTS;

namespace {

class Barriers {
public:
  Barriers(Function &F, Escape &Esc, bool Stays)
      : F(F), M(*F.getParent()), C(F.getContext()), DL(M.getDataLayout()), Esc(Esc),
        Stays(Stays) {}

  void run(Instruction *Entry) {
    SmallVector<Instruction *, 64> All;
    SmallVector<Instruction *, 4> Ends = returnsOfPinned();
    for (Instruction &I : instructions(F))
      All.push_back(&I);
    for (Argument &A : F.args())
      if (Esc.pinnedOnEntry(A))
        pin(A, Entry);
    // Behind those: they replace all uses of an argument, and this is one.
    if (mistrustsCallers(F, Esc))
      for (Argument &A : F.args())
        if (A.getType()->isPointerTy() && !A.hasByValAttr())
          everything(ifOnStack(Entry, &A));
    for (Instruction *I : All)
      visit(*I);
    for (Instruction *I : All)
      if (auto *CB = dyn_cast<CallBase>(I); CB && Esc.pinnedResult(*CB))
        pin(*CB, CB->getNextNode());
    for (Instruction *I : Ends)
      endOfFrame(I);
    endsOfLocals();
  }

private:
  // Where the frame may be pinned: it is not before the address of a local is used
  // that others may find. Ways there that return together with others do so on
  // their own.
  SmallVector<Instruction *, 4> returnsOfPinned() {
    auto Behind = behindAddresses(F, [&](const AllocaInst &A) { return Esc.shared(A); });
    SmallVector<Instruction *, 4> Ends;
    SmallVector<BasicBlock *, 2> Merged;
    for (BasicBlock &BB : F)
      if (isa<ReturnInst>(BB.getTerminator()) && Behind.contains(&BB) &&
          !BB.getTerminatingMustTailCall()) {
        Ends.push_back(BB.getTerminator());
        if (returnsOnly(BB))
          Merged.push_back(&BB);
      }
    for (BasicBlock *BB : Merged)
      separate(*BB, Behind);
    return Ends;
  }

  void separate(BasicBlock &BB, const DenseSet<const BasicBlock *> &Behind) {
    SmallSetVector<BasicBlock *, 8> Others;
    for (BasicBlock *P : predecessors(&BB))
      if (!Behind.contains(P))
        Others.insert(P);
    if (Others.empty())
      return;
    BasicBlock *New = BasicBlock::Create(C, "", &F);
    ValueToValueMapTy Map;
    for (Instruction &I : BB) {
      Instruction *Copy = I.clone();
      Copy->insertInto(New, New->end());
      Map[&I] = Copy;
      auto *P = dyn_cast<PHINode>(&I);
      if (!P) {
        RemapInstruction(Copy, Map, RF_NoModuleLevelChanges | RF_IgnoreMissingLocals);
        continue;
      }
      cast<PHINode>(Copy)->removeIncomingValueIf(
          [&](unsigned N) { return !Others.contains(P->getIncomingBlock(N)); }, false);
      P->removeIncomingValueIf(
          [&](unsigned N) { return Others.contains(P->getIncomingBlock(N)); }, false);
    }
    for (BasicBlock *P : Others)
      P->getTerminator()->replaceSuccessorWith(&BB, New);
  }

  void visit(Instruction &I) {
    if (Esc.becomesInteger(I))
      holdConverted(I);
    if (auto *S = dyn_cast<StoreInst>(&I))
      return visitStore(I, S->getValueOperand(), S->getPointerOperand(), S->getAlign());
    if (auto *X = dyn_cast<AtomicRMWInst>(&I))
      return visitStore(I, X->getValOperand(), X->getPointerOperand());
    if (auto *X = dyn_cast<AtomicCmpXchgInst>(&I))
      return visitStore(I, X->getNewValOperand(), X->getPointerOperand());
    if (auto *CB = dyn_cast<CallBase>(&I))
      return visitCall(*CB);
  }

  // Up to At V may move, behind it does not.
  void pin(Value &V, Instruction *At) {
    if (V.use_empty())
      return;
    auto *Pinned = new FreezeInst(&V, V.getName() + ".pinned", At->getIterator());
    V.replaceUsesWithIf(Pinned, [&](Use &U) { return U.getUser() != Pinned; });
    Esc.setPinned(V, *Pinned);
    checkWord(Pinned, &V);
  }

  void visitStore(Instruction &At, Value *V, Value *Ptr, Align A = Align(8)) {
    // Only aligned words are in a map.
    if (A >= 8 && Esc.staysInside(*Ptr))
      return;
    if (!Esc.holdsStackAddress(*V))
      return;
    if (A < 8 || !Esc.isLoop(*V, *Ptr))
      checkValue(&At, V, A >= 8 && mayBeNamed(*Ptr) ? Ptr : nullptr);
    else if (!ownAddress(*V) || ownAddress(*V) != underlyingLocal(*Ptr))
      checkValue(&At, V, Ptr, "green_escape_loop");
  }

  // May a map name the word at Ptr? In a function that stays it may be a local of its
  // own, which no pin tells from others.
  bool mayBeNamed(const Value &Ptr) const { return !Stays && Esc.maybeInside(Ptr); }

  // Is V the address of a local, which stays where it is?
  bool stays(const Value &V) const { return Stays && underlyingLocal(V); }

  // The local that V is the address of, or each element of V.
  static AllocaInst *ownAddress(Value &V) {
    Value *Each = V.getType()->isVectorTy() ? getSplatValue(&V) : &V;
    return Each ? underlyingLocal(*Each) : nullptr;
  }

  // -- addresses that become integers; see Integers.cpp

  void holdConverted(Instruction &I) {
    if (isAddressAsInteger(I))
      return checkValue(I.getNextNode(), I.getOperand(0));
    if (auto *L = dyn_cast<LoadInst>(&I))
      return holdMembers(I, L->getType(), L->getPointerOperand(), 0, L->getAlign());
    if (auto *X = dyn_cast<AtomicRMWInst>(&I))
      return holdWords(I, &I, X->getPointerOperand(), 0, DL.getTypeStoreSize(X->getType()), true);
    if (isa<CallBase>(I))
      return checkIntegers(I.getNextNode(), &I);
    auto *X = cast<AtomicCmpXchgInst>(cast<ExtractValueInst>(I).getAggregateOperand());
    holdWords(*X, &I, X->getPointerOperand(), 0, DL.getTypeStoreSize(I.getType()), true);
  }

  // Those of what I loads that are no pointers.
  void holdMembers(Instruction &I, Type *T, Value *Ptr, uint64_t Off, Align A) {
    if (auto *S = dyn_cast<StructType>(T)) {
      for (unsigned N = 0; N < S->getNumElements(); N++)
        holdMembers(I, S->getElementType(N), Ptr,
                    Off + DL.getStructLayout(S)->getElementOffset(N), A);
      return;
    }
    if (auto *Array = dyn_cast<ArrayType>(T)) {
      uint64_t Step = DL.getTypeAllocSize(Array->getElementType());
      for (uint64_t N = 0; N < Array->getNumElements(); N++)
        holdMembers(I, Array->getElementType(), Ptr, Off + N * Step, A);
      return;
    }
    if (!T->isPtrOrPtrVectorTy())
      holdWords(I, T == I.getType() ? &I : nullptr, Ptr, Off, DL.getTypeStoreSize(T),
                commonAlignment(A, Off) >= std::min<uint64_t>(8, DL.getTypeStoreSize(T)));
  }

  // I reads Size bytes at Ptr + Off, and V is what it has read, if that is all.
  // Aligned: they do not begin in one word and end in the next, unless on words.
  void holdWords(Instruction &I, Value *V, Value *Ptr, uint64_t Off, uint64_t Bytes,
                 bool Aligned) {
    if (!Esc.contentsMove(*Ptr, Aligned ? Off : Off - 7, Aligned ? Bytes : Bytes + 14))
      return;
    if (Aligned && Bytes == 8 && V)
      return checkValue(cast<Instruction>(V)->getNextNode(), V);
    if (Aligned && Esc.staysInside(*Ptr) && Bytes <= 64)
      return holdWordsOfLocal(I, Ptr, Off, Bytes);
    // The runtime looks at nothing but the stack.
    IRBuilder<> B(&I);
    placeInSource(B);
    Value *First = B.CreatePtrAdd(Ptr, B.getInt64(Off)), *N = B.getInt64(Bytes);
    Instruction *Cold = ifOnStack(&I, First);
    wholeWords(Cold, First, N);
    call(Cold, "green_escape_copy", {First, N});
  }

  // All words that have something of the Bytes at Ptr.
  void wholeWords(Instruction *At, Value *&Ptr, Value *&Bytes) {
    IRBuilder<> B(At);
    placeInSource(B);
    Value *In = B.CreateAnd(B.CreatePtrToInt(Ptr, B.getInt64Ty()), B.getInt64(7));
    Bytes = B.CreateAnd(B.CreateAdd(B.CreateAdd(Bytes, In), B.getInt64(7)), B.getInt64(-8));
    Ptr = B.CreateIntrinsic(Intrinsic::ptrmask, {Ptr->getType(), B.getInt64Ty()},
                            {Ptr, B.getInt64(-8)});
  }

  void holdWordsOfLocal(Instruction &I, Value *Ptr, uint64_t Off, uint64_t Bytes) {
    IRBuilder<> B(&I);
    placeInSource(B);
    for (uint64_t At = 0; At < Bytes; At += 8) {
      if (!Esc.contentsMove(*Ptr, Off + At, std::min<uint64_t>(8, Bytes - At)))
        continue;
      B.SetInsertPoint(&I);
      Value *Word = B.CreatePtrAdd(Ptr, B.getInt64(Off + At));
      if (Bytes < 8)
        Word = B.CreateIntrinsic(Intrinsic::ptrmask, {Word->getType(), B.getInt64Ty()},
                                 {Word, B.getInt64(-8)});
      checkWord(&I, B.CreateAlignedLoad(B.getPtrTy(), Word, Align(8)));
    }
  }

  void checkIntegers(Instruction *At, Value *V) {
    auto *S = dyn_cast<StructType>(V->getType());
    if (!S)
      return checkValue(At, V);
    for (unsigned N = 0; N < S->getNumElements(); N++)
      if (hasInteger(S->getElementType(N)))
        checkValue(At, IRBuilder<>(At).CreateExtractValue(V, N));
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
    if (isDeferCall(CB))
      return visitDefer(CB);
    if (G && G->getName() == "green_stack_grow")
      return;
    unsigned Traits = calleeTraits(CB);
    if (Traits & CapturesNone)
      return visitLibraryCall(CB, Traits);
    visitUnknownCall(CB);
  }

  void visitDefer(CallBase &CB) {
    for (unsigned I = 0; I < CB.arg_size(); I++)
      if (isDeferredInteger(CB, I))
        checkIfHeld(&CB, CB.getArgOperand(I));
  }

  // What goes through the "..." has no argument that it could flow to.
  void visitKnownCall(CallBase &CB, const Function &G) {
    for (unsigned I = G.arg_size(); I < CB.arg_size(); I++)
      checkIfHeld(&CB, CB.getArgOperand(I));
  }

  void visitLibraryCall(CallBase &CB, unsigned Traits) {
    if (Traits & SendsMemory && CB.arg_size() > 2)
      checkSent(&CB, CB.getArgOperand(1), CB.getArgOperand(2));
    if (Traits & SendsElements && CB.arg_size() > 2) {
      Value *N = IRBuilder<>(&CB).CreateMul(CB.getArgOperand(1), CB.getArgOperand(2));
      checkSent(&CB, CB.getArgOperand(0), N);
    }
    if (printsAddresses(CB))
      for (unsigned I = CB.getFunctionType()->getNumParams(); I < CB.arg_size(); I++)
        checkIfHeld(&CB, CB.getArgOperand(I));
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
      else if (mayBeKept(CB, I) && !isHeldOutside(CB, I) && Esc.holdsStackAddress(*A) &&
               !stays(*A))
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
    case Intrinsic::ptrmask:
      if (!keepsLowBits(I))
        checkIfHeld(&I, I.getArgOperand(0));
      return;
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
        checkContents(&CB, A, ConstantInt::get(Type::getInt64Ty(C), DL.getTypeAllocSize(T)),
                      DL.getTypeAllocSize(T), true);
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
    placeInSource(B);
    CallInst *CI = B.CreateCall(runtime(Name, Types), Args);
    CI->setCallingConv(CallingConv::PreserveMost);
    CI->setDoesNotThrow();
    return CI;
  }

  Instruction *branch(Instruction *At, StringRef Text, StringRef Constraints,
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
  Instruction *ifOnStack(Instruction *At, Value *V) {
    return branch(At, "cmpq %rsp, $1", "={@ccae},r,~{flags}", {V});
  }

  MDNode *rare() { return MDBuilder(C).createBranchWeights(1, 1u << 20); }

  // Dest is null, or perhaps in a local that maps name, which Ask finds out.
  void checkWord(Instruction *At, Value *V, Value *Dest = nullptr,
                 StringRef Ask = "green_escape_to") {
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

  void checkValue(Instruction *At, Value *V, Value *Dest = nullptr,
                  StringRef Ask = "green_escape_to") {
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

  void checkElements(Instruction *At, Value *V, unsigned N) {
    for (unsigned I = 0; I < N; I++)
      if (DL.getTypeStoreSize(ExtractValueInst::getIndexedType(V->getType(), I)) >= 8)
        checkValue(At, IRBuilder<>(At).CreateExtractValue(V, I));
  }

  // A vector, or a large integer.
  void checkWords(Instruction *At, Value *V, unsigned N, Value *Dest, StringRef Ask) {
    IRBuilder<> B(At);
    auto *VT = FixedVectorType::get(B.getInt64Ty(), N);
    Value *Words = V->getType()->isPtrOrPtrVectorTy() ? B.CreatePtrToInt(V, VT)
                                                      : B.CreateBitCast(V, VT);
    for (unsigned I = 0; I < N; I++)
      checkWord(At, IRBuilder<>(At).CreateExtractElement(Words, B.getInt32(I)), Dest, Ask);
  }

  // The whole stack, for good: what cannot be looked at.
  void everything(Instruction *At) { call(At, "green_escape_all", {}); }

  void checkCopy(Instruction *At, Value *Dest, Value *Src, Value *Bytes) {
    auto *N = dyn_cast<ConstantInt>(Bytes);
    uint64_t Size = N ? N->getZExtValue() : UINT64_MAX, Rest = N ? Size % 8 : 0;
    if (!copiesWords(*At))
      return checkContents(At, Src, Bytes, Size, true);
    if (!Esc.staysInside(*Dest))
      checkContents(At, Src, Bytes, Size, false, mayBeNamed(*Dest) ? Dest : nullptr);
    if (Rest && Esc.contentsMove(*Src, Size - Rest, Rest)) {
      IRBuilder<> B(At);
      checkContents(At, B.CreatePtrAdd(Src, B.getInt64(Size - Rest)), B.getInt64(8), 8, false);
    }
  }

  void checkSent(Instruction *At, Value *Src, Value *Bytes) {
    auto *N = dyn_cast<ConstantInt>(Bytes);
    checkContents(At, Src, Bytes, N ? N->getZExtValue() : UINT64_MAX, true);
  }

  // Of foreign memory nothing is new. InPart: also of words that are not copied
  // as a whole.
  void checkContents(Instruction *At, Value *Src, Value *Bytes, uint64_t Size, bool InPart,
                     Value *Dest = nullptr) {
    bool Whole = !InPart || Size == UINT64_MAX;
    if (!Esc.contentsMove(*Src, Whole ? 0 : -7, Whole ? Size : Size + 14))
      return;
    Instruction *Cold = underlyingLocal(*Src) ? At : ifOnStack(At, Src);
    IRBuilder<> B(Cold);
    Bytes = B.CreateZExtOrTrunc(Bytes, B.getInt64Ty());
    if (InPart)
      wholeWords(Cold, Src, Bytes);
    if (Dest)
      call(Cold, "green_escape_copy_to", {Src, Bytes, Dest});
    else
      call(Cold, "green_escape_copy", {Src, Bytes});
  }

  // One past the end of a local may be the address of the saved rbp.
  Instruction *ifPinned(Instruction *At) {
    return branch(At, "movq green_escape_low@gottpoff(%rip), %r11\n\tcmpq %rbp, %fs:(%r11)",
                  "={@ccbe},~{r11},~{flags}", {});
  }

  void endOfFrame(Instruction *At) { call(ifPinned(At), "green_escape_end", {}); }

  // Of those that others may find; see Lifetimes.cpp.
  void endsOfLocals() {
    SmallVector<Instruction *, 8> Markers;
    for (Instruction &I : instructions(F))
      if (localThatDies(I))
        Markers.push_back(&I);
    Instruction *Cold = nullptr;
    BasicBlock *Behind = nullptr;
    for (Instruction *I : Markers) {
      AllocaInst *A = localThatDies(*I);
      if (!Stays && Esc.shared(*A)) {
        // Of several that die together is asked at once.
        if (!Cold || I != &Behind->front()) {
          Cold = ifPinned(I);
          Behind = I->getParent();
        }
        Value *Bytes = ConstantInt::get(Type::getInt64Ty(C), DL.getTypeAllocSize(typeOfLocal(*A)));
        call(Cold, "green_escape_dead", {A, Bytes});
      }
      I->eraseFromParent();
    }
    if (Cold)
      separateLocals(F, [&](const AllocaInst &A) { return Esc.shared(A); });
  }

  Function &F;
  Module &M;
  LLVMContext &C;
  const DataLayout &DL;
  Escape &Esc;
  bool Stays; // F is never moved
};

} // namespace

// Says to callers that are not seen that they may lend to F, and need not ask for
// its stack.
void markFunction(Function &F, bool Tests) {
  if (!F.hasLocalLinkage() || F.hasAddressTaken())
    F.setPrefixData(ConstantInt::get(Type::getInt32Ty(F.getContext()),
                                     Tests ? TestMark : BarrierMark));
}

void insertBarriers(Function &F, Instruction *Entry, Escape &Esc, bool Stays) {
  Barriers(F, Esc, Stays).run(Entry);
}

} // namespace greenpass
