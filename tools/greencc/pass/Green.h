// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
//
// greenpass: makes the frames of C functions relocatable.
//
// Every stack address that a function still needs after a call is made to lie
// in a word that a map names: a statepoint slot for values, a typed word for
// locals in memory. What cannot be brought into that form gets a reason and
// the function stays put. The maps leave the compiler in .llvm_stackmaps and
// are checked and rewritten by greenmap.
#ifndef GREENPASS_GREEN_H
#define GREENPASS_GREEN_H

#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/SmallPtrSet.h"
#include "llvm/ADT/SparseBitVector.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/InstrTypes.h"
#include "llvm/IR/IntrinsicInst.h"
#include "llvm/IR/Module.h"
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "../../../include/green/abi.h"
#include "../../../include/green_ptrmap.h"
#include "../channel.h"

namespace greenpass {

struct Options {
  bool Growth = true;     // entry checks
  bool Verbose = false;   // say which value keeps a function from moving
  bool AllMapped = false; // externs that are not libc have checks too
  bool WarnDepth = true;  // of stacks that are measured by addresses
  bool Sections = false;  // one for each function
  llvm::StringSet<> NotLibrary; // names that are the program's own, called by that alone
};
const Options &options();

// What is known of a callee by its name.
enum CalleeTrait : unsigned {
  NoSafepoint = 1,       // never parks, never calls back into mapped code
  SmallStack = 2,        // runs in SmallNeed bytes
  TinyStack = 256,       // ... in what is kept free anyway
  CapturesNone = 4,      // keeps neither its arguments nor pointers found in them
  CopiesMemory = 8,      // memcpy(dst, src, ...)
  StoresArg0ToArg1 = 16, // strtol(s, &end)
  StoresArg0ToArg2 = 32, // strtok_r(s, delim, &save)
  ReturnsContent = 64,   // strsep(&s, delim)
  Allocates = 128,       // returns no pointer that is derived from an argument
  SendsMemory = 512,     // write(fd, buf, n): its contents may come back
  SendsElements = 1024,  // fwrite(buf, size, n, file)
};
unsigned calleeTraits(const llvm::CallBase &CB);
void distrustInference(llvm::Module &M);
bool isLibraryName(llvm::StringRef Name); // there are such traits
// Calls need a place in the source if their function has one.
void placeInSource(llvm::IRBuilder<> &B);
bool isAllocator(llvm::StringRef Name);
bool isRuntimeCall(const llvm::CallBase &CB); // of libgreen
bool isDeferCall(const llvm::CallBase &CB);   // green_defer_*
bool isSelectCall(const llvm::CallBase &CB);  // green_*select

// Stack that must be free below the frame when a callee without entry checks
// is called. Two-way search of a string has a table of 2 KiB on its stack.
constexpr uint64_t UncheckedNeed = GREEN_ABI_NEED;
constexpr uint64_t SmallNeed = GREEN_ABI_NEED_SMALL;
// ... and when alloca() is, or a local has a variable size.
constexpr uint64_t DynamicNeed = GREEN_ABI_NEED_DYNAMIC;

bool isJump(const llvm::CallBase &CB); // TailCalls.cpp

// Which calls can come to a safepoint.
class Safepoints {
public:
  Safepoints(llvm::Module &M, const llvm::DenseSet<const llvm::Function *> &Checked);
  bool mayReach(const llvm::CallBase &CB) const;
  // ... with the caller's frame still there.
  bool suspends(const llvm::CallBase &CB) const { return !isJump(CB) && mayReach(CB); }
  // suspends, and of a form that a statepoint can wrap.
  bool isMapped(const llvm::CallBase &CB) const;

private:
  llvm::DenseSet<const llvm::Function *> Leaf;
};

// Of a function: its integers that may be addresses; see Integers.cpp.
class Integers {
public:
  explicit Integers(const llvm::Function &F);
  // Is V an integer that is followed like a pointer?
  bool carries(const llvm::Value &V) const { return Carriers.contains(&V); }
  // Does an address become an integer in I that is not?
  bool converted(const llvm::Instruction &I) const { return Converted.contains(&I); }
  // It is about to go.
  void forget(const llvm::Value *V) { Carriers.erase(V), Converted.erase(V); }
  template <class Fn> void each(Fn Do) const {
    for (const llvm::Value *V : Carriers)
      Do(V);
    for (const llvm::Value *V : Converted)
      Do(V);
  }

private:
  llvm::DenseSet<const llvm::Value *> Carriers, Converted;
};
bool isAddressAsInteger(const llvm::Value &V); // ptrtoint and its like
bool isIntegerSource(const llvm::Instruction &I); // ... a load of an integer, ...
bool hasInteger(llvm::Type *T); // anything that is no pointer

// Where the addresses of locals may go; a points-to analysis of the module.
class Escape {
public:
  // The locals of some functions are taken for shared.
  Escape(llvm::Module &M, const llvm::DenseSet<const llvm::Function *> &Shared);
  ~Escape();
  // GREEN_WHY_NONE or _CONTROL.
  unsigned why(const llvm::Function &F) const;
  // May V be, or hold, the address of a local that can move?
  bool holdsStackAddress(const llvm::Value &V) const;
  // May I make a number of one? If it reads memory, ask for the contents, too.
  bool becomesInteger(const llvm::Instruction &I) const;
  // May code that is not seen read or write A?
  bool shared(const llvm::AllocaInst &A) const;
  // Is all that Ptr may point to a local that is not shared?
  bool staysInside(const llvm::Value &Ptr) const;
  // May Ptr point to a local that is not shared, and else to nothing that moves?
  bool maybeInside(const llvm::Value &Ptr) const;
  // Does Ptr point into an own local, and V into the same one or to nothing that moves?
  bool isLoop(const llvm::Value &V, const llvm::Value &Ptr) const;
  // Is A immobile but for what comes before a check on entry? setPinned() tells
  // what it is called behind that.
  bool pinnedOnEntry(const llvm::Argument &A) const;
  // ... and the result of CB, but for what comes before a check behind it?
  bool pinnedResult(const llvm::CallBase &CB) const;
  void setPinned(const llvm::Value &V, const llvm::Value &Pinned);
  // Old is about to go, and New takes its place.
  void replace(const llvm::Value &Old, const llvm::Value &New);
  // May the Size bytes at Ptr + Off hold the address of a local that can move?
  // All that is near if the size is UINT64_MAX.
  bool contentsMove(const llvm::Value &Ptr, int64_t Off, uint64_t Size) const;
  // May a word of A hold one? Told apart are the words up to where they begin
  // again; all are alike if that is 0.
  uint64_t wordsToldApart(const llvm::AllocaInst &A) const;
  bool wordHoldsStackAddress(const llvm::AllocaInst &A, uint64_t Index) const;

private:
  using IntegersOf = llvm::DenseMap<const llvm::Function *, std::unique_ptr<Integers>>;
  struct Impl;
  class Watch;
  void watch(const llvm::Value *V);
  void forget(const llvm::Value *V, const llvm::Function *F);

  IntegersOf Ints;
  std::unique_ptr<Impl> I;
  std::deque<Watch> Watched;
};

bool containsPointer(llvm::Type *T);

// Lending.cpp
// Of a call whose callee is not seen: may argument I be used by it, but not be
// kept where no map names it?
bool isLent(const llvm::CallBase &CB, unsigned I);
// ... or be kept, if the callee is not mapped?
bool mayBeKept(const llvm::CallBase &CB, unsigned I);
bool isTry(const llvm::CallBase &CB);
// Of a call of printf() or its like: may it make text of its pointers' values?
bool printsAddresses(const llvm::CallBase &CB);
// Of a call that defers: does the runtime take argument I for an integer?
bool isDeferredInteger(const llvm::CallBase &CB, unsigned I);
// Do words land on words in this copy of memory? Words that land elsewhere, or in
// part, are in no map; the rest of a constant length is not looked at.
bool copiesWords(const llvm::Instruction &Copy);
// Does this llvm.ptrmask clear nothing but what a move keeps?
bool keepsLowBits(const llvm::IntrinsicInst &Mask);
llvm::AllocaInst *underlyingLocal(const llvm::Value &V);
// Metadata of a local that the pass made, in which no address ever lies.
constexpr char NumberOnly[] = "green.number";

// Lifetimes.cpp
llvm::AllocaInst *localThatDies(const llvm::Instruction &I); // or null
// The ends of lifetimes where what has been pinned can be forgotten, and matters: the
// stack could move behind.
llvm::SmallPtrSet<const llvm::Instruction *, 8> endsThatMatter(llvm::Function &F);
// Have the end of each of these locals lie within the room that is its own.
void separateLocals(llvm::Function &F, llvm::function_ref<bool(const llvm::AllocaInst &)> Of);
constexpr char Padded[] = "green.padded"; // metadata of one: a byte follows it
llvm::Type *typeOfLocal(const llvm::AllocaInst &A); // without that

// TailCalls.cpp: which calls become jumps. No other has a mark of one behind that.
void chooseJumps(llvm::Function &F);
// The blocks that are reached behind a use of the address of such a local.
llvm::DenseSet<const llvm::BasicBlock *>
behindAddresses(const llvm::Function &F,
                llvm::function_ref<bool(const llvm::AllocaInst &)> Of);
bool returnsOnly(const llvm::BasicBlock &BB); // ... what it may have merged

// Barrier.cpp
void insertBarriers(llvm::Function &F, llvm::Instruction *Entry, Escape &Esc, bool Stays);
void markFunction(llvm::Function &F, bool Tests);

// Layout.cpp
llvm::SmallVector<uint8_t, 8> localWords(const llvm::DataLayout &DL,
                                         llvm::Type *T, uint64_t Bytes,
                                         uint64_t &Period, bool &Misaligned);
void emitEntryRecord(llvm::Function &F, unsigned Flags, int64_t Need, const Escape &Esc);
// Of a function that no safepoint is reached from.
void emitLeafRecord(llvm::Function &F, unsigned Flags, int64_t Need, const Escape &Esc);
bool hasMisalignedPointers(const llvm::Function &F);

// Prepare.cpp: bring a function into the form that statepoints need.
void copyByvalArguments(llvm::Function &F);
void dropMarkers(llvm::Function &F);
void separateSelects(llvm::Function &F);
void launderLocals(llvm::Function &F, const Safepoints &SP);
void mergeAddresses(llvm::Function &F);
void rematerialise(llvm::Function &F, const Safepoints &SP, const Escape &Esc);

bool isDirectUse(const llvm::Use &U);      // it folds into an addressing mode
void recomputeAtUses(llvm::Instruction &I); // a copy of I for each

// Aggregates.cpp
void splitAggregates(llvm::Function &F);

// Depth.cpp: before the optimizer.
void measureDepths(llvm::Module &M);

// ThreadLocals.cpp: before the optimizer, and behind it.
void separateThreadLocals(llvm::Module &M);
void settleThreadLocals(llvm::Module &M);

// Growth.cpp
llvm::DenseSet<const llvm::Function *> functionsToCheck(llvm::Module &M);
llvm::Instruction *behindEntry(llvm::Function &F);
llvm::Value *stackLimit(llvm::IRBuilder<> &B); // of this OS thread; 0: none of ours
// Bytes that the calls of a function want below its frame: those that are always
// made, when it is entered; others of foreign code, when they are made.
struct Needs {
  uint64_t OnEntry = 0;
  llvm::SmallPtrSet<const llvm::CallBase *, 8> OnTheWay;
};
Needs needsOf(llvm::Function &F);
void insertGrowthChecks(llvm::Function &F, const Needs &N);
// For the test in front of F; see channel.h. Checked: it is in functionsToCheck().
int64_t needInFront(llvm::Function &F, bool Checked, const Needs &N);
// Are there arguments that a test in front of the callee would lose?
bool passesExotically(const llvm::Function &F);
bool passesExotically(const llvm::CallBase &CB);

// Names.cpp
void listNames(llvm::Module &M);
// Do callers take F for the C library's, and could it keep what that would not?
bool mistrustsCallers(const llvm::Function &F, const Escape &Esc);

// Outgoing.cpp
bool isPlainName(llvm::StringRef Name); // ... that assembly has as it is
// Are all arguments of the call in registers, each alone?
bool passesInRegisters(const llvm::CallBase &CB);
// Does it go by libuser/arch/x86_64/lend.S, which holds what is lent if the callee is foreign?
bool goesOut(const llvm::CallBase &CB);
// ... argument I too?
bool isHeldOutside(const llvm::CallBase &CB, unsigned I);
// Could a call of a function that is known by name?
bool canAskOnTheWay(const llvm::CallBase &CB);
// The name by which other files call F.
void nameForCallers(llvm::Function &F);

class WaysOut {
public:
  explicit WaysOut(llvm::Module &M) : M(M) {}
  void route(llvm::Function &F, Escape &Esc, const Needs &N);
  void emit(); // once, at the end

private:
  void callByName(llvm::CallInst &CI, bool Need);
  void list(llvm::StringRef Target, llvm::StringRef Name, const llvm::Function &Caller);

  llvm::Module &M;
  std::set<std::pair<std::string, std::string>> Listed; // the name; its caller's section
  // By the name that is called: the function, and the way to it.
  std::map<std::string, std::pair<std::string, std::string>> Ways;
};

// Statepoints.cpp
class Statepoints {
public:
  Statepoints(llvm::Function &F, const Safepoints &SP, const Escape &Esc);
  unsigned why() const { return Why; } // WHY_INTEGER or _AGGREGATE
  void rewrite();

private:
  void number(const Escape &Esc);
  void add(llvm::Value *V, const Escape &Esc);
  void solve();
  void collectLive();

  llvm::Function &F;
  const Safepoints &SP;
  unsigned Why = GREEN_WHY_NONE;
  llvm::DenseMap<const llvm::Value *, unsigned> Number;
  llvm::SmallVector<llvm::WeakTrackingVH, 0> Values;
  llvm::SmallVector<unsigned char, 0> Reason; // why a value must not be live
  llvm::DenseMap<const llvm::BasicBlock *, llvm::SparseBitVector<>> LiveOut;
  llvm::SmallVector<std::pair<llvm::CallInst *, llvm::SmallVector<unsigned, 4>>, 0>
      Calls;
};

} // namespace greenpass
#endif
