// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
//
// The words of locals and arguments, and the entry record that carries them.
#include "Green.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/Intrinsics.h"

using namespace llvm;

namespace greenpass {

namespace {

// A word is a pointer if one lies exactly on it, ambiguous if other data covers
// all of it, else too small to hold an aligned pointer.
struct WordMap {
  const DataLayout &DL;
  SmallVector<uint8_t, 8> Covered; // data bytes seen in the word
  SmallVector<uint8_t, 8> Kind;
  bool Misaligned = false;

  WordMap(const DataLayout &DL, uint64_t Bytes)
      : DL(DL), Covered(divideCeil(Bytes, 8)), Kind(divideCeil(Bytes, 8)) {}

  void data(uint64_t Off, uint64_t Bytes) {
    while (Bytes) {
      uint64_t N = std::min<uint64_t>(Bytes, 8 - Off % 8);
      Covered[Off / 8] = std::min<uint64_t>(8, Covered[Off / 8] + N);
      if (Covered[Off / 8] == 8 && Kind[Off / 8] == GREEN_WORD_SCALAR)
        Kind[Off / 8] = GREEN_WORD_AMBIGUOUS;
      Off += N;
      Bytes -= N;
    }
  }

  void pointer(uint64_t Off) {
    if (Off % 8)
      Misaligned = true;
    else if (Kind[Off / 8] == GREEN_WORD_SCALAR)
      Kind[Off / 8] = GREEN_WORD_POINTER;
  }

  void add(Type *T, uint64_t Off) {
    uint64_t Size = DL.getTypeAllocSize(T);
    if (T->isPointerTy())
      return pointer(Off);
    if (auto *S = dyn_cast<StructType>(T)) {
      if (S->hasName() && S->getName().starts_with("union."))
        return data(Off, Size);
      const StructLayout *L = DL.getStructLayout(S);
      for (unsigned I = 0; I < S->getNumElements(); I++)
        add(S->getElementType(I), Off + L->getElementOffset(I));
      return;
    }
    if (auto *A = dyn_cast<ArrayType>(T)) {
      if (!A->getElementType()->isAggregateType() &&
          !A->getElementType()->isPtrOrPtrVectorTy())
        return data(Off, Size);
      uint64_t Step = DL.getTypeAllocSize(A->getElementType());
      for (uint64_t I = 0; I < A->getNumElements(); I++)
        add(A->getElementType(), Off + I * Step);
      return;
    }
    auto *V = dyn_cast<FixedVectorType>(T);
    if (V && V->getElementType()->isPointerTy()) {
      for (unsigned I = 0; I < V->getNumElements(); I++)
        pointer(Off + 8 * I);
      return;
    }
    data(Off, Size);
  }
};

} // namespace

// The element whose repetition makes up T, if its words repeat with it.
static Type *repeatedElement(const DataLayout &DL, Type *T) {
  for (;;) {
    auto *A = dyn_cast<ArrayType>(T);
    if (A && A->getNumElements() && DL.getTypeAllocSize(A->getElementType()) % 8 == 0)
      T = A->getElementType();
    else
      return T;
  }
}

SmallVector<uint8_t, 8> localWords(const DataLayout &DL, Type *T, uint64_t Bytes,
                                   uint64_t &Period, bool &Misaligned) {
  T = repeatedElement(DL, T);
  WordMap W(DL, DL.getTypeAllocSize(T));
  W.add(T, 0);
  Misaligned = W.Misaligned;
  // The trailing bytes of the whole local are no full word.
  if (W.Kind.empty() || Bytes < 8)
    W.Kind.assign(1, GREEN_WORD_SCALAR);
  if (all_equal(W.Kind))
    W.Kind.resize(1);
  // Long irregular layouts: call them ambiguous, the map must stay small.
  if (W.Kind.size() > 4096)
    W.Kind.assign(1, GREEN_WORD_AMBIGUOUS);
  Period = W.Kind.size();
  return W.Kind;
}

static uint64_t localBytes(const DataLayout &DL, const AllocaInst &A) {
  return DL.getTypeAllocSize(typeOfLocal(A));
}

bool hasMisalignedPointers(const Function &F) {
  const DataLayout &DL = F.getParent()->getDataLayout();
  for (const Instruction &I : F.getEntryBlock()) {
    auto *A = dyn_cast<AllocaInst>(&I);
    if (!A || !A->isStaticAlloca())
      continue;
    uint64_t Period;
    bool Misaligned;
    localWords(DL, typeOfLocal(*A), localBytes(DL, *A), Period, Misaligned);
    if (Misaligned)
      return true;
  }
  return false;
}

static unsigned argumentKind(const Argument &A, const Escape &Esc) {
  if (A.hasByValAttr())
    return GREEN_ARG_OTHER;
  if (A.getType()->isPointerTy())
    return GREEN_ARG_POINTER;
  if (A.getType()->isIntegerTy() && A.getType()->getIntegerBitWidth() <= 64)
    return Esc.holdsStackAddress(A) ? GREEN_ARG_AMBIGUOUS : GREEN_ARG_SCALAR;
  return GREEN_ARG_OTHER;
}

// A volatile local may hold what the analysis cannot see.
static bool isVolatile(const Value &V) {
  for (const User *U : V.users()) {
    if (isa<GetElementPtrInst>(U) && isVolatile(*U))
      return true;
    auto *L = dyn_cast<LoadInst>(U);
    auto *S = dyn_cast<StoreInst>(U);
    if ((L && L->isVolatile()) || (S && S->isVolatile()))
      return true;
  }
  return false;
}

// What an earlier call left behind must not look like something of this one's. No
// word is looked at of a frame that does not move.
static void clearAmbiguous(IRBuilder<> &B, AllocaInst &A, ArrayRef<uint8_t> Words,
                           uint64_t Bytes) {
  constexpr uint64_t MostBytes = 1024; // beyond, rather refuse now and then
  if (Bytes > MostBytes)
    return;
  for (uint64_t W = 0; W < Bytes / 8; W++)
    if (Words[W % Words.size()] == GREEN_WORD_AMBIGUOUS)
      B.CreateAlignedStore(B.getInt64(0), B.CreateConstGEP1_64(B.getInt8Ty(), &A, 8 * W),
                           Align(8));
}

// Where no stack address ever gets, what looks like one is an old word. Where one
// may, it is looked at whatever its type is.
static void narrowWords(SmallVectorImpl<uint8_t> &Words, const AllocaInst &A, uint64_t Bytes,
                        const Escape &Esc) {
  uint64_t ToldApart = Esc.wordsToldApart(A), Given = Words.size();
  constexpr uint64_t MostWords = 4096; // as in localWords()
  if (Bytes < 8 || isVolatile(A))
    return;
  for (uint64_t W = Given; W < std::min(ToldApart, MostWords); W++)
    Words.push_back(Words[W % Given]);
  for (uint64_t W = 0; W < Words.size(); W++) {
    if (!Esc.wordHoldsStackAddress(A, ToldApart ? W % ToldApart : 0))
      Words[W] = GREEN_WORD_SCALAR;
    else if (Words[W] == GREEN_WORD_SCALAR && 8 * W + 8 <= Bytes)
      Words[W] = GREEN_WORD_AMBIGUOUS;
  }
  if (all_equal(Words))
    Words.resize(1);
}

static void appendLocal(SmallVectorImpl<Value *> &Ops, IRBuilder<> &B,
                        const DataLayout &DL, AllocaInst &A, const Escape &Esc, bool Verified) {
  uint64_t Bytes = localBytes(DL, A), Period;
  bool Misaligned;
  auto Words = localWords(DL, typeOfLocal(A), Bytes, Period, Misaligned);
  if (A.hasMetadata(NumberOnly))
    Words.assign(1, GREEN_WORD_SCALAR);
  else
    narrowWords(Words, A, Bytes, Esc);
  Period = Words.size();
  if (Verified)
    clearAmbiguous(B, A, Words, Bytes);
  Ops.push_back(&A);
  Ops.push_back(B.getInt64(Bytes));
  Ops.push_back(B.getInt64(Period));
  for (uint64_t W = 0; W < Period; W += 16) {
    uint64_t Bits = 0;
    for (uint64_t I = W; I < std::min(W + 16, Period); I++)
      Bits |= (uint64_t)Words[I] << 2 * (I - W);
    Ops.push_back(B.getInt64(Bits));
  }
}

// A stackmap would cost it a frame.
void emitLeafRecord(Function &F, unsigned Flags, int64_t Need, const Escape &Esc) {
  std::string Text;
  raw_string_ostream Out(Text);
  Out << GREENCC_LEAF << F.getName() << ' ' << Flags << ' ' << Need << ' ' << F.arg_size();
  for (Argument &A : F.args())
    Out << ' ' << argumentKind(A, Esc);
  F.getParent()->appendModuleInlineAsm(Text);
}

void emitEntryRecord(Function &F, unsigned Flags, int64_t Need, const Escape &Esc) {
  const DataLayout &DL = F.getParent()->getDataLayout();
  SmallVector<AllocaInst *, 16> Locals;
  for (Instruction &I : F.getEntryBlock())
    if (auto *A = dyn_cast<AllocaInst>(&I); A && A->isStaticAlloca())
      Locals.push_back(A);
  IRBuilder<> B(&F.getEntryBlock(), F.getEntryBlock().getFirstNonPHIOrDbgOrAlloca());
  SmallVector<Value *, 64> Ops = {B.getInt64(GREENCC_ENTRY_ID), B.getInt32(0),
                                  B.getInt64(Flags), B.getInt64(Need),
                                  B.getInt64(F.arg_size())};
  for (Argument &A : F.args())
    Ops.push_back(B.getInt64(argumentKind(A, Esc)));
  Ops.push_back(B.getInt64(Locals.size()));
  for (AllocaInst *A : Locals)
    appendLocal(Ops, B, DL, *A, Esc, Flags & GREEN_MAP_VERIFIED);
  B.CreateIntrinsic(Intrinsic::experimental_stackmap, {}, Ops);
}

} // namespace greenpass
