# SPDX-License-Identifier: GPL-2.0
# Reads what run.sh printed; prints what failed, a table of the suites and, as
# the last line, the total. Exits with 1 if anything failed or nothing ran.
# What a program promised and did not print has failed; so has a program that
# died, ran out of time, or printed no plan.

function failure(n, why)
{
	failed[suite] += n
	failures[++nr_failures] = suite " " program ": " why
}

# Why a program did not end well, or "".
function trouble(status)
{
	if (status == "")
		return "did not end"
	if (status == 124 || status == 137 || status == 143)
		return "over its time limit, or killed"
	if (status > 128)
		return "died of signal " status - 128
	if (status != 0 && !not_ok && !(status == 4 && skip))
		return "exit status " status
	return ""
}

function end(status,	seen, why)
{
	if (program == "")
		return
	seen = ok + not_ok + skip
	why = trouble(status)
	if (plan < 0)
		failure(1, "no plan" (why ? ", " why : ""))
	else if (seen < plan)
		failure(plan - seen, plan - seen " of " plan " results missing" \
			(why ? ", " why : ""))
	else if (seen > plan)
		failure(1, seen " results instead of " plan)
	else if (why)
		failure(1, why)
	program = ""
	ended[suite]++
}

BEGIN {
	plan = -1
}

/^# suite / {
	end("")
	suite = $3 " " substr($4, 1, length($4) - 1)
	if (!(suite in programs))
		order[++nr_suites] = suite
	programs[suite] += $5
}

/^# begin / {
	end("")
	suite = $3 " " $4
	program = $5
	plan = -1
	ok = not_ok = skip = 0
}

/^# end / {
	end($3)
}

program == "" {
	next
}

/^1\.\.[0-9]+/ && plan < 0 {
	plan = substr($1, 4) + 0
	if (plan == 0) {		# all of it is skipped
		skip = plan = 1
		skipped[suite]++
	}
}

/^ok [0-9]+/ {
	if (toupper($0) ~ /# *SKIP/) {
		skip++
		skipped[suite]++
	} else {
		ok++
		passed[suite]++
	}
}

/^not ok [0-9]+/ {
	not_ok++
	failure(1, substr($0, 8))
}

/^Bail out!/ {
	not_ok++
	failure(1, $0)
}

END {
	end("")
	for (i = 1; i <= nr_suites; i++) {
		suite = order[i]
		program = "-"
		if (!programs[suite])
			failure(1, "no programs")
		if (ended[suite] < programs[suite])
			failure(programs[suite] - ended[suite],
				programs[suite] - ended[suite] " programs did not run")
	}

	print ""
	for (i = 1; i <= nr_failures; i++)
		print "failed: " failures[i]
	printf "%-12s %-8s %8s %8s %8s\n", "suite", "kernel", "passed", "failed", "skipped"
	for (i = 1; i <= nr_suites; i++) {
		suite = order[i]
		split(suite, name, " ")
		printf "%-12s %-8s %8d %8d %8d\n", name[1], name[2],
			passed[suite], failed[suite], skipped[suite]
		all_passed += passed[suite]
		all_failed += failed[suite]
	}
	if (!all_passed && !all_failed)
		all_failed = 1
	print all_passed + 0 " passed, " all_failed + 0 " failed"
	exit all_failed > 0
}
