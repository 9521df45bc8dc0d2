# Two commands matter: `cargo run --release` runs Trefoil, `make test` proves it.
.PHONY: run test setup fast fmt bench

run:            ## start Trefoil in development mode
	cargo run --release

test: setup     ## install what the tests need, then run all of them
	kit/run-tests

fast:           ## the tests that need no browser and nothing installed
	kit/run-tests fast

setup:          ## browsers, coturn and npm packages (Debian, as root)
	kit/lab/setup.sh

fmt:            ## format the Rust code
	cargo fmt

bench:          ## every benchmark, one after the other; results go to bench/RESULTS.md by hand
	for run in bench/*/run; do $$run || exit 1; done
