// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
//
// Where do the addresses of locals go? This makes the constraints of a module for
// the points-to analysis, and reads its results.
//
// Shared are locals whose address is stored in foreign memory, those that are lent
// to a callee that is not seen, and those whose address becomes an integer that is
// not followed (Integers.cpp). A stack address that is stored in foreign memory,
// or becomes such an integer, is pinned (Barrier.cpp), so whatever is loaded from
// there stays where it is, and so does what was lent by an argument that is pinned
// on entry: one that may be stored in foreign memory.
//
// Which locals are shared, and which arguments and results are to be pinned, is what a round
// finds and the next one takes for granted, until nothing new is found.
#include "Green.h"
#include "PointsTo.h"
#include "llvm/Analysis/BlockFrequencyInfo.h"
#include "llvm/Analysis/BranchProbabilityInfo.h"
#include "llvm/Analysis/LoopInfo.h"
#include "llvm/IR/Dominators.h"
#include "llvm/IR/GetElementPtrTypeIterator.h"
#include "llvm/IR/InlineAsm.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/IntrinsicInst.h"
#include "llvm/IR/Operator.h"
#include "llvm/IR/ValueHandle.h"
#include <numeric>

using namespace llvm;

namespace greenpass {

// What a round finds.
struct Findings {
  DenseSet<const AllocaInst *> Shared;
  DenseSet<const Argument *> Pinned;
  DenseSet<const AllocaInst *> Lent;  // or in a function that does not move
  DenseSet<const AllocaInst *> Loops; // their address may be stored in themselves
  DenseSet<const CallBase *> Results; // to be pinned; see chooseResults()

  // See Barrier.cpp.
  bool isOwn(const AllocaInst &A) const {
    return Shared.contains(&A) && Loops.contains(&A) && !Lent.contains(&A);
  }
  size_t size() const {
    return Shared.size() + Pinned.size() + Lent.size() + Loops.size() + Results.size();
  }
};

// Blocks that are reached in less than half of the calls, as far as can be told.
static void addRareBlocks(Function &F, DenseSet<const BasicBlock *> &Rare) {
  DominatorTree DT(F);
  LoopInfo LI(DT);
  BranchProbabilityInfo BPI(F, LI, nullptr, &DT);
  BlockFrequencyInfo BFI(F, BPI, LI);
  uint64_t Entry = BFI.getBlockFreq(&F.getEntryBlock()).getFrequency();
  for (BasicBlock &BB : F)
    if (BFI.getBlockFreq(&BB).getFrequency() < Entry / 2)
      Rare.insert(&BB);
}

struct Escape::Impl : PointsTo {
  Module &M;
  const DataLayout &DL;
  const Findings Known; // of the round before
  // Of each function: not found again in each round.
  const IntegersOf &Ints;
  const DenseSet<const BasicBlock *> &Rare;

  DenseMap<const Value *, unsigned> ValueNode;
  DenseMap<const Instruction *, unsigned> ConvertedNode; // what it may be, though not followed
  DenseMap<const Function *, unsigned> ResultNode;
  SmallVector<std::pair<unsigned, unsigned>, 0> PointerStores; // what, where to
  SmallVector<const CallInst *, 0> RareResults; // of callees that are not seen
  SmallVector<std::pair<unsigned, const Argument *>, 0> Passed; // to functions that are seen
  DenseSet<const Value *> Movable; // arguments and results up to the check that pins them

  Impl(Module &M, Findings Known, const IntegersOf &Ints,
       const DenseSet<const BasicBlock *> &Rare)
      : PointsTo(M.getDataLayout()), M(M), DL(M.getDataLayout()), Known(std::move(Known)),
        Ints(Ints), Rare(Rare) {}

  // -- values --------------------------------------------------------------

  unsigned constantNode(const Constant &C) {
    // Whatever a constant points to is no local.
    return C.isNullValue() || isa<UndefValue, ConstantInt, ConstantFP>(C)
               ? Nothing
               : OutsideOnly;
  }

  unsigned node(const Value *V) {
    if (auto *C = dyn_cast<Constant>(V))
      return constantNode(*C);
    auto [It, New] = ValueNode.try_emplace(V, 0);
    if (New) {
      unsigned N = newNode();
      ValueNode[V] = N;
      return N;
    }
    return It->second;
  }
  unsigned result(const Function &F) {
    auto [It, New] = ResultNode.try_emplace(&F, 0);
    if (New) {
      unsigned N = newNode();
      ResultNode[&F] = N;
      return N;
    }
    return It->second;
  }
  void flow(const Value *From, const Value *To) { copy(node(From), node(To)); }
  void escapeValue(const Value *V) { escape(node(V)); }

  const Integers &integers(const Instruction &I) const { return *Ints.find(I.getFunction())->second; }

  // Can the type hold an address that is followed?
  static bool canHold(Type *T) { return T->isSized() && containsPointer(T); }
  bool mayHold(const Value *V) const {
    if (canHold(V->getType()))
      return true;
    auto *I = dyn_cast<Instruction>(V);
    return I && integers(*I).carries(*I);
  }
  Range bytes(Type *T) const {
    TypeSize Size = DL.getTypeStoreSize(T);
    return Size.isScalable() ? Range() : Range{0, Size.getFixedValue()};
  }

  // The members of T, with what their offset is.
  template <class Fn> void eachMember(Type *T, int64_t Off, Fn Do) const {
    if (auto *S = dyn_cast<StructType>(T)) {
      for (unsigned I = 0; I < S->getNumElements(); I++)
        eachMember(S->getElementType(I), Off + DL.getStructLayout(S)->getElementOffset(I), Do);
    } else if (auto *A = dyn_cast<ArrayType>(T)) {
      for (uint64_t I = 0; I < A->getNumElements(); I++)
        eachMember(A->getElementType(), Off + I * DL.getTypeAllocSize(A->getElementType()), Do);
    } else {
      Range R = bytes(T);
      R.Off = Off;
      Do(T, R);
    }
  }

  // -- the module ----------------------------------------------------------

  static bool knownBody(const Function &F) {
    return !F.isDeclaration() && !F.isInterposable();
  }

  void addFunction(Function &F) {
    for (Argument &A : F.args())
      node(&A); // known, be it to point nowhere
    // Calls that are not seen: from other modules, or through a pointer.
    if (!F.hasLocalLinkage() || F.hasAddressTaken() || F.isInterposable())
      for (Argument &A : F.args())
        if (A.getType()->isPtrOrPtrVectorTy())
          addLentArgument(A);
    for (Instruction &I : instructions(F))
      addInstruction(I);
  }

  // Only single pointers can be pinned on entry.
  void addLentArgument(const Argument &A) {
    copy(OutsideOnly, node(&A));
    if (!A.getType()->isPointerTy() || A.hasByValAttr())
      return point(node(&A), Param);
    if (!Known.Pinned.contains(&A))
      point(node(&A), newLentObject(A));
  }

  void addInstruction(Instruction &I) {
    if (isIntegerSource(I) || mayHold(&I))
      node(&I); // known, be it to point nowhere
    if (auto *A = dyn_cast<AllocaInst>(&I))
      return addAlloca(*A);
    if (auto *L = dyn_cast<LoadInst>(&I))
      return addLoad(*L);
    if (auto *S = dyn_cast<StoreInst>(&I))
      return addStore(S->getValueOperand(), S->getPointerOperand(), S->getAlign());
    if (auto *CB = dyn_cast<CallBase>(&I))
      return addCall(*CB);
    if (auto *R = dyn_cast<ReturnInst>(&I))
      return addReturn(*R);
    if (auto *X = dyn_cast<AtomicRMWInst>(&I)) {
      addRead(I, X->getType(), X->getPointerOperand(), 0);
      return addStore(X->getValOperand(), X->getPointerOperand(), X->getAlign());
    }
    if (auto *X = dyn_cast<AtomicCmpXchgInst>(&I))
      return addExchange(*X);
    if (isa<VAArgInst>(I)) // what goes through "..." is pinned
      return copy(OutsideOnly, node(&I));
    if (I.getType()->isVoidTy() || isa<CmpInst>(I) || I.isTerminator())
      return;
    if (isAddressAsInteger(I))
      return addConversion(I);
    if (auto *X = dyn_cast<ExtractValueInst>(&I); X && isIntegerSource(I))
      return addRead(I, I.getType(), exchangeOf(*X).getPointerOperand(), 0);
    if (auto *G = dyn_cast<GetElementPtrInst>(&I))
      return addOffset(*G);
    if (!mayHold(&I))
      return;
    for (Value *Op : I.operands())
      if (mayHold(Op))
        shift(node(Op), node(&I), 0, isa<BinaryOperator>(I)); // computed: anywhere
    if (isa<IntToPtrInst>(I))
      copy(OutsideOnly, node(&I));
  }

  static const AtomicCmpXchgInst &exchangeOf(const ExtractValueInst &X) {
    return *cast<AtomicCmpXchgInst>(X.getAggregateOperand());
  }

  void addAlloca(const AllocaInst &A) {
    addLocal(A, Known.isOwn(A)               ? OwnLocal
                : Known.Shared.contains(&A) ? SharedLocal
                                            : Private);
    point(node(&A), placeOf(A));
  }

  // An address that becomes an integer may come back from anywhere.
  void addConversion(const Instruction &I) {
    if (integers(I).converted(I))
      convert(node(I.getOperand(0)));
    else
      flow(I.getOperand(0), &I);
  }

  // ... by being read as one, too.
  void addRead(const Instruction &I, Type *T, const Value *Ptr, int64_t Off) {
    eachMember(T, Off, [&](Type *Member, Range R) {
      if (canHold(Member) || integers(I).carries(I))
        load(node(Ptr), node(&I), R);
      else if (integers(I).converted(I))
        load(node(Ptr), Converted, R);
    });
  }

  void addLoad(const LoadInst &L) {
    addRead(L, L.getType(), L.getPointerOperand(), 0);
    // Parts of two words.
    if (integers(L).converted(L) && L.getAlign() < std::min<uint64_t>(bytes(L.getType()).Size, 8))
      load(node(L.getPointerOperand()), Converted, around(bytes(L.getType())));
  }

  static Range around(Range R) { return R.whole() ? R : Range{R.Off - 7, R.Size + 14}; }

  void addStore(const Value *V, const Value *Ptr, Align A) {
    if (!mayHold(V))
      return;
    eachMember(V->getType(), 0, [&](Type *Member, Range R) {
      if (canHold(Member) || !canHold(V->getType()))
        store(node(V), node(Ptr), R);
    });
    PointerStores.push_back({node(V), node(Ptr)});
    // A map names aligned words only.
    if (A < 8)
      escapeValue(V);
  }

  // The old value is what is taken out of the result.
  void addExchange(const AtomicCmpXchgInst &X) {
    const Value *Ptr = X.getPointerOperand();
    addStore(X.getNewValOperand(), Ptr, X.getAlign());
    if (canHold(X.getType()))
      load(node(Ptr), node(&X), bytes(X.getNewValOperand()->getType()));
    else if (!all_of(X.users(), [](const User *U) { return isa<ExtractValueInst>(U); }))
      lend(node(Ptr));
  }

  void addOffset(const GetElementPtrInst &G) {
    const Value *Base = G.getPointerOperand();
    if (!G.getType()->isPointerTy())
      return shift(node(Base), node(&G), 0, 1);
    // An integer that is made a pointer in this way.
    if (isa<Constant>(Base))
      return copy(OutsideOnly, node(&G));
#if LLVM_VERSION_MAJOR >= 22
    SmallMapVector<Value *, APInt, 4> Variable;
#else
    MapVector<Value *, APInt> Variable;
#endif
    APInt Constant(64, 0);
    uint64_t Stride = 0;
    if (!cast<GEPOperator>(G).collectOffset(DL, 64, Variable, Constant))
      Stride = 1;
    for (auto &[V, Scale] : Variable)
      Stride = std::gcd(Stride, Scale.abs().getZExtValue());
    shift(node(Base), node(&G), Constant.getSExtValue(), Stride);
  }

  void addReturn(const ReturnInst &R) {
    const Value *V = R.getReturnValue();
    if (V && canHold(V->getType()))
      copy(node(V), result(*R.getFunction()));
  }

  void addCall(const CallBase &CB) {
    if (auto *II = dyn_cast<IntrinsicInst>(&CB))
      return addIntrinsic(*II);
    if (CB.isInlineAsm())
      return addAsm(CB);
    auto *F = dyn_cast<Function>(CB.getCalledOperand()->stripPointerCasts());
    if (F && knownBody(*F) && F->getFunctionType() == CB.getFunctionType())
      return addKnownCall(CB, *F);
    if (isDeferCall(CB))
      return addDefer(CB);
    if (isSelectCall(CB)) // others have what values hold, nobody has where they lie
      return load(node(CB.getArgOperand(0)), Lent, Range());
    if (unsigned Traits = calleeTraits(CB))
      return addLibraryCall(CB, Traits);
    addUnknownCall(CB);
  }

  void addKnownCall(const CallBase &CB, const Function &F) {
    for (unsigned I = 0; I < CB.arg_size(); I++) {
      const Value *A = CB.getArgOperand(I);
      if (!canHold(A->getType()))
        continue;
      if (I < F.arg_size())
        pass(A, *F.getArg(I));
      else
        escapeValue(A);
    }
    if (canHold(CB.getType()))
      copy(result(F), node(&CB));
  }

  // Where the callee pins A the caller need not have done so.
  void pass(const Value *V, const Argument &A) {
    if (Known.Pinned.contains(&A))
      return hold(node(V));
    flow(V, &A);
    Passed.push_back({node(V), &A});
  }

  // green_defer_push(scope, record, fn, meta, a0, a1), green_defer_more(meta,
  // a2 ... a5), green_defer_pop(scope, call): the runtime keeps the arguments
  // where it adjusts those that the meta word calls pointers, and a deferred function
  // runs in this frame's lifetime. One that is seen here is called with them.
  void addDefer(const CallBase &CB) {
    constexpr unsigned Fn = 2;
    StringRef Name = CB.getCalledOperand()->stripPointerCasts()->getName();
    unsigned FirstArg = Name.ends_with("_push") ? 4 : Name.ends_with("_more") ? 1 : ~0u;
    const Function *F = nullptr;
    if (FirstArg == 4 && CB.arg_size() > FirstArg)
      F = dyn_cast<Function>(CB.getArgOperand(Fn)->stripPointerCasts());
    for (unsigned I = 0; I < CB.arg_size(); I++) {
      const Value *A = CB.getArgOperand(I);
      if (!A->getType()->isPointerTy())
        continue;
      if (I < FirstArg)
        store(Top, node(A), Range());
      else if (isDeferredInteger(CB, I))
        lend(node(A));
      else if (F && knownBody(*F) && I - FirstArg < F->arg_size())
        pass(A, *F->getArg(I - FirstArg));
      else
        lend(node(A));
    }
    if (canHold(CB.getType()))
      copy(OutsideOnly, node(&CB));
  }

  void addUnknownCall(const CallBase &CB) {
    for (unsigned I = 0; I < CB.arg_size(); I++) {
      const Value *A = CB.getArgOperand(I);
      if (!canHold(A->getType()))
        continue;
      if (isLent(CB, I))
        lend(node(A));
      else
        escapeValue(A);
    }
    addUnknownResult(CB);
  }

  // A callee may return a pointer that it was lent.
  void addUnknownResult(const CallBase &CB) {
    if (!canHold(CB.getType()))
      return;
    copy(OutsideOnly, node(&CB));
    if (Known.Results.contains(&CB))
      return;
    for (unsigned I = 0; I < CB.arg_size(); I++)
      if (isLent(CB, I) && !CB.isByValArgument(I))
        copy(anywhereIn(node(CB.getArgOperand(I))), node(&CB));
    auto *CI = dyn_cast<CallInst>(&CB);
    if (CI && Rare.contains(CI->getParent()) && CI->getType()->isPointerTy() &&
        !isa<IntrinsicInst>(CI) && !CI->isInlineAsm() && !isJump(*CI) && !CI->isMustTailCall())
      RareResults.push_back(CI);
  }

  unsigned anywhereIn(unsigned N) {
    unsigned To = newNode();
    shift(N, To, 0, 1);
    return To;
  }

  void addLibraryCall(const CallBase &CB, unsigned Traits) {
    if (!(Traits & CapturesNone))
      return addUnknownCall(CB);
    auto Arg = [&](unsigned I) { return node(CB.getArgOperand(I)); };
    const Range Word{0, 8};
    bool Holds = canHold(CB.getType());
    if (Holds)
      copy(OutsideOnly, node(&CB));
    for (unsigned I = 0; I < CB.arg_size(); I++) {
      if (!CB.getArgOperand(I)->getType()->isPointerTy())
        continue;
      store(OutsideOnly, Arg(I), Range());
      bool Printed = I >= CB.getFunctionType()->getNumParams() && printsAddresses(CB);
      if (!(Traits & NoSafepoint) || Printed) // it calls back, or the value comes back
        lend(Arg(I));
      bool Sent = (Traits & SendsMemory && I == 1) || (Traits & SendsElements && I == 0);
      if (Sent) // and may be read back
        load(Arg(I), Lent, Range());
      // A pointer that is not fresh may be one that was passed.
      if (Holds && CB.getType()->isPointerTy() && !(Traits & Allocates))
        copy(anywhereIn(Arg(I)), node(&CB));
      if (Traits & ReturnsContent && Holds)
        load(Arg(I), node(&CB), Word);
    }
    if (Traits & CopiesMemory && CB.arg_size() > 2)
      addMemoryCopy(CB, CB.getArgOperand(0), CB.getArgOperand(1), CB.getArgOperand(2));
    if (Traits & StoresArg0ToArg1 && CB.arg_size() > 1)
      store(anywhereIn(Arg(0)), Arg(1), Word);
    if (Traits & StoresArg0ToArg2 && CB.arg_size() > 2)
      store(anywhereIn(Arg(0)), Arg(2), Word);
  }

  void addIntrinsic(const IntrinsicInst &I) {
    switch (I.getIntrinsicID()) {
    case Intrinsic::memset:
    case Intrinsic::memset_inline:
    case Intrinsic::lifetime_start:
    case Intrinsic::lifetime_end:
    case Intrinsic::invariant_start:
    case Intrinsic::invariant_end:
    case Intrinsic::assume:
    case Intrinsic::prefetch:
    case Intrinsic::vaend:
    case Intrinsic::stackrestore:
    case Intrinsic::donothing:
    case Intrinsic::trap:
    case Intrinsic::debugtrap:
      return;
    case Intrinsic::vastart:
      return store(OutsideOnly, node(I.getArgOperand(0)), Range());
    case Intrinsic::vacopy:
      return copyMemory(node(I.getArgOperand(1)), node(I.getArgOperand(0)), UINT64_MAX);
    case Intrinsic::memcpy:
    case Intrinsic::memcpy_inline:
    case Intrinsic::memmove:
      return addMemoryCopy(I, I.getArgOperand(0), I.getArgOperand(1), I.getArgOperand(2));
    case Intrinsic::masked_load:
    case Intrinsic::masked_gather:
      if (!canHold(I.getType()))
        return lend(node(I.getArgOperand(0)));
      load(node(I.getArgOperand(0)), node(&I), bytes(I.getType()));
      return copy(node(I.getArgOperand(I.arg_size() - 1)), node(&I));
    case Intrinsic::masked_store:
    case Intrinsic::masked_scatter:
      return store(node(I.getArgOperand(0)), node(I.getArgOperand(1)), Range());
    case Intrinsic::frameaddress:
    case Intrinsic::addressofreturnaddress:
    case Intrinsic::sponentry:
    case Intrinsic::localaddress:
#if LLVM_VERSION_MAJOR >= 22
    case Intrinsic::stackaddress:
#endif
      return copy(Top, node(&I));
    case Intrinsic::read_register:
    case Intrinsic::read_volatile_register:
      return copy(Top, integerResult(I));
    case Intrinsic::stacksave:
      return; // WHY_DYNAMIC in the function itself
    case Intrinsic::ptrmask:
      if (keepsLowBits(I))
        break;
      lend(node(I.getArgOperand(0)));
      return copy(OutsideOnly, node(&I));
    case Intrinsic::threadlocal_address:
      return copy(OutsideOnly, node(&I));
    default:
      break;
    }
    if (!I.doesNotAccessMemory())
      return addUnknownCall(I);
    if (canHold(I.getType()))
      for (const Value *A : I.args())
        if (canHold(A->getType()))
          shift(node(A), node(&I), 0, 1);
  }

  void addMemoryCopy(const Instruction &I, const Value *Dst, const Value *Src, const Value *N) {
    auto *C = dyn_cast<ConstantInt>(N);
    Range R{0, C ? C->getZExtValue() : UINT64_MAX};
    copyMemory(node(Src), node(Dst), R.Size);
    if (!copiesWords(I))
      leakContents(node(Src), around(R));
    else if (uint64_t Rest = C ? R.Size % 8 : 0)
      leakContents(node(Src), {(int64_t)(R.Size - Rest), Rest});
  }

  // Integers that come out of an assembly statement, or a register, are followed
  // or not like others.
  unsigned integerResult(const Instruction &I) {
    if (!integers(I).converted(I))
      return node(&I);
    auto [It, New] = ConvertedNode.try_emplace(&I, 0);
    if (New) {
      unsigned N = newNode();
      ConvertedNode[&I] = N;
      lend(N);
      return N;
    }
    return It->second;
  }

  // What an asm does with an address in a register cannot be told. Memory
  // operands are plain accesses, but what they hold may go anywhere.
  void addAsm(const CallBase &CB) {
    auto *IA = cast<InlineAsm>(CB.getCalledOperand());
    bool Empty = StringRef(IA->getAsmString()).trim().empty();
    SmallVector<unsigned, 2> Results;
    if (canHold(CB.getType()))
      Results.push_back(node(&CB));
    if (isIntegerSource(CB))
      Results.push_back(integerResult(CB));
    for (unsigned To : Results)
      copy(Empty ? OutsideOnly : Top, To);
    for (unsigned I = 0; I < CB.arg_size(); I++) {
      const Value *A = CB.getArgOperand(I);
      if (!canHold(A->getType()))
        continue;
      bool InMemory = CB.getParamElementType(I);
      if (InMemory && !Empty) {
        load(node(A), InRegister, Range());
        store(Top, node(A), Range());
      } else if (!Empty) {
        copy(node(A), InRegister);
      }
      if (InMemory != Empty) // it may be asked for the address
        for (unsigned To : Results)
          shift(node(A), To, 0, 1);
    }
  }

  // -- results -------------------------------------------------------------

  // Is all that a node points to locals that no code reaches but what is seen?
  bool staysInside(unsigned N) const {
    for (unsigned O : points(N))
      if (foreign(O))
        return false;
    return !points(N).empty();
  }
  bool maybeInside(unsigned N) const {
    bool Inside = false;
    for (unsigned O : points(N))
      if (!foreign(O))
        Inside = true;
      else if (O != Outside)
        return false;
    return Inside;
  }

  // An argument that is kept only if a callee that is not seen returns it, and that is
  // rarely called, need not be pinned by all callers: the result is instead.
  bool chooseResults(Findings &Found) const {
    size_t Before = Found.size();
    for (const CallInst *CI : RareResults) {
      Set Points = points(ValueNode.lookup(CI));
      Points.reset(Outside);
      bool FromArgument = false;
      for (unsigned O : Points)
        FromArgument |= argumentOf(O) != nullptr;
      if (FromArgument && points(Leaked).contains(Points))
        Found.Results.insert(CI);
    }
    return Found.size() != Before;
  }

  // Callees first: an argument that only a callee keeps is pinned there.
  void addPinned(Findings &Found) const {
    DenseSet<const Argument *> New, Later;
    for (unsigned O : points(Leaked))
      if (const Argument *A = argumentOf(O))
        New.insert(A);
    for (auto [V, Callee] : Passed)
      if (New.contains(Callee))
        for (unsigned O : points(V))
          if (argumentOf(O) != Callee)
            Later.insert(argumentOf(O));
    bool Any = any_of(New, [&](const Argument *A) { return !Later.contains(A); });
    for (const Argument *A : New)
      if (!Any || !Later.contains(A))
        Found.Pinned.insert(A);
  }

  // Returns whether there is anything new.
  bool addFindings(Findings &Found) const {
    if (chooseResults(Found))
      return true;
    size_t Before = Found.size();
    for (const auto &[A, L] : localIndices())
      if (shared(*A))
        Found.Shared.insert(A);
    addPinned(Found);
    for (unsigned O : points(Lent))
      if (const AllocaInst *A = localOf(O))
        Found.Lent.insert(A);
    for (auto [V, Ptr] : PointerStores)
      addLoops(V, Ptr, Found);
    return Found.size() != Before;
  }

  void addLoops(unsigned V, unsigned Ptr, Findings &Found) const {
    for (unsigned O : points(V))
      if (const AllocaInst *A = localOf(O); A && foreign(O))
        for (unsigned P : points(Ptr))
          if (localOf(P) == A)
            Found.Loops.insert(A);
  }

  // Is a store through Ptr one to an own local, and V nothing that moves but that?
  bool isLoop(unsigned V, unsigned Ptr) const {
    const AllocaInst *A = nullptr;
    for (unsigned P : points(Ptr)) {
      const AllocaInst *To = localOf(P);
      if (!To || (A && A != To))
        return false;
      A = To;
    }
    if (!A || !Known.isOwn(*A))
      return false;
    for (unsigned O : points(V))
      if (O != Outside && localOf(O) != A)
        return false;
    return true;
  }

  void run() {
    for (Function &F : M)
      if (!F.isDeclaration())
        addFunction(F);
    solve();
  }
};

static Findings sharedLocals(const DenseSet<const Function *> &Shared) {
  Findings Known;
  for (const Function *F : Shared)
    for (const Instruction &I : instructions(*F))
      if (auto *A = dyn_cast<AllocaInst>(&I)) {
        Known.Shared.insert(A);
        Known.Lent.insert(A);
      }
  return Known;
}

// What is erased is forgotten, for a new instruction may come to lie in its place.
class Escape::Watch final : public CallbackVH {
public:
  Watch(Value *V, Escape &Esc) : CallbackVH(V), Esc(Esc), F(cast<Instruction>(V)->getFunction()) {}

private:
  void deleted() override {
    Esc.forget(getValPtr(), F);
    CallbackVH::deleted();
  }

  Escape &Esc;
  const Function *F;
};

void Escape::watch(const Value *V) {
  if (isa<Instruction>(V))
    Watched.emplace_back(const_cast<Value *>(V), *this);
}

void Escape::forget(const Value *V, const Function *F) {
  I->ValueNode.erase(V);
  I->ConvertedNode.erase(static_cast<const Instruction *>(V));
  Ints.find(F)->second->forget(V);
}

Escape::Escape(Module &M, const DenseSet<const Function *> &Shared) {
  DenseSet<const BasicBlock *> Rare;
  for (Function &F : M)
    if (!F.isDeclaration()) {
      Ints[&F] = std::make_unique<Integers>(F);
      addRareBlocks(F, Rare);
    }
  Findings Known = sharedLocals(Shared);
  do {
    I = std::make_unique<Impl>(M, Known, Ints, Rare);
    I->run();
  } while (I->addFindings(Known));
  for (const auto &[V, Node] : I->ValueNode)
    watch(V);
  for (const auto &[V, Node] : I->ConvertedNode)
    watch(V);
  for (const auto &[F, Integers] : Ints)
    Integers->each([&](const Value *V) { watch(V); });
}
Escape::~Escape() = default;

unsigned Escape::why(const Function &F) const {
  for (unsigned O : I->points(I->InRegister))
    if (const AllocaInst *A = I->localOf(O); A && A->getFunction() == &F)
      return GREEN_WHY_CONTROL;
  return GREEN_WHY_NONE;
}

bool Escape::shared(const AllocaInst &A) const { return I->shared(A); }

bool Escape::pinnedOnEntry(const Argument &A) const { return I->Known.Pinned.contains(&A); }

// Where no argument moves, none can be returned that does.
bool Escape::pinnedResult(const CallBase &CB) const {
  return I->Known.Results.contains(&CB) &&
         any_of(CB.args(), [&](const Value *A) { return holdsStackAddress(*A); });
}

void Escape::setPinned(const Value &V, const Value &Pinned) {
  unsigned N = I->ValueNode.lookup(&V);
  I->ValueNode[&Pinned] = N;
  I->Movable.insert(&V);
}

void Escape::replace(const Value &Old, const Value &New) {
  auto It = I->ValueNode.find(&Old);
  if (It == I->ValueNode.end())
    return;
  unsigned N = It->second;
  I->ValueNode.erase(It);
  I->ValueNode[&New] = N;
}

bool Escape::staysInside(const Value &Ptr) const {
  auto It = I->ValueNode.find(&Ptr);
  return It != I->ValueNode.end() && I->staysInside(It->second);
}

bool Escape::maybeInside(const Value &Ptr) const {
  auto It = I->ValueNode.find(&Ptr);
  return It != I->ValueNode.end() && I->maybeInside(It->second);
}

bool Escape::isLoop(const Value &V, const Value &Ptr) const {
  auto What = I->ValueNode.find(&V), Where = I->ValueNode.find(&Ptr);
  return What != I->ValueNode.end() && Where != I->ValueNode.end() &&
         I->isLoop(What->second, Where->second);
}

bool Escape::contentsMove(const Value &Ptr, int64_t Off, uint64_t Size) const {
  if (isa<Constant>(Ptr))
    return false;
  auto It = I->ValueNode.find(&Ptr);
  return It == I->ValueNode.end() || I->contentsMovable(It->second, {Off, Size});
}

bool Escape::holdsStackAddress(const Value &V) const {
  if (isa<Constant>(V))
    return false;
  if (I->Movable.contains(&V))
    return true;
  auto It = I->ValueNode.find(&V);
  if (It == I->ValueNode.end()) // a number, or made after the analysis
    return isAddressAsInteger(V) || containsPointer(V.getType());
  return I->movable(It->second);
}

bool Escape::becomesInteger(const Instruction &At) const {
  if (!Ints.find(At.getFunction())->second->converted(At))
    return false;
  if (isAddressAsInteger(At))
    return holdsStackAddress(*At.getOperand(0));
  auto It = I->ConvertedNode.find(&At);
  return It == I->ConvertedNode.end() || I->movable(It->second);
}

uint64_t Escape::wordsToldApart(const AllocaInst &A) const { return I->period(A) / 8; }

bool Escape::wordHoldsStackAddress(const AllocaInst &A, uint64_t Index) const {
  return I->wordMovable(A, Index);
}

} // namespace greenpass
