# SPDX-License-Identifier: GPL-2.0
# green: all output goes to build/; 'make help' lists the targets, V=1 shows
# the commands. Kernels to build for and to test on are in the cache that
# tools/setup/run fills.

KERNELS := 6.1 6.12
PREFIX  ?= /usr/local
OUT     := $(CURDIR)/build
CACHE   := $(or $(GREEN_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/green)
MODULES := $(KERNELS:%=kmod-%)
KSOURCE := $(CACHE)/linux-source-6.1
CHECKPATCH := $(KSOURCE)/scripts/checkpatch.pl --no-tree --terse --show-types
Q       := $(if $(V),,@)
S       := $(if $(V),,-s)
MAKEFLAGS += --no-print-directory

export GREENCC  := $(OUT)/greencc/greencc
export LIBGREEN := $(OUT)/libuser/libgreen.a

all: libuser greencc httpd examples modules	## build everything

help:		## list the targets
	@sed -nE 's/^([a-z0-9_-]+):[^#]*## (.*)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

setup:		## install missing packages, fetch the kernels (once)
	$(Q)tools/setup/run

libuser: | setup	## build libgreen.a
	$(Q)$(MAKE) $(S) -C libuser OUT=$(OUT)/libuser

greencc: | setup	## build the compiler driver, its pass and its map tool
	$(Q)$(MAKE) $(S) -C tools/greencc OUT=$(OUT)/greencc

httpd: libuser greencc	## build the example server
	$(Q)$(MAKE) $(S) -C examples/httpd OUT=$(OUT)/httpd

examples: libuser greencc	## build the small examples
	$(Q)$(MAKE) $(S) -C examples OUT=$(OUT)/examples

modules: $(MODULES)	## build green.ko for each test kernel

# Kbuild builds in the source's directory: give each kernel a copy.
KDIR = $(CACHE)/linux-$*/build
kmod-host: KDIR := /lib/modules/$(shell uname -r)/build
$(MODULES): | setup
$(MODULES) kmod-host: kmod-%:
	$(Q)mkdir -p $(OUT)/$@
	$(Q)rsync -a Kbuild kmod include $(OUT)/$@
	$(Q)$(MAKE) -C $(KDIR) M=$(OUT)/$@ W=1 CONFIG_DEBUG_INFO_BTF_MODULES= modules

selftests: libuser greencc	## build the test programs
	$(Q)$(MAKE) $(S) -C selftests OUTPUT=$(OUT)/selftests \
		selfdir=$(KSOURCE)/tools/testing/selftests

test: all selftests	## run all tests, here and in virtual machines
	$(Q)selftests/test host $(KERNELS)

test-native: libuser greencc selftests	## run the tests that need no module
	$(Q)selftests/test host

test-debug: greencc	## run the library's tests on a libgreen that checks its invariants
	$(Q)$(MAKE) $(S) -C libuser OUT=$(OUT)/debug/libuser CFLAGS="-O2 -g -DGREEN_CHECKS"
	$(Q)$(MAKE) $(S) -C selftests OUTPUT=$(OUT)/debug/selftests TARGETS=libuser \
		LIBGREEN=$(OUT)/debug/libuser/libgreen.a selfdir=$(KSOURCE)/tools/testing/selftests
	$(Q)selftests/test debug

test-vm: selftests modules	## run the tests in a virtual machine of each kernel
	$(Q)selftests/test $(KERNELS)

test-real: libuser greencc	## run unchanged real code and csmith under forced moves
	$(Q)tools/setup/run real
	$(Q)selftests/real/run.sh

test-torture: libuser greencc	## run GCC's torture tests: as they are, under forced moves, on 1 KiB
	$(Q)selftests/torture/run.sh

test-llvm19: libuser	## build greencc with LLVM 19 and test that: its own tests, and csmith
	$(Q)tools/setup/run llvm19
	$(Q)$(MAKE) $(S) -C tools/greencc OUT=$(OUT)/greencc-19 LLVM=19
	$(Q)GREENCC=$(OUT)/greencc-19/greencc CLANG=clang-19 selftests/run.sh greencc llvm19 \
		$(CURDIR)/selftests/greencc/run.sh
	$(Q)GREENCC=$(OUT)/greencc-19/greencc CLANG=clang-19 selftests/real/csmith.sh 10 1

demo: all	## show it all in a virtual machine
	$(Q)tools/demo/run vm

test-soak: libuser greencc	## threads, moves and channels on four workers for SOAK_SECONDS, ThreadSanitizer's build too
	$(Q)selftests/libuser/soak.sh

test-signals: selftests	## walk stacks from signal handlers for 30 seconds, under waves of threads
	$(Q)cd $(OUT)/selftests/libuser && UNWIND_SECONDS=$(or $(UNWIND_SECONDS),30) ./unwound

demo-native: libuser greencc httpd	## show the library on this machine, without the module
	$(Q)tools/demo/run native

bench: libuser greencc httpd	## measure green beside its peers, in 10 minutes; GROUPS=threads part of it
	$(Q)tools/setup/run bench
	$(Q)$(MAKE) $(S) -C tools/bench OUT=$(OUT)/bench
	$(Q)tools/bench/run $(GROUPS)

bench-gaps: libuser greencc	## what gaps below stacks cost in page tables and time
	$(Q)mkdir -p $(OUT)/bench
	$(Q)$(GREENCC) -O2 -Iinclude tools/bench/gaps.c $(LIBGREEN) -luring -o $(OUT)/bench/gaps
	$(Q)$(OUT)/bench/gaps

bench-maps: libuser greencc	## measure what pointer maps cost, on cJSON, SQLite, Lua and mbedTLS
	$(Q)tools/setup/run real
	$(Q)OUT=$(OUT) tools/bench/maps

check-style: $(MODULES)	## run checkpatch, and sparse and shellcheck where installed
	$(Q)$(CHECKPATCH) --strict -f include/uapi/linux/green.h \
		$(filter-out kmod/trace.h,$(wildcard kmod/*.[ch]))
	$(Q)$(CHECKPATCH) -f kmod/trace.h	# TRACE_EVENT has a layout of its own
	$(Q)! command -v sparse >/dev/null || \
		$(MAKE) -C $(CACHE)/linux-6.12/build M=$(OUT)/kmod-6.12 C=2 \
		CONFIG_DEBUG_INFO_BTF_MODULES= modules
	$(Q)! command -v shellcheck >/dev/null || \
		shellcheck -x -P SCRIPTDIR $$(grep -rlE '^#!/bin/(ba|busybox )?sh' .ci selftests tools)

install: libuser greencc	## install libgreen and greencc in DESTDIR/PREFIX
	$(Q)install -D -m 644 -t $(DESTDIR)$(PREFIX)/include include/green*.h
	$(Q)install -D -m 644 -t $(DESTDIR)$(PREFIX)/include/green include/green/defer.h
	$(Q)install -D -m 644 -t $(DESTDIR)$(PREFIX)/lib $(LIBGREEN)
	$(Q)install -D -t $(DESTDIR)$(PREFIX)/lib/green \
		$(addprefix $(OUT)/greencc/,greencc greenpass.so greenmap greenshared.o \
		libgreenstubs.a)
	$(Q)install -D -m 644 -t $(DESTDIR)$(PREFIX)/lib/green tools/gdb/green-gdb.py
	$(Q)install -d $(DESTDIR)$(PREFIX)/bin
	$(Q)ln -sf ../lib/green/greencc $(DESTDIR)$(PREFIX)/bin

modules_install: kmod-host	## build and install green.ko for this machine's kernel
	$(Q)$(MAKE) -C /lib/modules/$$(uname -r)/build M=$(OUT)/kmod-host \
		INSTALL_MOD_PATH=$(DESTDIR) modules_install
	$(Q)install -D -m 644 -t $(DESTDIR)/etc/udev/rules.d kmod/99-green.rules

clean:		## remove build/
	$(Q)rm -rf $(OUT)

.PHONY: test-soak test-signals test-llvm19 all help setup libuser greencc httpd examples modules $(MODULES) kmod-host selftests
.PHONY: test-torture test-debug
.PHONY: test test-native test-vm test-real demo demo-native bench bench-gaps bench-maps check-style
.PHONY: install modules_install clean
