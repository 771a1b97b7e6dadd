// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
//
// Where what a function has pinned of its own is forgotten.
#ifndef GREENPASS_PINENDS_H
#define GREENPASS_PINENDS_H

#include "BarrierCode.h"

namespace greenpass {

class PinEnds : BarrierCode {
public:
  // Before the barriers, which make new blocks.
  PinEnds(llvm::Function &F, const Escape &Esc, bool Stays)
      : BarrierCode(F, Stays), Esc(Esc), Ends(returnsOfPinned()) {}
  void emit(); // behind them

private:
  llvm::SmallVector<llvm::Instruction *, 4> returnsOfPinned();
  void separate(llvm::BasicBlock &BB, const llvm::DenseSet<const llvm::BasicBlock *> &Behind);
  void endsOfLocals();

  const Escape &Esc;
  llvm::SmallVector<llvm::Instruction *, 4> Ends;
};

} // namespace greenpass
#endif
