// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
//
// The pass itself: one module at a time, last before code generation.
#include "Green.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/IntrinsicInst.h"
#include "llvm/IR/Verifier.h"
#include "llvm/Passes/PassBuilder.h"
#if LLVM_VERSION_MAJOR >= 22
#include "llvm/Plugins/PassPlugin.h"
#else
#include "llvm/Passes/PassPlugin.h"
#endif
#include "llvm/Transforms/Utils/BasicBlockUtils.h"
#include "llvm/Transforms/Utils/Local.h"

using namespace llvm;

namespace greenpass {

// The driver speaks to the plugin by the environment, as clang parses options
// before it loads a plugin.
static Options readOptions() {
  Options O;
  if (const char *S = getenv("GREENCC_PASS_OPTIONS")) {
    SmallVector<StringRef, 8> Words;
    StringRef(S).split(Words, ' ', -1, false);
    for (StringRef W : Words) {
      if (W == "no-growth")
        O.Growth = false;
      else if (W == "verbose")
        O.Verbose = true;
      else if (W == "all-mapped")
        O.AllMapped = true;
      else if (W == "sections")
        O.Sections = true;
      else if (W == "no-warn-depth")
        O.WarnDepth = false;
      else if (W.consume_front("not-libc="))
        O.NotLibrary.insert(W);
    }
  }
  return O;
}

const Options &options() {
  static const Options O = readOptions();
  return O;
}

// Reasons that show in single instructions.
static unsigned instructionWhy(const Instruction &I) {
  if (isa<InvokeInst, CallBrInst, IndirectBrInst>(I))
    return isa<IndirectBrInst>(I) ? GREEN_WHY_NONE : GREEN_WHY_CONTROL;
  if (auto *A = dyn_cast<AllocaInst>(&I)) {
    if (!A->isStaticAlloca())
      return GREEN_WHY_DYNAMIC;
    // A move keeps addresses modulo 64.
    return A->getAlign().value() > 64 ? GREEN_WHY_CODEGEN : GREEN_WHY_NONE;
  }
  auto *CB = dyn_cast<CallBase>(&I);
  if (!CB)
    return GREEN_WHY_NONE;
  if (CB->hasFnAttr(Attribute::ReturnsTwice))
    return GREEN_WHY_RETURNS_TWICE;
  if (auto *CI = dyn_cast<CallInst>(CB); CI && CI->isMustTailCall())
    return GREEN_WHY_CONTROL;
  switch (CB->getIntrinsicID()) {
  case Intrinsic::vastart:
    return GREEN_WHY_VARARGS;
  case Intrinsic::stacksave:
  case Intrinsic::stackrestore:
    return GREEN_WHY_DYNAMIC;
  case Intrinsic::frameaddress:
  case Intrinsic::addressofreturnaddress:
  case Intrinsic::sponentry:
  case Intrinsic::localaddress:
#if LLVM_VERSION_MAJOR >= 22
  case Intrinsic::stackaddress:
#endif
  case Intrinsic::read_register:
  case Intrinsic::read_volatile_register:
  case Intrinsic::write_register:
  case Intrinsic::eh_sjlj_setjmp:
  case Intrinsic::eh_sjlj_longjmp:
    return GREEN_WHY_CONTROL;
  default:
    return GREEN_WHY_NONE;
  }
}

static unsigned staticWhy(const Function &F) {
  unsigned Why = GREEN_WHY_NONE;
  for (const Instruction &I : instructions(F)) {
    unsigned W = instructionWhy(I);
    if (W == GREEN_WHY_RETURNS_TWICE)
      return W; // the strongest: its frame may come to life again
    if (Why == GREEN_WHY_NONE || (W == GREEN_WHY_VARARGS && Why != W))
      Why = W != GREEN_WHY_NONE ? W : Why;
  }
  if (Why == GREEN_WHY_NONE && hasMisalignedPointers(F))
    Why = GREEN_WHY_AGGREGATE;
  return Why;
}

static bool isSubject(const Function &F) {
  return !F.isDeclaration() && !F.hasAvailableExternallyLinkage() &&
         !F.hasFnAttribute(Attribute::Naked);
}

// Calls out of a small stack must not run the dynamic linker on it.
static void bindEarly(Module &M) {
  for (Function &F : M)
    if (F.isDeclaration() && !F.isIntrinsic())
      F.addFnAttr(Attribute::NonLazyBind);
  if (!M.getRtLibUseGOT()) // -fno-plt has done so
    M.setRtLibUseGOT();
}

// By name, for -fno-builtin keeps clang from knowing them.
static void markReturnsTwice(Module &M) {
  for (StringRef Name : {"setjmp", "_setjmp", "sigsetjmp", "__sigsetjmp", "__sigsetjmp_cancel",
                         "savectx", "vfork", "getcontext"})
    if (Function *F = M.getFunction(Name); F && F->isDeclaration())
      F->addFnAttr(Attribute::ReturnsTwice);
}

// Whoever comes back by longjmp() may have left segments: libuser/unwind/leave.c. Most jumps
// are seen before; __builtin_longjmp() is one by what is put in front of it.
static void settleJumps(Function &F) {
  SmallVector<CallInst *, 4> Calls;
  for (Instruction &I : instructions(F))
    if (auto *CI = dyn_cast<CallInst>(&I))
      if (CI->hasFnAttr(Attribute::ReturnsTwice) ||
          CI->getIntrinsicID() == Intrinsic::eh_sjlj_setjmp ||
          CI->getIntrinsicID() == Intrinsic::eh_sjlj_longjmp)
        Calls.push_back(CI);
  Module &M = *F.getParent();
  Type *Void = Type::getVoidTy(M.getContext()), *Ptr = PointerType::get(M.getContext(), 0);
  for (CallInst *CI : Calls) {
    bool Before = CI->getIntrinsicID() == Intrinsic::eh_sjlj_longjmp;
    if (CI->isMustTailCall())
      continue;
    Instruction *At = Before ? CI : CI->getNextNode();
    IRBuilder<> B(At);
    B.SetCurrentDebugLocation(CI->getDebugLoc());
    if (Before) {
      // Its buffer: frame pointer, address, stack pointer.
      Value *SP = B.CreateLoad(Ptr, B.CreateConstGEP1_64(Ptr, CI->getArgOperand(0), 2));
      B.CreateCall(M.getOrInsertFunction("green_leave_frames", Void, Ptr), SP);
      continue;
    }
    // Where there is no limit there are no segments.
    Value *Green = B.CreateICmpNE(stackLimit(B), B.getInt64(0));
    B.SetInsertPoint(SplitBlockAndInsertIfThen(Green, At, false));
    B.SetCurrentDebugLocation(CI->getDebugLoc());
    FunctionCallee Landed = M.getOrInsertFunction("green_landed", Void);
    cast<Function>(Landed.getCallee())->setCallingConv(CallingConv::PreserveMost);
    CallInst *Call = B.CreateCall(Landed);
    Call->setCallingConv(CallingConv::PreserveMost);
    Call->setDoesNotThrow();
  }
}

class GreenPass : public PassInfoMixin<GreenPass> {
public:
  PreservedAnalyses run(Module &M, ModuleAnalysisManager &) {
    SmallVector<Function *, 0> Subjects;
    settleThreadLocals(M);
    distrustInference(M);
    markReturnsTwice(M);
    for (Function &F : M)
      if (isSubject(F)) {
        removeUnreachableBlocks(F);
        settleJumps(F);
        dropMarkers(F);
        chooseJumps(F);
        copyByvalArguments(F);
        splitAggregates(F);
        mergeAddresses(F);
        // Whatever calls can be suspended, or walked over by a barrier.
        F.addFnAttr("frame-pointer", "non-leaf");
        Subjects.push_back(&F);
      }
    DenseMap<const Function *, unsigned> Why;
    for (Function *F : Subjects)
      Why[F] = staticWhy(*F);
    if (options().Growth)
      bindEarly(M);
    auto Checked = functionsToCheck(M);
    Safepoints SP(M, Checked);
    // What cannot move anyway lets the frames that it calls move.
    DenseSet<const Function *> Shared;
    for (Function *F : Subjects)
      if (Why[F] != GREEN_WHY_NONE)
        Shared.insert(F);
    Escape Esc(M, Shared);
    DenseMap<const Function *, int64_t> Need;
    listNames(M);
    WaysOut Ways(M);
    for (Function *F : Subjects) {
      Instruction *At = behindEntry(*F);
      Needs N = needsOf(*F);
      Need[F] = needInFront(*F, Checked.contains(F), N);
      if (Checked.contains(F))
        insertGrowthChecks(*F, N);
      insertBarriers(*F, At, Esc, Shared.contains(F));
      Ways.route(*F, Esc, N);
      markFunction(*F, Need[F] != GREENCC_NO_TEST);
      if (Need[F] != GREENCC_NO_TEST)
        nameForCallers(*F);
    }
    Ways.emit();
    for (Function *F : Subjects) {
      if (Why[F] == GREEN_WHY_NONE)
        Why[F] = Esc.why(*F);
      if (!isSuspended(*F, SP)) {
        emitLeafRecord(*F, recordFlags(Why[F], Shared.contains(F), Need[F]), Need[F], Esc);
        continue;
      }
      if (Why[F] == GREEN_WHY_NONE)
        Why[F] = makeRelocatable(*F, SP, Esc);
      emitEntryRecord(*F, recordFlags(Why[F], Shared.contains(F), Need[F]), Need[F], Esc);
    }
    if (verifyModule(M, &errs()))
      report_fatal_error("greenpass made a broken module", false);
    return PreservedAnalyses::none();
  }

  static bool isRequired() { return true; }

private:
  static unsigned recordFlags(unsigned Why, bool Shared, int64_t Need) {
    return GREEN_MAP_ARGS | GREEN_MAP_LOCALS | GREEN_MAP_BARRIERS |
           (Why == GREEN_WHY_NONE ? GREEN_MAP_VERIFIED : 0) |
           (Need == GREENCC_NO_TEST ? 0 : GREEN_MAP_TESTS) |
           (Shared ? GREEN_MAP_SHARED : 0) | Why << 8 | needClass(Need) << GREEN_MAP_NEED_SHIFT;
  }

  // Of what the test in front of it asks for, see channel.h: rounded up.
  static unsigned needClass(int64_t Need) {
    if (Need == GREENCC_NO_TEST)
      return 0;
    uint64_t Bytes = Need & (GREENCC_FAR - 1) & ~7L;
    return Bytes == 0 ? 0 : Bytes <= SmallNeed ? 1 : Bytes <= UncheckedNeed ? 2 : 3;
  }

  static bool isSuspended(const Function &F, const Safepoints &SP) {
    return any_of(instructions(F), [&](const Instruction &I) {
      auto *CB = dyn_cast<CallBase>(&I);
      return CB && SP.suspends(*CB);
    });
  }

  static unsigned makeRelocatable(Function &F, const Safepoints &SP, const Escape &Esc) {
    rematerialise(F, SP, Esc);
    launderLocals(F, SP);
    separateSelects(F);
    Statepoints S(F, SP, Esc);
    if (S.why() == GREEN_WHY_NONE)
      S.rewrite();
    return S.why();
  }
};

// What the optimizer must not do is prevented before it begins.
class PreparePass : public PassInfoMixin<PreparePass> {
public:
  PreservedAnalyses run(Module &M, ModuleAnalysisManager &) {
    measureDepths(M);
    separateThreadLocals(M);
    return PreservedAnalyses::none();
  }
  static bool isRequired() { return true; }
};

} // namespace greenpass

extern "C" __attribute__((visibility("default"))) PassPluginLibraryInfo llvmGetPassPluginInfo() {
  return {LLVM_PLUGIN_API_VERSION, "greenpass", LLVM_VERSION_STRING,
          [](PassBuilder &PB) {
            PB.registerPipelineStartEPCallback([](ModulePassManager &MPM, auto...) {
              MPM.addPass(greenpass::PreparePass());
            });
            // LLVM 20 added the phase.
            PB.registerOptimizerLastEPCallback([](ModulePassManager &MPM, auto...) {
              MPM.addPass(greenpass::GreenPass());
            });
          }};
}
