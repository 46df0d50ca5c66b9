# make test       everything, on a fresh Debian machine with Rust: installs what the tests need, starts the real lake anew
# make test-full  the same, with the long matrices whole
# make check      format, lints, and the tests that need no real lake
# make bench      what is measured
# make lake-down  stops the real lake

CARGO ?= cargo
LAKE := tests/lake/lake

.PHONY: test test-full check lint lake-up lake-down bench

test: lake-up lint
	$(CARGO) test --locked

test-full: export DASHICTL_TEST_FULL = 1
test-full: test

check: lint
	$(CARGO) test --locked -- --skip real

lint:
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- --deny warnings

# The tests get an empty lake: a flow run that somebody left under way keeps `gc` from deleting anything.
lake-up:
	$(LAKE) install
	$(LAKE) reset
	$(LAKE) up

lake-down:
	$(LAKE) down

bench:
	$(CARGO) bench --locked
