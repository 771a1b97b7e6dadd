// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
//
// An inclusion-based points-to analysis, insensitive to flow and calling context,
// that tells the words of a local apart.
//
// A node stands for what a variable may point to: a set of objects. The objects
// are
//   Outside  memory that no frame owns, and what is pinned: nothing that moves;
//   Param    memory in some frame, not known in which;
//   lent     one for each pointer that a function has from callers that are not
//            seen, for the memory that it points to;
//   place    one for each offset in a local that something may point to.
// Offsets count modulo the size of an element where the local is an array, and a
// place may be anywhere in its local. What a local contains is a node a word.
//
// All but the places are foreign: code that is not seen reads and writes them. So
// are those of shared locals. What is read from foreign memory points outside. What
// is read from a shared local that is called own may be an address in that local, too.
#ifndef GREENPASS_POINTSTO_H
#define GREENPASS_POINTSTO_H

#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/SparseBitVector.h"
#include "llvm/IR/Instructions.h"
#include <vector>

namespace greenpass {

// Bytes of what a pointer points to, from its target on.
struct Range {
  int64_t Off = 0;
  uint64_t Size = UINT64_MAX; // all there is, also in front of it
  bool whole() const { return Size == UINT64_MAX; }
};

class PointsTo {
public:
  using Set = llvm::SparseBitVector<>;
  enum : unsigned { Outside, Param, FirstObject };

  explicit PointsTo(const llvm::DataLayout &DL);

  unsigned newNode();
  unsigned newLentObject(const llvm::Argument &A);
  enum Sharing { Private, SharedLocal, OwnLocal };
  void addLocal(const llvm::AllocaInst &A, Sharing S);
  unsigned placeOf(const llvm::AllocaInst &A); // the object at its start

  // Constraints.
  void point(unsigned N, unsigned Object);
  void copy(unsigned From, unsigned To);
  // To is From plus Off, plus any multiple of Stride if that is not 0.
  void shift(unsigned From, unsigned To, int64_t Off, uint64_t Stride);
  void load(unsigned Ptr, unsigned To, Range R);
  void store(unsigned Val, unsigned Ptr, Range R);
  void copyMemory(unsigned Src, unsigned Dst, uint64_t Size);
  void leakContents(unsigned Ptr, Range R); // they go to foreign memory
  void escape(unsigned Val) { copy(Val, Leaked); }
  void hold(unsigned Val) { copy(Val, Held); }
  void lend(unsigned Ptr) { copy(Ptr, Lent); }
  void convert(unsigned Ptr) { copy(Ptr, Converted); }
  void solve();

  // Results.
  const llvm::AllocaInst *localOf(unsigned Object) const;
  const llvm::Argument *argumentOf(unsigned Object) const { return Objects[Object].Lender; }
  const Set &points(unsigned N) const { return Nodes[N].Points; }
  bool foreign(unsigned Object) const { return Foreign.test(Object); }
  bool shared(const llvm::AllocaInst &A) const;
  const llvm::DenseMap<const llvm::AllocaInst *, unsigned> &localIndices() const {
    return LocalIndex;
  }
  // Does a node point to memory that can move? What lies outside is pinned.
  bool movable(unsigned N) const;
  bool contentsMovable(unsigned Ptr, Range R) const;
  uint64_t period(const llvm::AllocaInst &A) const;
  bool wordMovable(const llvm::AllocaInst &A, uint64_t Index) const;

  unsigned Nothing = 0;     // a node that stays empty
  unsigned OutsideOnly = 0; // one that points outside
  unsigned Top = 0;         // ... outside and into some frame
  unsigned Leaked = 0;      // what may be stored in foreign memory
  unsigned Held = 0;        // ... by a callee that pins it
  unsigned Lent = 0;        // what code that is not seen may read and write
  unsigned Converted = 0;   // what becomes integers that are not followed, and is pinned then
  unsigned InRegister = 0;  // what assembly statements are given in registers

private:
  static constexpr int64_t Anywhere = -1;
  static constexpr unsigned MaxPlaces = 256; // of a local; the others are anywhere

  struct Flow {
    unsigned To;
    int64_t Off;
    uint64_t Stride;
  };
  struct Access {
    unsigned Node;
    Range R;
  };
  struct Filter {
    unsigned To;
    int Local;
  };
  struct MemoryCopy {
    unsigned Other;
    uint64_t Size;
  };
  struct Node {
    Set Points;
    Set Seen; // of Points: visited with all that follows from it
    llvm::SmallVector<unsigned, 2> Copies;       // Points flows to these
    llvm::SmallVector<Flow, 1> Shifts;           // ... at another place
    llvm::SmallVector<Filter, 0> Filters;        // what of Points lies in a local flows to these
    llvm::SmallVector<Access, 1> Loads;          // contents of Points flow to these
    llvm::SmallVector<Access, 1> Stores;         // these flow to contents of Points
    llvm::SmallVector<MemoryCopy, 1> CopiesTo;   // contents to contents of these
    llvm::SmallVector<MemoryCopy, 1> CopiesFrom; // ... from contents of these
    llvm::SmallVector<Range, 1> Leaks;           // contents that go to foreign memory
    bool SeenForeign = false;                    // something foreign is among Seen
  };
  struct Object {
    const llvm::Argument *Lender = nullptr;
    int Local = -1;
    int64_t Off = 0;
  };
  struct Local {
    Local(const llvm::AllocaInst &A, uint64_t Period, bool Shared, unsigned Contents)
        : A(&A), Period(Period), Shared(Shared), All(Contents), Any(Contents) {}
    const llvm::AllocaInst *A;
    uint64_t Period; // bytes after which offsets count from 0 again; 0: no word is told apart
    bool Shared;
    bool Own = false;
    unsigned All, Any; // nodes: flows into each word; each word flows into it
    llvm::DenseMap<int64_t, unsigned> Places, Words;
    llvm::SmallVector<unsigned, 4> Objects;
  };

  unsigned newObject(int Local, int64_t Off, const llvm::Argument *Lender);
  unsigned place(unsigned Local, int64_t Off);
  unsigned shifted(unsigned Object, int64_t Off, uint64_t Stride);
  unsigned word(unsigned Local, uint64_t Index);
  bool indices(unsigned Object, Range R, llvm::SmallVectorImpl<uint64_t> &Out) const;
  bool words(unsigned Object, Range R, llvm::SmallVectorImpl<unsigned> &Out);
  bool wordMovable(const Local &L, uint64_t Index) const;
  void merge(const Set &From, unsigned To);
  void visit(unsigned N);
  void visitPlace(unsigned N, unsigned O);
  void visitForeign(unsigned N);
  void visitOwn(unsigned N, unsigned O);
  void filter(unsigned From, unsigned To, int Local);
  bool told(const Local &L) const { return L.Period && (L.Own || !L.Shared); }
  bool isOwn(unsigned O) const { return Objects[O].Local >= 0 && Locals[Objects[O].Local].Own; }
  void loadFrom(unsigned O, Range R, unsigned To);
  void storeTo(unsigned O, Range R, unsigned Val);
  void copyBetween(unsigned Src, unsigned Dst, uint64_t Size);
  void share(const Set &Now);

  const llvm::DataLayout &DL;
  std::vector<Node> Nodes;
  std::vector<Object> Objects;
  std::vector<Local> Locals;
  llvm::DenseMap<const llvm::AllocaInst *, unsigned> LocalIndex;
  llvm::DenseSet<std::pair<unsigned, unsigned>> Edges, FilterEdges;
  std::vector<unsigned> Work;
  Set Foreign;
};

} // namespace greenpass
#endif
