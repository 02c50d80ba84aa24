# What a person types; `make` alone lists it. After any of these the command is .venv/bin/newsletter

PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
BIN := .venv/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check install --no-deps --no-compile
CATALOGUES := $(wildcard newsletter/translations/*/LC_MESSAGES/messages.po)
LOCK := $(BIN)/uv --quiet pip compile --generate-hashes --universal --python-version 3.11 \
	--no-emit-index-url --no-emit-find-links --no-header --no-annotate
# As root, or as somebody who may be root without a password; elsewhere it fails.
APT_INSTALL := as_root=; test "$$(id -u)" = 0 || as_root="sudo -n"; \
	command -v apt-get > /dev/null && $$as_root true 2> /dev/null && $$as_root apt-get -qq update && \
	DEBIAN_FRONTEND=noninteractive $$as_root apt-get -qq install --yes --no-install-recommends
export PIP_ROOT_USER_ACTION := ignore
unexport PYTHONDONTWRITEBYTECODE  # without what is compiled once, every start takes three times as long

.PHONY: help setup demo run test bench chaos check browser compiler java translations lock clean
.DELETE_ON_ERROR:

help:
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/\1|\2/p' Makefile | while IFS='|' read -r name words; do \
		printf '  make %-14s%s\n' "$$name" "$$words"; done

demo: setup ## the whole main job, from signing up to the sent issue; PORT=8123 for another port
	@$(BIN)/newsletter demo $(if $(PORT),--port $(PORT))

run: setup ## everything in one place, for a trial of your own; PORT=8123 for another port
	@$(BIN)/newsletter run $(if $(PORT),--port $(PORT))

test: check browser compiler java .cache/postfix ## all checks, then all tests, on real servers
	@$(BIN)/pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder

chaos: .venv/.ready-for-tests $(CATALOGUES:.po=.mo) ## kill everything again and again, more often than the tests; CHAOS=5 for longer
	@CHAOS=$(or $(CHAOS),3) $(BIN)/pytest --durations=0 tests/chaos

bench: .venv/.ready-for-tests $(CATALOGUES:.po=.mo) compiler .cache/postfix ## how fast it is and what that costs; FULL=1 for all there is
	@$(BIN)/python -m tests.performance $(if $(FULL),--full) $(if $(OUT),--out $(OUT))

check: .venv/.ready-for-tests $(CATALOGUES:.po=.mo) ## formatting, lint, types, who may import whom
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports --no-logo > .venv/imports.log || { cat .venv/imports.log; exit 1; }
	@echo "Checked: formatting, lint, types, imports."

setup: .venv/.ready $(CATALOGUES:.po=.mo) ## install into .venv, nothing else

translations: .venv/.ready-for-tests ## bring the catalogues up to date with the words in the code
	@mkdir -p .cache
	@$(BIN)/pybabel --quiet extract --mapping-file babel.cfg --sort-by-file --no-wrap \
		--add-location file --output-file .cache/messages.pot .
	@$(BIN)/pybabel --quiet update --input-file .cache/messages.pot --output-dir newsletter/translations \
		--no-fuzzy-matching --no-wrap --ignore-obsolete --ignore-pot-creation-date

lock: .venv/.ready-for-tests ## choose the newest versions of what requirements*.in name
	@$(LOCK) --upgrade requirements.in --output-file requirements.txt
	@$(LOCK) --upgrade requirements-dev.in --output-file requirements-dev.txt

clean: ## remove what was installed and built; data in instance/ stays
	@rm -rf .venv .cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis *.egg-info
	@find newsletter tests -name __pycache__ -type d -exec rm -rf {} +
	@rm -f $(CATALOGUES:.po=.mo)

.venv/bin/pip:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed: PYTHON=/path/to/python3 make …" >&2; exit 1; }
	@$(PYTHON) -m venv .venv || { rm -rf .venv; \
		echo "Python cannot make a virtual environment; on Debian: apt-get install python3-venv" >&2; exit 1; }

.venv/.ready: requirements.txt pyproject.toml | .venv/bin/pip
	@echo "Installing into .venv (half a minute, the first time) …"
	@$(PIP) --require-hashes --requirement requirements.txt
	@$(PIP) --no-build-isolation --editable .
	@touch $@

.venv/.ready-for-tests: requirements-dev.txt | .venv/.ready
	@echo "Installing what tests and checks need …"
	@$(PIP) --require-hashes --requirement requirements-dev.txt
	@touch $@

%.mo: %.po | .venv/.ready
	@$(BIN)/pybabel --quiet compile --input-file $< --output-file $@

# Debian's Chromium, where it may be installed; elsewhere its tests are skipped, but never in CI.
browser:
	@command -v chromium > /dev/null || { \
		echo "Installing Chromium for the browser tests …"; \
		$(APT_INSTALL) chromium fonts-dejavu-core > /dev/null; \
		command -v chromium > /dev/null || { \
			echo "Chromium is not there: no browser tests. On Debian: apt-get install chromium"; \
			test "$$CI" != true; }; }

# For the sink of the benchmark, whose own test is among the others.
compiler:
	@command -v cc > /dev/null || command -v gcc > /dev/null || { \
		echo "Installing a C compiler for the benchmark's sink …"; \
		$(APT_INSTALL) gcc libc6-dev > /dev/null; \
		command -v cc > /dev/null || command -v gcc > /dev/null || { \
			echo "There is no C compiler: no test of the benchmark. On Debian: apt-get install gcc libc6-dev"; \
			test "$$CI" != true; }; }

# For the checker of HTML.
java:
	@command -v java > /dev/null || { \
		echo "Installing Java for the checker of HTML …"; \
		$(APT_INSTALL) default-jre-headless > /dev/null; \
		command -v java > /dev/null || { \
			echo "Java is not there: pages are not held against the HTML standard. On Debian: apt-get install default-jre-headless"; \
			test "$$CI" != true; }; }

# Postfix's smtp-sink, a second SMTP server for the tests: unpacked, not installed, so that nothing starts.
.cache/postfix:
	@command -v smtp-sink /usr/sbin/smtp-sink > /dev/null || { \
		mkdir -p .cache/deb && cd .cache/deb && echo "Fetching smtp-sink for the tests …" && \
		apt-get -qq download postfix > /dev/null 2>&1 && dpkg --extract postfix_*.deb ../postfix; } || { \
		echo "smtp-sink is not there: its test is left out. On Debian: apt-get install postfix"; \
		test "$$CI" != true; }
