// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* Builds, prints, parses, compares and copies documents. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cJSON.h"

static cJSON *document(int depth, int width)
{
	cJSON *object = cJSON_CreateObject();

	for (int i = 0; i < width; i++) {
		char key[32];

		snprintf(key, sizeof(key), "key %d \"\t\"", i);
		cJSON_AddNumberToObject(object, key, i * 1.25 - depth);
		snprintf(key, sizeof(key), "text%d", i);
		cJSON_AddStringToObject(object, key, "some text, \\ and \n more");
		snprintf(key, sizeof(key), "below%d", i);
		if (depth && i < 3)
			cJSON_AddItemToObject(object, key, document(depth - 1, width));
	}
	return object;
}

int main(void)
{
	unsigned long sum = 0;

	for (int i = 0; i < 20; i++) {
		cJSON *a = document(4, 6), *b, *c;
		char *text = cJSON_Print(a);

		b = cJSON_Parse(text);
		c = cJSON_Duplicate(b, 1);
		if (!b || !c || !cJSON_Compare(b, c, 1))
			return 1;
		for (const char *s = text; *s; s++)
			sum = sum * 31 + (unsigned char)*s;
		free(text);
		cJSON_Delete(a);
		cJSON_Delete(b);
		cJSON_Delete(c);
	}
	printf("%lx\n", sum);
	return 0;
}
