# Kenter: a short front for Meson. `make help` lists what there is.
BUILD     ?= build
FUZZ      ?= build-fuzz
SECONDS   ?= 600
MESON_TEST = meson test --print-errorlogs --no-rebuild

.PHONY: all build run demo test unit asan scenario lint layers fuzz fuzz-smoke torture bench docs install deb \
	clean help

all: build

help:
	@echo 'make            build: $(BUILD)/kenter, $(BUILD)/kenterd'
	@echo 'make run        build, then serve the example zones, signed, on 127.0.0.1:5300 until Ctrl-C'
	@echo 'make demo       the same without anybody looking on: ask, verify, end'
	@echo 'make test       everything: unit, sanitizers, scenarios with real peers, fuzz targets, lint, layers'
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

# The same unit tests, and every failing allocation, under ASan, LSan and UBSan: in the build of the fuzz targets.
asan: $(FUZZ)/build.ninja
	ninja -C $(FUZZ)
	$(MESON_TEST) -C $(FUZZ) --suite unit --suite torture

scenario: build
	@tools/install-deps test
	tests/scenario/run $(BUILD)

lint: build
	tools/lint $(BUILD)

layers: build
	tests/layers.sh $(BUILD)

test:
	@tools/install-deps test
	+@tools/test $(BUILD)

$(FUZZ)/build.ninja:
	@tools/install-deps test
	CC=clang meson setup $(FUZZ) --buildtype=plain -Doptimization=1 -Dfuzz=true

fuzz: $(FUZZ)/build.ninja
	ninja -C $(FUZZ)
	tests/fuzz/run $(FUZZ) $(SECONDS)

# Every seed once and some seconds more, so that a target that broke is seen.
fuzz-smoke: $(FUZZ)/build.ninja
	ninja -C $(FUZZ)
	tests/fuzz/run $(FUZZ) 3

torture: build
	$(MESON_TEST) -C $(BUILD) --suite torture

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
	rm -rf $(BUILD) $(FUZZ)
