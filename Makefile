# Two commands set a fresh Debian 12 machine up: `make run` and `make test`. Both are idempotent.
# Builds go to one target directory outside the checkout, so that a second clone does not compile everything again.
export CARGO_TARGET_DIR ?= $(HOME)/.cache/usufruct/target
export USUFRUCT_MODEL ?= $(or $(XDG_DATA_HOME),$(HOME)/.local/share)/usufruct/models/all-MiniLM-L6-v2
BIN := $(CARGO_TARGET_DIR)/debug

.PHONY: run demo window test setup build lint fmt test-rust test-contracts test-ui test-package package package-dev bench-desktop bench-vault bench-zk bench-compute

run: build
	@if [ -n "$$DISPLAY$$WAYLAND_DISPLAY" ]; then $(MAKE) --no-print-directory window; else $(MAKE) --no-print-directory demo; fi

demo: build
	$(BIN)/usufruct demo

window: build
	$(BIN)/usufruct-desktop

# Everything a machine needs: Debian packages, npm packages, the embedding model. Says what it does.
setup:
	@tools/setup

# One feature set for `make run` and `make test`: always the whole workspace, tests included, so that nothing
# is compiled twice.
build: setup ui/dist/index.html
	cargo build --workspace --bins --tests --locked

ui/dist/index.html: $(shell find ui -path ui/node_modules -prune -o -path ui/dist -prune -o -type f -print 2>/dev/null)
	cd ui && npm run --silent build

test: build lint test-contracts test-ui test-rust package-dev

test-rust:
	cargo nextest run --workspace --locked

test-contracts:
	cd contracts && npm run --silent abi-check && npm test --silent

test-ui:
	cd ui && npm run --silent check && npm test --silent && npm run --silent build -- --logLevel warn && npm run --silent browser

lint:
	cargo fmt --all --check

fmt:
	cargo fmt --all

# Two .deb files in target/package: the program, and the embedding model. A release build takes half an hour or more.
package: setup ui/dist/index.html
	cargo build --release --workspace --bins --locked
	tools/package $(CARGO_TARGET_DIR)/release $(CARGO_TARGET_DIR)/package

# The same out of the binaries that tests use, installed in a clean Debian 12 and used there without a network. Needs root and
# debootstrap; PACKAGES names other packages.
PACKAGES ?= $(CARGO_TARGET_DIR)/package-dev
package-dev: build
	tools/package $(BIN) $(CARGO_TARGET_DIR)/package-dev

test-package: package-dev
	tools/test-package $(PACKAGES)

# The window beside an empty one of the same libraries: start to first frame, and memory with 100,000 records listed.
bench-desktop: build
	cargo build --workspace --examples --locked
	tools/bench-desktop

# The vault beside restic, borg, rustic, bupstash and age. BENCH_PERCENT=5 takes a minute or two; tools/bench-vault says more.
bench-vault:
	tools/bench-vault

# The prover beside snarkjs and ark-circom, the tree beside poseidon-lite. The first run fetches Semaphore's keys (109 MB) and builds
# ark-circom, which has a WebAssembly compiler in it: a quarter of an hour.
BENCH_ZK = $(HOME)/.cache/usufruct/bench-zk
bench-zk:
	cargo build --release -p zk --example bench --locked
	cargo build --release --manifest-path tools/bench-ark-circom/Cargo.toml --target-dir $(BENCH_ZK)/peer --locked
	node zk/tests/snarkjs/bench.mjs $(CARGO_TARGET_DIR)/release/examples/bench $(BENCH_ZK) $(BENCH_ZK)/peer/release/ark-circom-peer

# Embedding on the CPU beside onnxruntime, sentence-transformers and torch, which it installs from PyPI (several gigabytes).
bench-compute:
	tools/bench-compute
