// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
//
// What a barrier is made of: a test, and behind it a call that is seldom made. The
// runtime's functions are those of libuser/stack/pin.c.
#ifndef GREENPASS_BARRIERCODE_H
#define GREENPASS_BARRIERCODE_H

#include "Green.h"

namespace greenpass {

class BarrierCode {
public:
  // Stays: F is never moved, and its own locals need no pins.
  BarrierCode(llvm::Function &F, bool Stays)
      : F(F), M(*F.getParent()), C(F.getContext()), DL(M.getDataLayout()), Stays(Stays) {}

protected:
  // Pin what V holds, of whatever type that is. Dest is null, or perhaps in a local
  // that maps name, which Ask finds out.
  void checkValue(llvm::Instruction *At, llvm::Value *V, llvm::Value *Dest = nullptr,
                  llvm::StringRef Ask = "green_escape_to");
  void checkWord(llvm::Instruction *At, llvm::Value *V, llvm::Value *Dest = nullptr,
                 llvm::StringRef Ask = "green_escape_to");
  void everything(llvm::Instruction *At);
  // Is V the address of a local, which stays where it is?
  bool stays(const llvm::Value &V) const;

  // Where code is reached only if V is a stack address; if something may be pinned in F.
  llvm::Instruction *ifOnStack(llvm::Instruction *At, llvm::Value *V);
  llvm::Instruction *ifPinned(llvm::Instruction *At);
  llvm::CallInst *call(llvm::Instruction *Cold, llvm::StringRef Name,
                       llvm::ArrayRef<llvm::Value *> Args);
  // Widen what is at Ptr to all words that have something of it.
  void wholeWords(llvm::Instruction *At, llvm::Value *&Ptr, llvm::Value *&Bytes);

  llvm::Function &F;
  llvm::Module &M;
  llvm::LLVMContext &C;
  const llvm::DataLayout &DL;
  bool Stays;

private:
  llvm::FunctionCallee runtime(llvm::StringRef Name, llvm::ArrayRef<llvm::Type *> Params);
  llvm::Instruction *branch(llvm::Instruction *At, llvm::StringRef Text,
                            llvm::StringRef Constraints, llvm::ArrayRef<llvm::Value *> Args);
  llvm::MDNode *rare();
  void checkElements(llvm::Instruction *At, llvm::Value *V, unsigned N);
  void checkWords(llvm::Instruction *At, llvm::Value *V, unsigned N, llvm::Value *Dest,
                  llvm::StringRef Ask);
};

} // namespace greenpass
#endif
