/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * What green_defer() is made of; green.h includes it.
 *
 * A deferred call has its arguments in registers, as words that were made long before.
 * So what a compiler does at a call is to be done where the call is deferred: it
 * complains, and converts. C++ can name the parameters of a function, and passes the
 * arguments to another that has the same. C cannot; there it takes three checks, of
 * which none leaves an instruction:
 *
 * 1. The call as it stands, not evaluated: the compiler says what it always says. But
 *    an integer for a pointer, or a pointer for an integer, is an error.
 *
 * 2. A call with something else in the place of each number, which is no argument for
 *    a parameter that does not travel in the registers for integers.
 *
 * 3. Could the function have been declared without a prototype? Then no parameter is
 *    narrower than int, and a number that is a word is as good as any other. Else the
 *    upper bits matter, and each argument must have its parameter's type already, or
 *    be a 0 or 1, which is right for any. C23 has prototypes only: there a narrow
 *    parameter is known by what compilers say of a call with numbers that are not for
 *    it. (They do not say all of it if this file lies in a directory of the system's.)
 */
#ifndef GREEN_DEFER_H
#define GREEN_DEFER_H

#define GREEN_META_CLOSURE (1UL << 16)

/* What a compiler names that does not find it. */
#define GREEN_THIS_SCOPE_ GREEN_SCOPE_of_this_block

#define GREEN_SAYS_KINDS_						\
	"green_defer() passes integers, enums and pointers only: of anything else pass the address; cast a bit-field or an __int128"
#define GREEN_SAYS_RETURNS_						\
	"green_defer() cannot call a function that returns a struct, a union or a long double"
#define GREEN_SAYS_TYPES_						\
	"this function is variadic, or has a parameter narrower than int: green_defer() wants arguments of just the parameters' types: cast them, or defer another function that calls it"
#define GREEN_SAYS_NUMBER_						\
	"green_defer() passes six arguments at most: put them into a struct and pass its address"

/* By the number of arguments: 0 to 6, or M for up to 20. */
#define GREEN_DEFER_(rec, ...)						\
	GREEN_DEFER_N_(__VA_ARGS__, M, M, M, M, M, M, M, M, M, M, M, M, M, M, \
		       6, 5, 4, 3, 2, 1, 0, 0)(rec, __VA_ARGS__)
#define GREEN_DEFER_N_(f, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, \
		       nr, ...) GREEN_DEFER_##nr##_
#ifdef __cplusplus
#define GREEN_DEFER_M_(...)						\
	__extension__ ({ static_assert(0, GREEN_SAYS_NUMBER_); -1; })
#else
#define GREEN_DEFER_M_(...)						\
	__extension__ ({ _Static_assert(0, GREEN_SAYS_NUMBER_); -1; })
#endif

#ifndef __cplusplus

/* @m of each argument in the list, with @s() between them. */
#define GREEN_EACH_(n, m, s, list)						\
	GREEN_EXPAND_(GREEN_EACH_##n##_, (m, s, GREEN_SPLICE_ list))
#define GREEN_EXPAND_(macro, list) macro list
#define GREEN_SPLICE_(...) __VA_ARGS__
#define GREEN_EACH_0_(m, s, none)
#define GREEN_EACH_1_(m, s, a) m(a)
#define GREEN_EACH_2_(m, s, a, b) m(a) s() m(b)
#define GREEN_EACH_3_(m, s, a, b, c) m(a) s() m(b) s() m(c)
#define GREEN_EACH_4_(m, s, a, b, c, d) m(a) s() m(b) s() m(c) s() m(d)
#define GREEN_EACH_5_(m, s, a, b, c, d, e) m(a) s() m(b) s() m(c) s() m(d) s() m(e)
#define GREEN_EACH_6_(m, s, a, b, c, d, e, f)					\
	m(a) s() m(b) s() m(c) s() m(d) s() m(e) s() m(f)
#define GREEN_COMMA_() ,
#define GREEN_NOTHING_()

/* ---- arguments ---------------------------------------------------------- */

/* A number, bit-fields among them; or a pointer, an array, a function. */
#define GREEN_IS_NUMBER_(x)							\
	_Generic((0 ? 0 : __builtin_choose_expr(__builtin_classify_type(x) < 9, (x), 0.0)), \
		 int: 1, unsigned int: 1, long: 1, unsigned long: 1,		\
		 long long: 1, unsigned long long: 1, default: 0)
#define GREEN_IS_POINTER_(x) (__builtin_classify_type(x) == 5)
#define GREEN_IS_EITHER_(x) (GREEN_IS_NUMBER_(x) || GREEN_IS_POINTER_(x))

/* What there is of it, or nothing. */
#define GREEN_NUMBER_(x)							\
	((uintptr_t)__builtin_choose_expr(GREEN_IS_NUMBER_(x), (x), 0))
#define GREEN_POINTER_(x)							\
	((const volatile void *)__builtin_choose_expr(GREEN_IS_POINTER_(x), (x), (char *)0))
#define GREEN_EITHER_(x)							\
	__builtin_choose_expr(GREEN_IS_NUMBER_(x), GREEN_NUMBER_(x), GREEN_POINTER_(x))

/* A number that is 0 or 1, and so is right for a parameter of any type. */
#define GREEN_IS_TRUTH_(x) (_Generic((x), _Bool: 1, default: 0) ||		\
	(GREEN_IS_NUMBER_(x) &&							\
	 __builtin_choose_expr(GREEN_IS_CONSTANT_(x), GREEN_NUMBER_(x), 2) <= 1))
/* An integer constant: times 0 it is a null pointer. */
#define GREEN_IS_CONSTANT_(x)							\
	_Generic((1 ? (void *)(GREEN_NUMBER_(x) * 0) : (int *)1), int *: 1, default: 0)

/* As it is handed over. */
#define GREEN_ARG_(x) ((const volatile void *)GREEN_EITHER_(x))
#define GREEN_KIND_(x, i) (GREEN_IS_NUMBER_(x) ? 0UL : 1UL << (8 + (i)))

/* ---- checks ------------------------------------------------------------- */

/*
 * What is said is switched on and off with pragmas. clang also says that what is not
 * evaluated has effects; an argument is named often here, and evaluated once.
 */
#ifdef __clang__
#define GREEN_DIAGNOSTIC_(what, option) GREEN_PRAGMA_(clang diagnostic what option)
#define GREEN_BEGIN_								\
	_Pragma("clang diagnostic push")					\
	GREEN_DIAGNOSTIC_(ignored, "-Wunevaluated-expression")
#define GREEN_END_ _Pragma("clang diagnostic pop")
#define GREEN_CHECKS_								\
	_Pragma("clang diagnostic push")					\
	GREEN_DIAGNOSTIC_(ignored, "-Wstrict-prototypes")			\
	GREEN_DIAGNOSTIC_(error, "-Wint-conversion")
#define GREEN_ODD_CHECKS_							\
	GREEN_DIAGNOSTIC_(ignored, "-Wint-conversion")				\
	GREEN_DIAGNOSTIC_(ignored, "-Wincompatible-pointer-types")		\
	GREEN_DIAGNOSTIC_(ignored, "-Wincompatible-pointer-types-discards-qualifiers") \
	GREEN_DIAGNOSTIC_(ignored, "-Wincompatible-function-pointer-types")	\
	GREEN_DIAGNOSTIC_(ignored, "-Wfree-nonheap-object")			\
	GREEN_DIAGNOSTIC_(ignored, "-Wnonnull")					\
	GREEN_DIAGNOSTIC_(error, "-Wstring-conversion")
#define GREEN_END_OF_CHECKS_ _Pragma("clang diagnostic pop")
#else
#define GREEN_DIAGNOSTIC_(what, option) GREEN_PRAGMA_(GCC diagnostic what option)
#define GREEN_BEGIN_
#define GREEN_END_
#define GREEN_CHECKS_								\
	_Pragma("GCC diagnostic push")						\
	GREEN_DIAGNOSTIC_(ignored, "-Wstrict-prototypes")			\
	GREEN_DIAGNOSTIC_(error, "-Wint-conversion")
#define GREEN_ODD_CHECKS_							\
	GREEN_DIAGNOSTIC_(ignored, "-Wint-conversion")				\
	GREEN_DIAGNOSTIC_(ignored, "-Wincompatible-pointer-types")		\
	GREEN_DIAGNOSTIC_(ignored, "-Wdiscarded-qualifiers")			\
	GREEN_DIAGNOSTIC_(ignored, "-Wconversion")				\
	GREEN_DIAGNOSTIC_(ignored, "-Wsign-conversion")				\
	GREEN_DIAGNOSTIC_(ignored, "-Woverflow")				\
	GREEN_DIAGNOSTIC_(ignored, "-Wfree-nonheap-object")			\
	GREEN_DIAGNOSTIC_(ignored, "-Wnonnull")					\
	GREEN_DIAGNOSTIC_(ignored, "-Wrestrict")				\
	GREEN_DIAGNOSTIC_(ignored, "-Wunused-result")				\
	GREEN_DIAGNOSTIC_(error, "-Wfloat-conversion")				\
	GREEN_DIAGNOSTIC_(error, "-Waddress")
#define GREEN_END_OF_CHECKS_ _Pragma("GCC diagnostic pop")
#endif
#define GREEN_PRAGMA_(text) _Pragma(#text)

/*
 * In the place of a number stands a pointer; or with gcc, which takes none for an enum,
 * a number that no floating type can hold. In that of a pointer, where the function may
 * have a parameter of type _Bool, stands one of which it is said that it is always true.
 */
#ifdef __clang__
struct green_defer_passes_integers_and_pointers_only;
#define GREEN_ODD_NUMBER_ ((struct green_defer_passes_integers_and_pointers_only *)0)
#define GREEN_ODD_POINTER_ "green_defer() passes no pointer for a truth value"
#else
#define GREEN_ODD_NUMBER_ ((__int128)1 << 65 | 1)
#define GREEN_ODD_POINTER_ green_defer_push
#endif
/* By this name, for gcc says it. */
#define GREEN_DEFER_PASSES_INTEGERS_AND_POINTERS_ONLY(x)			\
	__builtin_choose_expr(GREEN_IS_NUMBER_(x), GREEN_ODD_NUMBER_,		\
	__builtin_choose_expr(GREEN_IS_POINTER_(x) && !green_exact_ && !green_old_, \
			      GREEN_ODD_POINTER_, (x)))

/*
 * For C23. In the place of a number that is neither of the parameter's type nor 0 or 1
 * stand one that is too large for a narrow parameter, and what is no truth value.
 */
#if !defined(__STDC_VERSION__) || __STDC_VERSION__ <= 201710L
#define GREEN_NARROW_CALLS_(f, large, truth)
#else
#ifdef __clang__
#define GREEN_NARROW_CHECKS_							\
	GREEN_DIAGNOSTIC_(error, "-Wimplicit-int-conversion")
#define GREEN_NO_TRUTH_ GREEN_SAYS_TYPES_
#else
#define GREEN_NARROW_CHECKS_							\
	GREEN_DIAGNOSTIC_(error, "-Wint-in-bool-context")			\
	GREEN_DIAGNOSTIC_(error, "-Wconversion")				\
	GREEN_DIAGNOSTIC_(ignored, "-Wsign-conversion")
#define GREEN_NO_TRUTH_ (green_large_ << 1)
#endif
#define GREEN_NARROW_CALLS_(f, large, truth)					\
	GREEN_NARROW_CHECKS_							\
	if (0) {								\
		int green_large_ __attribute__((unused)) = 70000;		\
										\
		(void)(f) large;						\
		(void)(f) truth;						\
	}
#endif
#define GREEN_LARGE_(x) __builtin_choose_expr(GREEN_IS_FINE_(x), 0, green_large_)
#define GREEN_TRUTH_(x) __builtin_choose_expr(GREEN_IS_FINE_(x), 0, GREEN_NO_TRUTH_)
#define GREEN_IS_FINE_(x) (green_exact_ || !GREEN_IS_NUMBER_(x) || GREEN_IS_TRUTH_(x))

/* Not evaluated; a bit-field has some type, too. A text may be one that is constant. */
#define GREEN_TYPE_(x) __typeof__(((void)0, (x)))
#define GREEN_TEXT_TYPE_(x)							\
	__typeof__(_Generic((x), char *: (const char *)0, default: ((void)0, (x))))
#define GREEN_IS_TYPE_(f, type) __builtin_types_compatible_p(__typeof__(*(f)), type)
#define GREEN_PLAIN_(n, m, list) GREEN_EACH_(n, m, GREEN_NOTHING_, list)
#define GREEN_ALL_EITHER_(x) && GREEN_IS_EITHER_(x)
#define GREEN_ALL_TRUTHS_(x) && (GREEN_IS_TRUTH_(x) || !GREEN_IS_NUMBER_(x))
#define GREEN_ANY_NUMBER_(x) || GREEN_IS_NUMBER_(x)
/* Of green_r_, what the function returns. */
#define GREEN_RETURNS_WORD_							\
	(_Generic((green_r_ *)0, long double *: 0, _Complex long double *: 0, default: 1) && \
	 __builtin_classify_type(*_Generic((green_r_ *)0, void *: (int *)0,	\
					   default: (green_r_ *)0)) < 12)

#define GREEN_CHECK_(n, f, list)						\
	{									\
		GREEN_CHECKS_							\
		typedef __typeof__((f) list) green_r_;				\
		enum {								\
			green_kinds_ = 1 GREEN_PLAIN_(n, GREEN_ALL_EITHER_, list),	\
			green_exact_ = GREEN_IS_TYPE_(f, green_r_		\
				(GREEN_EACH_(n, GREEN_TYPE_, GREEN_COMMA_, list))) ||	\
				GREEN_IS_TYPE_(f, green_r_			\
				(GREEN_EACH_(n, GREEN_TEXT_TYPE_, GREEN_COMMA_, list))),	\
			/* If the call is an error, gcc takes int for its type. */	\
			green_old_ = GREEN_IS_TYPE_(f, green_r_ ()) ||		\
				(__builtin_types_compatible_p(green_r_, int) &&	\
				 GREEN_IS_TYPE_(f, void ())),			\
			green_no_old_ = !__builtin_types_compatible_p(void (), void (int)),	\
			green_truths_ = (0 GREEN_PLAIN_(n, GREEN_ANY_NUMBER_, list))	\
				GREEN_PLAIN_(n, GREEN_ALL_TRUTHS_, list),	\
			green_types_ = green_exact_ || green_old_ || green_no_old_ ||	\
				green_truths_ || !green_kinds_,			\
			green_returns_ = GREEN_RETURNS_WORD_,			\
		};								\
		_Static_assert(green_kinds_, GREEN_SAYS_KINDS_);		\
		_Static_assert(green_types_, GREEN_SAYS_TYPES_);		\
		_Static_assert(green_returns_, GREEN_SAYS_RETURNS_);		\
		GREEN_ODD_CHECKS_						\
		if (0)								\
			(void)(f)(GREEN_EACH_(n, GREEN_DEFER_PASSES_INTEGERS_AND_POINTERS_ONLY, \
					      GREEN_COMMA_, list));		\
		GREEN_NARROW_CALLS_(f, (GREEN_EACH_(n, GREEN_LARGE_, GREEN_COMMA_, list)),	\
				    (GREEN_EACH_(n, GREEN_TRUTH_, GREEN_COMMA_, list)))	\
		GREEN_END_OF_CHECKS_						\
	}

/* ---- calls -------------------------------------------------------------- */

#define GREEN_PUSH_(rec, f, meta, a, b)						\
	green_defer_push(&GREEN_THIS_SCOPE_, rec, (green_fn)(f), meta,		\
			 GREEN_ARG_(a), GREEN_ARG_(b))

#define GREEN_DEFER_0_(rec, f)							\
	__extension__ ({							\
		GREEN_BEGIN_							\
		GREEN_CHECK_(0, f, ())						\
		GREEN_PUSH_(rec, f, 0UL, 0, 0);					\
		GREEN_END_							\
	})
#define GREEN_DEFER_1_(rec, f, a)						\
	__extension__ ({							\
		GREEN_BEGIN_							\
		GREEN_CHECK_(1, f, (a))						\
		GREEN_PUSH_(rec, f, 1UL | GREEN_KIND_(a, 0), a, 0);		\
		GREEN_END_							\
	})
#define GREEN_DEFER_2_(rec, f, a, b)						\
	__extension__ ({							\
		GREEN_BEGIN_							\
		GREEN_CHECK_(2, f, (a, b))					\
		GREEN_PUSH_(rec, f, 2UL | GREEN_KIND_(a, 0) | GREEN_KIND_(b, 1), a, b);	\
		GREEN_END_							\
	})
#define GREEN_DEFER_3_(rec, f, a, b, c)						\
	__extension__ ({							\
		GREEN_BEGIN_							\
		GREEN_KEEP_(c, 0, 0, 0)						\
		GREEN_CHECK_(3, f, (a, b, c))					\
		GREEN_MORE_(rec, f, 3UL, a, b, c, 0, 0, 0)			\
		GREEN_END_							\
	})
#define GREEN_DEFER_4_(rec, f, a, b, c, d)					\
	__extension__ ({							\
		GREEN_BEGIN_							\
		GREEN_KEEP_(c, d, 0, 0)						\
		GREEN_CHECK_(4, f, (a, b, c, d))				\
		GREEN_MORE_(rec, f, 4UL, a, b, c, d, 0, 0)			\
		GREEN_END_							\
	})
#define GREEN_DEFER_5_(rec, f, a, b, c, d, e)					\
	__extension__ ({							\
		GREEN_BEGIN_							\
		GREEN_KEEP_(c, d, e, 0)						\
		GREEN_CHECK_(5, f, (a, b, c, d, e))				\
		GREEN_MORE_(rec, f, 5UL, a, b, c, d, e, 0)			\
		GREEN_END_							\
	})
#define GREEN_DEFER_6_(rec, f, a, b, c, d, e, g)				\
	__extension__ ({							\
		GREEN_BEGIN_							\
		GREEN_KEEP_(c, d, e, g)						\
		GREEN_CHECK_(6, f, (a, b, c, d, e, g))				\
		GREEN_MORE_(rec, f, 6UL, a, b, c, d, e, g)			\
		GREEN_END_							\
	})

/*
 * Calls of the runtime have six registers for arguments, so these are two. All is
 * evaluated before the first, for what an argument calls may defer, or exit; numbers
 * stay numbers meanwhile, for pointers are adjusted.
 */
#define GREEN_KEEP_(c, d, e, g)							\
	__typeof__(GREEN_EITHER_(c)) green_c_ = GREEN_EITHER_(c);		\
	__typeof__(GREEN_EITHER_(d)) green_d_ = GREEN_EITHER_(d);		\
	__typeof__(GREEN_EITHER_(e)) green_e_ = GREEN_EITHER_(e);		\
	__typeof__(GREEN_EITHER_(g)) green_g_ = GREEN_EITHER_(g);
#define GREEN_MORE_(rec, f, n, a, b, c, d, e, g)				\
	GREEN_PUSH_(rec, f, 2UL | GREEN_KIND_(a, 0) | GREEN_KIND_(b, 1), a, b) ?: \
	green_defer_more(n | GREEN_KIND_(c, 2) | GREEN_KIND_(d, 3) |		\
			 GREEN_KIND_(e, 4) | GREEN_KIND_(g, 5),			\
			 GREEN_ARG_(green_c_), GREEN_ARG_(green_d_),		\
			 GREEN_ARG_(green_e_), GREEN_ARG_(green_g_));

#else /* __cplusplus */

#if __cplusplus < 201703L
#define GREEN_DEFER_0_(...) \
	__extension__ ({ static_assert(0, "green_defer() needs C++17"); -1; })
#define GREEN_DEFER_1_ GREEN_DEFER_0_
#define GREEN_DEFER_2_ GREEN_DEFER_0_
#define GREEN_DEFER_3_ GREEN_DEFER_0_
#define GREEN_DEFER_4_ GREEN_DEFER_0_
#define GREEN_DEFER_5_ GREEN_DEFER_0_
#define GREEN_DEFER_6_ GREEN_DEFER_0_
#else

extern "C++" {

template <typename T> inline constexpr bool green_is_pointer =
	std::is_pointer_v<T> || std::is_null_pointer_v<T>;

template <typename T> constexpr bool green_fits()
{
	if constexpr (std::is_integral_v<T> || std::is_enum_v<T>)
		return sizeof(T) <= sizeof(uintptr_t);
	return green_is_pointer<T>;
}

template <typename T> inline constexpr bool green_is_word = green_fits<T>();
template <typename T> inline constexpr bool green_is_returned = std::is_void_v<T> ||
	std::is_reference_v<T> || green_is_word<T> || std::is_same_v<T, float> ||
	std::is_same_v<T, double>;
template <typename T> inline constexpr bool green_never = false;

template <typename T> inline const volatile void *green_word(T value)
{
	if constexpr (std::is_null_pointer_v<T>)
		return nullptr;
	else if constexpr (std::is_pointer_v<T>)
		return (const volatile void *)value;
	else
		return (const volatile void *)static_cast<uintptr_t>(value);
}

/* A function that is to be deferred; its parameters are those of call(). */
template <typename R, typename... P> struct green_deferred {
	static_assert((green_is_word<P> && ...),
		      "green_defer() passes integers, enums and pointers only: no reference, object or floating-point number");
	static_assert(green_is_returned<R>, GREEN_SAYS_RETURNS_);
	static_assert(sizeof...(P) <= GREEN_DEFER_ARGS, GREEN_SAYS_NUMBER_);

	struct green_scope *scope;
	struct green_defer *rec;
	R (*fn)(P...);

	__attribute__((always_inline)) int call(P... p) const
	{
		const volatile void *word[GREEN_DEFER_ARGS] = { green_word(p)... };
		unsigned int i = 8;
		unsigned long kinds = 0;
		int err;

		(void)i;
		((kinds |= green_is_pointer<P> ? 1UL << i : 0, i++), ...);
		err = green_defer_push(scope, rec, (green_fn)fn, sizeof...(P) | kinds,
				       word[0], word[1]);
		if (err || sizeof...(P) <= 2)
			return err;
		return green_defer_more(sizeof...(P) | kinds, word[2], word[3], word[4],
					word[5]);
	}
};

template <typename R, typename... P>
inline green_deferred<R, P...> green_deferring(struct green_scope *s, struct green_defer *rec,
					       R (*fn)(P...))
{
	return { s, rec, fn };
}

template <typename R, typename... P>
inline green_deferred<R, P...> green_deferring(struct green_scope *, struct green_defer *,
					       R (*)(P..., ...))
{
	static_assert(green_never<R>, "green_defer() cannot call a variadic function: defer another that calls it");
	return {};
}

} /* extern "C++" */

#define GREEN_DEFERRED_(rec, f) green_deferring(&GREEN_THIS_SCOPE_, rec, +(f))
#define GREEN_DEFER_0_(rec, f) GREEN_DEFERRED_(rec, f).call()
#define GREEN_DEFER_1_(rec, f, a) GREEN_DEFERRED_(rec, f).call(a)
#define GREEN_DEFER_2_(rec, f, a, b) GREEN_DEFERRED_(rec, f).call(a, b)
#define GREEN_DEFER_3_(rec, f, a, b, c) GREEN_DEFERRED_(rec, f).call(a, b, c)
#define GREEN_DEFER_4_(rec, f, a, b, c, d) GREEN_DEFERRED_(rec, f).call(a, b, c, d)
#define GREEN_DEFER_5_(rec, f, a, b, c, d, e) GREEN_DEFERRED_(rec, f).call(a, b, c, d, e)
#define GREEN_DEFER_6_(rec, f, a, b, c, d, e, g) \
	GREEN_DEFERRED_(rec, f).call(a, b, c, d, e, g)

#endif

#endif /* __cplusplus */
#endif /* GREEN_DEFER_H */
