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
// pinned on the way out (Outgoing.cpp), or by green_escape_lend() if that cannot be. For
// what it finds through the pointer the callee relies on the invariant: a local is shared
// as soon as it may be lent.
//
// The test is value >= rsp: no live local lies below. What else lies above is
// told apart in the cold path; it is little, for the arena of the stacks lies
// above what is mapped later, the heap and the program itself.
//
// Addresses that become integers are pinned there (Integers.cpp), so that integers,
// in whatever form, need no barrier of their own when they are stored or passed.
#include "BarrierCode.h"
#include "PinEnds.h"
#include "llvm/Analysis/VectorUtils.h"
#include "llvm/IR/InlineAsm.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/IntrinsicInst.h"

using namespace llvm;

namespace greenpass {

// What nobody else writes, and the runtime knows too (lend.S): nopl (%edi), and of
// functions that test the stack nopl (%esi).
constexpr uint32_t BarrierMark = GREEN_ABI_MARK, TestMark = GREEN_ABI_MARK_TESTS;

namespace {

class Barriers : BarrierCode {
public:
  Barriers(Function &F, Escape &Esc, bool Stays) : BarrierCode(F, Stays), Esc(Esc) {}

  void run(Instruction *Entry) {
    SmallVector<Instruction *, 64> All;
    PinEnds Ends(F, Esc, Stays);
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
    Ends.emit();
  }

private:
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

void insertBarriers(Function &F, Instruction *Entry, Escape &Esc, bool Stays) {
  Barriers(F, Esc, Stays).run(Entry);
}

} // namespace greenpass
