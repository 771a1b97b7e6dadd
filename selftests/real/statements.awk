# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# Some 1400 SQL statements, the same each time: awk -f statements.awk </dev/null
function next_number(limit)
{
	state = state * 16807 % 2147483647
	return state % limit
}

function word(  s, i)
{
	s = ""
	for (i = 3 + next_number(6); i > 0; i--)
		s = s substr("abcdefghijklmnopqrstuvwxyz", 1 + next_number(26), 1)
	return s
}

function insert(i)
{
	printf "INSERT INTO item VALUES(%d, '%s', %d, %d.%d, %s);\n", i, word(),
		next_number(20), next_number(1000), next_number(100),
		next_number(7) ? "'" word() " " word() "'" : "NULL"
}

function query(kind, n)
{
	n = next_number(20)
	if (kind == 0)
		printf "SELECT id, name, price FROM item WHERE class = %d ORDER BY price DESC, id LIMIT 5;\n", n
	else if (kind == 1)
		printf "SELECT class, count(*), round(sum(price), 2), group_concat(name) FROM (SELECT * FROM item WHERE id %% 9 = %d ORDER BY id) GROUP BY class HAVING count(*) > 1 ORDER BY class;\n", n % 9
	else if (kind == 2)
		printf "SELECT a.id, b.id, c.label FROM item a JOIN item b ON a.class = b.class AND a.id < b.id JOIN class c ON c.id = a.class WHERE a.class = %d ORDER BY 1, 2 LIMIT 7;\n", n
	else if (kind == 3)
		printf "WITH RECURSIVE n(i, f) AS (SELECT 1, %d UNION ALL SELECT i + 1, (f * 31 + i) %% 1009 FROM n WHERE i < 40) SELECT sum(f), max(f), min(i) FROM n;\n", n
	else if (kind == 4)
		printf "UPDATE item SET price = price + %d, note = upper(coalesce(note, 'none')) WHERE id %% 17 = %d;\n", n, n % 17
	else if (kind == 5)
		printf "SELECT id, rank() OVER (PARTITION BY class ORDER BY price), lag(name, 1, '-') OVER (ORDER BY id) FROM item WHERE id BETWEEN %d AND %d ORDER BY id;\n", 10 * n, 10 * n + 6
	else if (kind == 6)
		printf "SELECT json_group_array(json_object('n', name, 'p', price)) FROM (SELECT * FROM item WHERE note LIKE '%%%s%%' ORDER BY id LIMIT 4);\n", substr(word(), 1, 1)
	else if (kind == 7)
		printf "DELETE FROM item WHERE id = %d;\n", 1 + next_number(400)
	else if (kind == 8)
		printf "SELECT printf('%%05d|%%s|%%.3f', id, substr(name, 2), price * 1.5), length(note), hex(name) FROM item WHERE id IN (SELECT item FROM log WHERE item > %d) ORDER BY id LIMIT 3;\n", 5 * n
	else if (kind == 9)
		printf "SELECT count(DISTINCT name), total(price), avg(class) FROM item WHERE class = %d UNION ALL SELECT count(*), 0, 0 FROM log EXCEPT SELECT %d, 1, 1;\n", n, n
	else if (kind == 10)
		printf "SELECT no_such_column_%d FROM item;\n", n
	else
		printf "EXPLAIN QUERY PLAN SELECT * FROM item, class WHERE item.class = class.id AND price > %d;\n", n
}

BEGIN {
	state = 42
	print "CREATE TABLE class(id INTEGER PRIMARY KEY, label TEXT UNIQUE);"
	print "CREATE TABLE item(id INTEGER PRIMARY KEY, name TEXT, class INT REFERENCES class, price REAL CHECK (price >= 0), note TEXT);"
	print "CREATE TABLE log(item INT, was TEXT);"
	print "CREATE INDEX by_class ON item(class, price);"
	print "CREATE TRIGGER renamed AFTER UPDATE ON item WHEN old.price > 900 BEGIN INSERT INTO log VALUES(old.id, old.name || ':' || new.price); END;"
	print "CREATE VIEW dear AS SELECT * FROM item WHERE price > 500;"
	for (i = 0; i < 20; i++)
		printf "INSERT INTO class VALUES(%d, '%s%d');\n", i, word(), i
	print "BEGIN;"
	for (i = 1; i <= 400; i++)
		insert(i)
	print "COMMIT;"
	for (i = 0; i < 900; i++) {
		if (i % 100 == 30)
			print "SAVEPOINT s;"
		query(i % 12)
		if (i % 100 == 60)
			print "ROLLBACK TO s; RELEASE s;"
	}
	print "ALTER TABLE item RENAME COLUMN note TO remark;"
	print "SELECT * FROM dear ORDER BY id;"
	print "PRAGMA integrity_check;"
	print "VACUUM;"
	print "ANALYZE;"
	print "SELECT * FROM sqlite_stat1 ORDER BY 1, 2;"
	print ".schema"
	print ".dump log"
}
