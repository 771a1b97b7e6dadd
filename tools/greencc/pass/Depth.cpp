// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
//
// Programs that measure their stack by addresses: they keep one from near its bottom,
// and give up when that of a local, or of the frame, is further away than a limit.
// Moves and segments change such distances. Where an address is seen to do nothing but
// measure, a number takes its place that they do not change (libuser/depth.c), and
// the local, or the frame, is free to move. That is done before the optimizer begins,
// as long as casts and stores are what the source says.
//
// Words are followed from where they come from to where they are used, through the
// variables that are only loaded and stored, and the arguments and results of functions
// that are seen. What is compared, measured or mixed with one another forms a group.
// Either all of a group are numbers, or all stay addresses. It becomes numbers if
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
#include "llvm/IR/DiagnosticInfo.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/IntrinsicInst.h"

using namespace llvm;

namespace greenpass {

namespace {

bool isWord(Type *T) { return T->isIntegerTy(64) || T->isPointerTy(); }

// __builtin_setjmp() has it stored.
bool jumps(const Function &F) {
  const Function *Setjmp = F.getParent()->getFunction("llvm.eh.sjlj.setjmp");
  return Setjmp && any_of(Setjmp->users(), [&](const User *I) {
           return cast<Instruction>(I)->getFunction() == &F;
         });
}

bool isFrameAddress(const Value &V) {
  auto *II = dyn_cast<IntrinsicInst>(&V);
  return II && II->getIntrinsicID() == Intrinsic::frameaddress &&
         cast<ConstantInt>(II->getArgOperand(0))->isZero() &&
         !II->getFunction()->hasFnAttribute(Attribute::Naked) && !jumps(*II->getFunction());
}

// The address of something in the frame, at whatever offset: the local.
const Value *localOf(const Value *V) {
  while (auto *G = dyn_cast<GetElementPtrInst>(V)) {
    if (!G->getType()->isPointerTy())
      return nullptr;
    V = G->getPointerOperand();
  }
  auto *A = dyn_cast<Argument>(V);
  return isa<AllocaInst>(V) || (A && A->hasByValAttr()) ? V : nullptr;
}

// -- what is seen as a whole -------------------------------------------------------

bool isSeen(const Function &F) {
  return !F.isDeclaration() && !F.isInterposable() && !F.isVarArg();
}

// The function that a call is of.
Function *seenCallee(const CallBase &CB) {
  auto *F = dyn_cast<Function>(CB.getCalledOperand());
  return F && isSeen(*F) && CB.getFunctionType() == F->getFunctionType() ? F : nullptr;
}

// Are all calls of F seen?
bool areCallsSeen(const Function &F) {
  return F.hasLocalLinkage() && all_of(F.uses(), [&](const Use &U) {
           auto *CB = dyn_cast<CallBase>(U.getUser());
           return CB && CB->isCallee(&U) && seenCallee(*CB);
         });
}

const IntrinsicInst *threadLocal(const Value *V) {
  auto *II = dyn_cast<IntrinsicInst>(V);
  return II && II->getIntrinsicID() == Intrinsic::threadlocal_address ? II : nullptr;
}

// Is it only loaded and stored, as a whole?
bool isPlain(const Value &Ptr, Type *T) {
  return all_of(Ptr.uses(), [&](const Use &U) {
    const User *I = U.getUser();
    if (auto *L = dyn_cast<LoadInst>(I))
      return L->getType() == T;
    if (auto *S = dyn_cast<StoreInst>(I))
      return U.getOperandNo() == StoreInst::getPointerOperandIndex() &&
             S->getValueOperand()->getType() == T;
    if (threadLocal(I))
      return isPlain(*I, T);
    auto *II = dyn_cast<IntrinsicInst>(I);
    return II && II->isLifetimeStartOrEnd();
  });
}

// Of what comes from elsewhere: where from?
enum Origin { Null, Narrow, FromMemory, FromLocal, FromCaller, Address, Unknown };

// What is known of a group.
enum : unsigned {
  Frame = 1,        // an address of a frame
  Local = 2,        // ... of a local
  Used = 4,         // ... that is read or written somewhere
  Large = 8,        // ... that has members or elements
  Through = 16,     // used as an address, or in a way that is not known
  ToCallee = 32,    // passed to code that is not seen
  ToMemory = 64,    // stored as a pointer where it is not seen
  AsInteger = 128,  // gets into memory or a result as an integer, or comes from there
  Returned = 256,   // as a pointer, to callers that are not seen
  Given = 512,      // ... by those
  Computed = 1024,  // other arithmetic than plus and minus
  Mixed = 2048,     // measured from pointers that are not seen
  MixedInt = 4096,  // ... from integers
  Measured = 8192,  // from one another
  Compared = 1 << 14,  // with constants, or for equality
  FarOffset = 1 << 15, // less something from memory: an offset, or another address
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
  explicit Depth(Module &M) : M(M) {}

  void run() {
    follow();
    for (Function &F : M) {
      visitBorder(F);
      for (Instruction &I : instructions(F))
        visit(I);
    }
    warn();
    lower();
  }

private:
  // -- which words come from addresses -------------------------------------------

  // The variable that Ptr is the address of, if its uses here are plain.
  const Value *variable(const Value *Ptr) {
    if (auto *II = threadLocal(Ptr))
      Ptr = II->getArgOperand(0);
    auto [It, New] = Variables.try_emplace(Ptr, false);
    if (New)
      It->second = isVariable(Ptr);
    return It->second ? Ptr : nullptr;
  }

  static bool isVariable(const Value *V) {
    if (auto *A = dyn_cast<AllocaInst>(V))
      return A->isStaticAlloca() && !A->isArrayAllocation() && isWord(A->getAllocatedType()) &&
             isPlain(*A, A->getAllocatedType());
    auto *G = dyn_cast<GlobalVariable>(V);
    return G && !G->isConstant() && isWord(G->getValueType()) && isPlain(*G, G->getValueType());
  }

  // Other files may read and write it as well.
  static bool isPublic(const Value *Variable) {
    auto *G = dyn_cast<GlobalVariable>(Variable);
    return G && !G->hasLocalLinkage();
  }

  void carry(const Value *V) {
    if (Carriers.insert(V).second)
      Work.push_back(V);
  }

  static bool handsOn(const Instruction &I, const Use &U) {
    if (!isWord(I.getType()))
      return false;
    if (I.getOpcode() == Instruction::Sub) // something less an address is none
      return U.getOperandNo() == 0;
    return isa<PtrToIntInst, IntToPtrInst, BitCastInst, FreezeInst, BinaryOperator, PHINode>(I) ||
           (isa<SelectInst, GetElementPtrInst>(I) &&
            (isa<SelectInst>(I) == (U.getOperandNo() != 0)));
  }

  // Where a word goes from U.
  void carryFrom(const Use &U) {
    auto *I = cast<Instruction>(U.getUser());
    if (auto *S = dyn_cast<StoreInst>(I)) {
      if (const Value *V = variable(S->getPointerOperand()); V && U.getOperandNo() == 0)
        carry(V);
    } else if (auto *CB = dyn_cast<CallBase>(I)) {
      if (Function *F = seenCallee(*CB); F && CB->isArgOperand(&U))
        if (const Argument *A = F->getArg(CB->getArgOperandNo(&U)); !A->hasByValAttr())
          carry(A);
    } else if (isa<ReturnInst>(I)) {
      if (isSeen(*I->getFunction()))
        carry(I->getFunction());
    } else if (handsOn(*I, U) && !Distances.contains(I)) {
      carry(I);
    }
  }

  void carryFromLocal(const Value &Address) {
    for (const Use &U : Address.uses())
      if (auto *G = dyn_cast<GetElementPtrInst>(U.getUser()); G && localOf(G))
        carryFromLocal(*G);
      else
        carryFrom(U);
  }

  void carryFromVariable(const Value &Ptr) {
    for (const User *I : Ptr.users())
      if (isa<LoadInst>(I))
        carry(I);
      else if (threadLocal(I))
        carryFromVariable(*I);
  }

  void carryResult(const User &I, const Value &F) {
    auto *CB = dyn_cast<CallBase>(&I);
    if (CB && seenCallee(*CB) == &F)
      carry(CB);
  }

  void carryAll() {
    Carriers.clear();
    for (Function &F : M) {
      for (Argument &A : F.args())
        if (A.hasByValAttr())
          carryFromLocal(A);
      for (Instruction &I : instructions(F))
        if (isFrameAddress(I))
          carry(&I);
        else if (isa<AllocaInst>(I))
          carryFromLocal(I);
    }
    while (!Work.empty()) {
      const Value *V = Work.pop_back_val();
      if (isa<AllocaInst, GlobalVariable>(V))
        carryFromVariable(*V);
      else if (isa<Function>(V))
        for (const User *I : V->users())
          carryResult(*I, *V);
      else
        for (const Use &U : V->uses())
          carryFrom(U);
    }
  }

  bool isWordOfStack(const Value *V) const { return Carriers.contains(V) || localOf(V); }

  // The difference of two is none. Which are such differences, and what is followed,
  // depend on one another.
  void follow() {
    constexpr unsigned MostRounds = 10;
    for (unsigned Round = 0; Round < MostRounds; Round++) {
      carryAll();
      DenseSet<const Instruction *> Found;
      for (Function &F : M)
        for (Instruction &I : instructions(F))
          if (I.getOpcode() == Instruction::Sub && isWordOfStack(I.getOperand(0)) &&
              isWordOfStack(I.getOperand(1)))
            Found.insert(&I);
      if (Found == Distances)
        return;
      Distances = std::move(Found);
    }
    Unsettled = true;
  }

  // -- groups --------------------------------------------------------------------

  // The member that U's operand is; null if it is none.
  const void *member(const Use &U) {
    const Value *V = U.get();
    if (Carriers.contains(V))
      return V;
    const Value *L = localOf(V);
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
    const Value *Var = variable(L->getPointerOperand());
    if (!Var)
      return localOf(L->getPointerOperand()) ? FromLocal : FromMemory;
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
    bool Follows = Carriers.contains(&I);
    for (Use &U : I.operands()) {
      if (!Follows || !handsOn(I, U)) {
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
    if (Carriers.contains(V) && !isa<AllocaInst, GlobalVariable>(V)) // those: what is in them
      Group.add(V, F);
  }

  void visitStore(StoreInst &S) {
    const Value *Var = variable(S.getPointerOperand());
    Use &U = S.getOperandUse(0);
    bool Pointer = U->getType()->isPointerTy();
    if (!Var)
      isUsedAs(S.getPointerOperand());
    const void *V = member(U);
    if (!Var || !Carriers.contains(Var)) {
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
    const Value *Var = variable(L.getPointerOperand());
    if (!Var)
      return isUsedAs(L.getPointerOperand());
    if (!Carriers.contains(&L))
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
    if (Distances.contains(&B))
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
  }

  // What callers that are not seen pass and get.
  void visitBorder(const Function &F) {
    if (F.isDeclaration() || areCallsSeen(F))
      return;
    for (const Argument &A : F.args())
      if (Carriers.contains(&A))
        Group.add(&A, A.getType()->isPointerTy() ? Given : AsInteger);
    if (Carriers.contains(&F))
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
    if (Carriers.contains(&CB))
      Group.join(&CB, F);
    for (Use &U : CB.args()) {
      const Argument *A = F && !CB.isByValArgument(CB.getArgOperandNo(&U))
                              ? F->getArg(CB.getArgOperandNo(&U)) : nullptr;
      if (A && Carriers.contains(A)) {
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
    if (Carriers.contains(F)) {
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
    if (Unsettled || !(F & (Frame | Local)) || F & (Through | ToCallee | ToMemory | Mixed))
      return false;
    if (F & Local && (!(F & Measured) || F & (AsInteger | MixedInt | Computed | Compared)))
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
    if (!localOf(U.get()))
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
    // Calls need a place in the source if their function has one.
    DISubprogram *SP = At->getFunction()->getSubprogram();
    if (!B.getCurrentDebugLocation() && SP)
      B.SetCurrentDebugLocation(DILocation::get(M.getContext(), SP->getLine(), 0, SP));
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
                      : F & (Mixed | MixedInt | Given) ? "is measured from one that is not followed"
                                                 : nullptr;
    if (Why)
      say(I, Twine("the frame's address ") + Why + ": the frame cannot move, and depths that are "
             "measured by it are wrong on a segment; green_stack_depth() is right");
  }

  // What nobody reads or writes is there to tell where the stack is.
  void warnOfMark(const StoreInst &S) {
    const Value *L = localOf(S.getValueOperand());
    const void *Member = L ? (const void *)&S.getOperandUse(0) : S.getValueOperand();
    if ((!L && !Carriers.contains(S.getValueOperand())) ||
        (variable(S.getPointerOperand()) && Carriers.contains(variable(S.getPointerOperand())) &&
         !isPublic(variable(S.getPointerOperand()))))
      return;
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
  Groups Group;
  DenseMap<const Value *, bool> Variables, UsedLocals;
  DenseMap<const Value *, Origin> Origins;
  DenseSet<const Value *> Carriers; // instructions, arguments, variables; functions: results
  DenseSet<const Instruction *> Distances;
  SmallVector<const Value *, 64> Work;
  SmallVector<Use *, 0> Locals;
  SmallVector<Measure, 0> Measures;
  bool Unsettled = false;
};

} // namespace

void measureDepths(Module &M) { Depth(M).run(); }

} // namespace greenpass
