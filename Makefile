# Kenter: a short front for Meson. `make help` lists what there is.
BUILD     ?= build
ASAN      ?= build-asan
FUZZ      ?= build-fuzz
SECONDS   ?= 600
PYTEST     = /usr/bin/python3 -m pytest -q -o cache_dir=$(abspath $(BUILD))/pytest
MESON_TEST = meson test --print-errorlogs --no-rebuild

.PHONY: all build run demo test unit asan scenario lint layers fuzz fuzz-smoke torture bench docs install deb \
	clean help

all: build

help:
	@echo 'make            build: $(BUILD)/kenter, $(BUILD)/kenterd'
	@echo 'make run        build, then serve the example zones, signed, on 127.0.0.1:5300 until Ctrl-C'
	@echo 'make demo       the same without anybody looking on: ask, verify, end'
	@echo 'make test       everything: unit, sanitizers, scenarios with real peers, lint, layers'
	@echo 'make bench      compare with the installed peers; SIZE=small for a short run'
	@echo 'make fuzz       run every fuzz target for SECONDS=$(SECONDS)'
	@echo 'make torture    make every allocation fail in turn'
	@echo 'make docs       write docs/checks.md anew from the catalogue'
	@echo 'make install    install commands, library, headers, man pages, completions, units, settings'
	@echo 'make deb        build the Debian packages into $(BUILD)/deb'

$(BUILD)/build.ninja:
	@tools/install-deps build
	meson setup $(BUILD)

build: $(BUILD)/build.ninja
	@tools/install-deps build
	ninja -C $(BUILD)

# All on 127.0.0.1 and below var/; tools/demo says what to try.
run: build
	@tools/install-deps run
	@tools/demo $(BUILD)

demo: build
	@tools/install-deps run
	@tools/demo $(BUILD) --data "$$(mktemp -d)" --check

unit: build
	$(MESON_TEST) -C $(BUILD) --suite unit

# The same unit tests, and the command for the scenarios, under ASan, LSan and UBSan.
$(ASAN)/build.ninja:
	meson setup $(ASAN) --buildtype=debugoptimized -Db_sanitize=address,undefined -Db_lundef=false

asan: $(ASAN)/build.ninja
	ninja -C $(ASAN)
	$(MESON_TEST) -C $(ASAN) --suite unit

scenario: build
	KENTER=$(abspath $(BUILD)/kenter) $(PYTEST) --durations=15 tests/scenario || \
	{ echo 'what failed is tried once more, by itself:' && \
	  KENTER=$(abspath $(BUILD)/kenter) $(PYTEST) --last-failed --last-failed-no-failures=none tests/scenario; }

lint: build
	tools/lint $(BUILD)

layers: build
	tests/layers.sh $(BUILD)

test:
	@tools/install-deps test
	$(MAKE) build unit layers lint asan fuzz-smoke torture scenario
	@echo 'all tests passed'

$(FUZZ)/build.ninja:
	@tools/install-deps test
	CC=clang meson setup $(FUZZ) --buildtype=debugoptimized -Dfuzz=true

fuzz: $(FUZZ)/build.ninja
	ninja -C $(FUZZ)
	tests/fuzz/run $(FUZZ) $(SECONDS)

# Every seed once and some seconds more, so that a target that broke is seen.
fuzz-smoke: $(FUZZ)/build.ninja
	ninja -C $(FUZZ)
	tests/fuzz/run $(FUZZ) 3

torture: build
	$(MESON_TEST) -C $(BUILD) --suite torture
	[ ! -d $(ASAN) ] || $(MESON_TEST) -C $(ASAN) --suite torture

bench: build
	@tools/install-deps test
	bench/run $(BUILD) $(SIZE)

docs: build
	$(BUILD)/kenter explain --all --markdown > docs/checks.md

install: build
	meson install -C $(BUILD)

# Built from a copy of the sources; the tests are `make test`.
deb:
	@tools/install-deps deb
	tools/deb $(BUILD)

clean:
	rm -rf $(BUILD) $(ASAN) $(FUZZ)
