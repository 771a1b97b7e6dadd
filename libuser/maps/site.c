/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Calls: what their frames hold. A call is found by going through the safepoints of its
 * function; those that were asked for last are remembered, decoded.
 */
#include "maps/registry.h"
#include "maps/site.h"

#include <errno.h>
#include <stdlib.h>

/* Nobody need look at them. */
static bool are_numbers(const struct green_words *w)
{
	return w->period == 1 && (w->bits[0] & 3) == GREEN_WORD_SCALAR;
}

static void leave_out_numbers(struct green_site *s)
{
	uint32_t i, nr = 0;

	for (i = 0; i < s->nr; i++)
		if (!are_numbers(&s->words[i]))
			s->words[nr++] = s->words[i];
	s->nr = nr;
}

static int decode(const struct green_map *m, const void *ret, struct green_site *s)
{
	const uint8_t *safepoint = green_map_safepoint(m, (const char *)ret - m->start);
	struct green_words *words;
	size_t max;

	s->flags = m->flags;
	s->mapped = safepoint != NULL;
	s->nr = 0;
	if (!safepoint)
		return 0;
	max = green_map_max_words(m, safepoint);
	if (max > s->max) {
		words = realloc(s->words, max * sizeof(*words));
		if (!words)
			return -ENOMEM;
		s->words = words;
		s->max = max;
	}
	s->nr = green_map_words(m, safepoint, s->words);
	leave_out_numbers(s);
	return 0;
}

static void forget_sites(struct green_sites *cache)
{
	size_t i;

	for (i = 0; i < GREEN_SITES; i++)
		cache->site[i].ret = NULL;
	cache->changes = green_map_changes;
}

int green_map_new_site(struct green_sites **sites, const void *ret,
		       const struct green_site **site)
{
	struct green_site *s;
	struct green_map m;
	int err;

	if (!*sites)
		*sites = calloc(1, sizeof(**sites));
	if (!*sites)
		return -ENOMEM;
	if ((*sites)->changes != green_map_changes)
		forget_sites(*sites);
	*site = s = green_site_of(*sites, ret);
	if (s->ret == ret)
		return 0;
	s->ret = NULL;
	/* It may be one behind the function's last byte, if the call never returns. */
	if (!green_map_find((const char *)ret - 1, &m))
		return -ENOENT;
	err = decode(&m, ret, s);
	if (!err)
		s->ret = ret;
	return err;
}

void green_sites_free(struct green_sites *sites)
{
	size_t i;

	for (i = 0; sites && i < GREEN_SITES; i++)
		free(sites->site[i].words);
	free(sites);
}
