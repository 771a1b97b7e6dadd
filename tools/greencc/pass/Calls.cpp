// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
//
// What calls do: the C library by name, the module's own leaves by inspection.
#include "Green.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Analysis/TargetLibraryInfo.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/InlineAsm.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/IntrinsicInst.h"
#include "llvm/TargetParser/Triple.h"

using namespace llvm;

namespace greenpass {

static const StringMap<unsigned> &libc() {
  static const StringMap<unsigned> Table = [] {
    StringMap<unsigned> T;
    auto Add = [&](unsigned Traits, std::initializer_list<const char *> Names) {
      for (const char *N : Names)
        T[N] = Traits | NoSafepoint;
    };
    const unsigned Str = TinyStack | CapturesNone;
    Add(Str, {"strlen", "strnlen", "strcmp", "strncmp", "memcmp", "bcmp", "bzero",
              "explicit_bzero", "abs", "labs", "llabs", "isalpha",
              "isdigit", "isspace", "isalnum", "isxdigit", "isupper", "islower",
              "ispunct", "isprint", "iscntrl", "isgraph", "toupper", "tolower",
              "ffs", "ffsl", "htons", "htonl", "ntohs", "ntohl",
              "__ctype_b_loc", "__ctype_tolower_loc", "__ctype_toupper_loc",
              "__errno_location", "getpid", "gettid"});
    Add(Str, {"strchr", "strrchr", "strchrnul", "memchr", "memrchr", "rawmemchr",
              "strcpy", "strncpy", "strcat", "strncat", "stpcpy", "stpncpy",
              "__strcpy_chk", "__strncpy_chk", "__strcat_chk", "__strncat_chk",
              "__stpcpy_chk"});
    Add(SmallStack | CapturesNone,
        {"strcasecmp", "strncasecmp", "strspn", "strcspn", "strstr", "strcasestr",
         "strpbrk", "memmem", "basename"});
    Add(Str | CopiesMemory,
        {"memcpy", "memmove", "mempcpy", "__memcpy_chk", "__memmove_chk",
         "__mempcpy_chk"});
    Add(Str, {"memset", "__memset_chk"});
    Add(CapturesNone,
        {"strcoll", "fgets", "getcwd", "gmtime_r", "localtime_r", "ctime_r",
         "asctime_r", "inet_ntop", "strerror_r", "realpath"});
    Add(CapturesNone | StoresArg0ToArg1,
        {"strtol", "strtoul", "strtoll", "strtoull", "strtod", "strtof",
         "strtold", "strtoimax", "strtoumax", "__isoc23_strtol",
         "__isoc23_strtoul", "__isoc23_strtoll", "__isoc23_strtoull"});
    Add(CapturesNone | StoresArg0ToArg2 | ReturnsContent,
        {"strtok_r", "__strtok_r"});
    Add(CapturesNone | ReturnsContent, {"strsep", "__strsep"});
    Add(CapturesNone | Allocates,
        {"malloc", "calloc", "aligned_alloc", "memalign", "strdup", "strndup",
         "__strdup", "mmap", "mmap64", "fopen", "fopen64", "fdopen", "opendir",
         "getenv", "strerror", "valloc"});
    // realloc copies words of its block, which may hold anything: the block is
    // heap, so whatever stack address is in it has escaped already.
    Add(CapturesNone | Allocates, {"realloc", "reallocarray"});
    Add(CapturesNone,
        {"free", "posix_memalign", "malloc_usable_size", "atoi", "atol",
         "atoll", "atof", "puts", "putchar", "putc", "fputs", "fputc",
         "fread", "fflush", "fclose", "getc", "fgetc", "getchar", "ferror",
         "feof", "fileno", "fseek", "fseeko", "ftell", "ftello", "rewind",
         "perror", "getline", "getdelim", "vprintf", "vfprintf", "vsnprintf",
         "vsprintf", "vdprintf", "__vsnprintf_chk", "__vfprintf_chk",
         "__vprintf_chk", "__vsprintf_chk", "printf", "fprintf", "dprintf",
         "sprintf", "snprintf", "__printf_chk", "__fprintf_chk",
         "__sprintf_chk", "__snprintf_chk", "__dprintf_chk", "sscanf", "fscanf",
         "scanf", "__isoc99_sscanf", "__isoc99_fscanf", "__isoc99_scanf",
         "__isoc23_sscanf", "__isoc23_fscanf", "__isoc23_scanf", "read",
         "pread", "pread64", "readv", "writev", "open",
         "open64", "openat", "openat64", "close", "lseek", "lseek64", "stat",
         "fstat", "lstat", "stat64", "fstat64", "lstat64", "fstatat", "access",
         "unlink", "rename", "mkdir", "rmdir", "ftruncate", "fsync", "fdatasync",
         "pipe", "pipe2", "dup", "dup2", "fcntl", "fcntl64", "ioctl", "munmap",
         "mprotect", "madvise", "socket", "bind", "listen", "accept", "accept4",
         "connect", "recv", "recvfrom", "sendmsg", "recvmsg",
         "setsockopt", "getsockopt", "getsockname", "getpeername", "shutdown",
         "socketpair", "getaddrinfo", "freeaddrinfo", "inet_pton", "poll",
         "select", "epoll_create1", "epoll_ctl", "epoll_wait", "eventfd", "time",
         "gettimeofday", "clock_gettime", "nanosleep", "clock_nanosleep",
         "usleep", "sleep", "sched_yield", "strftime",
         "mktime", "timegm", "rand", "srand", "random", "srandom", "rand_r",
         "getrandom", "getentropy", "exp", "log", "log2", "log10", "pow", "sin",
         "cos", "tan", "atan", "atan2", "asin", "acos", "sqrt", "cbrt", "floor",
         "ceil", "round", "trunc", "fmod", "fabs", "ldexp", "frexp", "modf",
         "lround", "llround", "lrint", "rint", "nearbyint", "hypot", "exp2",
         "expm1", "log1p", "sinh", "cosh", "tanh", "fmax", "fmin", "expf", "logf",
         "powf", "sinf", "cosf", "sqrtf", "floorf", "ceilf", "fabsf",
         "pthread_self", "sysconf", "getpagesize", "_exit", "abort", "kill",
         "raise", "__stack_chk_fail", "__assert_fail", "__fdelt_chk",
         "readlink", "uname", "getuid", "geteuid", "times", "statvfs", "fstatvfs",
         "utime", "utimes", "getitimer", "setitimer", "frexpf", "frexpl", "modff",
         "modfl", "sincos", "sincosf", "remquo", "fgetpos", "fsetpos", "pclose",
         "closedir", "remove", "ungetc"});
    Add(CapturesNone | SendsMemory, {"write", "pwrite", "pwrite64", "send", "sendto"});
    Add(CapturesNone | SendsElements, {"fwrite"});
    // The barriers run in the middle of anything.
#define LOOK(name) Add(Str, {"green_" #name});
#define HOLD LOOK
#include "../../../include/green/calls.def"
    return T;
  }();
  return Table;
}

// LLVM has a list of its own of what functions keep of their arguments, and by that
// time has marked the declarations. What is not in ours, which is looked at when the
// program runs, may be anybody's.
void distrustInference(Module &M) {
  const TargetLibraryInfoImpl Known{Triple(M.getTargetTriple())};
  LibFunc Which;
  for (Function &F : M)
    if (F.isDeclaration() && !F.isIntrinsic() && !libc().contains(F.getName()) &&
        Known.getLibFunc(F.getName(), Which))
      for (unsigned I = 0; I < F.arg_size(); I++)
#if LLVM_VERSION_MAJOR >= 21
        F.removeParamAttr(I, Attribute::Captures);
#else
        F.removeParamAttr(I, Attribute::NoCapture);
#endif
}

void placeInSource(IRBuilder<> &B) {
  DISubprogram *SP = B.GetInsertBlock()->getParent()->getSubprogram();
  if (SP && !B.getCurrentDebugLocation())
    B.SetCurrentDebugLocation(DILocation::get(B.getContext(), SP->getLine(), 0, SP));
}

bool isLibraryName(StringRef Name) { return libc().contains(Name); }
bool isAllocator(StringRef Name) { return libc().lookup(Name) & Allocates; }

// A direct callee that is only declared here, so that its name is what counts.
static const Function *externCallee(const CallBase &CB) {
  auto *F = dyn_cast<Function>(CB.getCalledOperand()->stripPointerCasts());
  return F && F->isDeclaration() && !F->isIntrinsic() ? F : nullptr;
}

unsigned calleeTraits(const CallBase &CB) {
  const Function *F = externCallee(CB);
  if (!F)
    return 0;
  if (options().NotLibrary.contains(F->getName()))
    return 0;
  return libc().lookup(F->getName());
}

// By their whole names: green is a word that others use as well. They run on the
// worker's stack, or take next to nothing; the other functions of libgreen are
// like those of any library.
static const StringSet<> &runtime() {
  static const StringSet<> Names = {
#define HERE(name) "green_" #name,
#define CALL(returns, name, ...) HERE(name)
#define FAST CALL
#include "../../../include/green/calls.def"
  };
  return Names;
}

bool isRuntimeCall(const CallBase &CB) {
  const Function *F = externCallee(CB);
  return F && runtime().contains(F->getName()) && !options().NotLibrary.contains(F->getName());
}

// green_defer_push(scope, record, fn, meta, a0, a1) and its like. For the
// optimizer they keep their arguments, for these are used again when the scope
// is left; the chain that keeps them moves along.
bool isDeferCall(const CallBase &CB) {
  const Function *F = externCallee(CB);
  return F && isRuntimeCall(CB) && F->getName().starts_with("green_defer_");
}

// green_select(cases, nr) and its like: the runtime has of the cases but the addresses of
// values that are in them, adjusts those, and keeps none.
bool isSelectCall(const CallBase &CB) {
  const Function *F = externCallee(CB);
  return F && isRuntimeCall(CB) && CB.arg_size() && F->getName().ends_with("_select");
}

// A body that may be replaced at link time says nothing about the call.
static const Function *knownBody(const CallBase &CB) {
  auto *F = dyn_cast<Function>(CB.getCalledOperand()->stripPointerCasts());
  return F && !F->isDeclaration() && !F->isInterposable() ? F : nullptr;
}

static bool isPlainOperation(const CallBase &CB) {
  return isa<IntrinsicInst>(CB) || CB.isInlineAsm();
}

Safepoints::Safepoints(Module &M, const DenseSet<const Function *> &Checked) {
  // Begin with every unchecked body and take away whoever may reach a call
  // that is not a leaf, until nothing changes. A recursion of leaves stays a
  // leaf: it has no safepoint in it.
  for (Function &F : M)
    if (!F.isDeclaration() && !F.isInterposable() && !Checked.contains(&F))
      Leaf.insert(&F);
  for (bool Changed = true; Changed;) {
    Changed = false;
    for (Function &F : M) {
      if (!Leaf.contains(&F))
        continue;
      for (Instruction &I : instructions(F)) {
        auto *CB = dyn_cast<CallBase>(&I);
        if (CB && mayReach(*CB)) {
          Leaf.erase(&F);
          Changed = true;
          break;
        }
      }
    }
  }
}

bool Safepoints::mayReach(const CallBase &CB) const {
  if (isPlainOperation(CB))
    return false;
  if (const Function *F = knownBody(CB))
    return !Leaf.contains(F);
  return !(calleeTraits(CB) & NoSafepoint);
}

bool Safepoints::isMapped(const CallBase &CB) const {
  return isa<CallInst>(CB) && !CB.getFunctionType()->isVarArg() && suspends(CB);
}

} // namespace greenpass
