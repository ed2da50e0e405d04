# The front door. Meson does the work; this file only names what people do.
#
#   make              build build/nodewatch          make run [LOG=FILE]   demo, or a real log
#   make test         all tests, under ten minutes   make check            longer campaigns
#   make bench        figures, as ratios             make fuzz             libFuzzer, a minute a target
#   make fmt          clang-format                   make lint             clang-format, -tidy, layers
#   make install      PREFIX=/usr/local, DESTDIR=    make clean
#                     the program, and onewriter as a library: shared, static, header, onewriter.pc
#
# DASHBOARD=false builds without Node.js: the API, the library and the command line.

BUILD     ?= build
DASHBOARD ?= true
PREFIX    ?= /usr/local
LOG       ?=
ifeq ($(DASHBOARD),false)
SETUP_FLAGS = --no-dashboard
endif

.PHONY: all setup run test check bench fuzz fmt lint install clean

all: setup
	@tools/build $(BUILD) -Ddashboard=$(DASHBOARD) --prefix=$(PREFIX)

setup:
	@tools/setup $(SETUP_FLAGS)

run: all
ifeq ($(LOG),)
	@exec $(BUILD)/nodewatch demo
else
	@exec $(BUILD)/nodewatch run --db $(BUILD)/run.db --node node=$(LOG)
endif

test: all
	@tools/test quick

check: all
	@tools/test long

bench: all
	@tools/bench $(BUILD)

fuzz: setup
	@tools/fuzz

fmt: setup
	@clang-format -i $$(git ls-files '*.c' '*.h')

lint: all
	@tools/lint $(BUILD)

install: all
	@meson install -C $(BUILD) --no-rebuild

clean:
	@rm -rf build build-*
