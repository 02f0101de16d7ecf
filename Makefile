# `make demo` and `make test` do all their own set-up on a fresh Debian or Ubuntu machine; Rust is
# the one prerequisite.

CARGO ?= cargo
ARGS ?=
MINUTES ?= 10

.PHONY: demo test faults fuzz bench dev sqlx setup setup-test openapi screenshots

demo: setup ## one whole night on private servers, then keep serving; ARGS="--once"
	$(CARGO) build --locked
	./target/debug/forecourt demo $(ARGS)

test: setup-test ## the whole suite on real servers
	$(CARGO) build --locked --workspace --bins
	./target/debug/with-servers .ci/test

faults: setup-test ## the long form of the fault matrix, into tests/faults/RESULTS.md (about two hours); ARGS="ROW …"
	$(CARGO) build --locked --workspace --bins
	./target/debug/faults --out tests/faults/RESULTS.new.md $(ARGS)

fuzz: ## what comes from outside against a fuzzer, MINUTES=10 each; wants a nightly toolchain and cargo-fuzz
	cd fuzz && for target in read_file decode_photo; do \
		cargo +nightly fuzz run $$target -- -max_total_time=$$(($(MINUTES) * 60)) -max_len=65536 -timeout=10 -rss_limit_mb=2048 || exit 1; done

bench: setup ## pairs against peers, into benches/RESULTS.md (see benches/README.md)
	benches/run

dev: setup ## what an author runs before a commit
	$(CARGO) fmt --all
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	$(MAKE) test

sqlx: setup ## check the SQL against a fresh database and refresh .sqlx
	.ci/sqlx

openapi: ## refresh openapi/*.json
	$(CARGO) run --locked -q -- openapi

screenshots: setup-test ## every page of the console after a demo's night, light and dark, into target/screenshots
	$(CARGO) build --locked --workspace --bins --examples
	.ci/screenshots

setup:
	@.ci/setup

setup-test:
	@.ci/setup test
