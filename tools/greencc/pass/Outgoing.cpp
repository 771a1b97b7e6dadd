// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
//
// Calls of functions that are not seen. Those that are mapped see to their stack
// themselves, and have barriers for what they are lent; for any other the caller
// must, and which is which shows when the program is linked. So another file's f()
// is called by a second name, f.green.M, where M has a bit for each pointer in one
// of the six registers for arguments:
//
// - a mapped f() that cannot be another in the end has that name as well, so that
//   such a call costs nothing;
// - each caller's file brings a weak f.green.M of its own, which goes to f() by way
//   of green_lend_M (libuser/arch/x86_64/lend.S): of foreign code, or of mapped code in a
//   library, or where caller and callee do not agree on the arguments.
//
// No linker need know that. The name is hidden, for a call that another library may
// take over goes by the table of such calls, as ever. Where a linker is told that f()
// is another function, it does not know that f.green.M is to be that, too: so each
// file lists these calls, and programs look where they lead (ways.h). Of a function
// that -fno-builtin-f names calls go by f alone.
//
// Calls through pointers go to green_lend_M with the function in r10.
//
// green_need_M does less: it only sees to the stack. By f.green.nM call those
// functions that ask for stack on the way to foreign code that is known to keep
// nothing, rather than on entry.
#include "Green.h"
#include "llvm/IR/InlineAsm.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/IntrinsicInst.h"

using namespace llvm;

namespace greenpass {

constexpr unsigned Registers = 6;

// -- how arguments are passed (System V) -----------------------------------------

namespace {

struct Arguments {
  bool Known = true;     // of a form that green_lend_*() can hand on
  bool Stack = false;    // some are on the stack
  unsigned Pointers = 0; // a bit for each register that holds one
  unsigned Kept = 0;     // ... that the callee may keep, for all that is known
  SmallVector<int, 8> Register;
  unsigned Words = 0, Floats = 0;

  int word() { return Words < Registers ? int(Words++) : (Stack = true, -1); }

  void add(Type *T, AttributeSet A, const DataLayout &DL) {
    int R = -1;
    Known &= !A.hasAttribute(Attribute::InReg) && !T->isAggregateType() &&
             !T->isIntegerTy(128) && !T->isX86_AMXTy();
    if (A.hasAttribute(Attribute::ByVal) || T->isX86_FP80Ty())
      Stack = true;
    else if (T->isPointerTy() || (T->isIntegerTy() && DL.getTypeSizeInBits(T) <= 64))
      R = word();
    else if (T->isFloatingPointTy() || T->isVectorTy())
      Stack |= Floats++ >= 8;
    else
      Known = false;
    Register.push_back(R);
  }
};

} // namespace

static bool isPlainConvention(CallingConv::ID CC) {
  return CC == CallingConv::C || CC == CallingConv::X86_64_SysV;
}

static Arguments argumentsOf(const Function &F) {
  Arguments P;
  P.Known = isPlainConvention(F.getCallingConv()) && !passesExotically(F);
  for (const Argument &A : F.args()) {
    P.add(A.getType(), F.getAttributes().getParamAttrs(A.getArgNo()),
          F.getParent()->getDataLayout());
    if (P.Register.back() >= 0 && A.getType()->isPointerTy())
      P.Pointers |= 1u << P.Register.back();
  }
  return P;
}

static Arguments argumentsOf(const CallBase &CB) {
  Arguments P;
  P.Known = isPlainConvention(CB.getCallingConv()) && !passesExotically(CB);
  for (unsigned I = 0; I < CB.arg_size(); I++) {
    Type *T = CB.getArgOperand(I)->getType();
    P.add(T, CB.getAttributes().getParamAttrs(I), CB.getModule()->getDataLayout());
    if (P.Register.back() < 0 || !T->isPointerTy() ||
        I >= CB.getFunctionType()->getNumParams())
      continue;
    P.Pointers |= 1u << P.Register.back();
    if (mayBeKept(CB, I))
      P.Kept |= 1u << P.Register.back();
  }
  return P;
}

// -- which calls ----------------------------------------------------------------

bool isPlainName(StringRef Name) {
  return !Name.empty() && all_of(Name, [](char C) {
    return isalnum(static_cast<unsigned char>(C)) || C == '_' || C == '.' || C == '$';
  });
}

// A direct callee that is not known to be mapped.
static Function *target(const CallBase &CB) {
  return dyn_cast<Function>(CB.getCalledOperand()->stripPointerCasts());
}

static bool canGoOut(const CallBase &CB) {
  auto *CI = dyn_cast<CallInst>(&CB);
  if (!CI || CI->isMustTailCall() || CB.isInlineAsm() || isa<IntrinsicInst>(CB) ||
      isRuntimeCall(CB) || CB.hasFnAttr(Attribute::ReturnsTwice))
    return false;
  const Function *F = target(CB);
  if (F && ((!F->isDeclaration() && !F->isInterposable()) || !isPlainName(F->getName())))
    return false;
  // A caller without a test of its own may run where there is no limit to look at.
  return CB.getModule()->getCodeModel() != CodeModel::Large &&
         !passesExotically(*CB.getFunction()) && argumentsOf(CB).Known;
}

bool passesInRegisters(const CallBase &CB) {
  Arguments P;
  for (unsigned I = 0; I < CB.arg_size(); I++)
    P.add(CB.getArgOperand(I)->getType(), CB.getAttributes().getParamAttrs(I),
          CB.getModule()->getDataLayout());
  return P.Known && !P.Stack;
}

bool goesOut(const CallBase &CB) {
  return options().Growth && !options().AllMapped && !calleeTraits(CB) && canGoOut(CB);
}

bool canAskOnTheWay(const CallBase &CB) { return target(CB) && canGoOut(CB); }

bool isHeldOutside(const CallBase &CB, unsigned I) {
  return goesOut(CB) && I < CB.getFunctionType()->getNumParams() &&
         argumentsOf(CB).Register[I] >= 0;
}

// -- names ----------------------------------------------------------------------

static std::string nameOf(StringRef F, bool Need, const Arguments &P, bool Variadic) {
  return (F + ".green." + (Need ? "n" : "") + Twine(P.Pointers) +
          (Variadic ? "v" : P.Stack ? "s" : ""))
      .str();
}

// Is it F that other files of the same program or library call by its name? Not in a
// library, unless it is hidden or protected. -fno-semantic-interposition, which lets
// its own file be sure, changes nothing for others.
static bool isFinal(const Function &F) {
  const Module &M = *F.getParent();
  bool Library = M.getPICLevel() != PICLevel::NotPIC && M.getPIELevel() == PIELevel::Default;
  return F.hasExternalLinkage() && F.isDSOLocal() && !F.hasComdat() &&
         !(Library && F.hasDefaultVisibility()) && isPlainName(F.getName());
}

// A label that greenmap puts there: f itself would make it a function for debuggers.
void nameForCallers(Function &F) {
  Arguments P = argumentsOf(F);
  if (!isFinal(F) || !P.Known)
    return;
  for (bool Need : {false, true}) {
    std::string Name = nameOf(F.getName(), Need, P, F.isVarArg());
    if (!Need || isLibraryName(F.getName()))
      F.getParent()->appendModuleInlineAsm("\t.globl\t" + Name + "\n\t.hidden\t" + Name +
                                           "\n\t.set\t" + Name + ", " +
                                           GREENCC_ENTRY_LABEL + F.getName().str());
  }
}

// -- calls ----------------------------------------------------------------------

// What nobody keeps is not to be held, but adjusted if the stack moves. Where
// arguments are on the stack, or are not all known, it is not moved.
static std::string wayName(const Arguments &P, bool Variadic, bool Need = false) {
  bool Far = P.Stack || Variadic, Lend = !Need && (P.Kept || !P.Pointers || Far);
  if (!Lend && Far)
    return "green_need_far";
  return (Twine(Lend ? "green_lend_" : "green_need_") + (Far ? "far_" : "") +
          Twine(Lend && !P.Kept ? 0 : P.Pointers))
      .str();
}

static FunctionCallee wayOut(Module &M, StringRef Name, FunctionType *FT) {
  FunctionCallee C = M.getOrInsertFunction(Name, FT);
  if (auto *F = dyn_cast<Function>(C.getCallee())) {
    F->addFnAttr(Attribute::NonLazyBind);
    // A program has libgreen, or the stubs; a library may find them elsewhere.
    F->setDSOLocal(M.getPICLevel() == PICLevel::NotPIC || M.getPIELevel() != PIELevel::Default);
  }
  return {FT, C.getCallee()};
}

// A call of what is at a pointer, which goes in r10. Room: there is stack enough.
static void callByPointer(CallInst &CI, Escape &Esc, bool Room) {
  Arguments P = argumentsOf(CI);
  for (unsigned I = 0; I < CI.arg_size(); I++)
    if (P.Register[I] >= 0 && !Esc.holdsStackAddress(*CI.getArgOperand(I)))
      P.Pointers &= ~(1u << P.Register[I]), P.Kept &= ~(1u << P.Register[I]);
  if (!P.Kept && Room)
    return;
  FunctionType *Old = CI.getFunctionType();
  SmallVector<Type *, 8> Types{CI.getCalledOperand()->getType()};
  Types.append(Old->param_begin(), Old->param_end());
  SmallVector<Value *, 8> Args{CI.getCalledOperand()};
  Args.append(CI.arg_begin(), CI.arg_end());
  auto *FT = FunctionType::get(CI.getType(), Types, Old->isVarArg());
  SmallVector<OperandBundleDef, 1> Bundles;
  CI.getOperandBundlesAsDefs(Bundles);
  auto *New = CallInst::Create(wayOut(*CI.getModule(), wayName(P, Old->isVarArg()), FT),
                               Args, Bundles, "", CI.getIterator());
  LLVMContext &C = CI.getContext();
  SmallVector<AttributeSet, 8> Attrs{
      AttributeSet::get(C, {Attribute::get(C, Attribute::Nest)})};
  for (unsigned I = 0; I < CI.arg_size(); I++)
    Attrs.push_back(CI.getAttributes().getParamAttrs(I));
  New->setAttributes(AttributeList::get(C, CI.getAttributes().getFnAttrs(),
                                        CI.getAttributes().getRetAttrs(), Attrs));
  New->setCallingConv(CI.getCallingConv());
  New->setTailCallKind(CI.getTailCallKind());
  New->copyMetadata(CI);
  New->setDebugLoc(CI.getDebugLoc());
  Esc.replace(CI, *New);
  New->takeName(&CI);
  CI.replaceAllUsesWith(New);
  CI.eraseFromParent();
}

// The linker may drop the section of one function without that of another.
static bool hasOwnSection(const Function &F) {
  return options().Sections || F.hasSection() || F.hasFnAttribute(Attribute::Cold) ||
         F.hasFnAttribute(Attribute::Hot);
}

void WaysOut::list(StringRef Target, StringRef Name, const Function &Caller) {
  std::string Section = hasOwnSection(Caller) ? Caller.getName().str() : "";
  if (Listed.insert({Name.str(), Section}).second)
    M.appendModuleInlineAsm((Twine(GREENCC_WAY) + Target + " " + Name + " " + Caller.getName()).str());
}

void WaysOut::callByName(CallInst &CI, bool Need) {
  Function &F = *target(CI);
  Arguments P = argumentsOf(CI);
  bool Variadic = CI.getFunctionType()->isVarArg();
  bool Own = options().NotLibrary.contains(F.getName());
  std::string Name = nameOf(F.getName(), Need, P, Variadic) + (Own ? ".own" : "");
  auto &[Target, By] = Ways[Name];
  std::string Way = wayName(P, Variadic, Need);
  Target = F.getName().str();
  if (!Own)
    list(Target, Name, *CI.getFunction());
  // Where calls differ, the one that promises less counts.
  if (By.empty() || StringRef(Way).starts_with("green_lend_"))
    By = Way;
  Function *G = M.getFunction(Name);
  if (!G) {
    G = Function::Create(F.getFunctionType(), GlobalValue::ExternalLinkage, Name, M);
    G->copyAttributesFrom(&F);
    G->removeFnAttr(Attribute::NonLazyBind);
    G->setLinkage(GlobalValue::ExternalLinkage);
    G->setVisibility(GlobalValue::HiddenVisibility);
    G->setDSOLocal(true);
    G->setComdat(nullptr);
  }
  CI.setCalledOperand(G);
}

void WaysOut::route(Function &F, Escape &Esc, const Needs &N) {
  SmallVector<CallInst *, 16> Lend, Need;
  for (Instruction &I : instructions(F)) {
    auto *CI = dyn_cast<CallInst>(&I);
    if (CI && goesOut(*CI))
      Lend.push_back(CI);
    else if (CI && N.OnTheWay.contains(CI))
      Need.push_back(CI);
  }
  for (CallInst *CI : Lend)
    if (target(*CI))
      callByName(*CI, false);
    else
      callByPointer(*CI, Esc, N.OnEntry >= UncheckedNeed);
  for (CallInst *CI : Need)
    callByName(*CI, true);
}

// It has no type and no size: a name of nothing that has frames.
static std::string stub(StringRef Name, StringRef Target, const Twine &By, bool Unwind) {
  std::string Section = "\t.section\t.text.green_calls,\"ax\",@progbits\n";
  if (!Name.ends_with(".own"))
    Section = (Twine("\t.section\t.text.green_calls,\"axG\",@progbits,") + Name +
               ",comdat\n\t.weak\t" + Name + "\n\t.hidden\t" + Name + "\n").str();
  return (Section + Name + ":\n" +
          (Unwind ? "\t.cfi_startproc\n" : "") + "\tmovq\t" + Target +
          "@GOTPCREL(%rip), %r10\n\tjmpq\t*" + By + "@GOTPCREL(%rip)\n" +
          (Unwind ? "\t.cfi_endproc\n" : "") + "\t.text")
      .str();
}

void WaysOut::emit() {
  bool Unwind = any_of(M, [](const Function &F) { return F.hasUWTable(); });
  for (auto &[Name, Way] : Ways)
    M.appendModuleInlineAsm(stub(Name, Way.first, Way.second, Unwind));
}

} // namespace greenpass
