// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* Fills tables, and asks by index, by sorting, by joins and by functions. */
#include <stdio.h>
#include <stdlib.h>

#include <sqlite3.h>

static unsigned long sum;

static int row(void *arg, int n, char **value, char **name)
{
	(void)arg;
	(void)name;
	for (int i = 0; i < n; i++)
		for (const char *s = value[i] ? value[i] : "-"; *s; s++)
			sum = sum * 31 + (unsigned char)*s;
	return 0;
}

int main(void)
{
	static const char *const statements[] = {
		"create table t(a integer primary key, b integer, c text)",
		"create table u(x integer, y text)",
		"with recursive n(i) as (select 1 union all select i + 1 from n where i < 4000)"
		" insert into t select i, i * 7919 % 4001, printf('%05d-%x', i, i * i) from n",
		"create index tb on t(b)",
		"insert into u select b % 50, substr(c, 3) from t where a % 3 = 0",
		"select count(*), sum(b), max(c) from t where b between 100 and 3000",
		"select x, count(*), group_concat(y, '') from u group by x order by x",
		"select t.a, u.y from t join u on u.x = t.b where t.c like '%1%' order by u.y, t.a",
		"select a, row_number() over (partition by b % 10 order by c) from t where a < 1000",
		"update t set c = upper(c) || replace(c, '-', '+') where b % 2",
		"delete from t where a in (select a from t order by c limit 700)",
		"select group_concat(c) from (select c from t order by b desc limit 500)",
		"select json_extract('{\"a\": [1, 2, {\"b\": ' || a || '}]}', '$.a[2].b') from t"
		" where a % 5 = 0",
		"reindex", "analyze", "vacuum", "pragma integrity_check",
	};
	sqlite3 *db;

	if (sqlite3_open(":memory:", &db))
		return 1;
	for (size_t i = 0; i < sizeof(statements) / sizeof(statements[0]); i++) {
		char *error = NULL;

		if (sqlite3_exec(db, statements[i], row, NULL, &error)) {
			fprintf(stderr, "%s: %s\n", statements[i], error);
			return 1;
		}
	}
	sqlite3_close(db);
	printf("%lx\n", sum);
	return 0;
}
