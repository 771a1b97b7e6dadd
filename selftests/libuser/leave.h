/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Between leave.c, which greencc builds, and its parts that others do. */
#ifdef __cplusplus
extern "C" {
#endif

/* leave.c */
void note(int n);

/* leave_cxx.cc: what was thrown, or 0 */
int catches(void (*fn)(void *), void *arg);
void throws(int n);
/* A frame with a destructor, which notes @n. */
void destroys(int n, void (*fn)(void *), void *arg);

/* leave_foreign.c: 1 if it was left by the other of the two */
int foreign_call(void (*fn)(void *), void *arg);
void foreign_longjmp(void);
int foreign_context(void (*fn)(void *), void *arg);
void foreign_setcontext(void);
/* Call @fn on a stack that was made by hand. */
void on_coroutine(void *stack, unsigned long size, void (*fn)(void *), void *arg);

#ifdef __cplusplus
}
#endif
