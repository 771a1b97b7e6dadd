// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
//
// Where do the addresses of locals go? An inclusion-based points-to analysis of
// the module, insensitive to flow, fields and calling context.
//
// Objects are
//   Outside  memory that no frame owns, and what is pinned: nothing that moves;
//   Param    memory in some frame, not known in which;
//   lent     one for each pointer that a function has from callers that are not
//            seen, for the memory that it points to;
//   local    one for each local of each function.
// All but the locals are foreign: code that is not seen reads and writes them.
// So are shared locals: those whose address is stored in foreign memory, and
// those that are lent to a callee that is not seen. A stack address that is
// stored in foreign memory is pinned (Barrier.cpp), so whatever is loaded from
// there stays where it is, and so does what was lent by an argument that is
// pinned on entry: one that may be stored in foreign memory.
//
// Which locals are shared and which arguments are to be pinned is what a first
// round finds. The second takes it for granted.
#include "Green.h"
#include "llvm/IR/InlineAsm.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/IntrinsicInst.h"
#include "llvm/IR/Operator.h"

using namespace llvm;

namespace greenpass {

using Set = SparseBitVector<>;

// Objects and, for Node, the variables that stand for their contents.
enum : unsigned { Outside, Param, Register, FirstObject };

// What a round finds.
struct Findings {
  DenseSet<const AllocaInst *> Shared;
  DenseSet<const Argument *> Pinned;
};

struct Escape::Impl {
  Module &M;
  const DataLayout &DL;
  const Findings Known; // of the round before

  // Nodes: one a value, one for the contents of each object, one a function's
  // result.
  struct Node {
    Set Points;
    Set Seen; // of Points: visited with all that follows from it
    SmallVector<unsigned, 2> Copies;     // Points flows to these
    SmallVector<unsigned, 1> Loads;      // contents of Points flow to these
    SmallVector<unsigned, 1> Stores;     // these flow to the contents of Points
    SmallVector<unsigned, 1> CopiesTo;   // memcpy: contents to contents of these
    SmallVector<unsigned, 1> CopiesFrom; // ... from contents of these
    bool Leak = false;                   // contents of Points go to foreign memory
    bool SeenForeign = false;            // something foreign is among Seen
  };
  std::vector<Node> Nodes;
  DenseMap<const Value *, unsigned> ValueNode;
  DenseMap<const Value *, unsigned> NumberNode;
  DenseMap<const Function *, unsigned> ResultNode, ResultNumberNode;
  std::vector<unsigned> ContentNode;   // by object
  std::vector<const Value *> Owner;    // by object: alloca, argument or null
  DenseMap<const AllocaInst *, unsigned> LocalObject;
  DenseSet<std::pair<unsigned, unsigned>> Edges;
  std::vector<unsigned> Work;
  DenseSet<const Value *> Movable; // arguments up to the check that pins them
  Set Foreign, InRegister, Unseen;
  unsigned Top = 0;         // a node that points outside and into some frame
  unsigned OutsideOnly = 0; // ... outside
  unsigned Nothing = 0;     // a node that stays empty
  unsigned Leaked = 0;      // what may be stored in foreign memory
  unsigned Lent = 0;        // what code that is not seen may read and write
  DenseMap<const Function *, DenseSet<const Value *>> Ints;

  Impl(Module &M, Findings Known)
      : M(M), DL(M.getDataLayout()), Known(std::move(Known)) {}

  unsigned newNode() {
    Nodes.emplace_back();
    return Nodes.size() - 1;
  }
  unsigned newObject(const Value *V, bool IsForeign) {
    unsigned O = Owner.size();
    Owner.push_back(V);
    ContentNode.push_back(IsForeign ? OutsideOnly : newNode());
    if (IsForeign)
      Foreign.set(O);
    return O;
  }
  const AllocaInst *localOf(unsigned O) const {
    return dyn_cast_or_null<AllocaInst>(Owner[O]);
  }

  bool movable(unsigned N) const;

  // -- constraints ---------------------------------------------------------

  void point(unsigned N, unsigned Object) {
    if (Nodes[N].Points.test_and_set(Object))
      Work.push_back(N);
  }
  void copy(unsigned From, unsigned To) {
    if (From == To || !Edges.insert({From, To}).second)
      return;
    Nodes[From].Copies.push_back(To);
    merge(Nodes[From].Points, To);
  }
  void merge(const Set &From, unsigned To) {
    if (Nodes[To].Points |= From)
      Work.push_back(To);
  }
  void touch(unsigned N) { Work.push_back(N); }
  void load(unsigned Ptr, unsigned To) { Nodes[Ptr].Loads.push_back(To), touch(Ptr); }
  void store(unsigned Val, unsigned Ptr) {
    Nodes[Ptr].Stores.push_back(Val), touch(Ptr);
  }
  void copyMemory(unsigned Src, unsigned Dst) {
    Nodes[Src].CopiesTo.push_back(Dst), touch(Src);
    Nodes[Dst].CopiesFrom.push_back(Src), touch(Dst);
  }
  void leakContents(unsigned Ptr) { Nodes[Ptr].Leak = true, touch(Ptr); }
  void escape(unsigned Val) { copy(Val, Leaked); }
  void lend(unsigned Ptr) { copy(Ptr, Lent); }

  // -- values --------------------------------------------------------------

  // Types whose values can hold an address.
  static bool canHold(Type *T) {
    return T->isSized() && !T->isVoidTy() && !T->isX86_AMXTy();
  }

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
  // Values of struct type have a second node for their members that are no
  // pointers, lest each length that travels with a pointer looks like one.
  unsigned numbers(const Value *V) {
    if (!V->getType()->isStructTy() || isa<Constant>(V))
      return node(V);
    auto [It, New] = NumberNode.try_emplace(V, 0);
    if (New) {
      unsigned N = newNode();
      NumberNode[V] = N;
      return N;
    }
    return It->second;
  }
  unsigned resultNumbers(const Function &F) {
    if (!F.getReturnType()->isStructTy())
      return result(F);
    auto [It, New] = ResultNumberNode.try_emplace(&F, 0);
    if (New) {
      unsigned N = newNode();
      ResultNumberNode[&F] = N;
      return N;
    }
    return It->second;
  }
  void flow(const Value *From, const Value *To) {
    copy(node(From), node(To));
    copy(numbers(From), numbers(To));
  }
  void escapeValue(const Value *V) { escape(node(V)), escape(numbers(V)); }

  // -- the module ----------------------------------------------------------

  static bool knownBody(const Function &F) {
    return !F.isDeclaration() && !F.isInterposable();
  }

  void addFunction(Function &F) {
    Ints[&F] = addressIntegers(F);
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
      point(node(&A), newObject(&A, true));
  }

  void addInstruction(Instruction &I) {
    if (canHold(I.getType()))
      node(&I); // known, be it to point nowhere
    if (auto *A = dyn_cast<AllocaInst>(&I))
      return addLocal(*A);
    if (auto *L = dyn_cast<LoadInst>(&I))
      return addLoad(*L);
    if (auto *S = dyn_cast<StoreInst>(&I))
      return addStore(*S);
    if (auto *CB = dyn_cast<CallBase>(&I))
      return addCall(*CB);
    if (auto *R = dyn_cast<ReturnInst>(&I))
      return addReturn(*R);
    if (auto *X = dyn_cast<AtomicRMWInst>(&I)) {
      load(node(X->getPointerOperand()), node(X));
      return store(node(X->getValOperand()), node(X->getPointerOperand()));
    }
    if (auto *X = dyn_cast<AtomicCmpXchgInst>(&I)) {
      load(node(X->getPointerOperand()), node(X));
      return store(node(X->getNewValOperand()), node(X->getPointerOperand()));
    }
    if (isa<VAArgInst>(I)) // what goes through "..." is pinned
      return copy(OutsideOnly, node(&I));
    if (I.getType()->isVoidTy() || isa<CmpInst>(I) || I.isTerminator())
      return;
    if (dropsAddress(I))
      return;
    if (auto *X = dyn_cast<ExtractValueInst>(&I))
      return addExtract(*X);
    if (auto *X = dyn_cast<InsertValueInst>(&I))
      return addInsert(*X);
    for (Value *Op : I.operands())
      if (canHold(Op->getType()))
        flow(Op, &I);
    if (isa<IntToPtrInst>(I))
      copy(OutsideOnly, node(&I));
  }

  // Arithmetic makes a number of a loaded word, but an address computed in an
  // integer stays one.
  bool dropsAddress(const Instruction &I) {
    if (Ints[I.getFunction()].contains(&I))
      return false;
    return isa<BinaryOperator, UnaryOperator, TruncInst, SExtInst, FPToSIInst,
               FPToUIInst, SIToFPInst, UIToFPInst, FPTruncInst, FPExtInst>(I) ||
           isa<PtrToIntInst>(I);
  }

  static bool isNumber(const Type *T) { return !T->isPtrOrPtrVectorTy(); }

  void addExtract(const ExtractValueInst &X) {
    const Value *A = X.getAggregateOperand();
    if (!A->getType()->isStructTy() || X.getType()->isAggregateType())
      return flow(A, &X), copy(numbers(A), node(&X));
    copy(isNumber(X.getType()) ? numbers(A) : node(A), node(&X));
  }

  void addInsert(const InsertValueInst &X) {
    const Value *V = X.getInsertedValueOperand();
    flow(X.getAggregateOperand(), &X);
    if (!X.getType()->isStructTy() || V->getType()->isAggregateType())
      return copy(node(V), node(&X)), copy(numbers(V), numbers(&X)),
             copy(node(V), numbers(&X));
    copy(node(V), isNumber(V->getType()) ? numbers(&X) : node(&X));
  }

  void addLocal(const AllocaInst &A) {
    LocalObject[&A] = newObject(&A, Known.Shared.contains(&A));
    point(node(&A), LocalObject[&A]);
  }

  // A halfword or a word is not copied as part of an address; bytes may be.
  static bool isNarrow(Type *T) {
    return T->isIntegerTy() && T->getIntegerBitWidth() > 8 && T->getIntegerBitWidth() < 48;
  }

  void addLoad(const LoadInst &L) {
    if (isNarrow(L.getType()))
      return;
    if (L.getType()->isIntOrIntVectorTy() || L.getType()->isFPOrFPVectorTy())
      if (loadsProperScalar(L))
        return;
    load(node(L.getPointerOperand()), node(&L));
    if (L.getType()->isStructTy())
      load(node(L.getPointerOperand()), numbers(&L));
  }

  void addStore(const StoreInst &S) {
    unsigned V = node(S.getValueOperand());
    store(V, node(S.getPointerOperand()));
    if (S.getValueOperand()->getType()->isStructTy())
      store(numbers(S.getValueOperand()), node(S.getPointerOperand()));
    // A map names aligned words only.
    if (S.getAlign() < 8 && DL.getTypeStoreSize(S.getValueOperand()->getType()) >= 8)
      escapeValue(S.getValueOperand());
  }

  void addReturn(const ReturnInst &R) {
    const Value *V = R.getReturnValue();
    if (!V || !canHold(V->getType()))
      return;
    copy(node(V), result(*R.getFunction()));
    copy(numbers(V), resultNumbers(*R.getFunction()));
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
    if (!canHold(CB.getType()))
      return;
    copy(result(F), node(&CB));
    copy(resultNumbers(F), numbers(&CB));
  }

  void pass(const Value *V, const Argument &A) {
    if (Known.Pinned.contains(&A))
      escapeValue(V);
    else
      flow(V, &A);
  }

  // green_defer_push(scope, record, fn, meta, a0, a1), green_defer_more(meta,
  // a2 ... a5), green_defer_pop(scope, call): the runtime keeps the arguments
  // where it adjusts them, and a deferred function runs in this frame's
  // lifetime. One that is seen here is called with them.
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
        store(Top, node(A));
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

  // A callee may return a pointer that it was lent; integers that hold addresses
  // it pins.
  void addUnknownResult(const CallBase &CB) {
    if (!canHold(CB.getType()))
      return;
    copy(OutsideOnly, node(&CB));
    if (CB.getType()->isStructTy())
      copy(OutsideOnly, numbers(&CB));
    if (!containsPointer(CB.getType()))
      return;
    for (unsigned I = 0; I < CB.arg_size(); I++)
      if (isLent(CB, I) && !CB.isByValArgument(I))
        copy(node(CB.getArgOperand(I)), node(&CB));
  }

  void addLibraryCall(const CallBase &CB, unsigned Traits) {
    if (!(Traits & CapturesNone))
      return addUnknownCall(CB);
    auto Arg = [&](unsigned I) { return node(CB.getArgOperand(I)); };
    bool Holds = canHold(CB.getType());
    if (Holds)
      copy(OutsideOnly, node(&CB));
    for (unsigned I = 0; I < CB.arg_size(); I++) {
      if (!CB.getArgOperand(I)->getType()->isPointerTy())
        continue;
      store(OutsideOnly, Arg(I));
      if (!(Traits & NoSafepoint)) // it calls back
        lend(Arg(I));
      // A pointer that is not fresh may be one that was passed.
      if (Holds && CB.getType()->isPointerTy() && !(Traits & Allocates))
        copy(Arg(I), node(&CB));
      if (Traits & ReturnsContent && Holds)
        load(Arg(I), node(&CB));
    }
    if (Traits & CopiesMemory && CB.arg_size() > 1)
      copyMemory(Arg(1), Arg(0));
    if (Traits & StoresArg0ToArg1 && CB.arg_size() > 1)
      store(Arg(0), Arg(1));
    if (Traits & StoresArg0ToArg2 && CB.arg_size() > 2)
      store(Arg(0), Arg(2));
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
      return store(OutsideOnly, node(I.getArgOperand(0)));
    case Intrinsic::vacopy:
      return copyMemory(node(I.getArgOperand(1)), node(I.getArgOperand(0)));
    case Intrinsic::memcpy:
    case Intrinsic::memcpy_inline:
    case Intrinsic::memmove:
      return addMemoryCopy(cast<MemTransferInst>(I));
    case Intrinsic::masked_load:
    case Intrinsic::masked_gather:
      load(node(I.getArgOperand(0)), node(&I));
      return copy(node(I.getArgOperand(I.arg_size() - 1)), node(&I));
    case Intrinsic::masked_store:
    case Intrinsic::masked_scatter:
      return store(node(I.getArgOperand(0)), node(I.getArgOperand(1)));
    case Intrinsic::frameaddress:
    case Intrinsic::stacksave:
    case Intrinsic::addressofreturnaddress:
      return; // WHY_CONTROL or WHY_DYNAMIC in the function itself
    case Intrinsic::threadlocal_address:
      return copy(OutsideOnly, node(&I));
    default:
      break;
    }
    if (!I.doesNotAccessMemory())
      return addUnknownCall(I);
    if (canHold(I.getType()))
      for (const Value *A : I.args())
        if (canHold(A->getType()) && !(A->getType()->isIntegerTy() && dropsInt(I)))
          flow(A, &I);
  }

  // Integer intrinsics (min, max, bswap, ...) compute, they do not copy.
  bool dropsInt(const IntrinsicInst &I) {
    return I.getType()->isIntOrIntVectorTy() && !Ints[I.getFunction()].contains(&I);
  }

  void addMemoryCopy(const MemTransferInst &I) {
    unsigned Src = node(I.getRawSource()), Dst = node(I.getRawDest());
    copyMemory(Src, Dst);
    // Addresses that land on unaligned words are in no map.
    if (I.getSourceAlign().valueOrOne() < 8 || I.getDestAlign().valueOrOne() < 8)
      leakContents(Src);
  }

  // What an asm does with an address in a register cannot be told. Memory
  // operands are plain accesses, but what they hold may go anywhere.
  void addAsm(const CallBase &CB) {
    auto *IA = cast<InlineAsm>(CB.getCalledOperand());
    bool Empty = StringRef(IA->getAsmString()).trim().empty();
    bool Holds = canHold(CB.getType());
    if (Holds)
      copy(Top, node(&CB));
    for (unsigned I = 0; I < CB.arg_size(); I++) {
      const Value *A = CB.getArgOperand(I);
      if (!canHold(A->getType()))
        continue;
      if (CB.getParamElementType(I)) { // an indirect operand: "m"
        if (!Empty) {
          load(node(A), ContentNode[Register]);
          store(Top, node(A));
          if (Holds) // it may be asked for its address
            flow(A, &CB);
        }
      } else if (Empty) {
        if (Holds)
          flow(A, &CB);
      } else {
        copy(node(A), ContentNode[Register]);
      }
    }
  }

  // -- the solver ----------------------------------------------------------

  // What is new in Points, against all that hangs on the node; what is new on
  // the other side of a memory copy comes when that side is visited.
  void visit(unsigned N) {
    // The node's lists do not change here, but Nodes may not be referenced
    // across copy(), which touches other nodes only.
    Set New = Nodes[N].Points;
    New.intersectWithComplement(Nodes[N].Seen);
    if (New.empty())
      return;
    Nodes[N].Seen |= New;
    for (unsigned O : New) {
      if (!Foreign.test(O))
        visitLocal(N, O);
      else if (!Nodes[N].SeenForeign)
        visitForeign(N);
    }
    for (unsigned I = 0; I < Nodes[N].Copies.size(); I++)
      merge(New, Nodes[N].Copies[I]);
    if (N == Leaked || N == Lent)
      share(New);
  }

  void visitLocal(unsigned N, unsigned O) {
    unsigned C = ContentNode[O];
    for (unsigned To : Nodes[N].Loads)
      copy(C, To);
    for (unsigned V : Nodes[N].Stores)
      copy(V, C);
    for (unsigned D : Nodes[N].CopiesTo)
      for (unsigned DO : Set(Nodes[D].Points))
        copyInto(C, DO);
    for (unsigned S : Nodes[N].CopiesFrom)
      for (unsigned SO : Set(Nodes[S].Points))
        copy(ContentNode[SO], C);
    if (Nodes[N].Leak)
      copy(C, Leaked);
  }

  // All foreign memory is alike.
  void visitForeign(unsigned N) {
    Nodes[N].SeenForeign = true;
    for (unsigned To : Nodes[N].Loads)
      copy(OutsideOnly, To);
    for (unsigned V : Nodes[N].Stores)
      escape(V);
    for (unsigned D : Nodes[N].CopiesTo)
      for (unsigned DO : Set(Nodes[D].Points))
        copyInto(OutsideOnly, DO);
    for (unsigned S : Nodes[N].CopiesFrom)
      for (unsigned SO : Set(Nodes[S].Points))
        escape(ContentNode[SO]);
  }

  void copyInto(unsigned Val, unsigned Object) {
    copy(Val, Foreign.test(Object) ? Leaked : ContentNode[Object]);
  }

  // What is in a shared local may be read by code that is not seen.
  void share(const Set &Now) {
    for (unsigned O : Now)
      if (!Foreign.test(O)) {
        Foreign.set(O);
        escape(ContentNode[O]);
      }
  }

  void solve() {
    while (!Work.empty()) {
      unsigned N = Work.back();
      Work.pop_back();
      visit(N);
    }
    InRegister = Nodes[ContentNode[Register]].Points;
  }

  // Single bytes of an address are nothing that can be checked.
  void findUnseen(const StoreInst &S) {
    const Value *V = S.getValueOperand();
    if (isa<Constant>(V) || DL.getTypeStoreSize(V->getType()) >= 8 ||
        (onStack(node(S.getPointerOperand())) && !V->getType()->isIntegerTy(8)))
      return;
    if (staysInside(node(S.getPointerOperand())))
      return;
    for (unsigned O : Nodes[node(V)].Points)
      if (localOf(O))
        Unseen.set(O);
  }

  // Are these nothing but locals?
  bool onStack(unsigned N) const {
    for (unsigned O : Nodes[N].Points)
      if (!localOf(O))
        return false;
    return !Nodes[N].Points.empty();
  }
  // ... that no code reaches but what is seen?
  bool staysInside(unsigned N) const {
    return !Nodes[N].Points.empty() && !Nodes[N].Points.intersects(Foreign);
  }
  bool maybeInside(unsigned N) const {
    bool Inside = false;
    for (unsigned O : Nodes[N].Points)
      if (!Foreign.test(O))
        Inside = true;
      else if (O != Outside)
        return false;
    return Inside;
  }
  bool contentsMovable(unsigned N) const {
    for (unsigned O : Nodes[N].Points)
      if (movable(ContentNode[O]))
        return true;
    return false;
  }

  Findings findings() const {
    Findings Found;
    for (unsigned O : Foreign)
      if (const AllocaInst *A = localOf(O))
        Found.Shared.insert(A);
    for (unsigned O : Nodes[Leaked].Points)
      if (auto *A = dyn_cast_or_null<Argument>(Owner[O]))
        Found.Pinned.insert(A);
    return Found;
  }

  void run() {
    OutsideOnly = newNode();
    newObject(nullptr, true);
    newObject(nullptr, true);
    newObject(nullptr, false);
    Nothing = newNode();
    Top = newNode();
    Leaked = newNode();
    Lent = newNode();
    point(OutsideOnly, Outside);
    point(Top, Outside);
    point(Top, Param);
    copy(ContentNode[Register], Leaked);
    for (Function &F : M)
      if (!F.isDeclaration())
        addFunction(F);
    solve();
    for (Function &F : M)
      for (Instruction &I : instructions(F))
        if (auto *S = dyn_cast<StoreInst>(&I))
          findUnseen(*S);
  }
};

static Findings sharedLocals(const DenseSet<const Function *> &Shared) {
  Findings Known;
  for (const Function *F : Shared)
    for (const Instruction &I : instructions(*F))
      if (auto *A = dyn_cast<AllocaInst>(&I))
        Known.Shared.insert(A);
  return Known;
}

Escape::Escape(Module &M, const DenseSet<const Function *> &Shared)
    : I(std::make_unique<Impl>(M, sharedLocals(Shared))) {
  I->run();
  I = std::make_unique<Impl>(M, I->findings());
  I->run();
}
Escape::~Escape() = default;

unsigned Escape::why(const Function &F) const {
  unsigned Why = GREEN_WHY_NONE;
  for (unsigned O = FirstObject; O < I->Owner.size(); O++) {
    const AllocaInst *A = I->localOf(O);
    if (!A || A->getFunction() != &F)
      continue;
    if (I->InRegister.test(O))
      return GREEN_WHY_CONTROL;
    if (I->Unseen.test(O))
      Why = GREEN_WHY_ESCAPE;
  }
  return Why;
}

// Does a node point to memory that can move? What lies outside is pinned.
bool Escape::Impl::movable(unsigned N) const {
  Set Points = Nodes[N].Points;
  Points.reset(Outside);
  return !Points.empty();
}

bool Escape::shared(const AllocaInst &A) const {
  auto It = I->LocalObject.find(&A);
  return It == I->LocalObject.end() || I->Foreign.test(It->second);
}

bool Escape::pinnedOnEntry(const Argument &A) const { return I->Known.Pinned.contains(&A); }

void Escape::setPinned(const Argument &A, const Value &Pinned) {
  I->ValueNode[&Pinned] = I->ValueNode[&A];
  I->Movable.insert(&A);
}

void Escape::replace(const Value &Old, const Value &New) {
  for (auto *Nodes : {&I->ValueNode, &I->NumberNode})
    if (auto It = Nodes->find(&Old); It != Nodes->end()) {
      unsigned N = It->second;
      Nodes->erase(It);
      Nodes->insert({&New, N});
    }
}

bool Escape::staysInside(const Value &Ptr) const {
  auto It = I->ValueNode.find(&Ptr);
  return It != I->ValueNode.end() && I->staysInside(It->second);
}

bool Escape::maybeInside(const Value &Ptr) const {
  auto It = I->ValueNode.find(&Ptr);
  return It != I->ValueNode.end() && I->maybeInside(It->second);
}

bool Escape::pointsToStackAddresses(const Value &Ptr) const {
  if (isa<Constant>(Ptr))
    return false;
  auto It = I->ValueNode.find(&Ptr);
  return It == I->ValueNode.end() || I->contentsMovable(It->second);
}

bool Escape::holdsStackAddress(const Value &V) const {
  if (isa<Constant>(V))
    return false;
  if (I->Movable.contains(&V))
    return true;
  auto It = I->ValueNode.find(&V);
  if (It == I->ValueNode.end())
    return true; // made after the analysis
  auto Numbers = I->NumberNode.find(&V);
  return I->movable(It->second) ||
         (Numbers != I->NumberNode.end() && I->movable(Numbers->second));
}

bool Escape::holdsStackAddressInNumbers(const Value &V) const {
  auto It = I->NumberNode.find(&V);
  return It == I->NumberNode.end() ? holdsStackAddress(V) : I->movable(It->second);
}

bool Escape::localHoldsStackAddress(const AllocaInst &A) const {
  auto It = I->LocalObject.find(&A);
  return It == I->LocalObject.end() || I->movable(I->ContentNode[It->second]);
}

} // namespace greenpass
