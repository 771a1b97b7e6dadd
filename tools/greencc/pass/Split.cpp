// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
//
// A check inside of a function (Growth.cpp) comes after its prologue has laid out the frame
// and may have spilled to the far end of it. Where the frame is larger than the
// room that the runtime keeps free, the function becomes a thunk with a small
// frame, which checks and then calls the former body, "name.frame".
#include "Green.h"
#include "llvm/ADT/StringExtras.h"

using namespace llvm;

namespace greenpass {

constexpr uint64_t LargeLocals = 2048;
constexpr uint64_t SpillRoom = 1024; // beside the locals
constexpr char RoomAttribute[] = "greencc-frame-room";

bool isSplitBody(const Function &F) { return F.hasFnAttribute(RoomAttribute); }

// Bytes that F's frame may take before the stack has been tested.
uint64_t frameRoom(const Function &F) {
  if (!options().Growth || testsInFront(F))
    return INT32_MAX;
  if (!isSplitBody(F))
    return F.hasFnAttribute("probe-stack") ? INT32_MAX : GREENCC_UNCHECKED_FRAME;
  uint64_t Room = 0;
  F.getFnAttribute(RoomAttribute).getValueAsString().getAsInteger(10, Room);
  return Room;
}

static uint64_t largeFrame(const Function &F) {
  if (auto It = options().Thunks.find(F.getName()); It != options().Thunks.end())
    return It->second + SpillRoom;
  uint64_t Bytes = 0;
  for (const Instruction &I : F.getEntryBlock())
    if (auto *A = dyn_cast<AllocaInst>(&I); A && A->isStaticAlloca())
      Bytes += A->getAllocationSize(F.getParent()->getDataLayout())->getFixedValue() +
               A->getAlign().value();
  return Bytes > LargeLocals ? Bytes + SpillRoom : 0;
}

// The thunk takes the name, the linkage and all uses but the addresses of
// labels, which belong to the body.
static Function *makeThunk(Function &F) {
  Function *T = Function::Create(F.getFunctionType(), F.getLinkage(),
                                 F.getAddressSpace(), "", F.getParent());
  T->copyAttributesFrom(&F);
  T->setComdat(F.getComdat());
  T->takeName(&F);
  F.replaceUsesWithIf(T, [](Use &U) { return !isa<BlockAddress>(U.getUser()); });
  return T;
}

static void fillThunk(Function &T, Function &F) {
  IRBuilder<> B(BasicBlock::Create(T.getContext(), "", &T));
  SmallVector<Value *, 8> Args;
  for (Argument &A : T.args())
    Args.push_back(&A);
  CallInst *C = B.CreateCall(&F, Args);
  C->setCallingConv(F.getCallingConv());
  // How arguments are passed; what the function may do is its own matter.
  AttributeList A = F.getAttributes();
  C->setAttributes(A.removeFnAttributes(F.getContext()));
  if (T.getReturnType()->isVoidTy())
    B.CreateRetVoid();
  else
    B.CreateRet(C);
}

static void split(Function &F, uint64_t Room) {
  Function *T = makeThunk(F);
  F.setName(T->getName() + ".frame");
  F.setComdat(nullptr);
  F.setLinkage(GlobalValue::InternalLinkage);
  F.setVisibility(GlobalValue::DefaultVisibility);
  F.setDSOLocal(true);
  F.removeFnAttr(Attribute::AlwaysInline);
  F.addFnAttr(Attribute::NoInline);
  F.addFnAttr(RoomAttribute, utostr(Room));
  T->removeFnAttr(RoomAttribute);
  fillThunk(*T, F);
}

void splitLargeFrames(Module &M) {
  SmallVector<std::pair<Function *, uint64_t>, 8> Large;
  for (Function &F : M)
    if (!F.isDeclaration() && !F.hasAvailableExternallyLinkage() &&
        !F.hasFnAttribute(Attribute::Naked) && !testsInFront(F))
      if (uint64_t Room = largeFrame(F))
        Large.push_back({&F, Room});
  for (auto [F, Room] : Large) {
    // Variable arguments cannot be passed on. Touch each page on the way down,
    // so that a guard page is hit and not jumped over.
    if (F->isVarArg())
      F->addFnAttr("probe-stack", "inline-asm");
    else
      split(*F, Room);
  }
}

} // namespace greenpass
