// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
#include "PointsTo.h"
#include "Green.h"

using namespace llvm;

namespace greenpass {

PointsTo::PointsTo(const DataLayout &DL) : DL(DL) {
  Nothing = newNode();
  OutsideOnly = newNode();
  Top = newNode();
  Leaked = newNode();
  Held = newNode();
  Lent = newNode();
  Converted = newNode();
  InRegister = newNode();
  for (unsigned O = 0; O < FirstObject; O++)
    newObject(-1, 0, nullptr);
  point(OutsideOnly, Outside);
  point(Top, Outside);
  point(Top, Param);
  copy(InRegister, Leaked);
}

unsigned PointsTo::newNode() {
  Nodes.emplace_back();
  return Nodes.size() - 1;
}

// -- objects -----------------------------------------------------------------

unsigned PointsTo::newObject(int Local, int64_t Off, const Argument *Lender) {
  unsigned O = Objects.size();
  Objects.push_back({Lender, Local, Off});
  if (Local < 0 || Locals[Local].Shared)
    Foreign.set(O);
  return O;
}

unsigned PointsTo::newLentObject(const Argument &A) { return newObject(-1, 0, &A); }

// Bytes after which the words of a local begin again, or 0 if they are all alike.
static uint64_t periodOf(const DataLayout &DL, const AllocaInst &A) {
  constexpr uint64_t Small = 128; // its words are told apart, whatever it is
  auto *N = dyn_cast<ConstantInt>(A.getArraySize());
  if (!N)
    return 0;
  Type *T = N->isOne() ? A.getAllocatedType()
                       : ArrayType::get(A.getAllocatedType(), N->getZExtValue());
  uint64_t Bytes = DL.getTypeAllocSize(T);
  while (auto *Array = dyn_cast<ArrayType>(T)) {
    T = Array->getElementType();
    if (!T->isAggregateType() || DL.getTypeAllocSize(T) % 8)
      return Bytes <= Small ? alignTo(Bytes, 8) : 0;
  }
  return alignTo(DL.getTypeAllocSize(T), 8);
}

void PointsTo::addLocal(const AllocaInst &A, Sharing S) {
  LocalIndex[&A] = Locals.size();
  unsigned All = S == SharedLocal ? OutsideOnly : newNode();
  Locals.push_back(Local(A, periodOf(DL, A), S != Private, All));
  Locals.back().Own = S == OwnLocal;
  if (S == OwnLocal)
    point(All, Outside);
  if (!told(Locals.back()))
    return;
  unsigned Any = newNode();
  Locals.back().Any = Any;
  copy(All, Any);
}

unsigned PointsTo::place(unsigned L, int64_t Off) {
  uint64_t Period = Locals[L].Period;
  if (!Period)
    Off = Anywhere;
  if (Off != Anywhere) {
    Off %= (int64_t)Period;
    Off += Off < 0 ? Period : 0;
  }
  auto It = Locals[L].Places.find(Off);
  if (It != Locals[L].Places.end())
    return It->second;
  if (Off != Anywhere && Locals[L].Places.size() >= MaxPlaces)
    return place(L, Anywhere);
  unsigned O = newObject(L, Off, nullptr);
  Locals[L].Places[Off] = O;
  Locals[L].Objects.push_back(O);
  return O;
}

unsigned PointsTo::placeOf(const AllocaInst &A) { return place(LocalIndex[&A], 0); }

unsigned PointsTo::shifted(unsigned O, int64_t Off, uint64_t Stride) {
  int L = Objects[O].Local;
  if (L < 0 || Objects[O].Off == Anywhere)
    return O;
  if (Stride && (!Locals[L].Period || Stride % Locals[L].Period))
    return place(L, Anywhere);
  uint64_t Period = Locals[L].Period;
  return place(L, (int64_t)(((uint64_t)Objects[O].Off + Off % (int64_t)Period + Period) % Period));
}

unsigned PointsTo::word(unsigned L, uint64_t Index) {
  auto It = Locals[L].Words.find(Index);
  if (It != Locals[L].Words.end())
    return It->second;
  unsigned N = newNode();
  Locals[L].Words[Index] = N;
  copy(Locals[L].All, N);
  copy(N, Locals[L].Any);
  return N;
}

// Which words are in a range? False if that is not certain.
bool PointsTo::indices(unsigned O, Range R, SmallVectorImpl<uint64_t> &Out) const {
  const Local &L = Locals[Objects[O].Local];
  if (!told(L) || Objects[O].Off == Anywhere || R.whole() || !R.Size)
    return false;
  uint64_t First = (Objects[O].Off + R.Off % (int64_t)L.Period + L.Period) % L.Period;
  uint64_t Last = First + std::min(R.Size, L.Period) - 1;
  for (uint64_t W = First / 8; W <= Last / 8; W++)
    Out.push_back(W % (L.Period / 8));
  return true;
}

// ... and the nodes of them.
bool PointsTo::words(unsigned O, Range R, SmallVectorImpl<unsigned> &Out) {
  SmallVector<uint64_t, 8> Indices;
  if (!indices(O, R, Indices))
    return false;
  for (uint64_t W : Indices)
    Out.push_back(word(Objects[O].Local, W));
  return true;
}

const AllocaInst *PointsTo::localOf(unsigned O) const {
  return Objects[O].Local < 0 ? nullptr : Locals[Objects[O].Local].A;
}

// -- constraints -------------------------------------------------------------

void PointsTo::point(unsigned N, unsigned O) {
  if (Nodes[N].Points.test_and_set(O))
    Work.push_back(N);
}

void PointsTo::copy(unsigned From, unsigned To) {
  if (From == To || !Edges.insert({From, To}).second)
    return;
  Nodes[From].Copies.push_back(To);
  merge(Nodes[From].Points, To);
}

void PointsTo::merge(const Set &From, unsigned To) {
  if (Nodes[To].Points |= From)
    Work.push_back(To);
}

void PointsTo::shift(unsigned From, unsigned To, int64_t Off, uint64_t Stride) {
  if (!Off && !Stride)
    return copy(From, To);
  Nodes[From].Shifts.push_back({To, Off, Stride});
  Work.push_back(From);
}

void PointsTo::load(unsigned Ptr, unsigned To, Range R) {
  Nodes[Ptr].Loads.push_back({To, R});
  Work.push_back(Ptr);
}

void PointsTo::store(unsigned Val, unsigned Ptr, Range R) {
  Nodes[Ptr].Stores.push_back({Val, R});
  Work.push_back(Ptr);
}

void PointsTo::copyMemory(unsigned Src, unsigned Dst, uint64_t Size) {
  Nodes[Src].CopiesTo.push_back({Dst, Size});
  Nodes[Dst].CopiesFrom.push_back({Src, Size});
  Work.push_back(Src);
  Work.push_back(Dst);
}

void PointsTo::leakContents(unsigned Ptr, Range R) {
  Nodes[Ptr].Leaks.push_back(R);
  Work.push_back(Ptr);
}

// -- the solver --------------------------------------------------------------

void PointsTo::solve() {
  while (!Work.empty()) {
    unsigned N = Work.back();
    Work.pop_back();
    visit(N);
  }
}

// What is new in Points, against all that hangs on the node; what is new on
// the other side of a memory copy comes when that side is visited.
void PointsTo::visit(unsigned N) {
  // Nodes grow, and may not be referenced across anything that makes one.
  Set New = Nodes[N].Points;
  New.intersectWithComplement(Nodes[N].Seen);
  if (New.empty())
    return;
  Nodes[N].Seen |= New;
  for (unsigned O : New) {
    if (!Foreign.test(O))
      visitPlace(N, O);
    else if (!Nodes[N].SeenForeign)
      visitForeign(N);
    if (isOwn(O))
      visitOwn(N, O);
  }
  for (unsigned I = 0; I < Nodes[N].Copies.size(); I++)
    merge(New, Nodes[N].Copies[I]);
  for (unsigned I = 0; I < Nodes[N].Shifts.size(); I++) {
    Flow F = Nodes[N].Shifts[I];
    for (unsigned O : New)
      point(F.To, shifted(O, F.Off, F.Stride));
  }
  for (unsigned I = 0; I < Nodes[N].Filters.size(); I++) {
    Filter F = Nodes[N].Filters[I];
    for (unsigned O : New)
      if (Objects[O].Local == F.Local)
        point(F.To, O);
  }
  if (N == Leaked || N == Held || N == Lent || N == Converted)
    share(New);
}

void PointsTo::loadFrom(unsigned O, Range R, unsigned To) {
  SmallVector<unsigned, 8> Words;
  if (!words(O, R, Words))
    Words.assign(1, Locals[Objects[O].Local].Any);
  for (unsigned W : Words)
    copy(W, To);
}

void PointsTo::storeTo(unsigned O, Range R, unsigned Val) {
  SmallVector<unsigned, 8> Words;
  if (!words(O, R, Words))
    Words.assign(1, Locals[Objects[O].Local].All);
  for (unsigned W : Words)
    copy(Val, W);
}

void PointsTo::visitPlace(unsigned N, unsigned O) {
  for (unsigned I = 0; I < Nodes[N].Loads.size(); I++)
    loadFrom(O, Nodes[N].Loads[I].R, Nodes[N].Loads[I].Node);
  for (unsigned I = 0; I < Nodes[N].Stores.size(); I++)
    storeTo(O, Nodes[N].Stores[I].R, Nodes[N].Stores[I].Node);
  for (unsigned I = 0; I < Nodes[N].CopiesTo.size(); I++) {
    MemoryCopy C = Nodes[N].CopiesTo[I];
    for (unsigned D : Set(Nodes[C.Other].Points))
      copyBetween(O, D, C.Size);
  }
  for (unsigned I = 0; I < Nodes[N].CopiesFrom.size(); I++) {
    MemoryCopy C = Nodes[N].CopiesFrom[I];
    for (unsigned S : Set(Nodes[C.Other].Points))
      copyBetween(S, O, C.Size);
  }
  for (unsigned I = 0; I < Nodes[N].Leaks.size(); I++)
    loadFrom(O, Nodes[N].Leaks[I], Leaked);
}

// All foreign memory is alike.
void PointsTo::visitForeign(unsigned N) {
  Nodes[N].SeenForeign = true;
  for (unsigned I = 0; I < Nodes[N].Loads.size(); I++)
    copy(OutsideOnly, Nodes[N].Loads[I].Node);
  for (unsigned I = 0; I < Nodes[N].Stores.size(); I++)
    escape(Nodes[N].Stores[I].Node);
  for (unsigned I = 0; I < Nodes[N].CopiesTo.size(); I++) {
    MemoryCopy C = Nodes[N].CopiesTo[I];
    for (unsigned D : Set(Nodes[C.Other].Points))
      copyBetween(Outside, D, C.Size);
  }
  for (unsigned I = 0; I < Nodes[N].CopiesFrom.size(); I++) {
    MemoryCopy C = Nodes[N].CopiesFrom[I];
    for (unsigned S : Set(Nodes[C.Other].Points))
      copyBetween(S, Outside, C.Size);
  }
}

void PointsTo::filter(unsigned From, unsigned To, int Local) {
  if (!FilterEdges.insert({From, To}).second)
    return;
  Nodes[From].Filters.push_back({To, Local});
  for (unsigned O : Set(Nodes[From].Points))
    if (Objects[O].Local == Local)
      point(To, O);
}

// Of what is stored in an own local only its own address is not pinned.
void PointsTo::visitOwn(unsigned N, unsigned O) {
  int L = Objects[O].Local;
  for (unsigned I = 0; I < Nodes[N].Loads.size(); I++)
    loadFrom(O, Nodes[N].Loads[I].R, Nodes[N].Loads[I].Node);
  for (unsigned I = 0; I < Nodes[N].Stores.size(); I++) {
    Access A = Nodes[N].Stores[I];
    SmallVector<unsigned, 8> Words;
    if (!words(O, A.R, Words))
      Words.assign(1, Locals[L].All);
    for (unsigned W : Words)
      filter(A.Node, W, L);
  }
  for (unsigned I = 0; I < Nodes[N].CopiesTo.size(); I++) {
    MemoryCopy C = Nodes[N].CopiesTo[I];
    for (unsigned D : Set(Nodes[C.Other].Points))
      copyBetween(O, D, C.Size);
  }
}

void PointsTo::copyBetween(unsigned Src, unsigned Dst, uint64_t Size) {
  bool From = !Foreign.test(Src), To = !Foreign.test(Dst);
  if (!From && !To)
    return;
  if (!From)
    return storeTo(Dst, {0, Size}, isOwn(Src) ? Locals[Objects[Src].Local].Any : OutsideOnly);
  if (!To)
    return loadFrom(Src, {0, Size}, Leaked);
  SmallVector<unsigned, 8> A, B;
  if (Objects[Src].Off % 8 == Objects[Dst].Off % 8 && words(Src, {0, Size}, A) &&
      words(Dst, {0, Size}, B) && A.size() == B.size()) {
    for (unsigned I = 0; I < A.size(); I++)
      copy(A[I], B[I]);
    return;
  }
  loadFrom(Src, {0, Size}, Locals[Objects[Dst].Local].All);
}

// What is in a shared local may be read by code that is not seen.
void PointsTo::share(const Set &Now) {
  for (unsigned O : Now) {
    if (Foreign.test(O))
      continue;
    Local &L = Locals[Objects[O].Local];
    L.Shared = true;
    for (unsigned P : L.Objects)
      Foreign.set(P);
    escape(L.Any);
  }
}

// -- results -----------------------------------------------------------------

bool PointsTo::shared(const AllocaInst &A) const {
  auto It = LocalIndex.find(&A);
  return It == LocalIndex.end() || Locals[It->second].Shared;
}

bool PointsTo::movable(unsigned N) const {
  Set Points = Nodes[N].Points;
  Points.reset(Outside);
  return !Points.empty();
}

uint64_t PointsTo::period(const AllocaInst &A) const {
  auto It = LocalIndex.find(&A);
  return It == LocalIndex.end() ? 0 : Locals[It->second].Period;
}

// A word that nothing is known of has no node: it holds what may be anywhere.
bool PointsTo::wordMovable(const Local &L, uint64_t Index) const {
  if (!told(L))
    return movable(L.Any);
  auto It = L.Words.find(Index);
  return movable(It == L.Words.end() ? L.All : It->second);
}

bool PointsTo::wordMovable(const AllocaInst &A, uint64_t Index) const {
  auto It = LocalIndex.find(&A);
  return It == LocalIndex.end() || wordMovable(Locals[It->second], Index);
}

bool PointsTo::contentsMovable(unsigned Ptr, Range R) const {
  for (unsigned O : Nodes[Ptr].Points) {
    if (Objects[O].Local < 0)
      continue;
    const Local &L = Locals[Objects[O].Local];
    SmallVector<uint64_t, 8> Indices;
    if (!movable(L.Any))
      continue;
    if (!indices(O, R, Indices) ||
        any_of(Indices, [&](uint64_t W) { return wordMovable(L, W); }))
      return true;
  }
  return false;
}

} // namespace greenpass
