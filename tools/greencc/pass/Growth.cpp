// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
//
// The test of the stack on entry stands in front of a function's prologue, where
// greenmap puts it: if what is needed is not there, the runtime moves the stack,
// or runs the function on a new segment. Here is said how much that is, and how
// the arguments are passed, which are in registers then. What alloca() takes is
// tested where it is taken, by code like any.
#include "Green.h"
#include "llvm/IR/CFG.h"
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
constexpr uint64_t LimitOffset = GREEN_ABI_LIMIT;

namespace {

// How arguments are passed (System V): integers and pointers in six registers,
// floating point and small vectors in eight, all else on the stack.
struct Passing {
  bool Exotic = false;    // no test can stand in front: it would lose some
  bool Described = true;  // the map's kinds of arguments tell where pointers are
  uint64_t StackBytes = 0;
  unsigned Words = 0, Floats = 0;
  const DataLayout &DL;

  Passing(const DataLayout &DL, CallingConv::ID CC) : DL(DL) {
    Exotic = CC != CallingConv::C && CC != CallingConv::Fast &&
             CC != CallingConv::Cold && CC != CallingConv::X86_64_SysV;
  }

  void onStack(uint64_t Bytes) { StackBytes += alignTo(Bytes, 8); }

  void inMemory(uint64_t Bytes) {
    Described = false;
    onStack(alignTo(Bytes, 16) + 16); // it may be aligned
  }

  void words(unsigned N) {
    for (; N; N--)
      if (++Words > 6)
        onStack(8);
  }

  void floating(uint64_t Bytes) {
    if (++Floats <= 8)
      return;
    inMemory(Bytes);
  }

  void add(Type *T, AttributeSet A) {
    uint64_t Bits = DL.getTypeSizeInBits(T);
    Exotic |= A.hasAttribute(Attribute::Nest) || A.hasAttribute(Attribute::SwiftSelf) ||
              A.hasAttribute(Attribute::SwiftError) ||
              A.hasAttribute(Attribute::SwiftAsync) || T->isX86_AMXTy() ||
              (T->isVectorTy() && Bits > 128);
    if (Type *ByVal = A.getByValType()) {
      inMemory(DL.getTypeAllocSize(ByVal));
    } else if (T->isPointerTy() || (T->isIntegerTy() && Bits <= 64)) {
      words(1);
    } else if (T->isIntegerTy(128)) {
      Described = false;
      words(2);
    } else if (T->isVectorTy() || (T->isFloatingPointTy() && !T->isX86_FP80Ty())) {
      floating(Bits / 8);
    } else {
      inMemory(Bits / 8);
    }
    Described &= !A.hasAttribute(Attribute::InReg);
  }
};

} // namespace

// The resolvers of ifuncs, and what they call here, may run before there is a
// thread control block. Whoever else calls them sees to their stack.
constexpr char RunsEarly[] = "green-runs-early";

static void markEarly(Function &F) {
  if (F.isDeclaration() || F.hasFnAttribute(RunsEarly))
    return;
  F.addFnAttr(RunsEarly);
  for (Instruction &I : instructions(F))
    if (auto *CB = dyn_cast<CallBase>(&I))
      if (auto *Callee = dyn_cast<Function>(CB->getCalledOperand()->stripPointerCasts()))
        markEarly(*Callee);
}

static void markResolvers(Module &M) {
  for (GlobalIFunc &I : M.ifuncs())
    if (auto *F = I.getResolverFunction())
      markEarly(*F);
}

static Passing passing(const Function &F) {
  Passing P(F.getParent()->getDataLayout(), F.getCallingConv());
  P.Exotic |= F.hasFnAttribute("no_caller_saved_registers") || F.hasFnAttribute(RunsEarly);
  for (const Argument &A : F.args())
    P.add(A.getType(), F.getAttributes().getParamAttrs(A.getArgNo()));
  return P;
}

static Passing passing(const CallBase &CB) {
  Passing P(CB.getModule()->getDataLayout(), CB.getCallingConv());
  for (unsigned I = 0; I < CB.arg_size(); I++)
    P.add(CB.getArgOperand(I)->getType(), CB.getAttributes().getParamAttrs(I));
  if (auto *F = dyn_cast<Function>(CB.getCalledOperand()->stripPointerCasts()))
    P.Exotic |= F->hasFnAttribute(RunsEarly);
  return P;
}

// Segments begin with copies of the arguments on the stack, up to this many bytes.
constexpr uint64_t MostStackBytes = GREEN_ABI_FAR - 64;

static bool isExotic(const Passing &P) { return P.Exotic || P.StackBytes > MostStackBytes; }

bool passesExotically(const Function &F) { return isExotic(passing(F)); }
bool passesExotically(const CallBase &CB) { return isExotic(passing(CB)); }

// What a call needs below its caller's frame. What has no test of its own does
// with a guess.
static uint64_t callNeed(const CallBase &CB) {
  if (CB.isInlineAsm() || isa<IntrinsicInst>(CB) || isRuntimeCall(CB) || goesOut(CB))
    return 0;
  // setjmp() and its like.
  if (CB.hasFnAttr(Attribute::ReturnsTwice))
    return 0;
  Passing P = passing(CB);
  if (isExotic(P))
    return UncheckedNeed + P.StackBytes;
  if (unsigned Traits = calleeTraits(CB))
    return Traits & TinyStack ? 0 : Traits & SmallStack ? SmallNeed : UncheckedNeed;
  auto *F = dyn_cast<Function>(CB.getCalledOperand()->stripPointerCasts());
  // What is weak may be somebody else's in the end.
  if (F && !F->isDeclaration() && !F->isInterposable())
    return 0;
  return options().AllMapped ? 0 : UncheckedNeed;
}

// More than a segment copies, and the callee cannot know.
static void refuseHugeVariadic(const CallBase &CB) {
  if (CB.getFunctionType()->isVarArg() && passing(CB).StackBytes > MostStackBytes)
    CB.getContext().emitError(&CB, "greencc: " + CB.getFunction()->getName() +
                                       " passes more than " + Twine(MostStackBytes) +
                                       " bytes of variable arguments");
}

// Is there a way through F that meets none of these calls?
static bool canMiss(const Function &F, const SmallPtrSetImpl<const CallBase *> &Calls) {
  SmallPtrSet<const BasicBlock *, 16> Seen;
  for (const CallBase *CB : Calls)
    Seen.insert(CB->getParent());
  SmallVector<const BasicBlock *, 16> Work;
  if (Seen.insert(&F.getEntryBlock()).second)
    Work.push_back(&F.getEntryBlock());
  while (!Work.empty()) {
    const BasicBlock *BB = Work.pop_back_val();
    if (isa<ReturnInst>(BB->getTerminator()))
      return true;
    for (const BasicBlock *S : successors(BB))
      if (Seen.insert(S).second)
        Work.push_back(S);
  }
  return false;
}

// Foreign code that is called on each way through a function is asked for on entry,
// where that is cheapest.
Needs needsOf(Function &F) {
  Needs N;
  if (!options().Growth)
    return N;
  for (Instruction &I : instructions(F)) {
    if (auto *A = dyn_cast<AllocaInst>(&I); A && !A->isStaticAlloca())
      // Its frame cannot move, so better be generous while there is none: what
      // is not touched costs nothing.
      N.OnEntry = std::max(N.OnEntry, DynamicNeed);
    auto *CB = dyn_cast<CallBase>(&I);
    if (!CB)
      continue;
    refuseHugeVariadic(*CB);
    uint64_t Need = callNeed(*CB);
    if (Need == UncheckedNeed && canAskOnTheWay(*CB))
      N.OnTheWay.insert(CB);
    else
      N.OnEntry = std::max(N.OnEntry, Need);
  }
  if (!N.OnTheWay.empty() && !canMiss(F, N.OnTheWay))
    N.OnEntry = std::max(N.OnEntry, UncheckedNeed);
  if (N.OnEntry >= UncheckedNeed)
    N.OnTheWay.clear();
  return N;
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

// Those that find their stack in what is kept free are none, nor are jumps to what
// sees to its own, and what Unless says of callees.
static bool makesCalls(const Function &F, function_ref<bool(const Function &)> Unless) {
  return any_of(instructions(F), [&](const Instruction &I) {
    auto *CB = dyn_cast<CallBase>(&I);
    if (!CB || CB->isInlineAsm() || isa<IntrinsicInst>(CB) || calleeTraits(*CB) & TinyStack ||
        (isJump(*CB) && callNeed(*CB) == 0))
      return false;
    auto *Callee = dyn_cast<Function>(CB->getCalledOperand()->stripPointerCasts());
    return !Callee || Callee->isDeclaration() || Callee->isInterposable() || !Unless(*Callee);
  });
}

static bool makesCalls(const Function &F) {
  return makesCalls(F, [](const Function &) { return false; });
}

// A function that calls none but such as make no calls: if what all of them take is as
// little as a frame that is not asked for, there is no test, and nothing stops there.
// That is for greenmap to find out, who knows them by their names.
constexpr uint64_t LocalsOfTree = 32;

static bool isSmallTree(const Function &F) {
  auto IsLeaf = [](const Function &G) {
    return G.hasLocalLinkage() && isPlainName(G.getName()) &&
           bytesOfLocals(G) <= LocalsOfTree && !isExotic(passing(G)) && !makesCalls(G) &&
           none_of(instructions(G), [](const Instruction &I) {
             return isa<CallBase>(I) && isJump(cast<CallBase>(I)); // with F's frame there
           });
  };
  return bytesOfLocals(F) <= LocalsOfTree && !makesCalls(F, IsLeaf);
}

DenseSet<const Function *> functionsToCheck(Module &M) {
  DenseSet<const Function *> Checked;
  if (!options().Growth)
    return Checked;
  markResolvers(M);
  for (Function &F : M)
    if (!F.isDeclaration() && !isExotic(passing(F)) &&
        (makesCalls(F) || bytesOfLocals(F) > UncheckedLocals) && !isSmallTree(F))
      Checked.insert(&F);
  return Checked;
}

Value *stackLimit(IRBuilder<> &B) {
  auto *Slot = ConstantExpr::getIntToPtr(
      B.getInt64(LimitOffset), PointerType::get(B.getContext(), FsAddressSpace));
  return B.CreateAlignedLoad(B.getInt64Ty(), Slot, Align(8), true);
}

// The test is inline assembly: the value of rsp must not become one that the
// register allocator keeps.
static Value *stackIsShort(IRBuilder<> &B, Value *Need) {
  Value *Least = B.CreateBinaryIntrinsic(Intrinsic::uadd_sat, stackLimit(B), Need);
  auto *FT = FunctionType::get(B.getInt8Ty(), {B.getInt64Ty()}, false);
  auto *IA = InlineAsm::get(FT, "cmpq $1, %rsp", "={@ccb},r,~{flags}", true);
  CallInst *Below = B.CreateCall(FT, IA, {Least});
  Below->setDoesNotThrow();
  return B.CreateICmpNE(Below, B.getInt8(0));
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
  placeInSource(CB);
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

int64_t needInFront(Function &F, bool Checked, const Needs &N) {
  Passing P = passing(F);
  if (!options().Growth)
    return GREENCC_NO_TEST;
  if (isExotic(P)) {
    // Whoever calls it has seen to some stack. Beyond, hit the guard page.
    F.addFnAttr("probe-stack", "inline-asm");
    return GREENCC_NO_TEST;
  }
  // Its callers take it for a function that is never stopped.
  if (!Checked)
    return GREENCC_FAR | GREENCC_FIXED | GREENCC_IF_LARGE;
  uint64_t Need = N.OnEntry;
  bool Far = F.isVarArg() || !P.Described || P.StackBytes > GREEN_ABI_NEAR;
  int64_t Guess = Need >= DynamicNeed     ? GREENCC_GUESS_DYNAMIC
                  : Need >= UncheckedNeed ? GREENCC_GUESS
                                          : 0;
  return Need | Guess | (Far ? GREENCC_FAR : 0) |
         (P.Described ? 0 : GREENCC_FIXED);
}

// alloca() and variable-length arrays take their room at once.
void insertGrowthChecks(Function &F, const Needs &N) {
  SmallVector<AllocaInst *, 4> Dynamic;
  for (Instruction &I : instructions(F))
    if (auto *A = dyn_cast<AllocaInst>(&I); A && !A->isStaticAlloca())
      Dynamic.push_back(A);
  for (AllocaInst *A : Dynamic) {
    IRBuilder<> B(A);
    const DataLayout &DL = F.getParent()->getDataLayout();
    Value *Bytes = B.CreateZExtOrTrunc(A->getArraySize(), B.getInt64Ty());
    Bytes = B.CreateMul(Bytes, B.getInt64(DL.getTypeAllocSize(A->getAllocatedType())));
    auto Plus = [&](Value *V, uint64_t C) {
      return B.CreateBinaryIntrinsic(Intrinsic::uadd_sat, V, B.getInt64(C));
    };
    Value *Taken = Plus(Bytes, A->getAlign().value() + 64);
    checkBefore(A, Plus(Taken, N.OnEntry), Taken);
  }
}

} // namespace greenpass
