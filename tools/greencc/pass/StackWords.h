// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
//
// Words of a module that come from addresses in stacks, before the optimizer begins.
//
// A word is a pointer or an integer of 64 bits. It is followed from the address of a
// frame or a local through casts, offsets and other arithmetic, through variables that
// are only loaded and stored, and through the arguments and results of functions that
// are seen. The difference of two such words is none.
#ifndef GREENPASS_STACKWORDS_H
#define GREENPASS_STACKWORDS_H

#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/IR/InstrTypes.h"
#include "llvm/IR/Module.h"

namespace greenpass {

// __builtin_frame_address(0), unless it is for __builtin_setjmp().
bool isFrameAddress(const llvm::Value &V);
// The local that V is the address of, at whatever offset.
const llvm::Value *localAt(const llvm::Value *V);
// The function that a call is of, if its body is seen.
llvm::Function *seenCallee(const llvm::CallBase &CB);
// Are all calls of F seen?
bool areCallsSeen(const llvm::Function &F);

class StackWords {
public:
  explicit StackWords(llvm::Module &M);

  // An instruction, an argument; a variable: what is in it; a function: its result.
  // The addresses of frames are among them, those of locals are not.
  bool contains(const llvm::Value *V) const { return Words.contains(V); }
  // The variable that Ptr is the address of, if it is followed.
  const llvm::Value *variable(const llvm::Value *Ptr);
  // Is the result of I a word that comes from U?
  static bool handsOn(const llvm::Instruction &I, const llvm::Use &U);
  bool isDistance(const llvm::Instruction &I) const { return Distances.contains(&I); }
  // If not, the above is not to be relied on.
  bool isSettled() const { return Settled; }

private:
  void add(const llvm::Value *V);
  void follow(const llvm::Use &U);
  void followLocal(const llvm::Value &Address);
  void followVariable(const llvm::Value &Ptr);
  void followResult(const llvm::Value &F);
  void followAll();

  llvm::Module &M;
  llvm::DenseMap<const llvm::Value *, bool> Variables;
  llvm::DenseSet<const llvm::Value *> Words;
  llvm::DenseSet<const llvm::Instruction *> Distances;
  llvm::SmallVector<const llvm::Value *, 64> Work;
  bool Settled = false;
};

} // namespace greenpass
#endif
