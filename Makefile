# make test       everything, on a fresh Debian machine with Rust: installs what the tests need, starts the real lake and the
#                 test cluster anew
# make test-full  the same, with the long matrices whole, what is typed at lakes once more through tunnels, and the program
#                 installed as the book says
# make check      format, lints, and the tests that need neither
# make bench      what is measured
# make book       the book with the reference, as mdBook builds it (cargo install mdbook), in target/book/docs/book
# make lake-down  stops the real lake; make cluster-down the cluster

CARGO ?= cargo
LAKE := tests/lake/lake
CLUSTER := tests/cluster/cluster
THROUGH_TUNNELS := domain:: ingest gc:: audit_tail:: follow:: runs:: item_delete::

.PHONY: test test-full check lint lake-up lake-down cluster-up cluster-down bench book

test: lake-up cluster-up lint
	$(CARGO) test --locked

test-full: export DASHICTL_TEST_FULL = 1
test-full: test
	DASHICTL_TEST_TUNNELS=1 $(CARGO) test --locked --test integration -- $(THROUGH_TUNNELS)
	$(CARGO) install --path . --locked --root target/installed
	target/installed/bin/dashictl --context sandbox doctor

check: lint
	$(CARGO) test --locked -- --skip real --skip k8s_ --skip tunnels:: --skip of_the_cluster

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

cluster-up:
	$(CLUSTER) install
	$(CLUSTER) reset
	$(CLUSTER) up

cluster-down:
	$(CLUSTER) down

bench:
	$(CARGO) bench --locked

# Beside its source: the program carries what lies there.
book:
	mkdir -p target/book
	cp -r docs examples target/book/
	$(CARGO) run --release --locked -- doc --markdown target/book/docs/src
	mdbook build target/book/docs
