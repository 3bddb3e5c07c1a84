# SPDX-License-Identifier: MIT
#
# The front door.  Each target installs the packages that it needs and that are
# missing (tools/setup.sh), and builds below build/ with meson.
#
#   make            library and examples          make asan     tests under ASan and UBSan
#   make run        build, then the demonstration make tsan     tests under TSan
#   make check      everything that CI does       make stress   soak: 4 x SECONDS=300
#   make tidy       style, in a second            make bench    measure; BENCH=--quick
#   make install    DESTDIR= and PREFIX= as usual make format   clang-format
#   make model      every order of a few threads    make mutants weaken each order, all of them
#   make clean
#
# CI=true makes warnings errors.  CC and CXX choose the compilers of build/ itself.

ifeq ($(origin CC),default)
CC := gcc
endif
ifeq ($(origin CXX),default)
CXX := g++
endif
export CC CXX CI

PREFIX ?=
SECONDS ?= 300
BENCH ?=

.PHONY: all run check tidy asan tsan model mutants stress bench install clean format
.NOTPARALLEL:

all:
	@tools/setup.sh build
	@tools/build.sh build

run:
	@tools/setup.sh build run
	@tools/build.sh build
	@tools/demo.sh build

check:
	@tools/setup.sh build check
	@tests/run

tidy:
	@tools/tidy

asan tsan:
	@tools/setup.sh build check
	@tests/run $@

model:
	@tools/setup.sh build
	@tools/model

mutants:
	@tools/setup.sh build check
	@tools/weaken
	@tools/weaken --tsan

stress:
	@tools/setup.sh build check
	@tests/run --suite stress gcc tsan
	@for program in build/tests/stress "setarch -R build/tsan/tests/stress"; do \
	    for where in "" --one-cpu; do \
	        $$program --quiet --seconds $(SECONDS) --seed $$(date +%s) $$where || exit 1; \
	    done; \
	done

bench:
	@tools/setup.sh build bench
	@tools/build.sh build/perf -Dbench=true
	@bench/run --builddir build/perf $(BENCH)

install: all
	@$(if $(PREFIX),meson configure build -Dprefix=$(PREFIX))
	@meson install -C build

clean:
	rm -rf build

format:
	@tools/setup.sh format
	@git ls-files -co --exclude-standard '*.c' '*.h' '*.cpp' | xargs clang-format -i
