// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
//
// Programs that measure their stack by addresses: they keep one from near its bottom,
// and give up when that of a local, or of the frame, is further away than a limit.
// Moves and segments change such distances. Where an address is seen to do nothing but
// measure, a number takes its place that they do not change (libuser/stack/depth.c), and
// the local, or the frame, is free to move. That is done before the optimizer begins,
// as long as casts and stores are what the source says.
//
// Words that come from addresses are followed to where they are used (StackWords.h).
// What is compared, measured or mixed with one another forms a group. Either all of a
// group are numbers, or all stay addresses. It becomes numbers if
//
// - none of it is used as an address: nothing is read or written through it, no
//   callee that is not seen gets it, and no memory that is not seen as a pointer;
// - it is compared with no pointer that is not seen, but null for equality;
// - it has addresses of locals, and no member leaves what is seen, or is compared with
//   something else; or
// - it has addresses of frames only, which nobody wants to read or write. Those
//   that the program made integers may leave by memory and results, and be compared
//   with integers from there: whoever has made one elsewhere has done it the same way.
//   Not so with those that a callee has put into a local, like the stack's bounds.
//
// A static base may be handed out as a pointer and taken back, if the distance to it
// is taken here (PostgreSQL's set_stack_base()), and nothing in it can be of use.
//
// What is wrong nevertheless is so at once, and loudly: numbers are far away from
// all addresses, and fault when one is used. Where it can be seen that a stack is
// measured by addresses, and not made right, there is a warning.
#include "Green.h"
#include "StackWords.h"
#include "llvm/IR/DiagnosticInfo.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/IntrinsicInst.h"

using namespace llvm;

namespace greenpass {

namespace {

// Of what comes from elsewhere: where from?
enum Origin { Null, Narrow, FromMemory, FromLocal, FromCaller, Address, Unknown };

// What is known of a group.
enum : unsigned {
  Frame = 1 << 0,             // an address of a frame
  Local = 1 << 1,             // ... of a local
  Used = 1 << 2,              // ... that is read or written somewhere
  Large = 1 << 3,             // ... that has members or elements
  Through = 1 << 4,           // used as an address, or in a way that is not known
  ToCallee = 1 << 5,          // passed to code that is not seen
  ToMemory = 1 << 6,          // stored as a pointer where it is not seen
  AsInteger = 1 << 7,         // gets into memory or a result as an integer, or comes from there
  Returned = 1 << 8,          // as a pointer, to callers that are not seen
  Given = 1 << 9,             // ... by those
  Computed = 1 << 10,         // other arithmetic than plus and minus
  Mixed = 1 << 11,            // measured from pointers that are not seen
  MixedInt = 1 << 12,         // ... from integers
  Measured = 1 << 13,         // from one another
  Compared = 1 << 14,         // with constants, or for equality
  FarOffset = 1 << 15,        // less something from memory: an offset, or another address
  NearOffset = 1 << 16,       // ... that a callee has put into a local
};

// Where a stack is measured, perhaps.
struct Measure {
  const Instruction *At;
  const void *Member;
  enum { FromMember, FromOthers, FromConstant } By;
};

class Groups {
public:
  unsigned of(const void *Member) {
    auto [It, New] = Number.try_emplace(Member, Parent.size());
    if (New) {
      Parent.push_back(It->second);
      Flags.push_back(0);
    }
    return find(It->second);
  }
  void join(const void *A, const void *B) {
    unsigned X = of(A), Y = of(B);
    if (X == Y)
      return;
    Parent[Y] = X;
    Flags[X] |= Flags[Y];
  }
  void add(const void *Member, unsigned F) { Flags[of(Member)] |= F; }
  unsigned flags(const void *Member) { return Flags[of(Member)]; }

private:
  unsigned find(unsigned N) {
    while (Parent[N] != N)
      N = Parent[N] = Parent[Parent[N]];
    return N;
  }
  DenseMap<const void *, unsigned> Number;
  SmallVector<unsigned, 0> Parent, Flags;
};

class Depth {
public:
  explicit Depth(Module &M) : M(M), Words(M) {}

  void run() {
    for (Function &F : M) {
      visitBorder(F);
      for (Instruction &I : instructions(F))
        visit(I);
    }
    warn();
    lower();
  }

private:
  // -- groups --------------------------------------------------------------------

  // Other files may read and write it as well.
  static bool isPublic(const Value *Variable) {
    auto *G = dyn_cast<GlobalVariable>(Variable);
    return G && !G->hasLocalLinkage();
  }

  // The member that U's operand is; null if it is none.
  const void *member(const Use &U) {
    const Value *V = U.get();
    if (Words.contains(V))
      return V;
    const Value *L = localAt(V);
    if (!L)
      return nullptr;
    Group.add(&U, Local);
    if (isUsed(*L))
      Group.add(&U, Used);
    if (isLarge(*L))
      Group.add(&U, Large);
    Locals.push_back(const_cast<Use *>(&U));
    return &U;
  }

  static bool isLarge(const Value &L) {
    auto *A = dyn_cast<AllocaInst>(&L);
    return !A || A->isArrayAllocation() || A->getAllocatedType()->isAggregateType();
  }

  // Is a local more than a place in the stack?
  bool isUsed(const Value &Address) {
    auto [It, New] = UsedLocals.try_emplace(&Address, true);
    if (!New)
      return It->second;
    bool Is = isa<Argument>(Address) || any_of(Address.uses(), [&](const Use &U) {
      auto *I = cast<Instruction>(U.getUser());
      if (auto *S = dyn_cast<StoreInst>(I))
        return U.getOperandNo() != 0 && S->getPointerOperand() == &Address;
      if (isa<GetElementPtrInst>(I))
        return isUsed(*I);
      if (auto *II = dyn_cast<IntrinsicInst>(I))
        return !II->isLifetimeStartOrEnd();
      return isa<LoadInst, CallBase, AtomicRMWInst, AtomicCmpXchgInst>(I);
    });
    return UsedLocals[&Address] = Is;
  }

  Origin origin(const Value *V) {
    if (auto *C = dyn_cast<ConstantInt>(V))
      return C->isZero() ? Null : C->getValue().isSignedIntN(33) ? Narrow : Address;
    if (isa<ConstantPointerNull, UndefValue>(V))
      return Null;
    if (isa<Constant, PtrToIntInst>(V))
      return Address;
    if (isa<ZExtInst, SExtInst>(V))
      return Narrow;
    if (auto *A = dyn_cast<Argument>(V); A && A->getType()->isPointerTy())
      return FromCaller;
    auto *L = dyn_cast<LoadInst>(V);
    if (!L)
      return V->getType()->isPointerTy() ? Address : Unknown;
    const Value *Var = Words.variable(L->getPointerOperand());
    if (!Var)
      return localAt(L->getPointerOperand()) ? FromLocal : FromMemory;
    return isa<GlobalVariable>(Var) ? FromMemory : originOfStores(*Var);
  }

  // What all stores to it agree on.
  Origin originOfStores(const Value &Var) {
    auto [It, New] = Origins.try_emplace(&Var, Null);
    if (!New)
      return It->second;
    Origin All = Null;
    for (const User *I : Var.users())
      if (auto *S = dyn_cast<StoreInst>(I))
        if (Origin O = origin(S->getValueOperand()); O != Null)
          All = All == Null || All == O ? O : Unknown;
    return Origins[&Var] = All;
  }

  // V, which is no member, gets into the group of Member.
  void comesIn(const void *Member, const Value *V) {
    switch (origin(V)) {
    case Null:
    case Narrow:
      return;
    case FromCaller:
      return Group.add(Member, Given);
    case FromLocal:
      return Group.add(Member, Mixed);
    default:
      return Group.add(Member, V->getType()->isPointerTy() ? Mixed : AsInteger);
    }
  }

  // It is compared with, or subtracted from, V, or V from it.
  void isMeasuredWith(const Instruction &I, const void *Member, const Value *V, bool Sub) {
    Origin O = origin(V);
    const Value *From = V;
    if (auto *P = dyn_cast<PtrToIntInst>(V))
      O = origin(From = P->getPointerOperand());
    // A local that somebody else has filled in: with bounds, perhaps.
    Group.add(Member, From->getType()->isPointerTy() || O == FromLocal ? Mixed : MixedInt);
    // An argument is adjusted, and newer is lower on any segment.
    if (O == FromMemory || (O == FromCaller && Sub))
      Measures.push_back({&I, Member, Measure::FromOthers});
  }

  void visit(Instruction &I) {
    if (auto *S = dyn_cast<StoreInst>(&I))
      return visitStore(*S);
    if (auto *L = dyn_cast<LoadInst>(&I))
      return visitLoad(*L);
    if (auto *C = dyn_cast<ICmpInst>(&I))
      return visitCompare(*C);
    if (auto *CB = dyn_cast<CallBase>(&I))
      return visitCall(*CB);
    if (isa<ReturnInst>(I))
      return visitReturn(I);
    if (auto *B = dyn_cast<BinaryOperator>(&I))
      return visitArithmetic(*B);
    bool Follows = Words.contains(&I);
    for (Use &U : I.operands()) {
      if (!Follows || !StackWords::handsOn(I, U)) {
        isUsedAs(U.get(), isa<PtrToIntInst, TruncInst>(I) ? Computed : Through);
      } else if (const void *V = member(U)) {
        Group.join(&I, V);
      } else {
        comesIn(&I, U.get());
      }
    }
  }

  // ... an address, or something else that is not followed.
  void isUsedAs(const Value *V, unsigned F = Through) {
    if (Words.contains(V) && !isa<AllocaInst, GlobalVariable>(V)) // those: what is in them
      Group.add(V, F);
  }

  void visitStore(StoreInst &S) {
    const Value *Var = Words.variable(S.getPointerOperand());
    Use &U = S.getOperandUse(0);
    bool Pointer = U->getType()->isPointerTy();
    if (!Var)
      isUsedAs(S.getPointerOperand());
    const void *V = member(U);
    if (!Var || !Words.contains(Var)) {
      if (V)
        Group.add(V, Pointer ? ToMemory : AsInteger);
      return;
    }
    if (isPublic(Var))
      Group.add(Var, Pointer ? ToMemory : AsInteger);
    if (V)
      Group.join(Var, V);
    else
      comesIn(Var, U.get());
  }

  void visitLoad(LoadInst &L) {
    const Value *Var = Words.variable(L.getPointerOperand());
    if (!Var)
      return isUsedAs(L.getPointerOperand());
    if (!Words.contains(&L))
      return;
    Group.join(&L, Var);
    if (auto *G = dyn_cast<GlobalVariable>(Var); G && G->hasInitializer())
      comesIn(Var, G->getInitializer());
  }

  void visitCompare(ICmpInst &C) {
    Use &X = C.getOperandUse(0), &Y = C.getOperandUse(1);
    const void *A = member(X), *B = member(Y);
    if (!A && !B)
      return;
    if (C.isEquality()) {
      if (A && B) {
        Group.join(A, B);
        return Group.add(A, Compared);
      }
      const Value *Other = A ? Y.get() : X.get();
      if (origin(Other) != Null)
        Group.add(A ? A : B, Other->getType()->isPointerTy() ? Through : MixedInt);
      return;
    }
    if (A && B)
      return areMeasured(C, A, B);
    const void *Member = A ? A : B;
    const Value *Other = A ? Y.get() : X.get();
    if (!isa<Constant>(Other))
      return isMeasuredWith(C, Member, Other, false);
    Group.add(Member, Compared);
    Measures.push_back({&C, Member, Measure::FromConstant});
  }

  void areMeasured(const Instruction &I, const void *A, const void *B) {
    Group.join(A, B);
    Group.add(A, Measured);
    Measures.push_back({&I, A, Measure::FromMember});
  }

  void visitArithmetic(BinaryOperator &B) {
    Use &X = B.getOperandUse(0), &Y = B.getOperandUse(1);
    const void *P = member(X), *Q = member(Y);
    if (!P && !Q)
      return;
    if (Words.isDistance(B))
      return areMeasured(B, P, Q);
    bool Sub = B.getOpcode() == Instruction::Sub;
    if (Sub && Q)
      return isMeasuredWith(B, Q, X.get(), true);
    for (const void *V : {P, Q})
      if (V)
        Group.join(&B, V);
    if ((P && Q) || (!Sub && B.getOpcode() != Instruction::Add))
      return Group.add(&B, Computed);
    const Value *Other = P ? Y.get() : X.get();
    if (Sub && isa<PtrToIntInst>(Other))
      return isMeasuredWith(B, P, Other, true);
    if (Sub && origin(Other) == FromMemory)
      Group.add(P, FarOffset);
    if (Sub && origin(Other) == FromLocal)
      Group.add(P, NearOffset);
  }

  // What callers that are not seen pass and get.
  void visitBorder(const Function &F) {
    if (F.isDeclaration() || areCallsSeen(F))
      return;
    for (const Argument &A : F.args())
      if (Words.contains(&A))
        Group.add(&A, A.getType()->isPointerTy() ? Given : AsInteger);
    if (Words.contains(&F))
      Group.add(&F, F.getReturnType()->isPointerTy() ? Returned : AsInteger);
  }

  // The number of a number is that itself.
  static bool asksForDepth(const CallBase &CB) {
    return CB.getCalledOperand()->getName() == "green_stack_depth_address";
  }

  void visitCall(CallBase &CB) {
    if (isFrameAddress(CB))
      return Group.add(&CB, Frame);
    Function *F = seenCallee(CB);
    if (Words.contains(&CB))
      Group.join(&CB, F);
    for (Use &U : CB.args()) {
      const Argument *A = F && !CB.isByValArgument(CB.getArgOperandNo(&U))
                              ? F->getArg(CB.getArgOperandNo(&U)) : nullptr;
      if (A && Words.contains(A)) {
        if (const void *V = member(U))
          Group.join(A, V);
        else
          comesIn(A, U.get());
      } else if (!asksForDepth(CB)) {
        bool Known = calleeTraits(CB) || isa<IntrinsicInst>(CB) || CB.isInlineAsm();
        isUsedAs(U.get(), Known ? Through : ToCallee);
      }
    }
    if (!F)
      isUsedAs(CB.getCalledOperand());
  }

  void visitReturn(Instruction &I) {
    if (I.getNumOperands() == 0)
      return;
    Use &U = I.getOperandUse(0);
    const Function *F = I.getFunction();
    const void *V = member(U);
    if (Words.contains(F)) {
      if (V)
        Group.join(F, V);
      else
        comesIn(F, U.get());
    } else if (V) {
      Group.add(V, U->getType()->isPointerTy() ? Returned : AsInteger);
    }
  }

  // -- what becomes of them --------------------------------------------------------

  bool isNumber(const void *Member) {
    unsigned F = Group.flags(Member);
    if (!Words.isSettled() || !(F & (Frame | Local)) || F & (Through | ToCallee | ToMemory | Mixed))
      return false;
    if (F & Local && (!(F & Measured) || F & (AsInteger | MixedInt | Computed | Compared)))
      return false;
    // It could be what is left down to a bound of the stack.
    if (F & NearOffset && F & (MixedInt | Compared))
      return false;
    if (F & Given && !(F & Returned))
      return false;
    return !(F & Returned) || (F & Measured && !(F & Used));
  }

  void lower() {
    SmallVector<Instruction *, 4> Frames;
    for (Function &F : M)
      for (Instruction &I : instructions(F))
        if (isFrameAddress(I) && isNumber(&I))
          Frames.push_back(&I);
    for (Use *U : Locals)
      if (isNumber(U))
        lowerLocal(*U);
    for (Instruction *I : Frames) {
      I->replaceAllUsesWith(number(I, "green_stack_depth_frame", {}));
      I->eraseFromParent();
    }
  }

  void lowerLocal(Use &U) {
    auto *P = dyn_cast<PHINode>(U.getUser());
    if (!P) {
      U.set(numberOfLocal(cast<Instruction>(U.getUser()), U.get()));
      return;
    }
    // For each of the edges from one block it must be the same.
    BasicBlock *From = P->getIncomingBlock(U);
    if (!localAt(U.get()))
      return;
    Value *N = numberOfLocal(From->getTerminator(), U.get());
    for (unsigned I = 0; I < P->getNumIncomingValues(); I++)
      if (P->getIncomingBlock(I) == From)
        P->setIncomingValue(I, N);
  }

  // An offset may lead out of the stack: it counts from the number.
  Value *numberOfLocal(Instruction *At, Value *Address) {
    auto *G = dyn_cast<GetElementPtrInst>(Address);
    if (!G)
      return number(At, "green_stack_depth_address", {Address});
    Value *Base = numberOfLocal(At, G->getPointerOperand());
    Instruction *Same = G->clone();
    Same->setOperand(0, Base);
    Same->dropPoisonGeneratingFlags();
    Same->insertBefore(At->getIterator());
    return Same;
  }

  Value *number(Instruction *At, StringRef Name, ArrayRef<Value *> Args) {
    SmallVector<Type *, 1> Types;
    for (Value *A : Args)
      Types.push_back(A->getType());
    IRBuilder<> B(At);
    placeInSource(B);
    FunctionCallee C = M.getOrInsertFunction(Name, FunctionType::get(B.getInt64Ty(), Types, false));
    auto *F = cast<Function>(C.getCallee());
    // It has the same number all the time.
    F->setMemoryEffects(MemoryEffects::inaccessibleMemOnly(ModRefInfo::Ref));
    F->setDoesNotThrow();
    F->setWillReturn();
    F->addFnAttr(Attribute::NoCallback);
    CallInst *CI = B.CreateCall(C, Args);
    CI->setDoesNotThrow();
    return B.CreateIntToPtr(CI, B.getPtrTy());
  }

  // -- warnings --------------------------------------------------------------------

  void warn() {
    if (!options().WarnDepth)
      return;
    for (const Measure &S : Measures)
      if (!isNumber(S.Member))
        warnOfMeasure(S);
    for (Function &F : M) {
      bool Asked = false;
      for (Instruction &I : instructions(F)) {
        if (isFrameAddress(I) && !isNumber(&I))
          warnOfFrame(I);
        if (auto *S = dyn_cast<StoreInst>(&I))
          warnOfMark(*S);
        if (auto *CB = dyn_cast<CallBase>(&I); CB && !Asked)
          Asked = warnOfQuestion(*CB);
      }
    }
  }

  static void say(const Instruction &I, const Twine &What) {
    const Function &F = *I.getFunction();
    F.getContext().diagnose(DiagnosticInfoUnsupported(
        F, F.getName() + ": " + What + " [-Wgreen-depth]", I.getDebugLoc(), DS_Warning));
  }

  void warnOfMeasure(const Measure &S) {
    unsigned F = Group.flags(S.Member);
    // Of a frame something else is said; buffers are measured by what points into them.
    if (F & (Frame | Through | ToCallee) || (F & Used && F & Large))
      return;
    if (S.By == Measure::FromConstant && !(F & FarOffset))
      return;
    if (S.By == Measure::FromMember && !(F & (ToMemory | AsInteger | Returned | Given | Mixed)))
      return;
    say(*S.At, "a depth is measured by a local's address, from one that is not followed: it is "
               "wrong on a segment; green_stack_depth() is right");
  }

  void warnOfFrame(const Instruction &I) {
    unsigned F = Group.flags(&I);
    const char *Why = F & ToMemory               ? "is stored as a pointer"
                      : F & ToCallee             ? "is passed on"
                      : F & Returned             ? "is returned as a pointer"
                      : F & AsInteger            ? "is stored, but used in other ways, too"
                      : F & Through              ? nullptr
                      : F & (Mixed | MixedInt | Given | NearOffset)
                          ? "is measured from one that is not followed"
                          : nullptr;
    if (Why)
      say(I, Twine("the frame's address ") + Why + ": the frame cannot move, and depths that are "
             "measured by it are wrong on a segment; green_stack_depth() is right");
  }

  // What nobody reads or writes is there to tell where the stack is.
  void warnOfMark(const StoreInst &S) {
    const Value *V = S.getValueOperand(), *Var = Words.variable(S.getPointerOperand());
    if ((!localAt(V) && !Words.contains(V)) || (Var && !isPublic(Var)))
      return;
    const void *Member = Words.contains(V) ? (const void *)V : &S.getOperandUse(0);
    unsigned F = Group.flags(Member);
    if (F & Local && !(F & (Frame | Used | Large | Through | ToCallee)) && !isNumber(Member))
      say(S, "the address of a local that has no other use is stored: depths that are measured "
             "by it are wrong on a segment; green_stack_depth() is right");
  }

  bool warnOfQuestion(const CallBase &CB) {
    static const char *const Names[] = {"pthread_getattr_np", "pthread_attr_getstack",
                                        "pthread_attr_getstackaddr"};
    const Function *F = CB.getCalledFunction();
    if (!F || !F->isDeclaration() || !is_contained(Names, F->getName()))
      return false;
    say(CB, F->getName() + "() tells of the OS thread's stack, not of a green thread's");
    return true;
  }

  Module &M;
  StackWords Words;
  Groups Group;
  DenseMap<const Value *, bool> UsedLocals;
  DenseMap<const Value *, Origin> Origins;
  SmallVector<Use *, 0> Locals;
  SmallVector<Measure, 0> Measures;
};

} // namespace

void measureDepths(Module &M) { Depth(M).run(); }

} // namespace greenpass
