// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
//
// What is known of the C library by name (Calls.cpp), where a program has a function
// of that name itself.
//
// If that is mapped, it knows that its callers are mistaken in it: what they pass may
// lead to addresses in the stack that are not held. So where it is passed one itself,
// the whole stack is held, once and for all; unless it is seen to do nothing with it
// that matters.
//
// Which function a caller gets shows when the program runs. Each file lists the names
// that it relied on, and green_run() looks at what they have become (libuser/names.c):
// the C library's, or a mapped one of that name. libgreen's own calls are listed, too.
// What compilers call by themselves, like memcpy(), has to be what they expect: it is
// listed where it is called for sure.
#include "Green.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/IntrinsicInst.h"

using namespace llvm;

namespace greenpass {

// The name that is relied on in a call, or "".
static StringRef reliedOn(const CallBase &CB) {
  if (auto *I = dyn_cast<MemIntrinsic>(&CB)) {
    if (isa<ConstantInt>(I->getLength()))
      return ""; // it may become a few moves
    StringRef Name = isa<MemSetInst>(I) ? "memset" : isa<MemMoveInst>(I) ? "memmove" : "memcpy";
    return options().NotLibrary.contains(Name) ? "" : Name;
  }
  if (!calleeTraits(CB) && !isRuntimeCall(CB))
    return "";
  StringRef Name = CB.getCalledOperand()->stripPointerCasts()->getName();
  // Calls that the pass has made are not the program's.
  return Name == "green_landed" || Name == "green_leave_frames" ? "" : Name;
}

void listNames(Module &M) {
  std::set<std::string> Found;
  for (Function &F : M)
    for (Instruction &I : instructions(F))
      if (auto *CB = dyn_cast<CallBase>(&I))
        if (StringRef Name = reliedOn(*CB); !Name.empty())
          Found.insert(Name.str());
  // A group for each, so that a program has each once.
  for (const std::string &Name : Found)
    M.appendModuleInlineAsm("\t.section\tgreen_names,\"aG\",@progbits,green_name." + Name +
                            ",comdat\n\t.p2align\t2\n\t.long\t" + Name +
                            "@GOTPCREL\n\t.long\t.Lgreen_name." + Name +
                            "-.\n\t.section\t.rodata.str1.1,\"aMS\",@progbits,1\n"
                            ".Lgreen_name." +
                            Name + ":\n\t.asciz\t\"" + Name + "\"\n\t.text");
}

// The name that its callers take F for.
StringRef libraryNameOf(const Function &F) {
  if (F.hasLocalLinkage() && !F.hasAddressTaken())
    return "";
  if (!F.hasLocalLinkage() && isLibraryName(F.getName()))
    return F.getName();
  for (const GlobalAlias &A : F.getParent()->aliases())
    if (A.getAliaseeObject() == &F && isLibraryName(A.getName()))
      return A.getName();
  return "";
}

static bool copies(StringRef Name) {
  return Name == "memcpy" || Name == "memmove" || Name == "mempcpy";
}

// Neither what F is passed nor what that leads to gets anywhere by I.
static bool isHarmless(const Instruction &I, bool Copies) {
  const DataLayout &DL = I.getModule()->getDataLayout();
  if (auto *L = dyn_cast<LoadInst>(&I))
    return Copies || underlyingLocal(*L->getPointerOperand()) ||
           DL.getTypeStoreSize(L->getType()) < 8;
  if (isa<AtomicRMWInst, AtomicCmpXchgInst, VAArgInst>(I))
    return false;
  auto *CB = dyn_cast<CallBase>(&I);
  if (!CB)
    return true;
  if (isa<MemTransferInst>(I))
    return Copies;
  if (isa<IntrinsicInst>(I))
    return true;
  unsigned Traits = calleeTraits(*CB);
  return (isRuntimeCall(*CB) && !isDeferCall(*CB) && !isTry(*CB)) ||
         (Traits & CapturesNone && !(Traits & (CopiesMemory | ReturnsContent)));
}

bool mistrustsCallers(const Function &F, const Escape &Esc) {
  StringRef Name = libraryNameOf(F);
  if (Name.empty())
    return false;
  if (F.getReturnType()->isPointerTy() && isAllocator(Name))
    return true;
  return any_of(F.args(), [&](const Argument &A) { return Esc.pinnedOnEntry(A); }) ||
         !all_of(instructions(F),
                 [&](const Instruction &I) { return isHarmless(I, copies(Name)); });
}

} // namespace greenpass
